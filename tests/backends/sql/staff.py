"""A small legacy schema with something of everything, and the settings that serve it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from backends.contract import Context
from backends.sql import SqlBackend, SqlSettings
from tests.backends.sql.databases import Database

SCHEMA = """
CREATE TABLE unit (
    code       CHAR(4)      NOT NULL PRIMARY KEY,
    label      VARCHAR(40)  NOT NULL UNIQUE
);
CREATE TABLE person (
    id         {serial},
    kind       CHAR(1)      NOT NULL,
    login      VARCHAR(40)  NOT NULL,
    name       VARCHAR(40),
    grade      INTEGER,
    rate       {number},
    born       DATE,
    seen       {moment},
    badge      {binary},
    nick_uc    VARCHAR(40),
    boss_id    INTEGER,
    unit_code  CHAR(4),
    created_by VARCHAR(20)  NOT NULL,
    CONSTRAINT person_login UNIQUE (login),
    CONSTRAINT person_boss FOREIGN KEY (boss_id) REFERENCES person (id),
    CONSTRAINT person_unit FOREIGN KEY (unit_code) REFERENCES unit (code),
    CONSTRAINT person_grade CHECK (grade < 1000)
);
CREATE TABLE person_mail (
    person_id  INTEGER      NOT NULL,
    address    VARCHAR(80)  NOT NULL,
    kind       VARCHAR(20),
    main       CHAR(1)      NOT NULL DEFAULT 'N',
    created_by VARCHAR(20)  NOT NULL,
    PRIMARY KEY (person_id, address),
    CONSTRAINT mail_person FOREIGN KEY (person_id) REFERENCES person (id)
);
CREATE TABLE person_tag (
    person_id  INTEGER      NOT NULL,
    tag        VARCHAR(40)  NOT NULL,
    PRIMARY KEY (person_id, tag)
);
CREATE TABLE team (
    id         {serial},
    title      VARCHAR(80)  NOT NULL,
    CONSTRAINT team_title UNIQUE (title)
);
CREATE TABLE team_person (
    team_id    INTEGER      NOT NULL,
    person_id  INTEGER      NOT NULL,
    since      VARCHAR(20)  NOT NULL DEFAULT 'today',
    added_by   VARCHAR(20)  NOT NULL,
    PRIMARY KEY (team_id, person_id),
    CONSTRAINT member_team FOREIGN KEY (team_id) REFERENCES team (id),
    CONSTRAINT member_person FOREIGN KEY (person_id) REFERENCES person (id)
);
CREATE TABLE account (
    site       CHAR(3)      NOT NULL,
    no         INTEGER      NOT NULL,
    login      VARCHAR(40)  NOT NULL,
    PRIMARY KEY (site, no)
);
CREATE TABLE account_role (
    site       CHAR(3)      NOT NULL,
    no         INTEGER      NOT NULL,
    role_name  VARCHAR(40)  NOT NULL,
    rank_no    INTEGER,
    PRIMARY KEY (site, no, role_name)
);
CREATE TABLE club (
    name       VARCHAR(40)  NOT NULL PRIMARY KEY
);
CREATE TABLE club_account (
    club       VARCHAR(40)  NOT NULL,
    site       CHAR(3)      NOT NULL,
    no         INTEGER      NOT NULL
);
INSERT INTO unit (code, label) VALUES ('HR  ', 'Human Resources'), ('IT  ', 'Computing'), ('X   ', 'Rest');
INSERT INTO person (kind, login, created_by) VALUES ('S', 'daemon', 'old');
"""

ENTITIES: Mapping[str, Any] = {
    "people": {
        "table": "PERSON",
        "key": "ID",
        "where": {"kind": "P"},
        "defaults": {"created_by": "scim"},
        "fields": {
            "nick": {"column": "nick_uc", "case": "upper"},
            "teams": {"inverse": "teams.members", "write": "always"},
        },
        "rows": {
            "mails": {
                "table": "person_mail",
                "owner": "person_id",
                "key": ["address"],
                "columns": ["kind", "main"],
                "defaults": {"created_by": "scim"},
            }
        },
        "lists": {"tags": {"table": "person_tag", "owner": "person_id", "member": "tag"}},
        "lookups": {"unit": {"column": "unit_code", "table": "unit", "key": "code", "value": "label"}},
    },
    "teams": {
        "table": "team",
        "key": "id",
        "members": {
            "table": "team_person",
            "owner": "team_id",
            "member": "person_id",
            "defaults": {"added_by": "scim"},
        },
    },
    "accounts": {
        "table": "account",
        "key": ["site", "no"],
        "rows": {"roles": {"table": "account_role", "owner": ["site", "no"], "key": ["role_name"]}},
        "fields": {"clubs": {"inverse": "clubs.members"}},
    },
    "clubs": {
        "table": "club",
        "key": "name",
        "members": {"table": "club_account", "owner": "club", "member": ["site", "no"], "refers": "accounts"},
    },
}


def settings(database: Database, entities: Mapping[str, Any] = ENTITIES, **others: Any) -> SqlSettings:
    """Give settings for a database."""
    return SqlSettings.model_validate({"url": database.url, "entities": entities, **others})


@asynccontextmanager
async def started(
    database: Database, entities: Mapping[str, Any] = ENTITIES, **others: Any
) -> AsyncIterator[SqlBackend]:
    """Start a backend on a database, and stop it."""
    backend = SqlBackend(settings(database, entities, **others), Context("staff"))
    try:
        await backend.start()
        yield backend
    finally:
        await backend.stop()
