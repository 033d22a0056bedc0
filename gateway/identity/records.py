"""Rows of the store as identities, and the places native keys belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.identity.databases import Row
from gateway.identity.failures import IdentityError
from gateway.identity.held import instant
from gateway.identity.identities import Identity
from gateway.identity.texts import original

LONGEST_KEY = 1000
"""Characters of a native key: longer ones do not fit into an index of every store."""


class Place(NamedTuple):
    """Where native keys mean something."""

    tenant: str
    resource_type: str
    backend: str
    entity: str


def place_of(identity: Identity) -> Place:
    """Say where an identity's key means something."""
    return Place(identity.tenant, identity.resource_type, identity.backend, identity.entity)


def checked(key: str) -> str:
    """Give back a native key; raise `IdentityError` for one too long to be found again."""
    if len(key) > LONGEST_KEY:
        raise IdentityError(f"a native key is longer than {LONGEST_KEY} characters")
    return key


def identity_of(tenant: str, row: Row) -> Identity:
    """Read an identity from the columns of `statements.ROW`."""
    id, resource_type, backend, entity, key, generation, external_id, created, modified, counter, kept = row[:11]
    return Identity(
        tenant,
        resource_type,
        id,
        backend,
        entity,
        original(key),
        int(generation),
        None if external_id is None else original(external_id),
        instant(created),
        instant(modified),
        int(counter),
        {} if kept is None else json.loads(kept),
    )


def dumped(kept: Mapping[str, Any]) -> str | None:
    """Write what is kept; None for nothing."""
    return json.dumps(kept, separators=(",", ":")) if kept else None
