"""The JSON-RPC API of ``config/jsonrpc.yaml``, as the comment at its head tells it and no kinder."""

from __future__ import annotations

import itertools
import json
from typing import Any

from aiohttp import web

from tests.backends.rest.servers import Server, answer
from tests.worked.lives import MAIL, Seen


class Problem(Exception):
    """What the API answers inside a 200."""

    def __init__(self, code: int, argument: str | None = None) -> None:
        super().__init__(code)
        self.code, self.argument = code, argument


class Desk(Server):
    """Users that name their roles; `set` takes whole records, and what is left out becomes empty."""

    label = MAIL
    holds_label = True
    group = "Engineers"
    renamed = "Engineering"
    inactive = True

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, dict[int, dict[str, Any]]] = {"user": {}, "role": {}}
        self.methods: list[str] = []
        self._numbers = itertools.count(7)

    async def account(self, login: str) -> Seen | None:
        found = [one for one in self.tables["user"].values() if one["name"] == login]
        return Seen(found[0]["on"] == "Y", found[0]["mail"] or None) if found else None

    async def membership(self, group: str) -> set[str] | None:
        found = [key for key, one in self.tables["role"].items() if one["title"] == group]
        if not found:
            return None
        return {one["name"] for one in self.tables["user"].values() if found[0] in one["roles"]}

    def begin_to_count(self) -> None:
        self.methods.clear()

    def lists_read(self) -> int:
        """A role's members are found by listing users."""
        return self.methods.count("user.list")

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/rpc", self.rpc)]

    async def rpc(self, request: web.Request) -> web.Response:
        if request.headers.get("X-Api-Key") != "k3y":
            return web.Response(status=401)
        body = json.loads(await request.read())
        assert body.keys() <= {"jsonrpc", "id", "method", "params"}
        assert body["jsonrpc"] == "2.0"
        head = {"jsonrpc": "2.0", "id": body["id"]}
        self.methods.append(body["method"])
        try:
            return answer({**head, "result": self.call(body["method"], body.get("params") or {})})
        except Problem as problem:
            data = {"argument": problem.argument} if problem.argument is not None else None
            return answer({**head, "error": {"code": problem.code, "message": "no", "data": data}})

    def call(self, method: str, params: dict[str, Any]) -> Any:
        if method == "system.version":
            return "4.2"
        table, verb = method.split(".")
        rows, key = self.tables[table], params.get("id")
        match verb:
            case "list":
                assert isinstance(params["skip"], int)
                assert isinstance(params["take"], int)
                found = [{"id": number, **one} for number, one in rows.items() if matches(one, params.get("match", {}))]
                return {"rows": found[params["skip"] : params["skip"] + params["take"]], "count": len(found)}
            case "add":
                number = next(self._numbers)
                rows[number] = self.whole(table, params["record"], None)
                return number
        if key not in rows:
            raise Problem(-32004)
        match verb:
            case "get":
                return {"id": key, **rows[key]}
            case "set":
                rows[key] = self.whole(table, params["record"], key)
                return True
        del rows[key]
        if table == "role":
            for user in self.tables["user"].values():
                user["roles"] = [role for role in user["roles"] if role != key]
        return True

    def whole(self, table: str, record: dict[str, Any], own: int | None) -> dict[str, Any]:
        """Check a record and fill in what is left out."""
        name = "name" if table == "user" else "title"
        if not record.get(name):
            raise Problem(-32602, name)
        if any(one[name] == record[name] and key != own for key, one in self.tables[table].items()):
            raise Problem(-32010, name)
        empty: dict[str, Any] = {"name": "", "mail": "", "on": "N", "roles": []} if table == "user" else {"title": ""}
        if unknown := record.keys() - empty.keys() - {"id"}:
            raise Problem(-32602, min(unknown))
        made = {**empty, **{part: value for part, value in record.items() if part != "id"}}
        if any(role not in self.tables["role"] for role in made.get("roles", ())):
            raise Problem(-32602, "roles")
        return made


def matches(record: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Tell whether a record has what is asked for: a value, or one among many."""
    return all(
        value in record[name] if isinstance(record[name], list) else value == record[name]
        for name, value in wanted.items()
    )
