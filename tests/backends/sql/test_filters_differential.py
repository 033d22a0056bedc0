"""Filters answered by the database against the same filters worked out in memory (X1, F6, F9, R-L13)."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from backends.contract import KEY, And, AnyRow, Compare, Filter, Not, Op, Or, Query
from backends.kit.evaluate import compile_filter
from backends.sql import SqlBackend
from tests.backends.sql.databases import Database, Maker, kinds
from tests.backends.sql.staff import SCHEMA, started

TEXTS = (
    "ada",
    "Ada",
    "ADA",
    "ad",
    "a%a",
    "a_a",
    "a\\a",
    "a!a",
    "a*a",
    "[ab]",
    "o'x",
    "Ünal",
    "ünal",
    "é",
    "e",
    "",
    "zz ",
)
UNITS = ("Human Resources", "Computing", "Rest", "Nowhere")
NUMBERS = (-1, 0, 7, 8, 900)
DATES = (date(1999, 12, 31), date(2000, 1, 1), date(9999, 12, 31))
MOMENTS = (
    datetime(2020, 1, 1, tzinfo=UTC),
    datetime(2020, 1, 1, 0, 0, 0, 500000, UTC),
    datetime(2021, 6, 1, 12, tzinfo=UTC),
)
RATES = (Decimal("0.50"), Decimal("7.00"), Decimal("12.25"))
EQUALITY = (Op.EQ, Op.NE)
ORDER = (Op.GT, Op.GE, Op.LT, Op.LE)
PARTS = (Op.CO, Op.SW, Op.EW)
FIELDS = frozenset(
    {"login", "name", "grade", "rate", "born", "seen", "badge", "nick", "boss_id", "unit", "mails", "tags", "teams"}
)


def _value(index: int, values: tuple[Any, ...], step: int) -> Any:
    """Give one of the values, or None now and then."""
    return None if index % 5 == step % 5 else values[(index * step) % len(values)]


async def _seed(backend: SqlBackend) -> None:
    teams = [(await backend.create("teams", {"title": title})).key for title in ("red", "blue")]
    previous: str | None = None
    for index in range(34):
        name = _value(index, TEXTS, 3)
        record = await backend.create(
            "people",
            {
                "login": f"{TEXTS[index % 17]}{index}",
                "name": name,
                "grade": _value(index, NUMBERS, 7),
                "rate": _value(index, RATES, 4),
                "born": _value(index, DATES, 2),
                "seen": _value(index, MOMENTS, 11),
                "badge": _value(index, (b"\x00\x01", b"abc"), 6),
                "nick": None if name is None else name.upper(),
                "boss_id": previous if index % 3 else None,
                "unit": _value(index, UNITS[:3], 8),
                "tags": tuple(dict.fromkeys(TEXTS[i] for i in (index % 7, index % 5 + 5)[: index % 3])),
                "mails": tuple(
                    {"address": f"{n}{index}@example.com", "kind": _value(index + n, ("work", "Work", "home"), 3)}
                    for n in range(index % 3)
                ),
                "teams": tuple(teams[: index % 3]),
            },
        )
        previous = record.key


def _compares(name: str, values: tuple[Any, ...], ops: tuple[Op, ...], cases: tuple[bool, ...] = (False,)) -> Any:
    one = st.builds(Compare, st.just(name), st.sampled_from(ops), st.sampled_from(values), st.sampled_from(cases))
    many = st.lists(st.sampled_from(values), min_size=1, max_size=4).map(tuple)
    batch = st.builds(Compare, st.just(name), st.just(Op.IN), many, st.sampled_from(cases))
    return st.one_of(one, batch, st.just(Compare(name, Op.PR)))


def filters() -> st.SearchStrategy[Filter]:
    """Give filters over every kind of field."""
    both = (False, True)
    text = EQUALITY + ORDER + PARTS
    rows = st.one_of(
        _compares("kind", ("work", "WORK", "home"), text, both),
        _compares("address", ("0", "1@", "05@example.com"), text),
    )
    leaf = st.one_of(
        _compares("login", (*TEXTS, "ada0", "ADA2"), text, both),
        _compares("name", TEXTS, text, both),
        _compares("nick", TEXTS, text, both),
        _compares("grade", NUMBERS, EQUALITY + ORDER),
        _compares("rate", (*RATES, Decimal("7")), EQUALITY + ORDER),
        _compares("born", DATES, EQUALITY + ORDER),
        _compares("seen", MOMENTS, EQUALITY + ORDER),
        _compares("badge", (b"abc", b"\x00\x01", b""), EQUALITY),
        _compares("boss_id", ("2", "3", "02", "x", "99999999999999999999"), EQUALITY),
        _compares("unit", UNITS, EQUALITY + PARTS, both),
        _compares("tags", TEXTS, text, both),
        _compares("teams", ("1", "2", "7", "x"), EQUALITY),
        _compares(KEY, ("2", "3", "17", "x", "02"), EQUALITY),
        _compares("mails.kind", ("work", "WORK", "home"), text, both),
        st.builds(AnyRow, st.just("mails"), st.recursive(rows, _combined, max_leaves=3)),
    )
    return st.recursive(leaf, _combined, max_leaves=5)


def _combined(inner: Any) -> Any:
    several = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.one_of(st.builds(And, several), st.builds(Or, several), st.builds(Not, inner))


def _shown(where: Filter) -> str:
    """Write a filter with its values, which its own repr hides."""
    match where:
        case Compare(field, op, value, ignore_case):
            return f"{field} {op.value}{'~' if ignore_case else ''} {value!r}"
        case Not(term):
            return f"not({_shown(term)})"
        case AnyRow(field, term):
            return f"{field}[{_shown(term)}]"
        case And(terms):
            return f"({' and '.join(map(_shown, terms))})"
        case Or(terms):
            return f"({' or '.join(map(_shown, terms))})"


@pytest.fixture(scope="module", params=kinds())
def seeded(request: pytest.FixtureRequest, make_database: Maker) -> Database:
    database = make_database(request.param)
    database.script(SCHEMA)

    async def seed() -> None:
        async with started(database) as backend:
            await _seed(backend)

    asyncio.run(seed())
    return database


@settings(max_examples=12, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(tried=st.lists(filters(), min_size=25, max_size=25))
def test_the_database_finds_what_memory_finds(seeded: Database, tried: list[Filter]) -> None:
    """Every operator on every kind of field, alone, combined and negated, finds exactly the records it describes."""

    async def compare() -> None:
        async with started(seeded) as backend:
            everything = (await backend.search("people", Query(FIELDS))).records
            assert len(everything) == 34
            for where in tried:
                page = await backend.search("people", Query(frozenset(), where, limit=50, total=True))
                test = compile_filter(where)
                expected = [record.key for record in everything if test(record)]
                assert ([record.key for record in page.records], page.total) == (expected, len(expected)), _shown(where)

    asyncio.run(compare())
