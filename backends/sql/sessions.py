"""Sessions: a connection for one call, on which native errors become contract errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from backends.contract import BackendError, UnavailableError
from backends.sql.dialects.base import Dialect
from backends.sql.faults import NOWHERE, Fault, Places, contract_error

NATIVE = (sa.exc.SQLAlchemyError, OSError, TimeoutError, EOFError, OverflowError)
"""What drivers and SQLAlchemy raise; anything else is a mistake of this backend and is let through."""


class Session:
    """One call's connection. `writes` and `single` decide what a lost connection means: see `Sessions`."""

    def __init__(self, connection: AsyncConnection, dialect: Dialect, *, writes: bool, single: bool) -> None:
        self.connection = connection
        self._dialect = dialect
        self._writes = writes
        self._single = single

    async def execute(
        self,
        statement: sa.Executable,
        values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        places: Places = NOWHERE,
    ) -> sa.CursorResult[Any]:
        """Run a statement; raise the contract error of what goes wrong, with the field that `places` finds."""
        try:
            return await self.connection.execute(statement, values)
        except NATIVE as error:
            raise self._translated(error, places, committing=self._single) from error

    async def commit(self) -> None:
        """End the transaction; if the answer is lost the change may have been made."""
        try:
            await self.connection.commit()
        except NATIVE as error:
            raise self._translated(error, NOWHERE, committing=True) from error

    def _translated(self, error: BaseException, places: Places, *, committing: bool) -> BackendError:
        return translated(error, self._dialect, places, write=self._writes, committing=committing)


class Sessions:
    """Hands out sessions of one pool of connections.

    `reading` and `single` need no transaction: each statement is whole by itself, and costs one round trip. `whole` is
    a transaction, committed at its end or rolled back.
    """

    def __init__(self, whole: AsyncEngine, single: AsyncEngine, dialect: Dialect) -> None:
        self._whole = whole
        self._single = single
        self._dialect = dialect

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Session]:
        async with self._connected(self._single) as connection:
            yield Session(connection, self._dialect, writes=False, single=True)

    @asynccontextmanager
    async def single(self) -> AsyncIterator[Session]:
        async with self._connected(self._single) as connection:
            yield Session(connection, self._dialect, writes=True, single=True)

    @asynccontextmanager
    async def whole(self) -> AsyncIterator[Session]:
        async with self._connected(self._whole) as connection:
            session = Session(connection, self._dialect, writes=True, single=False)
            yield session
            await session.commit()

    @asynccontextmanager
    async def _connected(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        opened = False
        try:
            async with engine.connect() as connection:
                opened = True
                yield connection
        except NATIVE as error:
            # Nothing was sent before the connection was there; what fails at its end was settled before.
            fault = None if opened else "unreachable"
            raise translated(error, self._dialect, NOWHERE, write=False, committing=False, default=fault) from error


def translated(
    error: BaseException,
    dialect: Dialect,
    places: Places,
    *,
    write: bool,
    committing: bool,
    default: Any = None,
) -> BackendError:
    """Give the contract error of a native one."""
    if isinstance(error, sa.exc.TimeoutError):
        return UnavailableError("all connections to the database are busy", retry_after=1.0)
    fault = dialect.fault(error)
    if fault.kind == "other":
        if default is not None:
            fault = Fault(default)
        elif isinstance(error, OSError | EOFError | TimeoutError) or getattr(error, "connection_invalidated", False):
            fault = Fault("lost")
    return contract_error(fault, places, write=write, committing=committing)
