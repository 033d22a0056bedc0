"""A configuration of two systems kept in memory, and gateways made of it."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from backends.contract import Backend
from gateway.app import Blueprint, Observation, Running, draw, running
from gateway.plugins import Plugins
from gateway.settings import load
from tests.demo_gateway import recorder

Document = dict[str, Any]
PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER_URN = "urn:ietf:params:scim:schemas:core:2.0:User"


def tenant(backend: str, token: str) -> Document:
    """A tenant that keeps its users in one entity of one backend."""
    attributes = {"userName": "login", "active": "enabled"}
    user = {"backend": backend, "entity": "people", "attributes": attributes, "on_delete": "delete"}
    digest = hashlib.sha256(token.encode()).hexdigest()
    return {"tokens": [{"sha256": digest, "name": "first"}], "resources": {"User": user}}


def memory() -> Document:
    """A backend that keeps records in memory."""
    login = {"type": "str", "required": True, "unique": True, "ignore_case": True}
    people = {"fields": {"login": login, "enabled": "bool"}}
    return {"type": "memory", "settings": {"entities": {"people": people}}}


DOCUMENT: Document = {
    "version": 1,
    "server": {"listen": "127.0.0.1:0"},
    "metrics": {"listen": "127.0.0.1:0"},
    "store": {"url": "sqlite:///${env:STORE}", "id_key": "${env:ID_KEY}"},
    "backends": {"hr": memory(), "crm": memory()},
    "tenants": {"acme": tenant("hr", "acme-token"), "globex": tenant("crm", "globex-token")},
}


class Kinds(Plugins):
    """The installed kinds of backends, and some of a test's own."""

    def __init__(self, own: Mapping[str, type[Backend[Any]]]) -> None:
        self._own = own
        self._installed = Plugins.installed()

    def find(self, name: str) -> Any:
        return _Own(self._own[name]) if name in self._own else self._installed.find(name)


@dataclass(frozen=True, slots=True)
class _Own:
    kind: type[Backend[Any]]

    def load(self) -> type[Backend[Any]]:
        return self.kind


@dataclass(slots=True)
class Served:
    """A gateway that serves, and a client."""

    running: Running
    session: aiohttp.ClientSession
    observation: Observation
    logged: list[Mapping[str, Any]] = field(default_factory=list)

    async def send(
        self, method: str, tenant: str, path: str = "/Users", body: Any = None, token: str | None = None
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Send a request with the tenant's token, or another; give status, body and headers."""
        headers = {"Authorization": f"Bearer {token or f'{tenant}-token'}", "Content-Type": "application/scim+json"}
        url = f"http://{self.running.address}/{tenant}/scim/v2{path}"
        data = None if body is None else json.dumps(body).encode()
        async with self.session.request(method, url, data=data, headers=headers) as answer:
            raw = await answer.read()
            return answer.status, json.loads(raw) if raw else None, answer.headers

    async def create(self, tenant: str, login: str) -> Any:
        """Create a user that must be created."""
        status, body, _ = await self.send(
            "POST", tenant, body={"schemas": [USER_URN], "userName": login, "active": True}
        )
        assert status == 201, body
        return body


@pytest.fixture
def document() -> Document:
    """A whole configuration, to be altered at will."""
    return copy.deepcopy(DOCUMENT)


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[..., Blueprint]:
    """Write a configuration, one value a line, and check it without starting anything."""

    def draw_one(document: Document, **own: type[Backend[Any]]) -> Blueprint:
        path = tmp_path / "config.yaml"
        path.write_text(json.dumps(document, indent=1), encoding="utf-8")
        environment = {"STORE": str(tmp_path / "gateway.db"), "ID_KEY": "0123456789abcdef" * 4, "PASSWORD": "s3cret"}
        return draw(load(path, environment), Kinds(own))

    return draw_one


@pytest.fixture
def serving(drawn: Callable[..., Blueprint]) -> Callable[..., AbstractAsyncContextManager[Served]]:
    """Serve a configuration for the length of a block."""

    @asynccontextmanager
    async def serve_one(document: Document, **own: type[Backend[Any]]) -> AsyncIterator[Served]:
        logged: list[Mapping[str, Any]] = []
        observation = Observation(recorder(logged), CollectorRegistry())
        async with running(drawn(document, **own), observation) as one, aiohttp.ClientSession() as session:
            yield Served(one, session, observation, logged)

    return serve_one
