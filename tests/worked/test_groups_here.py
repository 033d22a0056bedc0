"""The worked file for people in a table and groups with the gateway: two clients' lives, and each point its comment
names."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.worked.lives import GROUP, USER, Client
from tests.worked.serving import CONFIG, served

SEED = [(1, "ines", "Ines Roa", "ines@example.com", "N"), (2, "olaf", "Olaf Berg", None, "J")]
DEVICE = "urn:example:params:scim:schemas:Device"


@dataclass(slots=True)
class Site:
    """The gateway in front, and the old table behind it."""

    client: Client
    file: Path

    async def done(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Send a request that must succeed; give the document."""
        status, found = await self.client.send(method, path, body, **query)
        assert 200 <= status < 300, (method, path, status, found)
        return found

    async def refused(self, method: str, path: str, body: Any = None) -> tuple[int, str | None]:
        """Send a request that must fail; give status and type of the error."""
        status, found = await self.client.send(method, path, body)
        assert status >= 400, found
        return status, found.get("scimType")

    async def patch(self, path: str, *operations: Mapping[str, Any]) -> Any:
        return await self.client.patch(path, *operations)

    async def find(self, path: str, condition: str) -> list[Any]:
        return await self.client.found(path, condition)

    async def one(self, path: str, condition: str) -> Any:
        (found,) = await self.find(path, condition)
        return found

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Look into the old table, past the gateway."""
        return run(self.file, statement)


def run(file: Path, statement: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(file)
    try:
        with connection:
            return connection.execute(statement).fetchall()
    finally:
        connection.close()


@asynccontextmanager
async def serving(folder: Path, client: str) -> AsyncIterator[Site]:
    """Fill the old table, and serve the file as it is, for one kind of client."""
    file = folder / "club.db"
    connection = sqlite3.connect(file)
    connection.executescript((CONFIG / "legacy" / "groups-here.sql").read_text(encoding="utf-8"))
    connection.close()
    environment = {"SCIM_STORE": "sqlite://", "CLUB_DATABASE": f"sqlite:///{file}"}
    async with served("groups-here.yaml", folder, client, environment=environment, settings={}) as one:
        yield Site(one, file)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """The file served, on the rows the application made."""
    async with serving(tmp_path, "default") as one:
        yield one


def user(login: str, **more: Any) -> dict[str, Any]:
    return {"schemas": [USER], "userName": login, "active": True, **more}


def group(name: str, *members: str) -> dict[str, Any]:
    return {"schemas": [GROUP], "displayName": name, "members": [{"value": member} for member in members]}


def member(op: str, *ids: str) -> dict[str, Any]:
    return {"op": op, "path": "members", "value": [{"value": one} for one in ids]}


def people(site: Site) -> list[tuple[object, ...]]:
    return site.rows("SELECT MEMBER_NO, LOGIN, FULL_NAME, MAIL, ENDED FROM CLUB_MEMBER ORDER BY MEMBER_NO")


class Store:
    """The gateway's own tables, looked into without it."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "gateway.db"

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        return run(self._file, statement)

    def groups(self) -> dict[str, set[str]]:
        """Give the ids in each group, by the group's name."""
        names = dict(self.run("SELECT key, value FROM scim_resident_text WHERE field = 'displayName'"))
        found: dict[str, set[str]] = {name: set() for name in names.values()}
        for key, value in self.run("SELECT key, value FROM scim_resident_list WHERE field = 'members'"):
            found[names[key]].add(value)
        return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


async def test_an_entra_life(tmp_path: Path, store: Store) -> None:
    """Look up, create, join, rename the group, leave, switch off, delete: each step is in the table or in the store."""
    async with serving(tmp_path, "entra") as site:
        assert await site.find("/Users", 'userName eq "eva@example.com"') == []
        eva = await site.done("POST", "/Users", user("Eva@example.com", displayName="Eva", title="Boss"))
        assert people(site) == [*SEED, (3, "eva@example.com", "Eva", None, "N")]
        assert await site.find("/Groups", 'displayName eq "Sales"') == []
        made = {**group("Sales"), "externalId": "g-1"}
        made.pop("members")
        team = await site.done("POST", "/Groups", made)
        path = f"/Groups/{team['id']}"
        ines = await site.one("/Users", 'userName eq "ines"')
        for one in (eva, ines):
            await site.patch(path, member("Add", one["id"]))
        assert store.groups() == {"Sales": {eva["id"], ines["id"]}}
        await site.patch(path, member("Remove", ines["id"]))
        await site.patch(path, {"op": "Replace", "path": "displayName", "value": "Sales EU"})
        assert store.groups() == {"Sales EU": {eva["id"]}}
        found = await site.done("GET", "/Groups", excludedAttributes="members", filter='externalId eq "g-1"')
        assert [(one["displayName"], "members" in one) for one in found["Resources"]] == [("Sales EU", False)]
        await site.patch(f"/Users/{eva['id']}", {"op": "Replace", "path": "active", "value": "False"})
        assert people(site)[2][4] == "J"
        await site.done("DELETE", f"/Users/{eva['id']}")
        assert (people(site), store.groups()) == (SEED, {"Sales EU": set()})
        await site.done("DELETE", path)
        assert (store.groups(), store.run("SELECT * FROM scim_resident")) == ({}, [])


async def test_an_okta_life(tmp_path: Path, store: Store) -> None:
    """A group with its members at once, whole replacements, several operations in one patch, a push of everybody."""
    async with serving(tmp_path, "okta") as site:
        kim = await site.done("POST", "/Users", user("kim@example.com", displayName="Kim"))
        ines = await site.one("/Users", 'userName eq "ines"')
        team = await site.done("POST", "/Groups", group("A", kim["id"]))
        path = f"/Groups/{team['id']}"
        assert store.groups() == {"A": {kim["id"]}}
        step = {"op": "remove", "path": f'members[value eq "{kim["id"]}"]'}
        await site.patch(path, step, member("add", ines["id"]))
        assert store.groups() == {"A": {ines["id"]}}
        everybody = [{"value": one["id"], "display": "x"} for one in (kim, ines)]
        await site.patch(path, {"op": "replace", "path": "members", "value": everybody})
        await site.patch(path, {"op": "replace", "value": {"id": team["id"], "displayName": "B"}})
        assert store.groups() == {"B": {kim["id"], ines["id"]}}
        await site.done("PUT", path, {**group("C", kim["id"]), "id": team["id"]})
        assert store.groups() == {"C": {kim["id"]}}
        await site.patch(f"/Users/{kim['id']}", {"op": "replace", "value": {"active": False}})
        await site.done("DELETE", path)
        await site.done("DELETE", f"/Users/{kim['id']}")
        assert (people(site), store.groups()) == (SEED, {})


async def test_the_table_tells_nothing_of_groups(site: Site, store: Store) -> None:
    """Reading people and groups writes nothing into the table, and a user shows no groups nobody can tell."""
    assert (await site.done("GET", "/Groups"))["totalResults"] == 0
    ines = await site.one("/Users", 'userName eq "ines"')
    await site.done("POST", "/Groups", group("Rowers", ines["id"]))
    assert "groups" not in await site.done("GET", f"/Users/{ines['id']}")
    assert people(site) == SEED


async def test_a_leaver_is_in_no_group(site: Site, store: Store) -> None:
    """Deleted, or gone from the table behind the gateway's back: who gets the login or the number is no member."""
    ines = await site.one("/Users", 'userName eq "ines"')
    olaf = await site.one("/Users", 'userName eq "olaf"')
    team = await site.done("POST", "/Groups", group("Rowers", ines["id"], olaf["id"]))
    await site.done("DELETE", f"/Users/{olaf['id']}")
    assert store.groups() == {"Rowers": {ines["id"]}}
    site.rows("DELETE FROM CLUB_MEMBER WHERE LOGIN = 'ines'")
    status, _ = await site.refused("GET", f"/Users/{ines['id']}")
    assert status == 404
    assert store.groups() == {"Rowers": set()}
    site.rows("INSERT INTO CLUB_MEMBER VALUES (1, 'ines', 'Another Ines', NULL, 'N')")
    another = await site.one("/Users", 'userName eq "ines"')
    assert another["id"] != ines["id"]
    assert "members" not in await site.done("GET", f"/Groups/{team['id']}")
    assert await site.find("/Groups", f'members.value eq "{another["id"]}"') == []


async def test_groups_nest_and_show_names(site: Site, store: Store) -> None:
    """A group holds people and groups, each with its type and name; a group that goes is in none."""
    ines = await site.one("/Users", 'userName eq "ines"')
    inner = await site.done("POST", "/Groups", group("Juniors", ines["id"]))
    outer = await site.done("POST", "/Groups", group("All", ines["id"], inner["id"]))
    seen = await site.done("GET", f"/Groups/{outer['id']}")
    assert {(one["type"], one["display"]) for one in seen["members"]} == {("User", "Ines Roa"), ("Group", "Juniors")}
    assert store.groups() == {"Juniors": {ines["id"]}, "All": {ines["id"], inner["id"]}}
    assert [one["displayName"] for one in await site.find("/Groups", f'members.value eq "{inner["id"]}"')] == ["All"]
    await site.done("DELETE", f"/Groups/{inner['id']}")
    assert store.groups() == {"All": {ines["id"]}}


async def test_a_name_is_taken_once(site: Site, store: Store) -> None:
    """A second group of the same name is refused, in whatever letters (H2)."""
    await site.done("POST", "/Groups", group("Rowers"))
    assert await site.refused("POST", "/Groups", group("ROWERS")) == (409, "uniqueness")
    assert store.groups() == {"Rowers": set()}


async def test_devices_go_with_their_owner(site: Site, store: Store) -> None:
    """A device is found by its owner and its serial; when the owner has gone it has none."""
    ines = await site.one("/Users", 'userName eq "ines"')
    body = {"schemas": [DEVICE], "serial": "N-1", "model": "Racing four", "owner": {"value": ines["id"]}}
    made = await site.done("POST", "/Devices", body)
    assert made["owner"]["$ref"].endswith(f"/Users/{ines['id']}")
    assert [one["id"] for one in await site.find("/Devices", f'owner.value eq "{ines["id"]}"')] == [made["id"]]
    assert [one["id"] for one in await site.find("/Devices", 'model sw "racing"')] == [made["id"]]
    assert await site.refused("POST", "/Devices", body) == (409, "uniqueness")
    await site.done("DELETE", f"/Users/{ines['id']}")
    assert "owner" not in await site.done("GET", f"/Devices/{made['id']}")
    assert store.run("SELECT content FROM scim_resident") != []
