"""Memberships replaced as a whole: what it comes to is worked out natively (promise 4, P8)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backends.contract import Change, UnavailableError
from gateway.engine import rosters
from tests.engine.conftest import Serve
from tests.engine.watched import losing
from tests.engine.world import WEAK, Client, add, key_of, members_of, natively, refs, refused, remove, swap


async def crew(client: Client, *logins: str) -> tuple[str, dict[str, str], str]:
    """Make users and a group of them all: its id, theirs by login, and its key."""
    ids = {login: await client.user(login) for login in logins}
    group = await client.group("G", *ids.values())
    return group, ids, await key_of(client, "Group", group)


def put(client: Client, group: str, *members: str) -> Any:
    return client.put("Group", group, {"displayName": "G", "members": refs(*members)})


@pytest.mark.parametrize("verb", ["patch", "put"])
async def test_only_who_comes_and_goes_is_written(client: Client, verb: str) -> None:
    """A list in the place of another becomes a delta; the same list again changes nothing (P4)."""
    group, ids, _ = await crew(client, "ada", "bob", "cyd")
    new = await client.user("new")
    wanted = [ids["bob"], ids["cyd"], new]
    send = {
        "patch": lambda: client.patch("Group", group, swap("members", refs(*wanted))),
        "put": lambda: put(client, group, *wanted),
    }[verb]
    backend = client.world.backends["hr"]
    await send()
    assert members_of(await client.body("Group", group)) == set(wanted)
    if client.served("Group").capabilities.deltas:
        _, change, _ = backend.asked("update", "teams")[-1]
        keys = [await key_of(client, "User", id) for id in (new, ids["ada"])]
        assert change == Change(add={"members": (keys[0],)}, remove={"members": (keys[1],)})
    before, writes = await client.body("Group", group), len(backend.asked("update", "teams"))
    await send()
    assert await client.body("Group", group) == before
    assert len(backend.asked("update", "teams")) == writes


async def test_operations_after_a_replacement_are_applied_to_it(client: Client) -> None:
    """Replaced, then added to and removed from in one request: in the order they were sent; other attributes with
    them (P2, P3)."""
    group, ids, _ = await crew(client, "ada", "bob", "cyd")
    await client.patch(
        "Group",
        group,
        swap("members", refs(ids["ada"], ids["bob"])),
        add("members", refs(ids["cyd"])),
        remove(f'members[value eq "{ids["ada"]}"]'),
        swap("displayName", "H"),
    )
    body = await client.body("Group", group)
    assert (members_of(body), body["displayName"]) == ({ids["bob"], ids["cyd"]}, "H")


async def test_a_replacement_with_nobody_empties(client: Client) -> None:
    """An empty list, or a PUT that names nobody, leaves a group without members (H3)."""
    group, ids, key = await crew(client, "ada", "bob")
    await client.patch("Group", group, swap("members", []))
    assert not natively(client.world, "teams", key)["members"]
    await put(client, group, ids["ada"])
    await client.put("Group", group, {"displayName": "G"})
    assert not natively(client.world, "teams", key)["members"]


async def test_a_replacement_with_somebody_unknown_is_refused(client: Client) -> None:
    """One id nobody has: 400, and everybody stays (P3)."""
    group, ids, key = await crew(client, "ada", "bob")
    before = natively(client.world, "teams", key)
    for request in (
        client.patch("Group", group, swap("members", refs(ids["ada"], "nobody"))),
        put(client, group, "nobody"),
    ):
        with refused(400, "invalidValue"):
            await request
    assert natively(client.world, "teams", key) == before


@pytest.mark.parametrize("shape", ["full", "weak"])
async def test_who_cannot_be_seen_stays(serve: Serve, shape: str) -> None:
    """Members that lead to nobody a client can see are not touched by what a client says of the others."""
    able = {"without": [name for name in WEAK if name not in ("filters", "logic")]}
    client = await serve(shape, entity=able if shape == "weak" else {}, user={"on_delete": {"set": {"status": "D"}}})
    group, ids, key = await crew(client, "ada", "bob")
    inner = client.world.backends["hr"].inner
    hidden = inner.enter("people", {"login": "ghost", "status": "D"})
    await inner.update("teams", key, Change(add={"members": (hidden,)}))
    await client.patch("Group", group, swap("members", refs(ids["ada"])))
    assert set(natively(client.world, "teams", key)["members"]) == {await key_of(client, "User", ids["ada"]), hidden}
    await put(client, group)
    assert set(natively(client.world, "teams", key)["members"]) == {hidden}


async def test_who_only_goes_is_given_no_id(full: Client) -> None:
    """Members nobody has met are removed without being made known."""
    group, ids, key = await crew(full, "ada")
    inner = full.world.backends["hr"].inner
    strangers = [inner.enter("people", {"login": f"s{n}", "status": "A"}) for n in range(5)]
    await inner.update("teams", key, Change(add={"members": tuple(strangers)}))
    await full.patch("Group", group, swap("members", refs(ids["ada"])))
    assert set(natively(full.world, "teams", key)["members"]) == {await key_of(full, "User", ids["ada"])}
    place = (full.tenant.name, "User", full.served("User").guard.name, "people")
    assert await full.world.identities.identify(*place, strangers, mint=False) == {}


async def test_a_long_list_is_read_part_by_part(full: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system can page through a list, the group is not read as a whole."""
    group, ids, key = await crew(full, *(f"u{n}" for n in range(12)))
    backend = full.world.backends["hr"]
    monkeypatch.setattr(rosters, "PAGE", 5)
    monkeypatch.setattr(type(backend), "list_values", _listed, raising=False)
    stay = list(ids.values())[:3]
    since = len(backend.calls)
    await full.patch("Group", group, swap("members", refs(*stay)))
    assert backend.counted(since) == {"get teams": 1, "list_values teams": 3, "update teams": 1}
    assert set(natively(full.world, "teams", key)["members"]) == {await key_of(full, "User", id) for id in stay}


async def _listed(self: Any, entity: str, key: str, field: str, *, limit: int, cursor: str | None = None) -> Any:
    return await self._run(
        "list_values", entity, field, lambda: self.inner.list_values(entity, key, field, limit=limit, cursor=cursor)
    )


async def test_replacements_at_once_leave_one_of_them(client: Client) -> None:
    """Two lists sent at once: in the end the group has one of them, never a mixture."""
    group, ids, _ = await crew(client, "ada", "bob", "cyd", "dan")
    lists = [[ids["ada"], ids["bob"]], [ids["cyd"], ids["dan"]]]
    await asyncio.gather(*(client.patch("Group", group, swap("members", refs(*one))) for one in lists))
    assert members_of(await client.body("Group", group)) in [set(one) for one in lists]


async def test_a_replacement_whose_answer_was_lost_is_read_back(client: Client) -> None:
    """The list was replaced and the answer lost: settled by reading back (R-L21)."""
    group, ids, _ = await crew(client, "ada", "bob", "cyd")
    client.world.backends["hr"].once("update", losing(UnavailableError(maybe_done=True)))
    assert (await client.patch("Group", group, swap("members", refs(ids["cyd"])))).status == 204
    assert members_of(await client.body("Group", group)) == {ids["cyd"]}


async def test_the_trail_tells_a_replacement_only_where_there_was_one(full: Client) -> None:
    """A PUT that leaves the members alone says nothing of them; one that changes them does."""
    group, ids, _ = await crew(full, "ada", "bob")
    await full.put("Group", group, {"displayName": "H", "members": refs(*ids.values())})
    assert [one.path for one in full.world.recorder.attempts[-1].alterations] == ["displayName"]
    await full.put("Group", group, {"displayName": "H", "members": refs(ids["ada"])})
    assert [one.path for one in full.world.recorder.attempts[-1].alterations] == ["members"]
