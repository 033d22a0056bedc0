"""Metrics made from the catalogue, in a registry of their own, with children bound once per set of labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.telemetry.catalogue import METRICS, PREFIX, Metric

_Family = CounterMetricFamily | GaugeMetricFamily
Reading = Callable[[], Iterable[tuple[tuple[str, ...], float]]]
"""Fetches the values of one reading: labels and value."""

OTHER = "other"
NONE = "none"


class Metrics:
    """All metrics of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._made: dict[str, Any] = {one.name: _make(one, registry) for one in METRICS if not one.fetched}
        self._children: dict[tuple[str, ...], Any] = {}
        self._readings = _Readings({one.name: one for one in METRICS if one.fetched})
        registry.register(self._readings)

    def child(self, name: str, *labels: str) -> Any:
        """Give the counter, gauge or histogram `name` with these label values."""
        key = (name, *labels)
        found = self._children.get(key)
        if found is None:
            made = self._made[name]
            found = self._children[key] = made.labels(*labels) if labels else made
        return found

    def read(self, name: str, reading: Reading) -> None:
        """Fetch the values of a reading with `reading` from now on; raises KeyError for one the catalogue lacks."""
        self._readings.set(name, reading)


def add_process(registry: CollectorRegistry) -> None:
    """Add what Prometheus tells of any Python process: memory, time, files, garbage."""
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)


class Tenants:
    """Label values of tenants: the first `cap` that are served have their own, the others share one (M1)."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._known: set[str] = set()

    def serve(self, names: Iterable[str]) -> None:
        """Say which tenants are served now; those that had a label of their own keep it."""
        for name in sorted(names):
            if len(self._known) < self._cap:
                self._known.add(name)

    def label(self, tenant: str) -> str:
        if tenant in self._known:
            return tenant
        return OTHER if tenant else NONE


class _Readings(Collector):
    def __init__(self, declared: Mapping[str, Metric]) -> None:
        self._declared = declared
        self._readings: dict[str, Reading] = {}

    def set(self, name: str, reading: Reading) -> None:
        self._readings[self._declared[name].name] = reading

    def describe(self) -> Iterator[_Family]:
        for metric in self._declared.values():
            yield _family(metric)

    def collect(self) -> Iterator[_Family]:
        for name, metric in self._declared.items():
            family = _family(metric)
            if (reading := self._readings.get(name)) is not None:
                for labels, value in reading():
                    family.add_metric(labels, value)
            yield family


def _family(metric: Metric) -> _Family:
    kind = CounterMetricFamily if metric.kind == "tally" else GaugeMetricFamily
    return kind(metric.full_name, metric.help, labels=metric.labels)


def _make(metric: Metric, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    name = f"{PREFIX}{metric.name}"
    match metric.kind:
        case "counter":
            return Counter(name, metric.help, metric.labels, registry=registry)
        case "histogram":
            return Histogram(name, metric.help, metric.labels, registry=registry, buckets=metric.buckets)
        case _:
            return Gauge(name, metric.help, metric.labels, registry=registry)
