"""Writing: create, update and delete of one record, with all that belongs to it in other tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from backends.contract import (
    BackendError,
    Change,
    ConflictError,
    Fields,
    NotFoundError,
    Outcome,
    Record,
    RejectedError,
    Scalar,
    StaleError,
    Write,
)
from backends.sql.assignments import Assignments, allow
from backends.sql.dialects.base import Dialect
from backends.sql.links import BATCH, Links
from backends.sql.model import ColumnField, Entity, ListField, LookupField, PackedField, RowsField
from backends.sql.own import Own
from backends.sql.packing import Packing
from backends.sql.reading import Reading
from backends.sql.remembered import Remembered
from backends.sql.rows import Rows
from backends.sql.sessions import Session
from backends.sql.sides import Sides

Key = tuple[Any, ...]


class Writing:
    """Writes one entity."""

    def __init__(self, entity: Entity, dialect: Dialect, reading: Reading, *, returning: bool) -> None:
        self._entity = entity
        self._dialect = dialect
        self._reading = reading
        self._returning = returning
        self._assignments = Assignments(entity, dialect)
        self._links = Links(entity, dialect)
        self._rows = Rows(entity, dialect)
        self._sides = Sides(entity, dialect)
        self._own = Own(entity, reading)
        self._packing = Packing(entity, dialect, reading)
        self._statements = Remembered()

    # Which writes are one statement, and need no transaction.

    def creates_alone(self, fields: Fields) -> bool:
        """Tell whether a create touches the entity's own table only."""
        if self._entity.sides or self._entity.initial or self._own.create is not None:
            return False
        return all(isinstance(self._entity.fields.get(name), ColumnField | LookupField) for name in fields)

    def updates_alone(self, change: Change, expect: str | None) -> bool:
        """Tell whether an update is one statement."""
        if expect is not None or self._own.any:
            return False
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
        if change.set or len(change.add) + len(change.remove) != 1 or self._own.any:
            return None
        if self._entity.version is not None and self._entity.version.stepped:
            return None
        ((name, values),) = (change.add or change.remove).items()
        found = self._entity.fields.get(name)
        if not isinstance(found, ListField) or found.stored_in_column:
            return None
        return found if self._links.merges_at_once(found) or (change.remove and len(values) <= BATCH) else None

    def renamed(self, key: str, change: Change) -> str:
        """Tell the key of a record once a change is made."""
        values, columns = self._entity.key.decode(key), dict[str, Any]()
        keys = {column.name for column in self._entity.key.columns}
        for name, value in change.set.items():
            found = self._entity.fields.get(name)
            if isinstance(found, ColumnField) and isinstance(value, Scalar) and found.column.name in keys:
                try:
                    columns[found.column.name] = found.native.dumped(value)
                except ValueError:
                    return key  # it will be refused
        return key if values is None or not columns else self._entity.key.encode(self._moved(values, columns))

    # Create.

    async def create(self, session: Session, fields: Fields) -> Record:
        """Insert a record and what belongs to it."""
        if self._own.create is not None:
            return await self._created(session, fields)
        target = self._reading.target()
        assigned = await self._assignments.of(session, fields, creating=True)
        columns = assigned.columns
        packed = self._packing.first(assigned.packed, columns)
        for fix in self._entity.fixed:
            if fix.column.key in target.c:
                columns.setdefault(fix.column.name, fix.values[0])
        for default in self._entity.defaults:
            if columns.get(default.column.name) is None:
                columns[default.column.name] = default.value
        await self._number(session, columns)
        key, row = await self._insert(session, columns, fields, packed)
        await self._sides.create(session, key, assigned.sides)
        for found, value in assigned.many:
            if isinstance(found, ListField):
                await self._links.add(session, found, key, value)
            else:
                await self._rows.alter(session, found, key, add=value, fresh=True)
        for name, keys in self._entity.initial.items():
            if isinstance(first := self._entity.fields[name], ListField):
                await self._links.add(session, first, key, keys)
        text = self._entity.key.encode(key)
        if row is not None:
            return Record(text, row)
        return await self._reading.get(session, text, frozenset(fields))

    async def _created(self, session: Session, fields: Fields) -> Record:
        """Let the settings' own statement create the record, and write what it has no place for."""
        text, rest = await self._own.created(session, fields)
        values = self._entity.key.decode(text)
        if values is None:
            raise BackendError("the statement gave no key")
        if rest:
            await self._change(session, text, values, rest, creating=True)
        return await self._reading.get(session, text, frozenset(fields))

    async def _number(self, session: Session, columns: dict[str, Any]) -> None:
        """Fetch the key of a new record from where the settings say."""
        generate, name = self._entity.generate, self._entity.key.columns[0].name
        if generate is None or columns.get(name) is not None:
            return

        def build() -> Any:
            if generate.sql is not None:
                return sa.text(generate.sql)
            schema, _, sequence = (generate.sequence or "").rpartition(".")
            return sa.select(sa.Sequence(sequence, schema=schema or None).next_value())

        columns[name] = (await session.execute(self._statements.get("number", build))).scalar_one()

    async def _insert(
        self, session: Session, columns: dict[str, Any], fields: Fields, packed: frozenset[str]
    ) -> tuple[Key, Fields | None]:
        """Insert the row; give its key, and the written fields if the database told them in the same breath."""
        key, target = self._entity.key, self._reading.target()
        own = [found for name in fields if isinstance(found := self._entity.fields.get(name), ColumnField)]
        whole = self._returning and len(own) == len(fields) and self._entity.version is None
        whole = whole and target is self._entity.table
        shape = ("insert", tuple(columns), tuple(fields) if whole else None, packed)

        def build() -> sa.Insert:
            values = {name: self._bound(name, packed=name in packed) for name in columns}
            statement = sa.insert(target).values(values | self._assignments.computed(columns, creating=True))
            if self._returning:
                told = [found.column for found in own] if whole else []
                statement = statement.returning(*[target.c[column.key] for column in key.columns], *told)
            return statement

        result = await session.execute(self._statements.get(shape, build), _named(columns), self._entity.places)
        if self._returning:
            row = result.one()
            values = row[len(key) :]
            told = {name: found.native.loaded(value) for name, found, value in zip(fields, own, values, strict=False)}
            return tuple(row[: len(key)]), told if whole else None
        generated = iter(result.inserted_primary_key or ())
        primary = {column.name: next(generated, None) for column in target.primary_key.columns}
        return tuple(columns.get(column.name, primary.get(column.name)) for column in key.columns), None

    # Update.

    async def update(self, session: Session, key: str, change: Change, expect: str | None) -> Outcome:
        """Apply a change; tell truly whether anything is different now (P4)."""
        values = self._entity.key.decode(key)
        if values is None:
            raise NotFoundError
        if expect is None and (lone := self._lone_delta(change)) is not None:
            return await self._delta(session, lone, values, change)
        if expect is not None:
            await self._expect(session, values, expect)
        changed, moved = await self._change(session, key, values, change, creating=False)
        if moved == values:
            return Outcome(changed)
        return Outcome(changed, await self._reading.get(session, self._entity.key.encode(moved), frozenset(change.set)))

    async def _change(
        self, session: Session, key: str, values: Key, change: Change, *, creating: bool
    ) -> tuple[bool, Key]:
        """Write a change wherever it goes; give whether anything is different now, and the key the record has then."""
        change, changed = await self._own.update(session, key, values, change)
        assigned = await self._assignments.of(session, change.set, creating=creating)
        elsewhere = bool(assigned.many or assigned.sides or assigned.packed or change.add or change.remove)
        stepped = bool(assigned.columns) and await self._assign(session, values, assigned.columns)
        changed |= stepped
        if not changed and not (await self._reading.held(session, values, lock=elsewhere))[0]:
            raise NotFoundError
        old, values = values, self._moved(values, assigned.columns)
        if values != old:
            await self._move(session, old, values)
        for side, value in assigned.sides:
            changed |= await self._sides.update(session, values, side, value)
        changed |= await self._packing.update(
            session,
            values,
            assigned.packed,
            change,
            lambda columns: self._assign(session, values, columns, packed=True),
            creating=creating,
        )
        for found, value in assigned.many:
            if isinstance(found, ListField):
                changed |= await self._links.replace(session, found, values, value) > 0
            else:
                changed |= await self._rows.replace(session, found, values, value) > 0
        for name in dict.fromkeys((*change.remove, *change.add)):
            changed |= await self._alter(session, values, name, change, creating=creating)
        version = self._entity.version
        if changed and elsewhere and not (creating or stepped) and version is not None and version.stepped:
            await self._step(session, values)
        return changed, values

    async def _expect(self, session: Session, values: Key, expect: str) -> None:
        """Hold the record, and refuse the change if it is not the one the caller has seen."""
        there, version = await self._reading.held(session, values, lock=True)
        if not there:
            raise NotFoundError
        if version != expect:
            raise StaleError

    async def _delta(self, session: Session, found: ListField, values: Key, change: Change) -> Outcome:
        """Add to or remove from one list without looking at the record first."""
        allow(found.write, found.name, creating=False)
        if change.add:
            count = await self._links.add(session, found, values, *change.add.values())
        else:
            count = await self._links.remove(session, found, values, *change.remove.values(), alone=True)
        if count == 0 and not (await self._reading.held(session, values))[0]:
            raise NotFoundError
        return Outcome(count > 0)

    async def _alter(self, session: Session, values: Key, name: str, change: Change, *, creating: bool) -> bool:
        found = self._entity.fields.get(name)
        if isinstance(found, PackedField):
            return False  # done already
        if not isinstance(found, RowsField | ListField):
            raise RejectedError("there is no such field" if found is None else "the field has one value", name)
        allow(found.write, name, creating=creating)
        gone, added = change.remove.get(name, ()), change.add.get(name, ())
        if isinstance(found, RowsField):
            return await self._rows.alter(session, found, values, add=added, remove=gone) > 0
        changed = bool(gone) and await self._links.remove(session, found, values, gone) > 0
        return (bool(added) and await self._links.add(session, found, values, added) > 0) or changed

    async def _assign(self, session: Session, values: Key, columns: dict[str, Any], *, packed: bool = False) -> bool:
        """Write columns if any of them differs; `packed` ones do, and are written as they were unpacked."""
        target = self._reading.target()

        def build() -> sa.Update:
            different = [
                self._dialect.differs(target.c[name], self._bound(name), self._entity.natives[name])
                for name in (() if packed else columns)
            ]
            changes: dict[str, Any] = {name: self._bound(name, packed=packed) for name in columns}
            changes |= self._assignments.computed(columns, creating=False) | self._stepped()
            further = [sa.or_(*different)] if different else []
            return sa.update(target).values(changes).where(*self._reading.target_condition(), *further)

        statement = self._statements.get(("update", tuple(columns), packed), build)
        bound = {**_named(columns), **self._reading.key_parameters(values)}
        result = await session.execute(statement, bound, self._entity.places)
        if result.rowcount > 1:
            raise ConflictError("several records have this key")
        return result.rowcount == 1

    def _stepped(self) -> dict[str, Any]:
        """Give what moves the version on with a change."""
        version = self._entity.version
        if version is None or version.column is None or not version.stepped:
            return {}
        column = self._reading.target().c[version.column.key]
        timed = isinstance(column.type, sa.DateTime) or self._entity.natives[column.name].python.__name__ == "datetime"
        return {column.name: sa.func.current_timestamp() if timed else column + 1}

    async def _step(self, session: Session, values: Key) -> None:
        def build() -> sa.Update:
            return sa.update(self._reading.target()).values(self._stepped()).where(*self._reading.target_condition())

        await session.execute(self._statements.get("step", build), self._reading.key_parameters(values))

    def _moved(self, values: Key, columns: Mapping[str, Any]) -> Key:
        pairs = zip(self._entity.key.columns, values, strict=True)
        return tuple(columns.get(column.name, value) for column, value in pairs)

    async def _move(self, session: Session, old: Key, new: Key) -> None:
        """Let what belongs to a record follow its key, where the database does not cascade."""
        sides = [(side.table, side.owner) for side in self._sides.tables()]
        for table, owner in [*sides, *((found.table, found.owner) for found in self._belongings())]:
            statement = (
                sa.update(table)
                .values({column.name: sa.bindparam(f"n{index}") for index, column in enumerate(owner)})
                .where(*[column == sa.bindparam(f"o{index}") for index, column in enumerate(owner)])
            )
            bound = {f"n{index}": value for index, value in enumerate(new)}
            bound |= {f"o{index}": value for index, value in enumerate(old)}
            await session.execute(statement, bound)

    # Delete.

    @property
    def deletes_alone(self) -> bool:
        """Whether a delete is one statement."""
        entity = self._entity
        if self._own.delete is not None or entity.dependents or self._sides.tables():
            return False
        return entity.certain and not self._belongings()

    async def delete(self, session: Session, key: str, expect: str | None) -> None:
        """Remove a record, its dependents in their order, its rows and its memberships."""
        values = self._entity.key.decode(key)
        if values is None:
            raise NotFoundError
        if expect is not None:
            await self._expect(session, values, expect)
        elif not self.deletes_alone and not (await self._reading.held(session, values, lock=True))[0]:
            raise NotFoundError
        if self._own.delete is not None:
            await self._own.delete.run(session, {}, self._entity.places, key=self._own.key(key, values))
            return
        target = self._reading.target()
        for dependent in self._entity.dependents:
            await self._depart(session, dependent.table, dependent.owner, values, clear=dependent.clear)
        await self._sides.clear(session, values)
        for found in self._belongings():
            if found.write is not Write.NEVER:
                await self._links.clear(session, found, values)

        def build() -> sa.Delete:
            return sa.delete(target).where(*self._reading.target_condition())

        statement = self._statements.get("delete", build)
        result = await session.execute(statement, self._reading.key_parameters(values), self._entity.places)
        if result.rowcount == 0:
            raise NotFoundError
        if result.rowcount > 1:
            raise ConflictError("several records have this key")

    async def _depart(
        self, session: Session, table: sa.Table, owner: tuple[sa.Column[Any], ...], values: Key, *, clear: bool
    ) -> None:
        chosen = [
            self._dialect.key_equal(
                column, sa.bindparam(f"o{index}", type_=column.type), self._entity.key.natives[index]
            )
            for index, column in enumerate(owner)
        ]
        statement: Any = sa.delete(table).where(*chosen)
        if clear:
            statement = sa.update(table).values({column.name: None for column in owner}).where(*chosen)
        await session.execute(
            statement, {f"o{index}": value for index, value in enumerate(values)}, self._entity.places
        )

    def _belongings(self) -> tuple[RowsField | ListField, ...]:
        """Give the rows that are this entity's, and the memberships of its records, each table once."""
        found = [field for field in self._entity.fields.values() if isinstance(field, RowsField | ListField)]
        # A membership in a column of the record's own row goes with the row.
        own = (self._entity.table, self._entity.target)
        links = [link for link in self._entity.links if not any(link.table is table for table in own)]
        linked = {(link.table, link.owner) for link in self._entity.links}
        return (*[field for field in found if (field.table, field.owner) not in linked], *links)

    def _bound(self, name: str, *, packed: bool = False) -> Any:
        column = self._reading.target().c[name]
        return self._dialect.packed(f"b_{name}", column) if packed else sa.bindparam(f"b_{name}", type_=column.type)


def _named(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {f"b_{name}": value for name, value in columns.items()}
