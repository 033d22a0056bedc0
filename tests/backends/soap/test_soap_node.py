"""The contract on a SOAP stack others wrote: node's `soap`, with the same WSDL."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from backends.conformance import ConformanceSuite, Group, Harness, Roles, RowRole
from backends.contract import Backend, Context, UnavailableError
from backends.soap import SoapBackend, SoapSettings
from tests.backends.soap import systems
from tests.backends.soap.conftest import opened
from tests.backends.soap.servers import FOLDER

VERSION = "1.13.0"
pytestmark = pytest.mark.needs("npm")


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, installed in a folder of its own."""
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
    command = ["npm", "install", "--no-fund", "--no-audit", "--ignore-scripts", "--silent", f"soap@{VERSION}"]
    subprocess.run(command, cwd=folder, check=True, timeout=120)
    return folder / "node_modules"


@contextlib.contextmanager
def running(modules: Path, *arguments: str) -> Iterator[str]:
    """Run the service and give its URL."""
    command = ["node", str(FOLDER / "staff_server.js"), str(FOLDER / "staff.wsdl"), *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "NODE_PATH": str(modules)}
    ) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/staff"
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def node(modules: Path) -> Iterator[str]:
    """The service's URL."""
    with running(modules) as url:
        yield url


class Node(Harness):
    """People and teams of the service, empty for each test."""

    entity = "people"
    ordered = False
    shifting = True
    secrets = ("127.0.0.1",)
    roles = Roles(
        name="login",
        text="note",
        longest=400,
        number="grade",
        flag="enabled",
        day="hired",
        moment="seen",
        many="tags",
        rows=RowRole("mails", key="address", other="kind"),
    )
    group = Group("teams", name="title", members="members", inverse="teams")

    def world(self, place: Any) -> AbstractAsyncContextManager[Any]:
        @contextlib.asynccontextmanager
        async def emptied() -> AsyncIterator[Any]:
            url = place.replace("/staff", "/reset")
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                assert await answer.read() == b"done"
            yield place

        return emptied()

    def build(self, place: Any) -> Backend[Any]:
        return SoapBackend(SoapSettings.model_validate(systems.staff(place or "http://127.0.0.1:9/")), Context("node"))

    def order(self, key: str) -> Any:
        return int(key)


class TestNode(ConformanceSuite):
    """SOAP 1.1 to node."""

    harness = Node()

    @pytest.fixture
    def place(self, node: str) -> str:
        return node


async def test_a_life_over_soap_12(node: str) -> None:
    """Create, read, change and delete work over the 1.2 port too."""
    async with opened(systems.staff(node, port="Staff12")) as backend:
        key = (await backend.create("people", {"login": "zoë", "note": "<&>"})).key
        fields = frozenset({"login", "note"})
        assert (await backend.get("people", key, fields)).fields == {"login": "zoë", "note": "<&>"}
        await backend.delete("people", key)


async def test_its_wsdl_can_be_loaded_from_it(node: str) -> None:
    """The WSDL as the service itself serves it, by URL; the endpoint of the settings goes before the one it names."""
    async with opened(systems.staff(node, wsdl=f"{node}?wsdl")) as backend:
        await backend.ping()
        assert (await backend.describe("people"))["grade"].type is int


async def test_a_username_token_opens_it_and_a_wrong_one_does_not(modules: Path) -> None:
    """WS-Security as the other side understands it; refused credentials are 503, never 401 (R-L34)."""
    with running(modules, "pässword") as url:
        for password, works in (("pässword", True), ("wrong", False)):
            security = {"type": "username_token", "username": "scim", "password": password, "timestamp_seconds": 60}
            async with opened(systems.staff(url, security=security)) as backend:
                if works:
                    assert (await backend.create("teams", {"title": "a"})).fields == {"title": "a"}
                    continue
                with pytest.raises(UnavailableError) as caught:
                    await backend.get("teams", "1", frozenset())
                assert "wrong" not in repr(caught.value)
