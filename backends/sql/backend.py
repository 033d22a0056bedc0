"""The SQL backend: the contract's methods, each on a session of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa

from backends.contract import (
    Capabilities,
    Change,
    Context,
    Field,
    Fields,
    NativeCall,
    Outcome,
    Page,
    Query,
    Record,
    UnavailableError,
    UnsupportedError,
    WritableBackend,
)
from backends.kit.settings_errors import SettingsError
from backends.pools import Pool
from backends.sql.abilities import abilities
from backends.sql.compilation import compiled
from backends.sql.engines import Engines, dialect_of
from backends.sql.explaining import Rehearsal, rehearsed, secrets_in
from backends.sql.grounds import Grounds, columns
from backends.sql.model import Entity
from backends.sql.reading import Reading
from backends.sql.reflection import Schema, split
from backends.sql.sessions import Sessions
from backends.sql.settings import SqlSettings
from backends.sql.usage import Usage
from backends.sql.writing import Writing

PING: sa.Executable = sa.select(sa.literal_column("1"))


@dataclass(frozen=True, slots=True)
class _Served:
    """One entity with what reads and writes it."""

    entity: Entity
    reading: Reading
    writing: Writing


class SqlBackend(WritableBackend[SqlSettings]):
    """Tables of a SQL database as entities."""

    settings_type = SqlSettings

    def __init__(self, settings: SqlSettings, context: Context) -> None:
        super().__init__(settings, context)
        try:
            self._zone: tzinfo = UTC if settings.timezone == "UTC" else ZoneInfo(settings.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise SettingsError("timezone", f"there is no time zone {settings.timezone!r}") from None
        self._dialect = dialect_of(settings)
        self._engines: Engines | None = None
        self._copy: Engines | None = None
        self._clock = time.monotonic
        self._fresh = 0.0
        self._sessions: Sessions | None = None
        self._copies: Sessions | None = None
        self._usages: tuple[Usage, ...] = ()
        self._served: Mapping[str, _Served] = {}
        self._abilities = {name: abilities(name, settings, self._entity) for name in settings.entities}

    async def start(self) -> None:
        """Open the pool and compile the entities; raise `SettingsError` for a name the schema does not have."""
        await self.stop()
        self._engines = Engines.of(self.settings, self._dialect, self.context.name)
        used = Usage("main", self._engines.limit(self.settings.pool))
        sessions = Sessions(self._engines.whole, self._engines.single, self._dialect, used)
        async with sessions.reading() as session:
            entities = await session.connection.run_sync(self._compiled)
        returning = self._engines.single.dialect.insert_returning
        served = {}
        for name, entity in entities.items():
            reading = Reading(entity, self._dialect)
            served[name] = _Served(entity, reading, Writing(entity, self._dialect, reading, returning=returning))
        self._served, self._sessions, self._usages = served, sessions, (used,)
        if self.settings.replica is not None:
            copy = self.settings.model_copy(update={"url": self.settings.replica})
            self._copy = Engines.of(copy, self._dialect, self.context.name)
            used = Usage("replica", self._copy.limit(self.settings.pool))
            self._copies = Sessions(self._copy.whole, self._copy.single, self._dialect, used)
            self._usages = (*self._usages, used)

    async def stop(self) -> None:
        """Close the pool."""
        engines, self._engines = self._engines, None
        copy, self._copy = self._copy, None
        sessions, self._sessions = self._sessions, None
        copies, self._copies = self._copies, None
        for one in (sessions, copies):
            if one is not None:
                await one.settle()
        if engines is not None:
            await engines.dispose()
        if copy is not None:
            await copy.dispose()

    async def ping(self) -> None:
        await self._open().read(lambda session: session.execute(PING))

    def capabilities(self, entity: str) -> Capabilities:
        """Tell what an entity can do. Before the first start, fields not named in the settings are taken for texts."""
        if entity not in self._abilities:
            raise UnsupportedError(f"there is no entity {entity}")
        return self._abilities[entity]

    async def describe(self, entity: str) -> Mapping[str, Field] | None:
        """Tell the fields of an entity, read from the live schema; found in any case of their names."""
        return self._find(entity).entity.described

    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        served = self._find(entity)
        return await self._open().read(lambda session: served.reading.get(session, key, fields))

    async def search(self, entity: str, query: Query) -> Page:
        served = self._find(entity)
        if self._copies is not None and self._clock() >= self._fresh:
            try:
                return await self._copies.read(lambda session: served.reading.search(session, query))
            except UnavailableError:
                pass  # the original is there too, and says so itself if it is not
        return await self._open().read(lambda session: served.reading.search(session, query))

    async def list_values(
        self, entity: str, key: str, field: str, *, limit: int, cursor: str | None = None
    ) -> tuple[tuple[Any, ...], str | None]:
        """Read a page of one long field, a membership say, by the index of its table."""
        served = self._find(entity)
        return await self._open().read(lambda session: served.reading.list_values(session, key, field, limit, cursor))

    async def create(self, entity: str, fields: Fields) -> Record:
        writing = self._find(entity).writing
        sessions = self._writing()
        alone = writing.creates_alone(fields)
        return await sessions.write(lambda session: writing.create(session, fields), alone=alone)

    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        writing = self._find(entity).writing
        sessions = self._writing()
        alone = writing.updates_alone(change, expect)
        return await sessions.write(lambda session: writing.update(session, key, change, expect), alone=alone)

    async def delete(self, entity: str, key: str, *, expect: str | None = None) -> None:
        writing = self._find(entity).writing
        sessions = self._writing()
        alone = writing.deletes_alone and expect is None
        await sessions.write(lambda session: writing.delete(session, key, expect), alone=alone)

    def renamed(self, entity: str, key: str, change: Change) -> str:
        """Tell the key of a record once a change is made: another one if a column of the key is set."""
        served = self._served.get(entity)
        return key if served is None else served.writing.renamed(key, change)

    def pools(self) -> Sequence[Pool]:
        """Tell how full the pool is, and that of the copy; of none before the first start."""
        return [usage.told() for usage in self._usages]

    def explain(self, entity: str, operation: str, *arguments: Any) -> Sequence[NativeCall]:
        """Write down the statements of an operation without sending any; the backend must have been started once, for
        the columns' types. Values of secret fields are masked."""
        served, of = self._find(entity), self._find(entity).entity
        rows, secrets = 1, list[Any]()
        match operation, arguments:
            case "search", (Query() as query,):
                rows, secrets = query.limit + 1 if query.total else 1, secrets_in(of, query.where)
            case "create", (fields,):
                secrets = secrets_in(of, fields)
            case "update", (_, Change() as change):
                secrets = secrets_in(of, change.set)
        dialect = self._engines.single.dialect if self._engines is not None else None
        session = Rehearsal(dialect, of, secrets, rows=rows)
        stand_in: Any = session
        match operation, arguments:
            case "get", (key, fields):
                rehearsed(served.reading.get(stand_in, key, frozenset(fields)))
            case "search", (query,):
                rehearsed(served.reading.search(stand_in, query))
            case "create", (fields,):
                rehearsed(served.writing.create(stand_in, fields))
            case "update", (key, change):
                rehearsed(served.writing.update(stand_in, key, change, None))
            case "delete", (key,):
                rehearsed(served.writing.delete(stand_in, key, None))
            case _:
                raise UnsupportedError(f"there is no operation {operation} with these arguments")
        return session.calls

    async def introspect(self) -> Mapping[str, Mapping[str, Field]]:
        """Tell the tables and views of the default schema and of those the settings name, with their columns."""
        named = {split(entity.table)[0] for entity in self.settings.entities.values() if entity.table is not None}
        async with self._open().reading() as session:
            return await session.connection.run_sync(self._introspected, {None, *named})

    def _introspected(self, connection: sa.Connection, schemas: set[str | None]) -> dict[str, dict[str, Field]]:
        schema = Schema(connection, self._dialect)
        found: dict[str, dict[str, Field]] = {}
        for name in sorted(schemas, key=lambda name: name or ""):
            for table in schema.tables(name):
                full = (
                    f'{name + "." if name else ""}"{table}"' if "." in table else f"{name + '.' if name else ''}{table}"
                )
                found[full] = columns(schema.source(full, full), self._dialect, self._zone)
        return found

    def _compiled(self, connection: sa.Connection) -> dict[str, Entity]:
        self._dialect.discover(connection)
        schema = Schema(connection, self._dialect)
        return compiled(Grounds(self.settings, schema, self._dialect, self._zone))

    def _entity(self, name: str) -> Entity | None:
        served = self._served.get(name)
        return None if served is None else served.entity

    def _find(self, name: str) -> _Served:
        self._open()
        if name not in self._served:
            raise UnsupportedError(f"there is no entity {name}")
        return self._served[name]

    def _writing(self) -> Sessions:
        """Give the sessions for a write, which a copy will only show later."""
        self._fresh = self._clock() + self.settings.replica_lag_seconds
        return self._open()

    def _open(self) -> Sessions:
        if self._sessions is None:
            raise UnavailableError("the database was not reached yet")
        return self._sessions
