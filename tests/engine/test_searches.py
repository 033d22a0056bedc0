"""Searching: which road answers, what it may cost, and that nothing is ever left out or let in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from backends.contract import Match, Op, UnavailableError, UnsupportedError
from gateway.engine.tenants import Limits
from gateway.identity import StoreUnavailableError
from gateway.scim import evaluate, filters
from gateway.scim.schema import ENTERPRISE_URN
from tests.engine.conftest import SHAPES, Serve
from tests.engine.watched import failing
from tests.engine.world import Client, add, compares, key_of, members_of, populate, refused, swap

FILTERS = [
    'userName eq "U3"', 'userName sw "u1"', 'userName co "1"', 'title eq "Chief"', "title pr", "not (title pr)",
    'title ne "Chief"', "active eq true", "active eq false", 'emails.value eq "u2@example.com"',
    'emails[type eq "work" and value co "example"]', 'emails[type eq "home" and value sw "u2"]',
    'externalId eq "x3"', 'externalId sw "x"', 'nickName eq "nick"', 'nickName eq "NICK" and active eq true',
    'nickName eq "nick" or userName eq "u5"', 'not (nickName eq "nick")', 'name.familyName eq "f1" and title pr',
    'userName eq "u1" or (title eq "Chief" and not (active eq true))', 'meta.created ge "2020-01-01T00:00:00Z"',
    'meta.lastModified lt "2020-01-01T00:00:00Z"', 'meta.resourceType eq "User"', 'schemas eq "urn:other"',
    'userName gt "u4"', 'userName ew "5"', f'{ENTERPRISE_URN}:manager.value pr', 'groups.value pr',
    'userName eq "nobody"', 'id eq "nobody"', 'id eq "nobody" or userName eq "u1"',
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
async def test_every_road_finds_the_same(serve: Serve, shape: str) -> None:
    """What a filter finds is what it says of the resources as they are shown, on any system (F12, R-L23, Q9)."""
    client = await serve(shape)
    ids = await populate(client)
    everybody = [await client.body("User", id) for id in ids]
    for text in [*FILTERS, f'id eq "{ids[2]}"', f'{ENTERPRISE_URN}:manager.value eq "{ids[0]}"']:
        test = evaluate.compile_filter(filters.parse(text, client.served("User").resource_type))
        wanted = [one for one in everybody if test(one)]
        body = await client.search("User", filter=text)
        assert body["Resources"] == wanted, text
        assert body["totalResults"] == body["itemsPerPage"] == len(wanted), text
        page = await client.search("User", filter=text, startIndex=2, count=1)
        assert (page["totalResults"], page["Resources"]) == (len(wanted), wanted[1:2]), text
        none = await client.search("User", filter=text, count=0)
        assert (none["totalResults"], none["Resources"]) == (len(wanted), []), text
        found = [one for step in await client.pages("User", filter=text, count=2) for one in step["Resources"]]
        assert found == wanted, text


async def test_what_can_be_asked_is_pushed_down(full: Client) -> None:
    """The filters clients live by are one native question for one record (F16, promise 5)."""
    ids = await populate(full)
    group = (await full.search("Group"))["Resources"][0]["id"]
    backend = full.world.backends["hr"]
    for kind, text in (
        ("User", 'userName eq "u3"'),
        ("User", f'id eq "{ids[3]}"'),
        ("User", 'emails.value eq "u3@example.com"'),
        ("User", 'emails[value eq "u3@example.com"]'),
        ("User", 'emails[type eq "work" and value eq "u3@example.com"]'),
        ("User", 'emails[type eq "work"].value eq "u3@example.com"'),
        ("User", f'id eq "{ids[4]}" and {ENTERPRISE_URN}:manager.value eq "{ids[0]}"'),
        ("Group", 'displayName eq "g"'),
        ("Group", f'members.value eq "{ids[0]}"'),
        ("Group", f'members[value eq "{ids[1]}"]'),
        ("Group", f'id eq "{group}" and members eq "{ids[1]}"'),
    ):
        since = len(backend.calls)
        found = await full.search(kind, filter=text, attributes=["id"])
        assert found["totalResults"] == 1, text
        entity = "people" if kind == "User" else "teams"
        assert backend.counted(since) == {f"search {entity}": 1}, text
        assert compares(backend.asked("search", entity)[-1].where), text
    assert {rows for _, _, rows in full.world.recorder.roads[-11:]} == {1}


async def test_what_the_store_holds_is_asked_there_first(full: Client) -> None:
    """externalId and kept attributes: the store names the accounts, the backend is asked for those only (DESIGN §7)."""
    ids = await populate(full)
    backend = full.world.backends["hr"]
    for text, count in (('externalId eq "x3"', 1), ('nickName eq "nick" and title eq "chief"', 3)):
        since = len(backend.calls)
        assert len(await full.found(text)) == count
        assert backend.counted(since)["search people"] == 1
        keys = [one for one in compares(backend.asked("search", "people")[-1].where) if one.op is Op.IN]
        assert [len(one.value) for one in keys] == [count]  # type: ignore[arg-type]
    since = len(backend.calls)
    assert await full.found('externalId eq "nobody"') == []
    assert backend.counted(since) == {}
    assert await full.found('externalId eq "X3"') == []
    assert await full.found('externalId eq "x3"') == [ids[3]]


async def test_what_has_no_place_is_refused(client: Client) -> None:
    """Nobody holds it: 400 invalidFilter, never an unfiltered list and never a silent nothing (F12)."""
    await client.user("ada")
    backend = client.world.backends["hr"]
    since = len(backend.calls)
    for text in ('shoeSize eq "9"', "userName", 'userName is "x"', 'password eq "x"', "password pr", ""):
        with refused(400, "invalidFilter"):
            await client.search("User", filter=text)
    with refused(400, "invalidFilter"):
        await client.search("Group", filter='urn:x:displayName eq "x"')
    assert len(backend.calls) == since


@pytest.mark.parametrize("road", ["residual", "held", "counted"])
async def test_a_scan_has_a_budget_of_rows(serve: Serve, road: str) -> None:
    """More rows than may be scanned: 400 tooMany, not a partial answer; and not read to the end (F14, R-L23)."""
    client = await serve("weak" if road != "held" else "full", limits=Limits(scan_rows=20))
    inner = client.world.backends["hr"].inner
    for number in range(1200):
        inner.enter("people", {"login": f"u{number}"})
    if road == "held":
        for number in range(21):
            await client.user(f"kept{number}", nickName="N")
    backend = client.world.backends["hr"]
    since = len(backend.calls)
    text = {"residual": 'userName co "u"', "held": 'nickName eq "n"', "counted": None}[road]
    with refused(400, "tooMany"):
        await client.search("User", **({} if text is None else {"filter": text}))
    assert backend.counted(since)["search people"] <= 1


@pytest.mark.parametrize(("rows", "refusal"), [(1200, True), (12, False)])
async def test_a_scan_has_a_budget_of_seconds(serve: Serve, rows: int, refusal: bool) -> None:
    """Rows that come too slowly: 400 tooMany if more are to be read; all there are is an answer, late or not (F14)."""
    client = await serve("weak", limits=Limits(scan_seconds=0.02))
    inner = client.world.backends["hr"].inner
    for number in range(rows):
        inner.enter("people", {"login": f"u{number}", "title": "chief" if number == 7 else None})

    async def slow(call: Any) -> Any:
        await asyncio.sleep(0.05)
        return await call()

    client.world.backends["hr"].once("search", slow)
    if refusal:
        with refused(400, "tooMany"):
            await client.search("User", filter='title eq "chief"')
        return
    body = await client.search("User", filter='title eq "chief"')
    assert [one["userName"] for one in body["Resources"]] == ["u7"]


async def test_a_slow_look_for_a_name_does_not_refuse_a_create(serve: Serve) -> None:
    """Whether a name is free was told, only late: the account is made (H2)."""
    client = await serve("weak", limits=Limits(scan_seconds=0.02))
    await populate(client)

    async def slow(call: Any) -> Any:
        await asyncio.sleep(0.05)
        return await call()

    client.world.backends["hr"].once("search", slow)
    assert await client.user("zoe")


async def test_within_the_budget_everything_is_found(serve: Serve) -> None:
    """Exactly as many rows as may be scanned are scanned."""
    client = await serve("weak", limits=Limits(scan_rows=600))
    inner = client.world.backends["hr"].inner
    for number in range(600):
        inner.enter("people", {"login": f"u{number}", "title": "last" if number == 599 else None})
    body = await client.search("User", filter='title eq "LAST"', attributes=["userName"])
    assert [one["userName"] for one in body["Resources"]] == ["u599"]
    assert ("User", "residual", 600) in client.world.recorder.roads


async def test_loose_answers_are_checked(serve: Serve) -> None:
    """A system that answers with a superset: what does not match is left out and not counted (R-L23)."""
    client = await serve("full", entity={"loose": ["title"]})
    assert Match.LOOSE in client.served("User").capabilities.filters["title"].values()
    ids = await populate(client)
    body = await client.search("User", filter='title eq "chief"')
    assert ([one["id"] for one in body["Resources"]], body["totalResults"]) == ([ids[0], ids[3], ids[6]], 3)


async def test_pages_by_index(client: Client) -> None:
    """startIndex below 1 is 1, beyond the end there is nothing, count is kept to, and pages are stable (Q1-Q4)."""
    ids = await populate(client, 9)
    whole = await client.search("User")
    assert [one["id"] for one in whole["Resources"]] == ids
    for size in (1, 2, 4, 9, 100):
        seen: list[str] = []
        for start in range(1, 10, size):
            page = await client.search("User", startIndex=start, count=size)
            assert (page["totalResults"], page["startIndex"]) == (9, start)
            assert page["itemsPerPage"] == len(page["Resources"]) <= size
            seen += [one["id"] for one in page["Resources"]]
        assert seen == ids
    assert (await client.search("User", startIndex=-5, count=1))["startIndex"] == 1
    assert (await client.search("User", count=-1))["Resources"] == []
    beyond = await client.search("User", startIndex=1000)
    assert (beyond["totalResults"], beyond["Resources"], beyond["itemsPerPage"]) == (9, [], 0)


async def test_pages_are_no_larger_than_they_may_be(serve: Serve) -> None:
    """The tenant's page sizes hold for both ways of paging; too large a count with a cursor is invalidCount (N5)."""
    client = await serve("full", limits=Limits(page_size=2, max_page_size=3))
    await populate(client)
    assert (await client.search("User"))["itemsPerPage"] == 2
    assert (await client.search("User", count=100))["itemsPerPage"] == 3
    assert (await client.search("User", cursor=""))["itemsPerPage"] == 2
    with refused(400, "invalidCount"):
        await client.search("User", cursor="", count=4)


ROOT = ["User", "Group"]


@pytest.mark.parametrize("shape", ["full", "weak"])
async def test_all_types_are_one_list(serve: Serve, shape: str) -> None:
    """A search of the root pages over users, then groups, by index and by cursor (Q8, F11, F13)."""
    client = await serve(shape)
    users = await populate(client, 5)
    groups = [one["id"] for one in (await client.search("Group"))["Resources"]]
    groups += [await client.group("H")]
    everything = users + groups
    body = await client.search(ROOT)
    assert [one["id"] for one in body["Resources"]] == everything
    assert body["totalResults"] == 7
    assert [one["meta"]["resourceType"] for one in body["Resources"]] == ["User"] * 5 + ["Group"] * 2
    for size in (1, 3, 4):
        paged = [
            one["id"] for start in range(1, 8, size)
            for one in (await client.search(ROOT, startIndex=start, count=size))["Resources"]
        ]  # fmt: skip
        assert paged == everything
        assert [one["id"] for page in await client.pages(ROOT, count=size) for one in page["Resources"]] == everything
    for text, wanted in (
        ('userName eq "u1"', [users[1]]),
        ('displayName eq "h"', [groups[1]]),
        ('meta.resourceType eq "Group"', groups),
        ('userName eq "u1" or displayName eq "h"', [users[1], groups[1]]),
        ("not (userName pr)", groups),
    ):
        found = await client.search(ROOT, filter=text)
        assert ([one["id"] for one in found["Resources"]], found["totalResults"]) == (wanted, len(wanted)), text


@pytest.mark.parametrize("shape", ["full", "weak"])
@pytest.mark.parametrize("text", [None, "active pr", 'nickName eq "nick"'])
async def test_sorting(serve: Serve, shape: str, text: str | None) -> None:
    """By the backend or here, the order is the same: without case, the unassigned last, or first descending (Q6)."""
    client = await serve(shape)
    for number, title in enumerate(["b", "A", None, "c", "B", None, "a"]):
        body = {"title": title} if title else {}
        await client.user(f"u{number}", nickName="Nick", active=True, **body)
    query = {} if text is None else {"filter": text}

    async def titles(**given: Any) -> list[Any]:
        return [one.get("title") for one in (await client.search("User", **query, **given))["Resources"]]

    ascending = await titles(sortBy="title")
    assert [title and title.lower() for title in ascending] == ["a", "a", "b", "b", "c", None, None]
    descending = await titles(sortBy="TITLE", sortOrder="descending")
    assert [title and title.lower() for title in descending] == [None, None, "c", "b", "b", "a", "a"]
    paged = [
        one.get("title") for start in (1, 4, 7)
        for one in (await client.search("User", **query, sortBy="title", startIndex=start, count=3))["Resources"]
    ]  # fmt: skip
    assert paged == ascending


async def test_an_order_the_backend_knows_is_its_own(full: Client) -> None:
    """Sorting is pushed down: one page is read, whatever there is (promise 10)."""
    await populate(full)
    backend = full.world.backends["hr"]
    since = len(backend.calls)
    await full.search("User", sortBy="name.familyName", count=2, attributes=["userName"])
    assert backend.counted(since) == {"search people": 1}
    asked = backend.asked("search", "people")[-1]
    assert (asked.sort.field, asked.limit) == ("last", 2)


async def test_orders_that_cannot_be_kept_are_refused(client: Client) -> None:
    """A wrong order, an attribute nobody sorts by, several types by cursor: 400 invalidValue (Q6)."""
    await populate(client, 2)
    for query in (
        {"sortBy": "title", "sortOrder": "up"}, {"sortOrder": "up"}, {"sortBy": "shoeSize"}, {"sortBy": "name"},
        {"sortBy": "password"}, {"sortBy": "externalId"}, {"sortBy": "nickName"},
    ):  # fmt: skip
        with refused(400, "invalidValue"):
            await client.search("User", **query)
    with refused(400, "invalidValue"):
        await client.search(ROOT, sortBy="id", cursor="")


async def test_several_types_in_one_order(client: Client) -> None:
    """An attribute only one type has: the others have none of it (F13, Q6)."""
    await populate(client, 3)
    await client.group("A")
    body = await client.search(ROOT, sortBy="userName", sortOrder="descending")
    assert [one.get("userName") for one in body["Resources"]] == [None, None, "u2", "u1", "u0"]


PROJECTIONS: list[tuple[Mapping[str, Any], set[str], set[str]]] = [
    ({"attributes": ["displayName"]}, {"title"}, {"id", "schemas", "displayName"}),
    ({"attributes": ["members"]}, {"members"}, {"id", "schemas", "members"}),
    ({"attributes": ["members.value"]}, {"members"}, {"id", "schemas", "members"}),
    ({"excludedAttributes": ["members"]}, {"title"}, {"id", "schemas", "displayName", "meta"}),
    ({"attributes": ["id"]}, set(), {"id", "schemas"}),
]


@pytest.mark.parametrize(("projection", "fields", "shown"), PROJECTIONS)
async def test_what_nobody_asked_for_is_not_loaded(
    full: Client, projection: Mapping[str, Any], fields: set[str], shown: set[str]
) -> None:
    """Lists load what they show, and members only if somebody wants to see them (Q7, E10)."""
    ada = await full.user("ada")
    id = await full.group("G", ada)
    backend = full.world.backends["hr"]
    body = await full.search("Group", **projection)
    assert backend.asked("search", "teams")[-1].fields == fields
    assert body["Resources"][0].keys() == shown
    given = {"excluded" if name.startswith("ex") else name: value for name, value in projection.items()}
    assert (await full.body("Group", id, **given)).keys() == shown
    assert ("members" in backend.asked("get", "teams")[-1][1]) is ("members" in fields)


async def test_asking_for_and_leaving_out_at_once_is_refused(client: Client) -> None:
    """attributes and excludedAttributes exclude each other (H6)."""
    id = await client.user("ada")
    with refused(400, "invalidValue"):
        await client.search("User", attributes=["title"], excludedAttributes=["title"])
    with refused(400, "invalidValue"):
        await client.get("User", id, attributes="title", excluded="title")
    with refused(400, "invalidValue"):
        await client.post("User", {"userName": "bob"}, attributes="title", excluded="title")
    assert await client.found('userName eq "bob"') == []


async def test_projections_hold_for_writes_too(client: Client) -> None:
    """POST, PUT and PATCH show what was asked for; secrets never (Q7, S13)."""
    answer = await client.post("User", {"userName": "ada", "title": "T", "password": "s3cret"}, attributes="userName")
    assert answer.body is not None
    assert answer.body.keys() == {"schemas", "id", "userName"}
    id = answer.body["id"]
    body = (await client.put("User", id, {"userName": "ada", "password": "n3w"}, excluded="meta")).body
    assert body is not None
    assert not {"meta", "password"} & body.keys()
    body = (await client.patch("User", id, swap("title", "U"), attributes="title")).body
    assert body is not None
    assert body.keys() == {"schemas", "id", "title"}


@pytest.mark.parametrize("shape", ["full", "weak"])
async def test_brownfield_accounts_have_one_id(serve: Serve, shape: str) -> None:
    """Accounts nobody made through the gateway are found, under one id for ever, however they are met first (R-L4)."""
    client = await serve(shape)
    inner = client.world.backends["hr"].inner
    keys = [inner.enter("people", {"login": f"u{number}"}) for number in range(4)]
    team = inner.enter("teams", {"title": "T", "members": tuple(keys)})
    first, *many = await asyncio.gather(
        client.found('userName eq "u1"'), *(client.search("User") for _ in range(3)), client.search("Group")
    )
    ids = [one["id"] for one in many[0]["Resources"]]
    assert first == [ids[1]]
    assert all([one["id"] for one in body["Resources"]] == ids for body in many[:3])
    group = many[3]["Resources"][0]
    assert members_of(group) == set(ids)
    assert await key_of(client, "Group", group["id"]) == team
    assert (await client.patch("User", ids[0], add("title", "T"))).status == 200
    assert (await client.body("User", ids[0]))["userName"] == "u0"


async def test_a_backend_that_is_down_is_503(client: Client) -> None:
    """Never an empty list (promise 1)."""
    await client.user("ada")
    client.world.backends["hr"].once("search", *[failing(UnavailableError(retry_after=0.0))] * 5)
    with refused(503) as caught:
        await client.search("User", filter='userName eq "ada"')
    assert caught.value.retry_after is not None


async def test_a_store_that_is_down_is_503(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never an empty list, and no word of where the store is (X13)."""
    id = await client.user("ada")

    async def down(*given: Any, **named: Any) -> Any:
        raise StoreUnavailableError("postgresql://10.0.0.7")

    for name in ("find", "identify", "search", "reserve"):
        monkeypatch.setattr(client.world.identities, name, down)
    for attempt in (
        client.search("User"), client.search("User", filter='externalId eq "x"'), client.get("User", id),
        client.delete("User", id), client.patch("User", id, swap("title", "T")),
        client.put("User", id, {"userName": "x"}), client.post("User", {"userName": "x"}),
    ):  # fmt: skip
        with refused(503) as caught:
            await attempt
        assert "10.0.0.7" not in caught.value.detail
        assert caught.value.retry_after is not None


async def test_a_count_that_is_refused_is_read_within_the_budget(serve: Serve) -> None:
    """A backend that would have to read on to skip and to count refuses that: the gateway reads on, within its budget
    and no further (F14)."""
    client = await serve("full", limits=Limits(scan_rows=7))
    ids = await populate(client)
    backend = client.world.backends["hr"]
    backend.once("search", failing(UnsupportedError()))
    page = await client.search("User", startIndex=3, count=2, filter="userName pr")
    assert ([one["id"] for one in page["Resources"]], page["totalResults"]) == (ids[2:4], 7)
    await client.user("u7")
    backend.once("search", failing(UnsupportedError()))
    with refused(400, "tooMany"):
        await client.search("User", startIndex=3, count=2, filter="userName pr")
