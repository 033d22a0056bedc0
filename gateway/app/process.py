"""The life of one process: take the addresses, start, serve until told to leave, leave without losing a request."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from gateway.app import listeners
from gateway.app.auditing import open_trail
from gateway.app.blueprint import Blueprint
from gateway.app.gateway import Gateway, identities
from gateway.app.listeners import ListenError
from gateway.app.observation import Observation
from gateway.settings.values import Address


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that serves.

    `url` is the root clients use. `metrics` and `admin` are where metrics and the plane of operators are, None if
    nowhere; `metrics_error` says why metrics are not where they should be.
    """

    gateway: Gateway
    url: str
    address: Address
    metrics: Address | None = None
    admin: Address | None = None
    metrics_error: str | None = None

    def tenant_url(self, name: str) -> str:
        """Give the SCIM root of a tenant."""
        return f"{self.url}/{name}/scim/v2"


Ready = Callable[[Running], None]


@asynccontextmanager
async def running(
    blueprint: Blueprint, observation: Observation, *, metrics_needed: bool = True
) -> AsyncIterator[Running]:
    """Serve for the length of the block; requests under way at its end are answered before it is left.

    Raises `ListenError` if an address is taken, `SettingsError` and `IdentityError` as `Gateway.start` does. With
    `metrics_needed` False a metrics address that is taken is told and left alone.
    """
    settings = blueprint.configuration.settings
    tls = listeners.tls_context(settings.server)
    async with AsyncExitStack() as stack:
        bound = listeners.bind(settings.server.listen)
        stack.callback(bound.close)
        metrics = metrics_error = None
        if settings.metrics is not None:
            try:
                metrics = listeners.bind(settings.metrics.listen)
                stack.callback(metrics.close)
            except ListenError as error:
                if metrics_needed:
                    raise
                metrics_error = str(error)
        admin = None
        if settings.admin is not None:
            admin = listeners.bind(settings.admin.listen)
            stack.callback(admin.close)
        trail = open_trail(blueprint.configuration, observation.audit_failed)
        if trail is not None:
            stack.callback(trail.close)
        url = settings.server.public_url or f"http{'s' if tls else ''}://{bound.address}"
        store = identities(blueprint, observation)
        gateway = Gateway(blueprint, observation, public_url=url, identities=store, trail=trail)
        await gateway.start()
        stack.push_async_callback(gateway.stop)
        stack.callback(observation.watch(gateway).cancel)
        if settings.metrics is not None and metrics is not None:
            runner = await listeners.serve_metrics(metrics, observation.registry, settings.metrics)
            stack.push_async_callback(runner.cleanup)
        if settings.admin is not None and admin is not None:
            runner = await listeners.serve_admin(admin, gateway, observation, settings.admin)
            stack.push_async_callback(runner.cleanup)
        listener = await listeners.serve(bound, gateway.holder, observation, settings.server, tls)
        stack.push_async_callback(listener.close)
        yield Running(
            gateway,
            url,
            bound.address,
            metrics=metrics.address if metrics else None,
            admin=admin.address if admin else None,
            metrics_error=metrics_error,
        )


async def serve(blueprint: Blueprint, observation: Observation, *, ready: Ready, metrics_needed: bool = True) -> None:
    """Serve until the process is told to end (SIGTERM, or SIGINT from Ctrl-C); `ready` is called once it serves."""
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave.set)
    try:
        async with running(blueprint, observation, metrics_needed=metrics_needed) as served:
            ready(served)
            await leave.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
