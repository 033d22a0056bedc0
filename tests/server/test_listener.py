"""Raw bytes on the socket: what is no HTTP and what is too long is answered with SCIM's errors too (H7)."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.server.conftest import TOKEN, Speak, World, answer, is_error

AUTH = f"Authorization: Bearer {TOKEN}\r\n"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET /acme HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        (b"GET /acme HTTP/1.1\r\n\r\n", 400),
        (b"GET /acme HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET /acme HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n", 400),
        (b"GET /acme HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 20_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Many: a\r\n" * 200 + b"\r\n", 431),
        (b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET // HTTP/1.1\r\nHost: x\r\n\r\n", 401),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\nExpect: \xa0\r\n\r\n", 400),
        (b"GET /%zz/%00%0A HTTP/1.1\r\nHost: x\r\nExpect: \xa0\r\n\r\n", 401),
        (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\nExpect: \xa0\r\n\r\n", 400),
        (b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 401),
        (b"GET / HTTP/1.0\r\n\r\n", 401),
        (b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", 401),
    ],
    ids=["words", "tls", "version", "no host", "two hosts", "header", "length", "smuggling", "long url", "long header",
         "many headers", "bad url", "bytes", "slashes", "star", "percent", "connect", "trace", "1.0", "upgrade"],
)  # fmt: skip
async def test_every_answer_is_scim(world: World, speak: Speak, data: bytes, status: int) -> None:
    """Whatever comes in, an error is a SCIM error body of SCIM's media type, never a 500 and never a page of text."""
    got, headers, body = await speak(data)
    assert got == status
    assert headers["content-type"] == "application/scim+json"
    assert headers["server"] == "scim-gateway"
    assert is_error(json.loads(body), status, "invalidSyntax" if status == 400 else None)
    assert world.engine.calls == []
    assert world.observer.failures == []


@pytest.mark.parametrize(
    "target",
    [
        "/acme/scim/v2/Users?filter=\xff",
        "http://evil.example/acme/scim/v2/Users/7",
        "/acme/scim/v2//Users",
        "/acme/scim/v2/../v2/Users/7",
    ],
)
async def test_odd_targets_of_somebody_known(world: World, speak: Speak, target: str) -> None:
    """Odd targets of authenticated clients are answered, and no location is ever made of them."""
    status, _, _ = await speak(f"GET {target} HTTP/1.1\r\nHost: evil.example\r\n{AUTH}\r\n".encode("latin-1"))
    assert status in (200, 400, 404)
    assert world.observer.failures == []
    assert all(call.base_url == "https://scim.example.com/acme/scim/v2" for _, call, _ in world.engine.calls)


async def test_unknown_expectation_is_ignored(world: World, speak: Speak) -> None:
    """An expectation nobody knows does not keep a request from being answered."""
    status, _, _ = await speak(
        f"GET /acme/scim/v2/Users/7 HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\n{AUTH}\r\n".encode()
    )
    assert status == 200


async def test_requests_follow_each_other_on_one_connection(world: World, port: int) -> None:
    """A refused body does not spoil the connection: what was sent of it is not taken for the next request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "POST /acme/scim/v2/Users HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
    writer.write(f"{head}{AUTH}Content-Length: 30\r\n\r\nGET /evil HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (await answer(reader))[0] == 415
    writer.write(f"GET /acme/scim/v2/Users/7 HTTP/1.1\r\nHost: x\r\n{AUTH}\r\n".encode())
    assert (await answer(reader))[0] == 200
    assert [name for name, *_ in world.engine.calls] == ["read"]
    writer.close()
