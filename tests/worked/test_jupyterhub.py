"""JupyterHub behind the gateway, by `config/jupyterhub.yaml` alone: a directory with an API that others wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from ruamel.yaml import YAML

from backends.conformance import ConformanceSuite, Group, Harness, Roles
from backends.contract import Backend, Context
from backends.rest import RestBackend, RestSettings
from tests.worked import hub
from tests.worked.lives import LIVES, Client, Seen
from tests.worked.serving import CONFIG, served

AUTHORIZATION = f"token {hub.TOKEN}"


@pytest.fixture(scope="module")
def hub_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running JupyterHub."""
    if not hub.wanted():
        pytest.skip(f"set {hub.ENVIRONMENT} to let JupyterHub be installed")
    environment = hub.installed(tmp_path_factory.mktemp("environment"))
    with hub.running(environment, tmp_path_factory.mktemp("hub")) as url:
        yield url


class Hub:
    """The hub, looked into; its names are in small letters."""

    label = "displayName"
    holds_label = False
    group = "Engineers"
    renamed = None
    inactive = False

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def ask(self, method: str, path: str) -> Any:
        """Ask the hub; None for what is not there."""
        async with self._session.request(method, f"{self._url}{path}") as answer:
            assert answer.status in (200, 204, 404)
            return await answer.json() if answer.status == 200 else None

    async def account(self, login: str) -> Seen | None:
        found = await self.ask("GET", f"/users/{quote(login.lower(), safe='')}")
        return None if found is None else Seen(True, None)

    async def membership(self, group: str) -> set[str] | None:
        found = await self.ask("GET", f"/groups/{quote(group, safe='')}")
        if found is None:
            return None
        return {name.replace("ann.lee", "Ann.Lee") for name in found["users"]}

    def begin_to_count(self) -> None:
        """Nobody counts what the hub is asked."""

    def lists_read(self) -> int:
        return 0

    async def empty(self) -> None:
        """Delete everybody."""
        for kind in ("users", "groups"):
            for one in await self.ask("GET", f"/{kind}?limit=200"):
                await self.ask("DELETE", f"/{kind}/{quote(one['name'], safe='')}")


@asynccontextmanager
async def emptied(url: str) -> AsyncIterator[Hub]:
    """The hub without anybody."""
    async with aiohttp.ClientSession(headers={"Authorization": AUTHORIZATION}) as session:
        found = Hub(session, url)
        await found.empty()
        yield found


class HubHarness(Harness):
    """What the worked file makes of the hub: names that are keys and can change, and groups."""

    entity = "people"
    roles = Roles(name="name", key="name")
    group = Group("groups", name="name", members="users", inverse="groups", renamed=False)
    secrets = (hub.TOKEN, "127.0.0.1")
    ordered = False
    shifting = True

    def world(self, place: Any) -> AbstractAsyncContextManager[Any]:
        @asynccontextmanager
        async def world() -> AsyncIterator[Any]:
            async with emptied(place):
                yield place

        return world()

    def build(self, place: Any) -> Backend[Any]:
        text = (CONFIG / "jupyterhub.yaml").read_text(encoding="utf-8")
        settings = YAML(typ="safe").load(text)["backends"]["hub"]["settings"]
        settings["base_urls"] = place or "http://127.0.0.1:9"
        settings["auth"]["value"] = AUTHORIZATION
        return RestBackend(RestSettings.model_validate(settings), Context("hub"))


class TestHub(ConformanceSuite):
    """The contract, kept by a system of others (DESIGN §5)."""

    harness = HubHarness()

    @pytest.fixture
    def place(self, hub_url: str) -> str:
        return hub_url


@asynccontextmanager
async def fronted(url: str, folder: Path, client: str) -> AsyncIterator[Client]:
    """Serve the worked file in front of a hub."""
    environment = {"HUB_URL": url, "HUB_AUTHORIZATION": AUTHORIZATION}
    async with served("jupyterhub.yaml", folder, client, environment=environment, settings={}) as one:
        yield one


@pytest.mark.parametrize("client", LIVES)
async def test_lives_are_led_in_the_hub(hub_url: str, client: str, tmp_path: Path) -> None:
    """What two identity providers do with joiners, movers and leavers, and what the hub makes of it."""
    async with emptied(hub_url) as system, fronted(hub_url, tmp_path, client) as one:
        await LIVES[client](one, system)


async def test_an_id_outlives_a_new_name(hub_url: str, tmp_path: Path) -> None:
    """The hub knows people by their names: whoever gets another one keeps the id and the groups (promise 3)."""
    async with emptied(hub_url) as system, fronted(hub_url, tmp_path, "entra") as one:
        user = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ann", "active": True}
        ann = await one.ask("POST", "/Users", user, status=201)
        group = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Team"}
        team = await one.ask("POST", "/Groups", {**group, "members": [{"value": ann["id"]}]}, status=201)
        await one.patch(f"/Users/{ann['id']}", {"op": "Replace", "path": "userName", "value": "ann.lee"})
        assert (await system.account("ann"), await system.account("ann.lee")) == (None, Seen(True, None))
        found = await one.ask("GET", f"/Users/{ann['id']}")
        assert found["userName"] == "ann.lee"
        assert [each["value"] for each in found["groups"]] == [team["id"]]
        (member,) = (await one.ask("GET", f"/Groups/{team['id']}"))["members"]
        assert member["value"] == ann["id"]
