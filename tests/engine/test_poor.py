"""A system that lists everything or nothing, takes whole records and one member a call: served like any other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from backends.contract import Context
from gateway.engine.calls import Answer
from gateway.engine.tenants import Limits
from gateway.scim.errors import ScimError
from tests.backends.poor import PoorBackend, PoorSettings, PoorSystem
from tests.engine.world import (
    Client,
    World,
    add,
    body_of,
    members_of,
    refs,
    refused,
    remove,
    swap,
)

USERS = {
    "backend": "old",
    "entity": "people",
    "attributes": {
        "userName": "login",
        "title": "note",
        "active": {"field": "grade", "codec": {"values": {1: True, 0: False}}},
        "emails": {"rows": "mails", "each": {"value": "address", "type": "kind"}},
    },
    "unmapped": "keep",
    "on_delete": "delete",
}
TEAMS = {
    "backend": "old",
    "entity": "teams",
    "attributes": {"displayName": "title", "members.value": {"field": "members", "reference": "User"}},
    "on_delete": "delete",
}


@pytest.fixture
def system() -> PoorSystem:
    return PoorSystem()


@pytest_asyncio.fixture(loop_scope="session")
async def old(world: World, system: PoorSystem) -> Client:
    """A tenant on the old application."""
    world.backend("old", PoorBackend(PoorSettings(), Context("old"), system))
    return await world.tenant("acme", {"User": USERS, "Group": TEAMS}, limits=Limits(scan_rows=200))


async def test_a_whole_life(old: Client, system: PoorSystem) -> None:
    """Created, found, changed, deactivated, grouped and deleted; the old application holds it all (§4, R-L23)."""
    id = await old.user("ada", title="T", active=True, externalId="x1", emails=[{"value": "a@example.com"}])
    other = await old.user("bob", active=True)
    (ada, _) = system.people.values()
    assert (ada["login"], ada["note"], ada["grade"]) == ("ada", "T", 1)
    for text in ('userName eq "ADA"', 'externalId eq "x1"', 'emails.value eq "a@example.com"', 'title sw "t"'):
        assert await old.found(text) == [id]
    with refused(409, "uniqueness"):
        await old.post("User", {"userName": "Ada"})
    group = await old.group("G", id)
    assert (await old.patch("Group", group, add("members", refs(other)))).status == 204
    assert system.calls[-1] == "join"
    assert (await old.patch("Group", group, remove(f'members[value eq "{id}"]'))).status == 204
    (team,) = system.teams.values()
    assert team["members"] == ["2"]
    assert body_of(await old.patch("User", id, swap("active", False)))["active"] is False
    assert system.people["1"]["grade"] == 0
    assert (await old.body("User", id))["title"] == "T"
    assert (await old.delete("User", other)).status == 204
    assert members_of(await old.body("Group", group)) == set()
    assert [one["id"] for one in (await old.search(["User", "Group"]))["Resources"]] == [id, group]


async def test_members_added_at_once_are_all_there(old: Client, system: PoorSystem) -> None:
    """One call a member, and none of them lost."""
    users = [await old.user(f"u{number}") for number in range(6)]
    group = await old.group("G")
    await asyncio.gather(*(old.patch("Group", group, add("members", refs(user))) for user in users))
    assert members_of(await old.body("Group", group)) == set(users)


async def repeated(system: PoorSystem, send: Callable[[], Awaitable[Answer]]) -> list[int]:
    """Send a request until it succeeds, three times at most; the fault is over after the first. Give the statuses."""
    statuses: list[int] = []
    for _ in range(3):
        (found,) = await asyncio.gather(send(), return_exceptions=True)
        system.left = None
        assert isinstance(found, Answer | ScimError), found
        statuses.append(found.status)
        if isinstance(found, Answer):
            break
    return statuses


@pytest.mark.parametrize("lost", [False, True], ids=["failed", "lost"])
async def test_a_group_half_made_is_completed(old: Client, system: PoorSystem, lost: bool) -> None:
    """Whichever call breaks, before it is done or behind: the repeated POST ends in one whole group (R-L20)."""
    users = [await old.user(f"u{number}") for number in range(3)]
    body: dict[str, Any] = {"displayName": "G", "members": refs(*users)}
    for left in range(12):
        system.left, system.lost = left, lost
        statuses = await repeated(system, lambda: old.post("Group", body))
        assert statuses[-1] == 201, (left, statuses)
        assert set(statuses[:-1]) <= {503}
        (team,) = system.teams.values()
        assert sorted(team["members"]) == sorted(system.people)
        system.left = None
        (one,) = (await old.search("Group"))["Resources"]
        await old.delete("Group", one["id"])


@pytest.mark.parametrize("lost", [False, True], ids=["failed", "lost"])
async def test_a_change_half_made_is_completed(old: Client, system: PoorSystem, lost: bool) -> None:
    """Whichever call breaks: never a success that is none, and the repeated PATCH completes it (R-L20, promise 1)."""
    users = [await old.user(f"u{number}") for number in range(4)]
    group = await old.group("G", *users[:2])
    change = (swap("displayName", "H"), swap("members", refs(*users[2:])))
    for left in range(10):
        await old.put("Group", group, {"displayName": "G", "members": refs(*users[:2])})
        system.left, system.lost = left, lost
        statuses = await repeated(system, lambda: old.patch("Group", group, *change))
        assert statuses[-1] == 204, (left, statuses)
        assert set(statuses[:-1]) <= {503}
        system.left = None
        body = await old.body("Group", group)
        assert (body["displayName"], members_of(body)) == ("H", set(users[2:])), left


async def test_too_many_to_look_at(old: Client, system: PoorSystem) -> None:
    """Beyond the scan budget a filter is refused; reading by id, and paging by cursor, go on (F14)."""
    for number in range(300):
        system.people[str(1000 + number)] = {
            "number": str(1000 + number), "login": f"p{number}", "note": None, "grade": 1, "tags": [], "mails": [],
        }  # fmt: skip
    with refused(400, "tooMany"):
        await old.search("User", filter='title eq "x"')
    pages = await old.pages("User", count=100)
    assert [page["itemsPerPage"] for page in pages] == [100, 100, 100]
    assert (await old.get("User", pages[2]["Resources"][0]["id"])).status == 200
