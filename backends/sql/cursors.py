"""Cursors: where the last record of a page stood in the order of its query."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from backends.contract import RejectedError

_READ: dict[str, Callable[[str], Any]] = {
    "i": int,
    "f": float,
    "n": Decimal,
    "t": datetime.fromisoformat,
    "d": date.fromisoformat,
    "b": bytes.fromhex,
    "u": UUID,
    "s": str,
}


def seal(values: Sequence[Any], mark: str) -> str:
    """Write driver values as an opaque text. `mark` ties it to the order it belongs to."""
    data = json.dumps([mark, *map(_tagged, values)], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(data.encode("utf-8", "surrogatepass")).decode()


def open_(cursor: str, mark: str) -> tuple[Any, ...]:
    """Read what `seal` wrote; raise `RejectedError` for anything else."""
    try:
        found, *values = json.loads(base64.urlsafe_b64decode(cursor).decode("utf-8", "surrogatepass"))
        if found != mark:
            raise ValueError("of another query")
        return tuple(value if value is None or isinstance(value, bool) else _untagged(*value) for value in values)
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise RejectedError("the cursor does not belong to this query") from error


def _tagged(value: Any) -> Any:
    match value:
        case None | bool():
            return value
        case int():
            return ("i", str(value))
        case float():
            return ("f", repr(value))
        case Decimal():
            return ("n", str(value))
        case datetime():
            return ("t", value.isoformat())
        case date():
            return ("d", value.isoformat())
        case bytes():
            return ("b", value.hex())
        case UUID():
            return ("u", str(value))
    return ("s", str(value))


def _untagged(tag: str, text: str) -> Any:
    return _READ[tag](text)
