"""What is served: built by the composition root, replaced whole on reload, never altered.

A `Site` holds everything a request needs that comes from the configuration. `SiteHolder` swaps it: requests under way
keep the site they began with, and whoever swaps can wait for them before stopping what the old site used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.engine.audit import NoTrail, Trail
from gateway.scim.discovery import Facts
from gateway.scim.schema import ResourceType
from gateway.server.auth.authenticator import Authenticator
from gateway.server.limits import ServerLimits
from gateway.server.oauth import TokenEndpoint
from gateway.server.proxies import Addresses, Proxies
from gateway.server.traffic.passage import Bounds, Traffic
from gateway.server.traffic.sources import Sources

if TYPE_CHECKING:
    from gateway.engine.bulk import Bulk
    from gateway.engine.resources import Resources
    from gateway.engine.search import Search
    from gateway.engine.tenants import Tenant

Check = Callable[[], Awaitable[bool]]
"""Tells whether something every request needs (the store) can be used; a backend is never asked (M6)."""


@dataclass(frozen=True, slots=True)
class TenantSite:
    """One tenant as the server sees it.

    `tenant` is None while its backend was never reached: whoever authenticates is answered 503, to come back in
    `retry_after` seconds. `facts` and `resource_types` are what discovery tells; `facts.base_url` is ignored, the URL a
    request came by counts. `addresses` is from where callers may come, `oauth` the tenant's own token endpoint, whose
    authenticator is then one of `authenticator`; `bounds` are its rates and brakes.
    """

    name: str
    authenticator: Authenticator
    tenant: Tenant | None
    facts: Facts
    resource_types: tuple[ResourceType, ...] = ()
    retry_after: float = 10.0
    addresses: Addresses = field(default_factory=Addresses)
    oauth: TokenEndpoint | None = None
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that is served.

    `tenants` by name, `hosts` maps a host name as clients write it (lower case, with the port if it is not the scheme's
    own) to the tenant served there at ``/scim/v2``. `public_url` has no trailing slash and decides every location
    (``https://scim.example.com``); the Host header decides nothing but the choice among `hosts`. `decoy` is asked where
    a tenant does not exist, so that this takes the time of a wrong token. `ready` are the checks of ``/readyz``.
    `sources` remembers who fails to authenticate; None lets everybody try for ever. `traffic` counts requests against
    the tenants' bounds; None lets everything pass. Both outlive reloads. `proxies` are those in front of the gateway;
    without any, a connection's other end is the client. `trail` is told of attempts the engine never saw.
    """

    tenants: Mapping[str, TenantSite]
    resources: Resources
    search: Search
    bulk: Bulk
    public_url: str
    decoy: Authenticator
    hosts: Mapping[str, str] = field(default_factory=dict)
    limits: ServerLimits = field(default_factory=ServerLimits)
    ready: Mapping[str, Check] = field(default_factory=dict)
    sources: Sources | None = None
    traffic: Traffic | None = None
    proxies: Proxies = field(default_factory=Proxies)
    trail: Trail = field(default_factory=NoTrail)


@dataclass(slots=True, eq=False)
class _Served:
    """One site and how many requests are being answered with it."""

    site: Site
    requests: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)


class SiteHolder:
    """Holds the site requests are answered with, and swaps it without losing any."""

    def __init__(self, site: Site) -> None:
        self._served = _Served(site)
        self._left: list[_Served] = []

    @property
    def site(self) -> Site:
        """The site new requests begin with."""
        return self._served.site

    @contextmanager
    def lease(self) -> Iterator[Site]:
        """Keep the present site for the length of one request."""
        served = self._served
        served.requests += 1
        try:
            yield served.site
        finally:
            served.requests -= 1
            if served.requests == 0:
                served.idle.set()

    async def swap(self, site: Site, *, grace: float) -> bool:
        """Serve another site from now on; return when no request uses an older one any more (True), or after `grace`
        seconds (False)."""
        self.put(site)
        return await self.left(grace)

    def put(self, site: Site) -> None:
        """Serve another site from now on."""
        self._left.append(self._served)
        self._served = _Served(site)

    async def left(self, grace: float) -> bool:
        """Wait until no request uses an older site any more (True), or for `grace` seconds (False)."""
        try:
            async with asyncio.timeout(grace):
                # Older ones too: whoever swaps may stop what they all had in common.
                for old in list(self._left):
                    while old.requests:
                        old.idle.clear()
                        await old.idle.wait()
        except TimeoutError:
            return False
        finally:
            self._left = [old for old in self._left if old.requests]
        return True
