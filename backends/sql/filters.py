"""Filters in two steps: what a filter asks, freed of its values; and the SQL condition of that.

The first step gives a *shape*, by which a finished statement is found again, and the values to bind. It also finds what
no row can satisfy: a value the column cannot hold equals nothing, so it never reaches the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from backends.contract import KEY, And, AnyRow, Compare, Filter, Not, Op, Or, UnsupportedError
from backends.sql.dialects.base import Condition, Dialect, Expression
from backends.sql.model import ColumnField, Entity, Fixed, ListField, LookupField, RowsField
from backends.sql.natives import Native

Shape = tuple[Any, ...]
EVERY: Shape = ("constant", True)
NONE: Shape = ("constant", False)
_ORDER = {Op.GT: "__gt__", Op.GE: "__ge__", Op.LT: "__lt__", Op.LE: "__le__"}
_PARTS = (Op.CO, Op.SW, Op.EW)


@dataclass(slots=True)
class Question:
    """A filter's shape and the values in the order in which they are bound as ``v0``, ``v1`` …"""

    shape: Shape
    values: list[Any] = field(default_factory=list)


class Filters:
    """Understands the filters of one entity."""

    def __init__(self, entity: Entity, dialect: Dialect) -> None:
        self._entity = entity
        self._dialect = dialect

    # The first step.

    def question(self, where: Filter | None) -> Question:
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
        op, ignore = compare.op, compare.ignore_case and native.text
        if native.opaque or (op in _ORDER and not native.ordered) or (op in _PARTS and not native.text):
            raise UnsupportedError(f"{name} cannot be compared so")
        case = _case(subject) if ignore else None

        def dumped(value: Any) -> Any:
            value = native.dumped(value)
            if not ignore or case == "insensitive":
                return value
            return {"upper": str.upper, "lower": str.lower, None: self._dialect.fold_value}[case](value)

        if op is Op.IN:
            kept = list(dict.fromkeys(_fitting(dumped, compare.value)))
            return self._chunks(("in", name, ignore), kept, values, native) if kept else NONE
        if compare.value is None or isinstance(compare.value, tuple):
            raise UnsupportedError(f"{op.value} compares with one value")
        try:
            value = dumped(compare.value)
        except ValueError as error:
            if op in _ORDER:
                raise UnsupportedError(f"{name} cannot be compared with this value") from error
            return ("always", name) if op is Op.NE else NONE
        values.append(self._dialect.pattern(value, op) if op in _PARTS else value)
        return ("compare", name, op, ignore)

    def _key(self, compare: Compare, values: list[Any]) -> Shape:
        key = self._entity.key
        if compare.op is Op.PR:
            return EVERY
        if compare.op in _ORDER or compare.op in _PARTS or compare.ignore_case:
            if len(key) > 1:
                raise UnsupportedError("a key of several columns can only be compared as a whole")
            subject = ColumnField(KEY, key.columns[0], key.natives[0])
            return self._scalar(KEY, key.natives[0], subject, compare, values)
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

    def _subject(self, name: str, rows: RowsField | None) -> ColumnField | LookupField | RowsField | ListField:
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

    # The second step.

    def condition(self, shape: Shape, table: sa.FromClause) -> Condition | None:
        """Build the condition of a shape on `table` (the entity's, or an alias); None if every row satisfies it."""
        if shape == EVERY:
            return None
        return _Builder(self._entity, self._dialect, table).build(shape)


@dataclass(frozen=True, slots=True)
class _Aim:
    """What a compare is made on: as it is stored, and in the form in which case makes no difference."""

    expression: Expression
    native: Native
    folded: Expression


Test = Callable[[_Aim], Condition]


class _Builder:
    """Builds one condition. Values are bound in the order in which the first step met them."""

    def __init__(self, entity: Entity, dialect: Dialect, table: sa.FromClause) -> None:
        self._entity = entity
        self._dialect = dialect
        self._table = table
        self._next = 0
        self._rows: tuple[RowsField, sa.FromClause] | None = None

    def build(self, shape: Shape, negated: bool = False) -> Condition:
        match shape:
            case ("constant", bool() as truth):
                return sa.true() if truth else sa.false()
            case ("and", *terms):
                return sa.and_(sa.true(), *[self.build(term, negated) for term in terms])
            case ("or", *terms):
                return sa.or_(sa.false(), *[self.build(term, negated) for term in terms])
            case ("not", term):
                return sa.not_(self.build(term, True))
            case ("any", name, inner):
                found: Any = self._entity.fields[name]
                alias = found.table.alias()
                self._rows = (found, alias)
                condition = self.build(inner)
                self._rows = None
                return exists(self._dialect, self._entity, self._table, found, alias, condition)
            case ("rows", name):
                return self._reach(self._entity.fields[name], lambda alias: None)
            case ("member", name, inner):
                return self._member(name, inner)
            case ("pr", name):
                return self._on(name, lambda aim: aim.expression.is_not(None))
            case ("always", name):
                # "not equal" to a value nothing can equal: of many, any one will do, and none at all too.
                return sa.true()
            case ("compare", name, op, ignore):
                return self._compare(name, op, ignore, negated)
            case ("in", name, ignore, count):
                names = [self._name() for _ in range(count)]
                return self._on(name, lambda aim: self._guard(self._within(aim, names, ignore), aim, negated))
            case _:
                return self._keys(self._entity.key.columns, self._entity.key.natives, shape, "key", self._table)

    def _compare(self, name: str, op: Op, ignore: bool, negated: bool) -> Condition:
        bound = self._name()

        def test(aim: _Aim) -> Condition:
            subject = aim.folded if ignore else aim.expression
            value = _parameter(bound, aim.expression)
            if op is Op.NE:
                return subject.is_distinct_from(value) if ignore else self._dialect.differs(subject, value, aim.native)
            condition: Condition
            if op is Op.EQ:
                condition = subject == value if ignore else self._dialect.equal(subject, value, aim.native)
            elif op in _PARTS:
                condition = self._dialect.like(subject, sa.bindparam(bound, type_=sa.String()), op)
            else:
                ordered = subject if ignore else self._dialect.ordering(subject, aim.native)
                condition = getattr(ordered, _ORDER[op])(value)
            return self._guard(condition, aim, negated)

        if op is not Op.NE:
            return self._on(name, test)
        if (many := self._many(name)) is not None:
            return sa.or_(self._on(name, test), sa.not_(self._reach(many, lambda alias: None)))
        if isinstance(self._field(name), LookupField):
            return sa.not_(self._on(name, lambda aim: sa.not_(test(aim))))
        return self._on(name, test)

    def _within(self, aim: _Aim, names: list[str], ignore: bool) -> Condition:
        kind = aim.expression.type
        if ignore:
            return sa.or_(*[aim.folded.in_(sa.bindparam(name, expanding=True, type_=kind)) for name in names])
        return sa.or_(*[self._dialect.within(aim.expression, name, aim.native, kind) for name in names])

    def _member(self, name: str, inner: Shape) -> Condition:
        found: Any = self._entity.fields[name]
        if inner[0] == "never":
            return sa.true() if inner[1] is Op.NE else sa.false()

        def test(alias: sa.FromClause) -> Condition:
            columns = tuple(alias.c[column.key] for column in found.member.columns)
            return self._keys(columns, found.member.natives, inner, "", alias)

        condition = self._reach(found, test)
        if inner == ("=", Op.NE):
            return sa.or_(condition, sa.not_(self._reach(found, lambda alias: None)))
        return condition

    def _keys(
        self, columns: tuple[Any, ...], natives: tuple[Native, ...], shape: Shape, what: str, table: sa.FromClause
    ) -> Condition:
        expressions = tuple(table.c[column.key] for column in columns)
        kind, count = shape[0].removeprefix(what), shape[1]
        if kind == "in":
            names = [self._name() for _ in range(count)]
            return sa.or_(
                *[self._dialect.within(expressions[0], name, natives[0], expressions[0].type) for name in names]
            )
        rows = []
        for _ in range(count if kind == "tuples" else 1):
            parts = [
                self._dialect.equal(expression, _parameter(self._name(), expression), native)
                for expression, native in zip(expressions, natives, strict=True)
            ]
            rows.append(sa.and_(*parts))
        condition: Condition = sa.or_(*rows)
        return sa.not_(condition) if kind == "=" and count is Op.NE else condition

    def _field(self, name: str) -> Any:
        return None if self._rows is not None or name == KEY else self._entity.fields.get(name)

    def _many(self, name: str) -> RowsField | ListField | None:
        """Find the many-valued field a compare reaches into, if it does."""
        if self._rows is not None or name == KEY:
            return None
        found = self._entity.fields.get(name)
        if found is None:
            found = self._entity.fields[name.rpartition(".")[0]]
        return found if isinstance(found, RowsField | ListField) else None

    def _on(self, name: str, test: Test) -> Condition:
        """Apply a test to the values of a field, wherever they lie."""
        if name == KEY:
            (column,), (native,) = self._entity.key.columns, self._entity.key.natives
            return test(self._aim(self._table.c[column.key], native))
        if self._rows is not None:
            field, alias = self._rows
            return test(self._column(field.columns[name], alias))
        found: Any = self._entity.fields.get(name)
        match found:
            case ColumnField():
                return test(self._column(found, self._table))
            case LookupField():
                alias = found.table.alias()
                joined = alias.c[found.key.key] == self._table.c[found.code.column.key]
                condition = test(self._aim(alias.c[found.value.key], found.native))
                return sa.exists(sa.select(sa.literal_column("1")).select_from(alias).where(joined, condition))
            case ListField():
                member = found.member
                return self._reach(
                    found, lambda alias: test(self._aim(alias.c[member.columns[0].key], member.natives[0]))
                )
            case _:
                field_name, _, part = name.rpartition(".")
                rows: Any = self._entity.fields[field_name]
                return self._reach(rows, lambda alias: test(self._column(rows.columns[part], alias)))

    def _reach(self, found: Any, test: Callable[[sa.FromClause], Condition | None]) -> Condition:
        alias = found.table.alias()
        return exists(self._dialect, self._entity, self._table, found, alias, test(alias))

    def _column(self, found: ColumnField, table: sa.FromClause) -> _Aim:
        expression = table.c[found.column.key]
        if found.folded is not None:
            return _Aim(expression, found.native, table.c[found.folded.key])
        return self._aim(expression, found.native, found.case)

    def _aim(self, expression: Expression, native: Native, case: str | None = None) -> _Aim:
        fold = native.text and case is None
        return _Aim(expression, native, self._dialect.fold(expression) if fold else expression)

    def _guard(self, condition: Condition, aim: _Aim, negated: bool) -> Condition:
        """Under a NOT, make what is unknown because of NULL plainly false."""
        return sa.and_(aim.expression.is_not(None), condition) if negated else condition

    def _name(self) -> str:
        name = f"v{self._next}"
        self._next += 1
        return name


def exists(
    dialect: Dialect,
    entity: Entity,
    table: sa.FromClause,
    found: RowsField | ListField,
    alias: sa.FromClause,
    condition: Condition | None,
) -> Condition:
    """Build EXISTS over the rows of a child or link table that belong to the row of `table`."""
    joined = [
        alias.c[owner.key] == table.c[column.key] for owner, column in zip(found.owner, entity.key.columns, strict=True)
    ]
    parts = [*joined, *visible(dialect, found.fixed, alias)]
    if condition is not None:
        parts.append(condition)
    return sa.exists(sa.select(sa.literal_column("1")).select_from(alias).where(*parts))


def visible(dialect: Dialect, fixed: tuple[Fixed, ...], table: sa.FromClause) -> list[Condition]:
    """Build the conditions under which rows count."""
    found: list[Condition] = []
    for fix in fixed:
        expression = table.c[fix.column.key]
        parts: list[Condition] = [
            expression.is_(None)
            if value is None
            else dialect.equal(expression, sa.literal(value, expression.type), fix.native)
            for value in fix.values
        ]
        found.append(sa.or_(*parts))
    return found


def parameters(question: Question) -> Mapping[str, Any]:
    """Name the values of a question as its statement binds them."""
    return {f"v{index}": value for index, value in enumerate(question.values)}


def _parameter(name: str, expression: Expression) -> Expression:
    return sa.bindparam(name, type_=expression.type)


def _case(subject: Any) -> str | None:
    return subject.case if isinstance(subject, ColumnField) else None


def _fitting(dumped: Callable[[Any], Any], values: Any) -> Iterator[Any]:
    for value in values if isinstance(values, tuple) else (values,):
        try:
            if value is not None:
                yield dumped(value)
        except ValueError:
            continue
