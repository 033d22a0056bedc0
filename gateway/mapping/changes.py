"""Resources -> records to be created, and two states of a resource -> the least change between them."""

from __future__ import annotations

from typing import Any

from backends.contract import Record
from gateway.mapping.doors import UNCHANGED, Delta, Encoding, Links, Resource, Unchanged
from gateway.mapping.drafts import Draft, invalid
from gateway.mapping.layout import Layout, valued
from gateway.scim.schema import Mutability

_GATEWAYS = ("id", "meta", "schemas")
EXTERNAL_ID = "externalId"


def encoded(layout: Layout, resource: Resource, links: Links) -> Encoding:
    """Make the record of a new resource; see `ResourceMapping.encode`."""
    draft = Draft(links)
    for text, place in layout.places.items():
        path = layout.paths[text]
        if path.leaf.name != "meta":
            place.put(draft, valued(resource, path))
    for text, path in layout.paths.items():
        if text not in layout.places and text not in _GATEWAYS and text != EXTERNAL_ID:
            value = valued(resource, path)
            if value is not None:
                _unmapped(layout, draft, text, value)
    external_id = None if layout.holds_external_id else resource.get(EXTERNAL_ID)
    kept = {text: value for text, value in draft.kept.items() if value is not None}
    return Encoding(draft.fields(), kept, external_id, tuple(draft.dropped))


def deltas(layout: Layout, before: Resource, after: Resource, record: Record, links: Links) -> Delta:
    """Work out the least change; see `ResourceMapping.diff`."""
    draft = Draft(links, record.fields)
    for text, path in layout.paths.items():
        if text in _GATEWAYS or text == EXTERNAL_ID:
            continue
        old, new = valued(before, path), valued(after, path)
        if old == new or path.leaf.mutability is Mutability.READ_ONLY:
            continue
        place = layout.places.get(text)
        if place is not None:
            place.put(draft, new, old)
        else:
            _unmapped(layout, draft, text, new)
    external_id = _external_id(layout, draft, before, after)
    return Delta(draft.change(), dict(draft.kept), external_id, tuple(draft.dropped))


def _external_id(layout: Layout, draft: Draft, before: Resource, after: Resource) -> str | Unchanged | None:
    old, new = before.get(EXTERNAL_ID), after.get(EXTERNAL_ID)
    if old == new:
        return UNCHANGED
    place = layout.places.get(EXTERNAL_ID)
    if place is None:
        return new
    place.put(draft, new, old)
    return UNCHANGED


def _unmapped(layout: Layout, draft: Draft, text: str, value: Any) -> None:
    """Do with an attribute without native home what the configuration says; a password is never kept (X12)."""
    path = layout.paths[text]
    if path.leaf.mutability is Mutability.READ_ONLY:
        return
    if text in layout.kept:
        draft.kept[text] = None if value in (None, "", []) else value
    elif value is not None:
        if layout.policy == "refuse" and text != "password":
            raise invalid(text, "the system behind has no place for it")
        draft.drop([text])
