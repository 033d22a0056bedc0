"""Bad bodies over HTTP: a SCIM error each, never a 500, and the engine hears of none (issue of bad input, X4)."""

from __future__ import annotations

import asyncio
import gzip
import io
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp.test_utils import TestClient
from yarl import URL

from tests.server.conftest import TOKEN, Speak, World, answer, is_error, tenant, until

SCIM = {"Content-Type": "application/scim+json"}
USERS = "/acme/scim/v2/Users"
HEAD = f"POST {USERS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/scim+json\r\n"


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize(
    ("data", "status", "scim_type"),
    [
        (b"", 400, "invalidSyntax"),
        (b'{"userName":', 400, "invalidSyntax"),
        (b'{"userName":"a","userName":"b"}', 400, "invalidSyntax"),
        (b'{"x":NaN}', 400, "invalidSyntax"),
        (b'{"x":"\\ud800"}', 400, "invalidSyntax"),
        (b"[" * 1000 + b"]" * 1000, 400, "invalidSyntax"),
        (b'{"x":"\xff"}', 400, "invalidSyntax"),
        (b'{"x":1e400}', 400, "invalidValue"),
        (b"[1]", 400, "invalidSyntax"),
        (b'{"x":"' + b"a" * 10_000_000 + b'"}', 413, None),
    ],
    ids=["empty", "broken", "twice", "nan", "surrogate", "deep", "utf8", "huge number", "array", "10 MB"],
)
async def test_bad_bodies_are_scim_errors(
    client: TestClient, world: World, verb: str, data: bytes, status: int, scim_type: str | None
) -> None:
    """Every bad body is refused with a SCIM error before the engine hears of it."""
    path = USERS if verb == "POST" else f"{USERS}/7"
    refused = await client.request(verb, path, data=io.BytesIO(data), headers=SCIM)
    assert refused.status == status
    assert is_error(await refused.json(content_type=None), status, scim_type)
    assert world.engine.calls == []
    assert world.observer.failures == []


@pytest.mark.parametrize(
    ("media", "taken"),
    [
        ("application/scim+json", True),
        ("application/json", True),
        ("Application/SCIM+JSON; charset=UTF-8", True),
        ('application/json;charset="utf-8"; profile=x', True),
        ("application/json; charset=iso-8859-1", False),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("application/merge-patch+json", False),
        ("", False),
    ],
)
async def test_media_types_of_requests(client: TestClient, world: World, media: str, taken: bool) -> None:
    """SCIM's JSON and plain JSON in UTF-8 are taken, anything else is 415 (H9)."""
    result = await client.post(USERS, data=b'{"userName":"x"}', headers={"Content-Type": media})
    assert result.status == (200 if taken else 415)
    assert len(world.engine.calls) == int(taken)
    if not taken:
        assert is_error(await result.json(content_type=None), 415)


async def chunks(count: int, size: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


async def test_body_without_a_length_is_counted_while_it_arrives(client: TestClient, world: World) -> None:
    """A chunked body is refused as soon as it is too large (B4, X4)."""
    refused = await client.post(USERS, data=chunks(40, 65_536), headers=SCIM)
    assert refused.status == 413
    assert "1048576" in (await refused.json(content_type=None))["detail"]
    assert world.engine.calls == []


async def test_bulk_has_a_limit_of_its_own(client: TestClient, world: World) -> None:
    """A bulk request larger than maxPayloadSize is 413 and the detail names that limit (B4)."""
    world.change_tenant(tenant=tenant("acme", bulk_bytes=100))
    refused = await client.post("/acme/scim/v2/Bulk", data=b'{"x":"' + b"a" * 200 + b'"}', headers=SCIM)
    assert refused.status == 413
    assert "maxPayloadSize" in (await refused.json(content_type=None))["detail"]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "x"])
async def test_compressed_bodies_are_refused_by_default(client: TestClient, world: World, coding: str) -> None:
    """A compressed body is 415 unless the operator takes them (X4)."""
    headers = {**SCIM, "Content-Encoding": coding}
    refused = await client.post(USERS, data=gzip.compress(b"{}"), headers=headers, compress=None)
    assert refused.status == 415
    assert is_error(await refused.json(content_type=None), 415)


@pytest.mark.parametrize(
    ("data", "coding", "status"),
    [
        (gzip.compress(b'{"userName":"x"}'), "gzip", 200),
        (zlib.compress(b'{"userName":"x"}'), "deflate", 200),
        (gzip.compress(b'{"x":"' + b"a" * 500_000 + b'"}'), "gzip", 413),
        (gzip.compress(b'{"x":"' + b"a" * 50_000_000 + b'"}'), "gzip", 413),
        (gzip.compress(b"{}")[:-4], "gzip", 400),
        (gzip.compress(b"{}") + b"more", "gzip", 400),
        (b"no gzip", "gzip", 400),
        (b"x", "br", 415),
    ],
    ids=["gzip", "deflate", "ratio", "bomb", "short", "long", "not", "other"],
)
async def test_compressed_bodies_are_inflated_within_bounds(
    client: TestClient, world: World, data: bytes, coding: str, status: int
) -> None:
    """Where compressed bodies are taken, they may grow only so many times, and never beyond the limit (X4)."""
    world.change(limits=replace(world.holder.site.limits, inflation=20))
    headers = {**SCIM, "Content-Encoding": coding}
    result = await client.post(USERS, data=data, headers=headers)
    assert result.status == status
    assert len(world.engine.calls) == (1 if status == 200 else 0)


async def test_body_that_never_comes(world: World, speak: Speak) -> None:
    """A body that does not arrive in time is 408 (X4)."""
    world.change(limits=replace(world.holder.site.limits, body_seconds=0.05))
    status, _, body = await speak(f"{HEAD}Content-Length: 10\r\n\r\n{{".encode())
    assert status == 408
    assert b'"408"' in body


@pytest.mark.parametrize(
    "rest", ["Transfer-Encoding: chunked\r\n\r\nzz\r\n", "Transfer-Encoding: chunked\r\n\r\n5\r\nabc"]
)
async def test_body_that_is_broken_off(world: World, speak: Speak, rest: str) -> None:
    """A body that breaks its own framing is 400."""
    world.change(limits=replace(world.holder.site.limits, body_seconds=0.2))
    status, _, body = await speak((HEAD + rest).encode())
    assert status in (400, 408)
    assert b"urn:ietf:params:scim:api:messages:2.0:Error" in body
    assert world.engine.calls == []
    assert world.observer.failures == []


async def test_client_that_leaves_in_the_middle_of_a_body(world: World, port: int) -> None:
    """A connection closed in the middle of a body is no failure of ours, and nothing reaches the engine."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{HEAD}Content-Length: 100\r\n\r\n{{".encode())
    await writer.drain()
    await until(lambda: world.observer.began)
    writer.close()
    await until(lambda: world.observer.ended)
    assert world.engine.calls == []
    assert world.observer.failures == []


async def test_continue_is_said_only_to_those_who_are_known(world: World, port: int) -> None:
    """``Expect: 100-continue`` is answered when the body is wanted: after authentication and the check of its size."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{HEAD}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n".encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"{}")
    assert (await answer(reader))[0] == 200
    writer.close()
    for head in (HEAD.replace(TOKEN, "wrong"), HEAD):
        size = 2 if "wrong" in head else 2_000_000
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"{head}Expect: 100-continue\r\nContent-Length: {size}\r\n\r\n".encode())
        status, headers, _ = await answer(reader)
        assert status == (401 if "wrong" in head else 413)
        assert headers["connection"] == "close"
        writer.close()


async def test_get_and_delete_have_no_body_to_complain_of(client: TestClient, world: World) -> None:
    """A body where none belongs is not looked at."""
    result = await client.request("DELETE", f"{USERS}/7", data=b"nonsense", headers={"Content-Type": "text/plain"})
    assert result.status == 200
    assert [name for name, *_ in world.engine.calls] == ["delete"]


async def test_long_filters_reach_the_engine_to_be_judged(client: TestClient, world: World) -> None:
    """A filter of 5 KB is no matter of HTTP; the engine refuses it with its own words (F15)."""
    filter = " or ".join(['userName eq "x"'] * 280)
    assert len(filter) > 5000
    await client.get(USERS, params={"filter": filter})
    assert world.engine.calls[0][2][1].filter == filter


@pytest.mark.parametrize("query", ["filter=%ff", "count=x", "startIndex=1&cursor=", "filter=a&filter=b"])
async def test_bad_queries(client: TestClient, world: World, query: str) -> None:
    """Queries that cannot be read are 400 (Q1, N10)."""
    refused = await client.get(URL(f"{USERS}?{query}", encoded=True))
    assert refused.status == 400
    assert is_error(await refused.json(content_type=None), 400, "invalidValue")
    assert world.engine.calls == []


@pytest.mark.parametrize("body", [b"{}", b'{"schemas":["x"]}', b'{"schemas":null,"filter":1}'])
async def test_bad_search_bodies(client: TestClient, world: World, body: bytes) -> None:
    """A search request of a wrong shape is 400 (S3)."""
    refused = await client.post(f"{USERS}/.search", data=body, headers=SCIM)
    assert refused.status == 400
    assert (await refused.json(content_type=None))["status"] == "400"
    assert world.engine.calls == []
