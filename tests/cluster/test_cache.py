"""Redis away, back, emptied, slow and full of rubbish under real gateways: requests go on (DESIGN §7)."""

from __future__ import annotations

import asyncio
import os

import redis

from tests.cluster.site import Replica, Site, everybody, ids_of, patched, put, user
from tests.gateway_process import Client
from tests.services import Redis

USABLE = ("scim_gateway_identity_cache_usable", frozenset[tuple[str, str]]())


async def told(site: Site, replica: Replica, usable: float) -> None:
    """Wait until a replica's metrics say whether the shared cache is used."""
    async with asyncio.timeout(30):
        while (await site.metrics(replica))[USABLE] != usable:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def live(clients: list[Client], name: str, known: dict[str, str]) -> None:
    """Do one of everything through one gateway, each seen through the other at once; nobody known has another id."""
    one, two = clients
    id = (await one.done("POST", "/Users", user(name, nickName="N")))["id"]
    assert (await two.done("GET", f"/Users/{id}"))["nickName"] == "N"
    await two.done("PATCH", f"/Users/{id}", patched(put("userName", f"{name}-new"), put("nickName", "M")))
    body = await one.done("GET", f"/Users/{id}")
    assert (body["userName"], body["nickName"]) == (f"{name}-new", "M")
    await one.done("DELETE", f"/Users/{id}")
    assert (await two.ask("GET", f"/Users/{id}"))[0] == 404
    for client in clients:
        assert ids_of(await everybody(client)) == known


async def test_whatever_redis_does_requests_go_on(apart: Site, own_valkey: Redis) -> None:
    """Two gateways on one Redis that is stopped, started, emptied, filled with rubbish and held: every request has its
    answer, no id changes, the metric and the log tell."""
    apart.native("INSERT INTO person (login) SELECT 'u' || n FROM generate_series(1, 50) n")
    replicas = [apart.replica(), apart.replica()]
    await asyncio.to_thread(apart.start, *replicas)
    async with apart.clients("acme") as clients:
        known = ids_of(await everybody(clients[0]))
        await live(clients, "before", known)
        for replica in replicas:
            await told(apart, replica, 1.0)

        own_valkey.stop()
        await live(clients, "down", known)
        for replica in replicas:
            await told(apart, replica, 0.0)
            assert any("the shared cache failed" in str(line) for line in replica.logged())
        late = apart.replica()
        await asyncio.to_thread(apart.start, late)
        async with apart.clients("acme", late) as (client,):
            assert ids_of(await everybody(client)) == known

        own_valkey.start()
        for replica in apart.replicas:
            await told(apart, replica, 1.0)
        await live(clients, "back", known)

        with redis.Redis.from_url(apart.cache) as cache:
            cache.flushall()
            await live(clients, "emptied", known)
            for number, key in enumerate(cache.scan_iter("*")):
                if number % 2:
                    cache.set(key, os.urandom(40))
                else:
                    cache.delete(key)
                    cache.lpush(key, "rubbish")
            await live(clients, "rubbish", known)
            cache.client_pause(2000)
            await live(clients, "slow", known)
        for replica in apart.replicas:
            await told(apart, replica, 1.0)
        await live(clients, "after", known)
