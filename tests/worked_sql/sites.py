"""A worked configuration, served by a real gateway on the legacy schema beside it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import yarl
from prometheus_client import CollectorRegistry

from gateway.app import Observation, draw, running
from gateway.plugins import Plugins
from gateway.settings import load
from tests.backends.sql.databases import Database, Maker
from tests.demo_gateway import recorder

CONFIG = Path(__file__).parents[2] / "config"
TOKEN = "token-of-the-test"
SCIM = "application/scim+json"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
_AS_SENT = "/?&=%+:;,@!$'()*~[]-._"


@dataclass(slots=True)
class Site:
    """The gateway in front, and the legacy database behind it."""

    session: aiohttp.ClientSession
    url: str
    database: Database
    logged: list[Mapping[str, Any]] = field(default_factory=list)

    async def send(self, method: str, path: str, body: Any = None, headers: Any = None) -> tuple[int, Any]:
        """Send a request; give status and document."""
        url = yarl.URL(self.url + quote(path, safe=_AS_SENT), encoded=True)
        data = None if body is None else json.dumps(body).encode()
        async with self.session.request(method, url, data=data, headers=headers) as answer:
            raw = await answer.read()
            return answer.status, json.loads(raw) if raw else None

    async def done(self, method: str, path: str, body: Any = None, headers: Any = None) -> Any:
        """Send a request that must succeed; give the document."""
        status, found = await self.send(method, path, body, headers)
        assert 200 <= status < 300, (
            method,
            path,
            status,
            found,
            [line for line in self.logged if "exception" in line or "error" in line or line.get("level") != "info"],
        )
        return found

    async def patch(self, path: str, *operations: Mapping[str, Any]) -> Any:
        """Send a PATCH that must succeed."""
        return await self.done("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})

    async def refused(self, method: str, path: str, body: Any = None) -> tuple[int, str | None]:
        """Send a request that must fail; give status and type of the error."""
        if isinstance(body, list):
            body = {"schemas": [PATCH], "Operations": body}
        status, found = await self.send(method, path, body)
        assert status >= 400, (method, path, status, found)
        return status, found.get("scimType")

    async def find(self, path: str, condition: str) -> list[dict[str, Any]]:
        """Search; give the resources."""
        found = await self.done("GET", f"{path}?filter={quote(condition, safe='')}")
        assert found["totalResults"] == len(found.get("Resources", [])), found
        resources: list[dict[str, Any]] = found.get("Resources", [])
        return resources

    async def one(self, path: str, condition: str) -> dict[str, Any]:
        """Search for the only one there is."""
        (found,) = await self.find(path, condition)
        return found

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Look into the legacy database, past the gateway."""
        return self.database.run(statement)


async def overtaken(site: Site, path: str, body: Any, etag: str, change: str) -> int:
    """Replace a resource while somebody else, who holds its row, is about to commit a change of it; give the status."""
    async with site.database.holding(change) as waiting:
        late = asyncio.ensure_future(site.send("PUT", path, body, {"If-Match": etag}))
        async with asyncio.timeout(20):
            while not await waiting():
                assert not late.done(), late.result()
                await asyncio.sleep(0.01)
    status, _ = await late
    return status


def user(login: str, **more: Any) -> dict[str, Any]:
    return {"schemas": [USER], "userName": login, "active": True, **more}


def group(name: str, *members: str) -> dict[str, Any]:
    return {"schemas": [GROUP], "displayName": name, "members": [{"value": member} for member in members]}


def member(op: str, *ids: str) -> dict[str, Any]:
    return {"op": op, "path": "members", "value": [{"value": one} for one in ids]}


@dataclass(frozen=True, slots=True)
class Worked:
    """On which kind of database a file is tried, and the variable in which it has its URL."""

    kind: str
    variable: str

    @property
    def marks(self) -> list[pytest.MarkDecorator]:
        return [pytest.mark.needs("mariadbd")] if self.kind == "mariadb" else []


WORKED = {
    "sql-hr": Worked("postgres", "HR_DATABASE"),
    "sql-eav": Worked("mariadb", "SITE_DATABASE"),
    "sql-one-table": Worked("sqlite", "RIGHTS_DATABASE"),
    "sql-portal": Worked("mariadb", "PORTAL_DATABASE"),
    "sql-staff": Worked("postgres", "STAFF_DATABASE"),
}


def legacy(name: str) -> str:
    """Give the schema a file speaks of, with the rows the application made."""
    return (CONFIG / "legacy" / f"{name}.sql").read_text(encoding="utf-8")


def environment(name: str, database: Database, folder: Path) -> dict[str, str]:
    """Give the variables a file refers to."""
    return {**own(folder), WORKED[name].variable: database.url, "STAFF_COPY_DATABASE": database.url}


def own(folder: Path) -> dict[str, str]:
    """Give the variables every file refers to."""
    return {
        "SCIM_LISTEN": "127.0.0.1:0",
        "SCIM_STORE": f"sqlite:///{folder / 'gateway.db'}",
        "SCIM_ID_KEY": "0123456789abcdef" * 4,
        "SCIM_TOKEN_SHA256": hashlib.sha256(TOKEN.encode()).hexdigest(),
    }


@asynccontextmanager
async def serving(
    name: str, make_database: Maker, folder: Path, client: str = "default", **more: str
) -> AsyncIterator[Site]:
    """Fill a database from the legacy schema, and serve the file as it is, for one kind of client."""
    database = make_database(WORKED[name].kind)
    database.source(legacy(name))
    text = (CONFIG / f"{name}.yaml").read_text(encoding="utf-8")
    async with served(text, {**environment(name, database, folder), **more}, database, folder, client) as site:
        yield site


@asynccontextmanager
async def served(
    text: str, variables: Mapping[str, str], database: Database, folder: Path, client: str = "default"
) -> AsyncIterator[Site]:
    """Serve a configuration for one kind of client."""
    config = folder / "config"
    config.mkdir()
    (config / "site.yaml").write_text(text, encoding="utf-8")
    (config / "client.yaml").write_text(json.dumps({"tenants": {"acme": {"client": client}}}), encoding="utf-8")
    blueprint = draw(load(config, variables), Plugins.installed())
    logged: list[Mapping[str, Any]] = []
    observation = Observation(recorder(logged), CollectorRegistry())
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": SCIM, "Accept": SCIM}
    async with running(blueprint, observation) as one, aiohttp.ClientSession(headers=headers) as session:
        yield Site(session, one.tenant_url("acme"), database, logged)
