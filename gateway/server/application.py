"""The SCIM application: what happens to a request, in order.

::

    boundary     request id, one shape of error, access line and metrics
    gate         tenant and caller, or 401 for both
    routes       version, path and method; 404 and 405 only for those who are known
    handlers     HTTP -> Call and body -> engine -> Answer
    answers      Answer -> HTTP
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.engine.audit import Notes
from gateway.engine.calls import Answer
from gateway.engine.tenants import Served, Tenant
from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.scim.schema import ResourceType
from gateway.server import answers, bodies, gate, handlers, routes, token_requests
from gateway.server.auth import Presented, certificates
from gateway.server.boundary import PROGRESS, Boundary
from gateway.server.codec import Decoder, answer_type, check_content_type
from gateway.server.drain import Drain
from gateway.server.exchange import Exchange
from gateway.server.gate import Admission
from gateway.server.health import Readiness
from gateway.server.limits import JsonLimits, ServerLimits
from gateway.server.observer import ServerObserver
from gateway.server.recording import VERBS, recorded
from gateway.server.site import Site, SiteHolder, TenantSite
from gateway.server.token_requests import TokenRequests
from gateway.server.traffic.passage import BULK, Passage, passage
from gateway.telemetry.traces import Spans


def create_application(
    holder: SiteHolder, observer: ServerObserver, drain: Drain, spans: Spans | None = None
) -> web.Application:
    """Make the application of the SCIM port; call it in the running loop. Serve it with `listener.Runner`."""
    service = Service(holder, observer, drain)
    boundary = Boundary(observer, drain, clock=asyncio.get_running_loop().time, spans=spans)

    @web.middleware
    async def outermost(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await boundary.run(request, handler, holder.site.limits.request_seconds)

    # aiohttp undoes compression without a bound of ours, so it is told not to (X4).
    application = web.Application(middlewares=[outermost], handler_args=connection(holder.site.limits))
    application.router.add_get("/healthz", service.alive)
    application.router.add_get("/readyz", service.ready)
    everything = Everything("/")
    everything.add_route("*", service.answer, expect_handler=_expect)
    application.router.register_resource(everything)
    return application


def connection(limits: ServerLimits) -> dict[str, Any]:
    """Give what holds for connections, from the start of the process on."""
    return {
        "auto_decompress": False,
        "max_line_size": limits.target_bytes,
        "max_field_size": limits.header_bytes,
        "max_headers": limits.headers,
        "keepalive_timeout": limits.idle_seconds,
    }


class Everything(web.PlainResource):
    """The one resource of aiohttp's router: whatever the path, `routes` decides what it means."""

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo, set[str]]:
        route = next(iter(self))
        return web.UrlMappingMatchInfo({}, route), {route.method}


class Service:
    """Answers the requests of one application."""

    def __init__(self, holder: SiteHolder, observer: ServerObserver, drain: Drain) -> None:
        self._holder = holder
        self._observer = observer
        self._clock = asyncio.get_running_loop().time
        self._tokens = TokenRequests(observer, clock=self._clock)
        self._readiness = Readiness(holder, drain, clock=self._clock)
        self._certificate = lru_cache(maxsize=256)(certificates.read)
        self._decoders: dict[JsonLimits, Decoder] = {}

    async def alive(self, _: web.Request) -> web.Response:
        """GET /healthz: the loop turns."""
        return answers.json_response(200, {"status": "alive"})

    async def ready(self, _: web.Request) -> web.Response:
        """GET /readyz."""
        return answers.json_response(*await self._readiness.document())

    async def answer(self, request: web.Request) -> web.Response:
        """Answer everything else."""
        with self._holder.lease() as site:
            presented = self._presented(request, site)
            request[PROGRESS].address = presented.address
            if (target := token_requests.locate(request.rel_url.raw_path)) is not None:
                return await self._tokens.answer(request, site, target, presented, request[PROGRESS])
            answer = await self._answer(request, site, presented)
        return answers.render(answer, answer_type(request.headers.get("Accept")))

    async def _answer(self, request: web.Request, site: Site, presented: Presented) -> Answer:
        admission = await gate.admit(
            site,
            presented,
            request.rel_url.raw_path,
            request.headers.get("Host", ""),
            progress=request[PROGRESS],
            observer=self._observer,
        )
        routes.check_version(admission.target.version)
        endpoints = _endpoints(admission.tenant_site)
        found = None if admission.target.path is None else routes.match(admission.target.path, endpoints)
        if found is None:
            raise ScimError(404, "there is nothing here")
        handler = routes.handler_of(found, request.method)
        notes = Notes()
        if handler not in VERBS:
            return await self._handled(request, site, admission, found, handler, notes)
        kind = endpoints.get(found.endpoint)
        with recorded(
            site.trail,
            request[PROGRESS],
            notes,
            handler,
            resource_type="" if kind is None else kind.name,
            id=found.id,
        ):
            return await self._handled(request, site, admission, found, handler, notes)

    async def _handled(
        self,
        request: web.Request,
        site: Site,
        admission: Admission,
        found: routes.Match,
        handler: routes.Handler,
        notes: Notes,
    ) -> Answer:
        if _is_broken(request.rel_url.raw_query_string):
            raise refuse(ScimType.INVALID_VALUE, "the query string is not UTF-8")
        tenant_site = admission.tenant_site
        if tenant_site.tenant is None:
            raise ScimError(
                503,
                "the system behind the gateway was not reached yet; try again later",
                retry_after=tenant_site.retry_after,
            )
        passed = await passage(
            site.traffic,
            tenant_site.bounds,
            self._observer,
            tenant=tenant_site.name,
            caller=admission.grant.name,
            verb=BULK if handler is handlers.bulk else request.method,
        )
        exchange = self._exchange(request, site, admission, found, tenant_site.tenant, passed, notes)
        if site.traffic is None:
            return await handler(exchange)
        with site.traffic.throttle.under_way(tenant_site.name):
            return await handler(exchange)

    def _presented(self, request: web.Request, site: Site) -> Presented:
        peer = request.remote or ""
        tls = None if request.transport is None else request.transport.get_extra_info("ssl_object")
        der = None if tls is None else tls.getpeercert(binary_form=True)
        certificate = site.proxies.certificate(peer, request.headers) if der is None else self._certificate(der)
        return gate.presented(request.headers, site.proxies.client(peer, request.headers), certificate)

    def _exchange(
        self,
        request: web.Request,
        site: Site,
        admission: Admission,
        found: routes.Match,
        tenant: Tenant,
        passed: Passage,
        notes: Notes,
    ) -> Exchange:
        async def read(most: int, name: str) -> dict[str, Any]:
            check_content_type(request.headers.get("Content-Type"))
            data = await bodies.read(request, site.limits, most=most, name=name)
            return self._decoder(site.limits.json).decode(data)

        return Exchange(
            site=site,
            tenant_site=admission.tenant_site,
            tenant=tenant,
            grant=admission.grant,
            base_url=admission.base_url,
            query=request.rel_url.raw_query_string,
            read=read,
            deadline=self._clock() + site.limits.request_seconds,
            progress=request[PROGRESS],
            passage=passed,
            if_match=request.headers.get("If-Match"),
            if_none_match=request.headers.get("If-None-Match"),
            endpoint=found.endpoint,
            id=found.id,
            notes=notes,
        )

    def _decoder(self, limits: JsonLimits) -> Decoder:
        if limits not in self._decoders:
            self._decoders = {limits: Decoder(limits)}
        return self._decoders[limits]


async def _expect(_: web.Request) -> None:
    """Leave ``100 Continue`` to whoever reads the body."""


def _endpoints(tenant_site: TenantSite) -> Mapping[str, Served | ResourceType]:
    """Name the endpoints of a tenant: those of discovery as long as its backend was not reached."""
    if tenant_site.tenant is not None:
        return tenant_site.tenant.by_endpoint
    return {one.endpoint.strip("/").lower(): one for one in tenant_site.resource_types}


def _is_broken(text: str) -> bool:
    """Tell whether a query holds bytes that are no UTF-8, which aiohttp hands on as half surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
