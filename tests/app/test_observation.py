"""What is read on every scrape moves with what it tells of (M2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

import pytest
from redis import Redis as SyncRedis

from backends.contract import Query
from backends.memory import MemoryBackend
from backends.pools import Pool
from tests.app.conftest import USER_URN, Document, Served
from tests.services import Redis

Serving = Callable[..., AbstractAsyncContextManager[Served]]


class Held(MemoryBackend):
    """A system whose searches wait."""

    asked: ClassVar[asyncio.Event]
    go: ClassVar[asyncio.Event]

    async def search(self, entity: str, query: Query) -> Any:
        type(self).asked.set()
        await type(self).go.wait()
        return await super().search(entity, query)


async def test_calls_under_way_and_waiting_are_told(serving: Serving, document: Document) -> None:
    """One call is under way, one waits for the only place, and both are gone once they are answered."""
    Held.asked, Held.go = asyncio.Event(), asyncio.Event()
    document["backends"]["hr"] |= {"type": "held", "limits": {"concurrency": 1}}
    async with serving(document, held=Held) as served:

        def told() -> list[float | None]:
            value = served.observation.registry.get_sample_value
            names = ("in_flight", "waiting", "limit")
            return [value(f"scim_gateway_backend_calls_{name}", {"backend": "hr"}) for name in names]

        asking = [asyncio.create_task(served.send("GET", "acme")) for _ in range(2)]
        await Held.asked.wait()
        async with asyncio.timeout(10):
            while told() != [1, 1, 1]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        Held.go.set()
        assert [status for status, _, _ in await asyncio.gather(*asking)] == [200, 200]
        assert told() == [0, 0, 1]


async def test_a_cache_that_fails_is_told(serving: Serving, document: Document, own_valkey: Redis) -> None:
    """1 while Redis is used, 0 while it is left aside, and requests are answered either way."""
    document["cache"] = own_valkey.url
    async with serving(document) as served:

        async def until(wanted: float) -> None:
            async with asyncio.timeout(20):
                while served.observation.registry.get_sample_value("scim_gateway_identity_cache_usable") != wanted:
                    assert (await served.send("GET", "acme"))[0] == 200

        await until(1.0)
        own_valkey.stop()
        await until(0.0)
        own_valkey.start()
        await until(1.0)


@pytest.mark.parametrize("allowed", [False, True])
async def test_what_is_kept_is_cached_where_the_settings_say_so(
    serving: Serving, document: Document, valkey: str, allowed: bool
) -> None:
    """A nickname no system has a place for is in Redis only if `cache_kept` allows it, and comes back either way."""
    document["cache"] = valkey
    document["store"]["cache_kept"] = allowed
    document["tenants"]["acme"]["resources"]["User"]["unmapped"] = "keep"
    async with serving(document) as served:
        body = {"schemas": [USER_URN], "userName": "ada", "active": True, "nickName": "Marked-Countess"}
        _, made, _ = await served.send("POST", "acme", body=body)
        there: list[bytes] = []
        with SyncRedis.from_url(valkey) as client:
            async with asyncio.timeout(20):
                while not there or (allowed and not any(b"Marked-Countess" in value for value in there)):
                    assert (await served.send("GET", "acme", f"/Users/{made['id']}"))[1]["nickName"] == body["nickName"]
                    there = [client.get(name) or b"" for name in client.scan_iter("acme:*")]
        assert any(b"Marked-Countess" in value for value in there) == allowed
        assert (await served.send("GET", "acme", f"/Users/{made['id']}"))[1]["nickName"] == body["nickName"]


class Pooling(MemoryBackend):
    """A system whose backend has a pool of connections."""

    def pools(self) -> list[Pool]:
        return [Pool("main", limit=20, used=3, waiting=2, waited=1.25)]


async def test_pools_of_connections_are_told(serving: Serving, document: Document) -> None:
    """Use, bound and wait of each pool; of a backend that has none nothing is shown."""
    document["backends"]["hr"] |= {"type": "pooling"}
    async with serving(document, pooling=Pooling) as served:
        value = served.observation.registry.get_sample_value
        names = ("used", "limit", "waiting", "wait_seconds_total")
        for backend, wanted in (("hr", [3, 20, 2, 1.25]), ("crm", [None] * 4)):
            labels = {"backend": backend, "pool": "main"}
            assert [value(f"scim_gateway_backend_pool_{name}", labels) for name in names] == wanted
        assert value("scim_gateway_backend_queue_limit", {"backend": "hr"}) == 256
