"""What a cache holds: under which names, and how an entry is written for a cache outside the process."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import orjson

from gateway.identity.held import instant, microseconds
from gateway.identity.identities import Identity
from gateway.identity.minting import pack
from gateway.identity.records import Place

Name = tuple[str, ...]
"""``("id", tenant, id)`` or ``("key", tenant, resource type, backend, entity, key)``: structured, so that no two
things share a name (X9)."""

PENDING: Mapping[str, Any] = MappingProxyType({})
"""Stands for kept attributes that are in the store only: compare with ``is``."""

FORMAT = 1
BUSY = b"~"
_MAC = 8


def name_of_id(tenant: str, id: str) -> Name:
    """Name the entry of an id."""
    return ("id", tenant, id)


def name_of_key(place: Place, key: str) -> Name:
    """Name the entry of a native key."""
    return ("key", *place, key)


def names_of(identity: Identity) -> tuple[Name, Name]:
    """Name both entries of an identity."""
    key = ("key", identity.tenant, identity.resource_type, identity.backend, identity.entity, identity.key)
    return ("id", identity.tenant, identity.id), key


class Writing:
    """Writes entries for a cache anybody in the network may write to.

    Each carries a keyed hash of its name and content: what is forged, damaged, of another gateway, or copied from one
    name to another reads as nothing. Names begin with the tenant; keys, which may be logins, are in them as a hash.
    """

    def __init__(self, secret: bytes, store: str, *, kept: bool) -> None:
        """`store` tells gateways sharing a server apart; `kept` allows kept attributes in entries."""
        self._seal = hashlib.blake2b(key=secret[:64], digest_size=_MAC)
        self._hash = hashlib.blake2b(key=secret[:64], digest_size=16)
        self._store = store
        self._kept = kept
        self._epoch = 0
        self._prefixes: dict[Name, tuple[bytes, Any]] = {}

    def begin(self, epoch: int) -> None:
        """Go over to the names of an epoch."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._prefixes.clear()

    def name(self, name: Name) -> bytes:
        """Write a name."""
        place, last = name[:-1], name[-1]
        prefix, hasher = self._prefixes.get(place) or self._prefix(place)
        if hasher is None:
            return prefix + last.encode()
        hasher = hasher.copy()
        hasher.update(last.encode("utf-8", "surrogatepass"))
        return prefix + bytes(hasher.hexdigest(), "ascii")

    def _prefix(self, place: Name) -> tuple[bytes, Any]:
        """Write, and remember, what all names of a place have in common; keys go on with a hash begun here."""
        kind, tenant = place[:2]
        start = f"{quote(tenant, safe='', errors='surrogatepass')}:scim:{self._store}:{self._epoch}:{kind}:"
        hasher = None
        if kind == "key":
            hasher = self._hash.copy()
            hasher.update(pack(*place))
        self._prefixes[place] = start.encode(), hasher
        return self._prefixes[place]

    def dump(self, name: bytes, identity: Identity | None) -> bytes | None:
        """Write an entry; None for one that cannot be written."""
        content: list[Any] = [FORMAT]
        if identity is not None:
            has_kept = bool(identity.kept) or identity.kept is PENDING
            content += [
                identity.tenant,
                identity.resource_type,
                identity.id,
                identity.backend,
                identity.entity,
                identity.key,
                identity.generation,
                identity.external_id,
                microseconds(identity.created),
                microseconds(identity.last_modified),
                identity.counter,
                has_kept,
                identity.kept if has_kept and self._kept and identity.kept is not PENDING else None,
            ]
        try:
            data = orjson.dumps(content)
        except TypeError:
            # A lone surrogate or a number beyond 64 bits: rare enough to be left to the store.
            return None
        return self._mac(name, data) + data

    def load(self, name: bytes, data: bytes) -> tuple[bool, Identity | None]:
        """Read an entry: whether there is one, and the identity, None where the entry says that there is none."""
        content = data[_MAC:]
        if len(data) <= _MAC or data[:_MAC] != self._mac(name, content):
            return False, None
        known, *parts = orjson.loads(content)
        if known != FORMAT:
            return False, None
        if not parts:
            return True, None
        tenant, resource_type, id, backend, entity, key, generation, external_id = parts[:8]
        created, modified, counter, has_kept, kept = parts[8:]
        return True, Identity(
            tenant,
            resource_type,
            id,
            backend,
            entity,
            key,
            generation,
            external_id,
            instant(created),
            instant(modified),
            counter,
            kept if kept is not None else PENDING if has_kept else {},
        )

    def _mac(self, name: bytes, content: bytes) -> bytes:
        seal = self._seal.copy()
        seal.update(len(name).to_bytes(4) + name + content)
        return seal.digest()
