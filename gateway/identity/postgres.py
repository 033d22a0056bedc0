"""The store of several replicas: PostgreSQL through a pool of asyncpg connections.

Nothing here lives longer than a transaction on a connection (no session locks, no session settings, and with
``pgbouncer=true`` no prepared statements), so a pooler in transaction mode may stand between.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.engine.interfaces import Dialect

from gateway.identity.databases import ContendedError, KeyedLocks, Row, Session
from gateway.identity.failures import IdentityError, StoreUnavailableError
from gateway.identity.statements import Statement

LOCK_SECONDS = 30.0
"""How long to wait for a lock before giving up with `StoreUnavailableError`."""

_TAKE = """BEGIN; SELECT set_config('idle_in_transaction_session_timeout', '0', true),
       pg_advisory_xact_lock(given.lock) FROM unnest('{%s}'::bigint[]) AS given(lock)"""
"""Both in one round trip, which takes no parameters: the locks are numbers."""

_CONTENDED = ("23505", "40001", "40P01", "55P03")
_UNAVAILABLE = ("08", "25006", "28", "3D000", "53", "57", "58")


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    def get_reset_query(self) -> str:
        """Reset nothing between uses: no statement here leaves anything behind in a session."""
        return ""


class PostgresDatabase:
    """A PostgreSQL database shared by all replicas.

    `url` is a libpq URL (several hosts, ``sslmode``, ``sslrootcert`` … as there), and may carry four settings of
    ours: ``pgbouncer=true``, ``pool_size`` (connections, 10), ``locks`` (connections that hold locks, 10, or 2 behind
    a pooler) and ``timeout`` (seconds a statement may take, 10). A pooler needs more servers for this database than
    all replicas together have ``locks``: whoever holds a lock must find one to work with.
    """

    def __init__(self, url: str) -> None:
        self.dialect: Dialect = asyncpg_dialect()  # type: ignore[no-untyped-call]
        self._dsn, own = dsn(url)
        self._size = int(own.get("pool_size", "10"))
        self._timeout = float(own.get("timeout", "10"))
        self._pooled = own.get("pgbouncer", "false") == "true"
        self._lock_size = int(own.get("locks", "2" if self._pooled else "10"))
        self._pool: asyncpg.Pool[Any] | None = None
        self._lock_pool: asyncpg.Pool[Any] | None = None
        self._locks = KeyedLocks()

    async def start(self) -> None:
        """Open the pools; the one for locks stays empty until a lock is taken."""
        with _translated():
            self._pool = await self._open(1, self._size, seconds=self._timeout)
            self._lock_pool = await self._open(0, self._lock_size, seconds=LOCK_SECONDS)

    async def _open(self, least: int, most: int, *, seconds: float) -> asyncpg.Pool[Any]:
        return await asyncpg.create_pool(
            self._dsn,
            min_size=least,
            max_size=most,
            timeout=self._timeout,
            command_timeout=seconds,
            max_inactive_connection_lifetime=60.0,
            statement_cache_size=0 if self._pooled else 200,
            connection_class=_Connection,
            server_settings={"application_name": "scim-gateway"},
        )

    async def stop(self) -> None:
        """Close the pools; what is under way may end first."""
        pools = [pool for pool in (self._pool, self._lock_pool) if pool is not None]
        self._pool = self._lock_pool = None
        for pool in pools:
            try:
                async with asyncio.timeout(self._timeout):
                    await pool.close()
            except TimeoutError:
                pool.terminate()

    async def read(self, statement: Statement, **values: Any) -> Sequence[Row]:
        """Run one statement outside a transaction of ours: one round trip."""
        return await self._single(statement, values)

    async def write(self, statement: Statement, **values: Any) -> Sequence[Row]:
        """Run one statement as a transaction of its own: one round trip."""
        return await self._single(statement, values)

    async def _single(self, statement: Statement, values: dict[str, Any]) -> Sequence[Row]:
        arguments = statement.arguments(values)
        with _translated():
            async with self._open_pool().acquire(timeout=self._timeout) as connection:
                if self._pooled:
                    # Parse and execute are two trips: only a transaction keeps the pooler from changing servers.
                    async with connection.transaction():
                        return await _fetch(connection, statement.sql, arguments)
                return await _fetch(connection, statement.sql, arguments)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """Run several statements whole or not at all (READ COMMITTED; rows to be changed are locked first)."""
        with _translated():
            async with self._open_pool().acquire(timeout=self._timeout) as connection, connection.transaction():
                yield _Session(connection)

    @contextlib.asynccontextmanager
    async def exclusive(self, locks: Collection[int]) -> AsyncIterator[None]:
        """Hold advisory locks of the transaction kind, for as long as a transaction of their own is open.

        They have a pool of their own: who holds a lock needs a connection to work with. Within the process a lock is
        taken first by name, so that one waiter occupies one connection.
        """
        async with self._locks.hold(locks), contextlib.AsyncExitStack() as stack:
            with _translated():
                if self._lock_pool is None:
                    raise StoreUnavailableError("the store is not open")
                connection = await stack.enter_async_context(self._lock_pool.acquire(timeout=LOCK_SECONDS))
                stack.push_async_callback(_release, connection)
                await connection.execute(_TAKE % ",".join(str(int(lock)) for lock in sorted(set(locks))))
            yield

    def _open_pool(self) -> asyncpg.Pool[Any]:
        if self._pool is None:
            raise StoreUnavailableError("the store is not open")
        return self._pool


async def _release(connection: Any) -> None:
    """End the transaction that holds locks; that its end fails says nothing about what was done meanwhile."""
    with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        await connection.execute("ROLLBACK")


class _Session:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def run(self, statement: Statement, **values: Any) -> Sequence[Row]:
        return await _fetch(self._connection, statement.sql, statement.arguments(values))


async def _fetch(connection: Any, sql: str, arguments: Sequence[Any]) -> Sequence[Row]:
    rows: Sequence[Row] = await connection.fetch(sql, *arguments)
    return rows


def dsn(url: str) -> tuple[str, dict[str, str]]:
    """Split a store URL into what the driver understands and our own settings."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    own = {name: value for name, value in pairs if name in ("pgbouncer", "pool_size", "locks", "timeout")}
    rest = urlencode([(name, value) for name, value in pairs if name not in own])
    return urlunsplit(("postgresql", parts.netloc, parts.path, rest, "")), own


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except asyncpg.PostgresError as error:
        code = str(error.sqlstate or "")
        if code in _CONTENDED:
            raise ContendedError("another transaction was faster") from error
        if code.startswith(_UNAVAILABLE) or isinstance(error, asyncpg.QueryCanceledError):
            raise StoreUnavailableError("the store cannot be used at the moment") from error
        raise IdentityError("the store refused a statement") from error
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
        raise StoreUnavailableError("the store cannot be reached") from error
