"""A bridge to drivers that only block: each connection works in a thread of a bounded pool (R-L31).

It looks like the part of SQLAlchemy's asyncio extension that sessions use. Results are read to their end in the thread,
so that nothing of a driver is ever touched on the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import sqlalchemy as sa

from backends.sql.answers import Answer

T = TypeVar("T")


def _read(result: sa.CursorResult[Any]) -> Answer:
    """Read a result to its end."""
    rowcount = result.rowcount
    try:
        answer = Answer(result.all() if result.returns_rows else (), rowcount)
        if not result.returns_rows and result.context.isinsert and not result.context.executemany:
            answer.inserted_primary_key = result.inserted_primary_key
    finally:
        # What is not read to its end keeps its locks.
        result.close()
    return answer


class ThreadedConnection:
    """A connection whose every step runs in a thread."""

    def __init__(self, engine: ThreadedEngine) -> None:
        self._engine = engine
        self._connection: sa.Connection | None = None

    async def start(self) -> ThreadedConnection:
        await self._engine.enter()
        try:
            self._connection = await self._engine.run(self._engine.sync_engine.connect)
        except BaseException:
            self._engine.leave()
            raise
        return self

    @property
    def closed(self) -> bool:
        return self._connection is None or self._connection.closed

    async def execute(self, statement: sa.Executable, values: Any = None) -> Answer:
        return await self.run_sync(lambda connection: _read(connection.execute(statement, values)))

    async def commit(self) -> None:
        await self.run_sync(lambda connection: connection.commit())

    async def invalidate(self) -> None:
        await self.run_sync(lambda connection: connection.invalidate())

    async def close(self) -> None:
        try:
            await self.run_sync(lambda connection: connection.close())
        finally:
            self._connection = None
            self._engine.leave()

    async def run_sync(self, work: Callable[..., T], *arguments: Any) -> T:
        connection = self._connection
        assert connection is not None
        return await self._engine.run(lambda: work(connection, *arguments))


class ThreadedEngine:
    """An engine with a pool of threads, one for each connection there may be.

    Who waits for a connection waits here and not in a thread: the threads belong to those who have one.
    """

    def __init__(
        self, sync_engine: sa.Engine, threads: ThreadPoolExecutor, places: asyncio.Semaphore, wait_seconds: float
    ) -> None:
        self.sync_engine = sync_engine
        self._threads = threads
        self._places = places
        self._wait_seconds = wait_seconds

    @property
    def dialect(self) -> Any:
        return self.sync_engine.dialect

    def execution_options(self, **options: Any) -> ThreadedEngine:
        return ThreadedEngine(
            self.sync_engine.execution_options(**options), self._threads, self._places, self._wait_seconds
        )

    def connect(self) -> ThreadedConnection:
        return ThreadedConnection(self)

    async def dispose(self) -> None:
        await self.run(self.sync_engine.dispose)
        self._threads.shutdown(wait=False)

    async def enter(self) -> None:
        """Wait for a place among the connections; raise SQLAlchemy's TimeoutError if none gets free."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._places.acquire()
        except TimeoutError as error:
            raise sa.exc.TimeoutError("no connection got free") from error

    def leave(self) -> None:
        """Give the place to the next."""
        self._places.release()

    async def run(self, work: Callable[[], T]) -> T:
        """Run work in a thread; it goes on even if nobody waits for it any more."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def threaded(url: sa.URL, options: dict[str, Any], name: str) -> ThreadedEngine:
    """Make an engine for a driver that blocks, from the arguments of `create_engine`."""
    size = options["pool_size"] + options["max_overflow"]
    threads = ThreadPoolExecutor(max_workers=size, thread_name_prefix=f"sql-{name}")
    engine = sa.create_engine(url, **options)
    return ThreadedEngine(engine, threads, asyncio.Semaphore(size), options["pool_timeout"])
