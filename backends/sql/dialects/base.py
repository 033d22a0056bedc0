"""What is the same in most dialects, and the list of what may differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from backends.contract import Op
from backends.sql.faults import Fault
from backends.sql.natives import Native, native_of
from backends.sql.settings import SqlSettings

Expression = sa.ColumnElement[Any]
Condition = sa.ColumnElement[bool]
ESCAPE = "!"
ORDER = {Op.GT: "__gt__", Op.GE: "__ge__", Op.LT: "__lt__", Op.LE: "__le__"}
PARTS = (Op.CO, Op.SW, Op.EW)
FOLDS = "folds"
"""Where a column's `info` says that its collation takes different texts for equal."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What a compare is made on.

    `folded` holds the same text in the letters to which values are brought, if anything does; `insensitive` where the
    column's own collation ignores case.
    """

    expression: Expression
    native: Native
    folded: Expression | None = None
    insensitive: bool = False


class Lowered(TypeDecorator[str]):
    """A text that is lowered where it is bound, by the database's own idea of letters."""

    impl = sa.String
    cache_ok = True

    def __init__(self, letters: str | None = None) -> None:
        super().__init__()
        self.letters = letters

    def bind_expression(self, bindvalue: Any) -> Any:
        if self.letters is not None:
            bindvalue = bindvalue.collate(self.letters)
        return sa.func.lower(bindvalue, type_=sa.String())


class Dialect:
    """One kind of database. Conditions it gives may be unknown where a value is NULL; who negates them guards that."""

    driver: ClassVar[str]
    nulls_high: ClassVar[bool] = False  # ORDER BY puts NULL last when ascending and first when descending
    row_values: ClassVar[bool] = True  # (a, b) > (:a, :b)
    merges: ClassVar[bool] = False  # `merge` works row by row, with a true count
    merges_arrays: ClassVar[bool] = False  # `merge_array` works on arrays, with a true count
    wide_integers: ClassVar[bool] = False  # INTEGER has 64 bits
    typed: ClassVar[bool] = True  # a column holds nothing but its type
    in_limit: ClassVar[int] = 1000  # values in one IN (…)
    row_locks: ClassVar[bool] = True  # SELECT … FOR UPDATE
    two_pools: ClassVar[bool] = True  # going into and out of autocommit costs a round trip
    threaded: ClassVar[bool] = False  # the driver works in threads, whose work cannot be cut off
    extra: ClassVar[str] = ""  # of the distribution: what installs the driver, if it does not come along
    isolation: ClassVar[str | None] = "READ COMMITTED"  # of transactions; they lock what they rely on

    sequences: ClassVar[bool] = True  # there are sequences to take keys from
    lacks: ClassVar[Mapping[str, str]] = {
        "transaction_pooler": "is for PostgreSQL"
    }  # settings that do nothing, and why

    blocks: bool = False  # the driver in use is none of asyncio's, and works in threads of ours

    @property
    def threads(self) -> bool:
        """Whether native work goes on when nobody waits for it any more."""
        return self.threaded or self.blocks

    @property
    def remedy(self) -> str:
        """The command that installs the driver."""
        return f"pip install 'scim-gateway{f'[{self.extra}]' if self.extra else ''}'"

    def url(self, url: sa.URL) -> sa.URL:
        """Give the URL with this dialect's driver, unless it names one itself."""
        return url if "+" in url.drivername else url.set(drivername=self.driver)

    def options(self, settings: SqlSettings, name: str) -> dict[str, Any]:
        """Give the arguments of `create_async_engine` that are this dialect's."""
        return {}

    def prepare(self, engine: sa.Engine) -> None:
        """Hook into a new engine what each connection needs."""

    def discover(self, connection: sa.Connection) -> None:
        """Learn at start what depends on the server."""

    def adapt(self, table: sa.Table, connection: sa.Connection) -> None:
        """Give reflected columns better types where the reflected ones lose something."""

    def native(self, column_type: sa.types.TypeEngine[Any], zone: tzinfo) -> Native:
        """Choose how values of a column type are read and written; `zone` is that of times stored without one."""
        return native_of(column_type, zone=zone, wide_integers=self.wide_integers, typed=self.typed)

    # Comparisons, letter for letter.

    def exact(self, expression: Expression, native: Native) -> Expression:
        """Give the form in which = and < look at every letter."""
        return expression

    def exact_value(self, value: Expression, native: Native) -> Expression:
        """Give a bound value in the form of `exact`."""
        return value

    def equal(self, expression: Expression, value: Expression, native: Native) -> Condition:
        """Compare letter for letter, in a way the column's index can serve."""
        form, exact = self.exact(expression, native), self.exact_value(value, native)
        if form is expression:
            return expression == exact
        # The first half finds candidates by the index, the second makes it exact.
        return sa.and_(expression == value, form == exact)

    def key_equal(self, expression: Expression, value: Expression, native: Native) -> Condition:
        """Compare with a part of a key, which has no blanks that fill up a CHAR."""
        return self.equal(expression, value, native)

    def key_within(self, expression: Expression, name: str, native: Native) -> Condition:
        """Compare with many keys of one column."""
        return self.within(expression, name, native)

    def locked(self, statement: Any, table: sa.Table) -> Any:
        """Let a SELECT hold its row until the transaction ends."""
        return statement.with_for_update()

    def differs(self, expression: Expression, value: Expression, native: Native) -> Condition:
        """Compare letter for letter, where NULL is a value like any other."""
        return self.exact(expression, native).is_distinct_from(self.exact_value(value, native))

    def compare(self, op: Op, expression: Expression, value: Expression, native: Native) -> Condition:
        """Build any comparison with one value; that of co, sw and ew is a pattern made by `pattern`."""
        if op is Op.EQ:
            return self.equal(expression, value, native)
        if op is Op.NE:
            if isinstance(expression, sa.Column) and not expression.nullable:
                # A partial index (WHERE status <> 'D') is used only by who asks in its own words.
                return self.exact(expression, native) != self.exact_value(value, native)
            return self.differs(expression, value, native)
        if op in PARTS:
            return self.like(expression, value, op)
        form, exact = self.ordered(expression, native), self.ordered(value, native)
        return getattr(form, ORDER[op])(exact)  # type: ignore[no-any-return]

    def within(self, expression: Expression, name: str, native: Native) -> Condition:
        """Compare letter for letter with a list bound as `name` in the shape of `list_value`."""
        values = sa.bindparam(name, expanding=True, type_=expression.type)
        form = self.exact(expression, native)
        if form is expression:
            return expression.in_(values)
        return sa.and_(expression.in_(values), form.in_(self.exact_list(name, expression, native)))

    def exact_list(self, name: str, expression: Expression, native: Native) -> Any:
        """Give a bound list in the form of `exact`."""
        return sa.bindparam(name, expanding=True, type_=expression.type)

    def list_value(self, values: Sequence[Any], native: Native) -> list[Any]:
        """Give the list as `within` wants it bound."""
        return list(values)

    def ordered(self, expression: Expression, native: Native) -> Expression:
        """Give what gt, ge, lt and le compare: texts by their code points."""
        return self.exact(expression, native)

    def like(self, expression: Expression, value: Expression, op: Op) -> Condition:
        """Match a pattern made by `pattern`, letter for letter."""
        return expression.like(value, escape=ESCAPE)

    def pattern(self, text: str, op: Op) -> str:
        """Make the pattern of co, sw or ew."""
        for special in (ESCAPE, "%", "_"):
            text = text.replace(special, ESCAPE + special)
        return f"{'' if op is Op.SW else '%'}{text}{'' if op is Op.EW else '%'}"

    # Columns that hold more than one value.

    def unpacked(self, column: sa.Column[Any]) -> Expression:
        """Give a column as it is stored: JSON as the text it is."""
        return sa.type_coerce(column, sa.Text()) if isinstance(column.type, sa.JSON) else column

    def packed(self, name: str, column: sa.Column[Any]) -> Expression:
        """Bind what is to be stored in a column, in the form in which `unpacked` gives it."""
        return sa.bindparam(name, type_=sa.Text() if isinstance(column.type, sa.JSON) else column.type)

    # Comparisons that ignore case.

    def fold(self, expression: Expression) -> Expression:
        """Give a text in the form in which case makes no difference."""
        return sa.func.lower(expression, type_=sa.String())

    def fold_bound(self, value: Expression) -> Expression:
        """Give a bound value in the form of `fold`."""
        return sa.func.lower(value, type_=sa.String())

    def fold_value(self, text: str) -> str:
        """Do what must be done to a value before it is bound, for `fold_bound` to be right."""
        return text

    def compare_folded(self, op: Op, aim: Aim, value: Expression) -> Condition:
        """Build a comparison that ignores case."""
        if aim.folded is not None and op not in ORDER:
            return self.compare(op, aim.folded, value, aim.native)
        if aim.insensitive and op in (Op.EQ, Op.NE):
            return aim.expression == value if op is Op.EQ else aim.expression.is_distinct_from(value)
        form, bound = self.fold(aim.expression), self.fold_bound(value)
        if op is Op.EQ:
            return form == bound
        if op is Op.NE:
            return form.is_distinct_from(bound)
        if op in PARTS:
            return self.like(form, bound, op)
        return getattr(self.ordered(form, aim.native), ORDER[op])(self.ordered(bound, aim.native))  # type: ignore[no-any-return]

    def within_folded(self, aim: Aim, name: str) -> Condition:
        """Compare with a list, ignoring case."""
        if aim.folded is not None:
            return self.within(aim.folded, name, aim.native)
        if aim.insensitive:
            return aim.expression.in_(sa.bindparam(name, expanding=True, type_=aim.expression.type))
        return self.fold(aim.expression).in_(sa.bindparam(name, expanding=True, type_=Lowered()))

    # Writing.

    def merge(self, table: sa.Table, values: dict[str, Any], unique: list[sa.Column[Any]]) -> sa.Insert:
        """Build an INSERT that passes over a row that is there by its `unique` columns."""
        raise NotImplementedError

    def merge_array(
        self,
        table: sa.Table,
        values: dict[str, Any],
        members: Sequence[tuple[str, sa.Column[Any]]],
        unique: Sequence[sa.Column[Any]],
        source: sa.FromClause,
        conditions: Sequence[Condition],
    ) -> sa.Insert:
        """Build an INSERT of as many rows as the arrays bound by the names in `members` have elements.

        `values` are the other columns; the rows are inserted if `source` has a row under `conditions`, each passed over
        if it is there by its `unique` columns.
        """
        raise NotImplementedError

    def fault(self, error: BaseException) -> Fault:
        """Tell what a driver's error means."""
        return Fault("other")
