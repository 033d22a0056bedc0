"""Paging by cursor (RFC 9865): complete, bound to who asked for what, and counted once."""

from __future__ import annotations

import pytest

from backends.contract import UnsupportedError
from gateway.engine.tenants import Limits
from tests.engine.conftest import Serve
from tests.engine.watched import failing, normal
from tests.engine.world import Client, populate, refused


@pytest.mark.parametrize("shape", ["full", "weak"])
@pytest.mark.parametrize("text", [None, "active pr", 'nickName eq "nick" or active pr'])
async def test_cursors_lose_nobody(serve: Serve, shape: str, text: str | None) -> None:
    """Accounts that are there all the time are seen exactly once, whoever comes and goes meanwhile (Q5, N3)."""
    client = await serve(shape)
    ids = [await client.user(f"u{number}", active=True) for number in range(12)]
    query = {"count": 3} | ({} if text is None else {"filter": text})
    page = await client.search("User", cursor="", **query)
    seen = [one["id"] for one in page["Resources"]]
    assert "startIndex" not in page
    gone: list[str] = []
    number = 12
    while "nextCursor" in page:
        for id in (
            next(id for id in ids if id in seen and id not in gone),
            next(id for id in reversed(ids) if id not in seen),
        ):
            await client.delete("User", id)
            ids.remove(id)
            gone.append(id)
            if len(ids) < 4:
                break
        await client.user(f"u{number}", active=True)
        number += 1
        page = await client.search("User", cursor=page["nextCursor"], **query)
        seen += [one["id"] for one in page["Resources"]]
    assert len(seen) == len(set(seen))
    assert set(ids) <= set(seen)


async def test_a_cursor_is_bound_to_its_query(client: Client) -> None:
    """Another filter, order, projection, count, caller or type: refused; without a count it goes on (N4, N5, N8)."""
    await populate(client)
    cursor = (await client.search("User", cursor="", count=2))["nextCursor"]
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
    for other in (
        {"filter": "userName pr"}, {"attributes": ["userName"]}, {"excludedAttributes": ["emails"]},
        {"caller": "another"}, {"sortOrder": "descending"},
    ):  # fmt: skip
        with refused(400, "invalidCursor"):
            await client.search("User", cursor=cursor, **other)
    with refused(400, "invalidCursor"):
        await client.search("Group", cursor=cursor)
    with refused(400, "invalidCursor"):
        await client.search(["User", "Group"], cursor=cursor)
    for forged in (cursor[:-2], cursor + "A", "A" * 80, "x y"):
        with refused(400, "invalidCursor"):
            await client.search("User", cursor=forged)
    with refused(400, "invalidCount"):
        await client.search("User", cursor=cursor, count=3)
    assert (await client.search("User", cursor=cursor))["itemsPerPage"] == 2


async def test_a_cursor_does_not_live_for_ever(serve: Serve) -> None:
    """expiredCursor once its time is over (N5, N7)."""
    client = await serve("full", limits=Limits(cursor_seconds=0))
    await populate(client)
    cursor = (await client.search("User", cursor="", count=2))["nextCursor"]
    with refused(400, "expiredCursor"):
        await client.search("User", cursor=cursor)


async def test_cursors_count_once(full: Client) -> None:
    """totalResults comes with the first page of one native call and is carried along (N3)."""
    await populate(full)
    backend = full.world.backends["hr"]
    since = len(backend.calls)
    pages = await full.pages("User", count=3, attributes=["userName"])
    assert [page["totalResults"] for page in pages] == [7, 7, 7]
    assert backend.counted(since) == {"search people": 3}
    assert [query.total for query in backend.asked("search", "people")[-3:]] == [True, False, False]


async def test_cursors_over_what_the_store_holds(client: Client) -> None:
    """A filter the store answers can be paged by cursor like any other (N3)."""
    ids = [await client.user(f"u{number}", nickName="N", title=str(number)) for number in range(5)]
    pages = await client.pages("User", filter='nickName eq "n"', count=2)
    assert [one["id"] for page in pages for one in page["Resources"]] == ids
    assert [page["itemsPerPage"] for page in pages] == [2, 2, 1]
    assert all("totalResults" not in page for page in pages)


async def test_a_rare_match_is_found_by_cursor(serve: Serve) -> None:
    """Checked here, within the budget of one request: short pages, each with a cursor, until the match (N3, F14)."""
    client = await serve("weak", limits=Limits(scan_rows=40))
    inner = client.world.backends["hr"].inner
    for number in range(100):
        inner.enter("people", {"login": f"u{number}", "title": "rare" if number == 99 else None})
    pages = await client.pages("User", filter='title eq "rare"', count=20)
    assert [page["itemsPerPage"] for page in pages] == [0, 0, 1]


async def test_a_count_that_is_refused_is_left_out(full: Client) -> None:
    """A backend that would have to read on to count refuses that: the pages come without a total (N3)."""
    ids = await populate(full)
    backend = full.world.backends["hr"]
    backend.once("search", failing(UnsupportedError()))
    pages = await full.pages("User", count=3, filter="userName pr")
    assert [one["id"] for page in pages for one in page["Resources"]] == ids
    assert not any("totalResults" in page for page in pages)


async def test_a_count_that_is_refused_further_on_is_left_out(full: Client) -> None:
    """Of several types one whose count is refused leaves the sum unknown, not too small."""
    await populate(full)
    backend = full.world.backends["hr"]
    backend.once("search", normal, failing(UnsupportedError()))
    page = await full.search(["User", "Group"], cursor="", count=3)
    assert (len(page["Resources"]), page.get("totalResults")) == (3, None)
