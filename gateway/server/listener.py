"""Sockets: an application on an address, with or without TLS, whose every answer is SCIM's (H7, E14, M7)."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.scim.errors import ScimError, ScimType
from gateway.server import answers
from gateway.server.drain import Drain

LINGER_SECONDS = 2.0
"""How long connections that rest stay open once the process is leaving."""
LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of a TLS listener, in PEM; `client_ca` asks clients for a certificate one of these has signed, and
    `client_required` refuses those without."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    client_required: bool = False

    def context(self) -> ssl.SSLContext:
        """Read the files: TLS 1.2 or newer (G1). Raises OSError and `ssl.SSLError` for files that cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        context.set_alpn_protocols(["http/1.1"])
        if self.client_ca is not None:
            context.load_verify_locations(self.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED if self.client_required else ssl.CERT_OPTIONAL
        return context


class Protocol(web.RequestHandler):
    """A connection that answers in SCIM's words even to what is no HTTP."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what never became a request: its parser's complaint, or a failure outside of every middleware."""
        if status == 500:
            self.log_exception("Error handling request", exc_info=exc)
            error = answers.unexpected("no request id")
        else:
            self.log_debug("Unreadable request from %s", request.remote, exc_info=exc)
            error = answers.from_parser(exc, self.max_line_size)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun and cannot be taken back")
        return unreadable(error)


def unreadable(error: ScimError) -> web.Response:
    """Answer a request that never reached the application, and close its connection."""
    response = answers.render_error(error)
    response.headers["Server"] = answers.SERVER
    response.force_close()
    return response


class Server(web.Server):
    """A server of `Protocol` connections."""

    def __call__(self) -> web.RequestHandler:
        return Protocol(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application on `Server`; aiohttp's access log is off, the boundary writes its own line."""

    def __init__(self, application: web.Application, **options: Any) -> None:
        super().__init__(application, access_log=None, handle_signals=False, **options)

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        handler = made.request_handler

        async def paths_only(request: web.BaseRequest) -> web.StreamResponse:
            if not request.rel_url.raw_path.startswith("/"):
                return unreadable(ScimError(400, "the request target is no path", ScimType.INVALID_SYNTAX))
            return await handler(request)

        return Server(
            paths_only,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=asyncio.get_running_loop(),
            **made._kwargs,
        )


async def stop(runner: Runner, drain: Drain, *, delay: float, grace: float, linger: float = LINGER_SECONDS) -> bool:
    """Leave: say so for `delay` seconds, so that balancers notice, then stop accepting and wait at most `grace` seconds
    for requests under way. True if every one of them was answered.

    A client may be sending its next request on a connection that rests: those are closed by the answer, or after
    `linger` seconds without one.
    """
    drain.begin()
    await asyncio.sleep(delay)
    for site in list(runner.sites):
        await site.stop()
    await _rested(runner, min(linger, grace))
    finished = await drain.finished(grace)
    await runner.cleanup()
    return finished


async def _rested(runner: Runner, seconds: float) -> None:
    """Wait until no connection is left, or for so many seconds."""
    clock = asyncio.get_running_loop().time
    until = clock() + seconds
    while runner.server is not None and runner.server.connections and (left := until - clock()) > 0:  # noqa: ASYNC110
        await asyncio.sleep(min(LOOK_SECONDS, left))
