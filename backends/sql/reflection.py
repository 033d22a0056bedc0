"""What the live schema has: tables with columns, unique keys and foreign keys, found by the names of the settings.

Runs once at start, on a connection's own thread of execution (`AsyncConnection.run_sync`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from backends.kit.settings_errors import SettingsError, unknown
from backends.sql.dialects.base import Dialect
from backends.sql.names import Folded

DECLARED = "declared"
"""Where a column's `info` keeps the type the schema declares, once a dialect has put a better one in its place."""


@dataclass(frozen=True, slots=True)
class Unique:
    """A unique key or index: its name and columns; `partial` where it covers some rows only."""

    name: str
    columns: tuple[str, ...]
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Foreign:
    """A foreign key: which columns lead to which columns of which table."""

    columns: tuple[str, ...]
    schema: str | None
    table: str
    targets: tuple[str, ...]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One table or view as it is."""

    table: Any  # sa.Table, or the subquery that stands for one
    uniques: tuple[Unique, ...] = ()
    foreign: tuple[Foreign, ...] = ()
    view: bool = False
    columns: Folded[sa.Column[Any]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", Folded({column.name: column for column in self.table.c}))

    def column(self, name: str, path: str) -> sa.Column[Any]:
        """Find a column by its name in any case; raise `SettingsError` at `path` if there is none."""
        found = self.columns.get(name)
        if found is None:
            raise unknown(path, f"column of {self.table.name}", name, self.columns)
        return found

    def pick(self, names: Iterable[str], path: str) -> tuple[sa.Column[Any], ...]:
        """Find several columns."""
        return tuple(self.column(name, path) for name in names)

    def unique(self, columns: Iterable[sa.Column[Any]], *, whole: bool = False) -> bool:
        """Tell whether a unique key has exactly these columns; `whole` leaves out partial ones."""
        wanted = {column.name for column in columns}
        return any(set(key.columns) == wanted and not (whole and key.partial) for key in self.uniques)

    def tells_apart(self, columns: Iterable[sa.Column[Any]]) -> bool:
        """Tell whether a unique key says that no two rows are alike in these columns."""
        wanted = {column.name for column in columns}
        return any(set(key.columns) <= wanted and not key.partial for key in self.uniques)


class Schema:
    """The live schema as one connection sees it; each table is read once."""

    def __init__(self, connection: sa.Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect
        self._inspector = sa.inspect(connection)
        self._metadata = sa.MetaData()
        self._names: dict[str | None, dict[str, bool]] = {}
        self._sources: dict[tuple[str | None, str], Source] = {}

    def source(self, name: str, path: str) -> Source:
        """Find the table or view called `name`; raise `SettingsError` with the nearest name if there is none."""
        schema, bare = split(name)
        with warnings.catch_warnings():
            # Unknown types and expression indexes are no fault here: what is not understood is only shown.
            warnings.simplefilter("ignore", sa.exc.SAWarning)
            try:
                schema, bare = self._resolve(schema, bare, path)
                if (schema, bare) not in self._sources:
                    self._sources[schema, bare] = self._read(schema, bare)
            except sa.exc.NoSuchTableError as error:
                raise SettingsError(path, f"there is no table {name!r}") from error
        return self._sources[schema, bare]

    def tables(self, schema: str | None = None) -> dict[str, bool]:
        """Name the tables and views of a schema; True for views."""
        if schema not in self._names:
            names = dict.fromkeys(self._inspector.get_table_names(schema), False)
            names |= dict.fromkeys(self._inspector.get_view_names(schema), True)
            try:
                names |= dict.fromkeys(self._inspector.get_materialized_view_names(schema), True)
            except NotImplementedError:
                pass  # this dialect knows no materialised views
            self._names[schema] = names
        return self._names[schema]

    def _resolve(self, schema: str | None, name: str, path: str) -> tuple[str | None, str]:
        if schema is not None:
            schemas = Folded(dict.fromkeys(self._inspector.get_schema_names()))
            if schema not in schemas and "." not in schema:
                raise unknown(path, "schema", schema, schemas)
            schema = next((s for s in schemas if s == schema), None) or next(
                (s for s in schemas if s.casefold() == schema.casefold()), schema
            )
        tables = self.tables(schema)
        if name in tables:
            return schema, name
        alike = [table for table in tables if table.casefold() == name.casefold()]
        if len(alike) > 1:
            raise SettingsError(path, f"{name!r} may be any of {', '.join(map(repr, alike))}")
        if not alike and not self._inspector.has_table(name, schema):
            raise unknown(path, "table", name, tables)
        return schema, alike[0] if alike else name

    def _read(self, schema: str | None, name: str) -> Source:
        table = sa.Table(name, self._metadata, schema=schema)
        self._inspector.reflect_table(table, None, resolve_fks=False)
        for column in table.columns:
            column.info[DECLARED] = column.type
        self._dialect.adapt(table, self._connection)
        view = self.tables(schema).get(name, False)
        uniques, foreign = list[Unique](), list[Foreign]()
        if not view:
            uniques, foreign = self._keys(schema, name)
        return Source(table, tuple(uniques), tuple(foreign), view)

    def _keys(self, schema: str | None, name: str) -> tuple[list[Unique], list[Foreign]]:
        inspector = self._inspector
        primary = inspector.get_pk_constraint(name, schema)
        uniques = [Unique(primary.get("name") or "PRIMARY", tuple(primary["constrained_columns"]))]
        uniques += [
            Unique(constraint["name"] or "", tuple(constraint["column_names"]))
            for constraint in inspector.get_unique_constraints(name, schema)
        ]
        for index in inspector.get_indexes(name, schema):
            if index.get("unique"):
                options = index.get("dialect_options", {})
                partial = any(key.endswith("_where") and value is not None for key, value in options.items())
                partial |= len(index["column_names"]) != len([c for c in index["column_names"] if c])
                columns = tuple(column for column in index["column_names"] if column is not None)
                uniques.append(Unique(index["name"] or "", columns, partial))
        foreign = [
            Foreign(
                tuple(key["constrained_columns"]),
                key["referred_schema"],
                key["referred_table"],
                tuple(key["referred_columns"]),
                key.get("name"),
            )
            for key in inspector.get_foreign_keys(name, schema)
        ]
        return [unique for unique in uniques if unique.columns], foreign


def split(name: str) -> tuple[str | None, str]:
    """Split `schema.table`; a part in double quotes may contain dots."""
    if name.endswith('"') and name.count('"') >= 2:
        head, _, bare = name[:-1].rpartition('"')
        return (head.rstrip(".").strip('"') or None, bare)
    schema, _, bare = name.rpartition(".")
    return (schema.strip('"') or None, bare)
