"""The gate: which tenant a request is for, and whether its sender is known there (X6, X8).

A tenant that does not exist and a token that is wrong get one answer, after the same work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from gateway.scim.errors import ScimError
from gateway.server.auth.authenticator import Certificate, Grant, Presented
from gateway.server.observer import Progress, ServerObserver
from gateway.server.routes import Target, locate
from gateway.server.site import Site, TenantSite

CHALLENGE = 'Bearer realm="scim"'


@dataclass(frozen=True, slots=True)
class Admission:
    """A known caller at a tenant that exists; `path` is below the tenant's root, None if it is none of SCIM's."""

    tenant_site: TenantSite
    grant: Grant
    base_url: str
    target: Target


async def admit(
    site: Site, presented: Presented, raw_path: str, host: str, *, progress: Progress, observer: ServerObserver
) -> Admission:
    """Find the tenant and know the caller; raise `ScimError` 401 for both failures alike, 429 for a blocked source."""
    target = locate(raw_path)
    host = host.lower()
    name = site.hosts.get(host) if target.tenant is None else target.tenant
    tenant_site = site.tenants.get(name) if name is not None else None
    claimed = target.tenant or host
    if site.sources is not None and (wait := await site.sources.blocked(presented.address, claimed)) > 0:
        observer.authentication("", "", "limited")
        raise ScimError(429, "too many failed attempts from this address", retry_after=wait)
    authenticator = site.decoy if tenant_site is None else tenant_site.authenticator
    grant = await authenticator.authenticate(presented)
    if tenant_site is None or grant is None:
        observer.authentication("" if tenant_site is None else tenant_site.name, "", "refused")
        if site.sources is not None:
            await site.sources.failed(presented.address, claimed)
        refuse(presented)
    if not tenant_site.addresses.allows(presented.address):
        observer.authentication(tenant_site.name, grant.method, "refused")
        raise ScimError(403, "these credentials are not taken from this address")
    progress.tenant, progress.caller, progress.method = tenant_site.name, grant.name, grant.method
    observer.authentication(tenant_site.name, grant.method, "granted")
    return Admission(tenant_site, grant, _base_url(site, target, tenant_site, host), target)


def refuse(presented: Presented) -> NoReturn:
    """Raise the one answer for whoever is not known (H15, RFC 6750 §3)."""
    challenge = f'{CHALLENGE}, error="invalid_token"' if presented.scheme == "bearer" else CHALLENGE
    raise ScimError(401, "valid credentials for this tenant are needed", headers={"WWW-Authenticate": challenge})


def presented(headers: Mapping[str, str], address: str, certificate: Certificate | None = None) -> Presented:
    """Read what a request carries; only the Authorization header counts, never the query (X6)."""
    scheme, _, credential = headers.get("Authorization", "").strip().partition(" ")
    return Presented(scheme.lower(), credential.strip(), address, certificate)


def _base_url(site: Site, target: Target, tenant_site: TenantSite, host: str) -> str:
    """Write the tenant's root as the client knows it; `host` is one of the configured ones if the path names no
    tenant."""
    if target.tenant is not None:
        return f"{site.public_url}/{tenant_site.name}/scim/v2"
    scheme = site.public_url.partition("://")[0]
    return f"{scheme}://{host}/scim/v2"
