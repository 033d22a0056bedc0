"""`scim-gateway serve`: the gateway of a configuration, in the foreground."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

from gateway import app
from gateway.app import Blueprint, ListenError, Observation, Ready, Running
from gateway.cli import reporting
from gateway.cli.configuration import Config, blueprint
from gateway.identity import IdentityError
from gateway.settings import SettingsError


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"

    @property
    def number(self) -> int:
        """The level as the standard library counts."""
        return logging.getLevelNamesMapping()[self.upper()]


def serve(
    config: Config,
    log_level: Annotated[LogLevel, typer.Option(help="What is written to the error output.")] = LogLevel.INFO,
    workers: Annotated[int, typer.Option(min=1, help="Processes; more than one needs PostgreSQL and Redis.")] = 1,
) -> None:
    """Serve a configuration until the process is told to end (Ctrl-C, SIGTERM).

    The configuration is checked whole before anything starts. A backend that cannot be reached leaves its own tenants
    at 503 until it can, and stops nobody else. On SIGTERM requests under way are answered before the process ends.
    """
    if workers > 1:
        reporting.fail("--workers: only one process serves a configuration; start one for each machine or container")
    drawn = blueprint(config)
    run(drawn, log_level.number, lambda served: _tell(served, str(config)))


def run(drawn: Blueprint, level: int, ready: Ready, *, metrics_needed: bool = True) -> None:
    """Serve a blueprint; end the program with a sentence if that cannot be done."""
    serving = app.serve(drawn, Observation.of_process(level), ready=ready, metrics_needed=metrics_needed)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serving)
    except SettingsError as error:
        reporting.refuse(error)
    except (ListenError, IdentityError) as error:
        reporting.fail(str(error))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Use uvloop where it is installed (the extra of that name); asyncio's own loop elsewhere."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _tell(served: Running, config: str) -> None:
    typer.echo(f"serving {config} at {served.url}")
    pending = set(served.gateway.pending())
    for name in sorted(served.gateway.blueprint.tenants):
        note = "  (its system was not reached yet: 503 until it is)" if name in pending else ""
        typer.echo(f"  {served.tenant_url(name)}{note}")
    if served.admin is not None:
        typer.echo(f"operators at http://{served.admin}")
    if served.metrics is not None:
        typer.echo(f"metrics at http://{served.metrics}/metrics")
