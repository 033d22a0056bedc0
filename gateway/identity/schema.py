"""The store's schema: is it there, may this program use it, and how it is brought up to date.

Several replicas may start at once, and old and new ones run side by side during a rolling restart: an upgrade is one
transaction under a lock, a step only adds, and a schema newer than the program is fine as long as it says so.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL, Connection, event, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from gateway.identity.failures import SchemaError, StoreUnavailableError
from gateway.identity.postgres import dsn
from gateway.identity.sqlite import file_of, make_file
from gateway.identity.tables import META

SCHEMA = 2
"""The number of the newest step this program knows."""
_VERSIONS = "scim_schema"
_LOCK = 7301953216508420117
"""The advisory lock of schema changes."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The state of a store's schema: the newest step taken (0: none), and the oldest program that may use it."""

    step: int
    readable_by: int

    @property
    def behind(self) -> bool:
        """Whether steps this program needs are missing."""
        return self.step < SCHEMA

    @property
    def ahead(self) -> bool:
        """Whether the schema is newer than this program can work with."""
        return self.readable_by > SCHEMA


async def inspect_schema(url: str) -> Schema:
    """Look at a store's schema and change nothing; a SQLite file that is not there has none."""
    if url.startswith("sqlite") and not await asyncio.to_thread(file_of(url).exists):
        return Schema(0, 0)
    return await _with_engine(url, _state)


async def check(url: str) -> Schema:
    """Raise `SchemaError` unless this program may use the store."""
    return _usable(await inspect_schema(url))


async def upgrade(url: str) -> Schema:
    """Take the steps that are missing, as one transaction under a lock; do nothing where none is missing.

    Raises `SchemaError` for a store newer than this program, `StoreUnavailableError`.
    """
    found = await inspect_schema(url)
    if not found.behind:
        return _usable(found)
    if url.startswith("sqlite"):
        try:
            await asyncio.to_thread(make_file, file_of(url))
        except OSError as error:
            raise StoreUnavailableError("the store's file cannot be made") from error
    return _usable(await _with_engine(url, _migrate))


def _usable(schema: Schema) -> Schema:
    if schema.behind:
        was = f"at step {schema.step}" if schema.step else "missing"
        raise SchemaError(f"store: its schema is {was} and this program needs step {SCHEMA}: run 'store upgrade'")
    if schema.ahead:
        raise SchemaError(
            f"store: its schema (step {schema.step}) can no longer be used by this program: "
            f"it knows steps up to {SCHEMA}, and {schema.readable_by} is the oldest that still works"
        )
    return schema


async def _with_engine(url: str, work: Any) -> Schema:
    engine = _engine(url)
    try:
        async with engine.begin() as connection:
            found: Schema = await connection.run_sync(work)
            return found
    except (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise StoreUnavailableError("the store cannot be reached, or refuses to be looked at") from error
    finally:
        await engine.dispose()


def _engine(url: str) -> AsyncEngine:
    if url.startswith("sqlite"):
        engine = create_async_engine(URL.create("sqlite+aiosqlite", database=str(file_of(url))), poolclass=NullPool)
        # The driver's own idea of transactions leaves DDL outside of them.
        event.listen(engine.sync_engine, "connect", _leave_transactions_alone)
        event.listen(engine.sync_engine, "begin", _begin_as_writer)
        return engine
    address, _ = dsn(url)

    async def connect() -> Any:
        return await asyncpg.connect(address, statement_cache_size=0, timeout=10)

    return create_async_engine(
        "postgresql+asyncpg://",
        poolclass=NullPool,
        async_creator=connect,
        connect_args={"prepared_statement_cache_size": 0, "prepared_statement_name_func": lambda: ""},
    )


def _leave_transactions_alone(connection: Any, _: Any) -> None:
    connection.isolation_level = None


def _begin_as_writer(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _state(connection: Connection) -> Schema:
    if not inspect(connection).has_table(META.name):
        return Schema(0, 0)
    rows = connection.execute(select(META.c.name, META.c.value).where(META.c.name.in_(["step", "readable_by"])))
    known = {name: int(value) for name, value in rows}
    return Schema(known.get("step", 0), known.get("readable_by", 0))


def _migrate(connection: Connection) -> Schema:
    # Imported where it is needed: a program whose store is up to date never loads it.
    from alembic.config import Config
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    folder = Path(__file__).parent / "migrations"
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    context = MigrationContext.configure(connection, opts={"version_table": _VERSIONS})
    with Operations.context(context):
        missing = list(script.iterate_revisions("head", context.get_current_revision() or "base"))
        for revision in reversed(missing):
            revision.module.upgrade()
            _note(connection, "step", int(revision.revision))
            _note(connection, "readable_by", int(revision.module.READABLE_BY))
        if missing:
            context.stamp(script, "head")
    return _state(connection)


def _note(connection: Connection, name: str, value: int) -> None:
    connection.execute(META.delete().where(META.c.name == name))
    connection.execute(META.insert().values(name=name, value=str(value)))
