"""What the store can be searched by: the index of what it holds, and filter terms as parts of a statement."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.identity.identities import HeldTerm
from gateway.identity.texts import storable

EXTERNAL_ID = "externalId"
VALUE_LENGTH = 256
"""Characters of a value the index holds; what is longer is found by its digest, or as "may contain"."""
TICK = 1000
"""Microseconds in the unit instants are shown in: a comparison is widened by one, so that it misses nothing."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 2**62


def microseconds(moment: datetime) -> int:
    """Count the microseconds from 1970 to an aware instant."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def instant(count: int) -> datetime:
    """Read back what `microseconds` counted."""
    return _EPOCH + timedelta(microseconds=count)


def digest(text: str) -> str:
    """Make equal texts comparable at a fixed length."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def held_rows(index: Iterable[tuple[str, str]], attributes: Collection[str]) -> list[list[Any]]:
    """Make rows of the index out of (path text, value) pairs: attribute, path, digest, value, whole."""
    rows = []
    for path, value in index:
        owner = max((name for name in attributes if path.startswith(name)), key=len, default=path)
        text = storable(value)
        whole = text == value and len(text) <= VALUE_LENGTH
        rows.append([owner, storable(path), digest(value), text[:VALUE_LENGTH], int(whole)])
    return rows


def narrowing(terms: Sequence[HeldTerm]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Say how a search is narrowed: the shape of its statement and the parameters.

    Never too far: what a term cannot be answered by, and a comparison that holds for absent values (``ne``), narrows
    nothing.
    """
    shape, values = [], dict[str, Any]()
    for n, term in enumerate(terms):
        kind = _kind(term)
        if kind in ("created", "modified", "changed"):
            bounds = _bounds(term)
            if bounds is None:
                kind = "any"
            else:
                values[f"from_{n}"], values[f"until_{n}"] = bounds
        elif kind != "any":
            values[f"path_{n}"] = storable(term.path)
            values[f"digest_{n}"] = digest(term.value or "")
            values[f"text_{n}"] = storable(term.value or "")
        shape.append(kind)
    return tuple(shape), values


def _kind(term: HeldTerm) -> str:
    match term.path, term.op:
        case "meta.created", _:
            return "created"
        case "meta.lastModified", _:
            return "changed" if term.changed else "modified"
        case _, "ne":
            return "any"
        case _, "eq":
            return "eq" if term.value is not None else "any"
        case _, "sw" | "co" | "ew":
            return "in"
        case _:
            return "has"


def _bounds(term: HeldTerm) -> tuple[int, int] | None:
    try:
        moment = datetime.fromisoformat(term.value or "")
    except ValueError:
        return None
    at = microseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    match term.op:
        case "eq":
            return at - TICK, at + TICK
        case "gt" | "ge":
            return at - TICK, _LAST
        case "lt" | "le":
            return -_LAST, at + TICK
        case _:
            return None
