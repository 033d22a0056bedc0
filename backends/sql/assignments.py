"""From the fields of a create or a change to what each table must be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

from backends.contract import Fields, RejectedError, Value, Write
from backends.sql.dialects.base import Dialect
from backends.sql.model import (
    ColumnField,
    Computed,
    Entity,
    ListField,
    LookupField,
    PackedField,
    RowsField,
    SideField,
)
from backends.sql.remembered import Remembered
from backends.sql.sessions import Session


@dataclass(slots=True)
class Assigned:
    """Driver values for the entity's own columns, and what goes elsewhere."""

    columns: dict[str, Any] = field(default_factory=dict)
    sides: list[tuple[SideField, Any]] = field(default_factory=list)
    many: list[tuple[RowsField | ListField, tuple[Any, ...]]] = field(default_factory=list)
    packed: list[tuple[PackedField, Value]] = field(default_factory=list)


class Assignments:
    """Checks and sorts the values of one entity's fields."""

    def __init__(self, entity: Entity, dialect: Dialect) -> None:
        self._entity = entity
        self._dialect = dialect
        self._statements = Remembered(50)

    async def of(self, session: Session, fields: Fields, *, creating: bool) -> Assigned:
        """Sort values by where they go; raise `RejectedError` naming the field of one that cannot go there."""
        assigned = Assigned()
        for name, value in fields.items():
            found = self._entity.fields.get(name)
            match found:
                case ColumnField():
                    allow(found.write, name, creating)
                    assigned.columns[found.column.name] = self._dumped(found, name, value)
                case LookupField():
                    allow(found.code.write, name, creating)
                    assigned.columns[found.code.column.name] = await self._code(session, found, name, value)
                case SideField():
                    allow(found.write, name, creating)
                    assigned.sides.append((found, dumped(found.native, name, value)))
                case PackedField():
                    allow(found.column.write, name, creating)
                    assigned.packed.append((found, value))
                case RowsField() | ListField():
                    allow(found.write, name, creating)
                    assigned.many.append((found, _many(name, value)))
                case _:
                    raise RejectedError("there is no such field", name)
        return assigned

    def _dumped(self, found: ColumnField, name: str, value: Value) -> Any:
        value = dumped(found.native, name, value)
        for fix in self._entity.fixed:
            if fix.column.key == found.column.key and value not in fix.values:
                raise RejectedError("the record would no longer be visible", name)
        return value

    async def _code(self, session: Session, found: LookupField, name: str, value: Value) -> Any:
        """Find the code of a name; a name that has none, or two, is refused (R-L15)."""
        if value is None:
            return None

        def build() -> sa.Select[Any]:
            bound = sa.bindparam("name", type_=found.value.type)
            return sa.select(found.key).where(self._dialect.equal(found.value, bound, found.native)).limit(2)

        statement = self._statements.get(found.name, build)
        rows = (await session.execute(statement, {"name": dumped(found.native, name, value)})).all()
        if len(rows) != 1:
            raise RejectedError("is not known" if not rows else "stands for several codes", name)
        return rows[0][0]

    def computed(self, columns: dict[str, Any], *, creating: bool) -> dict[str, Any]:
        """Give the expressions of columns that are computed from some of these."""
        table = self._entity.target
        if table is None:
            return {}
        return {
            item.column.name: self._expression(item, columns, creating=creating)
            for item in self._entity.computed
            if creating or item.sources & columns.keys()
        }

    def _expression(self, item: Computed, columns: dict[str, Any], *, creating: bool) -> Any:
        """Put values in the place of columns that are written, and the columns themselves in that of the others."""
        parts: list[Any] = []
        for part in item.parts:
            if isinstance(part, str):
                parts += [sa.literal_column(part)] if part else []
            elif part.name in columns:
                parts.append(sa.bindparam(f"b_{part.name}", type_=part.type))
            else:
                parts.append(sa.cast(sa.null(), part.type) if creating else part)
        return Pieces(parts, item.column.type)


class Pieces(sa.ColumnElement[Any]):
    """An expression written by the operator, with values and columns in it."""

    inherit_cache = False

    def __init__(self, pieces: list[Any], type_: Any) -> None:
        self.pieces = pieces
        self.type = type_


@compiles(Pieces)
def _compile_pieces(element: Pieces, compiler: Any, **options: Any) -> str:
    return f"({''.join(compiler.process(piece, **options) for piece in element.pieces)})"


def allow(write: Write, name: str, creating: bool) -> None:
    """Refuse a field that cannot be written, or not any more."""
    if write is Write.NEVER or (write is Write.CREATE and not creating):
        raise RejectedError("cannot be written" if write is Write.NEVER else "can only be given at first", name)


def dumped(native: Any, name: str, value: Value) -> Any:
    """Turn a value into the driver's; raise `RejectedError` with the reason."""
    try:
        return native.dumped(value)
    except ValueError as error:
        raise RejectedError(str(error), name) from error


def _many(name: str, value: Value) -> tuple[Any, ...]:
    if value is None:
        return ()
    if not isinstance(value, tuple):
        raise RejectedError("the field has many values", name)
    return value
