"""Anything at all over HTTP is answered, in SCIM's words, and never with a 500 (X4)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.server.listener import Runner
from tests.server.conftest import TOKEN, World, answer

CASES = 400
ROOTS = [*["/acme/scim/v2"] * 8, "/acme/scim", "/scim/v2", "/acme", "", "/globex/scim/v2", "/acme/oauth2/token"]
NAMES = [
    "Users",
    "Users",
    "Users",
    "Groups",
    ".search",
    "Bulk",
    "Schemas",
    "ResourceTypes",
    "Me",
    "{type}",
    "{id}",
    "..",
    "7",
]
FIELDS = ["Accept", "If-Match", "If-None-Match", "X-Request-Id", "traceparent", "Content-Encoding", "Expect", "Host"]
PARAMETERS = ["filter", "count", "startIndex", "cursor", "attributes", "excludedAttributes", "sortBy", "x"]
MEDIA = ["application/scim+json", "application/json", "text/plain", "application/x-www-form-urlencoded", ""]
KNOWN = [*[f"Bearer {TOKEN}"] * 8, "Bearer wrong", "Basic !", ""]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["schemas", "Operations", "filter", "count", "method", "path", "data"]), inner
        )
    ),
    max_leaves=12,
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, bytes]:
    """Draw a request: its method and its bytes, well framed and otherwise of any content."""
    verb = draw(st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]))
    rest = st.lists(st.sampled_from(NAMES) | texts.map(lambda text: quote(text, safe="")), max_size=3)
    known = st.sampled_from([["Users"], ["Users", "7"], ["Users", ".search"], [".search"], ["Bulk"], ["Schemas"]])
    segments = draw(known) if draw(st.integers(0, 2)) else [draw(st.sampled_from(NAMES)), *draw(rest)]
    query = draw(st.dictionaries(st.sampled_from(PARAMETERS), texts, max_size=4))
    target = f"{draw(st.sampled_from(ROOTS))}/{'/'.join(segments)}"
    if query:
        target += "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    body = draw(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
    odd = st.text(st.characters(codec="latin-1", exclude_categories=["Cc", "Cs"]), max_size=40)
    fields = {
        "Host": "x",
        "Content-Type": draw(st.sampled_from(MEDIA)),
        "Authorization": draw(st.sampled_from(KNOWN)),
        **draw(st.dictionaries(st.sampled_from(FIELDS), odd, max_size=4)),
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return verb, f"{verb} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


async def ask(port: int, verb: str, data: bytes) -> tuple[int, Any, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        if verb != "HEAD":
            return await answer(reader)
        async with asyncio.timeout(10):
            return int((await reader.readline()).split()[1]), {}, b""
    finally:
        writer.close()
        await writer.wait_closed()


async def start(world: World) -> Runner:
    runner = Runner(world.application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


def test_any_request_is_answered(world: World, record_property: Callable[[str, object], None]) -> None:
    """Whatever a request is made of, nothing of ours fails, and an error is an error message (H7)."""
    statuses: dict[int, int] = {}
    with asyncio.Runner() as loop:
        runner = loop.run(start(world))
        port = runner.addresses[0][1]

        @settings(max_examples=CASES, deadline=None)
        @given(requests())
        def check(request: tuple[str, bytes]) -> None:
            status, headers, body = loop.run(ask(port, *request))
            statuses[status] = statuses.get(status, 0) + 1
            assert status < 500 or status == 501
            assert world.observer.failures == []
            if status >= 400 and body:
                check_error(status, headers, json.loads(body))

        check()
        loop.run(runner.cleanup())
    record_property(
        "told", f"fuzzed requests: {sum(statuses.values())} cases, by status {dict(sorted(statuses.items()))}"
    )
    assert {200, 400, 401, 404, 405} <= statuses.keys()


def check_error(status: int, headers: Any, message: Any) -> None:
    if "error" in message:
        assert set(message) == {"error", "error_description"}
        return
    assert message["status"] == str(status)
    assert message["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert headers["content-type"] in ("application/scim+json", "application/json")
