"""References: managers, members and groups; resolved together, hidden where they lead nowhere, never guessed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from backends.contract import KEY, Change, Op
from gateway.engine.tenants import Limits
from gateway.scim.schema import ENTERPRISE_URN
from tests.engine.conftest import Serve
from tests.engine.world import (
    WEAK,
    Client,
    add,
    body_of,
    key_of,
    members_of,
    natively,
    only,
    refs,
    refused,
    swap,
    user_section,
)

MANAGER = f"{ENTERPRISE_URN}:manager"
BY_LOGIN = {
    "attributes": {
        f"{ENTERPRISE_URN}:manager.value": {"field": "chief", "reference": "User", "by": "login", "show": "last"}
    }
}
CHIEF: dict[str, Any] = {"fields": {"chief": {}}}


def manager(id: str) -> dict[str, Any]:
    return {ENTERPRISE_URN: {"manager": {"value": id}}}


def shown_manager(body: Any) -> Any:
    return body.get(ENTERPRISE_URN, {}).get("manager", {})


class Counted:
    """Counts what the id map is asked."""

    def __init__(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: Counter[str] = Counter()
        for name in ("find", "identify", "search"):
            monkeypatch.setattr(
                client.world.identities, name, self._counting(name, getattr(client.world.identities, name))
            )

    def _counting(self, name: str, call: Any) -> Any:
        async def run(*given: Any, **named: Any) -> Any:
            self.calls[name] += 1
            return await call(*given, **named)

        return run


@pytest.mark.parametrize("shape", ["full", "weak"])
async def test_a_manager_is_a_key_inside_and_an_id_outside(serve: Serve, shape: str) -> None:
    """Set, changed, found by and taken away; the record holds the key, the resource the id and a URL (P6, F16)."""
    client = await serve(shape)
    boss, other = await client.user("boss"), await client.user("other")
    id = await client.user("ada", **manager(boss))
    key = await key_of(client, "User", id)
    assert natively(client.world, "people", key)["boss"] == await key_of(client, "User", boss)
    assert shown_manager(await client.body("User", id)) == {
        "value": boss,
        "$ref": f"{client.url}/Users/{boss}",
    }
    await client.patch("User", id, {"op": "Add", "path": "manager", "value": [{"value": other}]})
    assert natively(client.world, "people", key)["boss"] == await key_of(client, "User", other)
    assert await client.found(f'{MANAGER} eq "{other}"') == [id]
    assert await client.found(f'{MANAGER} eq "{boss}"') == []
    with refused(400, "invalidValue") as caught:
        await client.patch("User", id, swap(f"{MANAGER}.value", "nobody"))
    assert "manager" in caught.value.detail
    await client.patch("User", id, {"op": "Add", "path": "manager", "value": ""})
    assert natively(client.world, "people", key)["boss"] is None
    assert shown_manager(await client.body("User", id)) == {}


NAMES: dict[str, Any] = {
    "batches": {},
    "equality": {"filters": {**only(Op.EQ, "login", KEY)}},
    "nothing": {"without": WEAK, "serialize": True},
}


@pytest.mark.parametrize("ability", NAMES)
async def test_a_manager_may_be_held_by_login(serve: Serve, ability: str) -> None:
    """A table that stores the boss's login: looked up together, one by one or by reading all, as the system can
    (DESIGN §6)."""
    client = await serve("full", entity={**CHIEF, **NAMES[ability]}, user=BY_LOGIN)
    bosses = [await client.user(f"boss{number}", name={"familyName": f"B{number}"}) for number in range(12)]
    ids = [await client.user(f"u{number}", **manager(boss)) for number, boss in enumerate(bosses)]
    assert natively(client.world, "people", await key_of(client, "User", ids[3]))["chief"] == "boss3"
    backend = client.world.backends["hr"]
    since = len(backend.calls)
    found = (await client.search("User", filter='userName sw "u"'))["Resources"]
    assert [shown_manager(one)["value"] for one in found] == bosses
    assert [shown_manager(one)["displayName"] for one in found] == [f"B{number}" for number in range(12)]
    made = backend.counted(since)["search people"]
    assert made == {"batches": 2, "equality": 13, "nothing": 2}[ability]


async def test_of_two_with_one_login_none_is_the_manager(serve: Serve) -> None:
    """A reference by a value two accounts have leads to neither (R-L6)."""
    fields = {"chief": {}, "login": {"required": True}}
    client = await serve("full", entity={"fields": fields}, user=BY_LOGIN)
    inner = client.world.backends["hr"].inner
    for _ in range(2):
        inner.enter("people", {"login": "boss"})
    inner.enter("people", {"login": "ada", "chief": "boss"})
    (found,) = (await client.search("User", filter='userName eq "ada"'))["Resources"]
    assert shown_manager(found) == {}
    assert client.world.recorder.hidden_ones["User"] == 1


async def test_names_that_cannot_be_looked_up_are_refused_not_guessed(serve: Serve) -> None:
    """Too many accounts to read them all for a reference by login: an error, no silent gap (F14)."""
    entity = {**CHIEF, "without": WEAK, "serialize": True}
    client = await serve("full", entity=entity, user=BY_LOGIN, limits=Limits(scan_rows=500))
    inner = client.world.backends["hr"].inner
    keys = [inner.enter("people", {"login": f"u{number}", "chief": "u0"}) for number in range(501)]
    found = await client.world.identities.identify(client.tenant.name, "User", "hr", "people", keys[:1])
    with refused(400, "tooMany"):
        await client.get("User", found[keys[0]].id)


async def test_members_and_groups_of_a_page_are_resolved_together(
    full: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of users with their groups, or of groups with their members: one resolution each, however many (promise
    10, one query per page and never one per user)."""
    users = [await full.user(f"u{number}") for number in range(30)]
    groups = [await full.group(f"g{number}", *users[number:]) for number in range(10)]
    counted = Counted(full, monkeypatch)
    backend = full.world.backends["hr"]
    for kind, name, entity, wanted in (
        ("User", "groups", "people", {one: {g for n, g in enumerate(groups) if n <= m} for m, one in enumerate(users)}),
        ("Group", "members", "teams", {one: set(users[n:]) for n, one in enumerate(groups)}),
    ):
        counted.calls.clear()
        since = len(backend.calls)
        found = (await full.search(kind))["Resources"]
        assert {one["id"]: members_of(one, name) for one in found} == wanted
        assert backend.counted(since) == {f"search {entity}": 1}
        assert counted.calls == {"identify": 2}


async def test_members_met_first_in_a_group_are_confirmed_together(full: Client) -> None:
    """Members nobody has listed yet get their ids in one batch, once their entity knows them (DESIGN §6)."""
    inner = full.world.backends["hr"].inner
    keys = [inner.enter("people", {"login": f"u{number}"}) for number in range(1100)]
    inner.enter("teams", {"title": "T", "members": tuple(keys)})
    backend = full.world.backends["hr"]
    (group,) = (await full.search("Group"))["Resources"]
    assert len(members_of(group)) == 1100
    assert backend.counted() == {"search teams": 1, "search people": 3}
    since = len(backend.calls)
    assert (await full.body("Group", group["id"]))["members"] == group["members"]
    assert backend.counted(since) == {"get teams": 1}


@pytest.mark.parametrize("shape", ["full", "weak"])
async def test_what_leads_nowhere_is_hidden_and_counted(serve: Serve, shape: str) -> None:
    """Keys no account has, and marked ones, are left out of members and managers; the operator sees how many."""
    client = await serve(
        shape,
        entity={"without": [name for name in WEAK if name not in ("filters", "logic")]} if shape == "weak" else {},
        user={"on_delete": {"set": {"status": "D"}}},
    )
    inner = client.world.backends["hr"].inner
    dead = inner.enter("people", {"login": "dead", "status": "D"})
    live = inner.enter("people", {"login": "live", "boss": dead})
    team = inner.enter("teams", {"title": "T", "members": (dead, live)})
    (group,) = (await client.search("Group"))["Resources"]
    (user,) = (await client.search("User"))["Resources"]
    assert members_of(group) == {user["id"]}
    assert shown_manager(user) == {}
    assert client.world.recorder.hidden_ones == {"User": 2}
    await client.put("Group", group["id"], {"displayName": "T", "members": []})
    assert set(natively(client.world, "teams", team)["members"]) == {dead}


async def test_a_type_nobody_serves_is_hidden(serve: Serve) -> None:
    """Users without Group in the tenant have no groups, and nobody breaks."""
    client = await serve("full")
    id = await client.user("ada")
    await client.group("G", id)
    alone = await client.world.tenant("solo", {"User": user_section()})
    (found,) = (await alone.search("User"))["Resources"]
    assert "groups" not in found
    assert client.world.recorder.hidden_ones == {"Group": 1}


async def test_nested_groups_live_in_fields_of_their_own(serve: Serve) -> None:
    """Members of two types in two fields: each delta goes where it belongs, and both are shown with their type."""
    teams = {
        "fields": {
            "title": {"required": True},
            "members": {"many": True, "refers": "people"},
            "inner": {"many": True, "refers": "teams"},
        }
    }
    sources = [
        {"field": "members", "reference": "User"},
        {"field": "inner", "reference": "Group", "show": "title"},
    ]
    client = await serve("full", teams=teams, group={"attributes": {"members.value": sources}})
    ada, small = await client.user("ada"), await client.group("small")
    big = await client.group("big", ada)
    backend = client.world.backends["hr"]
    since = len(backend.calls)
    await client.patch("Group", big, add("members", refs(small)))
    assert backend.counted(since) == {"update teams": 1}
    native = natively(client.world, "teams", await key_of(client, "Group", big))
    assert (len(native["members"]), native["inner"]) == (1, (await key_of(client, "Group", small),))
    shown = {one["value"]: (one["type"], one.get("display")) for one in (await client.body("Group", big))["members"]}
    assert shown == {ada: ("User", None), small: ("Group", "small")}


async def test_a_shown_name_is_the_present_one(serve: Serve) -> None:
    """`show` reads names with the members, in one batch, and they are never out of date."""
    client = await serve(
        "full", group={"attributes": {"members.value": {"field": "members", "reference": "User", "show": "last"}}}
    )
    users = [await client.user(f"u{number}", name={"familyName": f"L{number}"}) for number in range(20)]
    group = await client.group("G", *users)
    await client.patch("User", users[0], swap("name.familyName", "New"))
    backend = client.world.backends["hr"]
    since = len(backend.calls)
    members = (await client.body("Group", group))["members"]
    assert {one["value"]: one["display"] for one in members} == {
        id: "New" if number == 0 else f"L{number}" for number, id in enumerate(users)
    }
    assert backend.counted(since) == {"get teams": 1, "search people": 1}


async def test_groups_cannot_be_written_at_the_user(client: Client) -> None:
    """User.groups is read only: ignored in POST and PUT, refused as a path of PATCH (S15, H3, D2)."""
    ada = await client.user("ada")
    group = await client.group("G")
    answer = await client.put("User", ada, {"userName": "ada", "groups": refs(group)})
    assert "groups" not in body_of(answer)
    bob = body_of(await client.post("User", {"userName": "bob", "groups": refs(group)}))
    assert "groups" not in bob
    with refused(400, "mutability"):
        await client.patch("User", ada, add("groups", refs(group)))
    assert natively(client.world, "teams", await key_of(client, "Group", group))["members"] == ()


async def test_an_account_gone_behind_the_gateway_s_back_can_be_taken_out(full: Client) -> None:
    """A member deleted natively vanishes, and replacing the members needs no knowledge of it (R-L5)."""
    ada, bob = await full.user("ada"), await full.user("bob")
    group = await full.group("G", ada, bob)
    inner = full.world.backends["hr"].inner
    await inner.delete("people", await key_of(full, "User", ada))
    assert members_of(await full.body("Group", group)) == {bob}
    with refused(404):
        await full.get("User", ada)
    assert (await full.patch("Group", group, swap("members", refs(bob)))).status == 204
    assert (await full.patch("Group", group, {"op": "remove", "path": f'members[value eq "{ada}"]'})).status == 204
    await inner.update("teams", await key_of(full, "Group", group), Change(add={"members": ()}))


IDS: dict[str, Any] = {
    "entity": {"key": "login", "fields": {"teams": None}},
    "teams": {"fields": {"title": {"required": True}, "members": {"many": True}}},
    "user": {"attributes": {"groups.value": None}},
    "group": {
        "attributes": {
            "members.value": {"field": "members", "reference": ["User", "Group"], "by": "@id", "show": "title"}
        }
    },
}
"""Teams that hold the ids of their members, who may be people or teams."""


async def test_a_list_may_hold_ids(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stored is the id; members of both types are resolved in one look-up, and found by filters (DESIGN §6)."""
    client = await serve("full", **IDS)
    ada, bob = await client.user("ada", title="Chief"), await client.user("bob")
    inner = await client.group("Inner", ada)
    outer = await client.group("Outer", bob, inner)
    held = natively(client.world, "teams", await key_of(client, "Group", outer))["members"]
    assert set(held) == {bob, inner}
    counted = Counted(client, monkeypatch)
    found = (await client.search("Group"))["Resources"]
    assert counted.calls == {"identify": 1, "find": 1}
    shown = {one["displayName"]: {e["value"]: (e["type"], e.get("display")) for e in one["members"]} for one in found}
    assert shown == {
        "Inner": {ada: ("User", "Chief")},
        "Outer": {bob: ("User", None), inner: ("Group", "Inner")},
    }
    assert await client.found(f'members.value eq "{inner}"', "Group") == [outer]
    assert await client.found(f'members[value eq "{ada}"]', "Group") == [inner]
    assert client.world.recorder.hidden_ones == {}
    with refused(400, "invalidValue"):
        await client.patch("Group", outer, add("members", refs("6a1f3c2e-0000-8000-8000-000000000000")))
    await client.patch("Group", outer, swap("members", refs(ada)))
    assert natively(client.world, "teams", await key_of(client, "Group", outer))["members"] == (ada,)
    assert client.world.recorder.hidden_ones == {}, "who is of one type is not missing among those of another"


async def test_an_id_outlives_no_account(serve: Serve) -> None:
    """A leaver vanishes from lists of ids, and whoever is given the same login later is not in them (R-L3)."""
    client = await serve("full", **IDS)
    ada, bob = await client.user("ada"), await client.user("bob")
    group = await client.group("Staff", ada, bob)
    await client.delete("User", ada)
    assert members_of(await client.body("Group", group)) == {bob}
    assert client.world.recorder.hidden_ones == {"User": 1}
    again = await client.user("ada")
    assert again != ada
    assert await key_of(client, "User", again) == "ada"
    assert members_of(await client.body("Group", group)) == {bob}
    assert await client.found(f'members.value eq "{again}"', "Group") == []
    await client.patch("Group", group, {"op": "remove", "path": f'members[value eq "{ada}"]'})
    assert members_of(await client.body("Group", group)) == {bob}
