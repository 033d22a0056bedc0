"""The running gateway: the store, the guarded backends, the engine, and the site that is served with them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from gateway import identity
from gateway.app import sites, succession
from gateway.app.blueprint import Blueprint, TenantPlan
from gateway.app.callers import Callers, addresses, proxies
from gateway.app.contact import Contact, ContactObserver, Described
from gateway.app.residence import housed
from gateway.app.traffic import Counters, bounds
from gateway.engine.accounts import Accounts
from gateway.engine.audit import NoTrail, Trail
from gateway.engine.bulk import Bulk
from gateway.engine.guard import Bounds, Guard
from gateway.engine.links import Resolver
from gateway.engine.observer import Observer
from gateway.engine.queries import Queries
from gateway.engine.render import Renderer
from gateway.engine.resources import Resources
from gateway.engine.search import Search
from gateway.identity import IdentityMap, LookupObserver, StoreUnavailableError, utc_now
from gateway.server.site import Site, SiteHolder, TenantSite
from gateway.settings import SettingsError
from gateway.settings.model import BackendLimitSettings
from gateway.telemetry.traces import Spans

FIRST_CONTACT = 5.0
"""How long the start waits for backends; those that need longer join later, with their tenants."""
RETRY_AFTER = 10.0


class Observers(Observer, ContactObserver, LookupObserver, Protocol):
    """Who is told what the rooms do."""


class Gateway:
    """A blueprint brought to life. `start` once, `stop` once; `holder` has the site that is served in between."""

    def __init__(
        self,
        blueprint: Blueprint,
        observer: Observers,
        *,
        public_url: str,
        identities: IdentityMap,
        trail: Trail | None = None,
        predecessor: Gateway | None = None,
        spans: Spans | None = None,
    ) -> None:
        """With a `predecessor`, which serves, what need not change is taken over from it: see `succession`."""
        old = predecessor
        self._kept = {} if old is None else succession.kept(old.blueprint, blueprint, old.guards)
        running = {name: guard.backend for name, guard in self._kept.items()}
        own = housed(blueprint.backends, lambda: identities.database)
        self.blueprint: Blueprint = replace(blueprint, backends={**own, **running})
        self._predecessor = predecessor
        self._spans = spans
        self._lent = frozenset(self._kept)
        self._resources: Resources | None = None
        self._trail = trail or NoTrail()
        self._observer = observer
        self._public_url = public_url
        self._described: dict[str, Described] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.contacts: dict[str, Contact] = {}
        self.guards: dict[str, Guard] = {}
        self.identities = identities
        self.callers: Callers | None = None
        self.counters: Counters | None = None
        self._holder: SiteHolder | None = None
        self._left = False

    @property
    def holder(self) -> SiteHolder:
        """What the server answers requests with; there is none before `start`."""
        if self._holder is None:
            raise RuntimeError("the gateway has not been started")
        return self._holder

    async def start(self) -> None:
        """Open the store, meet the backends, and be ready to serve.

        Waits for backends for a few seconds at most. Raises `SettingsError` where one that was met does not fit the
        configuration, and `IdentityError` where the store cannot be used; what was opened is closed again.
        """
        try:
            if self._predecessor is None:
                await self.identities.start()
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        clock = asyncio.get_running_loop().time
        settings = self.blueprint.configuration.settings
        predecessor = self._predecessor
        self.counters = None if predecessor is None else predecessor.counters
        if self.counters is None:
            self.counters = Counters(settings.shared_cache, clock=clock)
        id_key = settings.store.id_key.get_secret_value().encode("utf-8")
        self.callers = Callers(id_key, self._public_url, self.counters.seen, now=utc_now, clock=clock)
        self.guards = {
            name: self._kept.get(name)
            or Guard(
                name,
                backend,
                self._observer,
                guard_bounds(settings.backends[name].limits if name in settings.backends else BackendLimitSettings()),
                clock=clock,
                spans=self._spans,
            )
            for name, backend in self.blueprint.backends.items()
        }
        self._holder = SiteHolder(self._site(clock, self.callers, self.counters))
        self.contacts = {
            name: Contact(guard, self.blueprint.entities(name), self._met, self.blueprint.misfit, self._observer)
            for name, guard in self.guards.items()
        }
        self._tasks = [
            asyncio.create_task(contact.run(), name=f"contact {name}") for name, contact in self.contacts.items()
        ]
        tried = [asyncio.create_task(contact.tried.wait()) for contact in self.contacts.values()]
        _, late = await asyncio.wait(tried, timeout=FIRST_CONTACT)
        for task in late:
            task.cancel()
        wrong = [contact.error for contact in self.contacts.values() if isinstance(contact.error, SettingsError)]
        if wrong:
            raise SettingsError([problem for error in wrong for problem in error.problems])

    def succeed(self, predecessor: Gateway) -> None:
        """Serve in place of `predecessor` from now on, once started as its successor.

        What was taken over belongs to this one then; the predecessor is to be stopped when no request uses it any more.
        """
        site, self._holder = self.holder.site, predecessor.holder
        self._holder.put(site)
        self._predecessor, self._lent = None, frozenset()
        predecessor._lent, predecessor._left = frozenset(self._kept), True

    async def stop(self) -> None:
        """Close everything, also after a failed start; what fails to close does not keep the rest open.

        What belongs to a predecessor or was taken over by a successor is left alone.
        """
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._resources is not None:
            # A change whose client is gone is still made, and needs backend and store for it.
            await self._resources.settle()
        own = {name: guard for name, guard in self.guards.items() if name not in self._lent}
        stops = [guard.stop() for guard in own.values()]
        for name, result in zip(own, await asyncio.gather(*stops, return_exceptions=True), strict=True):
            if isinstance(result, BaseException):
                self._observer.backend_fault(name, "", "stop", result)
        if self.callers is not None:
            await self.callers.stop()
        if self._predecessor is not None or self._left:
            return
        if self.counters is not None:
            await self.counters.stop()
        await self.identities.stop()

    async def complete(self) -> None:
        """Wait until every backend was met and every tenant is served."""
        await asyncio.gather(*self._tasks)

    def pending(self) -> list[str]:
        """Name the tenants that are not served yet."""
        return sorted(name for name, site in self.holder.site.tenants.items() if site.tenant is None)

    async def _met(self, backend: str, described: Described) -> None:
        """Hold the mappings against what a backend said of itself, and serve the tenants that lack nothing more."""
        known = {**self._described, backend: described}
        site = self.holder.site
        ready = {
            plan.name: self._reached(site.tenants[plan.name], plan, known)
            for plan in self.blueprint.tenants.values()
            if backend in plan.backends and plan.backends <= known.keys()
        }
        self._described = known
        await self.holder.swap(replace(site, tenants={**site.tenants, **ready}), grace=0)

    def _site(self, clock: Callable[[], float], callers: Callers, counters: Counters) -> Site:
        """Make the site with every tenant pending."""
        resolver = Resolver(self.identities, self._observer)
        renderer = Renderer(resolver)
        self._resources = Resources(Accounts(self.identities, resolver, renderer), self._observer, self._trail)
        queries = Queries(self.identities, resolver, renderer, self._observer)
        server = self.blueprint.configuration.settings.server
        return Site(
            tenants={plan.name: self._waiting(plan, callers) for plan in self.blueprint.tenants.values()},
            resources=self._resources,
            search=Search(queries, clock=clock, now=utc_now),
            bulk=Bulk(self._resources),
            public_url=self._public_url,
            decoy=sites.decoy(utc_now),
            hosts={host.lower(): name for host, name in server.hosts.items()},
            limits=sites.server_limits(server.limits),
            ready={"store": self.store_ready},
            sources=counters.sources,
            traffic=counters.traffic,
            proxies=proxies(server.proxies),
            trail=self._trail,
        )

    def _waiting(self, plan: TenantPlan, callers: Callers) -> TenantSite:
        """Make the site of a tenant that waits for its backends: its callers are known, and answered 503."""
        section = self.blueprint.configuration.settings.tenants[plan.name]
        mappings = self.blueprint.mappings(plan)
        endpoint = callers.endpoint(plan.name, section)
        return TenantSite(
            name=plan.name,
            authenticator=callers.authenticator(plan.name, section, endpoint),
            tenant=None,
            facts=sites.facts(plan, self.blueprint),
            resource_types=tuple(
                sites.public_type(sites.checked_type(one, mappings[one.name]), mappings[one.name])
                for one in plan.resources
            ),
            retry_after=RETRY_AFTER,
            addresses=addresses(section),
            oauth=endpoint,
            bounds=bounds(section),
        )

    def _reached(self, waiting: TenantSite, plan: TenantPlan, described: Mapping[str, Described]) -> TenantSite:
        """Make the site of a tenant whose backends were met; raise `SettingsError` where one does not fit."""
        mappings = self.blueprint.mappings(plan, described)
        rules = self.blueprint.configuration.settings.tenants[plan.name].protected
        served = {
            one.name: sites.served(
                one,
                mappings[one.name],
                self.guards[one.spec.backend].for_tenant(plan.name),
                described[one.spec.backend][one.spec.entity],
                rules.get(one.name),
            )
            for one in plan.resources
        }
        return replace(
            waiting,
            tenant=sites.tenant(plan, self.blueprint, served),
            resource_types=tuple(sites.public_type(one.resource_type, one.mapping) for one in served.values()),
        )

    async def store_ready(self) -> bool:
        """Tell whether the store answers."""
        try:
            await self.identities.ping()
        except StoreUnavailableError:
            return False
        return True


def guard_bounds(section: BackendLimitSettings) -> Bounds:
    """Give the guard a backend's bounds."""
    return Bounds(
        concurrency=section.concurrency,
        waiting=section.waiting,
        call_seconds=section.call_seconds,
        read_retries=section.retries,
        failures=section.breaker.failures,
        rest_seconds=section.breaker.rest_seconds,
    )


def identities(
    blueprint: Blueprint, observer: LookupObserver, *, upgrade: bool = True, spans: Spans | None = None
) -> IdentityMap:
    """Make the id map the settings name; nothing is opened. With `upgrade` its start brings the schema up to date."""
    settings = blueprint.configuration.settings
    return identity.connect(
        settings.store.url.get_secret_value(),
        id_key=settings.store.id_key.get_secret_value().encode("utf-8"),
        cache=settings.cache.get_secret_value(),
        cache_kept=settings.store.cache_kept,
        observer=observer,
        auto_upgrade=upgrade,
        spans=spans,
    )
