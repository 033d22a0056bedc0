"""What the server hands to the engine, and what it gets back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.engine.audit import Notes
from gateway.engine.tenants import Tenant


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: `name` identifies the credential (never the secret) in cursors, logs and audit."""

    name: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One request, stripped of HTTP.

    `base_url` is the tenant's SCIM root without a trailing slash (``https://scim.example.com/acme/scim/v2``).
    `deadline` is in seconds of the event loop's clock. `attributes` and `excluded` are the projection parameters as
    sent (text from a query, a list from a body). `address` is where the request came from; `notes` gathers what the
    audit trail tells of it.
    """

    tenant: Tenant
    caller: Caller
    base_url: str
    deadline: float
    request_id: str = ""
    if_match: str | None = None
    if_none_match: str | None = None
    attributes: str | list[str] | None = None
    excluded: str | list[str] | None = None
    address: str = ""
    notes: Notes = field(default_factory=Notes, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What to tell the client: `body` is a complete SCIM message, `version` the ETag, `location` the resource's URL."""

    status: int
    body: Mapping[str, Any] | None = None
    location: str | None = None
    version: str | None = None
