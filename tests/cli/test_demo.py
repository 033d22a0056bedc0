"""`scim-gateway demo` as its user runs it: a process, its banner, its end, its next start."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.demo import Files, default_folder
from tests.services import free_port

Start = Callable[..., "Program"]


@dataclass(slots=True)
class Program:
    """A demo that runs."""

    process: subprocess.Popen[str]
    port: int
    data: Path
    banner: str

    def request(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """Send a request with the demo's token and read the answer."""
        headers = {"Authorization": "Bearer demo-token", "Content-Type": "application/scim+json"}
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.port}/demo/scim/v2{path}"
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            raw = answer.read()
            return json.loads(raw) if raw else None

    def native(self, sql: str) -> list[tuple[Any, ...]]:
        """Look into the legacy database."""
        with closing(sqlite3.connect(self.data / "hr.db")) as database:
            return list(database.execute(sql))

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """End it as Ctrl-C does; give the exit code and what it still printed."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=30)
        return self.process.returncode, rest


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start demos, by default on a folder and a free port of the test's own; those that still run are ended."""
    running: list[subprocess.Popen[str]] = []

    def begin(*options: str, data: Path = tmp_path / "data", port: int | None = None) -> Program:
        port = port or free_port()
        arguments = [sys.executable, "-m", "gateway.cli", "demo", "--port", str(port), "--data", str(data), *options]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        running.append(process)
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        return Program(process, port, data, "".join(lines))

    yield begin
    for process in running:
        if process.poll() is None:
            process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


def commands(banner: str) -> list[str]:
    """Take the commands out of a banner, lines that are continued put together."""
    joined = banner.replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if re.match(r"\s+(curl|sqlite3|\S*python\S*) ", line)]


def test_the_banner_says_what_is_served_and_what_to_try(start: Start, tmp_path: Path) -> None:
    """Base URL, token, configuration, three curl commands that work when pasted, and a look into the database."""
    program = start()
    assert f"http://127.0.0.1:{program.port}/demo/scim/v2" in program.banner
    assert "demo-token" in program.banner
    assert "config/demo.yaml" in program.banner
    assert program.banner.splitlines()[-1].strip().startswith("Ctrl-C")
    *curls, look = commands(program.banner)
    assert len(curls) == 3

    def paste(command: str) -> str:
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, cwd=tmp_path)
        assert done.stderr == ""
        return done.stdout

    assert json.loads(paste(curls[0]))["totalResults"] == 1000
    assert json.loads(paste(curls[1]))["userName"] == "ada@example.com"
    assert json.loads(paste(curls[2]))["active"] is False
    assert program.native("SELECT STATUS FROM EMPLOYEE WHERE LOGIN = 'ADA@EXAMPLE.COM'") == [("I",)]
    assert "ADA@EXAMPLE.COM" in paste(look)


def test_it_ends_cleanly_and_starts_again_with_what_it_had(start: Start) -> None:
    """Ctrl-C ends it with 0 and one sentence; accounts, ids and what the gateway keeps are there the next time."""
    first = start("--empty")
    user = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "Grace@Example.com",
        "externalId": "g-1",
    }
    created = first.request("/Users", user)
    code, rest = first.end()
    assert (code, rest) == (0, "the demo has ended; its data stays for the next start\n")
    again = start()
    found = again.request('/Users?filter=externalId+eq+"g-1"'.replace('"', "%22"))["Resources"]
    assert [one["id"] for one in found] == [created["id"]]
    assert found[0]["userName"] == "Grace@Example.com"
    assert again.end(signal.SIGTERM)[0] == 0


def test_reset_begins_anew(start: Start) -> None:
    """--reset throws away employees, ids and the key they were derived with, and nothing else in the folder."""
    first = start()
    before = first.request("/Users?count=1")["Resources"][0]["id"]
    (first.data / "notes.txt").write_text("mine", encoding="utf-8")
    first.end()
    again = start("--reset", "--empty")
    assert again.request("/Users")["totalResults"] == 0
    assert (again.data / "notes.txt").read_text(encoding="utf-8") == "mine"
    again.end()
    third = start("--reset")
    assert third.request("/Users?count=1")["Resources"][0]["id"] != before


def test_empty_does_not_hide_employees_that_are_there(start: Start) -> None:
    """--empty on a database with employees is refused with a way out; on an empty one it goes on."""
    start().end()
    refused = start("--empty")
    assert refused.process.wait(30) == 1
    assert "has employees already" in refused.banner
    start("--empty", "--reset").end()
    assert start("--empty").end()[0] == 0


def test_a_port_in_use_is_one_sentence(start: Start) -> None:
    """Somebody else on the port: one sentence, exit code 1, no traceback."""
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        program = start("--empty", port=port)
        assert program.process.wait(30) == 1
    assert program.banner == f"cannot listen on 127.0.0.1:{port}: another program listens there already\n"


def test_two_demos_can_run_side_by_side(start: Start, tmp_path: Path) -> None:
    """The port of metrics is taken by the first; the second says so and serves all the same."""
    one, two = start("--empty"), start("--empty", data=tmp_path / "other")
    assert one.request("/Users")["totalResults"] == two.request("/Users")["totalResults"] == 0
    assert "127.0.0.1:9464" in two.banner


def test_the_demo_is_reached_from_this_machine_only(start: Start) -> None:
    """It listens on loopback; its token is known to everybody."""
    program = start("--empty")
    with closing(socket.socket()) as probe:
        probe.connect(("127.0.0.1", program.port))
    assert f"http://127.0.0.1:{program.port}/" in program.banner


def test_a_folder_that_cannot_be_used_is_one_sentence(start: Start, tmp_path: Path) -> None:
    """A file where the folder should be: one sentence, exit code 1."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    program = start(data=tmp_path / "file")
    assert program.process.wait(30) == 1
    assert program.banner.startswith("the demo's files cannot be used: ")
    assert len(program.banner.splitlines()) == 1


def test_its_files_are_the_users_alone(tmp_path: Path) -> None:
    """The key is readable by its owner only; the folder too."""
    files = Files(tmp_path / "data")
    assert files.create(empty=True) is True
    assert files.create(empty=True) is False
    assert files.key.stat().st_mode & 0o777 == 0o600
    assert files.folder.stat().st_mode & 0o777 == 0o700
    assert len(files.key.read_text(encoding="ascii")) == 64


def test_a_new_database_never_meets_an_old_store(tmp_path: Path) -> None:
    """A store that outlived its database would know accounts that are not there."""
    files = Files(tmp_path)
    files.create(empty=True)
    files.store.write_bytes(b"old")
    files.database.unlink()
    files.create(empty=True)
    assert not files.store.exists()


def test_the_default_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG decides where data lies; a relative value counts for nothing."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "scim-gateway-demo"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".local" / "share" / "scim-gateway-demo"
    assert os.environ["HOME"] == str(tmp_path)
