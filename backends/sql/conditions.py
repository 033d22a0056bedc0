"""The SQL condition of a filter's shape: the second of two steps from a filter to SQL.

Values are bound as ``v0``, ``v1`` … in the order in which `questions` met them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from backends.contract import Op
from backends.sql.dialects.base import PARTS, Aim, Condition, Dialect
from backends.sql.model import ColumnField, Entity, Fixed, ListField, LookupField, RowsField, SideField
from backends.sql.natives import Native
from backends.sql.questions import EVERY, Shape


def condition(entity: Entity, dialect: Dialect, shape: Shape, table: sa.FromClause) -> Condition | None:
    """Build the condition of a shape on `table` (the entity's, or an alias); None if every row satisfies it."""
    return None if shape == EVERY else _Builder(entity, dialect, table).build(shape)


Test = Callable[[Aim], Condition]


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
                return self._on(name, lambda aim: self._within(aim, names, ignore, negated))
            case _:
                return self._keys(self._entity.key.columns, self._entity.key.natives, shape, "key", self._table)

    def _compare(self, name: str, op: Op, ignore: bool, negated: bool) -> Condition:
        bound = self._name()

        def test(aim: Aim) -> Condition:
            value = sa.bindparam(bound, type_=sa.String() if op in PARTS else aim.expression.type)
            if ignore:
                found = self._dialect.compare_folded(op, aim, value)
            else:
                found = self._dialect.compare(op, aim.expression, value, aim.native)
            # "not equal" is true of NULL; what else is unknown because of NULL must be plainly false under a NOT.
            return found if op is Op.NE or not negated else sa.and_(aim.expression.is_not(None), found)

        if op is not Op.NE:
            return self._on(name, test)
        if (many := self._many(name)) is not None:
            return sa.or_(self._on(name, test), sa.not_(self._reach(many, lambda alias: None)))
        if isinstance(self._field(name), LookupField | SideField):
            return sa.not_(self._on(name, lambda aim: sa.not_(test(aim))))
        return self._on(name, test)

    def _within(self, aim: Aim, names: list[str], ignore: bool, negated: bool) -> Condition:
        if ignore:
            parts = [self._dialect.within_folded(aim, name) for name in names]
        else:
            parts = [self._dialect.within(aim.expression, name, aim.native) for name in names]
        found: Condition = sa.or_(*parts)
        return sa.and_(aim.expression.is_not(None), found) if negated else found

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
            return sa.or_(*[self._dialect.key_within(expressions[0], name, natives[0]) for name in names])
        rows = []
        for _ in range(count if kind == "tuples" else 1):
            parts = [
                self._dialect.key_equal(expression, sa.bindparam(self._name(), type_=expression.type), native)
                for expression, native in zip(expressions, natives, strict=True)
            ]
            rows.append(sa.and_(*parts))
        condition: Condition = sa.or_(*rows)
        return sa.not_(condition) if kind == "=" and count is Op.NE else condition

    def _field(self, name: str) -> Any:
        return None if self._rows is not None else self._entity.fields.get(name)

    def _many(self, name: str) -> RowsField | ListField | None:
        """Find the many-valued field a compare reaches into, if it does."""
        if self._rows is not None:
            return None
        found = self._entity.fields.get(name)
        if found is None:
            found = self._entity.fields[name.rpartition(".")[0]]
        return found if isinstance(found, RowsField | ListField) else None

    def _on(self, name: str, test: Test) -> Condition:
        """Apply a test to the values of a field, wherever they lie."""
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
                condition = test(Aim(alias.c[found.value.key], found.native))
                return sa.exists(sa.select(sa.literal_column("1")).select_from(alias).where(joined, condition))
            case SideField():
                side = found
                return self._reach(side, lambda alias: test(Aim(alias.c[side.column.key], side.native)))
            case ListField():
                member = found.member
                return self._reach(found, lambda alias: test(Aim(alias.c[member.columns[0].key], member.natives[0])))
            case _:
                field_name, _, part = name.rpartition(".")
                rows: Any = self._entity.fields[field_name]
                return self._reach(rows, lambda alias: test(self._column(rows.columns[part], alias)))

    def _reach(self, found: Any, test: Callable[[sa.FromClause], Condition | None]) -> Condition:
        alias = found.table.alias()
        return exists(self._dialect, self._entity, self._table, found, alias, test(alias))

    def _column(self, found: ColumnField, table: sa.FromClause) -> Aim:
        expression = table.c[found.column.key]
        insensitive = found.case == "insensitive"
        folded = expression if found.case is not None and not insensitive else None
        if found.folded is not None:
            folded = table.c[found.folded.key]
        return Aim(expression, found.native, folded, insensitive)

    def _name(self) -> str:
        name = f"v{self._next}"
        self._next += 1
        return name


def exists(
    dialect: Dialect,
    entity: Entity,
    table: sa.FromClause,
    found: RowsField | ListField | SideField,
    alias: sa.FromClause,
    condition: Condition | None,
) -> Condition:
    """Build EXISTS over the rows of a child or link table that belong to the row of `table`."""
    joined = [
        alias.c[owner.key] == table.c[column.key] for owner, column in zip(found.owner, entity.key.columns, strict=True)
    ]
    parts = [*joined, *belonging(dialect, found, alias)]
    if condition is not None:
        parts.append(condition)
    return sa.exists(sa.select(sa.literal_column("1")).select_from(alias).where(*parts))


def belonging(dialect: Dialect, found: RowsField | ListField | SideField, table: sa.FromClause) -> list[Condition]:
    """Build the conditions under which child and link rows count."""
    conditions = visible(dialect, found.fixed, table)
    if isinstance(found, ListField):
        # A member's row that names no group is no membership.
        conditions += [table.c[column.key].is_not(None) for column in found.member.columns if column.nullable]
    return conditions


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
