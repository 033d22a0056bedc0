"""Db2 through ibm_db_sa, which blocks and works in threads; compiled in tests, never run there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from backends.sql.dialects.base import Dialect
from backends.sql.faults import Fault, Kind, causes

_CODES: dict[int, Kind] = {
    -803: "unique",
    **dict.fromkeys((-530, -531, -532), "reference"),
    -407: "empty",
    **dict.fromkeys((-180, -181, -302, -304, -404, -413, -420, -433, -545, -802), "value"),
    **dict.fromkeys((-161, -438, -551, -552), "denied"),
    **dict.fromkeys((-911, -913, -952, -905), "retry"),
    **dict.fromkeys((-1024, -1032, -1035, -1040, -1060, -1336, -1776, -4214, -30082), "unreachable"),
    **dict.fromkeys((-900, -1224, -4499, -30080, -30081, -30108), "lost"),
}
"""SQLCODE to what it means."""

_CODE = re.compile(r"SQLCODE[=: ]+(-\d+)|SQL(\d{4,5})N")
_NAME = re.compile(r"(?:constraint|index|by|column)[^\"]*\"(?:[^\".]+\.)*([^\".]+)\"", re.IGNORECASE)


class Db2(Dialect):
    """Db2 11.5 or later."""

    driver = "db2+ibm_db"
    extra = "db2"
    lacks: ClassVar[Mapping[str, str]] = {
        **Dialect.lacks,
        **dict.fromkeys(("tls", "application_name", "statement_seconds"), "is said in the URL, as the driver names it"),
    }
    nulls_high = True
    row_values = False
    in_limit = 1000

    def fault(self, error: BaseException) -> Fault:
        for cause in causes(error):
            text = str(cause)
            found = _CODE.search(text)
            if found is None:
                continue
            code = int(found[1]) if found[1] else -int(found[2])
            name = _NAME.search(text)
            kind = _CODES.get(code, "other")
            column = (name[1],) if name and code == -407 else ()
            return Fault(kind, name[1] if name else None, column)
        return Fault("other")
