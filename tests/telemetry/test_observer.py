"""What the rooms report becomes metrics and lines."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from gateway.engine.observer import Observer
from gateway.server.observer import Progress, ServerObserver
from gateway.telemetry.loop import watch_lag
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.observer import TelemetryObserver
from tests.telemetry.conftest import Log

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def progress(**changes: str) -> Progress:
    known = {"tenant": "acme", "resource_type": "User", "operation": "read", "caller": "main", "method": "token"}
    return Progress("req-1234", "GET", "192.0.2.1", **{**known, **changes})


def test_it_fulfils_the_protocols(observer: TelemetryObserver) -> None:
    """The observer is what engine and server ask for, checked by the type checker."""
    engine: Observer = observer
    server: ServerObserver = observer
    assert engine is server


def test_request_is_counted_timed_and_logged(
    observer: TelemetryObserver, registry: CollectorRegistry, log: Log
) -> None:
    """One request is one count, one time and one line, with its native calls (M1, X11)."""
    one = progress()
    observer.request_began(one)
    assert registry.get_sample_value("scim_gateway_requests_in_flight") == 1.0
    observer.backend_call("hr", "employees", "get", "ok", 0.25)
    observer.backend_call("hr", "employees", "search", "ok", 0.25)
    observer.road("acme", "User", "residual", 40)
    observer.request_ended(one, 200, 512, 0.75)
    assert registry.get_sample_value("scim_gateway_requests_in_flight") == 0.0
    labels = {"tenant": "acme", "resource_type": "User", "operation": "read", "status": "2xx"}
    assert registry.get_sample_value("scim_gateway_requests_total", labels) == 1.0
    assert registry.get_sample_value("scim_gateway_request_seconds_sum", labels) == 0.75
    backend = {"backend": "hr", "entity": "employees", "operation": "get", "outcome": "ok"}
    assert registry.get_sample_value("scim_gateway_backend_calls_total", backend) == 1.0
    assert registry.get_sample_value("scim_gateway_backend_call_seconds_sum", backend) == 0.25
    [line] = log.lines
    assert {name: line[name] for name in ("event", "level", "request_id", "tenant", "caller", "status")} == {
        "event": "request",
        "level": "info",
        "request_id": "req-1234",
        "tenant": "acme",
        "caller": "main",
        "status": 200,
    }
    assert (line["native_calls"], line["native_seconds"], line["rows"], line["sent"]) == (2, 0.5, 40, 512)


def test_slow_request_is_a_warning_with_a_breakdown(observer: TelemetryObserver, log: Log) -> None:
    """A slow request says where its time went."""
    observer.request_began(progress())
    observer.backend_call("hr", "employees", "get", "ok", 1.5)
    observer.request_ended(progress(), 200, 1, 2.0)
    [line] = log.lines
    assert (line["level"], line["slow"]) == ("warning", True)
    assert line["breakdown"] == {"hr.get": {"calls": 1, "seconds": 1.5}}


async def test_native_calls_are_told_to_the_request_that_made_them(observer: TelemetryObserver, log: Log) -> None:
    """Requests side by side do not share their accounts, and tasks of one request add to its own."""

    async def call(number: int) -> None:
        observer.backend_call("hr", "employees", "get", "ok", float(number))

    async def request(number: int) -> None:
        observer.request_began(progress())
        await asyncio.gather(*(call(number) for _ in range(number)))
        observer.request_ended(progress(), 200, 0, 0.0)

    await asyncio.gather(*(asyncio.create_task(request(number)) for number in (1, 2, 3)))
    assert sorted((line["native_calls"], line["native_seconds"]) for line in log.lines) == [
        (1, 1.0),
        (2, 4.0),
        (3, 9.0),
    ]


def test_labels_never_come_from_a_request(observer: TelemetryObserver, registry: CollectorRegistry, log: Log) -> None:
    """Unknown tenants, wild methods and ids leave no trace in labels (CVE-2026-16100, M1)."""
    for number in range(50):
        stranger = Progress(f"req-{number}", f"VERB{number}", operation="other")
        observer.request_began(stranger)
        observer.request_ended(stranger, 401, 0, 0.0)
        observer.authentication(f"tenant{number}", "", "refused")
    page = generate_latest(registry).decode()
    assert "VERB" not in page
    assert "tenant1" not in page
    labels = {"tenant": "none", "resource_type": "none", "operation": "other", "status": "4xx"}
    assert registry.get_sample_value("scim_gateway_requests_total", labels) == 50.0
    assert {line["verb"] for line in log.lines} == {"other"}


@pytest.mark.parametrize(("status", "label"), [(200, "2xx"), (304, "3xx"), (404, "4xx"), (503, "5xx"), (499, "none")])
def test_status_classes(observer: TelemetryObserver, registry: CollectorRegistry, status: int, label: str) -> None:
    """Status codes are counted by class; a request given up by its client is in none."""
    observer.request_began(progress())
    observer.request_ended(progress(), status, 0, 0.0)
    labels = {"tenant": "acme", "resource_type": "User", "operation": "read", "status": label}
    assert registry.get_sample_value("scim_gateway_requests_total", labels) == 1.0


def test_exemplar_leads_to_the_trace(observer: TelemetryObserver, registry: CollectorRegistry, log: Log) -> None:
    """The time of a traced request carries its trace id, in the metric and in the line (M4)."""
    traced = progress()
    traced.trace_parent = TRACE
    observer.request_began(traced)
    observer.request_ended(traced, 200, 0, 0.02)
    assert 'trace_id="4bf92f3577b34da6a3ce929d0e0e4736"' in generate_latest(registry).decode()
    assert log.lines[0]["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_other_events_are_counted(observer: TelemetryObserver, registry: CollectorRegistry) -> None:
    """Rewrites, roads, hidden references, look-ups, refusals and failures each have their count."""
    observer.rewrite("acme", "entra", "booleans")
    observer.road("acme", "User", "pushed", 3)
    observer.hidden("acme", "Group", 2)
    observer.dropped("acme", "User", "emails")
    observer.lookup("redis", "hit", 100)
    observer.lookup("store", "miss")
    observer.limited("globex", "caller")
    observer.authentication("acme", "token", "granted")
    observer.failure("acme", "req-1", RuntimeError("x"))
    read = registry.get_sample_value
    assert read("scim_gateway_rewrites_total", {"tenant": "acme", "client": "entra", "quirk": "booleans"}) == 1.0
    road = {"tenant": "acme", "resource_type": "User", "road": "pushed"}
    assert (read("scim_gateway_searches_total", road), read("scim_gateway_search_rows_total", road)) == (1.0, 3.0)
    assert read("scim_gateway_hidden_references_total", {"tenant": "acme", "resource_type": "Group"}) == 2.0
    left = {"tenant": "acme", "resource_type": "User", "attribute": "emails"}
    assert read("scim_gateway_dropped_attributes_total", left) == 1.0
    assert read("scim_gateway_identity_lookups_total", {"layer": "redis", "outcome": "hit"}) == 100.0
    assert read("scim_gateway_identity_lookups_total", {"layer": "store", "outcome": "miss"}) == 1.0
    assert read("scim_gateway_limited_total", {"tenant": "globex", "reason": "caller"}) == 1.0
    granted = {"tenant": "acme", "method": "token", "outcome": "granted"}
    assert read("scim_gateway_authentications_total", granted) == 1.0
    assert read("scim_gateway_failures_total", {"tenant": "acme"}) == 1.0


def test_build_is_told(registry: CollectorRegistry, observer: TelemetryObserver) -> None:
    """The version of the gateway and of Python is a metric."""
    assert "scim_gateway_build_info{" in generate_latest(registry).decode()


async def test_a_blocked_loop_is_seen(metrics: Metrics, registry: CollectorRegistry) -> None:
    """The lag of the loop is measured again and again."""
    task = asyncio.create_task(watch_lag(metrics, every=0.001))
    async with asyncio.timeout(10):
        while (registry.get_sample_value("scim_gateway_loop_lag_seconds_count") or 0) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
