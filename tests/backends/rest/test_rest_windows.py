"""Offsets and counts of lists in parts: the system's own where it has them, else cut and counted here."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from backends.contract import And, Compare, Match, Op, Query, UnsupportedError
from backends.rest import RestBackend
from tests.backends.rest.small import described, scripted

NAMES = frozenset({"login"})
MANY = 5000
PEOPLE = [{"id": n, "login": f"p{n}", "note": "south" if n % 3 else "north"} for n in range(1, MANY + 1)]
NORTH = [one for one in PEOPLE if one["note"] == "north"]


async def script(request: web.Request) -> web.StreamResponse:
    """A list by offset with a count; what lies at a place by token, marker or page, seven at once, without one."""
    asked = request.query
    if request.path == "/people":
        found = PEOPLE if "login" not in asked else [one for one in PEOPLE if one["login"] == asked["login"]]
        start = int(asked["from"])
        return web.json_response({"rows": found[start : start + int(asked["limit"])], "total": len(found)})
    found = NORTH if asked["at"] == "everywhere" else NORTH[:100]
    if "after" in asked:
        found = [one for one in found if int(str(one["id"])) > int(asked["after"])]
        return web.json_response({"rows": found[: min(7, int(asked["limit"]))]})
    start = int(asked.get("token", "0")) if "page" not in asked else int(asked["page"]) * 7
    more = {"next": str(start + 7)} if start + 7 < len(found) else {}
    return web.json_response({"rows": found[start : start + 7], **more})


PLACES: dict[str, dict[str, Any]] = {
    "token": {"query": {"at": "{value}", "token": "{@token}"}, "paging": {"style": "token", "at": "next"}},
    "marker": {
        "query": {"at": "{value}", "after": "{@token}", "limit": "{@limit}"},
        "paging": {"style": "marker"},
    },
    "page": {"query": {"at": "{value}", "page": "{@page}"}, "paging": {"style": "page", "size": 7}},
    "offset": {
        "query": {"at": "{value}", "token": "{@offset}"},
        "paging": {"style": "offset", "size": 50},
    },
}


def settings(style: str) -> dict[str, Any]:
    """People with filters of both kinds."""
    call = {"path": "/at", "records": "rows", **PLACES[style]}
    return described(
        list={
            "path": "/people",
            "query": {"from": "{@offset}", "limit": "{@limit}"},
            "records": "rows",
            "total": "total",
            "paging": {"style": "offset", "size": 100},
        },
        filters=[
            {"field": "login", "query": {"login": "{value}"}, "exact": True},
            {"field": "note", "call": call, "exact": True},
        ],
    )


async def walked(backend: RestBackend, query: Query) -> tuple[list[int], list[int | None]]:
    """Follow the cursors of a query from its offset."""
    found: list[int] = []
    totals: list[int | None] = []
    page = await backend.search("people", query)
    while True:
        found += [int(one.key) for one in page.records]
        totals.append(page.total)
        if page.cursor is None:
            return found, totals
        ask = Query(query.fields, query.where, limit=query.limit, cursor=page.cursor, total=query.total)
        page = await backend.search("people", ask)


@pytest.mark.parametrize("style", PLACES)
async def test_a_page_far_behind_costs_what_the_first_one_costs(style: str) -> None:
    """Filters that cannot be counted take nothing from the list: the 4,001st of 5,000 people is one call away."""
    async with scripted(script, settings(style)) as (backend, server):
        can = backend.capabilities("people")
        assert (can.offset, can.total, can.filters["note"][Op.EQ, False]) == (True, True, Match.EXACT)
        page = await backend.search("people", Query(NAMES, limit=100, offset=4000, total=True))
        assert [int(one.key) for one in page.records] == list(range(4001, 4101))
        assert (page.total, server.calls) == (MANY, ["GET /people?from=4000&limit=100"])
        server.calls.clear()
        page = await backend.search("people", Query(NAMES, Compare("login", Op.EQ, "p77"), total=True))
        assert ([one.key for one in page.records], page.total, len(server.calls)) == (["77"], 1, 1)


@pytest.mark.parametrize("limit", [3, 7, 200])
@pytest.mark.parametrize("style", PLACES)
async def test_what_a_filter_finds_is_cut_and_counted_here(style: str, limit: int) -> None:
    """A filter whose own call neither skips nor counts: each window and each count is right, on every page."""
    north = [int(str(one["id"])) for one in NORTH[:100]]
    both = And((Compare("note", Op.EQ, "north"), Compare("login", Op.EQ, "p9")))
    async with scripted(script, settings(style)) as (backend, _):
        where = Compare("note", Op.EQ, "north")
        for offset in (0, 14, 99, 140):
            found, totals = await walked(backend, Query(NAMES, where, limit=limit, offset=offset, total=True))
            assert found == north[offset:]
            assert set(totals) == {100}
        assert await walked(backend, Query(NAMES, both, limit=limit, total=True)) == ([9], [1])
        # What a counted page leaves is found without counting again.
        first = await backend.search("people", Query(NAMES, where, limit=limit, offset=3, total=True))
        rest = [] if first.cursor is None else (await walked(backend, Query(NAMES, where, cursor=first.cursor)))[0]
        assert [int(one.key) for one in first.records] + rest == north[3:]


@pytest.mark.parametrize("style", PLACES)
async def test_a_long_filtered_answer_is_not_read_to_be_counted(style: str) -> None:
    """More than a thousand records nobody counts are refused after so many, not held and not read for ever."""
    entity = settings(style)
    async with scripted(script, entity) as (backend, server):
        with pytest.raises(UnsupportedError):
            await backend.search("people", Query(NAMES, Compare("note", Op.EQ, "everywhere"), total=True))
        assert 100 <= len(server.calls) <= 143
