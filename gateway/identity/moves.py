"""Accounts on their way to another key (R-L1).

A key that changes is changed in the system first and in the map afterwards. So that nobody takes the account for a new
one in between, or for good if the gateway dies there, the move is announced before the system is told of it. An
announced key is given no id; whoever finds an account there, or misses one that was to go there, can tell what came of
it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

from gateway.identity.databases import Database
from gateway.identity.held import digest, microseconds
from gateway.identity.identities import Identity
from gateway.identity.minting import pack
from gateway.identity.records import Place, place_of
from gateway.identity.statements import Statements
from gateway.identity.texts import original, storable

OPEN = timedelta(days=90)
"""How long a move that was cut off is remembered: from then on nobody can tell it from an account that is gone."""


class Moves:
    """Moves that were announced, and have neither been made in the map nor been given up."""

    def __init__(self, database: Database, statements: Statements, now: Callable[[], datetime]) -> None:
        self._database = database
        self._statements = statements
        self._now = now

    async def announce(self, identity: Identity, key: str) -> None:
        """Say, durably, that an account is about to have another key."""
        given = [[going_to(place_of(identity), key), identity.id], [leaving(identity.id), storable(key)]]
        await self._database.write(
            self._statements.announce,
            given=json.dumps(given),
            expires=microseconds(self._now() + OPEN),
            **_kind(identity),
        )

    async def retract(self, identity: Identity, key: str) -> None:
        """Say that a move has come to nothing."""
        await self._database.write(self._statements.retract, **retracting(identity, key))

    async def forget(self, place: Place, key: str) -> None:
        """Forget that somebody was on the way to a key."""
        values = {"tenant": place.tenant, "resource_type": place.resource_type}
        await self._database.write(self._statements.retract, given=json.dumps([going_to(place, key)]), **values)

    async def destination(self, identity: Identity) -> str | None:
        """Tell which key an account is on its way to."""
        rows = await self._database.read(self._statements.announced, **destined(identity))
        return original(rows[0][1]) if rows else None

    async def movers(self, place: Place, keys: Collection[str]) -> dict[str, str]:
        """Tell the ids of the accounts that are on their way to some of these keys."""
        named = {going_to(place, key): key for key in keys}
        rows = await self._database.read(
            self._statements.announced,
            tenant=place.tenant,
            resource_type=place.resource_type,
            given=json.dumps(list(named)),
        )
        return {named[found]: id for found, id in rows}


def going_to(place: Place, key: str) -> str:
    """Name the move to a key; unlike any name of a reservation, which is made of pairs."""
    return digest(pack("move", "to", place.backend, place.entity, key).decode("latin-1"))


def leaving(id: str) -> str:
    """Name the move of an id."""
    return digest(pack("move", "of", id).decode("latin-1"))


def retracting(identity: Identity, key: str) -> dict[str, Any]:
    """Give the values with which the move of an identity to a key is forgotten."""
    given = json.dumps([going_to(place_of(identity), key), leaving(identity.id)])
    return {**_kind(identity), "given": given}


def destined(identity: Identity) -> dict[str, Any]:
    """Give the values with which it is asked where an identity goes."""
    return {**_kind(identity), "given": json.dumps([leaving(identity.id)])}


def _kind(identity: Identity) -> dict[str, str]:
    return {"tenant": identity.tenant, "resource_type": identity.resource_type}
