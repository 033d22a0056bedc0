"""Updates of one record, one at a time across replicas (DESIGN §5 serialize, V1)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.cluster.site import TOKEN, Site, everybody, group, patched, put, refs, site, user
from tests.gateway_process import SCIM, Client
from tests.services import Postgres

CONFIG = """\
version: 1
server: { listen: "127.0.0.1:${env:PORT}" }
metrics: { listen: "127.0.0.1:${env:METRICS_PORT}" }
store: { url: "${env:STORE_URL}", id_key: "${env:ID_KEY}" }
cache: ${env:CACHE_URL}
backends:
  old:
    type: rest
    settings:
      base_urls: "${env:HR_URL}"
      entities:
        people:
          key: id
          fields: { login: { required: true }, title: null, room: null, phone: null }
          get: { path: "/people/{key}" }
          list: { path: /people }
          update: { method: PUT, path: "/people/{key}", send: whole }
        teams:
          key: id
          fields: { title: { required: true }, members: { many: true, refers: people } }
          get: { path: "/teams/{key}" }
          list: { path: /teams }
          update: { method: PUT, path: "/teams/{key}", send: whole }
tenants:
  acme:
    tokens: [ { name: idp, sha256: DIGEST } ]
    resources:
      User:
        backend: old
        entity: people
        attributes: { userName: login, title: title, nickName: room, displayName: phone }
        unmapped: drop
        on_delete: refuse
        on_deactivate: refuse
      Group:
        backend: old
        entity: teams
        attributes: { displayName: title, members.value: { field: members, reference: User } }
        on_delete: refuse
""".replace("DIGEST", sha256(TOKEN.encode()).hexdigest())


@dataclass(slots=True)
class Old:
    """An application that is told whole records, and believes whoever spoke last."""

    tables: dict[str, dict[str, Any]]
    port: int = 0
    writes: int = 0
    behind: list[str] = field(default_factory=list)

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(self.tables[request.match_info["table"]][request.match_info["key"]])

    async def list(self, request: web.Request) -> web.Response:
        return web.json_response(list(self.tables[request.match_info["table"]].values()))

    async def put(self, request: web.Request) -> web.Response:
        self.writes += 1
        told = await request.json()
        self.tables[request.match_info["table"]][request.match_info["key"]] = told
        return web.json_response(told)


@asynccontextmanager
async def old() -> AsyncIterator[Old]:
    """Run the application."""
    people = {str(n): {"id": str(n), "login": f"u{n}", "title": None, "room": None, "phone": None} for n in range(40)}
    made = Old({"people": people, "teams": {"1": {"id": "1", "title": "Team", "members": ["0"]}}})
    app = web.Application()
    app.router.add_get("/{table}", made.list)
    app.router.add_get("/{table}/{key}", made.get)
    app.router.add_put("/{table}/{key}", made.put)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        place = web.TCPSite(runner, "127.0.0.1", 0)
        await place.start()
        made.port = runner.addresses[0][1]
        yield made
    finally:
        await runner.cleanup()


async def test_whole_records_are_changed_one_at_a_time(tmp_path: Path, postgres: Postgres, valkey: str) -> None:
    """A system that takes whole records only: what three replicas change of one record at the same time is all there in
    the end, members of a group and attributes of a user."""
    async with old() as system:
        with site(tmp_path, postgres, valkey, config=CONFIG, schema="") as made:
            replicas = [made.replica(HR_URL=f"http://127.0.0.1:{system.port}") for _ in range(3)]
            await asyncio.to_thread(made.start, *replicas)
            async with made.clients("acme") as clients:
                ids = {one["userName"]: one["id"] for one in await everybody(clients[0])}
                (team,) = [one["id"] for one in await everybody(clients[0], "Groups")]

                async def join(client: Client, number: int) -> None:
                    operation = {"op": "add", "path": "members", "value": refs([ids[f"u{number}"]])}
                    await client.done("PATCH", f"/Groups/{team}", patched(operation))

                await asyncio.gather(*(join(clients[n % 3], n) for n in range(1, 31)))
                assert set(system.tables["teams"]["1"]["members"]) == {str(n) for n in range(31)}
                assert system.writes == 30
                path = f"/Users/{ids['u0']}"
                for turn in range(5):
                    values = {"title": f"T{turn}", "nickName": f"R{turn}", "displayName": f"P{turn}"}
                    await asyncio.gather(
                        *(
                            client.done("PATCH", path, patched(put(name, value)))
                            for client, (name, value) in zip(clients, values.items(), strict=True)
                        )
                    )
                    there = system.tables["people"]["0"]
                    assert [there[name] for name in ("title", "room", "phone")] == list(values.values())


async def test_of_changes_of_one_version_one_is_made(three: Site) -> None:
    """Three replicas get a change of the version their clients saw: one is made, the others are told 412 (V1)."""
    async with three.clients("globex") as clients:
        made = await clients[0].done("POST", "/Users", user("versions", title="T"))
        path = f"/Users/{made['id']}"
        for turn in range(8):
            headers = {
                "Authorization": f"Bearer {TOKEN}", "Content-Type": SCIM, "If-Match": made["meta"]["version"]
            }  # fmt: skip

            async def send(client: Client, title: str, headers: dict[str, str] = headers) -> tuple[int, Any]:
                body = json.dumps(patched(put("title", title)))
                async with client.session.patch(client.url + path, data=body, headers=headers) as answer:
                    return answer.status, await answer.json(content_type=None)

            found = await asyncio.gather(*(send(client, f"{turn}-{n}") for n, client in enumerate(clients)))
            assert sorted(status for status, _ in found) == [200, 412, 412]
            (body,) = [body for status, body in found if status == 200]
            made = await clients[turn % 3].done("GET", path)
            assert made["title"] == body["title"]
            assert three.native("SELECT title FROM staff WHERE login = 'versions'") == [(made["title"],)]


async def test_what_is_kept_of_one_account_is_changed_by_all(three: Site) -> None:
    """Three replicas change different attributes the store keeps, and a column, of one account at once: all of it is
    there, and seen by all."""
    names = ("nickName", "profileUrl", "userType", "preferredLanguage", "locale", "title")
    values = {"profileUrl": "https://example.com/{}", "preferredLanguage": "en-{}", "locale": "en-{}"}
    async with three.clients("globex") as clients:
        id = (await clients[0].done("POST", "/Users", user("kept")))["id"]
        for turn in ("GB", "US", "AU"):
            wanted = {name: values.get(name, "{}").format(turn) for name in names}
            await asyncio.gather(
                *(
                    clients[n % 3].done("PATCH", f"/Users/{id}", patched(put(name, value)))
                    for n, (name, value) in enumerate(wanted.items())
                )
            )
            for client in clients:
                body = await client.done("GET", f"/Users/{id}")
                assert {name: body.get(name) for name in names} == wanted


async def test_one_name_is_given_away_once(three: Site) -> None:
    """Of creates of one name through three replicas at once one is made, and the others are told 409 (H2)."""
    async with three.clients("globex") as clients:
        for turn in range(5):
            found = await asyncio.gather(*(client.ask("POST", "/Users", user(f"once{turn}")) for client in clients))
            assert sorted(status for status, _ in found) == [201, 409, 409]
        teams = await asyncio.gather(*(client.ask("POST", "/Groups", group("Once")) for client in clients))
        assert sorted(status for status, _ in teams) == [201, 409, 409]
    assert three.native("SELECT count(*) FROM staff WHERE login LIKE 'once%'") == [(5,)]
    assert three.native("SELECT count(*) FROM crew WHERE title = 'Once'") == [(1,)]
