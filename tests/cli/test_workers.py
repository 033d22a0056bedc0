"""`scim-gateway serve --workers`: no request is lost, whatever is done to the workers (M7, M9)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.services import Postgres, Redis, free_port

CONFIG = """\
version: 1
server: { listen: "127.0.0.1:${env:PORT}", limits: { drain_seconds: 10 } }
metrics: { listen: "127.0.0.1:${env:METRICS_PORT}" }
admin: { listen: "unix:${env:ADMIN}", tokens: [ { sha256: "${file:acme.sha256}" } ] }
store: { url: "${env:STORE_URL}", id_key: "${env:ID_KEY}" }
cache: ${env:CACHE_URL}
backends:
  hr:
    type: sql
    settings:
      url: ${env:HR_URL}
      entities: { people: { table: people, key: id } }
tenants:
  acme:
    tokens: [ { name: idp, sha256: "${file:acme.sha256}" } ]
    resources:
      User: { backend: hr, entity: people, attributes: ATTRIBUTES, on_delete: delete, on_deactivate: refuse }
"""
ATTRIBUTES = "{ userName: login, displayName: name }"
WITHOUT_NAME = "{ userName: login }"
URN = "urn:ietf:params:scim:schemas:core:2.0:User"
TOKEN = "secret-token"


@dataclass(slots=True)
class Load:
    """Clients with connections that stay open, asking without pause and never a second time."""

    url: str
    sent: int = 0
    answered: int = 0
    failed: list[str] = field(default_factory=list)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.asynccontextmanager
    async def run(self, clients: int = 4) -> AsyncIterator[Load]:
        async with asyncio.TaskGroup() as tasks:
            for number in range(clients):
                tasks.create_task(self._client(number))
            try:
                yield self
            finally:
                self._stop.set()

    async def _client(self, number: int) -> None:
        connector = aiohttp.TCPConnector(limit=1)
        # A reused connection that has just been closed must count as lost: aiohttp would silently ask again.
        async with aiohttp.ClientSession(connector=connector, headers=headers()) as session:
            session._retry_connection = False
            user = {"userName": f"u{number}", "schemas": [URN]}
            created = await self._ask(session, "POST", f"{self.url}/Users", user)
            while not self._stop.is_set():
                await asyncio.sleep(0.005)
                await self._ask(session, "GET", f"{self.url}/Users/{created['id']}")
                await self._ask(session, "PUT", f"{self.url}/Users/{created['id']}", user)

    async def _ask(self, session: aiohttp.ClientSession, method: str, url: str, body: Any = None) -> Any:
        self.sent += 1
        data = None if body is None else json.dumps(body).encode()
        try:
            async with session.request(method, url, data=data) as answer:
                found = json.loads(await answer.read())
        except (aiohttp.ClientError, OSError) as error:
            self.failed.append(f"{method} {type(error).__name__}: {error}")
            return {"id": "lost"}
        if answer.status in (200, 201):
            self.answered += 1
        else:
            self.failed.append(f"{method} {answer.status}: {found}")
        return found

    async def more(self, count: int = 40) -> None:
        """Wait until so many more requests were answered."""
        wanted = self.answered + count
        async with asyncio.timeout(30):
            while self.answered < wanted:
                assert not self.failed, self.failed
                await asyncio.sleep(0.005)


def headers() -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/scim+json"}


@dataclass(slots=True)
class Served:
    """A supervisor and its workers."""

    folder: Path
    environment: dict[str, str]
    process: asyncio.subprocess.Process | None = None
    printed: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environment['PORT']}/acme/scim/v2"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def write(self, attributes: str = ATTRIBUTES, config: str = CONFIG) -> None:
        (self.folder / "gateway.yaml").write_text(config.replace("ATTRIBUTES", attributes), encoding="utf-8")

    async def start(self, *options: str) -> None:
        command = [sys.executable, "-m", "gateway.cli", "serve", str(self.folder / "gateway.yaml"), *options]
        with (self.folder / "log").open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                *command, env=self.environment, stdout=asyncio.subprocess.PIPE, stderr=log
            )
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            while sum(line.startswith("metrics") for line in self.printed) < 2:
                line = await self.process.stdout.readline()
                assert line, (self.folder / "log").read_text(encoding="utf-8")
                self.printed.append(line.decode())

    def logged(self) -> list[dict[str, Any]]:
        lines = (self.folder / "log").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def events(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """Give the lines of an event."""
        return [line for line in self.logged() if line["event"] == event and fields.items() <= line.items()]

    async def until(self, event: str, count: int = 1, **fields: Any) -> list[dict[str, Any]]:
        """Wait until an event was logged so many times."""
        async with asyncio.timeout(30):
            while len(found := self.events(event, **fields)) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return found

    async def status(self) -> list[str]:
        """Ask as an operator does; one of the workers answers."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.cli", "status", f"unix:{self.environment['ADMIN']}",
            env={**self.environment, "SCIM_GATEWAY_ADMIN_TOKEN": TOKEN}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        return (await process.communicate())[0].decode().splitlines()

    async def end(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            return await self.process.wait()


@pytest.fixture
async def served(tmp_path: Path, postgres: Postgres, own_valkey: Redis) -> AsyncIterator[Served]:
    hr = postgres.create_database()
    postgres.run("CREATE TABLE people (id serial PRIMARY KEY, login text NOT NULL UNIQUE, name text)", hr)
    port = free_port()
    environment = {
        "PATH": os.defpath, "ID_KEY": "k" * 40, "STORE_URL": postgres.create_database(), "HR_URL": hr,
        "CACHE_URL": own_valkey.url, "PORT": str(port), "METRICS_PORT": str(ports(2)),
        "ADMIN": str(tmp_path / "a.sock"),
    }  # fmt: skip
    (tmp_path / "acme.sha256").write_text(sha256(TOKEN.encode()).hexdigest(), encoding="utf-8")
    one = Served(tmp_path, environment)
    one.write()
    yield one
    if one.process is not None and one.process.returncode is None:
        one.process.kill()
        await one.process.wait()


def ports(count: int) -> int:
    """Find so many free ports in a row."""
    while True:
        first = free_port()
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for number in range(count):
                probe = stack.enter_context(socket.socket())
                probe.bind(("127.0.0.1", first + number))
            return first


def workers(served: Served) -> dict[int, int]:
    """Name the processes of the workers, by number."""
    return {line["worker"]: line["pid"] for line in served.events("a worker was started")}


async def test_rolling_restart_and_reload_lose_no_request(
    served: Served, record_property: Callable[[str, object], None]
) -> None:
    """Each worker is told to leave, all are replaced, the configuration is reloaded twice, all under load: every
    request that was sent was answered with success, and every worker serves the new configuration (M7, M9)."""
    await served.start("--workers", "2")
    load = Load(served.url)
    async with load.run():
        await load.more()
        for pid in workers(served).values():
            os.kill(pid, signal.SIGTERM)
            await load.more()
        await served.until("a worker has left", 2)
        await served.until("a worker was started", 4)
        await load.more()
        os.kill(served.pid, signal.SIGUSR2)
        await served.until("a worker was started", 6)
        await load.more()
        served.write(WITHOUT_NAME)
        os.kill(served.pid, signal.SIGHUP)
        await served.until("the configuration was taken", 2)
        await load.more()
        (served.folder / "acme.sha256").write_text(sha256(TOKEN.encode()).hexdigest() + "\n", encoding="utf-8")
        served.write()
        os.kill(served.pid, signal.SIGHUP)
        await served.until("the configuration was taken", 4)
        await load.more()
    counts = f"{load.sent} sent, {load.answered} answered, {len(load.failed)} failed"
    record_property("told", f"four restarts of a worker and two reloads under load, two workers: {counts}")
    assert load.failed == []
    assert load.sent == load.answered > 300
    told = await served.status()
    assert re.fullmatch(r"scim-gateway \S+ on Python \S+, worker [01]", told[0])
    assert told[1:] == ["store      usable", "cache      usable", "backend    hr: reached, breaker closed",
                        "tenant     acme: served"]  # fmt: skip
    assert await served.end() == 0
    ended = served.events("a worker has left")
    assert {line["code"] for line in ended} == {0}


async def test_a_worker_that_is_killed_is_replaced_and_the_others_go_on(served: Served) -> None:
    """After kill -9 only what that worker was answering may be lost, each worker has a metrics port of its own, a bad
    configuration is refused with file and line, and workers leave when their supervisor is killed (M7, M9)."""
    await served.start("--workers", "2")
    first = int(served.environment["METRICS_PORT"])
    assert [line.strip() for line in served.printed[-2:]] == [
        f"metrics at http://127.0.0.1:{first + number}/metrics" for number in range(2)
    ]
    load = Load(served.url)
    async with load.run():
        await load.more()
        killed = workers(served)[1]
        os.kill(killed, signal.SIGKILL)
        await served.until("a worker ended and is started again", worker=1, pid=killed, code=-9)
        await served.until("a worker was started", 3)
        wanted = load.answered + 40
        async with asyncio.timeout(30):
            while load.answered < wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    assert len(load.failed) <= 4, load.failed
    assert load.sent == load.answered + len(load.failed)
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{first}/metrics") as answer:
        assert "scim_gateway_requests_total" in await answer.text()
    served.write("{ userName: login, nonsense: name }")
    os.kill(served.pid, signal.SIGHUP)
    (refused,) = await served.until("the configuration was refused, the old one serves on")
    assert refused["file"].endswith("gateway.yaml")
    assert refused["line"] == 1 + CONFIG[: CONFIG.index("ATTRIBUTES")].count("\n")
    assert "nonsense" in refused["reason"]
    alive = workers(served)
    os.kill(served.pid, signal.SIGKILL)
    async with asyncio.timeout(30):
        while any(exists(pid) for pid in alive.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def exists(pid: int) -> bool:
    """Tell whether a process runs; one nobody has waited for does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"STORE_URL": "sqlite:///gateway.db"}, "PostgreSQL"), ({"CACHE_URL": "memory"}, "Redis")],
    ids=["store", "cache"],
)
async def test_several_workers_need_what_they_can_share(tmp_path: Path, changed: dict[str, str], reason: str) -> None:
    """A store or a cache that only one process can use is refused in a sentence, and nothing starts."""
    environment = {
        "PATH": os.defpath, "ID_KEY": "k" * 40, "STORE_URL": "postgresql://127.0.0.1:1/x", "HR_URL": "sqlite:///hr.db",
        "CACHE_URL": "redis://127.0.0.1:1/0", "PORT": "0", "METRICS_PORT": "0", "ADMIN": "/nowhere/a.sock", **changed,
    }  # fmt: skip
    (tmp_path / "acme.sha256").write_text(sha256(TOKEN.encode()).hexdigest(), encoding="utf-8")
    served = Served(tmp_path, environment)
    served.write()
    command = [sys.executable, "-m", "gateway.cli", "serve", str(tmp_path / "gateway.yaml"), "--workers", "3"]
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=tmp_path, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 1
    (line,) = errors.decode().splitlines()
    assert line.startswith("--workers 3: several workers need")
    assert reason in line
    assert not (tmp_path / "gateway.db").exists()
