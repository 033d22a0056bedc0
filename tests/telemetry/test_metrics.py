"""Metrics: what is declared is what there is, labels stay within closed sets, the page of documentation is current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from gateway.telemetry import catalogue
from gateway.telemetry.catalogue import METRICS, table
from gateway.telemetry.metrics import Metrics, Tenants, add_process

README = Path(catalogue.__file__).parent / "README.md"


def test_documentation_is_made_from_the_catalogue() -> None:
    """The README's table is the catalogue's (M5)."""
    text = README.read_text(encoding="utf-8")
    found = re.search(r"<!-- metrics -->\n(.*?)<!-- /metrics -->", text, re.DOTALL)
    assert found is not None
    assert found[1] == table()


def test_every_declared_metric_is_exposed_with_its_type_and_help(registry: CollectorRegistry, metrics: Metrics) -> None:
    """The page names every metric of the catalogue, with type and help, and no other (M1)."""
    page = generate_latest(registry).decode()
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE))
    created = {name for name in types if name.endswith("_created")}
    expected = {one.full_name: one.type for one in METRICS}
    assert {name: kind for name, kind in types.items() if name not in created} == expected
    assert all(one.help in page for one in METRICS)


def test_children_are_bound_once(metrics: Metrics) -> None:
    """The same labels give the same child, so that a label lookup is paid once."""
    one = metrics.child("rewrites", "acme", "entra", "booleans")
    assert metrics.child("rewrites", "acme", "entra", "booleans") is one
    assert metrics.child("rewrites", "acme", "entra", "dotted") is not one


def test_unknown_metric_is_an_error(metrics: Metrics) -> None:
    """What the catalogue does not declare cannot be counted or read."""
    with pytest.raises(KeyError):
        metrics.child("wonders")
    with pytest.raises(KeyError):
        metrics.read("wonders", list)


def test_readings_are_fetched_when_scraped(registry: CollectorRegistry, metrics: Metrics) -> None:
    """A reading shows what is true at the scrape, and what is gone is not shown any more."""
    states = {"hr": "closed"}
    metrics.read("backend_breaker", lambda: [((name, state), 1.0) for name, state in states.items()])
    labels = {"backend": "hr", "state": "closed"}
    assert registry.get_sample_value("scim_gateway_backend_breaker", labels) == 1.0
    states["hr"] = "open"
    assert registry.get_sample_value("scim_gateway_backend_breaker", labels) is None
    assert registry.get_sample_value("scim_gateway_backend_breaker", {**labels, "state": "open"}) == 1.0


def test_tallies_are_counters_fetched_when_scraped(registry: CollectorRegistry, metrics: Metrics) -> None:
    """What somebody else counts is shown as the counter it is, so that rates can be taken of it."""
    waited = {"hr": 1.5}
    metrics.read("backend_pool_wait_seconds", lambda: [((name, "main"), value) for name, value in waited.items()])
    labels = {"backend": "hr", "pool": "main"}
    assert registry.get_sample_value("scim_gateway_backend_pool_wait_seconds_total", labels) == 1.5
    waited["hr"] = 2.0
    assert registry.get_sample_value("scim_gateway_backend_pool_wait_seconds_total", labels) == 2.0


def test_two_processes_worth_of_metrics_live_side_by_side() -> None:
    """Nothing is kept outside the registry that was given (no globals)."""
    one, two = CollectorRegistry(), CollectorRegistry()
    Metrics(one).child("requests_in_flight").inc()
    Metrics(two)
    assert one.get_sample_value("scim_gateway_requests_in_flight") == 1.0
    assert two.get_sample_value("scim_gateway_requests_in_flight") == 0.0


def test_process_metrics(registry: CollectorRegistry) -> None:
    """Memory, files and garbage of the process are there."""
    add_process(registry)
    page = generate_latest(registry).decode()
    assert "process_resident_memory_bytes" in page
    assert "python_gc_objects_collected_total" in page


def test_tenants_are_capped() -> None:
    """Tenants beyond the cap share one label, and those that had their own keep it over reloads (M1)."""
    tenants = Tenants(2)
    tenants.serve(["beta", "alpha"])
    tenants.serve(["gamma", "alpha"])
    assert [tenants.label(name) for name in ("alpha", "beta", "gamma", "never", "")] == [
        "alpha",
        "beta",
        "other",
        "other",
        "none",
    ]
