"""Stored procedures and statements of the operator's own (R-L24)."""

from __future__ import annotations

from typing import Any

import pytest

from backends.contract import BackendError, Change, ConflictError, NotFoundError, RejectedError
from backends.sql import SettingsError
from tests.backends.sql.databases import Database
from tests.backends.sql.staff import started

TABLES = """
CREATE TABLE account (no {serial}, login VARCHAR(40) NOT NULL, status CHAR(1) NOT NULL, grade INTEGER);
CREATE TABLE grant_log (account_no INTEGER NOT NULL, role_name VARCHAR(20) NOT NULL);
CREATE TABLE journal (line VARCHAR(80) NOT NULL)
"""
POSTGRES = (
    """CREATE FUNCTION new_account(who TEXT, what INTEGER) RETURNS INTEGER LANGUAGE sql AS $$
       INSERT INTO account (login, status, grade) VALUES (UPPER(who), 'A', what) RETURNING no $$""",
    """CREATE FUNCTION set_status(num INTEGER, what TEXT) RETURNS INTEGER LANGUAGE plpgsql AS $$ BEGIN
       INSERT INTO journal VALUES ('status ' || what);
       IF what = 'X' THEN RETURN 17; END IF;
       IF what = 'Y' THEN RETURN 99; END IF;
       UPDATE account SET status = what WHERE no = num; RETURN 0; END $$""",
    """CREATE PROCEDURE drop_account(num INTEGER) LANGUAGE sql AS $$ DELETE FROM account WHERE no = num $$""",
)
MARIADB = (
    """CREATE PROCEDURE new_account(who VARCHAR(40), what INTEGER) BEGIN
       INSERT INTO account (login, status, grade) VALUES (UPPER(who), 'A', what); SELECT LAST_INSERT_ID(); END""",
    """CREATE PROCEDURE set_status(num INTEGER, what CHAR(1)) BEGIN
       INSERT INTO journal VALUES (CONCAT('status ', what));
       IF what = 'X' THEN SELECT 17; ELSEIF what = 'Y' THEN SELECT 99; ELSE
       UPDATE account SET status = what WHERE no = num; SELECT 0; END IF; END""",
    """CREATE PROCEDURE drop_account(num INTEGER) DELETE FROM account WHERE no = num""",
)
CALLS = {
    "postgres": (
        "SELECT new_account(:login, :grade)", "SELECT set_status(:key, :value)", "CALL drop_account(:key)"
    ),
    "mariadb": ("CALL new_account(:login, :grade)", "CALL set_status(:key, :value)", "CALL drop_account(:key)"),
}  # fmt: skip


def entities(create: str, status: str, delete: str) -> dict[str, Any]:
    return {
        "accounts": {
            "table": "account",
            "key": "no",
            "lists": {"roles": {"table": "grant_log", "owner": "account_no", "member": "role_name"}},
            "statements": {
                "create": {"sql": create, "gives": "key"},
                "delete": delete,
                "set": {"status": {"sql": status, "gives": "code", "codes": {"0": "done", "17": "rejected"}}},
                "add": {"roles": "INSERT INTO grant_log VALUES (:key, UPPER(:value))"},
                "remove": {"roles": "DELETE FROM grant_log WHERE account_no = :key AND role_name = :value"},
            },
        }
    }


@pytest.mark.parametrize("kind", ["postgres", pytest.param("mariadb", marks=pytest.mark.needs("mariadbd"))])
async def test_procedures_take_the_place_of_statements(kind: str, make_database: Any) -> None:
    """Procedures create, set one field and delete; they are called only for what changes; their return codes are
    errors; what no procedure does is done by statements as ever."""
    database: Database = make_database(kind)
    database.script(TABLES)
    database.run(*(POSTGRES if kind == "postgres" else MARIADB))
    async with started(database, entities(*CALLS[kind])) as backend:
        record = await backend.create("accounts", {"login": "ada", "grade": 3})
        assert record.fields == {"login": "ADA", "grade": 3}
        change = Change(set={"status": "I", "grade": 4})
        assert (await backend.update("accounts", record.key, change)).changed
        assert not (await backend.update("accounts", record.key, change)).changed
        assert database.run("SELECT login, status, grade FROM account") == [("ADA", "I", 4)]
        assert database.run("SELECT line FROM journal") == [("status I",)]
        with pytest.raises(RejectedError):
            await backend.update("accounts", record.key, Change(set={"grade": 5, "status": "X"}))
        with pytest.raises(BackendError, match="99"):
            await backend.update("accounts", record.key, Change(set={"status": "Y"}))
        assert database.run("SELECT status, grade FROM account") == [("I", 4)]
        assert database.run("SELECT line FROM journal") == [("status I",)]
        with pytest.raises(RejectedError, match="no place"):
            await backend.create("accounts", {"login": "eve", "no": 9})
        with pytest.raises(RejectedError):
            await backend.create("accounts", {"login": "eve", "status": "X"})
        assert database.run("SELECT login FROM account") == [("ADA",)]
        with pytest.raises(NotFoundError):
            await backend.delete("accounts", "99")
        await backend.delete("accounts", record.key)
        # What the statement that creates has no place for is written after it, by whatever writes it otherwise.
        eve = await backend.create("accounts", {"login": "eve", "status": "I", "grade": 5, "roles": ("adm",)})
        assert eve.fields == {"login": "EVE", "status": "I", "grade": 5, "roles": ("ADM",)}
        assert database.run("SELECT line FROM journal") == [("status I",), ("status I",)]
        assert database.run("SELECT role_name FROM grant_log") == [("ADM",)]
        await backend.delete("accounts", eve.key)
    assert database.run("SELECT COUNT(*) FROM account") == [(0,)]


async def test_statements_add_and_remove_single_values(database: Database) -> None:
    """A list with statements of its own is changed value by value, and only by values that make a difference."""
    database.script(TABLES + "; INSERT INTO account (login, status) VALUES ('ada', 'A')")
    given = entities("SELECT :login", "SELECT 0", "DELETE FROM account WHERE no = :key")
    async with started(database, given) as backend:
        for changed in (True, False):
            outcome = await backend.update("accounts", "1", Change(add={"roles": ("ADM", "FIN", "ADM")}))
            assert outcome.changed is changed
        assert (await backend.update("accounts", "1", Change(remove={"roles": ("ADM", "NIX")}))).changed
        with pytest.raises(NotFoundError):
            await backend.update("accounts", "9", Change(add={"roles": ("ADM",)}))
    assert database.run("SELECT account_no, role_name FROM grant_log") == [(1, "FIN")]


async def test_a_statement_may_write_the_whole_record(database: Database) -> None:
    """The statement for updates gets every field as it will be, those that do not change as they are."""
    database.script(TABLES + "; INSERT INTO account (login, status, grade) VALUES ('ada', 'A', 1)")
    update = "UPDATE account SET login = :login, status = :status, grade = :grade WHERE no = :key"
    given = {"accounts": {"table": "account", "key": "no", "statements": {"update": update}}}
    async with started(database, given) as backend:
        for changed in (True, False):
            assert (await backend.update("accounts", "1", Change(set={"grade": 2}))).changed is changed
    assert database.run("SELECT login, status, grade FROM account") == [("ada", "A", 2)]


async def test_a_create_statement_for_keys_that_are_given(database: Database) -> None:
    """Where the caller gives the key, the statement need not."""
    database.script("CREATE TABLE account (login VARCHAR(40) NOT NULL PRIMARY KEY, grade INTEGER)")
    create = "INSERT INTO account (login, grade) VALUES (:login, :grade)"
    given = {"accounts": {"table": "account", "key": "login", "statements": {"create": create}}}
    async with started(database, given) as backend:
        assert (await backend.create("accounts", {"login": "ada"})).key == "ada"
        with pytest.raises(RejectedError):
            await backend.create("accounts", {"grade": 1})
        with pytest.raises(ConflictError):
            await backend.create("accounts", {"login": "ada"})
    assert database.run("SELECT login, grade FROM account") == [("ada", None)]


async def test_a_parameter_that_is_no_field_is_told_at_start(database: Database) -> None:
    """A typo in a statement's parameter is found before anything is called."""
    database.script(TABLES)
    given = {"accounts": {"table": "account", "key": "no", "statements": {"create": "SELECT :logon"}}}
    with pytest.raises(SettingsError) as raised:
        async with started(database, given):
            pass
    assert raised.value.path == "entities.accounts.statements.create"
    assert "logon" in raised.value.reason
