"""Rates and brakes of several processes: counted together in Redis, alone while it is away, never lost in a reload."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import redis

from gateway.app import Blueprint, observation, status
from gateway.app.explanation import explain
from gateway.server.traffic.brake import TalliesUnavailable
from tests.app.conftest import Document, Served
from tests.app.test_operators import command, with_admin

Drawn = Callable[..., Blueprint]
Serving = Callable[..., AbstractAsyncContextManager[Served]]
__all__ = ["with_admin"]


async def test_replicas_count_together(serving: Serving, with_admin: Document, valkey: str) -> None:
    """A deletion here and one there trip the brake of both, and whichever is asked to releases it for all (X14)."""
    with_admin["cache"] = valkey
    async with serving(with_admin) as one, serving(with_admin) as other:
        ids = [(await one.create("acme", f"user{number}"))["id"] for number in range(2)]
        theirs = [(await other.create("acme", f"user{number}"))["id"] for number in range(2)]
        assert (await one.send("DELETE", "acme", f"/Users/{ids[0]}"))[0] == 204
        assert (await other.send("DELETE", "acme", f"/Users/{theirs[1]}"))[0] == 429
        assert (await one.send("DELETE", "acme", f"/Users/{ids[1]}"))[0] == 429
        assert (await command(other, "brake", "status")).exit_code == 1
        assert (await command(other, "brake", "release", "acme")).stdout.strip() == "acme: released deletions"
        assert (await one.send("DELETE", "acme", f"/Users/{ids[1]}"))[0] == 204


async def test_a_rehearsal_counts_for_nothing(drawn: Drawn, with_admin: Document, valkey: str) -> None:
    """`explain` trips no brake and uses up no rate, and comes from nowhere: it is nobody's request."""
    with_admin["cache"] = valkey
    with_admin["tenants"]["acme"] |= {
        "addresses": ["203.0.113.0/24"], "rates": {"tenant": {"per_second": 0.001, "burst": 1}},
    }  # fmt: skip
    blueprint = drawn(with_admin)
    for _ in range(3):
        found = await explain(blueprint, "acme", "DELETE", "/Users/@1", None, read=False)
        assert found.status == 204
    with redis.Redis.from_url(valkey) as client:
        assert list(client.scan_iter("scimgw:*brake*")) == []
        assert list(client.scan_iter("scimgw:rate:*")) == []


async def test_redis_away_is_told_and_stops_nobody(
    serving: Serving, with_admin: Document, own_valkey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests go on, each process counts for itself; operators are told that brakes are not known, and know them again
    when it is back. The metric goes on with what was known."""
    monkeypatch.setattr(observation, "BRAKE_SECONDS", 0.01)
    with_admin["cache"] = own_valkey.url
    async with serving(with_admin) as served:
        assert served.running.gateway.counters is not None
        own_valkey.stop()
        with pytest.raises(TalliesUnavailable):
            await served.running.gateway.counters.tallies.engaged()
        ids = [(await served.create("acme", f"user{number}"))["id"] for number in range(2)]
        assert [(await served.send("DELETE", "acme", f"/Users/{id}"))[0] for id in ids] == [204, 429]
        assert (await status.status(served.running.gateway))["brakes"] is None
        shown = await command(served, "status")
        assert "brakes     NOT KNOWN" in shown.stdout
        refused = await command(served, "brake", "status")
        assert (refused.exit_code, "cannot be asked for now" in refused.stderr) == (1, True)
        refused = await command(served, "brake", "release", "acme")
        assert (refused.exit_code, "cannot be asked for now" in refused.stderr) == (1, True)
        async with served.session.get(f"http://{served.running.metrics}/metrics") as answer:
            page = await answer.text()
        assert 'scim_gateway_brake_engaged{kind="deletions",tenant="acme"} 0.0' in page
        own_valkey.start()
        async with asyncio.timeout(15):
            while (await status.status(served.running.gateway))["brakes"] is None:
                pass
        assert (await command(served, "brake", "status")).exit_code == 0
