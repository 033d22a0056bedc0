"""Windows cut out of answers that come part by part and are looked through: for filters whose system can neither skip
nor count."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from backends.contract import Query, UnsupportedError

T = TypeVar("T")
LOOKED_THROUGH = 1000
"""So many records are looked through before a count or an offset is refused: for more the gateway has a budget."""


@dataclass(frozen=True, slots=True)
class Looked(Generic[T]):
    """One part of an answer, looked through: what does not match is None in its place. `within` gives the cursor of a
    place inside the part, `following` is that of the next part (None at the end)."""

    items: Sequence[T | None]
    within: Callable[[int], str]
    following: str | None

    def behind(self, place: int) -> str | None:
        """Give the cursor of what comes behind a place."""
        return self.within(place + 1) if place + 1 < len(self.items) else self.following


@dataclass(frozen=True, slots=True)
class Window(Generic[T]):
    """What was cut out, the cursor of what comes behind it, and how many match in all, if that was asked."""

    items: list[T]
    cursor: str | None
    total: int | None


async def window(part: Callable[[str | None], Awaitable[Looked[T]]], query: Query) -> Window[T]:
    """Cut the window of `query` (its `offset` and `limit`, its `total`) out of an answer read from the beginning.

    Only the window is held, whatever the answer's length. Raises `UnsupportedError` once more than `LOOKED_THROUGH`
    would have to be looked through.
    """
    found: list[T] = []
    behind: str | None = None
    at: str | None = None
    matches = looked = 0
    while True:
        one = await part(at)
        for place, item in enumerate(one.items):
            if item is None:
                continue
            if matches >= query.offset and len(found) < query.limit:
                found.append(item)
                behind = one.behind(place)
            matches += 1
        # A part of nothing is looked through too, or a list of them would have no end.
        looked += max(len(one.items), 1)
        full, at = len(found) >= query.limit, one.following
        if at is None or (full and not query.total):
            more = full and not (query.total and matches <= query.offset + len(found))
            return Window(found, behind if more else None, matches if query.total else None)
        if looked >= LOOKED_THROUGH:
            raise UnsupportedError("too many records would be looked through to count them, or to skip some")
