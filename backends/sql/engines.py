"""Engines: SQLAlchemy's pools of connections, one way to write transactions and one for single statements."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from backends.kit.settings_errors import SettingsError
from backends.sql.dialects.base import Dialect
from backends.sql.dialects.db2 import Db2
from backends.sql.dialects.mssql import SqlServer
from backends.sql.dialects.mysql import MySQL
from backends.sql.dialects.oracle import Oracle
from backends.sql.dialects.postgres import Postgres
from backends.sql.dialects.sqlite import READ_ONLY, SQLite, opened
from backends.sql.fast import FastEngine, fast_engine
from backends.sql.local import LocalEngine
from backends.sql.sessions import Engine
from backends.sql.settings import PoolSettings, SqlSettings
from backends.sql.threads import ThreadedEngine, threaded

DIALECTS: dict[str, type[Dialect]] = {
    "sqlite": SQLite,
    "postgresql": Postgres,
    "mysql": MySQL,
    "mariadb": MySQL,
    "oracle": Oracle,
    "mssql": SqlServer,
    "db2": Db2,
}
"""Kinds of database by the first part of their URL."""


Slow = AsyncEngine | ThreadedEngine


def dialect_of(settings: SqlSettings) -> Dialect:
    """Choose the dialect by the URL; raise `SettingsError` for one that is not known."""
    try:
        kind = sa.make_url(settings.url.get_secret_value()).get_backend_name()
    except sa.exc.ArgumentError:
        # The library's own text would repeat the URL, with its password.
        raise SettingsError("url", "is not a database URL such as postgresql://host/database") from None
    if kind not in DIALECTS:
        raise SettingsError("url", f"there is no kind of database {kind!r}; known are {', '.join(sorted(DIALECTS))}")
    dialect = DIALECTS[kind]()
    for name, reason in dialect.lacks.items():
        if name in settings.model_fields_set and getattr(settings, name):
            raise SettingsError(name, reason)
    url = dialect.url(sa.make_url(settings.url.get_secret_value()))
    try:
        spoken = url.get_dialect()
        spoken.import_dbapi()
    except (sa.exc.NoSuchModuleError, ImportError):
        raise SettingsError("url", _missing(dialect, url)) from None
    dialect.blocks = not spoken.is_async
    return dialect


def _missing(dialect: Dialect, url: sa.URL) -> str:
    """Say which driver is missing, and what installs one."""
    if url.drivername == dialect.driver:
        return f"the driver of {url.get_backend_name()} databases is not installed: {dialect.remedy}"
    named = url.drivername.partition("+")[2]
    own = dialect.driver.partition("+")[2]
    return f"the driver {named} is not installed, or none SQLAlchemy knows; without it {own} is used: {dialect.remedy}"


def engine_of(settings: SqlSettings, dialect: Dialect, name: str, *, autocommit: bool = False) -> Slow:
    """Make an engine; nothing is opened yet."""
    pool = settings.pool
    url = dialect.url(sa.make_url(settings.url.get_secret_value()))
    options: dict[str, Any] = {
        "pool_size": pool.size,
        "max_overflow": pool.overflow,
        "pool_timeout": pool.wait_seconds,
        "pool_recycle": pool.recycle_seconds,
        "pool_use_lifo": True,
        "hide_parameters": True,
    }
    options |= dialect.options(settings, name)
    if autocommit:
        options |= {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
    elif dialect.isolation is not None:
        options["isolation_level"] = dialect.isolation
    engine: Slow = threaded(url, options, name) if dialect.blocks else create_async_engine(url, **options)
    dialect.prepare(engine.sync_engine)
    if settings.password_file is not None:
        _read_password(engine.sync_engine, settings.password_file)
    return engine


@dataclass(frozen=True, slots=True)
class Engines:
    """The engines of one backend: `whole` for transactions, `single` for statements that are whole by themselves."""

    whole: Engine
    single: Engine

    @classmethod
    def of(cls, settings: SqlSettings, dialect: Dialect, name: str) -> Engines:
        """Make the engines; they share a pool where changing between the two costs nothing."""
        if isinstance(dialect, Postgres) and "+" not in sa.make_url(settings.url.get_secret_value()).drivername:
            fast = _fast(settings, dialect, name)
            return cls(fast, fast.single())
        if isinstance(dialect, SQLite) and _is_plain_file(settings):
            local = _local(settings, dialect, name)
            return cls(local, local.single())
        whole = engine_of(settings, dialect, name)
        if isinstance(dialect, SQLite):
            return cls(whole, whole.execution_options(**{READ_ONLY: True}))
        if not dialect.two_pools:
            return cls(whole, whole.execution_options(isolation_level="AUTOCOMMIT"))
        return cls(whole, engine_of(settings, dialect, name, autocommit=True))

    @property
    def apart(self) -> bool:
        """Whether each of the two has a pool of its own."""
        return self.single.sync_engine.pool is not self.whole.sync_engine.pool

    def limit(self, pool: PoolSettings) -> int:
        """Tell how many connections there may be."""
        return (pool.size + pool.overflow) * (2 if self.apart else 1)

    async def dispose(self) -> None:
        """Close all connections."""
        if isinstance(self.whole, FastEngine | LocalEngine):
            await self.whole.dispose()
            return
        await self.whole.dispose()
        if self.apart:
            await self.single.dispose()


def _fast(settings: SqlSettings, dialect: Postgres, name: str) -> FastEngine:
    """Make the engine that runs compiled statements on asyncpg's own pool."""
    url = dialect.url(sa.make_url(settings.url.get_secret_value()))
    given: dict[str, Any] = dialect.options(settings, name)["connect_args"]
    slow = create_async_engine(url, poolclass=sa.NullPool, hide_parameters=True, connect_args=given)
    arguments: dict[str, Any] = dict(slow.dialect.create_connect_args(url)[1])
    arguments |= {name: value for name, value in given.items() if not name.startswith("prepared_statement_")}
    if (file := settings.password_file) is not None:
        _read_password(slow.sync_engine, file)
        arguments["password"] = lambda: file.read_text(encoding="utf-8").strip()
    return fast_engine(slow, arguments, settings.pool)


def _is_plain_file(settings: SqlSettings) -> bool:
    """Tell whether a SQLite database is a file, and no driver is asked for."""
    url = sa.make_url(settings.url.get_secret_value())
    return "+" not in url.drivername and url.database not in (None, "", ":memory:")


def _local(settings: SqlSettings, dialect: SQLite, name: str) -> LocalEngine:
    """Make the engine that runs compiled statements on the standard library's driver."""
    pool = settings.pool
    given: dict[str, Any] = dialect.options(settings, name)["connect_args"]
    slow = sa.create_engine(
        settings.url.get_secret_value(), poolclass=sa.NullPool, hide_parameters=True, connect_args=given
    )
    dialect.prepare(slow)
    plain = slow.execution_options(**{READ_ONLY: True})
    return LocalEngine(plain, opened, name=name, size=pool.size + pool.overflow, wait_seconds=pool.wait_seconds)


def _read_password(engine: sa.Engine, file: Path) -> None:
    @sa.event.listens_for(engine, "do_connect")
    def connect(dialect: object, record: object, arguments: object, parameters: dict[str, Any]) -> None:
        parameters["password"] = file.read_text(encoding="utf-8").strip()
