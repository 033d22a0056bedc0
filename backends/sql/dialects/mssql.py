"""SQL Server through mssql-python, which blocks and works in threads; compiled in tests, never run there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import sqlalchemy as sa

from backends.contract import Op
from backends.sql.dialects.base import ESCAPE, Condition, Dialect, Expression
from backends.sql.faults import Fault, Kind, causes
from backends.sql.natives import Native
from backends.sql.settings import SqlSettings

_NUMBERS: dict[int, Kind] = {
    **dict.fromkeys((2601, 2627), "unique"),
    547: "reference",
    515: "empty",
    **dict.fromkeys((220, 241, 242, 245, 248, 295, 2628, 8114, 8115, 8152), "value"),
    **dict.fromkeys((229, 230, 262, 550), "denied"),
    **dict.fromkeys((1204, 1205, 1222, 3960, 3961), "retry"),
    **dict.fromkeys(
        (4060, 17142, 18452, 18456, 18487, 40501, 40613, 40615, 49918, 10928, 10929, 976, 983), "unreachable"
    ),
    **dict.fromkeys((64, 121, 233, 596, 6005, 10053, 10054, 10060, 40197), "lost"),
}
"""Message numbers to what they mean; from 50000 on they are raised by programs of the database."""

_NUMBER = re.compile(r"\((\d+)\)|Msg (\d+)|error[: ]+(\d+)", re.IGNORECASE)
_STATE = re.compile(r"\b(08[0-9S]\w\w|HYT0[01]|28000)\b")
_CONSTRAINT = re.compile(r"(?:constraint|index) [\"']([^\"']+)[\"']")
_COLUMN = re.compile(r"column [\"']([^\"']+)[\"']")
BINARY = "Latin1_General_100_BIN2"


class SqlServer(Dialect):
    """SQL Server 2017 or later. Its usual collation ignores case and blanks at the end: each text is compared twice."""

    driver = "mssql+mssqlpython"
    extra = "mssql"
    lacks: ClassVar[Mapping[str, str]] = {
        **Dialect.lacks,
        **dict.fromkeys(("tls", "application_name", "statement_seconds"), "is said in the URL, as the driver names it"),
    }
    row_values = False
    in_limit = 1000

    def options(self, settings: SqlSettings, name: str) -> dict[str, Any]:
        return {}

    def exact(self, expression: Expression, native: Native) -> Expression:
        # A letter behind the text makes blanks at its end count.
        return (expression + sa.literal_column("'.'")).collate(BINARY) if native.text else expression

    def exact_value(self, value: Expression, native: Native) -> Expression:
        return value + sa.literal_column("'.'") if native.text else value

    def key_equal(self, expression: Expression, value: Expression, native: Native) -> Condition:
        if native.padded:
            return expression == value  # blanks at the end do not count, which is what a key wants
        return self.equal(expression, value, native)

    def within(self, expression: Expression, name: str, native: Native) -> Condition:
        values = sa.bindparam(name, expanding=True, type_=expression.type)
        return expression.collate(BINARY).in_(values) if native.text else expression.in_(values)

    def ordered(self, expression: Expression, native: Native) -> Expression:
        return expression.collate(BINARY) if native.text else expression

    def like(self, expression: Expression, value: Expression, op: Op) -> Condition:
        return expression.collate(BINARY).like(value, escape=ESCAPE)

    def pattern(self, text: str, op: Op) -> str:
        return super().pattern(text.replace("[", "\x00"), op).replace("\x00", f"{ESCAPE}[")

    def locked(self, statement: Any, table: sa.Table) -> Any:
        return statement.with_hint(table, "WITH (UPDLOCK, ROWLOCK)", "mssql")

    def fault(self, error: BaseException) -> Fault:
        for cause in causes(error):
            text = str(cause)
            for found in _NUMBER.finditer(text):
                number = int(next(group for group in found.groups() if group))
                kind: Kind = "denied" if number >= 50000 else _NUMBERS.get(number, "other")
                if kind == "other":
                    continue
                if number == 547 and "CHECK" in text:
                    kind = "value"
                constraint, column = _CONSTRAINT.search(text), _COLUMN.search(text)
                return Fault(kind, constraint[1] if constraint else None, (column[1],) if column else ())
            if (state := _STATE.search(text)) is not None:
                return Fault({"08001": "unreachable", "28000": "unreachable"}.get(state[1], "lost"))  # type: ignore[arg-type]
        return Fault("other")
