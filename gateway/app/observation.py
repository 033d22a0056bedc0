"""Telemetry of one process: a registry, a logger, one observer for all rooms, and what is read on every scrape."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import datetime
from pathlib import Path

from cryptography import x509
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from structlog.typing import FilteringBoundLogger

from backends.pools import Pool, Pooled
from gateway.app.gateway import Gateway
from gateway.engine.breaker import State
from gateway.engine.guard import Guard
from gateway.server.auth import StaticTokens
from gateway.server.traffic.brake import KINDS, TalliesUnavailable
from gateway.settings import Problem
from gateway.settings.model import ServerSettings
from gateway.telemetry import logs
from gateway.telemetry.loop import watch_lag
from gateway.telemetry.metrics import Metrics, Tenants
from gateway.telemetry.observer import TelemetryObserver
from gateway.telemetry.traces import NoSpans, Spans

MOST_TENANTS = 100
"""Tenants with a label of their own in metrics; the others share one (M1)."""

BRAKE_SECONDS = 5.0
"""How often the brakes are looked at for metrics."""

Readings = Callable[[], Iterable[tuple[tuple[str, ...], float]]]


class Observation(TelemetryObserver):
    """Fulfils the observers of all rooms, and those of `contact`. `worker` is this process's number among several."""

    def __init__(
        self,
        logger: FilteringBoundLogger,
        registry: CollectorRegistry,
        spans: Spans | None = None,
        worker: int | None = None,
    ) -> None:
        self.registry = registry
        self.worker = worker
        self.spans = spans or NoSpans()
        self.metrics = Metrics(registry)
        self.logger = logger
        super().__init__(self.metrics, logger, tenants=Tenants(MOST_TENANTS))

    @classmethod
    def of_process(cls, level: int, worker: int | None = None, spans: Spans | None = None) -> Observation:
        """Observe the whole process: lines go to the error output, as JSON where nobody reads along, and what
        libraries log goes the same way. `worker` is its number among several."""
        if sys.stderr.isatty():
            logger = logs.console_logger(sys.stderr, level)
        else:
            logger = logs.json_logger(sys.stderr.buffer, level)
        if worker is not None:
            logger = logger.bind(worker=worker)
        logs.install(logger, level)
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        return cls(logger, registry, spans, worker)

    def backend_reached(self, backend: str) -> None:
        """Tell of a first contact."""
        self.logger.info("a backend was reached", backend=backend)

    def backend_unreached(self, backend: str, error: BaseException, pause: float) -> None:
        """Tell of a first contact that failed."""
        self.logger.warning("a backend was not reached", backend=backend, seconds=round(pause, 1), exc_info=error)

    def cache_state(self, usable: bool) -> None:
        """Tell that the shared cache came or went; requests go on either way."""
        if usable:
            self.logger.info("the shared cache is used")
        else:
            self.logger.warning("the shared cache failed and is left aside")

    def worker_started(self, worker: int, pid: int) -> None:
        """Tell of a process that was started."""
        self.logger.info("a worker was started", worker=worker, pid=pid)

    def worker_ended(self, worker: int, pid: int, code: int, *, expected: bool) -> None:
        """Tell of a process that ended; `code` is negative for a signal."""
        if expected:
            self.logger.info("a worker has left", worker=worker, pid=pid, code=code)
        else:
            self.logger.error("a worker ended and is started again", worker=worker, pid=pid, code=code)

    def worker_stuck(self, worker: int, pid: int) -> None:
        """Tell of a process whose loop does not turn."""
        self.logger.error("a worker does not answer and is killed", worker=worker, pid=pid)

    def reload_began(self) -> None:
        """Tell that the configuration is read anew."""
        self.logger.info("the configuration is read anew")

    def reload_done(self) -> None:
        """Tell that another configuration serves."""
        self.metrics.child("reloads", "done").inc()
        self.logger.info("the configuration was taken")

    def reload_refused(self, problems: Iterable[Problem]) -> None:
        """Tell what is wrong with a configuration, a line for each problem; the old one serves on."""
        self.metrics.child("reloads", "refused").inc()
        for one in problems:
            reason = f"{one.where}: {one.reason}" if one.where else one.reason
            place = {"file": str(one.place.file), "line": one.place.line}
            self.logger.error("the configuration was refused, the old one serves on", **place, reason=reason)

    def reload_failed(self, error: BaseException) -> None:
        """Tell of a reload that failed for another reason; the old configuration serves on."""
        self.metrics.child("reloads", "failed").inc()
        self.logger.error("the configuration could not be taken, the old one serves on", exc_info=error)

    def watch(self, gateway: Gateway) -> asyncio.Task[None]:
        """Read the state of a running gateway on every scrape, and measure the loop; cancel the task at its end."""
        brakes = _Brakes(gateway)
        settings = gateway.blueprint.configuration.settings
        self.serve(settings.tenants)
        self.metrics.read("backend_breaker", lambda: _breakers(gateway))
        self.metrics.read("backend_reached", lambda: _reached(gateway))
        self.metrics.read("backend_calls_in_flight", lambda: _guards(gateway, lambda guard: guard.under_way))
        self.metrics.read("backend_calls_waiting", lambda: _guards(gateway, lambda guard: guard.waiting))
        self.metrics.read("backend_calls_limit", lambda: _guards(gateway, lambda guard: guard.concurrency))
        self.metrics.read("backend_queue_limit", lambda: _guards(gateway, lambda guard: guard.queue))
        self.metrics.read("backend_pool_used", lambda: _pools(gateway, lambda pool: pool.used))
        self.metrics.read("backend_pool_limit", lambda: _pools(gateway, lambda pool: pool.limit))
        self.metrics.read("backend_pool_waiting", lambda: _pools(gateway, lambda pool: pool.waiting))
        self.metrics.read("backend_pool_wait_seconds", lambda: _pools(gateway, lambda pool: pool.waited))
        self.metrics.read("identity_cache_usable", lambda: [((), float(gateway.identities.cache_usable))])
        self.metrics.read("token_created_timestamp_seconds", lambda: _tokens(gateway, lambda tokens: tokens.created))
        self.metrics.read("token_expiry_timestamp_seconds", lambda: _tokens(gateway, lambda tokens: tokens.expiries))
        self.metrics.read("token_last_use_timestamp_seconds", lambda: _tokens(gateway, lambda tokens: tokens.last_used))
        self.metrics.read("certificate_expiry_timestamp_seconds", _certificate(settings.server))
        self.metrics.read("brake_engaged", brakes.read)
        self.metrics.read("jwks_age_seconds", lambda: _ages(gateway))
        return asyncio.create_task(_together(watch_lag(self.metrics), brakes.watch()), name="telemetry")


class _Brakes:
    """What is known of the brakes; asked for now and then, for a scrape cannot wait for an answer."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._engaged: frozenset[tuple[str, str]] = frozenset()

    async def watch(self) -> None:
        """Ask for ever."""
        while self._gateway.counters is not None:
            with contextlib.suppress(TalliesUnavailable):  # what was known last holds until it can be asked again
                engaged = await self._gateway.counters.tallies.engaged()
                self._engaged = frozenset((one.tenant, one.kind) for one in engaged)
            await asyncio.sleep(BRAKE_SECONDS)

    def read(self) -> Iterable[tuple[tuple[str, ...], float]]:
        """Give 1 for each brake that holds, 0 for each other one that could."""
        for name, section in self._gateway.blueprint.configuration.settings.tenants.items():
            for kind in KINDS:
                if getattr(section.brake, kind) is not None:
                    yield (name, kind), float((name, kind) in self._engaged)


async def _together(*work: Coroutine[None, None, None]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for one in work:
            tasks.create_task(one)


def _breakers(gateway: Gateway) -> Iterable[tuple[tuple[str, ...], float]]:
    for name, guard in gateway.guards.items():
        yield from (((name, state.value), float(guard.state is state)) for state in State)


def _guards(gateway: Gateway, count: Callable[[Guard], int]) -> Iterable[tuple[tuple[str, ...], float]]:
    for name, guard in gateway.guards.items():
        yield (name,), float(count(guard))


def _pools(gateway: Gateway, count: Callable[[Pool], float]) -> Iterable[tuple[tuple[str, ...], float]]:
    """Give what backends with pools of their own tell of them."""
    for name, backend in gateway.blueprint.backends.items():
        for pool in backend.pools() if isinstance(backend, Pooled) else ():
            yield (name, pool.name), float(count(pool))


def _reached(gateway: Gateway) -> Iterable[tuple[tuple[str, ...], float]]:
    for name, contact in gateway.contacts.items():
        yield (name,), float(contact.reached)


def _ages(gateway: Gateway) -> Iterable[tuple[tuple[str, ...], float]]:
    """Give the age of the keys of each issuer whose keys were needed so far."""
    for labels, keys in gateway.callers.fetched.items() if gateway.callers is not None else ():
        if (age := keys.age) is not None:
            yield labels, age


def _tokens(
    gateway: Gateway, moments: Callable[[StaticTokens], Mapping[str, datetime]]
) -> Iterable[tuple[tuple[str, ...], float]]:
    for name, tokens in gateway.callers.tokens.items() if gateway.callers is not None else ():
        for token, moment in moments(tokens).items():
            yield (name, token), moment.timestamp()


def _certificate(section: ServerSettings) -> Readings:
    if section.tls is None:
        return lambda: ()
    ends = certificate_end(section.tls.certificate)
    return lambda: [(("scim",), ends)]


def certificate_end(path: Path) -> float:
    """Read until when the first certificate of a PEM file holds, in Unix time."""
    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc.timestamp()
