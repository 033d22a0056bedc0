"""Windows cut out of answers that are looked through part by part."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.contract import Query, UnsupportedError
from backends.kit.windows import LOOKED_THROUGH, Looked, window


class Parts:
    """An answer in parts; cursors name a place as ``part.place``."""

    def __init__(self, parts: list[list[int | None]]) -> None:
        self.parts = parts
        self.read = 0

    async def part(self, cursor: str | None) -> Looked[int]:
        self.read += 1
        number = 0 if cursor is None else int(cursor.partition(".")[0])
        following = f"{number + 1}.0" if number + 1 < len(self.parts) else None
        return Looked(self.parts[number], lambda place: f"{number}.{place}", following)

    def behind(self, cursor: str | None) -> list[int]:
        if cursor is None:
            return []
        number, _, place = cursor.partition(".")
        rest = [*self.parts[int(number)][int(place) :], *chain(*self.parts[int(number) + 1 :])]
        return [one for one in rest if one is not None]


@given(
    st.lists(st.lists(st.one_of(st.none(), st.integers()), max_size=4), min_size=1, max_size=6),
    st.integers(0, 12),
    st.integers(0, 6),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
async def test_a_window_is_what_it_would_be_of_one_list(
    parts: list[list[int | None]], offset: int, limit: int, total: bool
) -> None:
    """Whatever the parts: the window, what lies behind its cursor and the count are those of all matches in a row."""
    answer = Parts(parts)
    matches = [one for part in parts for one in part if one is not None]
    found = await window(answer.part, Query(frozenset(), offset=offset, limit=limit, total=total))
    assert found.items == matches[offset : offset + limit]
    assert found.total == (len(matches) if total else None)
    if limit:
        assert answer.behind(found.cursor) == matches[offset + limit :]


async def test_only_as_much_is_read_as_the_window_needs() -> None:
    """Without a count nothing is read behind the window."""
    answer = Parts([[1, 2], [3, 4], [5, 6]])
    found = await window(answer.part, Query(frozenset(), offset=1, limit=2))
    assert (found.items, found.cursor, answer.read) == ([2, 3], "1.1", 2)


@pytest.mark.parametrize("size", [0, 100])
async def test_a_long_answer_is_not_counted(size: int) -> None:
    """More than so many records, or parts of nothing, are refused rather than read for ever."""
    answer = Parts([[1] * size] * 2 * LOOKED_THROUGH)
    with pytest.raises(UnsupportedError):
        await window(answer.part, Query(frozenset(), limit=10, total=True))
    assert answer.read == LOOKED_THROUGH // max(size, 1)
