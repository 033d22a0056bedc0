"""The worked file for SOAP: served by a gateway, with what two identity providers do verified in the service itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from gateway.app import Observation, draw, running
from gateway.plugins import Plugins
from gateway.settings import load
from tests.backends.soap.servers import FOLDER, StaffServer
from tests.demo_gateway import recorder

CONFIG = Path(__file__).parents[3] / "config" / "soap.yaml"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
TOKEN = "token-of-the-test"


class Served:
    """A gateway that serves the file."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        async with self._session.request(method, f"{self._url}{path}", data=data) as answer:
            raw = await answer.read()
            return answer.status, json.loads(raw) if raw else None

    async def patch(self, path: str, *operations: Mapping[str, Any]) -> int:
        status, _ = await self.send("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})
        return status


@asynccontextmanager
async def serving(
    server: StaffServer, folder: Path, client: str, changes: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Served]:
    """Serve the worked file for one kind of client, with texts in it changed."""
    server.guarded = True
    path = folder / "soap.yaml"
    text = CONFIG.read_text(encoding="utf-8")
    for before, after in {**changes, "client: entra": f"client: {client}"}.items():
        assert before in text
        text = text.replace(before, after)
    path.write_text(text, encoding="utf-8")
    environment = {
        "SCIM_LISTEN": "127.0.0.1:0",
        "SCIM_METRICS": "127.0.0.1:0",
        "SCIM_STORE": f"sqlite:///{folder / 'gateway.db'}",
        "SCIM_ID_KEY": "0123456789abcdef" * 4,
        "SCIM_TOKEN_SHA256": hashlib.sha256(TOKEN.encode()).hexdigest(),
        "STAFF_WSDL": str(FOLDER / "staff.wsdl"),
        "STAFF_URL": server.url,
        "STAFF_PASSWORD": "pässword<&",
    }
    blueprint = draw(load(path, environment), Plugins.installed())
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/scim+json"}
    observation = Observation(recorder([]), CollectorRegistry())
    async with running(blueprint, observation) as one, aiohttp.ClientSession(headers=headers) as session:
        yield Served(session, f"http://{one.address}/acme/scim/v2")


def user(login: str, **more: Any) -> dict[str, Any]:
    return {"schemas": [USER], "userName": login, "active": True, **more}


async def test_an_entra_life(server: StaffServer, tmp_path: Path) -> None:
    """Look up, create, patch with capitals and text booleans, join, leave, deactivate, delete."""
    async with serving(server, tmp_path, "entra") as gateway:
        status, found = await gateway.send("GET", '/Users?filter=userName eq "ann@example.com"')
        assert (status, found["totalResults"]) == (200, 0)
        mails = [{"value": "ann@example.com", "type": "work"}]
        status, ann = await gateway.send("POST", "/Users", user("Ann@example.com", emails=mails, displayName="Ann"))
        assert status == 201
        (number,) = server.people
        server.people[number]["Badge"] = "B-7"
        status, found = await gateway.send("GET", '/Users?filter=userName eq "ann@example.com"')
        assert [one["id"] for one in found["Resources"]] == [ann["id"]]
        status, problem = await gateway.send("POST", "/Users", user("Ann@example.com"))
        assert (status, problem["scimType"]) == (409, "uniqueness")
        status, team = await gateway.send("POST", "/Groups", {"schemas": [GROUP], "displayName": "Sales"})
        assert status == 201
        members = {"op": "Add", "path": "members", "value": [{"value": ann["id"]}]}
        server.calls.clear()
        assert await gateway.patch(f"/Groups/{team['id']}", members) in (200, 204)
        assert "ListMembers" not in server.calls, "the group was read to change a member"
        (kept,) = server.teams.values()
        assert kept["members"] == [number]
        status, seen = await gateway.send("GET", f"/Users/{ann['id']}")
        assert [one["value"] for one in seen["groups"]] == [team["id"]]
        assert await gateway.patch(f"/Users/{ann['id']}", {"op": "Replace", "path": "active", "value": "False"}) < 300
        assert server.people[number]["Enabled"] == "false"
        assert (server.people[number]["Badge"], server.people[number]["Note"]) == ("B-7", "Ann")
        remove = {"op": "Remove", "path": "members", "value": [{"value": ann["id"]}]}
        assert await gateway.patch(f"/Groups/{team['id']}", remove) < 300
        assert kept["members"] == []
        assert (await gateway.send("DELETE", f"/Users/{ann['id']}"))[0] == 204
        assert (await gateway.send("DELETE", f"/Groups/{team['id']}"))[0] == 204
        assert (server.people, server.teams) == ({}, {})
        assert server.calls.count("Login") == 0, "one session served all"


async def test_an_okta_life(server: StaffServer, tmp_path: Path) -> None:
    """Create, replace, deactivate without a path, rename a group, delete."""
    async with serving(server, tmp_path, "okta") as gateway:
        status, bob = await gateway.send("POST", "/Users", user("bob", displayName="Bob"))
        assert status == 201
        (number,) = server.people
        status, replaced = await gateway.send("PUT", f"/Users/{bob['id']}", {**bob, "displayName": "Robert <&>"})
        assert (status, replaced["displayName"]) == (200, "Robert <&>")
        assert server.people[number]["Note"] == "Robert <&>"
        server.sessions.clear()
        assert await gateway.patch(f"/Users/{bob['id']}", {"op": "replace", "value": {"active": False}}) < 300
        assert server.people[number]["Enabled"] == "false"
        body = {"schemas": [GROUP], "displayName": "A", "members": [{"value": bob["id"]}]}
        status, team = await gateway.send("POST", "/Groups", body)
        assert status == 201
        rename = {"op": "replace", "value": {"id": team["id"], "displayName": "B"}}
        assert await gateway.patch(f"/Groups/{team['id']}", rename) < 300
        (kept,) = server.teams.values()
        assert kept == {"title": "B", "members": [number]}
        for path in (f"/Users/{bob['id']}", f"/Groups/{team['id']}"):
            assert (await gateway.send("DELETE", path))[0] == 204
            assert (await gateway.send("GET", path))[0] == 404
        assert (server.people, server.teams) == ({}, {})


@pytest.mark.parametrize("text", ["a\x01b", "m" * 401])
async def test_what_the_service_cannot_hold_is_refused_by_name(server: StaffServer, tmp_path: Path, text: str) -> None:
    """A value XML or the schema has no place for is 400 naming the attribute, and nothing is written (X1)."""
    async with serving(server, tmp_path, "entra") as gateway:
        status, problem = await gateway.send("POST", "/Users", user("ann", displayName=text))
        assert (status, problem["scimType"]) == (400, "invalidValue")
        assert "displayName" in problem["detail"]
        assert server.people == {}


async def test_a_service_that_is_down_is_503(server: StaffServer, tmp_path: Path) -> None:
    """A broken service is 503 for its tenant; what the client is told says nothing of it."""
    async with serving(server, tmp_path, "entra") as gateway:
        server.raw = (b"<html>db7.example.com is down</html>", "text/html", 502)
        status, problem = await gateway.send("GET", '/Users?filter=userName eq "ann"')
        assert status == 503
        assert "db7" not in json.dumps(problem)
