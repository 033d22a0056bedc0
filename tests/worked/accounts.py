"""The home-made API of ``config/rest.yaml``, as the comment at its head tells it and no kinder."""

from __future__ import annotations

import itertools
from typing import Any

from aiohttp import web

from tests.backends.rest.servers import Handler, Server, answer
from tests.worked.lives import Seen

PAGE = 100
CALLS_OF_A_TOKEN = 25


class Problem(Exception):
    """What the API answers with a code."""

    def __init__(self, code: str, status: int, field: str | None = None) -> None:
        super().__init__(code)
        self.code, self.status, self.field = code, status, field


class Accounts(Server):
    """Accounts and groups; a token is good for so many calls only."""

    label = "name.givenName"
    holds_label = True
    group = "Engineers"
    renamed = "Engineering"
    inactive = True

    def __init__(self) -> None:
        super().__init__()
        self.accounts: dict[int, dict[str, Any]] = {}
        self.groups: dict[int, dict[str, Any]] = {}
        self.members_of: dict[int, list[int]] = {}
        self.logins = 0
        self._tokens: dict[str, int] = {}
        self._numbers = itertools.count(41)

    async def account(self, login: str) -> Seen | None:
        found = [one for one in self.accounts.values() if one["login"] == login.lower()]
        return Seen(found[0]["status"] == "open", found[0].get("name", {}).get("first")) if found else None

    async def membership(self, group: str) -> set[str] | None:
        found = [key for key, one in self.groups.items() if one["name"] == group]
        if not found:
            return None
        logins = {self.accounts[member]["login"] for member in self.members_of[found[0]]}
        # The names are kept in small letters there.
        return {"Ann.Lee@example.com" if login == "ann.lee@example.com" else login for login in logins}

    def begin_to_count(self) -> None:
        self.calls.clear()

    def lists_read(self) -> int:
        return sum(call.startswith("GET ") and "/members" in call for call in self.calls)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v2", self.hello),
            web.get("/v2/", self.hello),
            web.post("/v2/session", self.login),
            web.get("/v2/{table:accounts|groups}", self.index),
            web.post("/v2/{table:accounts|groups}", self.create),
            web.get("/v2/{table:accounts|groups}/{key:\\d+}", self.read),
            web.patch("/v2/{table:accounts|groups}/{key:\\d+}", self.alter),
            web.delete("/v2/{table:accounts|groups}/{key:\\d+}", self.remove),
            web.post("/v2/accounts/{key:\\d+}/{verb:enable|disable}", self.switch),
            web.get("/v2/accounts/{key:\\d+}/groups", self.groups_of),
            web.get("/v2/groups/{key:\\d+}/members", self.index_members),
            web.put("/v2/groups/{key:\\d+}/members/{member:\\d+}", self.join),
            web.delete("/v2/groups/{key:\\d+}/members/{member:\\d+}", self.leave),
        ]

    async def gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if request.path != "/v2/session":
                token = request.headers.get("X-Session", "")
                self._tokens[token] = self._tokens.get(token, 0) - 1
                if self._tokens[token] < 0:
                    raise Problem("E_SESSION", 200)
            return await handler(request)
        except Problem as problem:
            return answer({"error": {"code": problem.code, "field": problem.field}}, problem.status)

    async def hello(self, request: web.Request) -> web.Response:
        return answer({"data": {"version": 2}})

    async def login(self, request: web.Request) -> web.Response:
        if await request.json() != {"user": "scim", "password": "pässword"}:
            raise Problem("credentials", 403)
        self.logins += 1
        token = f"session-{self.logins}"
        self._tokens[token] = CALLS_OF_A_TOKEN
        return answer({"data": {"token": token, "seconds": 600}})

    async def index(self, request: web.Request) -> web.Response:
        table = request.match_info["table"]
        found = [self.show(table, key) for key in sorted(self.rows(table))]
        name = "login" if table == "accounts" else "name"
        if (wanted := request.query.get(name)) is not None:
            found = [one for one in found if one[name].lower() == wanted.lower()]
        if (wanted := request.query.get("mail")) is not None:
            found = [one for one in found if {"kind": "mail", "value": wanted} in one.get("contacts", [])]
        offset, limit = int(request.query["offset"]), min(int(request.query["limit"]), PAGE)
        return answer({"data": found[offset : offset + limit], "total": len(found)})

    async def create(self, request: web.Request) -> web.Response:
        table = request.match_info["table"]
        record = await request.json()
        self.claim(table, record, None)
        if table == "accounts" and record.get("origin") != "scim":
            raise Problem("mandatory", 400, "origin")
        key = next(self._numbers)
        # Whatever is sent, a new account is open.
        more = {"status": "open"} if table == "accounts" else {}
        self.rows(table)[key] = {**record, **more, "revision": 1}
        if table == "groups":
            self.members_of[key] = []
        return answer({}, 201, Location=f"/v2/{table}/{key}")

    async def read(self, request: web.Request) -> web.Response:
        table, key = self.at(request)
        return answer({"data": self.show(table, key)}, ETag=f'"{self.rows(table)[key]["revision"]}"')

    async def alter(self, request: web.Request) -> web.Response:
        table, key = self.at(request)
        row, change = self.rows(table)[key], await request.json()
        expected = request.headers.get("If-Match")
        if expected is not None and expected.strip('"') != str(row["revision"]):
            raise Problem("changed", 412)
        if "status" in change:
            raise Problem("read_only", 400, "status")
        self.claim(table, {**row, **change}, key)
        merge(row, change)
        row["revision"] += 1
        return answer({})

    async def remove(self, request: web.Request) -> web.Response:
        table, key = self.at(request)
        del self.rows(table)[key]
        self.members_of.pop(key, None)
        for members in self.members_of.values():
            if key in members:
                members.remove(key)
        return web.Response(status=204)

    async def switch(self, request: web.Request) -> web.Response:
        _, key = self.at(request, "accounts")
        self.accounts[key]["status"] = "open" if request.match_info["verb"] == "enable" else "locked"
        self.accounts[key]["revision"] += 1
        return answer({})

    async def groups_of(self, request: web.Request) -> web.Response:
        _, key = self.at(request, "accounts")
        return answer({"data": [{"id": group} for group, members in self.members_of.items() if key in members]})

    async def index_members(self, request: web.Request) -> web.Response:
        _, key = self.at(request, "groups")
        after = int(request.query.get("after", "0"))
        found = sorted(member for member in self.members_of[key] if member > after)
        return answer({"data": [{"account": member} for member in found[:PAGE]]})

    async def join(self, request: web.Request) -> web.Response:
        _, key = self.at(request, "groups")
        member = int(request.match_info["member"])
        if member not in self.accounts:
            raise Problem("unknown", 404)
        if member in self.members_of[key]:
            raise Problem("member", 409)
        self.members_of[key].append(member)
        return web.Response(status=204)

    async def leave(self, request: web.Request) -> web.Response:
        _, key = self.at(request, "groups")
        member = int(request.match_info["member"])
        if member not in self.members_of[key]:
            raise Problem("unknown", 404)
        self.members_of[key].remove(member)
        return web.Response(status=204)

    def rows(self, table: str) -> dict[int, dict[str, Any]]:
        return self.accounts if table == "accounts" else self.groups

    def at(self, request: web.Request, table: str | None = None) -> tuple[str, int]:
        table, key = table or request.match_info["table"], int(request.match_info["key"])
        if key not in self.rows(table):
            raise Problem("unknown", 404)
        return table, key

    def show(self, table: str, key: int) -> dict[str, Any]:
        return {**self.rows(table)[key], "id": key}

    def claim(self, table: str, record: dict[str, Any], own: int | None) -> None:
        name = "login" if table == "accounts" else "name"
        if not record.get(name):
            raise Problem("mandatory", 422, name)
        if any(one[name] == record[name] and key != own for key, one in self.rows(table).items()):
            raise Problem("duplicate", 409, name)


def merge(row: dict[str, Any], change: dict[str, Any]) -> None:
    """Change the members that are sent, those of objects one by one; arrays are replaced."""
    for name, value in change.items():
        if isinstance(value, dict) and isinstance(row.get(name), dict):
            merge(row[name], value)
        else:
            row[name] = value
