"""The ground entities stand on: their tables and keys, known before their fields are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from backends.contract import Field, Write
from backends.kit.settings_errors import SettingsError, unknown
from backends.sql.dialects.base import FOLDS, Dialect
from backends.sql.faults import Places
from backends.sql.keys import Key
from backends.sql.model import Default, Fixed
from backends.sql.natives import Native
from backends.sql.reflection import DECLARED, Foreign, Schema, Source, Unique
from backends.sql.settings import Constant, EntitySettings, SqlSettings


@dataclass(frozen=True, slots=True)
class Ground:
    """One entity's settings, table and key. `inner` is the table behind it where the records are distinct values."""

    settings: EntitySettings
    source: Source
    key: Key
    fixed: tuple[Fixed, ...] = ()


class Grounds(Mapping[str, Ground]):
    """The grounds of all entities, and what settings are looked up in them."""

    def __init__(self, settings: SqlSettings, schema: Schema, dialect: Dialect, zone: tzinfo) -> None:
        self._schema = schema
        self._dialect = dialect
        self._zone = zone
        self._found: dict[str, Ground] = {}
        for name, entity in settings.entities.items():
            self._found[name] = self._ground(entity, f"entities.{name}", name)

    def __getitem__(self, name: str) -> Ground:
        return self._found[name]

    def __iter__(self) -> Any:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def source(self, name: str, path: str) -> Source:
        """Find a table; raise `SettingsError` with the nearest name if there is none."""
        return self._schema.source(name, path)

    def native(self, column: Any) -> Native:
        """Tell how values of a column are read and written."""
        native = self._dialect.native(column.info.get(DECLARED, column.type), self._zone)
        return replace(native, folds=native.text and bool(column.info.get(FOLDS)))

    def item(self, column: Any) -> Native | None:
        """Tell how the elements of an array are read and written; None for another column."""
        if not isinstance(column.type, sa.ARRAY) or (column.type.dimensions or 1) > 1:
            return None
        native = self._dialect.native(column.type.item_type, self._zone)
        return None if native.opaque else native

    def key(self, source: Source, names: tuple[str, ...], path: str) -> Key:
        """Make a key of columns."""
        columns = source.pick(names, path)
        natives = tuple(self.native(column) for column in columns)
        for column, native in zip(columns, natives, strict=True):
            if native.opaque:
                raise SettingsError(path, f"{column.name} has a type that cannot be searched")
        return Key(columns, natives)

    def owner(self, entity: str, source: Source, names: tuple[str, ...], path: str) -> tuple[sa.Column[Any], ...]:
        """Find the columns that hold an entity's key."""
        owner = source.pick(names, path)
        if len(owner) != len(self[entity].key):
            raise SettingsError(path, f"needs as many columns as the key of {entity}: {len(self[entity].key)}")
        return owner

    def referred(
        self,
        source: Source,
        columns: tuple[sa.Column[Any], ...],
        named: str | None,
        path: str,
        *,
        own: str | None = None,
    ) -> str | None:
        """Find the entity whose keys these columns hold: as said, or by the foreign key where that leaves one."""
        if named is not None:
            if named not in self:
                raise unknown(path, "entity", named, self)
            if len(self[named].key) != len(columns):
                raise SettingsError(path, f"{named} has a key of {len(self[named].key)} columns")
            return named
        names = tuple(column.name for column in columns)
        found = {
            name
            for foreign in source.foreign
            if foreign.columns == names
            for name, ground in self.items()
            if ground.source.table.name == foreign.table
            and getattr(ground.source.table, "schema", None) == foreign.schema
            and tuple(column.name for column in ground.key.columns) == foreign.targets
        }
        if own is not None and own in found:
            return own
        return found.pop() if len(found) == 1 else None

    def fixed(self, source: Source, where: Mapping[str, Any], path: str) -> tuple[Fixed, ...]:
        """Read the conditions under which rows count."""
        found = []
        for name, given in where.items():
            column = source.column(name, f"{path}.{name}")
            native = self.native(column)
            values = given if isinstance(given, tuple) else (given,)
            if not values:
                raise SettingsError(f"{path}.{name}", "an empty list lets no row through")
            dumped = tuple(constant(native, value, f"{path}.{name}") for value in values)
            found.append(Fixed(column, native, dumped))
        return tuple(found)

    def defaults(self, source: Source, given: Mapping[str, Constant], path: str) -> tuple[Default, ...]:
        """Read the values of new rows that nobody else gives."""
        found = []
        for name, value in given.items():
            column = source.column(name, f"{path}.{name}")
            found.append(Default(column, constant(self.native(column), value, f"{path}.{name}")))
        return tuple(found)

    def _ground(self, settings: EntitySettings, path: str, name: str) -> Ground:
        if settings.values:
            return self._declared(settings, name)
        if settings.generate is not None and settings.generate.sequence is not None and not self._dialect.sequences:
            raise SettingsError(f"{path}.generate.sequence", "this kind of database has no sequences")
        source = self.source(settings.table or "", f"{path}.table")
        key = self.key(source, settings.key, f"{path}.key")
        fixed = self.fixed(source, settings.where, f"{path}.where")
        if not settings.distinct:
            return Ground(settings, source, key, fixed)
        conditions = [
            sa.or_(*[self._dialect.equal(fix.column, sa.literal(v, fix.column.type), fix.native) for v in fix.values])
            for fix in fixed
        ]
        query = sa.select(key.columns[0]).distinct().where(key.columns[0].is_not(None), *conditions)
        return self._derived(settings, query, name, key.natives)

    def _declared(self, settings: EntitySettings, name: str) -> Ground:
        """Make a table of keys that only the settings know."""
        column = settings.key[0]
        values = [sa.select(sa.literal(value, sa.String()).label(column)) for value in settings.values]
        native = self._dialect.native(sa.String(), self._zone)
        return self._derived(settings, values[0] if len(values) == 1 else sa.union_all(*values), name, (native,))

    def _derived(self, settings: EntitySettings, query: Any, name: str, natives: tuple[Native, ...]) -> Ground:
        table = query.subquery(f"{name}_set")
        column = next(iter(table.c))
        whole = Unique("", (column.key,))
        source = Source(table, (whole,), view=True)
        return Ground(settings, source, Key((column,), natives))


def columns(source: Source, dialect: Dialect, zone: tzinfo) -> dict[str, Field]:
    """Describe the columns of a table that no entity is made of yet."""
    found = {}
    for column in source.table.c:
        native = dialect.native(column.info.get(DECLARED, column.type), zone)
        found[column.name] = Field(
            type=native.python,
            write=Write.NEVER if native.opaque or column.computed is not None else Write.ALWAYS,
            unique=source.unique((column,)),
            required=not column.nullable and column.server_default is None,
            max_length=getattr(column.type, "length", None) if native.text else None,
        )
    return found


def constant(native: Native, value: Constant, path: str) -> Any:
    """Turn a value of the configuration into a driver value."""
    if native.text and isinstance(value, int | Decimal) and not isinstance(value, bool):
        value = str(value)  # `level: 7` in a file is meant as it is written
    try:
        return native.dumped(value)
    except ValueError as error:
        raise SettingsError(path, f"the column cannot hold this: {error}") from None


def reference(native: Native) -> Native:
    """Make a column's values keys: the canonical spelling in a record, the column's own type in the database."""

    def dump(value: Any) -> Any:
        text = value if isinstance(value, str) else str(value)
        try:
            dumped = native.dump(native.parse(text))
        except (ValueError, ArithmeticError, KeyError):
            raise ValueError("not a key") from None
        if native.spell(dumped) != text:
            raise ValueError("not a key")
        return dumped

    return replace(native, python=str, dump=dump, load=native.spell)


def places(source: Source, names: Mapping[str, str]) -> Places:
    """Tell which field a constraint or column of a table is about."""
    constraints = {}
    keys: list[Unique | Foreign] = [*source.uniques, *source.foreign]
    for key in keys:
        fields = [names[column] for column in key.columns if column in names]
        if key.name and len(set(fields)) == 1:
            constraints[key.name.casefold()] = fields[0]
    return Places(constraints, {column.casefold(): field for column, field in names.items()})
