"""Oracle through python-oracledb's asyncio mode; compiled in tests, never run there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from backends.sql.dialects.base import Condition, Dialect, Expression
from backends.sql.faults import Fault, Kind, causes
from backends.sql.natives import Native
from backends.sql.settings import SqlSettings
from backends.sql.tls import tls_context

_NUMBERS: dict[int, Kind] = {
    1: "unique",
    **dict.fromkeys((2291, 2292), "reference"),
    **dict.fromkeys((1400, 1407), "empty"),
    **dict.fromkeys((1401, 1438, 1722, 1830, 1839, 1843, 1847, 1861, 2290, 12899, 22835), "value"),
    **dict.fromkeys((1031, 1402, 1720), "denied"),
    **dict.fromkeys((54, 60, 1013, 8177, 30006), "retry"),
    **dict.fromkeys(
        (18, 20, 1005, 1017, 1033, 1034, 1045, 12154, 12170, 12505, 12514, 12516, 12519, 12520, 12541, 12545, 16000,
         28000, 28001, 28040), "unreachable"
    ),
    **dict.fromkeys((28, 1012, 1041, 1089, 1092, 3113, 3114, 3135, 12152, 12537, 12547, 12571, 25408), "lost"),
}  # fmt: skip
"""ORA- numbers to what they mean; 20000 to 20999 are what programs of the database raise themselves."""

_CODE = re.compile(r"(ORA|DPY)-(\d+)")
_CONSTRAINT = re.compile(r"\((?:[^().]+\.)?([^().]+)\)")
_COLUMN = re.compile(r'"([^"]+)"\)')


class Padded(TypeDecorator[str]):
    """A text filled up with blanks before it is compared with a CHAR."""

    impl = sa.String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__()
        self.width = length

    def process_bind_param(self, value: Any, dialect: object) -> Any:
        return value.ljust(self.width) if isinstance(value, str) else value


class Oracle(Dialect):
    """Oracle 19c or later. An empty text is NULL there: fields never hold one."""

    driver = "oracle+oracledb_async"
    extra = "oracle"
    nulls_high = True
    row_values = False
    in_limit = 1000

    def options(self, settings: SqlSettings, name: str) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "tcp_connect_timeout": settings.pool.wait_seconds,
            "program": settings.application_name or name,
        }
        if settings.tls is not None:
            arguments |= {"protocol": "tcps", "ssl_context": tls_context(settings.tls)}
        self._milliseconds = int(settings.statement_seconds * 1000)
        return {"connect_args": arguments}

    def prepare(self, engine: sa.Engine) -> None:
        @sa.event.listens_for(engine, "connect")
        def connect(connection: Any, record: object) -> None:
            getattr(connection, "driver_connection", connection).call_timeout = self._milliseconds

    def equal(self, expression: Expression, value: Expression, native: Native) -> Condition:
        return expression == self._padded(expression, value, native)

    def differs(self, expression: Expression, value: Expression, native: Native) -> Condition:
        return expression.is_distinct_from(self._padded(expression, value, native))

    def within(self, expression: Expression, name: str, native: Native) -> Condition:
        length = getattr(expression.type, "length", None)
        kind = Padded(length) if native.padded and length else expression.type
        return expression.in_(sa.bindparam(name, expanding=True, type_=kind))

    def list_value(self, values: Sequence[Any], native: Native) -> list[Any]:
        return list(values)

    def _padded(self, expression: Expression, value: Expression, native: Native) -> Expression:
        length = getattr(expression.type, "length", None)
        return sa.func.rpad(value, length, type_=sa.String()) if native.padded and length else value

    def fault(self, error: BaseException) -> Fault:
        for cause in causes(error):
            text = str(cause)
            found = _CODE.search(text)
            if found is None:
                continue
            number = int(found[2])
            if found[1] == "DPY":
                return Fault("unreachable" if number in (6000, 6001, 6003, 6005) else "lost")
            kind: Kind = "denied" if 20000 <= number < 21000 else _NUMBERS.get(number, "other")
            constraint = _CONSTRAINT.search(text) if number in (1, 2290, 2291, 2292) else None
            column = _COLUMN.search(text) if number in (1400, 1407) else None
            if number == 12899 and (names := re.findall(r'"([^"]+)"', text)):
                return Fault(kind, None, (names[-1],))
            return Fault(kind, constraint[1] if constraint else None, (column[1],) if column else ())
        return Fault("other")
