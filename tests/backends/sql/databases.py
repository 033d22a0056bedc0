"""The databases the SQL backend is tested on, each looked into with a plain driver, past the backend."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncmy
import asyncpg
import pytest

from tests.services import free_port

KINDS = ("sqlite", "postgres", "mariadb")
Maker = Callable[[str], "Database"]


def kinds() -> list[object]:
    """Give the kinds of databases as parameters; MariaDB only where it is installed."""
    marks = {"mariadb": [pytest.mark.needs("mariadbd")]}
    return [pytest.param(kind, marks=marks.get(kind, ())) for kind in KINDS]


@dataclass(frozen=True, slots=True)
class Database:
    """One database of one kind: its URL for the backend, and a way past it."""

    kind: str
    url: str

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements with a plain driver and give the rows of the last, whether or not a loop is running."""
        if self.kind == "sqlite":
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=10)) as connection:
                connection.execute("PRAGMA foreign_keys = ON")
                rows: list[tuple[Any, ...]] = []
                for statement in statements:
                    rows = connection.execute(statement).fetchall()
                connection.commit()
                return rows
        work = self._postgres if self.kind == "postgres" else self._mariadb
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: asyncio.run(work(statements))).result(60)

    def script(self, text: str) -> None:
        """Run the statements of a script, adapted to the dialect."""
        self.run(*(part.strip() for part in adapted(text, self.kind).split(";") if part.strip()))

    def source(self, text: str) -> None:
        """Run a script written for this kind of database, as it is."""
        if self.kind == "sqlite":
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=10)) as connection:
                connection.executescript(text)
            return
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: asyncio.run(self._source(text))).result(60)

    @asynccontextmanager
    async def holding(self, statement: str) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
        """Run a statement in a transaction that is committed at the end of the block; gives what tells whether somebody
        waits for it."""
        if self.kind == "postgres":
            asked = (
                "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            connection = await asyncpg.connect(self.url)
            try:
                async with connection.transaction():
                    await connection.execute(statement)
                    yield lambda: asyncio.to_thread(lambda: self.run(asked) != [(0,)])
            finally:
                await connection.close()
            return
        maria = await self._connected()
        try:
            async with maria.cursor() as cursor:
                await cursor.execute("BEGIN")
                await cursor.execute(statement)
                asked = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"

                async def waiting() -> bool:
                    # The table shows what it last did to whoever asks again within a tenth of a second, for ever.
                    await asyncio.sleep(0.12)
                    return await asyncio.to_thread(lambda: self.run(asked) != [(0,)])

                yield waiting
                await cursor.execute("COMMIT")
        finally:
            await maria.ensure_closed()

    async def _source(self, text: str) -> None:
        if self.kind == "postgres":
            connection = await asyncpg.connect(self.url)
            try:
                await connection.execute(text)
            finally:
                await connection.close()
            return
        maria = await self._connected()
        try:
            async with maria.cursor() as cursor:
                await cursor.execute(text)
                while await cursor.nextset():
                    pass
        finally:
            await maria.ensure_closed()

    async def _postgres(self, statements: tuple[str, ...]) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(self.url)
        try:
            rows: list[Any] = []
            for statement in statements:
                rows = await connection.fetch(statement)
            return [tuple(row) for row in rows]
        finally:
            await connection.close()

    async def _mariadb(self, statements: tuple[str, ...]) -> list[tuple[Any, ...]]:
        connection = await self._connected()
        try:
            async with connection.cursor() as cursor:
                for statement in statements:
                    await cursor.execute(statement)
                return [tuple(row) for row in await cursor.fetchall()]
        finally:
            await connection.ensure_closed()

    async def _connected(self) -> Any:
        port, name = self.url.rpartition(":")[2].split("/")
        return await asyncmy.connect(
            host="127.0.0.1", port=int(port), user="root", db=name or None, autocommit=True, charset="utf8mb4"
        )


def adapted(text: str, kind: str) -> str:
    """Fill the places where dialects differ: {serial}, {boolean}, {number}, {moment}, {binary} and {where …}."""
    words = {
        "sqlite": ("INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT", "BOOLEAN", "NUMERIC(10,2)", "TIMESTAMP", "BLOB"),
        "postgres": (
            "INTEGER GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", "BOOLEAN", "NUMERIC(10,2)", "TIMESTAMP(6)", "BYTEA"
        ),
        "mariadb": (
            "INTEGER NOT NULL PRIMARY KEY AUTO_INCREMENT", "BIT(1)", "DECIMAL(10,2)", "DATETIME(6)", "VARBINARY(40)"
        ),
    }[kind]  # fmt: skip
    for mark, word in zip(("serial", "boolean", "number", "moment", "binary"), words, strict=True):
        text = text.replace(f"{{{mark}}}", word)
    return text


@contextmanager
def mariadb_server(folder: Path, *options: str) -> Iterator[int]:
    """Start a MariaDB on a free port and give the port; `options` are further ones of the server."""
    install, server = shutil.which("mariadb-install-db"), shutil.which("mariadbd")
    if install is None or server is None:
        raise RuntimeError("no MariaDB: install mariadb-server")
    data = folder / "data"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    common = ["--no-defaults", f"--datadir={data}", "--user=root"]
    subprocess.run(
        [install, *common, "--auth-root-authentication-method=normal", "--skip-test-db"], check=True, **quiet
    )
    port = free_port()
    process = subprocess.Popen(
        [
            server, *common, f"--socket={folder / 'socket'}", f"--port={port}", "--bind-address=127.0.0.1",
            f"--pid-file={folder / 'pid'}", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M",
            "--performance-schema=OFF", "--skip-log-bin", "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_general_ci", "--max-connections=200",
            *options,
        ],
        **quiet,
    )  # fmt: skip
    try:
        _await(Database("mariadb", f"mysql://root@127.0.0.1:{port}/"), process)
        yield port
    finally:
        process.kill()
        process.wait(10)


def mariadb_database(port: int) -> Database:
    """Create an empty database on the server."""
    name = f"t{uuid.uuid4().hex[:16]}"
    Database("mariadb", f"mysql://root@127.0.0.1:{port}/").run(f"CREATE DATABASE {name}")
    return Database("mariadb", f"mysql://root@127.0.0.1:{port}/{name}")


def _await(database: Database, process: subprocess.Popen[bytes], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            database.run("SELECT 1")
        except (OSError, asyncmy.errors.Error):
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="session")
def mariadb() -> Iterator[int]:
    """The port of a real MariaDB for the whole run."""
    with tempfile.TemporaryDirectory(prefix="mariadb-") as folder, mariadb_server(Path(folder)) as port:
        yield port


@pytest.fixture(scope="session")
def make_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Makes an empty database of a kind; the server starts with the first that needs it."""

    def make(kind: str) -> Database:
        match kind:
            case "sqlite":
                return Database(kind, f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'test.db'}")
            case "postgres":
                return Database(kind, request.getfixturevalue("postgres").create_database())
            case _:
                return mariadb_database(request.getfixturevalue("mariadb"))

    return make
