"""PostgreSQL without a middleman: statements compiled once by SQLAlchemy, run on a pool of asyncpg's own.

Measured beside SQLAlchemy's own path by `tests/benchmarks/sql.py`; used where the URL names no driver. It looks like
the part of SQLAlchemy's asyncio extension that sessions use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from backends.sql.answers import Answer
from backends.sql.plans import Plans

T = TypeVar("T")


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that has no session state to be cleared when it is given back: that would be a round trip."""

    __slots__ = ()

    def get_reset_query(self) -> str:
        return ""


class FastConnection:
    """One connection of the pool, in a transaction or without."""

    def __init__(self, engine: FastEngine) -> None:
        self._engine = engine
        self._connection: Any = None
        self._open = False

    async def start(self) -> FastConnection:
        self._connection = await self._engine.acquire()
        if self._engine.transactions:
            try:
                await self._connection.execute("BEGIN")
            except BaseException:
                await self.close()
                raise
            self._open = True
        return self

    @property
    def closed(self) -> bool:
        return self._connection is None

    async def execute(self, statement: sa.Executable, values: Any = None) -> Answer:
        plan = self._engine.plans.of(statement)
        if isinstance(values, Sequence):
            rows = [plan.bound(one) for one in values]
            await self._connection.executemany(plan.text, [bound for _, bound in rows])
            return Answer((), len(rows))
        text, bound = plan.bound(values or {})
        if plan.rows:
            return Answer(await self._connection.fetch(text, *bound), -1)
        status = await self._connection.execute(text, *bound)
        return Answer((), int(status.rpartition(" ")[2]))

    async def commit(self) -> None:
        if self._open:
            self._open = False
            await self._connection.execute("COMMIT")

    async def invalidate(self) -> None:
        if self._connection is not None:
            self._connection.terminate()

    async def close(self) -> None:
        """Give the connection back; what was not committed is undone."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if self._engine.transactions and connection.is_in_transaction():
                await connection.execute("ROLLBACK")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            pass  # it broke: the server has undone the transaction, and the pool takes another connection
        finally:
            await self._engine.release(connection)

    async def run_sync(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run what needs SQLAlchemy itself, on a connection of its own."""
        async with self._engine.slow.connect() as connection:
            return await connection.run_sync(work, *arguments)


class FastEngine:
    """A pool of asyncpg's. `slow` is SQLAlchemy's engine on the same database, which keeps no connection."""

    def __init__(self, slow: AsyncEngine, pool: Callable[[], Any], wait_seconds: float) -> None:
        self.slow = slow
        self.sync_engine = slow.sync_engine
        self.transactions = True
        self._pool = _Pool(pool)
        self._wait_seconds = wait_seconds
        self.plans = Plans(slow.dialect)

    @property
    def dialect(self) -> Any:
        return self.sync_engine.dialect

    def connect(self) -> FastConnection:
        return FastConnection(self)

    def single(self) -> FastEngine:
        """Give the same pool without transactions: each statement is committed by itself."""
        other = FastEngine.__new__(FastEngine)
        vars(other).update(vars(self) | {"transactions": False})
        return other

    async def acquire(self) -> Any:
        """Take a connection; raise SQLAlchemy's TimeoutError if none gets free."""
        pool = self._pool.open or await self._pool.ready()
        if pool.get_idle_size() > 0:
            return await pool.acquire()  # one is free: a timer would cost more than it guards
        try:
            return await pool.acquire(timeout=self._wait_seconds)
        except TimeoutError as error:
            if pool.get_size() >= pool.get_max_size() and pool.get_idle_size() == 0:
                raise sa.exc.TimeoutError("no connection got free") from error
            raise

    async def release(self, connection: Any) -> None:
        pool = self._pool.open or await self._pool.ready()
        await pool.release(connection)

    async def dispose(self) -> None:
        await self._pool.close()
        await self.slow.dispose()


class _Pool:
    """Opens a pool once, when it is first needed: making one needs a running loop."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self.open: Any = None
        self._opening = asyncio.Lock()

    async def ready(self) -> Any:
        async with self._opening:
            if self.open is None:
                self.open = await self._make()
            return self.open

    async def close(self) -> None:
        pool, self.open = self.open, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(5.0):
                await pool.close()
        except TimeoutError:
            pool.terminate()


def fast_engine(slow: AsyncEngine, arguments: Mapping[str, Any], pool: Any) -> FastEngine:
    """Make an engine on a pool with these arguments of `asyncpg.connect` and these settings."""

    def make() -> Any:
        return asyncpg.create_pool(
            min_size=0,
            max_size=pool.size + pool.overflow,
            max_inactive_connection_lifetime=pool.recycle_seconds,
            connection_class=_Connection,
            **arguments,
        )

    return FastEngine(slow, make, pool.wait_seconds)
