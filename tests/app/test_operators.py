"""The plane of operators, and the commands that speak with it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import stat
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from backends.contract import UnavailableError
from backends.memory import MemoryBackend
from gateway.app import ListenError, observation, status
from gateway.cli.program import app
from tests.app.conftest import Document, Served

Serving = Callable[..., AbstractAsyncContextManager[Served]]
TOKEN = "operator-token"


@pytest.fixture
def with_admin(document: Document) -> Document:
    tokens = [
        {"sha256": hashlib.sha256(TOKEN.encode()).hexdigest()},
        {"sha256": hashlib.sha256(b"reader").hexdigest(), "read_only": True},
    ]
    document["admin"] = {"listen": "127.0.0.1:0", "tokens": tokens}
    document["tenants"]["acme"]["brake"] = {"deletions": 1}
    return document


async def command(served: Served, *arguments: str, token: str = TOKEN) -> Result:
    """Run a command of the program beside the gateway: its plane stands before what the command takes itself."""
    words = 2 if arguments[0] in ("brake", "token") else 1
    line = [*arguments[:words], str(place(served)), *arguments[words:]]
    return await asyncio.to_thread(CliRunner(env={"SCIM_GATEWAY_ADMIN_TOKEN": token}).invoke, app, line)


def place(served: Served) -> str:
    """Name the plane as the command line does."""
    admin = str(served.running.admin)
    return admin if admin.startswith("unix:") else f"http://{admin}"


async def test_the_state_of_everything_is_told(serving: Serving, with_admin: Document) -> None:
    """Store, cache, backends, tenants, brakes; exit code 0 while all is well."""
    async with serving(with_admin) as served:
        result = await command(served, "status", "--json")
        assert result.exit_code == 0, result.output
        found = await status.status(served.running.gateway)
        lines = (await command(served, "status")).stdout.splitlines()
    assert found["backends"]["hr"] == {"reached": True, "breaker": "closed"}
    assert found["tenants"] == {"acme": "served", "globex": "served"}
    assert (found["store"], found["cache"], found["worker"], found["brakes"]) == ("usable", "in process", None, [])
    assert json.loads(result.stdout) == found
    assert lines[1:] == [
        "store      usable", "cache      in process",
        "backend    crm: reached, breaker closed", "backend    hr: reached, breaker closed",
        "tenant     acme: served", "tenant     globex: served",
    ]  # fmt: skip


async def test_a_backend_that_is_away_shows(serving: Serving, with_admin: Document) -> None:
    """Which backend, since when nobody was there, and which tenants wait; exit code 1."""

    class Away(MemoryBackend):
        async def start(self) -> None:
            raise UnavailableError("nobody is there")

    with_admin["backends"]["crm"]["type"] = "away"
    async with serving(with_admin, away=Away) as served:
        result = await command(served, "status")
        assert result.exit_code == 1
        for words in ("crm: NOT REACHED YET, breaker closed: nobody is there", "globex: WAITING", "acme: served"):
            assert words in result.stdout


async def test_the_plane_has_tokens_of_its_own(serving: Serving, with_admin: Document) -> None:
    """A tenant's token opens nothing there, a reader's releases nothing, and nothing of it is on the SCIM port."""
    async with serving(with_admin) as served:
        assert (await command(served, "status", token="acme-token")).exit_code == 1
        refused = await command(served, "brake", "release", "acme", token="reader")
        assert (refused.exit_code, "may only read" in refused.stderr) == (1, True)
        async with served.session.get(f"http://{served.running.address}/status") as answer:
            assert answer.status == 401
        assert (await served.send("GET", "acme", token=TOKEN))[0] == 401


async def test_the_brake_holds_until_it_is_released(serving: Serving, with_admin: Document) -> None:
    """Too many deletions are held, others and other tenants are not; the operator sees it and lets them on (X14)."""
    async with serving(with_admin) as served:
        users = [(await served.create("acme", f"user{number}"))["id"] for number in range(4)]
        codes = [(await served.send("DELETE", "acme", f"/Users/{id}"))[0] for id in users[:3]]
        assert codes == [204, 429, 429]
        assert (await served.send("GET", "acme"))[1]["totalResults"] == 3
        shown = await command(served, "brake", "status")
        assert shown.exit_code == 1
        assert re.fullmatch(r"acme: deletions are held since \S+Z, 2 were asked for", shown.stdout.strip())
        assert "acme: deletions are HELD" in (await command(served, "status")).stdout
        told = json.loads((await command(served, "brake", "status", "--json")).stdout)
        assert [(one["tenant"], one["kind"], one["count"]) for one in told] == [("acme", "deletions", 2)]
        released = await command(served, "brake", "release", "acme", "--kind", "deletions")
        assert released.stdout.strip() == "acme: released deletions"
        assert (await served.send("DELETE", "acme", f"/Users/{users[1]}"))[0] == 204
        assert (await command(served, "brake", "status")).exit_code == 0
        again = await command(served, "brake", "release", "acme", "--json")
        assert json.loads(again.stdout) == {"tenant": "acme", "released": []}


async def test_the_last_use_of_tokens_is_told(serving: Serving, with_admin: Document) -> None:
    """Names, ages, ends and last uses, never a digest: which token can go, and which has grown old (X6)."""
    with_admin["tenants"]["acme"]["tokens"][0] |= {"created": "2026-01-31", "expires": "2099-12-31"}
    async with serving(with_admin) as served:
        assert (await served.send("GET", "acme"))[0] == 200
        shown = (await command(served, "token", "last-use")).stdout.splitlines()
        told = json.loads((await command(served, "token", "last-use", "--json")).stdout)
        made = {"tenant": "acme", "token": "first"}
        value = served.observation.registry.get_sample_value("scim_gateway_token_created_timestamp_seconds", made)
        assert value == datetime(2026, 1, 31, tzinfo=UTC).timestamp()
    assert re.fullmatch(r"acme: first  made 2026-01-31T\S+, ends 2100-01-01T\S+, last used \S+", shown[0])
    assert shown[1] == "globex: first  has no end, not used yet"
    assert sorted(told["acme"][0]) == ["created", "expires", "last_used", "name"]


async def test_a_unix_socket_is_the_owners_alone(serving: Serving, with_admin: Document, tmp_path: Path) -> None:
    """The plane on a socket: no port, a file only its owner can use, gone afterwards; still with tokens."""
    socket = tmp_path / "admin.sock"
    with_admin["admin"]["listen"] = f"unix:{socket}"
    async with serving(with_admin) as served:
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        assert str(served.running.admin) == f"unix:{socket}"
        assert (await command(served, "status")).exit_code == 0
        assert (await command(served, "status", token="wrong")).exit_code == 1
        result = await command(served, "brake", "release", "acme")
        assert result.stdout.strip() == "acme: no brake held anything back"
    assert not socket.exists()
    async with serving(with_admin) as served:
        assert (await command(served, "status")).exit_code == 0


async def test_a_socket_somebody_else_serves_is_left_alone(
    serving: Serving, with_admin: Document, tmp_path: Path
) -> None:
    """What is no dead socket is not removed: a file, or the socket of a program that runs."""
    path = tmp_path / "admin.sock"
    with_admin["admin"]["listen"] = f"unix:{path}"
    path.write_text("precious", encoding="utf-8")
    with pytest.raises(ListenError, match="is no socket"):
        async with serving(with_admin):
            pass
    assert path.read_text(encoding="utf-8") == "precious"
    path.unlink()
    async with serving(with_admin) as served:
        with pytest.raises(ListenError, match="another program listens there already"):
            async with serving(with_admin):
                pass
        assert (await command(served, "status")).exit_code == 0


async def test_the_configuration_says_where_the_plane_is(
    serving: Serving, with_admin: Document, tmp_path: Path
) -> None:
    """`status CONFIG` finds plane and front by the file the gateway runs with."""
    with_admin["admin"]["listen"] = f"unix:{tmp_path / 'admin.sock'}"
    async with serving(with_admin) as served:
        with_admin["server"]["listen"] = str(served.running.address)
        file = tmp_path / "gateway.json.yaml"
        file.write_text(json.dumps(with_admin), encoding="utf-8")
        environment = {"SCIM_GATEWAY_ADMIN_TOKEN": TOKEN, "STORE": "x", "ID_KEY": "k" * 32}
        for line in (["status", str(file)], ["brake", "status", str(file)], ["ping", str(file)]):
            result = await asyncio.to_thread(CliRunner(env=environment).invoke, app, line)
            assert result.exit_code == 0, result.output
    del with_admin["admin"]
    file.write_text(json.dumps(with_admin), encoding="utf-8")
    result = CliRunner(env=environment).invoke(app, ["status", str(file)])
    assert (result.exit_code, "has no plane of operators" in result.stderr) == (1, True)
    result = CliRunner(env={"SCIM_GATEWAY_ADMIN_TOKEN": TOKEN}).invoke(app, ["status", str(tmp_path / "nowhere.yaml")])
    assert (result.exit_code, "there is no such file" in result.stderr) == (1, True)


async def test_mistakes_are_sentences(serving: Serving, with_admin: Document) -> None:
    """An unknown tenant or kind, no token, nobody there: one sentence and exit code 1."""
    async with serving(with_admin) as served:
        for arguments, words in (
            (("brake", "release", "nobody"), "must be the name of a tenant"),
            (("brake", "release", "acme", "--kind", "everything"), "must be one of"),
        ):
            result = await command(served, *arguments)
            assert (result.exit_code, words in result.stderr) == (1, True), result.output
        result = await command(served, "status", token="")
        assert "an operator's token is needed" in result.stderr
    runner: Any = CliRunner(env={"SCIM_GATEWAY_ADMIN_TOKEN": "x"})
    for where, words in (
        ("http://127.0.0.1:1", "does not answer"),
        ("unix:/nowhere/at.all", "does not answer"),
        ("file:///etc", "is no URL"),
        ("http://[::1", "is no URL"),
    ):
        result = runner.invoke(app, ["status", where])
        assert (result.exit_code, words in result.stderr) == (1, True), result.output


async def test_ping_needs_no_token(serving: Serving, document: Document) -> None:
    """Readiness for scripts: 0 while requests are taken, 1 when nobody is there."""
    async with serving(document) as served:
        result = await asyncio.to_thread(CliRunner().invoke, app, ["ping", served.running.url])
        assert (result.exit_code, result.stdout.strip()) == (0, "ready")
    result = await asyncio.to_thread(CliRunner().invoke, app, ["ping", served.running.url])
    assert (result.exit_code, "does not answer" in result.stderr) == (1, True)


async def test_a_brake_that_holds_is_measured(
    serving: Serving, with_admin: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The metric an alert is made of: 0 while changes pass, 1 while they are held."""
    monkeypatch.setattr(observation, "BRAKE_SECONDS", 0.001)
    async with serving(with_admin) as served:

        async def measured() -> str:
            async with served.session.get(f"http://{served.running.metrics}/metrics") as answer:
                lines = (await answer.text()).splitlines()
            return next(line for line in lines if line.startswith("scim_gateway_brake_engaged{")).rpartition(" ")[2]

        assert await measured() == "0.0"
        users = [(await served.create("acme", f"user{number}"))["id"] for number in range(2)]
        for id in users:
            await served.send("DELETE", "acme", f"/Users/{id}")
        async with asyncio.timeout(10):
            while await measured() != "1.0":
                pass
