"""The life of one process: take the addresses, start, serve until told to leave, leave without losing a request."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

from gateway.app import memory
from gateway.app import sockets as addresses
from gateway.app.auditing import open_trail
from gateway.app.blueprint import Blueprint
from gateway.app.gateway import Gateway
from gateway.app.observation import Observation
from gateway.app.overseers import Overseer, Systemd, beat
from gateway.app.reloading import Origin, Reloading
from gateway.app.serving import Serving
from gateway.app.sockets import Sockets
from gateway.settings.values import Address, SocketPath


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that serves.

    `url` is the root clients use. `metrics` and `admin` are where metrics and the plane of operators are, None if
    nowhere; `metrics_error` says why metrics are not where they should be.
    """

    serving: Serving
    url: str
    address: Address
    metrics: Address | None = None
    admin: Address | SocketPath | None = None
    metrics_error: str | None = None

    @property
    def gateway(self) -> Gateway:
        """The gateway of the present configuration."""
        return self.serving.gateway

    def tenant_url(self, name: str) -> str:
        """Give the SCIM root of a tenant."""
        return f"{self.url}/{name}/scim/v2"


Ready = Callable[[Running], None]


@asynccontextmanager
async def running(
    blueprint: Blueprint,
    observation: Observation,
    *,
    metrics_needed: bool = True,
    sockets: Sockets | None = None,
) -> AsyncIterator[Running]:
    """Serve for the length of the block; requests under way at its end are answered before it is left.

    Raises `ListenError` if an address is taken, `SettingsError` and `IdentityError` as `Gateway.start` does. With
    `metrics_needed` False a metrics address that is taken is told and left alone. `sockets` are addresses somebody else
    took; they are closed at the end as well.
    """
    async with AsyncExitStack() as stack:
        taken = sockets or addresses.take(blueprint.configuration.settings, metrics_needed=metrics_needed)
        stack.callback(taken.close)
        trail = open_trail(blueprint.configuration, observation.audit_failed)
        if trail is not None:
            stack.callback(trail.close)
        serving = Serving(blueprint, observation, taken, trail)
        stack.push_async_callback(serving.stop)
        await serving.start()
        yield Running(
            serving,
            serving.root(blueprint.configuration.settings.server),
            taken.scim.address,
            metrics=taken.metrics.address if taken.metrics else None,
            admin=taken.admin.address if taken.admin else None,
            metrics_error=taken.metrics_error,
        )


async def serve(
    blueprint: Blueprint,
    observation: Observation,
    *,
    ready: Ready,
    metrics_needed: bool = True,
    origin: Origin | None = None,
    watch: bool = False,
    sockets: Sockets | None = None,
    overseer: Overseer | None = None,
) -> None:
    """Serve until the process is told to end (SIGTERM, or SIGINT from Ctrl-C); `ready` is called once it serves.

    With `origin` SIGHUP reads the configuration anew, and with `watch` so does a change of its files. `overseer` is
    told how the process is: systemd, if it is nobody else.
    """
    leave = asyncio.Event()
    told = overseer or Systemd(os.environ)
    async with AsyncExitStack() as stack:
        stack.enter_context(signals({signal.SIGTERM: leave.set, signal.SIGINT: leave.set}))
        served = await stack.enter_async_context(
            running(blueprint, observation, metrics_needed=metrics_needed, sockets=sockets)
        )
        stack.callback(told.stopping)
        work = [beat(told, leave.set)]
        if origin is not None:
            reloading = Reloading(served.serving, origin, observation, told)
            stack.enter_context(signals({signal.SIGHUP: reloading.ask}))
            work.append(reloading.run())
            if watch:
                work.append(reloading.watch())
        tasks = [asyncio.create_task(one) for one in work]
        stack.push_async_callback(_end, tasks)
        stack.enter_context(memory.settled())
        ready(served)
        told.ready()
        await leave.wait()


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def signals(handlers: Mapping[signal.Signals, Callable[[], object]]) -> Iterator[None]:
    """Handle signals in the running loop for the length of the block."""
    loop = asyncio.get_running_loop()
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
