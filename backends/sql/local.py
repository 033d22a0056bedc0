"""SQLite without a middleman: compiled statements on the standard library's driver, a whole call in one thread's hands.

A call of the backend is a coroutine that waits for nothing but its statements, and those a thread may simply run. So it
is handed over once, with all its statements, and comes back once: going to and fro for each would cost more than most
of them. Used where the URL names no driver.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import sqlalchemy as sa

from backends.sql.answers import Answer
from backends.sql.plans import Plan, Plans

T = TypeVar("T")
CACHED = 500
"""Prepared statements kept by each connection."""


class Direct:
    """A connection for one call, in the thread that works: its coroutines never wait. `whole` is a transaction."""

    def __init__(self, engine: LocalEngine, *, whole: bool) -> None:
        self._engine = engine
        self._whole = whole
        self._database: sqlite3.Connection | None = None
        self._broken = False

    def begin(self) -> None:
        """Take a connection; a transaction takes the right to write at once, so that what it reads stays true."""
        self._database = self._engine.take()
        if self._whole:
            try:
                self._database.execute("BEGIN IMMEDIATE")
            except BaseException:
                self.end()
                raise

    def end(self) -> None:
        """Give the connection back; what was not committed is undone, and one that failed is not used again."""
        database, self._database = self._database, None
        if database is None:
            return
        try:
            if database.in_transaction:
                database.execute("ROLLBACK")
        except sqlite3.Error:
            self._broken = True  # closing it undoes the rest
        self._engine.give(database, broken=self._broken)

    @property
    def closed(self) -> bool:
        return self._database is None

    async def execute(self, statement: sa.Executable, values: Any = None) -> Answer:
        database = self._database
        assert database is not None
        plan = self._engine.plans.of(statement)
        try:
            if isinstance(values, Sequence):
                return Answer((), database.executemany(plan.text, [plan.bound(one)[1] for one in values]).rowcount)
            text, bound = plan.bound(values or {})
            cursor = database.execute(text, bound)
            if plan.rows:
                return Answer(_loaded(plan, cursor.fetchall()), cursor.rowcount)
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error:
            self._broken = True
            raise
        answer = Answer((), cursor.rowcount)
        answer.inserted_primary_key = (cursor.lastrowid,)
        return answer

    async def commit(self) -> None:
        assert self._database is not None
        if self._database.in_transaction:
            self._database.execute("COMMIT")

    async def run_sync(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run what needs SQLAlchemy itself, on a connection of its own."""
        with self._engine.sync_engine.connect() as connection:
            return work(connection, *arguments)


class LocalConnection:
    """The same for a caller on the event loop, who goes to and fro for each step."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine
        self._direct = Direct(engine, whole=engine.transactions)

    async def start(self) -> LocalConnection:
        await self._engine.enter()
        try:
            await self._engine.run(self._direct.begin)
        except BaseException:
            self._engine.leave()
            raise
        return self

    @property
    def closed(self) -> bool:
        return self._direct.closed

    async def execute(self, statement: sa.Executable, values: Any = None) -> Answer:
        return await self._engine.run(lambda: driven(self._direct.execute(statement, values)))

    async def commit(self) -> None:
        await self._engine.run(lambda: driven(self._direct.commit()))

    async def invalidate(self) -> None:
        """There is nothing left: `close` threw it away."""

    async def close(self) -> None:
        try:
            await self._engine.run(self._direct.end)
        finally:
            self._engine.leave()

    async def run_sync(self, work: Callable[..., T], *arguments: Any) -> T:
        return await self._engine.run(lambda: driven(self._direct.run_sync(work, *arguments)))


class LocalEngine:
    """A bounded number of threads and of connections to one file.

    `sync_engine` is SQLAlchemy's on the same file, which keeps no connection; `opened` prepares a new connection.
    """

    def __init__(
        self,
        sync_engine: sa.Engine,
        opened: Callable[[sqlite3.Connection], None],
        *,
        name: str,
        size: int,
        wait_seconds: float,
    ) -> None:
        self.sync_engine = sync_engine
        self.plans = Plans(sync_engine.dialect, loading=True)
        self.transactions = True
        self._opened = opened
        self._wait_seconds = wait_seconds
        self._threads = ThreadPoolExecutor(max_workers=size, thread_name_prefix=f"sql-{name}")
        self._places = asyncio.Semaphore(size)
        self._idle: list[sqlite3.Connection] = []

    @property
    def dialect(self) -> Any:
        return self.sync_engine.dialect

    def connect(self) -> LocalConnection:
        return LocalConnection(self)

    def single(self) -> LocalEngine:
        """Give the same pool without transactions: each statement is committed by itself."""
        other = LocalEngine.__new__(LocalEngine)
        vars(other).update(vars(self) | {"transactions": False})
        return other

    async def enter(self) -> None:
        """Wait for a place among the connections; raise SQLAlchemy's TimeoutError if none gets free."""
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._places.acquire()
        except TimeoutError as error:
            raise sa.exc.TimeoutError("no connection got free") from error

    def leave(self) -> None:
        """Give the place to the next."""
        self._places.release()

    def run(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Run work in a thread; it goes on even if nobody waits for it any more."""
        return asyncio.get_running_loop().run_in_executor(self._threads, work)

    def take(self) -> sqlite3.Connection:
        """Take a connection, opening one if need be; to be called in a thread."""
        try:
            return self._idle.pop()
        except IndexError:
            arguments, options = self.dialect.create_connect_args(self.sync_engine.url)
            given = options | {"timeout": self._wait_seconds, "cached_statements": CACHED, "check_same_thread": False}
            database: sqlite3.Connection = sqlite3.connect(*arguments, **given)
            self._opened(database)
            return database

    def give(self, database: sqlite3.Connection, *, broken: bool) -> None:
        """Give a connection back."""
        if broken:
            database.close()
        else:
            self._idle.append(database)

    async def dispose(self) -> None:
        """Close all connections; nobody may be at work any more."""
        await self.run(self._close)
        self._threads.shutdown(wait=False)

    def _close(self) -> None:
        while self._idle:
            self._idle.pop().close()
        self.sync_engine.dispose()


def driven(work: Coroutine[Any, Any, T]) -> T:
    """Run to its end, in this thread, a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    work.close()
    raise AssertionError("a call that is run in a thread waited for something")


def _loaded(plan: Plan, rows: list[Any]) -> Sequence[Any]:
    """Bring values to the form SQLAlchemy's types give them."""
    if not plan.loads or not rows:
        return rows
    loaded = []
    for row in rows:
        values = list(row)
        for index, process in plan.loads:
            values[index] = process(values[index])
        loaded.append(tuple(values))
    return loaded
