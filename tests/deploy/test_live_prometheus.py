"""A real Prometheus watches a real gateway: its rules evaluate, its dashboards show something, one alert fires."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwk, jwt
from ruamel.yaml import YAML

from tests.architecture.modules import ROOT
from tests.gateway_process import PATCH_URN, USER_URN, Client, serving
from tests.server.authority import Authority
from tests.services import Postgres, Redis, free_port

DEPLOY = ROOT / "deploy"
SCALE = 30
"""How many times faster than in life alerts come to fire here; their expressions are the same."""
EMPTY_WHILE_ALL_IS_WELL = {"Failing tenants", "Calls that did not come to an answer"}
"""Panels that show failures, and nothing where there are none."""
CONFIG = """\
version: 1
server: { listen: "127.0.0.1:${env:PORT}", tls: { certificate: server.pem, key: server.key } }
metrics: { listen: "127.0.0.1:${env:METRICS_PORT}" }
store: { url: "${env:STORE_URL}", id_key: "${env:ID_KEY}" }
cache: ${env:CACHE_URL}
backends:
  hr: &people
    type: sql
    settings: { url: "${env:HR_URL}", entities: { people: { table: people, key: id } } }
  crm:
    type: sql
    settings: { url: "${env:CRM_URL}", entities: { people: { table: people, key: id } } }
    limits: { retries: 0, breaker: { failures: 2, rest_seconds: 300 } }
tenants:
  acme:
    tokens: [ { name: idp, sha256: DIGEST, created: 2026-01-31, expires: 2099-01-01 } ]
    issuers: [ { issuer: "${env:ISSUER_URL}", jwks_url: "${env:ISSUER_URL}/jwks", audience: [ scim ] } ]
    brake: { deletions: 1000 }
    resources:
      User:
        { backend: hr, entity: people, attributes: { userName: login, active: enabled }, on_delete: delete }
  globex:
    tokens: [ { name: idp, sha256: DIGEST, expires: 2099-01-01 } ]
    resources:
      User:
        { backend: crm, entity: people, attributes: { userName: login, active: enabled }, on_delete: delete }
  initech:
    tokens: [ { name: idp, sha256: DIGEST, expires: 2099-01-01 } ]
    rates: { tenant: { per_second: 0.001, burst: 1 } }
    resources:
      User:
        { backend: hr, entity: people, attributes: { userName: login, active: enabled }, on_delete: delete }
""".replace("DIGEST", hashlib.sha256(b"secret-token").hexdigest()).replace(": &people", ":")


@dataclass(slots=True)
class Wire:
    """A way to a database that can be cut."""

    port: int
    server: asyncio.Server | None = None
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> int:
        self.server = await asyncio.start_server(self._joined, "127.0.0.1", 0)
        found: int = self.server.sockets[0].getsockname()[1]
        return found

    async def cut(self) -> None:
        assert self.server is not None
        self.server.close()
        for writer in self.open:
            writer.transport.abort()

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        self.open |= {writer, back}
        await asyncio.gather(self._carry(reader, back), self._carry(there, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


@dataclass(slots=True)
class Prometheus:
    """A Prometheus that runs."""

    session: aiohttp.ClientSession
    url: str

    async def get(self, path: str, **parameters: str) -> Any:
        async with self.session.get(f"{self.url}/api/v1/{path}", params=parameters) as answer:
            found = await answer.json()
        assert found["status"] == "success", found
        return found["data"]

    async def query(self, expression: str) -> list[Any]:
        data = await self.get("query", query=expression)
        result: list[Any] = data["result"]
        return result

    async def firing(self) -> set[tuple[str, str]]:
        """Name the alerts that fire, with their backend."""
        alerts = (await self.get("alerts"))["alerts"]
        labels = [one["labels"] for one in alerts if one["state"] == "firing"]
        return {(one["alertname"], one.get("backend", "")) for one in labels}


def quickened(text: str) -> str:
    """Have every rule evaluated each second, and every alert fire earlier by `SCALE`; expressions stay."""

    def shorter(match: re.Match[str]) -> str:
        seconds = int(match[2]) * {"s": 1, "m": 60, "h": 3600}[match[3]]
        return f"{match[1]}{max(1, seconds // SCALE)}s"

    return re.sub(r"(\bfor: )(\d+)([smh])", shorter, re.sub(r"interval: \S+", "interval: 1s", text))


@contextlib.asynccontextmanager
async def prometheus(folder: Path, target: str, session: aiohttp.ClientSession) -> AsyncIterator[Prometheus]:
    """Run Prometheus with the rules of `deploy/` and one target."""
    port = free_port()
    rules = (DEPLOY / "prometheus" / "rules.yaml").read_text(encoding="utf-8")
    (folder / "rules.yaml").write_text(quickened(rules), encoding="utf-8")
    config = YAML(typ="safe").load((DEPLOY / "prometheus" / "prometheus.yaml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    (folder / "prometheus.yaml").write_text(json.dumps(config), encoding="utf-8")
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "prometheus", f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/tsdb",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn", stdout=log, stderr=log,
        )  # fmt: skip
    one = Prometheus(session, f"http://127.0.0.1:{port}")
    try:
        await until(lambda: ready(one, process))
        yield one
    finally:
        process.terminate()
        await process.wait()


async def ready(one: Prometheus, process: asyncio.subprocess.Process) -> bool:
    assert process.returncode is None
    try:
        async with one.session.get(f"{one.url}/-/ready") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def panels(**variables: str) -> list[tuple[str, str]]:
    """Collect every query of the dashboards with the title of its panel, variables filled in."""
    found = []
    for path in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                expression = target["expr"]
                for name, value in variables.items():
                    expression = expression.replace(f"${name}", value)
                assert "$" not in expression, expression
                found.append((panel["title"], expression))
    return found


async def use(client: Client, name: str) -> None:
    """Have one user live a life, in the words of a client that needs rewriting."""
    made = await client.done("POST", "/Users", {"schemas": [USER_URN], "userName": name, "active": True})
    path = f"/Users/{made['id']}"
    await client.done("GET", path)
    await client.done("GET", f"/Users?filter=userName+eq+%22{name}%22")
    leave = [{"op": "Replace", "path": "active", "value": "False"}]
    assert (await client.done("PATCH", path, {"schemas": [PATCH_URN], "Operations": leave}))["active"] is False
    await client.done("DELETE", path)


async def keep_using(client: Client, made: Any, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await client.done("GET", f"/Users/{made['id']}")


@pytest.fixture
async def issuer() -> AsyncIterator[str]:
    """An issuer of tokens, as far as its keys are concerned; its URL."""
    keys = {"keys": [jwk.ECKey.generate_key("P-256", {"kid": "a"}).as_dict(private=False)]}

    async def given(_: web.Request) -> web.Response:
        return web.json_response(keys)

    application = web.Application()
    application.router.add_get("/jwks", given)
    async with TestServer(application) as server:
        yield str(server.make_url("")).rstrip("/")


def forged(issuer: str) -> str:
    """Make a token as the issuer would, but for its signature: its keys are needed to tell."""
    claims = {"iss": issuer, "aud": "scim", "sub": "x", "exp": 4_000_000_000, "nbf": 0}
    return jwt.encode({"alg": "ES256", "kid": "a"}, claims, jwk.ECKey.generate_key("P-256"))


def trusting(authority: Path) -> aiohttp.TCPConnector:
    """Speak TLS with whom the authority vouches for."""
    return aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(authority)))


@pytest.mark.needs("prometheus")
async def test_a_backend_that_stops_fires_its_alert_alone(
    tmp_path: Path, postgres: Postgres, own_valkey: Redis, issuer: str
) -> None:
    """Under load every rule evaluates and every panel of every dashboard has data; then one of two backends is stopped,
    and exactly its alert fires, for it alone (M2, M3, M5, promise 6)."""
    wire = Wire(postgres.port)
    hr, crm = postgres.create_database(), postgres.create_database()
    for url in (hr, crm):
        postgres.run("CREATE TABLE people (id serial PRIMARY KEY, login text NOT NULL UNIQUE, enabled boolean)", url)
    ports = {"PORT": str(free_port()), "METRICS_PORT": str(free_port())}
    environment = {
        "PATH": os.defpath, "ID_KEY": "k" * 40, "STORE_URL": postgres.create_database(), "HR_URL": hr,
        "CRM_URL": crm.replace(f":{postgres.port}/", f":{await wire.start()}/"), "CACHE_URL": own_valkey.url, **ports,
        "ISSUER_URL": issuer,
    }  # fmt: skip
    authority = Authority(days=100)
    authority.certificate("server").save(tmp_path, "server")
    config = tmp_path / "gateway.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    async with (
        serving(config, environment, tmp_path) as served,
        aiohttp.ClientSession(connector=trusting(authority.save(tmp_path))) as session,
        prometheus(tmp_path, f"127.0.0.1:{ports['METRICS_PORT']}", session) as watching,
        asyncio.TaskGroup() as tasks,
    ):
        root = f"https://127.0.0.1:{ports['PORT']}"
        acme, globex, initech = (
            Client(session, f"{root}/{name}/scim/v2", "secret-token") for name in ("acme", "globex", "initech")
        )
        assert (await Client(session, acme.url, forged(issuer)).ask("GET", "/Users"))[0] == 401
        assert [(await initech.ask("GET", "/Users"))[0] for _ in range(2)] == [200, 429]
        stop = asyncio.Event()
        try:
            for number in range(4):
                for client in (acme, globex):
                    await use(client, f"user{number}")
            made = await acme.done("POST", "/Users", {"schemas": [USER_URN], "userName": "ada", "active": True})
            for _ in range(4):
                tasks.create_task(keep_using(acme, made, stop))
            for number in range(4, 12):
                for client in (acme, globex):
                    await use(client, f"user{number}")
                await asyncio.sleep(0.5)
            await until(lambda: shown(watching, acme="acme"))
            for group in (await watching.get("rules"))["groups"]:
                for rule in group["rules"]:
                    assert (rule["health"], rule.get("lastError", "")) == ("ok", ""), rule
            assert await watching.firing() == set()
            await until(lambda: many(watching))

            await wire.cut()
            for _ in range(3):
                assert (await globex.ask("GET", "/Users"))[0] == 503
            await until(lambda: fires(watching))
            await asyncio.sleep(5)  # as many evaluations as any other alert would need
            assert await watching.firing() == {("ScimGatewayBackendDown", "crm")}
            assert await empty(watching, backend="crm", tenant="globex") == set()
        finally:
            stop.set()
            await asyncio.sleep(0)
        assert await served.end() == 0


async def empty(watching: Prometheus, **variables: str) -> set[str]:
    """Name the panels with a query that gives nothing."""
    return {title for title, expression in panels(**variables) if not await watching.query(expression)}


async def shown(watching: Prometheus, acme: str) -> bool:
    return await empty(watching, backend="hr", tenant=acme) == EMPTY_WHILE_ALL_IS_WELL


async def many(watching: Prometheus) -> bool:
    """Wait for so many requests that the few which are to fail are no burnt budget."""
    (found,) = await watching.query("sum(scim_gateway_requests_total)")
    return float(found["value"][1]) > 5000


async def fires(watching: Prometheus) -> bool:
    return ("ScimGatewayBackendDown", "crm") in await watching.firing()
