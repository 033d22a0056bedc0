"""`scim-gateway check`: everything that is wrong with a configuration, with file and line."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from gateway.app.verification import verify
from gateway.cli import reporting
from gateway.cli.configuration import Config, blueprint
from gateway.settings import SettingsError


def check(
    config: Config,
    online: Annotated[
        bool, typer.Option("--online", help="Also meet the backends, and compare with their tables and fields.")
    ] = False,
) -> None:
    """Say what is wrong with a configuration, every problem with file and line.

    Nothing is served and nothing is written. Without --online no system is contacted. Ends with 0 if all is well and
    with 1 if not, so that a pipeline can stop there.
    """
    drawn = blueprint(config)
    if online and (found := asyncio.run(verify(drawn))):
        reporting.refuse(SettingsError(found))
    resources = sum(len(tenant.resources) for tenant in drawn.tenants.values())
    what = "and fits the systems behind it" if online else "as far as that can be told without meeting a system"
    counts = f"backends: {len(drawn.backends)}, tenants: {len(drawn.tenants)}, resource types: {resources}"
    typer.echo(f"{config} is well, {what} ({counts})")
