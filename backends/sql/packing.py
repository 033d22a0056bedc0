"""Columns that hold more than one value, changed without harming what else is in them.

The column is read under the lock of its row and written back before the lock goes, so that of two changes at once of
different entries neither is lost; several fields of one column are one statement.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from backends.contract import Change, NotFoundError, RejectedError, Value
from backends.sql.assignments import allow, dumped
from backends.sql.dialects.base import Dialect
from backends.sql.model import Entity, PackedField
from backends.sql.reading import Reading
from backends.sql.remembered import Remembered
from backends.sql.sessions import Session

Packed = tuple[PackedField, Value]
Assign = Callable[[dict[str, Any]], Awaitable[bool]]


class Packing:
    """Writes the packed columns of one entity."""

    def __init__(self, entity: Entity, dialect: Dialect, reading: Reading) -> None:
        self._entity = entity
        self._dialect = dialect
        self._reading = reading
        self._statements = Remembered(50)

    def first(self, packed: Iterable[Packed], columns: dict[str, Any]) -> frozenset[str]:
        """Pack the values of a new record into its columns, beginning with what a new row has in them; name those."""
        names = set()
        defaults = {default.column.name: default.value for default in self._entity.defaults}
        for found, value in packed:
            name = found.column.column.name
            stored = columns.get(name, defaults.get(name))
            written = _written(found, stored, value)
            if written is not None and written is not columns.get(name):
                columns[name] = written
                names.add(name)
        return frozenset(names)

    def concerned(self, packed: Iterable[Packed], change: Change, *, creating: bool) -> list[PackedField]:
        """Give the packed fields that are to be changed; refuse those that cannot be."""
        named = [self._entity.fields.get(name) for name in dict.fromkeys((*change.remove, *change.add))]
        deltas = [found for found in named if isinstance(found, PackedField)]
        for found in deltas:
            if not found.layout.many:
                raise RejectedError("the field has one value", found.name)
            allow(found.column.write, found.name, creating=creating)
        return [*(found for found, _ in packed), *deltas]

    async def update(
        self,
        session: Session,
        key: tuple[Any, ...],
        packed: Iterable[Packed],
        change: Change,
        assign: Assign,
        *,
        creating: bool,
    ) -> bool:
        """Change the packed fields that are set, added to or removed from; tell whether anything is different now."""
        packed = list(packed)
        fields = self.concerned(packed, change, creating=creating)
        if not fields:
            return False
        names = tuple(dict.fromkeys(found.column.column.key for found in fields))
        stored = await self._stored(session, key, names)
        given = {found.name: value for found, value in packed}
        changed = dict[str, Any]()
        for found in fields:
            name = found.column.column.name
            old = changed.get(name, stored[found.column.column.key])
            value = given[found.name] if found.name in given else _altered(found, old, change)
            new = _written(found, old, value)
            if new is not old:
                changed[name] = new
        return bool(changed) and await assign(changed)

    async def _stored(self, session: Session, key: tuple[Any, ...], names: tuple[str, ...]) -> Mapping[str, Any]:
        target = self._reading.target()

        def build() -> Any:
            columns = [self._dialect.unpacked(target.c[name]) for name in names]
            statement: Any = sa.select(*columns).where(*self._reading.target_condition())
            return self._dialect.locked(statement, target) if self._dialect.row_locks else statement

        statement = self._statements.get(names, build)
        row = (await session.execute(statement, self._reading.key_parameters(key))).first()
        if row is None:
            raise NotFoundError
        return dict(zip(names, row, strict=False))


def _altered(found: PackedField, stored: Any, change: Change) -> Value:
    gone, added = change.remove.get(found.name, ()), change.add.get(found.name, ())
    kept = tuple(value for value in found.split(stored) if value not in gone)
    return (*kept, *(value for value in added if value not in kept))


def _written(found: PackedField, stored: Any, value: Value) -> Any:
    """Write a value into what is stored; raise `RejectedError` for what has no place there, or is not understood."""
    try:
        written = found.layout.write(stored, value)
    except ValueError as error:
        raise RejectedError(str(error), found.name) from error
    native = found.column.native
    if written is stored or not (native.text or native.python is bytes):
        return written
    return dumped(native, found.name, written)
