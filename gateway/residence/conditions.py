"""Filters of the contract as SQL: first their shape, by which statements are remembered, then the condition itself.

Two filters that differ only in what they compare with have one shape, and so one compiled statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Integer, String, and_, bindparam, false, func, not_, or_, select, true
from sqlalchemy.sql.elements import BindParameter, ColumnElement

from backends.contract import KEY, And, AnyRow, Compare, Filter, Not, Op, Or, Scalar, UnsupportedError
from backends.kit.scalars import fold
from gateway.identity.held import digest
from gateway.identity.tables import RESIDENT, RESIDENT_LIST, RESIDENT_TEXT, OneOf, Position
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


def condition(shape: Shape) -> ColumnElement[bool]:
    """Build the condition on a resident that a shape stands for."""
    kind = shape[0]
    if kind == "and":
        return and_(true(), *(condition(term) for term in shape[1:]))
    if kind == "or":
        return or_(false(), *(condition(term) for term in shape[1:]))
    if kind == "not":
        return not_(condition(shape[1]))
    _, name, op, folded, number = shape
    if kind == "key":
        return (
            RESIDENT.c.key == text(f"text_{number}") if op == "eq" else OneOf(RESIDENT.c.key, text(f"texts_{number}"))
        )
    table = RESIDENT_LIST if kind == "list" else RESIDENT_TEXT
    held = [table.c.tenant == text("tenant"), table.c.entity == text("entity"), table.c.field == bindparam(None, name)]
    if op != "pr":
        held += _listed(op, number) if kind == "list" else _told(op, number, folded=folded)
    return RESIDENT.c.key.in_(select(table.c.key).where(*held))


def _listed(op: str, number: int) -> list[ColumnElement[bool]]:
    value = RESIDENT_LIST.c.value
    return [value == text(f"text_{number}") if op == "eq" else OneOf(value, text(f"texts_{number}"))]


def _told(op: str, number: int, *, folded: bool) -> list[ColumnElement[bool]]:
    """Compare a single value. Equality goes by the digest, which has an index; case is a second look."""
    table, part = RESIDENT_TEXT.c, text(f"text_{number}")
    column, length = (table.folded if folded else table.value), bindparam(f"length_{number}", type_=Integer())
    found: list[ColumnElement[bool]] = []
    match op:
        case "eq":
            found = [table.digest == text(f"digest_{number}")]
            return found if folded else [*found, table.value == part]
        case "in":
            found = [OneOf(table.digest, text(f"digests_{number}"))]
            return found if folded else [*found, OneOf(table.value, text(f"texts_{number}"))]
        case "co":
            return [Position(column, part) > 0]
        case "within":
            found = [table.begin >= text(f"low_{number}"), table.begin < text(f"high_{number}")]
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
