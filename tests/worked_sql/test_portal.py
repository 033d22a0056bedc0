"""The worked file for a PHP portal whose columns hold lists and maps, on MariaDB."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.backends.sql.databases import Maker
from tests.worked_sql.sites import Site, group, member, overtaken, serving, user

pytestmark = pytest.mark.needs("mariadbd")

PROFILE = (
    'a:3:{s:7:"contact";a:2:{s:3:"tel";s:5:"+47 1";s:3:"fax";s:5:"+47 2";}s:4:"lang";s:2:"pt";'
    's:4:"seen";d:0.10000000000000001;}'
)
ANA = ("ana", "Ana", "Lima", "Lima, Ana", "$S$Dabc", "press,editor", PROFILE, 1262304000)
BO = ("bo", "Bo", "Ek", "Ek, Bo", "$S$Dxyz", None, None, 1293840000)
IN = [(1, 1), (1, 2), (2, 2), (3, 1)]


@pytest.fixture
async def site(make_database: Maker, tmp_path: Path) -> AsyncIterator[Site]:
    """The file served, on the rows the application made."""
    async with serving("sql-portal", make_database, tmp_path) as one:
        yield one


def users(site: Site) -> list[tuple[object, ...]]:
    return site.rows("SELECT name, first, last, shown, pass, roles, profile, since FROM portal_user ORDER BY uid")


def memberships(site: Site) -> list[tuple[object, ...]]:
    return site.rows("SELECT gid, uid FROM portal_group_user ORDER BY gid, uid")


async def test_what_the_application_made_is_shown(site: Site) -> None:
    """Lists, entries of maps, seconds since 1970 and local times are attributes; the group that bans is none (R-L7,
    R-L14, R-L17)."""
    found = await site.done("GET", "/Users")
    assert [(one["userName"], one["active"]) for one in found["Resources"]] == [("ana", True), ("bo", False)]
    ana = found["Resources"][0]
    assert sorted(role["value"] for role in ana["roles"]) == ["editor", "press"]
    assert [(phone["value"], phone["type"]) for phone in ana["phoneNumbers"]] == [("+47 1", "work")]
    assert (ana["preferredLanguage"], ana["displayName"]) == ("pt", "Lima, Ana")
    assert ana["meta"]["created"] == "2010-01-01T00:00:00.000Z"
    assert ana["meta"]["lastModified"] == "2026-07-01T10:00:00.000Z", "noon in Oslo's summer"
    assert found["Resources"][1]["meta"]["lastModified"] == "2026-01-15T07:30:00.000Z", "and in its winter"
    assert "password" not in ana
    groups = await site.done("GET", "/Groups")
    assert [one["displayName"] for one in groups["Resources"]] == ["Everybody", "Press"]
    assert [one["userName"] for one in await site.find("/Users", "active eq false")] == ["bo"]
    assert [one["userName"] for one in await site.find("/Users", 'roles.value eq "press"')] == ["ana"]
    assert (users(site), memberships(site)) == ([ANA, BO], IN)


@pytest.mark.parametrize("client", ["entra", "okta"])
async def test_a_life(client: str, make_database: Maker, tmp_path: Path) -> None:
    """Look up, create with a password, change, join and leave, ban, delete: each step is in the tables."""
    async with serving("sql-portal", make_database, tmp_path, client) as site:
        assert await site.find("/Users", 'userName eq "eva"') == []
        before = int(time.time())
        more = {
            "name": {"givenName": "Eva", "familyName": "Long"},
            "password": "correct horse",
            "roles": [{"value": "editor"}, {"value": "press"}],
            "preferredLanguage": "no",
        }
        eva = await site.done("POST", "/Users", user("eva", **more))
        ((*plain, password, roles, profile, since),) = users(site)[2:]
        assert plain == ["eva", "Eva", "Long", "Long, Eva"]
        assert _is_hash_of("correct horse", str(password))
        assert (roles, profile) == ("editor,press", 'a:1:{s:4:"lang";s:2:"no";}')
        assert before - 1 <= int(str(since)) <= time.time() + 1
        assert memberships(site) == [*IN[:2], (1, 3), *IN[2:]], "everybody begins in Everybody"
        path = f"/Users/{eva['id']}"
        if client == "okta":
            name = {"givenName": "Eva", "familyName": "Short"}
            body = {key: value for key, value in eva.items() if key not in ("meta", "groups")}
            await site.done("PUT", path, {**body, "name": name, "roles": [{"value": "press"}]})
        else:
            await site.patch(
                path,
                {"op": "Replace", "path": "name.familyName", "value": "Short"},
                {"op": "Remove", "path": 'roles[value eq "editor"]'},
            )
        assert users(site)[2][2:6] == ("Short", "Short, Eva", password, "press")
        assert users(site)[2][7] == since
        team = await site.done("POST", "/Groups", group("Night"))
        await site.patch(f"/Groups/{team['id']}", member("Add", eva["id"]))
        assert (4, 3) in memberships(site)
        active = {"op": "Replace", "path": "active", "value": "False"}
        await site.patch(path, active if client == "entra" else {"op": "replace", "value": {"active": False}})
        assert [gid for gid, uid in memberships(site) if uid == 3] == [1, 2, 4]
        assert (await site.done("GET", path))["active"] is False
        await site.patch(path, {"op": "replace", "value": {"active": True}})
        await site.patch(f"/Groups/{team['id']}", member("Remove", eva["id"]))
        assert [gid for gid, uid in memberships(site) if uid == 3] == [1]
        await site.done("DELETE", path)
        await site.done("DELETE", f"/Groups/{team['id']}")
        assert (users(site), memberships(site)) == ([ANA, BO], IN)
        assert not any("correct horse" in str(line) for line in site.logged)


async def test_of_creates_at_once_one_is_made(site: Site) -> None:
    """Without a unique index a login is looked for and written under a lock: of several creates at once one gets 201
    and the others 409 (C2)."""
    answers = await asyncio.gather(*[site.send("POST", "/Users", user("kim")) for _ in range(5)])
    assert sorted(status for status, _ in answers) == [201, 409, 409, 409, 409]
    assert [row[0] for row in users(site)] == ["ana", "bo", "kim"]
    assert await site.refused("POST", "/Users", user("ANA")) == (409, "uniqueness")
    # No unique index guards the memberships either, and nobody is in a group twice.
    kim, press = await site.one("/Users", 'userName eq "kim"'), await site.one("/Groups", 'displayName eq "Press"')
    await asyncio.gather(*[site.patch(f"/Groups/{press['id']}", member("add", kim["id"])) for _ in range(4)])
    assert memberships(site).count((3, 3)) == 1


async def test_the_rest_of_the_map_stays(site: Site) -> None:
    """A telephone number is changed inside the serialised map: fax, numbers and order stay letter for letter."""
    ana = await site.one("/Users", 'userName eq "ana"')
    path = f"/Users/{ana['id']}"
    await site.patch(path, {"op": "replace", "path": 'phoneNumbers[type eq "work"].value', "value": "+47 100"})
    assert users(site)[0][6] == PROFILE.replace('s:5:"+47 1"', 's:7:"+47 100"')
    await site.patch(path, {"op": "remove", "path": "preferredLanguage"})
    assert users(site)[0][6] == PROFILE.replace('s:5:"+47 1"', 's:7:"+47 100"').replace(
        's:4:"lang";s:2:"pt";', ""
    ).replace("a:3:", "a:2:")
    assert (*users(site)[0][:6], users(site)[0][7]) == (*ANA[:6], ANA[7])


async def test_who_is_banned_already_stays_as_they_are(site: Site) -> None:
    """A deactivation of a banned account writes nothing, an activation takes it out of that group and of no other."""
    bo = await site.one("/Users", 'userName eq "bo"')
    await site.patch(f"/Users/{bo['id']}", {"op": "replace", "path": "active", "value": False})
    assert memberships(site) == IN
    await site.patch(f"/Users/{bo['id']}", {"op": "replace", "path": "active", "value": True})
    assert memberships(site) == [(1, 1), (1, 2), (3, 1)]


async def test_a_change_by_a_page_is_noticed(site: Site) -> None:
    """The database moves the time of the last change; who said what they had seen is refused (E6)."""
    ana = await site.one("/Users", 'userName eq "ana"')
    site.rows("UPDATE portal_user SET first = 'Anna' WHERE uid = 1")
    body = {key: value for key, value in ana.items() if key != "meta"}
    status, _ = await site.send("PUT", f"/Users/{ana['id']}", body, {"If-Match": ana["meta"]["version"]})
    assert status == 412
    assert users(site)[0][1] == "Anna"
    # Even where that happens between the gateway's look and its write.
    ana = await site.done("GET", f"/Users/{ana['id']}")
    change = "UPDATE portal_user SET first = 'Anne' WHERE uid = 1"
    body = {**ana, "name": {"givenName": "Late", "familyName": "Lima"}}
    assert await overtaken(site, f"/Users/{ana['id']}", body, ana["meta"]["version"], change) == 412
    assert users(site)[0][1] == "Anne"


def _is_hash_of(secret: str, stored: str) -> bool:
    """Tell whether a stored password is the salted hash of a secret."""
    _, scheme, rounds, salt, digest = stored.split("$")

    def plain(text: str) -> bytes:
        return base64.b64decode(text + "=" * (-len(text) % 4))

    made = hashlib.pbkdf2_hmac("sha256", secret.encode(), plain(salt), int(rounds.removeprefix("i=")))
    return scheme == "pbkdf2-sha256" and made == plain(digest)
