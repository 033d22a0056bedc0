"""Small HTTP systems of several habits, each with people and teams, started in the loop of a test."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class TakenError(Exception):
    """A name somebody else has."""


class MissingError(Exception):
    """A record that is not there."""


class EmptyError(Exception):
    """A name that is empty."""


class Directory:
    """People and teams as one of these systems would keep them: dictionaries with an `id` and a `revision`."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, dict[str, Any]]] = {"people": {}, "teams": {}}
        self.names = {"people": "login", "teams": "title"}
        self._numbers = itertools.count(1)
        self._revisions = itertools.count(1)

    def all(self, table: str) -> list[dict[str, Any]]:
        return list(self.tables[table].values())

    def one(self, table: str, key: str) -> dict[str, Any]:
        if key not in self.tables[table]:
            raise MissingError
        return self.tables[table][key]

    def add(self, table: str, record: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        self._claim(table, record, None)
        made = {**record, "id": next(self._numbers), "revision": next(self._revisions)}
        self.tables[table][str(made["id"]) if key is None else key] = made
        return made

    def alter(self, table: str, key: str, members: dict[str, Any], *, whole: bool = False) -> dict[str, Any]:
        there = self.one(table, key)
        after = {**({"id": there["id"]} if whole else there), **members}
        self._claim(table, after, there)
        there.clear()
        there.update({**after, "revision": next(self._revisions)})
        return there

    def remove(self, table: str, key: str) -> None:
        self.one(table, key)
        del self.tables[table][key]
        if table == "people":
            for team in self.tables["teams"].values():
                team["members"] = [member for member in team.get("members", []) if str(member) != key]

    def _claim(self, table: str, record: dict[str, Any], own: dict[str, Any] | None) -> None:
        name = record.get(self.names[table])
        if not name:
            raise EmptyError
        for other in self.tables[table].values():
            if other is not own and other[self.names[table]] == name:
                raise TakenError


class Server:
    """One system listening on a port of its own.

    `calls` are the requests it was sent, as ``METHOD /path?query``. With `left` set, the request that many from now
    fails: not done, or with `lost` done and its answer lost.
    """

    def __init__(self) -> None:
        self.directory = Directory()
        self.calls: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.left: int | None = None
        self.lost = False
        self.url = ""

    def routes(self) -> list[web.RouteDef]:
        raise NotImplementedError

    async def gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer, or fail as was asked for."""
        return await handler(request)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Any]:
        @web.middleware
        async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.calls.append(f"{request.method} {request.raw_path}")
            self.headers.append({name.lower(): value for name, value in request.headers.items()})
            self.bodies.append(await request.read())
            now = self.left == 0
            if self.left is not None:
                self.left = None if now else self.left - 1
            if now and not self.lost:
                return self._broken(request)
            answer = await self.gate(request, handler)
            return self._broken(request) if now else answer

        app = web.Application(middlewares=[counted])
        app.add_routes(self.routes())
        runner = web.AppRunner(app, access_log=None, handler_cancellation=False, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        try:
            yield self
        finally:
            await runner.cleanup()

    def _broken(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)


def answer(document: Any, status: int = 200, **headers: str) -> web.Response:
    return web.Response(text=json.dumps(document), status=status, content_type="application/json", headers=headers)


class ProperServer(Server):
    """REST by the book: verbs and statuses, ETags, lists by marker, members as a sub-resource of the team."""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api", self.root),
            web.get("/api/{table:people|teams}", self.index),
            web.post("/api/{table:people|teams}", self.create),
            web.get("/api/{table:people|teams}/{key}", self.read),
            web.patch("/api/{table:people|teams}/{key}", self.alter),
            web.delete("/api/{table:people|teams}/{key}", self.remove),
            web.get("/api/people/{key}/teams", self.teams),
            web.get("/api/teams/{key}/members", self.members),
            web.put("/api/teams/{key}/members/{member}", self.join),
            web.delete("/api/teams/{key}/members/{member}", self.leave),
        ]

    async def gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("authorization") != "Bearer t0psecret":
            return answer({"error": "who are you"}, 401)
        try:
            return await handler(request)
        except MissingError:
            return answer({"error": {"code": "missing"}}, 404)
        except TakenError:
            return answer({"error": {"code": "taken", "field": "name"}}, 409)
        except EmptyError:
            return answer({"error": {"code": "empty", "field": "name"}}, 422)

    async def root(self, request: web.Request) -> web.Response:
        return answer({"version": 1})

    def show(self, table: str, record: dict[str, Any]) -> dict[str, Any]:
        shown = {name: value for name, value in record.items() if name not in ("members", "revision")}
        return {**shown, "id": str(record["id"]), "meta": {"etag": f'"{record["revision"]}"'}}

    async def index(self, request: web.Request) -> web.Response:
        table = request.match_info["table"]
        found = sorted(self.directory.all(table), key=lambda record: record["id"])
        if (login := request.query.get("login")) is not None:
            found = [record for record in found if record["login"] == login]
        if (text := request.query.get("prefix")) is not None:
            found = [record for record in found if record["login"].lower().startswith(text.lower())]
        if request.query.getall("id", []):
            found = [record for record in found if str(record["id"]) in request.query.getall("id")]
        found = [record for record in found if record["id"] > int(request.query.get("after", "0"))]
        limit = min(int(request.query.get("limit", "5")), 50)
        return answer({"items": [self.show(table, record) for record in found[:limit]]})

    async def create(self, request: web.Request) -> web.Response:
        table = request.match_info["table"]
        made = self.directory.add(table, {**await request.json(), "members": []})
        return answer(self.show(table, made), 201, Location=f"{self.url}/api/{table}/{made['id']}")

    async def read(self, request: web.Request) -> web.Response:
        table = request.match_info["table"]
        record = self.directory.one(table, request.match_info["key"])
        return answer(self.show(table, record), ETag=f'"{record["revision"]}"')

    def _condition(self, request: web.Request, table: str, key: str) -> web.Response | None:
        record, wanted = self.directory.one(table, key), request.headers.get("if-match")
        return answer({}, 412) if wanted not in (None, f'"{record["revision"]}"') else None

    async def alter(self, request: web.Request) -> web.Response:
        table, key = request.match_info["table"], request.match_info["key"]
        if (stale := self._condition(request, table, key)) is not None:
            return stale
        return answer(self.show(table, self.directory.alter(table, key, await request.json())))

    async def remove(self, request: web.Request) -> web.Response:
        table, key = request.match_info["table"], request.match_info["key"]
        if (stale := self._condition(request, table, key)) is not None:
            return stale
        self.directory.remove(table, key)
        return web.Response(status=204)

    async def teams(self, request: web.Request) -> web.Response:
        self.directory.one("people", request.match_info["key"])
        found = [team for team in self.directory.all("teams") if request.match_info["key"] in team["members"]]
        return answer({"items": [{"team": {"id": team["id"]}} for team in found]})

    async def members(self, request: web.Request) -> web.Response:
        team = self.directory.one("teams", request.match_info["key"])
        after = int(request.query.get("after", "0"))
        found = sorted((member for member in team["members"] if int(member) > after), key=int)
        return answer({"items": [{"person": {"id": member}} for member in found[: int(request.query["limit"])]]})

    async def join(self, request: web.Request) -> web.Response:
        team = self.directory.one("teams", request.match_info["key"])
        self.directory.one("people", request.match_info["member"])
        if request.match_info["member"] in team["members"]:
            return answer({}, 200)
        team["members"].append(request.match_info["member"])
        return answer({}, 201)

    async def leave(self, request: web.Request) -> web.Response:
        team = self.directory.one("teams", request.match_info["key"])
        if request.match_info["member"] not in team["members"]:
            raise MissingError
        team["members"].remove(request.match_info["member"])
        return web.Response(status=204)


class UglyServer(Server):
    """POST and nothing else, every scalar a text, everything a 200, whole records only, a login that runs out, and
    what is not there is deleted with pleasure."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions: set[str] = set()
        self.logins = 0

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.hello),
            web.post("/login.do", self.login),
            web.post("/{table:people|teams}/{verb:list|read|add|save|drop}.do", self.act),
        ]

    async def hello(self, request: web.Request) -> web.Response:
        return answer({"status": "OK"})

    async def login(self, request: web.Request) -> web.Response:
        form = await request.post()
        if (form.get("user"), form.get("pass")) != ("gateway", "t0psecret"):
            return answer({"status": "ERR", "code": "LOGIN"})
        self.logins += 1
        self.sessions = {f"session{self.logins}"}
        return answer({"status": "OK"}, **{"Set-Cookie": f"SID=session{self.logins}; Path=/"})

    async def act(self, request: web.Request) -> web.Response:
        if request.cookies.get("SID") not in self.sessions:
            return answer({"status": "ERR", "code": "SESSION"})
        table, verb = request.match_info["table"], request.match_info["verb"]
        body = await request.json() if await request.read() else {}
        try:
            return answer(self.done(table, verb, body))
        except TakenError:
            return answer({"status": "ERR", "code": "DUP", "text": f"duplicate key {body}"})
        except MissingError:
            return answer({"status": "ERR", "code": "404"})
        except EmptyError:
            return answer({"status": "ERR", "code": "NULL"})

    def done(self, table: str, verb: str, body: dict[str, Any]) -> Any:
        match verb:
            case "list":
                return [self.show(record) for record in self.directory.all(table)]
            case "read":
                return {"status": "OK", "data": self.show(self.directory.one(table, body["id"]))}
            case "add":
                record = {name: value for name, value in body.items() if value != ""}
                return {"status": "OK", "newId": str(self.directory.add(table, record)["id"])}
            case "save":
                record = {name: value for name, value in body.items() if value != "" and name != "id"}
                self.directory.alter(table, body["id"], record, whole=True)
                return {"status": "OK"}
        with contextlib.suppress(MissingError):
            self.directory.remove(table, body["id"])
        return {"status": "OK"}

    def show(self, record: dict[str, Any]) -> dict[str, Any]:
        shown = {name: value for name, value in record.items() if name != "revision"}
        return {
            **dict.fromkeys(("login", "title", "note", "grade", "enabled", "hired", "seen"), ""),
            **shown,
            "id": str(record["id"]),
        }


class RpcServer(Server):
    """JSON-RPC 2.0: one URL, the method in the body, errors inside a 200; teams are named on the person."""

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/rpc", self.rpc)]

    async def rpc(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        assert body["jsonrpc"] == "2.0"
        await asyncio.sleep(0)
        head = {"jsonrpc": "2.0", "id": body["id"]}
        try:
            return answer({**head, "result": self.call(body["method"], body.get("params") or {})})
        except TakenError:
            return answer({**head, "error": {"code": -32010, "data": {"argument": "name"}}})
        except MissingError:
            return answer({**head, "error": {"code": -32004, "message": "gone"}})
        except EmptyError:
            return answer({**head, "error": {"code": -32602, "data": {"argument": "name"}}})

    def call(self, method: str, params: dict[str, Any]) -> Any:
        table, verb = method.split(".")
        key = str(params.get("id"))
        match verb:
            case "ping":
                return "pong"
            case "list":
                found = self.directory.all(table)
                for name, value in params.get("match", {}).items():
                    found = [one for one in found if value == one.get(name) or value in (one.get(name) or ())]
                skip = params["skip"]
                return {"rows": found[skip : skip + min(params["take"], 4)], "count": len(found)}
            case "get":
                return self.directory.one(table, key)
            case "add":
                return self.directory.add(table, params["record"])["id"]
            case "set":
                return self.directory.alter(table, key, params["record"])["revision"]
        if table == "teams":
            self.directory.one(table, key)
            for person in self.directory.tables["people"].values():
                person["teams"] = [team for team in person.get("teams") or [] if str(team) != key]
        return self.directory.remove(table, key)


class NamedServer(Server):
    """Records known by a name that can change, forms, thin lists that go on by a Link header, and robots among the
    people."""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/", self.hello),
            web.get("/v1/{table:people|teams}", self.index),
            web.post("/v1/{table:people|teams}", self.create),
            web.get("/v1/{table:people|teams}/{key}", self.read),
            web.post("/v1/{table:people|teams}/{key}", self.alter),
            web.delete("/v1/{table:people|teams}/{key}", self.remove),
        ]

    async def gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except MissingError:
            return web.Response(status=404, text="<html>not here</html>", content_type="text/html")
        except TakenError:
            return web.Response(status=500, headers={"X-Error": "E17"})
        except EmptyError:
            return web.Response(status=500, headers={"X-Error": "E18"})

    async def hello(self, request: web.Request) -> web.Response:
        return web.Response(text="hello")

    async def index(self, request: web.Request) -> web.Response:
        table = request.match_info["table"]
        names = sorted(self.directory.tables[table])
        names = [name for name in names if name > request.query.get("from", "")]
        headers = {}
        if len(names) > 3:
            headers["Link"] = f'</v1/{table}>; rel="first", <?from={quote(names[2])}>; rel="next"; title="a, b"'
        return answer([{"name": name} for name in names[:3]], **headers)

    async def create(self, request: web.Request) -> web.Response:
        form = await request.post()
        table = request.match_info["table"]
        record: dict[str, Any] = {name: form[name] for name in form if name not in ("members", "tags")}
        record |= {name: form.getall(name, []) for name in ("members", "tags")}
        name = str(form.get(self.directory.names[table], ""))
        if any(sign in name for sign in "/\\"):
            raise EmptyError
        self.directory.add(table, record, name)
        return web.Response(status=201, headers={"Location": f"/v1/{table}/{name}"})

    async def read(self, request: web.Request) -> web.Response:
        return answer(self.directory.one(request.match_info["table"], request.match_info["key"]))

    async def alter(self, request: web.Request) -> web.Response:
        table, key = request.match_info["table"], request.match_info["key"]
        changed = self.directory.alter(table, key, await request.json())
        name = changed[self.directory.names[table]]
        if name != key:
            self.directory.tables[table][name] = self.directory.tables[table].pop(key)
            if table == "people":
                for team in self.directory.all("teams"):
                    team["members"] = [name if member == key else member for member in team["members"]]
        return answer(changed)

    async def remove(self, request: web.Request) -> web.Response:
        self.directory.remove(request.match_info["table"], request.match_info["key"])
        return web.Response(status=204)


class SortedServer(Server):
    """A read-only directory in numbered pages, sorted and counted."""

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/people", self.index)]

    async def index(self, request: web.Request) -> web.Response:
        found = sorted(self.directory.all("people"), key=lambda record: record["id"])
        if (wanted := request.query.get("kind")) is not None:
            found = [one for one in found if any(mail["kind"] == wanted for mail in one.get("mails") or ())]
        if (wanted := request.query.get("login")) is not None:
            found = [one for one in found if one["login"] == wanted]
        if (name := request.query.get("sort")) is not None:
            down = request.query["order"] == "desc"
            filled = [record for record in found if record.get(name) is not None]
            filled.sort(key=lambda record: record[name], reverse=down)
            empty = [record for record in found if record.get(name) is None]
            found = empty + filled if down else filled + empty
        page, size = int(request.query["page"]), int(request.query["size"])
        part = found[(page - 1) * size : page * size]
        more = {"more": page * size < len(found)}
        return answer({"people": part, **more}, **{"X-Total": f"items {page}/{len(found)}"})
