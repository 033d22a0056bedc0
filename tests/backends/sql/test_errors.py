"""Native errors as contract errors: which, of which field, and whether a write may have been done (F12, R-L33)."""

from __future__ import annotations

import asyncio
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from backends.contract import (
    BackendError,
    Change,
    Compare,
    ConflictError,
    Context,
    Op,
    Query,
    RejectedError,
    UnavailableError,
)
from backends.sql import SettingsError, SqlBackend, SqlSettings
from tests.backends.sql.databases import Database, Maker
from tests.backends.sql.staff import ENTITIES, SCHEMA, started

SERVERS = ["postgres", pytest.param("mariadb", marks=pytest.mark.needs("mariadbd"))]


@pytest.fixture
def staff(database: Database) -> Database:
    database.script(SCHEMA)
    return database


REFUSED: list[tuple[dict[str, Any], str, type[BackendError]]] = [
    ({"login": "taken"}, "login", ConflictError),
    ({"login": "daemon"}, "login", ConflictError),
    ({}, "login", RejectedError),
    ({"login": None}, "login", RejectedError),
    ({"login": "x" * 41}, "login", RejectedError),
    ({"login": "nul\x00"}, "login", RejectedError),
    ({"login": "lone\ud800"}, "login", RejectedError),
    ({"login": 7}, "login", RejectedError),
    ({"login": "a", "boss_id": "12345"}, "boss_id", RejectedError),
    ({"login": "a", "boss_id": "x"}, "boss_id", RejectedError),
    ({"login": "a", "boss_id": "99999999999999999999"}, "boss_id", RejectedError),
    ({"login": "a", "unit": "Nowhere"}, "unit", RejectedError),
    ({"login": "a", "grade": True}, "grade", RejectedError),
    ({"login": "a", "born": "yesterday"}, "born", RejectedError),
    ({"login": "a", "mails": ({"kind": "work"},)}, "mails", RejectedError),
    ({"login": "a", "mails": ({"address": "a", "colour": "red"},)}, "mails", RejectedError),
    ({"login": "a", "teams": ("99",)}, "teams", RejectedError),
    ({"login": "a", "tags": "one"}, "tags", RejectedError),
    ({"login": "a", "logon": "a"}, "logon", RejectedError),
]


async def test_a_refused_value_names_its_field(staff: Database, subtests: pytest.Subtests) -> None:
    """Whatever the database or the backend has against a value, the error says of which field, and nothing is
    written."""
    async with started(staff) as backend:
        await backend.create("people", {"login": "taken"})
        before = staff.run("SELECT COUNT(*) FROM person")
        for fields, field, kind in REFUSED:
            with subtests.test(fields=repr(fields)):
                with pytest.raises(kind) as raised:
                    await backend.create("people", fields)
                told = getattr(raised.value, "field", None)
                # SQLite does not say which foreign key it is that fails.
                assert told == field or (staff.kind == "sqlite" and told is None and "refers" in str(raised.value))
                assert staff.run("SELECT COUNT(*) FROM person") == before
                assert staff.run("SELECT COUNT(*) FROM person_mail") == [(0,)]


async def test_a_check_of_the_table_is_a_rejection(staff: Database) -> None:
    """A CHECK constraint refuses a value, by update as by create."""
    async with started(staff) as backend:
        key = (await backend.create("people", {"login": "a"})).key
        with pytest.raises(RejectedError):
            await backend.update("people", key, Change(set={"grade": 1000}))
    assert staff.run("SELECT grade FROM person WHERE login = 'a'") == [(None,)]


async def test_a_refused_part_undoes_the_whole_change(staff: Database) -> None:
    """A change over several tables is made whole or not at all (P3)."""
    async with started(staff) as backend:
        key = (await backend.create("people", {"login": "a", "tags": ("x",)})).key
        change = Change(set={"login": "b", "tags": ("y",)}, add={"teams": ("99",)})
        with pytest.raises(RejectedError):
            await backend.update("people", key, change)
    assert staff.run("SELECT login FROM person WHERE kind = 'P'") == [("a",)]
    assert staff.run("SELECT tag FROM person_tag") == [("x",)]


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_deadlock_is_unavailable_and_nothing_is_done(kind: str, make_database: Maker) -> None:
    """Of two changes that lock each other one is told to come again, surely undone; the other is made."""
    database = make_database(kind)
    database.script(SCHEMA)
    async with started(database) as backend:
        one, two = [(await backend.create("people", {"login": login})).key for login in "ab"]
        both = asyncio.Barrier(2)

        async def crossed(first: str, second: str, tag: str) -> None:
            async with backend._open().whole() as session:
                writing = backend._find("people").writing
                await writing.update(session, first, Change(set={"name": tag}), None)
                await both.wait()
                await writing.update(session, second, Change(set={"name": tag}), None)

        done = await asyncio.gather(crossed(one, two, "x"), crossed(two, one, "y"), return_exceptions=True)
        failed = [error for error in done if error is not None]
        assert len(failed) == 1
        assert isinstance(failed[0], UnavailableError)
        assert not failed[0].maybe_done
    assert len(set(database.run("SELECT name FROM person WHERE kind = 'P'"))) == 1


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_broken_connection_is_unavailable(kind: str, make_database: Maker) -> None:
    """Connections the server closed are noticed; a write that was sent alone may have been done, one whose transaction
    never came to its end was not; the next call finds a new connection."""
    database = make_database(kind)
    database.script(SCHEMA)
    async with started(database) as backend:
        key = (await backend.create("people", {"login": "a"})).key
        _kill(database)
        with pytest.raises(UnavailableError) as raised:
            await backend.update("people", key, Change(set={"name": "x"}))
        assert raised.value.maybe_done
        assert (await backend.update("people", key, Change(set={"name": "x", "tags": ("t",)}))).changed
        _kill(database)
        with pytest.raises(UnavailableError) as raised:
            await backend.update("people", key, Change(set={"tags": ("u",)}))
        assert not raised.value.maybe_done
        await backend.ping()
        _kill(database)
        with pytest.raises(UnavailableError) as raised:
            await backend.get("people", key, frozenset())
        assert not raised.value.maybe_done
        assert (await backend.get("people", key, frozenset({"tags"}))).fields == {"tags": ("t",)}


def _kill(database: Database) -> None:
    """Let the server close every connection but its own."""
    if database.kind == "postgres":
        database.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return
    name = database.url.rpartition("/")[2]
    rows = database.run(f"SELECT id FROM information_schema.processlist WHERE db = '{name}' AND id <> CONNECTION_ID()")
    database.run(*(f"KILL {row[0]}" for row in rows), "SELECT 1")


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_statement_over_its_time_is_unavailable(kind: str, make_database: Maker) -> None:
    """The database gives up a statement that takes too long, and nothing of it is done."""
    database = make_database(kind)
    slow = "pg_sleep(2)" if kind == "postgres" else "SLEEP(2)"
    database.script("CREATE TABLE account (id {serial}, login VARCHAR(40) NOT NULL)")
    given = {"accounts": {"table": "account", "key": "id", "generate": {"sql": f"SELECT 1 FROM (SELECT {slow}) AS s"}}}
    async with started(database, given, statement_seconds=0.1) as backend:
        with pytest.raises(UnavailableError) as raised:
            await backend.create("accounts", {"login": "a"})
        assert not raised.value.maybe_done
    assert database.run("SELECT COUNT(*) FROM account") == [(0,)]


async def test_a_pool_without_a_free_connection_is_unavailable(staff: Database) -> None:
    """Who waits too long for a connection is told to come again, surely undone."""
    pool = {"size": 1, "overflow": 0, "wait_seconds": 0.1}
    async with started(staff, pool=pool) as backend, backend._open().reading():
        with pytest.raises(UnavailableError) as raised:
            await backend.update("people", "2", Change(set={"name": "x"})) if staff.kind != "mariadb" else (
                await backend.get("people", "2", frozenset())
            )
        assert not raised.value.maybe_done
        assert raised.value.retry_after is not None


@pytest.mark.parametrize("kind", SERVERS)
async def test_wrong_credentials_are_unavailable_without_telling_them(kind: str, make_database: Maker) -> None:
    """The backend's own account failing is no fault of the client's, and no error shows it (E12)."""
    database = make_database(kind)
    url = database.url.replace("postgres@", "nobody:sesame@").replace("root@", "nobody:sesame@")
    with pytest.raises(UnavailableError) as raised:
        async with started(Database(kind, f"{url}x")):
            pass
    assert "sesame" not in str(raised.value)


def test_a_url_that_is_none_is_a_mistake_in_the_settings() -> None:
    """Settings that cannot be right are told when the backend is made, without repeating what may be a password."""
    for url in ("hidden", "dbase://hidden@host/db"):
        with pytest.raises(SettingsError) as raised:
            _made(url)
        assert raised.value.path == "url"
        assert "hidden" not in str(raised.value)


PROJECT = Path(__file__).parents[3] / "pyproject.toml"
MISSING = [
    ("mysql", "mysql://hidden@host/db", "asyncmy"),
    ("mysql", "mariadb://hidden@host/db", "asyncmy"),
    ("oracle", "oracle://hidden@host/db", "oracledb"),
    ("mssql", "mssql://hidden@host/db", "mssql_python"),
    ("db2", "db2://hidden@host/db", "ibm_db_sa"),
]


@pytest.mark.parametrize(("extra", "url", "module"), MISSING, ids=[url.partition(":")[0] for _, url, _ in MISSING])
def test_a_missing_driver_is_one_sentence(extra: str, url: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database whose driver does not come along is refused, with the command that installs the extra, and that extra
    is the distribution's."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError) as raised:
        _made(url)
    assert str(raised.value).endswith(f"databases is not installed: pip install 'scim-gateway[{extra}]'")
    assert "hidden" not in str(raised.value)
    extras = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert module.replace("_", "-") in {re.split(r"[<>=]", need)[0] for need in extras[extra]}


def test_a_missing_driver_of_ones_own_choice_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver the URL names is told by its name, with the one that would be used without it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for url, words in (
        ("postgresql+psycopg://hidden@host/db", "psycopg is not installed.*asyncpg.*pip install 'scim-gateway'"),
        ("mysql+nothing://hidden@host/db", r"nothing is not installed.*asyncmy.*pip install 'scim-gateway\[mysql\]'"),
    ):
        with pytest.raises(SettingsError, match=words):
            _made(url)


def _made(url: str) -> object:
    return SqlBackend(SqlSettings.model_validate({"url": url, "entities": ENTITIES}), Context("staff"))


MISNAMED: list[tuple[dict[str, Any], str, str]] = [
    ({"table": "persn"}, "entities.people.table", "'person'"),
    ({"key": "idd"}, "entities.people.key", "'id'"),
    ({"where": {"knd": "P"}}, "entities.people.where.knd", "'kind'"),
    ({"where": {"grade": "high"}}, "entities.people.where.grade", "whole number"),
    ({"defaults": {"created": "x"}}, "entities.people.defaults.created", "'created_by'"),
    ({"fields": {"logon": {}}}, "entities.people.fields.logon", "'login'"),
    ({"fields": {"teams": {"inverse": "team.members"}}}, "entities.people.fields.teams.inverse", "'teams'"),
    (
        {"rows": {"mails": {"table": "person_mail", "owner": "person", "key": "address"}}},
        "entities.people.rows.mails.owner",
        "'person_id'",
    ),
    (
        {"lookups": {"unit": {"column": "unit_code", "table": "unit", "key": "code", "value": "lable"}}},
        "entities.people.lookups.unit.value",
        "'label'",
    ),
    (
        {"beside": [{"table": "unitt", "owner": "id", "fields": {"x": "y"}}]},
        "entities.people.beside.0.table",
        "'unit'",
    ),
    ({"dependents": [{"table": "person_tag", "owner": ["a", "b"]}]}, "entities.people.dependents.0.owner", "'a'"),
    ({"version": {"column": "rev"}}, "entities.people.version.column", "'rev'"),
    ({"computed": {"name": "UPPER({logn})"}}, "entities.people.computed.name", "'login'"),
]


async def test_a_name_that_is_not_there_is_told_with_the_nearest(staff: Database, subtests: pytest.Subtests) -> None:
    """A wrong name in the settings stops the start, with the way to it and the name probably meant."""
    for change, path, hint in MISNAMED:
        with subtests.test(path=path):
            entities = {**ENTITIES, "people": {"table": "person", "key": "id", **change}}
            with pytest.raises(SettingsError) as raised:
                async with started(staff, entities):
                    pass
            assert raised.value.path == path
            assert hint in raised.value.reason


async def test_a_filter_that_cannot_be_answered_is_refused(staff: Database) -> None:
    """A field that is not there, or an operator its type does not have, is refused, never ignored (F12)."""
    refused = [
        Compare("nowhere", Op.EQ, "x"),
        Compare("mails.colour", Op.EQ, "x"),
        Compare("grade", Op.CO, "1"),
        Compare("grade", Op.EQ, 1, ignore_case=True),
        Compare("badge", Op.GT, b"x"),
        Compare("grade", Op.GT, "x"),
        Compare("teams", Op.CO, "1"),
        Compare("login", Op.EQ, None),
    ]
    async with started(staff) as backend:
        for where in refused:
            with pytest.raises(BackendError) as raised:
                await backend.search("people", Query(frozenset(), where))
            assert type(raised.value).__name__ == "UnsupportedError", where.field
