"""`scim-gateway store`: the gateway's own store, looked after."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from backends.contract import BackendError
from gateway.app.census import accounts
from gateway.cli import reporting
from gateway.cli.configuration import Config, blueprint
from gateway.identity import IdentityError, schema, upkeep
from gateway.settings import SettingsError
from gateway.settings.model import StoreSettings

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True)


@app.callback()
def store() -> None:
    """Look after the gateway's own store: the id map and what the gateway keeps.

    `serve` brings the schema of a store up to date by itself; where the program may not do that, or several are
    started at once, do it before with `upgrade`.
    """


@app.command("check")
def check(config: Config) -> None:
    """Say whether this program may use the store of a configuration."""
    section = blueprint(config).configuration.settings.store
    found = _done(schema.check(_url(section)))
    typer.echo(f"the store is at step {found.step} of {schema.SCHEMA} and can be used")


@app.command("upgrade")
def upgrade(config: Config) -> None:
    """Bring the schema of the store up to date.

    One transaction under a lock: several may be started at once, and gateways of the version before go on working.
    """
    section = blueprint(config).configuration.settings.store
    found = _done(schema.upgrade(_url(section)))
    typer.echo(f"the store is at step {found.step} of {schema.SCHEMA}")


@app.command("export")
def export(
    config: Config,
    output: Annotated[Path | None, typer.Option(help="The file to write.", show_default="the standard output")] = None,
) -> None:
    """Write the whole store as lines of JSON, while gateways go on using it.

    With the id key an export is what a lost store is restored from; keep it as safe as the store itself.
    """
    section = blueprint(config).configuration.settings.store
    try:
        target = sys.stdout if output is None else output.open("x", encoding="utf-8")
    except OSError as error:
        reporting.fail(f"{output} cannot be written: {error.strerror}")
    with target:
        lines = _done(_write(section, target.write))
    typer.echo(f"{lines} lines exported", err=True)


@app.command("restore")
def restore(
    config: Config,
    file: Annotated[Path, typer.Argument(metavar="EXPORT", help="What `store export` wrote.", show_default=False)],
) -> None:
    """Add what an export holds; what the store has already stays as it is."""
    section = blueprint(config).configuration.settings.store
    try:
        with file.open(encoding="utf-8") as lines:
            done = _done(upkeep.restore(_url(section), _each(lines), id_key=_key(section)))
    except (OSError, UnicodeDecodeError) as error:
        reporting.fail(f"{file} cannot be read: {error}")
    typer.echo(f"restored {done.rows}, left as they are {done.skipped}")


@app.command("rebuild")
def rebuild(
    config: Config,
    known: Annotated[
        Path | None, typer.Option(help="Lines of `tenant id` that clients still use; those lost are listed.")
    ] = None,
) -> None:
    """Give every account of the backends the id it had, as far as that can be worked out again.

    That is so for accounts whose key was never renamed or used before; restore the newest export first, if there is
    one. What clients knew by then lost ids is listed, and ends the command with 1.
    """
    drawn = blueprint(config)
    section = drawn.configuration.settings.store
    pairs = [] if known is None else list(_pairs(known))
    done = _done(upkeep.rebuild(_url(section), accounts(drawn), id_key=_key(section), known=pairs))
    typer.echo(f"present {done.present}, rebuilt {done.minted}")
    for tenant, id in done.at_risk:
        typer.echo(f"only an export carries {tenant} {id}")
    for tenant, id in done.lost:
        typer.echo(f"lost {tenant} {id}", err=True)
    if done.lost:
        raise typer.Exit(1)


async def _write(section: StoreSettings, write: Any) -> int:
    count = 0
    async for line in upkeep.export(_url(section), id_key=_key(section)):
        write(line)
        count += 1
    return count


async def _each(lines: Any) -> AsyncIterator[str]:
    for line in lines:
        yield line


def _pairs(file: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reporting.fail(f"{file} cannot be read: {error}")
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if words and len(words) != 2:
            reporting.fail(f"{file}:{number}: write a tenant and an id")
        if words:
            yield words[0], words[1]


def _url(section: StoreSettings) -> str:
    return section.url.get_secret_value()


def _key(section: StoreSettings) -> bytes:
    return section.id_key.get_secret_value().encode("utf-8")


def _done(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except SettingsError as error:
        reporting.refuse(error)
    except (IdentityError, BackendError) as error:
        reporting.fail(str(error))
