"""Rates and brake over HTTP: who is held back, who never is, and that nothing is done of what is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from gateway.engine.calls import Answer
from gateway.server.auth import Permissions
from gateway.server.traffic.brake import Brake, BrakeRules, LocalTallies
from gateway.server.traffic.buckets import LocalBuckets, Rate
from gateway.server.traffic.passage import Bounds, Traffic
from gateway.server.traffic.sources import CountedSources
from gateway.server.traffic.throttle import Rates, Throttle
from tests.server.conftest import TOKEN, World, is_error, token, tokens

USERS = "/acme/scim/v2/Users"
OFF = {"Operations": [{"op": "Replace", "path": "active", "value": "False"}]}
RENAME = {"Operations": [{"op": "Replace", "path": "displayName", "value": "x"}]}
BULK_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
DELETE_ONE = {"method": "DELETE", "path": "/Users/1"}
CREATE_ONE = {"method": "POST", "path": "/Users", "bulkId": "1", "data": {}}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(world: World) -> Clock:
    """A clock turned by hand, and counting switched on."""
    clock = Clock()
    tallies = LocalTallies(now=clock)
    world.change(traffic=Traffic(Throttle(LocalBuckets(clock=clock)), Brake(tallies)))
    return clock


def bound(world: World, rates: Rates | None = None, **brake: int) -> None:
    rules = BrakeRules(brake, window=3600) if brake else BrakeRules()  # type: ignore[arg-type]
    world.change_tenant(bounds=Bounds(rates or Rates(), rules))


def bulk(*operations: Any) -> dict[str, Any]:
    return {"schemas": [BULK_URN], "Operations": list(operations)}


async def test_tenant_over_its_rate(client: TestClient, world: World, clock: Clock) -> None:
    """Over the rate it is 429 with Retry-After and a SCIM body, nothing is done, and later it goes on (M8)."""
    bound(world, Rates(tenant=Rate(per_second=0.5, burst=2)))
    assert [(await client.get(f"{USERS}/7")).status for _ in range(2)] == [200, 200]
    refused = await client.get(f"{USERS}/7")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "2")
    assert is_error(await refused.json(content_type=None), 429)
    assert len(world.engine.calls) == 2
    assert world.observer.refused == [("acme", "tenant")]
    clock.now += 2
    assert (await client.get(f"{USERS}/7")).status == 200


async def test_one_tenants_flood_is_nothing_to_another(client: TestClient, world: World, clock: Clock) -> None:
    """Tenants have their own rates."""
    bound(world, Rates(tenant=Rate(1, 1)))
    world.change_tenant("globex", bounds=Bounds(Rates(tenant=Rate(1, 1))))
    for _ in range(5):
        await client.get(f"{USERS}/7")
    answer = await client.get("/globex/scim/v2/Users/7", headers={"Authorization": "Bearer token-of-globex"})
    assert answer.status == 200


async def test_caller_over_its_rate_does_not_hold_back_others(client: TestClient, world: World, clock: Clock) -> None:
    """Callers of one tenant have their own rates within the tenant's."""
    world.change_tenant(authenticator=tokens(token(TOKEN, "one"), token("b", "two")))
    bound(world, Rates(caller=Rate(1, 1), tenant=Rate(1, 10)))
    assert (await client.get(f"{USERS}/7")).status == 200
    assert (await client.get(f"{USERS}/7")).status == 429
    assert (await client.get(f"{USERS}/7", headers={"Authorization": "Bearer b"})).status == 200
    assert world.observer.refused == [("acme", "caller")]


@pytest.mark.parametrize(
    ("verb", "path", "body", "passes"),
    [
        ("PATCH", f"{USERS}/7", OFF, True),
        ("PUT", f"{USERS}/7", {"active": False}, True),
        ("DELETE", f"{USERS}/7", None, True),
        ("POST", "/acme/scim/v2/Bulk", bulk(DELETE_ONE), True),
        ("PATCH", f"{USERS}/7", RENAME, False),
        ("PUT", f"{USERS}/7", {"active": True}, False),
        ("POST", USERS, {"active": False}, False),
        ("POST", "/acme/scim/v2/Bulk", bulk(DELETE_ONE, CREATE_ONE), False),
        ("POST", f"{USERS}/.search", {}, False),
        ("GET", USERS, None, False),
    ],
)
async def test_deprovisioning_is_never_held_back(
    client: TestClient, world: World, clock: Clock, verb: str, path: str, body: Any, passes: bool
) -> None:
    """Over every rate, whoever loses access still loses it; anything else waits (X15)."""
    bound(world, Rates(tenant=Rate(0.01, 1), caller=Rate(0.01, 1)))
    await client.get(f"{USERS}/7")
    for _ in range(3):
        answer = await client.request(verb, path, json=body)
        assert answer.status == (200 if passes else 429)
    assert len(world.engine.calls) == (4 if passes else 1)


async def test_share_of_what_is_under_way(client: TestClient, world: World, clock: Clock) -> None:
    """A tenant with too much under way waits, its deactivations do not, and the share comes back (M8, X15)."""
    bound(world, Rates(at_once=1))
    go, asked = asyncio.Event(), asyncio.Event()

    async def slow() -> Answer:
        asked.set()
        await go.wait()
        return Answer(200, {"id": "7"})

    world.engine.answer = slow
    running = asyncio.create_task(client.get(f"{USERS}/7"))
    await asked.wait()
    world.engine.answer = Answer(200, {"id": "7"})
    assert (await client.get(f"{USERS}/7")).status == 429
    assert (await client.patch(f"{USERS}/7", json=OFF)).status == 200
    go.set()
    assert (await running).status == 200
    assert (await client.get(f"{USERS}/7")).status == 200


async def test_bulk_is_counted_by_operation(client: TestClient, world: World, clock: Clock) -> None:
    """A bulk request that is let in counts as many as it holds; the next one waits for it (B7)."""
    bound(world, Rates(tenant=Rate(1, 5)))
    assert (await client.post("/acme/scim/v2/Bulk", json=bulk(*[CREATE_ONE] * 8))).status == 200
    refused = await client.get(f"{USERS}/7")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "4")


async def test_what_passes_anyway_is_owed(client: TestClient, world: World, clock: Clock) -> None:
    """Deactivations over the rate make the reads after them wait."""
    bound(world, Rates(tenant=Rate(1, 2)))
    for _ in range(4):
        assert (await client.patch(f"{USERS}/7", json=OFF)).status == 200
    assert (await client.get(f"{USERS}/7")).headers["Retry-After"] == "3"


@pytest.mark.parametrize(
    ("kind", "verb", "path", "body"),
    [
        ("deactivations", "PATCH", f"{USERS}/7", OFF),
        ("deactivations", "PUT", f"{USERS}/7", {"active": "False"}),
        ("deletions", "DELETE", f"{USERS}/7", None),
        (
            "removals",
            "PATCH",
            "/acme/scim/v2/Groups/7",
            {"Operations": [{"op": "remove", "path": 'members[value eq "1"]'}]},
        ),
    ],
)
async def test_brake(
    client: TestClient, world: World, clock: Clock, kind: str, verb: str, path: str, body: Any
) -> None:
    """Beyond the threshold nothing of the kind is done until the brake is released, however long that takes; other
    changes go on (X14)."""
    bound(world, **{kind: 3})
    assert [(await client.request(verb, path, json=body)).status for _ in range(3)] == [200] * 3
    refused = await client.request(verb, path, json=body)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "600")
    message = await refused.json(content_type=None)
    assert is_error(message, 429)
    assert kind in message["detail"]
    clock.now += 7200
    assert (await client.request(verb, path, json=body)).status == 429
    assert len(world.engine.calls) == 3
    assert world.observer.refused == [("acme", "brake")] * 2
    assert (await client.patch(f"{USERS}/7", json=RENAME)).status == 200
    tallies = world.holder.site.traffic.brake.tallies  # type: ignore[union-attr]
    [held] = await tallies.engaged()
    assert (held.tenant, held.kind, held.count, held.since) == ("acme", kind, 4, 1000.0)
    assert await tallies.release("acme", kind)
    assert (await client.request(verb, path, json=body)).status == 200


async def test_window_of_the_brake(client: TestClient, world: World, clock: Clock) -> None:
    """Changes spread over more than a window are no mass change."""
    bound(world, deletions=2)
    for _ in range(6):
        assert (await client.delete(f"{USERS}/7")).status == 200
        clock.now += 1801


async def test_brake_holds_a_bulk_request_whole(client: TestClient, world: World, clock: Clock) -> None:
    """A bulk request that would go too far is refused before any of it is done (X14, B7)."""
    bound(world, deletions=5)
    assert (await client.post("/acme/scim/v2/Bulk", json=bulk(*[DELETE_ONE] * 6))).status == 429
    assert world.engine.calls == []


async def test_brake_of_one_tenant_is_nothing_to_another(client: TestClient, world: World, clock: Clock) -> None:
    """Tenants have their own brakes."""
    bound(world, deletions=1)
    world.change_tenant("globex", bounds=Bounds(brake=BrakeRules({"deletions": 1})))
    assert [(await client.delete(f"{USERS}/7")).status for _ in range(2)] == [200, 429]
    other = {"Authorization": "Bearer token-of-globex"}
    assert (await client.delete("/globex/scim/v2/Users/7", headers=other)).status == 200


@pytest.mark.parametrize("bulky", [False, True])
async def test_who_may_not_change_anything_cannot_engage_the_brake(
    client: TestClient, world: World, clock: Clock, bulky: bool
) -> None:
    """What is forbidden anyway is not counted (X14)."""
    world.change_tenant(authenticator=tokens(token(TOKEN, "one", may=Permissions(operations=frozenset({"read"})))))
    bound(world, deletions=1)
    for _ in range(3):
        if bulky:
            assert (await client.post("/acme/scim/v2/Bulk", json=bulk(DELETE_ONE))).status == 403
        else:
            assert (await client.delete(f"{USERS}/7")).status == 403
    assert await world.holder.site.traffic.brake.tallies.engaged() == []  # type: ignore[union-attr]


async def test_sources_that_fail_are_blocked_for_a_while(stranger: TestClient, world: World) -> None:
    """Guessing at one tenant is stopped, also for one that does not exist; other tenants are still reached from there,
    for identity providers share their addresses; and it ends by itself (X8)."""
    clock = Clock()
    world.change(sources=CountedSources(LocalBuckets(clock=clock), tenant=Rate(0.1, 3), address=Rate(1, 100)))
    for tenant in ("acme", "nowhere"):
        path = f"/{tenant}/scim/v2/Users/7"
        found = [(await stranger.get(path, headers={"Authorization": "Bearer x"})).status for _ in range(5)]
        assert found == [401, 401, 401, 429, 429]
    other = {"Authorization": "Bearer token-of-globex"}
    assert (await stranger.get("/globex/scim/v2/Users/7", headers=other)).status == 200
    good = {"Authorization": f"Bearer {TOKEN}"}
    assert (await stranger.get(f"{USERS}/7", headers=good)).status == 429
    clock.now += 10
    assert (await stranger.get(f"{USERS}/7", headers=good)).status == 200


async def test_address_that_tries_every_tenant_is_blocked(stranger: TestClient, world: World) -> None:
    """Trying many tenants is stopped too, later."""
    clock = Clock()
    world.change(sources=CountedSources(LocalBuckets(clock=clock), tenant=Rate(0.1, 3), address=Rate(0.1, 6)))
    found = [(await stranger.get(f"/tenant{number}/scim/v2/Users")).status for number in range(8)]
    assert found == [401] * 6 + [429] * 2


async def test_counting_survives_a_reload(client: TestClient, world: World, clock: Clock) -> None:
    """A reload resets no rate and releases no brake (M9)."""
    bound(world, Rates(tenant=Rate(0.01, 1)))
    assert (await client.get(f"{USERS}/7")).status == 200
    await world.holder.swap(world.holder.site, grace=1)
    assert (await client.get(f"{USERS}/7")).status == 429
