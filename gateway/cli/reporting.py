"""How the program speaks: results on the standard output, problems on the error output, colours only on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

import typer

from gateway.settings import Problem, SettingsError


def problems(found: Iterable[Problem]) -> int:
    """Print problems, one a line with file and line; give their number."""
    count = 0
    for problem in found:
        place = typer.style(str(problem.place), bold=True)
        where = typer.style(f"{problem.where}: ", fg="cyan") if problem.where else ""
        typer.echo(f"{place}: {where}{problem.reason}", err=True)
        count += 1
    return count


def refuse(error: SettingsError) -> NoReturn:
    """Print what is wrong with a configuration and end with 1."""
    count = problems(error.problems)
    typer.echo(f"{count} problem{'s' if count > 1 else ''}; nothing was started", err=True)
    raise typer.Exit(1)


def fail(sentence: str) -> NoReturn:
    """Print why the command cannot be done and end with 1."""
    typer.echo(sentence, err=True)
    raise typer.Exit(1)
