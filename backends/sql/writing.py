"""Writing: create, update and delete of one record, with its child and link rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from backends.contract import (
    Change,
    ConflictError,
    Fields,
    NotFoundError,
    Outcome,
    Record,
    RejectedError,
    Value,
    Write,
)
from backends.sql.dialects.base import Dialect
from backends.sql.links import BATCH, Links
from backends.sql.model import ColumnField, Entity, ListField, LookupField, RowsField
from backends.sql.reading import Reading, Remembered
from backends.sql.rows import Rows
from backends.sql.sessions import Session

Assignments = dict[str, Any]
"""Driver values by column name."""


class Writing:
    """Writes one entity."""

    def __init__(self, entity: Entity, dialect: Dialect, reading: Reading, *, returning: bool) -> None:
        self._entity = entity
        self._dialect = dialect
        self._reading = reading
        self._returning = returning
        self._links = Links(entity, dialect)
        self._rows = Rows(entity, dialect)
        self._statements = Remembered()
        self._columns = {name: entity.table.c[name] for name in entity.table.c.keys()}  # noqa: SIM118 - no Mapping

    # Which writes are one statement, and need no transaction.

    def creates_alone(self, fields: Fields) -> bool:
        """Tell whether a create touches the entity's own table only."""
        return all(isinstance(self._entity.fields.get(name), ColumnField | LookupField) for name in fields)

    def updates_alone(self, change: Change) -> bool:
        """Tell whether an update is one statement."""
        if change.add or change.remove:
            return self._lone_delta(change) is not None
        if not self._entity.certain:
            return False
        keys = {column.name for column in self._entity.key.columns}
        fields = [self._entity.fields.get(name) for name in change.set]
        return all(
            isinstance(found, LookupField) or (isinstance(found, ColumnField) and found.column.name not in keys)
            for found in fields
        )

    def _lone_delta(self, change: Change) -> ListField | None:
        """Give the list a change adds to or removes from, if that is all it does and one statement can do it."""
        if change.set or len(change.add) + len(change.remove) != 1:
            return None
        ((name, values),) = (change.add or change.remove).items()
        found = self._entity.fields.get(name)
        if not isinstance(found, ListField) or found.table is self._entity.table:
            return None
        return found if self._links.merges_at_once(found) or (change.remove and len(values) <= BATCH) else None

    # Create.

    async def create(self, session: Session, fields: Fields) -> Record:
        """Insert a record and what belongs to it."""
        assigned, many = await self._assigned(session, fields, creating=True)
        for fix in self._entity.fixed:
            assigned.setdefault(fix.column.name, fix.values[0])
        for default in self._entity.defaults:
            assigned.setdefault(default.column.name, default.value)
        key, row = await self._insert(session, assigned, fields)
        for found, value in many:
            if isinstance(found, ListField):
                await self._links.add(session, found, key, value or ())
            else:
                await self._rows.alter(session, found, key, add=value or (), fresh=True)
        text = self._entity.key.encode(key)
        if row is not None and not many:
            return Record(text, row)
        return await self._reading.get(session, text, frozenset(fields))

    async def _insert(
        self, session: Session, assigned: Assignments, fields: Fields
    ) -> tuple[tuple[Any, ...], Fields | None]:
        """Insert the row; give its key, and the written fields if the database told them in the same breath."""
        key = self._entity.key
        own = [found for name in fields if isinstance(found := self._entity.fields.get(name), ColumnField)]
        whole = len(own) == len(fields)
        shape = ("insert", tuple(assigned), tuple(fields) if whole else None)

        def build() -> sa.Insert:
            statement = sa.insert(self._entity.table)
            if assigned:
                statement = statement.values({name: self._bound(name) for name in assigned})
            if self._returning:
                statement = statement.returning(*key.columns, *([found.column for found in own] if whole else []))
            return statement

        statement = self._statements.get(shape, build)
        result = await session.execute(statement, _named(assigned), self._entity.places)
        if self._returning:
            row = result.one()
            values = row[len(key) :]
            told = {name: found.native.loaded(value) for name, found, value in zip(fields, own, values, strict=False)}
            return tuple(row[: len(key)]), told if whole else None
        generated = iter(result.inserted_primary_key or ())
        primary = {column.name: next(generated, None) for column in self._entity.table.primary_key.columns}
        return tuple(assigned.get(column.name, primary.get(column.name)) for column in key.columns), None

    # Update.

    async def update(self, session: Session, key: str, change: Change) -> Outcome:
        """Apply a change; tell truly whether anything is different now (P4)."""
        values = self._entity.key.decode(key)
        if values is None:
            raise NotFoundError
        if (lone := self._lone_delta(change)) is not None:
            return await self._delta(session, lone, values, change)
        assigned, many = await self._assigned(session, change.set, creating=False)
        moved = tuple(assigned.get(column.name, value) for column, value in self._pairs(values))
        diffs = bool(many) or any(
            isinstance(self._entity.fields.get(name), RowsField) for name in (*change.add, *change.remove)
        )
        changed = bool(assigned) and await self._assign(session, values, assigned)
        if not changed and not await self._reading.exists(session, values, lock=diffs):
            raise NotFoundError
        if moved != values:
            await self._move(session, values, moved)
            values = moved
        for found, value in many:
            if isinstance(found, ListField):
                changed |= await self._links.replace(session, found, values, value or ()) > 0
            else:
                changed |= await self._rows.replace(session, found, values, value or ()) > 0
        for name in dict.fromkeys((*change.remove, *change.add)):
            found = self._many(name)
            gone, added = change.remove.get(name, ()), change.add.get(name, ())
            if isinstance(found, ListField):
                changed |= bool(gone) and await self._links.remove(session, found, values, gone) > 0
                changed |= bool(added) and await self._links.add(session, found, values, added) > 0
            else:
                changed |= await self._rows.alter(session, found, values, add=added, remove=gone) > 0
        text = self._entity.key.encode(values)
        if text == key:
            return Outcome(changed)
        return Outcome(changed, await self._reading.get(session, text, frozenset(change.set)))

    async def _delta(self, session: Session, found: ListField, values: tuple[Any, ...], change: Change) -> Outcome:
        """Add to or remove from one list without looking at the record first."""
        self._allow(found.write, found.name, creating=False)
        if change.add:
            count = await self._links.add(session, found, values, *change.add.values())
        else:
            count = await self._links.remove(session, found, values, *change.remove.values(), alone=True)
        if count == 0 and not await self._reading.exists(session, values):
            raise NotFoundError
        return Outcome(count > 0)

    async def _assign(self, session: Session, values: tuple[Any, ...], assigned: Assignments) -> bool:
        def build() -> sa.Update:
            different = [
                self._dialect.differs(self._columns[name], self._bound(name), self._native(name)) for name in assigned
            ]
            return (
                sa.update(self._entity.table)
                .values({name: self._bound(name) for name in assigned})
                .where(*self._reading.key_condition(), sa.or_(*different))
            )

        statement = self._statements.get(("update", tuple(assigned)), build)
        bound = {**_named(assigned), **self._reading.key_parameters(values)}
        result = await session.execute(statement, bound, self._entity.places)
        if result.rowcount > 1:
            raise ConflictError("several records have this key")
        return result.rowcount == 1

    async def _move(self, session: Session, old: tuple[Any, ...], new: tuple[Any, ...]) -> None:
        """Let what belongs to a record follow its key, where the database does not cascade."""
        for found in (*self._owned(), *self._entity.links):
            columns = found.owner
            statement = (
                sa.update(found.table)
                .values({column.name: sa.bindparam(f"n{index}") for index, column in enumerate(columns)})
                .where(*[column == sa.bindparam(f"o{index}") for index, column in enumerate(columns)])
            )
            bound = {f"n{index}": value for index, value in enumerate(new)}
            bound |= {f"o{index}": value for index, value in enumerate(old)}
            await session.execute(statement, bound, found.places)

    # Delete.

    async def delete(self, session: Session, key: str) -> None:
        """Remove a record, its child rows and its memberships."""
        values = self._entity.key.decode(key)
        if values is None:
            raise NotFoundError
        belongings = (*self._owned(), *self._entity.links)
        if belongings and not await self._reading.exists(session, values, lock=True):
            raise NotFoundError
        for found in belongings:
            if found.write is not Write.NEVER:
                await self._links.clear(session, found, values)

        def build() -> sa.Delete:
            return sa.delete(self._entity.table).where(*self._reading.key_condition())

        statement = self._statements.get(("delete",), build)
        result = await session.execute(statement, self._reading.key_parameters(values), self._entity.places)
        if result.rowcount == 0:
            raise NotFoundError
        if result.rowcount > 1:
            raise ConflictError("several records have this key")

    @property
    def deletes_alone(self) -> bool:
        """Whether a delete is one statement."""
        return self._entity.certain and not self._owned() and not self._entity.links

    def _owned(self) -> tuple[RowsField | ListField, ...]:
        found = [field for field in self._entity.fields.values() if isinstance(field, RowsField | ListField)]
        linked = {(link.table, link.owner) for link in self._entity.links}
        return tuple(field for field in found if (field.table, field.owner) not in linked)

    # From fields to columns.

    async def _assigned(
        self, session: Session, fields: Fields, *, creating: bool
    ) -> tuple[Assignments, list[tuple[RowsField | ListField, Any]]]:
        assigned: Assignments = {}
        many: list[tuple[RowsField | ListField, Any]] = []
        for name, value in fields.items():
            found = self._entity.fields.get(name)
            match found:
                case ColumnField():
                    self._allow(found.write, name, creating)
                    assigned[found.column.name] = self._dumped(found, name, value)
                case LookupField():
                    self._allow(found.code.write, name, creating)
                    assigned[found.code.column.name] = await self._code(session, found, name, value)
                case RowsField() | ListField():
                    self._allow(found.write, name, creating)
                    if value is not None and not isinstance(value, tuple):
                        raise RejectedError("the field has many values", name)
                    many.append((found, value))
                case _:
                    raise RejectedError("there is no such field", name)
        return assigned, many

    def _dumped(self, found: ColumnField, name: str, value: Value) -> Any:
        try:
            dumped = found.native.dumped(value)  # type: ignore[arg-type]
        except ValueError as error:
            raise RejectedError(str(error), name) from error
        for fix in self._entity.fixed:
            if fix.column is found.column and dumped not in fix.values:
                raise RejectedError("the record would no longer be visible", name)
        return dumped

    async def _code(self, session: Session, found: LookupField, name: str, value: Value) -> Any:
        """Find the code of a name; a name that has none, or two, is refused."""
        if value is None:
            return None

        def build() -> sa.Select[Any]:
            bound = sa.bindparam("name", type_=found.value.type)
            return sa.select(found.key).where(self._dialect.equal(found.value, bound, found.native)).limit(2)

        try:
            bound = {"name": found.native.dumped(value)}  # type: ignore[arg-type]
        except ValueError as error:
            raise RejectedError(str(error), name) from error
        rows = (await session.execute(self._statements.get(("code", found.name), build), bound)).all()
        if len(rows) != 1:
            raise RejectedError("is not known" if not rows else "stands for several codes", name)
        return rows[0][0]

    def _allow(self, write: Write, name: str, creating: bool) -> None:
        if write is Write.NEVER or (write is Write.CREATE and not creating):
            raise RejectedError("cannot be written" if write is Write.NEVER else "can only be given at first", name)

    def _many(self, name: str) -> RowsField | ListField:
        found = self._entity.fields.get(name)
        if not isinstance(found, RowsField | ListField):
            raise RejectedError("there is no such field" if found is None else "the field has one value", name)
        self._allow(found.write, name, creating=False)
        return found

    def _bound(self, name: str) -> Any:
        return sa.bindparam(f"b_{name}", type_=self._columns[name].type)

    def _native(self, name: str) -> Any:
        return self._entity.natives[name]

    def _pairs(self, values: tuple[Any, ...]) -> Any:
        return zip(self._entity.key.columns, values, strict=True)


def _named(assigned: Mapping[str, Any]) -> dict[str, Any]:
    return {f"b_{name}": value for name, value in assigned.items()}
