"""Oracle, SQL Server and Db2: statements compiled and native errors read, without a server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mssql, oracle
from sqlalchemy.engine.default import DefaultDialect

from backends.contract import KEY, And, AnyRow, Change, Compare, Not, Op, Or, Query, Sort
from backends.sql import SqlSettings
from backends.sql.compilation import compiled
from backends.sql.dialects.base import Dialect
from backends.sql.dialects.db2 import Db2
from backends.sql.dialects.mssql import SqlServer
from backends.sql.dialects.mysql import MySQL
from backends.sql.dialects.oracle import Oracle
from backends.sql.dialects.postgres import Postgres
from backends.sql.explaining import Rehearsal, rehearsed
from backends.sql.grounds import Grounds
from backends.sql.reading import Reading
from backends.sql.reflection import Schema
from backends.sql.writing import Writing
from tests.backends.sql.databases import adapted
from tests.backends.sql.staff import ENTITIES, SCHEMA

OTHERS: list[tuple[Dialect, Any, bool]] = [
    (Oracle(), oracle.dialect(), True),
    (SqlServer(), mssql.dialect(), True),
    (Db2(), DefaultDialect(), False),
]
EVERYTHING = And(
    (
        Compare("login", Op.EQ, "Ada"),
        Compare("login", Op.SW, "a[1]%_!", ignore_case=True),
        Or((Not(Compare("grade", Op.GE, 7)), Compare("name", Op.NE, "x"), Compare("name", Op.IN, ("a", "b")))),
        AnyRow("mails", And((Compare("kind", Op.EQ, "work"), Compare("address", Op.CO, "@")))),
        Compare("teams", Op.EQ, "7"),
        Compare("unit", Op.EW, "s"),
        Compare(KEY, Op.IN, tuple(str(number) for number in range(1500))),
    )
)


class Bench:
    """One entity of the staff schema as another dialect sees it."""

    def __init__(
        self,
        dialect: Dialect,
        spoken: Any,
        returning: bool,
        entity: str,
        schema: str = SCHEMA,
        entities: Mapping[str, Any] = ENTITIES,
    ) -> None:
        engine = sa.create_engine("sqlite://")
        with engine.connect() as connection:
            for statement in adapted(schema, "sqlite").split(";"):
                if statement.strip():
                    connection.exec_driver_sql(statement)
            settings = SqlSettings.model_validate({"url": "sqlite://", "entities": entities})
            self._entity = compiled(Grounds(settings, Schema(connection, dialect), dialect, UTC))[entity]
        engine.dispose()
        self._spoken = spoken
        self.reading = Reading(self._entity, dialect)
        self.writing = Writing(self._entity, dialect, self.reading, returning=returning)

    def texts(self, work: Any) -> list[str]:
        session: Any = Rehearsal(self._spoken, self._entity, (), rows=2)
        rehearsed(work(session))
        return [call.text for call in session.calls]


@pytest.fixture(params=OTHERS, ids=["oracle", "mssql", "db2"])
def people(request: pytest.FixtureRequest) -> Bench:
    return Bench(*request.param, "people")


def test_reads_compile(people: Bench) -> None:
    """A page under every kind of filter, sorted, after a cursor, and one record with all its children are statements of
    the dialect."""
    query = Query(frozenset({"login", "mails", "tags", "unit"}), EVERYTHING, Sort("name", descending=True), limit=2)
    texts = people.texts(lambda session: people.reading.search(session, query))
    assert len(texts) == 3
    texts = people.texts(lambda session: people.reading.get(session, "7", frozenset({"login", "mails", "teams"})))
    assert [text.split(" ", 1)[0] for text in texts] == ["SELECT"] * 3


def test_writes_compile(people: Bench) -> None:
    """Create, a change of everything and delete are statements of the dialect."""
    fields = {"login": "ada", "unit": "Rest", "mails": ({"address": "a"},), "tags": ("x", "y"), "teams": ("1",)}
    texts = people.texts(lambda session: people.writing.create(session, fields))
    assert any(text.startswith("INSERT INTO person_mail") for text in texts)
    change = Change(set={"login": "ida", "mails": ()}, add={"tags": ("x",)}, remove={"teams": ("1",)})
    texts = people.texts(lambda session: people.writing.update(session, "7", change, None))
    assert any(text.startswith("UPDATE person SET login") for text in texts)
    assert any(text.startswith("DELETE FROM team_person") for text in texts)
    texts = people.texts(lambda session: people.writing.delete(session, "7", None))
    assert texts[-1].startswith("DELETE FROM person WHERE")


@pytest.mark.parametrize(("dialect", "spoken", "returning"), OTHERS, ids=["oracle", "mssql", "db2"])
def test_keys_of_several_columns_compile(dialect: Dialect, spoken: Any, returning: bool) -> None:
    """Where rows cannot be compared as wholes, cursors and batches of composite keys are spelled out."""
    accounts = Bench(dialect, spoken, returning, "accounts")
    where = Compare(KEY, Op.IN, ("A|1", "B|2"))
    first = accounts.texts(lambda session: accounts.reading.search(session, Query(frozenset({"roles"}), where)))
    assert first[0].count(" OR ") == 1
    from backends.sql import cursors

    cursor = cursors.seal(("A", 1), f"{KEY}+")
    query = Query(frozenset(), cursor=cursor, limit=5)
    (text,) = accounts.texts(lambda session: accounts.reading.search(session, query))[:1]
    assert text.count(" OR ") == 1


SHAPES = """
CREATE TABLE "Staff File" (
    id INTEGER NOT NULL PRIMARY KEY, kind CHAR(1) NOT NULL, login VARCHAR(40) NOT NULL, shown VARCHAR(90) NOT NULL,
    roles VARCHAR(60), prefs TEXT, rev INTEGER NOT NULL, boss INTEGER, "Crew No" INTEGER,
    gone INTEGER NOT NULL DEFAULT 0
);
CREATE VIEW present AS
    SELECT id, kind, login, shown, roles, prefs, rev, boss, "Crew No" FROM "Staff File" WHERE gone = 0;
CREATE TABLE attr (owner INTEGER NOT NULL, name VARCHAR(20) NOT NULL, value VARCHAR(80), PRIMARY KEY (owner, name));
CREATE TABLE quota (owner INTEGER NOT NULL PRIMARY KEY, megabytes INTEGER NOT NULL);
CREATE TABLE paper (no INTEGER NOT NULL PRIMARY KEY, owner INTEGER);
CREATE TABLE crew (no INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40));
CREATE TABLE nest (parent INTEGER NOT NULL, child INTEGER NOT NULL, kind CHAR(1) NOT NULL, PRIMARY KEY (parent, child))
"""
SHAPED: Mapping[str, Any] = {
    "people": {
        "table": "present",
        "written": '"Staff File"',
        "key": "id",
        "where": {"kind": "P"},
        "version": {"column": "rev"},
        "defaults": {"rev": 1},
        "computed": {"shown": "UPPER({login})"},
        "fields": {
            "roles": {"packed": ","},
            "tel": {"column": "prefs", "entry": {"format": "json", "path": "tel"}},
            "crews": {"inverse": "crews.members", "write": "never"},
            "teams": {"inverse": "teams.members", "initial": ["1"]},
        },
        "beside": [
            {"table": "attr", "owner": "owner", "name": "name", "value": "value", "fields": {"room": "ROOM"}},
            {"table": "quota", "owner": "owner", "required": True, "defaults": {"megabytes": 1}},
        ],
        "dependents": [
            {"table": "paper", "owner": "owner"},
            {"table": '"Staff File"', "owner": "boss", "action": "clear"},
        ],
    },
    "crews": {
        "table": "present",
        "key": "Crew No",
        "distinct": True,
        "members": {
            "table": '"Staff File"', "owner": "Crew No", "member": "id", "stored": "column", "refers": "people"
        },
    },
    "teams": {
        "table": "crew",
        "key": "no",
        "version": {},
        "members": {"table": "nest", "owner": "parent", "member": "child", "refers": "people", "where": {"kind": "U"}},
        "lists": {
            "teams": {"table": "nest", "owner": "parent", "member": "child", "refers": "teams", "where": {"kind": "G"}}
        },
        "statements": {
            "create": {"sql": "SELECT new_team(:name)", "gives": "key"},
            "delete": "CALL drop_team(:key)",
            "add": {"members": "INSERT INTO nest VALUES (:key, :value, 'U')"},
        },
    },
}  # fmt: skip


@pytest.mark.parametrize(("dialect", "spoken", "returning"), OTHERS, ids=["oracle", "mssql", "db2"])
def test_every_shape_compiles(dialect: Dialect, spoken: Any, returning: bool) -> None:
    """Views with their tables, names in quotes, sequences, versions, computed and packed columns, maps, rows beside,
    dependents, memberships in columns, distinct values, nested groups and procedures are statements of the dialect."""
    # SQLAlchemy's own dialect stands in for Db2's, and knows no sequences.
    number = {"sql": "VALUES NEXT VALUE FOR person_no"} if isinstance(dialect, Db2) else {"sequence": "person_no"}
    entities = {**SHAPED, "people": {**SHAPED["people"], "generate": number}}
    people, crews, teams = (
        Bench(dialect, spoken, returning, entity, SHAPES, entities) for entity in ("people", "crews", "teams")
    )
    fields = {"login": "ada", "roles": ("a", "b"), "tel": "1", "room": "4b"}
    created = people.texts(lambda session: people.writing.create(session, fields))
    for begin in ('INSERT INTO "Staff File"', "INSERT INTO attr", "INSERT INTO quota", "INSERT INTO nest"):
        assert any(text.replace("[", '"').replace("]", '"').startswith(begin) for text in created), (begin, created)
    assert any("person_no" in text for text in created)
    change = Change(set={"login": "ida", "tel": "2", "room": None}, add={"roles": ("c",)})
    changed = people.texts(lambda session: people.writing.update(session, "7", change, None))
    assert any("rev" in text and "UPPER(" in text for text in changed)
    assert any(text.startswith("DELETE FROM attr") for text in changed)
    gone = people.texts(lambda session: people.writing.delete(session, "7", None))
    assert next(text.split()[2] for text in gone if text.startswith("DELETE")) == "paper"
    assert any(text.startswith("UPDATE") and "boss" in text for text in gone)
    where = And((Compare("room", Op.EQ, "x"), Compare("teams", Op.EQ, "1"), Compare("crews", Op.PR)))
    query = Query(frozenset({"room", "tel", "roles"}), where, Sort("room"), limit=2)
    assert "EXISTS" in people.texts(lambda session: people.reading.search(session, query))[0]
    texts = crews.texts(lambda session: crews.reading.search(session, Query(frozenset({"members"}), limit=2)))
    assert "DISTINCT" in texts[0]
    join = Change(add={"members": ("7",)})
    assert any(text.startswith("UPDATE") for text in crews.texts(lambda s: crews.writing.update(s, "1", join, None)))
    assert any("INSERT INTO nest" in text for text in teams.texts(lambda s: teams.writing.update(s, "1", join, None)))
    assert teams.texts(lambda s: teams.writing.create(s, {"name": "x"}))[0].startswith("SELECT new_team(")
    assert teams.texts(lambda s: teams.writing.delete(s, "1", None))[-1].startswith("CALL drop_team(")


def test_sql_server_holds_rows_by_hints() -> None:
    """SQL Server knows no FOR UPDATE; Oracle and Db2 do."""
    change = Change(add={"mails": ({"address": "a"},)})
    locked = {}
    for dialect, spoken, returning in OTHERS:
        people = Bench(dialect, spoken, returning, "people")
        locked[type(dialect)] = people.texts(lambda session, p=people: p.writing.update(session, "7", change, None))[0]
    assert "WITH (UPDLOCK, ROWLOCK)" in locked[SqlServer]
    assert "FOR UPDATE" in locked[Oracle]
    assert "FOR UPDATE" in locked[Db2]


class Native(Exception):
    """A driver's error."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments)
        vars(self).update(attributes)


@pytest.mark.parametrize(
    ("dialect", "error", "kind", "constraint", "columns"),
    [
        (Oracle(), Native("ORA-00001: unique constraint (HR.PERSON_LOGIN) violated"), "unique", "PERSON_LOGIN", ()),
        (Oracle(), Native('ORA-01400: cannot insert NULL into ("HR"."PERSON"."LOGIN")'), "empty", None, ("LOGIN",)),
        (
            Oracle(),
            Native('ORA-12899: value too large for column "HR"."PERSON"."LOGIN" (actual: 41, maximum: 40)'),
            "value",
            None,
            ("LOGIN",),
        ),
        (Oracle(), Native("ORA-02291: integrity constraint (HR.FK) violated"), "reference", "FK", ()),
        (Oracle(), Native("ORA-20001: no"), "denied", None, ()),
        (Oracle(), Native("ORA-00060: deadlock detected"), "retry", None, ()),
        (Oracle(), Native("ORA-01017: invalid username/password"), "unreachable", None, ()),
        (Oracle(), Native("ORA-03113: end-of-file on communication channel"), "lost", None, ()),
        (Oracle(), Native("DPY-4011: the database or network closed the connection"), "lost", None, ()),
        (Oracle(), Native("DPY-6005: cannot connect to database"), "unreachable", None, ()),
        (Oracle(), Native("ORA-00942: table or view does not exist"), "other", None, ()),
        (
            SqlServer(),
            Native("(2627) Violation of UNIQUE KEY constraint 'PERSON_LOGIN'. Cannot insert duplicate key"),
            "unique",
            "PERSON_LOGIN",
            (),
        ),
        (
            SqlServer(),
            Native("(515) Cannot insert the value NULL into column 'LOGIN', table"),
            "empty",
            None,
            ("LOGIN",),
        ),
        (SqlServer(), Native('(547) conflicted with the FOREIGN KEY constraint "FK".'), "reference", "FK", ()),
        (SqlServer(), Native('(547) conflicted with the CHECK constraint "CK".'), "value", "CK", ()),
        (SqlServer(), Native("(1205) was deadlocked"), "retry", None, ()),
        (SqlServer(), Native("(50001) no"), "denied", None, ()),
        (SqlServer(), Native("(18456) Login failed"), "unreachable", None, ()),
        (SqlServer(), Native("[08S01] Communication link failure"), "lost", None, ()),
        (SqlServer(), Native("(208) Invalid object name"), "other", None, ()),
        (Db2(), Native('SQLCODE=-803 the index "PERSON_LOGIN" constrains'), "unique", "PERSON_LOGIN", ()),
        (
            Db2(),
            Native('SQL0407N Assignment of a NULL value to a NOT NULL column "LOGIN"'),
            "empty",
            "LOGIN",
            ("LOGIN",),
        ),
        (Db2(), Native("SQL0911N deadlock or timeout"), "retry", None, ()),
        (Db2(), Native("SQL30081N A communication error has been detected"), "lost", None, ()),
        (Db2(), Native("SQL0204N is an undefined name"), "other", None, ()),
        (Postgres(), Native("x", sqlstate="23505", constraint_name="person_login"), "unique", "person_login", ()),
        (Postgres(), Native("x", sqlstate="40001"), "retry", None, ()),
        (Postgres(), Native("x", sqlstate="57P01"), "lost", None, ()),
        (Postgres(), Native("x", sqlstate="57P03"), "unreachable", None, ()),
        (Postgres(), Native("x", sqlstate="25006"), "unreachable", None, ()),
        (Postgres(), Native("x", sqlstate="53300"), "unreachable", None, ()),
        (Postgres(), Native("x", sqlstate="42P01"), "other", None, ()),
        (MySQL(), Native(1062, "Duplicate entry 'a' for key 'person.person_login'"), "unique", "person_login", ()),
        (MySQL(), Native(1048, "Column 'login' cannot be null"), "empty", None, ("login",)),
        (MySQL(), Native(1213, "Deadlock found"), "retry", None, ()),
        (MySQL(), Native(2013, "Lost connection to MySQL server during query"), "lost", None, ()),
        (MySQL(), Native(1040, "Too many connections"), "unreachable", None, ()),
        (MySQL(), Native(1146, "Table 'x' doesn't exist"), "other", None, ()),
    ],
)
def test_native_errors_are_read(
    dialect: Dialect, error: Exception, kind: str, constraint: str | None, columns: tuple[str, ...]
) -> None:
    """Each dialect's codes say what happened, and of which constraint or column where the text names it."""
    fault = dialect.fault(error)
    assert (fault.kind, fault.constraint, fault.columns) == (kind, constraint, columns)
