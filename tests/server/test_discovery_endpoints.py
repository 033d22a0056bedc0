"""Discovery over HTTP: the documents of the tenant that asks (C1-C4)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp.test_utils import TestClient

from tests.server.conftest import BASE, World, is_error

ROOT = "/acme/scim/v2"


async def test_service_provider_config(client: TestClient, world: World) -> None:
    """It tells the facts of the tenant, with its own URL (C2)."""
    facts = replace(world.holder.site.tenants["acme"].facts, sort=False, bulk_operations=7)
    world.change_tenant(facts=facts)
    document = await (await client.get(f"{ROOT}/ServiceProviderConfig")).json(content_type=None)
    assert document["sort"] == {"supported": False}
    assert document["bulk"]["maxOperations"] == 7
    assert document["meta"]["location"] == f"{BASE}/ServiceProviderConfig"


@pytest.mark.parametrize("path", ["/ResourceTypes", "/Schemas"])
async def test_lists(client: TestClient, path: str) -> None:
    """Lists are list responses of what the tenant serves; paging parameters change nothing (C1, C3)."""
    document = await (await client.get(f"{ROOT}{path}?startIndex=5&count=1")).json(content_type=None)
    assert document["totalResults"] == len(document["Resources"]) == 3
    assert document["Resources"][0]["meta"]["location"].startswith(f"{BASE}{path}/")


@pytest.mark.parametrize(
    "path",
    [
        "/ResourceTypes/User",
        "/ResourceTypes/room",
        "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User",
        "/Schemas/urn%3Aietf%3Aparams%3Ascim%3Aschemas%3Aextension%3Aenterprise%3A2.0%3AUser",
    ],
)
async def test_single_documents(client: TestClient, path: str) -> None:
    """One document is found by name or URN, in any case."""
    assert (await client.get(f"{ROOT}{path}")).status == 200


@pytest.mark.parametrize("path", ["/ResourceTypes/Printer", "/Schemas/urn:x"])
async def test_unknown_documents(client: TestClient, path: str) -> None:
    """What is not served is 404."""
    answer = await client.get(f"{ROOT}{path}")
    assert answer.status == 404
    assert is_error(await answer.json(content_type=None), 404)


@pytest.mark.parametrize("path", ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas", "/Schemas/urn:x"])
async def test_filter_is_forbidden(client: TestClient, path: str) -> None:
    """A filter on discovery is 403 (C1)."""
    answer = await client.get(f"{ROOT}{path}", params={"Filter": "id pr"})
    assert answer.status == 403
    assert is_error(await answer.json(content_type=None), 403)
