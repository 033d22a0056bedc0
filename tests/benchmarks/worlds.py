"""What `whole.py` serves: a legacy database with people in it, its configuration, and its statements by hand."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import asyncpg
from services import start_postgres

from gateway.app.exposure import DEMO_TOKEN
from gateway.cli import examples, legacy_hr
from gateway.cli.demo import TENANT, Files

COMPOSE = Path(__file__).resolve().parents[2] / "deploy" / "compose"
CROWD = 4
"""Of a large directory one person in so many is in the large group."""


class Native(Protocol):
    """The tasks written by hand, on the driver itself."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def get(self, n: int) -> Any: ...

    async def hit(self, n: int) -> Any: ...

    async def miss(self, n: int) -> Any: ...

    async def page(self, n: int) -> Any: ...

    async def create(self, n: int) -> Any: ...

    async def status(self, n: int) -> Any: ...

    async def member(self, n: int) -> Any: ...


@dataclass(frozen=True, slots=True)
class World:
    """A configuration with all it needs; `caller` is the name of the token, `team` the title of the group members are
    added to, `server` the process of the database."""

    config: Path
    environment: dict[str, str]
    tenant: str
    token: str
    caller: str
    team: str
    people: int
    native: Native
    server: int | None = None

    def spent(self) -> float:
        """Tell the processor seconds the database's own processes have taken so far; 0 where there are none."""
        if self.server is None or not Path("/proc/self/stat").exists():
            return 0.0
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                if int(fields[1]) == self.server:
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


# Statements are counted where the drivers have them: in SQLite's library, and at the wire protocol.

_told = {"on": False, "patched": False, "statements": 0}


def watch() -> None:
    """Begin to count; only connections of SQLite opened from now on are counted, for listening costs time."""

    _told["on"] = True
    if _told["patched"]:
        return
    _told["patched"] = True
    connect: Any = sqlite3.connect

    def opened(*arguments: Any, **options: Any) -> Any:
        connection = connect(*arguments, **options)
        if _told["on"]:
            connection.set_trace_callback(_one_more)
        return connection

    module: Any = sqlite3
    module.connect = opened
    protocol: Any = asyncpg.protocol.Protocol
    for name in ("bind_execute", "query", "bind_execute_many"):
        setattr(protocol, name, _counted(getattr(protocol, name)))


def unwatch() -> None:
    """Listen to no further connection."""
    _told["on"] = False


def statements() -> int:
    """Tell how many statements were counted so far."""
    return int(_told["statements"])


def _one_more(*_: Any) -> None:
    _told["statements"] += 1


def _counted(method: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        _one_more()
        return method(*arguments, **options)

    return call


PERSON = (
    "EMP_NO, LOGIN, FIRST_NAME, MIDDLE_NAME, LAST_NAME, NAME_PREFIX, NAME_SUFFIX, DISPLAY_NAME, KNOWN_AS, JOB_TITLE, "
    "EMP_TYPE, STATUS, BOSS_NO, DEPT_CODE, COMPANY, DIVISION, COST_CENTRE, LANG, PERS_NO, MAIL_OFFICE, MAIL_PRIVATE, "
    "MAIL_OTHER, TEL_OFFICE, TEL_MOBILE, TEL_PRIVATE, FAX, OFF_STREET, OFF_CITY, OFF_REGION, OFF_ZIP, OFF_COUNTRY, "
    "HOME_STREET, HOME_CITY, HOME_REGION, HOME_ZIP, HOME_COUNTRY, CREATED_ON"
)
COLUMNS = ", ".join(f"E.{name}" for name in PERSON.split(", "))
PEOPLE = (
    f"SELECT {COLUMNS}, B.DISPLAY_NAME FROM EMPLOYEE E LEFT JOIN EMPLOYEE B ON B.EMP_NO = E.BOSS_NO"
    " WHERE E.KIND = 'P' AND E.STATUS <> 'D'"
)
TEAMS = (
    "SELECT M.EMP_NO, T.TEAM_ID, T.TITLE FROM TEAM_MEMBER M JOIN TEAM T ON T.TEAM_ID = M.TEAM_ID WHERE M.EMP_NO IN ({})"
)
MAILS = "SELECT EMP_NO, ADDRESS, KIND, IS_DEFAULT FROM EMPLOYEE_MAIL WHERE EMP_NO IN ({})"


class ByHandOnSqlite:
    """On the standard library's driver, in the thread that asks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: Any = None
        self._logins: list[str] = []

    async def open(self) -> None:
        self._db = sqlite3.connect(self._path, isolation_level=None, timeout=30)
        self._logins = [row[0] for row in self._all("SELECT LOGIN FROM EMPLOYEE WHERE KIND = 'P' LIMIT 1000")]

    async def close(self) -> None:
        self._db.close()

    def _all(self, sql: str, *values: Any) -> list[Any]:
        return list(self._db.execute(sql, values).fetchall())

    def _whole(self, rows: list[Any]) -> Any:
        keys = [row[0] for row in rows]
        if not keys:
            return rows
        marks = ", ".join("?" * len(keys))
        return rows, self._all(MAILS.format(marks), *keys), self._all(TEAMS.format(marks), *keys)

    def _person(self, number: int) -> Any:
        return self._whole(self._all(f"{PEOPLE} AND E.EMP_NO = ?", number))

    async def get(self, n: int) -> Any:
        return self._person(10001 + n % 1000)

    async def hit(self, n: int) -> Any:
        login = self._logins[n % len(self._logins)]
        return self._whole(self._all(f"{PEOPLE} AND E.LOGIN = ? ORDER BY E.EMP_NO LIMIT 101", login))

    async def miss(self, n: int) -> Any:
        return self._whole(self._all(f"{PEOPLE} AND E.LOGIN = ? ORDER BY E.EMP_NO LIMIT 101", f"NOBODY{n}"))

    async def page(self, n: int) -> Any:
        total = self._all("SELECT COUNT(*) FROM EMPLOYEE E WHERE E.KIND = 'P' AND E.STATUS <> 'D'")
        return total, self._whole(self._all(f"{PEOPLE} ORDER BY E.EMP_NO LIMIT 100"))

    async def create(self, n: int) -> Any:
        (row,) = self._all(
            "INSERT INTO EMPLOYEE (KIND, LOGIN, FIRST_NAME, LAST_NAME, DISPLAY_NAME, MAIL_OFFICE, STATUS, CREATED_BY)"
            " VALUES ('P', ?, 'New', ?, ?, ?, 'A', 'bench') RETURNING EMP_NO",
            f"HAND{n}@EXAMPLE.COM", f"Person {n}", f"New Person {n}", f"hand{n}@example.com",
        )  # fmt: skip
        return self._person(row[0])

    async def status(self, n: int) -> Any:
        number = 10001 + n % 1000
        self._all("UPDATE EMPLOYEE SET STATUS = CASE STATUS WHEN 'A' THEN 'I' ELSE 'A' END WHERE EMP_NO = ?", number)
        return self._person(number)

    async def member(self, n: int) -> Any:
        return self._all("INSERT OR IGNORE INTO TEAM_MEMBER (TEAM_ID, EMP_NO) VALUES (102, ?)", 10001 + n % 1000)


class ByHandOnPostgres:
    """On a pool of asyncpg's."""

    PEOPLE = (
        "SELECT e.emp_no, e.login, e.first_name, e.last_name, e.full_name, e.job_title, e.status, e.mail, e.phone,"
        " e.cost_centre, e.boss_no FROM hr.employee e WHERE e.status <> 'D'"
    )
    TEAMS = (
        "SELECT m.emp_no, t.team_id FROM hr.team_member m JOIN hr.team t ON t.team_id = m.team_id"
        " WHERE m.emp_no = ANY($1)"
    )

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: Any = None

    async def open(self) -> None:
        self._pool = await asyncpg.create_pool(self._url, min_size=1, max_size=2, connection_class=_Unreset)

    async def close(self) -> None:
        await self._pool.close()

    async def _whole(self, rows: Any) -> Any:
        keys = [row[0] for row in rows]
        return (rows, await self._pool.fetch(self.TEAMS, keys)) if keys else rows

    async def _person(self, number: int) -> Any:
        return await self._whole(await self._pool.fetch(f"{self.PEOPLE} AND e.emp_no = $1", number))

    async def get(self, n: int) -> Any:
        return await self._person(10010 + n % 900)

    async def _eq(self, login: str) -> Any:
        sql = f"{self.PEOPLE} AND e.login = $1 ORDER BY e.emp_no LIMIT 101"
        return await self._whole(await self._pool.fetch(sql, login))

    async def hit(self, n: int) -> Any:
        return await self._eq(f"USER{n % 900 + 1}")

    async def miss(self, n: int) -> Any:
        return await self._eq(f"NOBODY{n}")

    async def page(self, n: int) -> Any:
        total = await self._pool.fetchval("SELECT COUNT(*) FROM hr.employee WHERE status <> 'D'")
        return total, await self._whole(await self._pool.fetch(f"{self.PEOPLE} ORDER BY e.emp_no LIMIT 100"))

    async def create(self, n: int) -> Any:
        number = await self._pool.fetchval(
            "INSERT INTO hr.employee (login, first_name, last_name, full_name, mail, status, created_by)"
            " VALUES ($1, 'New', $2, $3, $4, 'A', 'bench') RETURNING emp_no",
            f"HAND{n}@EXAMPLE.COM", f"Person {n}", f"New Person {n}", f"hand{n}@example.com",
        )  # fmt: skip
        return await self._person(number)

    async def status(self, n: int) -> Any:
        number = 10010 + n % 900
        await self._pool.execute(
            "UPDATE hr.employee SET status = CASE status WHEN 'A' THEN 'I' ELSE 'A' END WHERE emp_no = $1", number
        )
        return await self._person(number)

    async def member(self, n: int) -> Any:
        sql = "INSERT INTO hr.team_member (team_id, emp_no) VALUES (102, $1) ON CONFLICT DO NOTHING"
        return await self._pool.execute(sql, 10010 + n % 900)


class _Unreset(asyncpg.Connection):  # type: ignore[misc]
    """A connection that is not reset when it is given back: nothing was set."""

    def get_reset_query(self) -> str:
        return ""


MORE_ON_SQLITE = """
WITH RECURSIVE S(N) AS (SELECT 1 UNION ALL SELECT N + 1 FROM S WHERE N < ?)
INSERT INTO EMPLOYEE (KIND, LOGIN, FIRST_NAME, LAST_NAME, DISPLAY_NAME, JOB_TITLE, BOSS_NO, DEPT_CODE, COMPANY,
                      MAIL_OFFICE, CREATED_BY)
SELECT 'P', 'USER' || N, 'First' || N, 'Last' || N, 'First' || N || ' Last' || N, 'Engineer', 10001, 'IT    ',
       'Hanse Iron Works', 'user' || N || '@example.com', 'MIGR1999' FROM S
"""
CROWD_ON_SQLITE = """
INSERT INTO TEAM_MEMBER (TEAM_ID, EMP_NO)
SELECT ?, EMP_NO FROM EMPLOYEE WHERE LOGIN LIKE 'USER%' AND EMP_NO % ? = 0
"""


@contextmanager
def sqlite(folder: Path, people: int) -> Iterator[World]:
    """Make the demo's files, with more people than it has if need be."""
    config = folder / "config"
    config.mkdir()
    shutil.copy(examples.locate("demo.yaml"), config)
    files = Files(folder)
    files.create(empty=False)
    title = "Year 2000 Task Force"
    if people > legacy_hr.EMPLOYEES:
        with closing(sqlite3.connect(files.database)) as database, database:
            database.execute(MORE_ON_SQLITE, (people - legacy_hr.EMPLOYEES,))
            ((team,),) = database.execute("SELECT TEAM_ID FROM TEAM WHERE TITLE = ?", (title,))
            database.execute(CROWD_ON_SQLITE, (team, CROWD))
            database.execute("ANALYZE")
    environment = files.environment("127.0.0.1:0", metrics="127.0.0.1:0")
    yield World(config, environment, TENANT, DEMO_TOKEN, "demo", title, people, ByHandOnSqlite(files.database))


MORE_ON_POSTGRES = """
INSERT INTO hr.employee (login, first_name, last_name, full_name, mail, phone, job_title, boss_no, created_by)
SELECT 'USER' || n, 'First' || n, 'Last' || n, 'First' || n || ' Last' || n, 'user' || n || '@example.com',
       '+44 1632 960001', 'Engineer', 10001, 'HR' FROM generate_series(1, {people}) n;
INSERT INTO hr.team (title, created_by) SELECT 'Team ' || n, 'HR' FROM generate_series(1, 40) n;
INSERT INTO hr.team_member (team_id, emp_no)
SELECT 110 + (emp_no + k * 13) % 30, emp_no FROM hr.employee, generate_series(1, 2) k WHERE emp_no > 10002;
INSERT INTO hr.team (title, created_by) VALUES ('Crowd', 'HR');
INSERT INTO hr.team_member (team_id, emp_no)
SELECT (SELECT team_id FROM hr.team WHERE title = 'Crowd'), emp_no FROM hr.employee
WHERE emp_no > 12000 AND emp_no % {crowd} = 0;
ANALYZE;
"""


@contextmanager
def postgresql(folder: Path, people: int) -> Iterator[World]:
    """Start a server, fill the compose file's database, and make the gateway's store in another one."""
    place = folder / "server"
    place.mkdir(mode=0o700)
    for parent in (folder, folder.parent):
        parent.chmod(0o711)
    server, process = start_postgres(place)
    try:
        legacy, store = server.create_database(), server.create_database()
        script = (COMPOSE / "legacy.sql").read_text(encoding="utf-8")
        asyncio.run(_filled(legacy, script + MORE_ON_POSTGRES.format(people=people, crowd=CROWD)))
        token, secret = secrets.token_urlsafe(24), folder / "secrets"
        secret.mkdir()
        text = (COMPOSE / "config.yaml").read_text(encoding="utf-8")
        for name in set(re.findall(r"/run/secrets/([\w.-]+)", text)):
            known = sha256(token.encode()).hexdigest() if name.endswith("-token.sha256") else secrets.token_hex(32)
            (secret / name).write_text(known, encoding="ascii")
        text = text.replace("/run/secrets", str(secret))
        text = re.sub(r"listen: \S+", "listen: 127.0.0.1:0", text)
        config = folder / "config"
        config.mkdir()
        (config / "config.yaml").write_text(text, encoding="utf-8")
        environment = {"STORE_URL": store, "CACHE_URL": "memory", "HR_DATABASE_URL": legacy}
        yield World(config, environment, "acme", token, "idp", "Crowd", people, ByHandOnPostgres(legacy), process.pid)
    finally:
        process.terminate()
        process.wait(30)


async def _filled(url: str, script: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(script)
    finally:
        await connection.close()
