"""All tables, and the references between their records.

Everything here is synchronous: between two awaits of the backend nobody sees an edit half done.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from backends.contract import (
    Change,
    ConflictError,
    DeniedError,
    Field,
    Record,
    RejectedError,
    Row,
    Scalar,
    UnsupportedError,
    Value,
)
from backends.kit.evaluate import rows
from backends.kit.merging import about, merge, same
from backends.memory.references import References
from backends.memory.shapes import Shape
from backends.memory.table import Stored, Table


@dataclass(frozen=True, slots=True)
class Put:
    """One value in place of another."""

    value: Scalar | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delta:
    """Values that come and values that go; only those that make a difference."""

    add: tuple[Scalar, ...] = field(repr=False)
    remove: tuple[Scalar, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rows:
    """All rows anew."""

    rows: tuple[Row, ...] = field(repr=False)


Edit = Put | Delta | Rows


class Store:
    """What is kept. Changes are worked out first (`edits`), which raises what is wrong with them, and then applied."""

    def __init__(self, shapes: Iterable[Shape]) -> None:
        self._tables = {shape.name: Table(shape) for shape in shapes}
        self._references = References(table.shape for table in self._tables.values())
        self._versions = itertools.count(1)

    def table(self, entity: str) -> Table:
        """Find the table of an entity; raise `UnsupportedError` where there is none: no record was looked for."""
        table = self._tables.get(entity)
        if table is None:
            raise UnsupportedError("there is no such entity")
        return table

    def view(self, table: Table, stored: Stored, names: Iterable[str]) -> Record:
        """Show fields of a record: a copy, through which nobody can alter what is kept."""
        fields = {name: self._value(table, stored, name) for name in names}
        return Record(stored.key, fields, str(stored.version) if table.shape.capabilities.versions else None)

    def holders(self, table: Table, name: str, value: Scalar, *, ignore_case: bool) -> Iterable[str] | None:
        """Name the only records whose field can equal `value`, where an index tells; else None."""
        shape, text = table.shape, str(value)
        if name in shape.inverses and not ignore_case:
            entity, back = shape.inverses[name]
            other = self._tables[entity].records.get(text)
            held = () if other is None else other.many[back] if back in other.many else (other.single[back],)
            return tuple(key for key in held if isinstance(key, str))
        if self._references.target(table.name, name) is not None and not ignore_case:
            return self._references.owners(table.name, name, text)
        if name in shape.fields and shape.fields[name].unique and (name in shape.folded or not ignore_case):
            owner = table.owner(name, value)
            return () if owner is None else (owner,)
        return None

    def add(self, table: Table, values: Mapping[str, Value], key: str | None = None) -> Stored:
        """Enter a record with its single values, its many-valued fields empty; raise `ConflictError` for a value or
        key that is taken."""
        shape = table.shape
        edits = self.edits(
            table, None, Change(set={name: value for name, value in values.items() if not shape.fields[name].many})
        )
        if shape.key in shape.fields:
            key = str(values[shape.key])
        elif key is None:
            key = str(uuid4()) if shape.key == "uuid" else table.next_in_sequence()
        if key in table.records:
            raise ConflictError("the key is taken", shape.key if shape.key in shape.fields else None)
        stored = Stored(key, next(self._versions))
        for name, declared in shape.fields.items():
            if declared.row is not None:
                stored.rows[name] = ()
            elif not declared.many:
                stored.single[name] = None
            elif name not in shape.inverses:
                stored.many[name] = {}
        table.enter(stored)
        for name, edit in edits.items():
            self.apply(table, stored, name, edit)
        return stored

    def edits(self, table: Table, stored: Stored | None, change: Change) -> dict[str, Edit]:
        """Work out what a change alters in a record, or in a new one.

        Raises `ConflictError` for a value that is taken and `RejectedError` for a reference to nobody.
        """
        edits: dict[str, Edit] = {}
        for name in dict.fromkeys((*change.set, *change.add, *change.remove)):
            edit = _edit(name, table.shape.fields[name], stored, change)
            if edit is not None:
                self._check(table, stored, name, edit)
                edits[name] = edit
        return edits

    def apply(self, table: Table, stored: Stored, name: str, edit: Edit) -> None:
        """Apply one edit, and give the record a new version."""
        stored.version = next(self._versions)
        match edit:
            case Rows(rows=found):
                stored.rows[name] = found
            case Delta(add=add, remove=remove):
                for value in remove:
                    del stored.many[name][value]
                    self._refer(table, stored, name, value, None)
                for value in add:
                    stored.many[name][value] = None
                    self._refer(table, stored, name, None, value)
            case Put(value=value):
                before = stored.single[name]
                table.release(name, before)
                table.take(name, value, stored.key)
                stored.single[name] = value
                self._refer(table, stored, name, before, value)
                if name == table.shape.key and value != stored.key:
                    self._rename(table, stored, str(value))

    def remove(self, table: Table, stored: Stored) -> None:
        """Remove a record and every reference to it; raise `DeniedError` if another record cannot be without it."""
        for entity, name, owners in self._references.towards(table.name, stored.key):
            field_, own = self._tables[entity].shape.fields[name], entity == table.name and owners == (stored.key,)
            if field_.required and not field_.many and not own:
                raise DeniedError("another record needs this one")
        self._redirect(table, stored.key, None)
        for name, value in list(_held(stored)):
            table.release(name, value)
            self._refer(table, stored, name, value, None)
        table.leave(stored)

    def _rename(self, table: Table, stored: Stored, key: str) -> None:
        old = stored.key
        table.leave(stored)
        stored.key = key
        table.enter(stored)
        for name, value in _held(stored):
            table.take(name, value, key)
            if self._references.target(table.name, name) is not None:
                self._references.unlink(table.name, name, old, str(value))
                self._references.link(table.name, name, key, str(value))
        self._redirect(table, old, key)

    def _redirect(self, table: Table, key: str, to: str | None) -> None:
        """Let all that refers to a record refer to its new key, or to nobody."""
        for entity, name, owners in list(self._references.towards(table.name, key)):
            source = self._tables[entity]
            for owner in owners:
                record = source.find(owner)
                delta = Delta(() if to is None else (to,), (key,))
                self.apply(source, record, name, delta if name in record.many else Put(to))

    def _value(self, table: Table, stored: Stored, name: str) -> Value:
        if name in stored.single:
            return stored.single[name]
        if name in stored.many:
            return tuple(stored.many[name])
        if name in stored.rows:
            return tuple(dict(row) for row in stored.rows[name])
        if name in table.shape.inverses:
            entity, back = table.shape.inverses[name]
            return self._references.owners(entity, back, stored.key)
        raise UnsupportedError(f"there is no field {name}")

    def _check(self, table: Table, stored: Stored | None, name: str, edit: Edit) -> None:
        if isinstance(edit, Put) and edit.value is not None:
            owner = table.owner(name, edit.value)
            taken = owner is not None and (stored is None or owner != stored.key)
            if taken or (name == table.shape.key and edit.value in table.records):
                raise ConflictError("the value is taken", name)
        entity = self._references.target(table.name, name)
        if entity is not None and not isinstance(edit, Rows):
            targets = edit.add if isinstance(edit, Delta) else (edit.value,)
            if any(target is not None and target not in self._tables[entity].records for target in targets):
                raise RejectedError("there is no such record to refer to", name)

    def _refer(self, table: Table, stored: Stored, name: str, before: Scalar | None, after: Scalar | None) -> None:
        """Keep the index of references; who is referred to has a new version if it shows so."""
        entity = self._references.target(table.name, name)
        if entity is None:
            return
        if before is not None:
            self._references.unlink(table.name, name, stored.key, str(before))
        if after is not None:
            self._references.link(table.name, name, stored.key, str(after))
        if self._references.shown(table.name, name):
            for target in (before, after):
                if (other := self._tables[entity].records.get(str(target))) is not None:
                    other.version = next(self._versions)


def _held(stored: Stored) -> Iterator[tuple[str, Scalar]]:
    for name, value in stored.single.items():
        if value is not None:
            yield name, value
    for name, many in stored.many.items():
        for value in many:
            yield name, value


def _edit(name: str, declared: Field, stored: Stored | None, change: Change) -> Edit | None:
    if declared.row is not None:
        before = stored.rows[name] if stored else ()
        merged = merge({name: before}, about(name, change), {name: declared})
        return Rows(tuple(dict(row) for row in rows(merged.fields[name]))) if merged.changed else None
    if not declared.many:
        if name not in change.set:
            raise RejectedError("the field has one value, none can be added or removed", name)
        value: Any = change.set[name]
        return None if stored is not None and same(stored.single[name], value) else Put(value)
    held: Mapping[Scalar, None] = stored.many[name] if stored else {}
    wanted: Any = change.add.get(name, ())
    unwanted: Any = change.remove.get(name, ())
    if name in change.set:
        wanted = change.set[name] or ()
        keep = set(wanted)
        unwanted = tuple(value for value in held if value not in keep)
    delta = Delta(
        tuple(value for value in dict.fromkeys(wanted) if value not in held),
        tuple(value for value in dict.fromkeys(unwanted) if value in held),
    )
    return delta if delta.add or delta.remove else None
