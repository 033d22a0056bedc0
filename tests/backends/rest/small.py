"""A system of one entity, described and scripted by a test in a few lines."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

from backends.contract import Context
from backends.rest import RestBackend, RestSettings
from tests.backends.kit.scripted import Scripted

Script = Callable[[web.Request], Awaitable[web.StreamResponse]]


def described(**people: Any) -> dict[str, Any]:
    """Describe people with an id, a login and a note; what is given is added or replaces."""
    return {
        "key": "id",
        "fields": {"login": {"required": True, "unique": True}, "note": {}},
        "get": {"path": "/people/{key}"},
        **people,
    }


def built(url: str, people: dict[str, Any], **system: Any) -> RestBackend:
    """Build a backend on a system; its base URL is asked for nothing."""
    settings = {"base_urls": url, "entities": {"people": people}, **system}
    return RestBackend(RestSettings.model_validate(settings), Context("small"))


@contextlib.asynccontextmanager
async def scripted(
    script: Script, people: dict[str, Any], *, base: str = "", **system: Any
) -> AsyncIterator[tuple[RestBackend, Scripted]]:
    """Start a scripted server and a backend on it; its calls begin behind the start."""

    async def rooted(request: web.Request) -> web.StreamResponse:
        return web.json_response({}) if request.path in ("/", base) else await script(request)

    async with Scripted(rooted).running() as server:
        backend = built(f"{server.url}{base}", people, **system)
        await backend.start()
        for seen in (server.calls, server.headers, server.bodies):
            seen.clear()
        try:
            yield backend, server
        finally:
            await backend.stop()
