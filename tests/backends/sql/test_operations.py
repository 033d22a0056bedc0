"""What people who run databases expect: copies for reading, passwords that change, names in the server's list."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from backends.contract import (
    KEY,
    Change,
    Compare,
    ConflictError,
    Context,
    Explains,
    Introspects,
    NotFoundError,
    Op,
    Query,
    RejectedError,
    Sort,
)
from backends.sql import SettingsError, SqlBackend, SqlSettings
from backends.sql.dialects.db2 import Db2
from backends.sql.dialects.mssql import SqlServer
from backends.sql.dialects.postgres import Postgres
from backends.sql.keys import Key
from backends.sql.natives import native_of
from tests.backends.sql.databases import Database, Maker, kinds
from tests.backends.sql.staff import ENTITIES, SCHEMA, started

MOMENT = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
SERVERS = ["postgres", pytest.param("mariadb", marks=pytest.mark.needs("mariadbd"))]


async def logins(backend: Any, where: Any = None) -> list[Any]:
    page = await backend.search("people", Query(frozenset({"login"}), where, limit=100))
    return [record.fields["login"] for record in page.records]


@pytest.mark.parametrize("kind", kinds())
async def test_searches_go_to_a_copy_unless_something_was_just_written(kind: str, make_database: Maker) -> None:
    """A copy answers searches, reads by key do not use it, and for a while after a write nothing does; a copy that is
    not there costs nothing but its help (R-L33)."""
    original, copy = make_database(kind), make_database(kind)
    for database in (original, copy):
        database.script(SCHEMA)
    copy.run("INSERT INTO person (kind, login, created_by) VALUES ('P', 'copied', 'x')")
    async with started(original, replica=copy.url, replica_lag_seconds=30) as backend:
        assert await logins(backend) == ["copied"]
        with pytest.raises(NotFoundError):
            await backend.get("people", "2", frozenset())
        await backend.create("people", {"login": "fresh"})
        assert await logins(backend) == ["fresh"]
        backend._clock = lambda: float("inf")
        assert await logins(backend) == ["copied"]
    nowhere = {"sqlite": "/nowhere/at/all.db", "postgres": "x@127.0.0.1:9/x", "mariadb": "x@127.0.0.1:9/x"}[kind]
    async with started(original, replica=f"{original.url.partition('//')[0]}//{nowhere}") as backend:
        assert await logins(backend) == ["fresh"]


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_password_is_read_for_every_connection(kind: str, make_database: Maker, tmp_path: Path) -> None:
    """A password file that changes is used by the next connection, without a restart (R-L34)."""
    database, file = make_database(kind), tmp_path / "password"
    database.script(SCHEMA)
    user = f"u{database.url.rpartition('/')[2][1:]}"
    if kind == "postgres":
        database.run(
            f"CREATE ROLE {user} LOGIN PASSWORD 'first'", f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}"
        )
    else:
        database.run(f"CREATE USER {user}@'%' IDENTIFIED BY 'first'", f"GRANT ALL ON *.* TO {user}@'%'")
    url = database.url.replace("postgres@", f"{user}@").replace("root@", f"{user}@")
    file.write_text("first\n", encoding="utf-8")
    async with started(Database(kind, url), password_file=file) as backend:
        await backend.ping()
        verb = f"ALTER ROLE {user} PASSWORD" if kind == "postgres" else f"ALTER USER {user}@'%' IDENTIFIED BY"
        database.run(f"{verb} 'second'")
        file.write_text("second", encoding="utf-8")
        await asyncio.gather(*(backend.ping() for _ in range(5)))


async def test_postgres_knows_the_backend_by_name(make_database: Maker) -> None:
    """Connections bear the application's name; behind a pooler in transaction mode nothing is prepared or set."""
    database = make_database("postgres")
    database.script(SCHEMA)
    named = (
        "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    async with started(database):
        assert database.run(named) == [("staff",)]
    async with started(database, application_name="gateway") as backend:
        assert database.run(named) == [("gateway",)]
        assert await _prepared(backend) > 0
    async with started(database, transaction_pooler=True) as backend:
        await logins(backend, Compare("login", Op.SW, "a"))
        await logins(backend, Compare("login", Op.SW, "b"))
        assert await _prepared(backend) == 0


async def _prepared(backend: Any) -> int:
    """Count the statements the server remembers for one connection, but the one that counts them."""
    async with backend._open().reading() as session:
        await session.execute(sa.text("SELECT 1"))
        found = await session.execute(
            sa.text("SELECT name FROM pg_prepared_statements WHERE statement NOT LIKE '%pg_p%'")
        )
        return len(found.all())


@pytest.mark.parametrize("what", ["ca", "certificate"])
def test_certificates_that_cannot_be_read_are_told(what: str, tmp_path: Path) -> None:
    """A wrong file for TLS is a mistake in the settings, told before anything is contacted."""
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("none", encoding="utf-8")

    async def start() -> None:
        async with started(Database("postgres", "postgresql://x@127.0.0.1/x"), tls={what: wrong}):
            pass

    with pytest.raises(SettingsError) as raised:
        asyncio.run(start())
    assert raised.value.path == "tls"


async def test_statements_are_shown_without_being_sent(database: Database) -> None:
    """Explain gives the statements in the dialect's own words with their values, secrets masked, and sends nothing."""
    database.script(SCHEMA)
    entities = {
        "people": {
            "table": "person", "key": "id", "where": {"kind": "P"}, "defaults": {"created_by": "scim"},
            "fields": {"name": {"secret": True}},
            "lists": {"tags": {"table": "person_tag", "owner": "person_id", "member": "tag"}},
        }
    }  # fmt: skip
    async with started(database, entities) as backend:
        assert isinstance(backend, Explains)
        calls = backend.explain("people", "create", {"login": "ada", "name": "sesame", "tags": ("a", "b")})
        assert calls[0].text.startswith("INSERT INTO person")
        assert "person_tag" in calls[-1].text
        values = [value for call in calls for _, value in call.values]
        assert "ada" in values
        assert "sesame" not in values
        assert "•••" in values
        change = backend.explain("people", "update", "7", Change(set={"login": "ida"}))
        assert [call.text.split(" ", 1)[0] for call in change] == ["UPDATE"]
        found = backend.explain("people", "search", Query(frozenset(), Compare("name", Op.EQ, "sesame"), Sort("login")))
        assert "sesame" not in [value for call in found for _, value in call.values]
        shown = backend.explain("people", "get", "7", frozenset({"login", "tags"}))
        assert [call.text.split(" ", 1)[0] for call in shown] == ["SELECT", "SELECT"]
        gone = backend.explain("people", "delete", "7")
        assert [call.text.split(" ", 1)[0] for call in gone] == ["SELECT", "DELETE", "DELETE"]
    assert database.run("SELECT COUNT(*) FROM person") == [(1,)]


async def test_the_live_schema_is_told(database: Database) -> None:
    """Introspect names tables and views with the types, lengths and uniqueness of their columns."""
    database.script(SCHEMA + "; CREATE VIEW people_view AS SELECT id, login FROM person")
    async with started(database) as backend:
        assert isinstance(backend, Introspects)
        found = await backend.introspect()
    assert {"person", "person_mail", "team", "people_view"} <= found.keys()
    login = found["person"]["login"]
    assert (login.type, login.unique, login.required, login.max_length) == (str, True, True, 40)
    assert not found["person"]["name"].required
    assert found["person"]["grade"].type is int


def test_keys_have_one_spelling() -> None:
    """A key of several columns is joined unambiguously; what no record can have is no key."""
    kinds = (sa.String(20), sa.Integer(), sa.CHAR(4))
    key = Key(
        tuple(sa.Column(f"c{index}", kind) for index, kind in enumerate(kinds)),
        tuple(native_of(kind, zone=UTC) for kind in kinds),
    )
    spelled = key.encode(("a|b%", 7, "X   "))
    assert spelled == "a%7Cb%25|7|X"
    assert key.decode(spelled) == ("a|b%", 7, "X")
    assert key.encode(("a", 7, "b")) != key.encode(("a|7", 7, "b"))
    for wrong in ("", "a|7", "a|7|b|c", "a|07|b", "a|x|b", "a|7|b ", "a%zz|7|b|", "a|99999999999|b"):
        assert key.decode(wrong) is None


async def test_deep_pages_cost_as_much_as_the_first(database: Database) -> None:
    """A cursor goes on by the key's index, whatever lies before it: the statement has no offset and the same shape."""
    database.script(SCHEMA)
    async with started(database) as backend:
        for index in range(7):
            await backend.create("people", {"login": f"l{index}", "name": None if index % 2 else f"n{index}"})
        for sort in (Sort(), Sort("name"), Sort("name", descending=True), Sort("login", ignore_case=True)):
            whole = [r.key for r in (await backend.search("people", Query(frozenset(), sort=sort))).records]
            seen: list[str] = []
            cursor = None
            while True:
                query = Query(frozenset(), sort=sort, limit=2, cursor=cursor)
                page = await backend.search("people", query)
                if cursor is not None:
                    text = backend.explain("people", "search", query)[0].text
                    assert "OFFSET" not in text.replace("OFFSET ?", "")
                seen += [record.key for record in page.records]
                if (cursor := page.cursor) is None:
                    break
            assert seen == whole
            assert len(seen) == 7


async def test_a_named_driver_goes_by_sqlalchemys_own_pool(make_database: Maker) -> None:
    """Where the URL names a driver it is used as SQLAlchemy uses it; the answers are the same by both roads."""
    plain = make_database("postgres")
    plain.script(SCHEMA)
    named = Database("postgres", plain.url.replace("postgresql://", "postgresql+asyncpg://"))
    seen = []
    for database in (plain, named):
        async with started(database) as backend:
            fields = {"login": "ada", "rate": Decimal("1.50"), "seen": MOMENT, "tags": ("a", "b"), "unit": "Rest"}
            key = (await backend.create("people", fields)).key
            team = (await backend.create("teams", {"title": "red", "members": (key,)})).key
            assert not (await backend.update("teams", team, Change(add={"members": (key,)}))).changed
            assert (await backend.update("people", key, Change(set={"login": "ida", "tags": ("b",)}))).changed
            where = Compare("login", Op.IN, ("IDA", "eve"), ignore_case=True)
            page = await backend.search("people", Query(frozenset({*fields, "teams"}), where, total=True))
            with pytest.raises(ConflictError) as raised:
                await backend.create("people", {"login": "ida"})
            seen.append((page.total, [dict(record.fields) for record in page.records], raised.value.field))
            assert page.records[0].fields["teams"] == (team,)
            seen[-1][1][0].pop("teams")
            await backend.delete("teams", team)
            await backend.delete("people", key)
    assert seen[0] == seen[1]
    assert seen[0][1] == [{"login": "ida", "rate": Decimal("1.50"), "seen": MOMENT, "tags": ("b",), "unit": "Rest"}]


REFUSED = [
    ("sqlite:///x.db", "tls", {}),
    ("sqlite:///x.db", "password_file", "x"),
    ("sqlite:///x.db", "application_name", "x"),
    ("sqlite:///x.db", "transaction_pooler", True),
    ("sqlite:///x.db", "statement_seconds", 1),
    ("mysql://x@127.0.0.1/x", "application_name", "x"),
    ("mysql://x@127.0.0.1/x", "transaction_pooler", True),
]


@pytest.mark.parametrize(
    ("url", "name", "value"), REFUSED, ids=[f"{url.partition(':')[0]}-{name}" for url, name, _ in REFUSED]
)
def test_a_setting_that_would_do_nothing_is_refused_by_check(url: str, name: str, value: Any) -> None:
    """What a kind of database cannot do is told when the settings are read, and never passed over: somebody relies on
    it (DESIGN §6)."""
    with pytest.raises(SettingsError) as raised:
        SqlBackend(SqlSettings.model_validate({"url": url, "entities": ENTITIES, name: value}), Context("x"))
    assert raised.value.path == name


def test_what_only_the_url_can_say_is_refused_elsewhere() -> None:
    """Drivers that are told by the URL alone refuse settings they would not hear, encryption before all."""
    for dialect in (SqlServer(), Db2()):
        assert {"tls", "statement_seconds", "application_name"} <= dialect.lacks.keys()
    assert not Postgres().lacks


async def test_a_sequence_where_there_are_none_is_refused_by_check(make_database: Maker) -> None:
    """SQLite has no sequences to take keys from."""
    database = make_database("sqlite")
    database.script("CREATE TABLE account (no INTEGER NOT NULL PRIMARY KEY, login VARCHAR(40))")
    entities = {"accounts": {"table": "account", "key": "no", "generate": {"sequence": "account_no"}}}
    with pytest.raises(SettingsError, match="no sequences") as raised:
        async with started(database, entities):
            pass
    assert raised.value.path == "entities.accounts.generate.sequence"


async def test_times_without_a_zone_are_local(database: Database) -> None:
    """A time stored without a zone is one of the settings', in summer and in winter, read, written and compared
    (R-L14)."""
    database.script("CREATE TABLE account (id {serial}, seen {moment})")
    database.run("INSERT INTO account (seen) VALUES ('2026-07-01 12:00:00'), ('2026-01-15 08:30:00'), (NULL)")
    entities = {"accounts": {"table": "account", "key": "id"}}
    async with started(database, entities, timezone="Europe/Oslo") as backend:
        page = await backend.search("accounts", Query(frozenset({"seen"}), limit=9))
        assert [record.fields["seen"] for record in page.records] == [
            datetime(2026, 7, 1, 10, tzinfo=UTC), datetime(2026, 1, 15, 7, 30, tzinfo=UTC), None
        ]  # fmt: skip
        summer = Compare("seen", Op.EQ, datetime(2026, 7, 1, 10, tzinfo=UTC))
        assert [one.key for one in (await backend.search("accounts", Query(frozenset(), summer, limit=9))).records] == [
            "1"
        ]
        assert (await backend.update("accounts", "3", Change(set={"seen": MOMENT}))).changed
        assert not (await backend.update("accounts", "3", Change(set={"seen": MOMENT}))).changed
    ((seen,),) = database.run("SELECT seen FROM account WHERE id = 3")
    assert str(seen).startswith("2026-02-03 05:05:06")


async def test_bytes_fixed_widths_codes_and_several_key_columns(database: Database) -> None:
    """Binary columns, CHARs that are filled up, names looked up for codes both ways, and keys of two columns with their
    rows and memberships do what the plainer ones do."""
    database.script(SCHEMA)
    async with started(database) as backend:
        fields = {"login": "ada", "badge": b"\x00\xff", "unit": "Human Resources", "nick": "ADA"}
        key = (await backend.create("people", fields)).key
        found = await backend.search(
            "people", Query(frozenset({"badge"}), Compare("badge", Op.EQ, b"\x00\xff"), limit=9)
        )
        assert [record.fields["badge"] for record in found.records] == [b"\x00\xff"]
        assert (await backend.update("people", key, Change(set={"unit": "Computing"}))).changed
        with pytest.raises(RejectedError):
            await backend.update("people", key, Change(set={"unit": "Nowhere"}))
        ((unit,),) = database.run("SELECT unit_code FROM person WHERE login = 'ada'")
        assert str(unit).rstrip() == "IT"
        roles = ({"role_name": "admin", "rank_no": 1},)
        made = [
            (await backend.create("accounts", {"site": site, "no": 1, "login": site, "roles": roles})).key
            for site in ("NW", "HQ")
        ]
        assert made == ["NW|1", "HQ|1"]
        club = (await backend.create("clubs", {"name": "chess", "members": tuple(made)})).key
        assert (await backend.update("clubs", club, Change(remove={"members": ("NW|1",)}))).changed
        assert (await backend.get("accounts", "HQ|1", frozenset({"clubs"}))).fields == {"clubs": ("chess",)}
        await backend.delete("accounts", "NW|1")
        left = await backend.search("accounts", Query(frozenset({"login"}), Compare(KEY, Op.IN, tuple(made)), limit=9))
        assert [record.key for record in left.records] == ["HQ|1"]
    assert database.run("SELECT login, no FROM account") == [("HQ", 1)]
    assert database.run("SELECT role_name, rank_no FROM account_role") == [("admin", 1)]
