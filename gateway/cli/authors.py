"""`scim-gateway new-backend`: the beginning of a backend of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backends.conformance.scaffold import write_scaffold
from gateway.cli import reporting


def new_backend(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Small letters and digits: `cmdb`.", show_default=False)],
    folder: Annotated[
        Path | None, typer.Option(help="Where the project is made.", show_default="a folder of its name, here")
    ] = None,
) -> None:
    """Begin a backend of one's own: a project that runs and passes the conformance suite as it is.

    Three methods read, three more write; none of them meets SCIM. Install the project beside the gateway
    (`pip install -e NAME-backend`) and `type: NAME` stands for it in configurations. Nothing is overwritten.
    """
    target = folder if folder is not None else Path(f"{name}-backend")
    try:
        files = write_scaffold(name, target)
    except (ValueError, OSError) as error:
        reporting.fail(str(error))
    for path in files:
        typer.echo(f"wrote {path}")
    typer.echo(f"next: pip install -e '{target}[test]' && pytest {target}")
