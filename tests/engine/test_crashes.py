"""Processes killed in the middle of a request, between a real database and a real store (R-L20, R-L22, promise 3)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from gateway.identity import connect
from tests.engine.child import BODY, SCHEMA, served
from tests.engine.world import Client, World, add, id_of, members_of, refs, refused, swap

ROOT = Path(__file__).parents[2]
LOAD = """
import sys, types
tests = sys.modules["tests"] = types.ModuleType("tests")
tests.__path__ = ["tests"]
from tests.engine import child
child.nurse()
"""
Killed = Callable[[str, str], Awaitable[None]]


@pytest.fixture(scope="module")
def nursery() -> Iterator[subprocess.Popen[str]]:
    """A process that makes others."""
    command = [sys.executable, "-c", LOAD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def killed(nursery: subprocess.Popen[str], folder: Path) -> Killed:
    """Run a gateway up to a place in a request, and kill it there."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    reading, writing = nursery.stdout, nursery.stdin

    def run(stop: str, verb: str) -> None:
        writing.write(json.dumps([str(folder), stop, verb]) + "\n")
        writing.flush()
        said = {reading.readline(), reading.readline()}
        (pid,) = (json.loads(line) for line in said if line != '"reached"\n')
        assert isinstance(pid, int), said
        os.kill(pid, signal.SIGKILL)
        assert reading.readline() == '"ended"\n'

    async def start(stop: str, verb: str) -> None:
        await asyncio.to_thread(run, stop, verb)

    return start


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """Ask the database, past everything."""
    with closing(sqlite3.connect(folder / "hr.db")) as database, database:
        return list(database.execute(sql))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A database with a user and a group."""
    with closing(sqlite3.connect(tmp_path / "hr.db")) as database, database:
        database.executescript(SCHEMA)
        database.execute("INSERT INTO person (login, title, status) VALUES ('bob', 'Old', 'A')")
        database.execute("INSERT INTO team (title) VALUES ('Team')")
    return tmp_path


@asynccontextmanager
async def again(folder: Path) -> AsyncIterator[Client]:
    """Start the gateway once more on what the dead one left."""
    async with connect(f"sqlite:///{folder}/gateway.db", id_key=b"k" * 32) as identities:
        world = World(identities)
        client = await served(world, folder)
        yield client
        await world.guards["hr"].stop()


@pytest.mark.parametrize("stop", ["reserve", "+reserve", "create", "+create", "bind", "+bind"])
async def test_a_create_killed_anywhere_converges(folder: Path, killed: Killed, stop: str) -> None:
    """The repeated POST makes one account of it, with everything that was asked for, under one id."""
    await killed(stop, "create")
    async with again(folder) as client:
        if stop == "+bind":
            with refused(409, "uniqueness"):
                await client.post("User", BODY)
            (id,) = await client.found('externalId eq "x1"')
        else:
            answer = await client.post("User", BODY)
            assert answer.status == 201
            id = id_of(answer)
        body = await client.body("User", id)
        assert (body["externalId"], body["title"], body["nickName"]) == ("x1", "Countess", "Ada")
        assert [mail["value"] for mail in body["emails"]] == ["ada@example.com"]
        assert await client.found('userName eq "ada"') == [id]
    assert rows(folder, "SELECT count(*), max(title) FROM person WHERE login = 'ada'") == [(1, "Countess")]


@pytest.mark.parametrize("stop", ["+create", "bind"])
async def test_a_group_killed_in_between_is_made_once(folder: Path, killed: Killed, stop: str) -> None:
    """Nothing in the database keeps a group from being made twice; the reservation does."""
    await killed(stop, "group")
    async with again(folder) as client:
        (bob,) = await client.found('userName eq "bob"')
        id = await client.group("Makers", bob)
        assert members_of(await client.body("Group", id)) == {bob}
    assert rows(folder, "SELECT count(*) FROM team WHERE title = 'Makers'") == [(1,)]


@pytest.mark.parametrize("stop", ["update", "+update", "alter", "+alter"])
async def test_a_change_killed_anywhere_converges(folder: Path, killed: Killed, stop: str) -> None:
    """The repeated PATCH brings account and store together; the id is the same."""
    await killed(stop, "change")
    async with again(folder) as client:
        (id,) = await client.found('userName eq "bob"')
        await client.patch("User", id, swap("title", "New"), swap("nickName", "New"))
        body = await client.body("User", id)
        assert (body["title"], body["nickName"]) == ("New", "New")
    assert rows(folder, "SELECT title FROM person") == [("New",)]


@pytest.mark.parametrize("stop", ["update", "+update", "+alter"])
async def test_a_membership_killed_anywhere_converges(folder: Path, killed: Killed, stop: str) -> None:
    """The repeated delta is the same membership."""
    await killed(stop, "join")
    async with again(folder) as client:
        (bob,) = await client.found('userName eq "bob"')
        (group,) = await client.found('displayName eq "team"', "Group")
        assert (await client.patch("Group", group, add("members", refs(bob)))).status == 204
        assert members_of(await client.body("Group", group)) == {bob}
    assert rows(folder, "SELECT team, person FROM team_person") == [(1, 1)]


@pytest.mark.parametrize("stop", ["delete", "+delete", "bury", "+bury"])
async def test_a_delete_killed_anywhere_converges(folder: Path, killed: Killed, stop: str) -> None:
    """Deleted or not, the id never comes to mean another account (promise 3)."""
    async with again(folder) as client:
        (old,) = await client.found('userName eq "bob"')
    await killed(stop, "delete")
    async with again(folder) as client:
        if stop == "delete":
            assert (await client.delete("User", old)).status == 204
        with refused(404):
            await client.delete("User", old)
        new = await client.user("bob")
        assert new != old
    assert rows(folder, "SELECT count(*) FROM person WHERE login = 'bob'") == [(1,)]
