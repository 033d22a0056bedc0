"""The metrics, all of them, as data: what is not here does not exist, and the README's table is made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PREFIX = "scim_gateway_"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    A `reading` is a gauge and a `tally` a counter whose values are fetched when somebody scrapes. Labels take their
    values from the configuration or from closed sets, never from a request (CVE-2026-16100).
    """

    name: str
    kind: Literal["counter", "gauge", "histogram", "reading", "tally"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = SECONDS

    @property
    def full_name(self) -> str:
        """The name as Prometheus shows it."""
        return f"{PREFIX}{self.name}{'_total' if self.type == 'counter' else ''}"

    @property
    def type(self) -> str:
        """The type as Prometheus shows it."""
        return {"reading": "gauge", "tally": "counter"}.get(self.kind, self.kind)

    @property
    def fetched(self) -> bool:
        """Whether its values are fetched when somebody scrapes."""
        return self.kind in ("reading", "tally")


_REQUEST = ("tenant", "resource_type", "operation", "status")
_BACKEND = ("backend", "entity", "operation", "outcome")
_POOL = ("backend", "pool")

METRICS: tuple[Metric, ...] = (
    Metric("requests", "counter", "Requests answered, by status class (2xx to 5xx; none: given up).", _REQUEST),
    Metric("request_seconds", "histogram", "Time from the headers of a request to its answer.", _REQUEST),
    Metric("requests_in_flight", "gauge", "Requests being answered."),
    Metric(
        "failures",
        "counter",
        "Requests, or operations of a bulk request, that failed for an internal reason.",
        ("tenant",),
    ),
    Metric("audit_failures", "counter", "Lines of the audit trail that could not be written."),
    Metric(
        "authentications",
        "counter",
        "Attempts to authenticate: granted, refused, or limited by source.",
        ("tenant", "method", "outcome"),
    ),
    Metric(
        "limited",
        "counter",
        "Requests refused for their rate, by what ran out: tenant, caller, source or brake.",
        ("tenant", "reason"),
    ),
    Metric(
        "backend_calls",
        "counter",
        "Calls to backends: ok, refused (breaker open), cancelled, unavailable, error, or the contract's own errors.",
        _BACKEND,
    ),
    Metric(
        "backend_call_seconds", "histogram", "Time of calls to backends, the wait for a free place included.", _BACKEND
    ),
    Metric("backend_calls_in_flight", "reading", "Calls to a backend that are under way.", ("backend",)),
    Metric("backend_calls_waiting", "reading", "Calls that wait for a place among them.", ("backend",)),
    Metric("backend_calls_limit", "reading", "How many may be under way at once.", ("backend",)),
    Metric("backend_queue_limit", "reading", "How many may wait for a place before some are sent away.", ("backend",)),
    Metric("backend_pool_used", "reading", "Connections of a backend's pool that a call has in its hands.", _POOL),
    Metric("backend_pool_limit", "reading", "How many connections the pool may have.", _POOL),
    Metric("backend_pool_waiting", "reading", "Calls that wait for one of its connections, or for a new one.", _POOL),
    Metric(
        "backend_pool_wait_seconds", "tally", "Time all calls together waited until each had its connection.", _POOL
    ),
    Metric(
        "backend_breaker",
        "reading",
        "1 for the state a backend's breaker is in: closed, half_open or open.",
        ("backend", "state"),
    ),
    Metric(
        "backend_reached", "reading", "Whether a backend was reached at least once (1) or not yet (0).", ("backend",)
    ),
    Metric(
        "identity_lookups",
        "counter",
        "Look-ups in the id map, by the layer that was asked and what it had.",
        ("layer", "outcome"),
    ),
    Metric("identity_cache_usable", "reading", "Whether the shared cache is used (1), or fails and is left aside (0)."),
    Metric(
        "rewrites",
        "counter",
        "What clients sent that was rewritten into the RFC's form, by dialect and quirk.",
        ("tenant", "client", "quirk"),
    ),
    Metric(
        "searches",
        "counter",
        "Searches, by road: pushed down, checked here (residual), or refused.",
        ("tenant", "resource_type", "road"),
    ),
    Metric(
        "search_rows", "counter", "Records read from backends to answer searches.", ("tenant", "resource_type", "road")
    ),
    Metric(
        "hidden_references",
        "counter",
        "References left out of answers because they lead to no visible account.",
        ("tenant", "resource_type"),
    ),
    Metric(
        "dropped_attributes",
        "counter",
        "Values that found no place among those their attribute has, and were left out as `unmapped: drop` says.",
        ("tenant", "resource_type", "attribute"),
    ),
    Metric(
        "token_created_timestamp_seconds",
        "reading",
        "When a static token was made, in Unix time, where the configuration says so.",
        ("tenant", "token"),
    ),
    Metric("token_expiry_timestamp_seconds", "reading", "When a static token ends, in Unix time.", ("tenant", "token")),
    Metric(
        "token_last_use_timestamp_seconds",
        "reading",
        "When this process last accepted a static token.",
        ("tenant", "token"),
    ),
    Metric("jwks_age_seconds", "reading", "Age of the keys of a token issuer.", ("tenant", "issuer")),
    Metric(
        "certificate_expiry_timestamp_seconds",
        "reading",
        "When the listener's certificate ends, in Unix time.",
        ("listener",),
    ),
    Metric(
        "brake_engaged",
        "reading",
        "Whether a tenant's mass-change brake holds changes back (1) or not (0).",
        ("tenant", "kind"),
    ),
    Metric(
        "loop_lag_seconds",
        "histogram",
        "How much later than asked the event loop came back.",
        (),
        (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0),
    ),
    Metric("reloads", "counter", "Times the configuration was read anew: done, refused or failed.", ("outcome",)),
    Metric("build_info", "gauge", "1, with the version of the gateway and of Python.", ("version", "python")),
)


def table() -> str:
    """Write the catalogue as a Markdown table."""
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "–"
        rows.append(f"| `{metric.full_name}` | {metric.type} | {labels} | {metric.help} |")
    return "\n".join(rows) + "\n"
