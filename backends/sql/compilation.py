"""Settings and live schema -> entities; every name is checked here, and an unknown one refused with the nearest right
one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from backends.contract import Write
from backends.kit.settings_errors import SettingsError, unknown
from backends.sql.faults import Places
from backends.sql.grounds import Ground, Grounds, constant, places, reference
from backends.sql.inlays import layout_of
from backends.sql.keys import Key
from backends.sql.layouts import Listed
from backends.sql.model import (
    AnyField,
    ColumnField,
    Computed,
    Dependent,
    Entity,
    Fixed,
    ListField,
    LookupField,
    PackedField,
    RowsField,
    Side,
    SideField,
    Version,
)
from backends.sql.names import Folded
from backends.sql.reflection import Source
from backends.sql.settings import (
    EntitySettings,
    FieldSettings,
    ListSettings,
    LookupSettings,
    RowsSettings,
    SideSettings,
)

_PLACE = re.compile(r"\{(\w+)\}")


def compiled(grounds: Grounds) -> dict[str, Entity]:
    """Compile all entities; raise `SettingsError` at the first name that is not there."""
    lists = {
        name: {
            field: _list(grounds, name, field, item, f"entities.{name}.{'members' if own else f'lists.{field}'}")
            for field, item in ground.settings.every_list().items()
            for own in (item is ground.settings.members,)
        }
        for name, ground in grounds.items()
    }
    return {name: _Compilation(grounds, name, lists).entity() for name in grounds}


class _Compilation:
    """Compiles one entity."""

    def __init__(self, grounds: Grounds, name: str, lists: Mapping[str, Mapping[str, ListField]]) -> None:
        self._grounds = grounds
        self._name = name
        self._lists = lists
        self._ground: Ground = grounds[name]
        self._settings: EntitySettings = self._ground.settings
        self._source: Source = self._ground.source
        self._path = f"entities.{name}"
        self._target = self._written()
        self._defaults = grounds.defaults(
            self._target or self._source, self._settings.defaults, f"{self._path}.defaults"
        )
        self._given = {fix.column.name for fix in self._ground.fixed} | {item.column.name for item in self._defaults}
        own = self._settings.statements.create
        # A statement that creates gives what it is not told itself.
        self._asked = None if own is None else frozenset(sa.text(own.sql)._bindparams)

    def entity(self) -> Entity:
        settings, source, target = self._settings, self._source, self._target
        fields: dict[str, AnyField] = {column.name: self._plain(column) for column in source.table.c}
        for name, options in settings.fields.items():
            fields |= self._named(name, options, fields)
        for name, rows in settings.rows.items():
            fields[name] = _rows(self._grounds, self._name, name, rows, f"{self._path}.rows.{name}")
        fields |= self._lists[self._name]
        for name, lookup in settings.lookups.items():
            fields[name] = self._lookup(name, lookup, f"{self._path}.lookups.{name}")
        sides = [self._side(side, f"{self._path}.beside.{index}") for index, side in enumerate(settings.beside)]
        fields |= {field.name: field for _, made in sides for field in made}
        links = [
            turned(self._grounds, found, other, "")
            for other, others in self._lists.items()
            for found in others.values()
            if found.refers == self._name
        ]
        alone = {fix.column.name for fix in self._ground.fixed if len(fix.values) == 1}
        columns = {
            found.column.name: found.name
            for found in fields.values()
            if isinstance(found, ColumnField) and found.column.name not in alone
        }
        return Entity(
            name=self._name,
            table=source.table,
            target=None if target is None else target.table,
            key=self._ground.key,
            fields=Folded(fields),
            fixed=self._ground.fixed,
            defaults=self._defaults,
            links=tuple(links),
            natives={} if target is None else {item.name: self._grounds.native(item) for item in target.table.c},
            certain=(target or source).tells_apart(self._ground.key.columns),
            places=places(target or source, columns),
            sides=tuple(side for side, _ in sides if side.required),
            dependents=self._dependents(),
            version=self._version(),
            computed=self._computed(),
            generate=settings.generate,
            statements=settings.statements,
            initial={name: item.initial for name, item in settings.fields.items() if item.initial},
        )

    def _written(self) -> Source | None:
        """Find the table that is written; None where nothing is."""
        settings = self._settings
        if settings.written is not None:
            target = self._grounds.source(settings.written, f"{self._path}.written")
            target.pick([column.name for column in self._ground.key.columns], f"{self._path}.key")
            return target
        return None if settings.fixed or self._source.view else self._source

    def _named(self, name: str, options: FieldSettings, fields: Mapping[str, AnyField]) -> dict[str, AnyField]:
        path = f"{self._path}.fields.{name}"
        if options.inverse is not None:
            return {name: self._inverse(name, options, path)}
        found = self._source.column(options.column or name, f"{path}.column" if options.column else path)
        column = self._column(found.name, options, field=name, path=path)
        if (layout := layout_of(self._grounds, column, options, path)) is not None:
            written = self._target is not None and found.name in self._target.columns
            if isinstance(layout, Listed) and written and options.write is None:
                column = replace(column, write=Write.ALWAYS)
            return {name: PackedField(name, column, layout)}
        # The column is known by the name it is given, not by two.
        return {found.name if options.column is None else name: column}

    def _plain(self, column: Any) -> AnyField:
        """Make the field of a column the settings say nothing of."""
        return self._named(column.name, FieldSettings(column=column.name), {})[column.name]

    def _column(self, name: str, options: FieldSettings, *, field: str | None = None, path: str = "") -> ColumnField:
        settings, target = self._settings, self._target
        if settings.fixed:
            column = self._source.columns[name]
            return ColumnField(field or name, column, self._ground.key.natives[0], write=Write.NEVER)
        found = _column(self._grounds, self._source, name, options, self._given, field=field, path=path, own=self._name)
        written = target is not None and name in target.columns
        if not written or (settings.version and settings.version.column and settings.version.column.casefold() == name):
            found = replace(found, write=Write.NEVER, required=False)
        elif options.write is None and found.write is Write.ALWAYS and self._numbered(name):
            found = replace(found, write=Write.CREATE, required=False)
        if any(name.casefold() == computed.casefold() for computed in settings.computed):
            found = replace(found, write=Write.NEVER, required=False)
        if self._asked is not None and found.name not in self._asked:
            found = replace(found, required=False)
        return replace(found, unique=found.unique or self._unique(found))

    def _unique(self, found: ColumnField) -> bool:
        """Tell whether a unique key holds within what the entity shows of its table."""
        alone = {fix.column.name for fix in self._ground.fixed if len(fix.values) == 1}
        source = self._target or self._source
        return any(
            found.column.name in key.columns and set(key.columns) - alone <= {found.column.name}
            for key in source.uniques
        )

    def _numbered(self, name: str) -> bool:
        own = self._settings.statements.create
        return name in {column.name for column in self._ground.key.columns} and (
            self._settings.generate is not None
            or (own is not None and own.gives == "key")
            or _is_generated(self._source.columns[name])
        )

    def _lookup(self, name: str, settings: LookupSettings, path: str) -> LookupField:
        column = self._source.column(settings.column, f"{path}.column")
        other = self._grounds.source(settings.table, f"{path}.table")
        key, value = other.column(settings.key, f"{path}.key"), other.column(settings.value, f"{path}.value")
        code = self._column(column.name, FieldSettings(), field=name)
        certain = other.unique((key,), whole=True)
        return LookupField(name, code, other.table, key, value, self._grounds.native(value), certain)

    def _inverse(self, name: str, options: FieldSettings, path: str) -> ListField:
        other, _, field = (options.inverse or "").rpartition(".")
        if other not in self._lists:
            raise unknown(f"{path}.inverse", "entity", other, self._lists)
        if field not in self._lists[other]:
            raise unknown(f"{path}.inverse", f"list of {other}", field, self._lists[other])
        found = self._lists[other][field]
        if found.refers not in (None, self._name):
            raise SettingsError(f"{path}.inverse", f"{options.inverse} refers to {found.refers}, not to {self._name}")
        if len(found.member) != len(self._ground.key):
            raise SettingsError(f"{path}.inverse", f"{options.inverse} does not hold keys of {self._name}")
        if options.write == "always" and found.stored_in_column:
            raise SettingsError(f"{path}.write", "a membership kept in a column is written from the group's side")
        return replace(turned(self._grounds, found, other, name), write=Write(options.write or "never"))

    def _side(self, settings: SideSettings, path: str) -> tuple[Side, list[SideField]]:
        grounds = self._grounds
        source = grounds.source(settings.table, f"{path}.table")
        owner = grounds.owner(self._name, source, settings.owner, f"{path}.owner")
        fixed = grounds.fixed(source, settings.where, f"{path}.where")
        defaults = grounds.defaults(source, settings.defaults, f"{path}.defaults")
        side = Side(source.table, owner, fixed, defaults, settings.required)
        write = Write.NEVER if source.view or self._settings.fixed else Write.ALWAYS
        made = []
        for name, given in settings.fields.items():
            where = f"{path}.fields.{name}"
            if settings.name is None or settings.value is None:
                column = source.column(given, where)
                native = grounds.native(column)
                made.append(SideField(name, side, column, native, Write.NEVER if native.opaque else write))
                continue
            attribute = source.column(settings.name, f"{path}.name")
            column = source.column(settings.value, f"{path}.value")
            kind = grounds.native(attribute)
            only = Fixed(attribute, kind, (constant(kind, given, where),))
            pivoted = replace(side, fixed=(*fixed, only))
            places_of = places(source, {column.name: name})
            made.append(SideField(name, pivoted, column, grounds.native(column), write, sparse=True, places=places_of))
        return side, made

    def _dependents(self) -> tuple[Dependent, ...]:
        found = []
        for index, settings in enumerate(self._settings.dependents):
            path = f"{self._path}.dependents.{index}"
            source = self._grounds.source(settings.table, f"{path}.table")
            owner = self._grounds.owner(self._name, source, settings.owner, f"{path}.owner")
            found.append(Dependent(source.table, owner, clear=settings.action == "clear"))
        return tuple(found)

    def _version(self) -> Version | None:
        settings = self._settings.version
        if settings is None:
            return None
        if settings.column is None:
            compared = [column for column in self._source.table.c if not self._grounds.native(column).opaque]
            return Version(None, False, tuple(compared))
        column = self._source.column(settings.column, f"{self._path}.version.column")
        return Version(column, settings.written_by == "gateway", ())

    def _computed(self) -> tuple[Computed, ...]:
        found = []
        for name, expression in self._settings.computed.items():
            path = f"{self._path}.computed.{name}"
            source = self._target or self._source
            column = source.column(name, path)
            pieces = _PLACE.split(expression)
            parts = [source.column(part, path) if index % 2 else part for index, part in enumerate(pieces)]
            found.append(Computed(column, tuple(parts)))
        return tuple(found)


def _column(
    grounds: Grounds,
    source: Source,
    name: str,
    options: FieldSettings,
    given: Collection[str],
    *,
    field: str | None = None,
    path: str = "",
    own: str | None = None,
) -> ColumnField:
    column = source.columns[name]
    native = grounds.native(column)
    refers = grounds.referred(source, (column,), options.refers, f"{path}.refers", own=own)
    if refers is not None:
        native = reference(native)
    generated = column.computed is not None or (column.identity is not None and column.identity.always)
    write = Write(options.write) if options.write else Write.ALWAYS
    if native.opaque or generated:
        write = Write.NEVER
    empty_allowed = column.nullable or column.server_default is not None or name in given
    folded = source.column(options.folded, f"{path}.folded") if options.folded else None
    return ColumnField(
        name=field or name,
        column=column,
        native=native,
        refers=refers,
        write=write,
        unique=source.unique((column,)),
        required=not empty_allowed and not generated and not _is_generated(column),
        secret=options.secret,
        case=options.case or ("lower" if folded is not None else None),
        folded=folded,
    )


def _rows(grounds: Grounds, entity: str, field: str, settings: RowsSettings, path: str) -> RowsField:
    source = grounds.source(settings.table, f"{path}.table")
    owner = grounds.owner(entity, source, settings.owner, f"{path}.owner")
    key = tuple(column.name for column in source.pick(settings.key, f"{path}.key"))
    fixed = grounds.fixed(source, settings.where, f"{path}.where")
    defaults = grounds.defaults(source, settings.defaults, f"{path}.defaults")
    hidden = {column.name for column in owner} - set(key)
    if settings.columns is None:
        shown = [column.name for column in source.table.c if column.name not in hidden]
    else:
        shown = [column.name for column in source.pick(settings.columns, f"{path}.columns")]
        shown = [*(name for name in key if name not in shown), *shown]
    given = {fix.column.name for fix in fixed} | {default.column.name for default in defaults}
    columns = {name: _column(grounds, source, name, FieldSettings(), given) for name in shown}
    names = dict.fromkeys(columns, field)
    write = Write.NEVER if source.view or grounds[entity].settings.fixed else Write.ALWAYS
    return RowsField(field, source.table, owner, key, Folded(columns), fixed, defaults, write, places(source, names))


def _list(grounds: Grounds, entity: str, field: str, settings: ListSettings, path: str) -> ListField:
    source = grounds.source(settings.table, f"{path}.table")
    owner = grounds.owner(entity, source, settings.owner, f"{path}.owner")
    member = grounds.key(source, settings.member, f"{path}.member")
    refers = _members(grounds, source, settings, member, path)
    if refers is None and len(member) > 1:
        raise SettingsError(f"{path}.member", "several columns need `refers`: the entity whose key they are")
    fixed = grounds.fixed(source, settings.where, f"{path}.where")
    unique = source.unique((*owner, *member.columns), whole=True)
    if not unique and fixed:
        unique = source.unique((*owner, *member.columns, *(fix.column for fix in fixed)), whole=True)
    return ListField(
        name=field,
        table=source.table,
        owner=owner,
        member=member,
        refers=refers,
        fixed=fixed,
        defaults=grounds.defaults(source, settings.defaults, f"{path}.defaults"),
        write=Write.NEVER if source.view else Write.ALWAYS,
        unique=unique,
        stored_in_column=settings.stored == "column",
        places=places(source, {column.name: field for column in member.columns}),
        owner_places=places(source, {column.name: field for column in owner}),
    )


def _members(grounds: Grounds, source: Source, settings: ListSettings, member: Key, path: str) -> str | None:
    found = grounds.referred(source, member.columns, settings.refers, f"{path}.refers")
    if found is None and settings.stored == "column":
        # The members' own table: its key says who they are.
        same = [
            name
            for name, ground in grounds.items()
            if ground.source.table is source.table and ground.key.columns == member.columns
        ]
        return same[0] if len(same) == 1 else None
    return found


def turned(grounds: Grounds, found: ListField, other: str, field: str) -> ListField:
    """See a list of the entity `other` from its members' side."""
    member = Key(found.owner, tuple(grounds.native(column) for column in found.owner))
    there = found.owner_places
    seen = Places(dict.fromkeys(there.constraints, field), dict.fromkeys(there.columns, field))
    return replace(found, name=field, owner=found.member.columns, member=member, refers=other, places=seen)


def _is_generated(column: Any) -> bool:
    """Tell whether the database numbers this column by itself."""
    return isinstance(column.table, sa.Table) and column is column.table.autoincrement_column
