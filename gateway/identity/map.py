"""The id map: SCIM id <-> native key, and what the gateway keeps of an account (DESIGN §7)."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import replace
from typing import Any, TypeVar

from gateway.identity.caches import Caches, Covering, Found, complete
from gateway.identity.databases import Database
from gateway.identity.entries import name_of_id, name_of_key, names_of
from gateway.identity.failures import IdentityError
from gateway.identity.identities import UNCHANGED, HeldTerm, Identity, LookupObserver, Reservation, Unchanged
from gateway.identity.ledger import Ledger
from gateway.identity.minting import pack
from gateway.identity.moves import Moves
from gateway.identity.records import Place, checked
from gateway.identity.store import Store
from gateway.telemetry.traces import NoSpans, Span, Spans

T = TypeVar("T")

BATCH = 2000
"""Ids or keys looked up at once."""
TIDY_SECONDS = 900.0
_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

_log = logging.getLogger(__name__)


class IdentityMap:
    """Finds, mints, renames and buries identities; one per process, shared by all tenants.

    Every method may raise `StoreUnavailableError`; the cache failing is never an error. A change is carried to its
    end even if the caller is cancelled meanwhile.
    """

    def __init__(
        self,
        database: Database,
        store: Store,
        ledger: Ledger,
        moves: Moves,
        caches: Caches,
        observer: LookupObserver,
        prepare: Callable[[], Awaitable[object]],
        spans: Spans | None = None,
    ) -> None:
        """`prepare` sees to the store's schema before it is opened."""
        self._spans = spans or NoSpans()
        self._database = database
        self._store = store
        self._ledger = ledger
        self._moves = moves
        self._caches = caches
        self._observer = observer
        self._prepare = prepare
        self._running: set[asyncio.Task[Any]] = set()
        self._tidying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the store (and bring its schema up to date where allowed) and the cache.

        Raises `StoreMismatchError` for a store this program may not use, `StoreUnavailableError`. A cache that cannot
        be reached is taken into use when it can.
        """
        await self._prepare()
        await self._database.start()
        await self._caches.start(await self._store.check_key())
        self._tidying = asyncio.create_task(self._tidy())

    async def stop(self) -> None:
        """Let changes under way end, then close everything; also after a failed start."""
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.gather(self._tidying, return_exceptions=True)
            self._tidying = None
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._caches.stop()
        await self._database.stop()

    async def ping(self) -> None:
        """Raise `StoreUnavailableError` unless the store answers; the cache does not matter."""
        await self._store.ping()

    @property
    def database(self) -> Database:
        """The database of the store, for what else lives there; the map opens and closes it."""
        return self._database

    @property
    def cache_usable(self) -> bool:
        """Whether the shared cache is in use; true where there is none."""
        return self._caches.usable

    async def __aenter__(self) -> IdentityMap:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def find(self, tenant: str, ids: Collection[str], *, kept: bool = True) -> dict[str, Identity]:
        """Find the live identities of `ids`, of any type; those nobody has, or had, are absent.

        One look-up in the cache, and one in the store for what it lacks. Without `kept` only ids, types and keys of
        the answer may be relied upon.
        """
        asked = [id for id in dict.fromkeys(ids) if _CANONICAL.fullmatch(id)]
        found: dict[str, Identity] = {}
        for start in range(0, len(asked), BATCH):
            names = {name_of_id(tenant, id): id for id in asked[start : start + BATCH]}
            known = await self._caches.get(names, links=False)
            began = self._caches.clock()
            found |= {name[2]: identity for name, identity in known.items() if identity is not None}
            stale = [names[name] for name, identity in known.items() if kept and not complete(identity)]
            missing = [id for name, id in names.items() if name not in known]
            if not (missing or stale):
                continue
            with self._store_span("find", len(missing) + len(stale)):
                read = await self._store.find(tenant, [*missing, *stale])
            self._tell(len(missing) + len(stale), len(read))
            found = {id: identity for id, identity in found.items() if id not in stale} | read
            fresh: Found = {name_of_id(tenant, id): read.get(id) for id in missing}
            await self._caches.fill(fresh, began, links=False)
        return found

    async def identify(
        self,
        tenant: str,
        resource_type: str,
        backend: str,
        entity: str,
        keys: Collection[str],
        *,
        mint: bool = True,
        kept: bool = True,
        doubt: bool = False,
    ) -> dict[str, Identity]:
        """Look up the identities of native keys, and give one to each key that has none (with `mint`).

        One look-up in the cache, one in the store for what it lacks, and one statement for all that is missing there,
        however many keys. Several replicas minting the same keys give the same ids. A key an account is on its way to
        (`movers`) is given none, and is absent; with `doubt` so is a key that somebody has left, since what the caller
        knows of it may be older than that. Without `kept` only ids and keys of the answer may be relied upon.
        """
        place = Place(tenant, resource_type, backend, entity)
        asked = [checked(key) for key in dict.fromkeys(keys)]
        if len(asked) <= BATCH:
            return await self._identify(place, asked, mint=mint, kept=kept, doubt=doubt)
        found: dict[str, Identity] = {}
        for start in range(0, len(asked), BATCH):
            found |= await self._identify(place, asked[start : start + BATCH], mint=mint, kept=kept, doubt=doubt)
        return found

    async def _identify(
        self, place: Place, keys: Sequence[str], *, mint: bool, kept: bool, doubt: bool
    ) -> dict[str, Identity]:
        names = {name_of_key(place, key): key for key in keys}
        known = await self._caches.get(names, links=not kept)
        began = self._caches.clock()
        found = {
            names[name]: identity
            for name, identity in known.items()
            if identity is not None and (not kept or complete(identity))
        }
        missing = [key for name, key in names.items() if key not in found and (mint or not denied_by(known, name))]
        if not missing:
            return found
        with self._store_span("look up", len(missing)):
            read, vacant = await self._store.look_up(place, missing)
        self._tell(len(missing), len(read))
        fresh: Found = {name: read.get(key) for name, key in names.items() if name not in known}
        if mint:
            fresh = {name: identity for name, identity in fresh.items() if identity is not None}
        await self._caches.fill(fresh, began, links=not kept)
        if vacant and mint:
            minted = await self._settled(self._mint(place, vacant, known, doubt=doubt))
            await self._caches.fill({name_of_key(place, key): i for key, i in minted.items()}, began, links=not kept)
            read |= minted
        return found | read

    async def _mint(self, place: Place, vacant: Mapping[str, int], known: Found, *, doubt: bool) -> dict[str, Identity]:
        with self._store_span("mint", len(vacant)):
            minted = await self._store.mint(place, vacant, doubt=doubt)
        names = [name for name in (name_of_key(place, key) for key in vacant) if denied_by(known, name)]
        if names:
            cover = self._caches.cover()
            await cover.names(names)
            await cover.end(left=False)
        return minted

    async def search(
        self, tenant: str, resource_type: str, terms: Sequence[HeldTerm], limit: int
    ) -> tuple[Identity, ...]:
        """Find at most `limit` identities for which all `terms` may hold: a superset, to be checked again.

        Only accounts the map has met can be found: one nobody has listed yet holds nothing.
        """
        with self._store_span("search", limit):
            return await self._store.search(tenant, resource_type, terms, limit)

    async def reserve(self, tenant: str, resource_type: str, match: Mapping[str, str]) -> Reservation:
        """Announce, durably, that an account with these values is about to be created (R-L21, R-L22)."""
        return await self._settled(self._ledger.reserve(tenant, resource_type, match))

    async def reserved(self, tenant: str, resource_type: str, match: Mapping[str, str]) -> Reservation | None:
        """Find what an earlier attempt with these values reserved and neither bound nor released; None where nothing is
        open. Announces nothing."""
        return await self._ledger.reserved(tenant, resource_type, match)

    async def release(self, reservation: Reservation) -> None:
        """Close a reservation whose account was not created."""
        await self._settled(self._ledger.release(reservation))

    async def bind(
        self,
        reservation: Reservation,
        backend: str,
        entity: str,
        key: str,
        *,
        external_id: str | None,
        kept: Mapping[str, Any],
        index: Iterable[tuple[str, str]],
        adopted: bool = False,
    ) -> Identity:
        """Give the account that was just created its id, and close the reservation.

        The id is a new one, also if the key had another account before (R-L3); but an account that was there already
        (`adopted`), or was met by somebody else since the reservation was opened, keeps the id it has. `index` are
        the pairs of path text and value under which `kept` can be searched.
        """
        place = Place(reservation.tenant, reservation.resource_type, backend, entity)
        pairs = list(index)

        async def work(cover: Covering) -> Identity:
            await cover.names([name_of_key(place, checked(key))])
            return await self._ledger.bind(
                reservation, place, key, cover, external_id=external_id, kept=kept, index=pairs, adopted=adopted
            )

        return await self._change(work, left=True)

    async def alter(
        self,
        identity: Identity,
        *,
        external_id: str | Unchanged | None = UNCHANGED,
        kept: Mapping[str, Any] | None = None,
        index: Iterable[tuple[str, str]] = (),
        touched: bool = True,
    ) -> Identity:
        """Change what the gateway holds of an account; give the identity as it is then.

        `kept` holds only what changes, None removing an attribute; `index` the pairs to search it by. `touched`: the
        account itself was changed. If in the end nothing differs, lastModified and the counter stay (P4).
        """
        changes = dict(kept or {})
        if external_id is UNCHANGED and not changes and not touched:
            return identity
        pairs = list(index)

        async def work(cover: Covering) -> Identity:
            await cover.over(identity)
            return await self._ledger.alter(
                identity, cover, external_id=external_id, kept=changes, index=pairs, touched=touched
            )

        return await self._change(work, left=False)

    async def announce(self, identity: Identity, key: str) -> None:
        """Say, durably, that an account is about to be given another key: to be followed by `rename` or `retract`.
        Until then the key is given no id."""
        await self._settled(self._moves.announce(identity, checked(key)))

    async def retract(self, identity: Identity, key: str) -> None:
        """Say that an account was not given the key that was announced."""
        await self._settled(self._moves.retract(identity, key))

    async def destination(self, identity: Identity) -> str | None:
        """Tell the key that was announced for an account, if it has neither got it nor not."""
        return await self._moves.destination(identity)

    async def movers(
        self, tenant: str, resource_type: str, backend: str, entity: str, keys: Collection[str]
    ) -> dict[str, Identity]:
        """Find the accounts for which some of these keys were announced; what died on the way is forgotten."""
        place = Place(tenant, resource_type, backend, entity)
        ids = await self._moves.movers(place, keys)
        live = await self._store.find(tenant, list(ids.values())) if ids else {}
        for key, id in ids.items():
            if id not in live:
                await self._settled(self._moves.forget(place, key))
        return {key: live[id] for key, id in ids.items() if id in live}

    async def rename(self, identity: Identity, key: str) -> Identity:
        """Move an identity to the key its account has now: same id (R-L1). The key it leaves is free for another
        account, which gets another id."""

        async def work(cover: Covering) -> Identity:
            moved = replace(identity, key=checked(key))
            await cover.names([*names_of(identity), *names_of(moved)])
            return await self._ledger.rename(identity, key, cover)

        return await self._change(work, left=True)

    async def bury(self, identity: Identity) -> None:
        """Turn an identity whose account is gone into a tombstone: its id is nobody's for ever, and the next account
        with its key gets another (R-L3, R-L5). Does nothing if the account was only seen under a key it no longer
        has."""

        async def work(cover: Covering) -> None:
            await cover.over(identity)
            await self._ledger.bury(identity, cover)

        await self._change(work, left=True)

    def exclusive(self, *names: tuple[str, ...]) -> AbstractAsyncContextManager[None]:
        """Be the only one, across all replicas, who is in a block with any of these names."""
        hashed = [hashlib.sha256(pack("lock", *name)).digest() for name in names]
        return self._database.exclusive([int.from_bytes(digest[:8], signed=True) for digest in hashed])

    async def _change(self, work: Callable[[Covering], Awaitable[T]], *, left: bool) -> T:
        async def whole() -> T:
            cover = self._caches.cover()
            try:
                return await work(cover)
            finally:
                await cover.end(left=left)

        return await self._settled(whole())

    async def _settled(self, work: Coroutine[Any, Any, T]) -> T:
        """Carry something to its end even if the caller is cancelled: half of it would be neither one nor the other."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()

    def _store_span(self, operation: str, asked: int) -> AbstractContextManager[Span]:
        return self._spans.begin(f"store {operation}", "client", {"layer": "store", "asked": asked})

    def _tell(self, asked: int, found: int) -> None:
        if found:
            self._observer.lookup("store", "hit", found)
        if asked > found:
            self._observer.lookup("store", "miss", asked - found)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            try:
                await self._store.tidy()
            except IdentityError as error:
                _log.warning("the store could not be tidied (%s); tried again later", type(error).__name__)


def denied_by(known: Found, name: tuple[str, ...]) -> bool:
    """Tell whether a cache remembers that there is nothing under a name."""
    return name in known and known[name] is None
