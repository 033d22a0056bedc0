"""SQLite on the standard library's driver, in threads."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import UserDefinedType

from backends.contract import Op
from backends.kit.scalars import fold
from backends.sql.dialects.base import FOLDS, Aim, Condition, Dialect, Expression
from backends.sql.faults import Fault, causes
from backends.sql.natives import Native
from backends.sql.settings import SqlSettings

READ_ONLY = "sql_reads"
"""Execution option of engines that only read: their connections begin no transaction."""

_CODES = {
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: "unique",
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: "unique",
    sqlite3.SQLITE_CONSTRAINT_ROWID: "unique",
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: "reference",
    sqlite3.SQLITE_CONSTRAINT_NOTNULL: "empty",
    sqlite3.SQLITE_CONSTRAINT_CHECK: "value",
    sqlite3.SQLITE_CONSTRAINT | (12 << 8): "value",  # CONSTRAINT_DATATYPE, which the module does not name
    sqlite3.SQLITE_CONSTRAINT_TRIGGER: "denied",
    sqlite3.SQLITE_TOOBIG: "value",
    sqlite3.SQLITE_MISMATCH: "value",
    sqlite3.SQLITE_CANTOPEN: "unreachable",
    sqlite3.SQLITE_NOTADB: "unreachable",
    sqlite3.SQLITE_READONLY: "denied",
}
_NAMED = re.compile(r"constraint failed: (?:index '(?P<index>.+)'|(?P<columns>.+))$")


class SQLite(Dialect):
    """SQLite 3.31 or later."""

    driver = "sqlite+aiosqlite"
    sequences = False
    lacks: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("tls", "password_file", "application_name", "transaction_pooler", "statement_seconds"),
        "is for a server, and SQLite is a file",
    )
    merges = True
    wide_integers = True
    typed = False
    in_limit = 10_000
    row_locks = False  # a writer has the whole file
    two_pools = False
    threaded = True
    isolation = None

    def options(self, settings: SqlSettings, name: str) -> dict[str, Any]:
        return {"connect_args": {"timeout": settings.pool.wait_seconds}}

    def prepare(self, engine: sa.Engine) -> None:
        @sa.event.listens_for(engine, "connect")
        def connect(connection: Any, record: object) -> None:
            opened(connection)

        @sa.event.listens_for(engine, "begin")
        def begin(connection: sa.Connection) -> None:
            if not connection.get_execution_options().get(READ_ONLY):
                connection.exec_driver_sql("BEGIN IMMEDIATE")

    def adapt(self, table: sa.Table, connection: sa.Connection) -> None:
        made = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = ?", (table.name,)).scalar()
        folds = isinstance(made, str) and re.search(r"COLLATE\s+[\"'\[`]?(?!BINARY)\w", made, re.IGNORECASE) is not None
        for column in table.columns:
            match column.type:
                case sa.DateTime() | sa.TIMESTAMP():
                    column.type = _Moment()
                case sa.Date():
                    column.type = _Date()
                case sa.Float():
                    pass
                case sa.types.NullType():
                    column.type = sa.String()
                case sa.Numeric():
                    column.type = _Number()
            column.info[FOLDS] = folds

    def native(self, column_type: sa.types.TypeEngine[Any], zone: tzinfo) -> Native:
        # A column without a type is mostly an expression of a view.
        return super().native(sa.String() if isinstance(column_type, sa.types.NullType) else column_type, zone)

    def exact(self, expression: Expression, native: Native) -> Expression:
        return expression.collate("BINARY") if native.folds else expression

    def ordered(self, expression: Expression, native: Native) -> Expression:
        return expression.collate("BINARY") if native.folds else expression

    def key_equal(self, expression: Expression, value: Expression, native: Native) -> Condition:
        if not native.padded:
            return self.equal(expression, value, native)
        # Nothing fills up a CHAR here but who wrote it: both spellings are looked up in the index.
        length = getattr(expression.type, "length", None) or 1
        return expression.in_([value, sa.func.printf(f"%-{length}s", value)])

    def key_within(self, expression: Expression, name: str, native: Native) -> Condition:
        form = sa.func.rtrim(expression, type_=sa.String()) if native.padded else expression
        return self.within(form, name, native)

    def merge(self, table: sa.Table, values: dict[str, Any], unique: list[sa.Column[Any]]) -> sa.Insert:
        return sqlite.insert(table).values(values).on_conflict_do_nothing(index_elements=unique)

    def like(self, expression: Expression, value: Expression, op: Op) -> Condition:
        # LIKE ignores the case of ASCII letters here; GLOB does not, and uses an index for a beginning.
        return expression.op("GLOB", is_comparison=True)(value)

    def pattern(self, text: str, op: Op) -> str:
        text = re.sub(r"[*?\[]", lambda found: f"[{found[0]}]", text)
        return f"{'' if op is Op.SW else '*'}{text}{'' if op is Op.EW else '*'}"

    def fold(self, expression: Expression) -> Expression:
        return sa.func.scim_fold(expression, type_=sa.String())

    def fold_bound(self, value: Expression) -> Expression:
        return value

    def fold_value(self, text: str) -> str:
        return fold(text)

    def within_folded(self, aim: Aim, name: str) -> Condition:
        if aim.folded is not None:
            return self.within(aim.folded, name, aim.native)
        return self.fold(aim.expression).in_(sa.bindparam(name, expanding=True, type_=sa.String()))

    def fault(self, error: BaseException) -> Fault:
        for cause in causes(error):
            code = getattr(cause, "sqlite_errorcode", None)
            if isinstance(cause, OverflowError):
                return Fault("value")
            if code is None:
                continue
            if code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                return Fault("retry")
            kind = _CODES.get(code) or _CODES.get(code & 0xFF)
            named = _NAMED.search(str(cause))
            columns = named["columns"].split(", ") if named and named["columns"] else []
            return Fault(
                kind or "other",  # type: ignore[arg-type]
                constraint=named["index"] if named else None,
                columns=tuple(column.rpartition(".")[2] for column in columns),
            )
        return Fault("other")


def opened(connection: Any) -> None:
    """Prepare a new connection of the driver's."""
    # The driver's own BEGIN comes only before the first change, too late for what is read to be still true.
    connection.isolation_level = None
    connection.create_function("scim_fold", 1, _fold, deterministic=True)
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _fold(text: Any) -> Any:
    return fold(text) if isinstance(text, str) else text


class _Moment(UserDefinedType[Any]):
    """A timestamp as text, in the spelling of CURRENT_TIMESTAMP so that texts compare as times do."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "TIMESTAMP"

    def bind_processor(self, dialect: object) -> Any:
        return lambda value: value.isoformat(sep=" ") if isinstance(value, datetime) else value

    def result_processor(self, dialect: object, coltype: object) -> Any:
        return _lenient(datetime.fromisoformat)


class _Date(UserDefinedType[Any]):
    """A date as text; what is no date (0000-00-00) comes out as it is."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "DATE"

    def bind_processor(self, dialect: object) -> Any:
        return lambda value: value.isoformat() if isinstance(value, date) else value

    def result_processor(self, dialect: object, coltype: object) -> Any:
        return _lenient(date.fromisoformat)


class _Number(UserDefinedType[Any]):
    """A decimal number, which SQLite stores as it sees fit."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "NUMERIC"

    def bind_processor(self, dialect: object) -> Any:
        return lambda value: str(value) if isinstance(value, Decimal) else value

    def result_processor(self, dialect: object, coltype: object) -> Any:
        return lambda value: Decimal(str(value)) if isinstance(value, int | float) else value


def _lenient(parse: Any) -> Any:
    def load(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return parse(value)
        except ValueError:
            return value

    return load
