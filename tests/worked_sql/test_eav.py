"""The worked file for a web application that keeps accounts in key/value rows, on MariaDB."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.backends.sql.databases import Maker
from tests.worked_sql.sites import Site, group, member, serving, user

pytestmark = pytest.mark.needs("mariadbd")

PLUGINS = [
    (1, "prefs", 'a:2:{s:4:"lang";s:2:"pt";s:6:"colour";s:4:"blue";}', "no"),
    (1, "wp_dashboard", 'a:1:{s:4:"cols";i:2;}', "no"),
]
MARIA = [
    (1, "enabled", "1", "yes"),
    (1, "first_name", "Maria", "yes"),
    (1, "last_name", "Silva", "yes"),
    (1, "phone_work", "+351 1", "yes"),
]
JOERG = [(2, "enabled", "0", "yes"), (2, "first_name", "Jörg", "yes")]
ACCOUNTS = [
    (1, "maria", "$2y$10$abcdefghijklmnopqrstuv", 1262304000),
    (2, "jörg", "$2y$10$zyxwvutsrqponmlkjihgfe", 1293840000),
]
COUNTS = [(1, 211, "dark"), (2, 3, None)]
TEAMS = [(1, 1, "w")]


@pytest.fixture
async def site(make_database: Maker, tmp_path: Path) -> AsyncIterator[Site]:
    """The file served, on the rows the application made."""
    async with serving("sql-eav", make_database, tmp_path) as one:
        yield one


def accounts(site: Site) -> list[tuple[object, ...]]:
    return site.rows("SELECT id, login, pass, created FROM account ORDER BY id")


def attributes(site: Site, account: int) -> list[tuple[object, ...]]:
    return site.rows(
        f"SELECT account_id, attr, val, autoload FROM account_attr WHERE account_id = {account} ORDER BY attr"
    )


def members(site: Site) -> list[tuple[object, ...]]:
    return site.rows("SELECT team_id, account_id, level FROM team_account ORDER BY team_id, account_id")


def untouched(site: Site) -> None:
    """What the application made is as it was, letter for letter."""
    assert accounts(site)[:2] == ACCOUNTS
    assert attributes(site, 1) == sorted(MARIA + PLUGINS, key=lambda row: str(row[1]))
    assert attributes(site, 2) == JOERG
    assert site.rows("SELECT * FROM account_login_count ORDER BY account_id")[:2] == COUNTS
    assert site.rows("SELECT account_id FROM account_session") == [(1,)]
    assert site.rows("SELECT * FROM team_attr") == [(1, "colour", "red")]


async def test_what_the_application_made_is_listed_filtered_and_paged(site: Site) -> None:
    """Attributes in rows are searched and paged as columns are; a row that is not there is no value (F1, L1, R-L12)."""
    first = await site.done("GET", "/Users?count=1")
    second = await site.done("GET", "/Users?count=1&startIndex=2")
    assert (first["totalResults"], second["totalResults"]) == (2, 2)
    names = [one["userName"] for one in (*first["Resources"], *second["Resources"])]
    assert names == ["maria", "jörg"]
    maria = first["Resources"][0]
    assert maria["name"] == {"givenName": "Maria", "familyName": "Silva"}
    assert maria["active"] is True
    assert [(phone["value"], phone["type"]) for phone in maria["phoneNumbers"]] == [("+351 1", "work")]
    assert "title" not in maria
    joerg = second["Resources"][0]
    assert (joerg["name"], joerg["active"]) == ({"givenName": "Jörg"}, False)
    for condition, found in (
        ('name.familyName eq "silva"', ["maria"]),
        ("active eq false", ["jörg"]),
        ("not (name.familyName pr)", ["jörg"]),
        ('phoneNumbers.value sw "+351"', ["maria"]),
        ("title pr", []),
    ):
        assert [one["userName"] for one in await site.find("/Users", condition)] == found, condition
    seen = await site.done("GET", f"/Users/{maria['id']}")
    assert [one["display"] for one in seen["groups"]] == ["Editors"]
    ordered = await site.done("GET", "/Users?sortBy=name.familyName&sortOrder=descending")
    assert len(ordered["Resources"]) == 2
    untouched(site)


async def test_an_entra_life(make_database: Maker, tmp_path: Path) -> None:
    """Look up, create, change rows, join, leave, disable, delete: each step is in the tables."""
    async with serving("sql-eav", make_database, tmp_path, "entra") as site:
        assert await site.find("/Users", 'userName eq "eva@example.com"') == []
        more = {
            "name": {"givenName": "Eva", "familyName": "Long"},
            "phoneNumbers": [{"value": "+47 1", "type": "work"}],
        }
        eva = await site.done("POST", "/Users", user("Eva@example.com", **more))
        assert accounts(site)[2:] == [(3, "eva@example.com", "!", 0)]
        assert attributes(site, 3) == [
            (3, "enabled", "1", "yes"),
            (3, "first_name", "Eva", "yes"),
            (3, "last_name", "Long", "yes"),
            (3, "phone_work", "+47 1", "yes"),
        ]
        assert site.rows("SELECT * FROM account_login_count WHERE account_id = 3") == [(3, 0, None)]
        path = f"/Users/{eva['id']}"
        await site.patch(
            path,
            {"op": "Add", "path": "title", "value": "Boss"},
            {"op": "Replace", "path": "name.familyName", "value": "Short"},
            {"op": "Remove", "path": 'phoneNumbers[type eq "work"].value'},
        )
        assert attributes(site, 3) == [
            (3, "enabled", "1", "yes"),
            (3, "first_name", "Eva", "yes"),
            (3, "job_title", "Boss", "yes"),
            (3, "last_name", "Short", "yes"),
        ]
        team = await site.done("POST", "/Groups", {"schemas": group("x")["schemas"], "displayName": "Sales"})
        assert site.rows("SELECT name FROM team WHERE id = 2") == [("Sales",)]
        await site.patch(f"/Groups/{team['id']}", member("Add", eva["id"]))
        assert members(site) == [*TEAMS, (2, 3, "r")]
        await site.patch(path, {"op": "Replace", "path": "active", "value": "False"})
        assert attributes(site, 3)[0] == (3, "enabled", "0", "yes")
        await site.patch(f"/Groups/{team['id']}", member("Remove", eva["id"]))
        assert members(site) == TEAMS
        await site.done("DELETE", path)
        await site.done("DELETE", f"/Groups/{team['id']}")
        assert (accounts(site), attributes(site, 3)) == (ACCOUNTS, [])
        assert site.rows("SELECT name FROM team") == [("Editors",)]
        untouched(site)


async def test_an_okta_life(make_database: Maker, tmp_path: Path) -> None:
    """Create, replace, disable without a path, a team with members at once, rename it, delete."""
    async with serving("sql-eav", make_database, tmp_path, "okta") as site:
        assert await site.find("/Users", 'userName eq "kim@example.com"') == []
        kim = await site.done("POST", "/Users", user("kim@example.com", name={"givenName": "Kim"}))
        path = f"/Users/{kim['id']}"
        await site.done("PUT", path, {**kim, "name": {"familyName": "Roe"}, "title": "Clerk"})
        assert [row[1:3] for row in attributes(site, 3)] == [
            ("enabled", "1"), ("job_title", "Clerk"), ("last_name", "Roe")
        ]  # fmt: skip
        maria = await site.one("/Users", 'userName eq "maria"')
        team = await site.done("POST", "/Groups", group("A", kim["id"]))
        await site.patch(f"/Groups/{team['id']}", member("add", maria["id"]))
        assert members(site) == [*TEAMS, (2, 1, "r"), (2, 3, "r")]
        await site.patch(f"/Groups/{team['id']}", {"op": "remove", "path": f'members[value eq "{kim["id"]}"]'})
        assert members(site) == [*TEAMS, (2, 1, "r")]
        await site.patch(f"/Groups/{team['id']}", {"op": "replace", "value": {"id": team["id"], "displayName": "B"}})
        assert site.rows("SELECT name FROM team WHERE id = 2") == [("B",)]
        await site.patch(path, {"op": "replace", "value": {"active": False}})
        assert attributes(site, 3)[0][2] == "0"
        await site.done("DELETE", f"/Groups/{team['id']}")
        await site.done("DELETE", path)
        assert (accounts(site), members(site)) == (ACCOUNTS, TEAMS)
        untouched(site)


async def test_rows_of_plugins_stay(site: Site) -> None:
    """A change of attributes leaves those of plugins and the satellite letter for letter; what is deleted leaves
    nothing behind, sessions and rows of plugins included, in an order the foreign keys allow."""
    maria = await site.one("/Users", 'userName eq "maria"')
    path = f"/Users/{maria['id']}"
    await site.done("PUT", path, {**maria, "name": {"givenName": "Mia"}, "title": "Editor", "phoneNumbers": []})
    mine = [(1, "enabled", "1", "yes"), (1, "first_name", "Mia", "yes"), (1, "job_title", "Editor", "yes")]
    assert attributes(site, 1) == sorted(mine + PLUGINS, key=lambda row: str(row[1]))
    assert site.rows("SELECT * FROM account_login_count ORDER BY account_id") == COUNTS
    assert accounts(site) == ACCOUNTS
    await site.done("DELETE", path)
    assert accounts(site) == ACCOUNTS[1:]
    assert attributes(site, 1) == []
    for table in ("account_session", "team_account", "account_login_count WHERE account_id = 1"):
        assert site.rows(f"SELECT COUNT(*) FROM {table}") == [(0,)], table
    editors = await site.one("/Groups", 'displayName eq "Editors"')
    await site.patch(f"/Groups/{editors['id']}", {"op": "replace", "path": "displayName", "value": "Writers"})
    assert site.rows("SELECT * FROM team_attr") == [(1, "colour", "red")]
    await site.done("DELETE", f"/Groups/{editors['id']}")
    assert site.rows("SELECT COUNT(*) FROM team_attr") == [(0,)]


async def test_letters_that_the_collation_takes_for_equal_are_not(site: Site) -> None:
    """`jorg` is not `jörg`: he is not found by it, and his account is not changed by it. A new one is what the
    database's own unique index says: taken (F6, R-L9)."""
    assert await site.find("/Users", 'userName eq "jorg"') == []
    assert [one["userName"] for one in await site.find("/Users", 'userName eq "JÖRG"')] == ["jörg"]
    assert await site.find("/Users", 'name.givenName eq "Jorg"') == []
    assert [one["userName"] for one in await site.find("/Users", 'not (userName eq "jorg")')] == ["maria", "jörg"]
    assert await site.find("/Users", 'userName sw "jo"') == []
    assert await site.refused("POST", "/Users", user("jorg")) == (409, "uniqueness")
    assert accounts(site) == ACCOUNTS
    # A name that differs from its own by such letters only is another name, and is written.
    joerg = await site.one("/Users", 'userName eq "jörg"')
    await site.patch(f"/Users/{joerg['id']}", {"op": "replace", "path": "name.givenName", "value": "Jorg"})
    assert attributes(site, 2)[1] == (2, "first_name", "Jorg", "yes")


async def test_an_account_without_the_row_is_not_active(site: Site) -> None:
    """Where nobody wrote whether an account is enabled it is not, and the first activation writes the row
    (promise 2)."""
    site.rows("DELETE FROM account_attr WHERE attr = 'enabled'")
    assert len(await site.find("/Users", "active eq false")) == 2
    maria = await site.one("/Users", 'userName eq "maria"')
    assert maria["active"] is False
    await site.patch(f"/Users/{maria['id']}", {"op": "replace", "path": "active", "value": True})
    assert attributes(site, 1)[0] == (1, "enabled", "1", "yes")


async def test_what_is_too_long_is_refused(site: Site) -> None:
    """A login the column cannot hold is refused, with nothing of the account written (P3)."""
    body = user("x" * 61, name={"givenName": "X"})
    assert await site.refused("POST", "/Users", body) == (400, "invalidValue")
    assert (accounts(site), attributes(site, 3)) == (ACCOUNTS, [])
    assert site.rows("SELECT COUNT(*) FROM account_login_count") == [(2,)]
