"""The metrics port: one page, its own token, nothing of SCIM."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter

from gateway.server.metrics import create_metrics_application


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("asked", "Times asked.", registry=registry).inc()
    return registry


async def test_page(aiohttp_client: Any, registry: CollectorRegistry) -> None:
    """Prometheus' and OpenMetrics' formats are both given."""
    client = await aiohttp_client(create_metrics_application(registry))
    plain = await client.get("/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain")
    assert "asked_total 1.0" in await plain.text()
    open_metrics = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert open_metrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert (await open_metrics.text()).endswith("# EOF\n")
    assert (await client.get("/acme/scim/v2/Users")).status == 404
    assert (await client.post("/metrics")).status == 405


@pytest.mark.parametrize(
    ("authorization", "status"),
    [(None, 401), ("Bearer wrong", 401), ("Basic t0ken", 401), ("Bearer \xff", 401), ("bearer t0ken", 200)],
)
async def test_token(aiohttp_client: Any, registry: CollectorRegistry, authorization: str | None, status: int) -> None:
    """With a token the page is given only to those who present it."""
    client = await aiohttp_client(create_metrics_application(registry, "t0ken"))
    headers = {} if authorization is None else {"Authorization": authorization}
    assert (await client.get("/metrics", headers=headers)).status == status
