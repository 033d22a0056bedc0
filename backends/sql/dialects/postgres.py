"""PostgreSQL through asyncpg."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import UserDefinedType

from backends.contract import Op
from backends.sql.dialects.base import ESCAPE, Aim, Condition, Dialect, Expression, Lowered
from backends.sql.faults import Fault, Kind, causes, named
from backends.sql.natives import Native
from backends.sql.settings import SqlSettings
from backends.sql.tls import tls_context

_STATES: dict[str, Kind] = {
    "23505": "unique",
    "23P01": "unique",
    "23503": "reference",
    "23001": "reference",
    "23502": "empty",
    "23514": "value",
    "22": "value",
    "42501": "denied",
    "44000": "denied",  # the CHECK OPTION of a view
    "P0": "denied",  # RAISE in a trigger or function
    "40": "retry",
    "55P03": "retry",
    "57014": "retry",  # cancelled by a time limit: nothing was done
    "25006": "unreachable",  # a standby after a failover
    "25P03": "lost",
    "57P03": "unreachable",
    "57": "lost",
    "08001": "unreachable",
    "08004": "unreachable",
    "08": "lost",
    "28": "unreachable",
    "3D000": "unreachable",
    "53": "unreachable",
}
"""SQLSTATE, or its class, to what it means."""


class Bpchar(UserDefinedType[str]):
    """CHAR of any length: compared without the blanks that fill it up, and never cut off."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "BPCHAR"


class Postgres(Dialect):
    """PostgreSQL 12 or later."""

    driver = "postgresql+asyncpg"
    lacks: ClassVar[Mapping[str, str]] = {}
    nulls_high = True
    merges_arrays = True
    in_limit = 100_000
    two_pools = False
    isolation = None  # READ COMMITTED, unless the operator of the database wants more

    def __init__(self) -> None:
        self._letters: str | None = None

    def options(self, settings: SqlSettings, name: str) -> dict[str, Any]:
        arguments: dict[str, Any] = {"timeout": settings.pool.wait_seconds}
        if settings.tls is not None:
            arguments["ssl"] = tls_context(settings.tls)
        if settings.transaction_pooler:
            # The next transaction may run on another server connection: nothing may be remembered on this one.
            unnamed = {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
            return {"connect_args": arguments | unnamed | {"prepared_statement_name_func": lambda: f"s{uuid.uuid4()}"}}
        milliseconds = str(int(settings.statement_seconds * 1000))
        arguments["server_settings"] = {
            "application_name": (settings.application_name or name)[:63],
            "statement_timeout": milliseconds,
        }
        return {"connect_args": arguments}

    def discover(self, connection: sa.Connection) -> None:
        """Find a collation that knows capitals beyond ASCII, where the database's own does not."""
        letters = connection.exec_driver_sql("SELECT lower('Ä') = 'ä'").scalar()
        known = connection.exec_driver_sql(
            "SELECT collname FROM pg_collation WHERE collname IN ('und-x-icu', 'pg_c_utf8', 'C.UTF-8', 'C.utf8') "
            "AND collnamespace = 'pg_catalog'::regnamespace AND collencoding IN (-1, pg_char_to_encoding("
            "getdatabaseencoding())) ORDER BY collname DESC LIMIT 1"
        ).scalar()
        self._letters = None if letters else known

    def fold(self, expression: Expression) -> Expression:
        if self._letters is not None:
            expression = expression.collate(self._letters)
        return sa.func.lower(expression, type_=sa.String())

    def fold_bound(self, value: Expression) -> Expression:
        return self.fold(value)

    def within_folded(self, aim: Aim, name: str) -> Condition:
        if aim.folded is None and not aim.insensitive:
            return self.fold(aim.expression).in_(sa.bindparam(name, expanding=True, type_=Lowered(self._letters)))
        return super().within_folded(aim, name)

    def exact_value(self, value: Expression, native: Native) -> Expression:
        if native.padded:
            return sa.cast(value, Bpchar())
        return value

    def exact(self, expression: Expression, native: Native) -> Expression:
        # citext and collations that are not deterministic find more than they should.
        return sa.cast(expression, sa.Text()).collate("C") if native.folds else expression

    def within(self, expression: Expression, name: str, native: Native) -> Condition:
        # One parameter for any number of values: one statement for the server to remember.
        values: Expression = sa.bindparam(name, type_=postgresql.ARRAY(expression.type))
        if native.padded:
            values = sa.cast(sa.bindparam(name, type_=postgresql.ARRAY(sa.String())), postgresql.ARRAY(Bpchar()))
        condition: Condition = expression == sa.any_(values)
        if native.folds:
            exact = sa.bindparam(name, type_=postgresql.ARRAY(expression.type))
            texts = sa.cast(exact, postgresql.ARRAY(sa.Text()))
            condition = sa.and_(condition, self.exact(expression, native) == sa.any_(texts))
        return condition

    def packed(self, name: str, column: sa.Column[Any]) -> Expression:
        bound = super().packed(name, column)
        return sa.cast(bound, column.type) if isinstance(column.type, sa.JSON) else bound

    def ordered(self, expression: Expression, native: Native) -> Expression:
        if native.padded:
            return sa.cast(expression, sa.Text()).collate("C")
        return expression.collate("C") if native.text else expression

    def like(self, expression: Expression, value: Expression, op: Op) -> Condition:
        if isinstance(expression.type, postgresql.CITEXT):
            expression = sa.cast(expression, sa.Text())
        return expression.like(value, escape=ESCAPE)

    def merge_array(
        self,
        table: sa.Table,
        values: dict[str, Any],
        members: Sequence[tuple[str, sa.Column[Any]]],
        unique: Sequence[sa.Column[Any]],
        source: sa.FromClause,
        conditions: Sequence[Condition],
    ) -> sa.Insert:
        arrays = [sa.bindparam(name, type_=postgresql.ARRAY(column.type)) for name, column in members]
        columns = [sa.column(name, column.type) for name, column in members]
        rows = sa.func.unnest(*arrays).table_valued(*columns, joins_implicitly=True).render_derived(name="given")
        chosen = {**values, **{column.name: rows.c[name] for name, column in members}}
        query = sa.select(*chosen.values()).select_from(source).where(*conditions)
        statement = postgresql.insert(table).from_select(list(chosen), query, include_defaults=False)
        return statement.on_conflict_do_nothing(index_elements=list(unique))

    def fault(self, error: BaseException) -> Fault:
        for cause in causes(error):
            state = getattr(cause, "sqlstate", None)
            if not isinstance(state, str):
                continue
            kind = _STATES.get(state) or _STATES.get(state[:2])
            if kind is None:
                break
            native = next((c for c in causes(error) if hasattr(c, "constraint_name")), cause)
            column = getattr(native, "column_name", None)
            constraint = getattr(native, "constraint_name", None)
            return Fault(kind, constraint, (column,) if column else ())
        if named(error, ("InvalidAuthorizationSpecificationError", "ClientConfigurationError")):
            return Fault("unreachable")
        if named(error, ("ConnectionDoesNotExistError", "InternalClientError", "InterfaceError")):
            return Fault("value" if named(error, ("DataError", "ValueError")) else "lost")
        return Fault("other")
