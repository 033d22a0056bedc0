"""What the worked files show on one database, tried on all: where it is the work of gateway and database together."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.backends.sql.databases import Maker, kinds
from tests.worked_sql.sites import member, own, served, user

CONFIG = """
version: 1
server: { listen: "${env:SCIM_LISTEN}" }
store: { url: "${env:SCIM_STORE}", id_key: "${env:SCIM_ID_KEY}" }
backends:
  old:
    type: sql
    settings:
      url: ${env:OLD_DATABASE}
      entities:
        users:
          table: old_user
          key: id
          defaults: { pass: "!" }
          fields: { groups: { inverse: groups.members, write: always, initial: ["1"] } }
          rows: { locks: { table: old_lock, owner: user_id, key: reason, columns: [] } }
        groups:
          table: old_group
          key: id
          members: { table: old_member, owner: group_id, member: user_id, refers: users }
tenants:
  acme:
    tokens: [ { sha256: "${env:SCIM_TOKEN_SHA256}" } ]
    resources:
      User:
        backend: old
        entity: users
        attributes:
          userName: login
          active: ACTIVE
          title: { field: grade, codec: { values: { A: Clerk, B: Clerk, C: Boss } } }
          password: { field: pass, codec: { hash: ssha512 } }
          groups.value: { field: groups, reference: Group, show: title }
          meta.created: { field: since, codec: { timestamp: epoch } }
        on_delete: { set: { state: D } }
      Group:
        backend: old
        entity: groups
        attributes: { displayName: title, members.value: { field: members, reference: User } }
        on_delete: delete
"""
SCHEMA = """
CREATE TABLE old_user (
    id {serial}, login VARCHAR(40) NOT NULL, pass VARCHAR(200) NOT NULL, grade CHAR(1), state CHAR(1), stamp CHAR(14),
    since INTEGER
);
CREATE TABLE old_lock (user_id INTEGER NOT NULL, reason VARCHAR(10) NOT NULL, PRIMARY KEY (user_id, reason));
CREATE TABLE old_group (id {serial}, title VARCHAR(40) NOT NULL);
CREATE TABLE old_member (group_id INTEGER NOT NULL, user_id INTEGER NOT NULL);
INSERT INTO old_group (title) VALUES ('Everybody'), ('Banned');
INSERT INTO old_user (login, pass, grade, state, since) VALUES
    ('dead', 'x', 'A', 'D', 0), ('ana', 'x', 'B', NULL, 86400);
INSERT INTO old_lock VALUES (2, 'AUDIT')
"""
ACTIVE = {
    "row": "{ rows: locks, codec: { lacks: { reason: SCIM } } }",
    "group": '{ field: groups, codec: { lacks: "2" } }',
    "digits": '{ field: stamp, codec: { absent: { write: now, format: "%Y%m%d%H%M%S" } } }',
}
INACTIVE = {
    "row": "SELECT reason FROM old_lock WHERE user_id = 2 ORDER BY reason",
    "group": "SELECT group_id FROM old_member WHERE user_id = 2",
    "digits": "SELECT LENGTH(stamp) FROM old_user WHERE id = 2",
}


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("way", ACTIVE)
async def test_active_is_told_by_what_is_there(kind: str, way: str, make_database: Maker, tmp_path: Path) -> None:
    """A row of ours, a special group, a moment in 14 digits: it comes with a deactivation, is searched for, and goes
    again, and what others wrote stays (R-L7, R-L14)."""
    database = make_database(kind)
    database.script(SCHEMA)
    variables = {**own(tmp_path), "OLD_DATABASE": database.url}
    async with served(CONFIG.replace("ACTIVE", ACTIVE[way]), variables, database, tmp_path) as site:
        (ana,) = (await site.done("GET", "/Users"))["Resources"]
        assert (ana["userName"], ana["active"], ana["meta"]["created"][:10]) == ("ana", True, "1970-01-02")
        before = database.run(INACTIVE[way])
        await site.patch(f"/Users/{ana['id']}", {"op": "replace", "path": "active", "value": False})
        expected = {"row": [("AUDIT",), ("SCIM",)], "group": [(2,)], "digits": [(14,)]}[way]
        assert database.run(INACTIVE[way]) == expected
        assert [one["userName"] for one in await site.find("/Users", "active eq false")] == ["ana"]
        await site.patch(f"/Users/{ana['id']}", {"op": "replace", "path": "active", "value": True})
        assert database.run(INACTIVE[way]) == before
        assert await site.find("/Users", "active eq false") == []


@pytest.mark.parametrize("kind", kinds())
async def test_without_a_unique_index_one_of_many_is_made(kind: str, make_database: Maker, tmp_path: Path) -> None:
    """Of several creates of one login at once one is made, where nothing but the gateway guards it; it begins in the
    first group, its password is a hash, of several codes for a title the one that is there stays, and a mark takes it
    away, which frees the login (C2, R-L7)."""
    database = make_database(kind)
    database.script(SCHEMA)
    variables = {**own(tmp_path), "OLD_DATABASE": database.url}
    async with served(CONFIG.replace("ACTIVE", ACTIVE["row"]), variables, database, tmp_path) as site:
        body = user("kim", password="correct horse", title="Clerk")
        answers = await asyncio.gather(*[site.send("POST", "/Users", body) for _ in range(5)])
        assert sorted(status for status, _ in answers) == [201, 409, 409, 409, 409]
        ((login, hashed, grade),) = database.run("SELECT login, pass, grade FROM old_user WHERE id > 2")
        assert (login, grade, str(hashed)[:9]) == ("kim", "A", "{SSHA512}")
        assert database.run("SELECT group_id, user_id FROM old_member") == [(1, 3)]
        ana, kim = await site.one("/Users", 'userName eq "ana"'), await site.one("/Users", 'userName eq "kim"')
        await site.patch(f"/Users/{ana['id']}", {"op": "replace", "path": "title", "value": "Clerk"})
        assert database.run("SELECT grade FROM old_user WHERE id = 2") == [("B",)]
        everybody = await site.one("/Groups", 'displayName eq "Everybody"')
        await site.patch(f"/Groups/{everybody['id']}", member("add", ana["id"]))
        await site.done("DELETE", f"/Users/{kim['id']}")
        assert database.run("SELECT login, state FROM old_user ORDER BY id") == [
            ("dead", "D"), ("ana", None), ("kim", "D")
        ]  # fmt: skip
        assert await site.find("/Users", 'userName eq "kim"') == []
        assert (await site.send("POST", "/Users", user("dead")))[0] == 201
    assert database.run("SELECT COUNT(*) FROM old_user") == [(4,)]
