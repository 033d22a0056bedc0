"""Tenants: credentials of one never see or change anything of another, on any path (promise 7, X10, CVE-2026-92539)."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from tests.app import conftest as whole
from tests.app.conftest import PATCH_URN, USER_URN, Document, Served

document, drawn, serving = whole.document, whole.drawn, whole.serving
Serving = Callable[..., AbstractAsyncContextManager[Served]]

SEARCH_URN = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
BULK_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
OFF = {"schemas": [PATCH_URN], "Operations": [{"op": "replace", "path": "active", "value": False}]}
CASES = 150


def attempt(draw: random.Random, id: str, login: str, cursor: str) -> tuple[str, str, Any]:
    """Draw one way to reach for a resource by what is known of it."""
    user = {"schemas": [USER_URN], "userName": f"taken-{draw.randrange(10**6)}", "active": False, "id": id}
    asked = draw.choice([f'id eq "{id}"', f'userName eq "{login}"', f'id eq "{id}" or userName sw "{login[:2]}"'])
    steps = [
        {"method": "PATCH", "path": f"/Users/{id}", "data": OFF},
        {"method": "PUT", "path": f"/Users/{id}", "data": user},
        {"method": "DELETE", "path": f"/Users/{id}"},
        {"method": "DELETE", "path": "/Users/bulkId:x"},
    ]
    return draw.choice(
        [
            ("GET", f"/Users/{id}", None),
            ("GET", f"/users/{id}/?attributes=userName", None),
            ("PUT", f"/Users/{id}", user),
            ("PATCH", f"/Users/{id}", OFF),
            ("DELETE", f"/Users/{id}", None),
            ("GET", f"/Users?filter={quote(asked)}", None),
            ("POST", "/Users/.search", {"schemas": [SEARCH_URN], "filter": asked}),
            ("POST", "/.search", {"schemas": [SEARCH_URN], "filter": asked}),
            ("GET", f"/Users?cursor={cursor}&count=1", None),
            ("POST", "/Users/.search", {"schemas": [SEARCH_URN], "cursor": cursor, "count": 1}),
            ("POST", "/Bulk", {"schemas": [BULK_URN], "Operations": draw.sample(steps, draw.randint(1, 4))}),
        ]
    )


@pytest.mark.parametrize("shared", [False, True], ids=["own systems", "one system"])
async def test_nothing_of_another_tenant_is_seen_or_changed(serving: Serving, document: Document, shared: bool) -> None:
    """Random verbs, bulk paths, filters and cursors aimed at another tenant's accounts find and change nothing, whether
    the tenants have systems of their own or two entities of one (G2)."""
    if shared:
        people = document["backends"]["hr"]["settings"]["entities"]["people"]
        document["backends"]["hr"]["settings"]["entities"]["others"] = people
        document["tenants"]["globex"]["resources"]["User"] |= {"backend": "hr", "entity": "others"}
        del document["backends"]["crm"]
    draw = random.Random(20261125)
    async with serving(document) as served:
        holder = served.running.gateway.holder
        # Whoever guesses as often is not listened to any more; here every guess is to be answered.
        await holder.swap(replace(holder.site, sources=None), grace=0)
        await served.create("acme", "ada")
        victims = [await served.create("globex", f"victim-{number}") for number in range(3)]
        before = (await served.send("GET", "globex"))[1]
        cursor = (await served.send("GET", "globex", "/Users?cursor&count=1"))[1]["nextCursor"]
        leaks: list[str] = []
        for _ in range(CASES):
            victim = draw.choice(victims)
            verb, path, body = attempt(draw, victim["id"], victim["userName"], cursor)
            status, answer, headers = await served.send(verb, "acme", path, body)
            told = json.dumps([answer, dict(headers)])
            if status >= 500 or "victim" in told or (verb in ("PUT", "PATCH", "DELETE") and status != 404):
                leaks.append(f"{verb} {path} {body}: {status} {answer}")
            wrong, _, _ = await served.send(verb, "globex", path, body, token="acme-token")
            if wrong != 401:
                leaks.append(f"{verb} {path} with the other tenant's token: {wrong}")
        assert leaks == []
        assert (await served.send("GET", "globex"))[1] == before
