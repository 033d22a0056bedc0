"""Pages out of what has none: keyset cursors, whole searches in memory, and offsets over numbered native pages."""

from __future__ import annotations

import base64
import binascii
import heapq
import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from backends.contract import KEY, Page, Query, Record, RejectedError, Scalar, Sort
from backends.kit.evaluate import compile_filter
from backends.kit.scalars import identity

Order = Callable[[str], Any]
"""How the keys of an entity are ordered: `str` for text, `int` for keys that are numbers."""


def encode(*position: Scalar | None) -> str:
    """Write a position as an opaque cursor: text that is safe in a URL and keeps the types of the values."""
    text = json.dumps([_tagged(part) for part in position], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode("ascii")


def decode(cursor: str, parts: int) -> tuple[Scalar | None, ...]:
    """Read a cursor of so many parts back; raise `RejectedError` for anything `encode` did not write."""
    try:
        raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        position = tuple(_untagged(tag, text) for tag, text in json.loads(raw))
    except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError, binascii.Error) as error:
        raise RejectedError("the cursor is not one of this search") from error
    if len(position) != parts:
        raise RejectedError("the cursor is not one of this search")
    return position


def page(records: Iterable[Record], query: Query, *, order: Order = str, presorted: bool = False) -> Page:
    """Answer a query from all records of an entity: filter, order, count, cut, and hand out the fields asked for.

    The records must carry what the filter and the sort look at. Cursors are keyset: they name the last record of a
    page by its sort value and key, so that what is inserted or deleted meanwhile shifts nothing. With `presorted` the
    records come in the order of the query and only as many are taken as the page needs (and all, for a total).
    """
    rank, total = _ranking(query.sort, order), None
    found: Iterable[Record] = filter(compile_filter(query.where), records)
    if query.total:
        found = list(found)
        total = len(found)
    if query.cursor is not None:
        last = _rank_of(query.sort, order, *_position(query))
        found = (record for record in found if (rank(record) < last if query.sort.descending else rank(record) > last))
    end = query.offset + query.limit
    if presorted:
        ahead = list(itertools.islice(found, end + 1))
    else:
        best = heapq.nlargest if query.sort.descending else heapq.nsmallest
        ahead = best(end + 1, found, key=rank)
    shown = [
        Record(record.key, {name: record.fields[name] for name in query.fields}, record.version)
        for record in ahead[query.offset : end]
    ]
    cursor = None
    if len(ahead) > end:
        cursor = query.cursor if not shown else encode(_sorted_by(ahead[end - 1], query.sort), ahead[end - 1].key)
    return Page(shown, total, cursor)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of one native page: the records from `start` up to `stop` of page `number`, all counted from zero."""

    number: int
    start: int
    stop: int


def spans(offset: int, limit: int, size: int) -> tuple[Span, ...]:
    """Say which native pages of `size` records hold the records from `offset` on, `limit` of them."""
    found = []
    position, end = offset, offset + limit
    while position < end:
        number, start = divmod(position, size)
        stop = min(size, start + end - position)
        found.append(Span(number, start, stop))
        position += stop - start
    return tuple(found)


def _position(query: Query) -> tuple[Scalar | None, str]:
    value, key = decode(query.cursor or "", 2)
    if not isinstance(key, str):
        raise RejectedError("the cursor is not one of this search")
    return value, key


def _ranking(sort: Sort, order: Order) -> Callable[[Record], Any]:
    return lambda record: _rank_of(sort, order, _sorted_by(record, sort), record.key)


def _rank_of(sort: Sort, order: Order, value: Scalar | None, key: str) -> tuple[Any, ...]:
    """Rank a record among others: the empty behind the rest; descending is the exact mirror of ascending."""
    try:
        place = order(key)
    except ValueError as error:
        raise RejectedError("the cursor is not one of this search") from error
    return (0, identity(value, sort.ignore_case), place) if value is not None else (1, (), place)


def _sorted_by(record: Record, sort: Sort) -> Scalar | None:
    if sort.field == KEY:
        return None
    value = record.fields[sort.field]
    if isinstance(value, tuple):
        raise ValueError(f"{sort.field} has many values and no order")
    return value


_READ: dict[str, Callable[[Any], Scalar | None]] = {
    "n": lambda text: None,
    "s": str,
    "b": bool,
    "i": int,
    "f": float.fromhex,
    "d": Decimal,
    "x": bytes.fromhex,
    "t": datetime.fromisoformat,
    "y": date.fromisoformat,
}


def _tagged(value: Scalar | None) -> tuple[str, Any]:
    match value:
        case None:
            return "n", 0
        case str():
            return "s", value
        case bool():
            return "b", value
        case int():
            return "i", value
        case float():
            return "f", value.hex()
        case Decimal():
            return "d", str(value)
        case bytes():
            return "x", value.hex()
        case datetime():
            return "t", value.isoformat()
    return "y", value.isoformat()


def _untagged(tag: str, text: Any) -> Scalar | None:
    return _READ[tag](text)
