"""One observer for all rooms: what the engine, the server and the id map report becomes metrics and log lines."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from gateway import __version__
from gateway.telemetry.metrics import NONE, Metrics, Tenants

VERBS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
CLASSES = {1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}


class Request(Protocol):
    """What the server knows of a request; see `gateway.server.observer.Progress`."""

    request_id: str
    verb: str
    address: str
    trace_parent: str | None
    tenant: str
    resource_type: str
    operation: str
    caller: str
    method: str


@dataclass(slots=True)
class _Account:
    """What one request cost so far."""

    calls: int = 0
    seconds: float = 0.0
    rows: int = 0
    breakdown: dict[str, list[float]] = field(default_factory=dict)


class TelemetryObserver:
    """Fulfils the observers of the engine, the server and the id map.

    `slow_seconds` is from when on a request's line is a warning with a breakdown of its native calls.
    """

    def __init__(
        self, metrics: Metrics, logger: FilteringBoundLogger, *, tenants: Tenants, slow_seconds: float = 2.0
    ) -> None:
        self._metrics = metrics
        self._log = logger
        self._tenants = tenants
        self._slow = slow_seconds
        self._account: ContextVar[_Account | None] = ContextVar("account", default=None)
        self._in_flight = metrics.child("requests_in_flight")
        metrics.child("audit_failures")
        for outcome in ("done", "refused", "failed"):
            metrics.child("reloads", outcome)
        metrics.child("build_info", __version__, platform.python_version()).set(1)

    def serve(self, tenants: Iterable[str]) -> None:
        """Say which tenants are served now."""
        self._tenants.serve(tenants)

    # The server's events.

    def request_began(self, progress: Request) -> None:
        self._in_flight.inc()
        self._account.set(_Account())

    def request_ended(self, progress: Request, status: int, sent: int, seconds: float) -> None:
        self._in_flight.dec()
        labels = (
            self._tenants.label(progress.tenant),
            progress.resource_type or NONE,
            progress.operation,
            NONE if status == 499 else CLASSES[status // 100],
        )
        self._metrics.child("requests", *labels).inc()
        trace = progress.trace_parent
        exemplar = None if trace is None else {"trace_id": trace[3:35]}
        self._metrics.child("request_seconds", *labels).observe(seconds, exemplar)
        self._access(progress, status, sent, seconds)

    def authentication(self, tenant: str, method: str, outcome: str) -> None:
        self._metrics.child("authentications", self._tenants.label(tenant), method or NONE, outcome).inc()

    def limited(self, tenant: str, reason: str) -> None:
        self._metrics.child("limited", self._tenants.label(tenant), reason).inc()

    # The engine's events.

    def backend_call(self, backend: str, entity: str, operation: str, outcome: str, seconds: float) -> None:
        labels = (backend, entity or NONE, operation, outcome)
        self._metrics.child("backend_calls", *labels).inc()
        self._metrics.child("backend_call_seconds", *labels).observe(seconds)
        if (account := self._account.get()) is not None:
            account.calls += 1
            account.seconds += seconds
            line = account.breakdown.setdefault(f"{backend}.{operation}", [0, 0.0])
            line[0] += 1
            line[1] += seconds

    def backend_fault(self, backend: str, entity: str, operation: str, error: BaseException) -> None:
        self._log.warning(
            "a call to a backend failed", backend=backend, entity=entity, operation=operation, exc_info=error
        )

    def rewrite(self, tenant: str, client: str, quirk: str) -> None:
        self._metrics.child("rewrites", self._tenants.label(tenant), client, quirk).inc()

    def road(self, tenant: str, resource_type: str, road: str, rows: int) -> None:
        labels = (self._tenants.label(tenant), resource_type, road)
        self._metrics.child("searches", *labels).inc()
        self._metrics.child("search_rows", *labels).inc(rows)
        if (account := self._account.get()) is not None:
            account.rows += rows

    def hidden(self, tenant: str, resource_type: str, count: int) -> None:
        self._metrics.child("hidden_references", self._tenants.label(tenant), resource_type).inc(count)

    def dropped(self, tenant: str, resource_type: str, attribute: str) -> None:
        self._metrics.child("dropped_attributes", self._tenants.label(tenant), resource_type, attribute).inc()

    def failure(self, tenant: str, request_id: str, error: BaseException) -> None:
        self._metrics.child("failures", self._tenants.label(tenant)).inc()
        self._log.error("a request failed for an internal reason", tenant=tenant, request_id=request_id, exc_info=error)

    # The audit trail's event.

    def audit_failed(self, error: OSError) -> None:
        """A line of the audit trail could not be written; the change it tells of has happened all the same."""
        self._metrics.child("audit_failures").inc()
        self._log.error("a line of the audit trail could not be written", exc_info=error)

    # The id map's events.

    def lookup(self, layer: str, outcome: str, count: int = 1) -> None:
        self._metrics.child("identity_lookups", layer, outcome).inc(count)

    def _access(self, progress: Request, status: int, sent: int, seconds: float) -> None:
        account = self._account.get() or _Account()
        fields: dict[str, object] = {
            "request_id": progress.request_id,
            "tenant": progress.tenant,
            "caller": progress.caller,
            "method": progress.method,
            "address": progress.address,
            "verb": progress.verb if progress.verb in VERBS else "other",
            "operation": progress.operation,
            "resource_type": progress.resource_type,
            "status": status,
            "seconds": round(seconds, 6),
            "sent": sent,
            "native_calls": account.calls,
            "native_seconds": round(account.seconds, 6),
        }
        if account.rows:
            fields["rows"] = account.rows
        if progress.trace_parent is not None:
            fields["trace_id"] = progress.trace_parent[3:35]
        if seconds < self._slow:
            self._log.info("request", **fields)
            return
        breakdown = {
            name: {"calls": calls, "seconds": round(spent, 6)} for name, (calls, spent) in account.breakdown.items()
        }
        self._log.warning("slow request", **fields, slow=True, breakdown=breakdown)
