"""What is the same in most dialects, and the list of what may differ."""

from __future__ import annotations

from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from backends.contract import Op
from backends.sql.faults import Fault
from backends.sql.natives import Native
from backends.sql.settings import SqlSettings

Expression = sa.ColumnElement[Any]
Condition = sa.ColumnElement[bool]
ESCAPE = "!"
FOLDS = "folds"
"""Where a column's `info` says that its collation takes different texts for equal."""


class Dialect:
    """One kind of database. Conditions it gives are about values that are not NULL; who negates them guards that."""

    driver: ClassVar[str]
    nulls_high: ClassVar[bool] = False  # ORDER BY puts NULL last when ascending and first when descending
    row_values: ClassVar[bool] = True  # (a, b) > (:a, :b) and (a, b) IN (…)
    conflict_clause: ClassVar[bool] = False  # INSERT … ON CONFLICT DO NOTHING, with a true row count
    wide_integers: ClassVar[bool] = False  # INTEGER has 64 bits
    in_limit: ClassVar[int] = 1000  # values in one IN (…)
    row_locks: ClassVar[bool] = True  # SELECT … FOR UPDATE

    def url(self, url: sa.URL) -> sa.URL:
        """Give the URL with this dialect's driver, unless it names one itself."""
        return url if "+" in url.drivername else url.set(drivername=self.driver)

    def options(self, settings: SqlSettings, name: str) -> dict[str, Any]:
        """Give the arguments of `create_async_engine` that are this dialect's."""
        return {}

    def prepare(self, engine: AsyncEngine) -> None:
        """Hook into a new engine what each connection needs."""

    def adapt(self, table: sa.Table, connection: sa.Connection) -> None:
        """Give reflected columns better types where the reflected ones lose something."""

    def equal(self, expression: Expression, value: Expression, native: Native) -> Condition:
        """Compare exactly, letter for letter."""
        return expression == value

    def differs(self, expression: Expression, value: Expression, native: Native) -> Condition:
        """Compare exactly, where NULL is a value like any other."""
        return expression.is_distinct_from(value)

    def within(self, expression: Expression, name: str, native: Native, column_type: Any) -> Condition:
        """Compare exactly with a list bound as `name`."""
        return expression.in_(sa.bindparam(name, expanding=True, type_=column_type))

    def list_value(self, values: tuple[Any, ...], native: Native) -> list[Any]:
        """Give the list as `within` wants it bound."""
        return list(values)

    def merge(self, table: sa.Table, values: dict[str, Any], unique: list[sa.Column[Any]]) -> sa.Insert:
        """Build an INSERT that passes over a row that is there by its `unique` columns (with `conflict_clause`)."""
        raise NotImplementedError

    def ordering(self, expression: Expression, native: Native) -> Expression:
        """Give what gt, ge, lt and le compare: texts by their code points."""
        return expression

    def like(self, expression: Expression, value: Expression, op: Op) -> Condition:
        """Match a pattern made by `pattern`, letter for letter."""
        return expression.like(value, escape=ESCAPE)

    def pattern(self, text: str, op: Op) -> str:
        """Make the pattern of co, sw or ew."""
        for special in (ESCAPE, "%", "_"):
            text = text.replace(special, ESCAPE + special)
        return f"{'' if op is Op.SW else '%'}{text}{'' if op is Op.EW else '%'}"

    def fold(self, expression: Expression) -> Expression:
        """Give a text in the form in which case makes no difference."""
        return sa.func.lower(expression)

    def fold_value(self, text: str) -> str:
        """Give a value in the form of `fold`, as far as that must be done before it is bound."""
        return text.lower()

    def fault(self, error: BaseException) -> Fault:
        """Tell what a driver's error means."""
        return Fault("other")
