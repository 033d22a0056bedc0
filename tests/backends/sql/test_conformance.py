"""The conformance suite on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from backends.conformance.harness import Group, Harness, Roles, RowRole
from backends.conformance.suite import ConformanceSuite
from backends.contract import Backend, Context
from backends.sql import SqlBackend, SqlSettings
from tests.backends.sql.databases import Database, Maker
from tests.services import free_port

SCHEMA = """
CREATE TABLE person (
    id       {serial},
    kind     CHAR(1)      NOT NULL,
    login    VARCHAR(40)  NOT NULL,
    note     VARCHAR(20),
    points   INTEGER,
    born     DATE,
    seen     {moment},
    fit      {boolean},
    made_by  VARCHAR(20)  NOT NULL,
    CONSTRAINT person_login UNIQUE (login)
);
CREATE TABLE tag (
    person_id INTEGER     NOT NULL,
    tag       VARCHAR(40) NOT NULL,
    PRIMARY KEY (person_id, tag),
    CONSTRAINT tag_person FOREIGN KEY (person_id) REFERENCES person (id)
);
CREATE TABLE mail (
    person_id INTEGER     NOT NULL,
    address   VARCHAR(40) NOT NULL,
    kind      VARCHAR(40),
    PRIMARY KEY (person_id, address),
    CONSTRAINT mail_person FOREIGN KEY (person_id) REFERENCES person (id)
);
CREATE TABLE team (
    id       {serial},
    title    VARCHAR(40)  NOT NULL
);
CREATE TABLE member (
    team_id   INTEGER     NOT NULL,
    person_id INTEGER     NOT NULL,
    PRIMARY KEY (team_id, person_id),
    CONSTRAINT member_team FOREIGN KEY (team_id) REFERENCES team (id),
    CONSTRAINT member_person FOREIGN KEY (person_id) REFERENCES person (id)
);
"""
TABLES = ("member", "team", "mail", "tag", "person")
ENTITIES: Mapping[str, Any] = {
    "people": {
        "table": "person",
        "key": "id",
        "where": {"kind": "P"},
        "defaults": {"made_by": "scim"},
        "fields": {
            **{name: {"column": name} for name in ("login", "note", "points", "born", "seen", "fit")},
            "teams": {"inverse": "teams.members"},
        },
        "rows": {"mails": {"table": "mail", "owner": "person_id", "key": "address", "columns": ["kind"]}},
        "lists": {"tags": {"table": "tag", "owner": "person_id", "member": "tag"}},
    },
    "teams": {"table": "team", "key": "id", "members": {"table": "member", "owner": "team_id", "member": "person_id"}},
}


class Legacy(Harness):
    """The schema above, in whichever database."""

    entity = "people"
    group = Group("teams", "title", "members", inverse="teams")
    secrets = ("hidden", "127.0.0.1")
    order = int
    roles = Roles(
        name="login",
        text="note",
        longest=20,
        number="points",
        flag="fit",
        day="born",
        moment="seen",
        many="tags",
        rows=RowRole("mails", "address", "kind"),
    )

    def build(self, place: Any) -> Backend[Any]:
        url = "sqlite://" if place is None else place.url
        return SqlBackend(SqlSettings.model_validate({"url": url, "entities": ENTITIES}), Context("legacy"))

    def unreachable(self) -> Backend[Any]:
        url = f"postgresql://scim:hidden@127.0.0.1:{free_port()}/hr"
        return SqlBackend(SqlSettings.model_validate({"url": url, "entities": ENTITIES}), Context("legacy"))

    async def outsider(self, backend: Backend[Any], place: Database) -> str:
        place.run("INSERT INTO person (kind, login, made_by) VALUES ('S', 'daemon', 'old')")
        return str(place.run("SELECT id FROM person WHERE login = 'daemon'")[0][0])


class _Suite(ConformanceSuite):
    """One database for all rules, emptied before each."""

    kind = "sqlite"

    @pytest.fixture(scope="class")
    @classmethod
    def kept(cls, make_database: Maker) -> Database:
        database = make_database(cls.kind)
        database.script(SCHEMA)
        return database

    @pytest.fixture
    def place(self, kept: Database) -> Database:
        kept.run(*(f"DELETE FROM {table}" for table in TABLES))
        return kept


class TestSqlite(_Suite):
    """SQLite."""

    harness = Legacy()


class TestBlockingSqlite(_Suite):
    """SQLite through a driver that blocks, in threads (R-L31)."""

    class Blocking(Legacy):
        def build(self, place: Any) -> Backend[Any]:
            url = "sqlite+pysqlite://" if place is None else place.url.replace("sqlite:", "sqlite+pysqlite:")
            return SqlBackend(SqlSettings.model_validate({"url": url, "entities": ENTITIES}), Context("legacy"))

    harness = Blocking()


class TestPostgres(_Suite):
    """PostgreSQL."""

    harness = Legacy()
    kind = "postgres"


class WithoutFlags(Legacy):
    """MariaDB has no column that only holds true and false."""

    roles = Roles(
        name="login",
        text="note",
        longest=20,
        number="points",
        day="born",
        moment="seen",
        many="tags",
        rows=RowRole("mails", "address", "kind"),
    )

    def unreachable(self) -> Backend[Any]:
        url = f"mysql://scim:hidden@127.0.0.1:{free_port()}/hr"
        return SqlBackend(SqlSettings.model_validate({"url": url, "entities": ENTITIES}), Context("legacy"))


@pytest.mark.needs("mariadbd")
class TestMariadb(_Suite):
    """MariaDB."""

    harness = WithoutFlags()
    kind = "mariadb"
