"""A registry, metrics and a log of their own for every test."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.typing import FilteringBoundLogger

from gateway.telemetry.logs import json_logger
from gateway.telemetry.metrics import Metrics, Tenants
from gateway.telemetry.observer import TelemetryObserver


class Log:
    """What was logged."""

    def __init__(self) -> None:
        self.stream = io.BytesIO()
        self.logger: FilteringBoundLogger = json_logger(self.stream, 10)

    @property
    def text(self) -> str:
        return self.stream.getvalue().decode()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry)


@pytest.fixture
def observer(metrics: Metrics, log: Log) -> TelemetryObserver:
    made = TelemetryObserver(metrics, log.logger, tenants=Tenants(2), slow_seconds=1.0)
    made.serve(["acme", "globex"])
    return made
