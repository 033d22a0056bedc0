"""The shapes old schemas have, each on every database, with the tables read past the backend."""

from __future__ import annotations

from typing import Any

import pytest

from backends.contract import (
    KEY,
    Change,
    Compare,
    ConflictError,
    NotFoundError,
    Op,
    Query,
    RejectedError,
    Sort,
    StaleError,
    UnsupportedError,
)
from tests.backends.sql.databases import Database
from tests.backends.sql.staff import started


async def keys(backend: Any, entity: str, where: Any = None, **others: Any) -> list[str]:
    page = await backend.search(entity, Query(frozenset(), where, limit=100, **others))
    return [record.key for record in page.records]


async def field(backend: Any, entity: str, key: str, name: str) -> Any:
    return (await backend.get(entity, key, frozenset({name}))).fields[name]


PRINCIPAL = """
CREATE TABLE principal (
    id    {serial},
    type  CHAR(1)     NOT NULL,
    name  VARCHAR(40) NOT NULL,
    grp   INTEGER,
    CONSTRAINT principal_name UNIQUE (type, name)
);
CREATE TABLE nesting (
    parent INTEGER NOT NULL, child INTEGER NOT NULL, kind CHAR(1) NOT NULL, PRIMARY KEY (parent, child)
);
INSERT INTO principal (type, name) VALUES ('X', 'machine');
"""
PRINCIPALS = {
    "users": {
        "table": "principal", "key": "id", "where": {"type": "U"}, "fields": {"groups": {"inverse": "groups.members"}}
    },
    "groups": {
        "table": "principal",
        "key": "id",
        "where": {"type": "G"},
        "members": {
            "table": "nesting", "owner": "parent", "member": "child", "refers": "users", "where": {"kind": "U"}
        },
        "lists": {
            "subgroups": {
                "table": "nesting", "owner": "parent", "member": "child", "refers": "groups", "where": {"kind": "G"}
            }
        },
    },
}  # fmt: skip


async def test_users_and_groups_in_one_table_are_told_apart(database: Database) -> None:
    """A discriminator column makes two entities of one table, and a name unique within its kind is unique; what is of
    neither kind is invisible."""
    database.script(PRINCIPAL)
    async with started(database, PRINCIPALS) as backend:
        user = (await backend.create("users", {"name": "ada"})).key
        group = (await backend.create("groups", {"name": "ada", "members": (user,)})).key
        assert await keys(backend, "users") == [user]
        assert await keys(backend, "groups") == [group]
        assert (await backend.describe("users"))["name"].unique
        with pytest.raises(NotFoundError):
            await backend.get("users", group, frozenset())
        with pytest.raises(NotFoundError):
            await backend.delete("groups", user)
        with pytest.raises(RejectedError, match="visible"):
            await backend.update("users", user, Change(set={"type": "G"}))
        with pytest.raises(ConflictError) as raised:
            await backend.create("users", {"name": "ada"})
        assert raised.value.field == "name"
    assert database.run("SELECT type, name FROM principal ORDER BY id")[1:] == [("U", "ada"), ("G", "ada")]


async def test_groups_nest_by_a_list_of_their_own(database: Database) -> None:
    """Users and groups in one membership table are two lists, each with its own kind of rows."""
    database.script(PRINCIPAL)
    async with started(database, PRINCIPALS) as backend:
        user = (await backend.create("users", {"name": "ada"})).key
        inner = (await backend.create("groups", {"name": "inner", "members": (user,)})).key
        outer = (await backend.create("groups", {"name": "outer", "subgroups": (inner,)})).key
        assert (await backend.update("groups", outer, Change(add={"members": (user,)}))).changed
        record = await backend.get("groups", outer, frozenset({"members", "subgroups"}))
        assert record.fields == {"members": (user,), "subgroups": (inner,)}
        assert await keys(backend, "groups", Compare("subgroups", Op.EQ, inner)) == [outer]
        await backend.delete("groups", inner)
        assert await field(backend, "groups", outer, "subgroups") == ()
    assert database.run("SELECT kind FROM nesting") == [("U",)]


COLUMN = """
CREATE TABLE worker (no {serial}, name VARCHAR(40) NOT NULL, crew_no INTEGER);
CREATE TABLE crew (no {serial}, name VARCHAR(40) NOT NULL);
"""
CREWS = {
    "workers": {"table": "worker", "key": "no", "fields": {"crews": {"inverse": "crews.members"}}},
    "crews": {
        "table": "crew",
        "key": "no",
        "members": {"table": "worker", "owner": "crew_no", "member": "no", "stored": "column"},
    },
}


async def test_a_membership_may_be_a_column_of_the_member(database: Database) -> None:
    """Where each user has one group in a column, adding moves the user there and removing empties the column; deleting
    a group leaves its members."""
    database.script(COLUMN)
    async with started(database, CREWS) as backend:
        one, two = [(await backend.create("workers", {"name": name})).key for name in ("a", "b")]
        red = (await backend.create("crews", {"name": "red", "members": (one,)})).key
        blue = (await backend.create("crews", {"name": "blue"})).key
        assert (await backend.update("crews", blue, Change(add={"members": (one, two)}))).changed
        assert not (await backend.update("crews", blue, Change(add={"members": (one,)}))).changed
        assert not (await backend.update("crews", red, Change(remove={"members": (one,)}))).changed
        assert await field(backend, "crews", red, "members") == ()
        assert await field(backend, "workers", one, "crews") == (blue,)
        assert await keys(backend, "workers", Compare("crews", Op.PR)) == [one, two]
        assert await keys(backend, "crews", Compare("members", Op.EQ, two)) == [blue]
        with pytest.raises(RejectedError):
            await backend.update("crews", red, Change(add={"members": ("99",)}))
        assert (await backend.update("crews", blue, Change(set={"members": (two,)}))).changed
        assert await field(backend, "workers", one, "crews") == ()
        await backend.delete("crews", blue)
        await backend.delete("workers", one)
    assert database.run("SELECT name, crew_no FROM worker") == [("b", None)]


async def test_groups_may_be_the_values_of_a_column(database: Database) -> None:
    """Departments without a table are the distinct values of a column, or a list in the settings; they can be neither
    made nor deleted, but joined."""
    database.script("CREATE TABLE worker (no {serial}, name VARCHAR(40) NOT NULL, dept VARCHAR(20))")
    members = {"table": "worker", "owner": "dept", "member": "no", "stored": "column"}
    entities = {
        "workers": {"table": "worker", "key": "no"},
        "depts": {"table": "worker", "key": "dept", "distinct": True, "members": members},
        "known": {"values": ["Sales", "Legal"], "key": "name", "members": members},
    }
    async with started(database, entities) as backend:
        one, two = [
            (await backend.create("workers", {"name": name, "dept": dept})).key
            for name, dept in (("a", "Sales"), ("b", None))
        ]
        assert await keys(backend, "depts") == ["Sales"]
        assert await keys(backend, "known") == ["Legal", "Sales"]
        assert await field(backend, "known", "Sales", "members") == (one,)
        assert (await backend.update("known", "Legal", Change(add={"members": (two,)}))).changed
        assert await keys(backend, "depts", sort=Sort(KEY, descending=True)) == ["Sales", "Legal"]
        page = await backend.search("depts", Query(frozenset(), limit=1, total=True))
        assert (page.total, [record.key for record in page.records]) == (2, ["Legal"])
        assert backend.capabilities("known").writes == {"update"}
        with pytest.raises(UnsupportedError):
            await backend.create("known", {"name": "New"})
        with pytest.raises(UnsupportedError):
            await backend.delete("depts", "Sales")
        with pytest.raises(NotFoundError):
            await backend.update("known", "Sport", Change(add={"members": (one,)}))


BESIDE = """
CREATE TABLE account (id {serial}, login VARCHAR(40) NOT NULL);
CREATE TABLE attribute (
    account_id INTEGER     NOT NULL,
    attr_name  VARCHAR(20) NOT NULL,
    attr_value VARCHAR(80),
    changed_by VARCHAR(20) NOT NULL,
    PRIMARY KEY (account_id, attr_name)
);
CREATE TABLE quota (
    account_id INTEGER     NOT NULL PRIMARY KEY,
    megabytes  INTEGER     NOT NULL,
    note       VARCHAR(20)
);
"""
ACCOUNTS = {
    "accounts": {
        "table": "account",
        "key": "id",
        "beside": [
            {
                "table": "attribute",
                "owner": "account_id",
                "name": "attr_name",
                "value": "attr_value",
                "fields": {"phone": "TEL", "room": "ROOM"},
                "defaults": {"changed_by": "scim"},
            },
            {
                "table": "quota",
                "owner": "account_id",
                "fields": {"megabytes": "megabytes", "note": "note"},
                "required": True,
                "defaults": {"megabytes": 100},
            },
        ],
    }
}


async def test_attributes_in_rows_are_fields(database: Database) -> None:
    """A key/value table is pivoted into fields, searched, sorted by, and written back row by row; other attributes stay
    untouched."""
    database.script(BESIDE)
    async with started(database, ACCOUNTS) as backend:
        ada = (await backend.create("accounts", {"login": "ada", "phone": "123"})).key
        bob = (await backend.create("accounts", {"login": "bob"})).key
        database.run(f"INSERT INTO attribute VALUES ({ada}, 'SHOE', '39', 'old')")
        assert (await backend.get("accounts", ada, frozenset({"phone", "room"}))).fields == {
            "phone": "123",
            "room": None,
        }
        for changed in (True, False):
            assert (await backend.update("accounts", ada, Change(set={"room": "4b", "phone": None}))).changed is changed
        assert (await backend.update("accounts", bob, Change(set={"phone": "77"}))).changed
        assert await keys(backend, "accounts", Compare("phone", Op.SW, "7")) == [bob]
        assert await keys(backend, "accounts", Compare("phone", Op.NE, "77")) == [ada]
        assert await keys(backend, "accounts", sort=Sort("phone", descending=True)) == [ada, bob]
        rows = database.run("SELECT attr_name, attr_value, changed_by FROM attribute ORDER BY account_id, attr_name")
        assert rows == [("ROOM", "4b", "scim"), ("SHOE", "39", "old"), ("TEL", "77", "scim")]
        await backend.delete("accounts", bob)
    assert database.run("SELECT COUNT(*) FROM attribute") == [(2,)]


async def test_satellite_rows_come_and_go_with_the_account(database: Database) -> None:
    """A row another table must have for every account is written along, its fields are the account's, and it goes with
    it."""
    database.script(BESIDE)
    async with started(database, ACCOUNTS) as backend:
        ada = (await backend.create("accounts", {"login": "ada"})).key
        bob = (await backend.create("accounts", {"login": "bob", "megabytes": 5})).key
        assert database.run("SELECT megabytes, note FROM quota ORDER BY account_id") == [(100, None), (5, None)]
        assert (await backend.update("accounts", ada, Change(set={"note": "new", "megabytes": 7}))).changed
        assert await keys(backend, "accounts", Compare("megabytes", Op.LT, 6)) == [bob]
        await backend.delete("accounts", bob)
    assert database.run("SELECT megabytes, note FROM quota") == [(7, "new")]


async def test_values_packed_into_a_column_are_many(database: Database) -> None:
    """A packed list is split, compared regardless of order, and changed value by value (R-L17)."""
    database.script("CREATE TABLE account (id {serial}, roles VARCHAR(20))")
    entities = {"accounts": {"table": "account", "key": "id", "fields": {"roles": {"packed": ","}}}}
    async with started(database, entities) as backend:
        key = (await backend.create("accounts", {"roles": ("ADM", "FIN")})).key
        assert not (await backend.update("accounts", key, Change(set={"roles": ("FIN", "ADM")}))).changed
        change = Change(add={"roles": ("HR", "ADM")}, remove={"roles": ("FIN", "X")})
        assert (await backend.update("accounts", key, change)).changed
        assert await field(backend, "accounts", key, "roles") == ("ADM", "HR")
        assert database.run("SELECT roles FROM account") == [("ADM,HR",)]
        for wrong in (("A,B",), (" A",), ("",), tuple(f"ROLE{n}" for n in range(9))):
            with pytest.raises(RejectedError) as raised:
                await backend.update("accounts", key, Change(add={"roles": wrong}))
            assert raised.value.field == "roles"
        with pytest.raises(UnsupportedError):
            await backend.search("accounts", Query(frozenset(), Compare("roles", Op.EQ, "ADM")))
        assert "roles" not in backend.capabilities("accounts").filters
        assert (await backend.update("accounts", key, Change(set={"roles": ()}))).changed
    assert database.run("SELECT roles FROM account") == [(None,)]


async def test_a_version_column_refuses_what_was_seen_too_late(database: Database) -> None:
    """The version moves with every change, of child rows too, and an update or delete that expects another is refused
    and does nothing."""
    database.script(
        "CREATE TABLE account (id {serial}, login VARCHAR(40), rev INTEGER NOT NULL DEFAULT 1);"
        "CREATE TABLE tag (account_id INTEGER NOT NULL, tag VARCHAR(20) NOT NULL, PRIMARY KEY (account_id, tag))"
    )
    entities = {
        "accounts": {
            "table": "account",
            "key": "id",
            "version": {"column": "rev"},
            "lists": {"tags": {"table": "tag", "owner": "account_id", "member": "tag"}},
        }
    }
    async with started(database, entities) as backend:
        assert backend.capabilities("accounts").versions
        record = await backend.create("accounts", {"login": "ada"})
        assert record.version == "1"
        await backend.update("accounts", record.key, Change(set={"login": "ida"}), expect="1")
        assert not (await backend.update("accounts", record.key, Change(set={"login": "ida"}), expect="2")).changed
        for change in (Change(set={"login": "eve"}), Change(add={"tags": ("x",)})):
            with pytest.raises(StaleError):
                await backend.update("accounts", record.key, change, expect="1")
        assert (await backend.get("accounts", record.key, frozenset())).version == "2"
        await backend.update("accounts", record.key, Change(add={"tags": ("x",)}))
        with pytest.raises(StaleError):
            await backend.delete("accounts", record.key, expect="2")
        assert database.run("SELECT login, rev FROM account") == [("ida", 3)]
        with pytest.raises(RejectedError):
            await backend.update("accounts", record.key, Change(set={"rev": 9}))
        await backend.delete("accounts", record.key, expect="3")
    assert database.run("SELECT COUNT(*) FROM account") == [(0,)]


async def test_without_a_version_column_old_values_are_compared(database: Database) -> None:
    """The version is that of all columns: a change made past the gateway is noticed."""
    database.script("CREATE TABLE account (id {serial}, login VARCHAR(40), note VARCHAR(40))")
    async with started(database, {"accounts": {"table": "account", "key": "id", "version": {}}}) as backend:
        record = await backend.create("accounts", {"login": "ada"})
        page = await backend.search("accounts", Query(frozenset({"login"})))
        assert record.version == page.records[0].version is not None
        database.run("UPDATE account SET note = 'by hand'")
        with pytest.raises(StaleError):
            await backend.update("accounts", record.key, Change(set={"login": "eve"}), expect=record.version)
        fresh = (await backend.get("accounts", record.key, frozenset())).version
        assert (await backend.update("accounts", record.key, Change(set={"login": "eve"}), expect=fresh)).changed
        with pytest.raises(NotFoundError):
            await backend.update("accounts", "99", Change(set={"login": "eve"}), expect=fresh)


async def test_a_view_is_read_and_its_table_written(database: Database) -> None:
    """A view shows what the table lacks; what is only the view's cannot be written."""
    database.script(
        "CREATE TABLE account (id {serial}, login VARCHAR(40) NOT NULL, gone INTEGER NOT NULL DEFAULT 0);"
        "CREATE VIEW living AS SELECT id, login, UPPER(login) AS shown FROM account WHERE gone = 0"
    )
    entities = {"accounts": {"table": "living", "written": "account", "key": "id", "fields": {"shown": {}}}}
    async with started(database, entities) as backend:
        key = (await backend.create("accounts", {"login": "ada"})).key
        assert await field(backend, "accounts", key, "shown") == "ADA"
        assert (await backend.update("accounts", key, Change(set={"login": "ida"}))).changed
        assert not (await backend.update("accounts", key, Change(set={"login": "ida"}))).changed
        with pytest.raises(RejectedError):
            await backend.update("accounts", key, Change(set={"shown": "X"}))
        assert await keys(backend, "accounts", Compare("shown", Op.EQ, "IDA")) == [key]
        database.run("UPDATE account SET gone = 1")
        with pytest.raises(NotFoundError):
            await backend.get("accounts", key, frozenset())
    async with started(database, {"accounts": {"table": "living", "key": "id"}}) as backend:
        with pytest.raises(UnsupportedError):
            await backend.create("accounts", {})


async def test_dependent_rows_go_in_the_order_given(database: Database) -> None:
    """What stands in the way of a delete goes first, or is cut loose; without that the delete is refused whole."""
    database.script(
        "CREATE TABLE account (id {serial}, login VARCHAR(40), boss INTEGER,"
        " CONSTRAINT boss_fk FOREIGN KEY (boss) REFERENCES account (id));"
        "CREATE TABLE paper (id {serial}, account_id INTEGER,"
        " CONSTRAINT paper_fk FOREIGN KEY (account_id) REFERENCES account (id))"
    )
    async with started(database, {"accounts": {"table": "account", "key": "id"}}) as backend:
        boss = (await backend.create("accounts", {"login": "boss"})).key
        await backend.create("accounts", {"login": "ada", "boss": boss})
        assert await field(backend, "accounts", "2", "boss") == boss
        with pytest.raises(RejectedError):
            await backend.delete("accounts", boss)
    database.run(f"INSERT INTO paper (account_id) VALUES ({boss})")
    dependents = [
        {"table": "paper", "owner": "account_id"}, {"table": "account", "owner": "boss", "action": "clear"}
    ]  # fmt: skip
    entities = {"accounts": {"table": "account", "key": "id", "dependents": dependents}}
    async with started(database, entities) as backend:
        await backend.delete("accounts", boss)
    assert database.run("SELECT login, boss FROM account") == [("ada", None)]
    assert database.run("SELECT COUNT(*) FROM paper") == [(0,)]


async def test_columns_are_computed_from_others(database: Database) -> None:
    """A required column follows those it is made of, on create and whenever one of them changes."""
    database.script(
        "CREATE TABLE account (id {serial}, first VARCHAR(20), last VARCHAR(20), shown VARCHAR(50) NOT NULL)"
    )
    join = "CONCAT(UPPER({last}), ', ', {first})" if database.kind != "sqlite" else "UPPER({last}) || ', ' || {first}"
    entities = {"accounts": {"table": "account", "key": "id", "computed": {"shown": join}}}
    async with started(database, entities) as backend:
        key = (await backend.create("accounts", {"first": "Ada", "last": "Byron"})).key
        assert await field(backend, "accounts", key, "shown") == "BYRON, Ada"
        assert (await backend.update("accounts", key, Change(set={"last": "King"}))).changed
        assert await field(backend, "accounts", key, "shown") == "KING, Ada"
        with pytest.raises(RejectedError):
            await backend.update("accounts", key, Change(set={"shown": "x"}))


async def test_keys_come_from_where_the_settings_say(database: Database) -> None:
    """A key that no database numbers comes from a statement, or from a sequence where there are any."""
    database.script(
        "CREATE TABLE account (no INTEGER NOT NULL PRIMARY KEY, login VARCHAR(40));"
        "CREATE TABLE counter (last INTEGER NOT NULL); INSERT INTO counter VALUES (41)"
    )
    ways: list[dict[str, str]] = [{"sql": "SELECT last + 1 FROM counter"}]
    if database.kind != "sqlite":
        database.run("CREATE SEQUENCE account_no START WITH 7")
        ways.append({"sequence": "account_no"})
    made = []
    for way in ways:
        entities = {"accounts": {"table": "account", "key": "no", "generate": way}}
        async with started(database, entities) as backend:
            made.append((await backend.create("accounts", {"login": "ada"})).key)
    assert made == ["42", "7"][: len(ways)]


async def test_new_accounts_begin_in_a_group(database: Database) -> None:
    """A default group has every new account as a member, whatever the request says."""
    database.script(COLUMN + "CREATE TABLE crew_worker (crew INTEGER NOT NULL, worker INTEGER NOT NULL)")
    entities = {
        "workers": {
            "table": "worker", "key": "no", "fields": {"crews": {"inverse": "crews.members", "initial": ["1"]}}
        },
        "crews": {
            "table": "crew", "key": "no", "members": {
                "table": "crew_worker", "owner": "crew", "member": "worker", "refers": "workers"
            },
        },
    }  # fmt: skip
    async with started(database, entities) as backend:
        everybody = (await backend.create("crews", {"name": "everybody"})).key
        assert everybody == "1"
        worker = (await backend.create("workers", {"name": "ada"})).key
        assert await field(backend, "crews", everybody, "members") == (worker,)
        # No unique key guards this table, and still nobody is a member twice.
        for changed in (False, False):
            assert (await backend.update("crews", "1", Change(add={"members": (worker,)}))).changed is changed
    assert database.run("SELECT COUNT(*) FROM crew_worker") == [(1,)]


async def test_names_may_hold_blanks_points_and_capitals(database: Database) -> None:
    """Tables and columns whose names need quotes are read, searched, sorted by and written like all others, with their
    defaults, child rows and memberships."""
    quote = "`" if database.kind == "mariadb" else '"'
    script = """
    CREATE TABLE "Staff File" (
        id {serial}, "Full Name" VARCHAR(40), "e.mail" VARCHAR(40), "Made by" VARCHAR(9) NOT NULL
    );
    CREATE TABLE "Tel No" ("Staff ID" INTEGER NOT NULL, "The No" VARCHAR(20) NOT NULL, "Kind (a/b)" VARCHAR(9));
    CREATE TABLE "In.Team" ("Team" VARCHAR(9) NOT NULL, "Staff ID" INTEGER NOT NULL, "Since %" VARCHAR(9) NOT NULL)
    """
    database.script(script.replace('"', quote))
    entities = {
        "people": {
            "table": '"Staff File"',
            "key": "id",
            "defaults": {"Made by": "scim"},
            "fields": {"full": "Full Name", "mail": "e.mail", "teams": {"inverse": "teams.members"}},
            "rows": {"phones": {"table": '"Tel No"', "owner": "Staff ID", "key": "The No"}},
        },
        "teams": {
            "values": ["red", "blue"],
            "key": "name",
            "members": {
                "table": '"In.Team"',
                "owner": "Team",
                "member": "Staff ID",
                "refers": "people",
                "defaults": {"Since %": "now"},
            },
        },
    }
    async with started(database, entities) as backend:
        rows = ({"The No": "1", "Kind (a/b)": "a"},)
        key = (await backend.create("people", {"full": "Ada", "mail": "a@x", "phones": rows})).key
        change = Change(set={"full": "Ida", "mail": None}, add={"phones": ({"The No": "1", "Kind (a/b)": "b"},)})
        for changed in (True, False):
            assert (await backend.update("people", key, change)).changed is changed
        for changed in (True, False):
            assert (await backend.update("teams", "red", Change(add={"members": (key,)}))).changed is changed
        assert await keys(backend, "people", Compare("full", Op.SW, "i", ignore_case=True), sort=Sort("full")) == [key]
        assert await keys(backend, "people", Compare("teams", Op.EQ, "red")) == [key]
        names = ('SELECT "Full Name", "e.mail", "Made by" FROM "Staff File"', 'SELECT * FROM "Tel No"')
        assert [database.run(name.replace('"', quote)) for name in names] == [[("Ida", None, "scim")], [(1, "1", "b")]]
        await backend.delete("people", key)
        counts = ('SELECT COUNT(*) FROM "In.Team"', 'SELECT COUNT(*) FROM "Tel No"')
        assert [database.run(count.replace('"', quote)) for count in counts] == [[(0,)], [(0,)]]


async def test_what_would_be_written_into_such_shapes_can_be_shown(database: Database) -> None:
    """Explain shows the statements for memberships in columns and entries of maps too, though it sees no row
    (promise 9)."""
    database.script(COLUMN + "CREATE TABLE account (id {serial}, prefs VARCHAR(200), roles VARCHAR(20))")
    fields = {
        "tel": {"column": "prefs", "entry": {"format": "json", "path": "tel"}}, "roles": {"packed": ","}
    }  # fmt: skip
    async with started(database, {**CREWS, "accounts": {"table": "account", "key": "id", "fields": fields}}) as backend:
        joined = backend.explain("crews", "update", "1", Change(add={"members": ("7", "8")}))
        assert [call.text.split()[0] for call in joined] == ["SELECT", "UPDATE"]
        changed = backend.explain("accounts", "update", "1", Change(set={"tel": "12"}, add={"roles": ("a",)}))
        assert [call.text.split()[0] for call in changed] == ["SELECT", "SELECT", "UPDATE"]
        assert dict(changed[-1].values)["b_prefs"] == '{"tel":"12"}'
    assert database.run("SELECT COUNT(*) FROM account") == [(0,)]
