"""The application of the metrics port: one page, behind a token if there is one (M1)."""

from __future__ import annotations

import hashlib
import hmac

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder


def create_metrics_application(registry: CollectorRegistry, token: str | None = None) -> web.Application:
    """Make an application that answers ``GET /metrics`` with what `registry` holds; `token` is a bearer token."""
    digest = None if token is None else hashlib.sha256(token.encode()).digest()

    async def metrics(request: web.Request) -> web.Response:
        if digest is not None and not _matches(request.headers.get("Authorization", ""), digest):
            return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        encoder, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encoder(registry), headers={"Content-Type": content_type})

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    return application


def _matches(header: str, digest: bytes) -> bool:
    scheme, _, credential = header.partition(" ")
    given = hashlib.sha256(credential.strip().encode("utf-8", "surrogateescape")).digest()
    return hmac.compare_digest(given, digest) and scheme.lower() == "bearer"
