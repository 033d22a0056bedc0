"""Fixtures that serve the demo's configuration in this process: `demo` on an empty database, `serve` on any.

A pytest plugin. The gateway listens on a free port of its own and is spoken with over the network, as clients do.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import structlog
import yarl
from prometheus_client import CollectorRegistry

from gateway.app import Observation, Running, draw, running
from gateway.app.exposure import DEMO_TOKEN
from gateway.cli import examples, legacy_hr
from gateway.cli.demo import TENANT, Files
from gateway.plugins import Plugins
from gateway.settings import load

SCIM = "application/scim+json"
PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_AS_SENT = "/?&=%+:;,@!$'()*~[]-._"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: `body` is parsed, None if there is none; `media_type` as it was sent, parameters included."""

    status: int
    headers: Mapping[str, str]
    body: Any
    media_type: str


@dataclass(slots=True)
class Demo:
    """The demo, served: speaks to it as a client does, and looks into the legacy tables as the old application does."""

    served: Running
    files: Files
    session: aiohttp.ClientSession
    logged: list[Mapping[str, Any]] = field(default_factory=list)
    token: str = DEMO_TOKEN

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Tell hypothesis who this is, and not all it consists of."""
        printer.text("demo")

    @property
    def url(self) -> str:
        return self.served.tenant_url(TENANT)

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.send("GET", path, None, headers)

    async def post(self, path: str, body: Any, **headers: str) -> Reply:
        return await self.send("POST", path, body, headers)

    async def put(self, path: str, body: Any, **headers: str) -> Reply:
        return await self.send("PUT", path, body, headers)

    async def patch(self, path: str, operations: Any, **headers: str) -> Reply:
        """Send operations as a PATCH message; a dictionary is sent as it is."""
        body = operations if isinstance(operations, dict) else {"schemas": [PATCH_URN], "Operations": operations}
        return await self.send("PATCH", path, body, headers)

    async def delete(self, path: str, **headers: str) -> Reply:
        return await self.send("DELETE", path, None, headers)

    async def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a request; `body` is encoded as JSON unless it is bytes. The token is added unless there is one."""
        sent = {"Authorization": f"Bearer {self.token}", "Accept": SCIM}
        if body is not None:
            sent["Content-Type"] = SCIM
        sent |= {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        url = yarl.URL(self.url + quote(path, safe=_AS_SENT), encoded=True)
        async with self.session.request(method, url, data=data, headers=sent, allow_redirects=False) as answer:
            raw = await answer.read()
            media_type = answer.headers.get("Content-Type", "")
            return Reply(answer.status, dict(answer.headers), json.loads(raw) if raw else None, media_type)

    def native(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement on the legacy database, past the gateway."""
        with closing(sqlite3.connect(self.files.database)) as database, database:
            return list(database.execute(sql, parameters))


@pytest.fixture(scope="session")
def demo_databases(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """The legacy database, seeded (False) and empty (True), made once."""
    folder = tmp_path_factory.mktemp("legacy")
    found = {empty: folder / f"{'empty' if empty else 'seeded'}.db" for empty in (True, False)}
    for empty, path in found.items():
        legacy_hr.create(path, empty=empty)
    return found


@pytest.fixture
def logged() -> list[Mapping[str, Any]]:
    """What the gateways of one test logged."""
    return []


@pytest.fixture
async def serve(
    tmp_path: Path, demo_databases: dict[bool, Path], logged: list[Mapping[str, Any]]
) -> AsyncIterator[Callable[..., Awaitable[Demo]]]:
    """Serve the demo's configuration on a database of its own, with another client profile where one is named."""
    async with AsyncExitStack() as stack:
        count = 0

        async def start(*, empty: bool = False, client: str | None = None, **tenant: Any) -> Demo:
            nonlocal count
            count += 1
            folder = tmp_path / f"demo{count}"
            config = folder / "config"
            config.mkdir(parents=True)
            shutil.copy(examples.locate("demo.yaml"), config)
            if client is not None:
                tenant["client"] = client
            if tenant:
                changes = {"tenants": {TENANT: tenant}}
                (config / "tenant.yaml").write_text(json.dumps(changes), encoding="utf-8")
            files = Files(folder)
            shutil.copy(demo_databases[empty], files.database)
            files.create(empty=empty)
            environment = {**os.environ, **files.environment("127.0.0.1:0", metrics="127.0.0.1:0")}
            blueprint = draw(load(config, environment), Plugins.installed())
            observation = Observation(recorder(logged), CollectorRegistry())
            served = await stack.enter_async_context(running(blueprint, observation))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            return Demo(served, files, session, logged)

        yield start


@pytest.fixture
async def demo(serve: Callable[..., Awaitable[Demo]]) -> Demo:
    """The demo on an empty database."""
    return await serve(empty=True)


def recorder(lines: list[Mapping[str, Any]]) -> Any:
    """A logger that keeps what it is told."""

    def keep(_: Any, level: str, event: Any) -> Any:
        lines.append({**event, "level": level})
        raise structlog.DropEvent

    return structlog.wrap_logger(
        None, processors=[keep], wrapper_class=structlog.make_filtering_bound_logger(logging.INFO)
    ).bind()
