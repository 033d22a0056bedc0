"""Keys fetched from an issuer: single flight, cooldown, stale while it errs (X7)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from joserfc import jwk

from gateway.server.auth.jwks import FetchedKeys, from_issuer, from_url
from gateway.server.auth.keys import KeysUnavailable
from gateway.server.auth.outbound import MOST_BYTES, FetchError, Outbound, is_safe

KEY = jwk.generate_key("EC", "P-256", {"kid": "a"})
NEXT = jwk.generate_key("EC", "P-256", {"kid": "b"})


def jwks(*keys: Any) -> bytes:
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


class Issuer:
    """An issuer whose answers are set, and a clock that is turned by hand."""

    def __init__(self, *keys: Any) -> None:
        self.answer: Any = jwks(*keys)
        self.asked = 0
        self.now = 1000.0
        self.go: asyncio.Event | None = None
        self.keys = FetchedKeys(self.fetch, clock=lambda: self.now)

    async def fetch(self) -> bytes:
        self.asked += 1
        if self.go is not None:
            await self.go.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return bytes(self.answer)

    async def knows(self, id: str) -> bool:
        return await self.keys.find(id, "ES256") is not None


async def settled() -> None:
    """Let background refreshes end."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_fetched_once_for_everybody() -> None:
    """Nothing is fetched before it is needed, and then once for all who wait (single flight)."""
    issuer = Issuer(KEY)
    assert issuer.keys.age is None
    issuer.go = asyncio.Event()
    asking = [asyncio.create_task(issuer.knows("a")) for _ in range(50)]
    await settled()
    issuer.go.set()
    assert all(await asyncio.gather(*asking))
    assert issuer.asked == 1
    issuer.now += 60
    assert issuer.keys.age == 60.0


async def test_whoever_gives_up_does_not_cancel_the_others() -> None:
    """A request that is cancelled while keys are fetched takes nobody else with it."""
    issuer = Issuer(KEY)
    issuer.go = asyncio.Event()
    first, second = (asyncio.create_task(issuer.knows("a")) for _ in range(2))
    await settled()
    first.cancel()
    await settled()
    issuer.go.set()
    assert await second
    assert first.cancelled()
    assert issuer.asked == 1


async def test_unknown_key_ids_make_it_be_asked_again_but_not_often() -> None:
    """A new key is found at once after a rotation; a flood of unknown ids asks once per cooldown."""
    issuer = Issuer(KEY)
    assert await issuer.knows("a")
    issuer.answer = jwks(KEY, NEXT)
    assert not await issuer.knows("b")
    assert issuer.asked == 1
    issuer.now += 30
    assert await issuer.knows("b")
    assert issuer.asked == 2
    for number in range(100):
        assert not await issuer.knows(f"flood-{number}")
    assert issuer.asked == 2


async def test_old_keys_are_refreshed_behind_the_requests() -> None:
    """Keys that are no longer fresh still answer at once while they are fetched again."""
    issuer = Issuer(KEY)
    assert await issuer.knows("a")
    issuer.now += 601
    issuer.answer = jwks(NEXT)
    issuer.go = asyncio.Event()
    assert await issuer.knows("a")
    issuer.go.set()
    await settled()
    assert issuer.asked == 2
    assert not await issuer.knows("a")
    assert await issuer.knows("b")


@pytest.mark.parametrize("answer", [FetchError("down"), b"<html>", b'{"keys":[]}', b'{"keys":[{"kty":"oct"}]}'])
async def test_keys_hold_while_the_issuer_errs(answer: Any) -> None:
    """An issuer that is down, or answers nonsense or nothing, does not take its keys away before they are stale."""
    issuer = Issuer(KEY)
    assert await issuer.knows("a")
    issuer.answer = answer
    issuer.now += 3600
    assert await issuer.knows("a")
    await settled()
    assert await issuer.knows("a")
    assert issuer.asked == 2
    issuer.now += 86_400
    with pytest.raises(KeysUnavailable):
        await issuer.knows("a")


async def test_issuer_that_was_never_reached() -> None:
    """Without any keys there is no verdict; the issuer is asked once per cooldown, and its recovery is seen."""
    issuer = Issuer(KEY)
    issuer.answer = FetchError("down")
    for _ in range(10):
        with pytest.raises(KeysUnavailable):
            await issuer.knows("a")
    assert issuer.asked == 1
    issuer.answer = jwks(KEY)
    issuer.now += 30
    assert await issuer.knows("a")


async def test_stopping_ends_a_refresh() -> None:
    """A refresh under way ends with the process."""
    issuer = Issuer(KEY)
    issuer.go = asyncio.Event()
    asking = asyncio.create_task(issuer.knows("a"))
    await settled()
    await issuer.keys.stop()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await Issuer().keys.stop()


@pytest.fixture
async def outbound() -> Any:
    async with ClientSession() as session:
        yield Outbound(session, seconds=0.5)


async def serve(aiohttp_server: Any, documents: dict[str, Any]) -> TestServer:
    async def answer(request: web.Request) -> web.Response:
        found = documents.get(request.path)
        if isinstance(found, web.HTTPException):
            raise found
        return web.Response(body=found) if found is not None else web.Response(status=404)

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    server: TestServer = await aiohttp_server(application)
    return server


@pytest.mark.parametrize(
    ("path", "well_known"),
    [
        ("/realm", "/realm/.well-known/openid-configuration"),
        ("/realm", "/.well-known/oauth-authorization-server/realm"),
        ("", "/.well-known/openid-configuration"),
    ],
)
async def test_issuer_is_discovered(outbound: Outbound, aiohttp_server: Any, path: str, well_known: str) -> None:
    """The key set is found by the issuer's metadata, OpenID Connect's or OAuth's."""
    documents: dict[str, Any] = {"/keys": jwks(KEY)}
    server = await serve(aiohttp_server, documents)
    root = str(server.make_url("/")).rstrip("/")
    issuer = f"{root}{path}"
    documents[well_known] = json.dumps({"issuer": issuer, "jwks_uri": f"{root}/keys"}).encode()
    assert await from_issuer(outbound.get, issuer)() == jwks(KEY)
    assert await from_url(outbound.get, f"{root}/keys")() == jwks(KEY)


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example", "jwks_uri": "http://127.0.0.1/keys"},
        {"jwks_uri": "http://127.0.0.1/keys"},
        {"issuer": "{root}"},
        {"issuer": "{root}", "jwks_uri": 7},
        {"issuer": "{root}", "jwks_uri": "http://other.example/keys"},
        {"issuer": "{root}", "jwks_uri": "file:///etc/passwd"},
        {"issuer": "{root}", "jwks_uri": "ftp://127.0.0.1/keys"},
        "nonsense",
        None,
    ],
)
async def test_metadata_that_is_not_the_issuers(outbound: Outbound, aiohttp_server: Any, metadata: Any) -> None:
    """Metadata of another issuer, without keys, or that leads into the clear or to files is refused (X5, X7)."""
    documents: dict[str, Any] = {}
    server = await serve(aiohttp_server, documents)
    root = str(server.make_url("/")).rstrip("/")
    if metadata is not None:
        documents["/.well-known/openid-configuration"] = json.dumps(metadata).replace("{root}", root).encode()
    with pytest.raises(FetchError):
        await from_issuer(outbound.get, root)()


async def test_answers_are_bounded(outbound: Outbound, aiohttp_server: Any) -> None:
    """Redirects are not followed, large and slow answers are given up (X5)."""
    documents = {
        "/large": b"x" * (MOST_BYTES + 1),
        "/most": b"x" * MOST_BYTES,
        "/moved": web.HTTPFound("/most"),
        "/wrong": web.HTTPUnauthorized(),
    }
    server = await serve(aiohttp_server, documents)
    assert len(await outbound.get(str(server.make_url("/most")))) == MOST_BYTES
    for path in ("/large", "/moved", "/wrong", "/nothing"):
        with pytest.raises(FetchError):
            await outbound.get(str(server.make_url(path)))


async def test_silent_and_absent_issuers(outbound: Outbound, unused_tcp_port: int) -> None:
    """An issuer that says nothing, or is not there, is an error in bounded time."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    with pytest.raises(FetchError):
        await outbound.get(f"http://127.0.0.1:{unused_tcp_port}/")
    server = await asyncio.start_server(silent, "127.0.0.1", unused_tcp_port)
    async with server:
        with pytest.raises(FetchError):
            await outbound.get(f"http://127.0.0.1:{unused_tcp_port}/")


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://login.example.com/keys", True),
        ("http://127.0.0.1:8080/keys", True),
        ("http://[::1]/keys", True),
        ("http://localhost/keys", True),
        ("http://login.example.com/keys", False),
        ("http://169.254.169.254/latest", False),
        ("http://localhost.evil.example/", False),
        ("https:///keys", False),
        ("file:///etc/passwd", False),
        ("gopher://127.0.0.1/", False),
    ],
)
def test_only_safe_urls_are_asked(url: str, safe: bool) -> None:
    """Only https is used, but for this machine itself (X5)."""
    assert is_safe(url) == safe
