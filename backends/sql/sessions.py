"""Sessions: a connection for one call, on which native errors become contract errors."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol, TypeVar

import asyncpg  # type: ignore[import-untyped]
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from backends.contract import BackendError, UnavailableError
from backends.sql.dialects.base import Dialect
from backends.sql.fast import FastConnection, FastEngine
from backends.sql.faults import NOWHERE, Fault, Places, contract_error
from backends.sql.local import Direct, LocalConnection, LocalEngine, driven
from backends.sql.threads import ThreadedConnection, ThreadedEngine
from backends.sql.usage import Usage

NATIVE = (
    sa.exc.SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    sqlite3.Error,
    OSError,
    TimeoutError,
    EOFError,
    OverflowError,
)
"""What drivers and SQLAlchemy raise; anything else is a mistake of this backend and is let through."""


T = TypeVar("T")
Connection = AsyncConnection | ThreadedConnection | FastConnection | LocalConnection
Engine = AsyncEngine | ThreadedEngine | FastEngine | LocalEngine


class Result(Protocol):
    """What a statement gave; all of it is there."""

    @property
    def rowcount(self) -> int: ...

    @property
    def inserted_primary_key(self) -> Any: ...

    def first(self) -> Any: ...

    def all(self) -> Sequence[Any]: ...

    def one(self) -> Any: ...

    def scalar_one(self) -> Any: ...

    def close(self) -> None: ...


class Session:
    """One call's connection. `writes` and `single` decide what a lost connection means: see `Sessions`."""

    def __init__(self, connection: Connection | Direct, dialect: Dialect, *, writes: bool, single: bool) -> None:
        self.connection = connection
        self._dialect = dialect
        self._writes = writes
        self._single = single
        self.unfinished: asyncio.Future[Any] | None = None

    async def execute(
        self,
        statement: sa.Executable,
        values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        places: Places = NOWHERE,
    ) -> Result:
        """Run a statement; raise the contract error of what goes wrong, with the field that `places` finds."""
        try:
            work: Coroutine[Any, Any, Any] = self.connection.execute(statement, values)
            result: Result = await self._kept(work)
            return result
        except NATIVE as error:
            raise self._translated(error, places, committing=self._single) from error

    async def commit(self) -> None:
        """End the transaction; if the answer is lost the change may have been made."""
        try:
            await self._kept(self.connection.commit())
        except NATIVE as error:
            raise self._translated(error, NOWHERE, committing=True) from error

    async def _kept(self, work: Coroutine[Any, Any, T]) -> T:
        """Await native work. Where it runs in a thread it cannot be cut off: whoever waits may go, the work goes on."""
        if isinstance(self.connection, Direct) or not self._dialect.threads:
            return await work
        task = asyncio.ensure_future(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self.unfinished = None if task.done() else task
            raise

    def _translated(self, error: BaseException, places: Places, *, committing: bool) -> BackendError:
        return translated(error, self._dialect, places, write=self._writes, committing=committing)


Work = Callable[[Session], Coroutine[Any, Any, T]]


class Sessions:
    """Hands out sessions of one pool of connections.

    `reading` and `single` need no transaction: each statement is whole by itself, and costs one round trip. `whole` is
    a transaction, committed at its end or rolled back. `usage` counts who has a connection, and who waits for one.
    """

    def __init__(self, whole: Engine, single: Engine, dialect: Dialect, usage: Usage) -> None:
        self._whole = whole
        self._single = single
        self._dialect = dialect
        self._usage = usage
        self._settling: set[asyncio.Future[Any]] = set()

    async def read(self, work: Work[T]) -> T:
        """Do what reads, on a session of its own."""
        return await self._done(work, self._single, writes=False, single=True)

    async def write(self, work: Work[T], *, alone: bool) -> T:
        """Do what writes: one statement that is whole by itself (`alone`), or a transaction."""
        return await self._done(work, self._single if alone else self._whole, writes=True, single=alone)

    async def _done(self, work: Work[T], engine: Engine, *, writes: bool, single: bool) -> T:
        if isinstance(engine, LocalEngine):
            return await self._aside(work, engine, writes=writes, single=single)
        # What `_session` does, written out: on the shortest calls a context costs more than it holds.
        connection = await self._connected(engine)
        session = Session(connection, self._dialect, writes=writes, single=single)
        try:
            answer = await work(session)
            if not single:
                await session.commit()
            return answer
        finally:
            await self._over(session, connection)

    async def _aside(self, work: Work[T], engine: LocalEngine, *, writes: bool, single: bool) -> T:
        """Hand the whole call to a thread; whoever waits may go, and what is not committed by then is undone."""
        left = False

        def run() -> T:
            connection = Direct(engine, whole=not single)
            try:
                connection.begin()
            except NATIVE as error:
                raise self._unreachable(error) from error
            try:
                session = Session(connection, self._dialect, writes=writes, single=single)
                answer = driven(work(session))
                if not single and not left:
                    driven(session.commit())
                return answer
            finally:
                connection.end()

        asked = self._usage.ask()
        try:
            await engine.enter()
        except NATIVE as error:
            raise self._unreachable(error) from error
        finally:
            self._usage.answer(asked)
        self._usage.take()
        running = engine.run(run)
        self._settling.add(running)
        running.add_done_callback(self._settling.discard)
        running.add_done_callback(lambda _: self._left(engine))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            left = True
            raise

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Session]:
        async with self._session(self._single, writes=False, single=True) as session:
            yield session

    @asynccontextmanager
    async def single(self) -> AsyncIterator[Session]:
        async with self._session(self._single, writes=True, single=True) as session:
            yield session

    @asynccontextmanager
    async def whole(self) -> AsyncIterator[Session]:
        async with self._session(self._whole, writes=True, single=False) as session:
            yield session
            await session.commit()

    async def settle(self) -> None:
        """Wait for work that went on after its caller had gone."""
        while self._settling:
            await asyncio.wait(self._settling)

    @asynccontextmanager
    async def _session(self, engine: Engine, *, writes: bool, single: bool) -> AsyncIterator[Session]:
        connection = await self._connected(engine)
        session = Session(connection, self._dialect, writes=writes, single=single)
        try:
            yield session
        finally:
            await self._over(session, connection)

    async def _over(self, session: Session, connection: Connection) -> None:
        """Give a session's connection back, now or when the work nobody waits for any more has ended."""
        if session.unfinished is not None:
            self._later(self._ended(session.unfinished, connection))
        else:
            await self._closed(connection)

    def _left(self, engine: LocalEngine) -> None:
        engine.leave()
        self._usage.give()

    async def _connected(self, engine: Engine) -> Connection:
        asked = self._usage.ask()
        try:
            connection = await self._opened(engine.connect())
        finally:
            self._usage.answer(asked)
        self._usage.take()
        return connection

    async def _opened(self, connection: Connection) -> Connection:
        if not self._dialect.threads:
            try:
                return await connection.start()
            except NATIVE as error:
                raise self._unreachable(error) from error
        opening = asyncio.ensure_future(_open(connection))
        try:
            return await asyncio.shield(opening)
        except NATIVE as error:
            raise self._unreachable(error) from error
        except asyncio.CancelledError:
            if not opening.done():
                self._usage.take()
                self._later(self._ended(opening, connection))
            elif not opening.cancelled() and opening.exception() is None:
                self._usage.take()
                await self._closed(connection)
            raise

    async def _closed(self, connection: Connection) -> None:
        """Give a connection back; what was not committed is undone."""
        if isinstance(connection, FastConnection):
            try:
                await connection.close()  # asyncpg's pool takes care itself that this is not cut off
            finally:
                self._usage.give()
            return
        closing = asyncio.ensure_future(connection.close())
        self._settling.add(closing)
        closing.add_done_callback(self._settling.discard)
        closing.add_done_callback(lambda _: self._usage.give())
        try:
            await asyncio.shield(closing)
        except NATIVE:
            # What the call did is settled by now, and a connection that cannot be given back is thrown away.
            await connection.invalidate()

    async def _ended(self, unfinished: asyncio.Future[Any], connection: Connection) -> None:
        """Wait for work nobody waits for any more, then give its connection back, undoing what was not committed."""
        try:
            with suppress(*NATIVE):  # nobody is left to be told
                await unfinished
            if not connection.closed:
                await connection.close()
        finally:
            self._usage.give()

    def _unreachable(self, error: BaseException) -> BackendError:
        """Nothing was sent before the connection was there."""
        return translated(error, self._dialect, NOWHERE, write=False, committing=False, default="unreachable")

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)


async def _open(connection: Connection) -> Connection:
    return await connection.start()


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
