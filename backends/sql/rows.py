"""Child rows: merged, removed and compared by their key columns; columns a change does not name stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from backends.contract import RejectedError, Row
from backends.sql.conditions import belonging
from backends.sql.dialects.base import Condition, Dialect
from backends.sql.model import Entity, RowsField
from backends.sql.remembered import Remembered
from backends.sql.sessions import Session

Spelled = tuple[str, ...]


@dataclass(slots=True)
class _Stored:
    """A row as it is in the table: driver values of the shown columns, by name."""

    values: dict[str, Any]


class Rows:
    """Changes the child rows of one entity. The caller holds the record, so that nobody else changes them meanwhile."""

    def __init__(self, entity: Entity, dialect: Dialect) -> None:
        self._entity = entity
        self._dialect = dialect
        self._statements = Remembered(200)

    async def replace(self, session: Session, found: RowsField, owner: tuple[Any, ...], rows: Iterable[Any]) -> int:
        """Make the field hold exactly these rows; give the number of rows that came, went or changed."""
        wanted = self._wanted(found, rows)
        there = await self._stored(session, found, owner)
        gone = [stored for spelled, stored in there.items() if spelled not in wanted]
        return await self._apply(session, found, owner, there, gone, wanted)

    async def alter(
        self,
        session: Session,
        found: RowsField,
        owner: tuple[Any, ...],
        *,
        add: Iterable[Any] = (),
        remove: Iterable[Any] = (),
        fresh: bool = False,
    ) -> int:
        """Merge rows by their key and remove those that partial rows describe; `fresh` where there are none yet."""
        wanted = self._wanted(found, add)
        partial = [self._dumped(found, row) for row in remove]
        there = {} if fresh else await self._stored(session, found, owner)
        gone = [stored for stored in there.values() if any(_covers(part, stored.values) for part in partial)]
        kept = {spelled: stored for spelled, stored in there.items() if stored not in gone}
        return await self._apply(session, found, owner, kept, gone, wanted)

    async def _apply(
        self,
        session: Session,
        found: RowsField,
        owner: tuple[Any, ...],
        there: Mapping[Spelled, _Stored],
        gone: Iterable[_Stored],
        wanted: Mapping[Spelled, dict[str, Any]],
    ) -> int:
        # Rows go before others come: a unique column may pass from one to the other.
        changed = 0
        for stored in gone:
            changed += await self._delete(session, found, owner, stored.values)
        for spelled, values in wanted.items():
            if (old := there.get(spelled)) is None:
                await self._insert(session, found, owner, values)
                changed += 1
                continue
            different = {
                name: value
                for name, value in values.items()
                if name not in found.key and not _same(old.values[name], value)
            }
            if different:
                changed += await self._update(session, found, owner, old.values, different)
        return changed

    def _wanted(self, found: RowsField, rows: Iterable[Any]) -> dict[Spelled, dict[str, Any]]:
        wanted: dict[Spelled, dict[str, Any]] = {}
        for row in rows:
            values = self._dumped(found, row)
            if missing := [name for name in found.key if values.get(name) is None]:
                raise RejectedError(f"a row needs its {missing[0]}", found.name)
            wanted.setdefault(self._spelled(found, values), {}).update(values)
        return wanted

    def _dumped(self, found: RowsField, row: Row) -> dict[str, Any]:
        values = {}
        for name, value in row.items():
            column = found.columns.get(name)
            if column is None:
                raise RejectedError(f"a row has no {name}", found.name)
            try:
                values[column.column.name] = column.native.dumped(value)
            except ValueError as error:
                raise RejectedError(f"{name}: {error}", found.name) from error
        return values

    def _spelled(self, found: RowsField, values: Mapping[str, Any]) -> Spelled:
        return tuple(found.columns[name].native.spell(values[name]) for name in found.key)

    async def _stored(self, session: Session, found: RowsField, owner: tuple[Any, ...]) -> dict[Spelled, _Stored]:
        columns = [column.column for column in found.columns.values()]
        statement = self._statements.get(("stored", found.name), lambda: sa.select(*columns).where(*self._owned(found)))
        rows = (await session.execute(statement, _owner(owner))).all()
        names = [column.name for column in columns]
        stored = [_Stored(dict(zip(names, row, strict=True))) for row in rows]
        return {self._spelled(found, item.values): item for item in stored}

    async def _insert(
        self, session: Session, found: RowsField, owner: tuple[Any, ...], values: Mapping[str, Any]
    ) -> None:
        given = {default.column.name: default.value for default in found.defaults}
        given |= {fix.column.name: fix.values[0] for fix in found.fixed}
        given |= values
        given |= {column.name: value for column, value in zip(found.owner, owner, strict=True)}
        names = tuple(given)
        statement = self._statements.get(
            ("insert", found.name, names),
            lambda: sa.insert(found.table).values({name: _bound(found, name) for name in names}),
        )
        await session.execute(statement, {f"b_{name}": value for name, value in given.items()}, found.places)

    async def _update(
        self,
        session: Session,
        found: RowsField,
        owner: tuple[Any, ...],
        old: Mapping[str, Any],
        different: Mapping[str, Any],
    ) -> int:
        names = tuple(different)
        statement = self._statements.get(
            ("update", found.name, names),
            lambda: (
                sa.update(found.table)
                .values({name: _bound(found, name) for name in names})
                .where(*self._owned(found), *self._keyed(found))
            ),
        )
        bound = {f"b_{name}": value for name, value in different.items()} | _owner(owner) | _key(found, old)
        return (await session.execute(statement, bound, found.places)).rowcount

    async def _delete(self, session: Session, found: RowsField, owner: tuple[Any, ...], old: Mapping[str, Any]) -> int:
        statement = self._statements.get(
            ("delete", found.name), lambda: sa.delete(found.table).where(*self._owned(found), *self._keyed(found))
        )
        return (await session.execute(statement, _owner(owner) | _key(found, old), found.places)).rowcount

    def _owned(self, found: RowsField) -> list[Condition]:
        natives = self._entity.key.natives
        return [
            *[
                self._dialect.key_equal(column, sa.bindparam(f"o{index}", type_=column.type), natives[index])
                for index, column in enumerate(found.owner)
            ],
            *belonging(self._dialect, found, found.table),
        ]

    def _keyed(self, found: RowsField) -> list[Condition]:
        columns = [found.columns[name] for name in found.key]
        return [
            self._dialect.key_equal(column.column, sa.bindparam(f"r{index}", type_=column.column.type), column.native)
            for index, column in enumerate(columns)
        ]


def _bound(found: RowsField, name: str) -> Any:
    return sa.bindparam(f"b_{name}", type_=found.table.c[name].type)


def _owner(owner: tuple[Any, ...]) -> dict[str, Any]:
    return {f"o{index}": value for index, value in enumerate(owner)}


def _key(found: RowsField, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"r{index}": values[name] for index, name in enumerate(found.key)}


def _covers(part: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    return all(_same(values[name], value) for name, value in part.items())


def _same(one: Any, other: Any) -> bool:
    """Compare driver values; True is not 1 (but where a column knows no truth values, neither does its driver)."""
    return one == other and (one is None) == (other is None)
