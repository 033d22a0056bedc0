"""A site of fakes behind the real application: what reaches the engine is recorded, what it answers is set."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from gateway.engine.calls import Answer, Call
from gateway.engine.tenants import Limits
from gateway.scim import standard
from gateway.scim.discovery import Facts
from gateway.server.application import create_application
from gateway.server.auth import StaticToken, StaticTokens
from gateway.server.auth.authenticator import EVERYTHING, Permissions
from gateway.server.drain import Drain
from gateway.server.listener import Runner
from gateway.server.observer import Progress
from gateway.server.site import Site, SiteHolder, TenantSite

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
TOKEN = "token-of-acme"
OTHER = "token-of-globex"
BASE = "https://scim.example.com/acme/scim/v2"


class Recorder:
    """An observer that remembers everything."""

    def __init__(self) -> None:
        self.began: list[Progress] = []
        self.ended: list[tuple[Progress, int, int]] = []
        self.failures: list[tuple[str, str, BaseException]] = []
        self.authentications: list[tuple[str, str, str]] = []
        self.refused: list[tuple[str, str]] = []

    def request_began(self, progress: Progress) -> None:
        self.began.append(progress)

    def request_ended(self, progress: Progress, status: int, sent: int, seconds: float) -> None:
        self.ended.append((progress, status, sent))

    def failure(self, tenant: str, request_id: str, error: BaseException) -> None:
        self.failures.append((tenant, request_id, error))

    def authentication(self, tenant: str, method: str, outcome: str) -> None:
        self.authentications.append((tenant, method, outcome))

    def limited(self, tenant: str, reason: str) -> None:
        self.refused.append((tenant, reason))


@dataclass
class Engine:
    """Stands for resources, search and bulk at once; `answer` is what it says, or raises, or a coroutine function."""

    answer: Any = field(default_factory=lambda: Answer(200, {"id": "1"}))
    calls: list[tuple[str, Call, tuple[Any, ...]]] = field(default_factory=list)

    async def _say(self, name: str, call: Call, *given: Any) -> Answer:
        self.calls.append((name, call, given))
        answer = await self.answer() if callable(self.answer) else self.answer
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def create(self, call: Call, served: Any, body: Any) -> Answer:
        return await self._say("create", call, served.name, body)

    async def read(self, call: Call, served: Any, id: str) -> Answer:
        return await self._say("read", call, served.name, id)

    async def replace(self, call: Call, served: Any, id: str, body: Any) -> Answer:
        return await self._say("replace", call, served.name, id, body)

    async def patch(self, call: Call, served: Any, id: str, body: Any) -> Answer:
        return await self._say("patch", call, served.name, id, body)

    async def delete(self, call: Call, served: Any, id: str) -> Answer:
        return await self._say("delete", call, served.name, id)


class Searches:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def run(self, call: Call, types: Any, request: Any) -> Answer:
        return await self.engine._say("search", call, [one.name for one in types], request)


class Bulks:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def run(self, call: Call, body: Any) -> Answer:
        return await self.engine._say("bulk", call, body)


def token(
    text: str,
    name: str,
    *,
    expires: datetime | None = None,
    may: Permissions = EVERYTHING,
    created: datetime | None = None,
) -> StaticToken:
    return StaticToken(hashlib.sha256(text.encode()).hexdigest(), name, expires, may, created)


def tokens(*given: StaticToken) -> StaticTokens:
    return StaticTokens(given, now=lambda: NOW)


def tenant(name: str, **limits: Any) -> Any:
    """A tenant with Users, Groups and Rooms, as far as the server looks at it."""
    types = [standard.resource_type("User"), standard.resource_type("Group")]
    types.append(replace(types[1], name="Room", endpoint="/Rooms"))
    served = {one.name: SimpleNamespace(name=one.name, resource_type=one) for one in types}
    endpoints = {one.resource_type.endpoint.strip("/").lower(): one for one in served.values()}
    return SimpleNamespace(name=name, served=served, by_endpoint=endpoints, limits=Limits(**limits))


def tenant_site(name: str, *given: StaticToken, **changes: Any) -> TenantSite:
    made = tenant(name)
    types = tuple(one.resource_type for one in made.served.values())
    return replace(TenantSite(name, tokens(*given), made, Facts("", 1000), types), **changes)


@dataclass
class World:
    """The served site and what happened to it."""

    engine: Engine
    observer: Recorder
    drain: Drain
    holder: SiteHolder

    def change(self, **changes: Any) -> None:
        """Serve the same site with something else in it."""
        self.holder._served.site = replace(self.holder.site, **changes)

    def change_tenant(self, name: str = "acme", **changes: Any) -> None:
        tenants = dict(self.holder.site.tenants)
        tenants[name] = replace(tenants[name], **changes)
        self.change(tenants=tenants)

    def application(self) -> web.Application:
        return create_application(self.holder, self.observer, self.drain)


@pytest.fixture
def world() -> World:
    engine = Engine()
    site = Site(
        tenants={
            "acme": tenant_site("acme", token(TOKEN, "main"), token("old", "old", expires=NOW)),
            "globex": tenant_site("globex", token(OTHER, "main")),
        },
        resources=engine,
        search=Searches(engine),
        bulk=Bulks(engine),
        public_url="https://scim.example.com",
        decoy=tokens(token("nobody", "nobody")),
        hosts={"scim.acme.example": "acme"},
    )
    return World(engine, Recorder(), Drain(), SiteHolder(site))


@pytest.fixture
async def client(world: World, aiohttp_client: Any) -> TestClient:
    """A client of tenant acme that authenticates."""
    return await aiohttp_client(world.application(), headers={"Authorization": f"Bearer {TOKEN}"})


@pytest.fixture
async def stranger(world: World, aiohttp_client: Any) -> TestClient:
    """A client that does not authenticate by itself."""
    return await aiohttp_client(world.application())


Speak = Callable[..., Awaitable[tuple[int, Mapping[str, str], bytes]]]


@pytest.fixture
async def port(world: World) -> AsyncIterator[int]:
    """The port of the application as `serve` runs it, on loopback."""
    runner = Runner(world.application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@pytest.fixture
def speak(port: int) -> Speak:
    """Send bytes, give back status, headers (lower case) and body of the last answer."""

    async def send(data: bytes, *, end: bool = False) -> tuple[int, Mapping[str, str], bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(data)
            if end:
                writer.write_eof()
            return await answer(reader)
        finally:
            writer.close()

    return send


async def answer(reader: asyncio.StreamReader) -> tuple[int, Mapping[str, str], bytes]:
    """Read one answer off a connection."""
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return int(head[0].split()[1]), headers, body


async def until(holds: Callable[[], object]) -> None:
    """Let the loop turn until something holds; nothing here depends on how long that takes."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 (what is waited for has no event of its own)
            await asyncio.sleep(0)


def is_error(body: Mapping[str, Any], status: int, scim_type: str | None = None) -> bool:
    """Tell whether a body is the SCIM error of a status (H7)."""
    return (
        body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        and body["status"] == str(status)
        and bool(body["detail"])
        and body.get("scimType") == scim_type
    )
