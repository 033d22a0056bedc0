"""Accounts whose key changes (R-L1), seen by whoever meets one before the map knows: another request, another replica,
or the first one after the gateway that moved it died between the system and the store.

The move is announced before the system is told of it, and made under the lock of the record. Whoever misses an account,
or finds one under a key that was announced, looks in the system which of the two keys is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from backends.contract import NotFoundError
from gateway.engine.calls import Call
from gateway.engine.failures import MovedError, translated
from gateway.engine.tenants import Served
from gateway.identity import Identity, IdentityMap

T = TypeVar("T")

PATIENCE = 3.0
"""Seconds to wait for whoever is moving an account, before telling the client to come again."""


class Moves:
    """Moves under way, and those that were cut off."""

    def __init__(self, identities: IdentityMap) -> None:
        self._identities = identities

    async def begin(self, call: Call, served: Served, identity: Identity, key: str) -> None:
        """Announce a move; settle an earlier one first, which raises `MovedError` if it was made."""
        if await self.followed(call, served, identity):
            raise MovedError
        await self._identities.announce(identity, key)

    async def stay(self, identity: Identity, key: str) -> None:
        """Take back an announcement: the system has certainly not made the move."""
        await self._identities.retract(identity, key)

    async def followed(self, call: Call, served: Served, identity: Identity) -> bool:
        """Tell whether an account has gone where it was announced to go, and note it; if not, forget the move."""
        key = await self._identities.destination(identity)
        if key is None:
            return False
        with translated(served.mapping.attribute_of):
            moved = await self._is_there(call, served, key) and not await self._is_there(call, served, identity.key)
        if moved:
            await self._identities.rename(identity, key)
        else:
            await self._identities.retract(identity, key)
        return moved

    async def settle(self, call: Call, served: Served, keys: Collection[str]) -> None:
        """See to it that moves to these keys, where accounts were found, are either made or given up."""
        place = (call.tenant.name, served.name, served.guard.name, served.entity)
        for key, mover in (await self._identities.movers(*place, keys)).items():
            try:
                async with asyncio.timeout_at(min(call.deadline, asyncio.get_running_loop().time() + PATIENCE)):
                    # Whoever moves it holds this lock until the map knows, or until it dies.
                    async with self._identities.exclusive(record_lock(served, mover.key)):
                        left = (await self._identities.movers(*place, [key])).get(key)
                        if left is not None:
                            await self.followed(call, served, left)
            except TimeoutError:
                raise MovedError from None

    async def _is_there(self, call: Call, served: Served, key: str) -> bool:
        try:
            await served.guard.get(served.entity, key, served.mapping.marks, deadline=call.deadline)
        except NotFoundError:
            return False
        return True


async def once_more(work: Callable[[], Awaitable[T]]) -> T:
    """Do something that finds one account; again if that has just moved, for then nothing was done."""
    try:
        return await work()
    except MovedError:
        return await work()


def record_lock(served: Served, key: str) -> tuple[str, ...]:
    """Name the lock under which one record is updated."""
    return ("record", served.guard.name, served.entity, key)
