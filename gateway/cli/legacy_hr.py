"""The demo's legacy HR database: a thousand employees and forty teams as an old application would have left them.

The warts are the point, each one met in the field (R-L7, R-L10, R-L11, R-L14, R-L15, R-L17, R-L18): upper-case logins,
codes padded to a fixed width, a one-letter status, 9999-12-31 for "no end", three e-mail columns and a child table from
later, a boss by employee number, a lookup table, columns that must not be empty and of which SCIM knows nothing, rows
marked instead of deleted, service accounts among the people, and a password hash that only the old program may see.
"""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from gateway.cli.legacy_hr_names import DEPARTMENTS, FAMILY, GIVEN, LANGUAGES, OFFICES, TEAMS, TITLES, Name

EMPLOYEES = 1000
"""Employees that the mapping shows; service accounts and rows marked as deleted come on top."""

SCHEMA = """
CREATE TABLE DEPARTMENT (
    DEPT_CODE     CHAR(6)      NOT NULL PRIMARY KEY,          -- padded with blanks: 'HR    '
    DEPT_NAME     VARCHAR(80)  NOT NULL UNIQUE,
    DIVISION      VARCHAR(80)  NOT NULL,
    VALID_TO      DATE         NOT NULL DEFAULT '9999-12-31'
);
CREATE TABLE EMPLOYEE (
    EMP_NO        INTEGER      NOT NULL PRIMARY KEY AUTOINCREMENT,
    KIND          CHAR(1)      NOT NULL CHECK (KIND IN ('P', 'S')),       -- person, service account
    LOGIN         VARCHAR(120) NOT NULL CHECK (LOGIN = UPPER(LOGIN)),
    PASSWORD_HASH CHAR(64)     NOT NULL DEFAULT '*',
    PERS_NO       VARCHAR(40),                                -- leading zeros count: '00010042'
    FIRST_NAME    VARCHAR(120),
    MIDDLE_NAME   VARCHAR(120),
    LAST_NAME     VARCHAR(120) NOT NULL DEFAULT '',
    NAME_PREFIX   VARCHAR(60),
    NAME_SUFFIX   VARCHAR(60),
    DISPLAY_NAME  VARCHAR(240),
    KNOWN_AS      VARCHAR(120),
    JOB_TITLE     VARCHAR(120),
    EMP_TYPE      VARCHAR(60),
    STATUS        CHAR(1)      NOT NULL DEFAULT 'A',          -- A active, I inactive, L on leave, D deleted
    HIRED_ON      DATE         NOT NULL DEFAULT CURRENT_DATE,
    END_DATE      DATE         NOT NULL DEFAULT '9999-12-31',
    BOSS_NO       INTEGER      REFERENCES EMPLOYEE (EMP_NO),
    DEPT_CODE     CHAR(6)      REFERENCES DEPARTMENT (DEPT_CODE),
    COMPANY       VARCHAR(120),
    DIVISION      VARCHAR(120),
    COST_CENTRE   CHAR(40),                                   -- padded with blanks
    LANG          VARCHAR(60),
    MAIL_OFFICE   VARCHAR(254),
    MAIL_PRIVATE  VARCHAR(254),
    MAIL_OTHER    VARCHAR(254),
    TEL_OFFICE    VARCHAR(60),
    TEL_MOBILE    VARCHAR(60),
    TEL_PRIVATE   VARCHAR(60),
    FAX           VARCHAR(60),
    OFF_STREET    VARCHAR(240),
    OFF_CITY      VARCHAR(120),
    OFF_REGION    VARCHAR(120),
    OFF_ZIP       VARCHAR(60),
    OFF_COUNTRY   VARCHAR(60),
    HOME_STREET   VARCHAR(240),
    HOME_CITY     VARCHAR(120),
    HOME_REGION   VARCHAR(120),
    HOME_ZIP      VARCHAR(60),
    HOME_COUNTRY  VARCHAR(60),
    CREATED_BY    VARCHAR(30)  NOT NULL,
    CREATED_ON    TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE UNIQUE INDEX EMPLOYEE_LOGIN ON EMPLOYEE (LOGIN) WHERE STATUS <> 'D';
CREATE INDEX EMPLOYEE_BOSS ON EMPLOYEE (BOSS_NO);
CREATE INDEX EMPLOYEE_MAIL_OFFICE ON EMPLOYEE (MAIL_OFFICE);
CREATE TABLE EMPLOYEE_MAIL (
    EMP_NO        INTEGER      NOT NULL REFERENCES EMPLOYEE (EMP_NO),
    ADDRESS       VARCHAR(254) NOT NULL,
    KIND          VARCHAR(60),
    IS_DEFAULT    CHAR(1)      NOT NULL DEFAULT 'N' CHECK (IS_DEFAULT IN ('Y', 'N')),
    CREATED_BY    VARCHAR(30)  NOT NULL,
    CREATED_ON    TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (EMP_NO, ADDRESS)
);
CREATE INDEX EMPLOYEE_MAIL_ADDRESS ON EMPLOYEE_MAIL (ADDRESS);
CREATE TABLE TEAM (
    TEAM_ID       INTEGER      NOT NULL PRIMARY KEY AUTOINCREMENT,
    TITLE         VARCHAR(240) NOT NULL UNIQUE,
    CREATED_BY    VARCHAR(30)  NOT NULL,
    CREATED_ON    TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE TEAM_MEMBER (
    TEAM_ID       INTEGER      NOT NULL REFERENCES TEAM (TEAM_ID),
    EMP_NO        INTEGER      NOT NULL REFERENCES EMPLOYEE (EMP_NO),
    JOINED_ON     TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CREATED_BY    VARCHAR(30)  NOT NULL DEFAULT 'HR',
    PRIMARY KEY (TEAM_ID, EMP_NO)
);
CREATE INDEX TEAM_MEMBER_EMP ON TEAM_MEMBER (EMP_NO);
"""

Progress = Callable[[int, int], None]
Values = dict[str, str | int | None]

_SEED = 1987
_FIRST_NUMBER = 10001
_DELETED = 12
_SERVICE_ACCOUNTS = ("BACKUP", "BATCH01", "EDI", "PRINTSRV")
_NO_END = "9999-12-31"
_FOUNDED = date(1987, 4, 1)
_TODAY = date(2026, 11, 2)


@dataclass(frozen=True, slots=True)
class _Person:
    """Who somebody is, before the old system's columns are filled with it."""

    number: int
    given: Name
    family: Name
    login: str

    @property
    def mailbox(self) -> str:
        return f"{self.given.latin}.{self.family.latin}".lower()


def create(path: Path, *, empty: bool = False, progress: Progress | None = None) -> None:
    """Write the database to `path` whole or not at all; the same content every time.

    `empty` leaves out employees and teams (the departments stay). `progress` is told how many employees are written, of
    how many. Raises FileExistsError if there is something at `path`, and OSError or sqlite3.Error as they come.
    """
    if path.exists():
        raise FileExistsError(f"{path} exists already")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with closing(sqlite3.connect(unfinished)) as database:
            database.execute("PRAGMA foreign_keys = ON")
            database.executescript(f"BEGIN; {SCHEMA}")
            _write_departments(database)
            _start_numbering(database)
            if not empty:
                _write_employees(database, progress)
                _write_teams(database)
            database.commit()
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _write_departments(database: sqlite3.Connection) -> None:
    rows = [(f"{code:<6}", name, division) for code, name, division in DEPARTMENTS]
    database.executemany("INSERT INTO DEPARTMENT (DEPT_CODE, DEPT_NAME, DIVISION) VALUES (?, ?, ?)", rows)


def _start_numbering(database: sqlite3.Connection) -> None:
    """Employee numbers have five digits and team numbers three, in an empty database too."""
    rows = [("EMPLOYEE", _FIRST_NUMBER - 1), ("TEAM", 100)]
    database.executemany("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", rows)


def _write_employees(database: sqlite3.Connection, progress: Progress | None) -> None:
    chance = random.Random(_SEED)  # noqa: S311 - the same people every time, no secret
    people = list(_people(chance))
    for done, person in enumerate(people, start=1):
        row = _employee(chance, person, done)
        _insert(database, "EMPLOYEE", row)
        for mail in _further_mail(chance, person, done):
            _insert(database, "EMPLOYEE_MAIL", mail)
        if progress is not None and (done % 50 == 0 or done == EMPLOYEES):
            progress(done, EMPLOYEES)
    _write_ghosts(database, people)


def _people(chance: random.Random) -> Iterator[_Person]:
    taken: set[str] = set()
    pairs = [(given, family) for given in GIVEN for family in FAMILY if given.script == family.script]
    rare = [pair for pair in pairs if pair[0].script != "LATIN"]
    latin = [pair for pair in pairs if pair[0].script == "LATIN"]
    staff = rare + chance.sample(latin, EMPLOYEES - len(rare))
    chance.shuffle(staff)
    for number, (given, family) in enumerate(staff, start=_FIRST_NUMBER):
        stem = f"{given.latin[0]}{family.latin}"[:16]
        login, turn = stem, 1
        while login in taken:
            turn += 1
            login = f"{stem}{turn}"
        taken.add(login)
        yield _Person(number, given, family, login)


def _employee(chance: random.Random, person: _Person, position: int) -> Values:
    code, _, division = DEPARTMENTS[0] if position == 1 else chance.choice(DEPARTMENTS)
    street, city, region, zip_code, country = chance.choice(OFFICES)
    hired = _FOUNDED + timedelta(days=chance.randrange((_TODAY - _FOUNDED).days))
    status = "A" if position == 1 else _status(chance, position)
    left = hired + timedelta(days=chance.randrange((_TODAY - hired).days + 1))
    living = chance.choice(OFFICES) if chance.random() < 0.6 else None
    has_mail = position % 97 != 0
    return {
        "EMP_NO": person.number,
        "KIND": "P",
        "LOGIN": person.login,
        "PASSWORD_HASH": hashlib.sha256(f"{_SEED}/{person.login}".encode()).hexdigest(),
        "PERS_NO": f"{person.number:08d}",
        "FIRST_NAME": person.given.written,
        "MIDDLE_NAME": chance.choice(GIVEN).written if chance.random() < 0.15 else None,
        "LAST_NAME": person.family.written,
        "NAME_PREFIX": "Dr." if chance.random() < 0.06 else None,
        "NAME_SUFFIX": "Jr." if chance.random() < 0.01 else None,
        "DISPLAY_NAME": f"{person.given.written} {person.family.written}",
        "KNOWN_AS": person.given.written[:3] if chance.random() < 0.1 else None,
        "JOB_TITLE": "Managing Director" if position == 1 else chance.choice(TITLES),
        "EMP_TYPE": "Employee"
        if position == 1
        else chance.choices(("Employee", "Contractor", "Intern", "Temp"), (86, 8, 3, 3))[0],
        "STATUS": status,
        "HIRED_ON": hired.isoformat(),
        "END_DATE": left.isoformat() if status == "I" else _NO_END,
        "BOSS_NO": _boss(chance, position),
        "DEPT_CODE": f"{code:<6}",
        "COMPANY": "Hanse Iron Works",
        "DIVISION": division,
        "COST_CENTRE": f"{chance.randrange(4000, 4900):06d}".ljust(40),
        "LANG": LANGUAGES[country],
        "MAIL_OFFICE": f"{person.mailbox}@example.com" if has_mail else None,
        "MAIL_PRIVATE": f"{person.mailbox}@example.org" if has_mail and chance.random() < 0.3 else None,
        "MAIL_OTHER": f"{person.login.lower()}+hr@example.net" if has_mail and chance.random() < 0.05 else None,
        "TEL_OFFICE": f"+44 1632 960{position % 1000:03d}" if chance.random() < 0.9 else None,
        "TEL_MOBILE": f"+1 202 555 01{chance.randrange(100):02d}" if chance.random() < 0.4 else None,
        "TEL_PRIVATE": f"+44 20 7946 {chance.randrange(1000):04d}" if chance.random() < 0.2 else None,
        "FAX": f"+44 1632 960{chance.randrange(1000):03d}" if chance.random() < 0.1 else None,
        "OFF_STREET": street,
        "OFF_CITY": city,
        "OFF_REGION": region,
        "OFF_ZIP": zip_code,
        "OFF_COUNTRY": country,
        "HOME_STREET": f"{living[0].splitlines()[0]} / {chance.randrange(1, 40)}" if living else None,
        "HOME_CITY": living[1] if living else None,
        "HOME_REGION": living[2] if living else None,
        "HOME_ZIP": living[3] if living else None,
        "HOME_COUNTRY": living[4] if living else None,
        "CREATED_BY": "MIGR1999" if hired.year < 1999 else "HRCLERK",
        "CREATED_ON": f"{hired.isoformat()} 08:00:00",
    }


def _status(chance: random.Random, position: int) -> str:
    """One letter; the two X stand for a code whose meaning nobody remembers."""
    return "X" if position in (333, 777) else chance.choices(("A", "I", "L"), (88, 8, 4))[0]


def _boss(chance: random.Random, position: int) -> int | None:
    """Somebody of an earlier row, so that the chart is a tree; the first has none, and some have lost theirs."""
    if position == 1 or position % 211 == 0:
        return None
    return _FIRST_NUMBER + chance.randrange(min(position - 1, 120))


def _further_mail(chance: random.Random, person: _Person, position: int) -> Iterator[Values]:
    """What did not fit into three columns: the addresses the web shop and the plants gave out later."""
    if position % 97 == 0 or chance.random() >= 0.2:
        return
    for kind, host in (("webshop", "shop.example.com"), ("plant", "plant.example.com"))[: chance.choice((1, 1, 2))]:
        yield {
            "EMP_NO": person.number,
            "ADDRESS": f"{person.mailbox}@{host}",
            "KIND": kind,
            "IS_DEFAULT": "N",
            "CREATED_BY": "WEBSHOP",
        }


def _write_ghosts(database: sqlite3.Connection, people: list[_Person]) -> None:
    """Rows that are there and must not be seen: deleted people whose logins are in use again, and machines."""
    number = _FIRST_NUMBER + EMPLOYEES
    for turn in range(_DELETED):
        person = people[turn * 71]
        row: Values = {"EMP_NO": number, "KIND": "P", "LOGIN": person.login, "LAST_NAME": person.family.written}
        _insert(database, "EMPLOYEE", row | {"STATUS": "D", "END_DATE": "2011-12-31", "CREATED_BY": "MIGR1999"})
        number += 1
    for login in _SERVICE_ACCOUNTS:
        row = {"EMP_NO": number, "KIND": "S", "LOGIN": login, "LAST_NAME": "Service account", "CREATED_BY": "ROOT"}
        _insert(database, "EMPLOYEE", row)
        number += 1


def _write_teams(database: sqlite3.Connection) -> None:
    """Forty teams: one with all who are active, one with nobody, one with machines and deleted people in it."""
    chance = random.Random(_SEED + 1)  # noqa: S311 - the same teams every time, no secret
    active = [row[0] for row in database.execute("SELECT EMP_NO FROM EMPLOYEE WHERE KIND = 'P' AND STATUS = 'A'")]
    ghosts = [row[0] for row in database.execute("SELECT EMP_NO FROM EMPLOYEE WHERE KIND = 'S' OR STATUS = 'D'")]
    for team_id, title in enumerate(TEAMS, start=101):
        _insert(database, "TEAM", {"TEAM_ID": team_id, "TITLE": title, "CREATED_BY": "HRCLERK"})
        match title:
            case "All Staff":
                members = active
            case "Year 2000 Task Force":
                members = []
            case "Archive":
                members = [*chance.sample(active, 5), *ghosts]
            case _:
                members = chance.sample(active, chance.randrange(2, 60))
        joined = datetime(1999, 1, 4, 8) + timedelta(days=chance.randrange(9000))
        stamp = joined.isoformat(sep=" ")
        rows = [(team_id, member, stamp) for member in members]
        database.executemany("INSERT INTO TEAM_MEMBER (TEAM_ID, EMP_NO, JOINED_ON) VALUES (?, ?, ?)", rows)


def _insert(database: sqlite3.Connection, table: str, row: Values) -> None:
    columns, marks = ", ".join(row), ", ".join("?" * len(row))
    database.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(row.values()))  # noqa: S608 - own names
