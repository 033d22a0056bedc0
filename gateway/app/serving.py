"""A gateway and the listeners it is reached by, both replaceable while requests come in (M9)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from gateway.app import listeners, succession
from gateway.app.blueprint import Blueprint
from gateway.app.gateway import Gateway, identities
from gateway.app.listeners import Listener, ListenError
from gateway.app.observation import Observation
from gateway.app.sockets import Sockets
from gateway.engine.audit import Trail
from gateway.server.boundary import LATE_SECONDS
from gateway.server.listener import Runner
from gateway.settings import SettingsError
from gateway.settings.model import ServerSettings


class Serving:
    """What serves in this process: `start` once, `reload` at will, `stop` once, also after a failed start."""

    def __init__(self, blueprint: Blueprint, observation: Observation, sockets: Sockets, trail: Trail | None) -> None:
        self._observation = observation
        self._sockets = sockets
        self._trail = trail
        store = identities(blueprint, observation, spans=observation.spans)
        url = self.root(blueprint.configuration.settings.server)
        self.gateway = Gateway(
            blueprint, observation, public_url=url, identities=store, trail=trail, spans=observation.spans
        )
        self._watching: asyncio.Task[None] | None = None
        self._metrics: Runner | None = None
        self._admin: Runner | None = None
        self._listener: Listener | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    def root(self, section: ServerSettings) -> str:
        """Give the root of all URLs clients use."""
        return section.public_url or f"http{'s' if section.tls else ''}://{self._sockets.scim.address}"

    async def start(self) -> None:
        """Begin to serve; raises as `Gateway.start`, and `ListenError`."""
        settings = self.gateway.blueprint.configuration.settings
        tls = listeners.tls_context(settings.server)
        await self.gateway.start()
        self._watching = self._observation.watch(self.gateway)
        self._metrics, self._admin = await self._plane(self.gateway)
        holder = self.gateway.holder
        self._listener = await listeners.serve(
            self._sockets.scim, holder, self._observation, settings.server, tls, self._observation.spans
        )

    async def stop(self) -> None:
        """Stop serving; requests under way are answered first."""
        if self._listener is not None:
            await self._listener.close()
        for runner in (self._admin, self._metrics):
            if runner is not None:
                await runner.cleanup()
        await asyncio.gather(*self._leaving)
        if self._watching is not None:
            self._watching.cancel()
            await self.gateway.stop()

    async def reload(self, blueprint: Blueprint) -> None:
        """Serve another configuration from now on, without losing a request.

        It is started whole beside what runs: raises `SettingsError` where it does not fit, and nothing has changed
        then. Returns when the last request of the old one has ended.
        """
        old, settings = self.gateway, blueprint.configuration.settings
        if problems := list(succession.problems(old.blueprint, blueprint)):
            raise SettingsError(problems)
        try:
            tls = listeners.tls_context(settings.server)
        except ListenError as error:
            raise SettingsError([blueprint.configuration.problem(("server", "tls"), str(error))]) from error
        new = Gateway(
            blueprint,
            self._observation,
            public_url=self.root(settings.server),
            identities=old.identities,
            trail=self._trail,
            predecessor=old,
            spans=self._observation.spans,
        )
        await new.start()
        try:
            if self._listener is not None:
                await self._listener.renew(settings.server, tls)
        except BaseException:
            await new.stop()
            raise
        new.succeed(old)
        self.gateway = new
        leaving = self._leave(self._retire(old))
        await self._relisten(new)
        # Whoever is told to end meanwhile does not cut off those who still use the old one.
        await asyncio.shield(leaving)

    async def _retire(self, old: Gateway) -> None:
        """Stop a gateway that has a successor, once no request uses it any more."""
        limits = old.blueprint.configuration.settings.server.limits
        await self.gateway.holder.left(limits.request_seconds + LATE_SECONDS)
        await old.stop()

    def _leave(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        return task

    async def _relisten(self, gateway: Gateway) -> None:
        """Have whoever scrapes and operates meet the new gateway and its tokens."""
        old = [runner for runner in (self._metrics, self._admin) if runner is not None]
        self._metrics, self._admin = await self._plane(gateway)
        for runner in old:
            self._leave(runner.cleanup())
        if self._watching is not None:
            self._watching.cancel()
        self._watching = self._observation.watch(gateway)

    async def _plane(self, gateway: Gateway) -> tuple[Runner | None, Runner | None]:
        """Serve metrics and the plane of operators, where there are any."""
        settings = gateway.blueprint.configuration.settings
        metrics = admin = None
        if settings.metrics is not None and self._sockets.metrics is not None:
            metrics = await listeners.serve_metrics(self._sockets.metrics, self._observation.registry, settings.metrics)
        if settings.admin is not None and self._sockets.admin is not None:
            admin = await listeners.serve_admin(
                self._sockets.admin, gateway, self._observation, settings.admin, self._observation.worker
            )
        return metrics, admin
