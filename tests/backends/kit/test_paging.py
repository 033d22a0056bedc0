"""Pages out of what has none."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.contract import Compare, Op, Query, Record, RejectedError, Sort
from backends.kit.paging import Span, decode, encode, page, spans

scalars = st.one_of(
    st.none(), st.text(max_size=5), st.booleans(), st.integers(), st.floats(allow_nan=False), st.binary(max_size=5),
    st.decimals(allow_nan=False, allow_infinity=False), st.dates(), st.datetimes(timezones=st.just(UTC)),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(scalars, max_size=4))
def test_a_cursor_keeps_values_and_types(position: list[Any]) -> None:
    """What was written is read back equal and of the same type, from text that needs no escaping in a URL."""
    cursor = encode(*position)
    assert cursor.isascii()
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    read = decode(cursor, len(position))
    assert list(read) == position
    assert [type(value) for value in read] == [type(value) for value in position]


def raw(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "", "x", "!", "é", "AAAA", raw(1), raw({}), raw([1, 2]), raw([["z", 1], ["s", "k"]]), raw([["s", "k"]]),
        raw([["t", "yesterday"], ["s", "k"]]), raw([["d", "1.1.1"], ["s", "k"]]), raw([["i", "1"], ["s", 1, 2]]),
        raw([["y", None], ["s", "k"]]), "\x00", " ", encode("a", "b", "c"),
    ],
)  # fmt: skip
def test_a_cursor_from_elsewhere_is_rejected(cursor: str) -> None:
    """Broken, forged and foreign cursors are the client's error, never a crash (N8)."""
    with pytest.raises(RejectedError):
        decode(cursor, 2)


def test_a_cursor_with_another_kind_of_key_is_rejected() -> None:
    """Keys are text, and numbers where the entity orders by number."""
    records = [Record("1", {"a": 1})]
    for cursor in (encode(None, 5), encode(None, "x"), encode(None, None)):
        with pytest.raises(RejectedError):
            page(records, Query(frozenset(), cursor=cursor), order=int)


RECORDS = [Record(str(n), {"a": (n * 7) % 5 if n % 4 else None, "b": n}, f"v{n}") for n in range(1, 24)]


def walk(sort: Sort, limit: int, where: Compare | None = None, presorted: bool = False) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    while True:
        query = Query(frozenset({"b"}), where, sort, limit=limit, cursor=cursor)
        answer = page(RECORDS, query, order=int, presorted=presorted)
        assert len(answer.records) <= limit
        found += [record.key for record in answer.records]
        if (cursor := answer.cursor) is None:
            return found


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.sampled_from(["@key", "a", "b"]), st.booleans())
def test_pages_give_each_record_once(limit: int, field: str, descending: bool) -> None:
    """Any page size visits all records once, in one order; descending is the mirror of ascending."""
    found = walk(Sort(field, descending), limit)
    assert found == walk(Sort(field, descending), 100)
    assert sorted(found) == sorted(record.key for record in RECORDS)
    assert found == walk(Sort(field, not descending), limit)[::-1]
    holes = [record.key for record in RECORDS if record.fields.get(field, 1) is None]
    assert set(found[: len(holes)] if descending else found[len(found) - len(holes) :]) == set(holes)


def test_records_already_in_order_are_taken_only_as_far_as_needed() -> None:
    """A page of sorted records does not look at the rest."""
    looked = []

    def source() -> Any:
        for record in RECORDS:
            looked.append(record.key)
            yield record

    answer = page(source(), Query(frozenset(), limit=3), order=int, presorted=True)
    assert [record.key for record in answer.records] == ["1", "2", "3"]
    assert looked == ["1", "2", "3", "4"]
    assert walk(Sort(), 4, presorted=True) == [record.key for record in RECORDS]


def test_a_page_counts_cuts_and_projects() -> None:
    """Total counts all matches, offset skips, fields are those asked for, the version stays."""
    query = Query(frozenset({"b"}), Compare("b", Op.GT, 10), Sort("b", True), limit=2, offset=1, total=True)
    answer = page(RECORDS, query, order=int)
    assert answer.total == 13
    assert [(record.fields, record.version) for record in answer.records] == [({"b": 22}, "v22"), ({"b": 21}, "v21")]
    rest = page(
        RECORDS, Query(frozenset(), query.where, query.sort, limit=100, cursor=answer.cursor, total=True), order=int
    )
    assert (rest.total, len(rest.records)) == (13, 10)


def test_a_page_of_nothing_only_counts() -> None:
    """A limit of zero shows no record (N5)."""
    answer = page(RECORDS, Query(frozenset(), limit=0, total=True), order=int)
    assert (list(answer.records), answer.total, answer.cursor) == ([], 23, None)


def test_many_values_have_no_order() -> None:
    """Sorting by a field of many values is a mistake of the caller."""
    with pytest.raises(ValueError, match="many"):
        page([Record("1", {"a": ("x",)})], Query(frozenset(), sort=Sort("a")))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 60), st.integers(0, 40), st.integers(1, 15))
def test_spans_cover_exactly_the_window(offset: int, limit: int, size: int) -> None:
    """Numbered native pages put together give the records from offset on."""
    everything = list(range(200))
    pages = [everything[start : start + size] for start in range(0, 200, size)]
    found = [item for span in spans(offset, limit, size) for item in pages[span.number][span.start : span.stop]]
    assert found == everything[offset : offset + limit]
    assert all(0 <= span.start < span.stop <= size for span in spans(offset, limit, size))


def test_a_window_inside_one_page_is_one_span() -> None:
    """No page is fetched for nothing."""
    assert spans(25, 5, 10) == (Span(2, 5, 10),)
    assert spans(0, 0, 10) == ()


def test_values_of_each_type_sort() -> None:
    """Dates, times, numbers and text come in their own order."""
    for values in ([date(2020, 1, 1), date(2021, 1, 1)], [Decimal("1.5"), 2], [datetime(2020, 1, 1, tzinfo=UTC)] * 2):
        records = [Record(str(n), {"a": value}) for n, value in enumerate(values)]  # type: ignore[misc]
        answer = page(records, Query(frozenset(), sort=Sort("a")))
        assert [record.key for record in answer.records] == ["0", "1"]
