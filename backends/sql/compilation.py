"""Settings and live schema -> entities; every name is checked here, and an unknown one refused with the nearest right
one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from backends.contract import Write
from backends.sql.dialects.base import FOLDS, Dialect
from backends.sql.faults import Places
from backends.sql.keys import Key
from backends.sql.model import AnyField, ColumnField, Default, Entity, Fixed, ListField, LookupField, RowsField
from backends.sql.names import Folded
from backends.sql.natives import Native
from backends.sql.reflection import DECLARED, Foreign, Schema, Source, Unique
from backends.sql.settings import (
    Constant,
    EntitySettings,
    FieldSettings,
    ListSettings,
    LookupSettings,
    RowsSettings,
    SettingsError,
    SqlSettings,
    unknown,
)


@dataclass(frozen=True, slots=True)
class _Ground:
    """An entity's table and key, known before its fields are."""

    settings: EntitySettings
    source: Source
    key: Key


class Compilation:
    """Compiles the entities of one backend against one schema."""

    def __init__(self, settings: SqlSettings, schema: Schema, dialect: Dialect, zone: tzinfo) -> None:
        self._settings = settings
        self._schema = schema
        self._dialect = dialect
        self._zone = zone
        self._grounds: dict[str, _Ground] = {}

    def entities(self) -> dict[str, Entity]:
        """Compile all entities; raise `SettingsError` at the first name that is not there."""
        for name, settings in self._settings.entities.items():
            path = f"entities.{name}"
            source = self._schema.source(settings.table, f"{path}.table")
            self._grounds[name] = _Ground(settings, source, self._key(source, settings.key, f"{path}.key"))
        lists = {name: self._lists(name) for name in self._grounds}
        return {name: self._entity(name, lists) for name in self._grounds}

    def _entity(self, name: str, lists: Mapping[str, Mapping[str, ListField]]) -> Entity:
        ground, path = self._grounds[name], f"entities.{name}"
        settings, source = ground.settings, ground.source
        fixed = self._fixed(source, settings.where, f"{path}.where")
        defaults = self._defaults(source, settings.defaults, f"{path}.defaults")
        given = {fix.column.name for fix in fixed} | {default.column.name for default in defaults}
        plain = {column.name: self._column(name, source, column.name, None, given) for column in source.table.columns}
        fields: dict[str, AnyField] = dict(plain)
        for field, options in settings.fields.items():
            where = f"{path}.fields.{field}"
            if options.inverse is not None:
                fields[field] = self._inverse(name, field, options, lists, where)
            else:
                column = source.column(options.column or field, f"{where}.column" if options.column else where)
                fields.pop(column.name, None) if options.column is None else None
                fields[field] = self._column(name, source, column.name, options, given, field=field, path=where)
        for field, row_settings in settings.rows.items():
            fields[field] = self._rows(name, field, row_settings, f"{path}.rows.{field}")
        fields |= lists[name]
        for field, lookup in settings.lookups.items():
            fields[field] = self._lookup(name, field, lookup, given, f"{path}.lookups.{field}")
        links = [field for others in lists.values() for field in others.values() if field.refers == name]
        return Entity(
            name=name,
            table=source.table,
            key=ground.key,
            fields=Folded(fields),
            fixed=fixed,
            defaults=defaults,
            links=tuple(self._turned(field, name, "") for field in links),
            natives={column.name: self._native(column) for column in source.table.columns},
            certain=source.tells_apart(ground.key.columns),
            places=places(source, {f.column.name: f.name for f in fields.values() if isinstance(f, ColumnField)}),
        )

    def _column(
        self,
        entity: str,
        source: Source,
        name: str,
        options: FieldSettings | None,
        given: Iterable[str],
        *,
        field: str | None = None,
        path: str = "",
    ) -> ColumnField:
        column = source.columns[name]
        native = self._native(column)
        options = options or FieldSettings()
        refers = self._referred(source, (column,), options.refers, f"{path}.refers", own=entity)
        if refers is not None:
            native = _reference(native)
        ours = source is self._grounds[entity].source if entity in self._grounds else False
        generated = column.computed is not None or (column.identity is not None and column.identity.always)
        write = Write(options.write) if options.write else Write.ALWAYS
        if native.opaque or generated or source.view:
            write = Write.NEVER
        elif ours and _is_generated(column, self._grounds[entity].key):
            write = Write(options.write) if options.write else Write.CREATE
        empty_allowed = column.nullable or column.server_default is not None or name in given
        required = not empty_allowed and not generated and not _is_generated(column, None)
        folded = source.column(options.folded, f"{path}.folded") if options.folded else None
        unique = source.unique((column,)) if options.unique is None else options.unique
        return ColumnField(
            name=field or name,
            column=column,
            native=native,
            refers=refers,
            write=write,
            unique=unique,
            required=required,
            secret=options.secret,
            case=options.case or ("lower" if folded is not None else None),
            folded=folded,
        )

    def _rows(self, entity: str, field: str, settings: RowsSettings, path: str) -> RowsField:
        source = self._schema.source(settings.table, f"{path}.table")
        owner = self._owner(entity, source, settings.owner, f"{path}.owner")
        key = tuple(column.name for column in source.pick(settings.key, f"{path}.key"))
        fixed = self._fixed(source, settings.where, f"{path}.where")
        defaults = self._defaults(source, settings.defaults, f"{path}.defaults")
        hidden = {column.name for column in owner} - set(key)
        if settings.columns is None:
            shown = [column.name for column in source.table.columns if column.name not in hidden]
        else:
            shown = [column.name for column in source.pick(settings.columns, f"{path}.columns")]
            shown += [name for name in key if name not in shown]
        given = {fix.column.name for fix in fixed} | {default.column.name for default in defaults}
        columns = {name: self._column("", source, name, None, given) for name in shown}
        names = dict.fromkeys(columns, field)
        write = Write.NEVER if source.view else Write.ALWAYS
        return RowsField(
            field, source.table, owner, key, Folded(columns), fixed, defaults, write, places(source, names)
        )

    def _lists(self, entity: str) -> dict[str, ListField]:
        settings = self._grounds[entity].settings
        found = {}
        for field, item in settings.every_list().items():
            path = f"entities.{entity}." + ("members" if item is settings.members else f"lists.{field}")
            found[field] = self._list(entity, field, item, path)
        return found

    def _list(self, entity: str, field: str, settings: ListSettings, path: str) -> ListField:
        source = self._schema.source(settings.table, f"{path}.table")
        owner = self._owner(entity, source, settings.owner, f"{path}.owner")
        member = self._key(source, settings.member, f"{path}.member")
        refers = self._referred(source, member.columns, settings.refers, f"{path}.refers")
        if refers is None and len(member) > 1:
            raise SettingsError(f"{path}.member", "several columns need `refers`: the entity whose key they are")
        fixed = self._fixed(source, settings.where, f"{path}.where")
        unique = source.unique((*owner, *member.columns), whole=True)
        if not unique and fixed:
            unique = source.unique((*owner, *member.columns, *(fix.column for fix in fixed)), whole=True)
        names = {column.name: field for column in member.columns}
        return ListField(
            name=field,
            table=source.table,
            owner=owner,
            member=member,
            refers=refers,
            fixed=fixed,
            defaults=self._defaults(source, settings.defaults, f"{path}.defaults"),
            write=Write.NEVER if source.view else Write.ALWAYS,
            unique=unique,
            places=places(source, names),
        )

    def _inverse(
        self,
        entity: str,
        field: str,
        options: FieldSettings,
        lists: Mapping[str, Mapping[str, ListField]],
        path: str,
    ) -> ListField:
        other, _, name = (options.inverse or "").rpartition(".")
        if other not in lists:
            raise unknown(f"{path}.inverse", "entity", other, lists)
        if name not in lists[other]:
            raise unknown(f"{path}.inverse", f"list of {other}", name, lists[other])
        found = lists[other][name]
        if found.refers not in (None, entity):
            raise SettingsError(f"{path}.inverse", f"{options.inverse} refers to {found.refers}, not to {entity}")
        if len(found.member) != len(self._grounds[entity].key):
            raise SettingsError(f"{path}.inverse", f"{options.inverse} does not hold keys of {entity}")
        turned = self._turned(found, other, field)
        return replace(turned, write=Write(options.write or "never"))

    def _turned(self, found: ListField, other: str, field: str) -> ListField:
        """See a list from its members' side."""
        member = Key(found.owner, tuple(self._native(column) for column in found.owner))
        return replace(found, name=field, owner=found.member.columns, member=member, refers=other)

    def _lookup(
        self, entity: str, field: str, settings: LookupSettings, given: Iterable[str], path: str
    ) -> LookupField:
        source = self._grounds[entity].source
        column = source.column(settings.column, f"{path}.column")
        other = self._schema.source(settings.table, f"{path}.table")
        key, value = other.column(settings.key, f"{path}.key"), other.column(settings.value, f"{path}.value")
        code = self._column(entity, source, column.name, None, given, field=field)
        return LookupField(field, code, other.table, key, value, self._native(value), other.unique((key,), whole=True))

    def _key(self, source: Source, names: tuple[str, ...], path: str) -> Key:
        columns = source.pick(names, path)
        natives = tuple(self._native(column) for column in columns)
        for column, native in zip(columns, natives, strict=True):
            if native.opaque:
                raise SettingsError(path, f"{column.name} has a type that cannot be searched")
        return Key(columns, natives)

    def _owner(self, entity: str, source: Source, names: tuple[str, ...], path: str) -> tuple[sa.Column[Any], ...]:
        owner = source.pick(names, path)
        if len(owner) != len(self._grounds[entity].key):
            raise SettingsError(path, f"needs as many columns as the key of {entity}: {len(self._grounds[entity].key)}")
        return owner

    def _referred(
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
            if named not in self._grounds:
                raise unknown(path, "entity", named, self._grounds)
            if len(self._grounds[named].key) != len(columns):
                raise SettingsError(path, f"{named} has a key of {len(self._grounds[named].key)} columns")
            return named
        names = tuple(column.name for column in columns)
        found = {
            name
            for foreign in source.foreign
            if foreign.columns == names
            for name, ground in self._grounds.items()
            if ground.source.table.name == foreign.table
            and ground.source.table.schema == foreign.schema
            and tuple(column.name for column in ground.key.columns) == foreign.targets
        }
        if own in found and len(found) > 1 and own is not None:
            return own
        return found.pop() if len(found) == 1 else None

    def _fixed(self, source: Source, where: Mapping[str, Any], path: str) -> tuple[Fixed, ...]:
        found = []
        for name, given in where.items():
            column = source.column(name, f"{path}.{name}")
            native = self._native(column)
            values = given if isinstance(given, tuple) else (given,)
            if not values:
                raise SettingsError(f"{path}.{name}", "an empty list lets no row through")
            dumped = tuple(self._constant(native, value, f"{path}.{name}") for value in values)
            found.append(Fixed(column, native, dumped))
        return tuple(found)

    def _defaults(self, source: Source, given: Mapping[str, Constant], path: str) -> tuple[Default, ...]:
        found = []
        for name, value in given.items():
            column = source.column(name, f"{path}.{name}")
            found.append(Default(column, self._constant(self._native(column), value, f"{path}.{name}")))
        return tuple(found)

    def _constant(self, native: Native, value: Constant, path: str) -> Any:
        if native.text and isinstance(value, int | Decimal) and not isinstance(value, bool):
            value = str(value)  # `level: 7` in a file is meant as it is written
        try:
            return native.dumped(value)
        except ValueError as error:
            raise SettingsError(path, f"the column cannot hold this: {error}") from None

    def _native(self, column: sa.Column[Any]) -> Native:
        declared = column.info.get(DECLARED, column.type)
        native = self._dialect.native(declared, self._zone)
        return replace(native, folds=native.text and bool(column.info.get(FOLDS)))


def places(source: Source, names: Mapping[str, str]) -> Places:
    """Tell which field a constraint or column of a table is about."""
    constraints = {}
    keys: list[Unique | Foreign] = [*source.uniques, *source.foreign]
    for key in keys:
        fields = [names[column] for column in key.columns if column in names]
        if key.name and len(set(fields)) == 1:
            constraints[key.name.casefold()] = fields[0]
    return Places(constraints, {column.casefold(): field for column, field in names.items()})


def _reference(native: Native) -> Native:
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


def _is_generated(column: sa.Column[Any], key: Key | None) -> bool:
    """Tell whether the database numbers this column by itself; with a key only if the column is all of it."""
    if key is not None and column.name not in {part.name for part in key.columns}:
        return False
    return column is column.table.autoincrement_column
