"""Child rows and link rows of many records, read in one statement for each field."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from backends.contract import RejectedError
from backends.sql import cursors
from backends.sql.conditions import belonging
from backends.sql.dialects.base import Condition, Dialect
from backends.sql.model import Entity, ListField, RowsField
from backends.sql.ordering import past
from backends.sql.remembered import Remembered
from backends.sql.sessions import Session

Keys = Sequence[tuple[Any, ...]]


class Children:
    """Loads the many-valued fields of one entity."""

    def __init__(self, entity: Entity, dialect: Dialect) -> None:
        self._entity = entity
        self._dialect = dialect
        self._statements = Remembered(200)

    async def load(
        self, session: Session, found: RowsField | ListField, keys: Keys
    ) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """Read the values of one field for these keys; a key without values is absent."""
        natives = self._entity.key.natives
        # Most owners come back as they were asked for; only those that do not are looked for by how they are spelled.
        asked, canonical = {key: key for key in keys}, dict[tuple[str, ...], tuple[Any, ...]]()
        width = len(natives)
        values: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
        limit = self._dialect.in_limit if width == 1 else self._dialect.in_limit // width
        for start in range(0, len(keys), limit):
            statement, bound = self._bound(found, keys[start : start + limit])
            for row in (await session.execute(statement, bound)).all():
                owner = asked.get(tuple(row[:width]))
                if owner is None:
                    canonical = canonical or {_comparable(key, natives): key for key in keys}
                    owner = canonical.get(_comparable(row[:width], natives))
                if owner is not None:
                    values[owner].append(_value(found, row[width:]))
        return {owner: tuple(many) for owner, many in values.items()}

    async def page(
        self, session: Session, found: RowsField | ListField, key: tuple[Any, ...], limit: int, cursor: str | None
    ) -> tuple[tuple[Any, ...], str | None]:
        """Read up to `limit` values of one field of one record after a cursor, by the index of the owner's rows."""
        order = _order(found)
        bound: dict[str, Any] = {f"k{index}": value for index, value in enumerate(key)} | {"limit": limit + 1}
        if cursor is not None:
            after = cursors.open_(cursor, found.name)
            if len(after) != len(order):
                raise RejectedError("the cursor does not belong to this list")
            bound |= {f"c{index}": value for index, value in enumerate(after)}
        shape = (found.name, "page" if cursor is None else "after", 1)

        def build() -> sa.Select[Any]:
            statement = self._build(found, "one", 1).limit(sa.bindparam("limit", type_=sa.Integer()))
            if cursor is not None:
                bounds = [sa.bindparam(f"c{index}", type_=column.type) for index, column in enumerate(order)]
                statement = statement.where(past(order, bounds, self._dialect))
            return statement.add_columns(*order)

        rows: Sequence[Any] = (await session.execute(self._statements.get(shape, build), bound)).all()
        width, more, rows = len(self._entity.key), len(rows) > limit, rows[:limit]
        values = tuple(_value(found, row[width : -len(order)]) for row in rows)
        return values, cursors.seal(rows[-1][-len(order) :], found.name) if more and rows else None

    def _bound(self, found: RowsField | ListField, keys: Keys) -> tuple[sa.Select[Any], dict[str, Any]]:
        if len(keys) == 1:
            statement = self._statement(found, "one", 1)
            return statement, {f"k{index}": value for index, value in enumerate(keys[0])}
        if len(self._entity.key) == 1:
            native = self._entity.key.natives[0]
            many = self._dialect.list_value(tuple(key[0] for key in keys), native)
            return self._statement(found, "in", 1), {"keys": many}
        statement = self._statement(found, "rows", len(keys))
        return statement, {f"k{row}_{index}": value for row, key in enumerate(keys) for index, value in enumerate(key)}

    def _statement(self, found: RowsField | ListField, how: str, count: int) -> sa.Select[Any]:
        return self._statements.get((found.name, how, count), lambda: self._build(found, how, count))

    def _build(self, found: RowsField | ListField, how: str, count: int) -> sa.Select[Any]:
        natives = self._entity.key.natives
        owner = found.owner
        condition: Condition
        if how == "in":
            condition = self._dialect.key_within(owner[0], "keys", natives[0])
        else:
            names = ["k{}"] if how == "one" else [f"k{row}_{{}}" for row in range(count)]
            condition = sa.or_(
                *[
                    sa.and_(
                        *[
                            self._dialect.key_equal(
                                column, sa.bindparam(name.format(index), type_=column.type), natives[index]
                            )
                            for index, column in enumerate(owner)
                        ]
                    )
                    for name in names
                ]
            )
        columns: Sequence[Any] = (
            found.member.columns
            if isinstance(found, ListField)
            else [column.column for column in found.columns.values()]
        )
        order = _order(found)
        statement = sa.select(*owner, *columns).where(condition, *belonging(self._dialect, found, found.table))
        return statement.order_by(*order) if how == "one" else statement.order_by(*owner, *order)


def _order(found: RowsField | ListField) -> Sequence[Any]:
    """Choose what tells the rows of one owner apart, to read them in a stable order."""
    return found.member.columns if isinstance(found, ListField) else [found.table.c[name] for name in found.key]


def _value(found: RowsField | ListField, values: Any) -> Any:
    if isinstance(found, ListField):
        return found.load(tuple(values))
    return {
        column.name: column.native.loaded(value) for column, value in zip(found.columns.values(), values, strict=True)
    }


def _comparable(key: Any, natives: Sequence[Any]) -> tuple[str, ...]:
    """Spell key values so that 7 and Decimal(7), 'A' and 'A  ' are one key."""
    return tuple(native.spell(value) for native, value in zip(natives, key, strict=True))
