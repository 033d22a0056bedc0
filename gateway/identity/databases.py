"""What the store needs of a database: single statements, transactions, locks.

Two implementations: `SqliteDatabase` (the embedded default) and `PostgresDatabase`. Both run compiled statements on
the driver itself and turn its errors into `IdentityError`; neither knows what the statements are about.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, Protocol

from sqlalchemy.engine.interfaces import Dialect

from gateway.identity.failures import IdentityError
from gateway.identity.statements import Statement

Row = Sequence[Any]


class ContendedError(IdentityError):
    """A transaction lost to another one (deadlock, serialization, a key inserted first); nothing of it is done."""


class Session(Protocol):
    """A transaction under way."""

    async def run(self, statement: Statement, **values: Any) -> Sequence[Row]:
        """Run a statement and give all its rows."""


class Database(Protocol):
    """One database. All methods raise `StoreUnavailableError` when it cannot be used."""

    dialect: Dialect

    async def start(self) -> None:
        """Open it; to be called once."""

    async def stop(self) -> None:
        """Close it; also after a failed start."""

    async def read(self, statement: Statement, **values: Any) -> Sequence[Row]:
        """Run one statement that writes nothing."""

    async def write(self, statement: Statement, **values: Any) -> Sequence[Row]:
        """Run one statement as a transaction of its own."""

    def transaction(self) -> contextlib.AbstractAsyncContextManager[Session]:
        """Run several statements whole or not at all; raise `ContendedError` when another transaction won."""

    def exclusive(self, locks: Collection[int]) -> contextlib.AbstractAsyncContextManager[None]:
        """Hold locks, each a signed 64-bit number, that nobody else using the database can hold at the same time."""


class KeyedLocks:
    """Locks by name within the process; a name nobody holds or waits for costs nothing."""

    def __init__(self) -> None:
        self._locks: dict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._users: dict[int, int] = defaultdict(int)

    def hold(self, names: Collection[int]) -> contextlib.AbstractAsyncContextManager[None]:
        """Hold several locks; taken in one order everywhere, so that no two callers wait for each other."""
        if len(names) == 1:
            return self._one(next(iter(names)))
        return self._several(names)

    @contextlib.asynccontextmanager
    async def _several(self, names: Collection[int]) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for name in sorted(set(names)):
                await stack.enter_async_context(self._one(name))
            yield

    @contextlib.asynccontextmanager
    async def _one(self, name: int) -> AsyncIterator[None]:
        self._users[name] += 1
        try:
            async with self._locks[name]:
                yield
        finally:
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name], self._locks[name]
