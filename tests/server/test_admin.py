"""The admin plane: its own credentials, nothing of SCIM, and what an operator can do with it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from gateway.server.admin import create_admin_application
from gateway.server.auth import AnyOf, Permissions
from gateway.server.traffic.brake import LocalTallies
from tests.server.conftest import NOW, TOKEN, World, is_error, token, tokens

ADMIN = {"Authorization": "Bearer admin"}
READER = {"Authorization": "Bearer reader"}


@pytest.fixture
def tallies() -> LocalTallies:
    return LocalTallies(now=lambda: 1000.0)


@pytest.fixture
async def admin(world: World, tallies: LocalTallies, aiohttp_client: Any) -> TestClient:
    """A client of the admin port that does not authenticate by itself."""

    async def status() -> dict[str, Any]:
        return {"backends": {"hr": {"state": "closed"}}}

    authenticator = tokens(token("admin", "ops"), token("reader", "eyes", may=Permissions(read_only=True)))
    clock = asyncio.get_running_loop().time
    return await aiohttp_client(
        create_admin_application(world.holder, authenticator, world.observer, status, tallies, clock=clock)
    )


@pytest.mark.parametrize("path", ["/status", "/tokens", "/brake", "/nothing", "/acme/scim/v2/Users"])
async def test_every_path_needs_credentials_of_its_own(admin: TestClient, path: str) -> None:
    """Without credentials, and with those of a tenant, nothing is told, not even what there is."""
    for headers in ({}, {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Basic x"}):
        answer = await admin.get(path, headers=headers)
        assert answer.status == 401
        assert is_error(await answer.json(content_type=None), 401)


async def test_status(admin: TestClient) -> None:
    """The state of the process is what the composition root tells."""
    answer = await admin.get("/status", headers=READER)
    assert (answer.status, await answer.json()) == (200, {"backends": {"hr": {"state": "closed"}}})


async def test_nothing_of_scim_is_here(admin: TestClient) -> None:
    """The admin port serves no SCIM, and SCIM's port no admin."""
    assert (await admin.get("/acme/scim/v2/Users", headers=ADMIN)).status == 404
    assert (await admin.post("/status", headers=ADMIN)).status == 405


async def test_tokens(admin: TestClient, client: TestClient, world: World) -> None:
    """An operator sees when tokens were made, end and were last used, and no digest (CVE-2026-43640)."""
    made = NOW - timedelta(days=1)
    first = tokens(token(TOKEN, "main"), token("next", "next", expires=NOW + timedelta(days=1), created=made))
    world.change_tenant(authenticator=AnyOf([first, tokens(token("b", "second"))]))
    assert (await client.get("/acme/scim/v2/Users/7")).status == 200
    answer = await admin.get("/tokens", headers=READER)
    text = await answer.text()
    assert (await answer.json())["acme"] == [
        {"name": "main", "created": None, "expires": None, "last_used": "2026-11-25T12:00:00+00:00"},
        {
            "name": "next",
            "created": "2026-11-24T12:00:00+00:00",
            "expires": "2026-11-26T12:00:00+00:00",
            "last_used": None,
        },
        {"name": "second", "created": None, "expires": None, "last_used": None},
    ]
    assert token(TOKEN, "main").sha256 not in text


async def test_brake(admin: TestClient, tallies: LocalTallies) -> None:
    """An operator sees what is held and releases it, one kind or all; who may only read does not."""
    for kind in ("deletions", "removals"):
        assert not await tallies.add("acme", kind, 5, 1, 60)
    answer = await admin.get("/brake", headers=READER)
    assert (await answer.json())["engaged"][0] == {"tenant": "acme", "kind": "deletions", "count": 5, "since": 1000.0}
    asked = {"tenant": "acme", "kind": "deletions"}
    assert (await admin.post("/brake/release", json=asked, headers=READER)).status == 403
    assert len(await tallies.engaged()) == 2
    released = await admin.post("/brake/release", json=asked, headers=ADMIN)
    assert await released.json() == {"tenant": "acme", "released": ["deletions"]}
    released = await admin.post("/brake/release", json={"tenant": "acme"}, headers=ADMIN)
    assert await released.json() == {"tenant": "acme", "released": ["removals"]}
    assert await tallies.engaged() == []


@pytest.mark.parametrize(
    "body",
    [{"tenant": "nowhere"}, {"tenant": ["acme"]}, {}, {"tenant": "acme", "kind": "all"}, {"tenant": "acme", "kind": 7}],
)
async def test_bad_releases(admin: TestClient, tallies: LocalTallies, body: Any) -> None:
    """A release of nothing that exists is refused and releases nothing."""
    assert not await tallies.add("acme", "deletions", 5, 1, 60)
    answer = await admin.post("/brake/release", json=body, headers=ADMIN)
    assert answer.status == 400
    assert is_error(await answer.json(content_type=None), 400, "invalidValue")
    assert len(await tallies.engaged()) == 1


async def test_sites_port_has_no_admin(client: TestClient, world: World) -> None:
    """Nothing of the admin plane is reachable on the SCIM port."""
    world.change(
        tenants={**world.holder.site.tenants, "status": replace(world.holder.site.tenants["acme"], name="status")}
    )
    for path in ("/status", "/brake", "/tokens"):
        assert (await client.get(path)).status in (401, 404)
    assert (await client.post("/brake/release", json={"tenant": "acme"})).status == 401
