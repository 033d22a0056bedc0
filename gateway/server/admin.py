"""The admin plane: what an operator asks and does, on a listener and with tokens of its own; nothing of SCIM (X14).

::

    GET  /status            what the composition root tells of backends, store, cache and tenants
    GET  /tokens            when each tenant's static tokens were made, end, and were last used by this process
    GET  /brake             which brakes hold changes back
    POST /brake/release     {"tenant": "acme", "kind": "deletions"}; every kind where none is named
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.server import answers, bodies, gate
from gateway.server.auth.authenticator import AnyOf, Authenticator
from gateway.server.auth.static import StaticTokens
from gateway.server.boundary import PROGRESS, Boundary
from gateway.server.codec import Decoder, check_content_type
from gateway.server.drain import Drain
from gateway.server.limits import ServerLimits
from gateway.server.observer import ServerObserver
from gateway.server.site import SiteHolder
from gateway.server.traffic.brake import KINDS, Tallies, TalliesUnavailable

Status = Callable[[], Awaitable[Mapping[str, Any]]]
"""Tells the state of the process; the composition root knows it."""

SECONDS = 15.0
RETRY_SECONDS = 5.0
MOST_BYTES = 4_096


def create_admin_application(
    holder: SiteHolder,
    authenticator: Authenticator,
    observer: ServerObserver,
    status: Status,
    tallies: Tallies,
    *,
    clock: Callable[[], float],
) -> web.Application:
    """Make the application of the admin port; every path needs credentials of `authenticator`."""
    admin = Admin(holder, status, tallies)
    boundary = Boundary(observer, Drain(), clock=clock)

    @web.middleware
    async def outermost(request: web.Request, handler: Handler) -> web.StreamResponse:
        async def known(request: web.Request) -> web.StreamResponse:
            presented = gate.presented(request.headers, request.remote or "")
            grant = await authenticator.authenticate(presented)
            if grant is None:
                observer.authentication("", "", "refused")
                gate.refuse(presented)
            progress = request[PROGRESS]
            progress.operation, progress.caller, progress.method = "admin", grant.name, grant.method
            if grant.permissions.read_only and request.method not in ("GET", "HEAD"):
                raise ScimError(403, "these credentials may only read")
            return await handler(request)

        return await boundary.run(request, known, SECONDS)

    application = web.Application(middlewares=[outermost], handler_args={"auto_decompress": False})
    application.router.add_get("/status", admin.status)
    application.router.add_get("/tokens", admin.tokens)
    application.router.add_get("/brake", admin.brake)
    application.router.add_post("/brake/release", admin.release)
    return application


class Admin:
    """What the admin plane answers."""

    def __init__(self, holder: SiteHolder, status: Status, tallies: Tallies) -> None:
        self._holder = holder
        self._status = status
        self._tallies = tallies
        self._limits = ServerLimits()
        self._decoder = Decoder(self._limits.json)

    async def status(self, _: web.Request) -> web.Response:
        """GET /status."""
        return answers.json_response(200, await self._status())

    async def tokens(self, _: web.Request) -> web.Response:
        """GET /tokens."""
        tenants = self._holder.site.tenants.values()
        return answers.json_response(200, {one.name: _told(one.authenticator) for one in tenants})

    async def brake(self, _: web.Request) -> web.Response:
        """GET /brake."""
        with _answerable():
            engaged = await self._tallies.engaged()
        return answers.json_response(200, {"engaged": [asdict(one) for one in engaged]})

    async def release(self, request: web.Request) -> web.Response:
        """POST /brake/release."""
        check_content_type(request.headers.get("Content-Type"))
        data = await bodies.read(request, self._limits, most=MOST_BYTES, name="the limit of admin requests")
        asked = self._decoder.decode(data)
        tenant, kind = asked.get("tenant"), asked.get("kind")
        if not isinstance(tenant, str) or tenant not in self._holder.site.tenants:
            raise refuse(ScimType.INVALID_VALUE, "tenant: must be the name of a tenant")
        if kind is not None and kind not in KINDS:
            raise refuse(ScimType.INVALID_VALUE, f"kind: must be one of {', '.join(KINDS)}")
        kinds = KINDS if kind is None else (kind,)
        with _answerable():
            released = [one for one in kinds if await self._tallies.release(tenant, one)]
        return answers.json_response(200, {"tenant": tenant, "released": released})


@contextmanager
def _answerable() -> Iterator[None]:
    try:
        yield
    except TalliesUnavailable as error:
        detail = "the shared cache, which knows the brakes, cannot be asked for now"
        raise ScimError(503, detail, retry_after=RETRY_SECONDS) from error


def _told(authenticator: Authenticator) -> list[dict[str, Any]]:
    """Tell of static tokens: names and times, never a digest."""
    methods = authenticator.methods if isinstance(authenticator, AnyOf) else (authenticator,)
    return [
        {
            "name": name,
            "created": _time(method.created.get(name)),
            "expires": _time(method.expiries.get(name)),
            "last_used": _time(method.last_used.get(name)),
        }
        for method in methods
        if isinstance(method, StaticTokens)
        for name in method.names
    ]


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
