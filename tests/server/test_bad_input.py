"""Bad input against the whole gateway with a system in memory: a SCIM error each, never a 500, and nothing changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from yarl import URL

from gateway.server.auth.tokens import digest
from tests.app import conftest as whole
from tests.app.conftest import PATCH_URN, USER_URN, Document, Served
from tests.server.conftest import is_error

document, drawn, serving = whole.document, whole.drawn, whole.serving
Serving = Callable[..., AbstractAsyncContextManager[Served]]

USER = {"schemas": [USER_URN], "userName": "bob", "active": True}
BULK_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
TEN_MEGABYTES = b'{"userName":"' + b"a" * 10_000_000 + b'"}'
DEEP = b'{"schemas":' + b"[" * 1000 + b"]" * 1000 + b"}"
LONG_FILTER = "filter=" + "%20or%20".join(['userName%20eq%20"x"'] * 400)


def user(**changes: Any) -> bytes:
    return json.dumps({**USER, **changes}).encode()


def patch(*operations: Any) -> bytes:
    return json.dumps({"schemas": [PATCH_URN], "Operations": list(operations)}).encode()


BAD: dict[str, tuple[str, str, bytes | None, dict[str, str], tuple[int, ...]]] = {
    "broken": ("POST", "/Users", b'{"userName":', {}, (400,)),
    "empty": ("POST", "/Users", b"", {}, (400,)),
    "twice": ("POST", "/Users", b'{"userName":"a","userName":"b"}', {}, (400,)),
    "twice in another case": ("POST", "/Users", user(USERNAME="x"), {}, (400,)),
    "nan": ("POST", "/Users", b'{"userName":NaN}', {}, (400,)),
    "surrogate": ("POST", "/Users", user(userName="x").replace(b'"x"', b'"\\ud800"'), {}, (400,)),
    "nul": ("POST", "/Users", user(userName="a\x00b"), {}, (400,)),
    "10 MB": ("POST", "/Users", TEN_MEGABYTES, {}, (413,)),
    "deep": ("POST", "/Users", DEEP, {}, (400,)),
    "deep patch": ("PATCH", "/Users/{id}", DEEP, {}, (400,)),
    "no schemas": ("POST", "/Users", b'{"userName":"x"}', {}, (400,)),
    "foreign schema": ("POST", "/Users", user(schemas=["urn:x"]), {}, (400,)),
    "no name": ("POST", "/Users", user(userName=None), {}, (400,)),
    "number for a name": ("POST", "/Users", user(userName=7), {}, (400,)),
    "object for a boolean": ("POST", "/Users", user(active={}), {}, (400,)),
    "text for a boolean": ("PUT", "/Users/{id}", user(active="maybe"), {}, (400,)),
    "dunder": ("PATCH", "/Users/{id}", patch({"op": "add", "path": "__class__", "value": "x"}), {}, (400,)),
    "no operations": ("PATCH", "/Users/{id}", patch(), {}, (400,)),
    "unknown op": ("PATCH", "/Users/{id}", patch({"op": "move", "path": "active"}), {}, (400,)),
    "bad path": ("PATCH", "/Users/{id}", patch({"op": "add", "path": "a.b.c.d[", "value": 1}), {}, (400,)),
    "read-only": ("PATCH", "/Users/{id}", patch({"op": "replace", "path": "id", "value": "x"}), {}, (400,)),
    "required removed": ("PATCH", "/Users/{id}", patch({"op": "remove", "path": "userName"}), {}, (400,)),
    "half a patch": (
        "PATCH",
        "/Users/{id}",
        patch({"op": "replace", "path": "active", "value": False}, {"op": "replace", "path": "nothing", "value": 1}),
        {},
        (400,),
    ),
    "unknown id": ("DELETE", "/Users/7", None, {}, (404,)),
    "numeric id": ("GET", "/Users/1", None, {}, (404,)),
    "id of sql": ("DELETE", "/Users/%25'%20or%201=1--", None, {}, (404,)),
    "id with nul": ("DELETE", "/Users/%00", None, {}, (404,)),
    "stale version": ("DELETE", "/Users/{id}", None, {"If-Match": 'W/"nothing"'}, (412,)),
    "long filter": ("GET", f"/Users?{LONG_FILTER}", None, {}, (400,)),
    "unfinished filter": ("GET", "/Users?filter=userName%20eq", None, {}, (400,)),
    "unknown attribute": ("GET", '/Users?filter=nothing%20eq%20"x"', None, {}, (400,)),
    "unknown operator": ("GET", '/Users?filter=userName%20is%20"x"', None, {}, (400,)),
    "nested filter": ("GET", f"/Users?filter={'(' * 500}userName%20pr{')' * 500}", None, {}, (400,)),
    "bad count": ("GET", "/Users?count=many", None, {}, (400,)),
    "bad cursor": ("GET", "/Users?cursor=x", None, {}, (400,)),
    "both paging ways": ("GET", "/Users?cursor&startIndex=1", None, {}, (400,)),
    "both projections": ("GET", "/Users?attributes=id&excludedAttributes=id", None, {}, (400,)),
    "bytes in a query": ("GET", "/Users?filter=%ff", None, {}, (400,)),
    "wrong method": ("PUT", "/Users", user(), {}, (405,)),
    "wrong method on bulk": ("GET", "/Bulk", None, {}, (405,)),
    "wrong media type": ("POST", "/Users", user(), {"Content-Type": "text/plain"}, (415,)),
    "wrong charset": ("POST", "/Users", user(), {"Content-Type": "application/json; charset=utf-16"}, (415,)),
    "compressed": ("POST", "/Users", user(), {"Content-Encoding": "gzip"}, (415,)),
    "unknown type": ("GET", "/Printers", None, {}, (404,)),
    "filtered discovery": ("GET", "/Schemas?filter=id%20pr", None, {}, (403,)),
    "bulk without operations": ("POST", "/Bulk", json.dumps({"schemas": [BULK_URN]}).encode(), {}, (400,)),
    "bulk in bulk": (
        "POST",
        "/Bulk",
        json.dumps(
            {
                "schemas": [BULK_URN],
                "Operations": [{"method": "POST", "path": "/Bulk", "bulkId": "1", "data": {}}],
            }
        ).encode(),
        {},
        (400,),
    ),
    "search without schemas": ("POST", "/Users/.search", b"{}", {}, (400,)),
    "me": ("GET", "/Me", None, {}, (501,)),
    "old version": ("GET", "/../v1/Users", None, {}, (400, 404)),
    "expired": ("DELETE", "/Users/{id}", None, {"Authorization": "Bearer expired"}, (401,)),
    "nobody": ("DELETE", "/Users/{id}", None, {"Authorization": ""}, (401,)),
}


async def send(
    served: Served, verb: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[int, Any, Any]:
    known = {"Authorization": "Bearer acme-token", "Content-Type": "application/scim+json", **headers}
    url = URL(f"http://{served.running.address}/acme/scim/v2{path}", encoded=True)
    async with served.session.request(verb, url, data=_stream(body), headers=known) as answer:
        raw = await answer.read()
        return answer.status, json.loads(raw) if raw else None, answer.headers


def _stream(body: bytes | None) -> Any:
    """Hand large bodies over in pieces, as a client that does not block would."""
    if body is None or len(body) < 1_000_000:
        return body

    async def pieces() -> Any:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    return pieces()


async def test_bad_input_is_a_scim_error_and_changes_nothing(serving: Serving, document: Document) -> None:
    """Every case is refused with a SCIM error of its status, none with a 500, none is logged as a failure, and the
    account that was there is there as it was."""
    expired = {"sha256": digest("expired"), "name": "old", "expires": "2020-01-01"}
    document["tenants"]["acme"]["tokens"].append(expired)
    async with serving(document) as served:
        known = await served.create("acme", "ada")
        before = await send(served, "GET", "/Users", None, {})
        wrong: list[str] = []
        for name, (verb, path, body, headers, statuses) in BAD.items():
            place = path.replace("{id}", known["id"])
            try:
                status, message, answered = await send(served, verb, place, body, headers)
            except ConnectionError as error:
                wrong.append(f"{name}: {error}")
                continue
            shaped = isinstance(message, dict) and is_error(message, status, message.get("scimType"))
            if status not in statuses or not shaped or "scim+json" not in answered["Content-Type"]:
                wrong.append(f"{name}: {status} {message}")
            after = await send(served, "GET", "/Users", None, {})
            if after[1] != before[1]:
                wrong.append(f"{name}: changed {before[1]} to {after[1]}")
        assert wrong == []
        assert not [line for line in served.logged if "internal reason" in str(line.get("event"))]


@pytest.mark.parametrize("path", ["/nowhere/scim/v2/Users", "/acme/scim/v2/Users", "/", "/acme"])
async def test_strangers_learn_nothing_of_the_whole_gateway(serving: Serving, document: Document, path: str) -> None:
    """An unknown tenant and a wrong token are one answer (X8)."""
    async with serving(document) as served:
        told = []
        for place in (path, "/acme/scim/v2/Users/1"):
            url = f"http://{served.running.address}{place}"
            async with served.session.get(url, headers={"Authorization": "Bearer wrong"}) as answer:
                headers = {key: value for key, value in answer.headers.items() if key.lower() not in UNIQUE}
                told.append((answer.status, headers, await answer.read()))
        assert told[0] == told[1]
        assert told[0][0] == 401


UNIQUE = ("date", "x-request-id")
