"""GNU Mailman behind the gateway, by `config/mailman.yaml` alone: a REST API that others wrote for other purposes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import aiohttp
import pytest
from ruamel.yaml import YAML

from backends.contract import (
    KEY,
    Change,
    Compare,
    ConflictError,
    Context,
    NotFoundError,
    Op,
    Query,
    RejectedError,
    UnavailableError,
)
from backends.rest import RestBackend, RestSettings
from tests.backends.rest import mailman
from tests.services import free_port
from tests.worked.lives import LIVES, Client, Seen

CONFIG = Path(__file__).parents[3] / "config" / "mailman.yaml"
AUTH = {"Authorization": "Basic " + base64.b64encode(b"restadmin:restpass").decode()}
ALL = frozenset({"email", "display_name", "registered_on", "lists"})
LIST = frozenset({"address", "name", "description", "members"})


@pytest.fixture(scope="session")
def mailman_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with Mailman."""
    if not mailman.wanted():
        pytest.skip(f"set {mailman.ENVIRONMENT} to let Mailman be installed")
    return mailman.installed(tmp_path_factory.mktemp("environment"))


@pytest.fixture(scope="module")
def mailman_url(mailman_environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running Mailman that serves two domains."""
    with mailman.running(mailman_environment, tmp_path_factory.mktemp("mailman")) as url:
        yield url


def settings(url: str, **auth: str) -> RestSettings:
    """Read the settings out of the worked file."""
    found = YAML(typ="safe").load(CONFIG.read_text(encoding="utf-8"))["backends"]["mailman"]["settings"]
    found |= {"base_urls": url, "auth": {**found["auth"], "password": "restpass", **auth}}
    return RestSettings.model_validate(found)


@pytest.fixture
async def native(mailman_url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Mailman itself, emptied."""
    async with aiohttp.ClientSession(headers=AUTH) as session:

        async def call(method: str, path: str, **body: Any) -> Any:
            async with session.request(method, f"{mailman_url}{path}", json=body or None) as answer:
                text = await answer.text()
                return json.loads(text) if text else {"status": answer.status}

        for entry in (await call("GET", "/lists")).get("entries", []):
            await call("DELETE", f"/lists/{entry['list_id']}")
        for entry in (await call("GET", "/users")).get("entries", []):
            await call("DELETE", f"/users/{entry['user_id']}")
        for domain in ("example.com", "lists.example.com"):
            await call("POST", "/domains", mail_host=domain)
        session.call = call  # type: ignore[attr-defined]
        yield session


@pytest.fixture
async def backend(mailman_url: str, native: Any) -> AsyncIterator[RestBackend]:
    """The backend on it."""
    made = RestBackend(settings(mailman_url), Context("mailman"))
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def test_a_subscriber_lives_and_dies(backend: RestBackend, native: Any) -> None:
    """Created, found, renamed and deleted through the backend, and each time so in Mailman."""
    made = await backend.create("people", {"email": "Ann@Example.com", "display_name": "Ann"})
    assert (made.key, made.fields) == ("ann@example.com", {"email": "ann@example.com", "display_name": "Ann"})
    assert (await native.call("GET", "/addresses/ann@example.com"))["display_name"] == "Ann"
    assert (await backend.update("people", made.key, Change({"display_name": "Ann B"}))).changed
    assert not (await backend.update("people", made.key, Change({"display_name": "Ann B"}))).changed
    found = await backend.get("people", made.key, ALL)
    assert (found.fields["display_name"], found.fields["lists"]) == ("Ann B", ())
    assert (await native.call("GET", "/addresses/ann@example.com"))["display_name"] == "Ann B"
    with pytest.raises(ConflictError) as taken:
        await backend.create("people", {"email": "ann@example.com"})
    assert taken.value.field == "email"
    with pytest.raises(RejectedError):
        await backend.create("people", {"email": "no address"})
    await backend.delete("people", made.key)
    assert "404" in (await native.call("GET", "/addresses/ann@example.com"))["title"]
    for call in (backend.get("people", made.key, ALL), backend.delete("people", made.key)):
        with pytest.raises(NotFoundError):
            await call


async def test_subscribers_are_searched_and_paged(backend: RestBackend) -> None:
    """An address is found in any spelling by one call; pages give each once; totals are Mailman's."""
    for number in range(7):
        await backend.create("people", {"email": f"p{number}@example.com"})
    found = await backend.search("people", Query(ALL, Compare("email", Op.EQ, "P3@EXAMPLE.COM", ignore_case=True)))
    assert [record.key for record in found.records] == ["p3@example.com"]
    nobody = await backend.search("people", Query(ALL, Compare("email", Op.EQ, "../system", ignore_case=True)))
    assert list(nobody.records) == []
    some = Compare(KEY, Op.IN, ("p1@example.com", "x@example.com", "p6@example.com"))
    assert len((await backend.search("people", Query(ALL, some))).records) == 2
    page = await backend.search("people", Query(frozenset(), limit=3, total=True))
    assert (len(page.records), page.total) == (3, 7)
    seen = [record.key for record in page.records]
    while page.cursor is not None:
        page = await backend.search("people", Query(frozenset(), limit=3, cursor=page.cursor))
        seen += [record.key for record in page.records]
    assert sorted(seen) == [f"p{number}@example.com" for number in range(7)]


async def test_members_of_a_list_are_deltas(backend: RestBackend, native: Any) -> None:
    """Members are added and removed one call each; there and not there is no change and no error (promise 4)."""
    people = [(await backend.create("people", {"email": f"m{number}@example.com"})).key for number in range(5)]
    made = await backend.create("lists", {"address": "team@example.com", "name": "The team", "members": (*people[:3],)})
    assert made.key == "team.example.com"
    assert set(made.fields["members"] or ()) == set(people[:3])  # type: ignore[arg-type]
    change = Change(add={"members": (people[3],)}, remove={"members": (people[0],)})
    assert (await backend.update("lists", made.key, change)).changed
    assert not (await backend.update("lists", made.key, change)).changed
    roster = await native.call("GET", "/lists/team.example.com/roster/member")
    assert {entry["email"] for entry in roster["entries"]} == set(people[1:4])
    assert (await backend.get("people", people[1], ALL)).fields["lists"] == ("team.example.com",)
    assert (await backend.update("lists", made.key, Change({"members": (people[4],), "name": "Renamed"}))).changed
    found = await backend.get("lists", made.key, LIST)
    assert (found.fields["name"], found.fields["members"]) == ("Renamed", (people[4],))
    await backend.delete("people", people[4])
    assert (await backend.get("lists", made.key, LIST)).fields["members"] == ()
    with pytest.raises(NotFoundError):
        await backend.update("lists", "nothing.example.com", Change(remove={"members": (people[0],)}))
    with pytest.raises(ConflictError):
        await backend.create("lists", {"address": "team@example.com"})


async def test_wrong_credentials_are_unavailable(mailman_url: str, native: Any) -> None:
    """A password Mailman does not take is 503 for the client, at start already (E12)."""
    made = RestBackend(settings(mailman_url, password="wrong"), Context("mailman"))
    with pytest.raises(UnavailableError):
        await made.start()
    await made.stop()


class Mailman:
    """Mailman, looked into."""

    label = "displayName"
    holds_label = True
    group = "engineering"
    renamed = None
    inactive = False

    def __init__(self, call: Any) -> None:
        self._call = call

    async def account(self, login: str) -> Seen | None:
        found = await self._call("GET", f"/addresses/{login.lower()}")
        return Seen(True, found["display_name"]) if "email" in found else None

    async def membership(self, group: str) -> set[str] | None:
        there = await self._call("GET", f"/lists/{group}.lists.example.com")
        if "list_id" not in there:
            return None
        roster = await self._call("GET", f"/lists/{group}.lists.example.com/roster/member")
        # Addresses are kept in small letters there.
        return {entry["email"].replace("ann.lee", "Ann.Lee") for entry in roster.get("entries", ())}

    def begin_to_count(self) -> None:
        """Nobody counts what Mailman is asked."""

    def lists_read(self) -> int:
        return 0


@pytest.fixture
def gateway(mailman_url: str, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """`scim-gateway serve` with the worked file, for one kind of client; gives the root of its tenant."""
    with contextlib.ExitStack() as stack:

        def start(client: str) -> str:
            port = free_port()
            text = CONFIG.read_text(encoding="utf-8").replace("127.0.0.1:8080", f"127.0.0.1:{port}")
            text = text.replace("sqlite:///data/", f"sqlite:///{tmp_path}/")
            text = text.replace("  acme:\n", f"  acme:\n    client: {client}\n")
            (tmp_path / "mailman.yaml").write_text(text, encoding="utf-8")
            environment = {
                **os.environ,
                "MAILMAN_URL": mailman_url,
                "MAILMAN_PASSWORD": "restpass",
                "SCIM_ID_KEY": "0123456789abcdef0123456789abcdef",
                "SCIM_TOKEN_SHA256": hashlib.sha256(b"t0ken").hexdigest(),
            }
            program = [sys.executable, "-m", "gateway.cli", "serve", str(tmp_path / "mailman.yaml")]
            process = subprocess.Popen(program, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(process.wait, timeout=30)
            stack.callback(process.terminate)
            answers(f"http://127.0.0.1:{port}/acme/scim/v2/ServiceProviderConfig", process)
            return f"http://127.0.0.1:{port}/acme/scim/v2"

        yield start


def answers(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a gateway answers."""
    request = Request(url, headers={"Authorization": "Bearer t0ken"})
    for _ in range(300):
        assert process.poll() is None, "the gateway does not start"
        try:
            with urlopen(request, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the gateway does not answer")


@pytest.mark.parametrize("client", LIVES)
async def test_a_life_cycle_runs_through_the_whole_gateway(
    gateway: Callable[[str], str], native: Any, client: str
) -> None:
    """What an identity provider does with a joiner, mover and leaver, against `scim-gateway serve` and Mailman."""
    root = await asyncio.to_thread(gateway, client)
    headers = {"Authorization": "Bearer t0ken", "Content-Type": "application/scim+json"}
    async with aiohttp.ClientSession(headers=headers) as session:
        await LIVES[client](Client(session, root), Mailman(native.call))
