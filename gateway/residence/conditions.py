"""Filters of the contract as SQL: first their shape, by which statements are remembered, then the condition itself.

Two filters that differ only in what they compare with have one shape, and so one compiled statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Integer, String, and_, bindparam, false, func, literal_column, not_, or_, select, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.expression import ColumnElement, FromClause, Select

from backends.contract import KEY, And, AnyRow, Compare, Filter, Not, Op, Or, Scalar, UnsupportedError
from backends.kit.scalars import fold
from gateway.identity.held import digest
from gateway.identity.tables import (
    RESIDENT_LIST,
    RESIDENT_TEXT,
    OneOf,
    Position,
    by_beginning,
    by_digest,
    by_value,
)
from gateway.residence.entities import FieldSettings, is_holdable
from gateway.residence.indexing import BEGINNING, first_behind, written

Shape = tuple[Any, ...]
NEVER: Shape = ("or",)


class Question:
    """One filter: its `shape`, and the `values` of the parameters the shape names by number."""

    def __init__(self, where: Filter | None, fields: Mapping[str, FieldSettings]) -> None:
        self._fields = fields
        self._count = 0
        self.values: dict[str, Any] = {}
        self.shape: Shape = ("and",) if where is None else self._shape(where)

    def _shape(self, where: Filter) -> Shape:
        match where:
            case And(terms=terms):
                return ("and", *(self._shape(term) for term in terms))
            case Or(terms=terms):
                return ("or", *(self._shape(term) for term in terms))
            case Not(term=term):
                return ("not", self._shape(term))
            case AnyRow():
                raise UnsupportedError("there are no rows")
            case Compare(op=Op.NE):
                return ("not", self._compare(where, Op.EQ))
            case Compare(op=op):
                return self._compare(where, op)

    def _compare(self, where: Compare, op: Op) -> Shape:
        """Shape one comparison; what no record can satisfy is `NEVER`."""
        name, folded = where.field, where.ignore_case
        kind = "key" if name == KEY else self._fields[name].kind
        if op is Op.PR:
            return NEVER if kind == "key" else (kind, name, "pr", False, 0)
        given: Sequence[Scalar | None] = where.value if isinstance(where.value, tuple) else (where.value,)
        texts = [text for value in given if (text := _comparable(kind, value)) is not None]
        if not texts:
            return NEVER
        number = self._count = self._count + 1
        if op is Op.IN:
            self._keep(number, texts=texts, digests=[digest(fold(text)) for text in texts])
        elif op is Op.EQ:
            self._keep(number, text=texts[0], digest=digest(fold(texts[0])))
        else:
            part = fold(texts[0]) if folded else texts[0]
            low = part[:BEGINNING]
            self._keep(number, text=part, length=len(part), low=low, high=first_behind(low))
            if op is Op.SW and folded and self.values[f"high_{number}"] is not None:
                return (kind, name, "within", folded, number)
        return (kind, name, op.value, folded, number)

    def _keep(self, number: int, **values: Any) -> None:
        self.values |= {f"{name}_{number}": written(value) for name, value in values.items()}


class Among(ColumnElement[bool]):
    """Whether a key is among those a query finds, found first and then looked up by the key's index.

    A semi-join would be left to the planner, who reads a whole tenant for each row of a table it has no statistics of.
    """

    inherit_cache = False

    def __init__(self, key: ColumnElement[Any], found: Select[Any]) -> None:
        self.column = key
        self.found = found.scalar_subquery()


@compiles(Among, "sqlite")
def _among_sqlite(element: Among, compiler: Any, **kw: Any) -> str:
    return f"{compiler.process(element.column, **kw)} IN {compiler.process(element.found, **kw)}"


@compiles(Among, "postgresql")
def _among_postgresql(element: Among, compiler: Any, **kw: Any) -> str:
    return f"{compiler.process(element.column, **kw)} = ANY (ARRAY{compiler.process(element.found, **kw)})"


def condition(shape: Shape, key: ColumnElement[Any]) -> ColumnElement[bool]:
    """Build the condition a shape stands for, on the record with a key."""
    kind = shape[0]
    if kind == "and":
        return and_(true(), *(condition(term, key) for term in shape[1:]))
    if kind == "or":
        return or_(false(), *(condition(term, key) for term in shape[1:]))
    if kind == "not":
        return not_(condition(shape[1], key))
    _, name, op, folded, number = shape
    if kind == "key":
        return key == text(f"text_{number}") if op == "eq" else OneOf(key, text(f"texts_{number}"))
    table = (RESIDENT_LIST if kind == "list" else RESIDENT_TEXT).alias(f"asked_{number}_{op}")
    held = [table.c.tenant == text("tenant"), table.c.entity == text("entity"), table.c.field == bindparam(None, name)]
    if op != "pr":
        held += _listed(table, op, number) if kind == "list" else _told(table, op, number, folded=folded)
    if kind != "flag" and op in ("eq", "in", "within"):
        return Among(key, select(table.c.key).where(*held))
    # What may hold for most records is looked at record by record, in whatever order they are wanted.
    one = select(table.c.field).where(*held, table.c.key == key).limit(literal_column("1"))
    return one.scalar_subquery().is_not(None)


def _listed(table: FromClause, op: str, number: int) -> list[ColumnElement[bool]]:
    value = table.c.value
    equal = value == text(f"text_{number}") if op == "eq" else OneOf(value, text(f"texts_{number}"))
    return [by_value(table), equal]


def _told(table: FromClause, op: str, number: int, *, folded: bool) -> list[ColumnElement[bool]]:
    """Compare a single value. Equality goes by the digest, which has an index; case is a second look."""
    told, part = table.c, text(f"text_{number}")
    column, length = (told.folded if folded else told.value), bindparam(f"length_{number}", type_=Integer())
    found: list[ColumnElement[bool]] = []
    match op:
        case "eq":
            found = [by_digest(table), told.digest == text(f"digest_{number}")]
            return found if folded else [*found, told.value == part]
        case "in":
            found = [by_digest(table), OneOf(told.digest, text(f"digests_{number}"))]
            return found if folded else [*found, OneOf(told.value, text(f"texts_{number}"))]
        case "co":
            return [Position(column, part) > 0]
        case "within":
            low, high = text(f"low_{number}"), text(f"high_{number}")
            found = [by_beginning(table), told.begin >= low, told.begin < high]
    if op == "ew":
        start = func.length(column) - length + 1
        return [func.length(column) >= length, func.substr(column, start) == part]
    return [*found, func.substr(column, 1, length) == part]


def text(name: str) -> BindParameter[str]:
    """Name a parameter."""
    return bindparam(name, type_=String())


def _comparable(kind: str, value: Scalar | None) -> str | None:
    """Write what a field is compared with as the store holds it; None for what no record has."""
    if kind == "flag":
        return ("false", "true")[value] if isinstance(value, bool) else None
    return value if isinstance(value, str) and is_holdable(value) else None
