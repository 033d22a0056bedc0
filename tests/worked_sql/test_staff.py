"""The worked file for a staff file in which groups are words in columns, on PostgreSQL."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.backends.sql.databases import Maker
from tests.worked_sql.sites import ENTERPRISE, Site, group, legacy, member, overtaken, serving, user

FILE = [
    (1, "Vera", "VERA", "Vera Moe", "Board", None, "OSL", None, None, [], False, "sheet"),
    (2, "ivo", "IVO", "Ivo Dias", "Sales", "Day", "LIS", 1, None, ["forklift", "first aid"], False, "sheet"),
    (3, "una", "UNA", "Una Berg", "Sales", "Night", None, 2, None, [], False, "sheet"),
    (4, "old", "OLD", None, "Archive", None, None, None, None, [], True, "sheet"),
]
LOCKS = [(2, "AUDIT"), (3, "SCIM")]


@pytest.fixture
async def site(make_database: Maker, tmp_path: Path) -> AsyncIterator[Site]:
    """The file served, on the rows the application made; the copy is the database itself."""
    async with serving("sql-staff", make_database, tmp_path) as one:
        yield one


def rows(site: Site, where: str = "TRUE") -> list[tuple[object, ...]]:
    return site.rows(f'SELECT * FROM staff."Person File" WHERE {where} ORDER BY no')


def locks(site: Site) -> list[tuple[object, ...]]:
    return site.rows("SELECT person, reason FROM staff.lock ORDER BY person, reason")


async def test_what_the_application_made_is_shown(site: Site) -> None:
    """The view's people with towns, superiors, texts of an array and departments; locks of ours tell who is inactive
    (R-L7, R-L15, R-L16)."""
    found = await site.done("GET", "/Users")
    people = {one["userName"]: one for one in found["Resources"]}
    assert {name: one["active"] for name, one in people.items()} == {"Vera": True, "ivo": True, "una": False}
    ivo = people["ivo"]
    assert [one["locality"] for one in ivo["addresses"]] == ["Lisbon"]
    assert sorted(one["value"] for one in ivo["entitlements"]) == ["first aid", "forklift"]
    assert ivo[ENTERPRISE]["manager"]["value"] == people["Vera"]["id"]
    assert ivo[ENTERPRISE]["manager"]["displayName"] == "Vera Moe"
    seen = await site.done("GET", f"/Users/{ivo['id']}")
    groups = {one["displayName"]: one for one in (await site.done("GET", "/Groups"))["Resources"]}
    assert sorted(groups) == ["Board", "Sales"], "the department of somebody who is gone is not there"
    assert [one["value"] for one in seen["groups"]] == [groups["Sales"]["id"]]
    assert len(groups["Sales"]["members"]) == 2
    for condition, names in (
        ('userName eq "VERA"', ["Vera"]),
        ('userName sw "v"', ["Vera"]),
        ("active eq false", ["una"]),
        ('addresses.locality eq "Oslo"', ["Vera"]),
        (f'{ENTERPRISE}:manager.value eq "{people["Vera"]["id"]}"', ["ivo"]),
        (f'groups.value eq "{groups["Sales"]["id"]}"', ["ivo", "una"]),
    ):
        assert [one["userName"] for one in await site.find("/Users", condition)] == names, condition
    assert (rows(site), locks(site)) == (FILE, LOCKS)


@pytest.mark.parametrize("client", ["entra", "okta"])
async def test_a_life(client: str, make_database: Maker, tmp_path: Path) -> None:
    """Look up, create by the sequence, change, move to a department, lock, delete: each step is in the tables."""
    async with serving("sql-staff", make_database, tmp_path, client) as site:
        assert await site.find("/Users", 'userName eq "Eva"') == []
        vera = await site.one("/Users", 'userName eq "vera"')
        more = {
            "displayName": "Eva Long",
            "addresses": [{"type": "work", "locality": "Oslo"}],
            "entitlements": [{"value": "keys"}],
            "x509Certificates": [{"value": base64.b64encode(b"\x00\x01der\xff").decode()}],
            ENTERPRISE: {"manager": {"value": vera["id"]}},
        }
        body = user("Eva", **more)
        eva = await site.done("POST", "/Users", {**body, "schemas": [*body["schemas"], ENTERPRISE]})
        made = (100, "Eva", "EVA", "Eva Long", None, None, "OSL", 1, b"\x00\x01der\xff", ["keys"], False, "scim")
        assert rows(site, "no >= 100") == [made]
        assert eva["x509Certificates"][0]["value"] == base64.b64encode(b"\x00\x01der\xff").decode()
        path = f"/Users/{eva['id']}"
        if client == "entra":
            await site.patch(
                path,
                {"op": "Replace", "path": 'addresses[type eq "work"].locality', "value": "Lisbon"},
                {"op": "Add", "path": "entitlements", "value": [{"value": "van"}]},
                {"op": "Replace", "path": "userName", "value": "eva.l"},
            )
        else:
            changed = {key: value for key, value in eva.items() if key not in ("meta", "groups")}
            changed |= {"addresses": [{"type": "work", "locality": "Lisbon"}], "userName": "eva.l"}
            await site.done("PUT", path, {**changed, "entitlements": [{"value": "keys"}, {"value": "van"}]})
        ((*first, skills, gone, by),) = rows(site, "no >= 100")
        assert first == [100, "eva.l", "EVA.L", "Eva Long", None, None, "LIS", 1, b"\x00\x01der\xff"]
        assert (sorted(skills), gone, by) == (["keys", "van"], False, "scim")  # type: ignore[call-overload]
        sales = await site.one("/Groups", 'displayName eq "Sales"')
        await site.patch(f"/Groups/{sales['id']}", member("Add", eva["id"]))
        assert rows(site, "no >= 100")[0][4] == "Sales"
        assert [row[4] for row in rows(site, "no < 4")] == ["Board", "Sales", "Sales"]
        await site.patch(f"/Groups/{sales['id']}", member("Remove", eva["id"]))
        assert rows(site, "no >= 100")[0][4] is None
        active = {"op": "Replace", "path": "active", "value": "False"}
        await site.patch(path, active if client == "entra" else {"op": "replace", "value": {"active": False}})
        assert locks(site) == [*LOCKS, (100, "SCIM")]
        await site.patch(path, {"op": "replace", "path": "active", "value": True})
        assert locks(site) == LOCKS
        await site.done("DELETE", path)
        assert (rows(site), locks(site)) == (FILE, LOCKS)


async def test_locks_of_others_stay(site: Site) -> None:
    """A lock of the auditors is none of ours: it neither deactivates nor goes when we lock and unlock."""
    ivo = await site.one("/Users", 'userName eq "ivo"')
    await site.patch(f"/Users/{ivo['id']}", {"op": "replace", "path": "active", "value": False})
    assert locks(site) == [(2, "AUDIT"), (2, "SCIM"), (3, "SCIM")]
    await site.patch(f"/Users/{ivo['id']}", {"op": "replace", "path": "active", "value": True})
    assert locks(site) == LOCKS


async def test_who_reports_is_cut_loose_and_cards_go(site: Site) -> None:
    """Deleting a superior deletes key cards and locks, and leaves those who reported without one."""
    ivo = await site.one("/Users", 'userName eq "ivo"')
    await site.done("DELETE", f"/Users/{ivo['id']}")
    assert rows(site) == [FILE[0], (*FILE[2][:7], None, *FILE[2][8:]), FILE[3]]
    assert locks(site) == [(3, "SCIM")]
    assert site.rows("SELECT COUNT(*) FROM staff.key_card") == [(0,)]


async def test_who_is_gone_is_not_there_and_keeps_the_login(site: Site) -> None:
    """A row the view does not show is in no answer; its login is taken all the same, and its row is not changed."""
    assert await site.find("/Users", 'userName eq "old"') == []
    assert await site.refused("POST", "/Users", user("old")) == (409, "uniqueness")
    assert rows(site) == FILE


async def test_a_town_nobody_knows_is_refused(site: Site) -> None:
    """A name the look-up table does not have is no value, and nothing of the change is made (R-L15, P3)."""
    ivo = await site.one("/Users", 'userName eq "ivo"')
    steps = [
        {"op": "replace", "path": "displayName", "value": "X"},
        {"op": "replace", "path": 'addresses[type eq "work"].locality', "value": "Atlantis"},
    ]
    assert await site.refused("PATCH", f"/Users/{ivo['id']}", steps) == (400, "invalidValue")
    assert rows(site) == FILE


async def test_departments_are_neither_made_nor_deleted(site: Site) -> None:
    """A department is there when somebody is in it: it cannot be created or deleted, and the last to leave ends it."""
    board = await site.one("/Groups", 'displayName eq "Board"')
    assert (await site.refused("POST", "/Groups", group("Press")))[0] == 501
    assert await site.refused("DELETE", f"/Groups/{board['id']}") == (403, None)
    assert rows(site) == FILE
    vera = await site.one("/Users", 'userName eq "vera"')
    await site.patch(f"/Groups/{board['id']}", member("remove", vera["id"]))
    assert await site.find("/Groups", 'displayName eq "Board"') == []


async def test_shifts_are_a_list_of_the_file(site: Site) -> None:
    """The other tenant's groups stand in the configuration, one without anybody; members move between them by a word
    in a column, and departments stay."""
    rota = replace(site, url=site.url.replace("/acme/", "/rota/"))
    shifts = {one["displayName"]: one for one in (await rota.done("GET", "/Groups"))["Resources"]}
    assert {name: len(one.get("members", ())) for name, one in shifts.items()} == {"Day": 1, "Night": 1, "Standby": 0}
    ivo = await rota.one("/Users", 'userName eq "ivo"')
    await rota.patch(f"/Groups/{shifts['Standby']['id']}", member("add", ivo["id"]))
    assert [row[5] for row in rows(site)] == [None, "Standby", "Night", None]
    assert [row[4] for row in rows(site)] == ["Board", "Sales", "Sales", "Archive"]
    seen = await rota.done("GET", f"/Users/{ivo['id']}")
    assert [one["value"] for one in seen["groups"]] == [shifts["Standby"]["id"]]
    await rota.patch(f"/Groups/{shifts['Standby']['id']}", member("remove", ivo["id"]))
    assert rows(site)[1] == (*FILE[1][:5], None, *FILE[1][6:])


async def test_a_change_by_somebody_else_is_noticed(site: Site) -> None:
    """Without a column for it all columns are compared: who said what they had seen is refused (E6)."""
    ivo = await site.one("/Users", 'userName eq "ivo"')
    site.rows("""UPDATE staff."Person File" SET "Full Name" = 'By hand' WHERE no = 2""")
    body = {key: value for key, value in ivo.items() if key != "meta"}
    status, _ = await site.send("PUT", f"/Users/{ivo['id']}", body, {"If-Match": ivo["meta"]["version"]})
    assert status == 412
    assert rows(site)[1][3] == "By hand"
    # Even where that happens between the gateway's look and its write.
    ivo = await site.done("GET", f"/Users/{ivo['id']}")
    change = """UPDATE staff."Person File" SET site = 'OSL' WHERE no = 2"""
    body = {**ivo, "displayName": "Late"}
    assert await overtaken(site, f"/Users/{ivo['id']}", body, ivo["meta"]["version"], change) == 412
    assert rows(site)[1][3:7] == ("By hand", "Sales", "Day", "OSL")


async def test_the_copy_answers_searches(make_database: Maker, tmp_path: Path) -> None:
    """Lists come from the copy, single people from where they are written, and after a write lists do too."""
    copy = make_database("postgres")
    copy.source(legacy("sql-staff"))
    copy.run("""UPDATE staff."Person File" SET "Full Name" = 'As copied' WHERE no = 1""")
    async with serving("sql-staff", make_database, tmp_path, STAFF_COPY_DATABASE=copy.url) as site:
        (vera, *_) = (await site.done("GET", "/Users"))["Resources"]
        assert vera["displayName"] == "As copied"
        assert (await site.done("GET", f"/Users/{vera['id']}"))["displayName"] == "Vera Moe"
        await site.patch(f"/Users/{vera['id']}", {"op": "replace", "path": "displayName", "value": "V. Moe"})
        (vera, *_) = (await site.done("GET", "/Users"))["Resources"]
        assert vera["displayName"] == "V. Moe"
