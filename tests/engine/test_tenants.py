"""Tenants: what one has is not there for another, on any path (promise 7, X10, CVE-2026-92539)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.identity import connect
from gateway.scim.errors import ScimError
from gateway.scim.patch import REQUEST_URN
from gateway.scim.schema import ENTERPRISE_URN, GROUP_URN, USER_URN
from tests.engine.world import (
    WEAK,
    Client,
    World,
    add,
    group_section,
    memory,
    people,
    refs,
    refused,
    remove,
    swap,
    user_section,
)

MANAGER = f"{ENTERPRISE_URN}:manager"


async def two(world: World, *, shared: bool, weak: bool = False) -> tuple[Client, Client]:
    """Serve two tenants: on one system together, or each on its own."""
    entity = {"without": WEAK, "serialize": True} if weak else {}
    clients = []
    for name in ("acme", "other"):
        backend = "hr" if shared else f"hr-{name}"
        if backend not in world.backends:
            world.backend(backend, memory(people(**entity), entity))
        resources = {"User": user_section(backend=backend), "Group": group_section(backend=backend)}
        clients.append(await world.tenant(name, resources))
    return clients[0], clients[1]


async def _bulk(client: Client, *operations: dict[str, Any]) -> Any:
    """Send a bulk request; raise the error of its last item."""
    item = (await client.send_bulk(*operations))[-1]
    if "response" in item:
        raise ScimError(int(item["status"]), item["response"]["detail"])
    return item


def _one(method: str, path: str, data: Any = None, **given: Any) -> dict[str, Any]:
    found = {"method": method, "path": path, **given}
    return found if data is None else {**found, "data": data}


def _patch(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": [REQUEST_URN], "Operations": list(operations)}


WAYS: dict[str, Callable[[Client, str, str, str, str], Awaitable[Any]]] = {
    "read": lambda c, kind, id, own, group: c.get(kind, id),
    "read if changed": lambda c, kind, id, own, group: c.get(kind, id, if_none_match="*"),
    "replace": lambda c, kind, id, own, group: c.put(kind, id, {"userName": "x", "displayName": "x"}),
    "replace any version": lambda c, kind, id, own, group: c.put(kind, id, {"userName": "x"}, if_match="*"),
    "patch": lambda c, kind, id, own, group: c.patch(kind, id, swap("externalId", "x")),
    "patch slowly": lambda c, kind, id, own, group: c.patch(kind, id, swap("externalId", "x"), if_match="*"),
    "deactivate": lambda c, kind, id, own, group: c.patch("User", id, swap("active", False)),
    "members": lambda c, kind, id, own, group: c.patch("Group", id, add("members", refs(own))),
    "delete": lambda c, kind, id, own, group: c.delete(kind, id),
    "delete any version": lambda c, kind, id, own, group: c.delete(kind, id, if_match="*"),
    "bulk put": lambda c, kind, id, own, group: _bulk(
        c, _one("PUT", f"/{kind}s/{id}", {"schemas": [USER_URN], "userName": "x"})
    ),
    "bulk patch": lambda c, kind, id, own, group: _bulk(
        c, _one("PATCH", f"/{kind}s/{id}", _patch(swap("externalId", "x")))
    ),
    "bulk delete": lambda c, kind, id, own, group: _bulk(c, _one("DELETE", f"/{kind}s/{id}")),
}
"""Ways to get at a resource by its id: each must be 404."""

REFERENCES: dict[str, Callable[[Client, str, str, str], Awaitable[Any]]] = {
    "new member": lambda c, id, own, group: c.patch("Group", group, add("members", refs(id))),
    "members anew": lambda c, id, own, group: c.patch("Group", group, swap("members", refs(own, id))),
    "members replaced": lambda c, id, own, group: c.put("Group", group, {"displayName": "G", "members": refs(id)}),
    "group with it": lambda c, id, own, group: c.post("Group", {"displayName": "H", "members": refs(id)}),
    "manager": lambda c, id, own, group: c.patch("User", own, swap(f"{MANAGER}.value", id)),
    "manager by $ref": lambda c, id, own, group: c.patch(
        "User", own, swap(MANAGER, {"$ref": f"https://scim.example.com/acme/scim/v2/Users/{id}"})
    ),
    "user with it": lambda c, id, own, group: c.post(
        "User", {"userName": "y", ENTERPRISE_URN: {"manager": {"value": id}}}
    ),
    "bulk member": lambda c, id, own, group: _bulk(
        c, _one("POST", "/Groups", {"schemas": [GROUP_URN], "displayName": "H", "members": refs(id)}, bulkId="g")
    ),
}
"""Ways to refer to a resource: each must be 400, as for an id nobody has."""

LOOKS: dict[str, Callable[[Client, str, str], Awaitable[Any]]] = {
    "by id": lambda c, id, group: c.search("User", filter=f'id eq "{id}"'),
    "by id everywhere": lambda c, id, group: c.search(["User", "Group"], filter=f'id eq "{id}"'),
    "by member": lambda c, id, group: c.search("Group", filter=f'members.value eq "{id}"'),
    "by manager": lambda c, id, group: c.search("User", filter=f'{MANAGER} eq "{id}"'),
    "by group": lambda c, id, group: c.search("User", filter=f'groups.value eq "{id}"'),
    "by external id": lambda c, id, group: c.search("User", filter='externalId eq "x1"'),
    "by kept": lambda c, id, group: c.search("User", filter='nickName eq "Nick"'),
}  # fmt: skip
"""Ways to look for a resource: each must find nothing."""


async def fill(client: Client) -> dict[str, str]:
    ada = await client.user("ada", externalId="x1", nickName="Nick", title="T")
    bob = await client.user("bob", **{ENTERPRISE_URN: {"manager": {"value": ada}}})
    return {"User": ada, "bob": bob, "Group": await client.group("Theirs", ada, bob)}


async def tried(world: World, steps: list[tuple[str, str, str]], *, shared: bool, weak: bool) -> None:
    """Let a tenant try everything on another one's resources, and look that nothing of it worked."""
    mine, theirs = await two(world, shared=shared, weak=weak)
    foreign = await fill(theirs)
    if shared:
        own, group = await mine.user("own"), await mine.group("Mine")
    else:
        own, group = await mine.user("ada"), await mine.group("Mine")
    before = [await theirs.body(kind, foreign[kind]) for kind in ("User", "Group")]
    untouched = [await mine.body("User", own), await mine.body("Group", group)]
    for way, name, kind in steps:
        id = foreign[kind]
        if way == "way":
            place = {"deactivate": "User", "members": "Group"}.get(name, kind)
            asked = WAYS[name](mine, place, id, own, group)
            with pytest.raises(ScimError) as caught:
                await asked
            assert (caught.value.status, id in caught.value.detail) == (404, True), name
            nobody = "2819c223-7f76-853a-8139-8d4e6a0a7e4c"
            with pytest.raises(ScimError) as other:
                await WAYS[name](mine, place, nobody, own, group)
            assert other.value.detail == caught.value.detail.replace(id, nobody)
        elif way == "reference":
            with pytest.raises(ScimError) as caught:
                await REFERENCES[name](mine, id, own, group)
            assert caught.value.status == 400, name
        else:
            assert (await LOOKS[name](mine, id, group))["totalResults"] == 0, name
        assert (await mine.patch("Group", group, remove("members", value=refs(id)))).status == 204
    assert [await theirs.body(kind, foreign[kind]) for kind in ("User", "Group")] == before
    assert [await mine.body("User", own), await mine.body("Group", group)] == untouched


STEPS = [
    *(("way", name, kind) for name in WAYS for kind in ("User", "Group")),
    *(("reference", name, kind) for name in REFERENCES for kind in ("User", "Group")),
    *(("look", name, "User") for name in LOOKS),
]


@pytest.mark.parametrize("weak", [False, True], ids=["able", "weak"])
@pytest.mark.parametrize("shared", [False, True], ids=["apart", "shared"])
async def test_another_tenant_s_resources_are_not_there(world: World, shared: bool, weak: bool) -> None:
    """Every verb, every reference and every look-up with another tenant's ids: as if nobody had them (X10, H15)."""
    steps = [step for step in STEPS if not (shared and step[0] == "look" and step[1] in ("by kept", "by external id"))]
    await tried(world, steps, shared=shared, weak=weak)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=8), weak=st.booleans())
def test_no_series_of_attempts_gets_through(steps: list[tuple[str, str, str]], weak: bool) -> None:
    """In whatever order it is tried, and however caches are filled by it (promise 7)."""

    async def run() -> None:
        with TemporaryDirectory() as folder:
            async with connect(f"sqlite:///{Path(folder)}/gateway.db", id_key=b"k" * 32) as identities:
                await tried(World(identities), steps, shared=False, weak=weak)

    asyncio.run(run())


async def test_one_account_has_another_id_in_each_tenant(world: World) -> None:
    """Two tenants of one system meet the same account under different ids, which mean nothing to each other (S5)."""
    mine, theirs = await two(world, shared=True)
    id = await mine.user("ada", externalId="x1", nickName="Mine")
    (other,) = (await theirs.search("User"))["Resources"]
    assert other["id"] != id
    assert (other["userName"], other.get("externalId"), other.get("nickName")) == ("ada", None, None)
    with refused(404):
        await theirs.get("User", id)
    with refused(409, "uniqueness"):
        await theirs.post("User", {"userName": "ADA", "externalId": "x1"})
    await theirs.patch("User", other["id"], swap("externalId", "x1"), swap("nickName", "Theirs"))
    assert (await mine.body("User", id))["nickName"] == "Mine"
    assert await theirs.found('externalId eq "x1"') == [other["id"]]


async def test_a_cursor_is_good_for_one_tenant_and_one_caller(world: World) -> None:
    """Another tenant's cursor, or another credential's: invalidCursor, in the same words as a forged one (N8)."""
    mine, theirs = await two(world, shared=True)
    for number in range(4):
        await mine.user(f"u{number}")
    cursor = (await mine.search("User", cursor="", count=2))["nextCursor"]
    details = set()
    for client, given_cursor, caller in ((theirs, cursor, "key"), (mine, cursor, "other"), (mine, "A" * 100, "key")):
        with refused(400, "invalidCursor") as caught:
            await client.search("User", cursor=given_cursor, caller=caller)
        details.add(caught.value.detail)
    assert len(details) == 1
    assert (await mine.search("User", cursor=cursor))["itemsPerPage"] == 2


async def test_the_lock_of_a_name_is_shared_by_the_tenants_of_a_system(world: World) -> None:
    """Two tenants create the same login in one system at once: one 201, one 409 (H2)."""
    mine, theirs = await two(world, shared=True)
    found = await asyncio.gather(
        mine.post("User", {"userName": "ada"}), theirs.post("User", {"userName": "Ada"}), return_exceptions=True
    )
    assert sorted(one.status for one in found) == [201, 409]  # type: ignore[union-attr]


async def test_types_do_not_share_ids(world: World) -> None:
    """A user's id at /Groups is 404, and the other way round (S5, H15)."""
    mine, _ = await two(world, shared=False)
    ada, group = await mine.user("ada"), await mine.group("G")
    for kind, id in (("Group", ada), ("User", group)):
        with refused(404):
            await mine.get(kind, id)
        with refused(404):
            await mine.delete(kind, id)
        with refused(404):
            await mine.patch(kind, id, swap("externalId", "x"))
