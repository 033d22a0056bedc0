"""Where one is in a list: what an answer tells of itself, and cursors that say how to go on."""

from __future__ import annotations

from typing import Any

from backends.contract import BackendError, Query, RejectedError
from backends.kit.paging import decode, encode
from backends.kit.paths import Path
from backends.soap.client import Reply
from backends.soap.documents import DocumentError, scalar
from backends.soap.model import Lister


def list_answers(query: Query, lister: Lister, *, exact: bool) -> bool:
    """Tell whether the system's own list answers a query: where it is to skip or count, only one that can, and only of
    what it finds exactly."""
    if not query.total and not query.offset:
        return True
    able = (lister.counts or not query.total) and (lister.paging.by == "offset" or not query.offset)
    return exact and able


def within(lister: Lister, cursor: str | None, place: int) -> str:
    """Give the cursor of a place inside the part that begins at a cursor."""
    if lister.paging.by == "offset":
        return encode((0 if cursor is None else position(cursor, 1)[0]) + place)
    where, inside = (None, 0) if cursor is None else place_in(cursor)
    return encode(where, inside + place)


def everything(lister: Lister) -> dict[str, Any]:
    """Give what a list is asked where nothing is looked for."""
    return {} if lister.query is None else {"@query": lister.query.every}


def told(path: Path | None, reply: Reply) -> str | None:
    """Read what an answer tells of its list; raise `BackendError` if it is no single value."""
    if path is None:
        return None
    try:
        return scalar(path.read(reply.document))
    except DocumentError as error:
        raise BackendError("the system's answer to a list cannot be read") from error


def counted(path: Path | None, reply: Reply) -> int | None:
    """Read how many match in all; raise `BackendError` if it is no number."""
    text = told(path, reply)
    if text is None:
        return None
    if not text.strip().isdecimal():
        raise BackendError("the system's count is no number")
    return int(text)


def position(cursor: str, parts: int) -> tuple[int, ...]:
    """Read a cursor made of numbers; raise `RejectedError` for any other."""
    found = decode(cursor, parts)
    if not all(isinstance(one, int) and one >= 0 for one in found):
        raise RejectedError("the cursor is not one of this search")
    return tuple(int(str(one)) for one in found)


def place_in(cursor: str) -> tuple[str | None, int]:
    """Read the cursor of a part and how many of it were seen; raise `RejectedError` for any other."""
    where, inside = decode(cursor, 2)
    if not isinstance(inside, int) or inside < 0 or not (where is None or isinstance(where, str)):
        raise RejectedError("the cursor is not one of this search")
    return where, inside


def page_number(text: str) -> int:
    """Read the number of a page out of a cursor; raise `RejectedError` if it is none."""
    if not text.isdecimal():
        raise RejectedError("the cursor is not one of this search")
    return int(text)
