"""Rows beside a record: satellites written along with it, and one row for each attribute that has a value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from backends.sql.conditions import visible
from backends.sql.dialects.base import Condition, Dialect
from backends.sql.model import Entity, Side, SideField
from backends.sql.remembered import Remembered
from backends.sql.sessions import Session


class Sides:
    """Writes the rows beside the records of one entity. The caller holds the record."""

    def __init__(self, entity: Entity, dialect: Dialect) -> None:
        self._entity = entity
        self._dialect = dialect
        self._statements = Remembered(100)

    async def create(self, session: Session, owner: tuple[Any, ...], values: Iterable[tuple[SideField, Any]]) -> None:
        """Write the rows of a new record: those that are required, and those that have a value."""
        whole: dict[Side, dict[str, Any]] = {side: {} for side in self._entity.sides}
        for found, value in values:
            if not found.sparse:
                whole.setdefault(found.side, {})[found.column.name] = value
            elif value is not None:
                await self._insert(session, found.side, owner, {found.column.name: value}, found)
        for side, columns in whole.items():
            if side.required or any(value is not None for value in columns.values()):
                await self._insert(session, side, owner, columns, None)

    async def update(self, session: Session, owner: tuple[Any, ...], found: SideField, value: Any) -> bool:
        """Set one value; tell whether it was another."""
        name = found.column.name
        if found.sparse and value is None:
            gone = self._statements.get(
                ("delete", found), lambda: sa.delete(found.table).where(*self._owned(found.side))
            )
            return (await session.execute(gone, _owner(owner), found.places)).rowcount > 0

        def build() -> sa.Update:
            bound = sa.bindparam("value", type_=found.column.type)
            differs = self._dialect.differs(found.column, bound, found.native)
            return sa.update(found.table).values({name: bound}).where(*self._owned(found.side), differs)

        statement = self._statements.get(("update", found), build)
        done = await session.execute(statement, {**_owner(owner), "value": value}, found.places)
        if done.rowcount > 0:
            return True
        exists: Any = self._statements.get(
            ("exists", found),
            lambda: sa.select(sa.literal_column("1")).select_from(found.table).where(*self._owned(found.side)),
        )
        if (await session.execute(exists, _owner(owner))).first() is not None or value is None:
            return False
        await self._insert(session, found.side, owner, {name: value}, found)
        return True

    async def clear(self, session: Session, owner: tuple[Any, ...]) -> None:
        """Delete all rows beside a record."""
        for side in self.tables():
            await session.execute(sa.delete(side.table).where(*self._owned(side)), _owner(owner))

    def tables(self) -> list[Side]:
        """Give what holds rows beside the entity's."""
        fields = [found for found in self._entity.fields.values() if isinstance(found, SideField)]
        return list(dict.fromkeys([*self._entity.sides, *(found.side for found in fields)]))

    async def _insert(
        self,
        session: Session,
        side: Side,
        owner: tuple[Any, ...],
        columns: dict[str, Any],
        found: SideField | None,
    ) -> None:
        values = {default.column.name: default.value for default in side.defaults}
        values |= {fix.column.name: fix.values[0] for fix in side.fixed}
        values |= columns
        values |= {column.name: value for column, value in zip(side.owner, owner, strict=True)}
        names = tuple(values)
        statement = self._statements.get(
            ("insert", side, names),
            lambda: sa.insert(side.table).values(
                {name: sa.bindparam(f"b_{name}", type_=side.table.c[name].type) for name in names}
            ),
        )
        bound = {f"b_{name}": value for name, value in values.items()}
        if found is None:
            await session.execute(statement, bound)
        else:
            await session.execute(statement, bound, found.places)

    def _owned(self, side: Side) -> list[Condition]:
        natives = self._entity.key.natives
        bound = [
            self._dialect.key_equal(column, sa.bindparam(f"o{index}", type_=column.type), natives[index])
            for index, column in enumerate(side.owner)
        ]
        return [*bound, *visible(self._dialect, side.fixed, side.table)]


def _owner(owner: tuple[Any, ...]) -> dict[str, Any]:
    return {f"o{index}": value for index, value in enumerate(owner)}
