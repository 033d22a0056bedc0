"""Oracle, SQL Server and Db2: statements compiled and native errors read, without a server."""

from __future__ import annotations

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

    def __init__(self, dialect: Dialect, spoken: Any, returning: bool, entity: str) -> None:
        engine = sa.create_engine("sqlite://")
        with engine.connect() as connection:
            for statement in adapted(SCHEMA, "sqlite").split(";"):
                if statement.strip():
                    connection.exec_driver_sql(statement)
            settings = SqlSettings.model_validate({"url": "sqlite://", "entities": ENTITIES})
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
