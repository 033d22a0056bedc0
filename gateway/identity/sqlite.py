"""The embedded store: one SQLite file, one writer, several readers (WAL)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Collection, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import dialect as sqlite_dialect
from sqlalchemy.engine.interfaces import Dialect

from gateway.identity.databases import ContendedError, KeyedLocks, Row, Session
from gateway.identity.failures import IdentityError, StoreUnavailableError
from gateway.identity.statements import Statement

BUSY_SECONDS = 5
"""How long to wait for another process that writes to the file."""
READERS = 2


class SqliteDatabase:
    """A SQLite file used by one process; another may read it, or write for a moment (an export, an upgrade)."""

    def __init__(self, path: Path) -> None:
        """`path` is made, with its folder, if it is not there; only its owner can read it."""
        self.dialect: Dialect = sqlite_dialect()
        self._path = path
        self._writer: aiosqlite.Connection | None = None
        self._readers: list[aiosqlite.Connection] = []
        self._next = 0
        self._turn = asyncio.Lock()
        self._locks = KeyedLocks()

    async def start(self) -> None:
        """Open the file."""
        with _translated():
            await asyncio.to_thread(make_file, self._path)
            self._writer = await self._open()
            for _ in range(READERS):
                self._readers.append(await self._open())

    async def _open(self) -> aiosqlite.Connection:
        connection = await aiosqlite.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
        # FULL: a reservation must survive a power cut, or a repeated POST could make a second account.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "temp_store=MEMORY"):
            await connection.execute_fetchall(f"PRAGMA {pragma}")
        return connection

    async def stop(self) -> None:
        """Close all connections."""
        connections = [*self._readers, *([self._writer] if self._writer else [])]
        self._writer, self._readers = None, []
        for connection in connections:
            await connection.close()

    async def read(self, statement: Statement, **values: Any) -> Sequence[Row]:
        """Run one statement that writes nothing, on a connection that does not wait for the writer."""
        if not self._readers:
            raise StoreUnavailableError("the store is not open")
        self._next = (self._next + 1) % len(self._readers)
        return await _run(self._readers[self._next], statement.sql, statement.arguments(values))

    async def write(self, statement: Statement, **values: Any) -> Sequence[Row]:
        """Run one statement as a transaction of its own."""
        async with self._turn:
            return await _run(self._open_writer(), statement.sql, statement.arguments(values))

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """Run several statements whole or not at all."""
        async with self._turn:
            writer = self._open_writer()
            try:
                await _run(writer, "BEGIN IMMEDIATE", ())
                yield _Session(writer)
                await _run(writer, "COMMIT", ())
            except BaseException:
                await _whole(_rollback(writer))
                raise

    def exclusive(self, locks: Collection[int]) -> contextlib.AbstractAsyncContextManager[None]:
        """Hold locks within this process, which is the only one."""
        return self._locks.hold(locks)

    def _open_writer(self) -> aiosqlite.Connection:
        if self._writer is None:
            raise StoreUnavailableError("the store is not open")
        return self._writer


def make_file(path: Path) -> None:
    """Make a store's file, and its folder, if they are not there; only the owner can read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def file_of(url: str) -> Path:
    """Read the file out of ``sqlite:///relative/path`` or ``sqlite:////absolute/path``; raise `ValueError`."""
    scheme, _, path = url.partition(":///")
    if scheme not in ("sqlite", "sqlite+aiosqlite") or not path or path == ":memory:":
        raise ValueError("store: a SQLite store is written sqlite:///path/to/file.db")
    return Path(path)


class _Session:
    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def run(self, statement: Statement, **values: Any) -> Sequence[Row]:
        return await _run(self._connection, statement.sql, statement.arguments(values))


async def _run(connection: aiosqlite.Connection, sql: str, arguments: Sequence[Any]) -> Sequence[Row]:
    with _translated():
        return list(await connection.execute_fetchall(sql, arguments))


async def _rollback(connection: aiosqlite.Connection) -> None:
    # The connection works off its statements in order: one that was cancelled, a BEGIN too, is over when this one is.
    await connection.execute_fetchall("SELECT 1")
    if connection.in_transaction:
        await connection.execute_fetchall("ROLLBACK")


async def _whole(work: Coroutine[Any, Any, None]) -> None:
    """Let something end even if the caller is cancelled meanwhile."""
    await asyncio.shield(asyncio.ensure_future(work))


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise ContendedError("a row was there first") from error
    except (sqlite3.OperationalError, OSError, ValueError) as error:
        # ValueError: the driver's word for a connection that was closed.
        raise StoreUnavailableError("the store's file cannot be used") from error
    except sqlite3.Error as error:
        raise IdentityError("the store refused a statement") from error
