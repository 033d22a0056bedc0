"""Link rows: memberships and lists of values, changed one row for each value, without reading the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from backends.contract import RejectedError
from backends.sql.conditions import belonging, visible
from backends.sql.dialects.base import Condition, Dialect
from backends.sql.model import Entity, ListField, RowsField
from backends.sql.remembered import Remembered
from backends.sql.sessions import Session

BATCH = 500
"""Link rows in one statement."""

Member = tuple[Any, ...]


class Links:
    """Changes the link rows of one entity."""

    def __init__(self, entity: Entity, dialect: Dialect) -> None:
        self._entity = entity
        self._dialect = dialect
        self._statements = Remembered(100)

    async def add(self, session: Session, found: ListField, owner: Member, values: Iterable[Any]) -> int:
        """Insert what is not there yet; give the number of new rows."""
        if found.stored_in_column:
            return await self._claim(session, found, owner, list(_dumped(found, values)))
        if self.merges_at_once(found):
            members = list(_dumped(found, values))
            return await self._merge(session, found, owner, members) if members else 0
        changed = 0
        merge = found.unique and self._dialect.merges
        statement = self._statements.get(("insert", found.name), lambda: self._insert(found, merge=merge))
        for members in _batches(_dumped(found, values)):
            if merge:
                bound = [self._parameters(owner, member) for member in members]
                changed += (await session.execute(statement, bound, found.places)).rowcount
                continue
            there = await self._present(session, found, owner, members)
            missing = [member for member in members if _spelled(found, member) not in there]
            if missing:
                bound = [self._parameters(owner, member) for member in missing]
                await session.execute(statement, bound, found.places)
                changed += len(missing)
        return changed

    async def remove(
        self, session: Session, found: ListField, owner: Member, values: Iterable[Any], *, alone: bool = False
    ) -> int:
        """Delete the named rows; give their number. `alone`: only if the owner is visible, as nobody looked."""
        changed = 0
        for members in _batches(_dumped(found, values, lenient=True)):
            changed += await self._delete(session, found, owner, members, alone=alone)
        return changed

    def merges_at_once(self, found: ListField) -> bool:
        """Tell whether any number of values is added by one statement, which looks whether the owner is visible."""
        return found.unique and self._dialect.merges_arrays and not found.stored_in_column

    async def _claim(self, session: Session, found: ListField, owner: Member, members: Sequence[Member]) -> int:
        """Write the owner into the members' own rows; one that is not there is refused."""
        changed = 0
        for batch in _batches(members):
            shape, bound = self._among(found, batch)

            def build(shape: int = shape) -> sa.Update:
                natives = self._entity.key.natives
                bound = [sa.bindparam(f"n{index}", type_=column.type) for index, column in enumerate(found.owner)]
                other = [
                    self._dialect.differs(column, value, native)
                    for column, value, native in zip(found.owner, bound, natives, strict=True)
                ]
                values = {column.name: value for column, value in zip(found.owner, bound, strict=True)}
                members = [self._chosen(found, shape), *visible(self._dialect, found.fixed, found.table)]
                return sa.update(found.table).values(values).where(*members, sa.or_(*other))

            statement = self._statements.get(("claim", found.name, shape), build)
            given = {f"n{index}": value for index, value in enumerate(owner)}
            moved = (await session.execute(statement, {**given, **bound}, found.places)).rowcount
            changed += moved
            if moved == len(batch):
                continue
            there = await self._present(session, found, owner, batch)
            if any(_spelled(found, member) not in there for member in batch):
                raise RejectedError("refers to something that is not there", found.name)
        return changed

    async def _merge(self, session: Session, found: ListField, owner: Member, members: Sequence[Member]) -> int:
        statement = self._statements.get(("merge", found.name), lambda: self._array_insert(found))
        bound = {f"m{index}": [member[index] for member in members] for index in range(len(found.member))}
        return (await session.execute(statement, {**_owner(owner), **bound}, found.places)).rowcount

    def _array_insert(self, found: ListField) -> sa.Insert:
        entity = self._entity
        values: dict[str, Any] = {
            default.column.name: sa.literal(default.value, default.column.type) for default in found.defaults
        }
        values |= {fix.column.name: sa.literal(fix.values[0], fix.column.type) for fix in found.fixed}
        values |= {column.name: part for column, part in zip(found.owner, entity.key.columns, strict=True)}
        members = [(f"m{index}", column) for index, column in enumerate(found.member.columns)]
        unique = [*found.owner, *found.member.columns]
        return self._dialect.merge_array(found.table, values, members, unique, entity.table, self._holder())

    def _holder(self) -> list[Condition]:
        """Build the conditions that choose the visible owner."""
        key = self._entity.key
        bound = [
            self._dialect.key_equal(column, sa.bindparam(f"o{index}", type_=column.type), key.natives[index])
            for index, column in enumerate(key.columns)
        ]
        return [*bound, *visible(self._dialect, self._entity.fixed, self._entity.table)]

    async def replace(self, session: Session, found: ListField, owner: Member, values: Iterable[Any]) -> int:
        """Make the list hold exactly these values; give the number of rows that came or went."""
        wanted = {_spelled(found, member): member for member in _dumped(found, values)}
        statement = self._statements.get(
            ("all", found.name), lambda: sa.select(*found.member.columns).where(*self._owned(found))
        )
        rows = (await session.execute(statement, _owner(owner))).all()
        there = {_spelled(found, tuple(row)): tuple(row) for row in rows}
        changed = 0
        for members in _batches(member for spelled, member in there.items() if spelled not in wanted):
            changed += await self._delete(session, found, owner, members)
        missing = [found.load(member) for spelled, member in wanted.items() if spelled not in there]
        return changed + (await self.add(session, found, owner, missing) if missing else 0)

    async def clear(self, session: Session, found: ListField | RowsField, owner: Member) -> None:
        """Delete all rows of an owner."""

        def build() -> Any:
            statement: Any = sa.delete(found.table)
            if isinstance(found, ListField) and found.stored_in_column:
                statement = sa.update(found.table).values({column.name: None for column in found.owner})
            return statement.where(*self._owned(found))

        statement = self._statements.get(("clear", id(found)), build)
        await session.execute(statement, _owner(owner), found.places)

    async def _present(
        self, session: Session, found: ListField, owner: Member, members: Sequence[Member]
    ) -> set[tuple[str, ...]]:
        condition, bound = self._among(found, members)
        statement = self._statements.get(
            ("present", found.name, condition),
            lambda: sa.select(*found.member.columns).where(*self._owned(found), self._chosen(found, condition)),
        )
        rows = (await session.execute(statement, {**_owner(owner), **bound})).all()
        return {_spelled(found, tuple(row)) for row in rows}

    async def _delete(
        self, session: Session, found: ListField, owner: Member, members: Sequence[Member], *, alone: bool = False
    ) -> int:
        shape, bound = self._among(found, members)

        def build() -> Any:
            statement: Any = sa.delete(found.table)
            if found.stored_in_column:
                statement = sa.update(found.table).values({column.name: None for column in found.owner})
            statement = statement.where(*self._owned(found), self._chosen(found, shape))
            if not alone:
                return statement
            holder: sa.Select[Any] = (
                sa.select(sa.literal_column("1")).select_from(self._entity.table).where(*self._holder())
            )
            return statement.where(sa.exists(holder))

        statement = self._statements.get(("delete", found.name, shape, alone), build)
        return (await session.execute(statement, {**_owner(owner), **bound}, found.places)).rowcount

    def _among(self, found: ListField, members: Sequence[Member]) -> tuple[int, dict[str, Any]]:
        """Bind members; the number says how many are spelled out in the statement, 0 for a list in one parameter."""
        if len(found.member) == 1:
            native = found.member.natives[0]
            return 0, {"members": self._dialect.list_value(tuple(member[0] for member in members), native)}
        named = {f"m{row}_{index}": value for row, member in enumerate(members) for index, value in enumerate(member)}
        return len(members), named

    def _chosen(self, found: ListField, count: int) -> Condition:
        columns, natives = found.member.columns, found.member.natives
        if count == 0:
            return self._dialect.key_within(columns[0], "members", natives[0])
        return sa.or_(
            *[
                sa.and_(
                    *[
                        self._dialect.key_equal(
                            column, sa.bindparam(f"m{row}_{index}", type_=column.type), natives[index]
                        )
                        for index, column in enumerate(columns)
                    ]
                )
                for row in range(count)
            ]
        )

    def _owned(self, found: ListField | RowsField) -> list[Condition]:
        natives = self._entity.key.natives
        return [
            *[
                self._dialect.key_equal(column, sa.bindparam(f"o{index}", type_=column.type), natives[index])
                for index, column in enumerate(found.owner)
            ],
            *belonging(self._dialect, found, found.table),
        ]

    def _insert(self, found: ListField, *, merge: bool) -> Any:
        values: dict[str, Any] = {default.column.name: default.value for default in found.defaults}
        values |= {fix.column.name: fix.values[0] for fix in found.fixed}
        names = [f"o{index}" for index in range(len(found.owner))] + [f"m{index}" for index in range(len(found.member))]
        for name, column in zip(names, (*found.owner, *found.member.columns), strict=True):
            values[column.name] = sa.bindparam(name, type_=column.type)
        if merge:
            return self._dialect.merge(found.table, values, [*found.owner, *found.member.columns])
        return sa.insert(found.table).values(values)

    def _parameters(self, owner: Member, member: Member) -> dict[str, Any]:
        return {**_owner(owner), **{f"m{index}": value for index, value in enumerate(member)}}


def _owner(owner: Member) -> dict[str, Any]:
    return {f"o{index}": value for index, value in enumerate(owner)}


def _dumped(found: ListField, values: Iterable[Any], *, lenient: bool = False) -> Iterator[Member]:
    """Turn values into driver values, each once; `lenient` passes over what no row can hold."""
    seen: set[tuple[str, ...]] = set()
    for value in values:
        try:
            member = found.dump(value)
        except ValueError as error:
            if lenient:
                continue
            raise RejectedError(str(error), found.name) from error
        spelled = _spelled(found, member)
        if spelled not in seen:
            seen.add(spelled)
            yield member


def _spelled(found: ListField, member: Member) -> tuple[str, ...]:
    return tuple(native.spell(value) for native, value in zip(found.member.natives, member, strict=True))


def _batches(members: Iterable[Member]) -> Iterator[list[Member]]:
    batch: list[Member] = []
    for member in members:
        batch.append(member)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
