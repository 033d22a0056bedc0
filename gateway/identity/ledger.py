"""The durable store, changed: creates announced and bound, accounts altered, renamed and buried (DESIGN §7)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from gateway.identity.databases import ContendedError, Database, Session
from gateway.identity.failures import StoreUnavailableError
from gateway.identity.held import EXTERNAL_ID, digest, held_rows, microseconds
from gateway.identity.identities import UNCHANGED, Identity, Reservation, Unchanged
from gateway.identity.minting import Minter, pack
from gateway.identity.moves import destined, retracting
from gateway.identity.records import Place, dumped, identity_of, place_of
from gateway.identity.statements import Statements
from gateway.identity.texts import original, storable

T = TypeVar("T")

ATTEMPTS = 6
"""How often a transaction is tried that loses to another one."""
RESERVED = timedelta(hours=24)
"""How long a create that was cut off can be taken up again by the same request."""


class Cover(Protocol):
    """Keeps caches from answering, or learning, while something is changed."""

    missed: bool
    """Whether a cache could not be told: then the store itself says that everything cached is void."""

    async def over(self, identity: Identity) -> None:
        """Void what is cached of an identity until the write has ended."""


class Ledger:
    """The changes of the id map; each is whole or not there, across all replicas."""

    def __init__(self, database: Database, statements: Statements, minter: Minter, now: Callable[[], datetime]) -> None:
        self._database = database
        self._statements = statements
        self._minter = minter
        self._now = now

    async def reserve(self, tenant: str, resource_type: str, match: Mapping[str, str]) -> Reservation:
        """Open a reservation, or take up the one that is open."""
        now, token = self._now(), secrets.token_hex(8)
        values = _named(tenant, resource_type, match)
        rows = await self._database.write(
            self._statements.reserve,
            token=token,
            now=microseconds(now),
            expires=microseconds(now + RESERVED),
            **values,
        )
        kept_token, opened = rows[0]
        return Reservation(**values, resumed=kept_token != token, token=kept_token, opened=int(opened))

    async def reserved(self, tenant: str, resource_type: str, match: Mapping[str, str]) -> Reservation | None:
        """Find the reservation that is open; open none."""
        values = _named(tenant, resource_type, match)
        rows = await self._database.read(self._statements.reserved, now=microseconds(self._now()), **values)
        if not rows:
            return None
        token, opened = rows[0]
        return Reservation(**values, resumed=True, token=token, opened=int(opened))

    async def release(self, reservation: Reservation) -> None:
        """Close a reservation."""
        await self._database.write(self._statements.release, **_reserved(reservation))

    async def bind(
        self,
        reservation: Reservation,
        place: Place,
        key: str,
        cover: Cover,
        *,
        external_id: str | None,
        kept: Mapping[str, Any],
        index: Iterable[tuple[str, str]],
        adopted: bool,
    ) -> Identity:
        """Give a created account its id.

        A mapping of the key that is older than the reservation is of an account that is gone (the backend would not
        have created it otherwise), or has moved on: it becomes a tombstone, or moves, and the key a generation older
        (R-L3). One that is younger
        was minted for this very account, by a list or by a repeated request, and stays; so does any if `adopted`.
        """
        held = held_rows(index, kept)
        if not adopted and not cover.missed:
            made = await self._bound(reservation, place, key, external_id, kept, held)
            if made is not None:
                return made

        async def work(session: Session) -> Identity:
            rows = await session.run(self._statements.locked_by_key, key=storable(key), **place._asdict())
            current = identity_of(place.tenant, rows[0]) if rows else None
            if current is not None and not adopted and rows[0][-1] < reservation.opened:
                await cover.over(current)
                await self._clear(session, current, cover)
                current = None
            if current is not None:
                await cover.over(current)
                sent = external_id if external_id is not None else UNCHANGED
                identity = await self._alter(session, current, sent, kept, held, touched=False)
            else:
                identity = await self._insert(session, place, key, external_id, kept, held)
            await session.run(self._statements.release, **_reserved(reservation))
            return identity

        return await self._whole(work, cover)

    async def _bound(
        self,
        reservation: Reservation,
        place: Place,
        key: str,
        external_id: str | None,
        kept: Mapping[str, Any],
        held: list[list[Any]],
    ) -> Identity | None:
        """Bind an account whose key nobody ever had, as most are, in one statement; None where it is not like that."""
        if self._statements.bind is None:
            return None
        if external_id is not None:
            held = [*held, *held_rows([(EXTERNAL_ID, external_id)], ())]
        try:
            rows = await self._database.write(
                self._statements.bind,
                id=self._minter.mint(*place, key, 0),
                key=storable(key),
                external_id=None if external_id is None else storable(external_id),
                now=microseconds(self._now()),
                kept=dumped(kept),
                given=json.dumps(held),
                backend=place.backend,
                entity=place.entity,
                **_reserved(reservation),
            )
        except ContendedError:
            return None
        return identity_of(place.tenant, rows[0]) if rows else None

    async def _insert(
        self,
        session: Session,
        place: Place,
        key: str,
        external_id: str | None,
        kept: Mapping[str, Any],
        held: list[list[Any]],
    ) -> Identity:
        generations = await session.run(self._statements.generation, key=storable(key), **place._asdict())
        generation = int(generations[0][0]) if generations else 0
        now = microseconds(self._now())
        rows = await session.run(
            self._statements.insert,
            id=self._minter.mint(*place, key, generation),
            key=storable(key),
            generation=generation,
            external_id=None if external_id is None else storable(external_id),
            created=now,
            last_modified=now,
            counter=0,
            kept=dumped(kept),
            **place._asdict(),
        )
        if not rows:
            raise ContendedError("somebody else gave this account its id")
        identity = identity_of(place.tenant, rows[0])
        if external_id is not None:
            held = [*held, *held_rows([(EXTERNAL_ID, external_id)], ())]
        await self._hold(session, identity, held)
        return identity

    async def alter(
        self,
        identity: Identity,
        cover: Cover,
        *,
        external_id: str | Unchanged | None,
        kept: Mapping[str, Any],
        index: Iterable[tuple[str, str]],
        touched: bool,
    ) -> Identity:
        """Change what is held of an account; one that was buried meanwhile is left as it is."""
        if external_id is UNCHANGED and not kept and not cover.missed:
            rows = await self._database.write(
                self._statements.touch, tenant=identity.tenant, id=identity.id, now=microseconds(self._now())
            )
            altered = identity_of(identity.tenant, rows[0]) if rows else identity
            if altered.key != identity.key:
                await cover.over(altered)
            return altered
        held = held_rows(index, kept)

        async def work(session: Session) -> Identity:
            rows = await session.run(self._statements.locked, tenant=identity.tenant, id=identity.id)
            if not rows or rows[0][-1] is not None:
                return identity
            current = identity_of(identity.tenant, rows[0])
            if current.key != identity.key:
                # Renamed since the caller looked: it is remembered under another name than he knows.
                await cover.over(current)
            return await self._alter(session, current, external_id, kept, held, touched=touched)

        return await self._whole(work, cover)

    async def _alter(
        self,
        session: Session,
        current: Identity,
        external_id: str | Unchanged | None,
        kept: Mapping[str, Any],
        held: list[list[Any]],
        *,
        touched: bool,
    ) -> Identity:
        merged = {name: value for name, value in {**current.kept, **kept}.items() if value is not None}
        wanted = current.external_id if external_id is UNCHANGED else external_id
        differs = json.dumps(merged, sort_keys=True) != json.dumps(current.kept, sort_keys=True)
        renamed = wanted != current.external_id
        if not (touched or renamed or differs):
            return current
        rows = await session.run(
            self._statements.alter,
            tenant=current.tenant,
            id=current.id,
            external_id=None if wanted is None else storable(wanted),
            kept=dumped(merged),
            now=microseconds(self._now()),
        )
        attributes = list(kept) if differs else []
        held = held if differs else []
        if renamed:
            attributes.append(EXTERNAL_ID)
            held = [*held, *held_rows([(EXTERNAL_ID, wanted)] if wanted is not None else (), ())]
        if attributes:
            given = json.dumps(attributes)
            await session.run(self._statements.forget, tenant=current.tenant, id=current.id, given=given)
            await self._hold(session, current, held)
        return identity_of(current.tenant, rows[0])

    async def rename(self, identity: Identity, key: str, cover: Cover) -> Identity:
        """Move an identity to another key. A tombstone somebody made who saw the rename half-way is taken back."""
        place = place_of(identity)

        async def work(session: Session) -> Identity:
            rows = await session.run(self._statements.locked, tenant=identity.tenant, id=identity.id)
            if not rows:
                return replace(identity, key=key)
            current = identity_of(identity.tenant, rows[0])
            if current.key == key and rows[0][-1] is None:
                return current
            if current.key != identity.key:
                await cover.over(current)
            others = await session.run(self._statements.locked_by_key, key=storable(key), **place._asdict())
            for other in others:
                # The account it stood for cannot be there: the backend let this one take its key.
                gone = identity_of(identity.tenant, other)
                await cover.over(gone)
                await self._bury(session, gone)
            return await self._move(session, current, key, left=rows[0][-1] is None)

        return await self._whole(work, cover)

    async def _move(self, session: Session, current: Identity, key: str, *, left: bool) -> Identity:
        moved = await session.run(self._statements.move, tenant=current.tenant, id=current.id, to=storable(key))
        if left:
            place = place_of(current)
            await session.run(self._statements.vacate, key=storable(current.key), **place._asdict())
        await session.run(self._statements.retract, **retracting(current, key))
        return identity_of(current.tenant, moved[0])

    async def _clear(self, session: Session, current: Identity, cover: Cover) -> None:
        """Take an identity away from its key, which somebody else has now: it is gone, or where it was on its way
        to."""
        rows = await session.run(self._statements.announced, **destined(current))
        if rows:
            key = original(rows[0][1])
            there = await session.run(self._statements.locked_by_key, key=storable(key), **place_of(current)._asdict())
            if not there:
                await cover.over(replace(current, key=key))
                await self._move(session, current, key, left=True)
                return
        await self._bury(session, current)

    async def bury(self, identity: Identity, cover: Cover) -> None:
        """Turn an identity into a tombstone, unless it has another key by now: then it was looked at too early."""

        async def work(session: Session) -> None:
            await self._bury(session, identity)

        await self._whole(work, cover)

    async def _bury(self, session: Session, identity: Identity) -> None:
        rows = await session.run(
            self._statements.bury,
            tenant=identity.tenant,
            id=identity.id,
            key=storable(identity.key),
            now=microseconds(self._now()),
        )
        for row in rows:
            place = Place(identity.tenant, *row)
            await session.run(self._statements.vacate, key=storable(identity.key), **place._asdict())
            await session.run(self._statements.disown, tenant=identity.tenant, id=identity.id)

    async def _hold(self, session: Session, identity: Identity, held: list[list[Any]]) -> None:
        if held:
            await session.run(
                self._statements.hold,
                tenant=identity.tenant,
                resource_type=identity.resource_type,
                id=identity.id,
                given=json.dumps(held),
            )

    async def _whole(self, work: Callable[[Session], Awaitable[T]], cover: Cover) -> T:
        for attempt in range(ATTEMPTS):
            try:
                async with self._database.transaction() as session:
                    result = await work(session)
                    if cover.missed:
                        await session.run(self._statements.advance)
                return result
            except ContendedError as error:
                if attempt == ATTEMPTS - 1:
                    raise StoreUnavailableError("the store is too busy with the same account") from error
        raise AssertionError("unreachable")


def _named(tenant: str, resource_type: str, match: Mapping[str, str]) -> dict[str, Any]:
    flat = [part for item in sorted(match.items()) for part in item]
    return {"tenant": tenant, "resource_type": resource_type, "digest": digest(pack(*flat).decode("latin-1"))}


def _reserved(reservation: Reservation) -> dict[str, str]:
    return {name: getattr(reservation, name) for name in ("tenant", "resource_type", "digest", "token")}
