"""Reload loses nothing, leaving loses nothing, and health says what is true (M6, M7, M9)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from gateway.engine.calls import Answer
from gateway.server.listener import Runner, stop
from tests.server.conftest import TOKEN, World, answer, tenant_site, token, until

USERS = "/acme/scim/v2/Users/7"


class Gate:
    """An engine's answer that waits to be let through, and tells when it was asked."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self) -> Answer:
        self.asked.set()
        await self.go.wait()
        return Answer(200, {"id": "old"})


async def test_requests_under_way_keep_the_site_they_began_with(client: TestClient, world: World) -> None:
    """A swap is seen by the next request at once; the one under way ends on the old site, and the swap waits for it."""
    gate = Gate()
    world.engine.answer = gate
    running = asyncio.create_task(client.get(USERS))
    await gate.asked.wait()
    world.engine.answer = Answer(200, {"id": "new"})
    site = replace(world.holder.site, tenants={"acme": tenant_site("acme", token("new", "new"))})
    swap = asyncio.create_task(world.holder.swap(site, grace=10))
    await until(lambda: world.holder.site is site)
    assert (await client.get(USERS)).status == 401
    fresh = await client.get(USERS, headers={"Authorization": "Bearer new"})
    assert await fresh.json(content_type=None) == {"id": "new"}
    assert not swap.done()
    gate.go.set()
    assert await (await running).json(content_type=None) == {"id": "old"}
    assert await swap is True


async def test_swap_does_not_wait_for_ever(client: TestClient, world: World) -> None:
    """A swap says when requests of the old site outlast its grace."""
    gate = Gate()
    world.engine.answer = gate
    running = asyncio.create_task(client.get(USERS))
    await gate.asked.wait()
    assert await world.holder.swap(replace(world.holder.site), grace=0.01) is False
    gate.go.set()
    assert (await running).status == 200
    assert await world.holder.swap(replace(world.holder.site), grace=0.01) is True


async def test_many_reloads_under_load_lose_nothing(client: TestClient, world: World) -> None:
    """Every request sent while the site is swapped again and again is answered 200."""

    async def ask() -> int:
        return (await client.get(USERS)).status

    asking = [asyncio.create_task(ask()) for _ in range(60)]
    for _ in range(20):
        assert await world.holder.swap(replace(world.holder.site), grace=10)
        await asyncio.sleep(0)
    assert await asyncio.gather(*asking) == [200] * 60


async def test_health(stranger: TestClient) -> None:
    """Alive and ready are open to everybody, and say so."""
    for path, status in (("/healthz", "alive"), ("/readyz", "ready")):
        found = await stranger.get(path)
        assert (found.status, await found.json()) == (200, {"status": status})


@pytest.mark.parametrize("verb", ["POST", "DELETE", "OPTIONS"])
async def test_health_is_only_asked_for(stranger: TestClient, verb: str) -> None:
    """Other methods on health paths are a stranger's like any other."""
    assert (await stranger.request(verb, "/healthz")).status == 401


async def test_readiness_follows_its_checks_and_does_not_repeat_them(
    stranger: TestClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing or hanging check makes unready and is named; many questions make one check (M6)."""
    monkeypatch.setattr("gateway.server.health.CHECK_SECONDS", 0.02)
    asked = 0

    async def fails() -> bool:
        nonlocal asked
        asked += 1
        return False

    async def hangs() -> bool:
        await asyncio.Event().wait()
        return True

    async def holds() -> bool:
        return True

    world.change(ready={"store": fails, "cache": hangs, "clock": holds})
    found = await asyncio.gather(*(stranger.get("/readyz") for _ in range(20)))
    assert {one.status for one in found} == {503}
    assert await found[0].json() == {"status": "unready", "failing": ["store", "cache"]}
    assert asked == 1


async def test_sick_tenant_leaves_the_process_ready(stranger: TestClient, world: World) -> None:
    """A tenant whose backend was never reached does not unready the process (M6)."""
    world.change_tenant(tenant=None)
    assert (await stranger.get("/readyz")).status == 200


async def test_leaving(world: World) -> None:
    """On leaving readiness is gone and answers close their connections; what is under way is still answered, and only
    then does it end (M7)."""
    gate = Gate()
    runner = Runner(world.application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]

    async def ask(path: str) -> tuple[int, Any]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
        try:
            status, headers, _ = await answer(reader)
            return status, headers.get("connection")
        finally:
            writer.close()

    assert await ask("/readyz") == (200, None)
    world.engine.answer = gate
    running = asyncio.create_task(ask(USERS))
    await gate.asked.wait()
    world.drain.begin()
    assert await ask("/readyz") == (503, "close")
    assert (await ask("/acme/scim/v2/Schemas"))[1] == "close"
    ending = asyncio.create_task(stop(runner, world.drain, delay=0, grace=10))
    await until(lambda: not runner.sites)
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", port)
    assert not ending.done()
    gate.go.set()
    assert await running == (200, "close")
    assert await ending is True
    assert world.drain.under_way == 0


async def test_leaving_does_not_wait_for_ever(world: World) -> None:
    """A request that outlasts the grace is cut off, and the caller of `stop` is told."""
    gate = Gate()
    world.engine.answer = gate
    runner = Runner(world.application(), shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    _, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
    writer.write(f"GET {USERS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
    await gate.asked.wait()
    assert await stop(runner, world.drain, delay=0, grace=0.01) is False
    assert world.drain.under_way == 0
    writer.close()
