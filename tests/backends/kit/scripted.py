"""HTTP servers that do what a test says: handlers by path, and raw bytes for what no server would send on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

from backends.kit.http import HttpSession, HttpSettings, Request
from tests.backends.rest.servers import Server

GET = Request("GET", "/x")
PUT = Request("PUT", "/x", body=b"{}", write=True)


class Scripted(Server):
    """Answers every request by one function."""

    def __init__(self, script: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> None:
        super().__init__()
        self._script = script

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/{way:.*}", self._script)]


@contextlib.asynccontextmanager
async def raw(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[Any]:
    """Serve bytes; yields the URL and the list of requests' first lines."""
    seen: list[bytes] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            seen.append(await reader.readline())
            await talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen
    finally:
        server.close()


@contextlib.asynccontextmanager
async def tls_server(context: ssl.SSLContext) -> AsyncIterator[str]:
    """Serve one answer over TLS on localhost."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@contextlib.asynccontextmanager
async def session(urls: Any, clock: Callable[[], float] | None = None, **settings: Any) -> AsyncIterator[HttpSession]:
    """Open a session."""
    made = HttpSettings.model_validate({"base_urls": urls, **settings})
    opened = HttpSession(made) if clock is None else HttpSession(made, clock)
    await opened.start()
    try:
        yield opened
    finally:
        await opened.stop()
