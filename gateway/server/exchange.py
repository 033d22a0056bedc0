"""One request on its way to a handler: what it asks, by whom, and how to call the engine with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.engine.audit import Notes
from gateway.engine.calls import Call, Caller
from gateway.engine.tenants import Served, Tenant
from gateway.scim import messages
from gateway.scim.errors import ScimError
from gateway.server.auth.authenticator import READING, Grant
from gateway.server.observer import Progress
from gateway.server.site import Site, TenantSite
from gateway.server.traffic.passage import BULK, Passage


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a handler needs, without HTTP.

    `base_url` is the tenant's SCIM root as the client knows it; `query` the raw query string; `read` reads and decodes
    the body, refusing more than so many bytes under the limit's name; `deadline` in seconds of the loop's clock;
    `passage` is what is still to be checked before anything is done; `notes` are the engine's for the audit trail.
    """

    site: Site
    tenant_site: TenantSite
    tenant: Tenant
    grant: Grant
    base_url: str
    query: str
    read: Callable[[int, str], Awaitable[dict[str, Any]]] = field(repr=False)
    deadline: float
    progress: Progress
    passage: Passage = field(repr=False)
    if_match: str | None = None
    if_none_match: str | None = None
    endpoint: str = ""
    id: str = ""
    notes: Notes = field(default_factory=Notes, repr=False)

    @property
    def served(self) -> Served:
        """The resource type the path names."""
        return self.tenant.by_endpoint[self.endpoint]

    def begin(self, operation: str, served: Served | None = None) -> None:
        """Say what is done, for logs and metrics; refuse it with 403 where the caller may not (fails closed)."""
        self.progress.operation = operation
        if served is not None:
            self.progress.resource_type = served.name
            self.permit(served.name, operation)

    def permit(self, resource_type: str, operation: str) -> None:
        """Refuse with 403 what the caller may not do."""
        permissions = self.grant.permissions
        if permissions.allows(resource_type, operation):
            return
        if permissions.read_only and operation not in READING:
            raise ScimError(403, "these credentials may only read")
        raise ScimError(403, f"these credentials may not {operation} {resource_type} resources")

    async def body(self) -> dict[str, Any]:
        """Read the body; bulk has a limit of its own (B4)."""
        if self.passage.verb == BULK:
            return await self.read(self.tenant.limits.bulk_bytes, "maxPayloadSize")
        return await self.read(self.site.limits.body_bytes, "the limit of request bodies")

    async def admitted_body(self) -> dict[str, Any]:
        """Read the body of a change, and let it pass now that it is known what it asks."""
        body = await self.body()
        await self.passage.admit(body)
        return body

    def call(self, *, projected: bool = True) -> Call:
        """Make the engine's call of the request, with the projection its query asks for unless that is known already
        (`projected`)."""
        attributes = excluded = None
        if projected and self.query:
            given = self.parameters
            attributes, excluded = given.get("attributes"), given.get("excludedattributes")
        return Call(
            tenant=self.tenant,
            caller=Caller(self.grant.name, self.grant.permissions.read_only),
            base_url=self.base_url,
            deadline=self.deadline,
            request_id=self.progress.request_id,
            if_match=self.if_match,
            if_none_match=self.if_none_match,
            attributes=attributes,
            excluded=excluded,
            address=self.progress.address,
            notes=self.notes,
        )

    @property
    def parameters(self) -> Mapping[str, list[str]]:
        """The query's parameters by lower-case name, each with all its values."""
        found: dict[str, list[str]] = {}
        for name, value in messages.query_pairs(self.query):
            found.setdefault(name.lower(), []).append(value)
        return found
