"""Records -> complete SCIM resources: decoded, linked, with id, schemas, meta and version; the same for one and for
a page."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from backends.contract import Record
from gateway.engine.calls import Call
from gateway.engine.links import Resolver
from gateway.engine.tenants import Served
from gateway.identity import Identity
from gateway.mapping import Links, ReadPlan
from gateway.scim import etags
from gateway.scim.folding import instant

_WRITE = functools.partial(orjson.dumps, option=orjson.OPT_SORT_KEYS)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A whole resource before projection, with its version (an ETag) and its URL."""

    resource: dict[str, Any]
    version: str
    location: str


def timestamp(moment: datetime) -> str:
    """Write an instant as xsd:dateTime in UTC with milliseconds (S16)."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return f"{moment.isoformat(timespec='milliseconds')[:-6]}Z"


class Renderer:
    """Renders records; every page costs one resolution of references, however many resources it has."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def one(self, call: Call, served: Served, plan: ReadPlan, record: Record, identity: Identity) -> Rendered:
        """Render a single record."""
        links = await self.links(call, served, plan, (record,))
        return render(call, served, plan, record, identity, links)

    async def links(self, call: Call, served: Served, plan: ReadPlan, records: Sequence[Record]) -> Links:
        """Resolve every reference the records hold, in one batch."""
        return await self._resolver.links(call, served.mapping.references(plan, records))


def render(call: Call, served: Served, plan: ReadPlan, record: Record, identity: Identity, links: Links) -> Rendered:
    """Put together what the record, the store and the gateway know of one resource."""
    resource = served.mapping.decode(plan, record, links, identity.kept)
    if identity.external_id is not None and "externalId" not in resource:
        resource["externalId"] = identity.external_id
    resource_type = served.resource_type
    extensions = [urn for urn in resource_type.extensions if urn in resource or urn in resource_type.required]
    version = etags.compute(_versioned(served, resource, identity), _WRITE)
    location = f"{call.base_url}{resource_type.endpoint}/{identity.id}"
    created, modified = _times(resource.pop("meta", None) or {}, identity)
    whole = {
        "schemas": [resource_type.schema.id, *extensions],
        "id": identity.id,
        **resource,
        "meta": {
            "resourceType": resource_type.name,
            "created": created,
            "lastModified": modified,
            "location": location,
            "version": version,
        },
    }
    return Rendered(whole, version, location)


def _times(native: Mapping[str, Any], identity: Identity) -> tuple[str, str]:
    """Tell when a resource was created and last modified: the system's word counts, where it has one.

    The gateway met most accounts long after they were made; one it never changed was last modified when it was created,
    as far as anybody knows (S7).
    """
    created = _instant(native.get("created")) or identity.created
    modified = _instant(native.get("lastModified")) or (identity.last_modified if identity.counter else created)
    written = timestamp(created)
    return written, written if modified is created else timestamp(modified)


def _instant(value: Any) -> datetime | None:
    """Read what a codec wrote; the standard library's reader is quick, and refuses some of what SCIM allows."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return instant(value)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _versioned(served: Served, resource: dict[str, Any], identity: Identity) -> dict[str, Any]:
    """Say what a version is the hash of: all that is visible but the memberships, which have the gateway's counter."""
    visible = resource.copy()
    visible.pop("meta", None)
    for name in served.heavy:
        visible.pop(name, None)
    if served.counts_members:
        visible["@counter"] = identity.counter
    visible["id"] = identity.id
    return visible
