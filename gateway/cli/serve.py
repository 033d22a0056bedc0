"""`scim-gateway serve`: the gateway of a configuration, in the foreground."""

from __future__ import annotations

import asyncio
import functools
import importlib
import logging
import os
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import typer

from gateway import app
from gateway.app import Blueprint, ListenError, Observation, Ready, Running, supervision, supervisor, tracing
from gateway.app.reloading import Origin
from gateway.app.sockets import Sockets
from gateway.cli import reporting
from gateway.cli.configuration import Config, blueprint, read
from gateway.cli.plane import Place
from gateway.identity import IdentityError
from gateway.settings import SettingsError
from gateway.telemetry.traces import Spans

T = TypeVar("T")


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
    watch: Annotated[bool, typer.Option("--watch", help="Read the configuration anew when its files change.")] = False,
    inherit: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Serve a configuration until the process is told to end (Ctrl-C, SIGTERM).

    The configuration is checked whole before anything starts. A backend that cannot be reached leaves its own tenants
    at 503 until it can, and stops nobody else. On SIGTERM requests under way are answered before the process ends. On
    SIGHUP the configuration is read anew and taken whole, or refused whole; no request is lost either way.
    """
    drawn = blueprint(config)
    origin = Origin(config, lambda: read(config))
    if workers > 1:
        _supervise(drawn, origin, log_level, workers, watch=watch)
    elif inherit:
        _work(drawn, origin, log_level, inherit)
    else:
        run(drawn, log_level.number, lambda served: _tell(served, str(config)), origin=origin, watch=watch)


def run(
    drawn: Blueprint,
    level: int,
    ready: Ready,
    *,
    metrics_needed: bool = True,
    origin: Origin | None = None,
    watch: bool = False,
) -> None:
    """Serve a blueprint; end the program with a sentence if that cannot be done."""
    with _traced() as spans:
        observation = Observation.of_process(level, spans=spans)
        _complete(app.serve(drawn, observation, ready=ready, metrics_needed=metrics_needed, origin=origin, watch=watch))


def _supervise(drawn: Blueprint, origin: Origin, level: LogLevel, workers: int, *, watch: bool) -> None:
    reasons = list(supervisor.problems(drawn.configuration.settings, workers))
    if reasons:
        reporting.fail("\n".join(f"--workers {workers}: {reason}" for reason in reasons))
    settings = drawn.configuration.settings
    command = supervisor.program(("serve", str(origin.path), "--log-level", level.value))

    say = _voice(drawn)

    def ready(sockets: Sequence[Sockets]) -> None:
        address = sockets[0].scim.address
        root = settings.server.public_url or f"http{'s' if settings.server.tls else ''}://{address}"
        say(f"serving {origin.path} at {root} with {workers} workers")
        for name in sorted(drawn.tenants):
            say(f"  {root}/{name}/scim/v2")
        if sockets[0].admin is not None:
            say(f"operators at {Place(sockets[0].admin.address)}")
        for one in sockets:
            if one.metrics is not None:
                say(f"metrics at http://{one.metrics.address}/metrics")

    code = _complete(
        supervision.supervise(
            drawn,
            Observation.of_process(level.number),
            origin,
            command,
            workers=workers,
            watch=watch,
            ready=ready,
        )
    )
    if code:
        typer.echo("a worker did not come to serve; nothing was started", err=True)
        raise typer.Exit(code)


def _work(drawn: Blueprint, origin: Origin, level: LogLevel, inherit: str) -> None:
    """Serve as one of several, with what the supervisor has handed on."""
    try:
        given = supervision.Inheritance.read(inherit, drawn.configuration.settings)
    except (ListenError, ValueError) as error:
        reporting.fail(f"--inherit: {error}")
    with _traced() as spans:
        _complete(
            app.serve(
                drawn,
                Observation.of_process(level.number, given.number, spans),
                ready=lambda served: None,
                origin=origin,
                sockets=given.sockets,
                overseer=given.overseer,
            )
        )


@contextmanager
def _traced() -> Iterator[Spans]:
    """Give what begins spans; those that wait are sent at the end."""
    try:
        spans, end = tracing.spans_of(os.environ)
    except tracing.TracingError as error:
        reporting.fail(str(error))
    try:
        yield spans
    finally:
        end()


def _complete(work: Coroutine[Any, Any, T]) -> T:
    """Run the loop of the process; end the program with a sentence if something stands in the way."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(work)
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


def _voice(drawn: Blueprint) -> Callable[[str], None]:
    """Speak on the standard output, but leave it to the audit trail where that goes there."""
    audit = drawn.configuration.settings.audit
    return functools.partial(typer.echo, err=audit is not None and audit.to == "stdout")


def _tell(served: Running, config: str) -> None:
    say = _voice(served.gateway.blueprint)
    say(f"serving {config} at {served.url}")
    pending = set(served.gateway.pending())
    for name in sorted(served.gateway.blueprint.tenants):
        note = "  (its system was not reached yet: 503 until it is)" if name in pending else ""
        say(f"  {served.tenant_url(name)}{note}")
    if served.admin is not None:
        say(f"operators at {Place(served.admin)}")
    if served.metrics is not None:
        say(f"metrics at http://{served.metrics}/metrics")
