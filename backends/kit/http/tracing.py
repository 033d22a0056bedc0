"""W3C trace context towards the system: the header that names the span under way, where somebody traces."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import cache


def trace_headers() -> Mapping[str, str]:
    """Give ``traceparent`` (and ``tracestate``) of the current span; nothing where there is none, which is the rule."""
    headers: dict[str, str] = {}
    if (inject := _inject()) is not None:
        inject(headers)
    return headers


@cache
def _inject() -> Callable[[dict[str, str]], None] | None:
    """Find OpenTelemetry's own way to write them; None where it is not installed."""
    try:
        module = importlib.import_module("opentelemetry.trace.propagation.tracecontext")
    except ImportError:
        return None
    inject: Callable[[dict[str, str]], None] = module.TraceContextTextMapPropagator().inject
    return inject
