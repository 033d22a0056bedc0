"""Engines: SQLAlchemy's pools of connections, one way to write transactions and one for single statements."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from backends.sql.dialects.base import Dialect
from backends.sql.dialects.sqlite import READ_ONLY, SQLite
from backends.sql.sessions import Sessions
from backends.sql.settings import SettingsError, SqlSettings

DIALECTS: dict[str, type[Dialect]] = {"sqlite": SQLite}
"""Kinds of database by the first part of their URL."""


def dialect_of(settings: SqlSettings) -> Dialect:
    """Choose the dialect by the URL; raise `SettingsError` for one that is not known."""
    try:
        kind = sa.make_url(settings.url.get_secret_value()).get_backend_name()
    except sa.exc.ArgumentError:
        # The library's own text would repeat the URL, with its password.
        raise SettingsError("url", "is not a database URL such as postgresql://host/database") from None
    if kind not in DIALECTS:
        raise SettingsError("url", f"there is no kind of database {kind!r}; known are {', '.join(sorted(DIALECTS))}")
    return DIALECTS[kind]()


def engine_of(settings: SqlSettings, dialect: Dialect, name: str) -> AsyncEngine:
    """Make an engine; nothing is opened yet."""
    pool = settings.pool
    url = dialect.url(sa.make_url(settings.url.get_secret_value()))
    options = {
        "pool_size": pool.size,
        "max_overflow": pool.overflow,
        "pool_timeout": pool.wait_seconds,
        "pool_recycle": pool.recycle_seconds,
        "pool_use_lifo": True,
        "hide_parameters": True,
    }
    engine = create_async_engine(url, **(options | dialect.options(settings, name)))
    dialect.prepare(engine)
    return engine


def sessions_of(engine: AsyncEngine, dialect: Dialect) -> Sessions:
    """Give the sessions of an engine."""
    if isinstance(dialect, SQLite):
        single = engine.execution_options(**{READ_ONLY: True})
    else:
        single = engine.execution_options(isolation_level="AUTOCOMMIT")
    return Sessions(engine, single, dialect)
