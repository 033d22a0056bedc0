"""HTTP of the token endpoint: ``POST /{tenant}/oauth2/token`` and its metadata, also by host name."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from aiohttp import web

from gateway.scim.errors import ScimError
from gateway.server import bodies, gate
from gateway.server.answers import json_response
from gateway.server.auth import Presented
from gateway.server.auth.issued import Issuance
from gateway.server.auth.seen import LocalSeen
from gateway.server.oauth import OAuthError, TokenEndpoint, parse_form
from gateway.server.observer import Progress, ServerObserver
from gateway.server.site import Site, TenantSite

MOST_BYTES = 16_384
_FORM = "application/x-www-form-urlencoded"
_TENANT = r"(?P<tenant>[^/]+)"
_PATHS: tuple[tuple[Literal["token", "metadata"], re.Pattern[str]], ...] = (
    ("token", re.compile(rf"/(?:{_TENANT}/)?oauth2/token/?")),
    ("metadata", re.compile(rf"/\.well-known/oauth-authorization-server(?:/{_TENANT})?/?")),
    ("metadata", re.compile(rf"/{_TENANT}/\.well-known/oauth-authorization-server/?")),
)


@dataclass(frozen=True, slots=True)
class TokenTarget:
    """What is asked of the token endpoint of whom; `tenant` is None for a path under a host name."""

    kind: Literal["token", "metadata"]
    tenant: str | None


def locate(raw_path: str) -> TokenTarget | None:
    """Tell whether a path is one of the token endpoint's."""
    if "oauth" not in raw_path:
        return None
    for kind, pattern in _PATHS:
        if (found := pattern.fullmatch(raw_path)) is not None:
            return TokenTarget(kind, found["tenant"])
    return None


class TokenRequests:
    """Answers requests for tokens."""

    def __init__(self, observer: ServerObserver, *, clock: Callable[[], float]) -> None:
        self._observer = observer
        issuance = Issuance("urn:nobody", secrets.token_bytes(32), {}, lambda: datetime.now(UTC))
        # Asked where there is no tenant or no endpoint, so that every answer is made in the same way.
        self._nobody = TokenEndpoint(issuance, "urn:nobody", LocalSeen(clock=clock))

    async def answer(
        self, request: web.Request, site: Site, target: TokenTarget, presented: Presented, progress: Progress
    ) -> web.Response:
        """Answer one; `ScimError` is raised where OAuth has no words (429, 413)."""
        progress.operation = "token"
        host = request.headers.get("Host", "").lower()
        name = site.hosts.get(host) if target.tenant is None else target.tenant
        tenant_site = site.tenants.get(name) if name is not None else None
        endpoint = None if tenant_site is None else tenant_site.oauth
        if target.kind == "metadata":
            return _metadata(request, endpoint, presented)
        if request.method != "POST":
            raise ScimError(405, "tokens are asked for with POST", headers={"Allow": "POST"})
        claimed = target.tenant or host
        if site.sources is not None and (wait := await site.sources.blocked(presented.address, claimed)) > 0:
            self._observer.authentication("", "", "limited")
            raise ScimError(429, "too many failed attempts from this address", retry_after=wait)
        try:
            message, client = await self._grant(request, site, endpoint or self._nobody)
            if tenant_site is None or not tenant_site.addresses.allows(presented.address):
                raise OAuthError("access_denied", "this client is not taken from this address", 403)
        except OAuthError as error:
            if error.error == "invalid_client":
                await self._refused(site, tenant_site, presented.address, claimed)
            return _refusal(error, request)
        progress.tenant, progress.caller, progress.method = tenant_site.name, client, "oauth"
        self._observer.authentication(tenant_site.name, "oauth", "granted")
        return json_response(200, message, {"Pragma": "no-cache"})

    async def _grant(self, request: web.Request, site: Site, endpoint: TokenEndpoint) -> tuple[Mapping[str, Any], str]:
        if request.content_type != _FORM:
            raise OAuthError("invalid_request", f"the body must be {_FORM}")
        limits = replace(site.limits, inflation=0)
        data = await bodies.read(request, limits, most=MOST_BYTES, name="the limit of token requests")
        return await endpoint.grant(request.headers.get("Authorization", ""), parse_form(data))

    async def _refused(self, site: Site, tenant_site: TenantSite | None, address: str, claimed: str) -> None:
        self._observer.authentication("" if tenant_site is None else tenant_site.name, "oauth", "refused")
        if site.sources is not None:
            await site.sources.failed(address, claimed)


def _metadata(request: web.Request, endpoint: TokenEndpoint | None, presented: Presented) -> web.Response:
    if endpoint is None:
        gate.refuse(presented)
    if request.method not in ("GET", "HEAD"):
        raise ScimError(405, "metadata is only read", headers={"Allow": "GET, HEAD"})
    return json_response(200, endpoint.metadata())


def _refusal(error: OAuthError, request: web.Request) -> web.Response:
    headers = {"Pragma": "no-cache"}
    if error.status == 401 and "Authorization" in request.headers:
        headers["WWW-Authenticate"] = 'Basic realm="scim"'
    if error.status == 503:
        headers["Retry-After"] = "5"
    return json_response(error.status, {"error": error.error, "error_description": error.description}, headers)
