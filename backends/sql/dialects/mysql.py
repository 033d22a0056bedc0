"""MariaDB and MySQL through asyncmy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import tzinfo
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeDecorator

from backends.contract import Op
from backends.sql.dialects.base import ESCAPE, FOLDS, ORDER, PARTS, Aim, Condition, Dialect, Expression
from backends.sql.faults import Fault, Kind, causes
from backends.sql.natives import Native
from backends.sql.settings import SqlSettings
from backends.sql.tls import tls_context

_NUMBERS: dict[int, Kind] = {
    **dict.fromkeys((1062, 1586, 1169), "unique"),
    **dict.fromkeys((1216, 1217, 1451, 1452), "reference"),
    **dict.fromkeys((1048, 1364), "empty"),
    **dict.fromkeys((1264, 1265, 1292, 1366, 1406, 1411, 1526, 1690, 3819, 3988, 4025), "value"),
    **dict.fromkeys((1142, 1143, 1370, 1369, 1644), "denied"),
    **dict.fromkeys((1020, 1205, 1213, 1969, 3024, 1317), "retry"),
    **dict.fromkeys(
        (1040, 1044, 1045, 1049, 1129, 1130, 1203, 1226, 1290, 1698, 1792, 1836, 2002, 2003, 2005, 4151), "unreachable"
    ),
    **dict.fromkeys((1053, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, 2014, 2055, 4031), "lost"),
}
"""Error numbers of server and client to what they mean."""

_KEY = re.compile(r"for key '(?:[^'.]*\.)?([^']+)'")
_CONSTRAINT = re.compile(r"CONSTRAINT [`'\"]([^`'\"]+)[`'\"]")
_COLUMN = re.compile(r"(?:[Cc]olumn|[Ff]ield) [`'](?:[^`']*[`']\.[`'])*([^`']+)[`']")


class Utf8(sa.ColumnElement[str]):
    """A text in the connection's character set, whatever its column's is."""

    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - as the base class has it
        ("inner", sa.sql.visitors.InternalTraversal.dp_clauseelement)
    ]
    type = sa.String()

    def __init__(self, inner: Expression) -> None:
        self.inner = inner


@compiles(Utf8)
def _compile_utf8(element: Utf8, compiler: Any, **options: Any) -> str:
    return f"CONVERT({compiler.process(element.inner, **options)} USING utf8mb4)"


class Letters(TypeDecorator[str]):
    """A text whose every letter counts, and every blank at its end."""

    impl = sa.String
    cache_ok = True

    def bind_expression(self, bindvalue: Any) -> Any:
        return sa.cast(Utf8(bindvalue), sa.LargeBinary())


class LoweredLetters(TypeDecorator[str]):
    """The same without regard to case."""

    impl = sa.String
    cache_ok = True

    def bind_expression(self, bindvalue: Any) -> Any:
        return sa.cast(Utf8(sa.func.lower(Utf8(bindvalue))), sa.LargeBinary())


class MySQL(Dialect):
    """MariaDB 10.5 or MySQL 8.0, or later. Its collations take different texts for equal, so each is compared twice."""

    driver = "mysql+asyncmy"
    extra = "mysql"
    lacks: ClassVar[Mapping[str, str]] = {**Dialect.lacks, "application_name": "is not told to MariaDB and MySQL"}
    in_limit = 5000

    def options(self, settings: SqlSettings, name: str) -> dict[str, Any]:
        arguments: dict[str, Any] = {"connect_timeout": int(settings.pool.wait_seconds) or 1, "charset": "utf8mb4"}
        if settings.tls is not None:
            arguments["ssl"] = tls_context(settings.tls)
        self._seconds = settings.statement_seconds
        return {"connect_args": arguments}

    def prepare(self, engine: sa.Engine) -> None:
        @sa.event.listens_for(engine, "connect")
        def connect(connection: Any, record: object) -> None:
            cursor = connection.cursor()
            # Without strict mode a value that is too long would be cut off with a mere warning.
            cursor.execute("SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')")
            cursor.execute("SELECT VERSION()")
            if "mariadb" in cursor.fetchone()[0].lower():
                cursor.execute("SET SESSION max_statement_time = %s", (self._seconds,))
            else:
                cursor.execute("SET SESSION max_execution_time = %s", (int(self._seconds * 1000),))
            cursor.close()

    def adapt(self, table: sa.Table, connection: sa.Connection) -> None:
        for column in table.columns:
            collation = getattr(column.type, "collation", None)
            column.info[FOLDS] = collation is None or not collation.endswith("_bin")

    def native(self, column_type: sa.types.TypeEngine[Any], zone: tzinfo) -> Native:
        native = super().native(column_type, zone)
        if native.padded:
            # Blanks at the end of a CHAR are cut off when it is read; a value compared with it must be without too.
            return replace(native, dump=lambda value: native.dump(value).rstrip(" "))
        return native

    def exact(self, expression: Expression, native: Native) -> Expression:
        return sa.cast(Utf8(expression), sa.LargeBinary()) if native.text else expression

    def exact_value(self, value: Expression, native: Native) -> Expression:
        return sa.cast(Utf8(value), sa.LargeBinary()) if native.text else value

    def exact_list(self, name: str, expression: Expression, native: Native) -> Any:
        return sa.bindparam(name, expanding=True, type_=Letters())

    def like(self, expression: Expression, value: Expression, op: Op) -> Condition:
        return Utf8(expression).collate("utf8mb4_bin").like(value, escape=ESCAPE)

    def compare_folded(self, op: Op, aim: Aim, value: Expression) -> Condition:
        if aim.folded is not None and op not in ORDER:
            return self.compare(op, aim.folded, value, aim.native)
        form, bound = sa.func.lower(Utf8(aim.expression)), sa.func.lower(Utf8(value))
        if op in PARTS:
            return self.like(form, bound, op)
        exact, other = sa.cast(Utf8(form), sa.LargeBinary()), sa.cast(Utf8(bound), sa.LargeBinary())
        if op is Op.NE:
            return exact.is_distinct_from(other)
        if op is not Op.EQ:
            return getattr(exact, ORDER[op])(other)  # type: ignore[no-any-return]
        if aim.native.folds:
            # A collation that ignores case finds all of these and some more, by its index.
            return sa.and_(aim.expression == value, exact == other)
        return exact == other

    def within_folded(self, aim: Aim, name: str) -> Condition:
        if aim.folded is not None:
            return self.within(aim.folded, name, aim.native)
        form = sa.cast(Utf8(sa.func.lower(Utf8(aim.expression))), sa.LargeBinary())
        return form.in_(sa.bindparam(name, expanding=True, type_=LoweredLetters()))

    def fault(self, error: BaseException) -> Fault:
        for cause in causes(error):
            number = cause.args[0] if cause.args else None
            if not isinstance(number, int) or isinstance(cause, OSError):
                continue
            text = str(cause.args[1]) if len(cause.args) > 1 else ""
            constraint = _KEY.search(text) or _CONSTRAINT.search(text)
            column = _COLUMN.search(text)
            return Fault(
                _NUMBERS.get(number, "denied" if number >= 45000 else "other"),
                constraint[1] if constraint else None,
                (column[1],) if column else (),
            )
        return Fault("other")
