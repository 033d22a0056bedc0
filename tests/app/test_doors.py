"""What the front of the whole gateway lets in: host names, compressed bodies, headers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tests.app.conftest import USER_URN, Document, Served

Serving = Callable[..., AbstractAsyncContextManager[Served]]
HOST = "scim.acme.example.com"


async def ask(served: Served, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Any:
    """Send a request as it is; give status and document."""
    url = f"http://{served.running.address}{path}"
    known = {"Authorization": "Bearer acme-token", "Content-Type": "application/scim+json"}
    async with served.session.request(method, url, headers={**known, **headers}, data=body) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_a_host_name_stands_for_its_tenant_and_no_other(serving: Serving, document: Document) -> None:
    """Under its own name a tenant needs no path of its own; its token opens nothing under another's name, and a name
    nobody configured leads nowhere (X10)."""
    document["server"]["hosts"] = {HOST: "acme", "scim.globex.example.com": "globex"}
    async with serving(document) as served:
        made = await served.create("acme", "ada")
        status, found = await ask(served, "GET", "/scim/v2/Users", {"Host": HOST})
        assert (status, [one["id"] for one in found["Resources"]]) == (200, [made["id"]])
        assert (await ask(served, "GET", f"/scim/v2/Users/{made['id']}", {"Host": HOST.upper()}))[0] == 200
        for other in ("scim.globex.example.com", "nobody.example.com", "127.0.0.1"):
            assert (await ask(served, "GET", "/scim/v2/Users", {"Host": other}))[0] == 401


@pytest.mark.parametrize(("inflation", "plain", "bomb"), [(0, 415, 415), (20, 201, 413)])
async def test_compressed_bodies_are_taken_as_far_as_they_may_grow(
    serving: Serving, document: Document, inflation: int, plain: int, bomb: int
) -> None:
    """Not at all unless the operator says so, and then only so many times (X4)."""
    document["server"]["limits"] = {"inflation": inflation}
    async with serving(document) as served:
        body = json.dumps({"schemas": [USER_URN], "userName": "ada", "active": True}).encode()
        packed = {"Content-Encoding": "gzip"}
        assert (await ask(served, "POST", "/acme/scim/v2/Users", packed, gzip.compress(body)))[0] == plain
        large = gzip.compress(body[:-1] + b" " * 500_000 + b"}")
        assert (await ask(served, "POST", "/acme/scim/v2/Users", packed, large))[0] == bomb
        assert (await served.send("GET", "acme"))[1]["totalResults"] == (plain == 201)


@pytest.mark.parametrize("headers", [{"X-Long": "a" * 20_000}, {f"X-{number}": "a" for number in range(200)}])
async def test_headers_have_a_limit(serving: Serving, document: Document, headers: dict[str, str]) -> None:
    """Too long, or too many: 431 in SCIM's words, and the next request is answered (X4)."""
    async with serving(document) as served:
        status, found = await ask(served, "GET", "/acme/scim/v2/Users", headers)
        assert (status, found["status"]) == (431, "431")
        assert (await served.send("GET", "acme"))[0] == 200
