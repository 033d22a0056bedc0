"""The worked file for an HR database with composite keys and procedures, on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.backends.sql.databases import Maker
from tests.worked_sql.sites import ENTERPRISE, Site, group, member, serving, user

PEOPLE = [
    ("HQ", 1, "B.JONES", "Barbara", "Jones", "A", "terminal", 1),
    ("HQ", 2, "O.KHAN", None, "Khan", "P", "terminal", 1),
    ("NW", 1, "E.LONG", "Eva", "Long", "X", "terminal", 1),
]
MAILS = [("HQ", 1, "work", "b.jones@example.com", "terminal")]
ASSIGNED = [("HQ", 1, "HQ", 1, "terminal")]


@pytest.fixture
async def site(make_database: Maker, tmp_path: Path) -> AsyncIterator[Site]:
    """The file served, on the rows the application made."""
    async with serving("sql-hr", make_database, tmp_path) as one:
        yield one


def people(site: Site, where: str = "TRUE") -> list[tuple[object, ...]]:
    return site.rows(
        "SELECT TRIM(company), emp_no, login, first_name, last_name, status, changed_by, revision FROM hr.person"
        f" WHERE {where} ORDER BY company, emp_no"
    )


def mails(site: Site) -> list[tuple[object, ...]]:
    return site.rows("SELECT TRIM(company), emp_no, kind, address, source FROM hr.mail ORDER BY 1, 2, 4")


def assigned(site: Site) -> list[tuple[object, ...]]:
    return site.rows(
        "SELECT TRIM(unit_company), unit_no, TRIM(person_company), person_no, made_by FROM hr.assignment"
        " ORDER BY 1, 2, 3, 4"
    )


def journal(site: Site) -> list[tuple[object, ...]]:
    return site.rows("SELECT what, whom FROM hr.journal ORDER BY no")


async def test_what_the_application_made_is_listed_filtered_and_paged(site: Site) -> None:
    """People with a key of two columns are listed, found and paged; who has left is not there (F1, L1)."""
    first = await site.done("GET", "/Users?count=1")
    second = await site.done("GET", "/Users?count=1&startIndex=2")
    assert (first["totalResults"], second["totalResults"]) == (2, 2)
    names = [one["userName"] for one in (*first["Resources"], *second["Resources"])]
    assert names == ["B.JONES", "O.KHAN"]
    barbara = await site.one("/Users", 'userName eq "b.jones"')
    assert barbara["name"] == {"givenName": "Barbara", "familyName": "Jones"}
    assert barbara["active"] is True
    assert [(mail["value"], mail["type"]) for mail in barbara["emails"]] == [("b.jones@example.com", "work")]
    assert barbara[ENTERPRISE] == {"organization": "Head Office"}
    assert [one["display"] for one in barbara["groups"]] == ["Accounting"]
    assert [one["userName"] for one in await site.find("/Users", "active eq false")] == ["O.KHAN"]
    for condition in ('emails.value eq "b.jones@example.com"', f'{ENTERPRISE}:organization eq "Head Office"'):
        assert barbara["id"] in [one["id"] for one in await site.find("/Users", condition)]
    units = await site.done("GET", "/Groups?sortBy=displayName")
    assert [one["displayName"] for one in units["Resources"]] == ["Accounting", "Warehouse"]
    assert [one["id"] for one in await site.find("/Groups", f'members.value eq "{barbara["id"]}"')]
    assert (people(site), mails(site), assigned(site), journal(site)) == (PEOPLE, MAILS, ASSIGNED, [])


async def test_an_entra_life(make_database: Maker, tmp_path: Path) -> None:
    """Look up, hire by the procedure, change, assign, suspend by the procedure, leave: each step is in the tables."""
    async with serving("sql-hr", make_database, tmp_path, "entra") as site:
        assert await site.find("/Users", 'userName eq "ann.roe"') == []
        more = {
            "name": {"givenName": "Ann", "familyName": "Roe"},
            "emails": [{"value": "ann@example.com", "type": "work", "primary": True}],
            ENTERPRISE: {"organization": "North West"},
        }
        body = user("Ann.Roe", **more)
        body["schemas"].append(ENTERPRISE)
        ann = await site.done("POST", "/Users", body)
        assert (ann["userName"], ann["active"]) == ("Ann.Roe", True)
        assert people(site, "login LIKE 'ANN%'") == [("NW", 2, "ANN.ROE", "Ann", "Roe", "A", "hire", 1)]
        assert mails(site) == [*MAILS, ("NW", 2, "work", "ann@example.com", "scim")]
        assert site.rows("SELECT TRIM(code), last_no FROM hr.company ORDER BY code") == [("HQ", 2), ("NW", 2)]
        assert journal(site) == [("hire", "NW2")]
        path = f"/Users/{ann['id']}"
        assert (await site.one("/Users", 'userName eq "ann.roe"'))["id"] == ann["id"]
        await site.patch(
            path,
            {"op": "Replace", "path": "name.familyName", "value": "Poe"},
            {"op": "Add", "path": "emails", "value": [{"value": "poe@example.com", "type": "home"}]},
        )
        assert people(site, "login LIKE 'ANN%'")[0][4:] == ("Poe", "A", "hire", 2)
        assert mails(site)[1:] == [
            ("NW", 2, "work", "ann@example.com", "scim"), ("NW", 2, "home", "poe@example.com", "scim")
        ]  # fmt: skip
        unit = await site.done("POST", "/Groups", {"schemas": group("x")["schemas"], "displayName": "Yard"})
        assert site.rows("SELECT TRIM(company), no FROM hr.unit WHERE title = 'Yard'") == [("HQ", 2)]
        await site.patch(f"/Groups/{unit['id']}", member("Add", ann["id"]))
        assert assigned(site) == [*ASSIGNED, ("HQ", 2, "NW", 2, "scim")]
        await site.patch(path, {"op": "Replace", "path": "active", "value": "False"})
        assert people(site, "login LIKE 'ANN%'")[0][5:] == ("S", "set_status", 3)
        assert journal(site)[1:] == [("status S", "NW2")]
        await site.patch(path, {"op": "Replace", "path": "active", "value": "True"})
        await site.patch(f"/Groups/{unit['id']}", member("Remove", ann["id"]))
        assert assigned(site) == ASSIGNED
        await site.done("DELETE", path)
        assert people(site, "login LIKE 'ANN%'")[0][5:] == ("X", "set_status", 5)
        assert (await site.refused("GET", path))[0] == 404
        await site.done("DELETE", f"/Groups/{unit['id']}")
        assert site.rows("SELECT COUNT(*) FROM hr.unit") == [(2,)]
        assert journal(site)[2:] == [("status A", "NW2"), ("status X", "NW2"), ("close", "HQ2")]
        assert people(site)[:3] == PEOPLE


async def test_an_okta_life(make_database: Maker, tmp_path: Path) -> None:
    """Hire without a company, replace, suspend without a path, a unit with members at once, close it."""
    async with serving("sql-hr", make_database, tmp_path, "okta") as site:
        assert await site.find("/Users", 'userName eq "kim@example.com"') == []
        kim = await site.done("POST", "/Users", user("kim@example.com", name={"familyName": "Roe"}))
        assert people(site, "emp_no = 3") == [("HQ", 3, "KIM@EXAMPLE.COM", None, "Roe", "A", "hire", 1)]
        path = f"/Users/{kim['id']}"
        changed = {**kim, "name": {"givenName": "Kim", "familyName": "Moe"}}
        await site.done("PUT", path, changed)
        assert people(site, "emp_no = 3")[0][3:] == ("Kim", "Moe", "A", "hire", 2)
        barbara = await site.one("/Users", 'userName eq "b.jones"')
        unit = await site.done("POST", "/Groups", group("Night shift", kim["id"], barbara["id"]))
        new = [("HQ", 2, "HQ", 1, "scim"), ("HQ", 2, "HQ", 3, "scim")]
        assert assigned(site) == [*ASSIGNED, *new]
        gone = {"op": "remove", "path": f'members[value eq "{barbara["id"]}"]'}
        await site.patch(f"/Groups/{unit['id']}", gone)
        assert assigned(site) == [*ASSIGNED, new[1]]
        rename = {"op": "replace", "value": {"id": unit["id"], "displayName": "Late shift"}}
        await site.patch(f"/Groups/{unit['id']}", rename)
        assert site.rows("SELECT title FROM hr.unit WHERE company = 'HQ' AND no = 2") == [("Late shift",)]
        await site.patch(path, {"op": "replace", "value": {"active": False}})
        assert people(site, "emp_no = 3")[0][5] == "S"
        # The unit goes with whoever is in it still: the procedure sees to that.
        await site.done("DELETE", f"/Groups/{unit['id']}")
        assert assigned(site) == ASSIGNED
        assert journal(site)[-1] == ("close", "HQ2")


async def test_people_of_one_number_in_two_companies_are_two(site: Site) -> None:
    """Number 1 of one company is nobody of another: units, members and searches hold them apart."""
    body = user("n.west", **{ENTERPRISE: {"organization": "North West"}})
    west = await site.done("POST", "/Users", {**body, "schemas": [*body["schemas"], ENTERPRISE]})
    site.rows("UPDATE hr.person SET status = 'A' WHERE login = 'E.LONG'")  # NW|1, as HQ|1 is Barbara
    eva = await site.one("/Users", 'userName eq "e.long"')
    warehouse = await site.one("/Groups", 'displayName eq "Warehouse"')
    await site.patch(f"/Groups/{warehouse['id']}", member("add", eva["id"], west["id"]))
    assert assigned(site) == [*ASSIGNED, ("NW", 1, "NW", 1, "scim"), ("NW", 1, "NW", 2, "scim")]
    accounting = await site.one("/Groups", f'members.value eq "{(await site.one("/Users", BARBARA))["id"]}"')
    assert accounting["displayName"] == "Accounting"
    await site.patch(f"/Groups/{warehouse['id']}", member("remove", eva["id"]))
    assert assigned(site) == [*ASSIGNED, ("NW", 1, "NW", 2, "scim")]
    # Nobody moves to another company, and an unknown one hires nobody.
    step = {"op": "replace", "path": f"{ENTERPRISE}:organization", "value": "Head Office"}
    assert await site.refused("PATCH", f"/Users/{west['id']}", [step]) == (400, "mutability")
    step["value"] = "South"
    assert (await site.refused("PATCH", f"/Users/{west['id']}", [step]))[0] == 400
    assert people(site, "login = 'N.WEST'")[0][:2] == ("NW", 2)


BARBARA = 'userName eq "b.jones"'


async def test_who_has_left_is_not_there_and_keeps_the_login(site: Site) -> None:
    """A leaver is in no list and no search; a create with that login is refused and hires nobody (C2, promise 2)."""
    assert await site.find("/Users", 'userName eq "e.long"') == []
    assert await site.refused("POST", "/Users", user("E.Long", name={"familyName": "Long"})) == (409, "uniqueness")
    assert await site.refused("POST", "/Users", user("b.jones", name={"familyName": "J"})) == (409, "uniqueness")
    assert (people(site), journal(site)) == (PEOPLE, [])
    assert site.rows("SELECT last_no FROM hr.company ORDER BY code") == [(2,), (1,)]


async def test_parental_leave_stays_when_deactivated(site: Site) -> None:
    """Somebody on leave is inactive, and neither loses that status by a deactivation nor by changes of the name."""
    khan = await site.one("/Users", 'userName eq "o.khan"')
    assert khan["active"] is False
    await site.patch(f"/Users/{khan['id']}", {"op": "replace", "path": "active", "value": False})
    assert people(site, "emp_no = 2") == [PEOPLE[1]]
    await site.done("PUT", f"/Users/{khan['id']}", {**khan, "name": {"givenName": "Omar", "familyName": "Khan"}})
    assert people(site, "emp_no = 2") == [("HQ", 2, "O.KHAN", "Omar", "Khan", "P", "terminal", 2)]
    assert journal(site) == []
    await site.patch(f"/Users/{khan['id']}", {"op": "replace", "path": "active", "value": True})
    assert people(site, "emp_no = 2")[0][5:] == ("A", "set_status", 3)


async def test_return_codes_become_errors(site: Site) -> None:
    """What the procedure answers is told as what it means: 8 is a refusal of the value, 4 that nobody is there, and
    what the settings do not explain is no success (E5)."""
    barbara = await site.one("/Users", BARBARA)
    step = {"op": "replace", "path": "active", "value": False}
    for code, expected in ((8, 400), (99, 500), (4, 404)):
        site.rows(
            "CREATE OR REPLACE FUNCTION hr.set_status(in_company CHAR, in_no INTEGER, in_status TEXT) RETURNS INTEGER"
            f" LANGUAGE plpgsql AS $$ BEGIN UPDATE hr.person SET last_name = 'half done'; RETURN {code}; END $$"
        )
        assert (await site.refused("PATCH", f"/Users/{barbara['id']}", [step]))[0] == expected
        assert people(site) == PEOPLE, "what the procedure did before it refused is undone"


async def test_a_procedure_that_fails_leaves_nothing(site: Site) -> None:
    """A create whose mails cannot be written hires nobody: the procedure's work is undone with the rest (P3)."""
    site.rows("ALTER TABLE hr.mail ADD CONSTRAINT own CHECK (address LIKE '%@example.com')")
    mail = {"value": "ann@example.org", "type": "work"}
    body = user("ann.roe", name={"familyName": "Roe"}, emails=[mail])
    assert await site.refused("POST", "/Users", body) == (400, "invalidValue")
    assert (people(site), mails(site), journal(site)) == (PEOPLE, MAILS, [])
    assert site.rows("SELECT last_no FROM hr.company ORDER BY code") == [(2,), (1,)]


async def test_a_change_by_somebody_else_is_noticed(site: Site) -> None:
    """The revision tells that the terminal was faster; who said what they had seen is refused (E6)."""
    barbara = await site.one("/Users", BARBARA)
    path = f"/Users/{barbara['id']}"
    site.rows("UPDATE hr.person SET last_name = 'Smith', revision = revision + 1 WHERE login = 'B.JONES'")
    body = {**barbara, "name": {"givenName": "Barbara", "familyName": "Late"}}
    status, _ = await site.send("PUT", path, body, {"If-Match": barbara["meta"]["version"]})
    assert status == 412
    assert people(site, "login = 'B.JONES'")[0][4::3] == ("Smith", 2)
    await site.patch(path, {"op": "replace", "path": "name.familyName", "value": "Smythe"})
    assert people(site, "login = 'B.JONES'")[0][4::3] == ("Smythe", 3)


async def test_changes_at_once_all_land(site: Site) -> None:
    """Names, mails and assignments of one person changed at the same time are all there, and the revision has moved
    with each change of the person."""
    barbara = await site.one("/Users", BARBARA)
    units = [await site.one("/Groups", 'displayName eq "Warehouse"')]
    units += [await site.done("POST", "/Groups", group(f"Unit {number}")) for number in range(3)]
    path = f"/Users/{barbara['id']}"
    await asyncio.gather(
        site.patch(path, {"op": "replace", "path": "name.givenName", "value": "B."}),
        site.patch(path, {"op": "replace", "path": "name.familyName", "value": "J."}),
        site.patch(path, {"op": "add", "path": "emails", "value": [{"value": "b@example.com", "type": "home"}]}),
        *[site.patch(f"/Groups/{unit['id']}", member("add", barbara["id"])) for unit in units],
    )
    assert people(site, "login = 'B.JONES'") == [("HQ", 1, "B.JONES", "B.", "J.", "A", "terminal", 4)]
    assert mails(site) == [*MAILS, ("HQ", 1, "home", "b@example.com", "scim")]
    assert len(assigned(site)) == 5
