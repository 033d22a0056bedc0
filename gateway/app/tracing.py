"""Where spans go: to an OTLP collector where one is named and the extra ``otel`` is installed, nowhere elsewhere."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from gateway import __version__
from gateway.telemetry.traces import NoSpans, OtelSpans, Spans

NAME = "scim-gateway"
NAMED_BY = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


class TracingError(Exception):
    """Traces are asked for and cannot be sent; the text is a sentence for the operator."""


def spans_of(environment: Mapping[str, str]) -> tuple[Spans, Callable[[], None]]:
    """Make what begins spans, and what sends those that wait and ends.

    A collector is named by OpenTelemetry's own variables, and so are sampling and headers. Raises `TracingError` where
    one is named and the extra is missing. Nothing of OpenTelemetry's global state is touched.
    """
    if not any(environment.get(name) for name in NAMED_BY) or environment.get("OTEL_SDK_DISABLED", "") == "true":
        return NoSpans(), _nothing
    try:
        sdk: Any = importlib.import_module("opentelemetry.sdk.trace")
        export: Any = importlib.import_module("opentelemetry.sdk.trace.export")
        resources: Any = importlib.import_module("opentelemetry.sdk.resources")
        otlp: Any = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ImportError as error:
        raise TracingError("a collector of traces is named; pip install 'scim-gateway[otel]' to send them") from error
    name = environment.get("OTEL_SERVICE_NAME", NAME)
    resource = resources.Resource.create({"service.name": name, "service.version": __version__})
    provider = sdk.TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    return OtelSpans(provider.get_tracer(NAME, __version__)), provider.shutdown


def _nothing() -> None:
    """There is nothing to end."""
