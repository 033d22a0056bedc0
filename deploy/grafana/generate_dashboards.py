"""Writes the Grafana dashboards of this folder: ``python deploy/grafana/generate_dashboards.py [--check]``.

Every panel is one row of data below. A dashboard opens without editing: the data source is a variable with a default, and
every other variable is read from the metrics.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: `queries` are (expression, legend); `width` counts of 24 columns, `height` in grid units."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 12
    height: int = 8
    text: str = ""
    steps: tuple[tuple[float | None, str], ...] = ((None, "green"),)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard: its file is ``<uid>.json``; `variables` are (name, label, query)."""

    uid: str
    title: str
    text: str
    panels: tuple[Panel, ...]
    variables: tuple[tuple[str, str, str], ...] = field(default=())


RED = ((None, "green"), (0.0005, "yellow"), (0.001, "red"))
REQUESTS = "scim_gateway_requests_total"
SECONDS = "scim_gateway_request_seconds_bucket"
CALLS = "scim_gateway_backend_calls_total"
CALL_SECONDS = "scim_gateway_backend_call_seconds_bucket"


def quantile(share: float, metric: str, selector: str, by: str) -> str:
    """Write the expression of a quantile over the last five minutes."""
    return f"histogram_quantile({share}, sum by ({by}, le) (rate({metric}{{{selector}}}[5m])))"


OVERVIEW = Dashboard(
    "scim-gateway-overview",
    "SCIM gateway / Overview",
    "Is everybody served, how fast, and how much of the error budget is left.",
    (
        Panel("Availability, last hour", ((f'1 - (sum(rate({REQUESTS}{{status="5xx"}}[1h])) or vector(0)) / sum(rate({REQUESTS}{{status!="none"}}[1h]))', ""),), "percentunit", "stat", 6, 4, "Share of requests answered without a 5xx; the objective is 99.9 %.", ((None, "red"), (0.999, "yellow"), (0.9995, "green"))),
        Panel("Error budget left, 3 days", ((f'1 - ((sum(rate({REQUESTS}{{status="5xx"}}[3d])) or vector(0)) / sum(rate({REQUESTS}{{status!="none"}}[3d]))) / 0.001', ""),), "percentunit", "stat", 6, 4, "1 is untouched, 0 is used up.", ((None, "red"), (0.25, "yellow"), (0.5, "green"))),
        Panel("Backends with an open breaker", (('sum(scim_gateway_backend_breaker{state="open"})', ""),), "short", "stat", 6, 4, "Their tenants get 503; nobody else notices.", ((None, "green"), (1, "red"))),
        Panel("Requests under way", (("sum(scim_gateway_requests_in_flight)", ""),), "short", "stat", 6, 4),
        Panel("Requests by status class", ((f"sum by (status) (rate({REQUESTS}[5m]))", "{{status}}"),), "reqps"),
        Panel("Requests by operation", ((f"sum by (operation) (rate({REQUESTS}[5m]))", "{{operation}}"),), "reqps"),
        Panel("Latency", ((quantile(0.5, SECONDS, "", "job"), "p50"), (quantile(0.95, SECONDS, "", "job"), "p95"), (quantile(0.99, SECONDS, "", "job"), "p99")), "s"),
        Panel("p99 by operation", ((quantile(0.99, SECONDS, "", "operation"), "{{operation}}"),), "s"),
        Panel("Burn rate", tuple((f'((sum(rate({REQUESTS}{{status="5xx"}}[{window}])) or vector(0)) / sum(rate({REQUESTS}{{status!="none"}}[{window}]))) / 0.001', window) for window in ("5m", "1h", "6h")), "short", text="1 uses the budget up exactly; 14.4 over an hour pages.", steps=((None, "green"), (1, "yellow"), (14.4, "red"))),
        Panel("Failing tenants", ((f'topk(5, sum by (tenant) (rate({REQUESTS}{{status="5xx"}}[5m])))', "{{tenant}}"),), "reqps"),
        Panel("Backend time, p99", ((quantile(0.99, CALL_SECONDS, "", "backend"), "{{backend}}"),), "s"),
        Panel("Event loop lag, p99", ((quantile(0.99, "scim_gateway_loop_lag_seconds_bucket", "", "instance"), "{{instance}}"),), "s"),
        Panel("Configurations read anew, last hour", (("sum by (outcome) (increase(scim_gateway_reloads_total[1h]))", "{{outcome}}"),), "short", text="A refused one leaves the old one serving; the log says file and line."),
        Panel("Versions", (("count by (version, python) (scim_gateway_build_info)", "{{version}} on Python {{python}}"),), "short", "bargauge"),
    ),
)  # fmt: skip
BACKEND = Dashboard(
    "scim-gateway-backend",
    "SCIM gateway / One backend",
    "What the gateway asks of one system, and what it gets.",
    (
        Panel("Breaker", (('sum by (state) (scim_gateway_backend_breaker{backend="$backend"})', "{{state}}"),), "short", "timeseries", 8, 6),
        Panel("Reached", (('min(scim_gateway_backend_reached{backend="$backend"})', ""),), "short", "stat", 4, 6, "1 once the system was reached.", ((None, "red"), (1, "green"))),
        Panel("Calls by outcome", ((f'sum by (outcome) (rate({CALLS}{{backend="$backend"}}[5m]))', "{{outcome}}"),), "ops", width=12, height=6),
        Panel("Calls by operation", ((f'sum by (entity, operation) (rate({CALLS}{{backend="$backend"}}[5m]))', "{{entity}} {{operation}}"),), "ops"),
        Panel("Time, p50 and p99", ((quantile(0.5, CALL_SECONDS, 'backend="$backend"', "backend"), "p50"), (quantile(0.99, CALL_SECONDS, 'backend="$backend"', "backend"), "p99")), "s"),
        Panel("p99 by operation", ((quantile(0.99, CALL_SECONDS, 'backend="$backend"', "operation"), "{{operation}}"),), "s"),
        Panel("Calls under way, waiting, and how many may be", (('sum(scim_gateway_backend_calls_in_flight{backend="$backend"})', "under way"), ('sum(scim_gateway_backend_calls_waiting{backend="$backend"})', "waiting"), ('sum(scim_gateway_backend_calls_limit{backend="$backend"})', "limit"), ('sum(scim_gateway_backend_queue_limit{backend="$backend"})', "may wait")), text="Calls that wait for long mean that the system is slower than what is asked of it; beyond what may wait some are sent away, reads of many and creates first."),
        Panel("Pool: connections used, waited for, and how many there may be", (('sum by (pool) (scim_gateway_backend_pool_used{backend="$backend"})', "{{pool}} used"), ('sum by (pool) (scim_gateway_backend_pool_waiting{backend="$backend"})', "{{pool}} waiting"), ('sum by (pool) (scim_gateway_backend_pool_limit{backend="$backend"})', "{{pool}} limit")), text="Of SQL backends: the others have no pool beside the places of the panel above."),
        Panel("Pool: seconds waited for a connection, per second", (('sum by (pool) (rate(scim_gateway_backend_pool_wait_seconds_total{backend="$backend"}[5m]))', "{{pool}}"),), "s", text="1 means that at any moment one call waits; opening a new connection counts as waiting for it."),
        Panel("Calls that did not come to an answer", ((f'sum by (outcome) (rate({CALLS}{{backend="$backend",outcome=~"unavailable|error|refused|cancelled"}}[5m]))', "{{outcome}}"),), "ops"),
    ),
    (("backend", "Backend", "label_values(scim_gateway_backend_reached, backend)"),),
)  # fmt: skip
TENANT = Dashboard(
    "scim-gateway-tenant",
    "SCIM gateway / One tenant",
    "What one tenant's identity provider does, and how it is answered.",
    (
        Panel("Requests by operation", ((f'sum by (resource_type, operation) (rate({REQUESTS}{{tenant="$tenant"}}[5m]))', "{{resource_type}} {{operation}}"),), "reqps"),
        Panel("Requests by status class", ((f'sum by (status) (rate({REQUESTS}{{tenant="$tenant"}}[5m]))', "{{status}}"),), "reqps"),
        Panel("Latency", ((quantile(0.5, SECONDS, 'tenant="$tenant"', "tenant"), "p50"), (quantile(0.99, SECONDS, 'tenant="$tenant"', "tenant"), "p99")), "s"),
        Panel("Rewrites by quirk", (('sum by (client, quirk) (rate(scim_gateway_rewrites_total{tenant="$tenant"}[5m]))', "{{client}} {{quirk}}"),), "ops", text="What the client sends that is not the RFC's form."),
        Panel("Searches by road", (('sum by (resource_type, road) (rate(scim_gateway_searches_total{tenant="$tenant"}[5m]))', "{{resource_type}} {{road}}"),), "ops", text="Pushed down to the system, checked here within the scan budget, or refused."),
        Panel("Records read for searches", (('sum by (resource_type, road) (rate(scim_gateway_search_rows_total{tenant="$tenant"}[5m]))', "{{resource_type}} {{road}}"),), "short"),
        Panel("Authentications", (('sum by (method, outcome) (rate(scim_gateway_authentications_total{tenant="$tenant"}[5m]))', "{{method}} {{outcome}}"),), "ops"),
        Panel("Internal failures, references hidden, values left out", (('sum(increase(scim_gateway_failures_total{tenant="$tenant"}[1h])) or vector(0)', "failures"), ('sum(increase(scim_gateway_hidden_references_total{tenant="$tenant"}[1h])) or vector(0)', "hidden references"), ('sum(increase(scim_gateway_dropped_attributes_total{tenant="$tenant"}[1h])) or vector(0)', "values left out"))),
    ),
    (("tenant", "Tenant", "label_values(scim_gateway_requests_total, tenant)"),),
)  # fmt: skip
IDENTITY = Dashboard(
    "scim-gateway-identity",
    "SCIM gateway / Id map and cache",
    "Where look-ups of ids are answered: in the process, in Redis, in the store.",
    (
        Panel("Look-ups by layer and outcome", (("sum by (layer, outcome) (rate(scim_gateway_identity_lookups_total[5m]))", "{{layer}} {{outcome}}"),), "ops", width=24),
        Panel("Shared cache in use", (("scim_gateway_identity_cache_usable", "{{instance}}"),), "short", text="0 where Redis fails: look-ups go to the store."),
        Panel("Hit ratio by layer", (('sum by (layer) (rate(scim_gateway_identity_lookups_total{outcome="hit"}[5m])) / sum by (layer) (rate(scim_gateway_identity_lookups_total[5m]))', "{{layer}}"),), "percentunit"),
        Panel("Look-ups that went to the store", (('sum by (outcome) (rate(scim_gateway_identity_lookups_total{layer="store"}[5m]))', "{{outcome}}"),), "ops"),
    ),
)  # fmt: skip
ACCESS = Dashboard(
    "scim-gateway-access",
    "SCIM gateway / Access and audit",
    "Who gets in and with what, what is about to end, what is held back, and whether the trail is written.",
    (
        Panel("Audit lines lost, last hour", (("sum(increase(scim_gateway_audit_failures_total[1h]))", ""),), "short", "stat", 6, 4, "Changes that were made and left no line in the trail.", ((None, "green"), (1, "red"))),
        Panel("Brakes that hold", (("sum(scim_gateway_brake_engaged)", ""),), "short", "stat", 6, 4, "Mass changes that wait for an operator.", ((None, "green"), (1, "red"))),
        Panel("Brakes", (("max by (tenant, kind) (scim_gateway_brake_engaged)", "{{tenant}} {{kind}}"),), "short", "timeseries", 12, 4, "1 while a brake holds changes back."),
        Panel("Refused for a rate, a share or a brake", (("sum by (tenant, reason) (rate(scim_gateway_limited_total[5m]))", "{{tenant}} {{reason}}"),), "reqps", text="Answered 429. Deactivations are among them only where a brake holds."),
        Panel("Authentications", (("sum by (method, outcome) (rate(scim_gateway_authentications_total[5m]))", "{{method}} {{outcome}}"),), "reqps"),
        Panel("Tokens: days left", (("min by (tenant, token) ((scim_gateway_token_expiry_timestamp_seconds - time()) / 86400)", "{{tenant}} {{token}}"),), "d", "bargauge", steps=((None, "red"), (3, "orange"), (30, "green"))),
        Panel("Tokens: age in days", (("max by (tenant, token) ((time() - scim_gateway_token_created_timestamp_seconds) / 86400)", "{{tenant}} {{token}}"),), "d", "bargauge", text="Of tokens whose `created` is in the configuration.", steps=((None, "green"), (365, "orange"))),
        Panel("Tokens: days since the last use", (("min by (tenant, token) ((time() - scim_gateway_token_last_use_timestamp_seconds) / 86400)", "{{tenant}} {{token}}"),), "d", "bargauge", text="One that is not here was not used since the processes started: it may be one that can go."),
        Panel("Certificates: days left", (("min by (listener) ((scim_gateway_certificate_expiry_timestamp_seconds - time()) / 86400)", "{{listener}}"),), "d", "bargauge", text="Where the gateway ends TLS itself.", steps=((None, "red"), (7, "orange"), (21, "green"))),
        Panel("Keys of issuers: age", (("max by (tenant, issuer) (scim_gateway_jwks_age_seconds)", "{{tenant}} {{issuer}}"),), "s", text="Where tokens of issuers are believed; a day means that they could not be fetched for that long.", steps=((None, "green"), (86400, "red"))),
    ),
)  # fmt: skip
DASHBOARDS = (OVERVIEW, BACKEND, TENANT, IDENTITY, ACCESS)


def render(dashboard: Dashboard) -> dict[str, Any]:
    """Make the JSON model Grafana reads."""
    panels, x, y, line = [], 0, 0, 0
    for number, panel in enumerate(dashboard.panels, 1):
        if x + panel.width > 24:
            x, y, line = 0, y + line, 0
        panels.append(_panel(panel, number, x, y))
        x, line = x + panel.width, max(line, panel.height)
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.text,
        "tags": ["scim-gateway"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_source(), *(_variable(*variable) for variable in dashboard.variables)]},
        "links": [{"type": "dashboards", "tags": ["scim-gateway"], "title": "SCIM gateway", "asDropdown": True}],
        "annotations": {"list": []},
        "panels": panels,
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}}


def _variable(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "includeAll": False,
    }


def _panel(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    targets = [
        {"refId": chr(64 + place), "expr": expression, "legendFormat": legend or "__auto", "datasource": SOURCE}
        for place, (expression, legend) in enumerate(panel.queries, 1)
    ]
    thresholds = {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in panel.steps]}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "fieldConfig": {"defaults": {"unit": panel.unit, "thresholds": thresholds}, "overrides": []},
        "targets": targets,
        "options": {},
    }


def texts() -> dict[Path, str]:
    """Render every file of the folder."""
    return {
        FOLDER / f"{one.uid}.json": json.dumps(render(one), indent=2, ensure_ascii=False) + "\n" for one in DASHBOARDS
    }


def main(arguments: list[str]) -> int:
    """Write the files, or with ``--check`` tell whether they are current."""
    stale = [path for path, text in texts().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in arguments:
        print("\n".join(f"{path.name} is not current" for path in stale) or "current")
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for path, text in texts().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
