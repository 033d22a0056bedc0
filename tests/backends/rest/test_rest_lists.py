"""Lists: each way of going on, lists that lie, and filters nobody is trusted with."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from backends.contract import (
    KEY,
    And,
    BackendError,
    Compare,
    Match,
    Not,
    NotFoundError,
    Op,
    Or,
    Query,
    Sort,
    UnsupportedError,
)
from backends.rest import RestBackend
from tests.backends.rest.small import described, scripted

PEOPLE = [{"id": number, "login": f"p{number}", "note": None} for number in range(1, 8)]
NAMES = frozenset({"login"})
LIMIT = {"limit": "{@limit}"}


def part(request: web.Request, begin: int, size: int = 100) -> list[dict[str, Any]]:
    return PEOPLE[begin : begin + min(int(request.query.get("limit", size)), size)]


async def by_offset(request: web.Request) -> web.StreamResponse:
    return web.json_response({"rows": part(request, int(request.query["from"]), 3), "total": len(PEOPLE)})


async def by_page(request: web.Request) -> web.StreamResponse:
    begin = (int(request.query["page"]) - 1) * 2
    return web.json_response({"rows": PEOPLE[begin : begin + 2]})


async def by_token(request: web.Request) -> web.StreamResponse:
    begin = int(request.query.get("token", "t0")[1:])
    more = {"next": f"t{begin + 3}"} if begin + 3 < len(PEOPLE) else {"next": ""}
    return web.json_response({"rows": PEOPLE[begin : begin + 3], **more})


async def by_header_token(request: web.Request) -> web.StreamResponse:
    begin = int(request.headers.get("X-From", "0"))
    headers = {"X-Next": str(begin + 3)} if begin + 3 < len(PEOPLE) else {}
    return web.json_response({"rows": PEOPLE[begin : begin + 3]}, headers=headers)


async def by_marker(request: web.Request) -> web.StreamResponse:
    return web.json_response({"rows": part(request, int(request.query.get("after", "0")), 3)})


async def by_url(request: web.Request) -> web.StreamResponse:
    begin = int(request.query.get("b", "0"))
    more = {"next": f"http://{request.host}/people?b={begin + 3}&x=%2F"} if begin + 3 < len(PEOPLE) else {"next": None}
    return web.json_response({"rows": PEOPLE[begin : begin + 3], **more})


async def by_link(request: web.Request) -> web.StreamResponse:
    begin = int(request.query.get("b", "0"))
    link = f'<http://{request.host}/people?b=0>; rel="prev", <?b={begin + 3}>; title="a; b, c"; rel="last next"'
    return web.json_response({"rows": PEOPLE[begin : begin + 3]}, headers={"Link": link} if begin + 3 < 7 else {})


async def at_once(request: web.Request) -> web.StreamResponse:
    return web.json_response({"rows": PEOPLE})


STYLES: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
    (by_offset, {"query": {"from": "{@offset}", **LIMIT}}, {"style": "offset"}),
    (by_page, {"query": {"page": "{@page}"}}, {"style": "page", "first": 1, "size": 2}),
    (by_page, {"query": {"page": "{@page}"}}, {"style": "page", "first": 1, "size": 2, "end": "short"}),
    (by_token, {"query": {"token": "{@token}"}}, {"style": "token", "at": "next"}),
    (by_header_token, {"headers": {"X-From": "{@token}"}}, {"style": "token", "header": "X-Next"}),
    (by_marker, {"query": {"after": "{@token}", **LIMIT}}, {"style": "marker"}),
    (by_url, {}, {"style": "next", "at": "next"}),
    (by_link, {}, {"style": "link"}),
    (at_once, {}, {"style": "none"}),
]


def people(call: dict[str, Any], paging: dict[str, Any], **more: Any) -> dict[str, Any]:
    return described(list={"path": "/people", "records": "rows", **call, "paging": paging, **more})


async def walk(backend: RestBackend, **query: Any) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    for _ in range(30):
        page = await backend.search("people", Query(NAMES, cursor=cursor, **query))
        assert len(page.records) <= query.get("limit", 100)
        found += [record.key for record in page.records]
        if (cursor := page.cursor) is None:
            return found
    raise AssertionError("the list never ends")


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(("script", "call", "paging"), STYLES)
async def test_every_style_gives_each_record_once(
    script: Any, call: dict[str, Any], paging: dict[str, Any], limit: int
) -> None:
    """Whatever way a system goes on, and whatever limit it keeps to, pages of any size give all records (R-L23)."""
    async with scripted(script, people(call, paging)) as (backend, _):
        assert await walk(backend, limit=limit) == [str(number) for number in range(1, 8)]


async def test_a_promise_of_full_pages_saves_the_last_call() -> None:
    """With `end: short` a part that is not full is the last; without it one more is asked for."""
    for end, calls in (("short", 4), ("empty", 5)):
        paging = {"style": "page", "first": 1, "size": 2, "end": end}
        async with scripted(by_page, people({"query": {"page": "{@page}"}}, paging)) as (backend, server):
            await walk(backend)
            assert len(server.calls) == calls


@pytest.mark.parametrize(("script", "call", "paging"), STYLES[:2])
async def test_a_list_that_ignores_how_it_is_paged_is_found_out(
    script: Any, call: dict[str, Any], paging: dict[str, Any]
) -> None:
    """A system that gives the first part for ever costs an error, not an endless loop."""
    async with scripted(at_once, people(call, paging)) as (backend, server):
        with pytest.raises(BackendError):
            await walk(backend)
        assert len(server.calls) <= 3


async def test_a_token_that_repeats_is_found_out() -> None:
    """The same token twice is a circle."""

    async def script(request: web.Request) -> web.StreamResponse:
        return web.json_response({"rows": PEOPLE[:1], "next": "same"})

    call = {"query": {"token": "{@token}"}}
    async with scripted(script, people(call, {"style": "token", "at": "next"})) as (backend, _):
        with pytest.raises(BackendError):
            await walk(backend)


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example.com/people",
        "//evil.example.com/people",
        "/../admin",
        "/v1/../admin",
        "/v10/people",
        "file:///etc/passwd",
        "a b",
        7,
        ["x"],
    ],
)
async def test_a_next_page_elsewhere_is_refused(url: Any) -> None:
    """What a list says comes next is followed below the base URL only."""

    async def script(request: web.Request) -> web.StreamResponse:
        return web.json_response({"rows": PEOPLE[:1], "next": url})

    async with scripted(script, people({}, {"style": "next", "at": "next"}), base="/v1") as (backend, server):
        with pytest.raises(BackendError):
            await walk(backend)
        assert server.calls == ["GET /v1/people"]


@pytest.mark.parametrize(
    ("filters", "where", "found"),
    [
        ([{"field": "login", "query": {"login": "{value}"}}], Compare("login", Op.EQ, "p3"), ["3"]),
        ([{"field": "login", "query": {"login": "{value}"}}], Compare("login", Op.IN, ("p3", "p5", "x")), ["3", "5"]),
        ([{"field": "login", "op": "sw", "query": {"q": "{value}*"}}], Compare("login", Op.SW, "p7"), ["7"]),
        (
            [{"field": "login", "case": "ignored", "query": {"login": "{value}"}}],
            Compare("login", Op.EQ, "P3", ignore_case=True),
            ["3"],
        ),
        ([{"field": "login", "query": {"login": "{value}"}}], Compare("login", Op.EQ, "P3"), []),
        ([{"field": "@key", "op": "in", "query": {"ids": "{value}"}}], Compare(KEY, Op.IN, ("2", "9")), ["2"]),
    ],
)
async def test_filters_that_are_ignored_lose_nothing_and_show_nothing_else(
    filters: list[dict[str, Any]], where: Compare, found: list[str]
) -> None:
    """A system that answers every filter with everything: the answer is looked through again (promise 5)."""
    settings = people({"query": {"from": "{@offset}", **LIMIT}}, {"style": "offset"}) | {"filters": filters}
    async with scripted(by_offset, settings) as (backend, _):
        assert await walk(backend, where=where) == found


async def test_what_a_filter_sends() -> None:
    """Values of `in` go as one text or as many values, so many a call; filters of one field take the narrowest."""

    async def script(request: web.Request) -> web.StreamResponse:
        wanted = request.query.getall("id", []) or request.query["ids"].split("|")
        return web.json_response([one for one in PEOPLE if str(one["id"]) in wanted])

    for query, calls in (
        ({"ids": "{value}"}, ["GET /people?ids=1%7C2", "GET /people?ids=3"]),
        ({"id": "{values}"}, ["GET /people?id=1&id=2", "GET /people?id=3"]),
    ):
        item = {"field": "@key", "op": "in", "query": query, "values": 2, "join": "|"}
        async with scripted(script, described(list={"path": "/people"}, filters=[item])) as (backend, server):
            where = And((Compare(KEY, Op.IN, ("1", "2", "3")), Compare("login", Op.NE, "p2")))
            assert await walk(backend, where=where) == ["1", "3"]
            assert server.calls == calls


async def test_a_filter_of_its_own_address() -> None:
    """A look-up by name is one call, its 404 is nothing found, and a name that fits no path is found nowhere."""

    async def script(request: web.Request) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        found = next((one for one in PEOPLE if one["login"] == name), None)
        return web.json_response({"user": found}) if found else web.Response(status=404)

    item = {"field": "login", "one": True, "call": {"path": "/by-name/{value}", "record": "user"}}
    async with scripted(script, described(filters=[item])) as (backend, server):
        for name, found in (("p3", ["3"]), ("nobody", []), ("../p3", []), ("", [])):
            assert await walk(backend, where=Compare("login", Op.EQ, name)) == found
        assert server.calls == ["GET /by-name/p3", "GET /by-name/nobody"]


async def test_values_in_a_query_text_are_escaped() -> None:
    """Where the system takes a query text, signs with a meaning in it are replaced as declared, never joined raw."""

    async def script(request: web.Request) -> web.StreamResponse:
        return web.json_response([{"id": 1, "login": 'a"b\\c', "note": request.query["q"]}])

    escape = {'"': '\\"', "\\": "\\\\"}
    item = {"field": "login", "query": {"q": 'login="{value}"'}, "escape": escape}
    settings = described(list={"path": "/people", "paging": {"style": "marker"}, "query": {"a": "{@token}"}})
    async with scripted(script, settings | {"filters": [item]}) as (backend, _):
        query = Query(frozenset({"note"}), Compare("login", Op.EQ, 'a"b\\c'))
        page = await backend.search("people", query)
        assert page.records[0].fields["note"] == 'login="a\\"b\\\\c"'


async def test_a_promise_of_exact_filters_is_kept_to() -> None:
    """Only a filter declared exact is counted by the system, and one that is not kept is an error."""
    call = {"query": {"from": "{@offset}", **LIMIT}}
    for exact, match in ((True, Match.EXACT), (False, Match.LOOSE)):
        item = {"field": "login", "query": {"login": "{value}"}, "exact": exact}
        settings = people(call, {"style": "offset"}, total="total") | {"filters": [item]}
        async with scripted(by_offset, settings) as (backend, _):
            assert backend.capabilities("people").filters["login"][Op.EQ, False] is match
            where = Compare("login", Op.EQ, "p3")
            with pytest.raises(BackendError):
                await backend.search("people", Query(NAMES, where, total=True))
            assert (await backend.search("people", Query(NAMES, total=True, limit=2))).total == 7
            assert (await backend.search("people", Query(NAMES, limit=2, offset=3))).records[0].key == "4"


async def test_details_are_read_some_at_a_time() -> None:
    """A thin list is completed by single reads, never more at once than allowed; what was deleted meanwhile is left
    out."""
    running = most = 0

    async def script(request: web.Request) -> web.StreamResponse:
        nonlocal running, most
        if request.path == "/people":
            return web.json_response([{"ref": one["id"]} for one in PEOPLE])
        running += 1
        most = max(most, running)
        number = int(request.path.rpartition("/")[2])
        await request.read()
        running -= 1
        return web.json_response(PEOPLE[number - 1]) if number != 4 else web.Response(status=404)

    settings = described(list={"path": "/people", "thin": True, "key": "ref"})
    async with scripted(script, settings, at_once=2) as (backend, server):
        assert await walk(backend) == ["1", "2", "3", "5", "6", "7"]
        assert most <= 2
        assert len(server.calls) == 8


async def test_a_system_that_lists_only() -> None:
    """Without a call for one record it is found in the list, under its own spelling alone."""
    settings = described(list={"path": "/people", "records": "rows"}, get=None)
    async with scripted(at_once, settings) as (backend, _):
        assert (await backend.get("people", "3", NAMES)).fields == {"login": "p3"}
        for key in ("33", "03", ""):
            with pytest.raises(NotFoundError):
                await backend.get("people", key, NAMES)
        assert backend.capabilities("people").sort == {"login", "note"}
        down = await backend.search("people", Query(NAMES, sort=Sort("login", descending=True), limit=2, total=True))
        assert ([record.key for record in down.records], down.total) == (["7", "6"], 7)


async def test_what_a_list_cannot_do_is_refused() -> None:
    """Sorts, offsets and totals nobody declared, and going down by the key, are refused and never ignored."""
    settings = people({"query": {"after": "{@token}", **LIMIT}}, {"style": "marker"})
    async with scripted(by_marker, settings) as (backend, server):
        for query in (
            Query(NAMES, sort=Sort("login")),
            Query(NAMES, sort=Sort(descending=True)),
            Query(NAMES, offset=1),
            Query(NAMES, total=True),
            Query(NAMES, Compare("note", Op.EQ, "x")),
        ):
            with pytest.raises(UnsupportedError):
                await backend.search("people", query)
        for cursor in ("", "x", "W10"):
            with pytest.raises(BackendError):
                await backend.search("people", Query(NAMES, cursor=cursor))
        assert server.calls == []


TEAMS = {"a": {"p1", "p2", "p3"}, "b": {"p2", "p7"}}
IN_A, IN_B = Compare("teams", Op.EQ, "a"), Compare("teams", Op.EQ, "b")
HIDDEN: list[tuple[Any, list[str]]] = [
    (IN_A, ["1", "2", "3"]),
    (And((Compare("login", Op.EQ, "p2"), IN_A)), ["2"]),
    (And((Compare("login", Op.EQ, "p7"), IN_A)), []),
    (And((IN_A, Compare("login", Op.EQ, "p7"))), []),
    (And((IN_A, IN_B)), ["2"]),
    (And((Compare(KEY, Op.EQ, "7"), IN_A)), []),
    (Or((Compare("login", Op.EQ, "p5"), IN_B)), ["2", "5", "7"]),
    (Not(IN_A), ["4", "5", "6", "7"]),
]


# A list in parts takes no choices and no negations.
ASKED = [
    (where, found, parts)
    for where, found in HIDDEN
    for parts in (False, True)
    if not parts or not isinstance(where, Or | Not)
]


@pytest.mark.parametrize(("where", "found", "parts"), ASKED)
async def test_what_the_records_do_not_tell_is_looked_up(where: Any, found: list[str], parts: bool) -> None:
    """Memberships have calls of their own: of several conditions none is believed unasked, so that nobody is found in
    a team he is not in (promise 5)."""
    paging: dict[str, Any] = {"paging": {"style": "offset"}} if parts else {}

    async def script(request: web.Request) -> web.StreamResponse:
        _, *place = request.path.strip("/").split("/")
        if place[1:] == ["teams"]:
            return web.json_response([name for name, members in TEAMS.items() if f"p{place[0]}" in members])
        if place:
            return web.json_response(PEOPLE[int(place[0]) - 1])
        some = [one for one in PEOPLE if request.query.get("login", one["login"]) == one["login"]]
        some = [one for one in some if one["login"] in TEAMS.get(request.query.get("team", ""), {one["login"]})]
        start = int(request.query.get("from", 0))
        return web.json_response({"rows": some[start : start + 3] if paging else some})

    query = {"from": "{@offset}"} if paging else {}
    filters = [
        {"field": "login", "query": {"login": "{value}"}, "exact": True},
        {"field": "teams", "query": {"team": "{value}"}, "exact": True},
    ]
    settings = described(list={"path": "/people", "query": query, "records": "rows", **paging}, filters=filters)
    settings["fields"]["teams"] = {"many": True, "links": {"list": {"path": "/people/{key}/teams"}, "value": ""}}
    async with scripted(script, settings) as (backend, _):
        assert await walk(backend, where=where, limit=2) == found
