"""The plane of operators, and the commands that speak with it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from backends.contract import UnavailableError
from backends.memory import MemoryBackend
from gateway.app import observation, status
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
    """Run a command of the program beside the gateway."""
    plane = ["--admin", f"http://{served.running.admin}"]
    environment = {"SCIM_GATEWAY_ADMIN_TOKEN": token}
    return await asyncio.to_thread(CliRunner(env=environment).invoke, app, [*arguments, *plane])


async def test_the_state_of_everything_is_told(serving: Serving, with_admin: Document) -> None:
    """Store, backends, tenants, brakes; exit code 0 while all is well."""
    async with serving(with_admin) as served:
        result = await command(served, "status")
        assert result.exit_code == 0, result.output
        found = await status.status(served.running.gateway)
    assert found["backends"]["hr"] == {"reached": True, "breaker": "closed"}
    assert found["tenants"] == {"acme": "served", "globex": "served"}
    assert (found["store"], found["brakes"]) == ("usable", [])
    for word in ('"acme": "served"', '"store": "usable"', '"version"'):
        assert word in result.stdout


async def test_a_backend_that_is_away_shows(serving: Serving, with_admin: Document) -> None:
    """Which backend, since when nobody was there, and which tenants wait; exit code 1."""

    class Away(MemoryBackend):
        async def start(self) -> None:
            raise UnavailableError("nobody is there")

    with_admin["backends"]["crm"]["type"] = "away"
    async with serving(with_admin, away=Away) as served:
        result = await command(served, "status")
        assert result.exit_code == 1
        for words in ('"error": "nobody is there"', '"globex": "waiting"', '"acme": "served"'):
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
        assert (shown.exit_code, shown.stdout.strip()) == (1, "acme: deletions are held, 2 were asked for")
        released = await command(served, "brake", "release", "acme", "--kind", "deletions")
        assert released.stdout.strip() == "acme: released deletions"
        assert (await served.send("DELETE", "acme", f"/Users/{users[1]}"))[0] == 204
        assert (await command(served, "brake", "status")).exit_code == 0


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
    result: Any = CliRunner(env={"SCIM_GATEWAY_ADMIN_TOKEN": "x"}).invoke(
        app, ["status", "--admin", "http://127.0.0.1:1"]
    )
    assert (result.exit_code, "does not answer" in result.stderr) == (1, True)
    result = CliRunner(env={"SCIM_GATEWAY_ADMIN_TOKEN": "x"}).invoke(app, ["status", "--admin", "file:///etc"])
    assert (result.exit_code, "is no URL" in result.stderr) == (1, True)


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
