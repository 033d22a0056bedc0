"""What a filter asks, freed of its values: the first of two steps from a filter to SQL.

It gives a *shape*, by which a finished statement is found again, and the values to bind. It also finds what no row can
satisfy: a value the column cannot hold equals nothing, so it never reaches the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from backends.contract import KEY, And, AnyRow, Compare, Filter, Not, Op, Or, UnsupportedError
from backends.sql.dialects.base import ORDER, PARTS, Dialect
from backends.sql.model import AnyField, ColumnField, Entity, ListField, PackedField, RowsField
from backends.sql.natives import Native, text_of

Shape = tuple[Any, ...]
EVERY: Shape = ("constant", True)
NONE: Shape = ("constant", False)

_any_text = text_of(None)


@dataclass(slots=True)
class Question:
    """A filter's shape and the values in the order in which they are bound as ``v0``, ``v1`` …"""

    shape: Shape
    values: list[Any] = field(default_factory=list)


class Questions:
    """Understands the filters of one entity."""

    def __init__(self, entity: Entity, dialect: Dialect) -> None:
        self._entity = entity
        self._dialect = dialect

    def of(self, where: Filter | None) -> Question:
        """Take a filter apart; raise `UnsupportedError` for what cannot be asked."""
        question = Question(EVERY)
        if where is not None:
            question.shape = self._shape(where, question.values, None)
        return question

    def _shape(self, where: Filter, values: list[Any], rows: RowsField | None) -> Shape:
        match where:
            case And(terms):
                parts = [self._shape(term, values, rows) for term in terms]
                return ("and", *parts)
            case Or(terms):
                parts = [self._shape(term, values, rows) for term in terms]
                return ("or", *parts)
            case Not(term):
                return ("not", self._shape(term, values, rows))
            case AnyRow(name, condition) if rows is None:
                found = self._entity.fields.get(name)
                if not isinstance(found, RowsField):
                    raise UnsupportedError(f"{name} has no rows")
                return ("any", found.name, self._shape(condition, values, found))
            case Compare():
                return self._compare(where, values, rows)
            case _:
                raise UnsupportedError("a row has no rows of its own")

    def _compare(self, compare: Compare, values: list[Any], rows: RowsField | None) -> Shape:
        if compare.field == KEY and rows is None:
            return self._key(compare, values)
        subject = self._subject(compare.field, rows)
        name = compare.field
        if compare.ignore_case and compare.op is Op.PR:
            raise UnsupportedError("what is present has no case")
        if isinstance(subject, PackedField):
            raise UnsupportedError(f"{name} cannot be compared")
        if isinstance(subject, RowsField):
            if compare.op is not Op.PR:
                raise UnsupportedError(f"{name} is made of rows: compare one of its columns")
            return ("rows", subject.name)
        if isinstance(subject, ListField) and compare.op is not Op.PR and subject.refers is not None:
            return self._member(subject, compare, values)
        if compare.op is Op.PR:
            return ("pr", name)
        native = subject.member.natives[0] if isinstance(subject, ListField) else subject.native
        return self._scalar(name, native, subject, compare, values)

    def _scalar(self, name: str, native: Native, subject: Any, compare: Compare, values: list[Any]) -> Shape:
        op, ignore = compare.op, compare.ignore_case
        if native.opaque or (op in ORDER and not native.ordered) or ((ignore or op in PARTS) and not native.text):
            raise UnsupportedError(f"{name} cannot be compared so")
        # Letters between Z and a lie elsewhere among capitals: an order that ignores case is that of small letters.
        case = _case(subject) if ignore and op not in ORDER else None

        def dumped(value: Any) -> Any:
            # A text that is too long for the column still lies before or after those in it.
            value = _any_text(value) if native.text and op in ORDER else native.dumped(value)
            if not ignore:
                return value
            return {"upper": str.upper, "lower": str.lower}.get(case or "", self._dialect.fold_value)(value)

        if op is Op.IN:
            kept = list(dict.fromkeys(_fitting(dumped, compare.value)))
            return self._chunks(("in", name, ignore), kept, values, native) if kept else NONE
        if compare.value is None or isinstance(compare.value, tuple):
            raise UnsupportedError(f"{op.value} compares with one value")
        try:
            value = dumped(compare.value)
        except ValueError as error:
            if op in ORDER:
                raise UnsupportedError(f"{name} cannot be compared with this value") from error
            return ("always", name) if op is Op.NE else NONE
        values.append(self._dialect.pattern(value, op) if op in PARTS else value)
        return ("compare", name, op, ignore)

    def _key(self, compare: Compare, values: list[Any]) -> Shape:
        key = self._entity.key
        if compare.op in ORDER or compare.op in PARTS or compare.ignore_case:
            raise UnsupportedError("a key can only be compared as a whole")
        if compare.op is Op.PR:
            return EVERY
        return self._keys("key", key.decode, len(key), key.natives[0], compare, values)

    def _member(self, subject: ListField, compare: Compare, values: list[Any]) -> Shape:
        if compare.op not in (Op.EQ, Op.NE, Op.IN) or compare.ignore_case:
            raise UnsupportedError(f"{subject.name} holds keys, which can only be compared as wholes")
        member = subject.member
        return ("member", subject.name, self._keys("", member.decode, len(member), member.natives[0], compare, values))

    def _keys(
        self,
        what: str,
        decode: Callable[[Any], tuple[Any, ...] | None],
        width: int,
        native: Native,
        compare: Compare,
        values: list[Any],
    ) -> Shape:
        """Compare keys as wholes. What is no key of anything equals nothing."""
        many = compare.value if isinstance(compare.value, tuple) else (compare.value,)
        found = [key for key in dict.fromkeys(map(decode, many)) if key is not None]
        if compare.op is not Op.IN:
            if not found:
                return ("constant", compare.op is Op.NE) if what else ("never", compare.op)
            values += found[0]
            return (f"{what}=", compare.op)
        if not found:
            return NONE if what else ("never", compare.op)
        if width > 1:
            values += [part for key in found for part in key]
            return (f"{what}tuples", len(found))
        return self._chunks((f"{what}in",), [key[0] for key in found], values, native)

    def _chunks(self, head: Shape, kept: list[Any], values: list[Any], native: Native) -> Shape:
        limit = self._dialect.in_limit
        chunks = [kept[start : start + limit] for start in range(0, len(kept), limit)]
        values += [self._dialect.list_value(tuple(chunk), native) for chunk in chunks]
        return (*head, len(chunks))

    def _subject(self, name: str, rows: RowsField | None) -> AnyField:
        if rows is not None:
            column = rows.columns.get(name)
            if column is None:
                raise UnsupportedError(f"{rows.name} has no column {name}")
            return column
        found = self._entity.fields.get(name)
        if found is None:
            field, _, column_name = name.rpartition(".")
            parent = self._entity.fields.get(field)
            if isinstance(parent, RowsField) and column_name in parent.columns:
                return parent.columns[column_name]
            raise UnsupportedError(f"there is no field {name}")
        return found


def parameters(question: Question) -> Mapping[str, Any]:
    """Name the values of a question as its statement binds them."""
    return {f"v{index}": value for index, value in enumerate(question.values)}


def _case(subject: Any) -> str | None:
    return subject.case if isinstance(subject, ColumnField) else None


def _fitting(dumped: Callable[[Any], Any], values: Any) -> Iterator[Any]:
    for value in values if isinstance(values, tuple) else (values,):
        try:
            if value is not None:
                yield dumped(value)
        except ValueError:
            continue
