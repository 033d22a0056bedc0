"""The durable store, read: identities by id and by key, minting, searching (DESIGN §7).

What a call tells is true when it returns; there is no cache below this line. `Ledger` is the other half: it changes.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from gateway.identity.databases import Database
from gateway.identity.failures import StoreUnavailableError, WrongKeyError
from gateway.identity.held import microseconds, narrowing
from gateway.identity.identities import HeldTerm, Identity
from gateway.identity.minting import Minter
from gateway.identity.moves import Moves, going_to
from gateway.identity.records import Place, identity_of
from gateway.identity.statements import Statements
from gateway.identity.texts import original, storable

ATTEMPTS = 6
"""How often minting is tried while others mint the same keys."""
REMEMBERED = timedelta(hours=1)
"""How long a tombstone keeps what was kept: a rename seen half-way may have made it too early."""


class Store:
    """Reads the id map, and gives ids to keys that have none."""

    def __init__(self, database: Database, statements: Statements, minter: Minter, now: Callable[[], datetime]) -> None:
        self._database = database
        self._statements = statements
        self._minter = minter
        self._now = now
        self._moves = Moves(database, statements, now)

    async def check_key(self) -> str:
        """Remember the fingerprint of the id_key, or raise `WrongKeyError`; give the store's own id."""
        wanted = {"fingerprint": self._minter.fingerprint(), "store": secrets.token_hex(8), "epoch": "1"}
        known = {str(name): str(value) for name, value in await self._database.read(self._statements.meta)}
        if not wanted.keys() <= known.keys():
            for name, value in wanted.items():
                await self._database.write(self._statements.remember, name=name, value=value)
            known = {str(name): str(value) for name, value in await self._database.read(self._statements.meta)}
        if known["fingerprint"] != wanted["fingerprint"]:
            raise WrongKeyError(
                "store: it was made with another id_key; with this one every id it has given would change. "
                "Configure the key it was made with, or another store"
            )
        return known["store"]

    async def epoch(self, *, server: str | None = None) -> int:
        """Read the epoch of the shared cache: entries of earlier ones are void.

        `server` names the running cache server: if another one was seen last, a new epoch begins, since a server that
        was restarted, or put in another's place, may hold what is no longer true.
        """
        rows = await self._database.read(self._statements.meta)
        known = {str(name): str(value) for name, value in rows}
        if server is None or known.get("server") == server:
            return int(known["epoch"])
        await self._database.write(self._statements.note, name="server", value=server)
        await self._database.write(self._statements.advance)
        return await self.epoch()

    async def ping(self) -> None:
        """Raise `StoreUnavailableError` unless the store answers."""
        await self.epoch()

    async def find(self, tenant: str, ids: Collection[str]) -> dict[str, Identity]:
        """Find live identities by id: one statement, however many."""
        if len(ids) == 1:
            rows = await self._database.read(self._statements.by_id, tenant=tenant, id=next(iter(ids)))
        else:
            given = json.dumps(list(ids))
            rows = await self._database.read(self._statements.by_ids, tenant=tenant, given=given)
        return {row[0]: identity_of(tenant, row) for row in rows}

    async def look_up(self, place: Place, keys: Collection[str]) -> tuple[dict[str, Identity], dict[str, int]]:
        """Find live identities by native key, and the generation of each key that has none: one statement."""
        given = json.dumps([storable(key) for key in keys])
        rows = await self._database.read(self._statements.by_keys, given=given, **place._asdict())
        found, generations = dict[str, Identity](), dict[str, int]()
        for key, generation, *row in rows:
            if generation is None:
                identity = identity_of(place.tenant, row)
                found[identity.key] = identity
            else:
                generations[original(key)] = int(generation)
        return found, {key: generations.get(key, 0) for key in keys if key not in found}

    async def mint(self, place: Place, vacant: Mapping[str, int], *, doubt: bool = False) -> dict[str, Identity]:
        """Give an id to each key, of the generation it stands at; whoever was faster with a key counts. A key an
        account is on its way to gets none, nor does with `doubt` one that was left before."""
        found, left = dict[str, Identity](), vacant
        for _ in range(ATTEMPTS):
            if doubt:
                left = {key: generation for key, generation in left.items() if generation == 0}
            found |= await self._mint(place, left) if left else {}
            rest = [key for key in left if key not in found]
            if not rest:
                return found
            more, left = await self.look_up(place, rest)
            found |= more
            if left:
                awaited = await self._moves.movers(place, left)
                left = {key: generation for key, generation in left.items() if key not in awaited}
            if not left:
                return found
        raise StoreUnavailableError("the store is too busy to give ids")

    async def _mint(self, place: Place, vacant: Mapping[str, int]) -> dict[str, Identity]:
        now = self._now()
        minted = {self._minter.mint(*place, key, generation): key for key, generation in vacant.items()}
        # In one order everywhere, or two replicas inserting the same page would wait for each other.
        given = json.dumps(
            [[id, storable(minted[id]), vacant[minted[id]], going_to(place, minted[id])] for id in sorted(minted)]
        )
        rows = await self._database.write(self._statements.mint, given=given, now=microseconds(now), **place._asdict())
        return {
            minted[id]: Identity(*place[:2], id, *place[2:], minted[id], vacant[minted[id]], None, now, now, 0, {})
            for (id,) in rows
        }

    async def search(
        self, tenant: str, resource_type: str, terms: Sequence[HeldTerm], limit: int
    ) -> tuple[Identity, ...]:
        """Find at most `limit` live identities for which all terms may hold."""
        shape, values = narrowing(terms)
        rows = await self._database.read(
            self._statements.search(shape), tenant=tenant, resource_type=resource_type, limit=limit, **values
        )
        return tuple(identity_of(tenant, row) for row in rows)

    async def tidy(self) -> None:
        """Forget reservations that are over and what tombstones kept."""
        now = self._now()
        before = microseconds(now - REMEMBERED)
        await self._database.write(self._statements.expire, before=microseconds(now))
        await self._database.write(self._statements.erase_held, before=before)
        await self._database.write(self._statements.erase, before=before)
