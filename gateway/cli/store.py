"""`scim-gateway store`: the gateway's own store, looked after."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import typer

from gateway.cli import reporting
from gateway.cli.configuration import Config, blueprint
from gateway.identity import IdentityError, schema

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
    found = _done(schema.check(_url(config)))
    typer.echo(f"the store is at step {found.step} of {schema.SCHEMA} and can be used")


@app.command("upgrade")
def upgrade(config: Config) -> None:
    """Bring the schema of the store up to date.

    One transaction under a lock: several may be started at once, and gateways of the version before go on working.
    """
    found = _done(schema.upgrade(_url(config)))
    typer.echo(f"the store is at step {found.step} of {schema.SCHEMA}")


def _url(config: Any) -> str:
    return blueprint(config).configuration.settings.store.url.get_secret_value()


def _done(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except IdentityError as error:
        reporting.fail(str(error))
