"""The id map: a durable store, a cache in front of it, minting, rename, tombstones, what the gateway keeps (DESIGN §7).

It imports nothing of the gateway but telemetry, and knows neither what a record means nor what SCIM is.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from gateway.identity.caches import Caches
from gateway.identity.databases import Database
from gateway.identity.entries import Name, Writing
from gateway.identity.failures import (
    IdentityError,
    SchemaError,
    StoreMismatchError,
    StoreUnavailableError,
    WrongKeyError,
)
from gateway.identity.identities import (
    UNCHANGED,
    HeldTerm,
    Identity,
    LookupObserver,
    Reservation,
    SilentObserver,
    Unchanged,
)
from gateway.identity.ledger import Ledger
from gateway.identity.map import IdentityMap
from gateway.identity.minting import Minter
from gateway.identity.moves import Moves
from gateway.identity.postgres import PostgresDatabase
from gateway.identity.process import SETTLE, ProcessCache
from gateway.identity.schema import check, upgrade
from gateway.identity.servers import server
from gateway.identity.shared import SharedCache
from gateway.identity.sqlite import SqliteDatabase, file_of
from gateway.identity.statements import Statements
from gateway.identity.store import Store
from gateway.telemetry.traces import Spans

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
    "database_of",
    "utc_now",
]

PROCESS_SECONDS = 10.0
"""How long one process remembers an identity where it is the only one."""
PROCESS_LINK_SECONDS = 5.0
"""How long one process of several remembers which id belongs to which key."""


def utc_now() -> datetime:
    """Tell the time of day, aware, in UTC."""
    return datetime.now(UTC)


def database_of(url: str) -> Database:
    """Make the database of a store, which is not open yet; raise ValueError for a URL nobody understands."""
    if url.startswith("sqlite"):
        return SqliteDatabase(file_of(url))
    if url.startswith("postgresql"):
        return PostgresDatabase(url)
    raise ValueError("store: write sqlite:///path/to/file.db or postgresql://host/database")


def connect(
    url: str,
    *,
    id_key: bytes,
    cache: str = "memory",
    clock: Callable[[], datetime] = utc_now,
    observer: LookupObserver | None = None,
    auto_upgrade: bool = True,
    cache_kept: bool = False,
    spans: Spans | None = None,
) -> IdentityMap:
    """Make the id map of a store; nothing is opened before `start` (or ``async with``).

    `url` is ``sqlite:///path`` or ``postgresql://…``; `cache` is ``memory`` or a Redis URL (``redis://``,
    ``rediss://``, ``redis+sentinel://``, ``redis+cluster://``). `id_key` is the secret ids are minted with (at least
    16 bytes); losing or changing it changes every id. `cache_kept` allows kept attributes in the shared cache.
    """
    database = database_of(url)
    minter, listener, ticks = Minter(id_key), observer or SilentObserver(), time.monotonic
    statements = Statements(database.dialect)
    store = Store(database, statements, minter, clock)
    shared = None
    process = ProcessCache(ticks, seconds=PROCESS_SECONDS if cache == "memory" else PROCESS_LINK_SECONDS)
    if cache != "memory":

        def heard(names: Collection[Name] | None) -> None:
            process.clear() if names is None else process.mark(names, SETTLE)

        def writing(store_id: str) -> Writing:
            return Writing(minter.derive("cache"), store_id, kept=cache_kept)

        shared = SharedCache(server(cache), store, writing, heard, ticks)
    return IdentityMap(
        database,
        store,
        Ledger(database, statements, minter, clock),
        Moves(database, statements, clock),
        Caches(process, shared, listener, ticks, spans),
        listener,
        functools.partial(upgrade if auto_upgrade else check, url),
        spans,
    )
