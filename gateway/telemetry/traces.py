"""Traces: one span for each request, each call to a backend, each look-up in cache and store (M4).

The rooms begin spans through `Spans`; `NoSpans`, the default, does nothing and costs next to nothing. `OtelSpans` uses
OpenTelemetry's API with a tracer it is given. Names and attributes come from the configuration or closed sets, never
from a request: no path, no filter, no id, no text of an exception (X11).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from opentelemetry import trace

Kind = Literal["server", "client", "internal"]
PREFIX = "scim_gateway."


class Span(Protocol):
    """Something that takes time."""

    @property
    def traceparent(self) -> str | None:
        """The W3C header that names it; None where nothing is recorded."""

    def rename(self, name: str) -> None:
        """Call it by what is known by now."""

    def set(self, name: str, value: str | int) -> None:
        """Say something of it."""

    def fail(self, reason: str) -> None:
        """Mark it as failed; `reason` is a word of a closed set."""


class Spans(Protocol):
    """Begins spans."""

    def begin(
        self,
        name: str,
        kind: Kind = "internal",
        attributes: Mapping[str, str | int] | None = None,
        parent: Mapping[str, str] | None = None,
    ) -> AbstractContextManager[Span]:
        """Begin a span within the one that is current, or within the one that the headers of a request name."""


class NoSpans:
    """Nobody traces: it is span and beginner at once."""

    traceparent = None

    def begin(
        self,
        name: str,
        kind: Kind = "internal",
        attributes: Mapping[str, str | int] | None = None,
        parent: Mapping[str, str] | None = None,
    ) -> AbstractContextManager[Span]:
        """Do nothing."""
        return self

    def __enter__(self) -> NoSpans:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def rename(self, name: str) -> None:
        """Do nothing."""

    def set(self, name: str, value: str | int) -> None:
        """Do nothing."""

    def fail(self, reason: str) -> None:
        """Do nothing."""


class OtelSpans:
    """Spans of OpenTelemetry; needs the extra ``otel``."""

    def __init__(self, tracer: trace.Tracer) -> None:
        # Here and not above: who does not trace need not have it.
        from opentelemetry import trace as api
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer = tracer
        self._context = TraceContextTextMapPropagator()
        self._kinds = {
            "server": api.SpanKind.SERVER,
            "client": api.SpanKind.CLIENT,
            "internal": api.SpanKind.INTERNAL,
        }
        self._error = api.StatusCode.ERROR

    @contextmanager
    def begin(
        self,
        name: str,
        kind: Kind = "internal",
        attributes: Mapping[str, str | int] | None = None,
        parent: Mapping[str, str] | None = None,
    ) -> Iterator[Span]:
        """Begin a span; it becomes the current one until the block ends."""
        context = None if parent is None else self._context.extract(parent)
        with self._tracer.start_as_current_span(
            name,
            context=context,
            kind=self._kinds[kind],
            attributes={f"{PREFIX}{key}": value for key, value in (attributes or {}).items()},
            # The texts of drivers hold values of people.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield _OtelSpan(span, self._error)


class _OtelSpan:
    """One span of OpenTelemetry."""

    def __init__(self, span: trace.Span, error: trace.StatusCode) -> None:
        self._span = span
        self._error = error

    @property
    def traceparent(self) -> str | None:
        context = self._span.get_span_context()
        if not context.is_valid:
            return None
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def set(self, name: str, value: str | int) -> None:
        self._span.set_attribute(f"{PREFIX}{name}", value)

    def fail(self, reason: str) -> None:
        self._span.set_status(self._error, reason)
