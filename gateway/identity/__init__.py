"""The id map: a durable store, a cache in front of it, minting, rename, tombstones, what the gateway keeps (DESIGN §7).

It imports nothing of the gateway but telemetry, and knows neither what a record means nor what SCIM is.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from gateway.identity.failures import (
    IdentityError,
    SchemaError,
    StoreMismatchError,
    StoreUnavailableError,
    WrongKeyError,
)
from gateway.identity.identities import UNCHANGED, HeldTerm, Identity, LookupObserver, Reservation, Unchanged
from gateway.identity.map import IdentityMap

__all__ = [
    "UNCHANGED",
    "HeldTerm",
    "Identity",
    "IdentityError",
    "IdentityMap",
    "LookupObserver",
    "Reservation",
    "SchemaError",
    "StoreMismatchError",
    "StoreUnavailableError",
    "Unchanged",
    "WrongKeyError",
    "connect",
    "utc_now",
]


def utc_now() -> datetime:
    """Tell the time of day, aware, in UTC."""
    return datetime.now(UTC)


def connect(
    url: str,
    *,
    id_key: bytes,
    cache: str = "memory",
    clock: Callable[[], datetime] = utc_now,
    observer: LookupObserver | None = None,
    auto_upgrade: bool = True,
    cache_kept: bool = False,
) -> IdentityMap:
    """Make the id map of a store; nothing is opened before `start` (or ``async with``).

    `url` is ``sqlite:///path`` or ``postgresql://…``; `cache` is ``memory`` or a Redis URL (``redis://``,
    ``rediss://``, ``redis+sentinel://``, ``redis+cluster://``). `id_key` is the secret ids are minted with (at least
    16 bytes); losing or changing it changes every id. `cache_kept` allows kept attributes in the shared cache.
    """
    raise NotImplementedError
