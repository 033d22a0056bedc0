"""Resources that live with the gateway beside users of a system: everything works, and is where it should be."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Blueprint
from gateway.settings import SettingsError
from tests.app.conftest import PATCH_URN, USER_URN, Document, Served

GROUP_URN = "urn:ietf:params:scim:schemas:core:2.0:Group"
DEVICE_URN = "urn:example:params:scim:schemas:Device"
GROUP: Document = {"backend": "gateway", "on_delete": "delete"}
DEVICE: Document = {
    "id": DEVICE_URN,
    "name": "Device",
    "attributes": [
        {"name": "serial", "type": "string", "required": True, "uniqueness": "server", "caseExact": True},
        {"name": "displayName", "type": "string"},
        {"name": "weight", "type": "integer", "required": True},
        {
            "name": "owner",
            "type": "complex",
            "subAttributes": [
                {"name": "value", "type": "string"},
                {"name": "$ref", "type": "reference", "referenceTypes": ["User"]},
            ],
        },
    ],
}

Serving = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def living(document: Document) -> Document:
    """Two tenants whose users are in systems, and whose groups and devices live with the gateway."""
    for tenant in document["tenants"].values():
        tenant["resources"]["Group"] = dict(GROUP)
        tenant["schemas"] = [DEVICE]
        tenant["resources"]["Device"] = {**GROUP, "schema": DEVICE_URN}
    return document


@pytest.fixture
async def served(living: Document, serving: Serving) -> AsyncIterator[Served]:
    async with serving(living) as one:
        yield one


@pytest.fixture
def rows(tmp_path: Path) -> Callable[[str], list[tuple[Any, ...]]]:
    """Ask the store's tables behind the gateway's back."""

    def run(statement: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(tmp_path / "gateway.db")
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    return run


Rows = Callable[[str], list[tuple[Any, ...]]]


async def post(served: Served, path: str, body: Document, tenant: str = "acme", status: int = 201) -> Any:
    got, answer, _ = await served.send("POST", tenant, path, body)
    assert got == status, answer
    return answer


async def group(served: Served, name: str, *members: str, tenant: str = "acme", **more: Any) -> Any:
    body = {"schemas": [GROUP_URN], "displayName": name, "members": [{"value": id} for id in members], **more}
    return await post(served, "/Groups", body, tenant)


async def patch(served: Served, path: str, *operations: Document, tenant: str = "acme") -> Any:
    body = {"schemas": [PATCH_URN], "Operations": list(operations)}
    status, answer, _ = await served.send("PATCH", tenant, path, body)
    assert status in (200, 204), answer
    return answer


async def found(served: Served, path: str, tenant: str = "acme") -> list[str]:
    status, answer, _ = await served.send("GET", tenant, path)
    assert status == 200, answer
    assert answer["totalResults"] >= len(answer["Resources"])
    return [one["id"] for one in answer["Resources"]]


def members(body: Any) -> set[str]:
    return {element["value"] for element in body.get("members", ())}


async def test_a_group_is_served_like_any_other(served: Served, rows: Rows) -> None:
    """Created, read, listed, found by what the record has, by what is kept and by members, sorted, paged, replaced,
    changed, versioned and deleted (DESIGN §6)."""
    ada, bob = [(await served.create("acme", login))["id"] for login in ("ada", "bob")]
    made = await group(served, "Staff", ada, externalId="ext-1")
    id = made["id"]
    assert made["members"][0]["$ref"].endswith(f"/Users/{ada}")
    assert made["members"][0]["type"] == "User"
    assert rows("SELECT tenant, entity, content FROM scim_resident") == [("acme", "Group", '{"displayName": "Staff"}')]
    assert rows("SELECT field, value FROM scim_resident_list") == [("members", ada)]
    assert rows("SELECT backend, entity FROM scim_identity WHERE id = '" + id + "'") == [("gateway", "acme/Group")]
    other = (await group(served, "admins", bob, id))["id"]
    for filter, wanted in {
        'displayName eq "STAFF"': [id],
        'displayName sw "sta"': [id],
        'externalId eq "ext-1"': [id],
        f'members.value eq "{bob}"': [other],
        f'members[value eq "{id}"]': [other],
        f'id eq "{id}"': [id],
        "members pr": [id, other],
        'not (displayName eq "staff")': [other],
    }.items():
        assert await found(served, f"/Groups?filter={filter}") == wanted, filter
    assert await found(served, "/Groups?sortBy=displayName") == [other, id]
    assert await found(served, "/Groups?sortBy=displayName&sortOrder=descending&count=1&startIndex=2") == [other]
    status, first, _ = await served.send("GET", "acme", "/Groups?cursor&count=1&excludedAttributes=members")
    assert status == 200
    assert "members" not in first["Resources"][0]
    assert await found(served, f"/Groups?cursor={first['nextCursor']}&count=1&excludedAttributes=members") == [other]
    _, _, headers = await served.send("GET", "acme", f"/Groups/{id}")
    await patch(served, f"/Groups/{id}", {"op": "add", "path": "members", "value": [{"value": bob}]})
    _, body, changed = await served.send("GET", "acme", f"/Groups/{id}")
    assert members(body) == {ada, bob}
    assert changed["ETag"] != headers["ETag"]
    await patch(served, f"/Groups/{id}", {"op": "remove", "path": f'members[value eq "{ada}"]'})
    assert (
        rows(f"SELECT value FROM scim_resident_list WHERE value IN ('{ada}', '{bob}') ORDER BY rowid") == [(bob,)] * 2
    )
    whole = {"schemas": [GROUP_URN], "displayName": "People", "members": [{"value": ada}]}
    status, body, _ = await served.send("PUT", "acme", f"/Groups/{id}", whole)
    assert (status, body["displayName"], members(body)) == (200, "People", {ada})
    assert (await served.send("DELETE", "acme", f"/Groups/{id}"))[0] == 204
    assert (await served.send("GET", "acme", f"/Groups/{id}"))[0] == 404
    _, body, _ = await served.send("GET", "acme", f"/Groups/{other}")
    assert members(body) == {bob}
    assert rows("SELECT count(*) FROM scim_resident") == [(1,)]
    assert rows("SELECT field, value FROM scim_resident_list") == [("members", bob)]


async def test_a_leaver_vanishes_and_never_comes_back(served: Served, rows: Rows) -> None:
    """Who is deleted is in no group any more, in no table either; who gets the login later is in none (R-L3)."""
    ada, bob = [(await served.create("acme", login))["id"] for login in ("ada", "bob")]
    ids = [(await group(served, name, ada, bob))["id"] for name in ("one", "two")]
    assert (await served.send("DELETE", "acme", f"/Users/{ada}"))[0] == 204
    assert rows(f"SELECT count(*) FROM scim_resident_list WHERE value = '{ada}'") == [(0,)]
    again = (await served.create("acme", "ada"))["id"]
    for id in ids:
        _, body, _ = await served.send("GET", "acme", f"/Groups/{id}")
        assert members(body) == {bob}
    assert await found(served, f'/Groups?filter=members.value eq "{again}"') == []


async def test_tenants_have_groups_of_their_own(served: Served) -> None:
    """The same name twice, another tenant's members refused, another tenant's groups not there (X10)."""
    stranger = (await served.create("globex", "eve"))["id"]
    mine, theirs = (await group(served, "Staff"))["id"], (await group(served, "Staff", tenant="globex"))["id"]
    assert await found(served, "/Groups") == [mine]
    assert await found(served, '/Groups?filter=displayName eq "staff"', "globex") == [theirs]
    body = {"schemas": [GROUP_URN], "displayName": "Mixed", "members": [{"value": stranger}]}
    answer = await post(served, "/Groups", body, status=400)
    assert answer["scimType"] == "invalidValue"
    for method in ("GET", "DELETE"):
        assert (await served.send(method, "acme", f"/Groups/{theirs}"))[0] == 404
    operation = {"op": "add", "path": "members", "value": [{"value": theirs}]}
    status, answer, _ = await served.send(
        "PATCH", "acme", f"/Groups/{mine}", {"schemas": [PATCH_URN], "Operations": [operation]}
    )
    assert (status, answer["scimType"]) == (400, "invalidValue")


async def test_a_type_of_ones_own_lives_there_too(served: Served, rows: Rows) -> None:
    """A device with an owner: unique where the schema says so, its reference an id, the rest kept and found."""
    ada = (await served.create("acme", "ada"))["id"]
    device = {"schemas": [DEVICE_URN], "serial": "S1", "weight": 7, "displayName": "Lamp", "owner": {"value": ada}}
    made = await post(served, "/Devices", device)
    assert made["owner"] == {"value": ada, "$ref": made["owner"]["$ref"]}
    assert (await post(served, "/Devices", device, status=409))["scimType"] == "uniqueness"
    lower = await post(served, "/Devices", {**device, "serial": "s1", "owner": None})
    assert await found(served, f'/Devices?filter=owner.value eq "{ada}"') == [made["id"]]
    assert await found(served, "/Devices?filter=weight eq 7") == [made["id"], lower["id"]]
    assert await found(served, '/Devices?filter=serial eq "s1"') == [lower["id"]]
    status, answer, _ = await served.send(
        "PATCH",
        "acme",
        f"/Devices/{lower['id']}",
        {"schemas": [PATCH_URN], "Operations": [{"op": "replace", "path": "serial", "value": "S1"}]},
    )
    assert (status, answer["scimType"]) == (409, "uniqueness")
    await patch(served, f"/Devices/{lower['id']}", {"op": "replace", "path": "owner.value", "value": ada})
    assert (await served.send("DELETE", "acme", f"/Users/{ada}"))[0] == 204
    _, body, _ = await served.send("GET", "acme", f"/Devices/{made['id']}")
    assert "owner" not in body
    assert body["weight"] == 7
    assert await found(served, "/Devices?filter=owner pr") == []
    _, types, _ = await served.send("GET", "acme", "/ResourceTypes")
    assert {one["name"] for one in types["Resources"]} == {"User", "Group", "Device"}


async def test_a_name_may_be_made_unique(living: Document, serving: Serving) -> None:
    """Without more a second group of one name is another group; with an override it is a conflict, in any case (H2)."""
    living["tenants"]["acme"]["resources"]["Group"]["overrides"] = {"displayName": {"uniqueness": "server"}}
    async with serving(living) as served:
        first = await group(served, "Staff")
        await post(served, "/Groups", {"schemas": [GROUP_URN], "displayName": "STAFF"}, status=409)
        other = await group(served, "Other")
        status, answer, _ = await served.send(
            "PATCH",
            "acme",
            f"/Groups/{other['id']}",
            {"schemas": [PATCH_URN], "Operations": [{"op": "replace", "path": "displayName", "value": "staff"}]},
        )
        assert (status, answer["scimType"]) == (409, "uniqueness")
        assert (await served.send("DELETE", "acme", f"/Groups/{first['id']}"))[0] == 204
        await group(served, "staff")
        await group(served, "Staff", tenant="globex")
        await group(served, "Staff", tenant="globex")


async def test_users_can_live_there_as_well(document: Document, serving: Serving, rows: Rows) -> None:
    """A tenant without any system: passwords are nowhere, a new account is active, a manager is an id."""
    document["backends"] = {}
    acme = document["tenants"].pop("globex") and document["tenants"]["acme"]
    acme["resources"] = {"User": dict(GROUP), "Group": dict(GROUP)}
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    async with serving(document) as served:
        boss = await post(served, "/Users", {"schemas": [USER_URN], "userName": "boss", "password": "s3cret-word"})
        assert boss["active"] is True
        body = {
            "schemas": [USER_URN, enterprise],
            "userName": "ada",
            "active": False,
            "emails": [{"value": "ada@example.com", "type": "work", "primary": True}],
            enterprise: {"manager": {"value": boss["id"]}, "department": "R&D"},
        }
        ada = await post(served, "/Users", body)
        assert ada["emails"] == body["emails"]
        assert ada[enterprise]["manager"]["value"] == boss["id"]
        assert await found(served, "/Users?filter=active eq false") == [ada["id"]]
        assert await found(served, '/Users?filter=emails.value eq "ADA@example.com"') == [ada["id"]]
        assert await found(served, f'/Users?filter={enterprise}:manager.value eq "{boss["id"]}"') == [ada["id"]]
        await post(served, "/Users", {"schemas": [USER_URN], "userName": "ADA"}, status=409)
        await patch(served, f"/Users/{ada['id']}", {"op": "replace", "path": "active", "value": True})
        assert await found(served, "/Users?filter=active eq true&sortBy=userName") == [ada["id"], boss["id"]]
        await group(served, "Staff", ada["id"], boss["id"])
    for table in ("scim_resident", "scim_resident_text", "scim_identity", "scim_held"):
        assert "s3cret-word" not in str(rows(f"SELECT * FROM {table}")), table


async def test_it_is_all_there_after_a_restart(living: Document, serving: Serving) -> None:
    """Groups, members and ids outlive the process."""
    # The users' system is in memory: the groups hold each other.
    async with serving(living) as served:
        inner = (await group(served, "Inner"))["id"]
        outer = (await group(served, "Outer", inner))["id"]
    async with serving(living) as served:
        _, body, _ = await served.send("GET", "acme", f"/Groups/{outer}")
        assert members(body) == {inner}


async def test_without_the_store_it_is_unavailable(living: Document, serving: Serving) -> None:
    """A store that fails is 503 with Retry-After, and nothing else."""
    async with serving(living) as served:
        id = (await group(served, "Staff"))["id"]
        await served.running.gateway.identities.database.stop()
        for method, path in (("GET", f"/Groups/{id}"), ("GET", "/Groups"), ("DELETE", f"/Groups/{id}")):
            status, _, headers = await served.send(method, "acme", path)
            assert status == 503
            assert int(headers["Retry-After"]) > 0


WRONG: dict[str, tuple[Document, str]] = {
    "an entity": ({"entity": "groups"}, "entity: means nothing here"),
    "a place": ({"attributes": {"displayName": "title"}}, "the gateway keeps this as it is sent"),
    "a field": ({"attributes": {"members.value": {"field": "who", "reference": "User"}}}, "write `field: members`"),
    "a key": (
        {"attributes": {"members.value": {"field": "members", "reference": "User", "by": "login"}}},
        "holds the ids of what is referred to",
    ),
    "no attribute": ({"attributes": {"memebrs.value": {"field": "members", "reference": "User"}}}, "has no attribute"),
    "dropping": ({"unmapped": "drop"}, "is kept whole"),
    "a mark": ({"on_delete": {"set": {"displayName": "gone"}}}, "needs no mark of the dead"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_makes_no_sense_is_refused_at_its_line(
    living: Document, drawn: Callable[..., Blueprint], case: str
) -> None:
    """Settings that mean nothing for what lives with the gateway are told with file and line."""
    section, reason = WRONG[case]
    living["tenants"]["acme"]["resources"]["Group"].update(section)
    with pytest.raises(SettingsError, match=reason) as caught:
        drawn(living)
    assert "config.yaml:" in str(caught.value)


def test_its_name_is_taken(living: Document, drawn: Callable[..., Blueprint]) -> None:
    """No configured backend is called gateway, and others still need their entity."""
    living["backends"]["gateway"] = living["backends"]["hr"]
    with pytest.raises(SettingsError, match="gateway is the gateway's own store"):
        drawn(living)
    del living["backends"]["gateway"]
    del living["tenants"]["acme"]["resources"]["User"]["entity"]
    with pytest.raises(SettingsError, match=r"User\.entity: is missing"):
        drawn(living)


async def test_every_single_text_is_found_and_sorted_by(living: Document, serving: Serving) -> None:
    """Texts of people who live here are asked of their own fields, in any combination, and the empty sort last."""
    living["tenants"]["acme"]["resources"]["User"] = dict(GROUP)
    async with serving(living) as served:
        ids = {}
        for login, title in (("a", "Boss"), ("b", None), ("c", "aide")):
            body = {"schemas": [USER_URN], "userName": login, **({"title": title} if title else {})}
            ids[login] = (await post(served, "/Users", body))["id"]
        assert await found(served, "/Users?sortBy=title") == [ids["c"], ids["a"], ids["b"]]
        assert await found(served, "/Users?sortBy=title&sortOrder=descending") == [ids["b"], ids["a"], ids["c"]]
        assert await found(served, '/Users?filter=title co "O" or userName eq "B"') == [ids["a"], ids["b"]]
        assert await found(served, "/Users?filter=not (title pr)") == [ids["b"]]


async def test_what_becomes_unique_stays_where_it_is(living: Document, serving: Serving) -> None:
    """A name that is to be unique from now on is still shown where it is there twice, and refused a third time (H2)."""
    async with serving(living) as served:
        ids = [(await group(served, "Twice"))["id"] for _ in range(2)]
        device = {"schemas": [DEVICE_URN], "serial": "S1", "weight": 1, "displayName": "Lamp"}
        lamp = (await post(served, "/Devices", device))["id"]
    for kind in ("Group", "Device"):
        section = living["tenants"]["acme"]["resources"][kind]
        section["overrides"] = {"displayName": {"uniqueness": "server", "required": True}}
    async with serving(living) as served:
        assert await found(served, "/Groups?sortBy=displayName") == ids
        assert await found(served, '/Devices?filter=displayName eq "lamp"') == [lamp]
        await post(served, "/Devices", {**device, "serial": "S2", "displayName": "LAMP"}, status=409)
        await post(served, "/Groups", {"schemas": [GROUP_URN], "displayName": "twice"}, status=409)
