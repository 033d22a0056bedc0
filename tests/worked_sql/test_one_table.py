"""The worked file for users and groups in one table, on SQLite: two clients' lives, and each wart its comment names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.backends.sql.databases import Maker
from tests.worked_sql.sites import Site, group, member, serving, user

PREFS = '{ "pages": {"size": 50.0}, "mail": "ana@example.com", "beta": [1, 2] }'
SEED = [
    (1, "U", "ana", "Ana Lima", PREFS, None, 1),
    (2, "U", "bo", "Bo Ek", None, "20260102030405", 1),
    (3, "G", "staff", "All staff", None, None, 1),
    (4, "G", "ana", "A group named like somebody", None, None, 1),
    (5, "S", "backup", "Nightly backup", None, None, 1),
]
HELD = [(3, 1, "U", "by hand"), (3, 4, "G", None), (3, 5, "S", "by hand")]


@pytest.fixture
async def site(make_database: Maker, tmp_path: Path) -> AsyncIterator[Site]:
    """The file served, on the rows the application made."""
    async with serving("sql-one-table", make_database, tmp_path) as one:
        yield one


def principals(site: Site, where: str = "1 = 1") -> list[tuple[object, ...]]:
    return site.rows(f"SELECT id, kind, name, label, prefs, locked, rev FROM principal WHERE {where} ORDER BY id")


def held(site: Site) -> list[tuple[object, ...]]:
    return site.rows("SELECT holder, held, kind, note FROM holds ORDER BY holder, held")


async def test_what_the_application_made_is_listed_filtered_and_paged(site: Site) -> None:
    """Users and groups of one table are two collections; their names, mails and locks are found by filters, page by
    page, and service accounts are in neither (F1, L1)."""
    users = await site.done("GET", "/Users?count=1&startIndex=1")
    assert (users["totalResults"], users["itemsPerPage"]) == (2, 1)
    second = await site.done("GET", "/Users?count=1&startIndex=2")
    names = [one["userName"] for one in (*users["Resources"], *second["Resources"])]
    assert names == ["ana", "bo"]
    ana = await site.one("/Users", 'userName eq "ANA"')
    assert (ana["displayName"], ana["active"]) == ("Ana Lima", True)
    assert [(mail["value"], mail["type"]) for mail in ana["emails"]] == [("ana@example.com", "work")]
    assert [one["userName"] for one in await site.find("/Users", "active eq false")] == ["bo"]
    assert [one["userName"] for one in await site.find("/Users", 'emails.value eq "ana@example.com"')] == ["ana"]
    groups = await site.done("GET", "/Groups")
    assert [one["displayName"] for one in groups["Resources"]] == ["staff", "ana"]
    assert (principals(site), held(site)) == (SEED, HELD), "reading wrote"


async def test_an_entra_life(make_database: Maker, tmp_path: Path) -> None:
    """Look up, create, patch with capitals and text booleans, join, leave, lock, delete: each step is in the tables."""
    async with serving("sql-one-table", make_database, tmp_path, "entra") as site:
        assert await site.find("/Users", 'userName eq "eva@example.com"') == []
        mails = [{"value": "eva@example.com", "type": "work", "primary": True}]
        eva = await site.done("POST", "/Users", user("Eva@example.com", displayName="Eva", emails=mails))
        assert (eva["userName"], eva["active"]) == ("Eva@example.com", True)
        assert principals(site, "id = 6") == [(6, "U", "eva@example.com", "Eva", '{"mail":"eva@example.com"}', None, 1)]
        assert (await site.one("/Users", 'userName eq "eva@example.com"'))["id"] == eva["id"]
        path = f"/Users/{eva['id']}"
        await site.patch(
            path,
            {"op": "Replace", "path": "displayName", "value": "Eva Long"},
            {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "e.long@example.com"},
        )
        assert principals(site, "id = 6")[0][3:5] == ("Eva Long", '{"mail":"e.long@example.com"}')
        team = await site.done("POST", "/Groups", {"displayName": "Sales", "schemas": group("x")["schemas"]})
        assert principals(site, "id = 7") == [(7, "G", "Sales", None, None, None, 1)]
        await site.patch(f"/Groups/{team['id']}", member("Add", eva["id"]))
        assert held(site) == [*HELD, (7, 6, "U", None)]
        assert [one["value"] for one in (await site.done("GET", path))["groups"]] == [team["id"]]
        await site.patch(path, {"op": "Replace", "path": "active", "value": "False"})
        ((locked,),) = site.rows("SELECT locked FROM principal WHERE id = 6")
        assert len(str(locked)) == 14
        assert str(locked).isdigit()
        assert (await site.done("GET", path))["active"] is False
        await site.patch(path, {"op": "Replace", "path": "active", "value": "True"})
        assert site.rows("SELECT locked FROM principal WHERE id = 6") == [(None,)]
        await site.patch(f"/Groups/{team['id']}", member("Remove", eva["id"]))
        assert held(site) == HELD
        await site.done("DELETE", path)
        await site.done("DELETE", f"/Groups/{team['id']}")
        assert (principals(site), held(site)) == (SEED, HELD)


async def test_an_okta_life(make_database: Maker, tmp_path: Path) -> None:
    """Look up, create, replace, lock without a path, a group with its members, rename it, delete."""
    async with serving("sql-one-table", make_database, tmp_path, "okta") as site:
        assert await site.find("/Users", 'userName eq "kim@example.com"') == []
        kim = await site.done("POST", "/Users", user("kim@example.com", displayName="Kim"))
        path = f"/Users/{kim['id']}"
        await site.done("PUT", path, {**kim, "displayName": "Kim Roe"})
        assert principals(site, "id = 6") == [(6, "U", "kim@example.com", "Kim Roe", None, None, 2)]
        ana = await site.one("/Users", 'userName eq "ana"')
        team = await site.done("POST", "/Groups", group("A", kim["id"]))
        assert held(site) == [*HELD, (7, 6, "U", None)]
        await site.patch(f"/Groups/{team['id']}", member("add", ana["id"]))
        await site.patch(f"/Groups/{team['id']}", {"op": "remove", "path": f'members[value eq "{kim["id"]}"]'})
        assert held(site) == [*HELD, (7, 1, "U", None)]
        await site.patch(f"/Groups/{team['id']}", {"op": "replace", "value": {"id": team["id"], "displayName": "B"}})
        assert site.rows("SELECT name FROM principal WHERE id = 7") == [("B",)]
        await site.patch(path, {"op": "replace", "value": {"active": False}})
        assert site.rows("SELECT COUNT(*) FROM principal WHERE id = 6 AND LENGTH(locked) = 14") == [(1,)]
        await site.done("DELETE", f"/Groups/{team['id']}")
        await site.done("DELETE", path)
        assert (principals(site), held(site)) == (SEED, HELD)


async def test_a_name_is_taken_within_its_kind_only(site: Site) -> None:
    """A user may be named like a group or a service account, and not like a user in other letters (C2)."""
    await site.done("POST", "/Users", user("staff"))
    await site.done("POST", "/Groups", group("bo"))
    await site.done("POST", "/Users", user("backup"))
    assert await site.refused("POST", "/Users", user("ANA")) == (409, "uniqueness")
    assert await site.refused("POST", "/Groups", group("staff")) == (409, "uniqueness")
    assert principals(site)[:5] == SEED
    assert [row[1:3] for row in principals(site)[5:]] == [("U", "staff"), ("G", "bo"), ("U", "backup")]


async def test_the_third_kind_does_not_exist(site: Site) -> None:
    """A service account is in no list and no group, cannot be found, and stays in its group when everybody goes."""
    assert await site.find("/Users", 'userName eq "backup"') == []
    assert await site.find("/Groups", 'displayName eq "backup"') == []
    staff = await site.one("/Groups", 'displayName eq "staff"')
    assert [one["type"] for one in staff["members"]] == ["User", "Group"]
    await site.patch(f"/Groups/{staff['id']}", {"op": "remove", "path": "members"})
    assert held(site) == [(3, 5, "S", "by hand")]
    assert principals(site, "id = 5") == SEED[4:]
    # The group goes as a whole, with what it holds of a kind nobody sees.
    await site.done("DELETE", f"/Groups/{staff['id']}")
    assert held(site) == []
    assert principals(site, "id = 5") == SEED[4:]


async def test_groups_nest(site: Site) -> None:
    """What a group holds is told apart: users and groups come and go each by their own rows, notes stay."""
    staff = await site.one("/Groups", 'displayName eq "staff"')
    bo = await site.one("/Users", 'userName eq "bo"')
    inner = await site.done("POST", "/Groups", group("Inner", bo["id"]))
    await site.patch(f"/Groups/{staff['id']}", member("add", bo["id"], inner["id"]))
    assert held(site) == [
        (3, 1, "U", "by hand"), (3, 2, "U", None), (3, 4, "G", None), (3, 5, "S", "by hand"), (3, 6, "G", None),
        (6, 2, "U", None),
    ]  # fmt: skip
    seen = await site.done("GET", f"/Groups/{staff['id']}")
    assert {one["value"]: one["type"] for one in seen["members"]}[inner["id"]] == "Group"
    assert [one["id"] for one in await site.find("/Groups", f'members.value eq "{inner["id"]}"')] == [staff["id"]]
    await site.patch(f"/Groups/{staff['id']}", member("remove", inner["id"]))
    # Whoever is held elsewhere can be deleted: the rows that hold them go too.
    await site.done("DELETE", f"/Groups/{inner['id']}")
    await site.done("DELETE", f"/Users/{bo['id']}")
    assert held(site) == HELD


async def test_the_rest_of_the_map_stays_letter_for_letter(site: Site) -> None:
    """The mail address is changed, removed and added inside the application's map; blanks, numbers and order stay."""
    ana = await site.one("/Users", 'userName eq "ana"')
    path = f"/Users/{ana['id']}"

    async def put(op: str, value: str | None = None) -> str:
        step = {"op": op, "path": 'emails[type eq "work"].value', **({} if value is None else {"value": value})}
        await site.patch(path, step)
        ((prefs,),) = site.rows("SELECT prefs FROM principal WHERE id = 1")
        return str(prefs)

    assert await put("replace", "a@example.com") == PREFS.replace("ana@", "a@")
    assert await put("remove") == '{ "pages": {"size": 50.0}, "beta": [1, 2] }'
    again = await put("add", "ana@example.org")
    assert again.startswith('{ "pages": {"size": 50.0}, "beta": [1, 2]')
    assert '"ana@example.org"' in again
    # What is no map is shown as empty, and not written over.
    site.rows("UPDATE principal SET prefs = '{broken' WHERE id = 1")
    assert "emails" not in await site.done("GET", path)
    step = {"op": "add", "path": 'emails[type eq "work"].value', "value": "ana@example.net"}
    assert (await site.refused("PATCH", path, [step]))[0] == 400
    assert site.rows("SELECT prefs FROM principal WHERE id = 1") == [("{broken",)]


async def test_a_moment_that_already_locks_stays(site: Site) -> None:
    """Who is locked already is locked since the moment the application wrote; unlocking empties it."""
    bo = await site.one("/Users", 'userName eq "bo"')
    await site.patch(f"/Users/{bo['id']}", {"op": "replace", "path": "active", "value": False})
    assert principals(site, "id = 2") == [SEED[1]]
    await site.patch(f"/Users/{bo['id']}", {"op": "replace", "path": "active", "value": True})
    assert principals(site, "id = 2") == [(2, "U", "bo", "Bo Ek", None, None, 2)]


async def test_a_change_by_somebody_else_is_noticed(site: Site) -> None:
    """The revision moves with each change; a client that saw an older state is refused, and one that did not say what
    it saw changes what is there now (E6)."""
    ana = await site.one("/Users", 'userName eq "ana"')
    path, etag = f"/Users/{ana['id']}", ana["meta"]["version"]
    site.rows("UPDATE principal SET label = 'By hand', rev = rev + 1 WHERE id = 1")
    body = {**ana, "displayName": "Late"}
    status, _ = await site.send("PUT", path, body, {"If-Match": etag})
    assert status == 412
    assert principals(site, "id = 1")[0][3::3] == ("By hand", 2)
    await site.patch(path, {"op": "replace", "path": "displayName", "value": "In time"})
    assert principals(site, "id = 1")[0][3::3] == ("In time", 3)
