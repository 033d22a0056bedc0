"""Whoever is to lose access loses it, however much else is asked: nothing that sheds load sheds that (X15)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from backends.contract import Query
from backends.memory import MemoryBackend
from gateway.server.traffic.buckets import Rate
from gateway.server.traffic.throttle import Rates
from tests.app.conftest import PATCH_URN, USER_URN, Document, Served

Serving = Callable[..., AbstractAsyncContextManager[Served]]


class Crowded(MemoryBackend):
    """A system whose searches take as long as the test wants."""

    go: ClassVar[asyncio.Event]

    async def search(self, entity: str, query: Query) -> Any:
        await type(self).go.wait()
        return await super().search(entity, query)


def off(path: str | None = "active") -> dict[str, Any]:
    """Make a deactivation in the words of one provider or another."""
    with_path = {"op": "Replace", "path": path, "value": "False"}
    return {
        "schemas": [PATCH_URN],
        "Operations": [with_path if path else {"op": "replace", "value": {"active": False}}],
    }


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def active(served: Served, id: str) -> bool | None:
    """Tell whether an account may log in; None if it is gone."""
    status, body, _ = await served.send("GET", "acme", f"/Users/{id}")
    return None if status == 404 else bool(body["active"])


async def bound(served: Served, **rates: Any) -> None:
    """Give acme other rates from now on."""
    holder = served.running.gateway.holder
    site = holder.site.tenants["acme"]
    changed = replace(site, bounds=replace(site.bounds, rates=Rates(**rates)))
    await holder.swap(replace(holder.site, tenants={**holder.site.tenants, "acme": changed}), grace=0)


WAYS: dict[str, tuple[str, Any]] = {
    "patch": ("PATCH", off()),
    "patch without a path": ("PATCH", off(None)),
    "put": ("PUT", {"schemas": [USER_URN], "userName": "leaver", "active": False}),
    "delete": ("DELETE", None),
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_deactivation_passes_every_bound_at_once(serving: Serving, document: Document, way: str) -> None:
    """Rates of tenant and caller are used up, its share is under way, and as many calls wait for the system
    as may: a search and a create are turned away, the deactivation waits for its place and is done."""
    Crowded.go = asyncio.Event()
    Crowded.go.set()
    document["backends"]["hr"] |= {"type": "crowded", "limits": {"concurrency": 1, "waiting": 1}}
    async with serving(document, crowded=Crowded) as served:
        id = (await served.create("acme", "leaver"))["id"]
        Crowded.go.clear()
        guard = served.running.gateway.guards["hr"]
        crowd = [asyncio.create_task(served.send("GET", "acme")) for _ in range(2)]
        await until(lambda: (guard.under_way, guard.waiting) == (1, 1))
        newcomer = {"schemas": [USER_URN], "userName": "newcomer", "active": True}
        assert (await served.send("GET", "acme"))[0] == 503
        assert (await served.send("POST", "acme", body=newcomer))[0] == 503
        await bound(served, tenant=Rate(0.001, 1), caller=Rate(0.001, 1))
        assert [(await served.send("POST", "acme", body=newcomer))[0] for _ in range(2)] == [503, 429]
        await bound(served, tenant=Rate(0.001, 1), caller=Rate(0.001, 1), at_once=2)
        assert (await served.send("GET", "acme"))[0] == 429
        leaving = asyncio.create_task(served.send(WAYS[way][0], "acme", f"/Users/{id}", WAYS[way][1]))
        await until(lambda: guard.waiting == 2)
        Crowded.go.set()
        assert (await leaving)[0] in (200, 204)
        assert [status for status, _, _ in await asyncio.gather(*crowd)] == [200, 200]
        await bound(served)
        assert await active(served, id) is (None if way == "delete" else False)


async def test_a_brake_holds_even_deactivations_and_says_so(serving: Serving, document: Document) -> None:
    """The one thing that holds them is what an operator set for it: refused aloud, measured, and through once released
    (X14, X15)."""
    document["tenants"]["acme"]["brake"] = {"deactivations": 1}
    async with serving(document) as served:
        ids = [(await served.create("acme", f"user{number}"))["id"] for number in range(2)]
        codes = [(await served.send("PATCH", "acme", f"/Users/{id}", off()))[0] for id in ids]
        assert codes == [200, 429]
        labels = {"tenant": "acme", "reason": "brake"}
        assert served.observation.registry.get_sample_value("scim_gateway_limited_total", labels) == 1
        counters = served.running.gateway.counters
        assert counters is not None
        assert await counters.tallies.release("acme", "deactivations")
        assert (await served.send("PATCH", "acme", f"/Users/{ids[1]}", off()))[0] == 200
        assert [await active(served, id) for id in ids] == [False, False]
