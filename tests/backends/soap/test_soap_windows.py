"""Offsets and counts of lists in parts: the system's own where it has them, else cut and counted here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backends.contract import Compare, Op, Query, UnsupportedError
from backends.soap import SoapBackend
from tests.backends.soap import systems
from tests.backends.soap.conftest import opened
from tests.backends.soap.servers import StaffServer, text
from tests.backends.soap.test_soap_worked import serving

LOGIN = frozenset({"login"})


class NotedServer(StaffServer):
    """Finds people by their site too: by page number, ten at once, without a count."""

    def on_FindPeople(self, body: Any) -> str:
        if (site := text(body, "Login")) is None or not site.startswith("site:"):
            return super().on_FindPeople(body)
        found = [one for one in self.people.values() if one["Site"] == site.removeprefix("site:")]
        start = int(text(body, "Start") or 0) * 10
        return f"<People>{''.join(self.show(one) for one in found[start : start + 10])}</People><Total>0</Total>"


class SilentServer(NotedServer):
    """Leaves the count out."""

    def on_FindPeople(self, body: Any) -> str:
        return super().on_FindPeople(body).partition("<Total>")[0] + "<Total/>"


def fill(server: StaffServer, count: int) -> None:
    for n in range(1, count + 1):
        server.people[str(n)] = {
            "Number": str(n),
            "Login": f"p{n}",
            "Note": None,
            "Grade": None,
            "Enabled": "true",
            "Hired": None,
            "Seen": None,
            "Site": "south" if n % 3 else "north",
            "Tags": [],
            "Mails": [],
        }


def sites(url: str) -> dict[str, Any]:
    """People, with a filter for sites that has a call of its own."""
    settings = systems.staff(url)
    people = settings["entities"]["people"]
    call = {
        "operation": "FindPeople",
        "arguments": {"Start": "{@page}", "Count": "10", "Login": "site:{value}"},
        "records": "People.Person[*]",
        "paging": {"by": "page", "size": 10},
    }
    people["filters"].append({"field": "site", "op": "eq", "call": call})
    return settings


@pytest.fixture
async def noted() -> AsyncIterator[NotedServer]:
    """The service that finds people by their site."""
    async with NotedServer().running() as running:
        yield running


async def walked(backend: SoapBackend, query: Query) -> tuple[list[str], list[int | None]]:
    """Follow the cursors of a query from its offset."""
    found: list[str] = []
    totals: list[int | None] = []
    page = await backend.search("people", query)
    while True:
        found += [one.key for one in page.records]
        totals.append(page.total)
        if page.cursor is None:
            return found, totals
        ask = Query(query.fields, query.where, limit=query.limit, cursor=page.cursor, total=query.total)
        page = await backend.search("people", ask)


async def test_a_page_far_behind_costs_what_the_first_one_costs(noted: NotedServer) -> None:
    """Filters the entity has take nothing from its list: 5,000 people, begun at the 4,001st, are two calls."""
    fill(noted, 5000)
    async with opened(sites(noted.url)) as backend:
        can = backend.capabilities("people")
        assert (can.offset, can.total) == (True, True)
        for offset, expected in ((4000, range(4001, 4051)), (4990, range(4991, 5001)), (5000, ()), (9000, ())):
            noted.calls.clear()
            page = await backend.search("people", Query(LOGIN, limit=100, offset=offset, total=True))
            assert [one.key for one in page.records] == [str(n) for n in expected]
            assert page.total == 5000
            assert noted.calls == ["FindPeople"]


async def test_a_client_that_pages_by_index_costs_a_page(server: StaffServer, tmp_path: Path) -> None:
    """startIndex 4001 of 5,000 users, one hundred of them: two native calls of fifty (promise 4)."""
    fill(server, 5000)
    async with serving(server, tmp_path, "entra") as gateway:
        status, page = await gateway.send("GET", "/Users?startIndex=4001&count=100&attributes=userName")
        assert (status, page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (200, 5000, 4001, 100)
        assert [one["userName"] for one in page["Resources"]] == [f"p{n}" for n in range(4001, 4101)]
        assert 1 <= server.calls.count("FindPeople") <= 2
        server.calls.clear()
        status, page = await gateway.send("GET", '/Users?filter=userName eq "p77"&attributes=userName')
        assert (page["totalResults"], page["itemsPerPage"], server.calls) == (1, 1, ["FindPeople"])


@pytest.mark.parametrize("limit", [1, 7, 10, 100])
async def test_what_a_filter_finds_is_cut_and_counted_here(noted: NotedServer, limit: int) -> None:
    """A filter whose own call neither skips nor counts: each window and each count is right, on every page."""
    fill(noted, 100)
    north = [str(n) for n in range(3, 100, 3)]
    async with opened(sites(noted.url)) as backend:
        where = Compare("site", Op.EQ, "north")
        for offset in (0, 1, 9, 10, 25, 33, 50):
            found, totals = await walked(backend, Query(LOGIN, where, limit=limit, offset=offset, total=True))
            assert found == north[offset:]
            assert set(totals) == {33}
        found, totals = await walked(backend, Query(LOGIN, where, limit=limit))
        assert (found, set(totals)) == (north, {None})


async def test_a_filter_that_finds_more_is_counted_by_what_matches(noted: NotedServer) -> None:
    """A system that ignores capitals, or its filter altogether, is counted here: its own count is of other things."""
    fill(noted, 9)
    noted.people["4"]["Login"] = "P3"
    settings = sites(noted.url)
    settings["entities"]["people"]["filters"][0]["case"] = "exact"
    async with opened(settings) as backend:
        page = await backend.search("people", Query(LOGIN, Compare("login", Op.EQ, "p3"), total=True))
        assert ([one.key for one in page.records], page.total) == (["3"], 1)
        page = await backend.search("people", Query(LOGIN, Compare("login", Op.EQ, "P3"), limit=1, total=True))
        assert ([one.key for one in page.records], page.total) == (["4"], 1)


async def test_a_long_filtered_answer_is_not_read_to_be_counted(noted: NotedServer) -> None:
    """More than a thousand matches nobody counts are refused after so many, not held and not read for ever."""
    fill(noted, 5000)
    async with opened(sites(noted.url)) as backend:
        for query in (Query(LOGIN, Compare("site", Op.EQ, "north"), total=True),
                      Query(LOGIN, Compare("site", Op.EQ, "north"), offset=1200)):  # fmt: skip
            noted.calls.clear()
            with pytest.raises(UnsupportedError):
                await backend.search("people", query)
            assert len(noted.calls) == 100
        page = await backend.search("people", Query(LOGIN, Compare("site", Op.EQ, "north"), limit=20, offset=15))
        assert [one.key for one in page.records] == [str(n) for n in range(48, 108, 3)]


async def test_a_list_whose_answer_lacks_its_count_is_counted_here() -> None:
    """A count that is declared but does not come is no zero."""
    async with SilentServer().running() as silent:
        fill(silent, 120)
        async with opened(sites(silent.url)) as backend:
            page = await backend.search("people", Query(LOGIN, limit=50, offset=60, total=True))
            assert ([one.key for one in page.records], page.total) == ([str(n) for n in range(61, 111)], 120)
