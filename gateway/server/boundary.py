"""The outermost middleware: one id, one line, one measure and one shape of error for every request (H7, M1, M4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.scim.errors import ScimError
from gateway.server import answers, correlation
from gateway.server.codec import answer_type
from gateway.server.drain import Drain
from gateway.server.observer import Progress, ServerObserver
from gateway.telemetry.traces import NoSpans, Spans

PROGRESS = web.RequestKey("progress", Progress)
LATE_SECONDS = 5.0
"""How long after its deadline a request is given up, whatever it waits for; calls to backends end on the deadline."""
RETRY_SECONDS = 5.0


class Boundary:
    """Wraps every request. An error that is no `ScimError` becomes a 500 that tells nothing but where it is logged."""

    def __init__(
        self, observer: ServerObserver, drain: Drain, *, clock: Callable[[], float], spans: Spans | None = None
    ) -> None:
        self._observer = observer
        self._spans = spans or NoSpans()
        self._drain = drain
        self._clock = clock

    async def run(self, request: web.Request, handler: Handler, seconds: float) -> web.StreamResponse:
        """Answer a request within `seconds` of the loop's clock."""
        parent = correlation.trace_parent(request.headers)
        with self._spans.begin("request", "server", parent=correlation.trace_headers(request.headers, parent)) as span:
            trace = span.traceparent or parent
            progress = Progress(correlation.request_id(request.headers, trace), request.method, trace_parent=trace)
            response = await self._run(request, handler, seconds, progress)
            span.rename(f"{progress.operation} {progress.resource_type}".rstrip())
            for name in ("tenant", "operation", "resource_type", "method"):
                span.set(name, getattr(progress, name))
            span.set("status", response.status)
            if response.status >= 500:
                span.fail("5xx")
            if span.traceparent is not None:
                response.headers[answers.TRACE] = span.traceparent
        return response

    async def _run(
        self, request: web.Request, handler: Handler, seconds: float, progress: Progress
    ) -> web.StreamResponse:
        begun = self._clock()
        request[PROGRESS] = progress
        with self._drain.request():
            self._observer.request_began(progress)
            status, sent = 499, 0
            try:
                response = await self._answer(request, handler, progress, seconds)
                self._finish(request, response, progress)
                status, sent = response.status, response.content_length or 0
            finally:
                self._observer.request_ended(progress, status, sent, self._clock() - begun)
        return response

    async def _answer(
        self, request: web.Request, handler: Handler, progress: Progress, seconds: float
    ) -> web.StreamResponse:
        media_type = answer_type(request.headers.get("Accept"))
        try:
            async with asyncio.timeout(seconds + LATE_SECONDS) as watch:
                return await handler(request)
        except ScimError as error:
            return answers.render_error(error, media_type)
        except web.HTTPException as error:
            return answers.render_error(answers.from_framework(error), media_type)
        except TimeoutError as error:
            if watch.expired():
                late = ScimError(503, "the request did not finish in time", retry_after=RETRY_SECONDS)
                return answers.render_error(late, media_type)
            self._observer.failure(progress.tenant, progress.request_id, error)
            return answers.render_error(answers.unexpected(progress.request_id), media_type)
        except Exception as error:  # noqa: BLE001
            # The boundary of the process: the operator is told everything, the client nothing (X13).
            self._observer.failure(progress.tenant, progress.request_id, error)
            return answers.render_error(answers.unexpected(progress.request_id), media_type)

    def _finish(self, request: web.Request, response: web.StreamResponse, progress: Progress) -> None:
        response.headers[answers.REQUEST_ID] = progress.request_id
        response.headers["Cache-Control"] = "no-store"
        response.headers["Server"] = answers.SERVER
        if self._drain.leaving or ("Expect" in request.headers and not request.content.is_eof()):
            # A client that waits for leave to send its body may send it or not: nobody knows what the next bytes are.
            response.force_close()
