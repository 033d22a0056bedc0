"""The smallest program that answers what the gateway answers on the compose file's database.

aiohttp, asyncpg and redis, one file, nothing of the gateway's: a token is checked, and then the same statements are
made on the legacy database, the same on the id map's store, and the same calls to Redis, and the same bytes are
answered. What is left out is what a gateway is for: configuration, mapping, the rest of SCIM, limits, deadlines,
metrics, logs. With ``--alone`` the id map is a dictionary: neither store nor Redis.

It can do five things: a user by id, users by login, a page of users, `active` patched, a member added.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import hashlib
import hmac
import importlib.util
import os
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import asyncpg
import orjson
import redis.asyncio
from aiohttp import web

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
TENANT = "acme"
LIFE, LINKS = 300_000, 10.0
"""Milliseconds an entry lives in Redis, and seconds an id of a reference is remembered here."""

PERSON = (
    "SELECT emp_no, boss_no, cost_centre, first_name, full_name, job_title, last_name, login, mail, phone, status"
    " FROM hr.employee"
)
BY_KEY = f"{PERSON} WHERE emp_no = $1"
BY_LOGIN = f"{PERSON} WHERE status <> 'D' AND login = $1 ORDER BY emp_no LIMIT 101"
PAGE = f"{PERSON} WHERE status <> 'D' ORDER BY emp_no LIMIT $1"
COUNT = "SELECT count(*) FROM hr.employee WHERE status <> 'D'"
TEAMS = "SELECT emp_no, team_id FROM hr.team_member WHERE emp_no = $1 ORDER BY team_id"
ALL_TEAMS = "SELECT emp_no, team_id FROM hr.team_member WHERE emp_no = ANY ($1) ORDER BY emp_no, team_id"
STATUS = "SELECT emp_no, status FROM hr.employee WHERE emp_no = $1"
SET_STATUS = "UPDATE hr.employee SET status = $1 WHERE emp_no = $2 AND status IS DISTINCT FROM $1"
ADD_MEMBER = (
    "INSERT INTO hr.team_member (team_id, emp_no) SELECT team_id, $2 FROM hr.team WHERE team_id = $1"
    " ON CONFLICT DO NOTHING"
)
KNOWN = "SELECT id, key, created, last_modified, counter, resource_type FROM scim_identity WHERE tenant = $1"
BY_ID = f"{KNOWN} AND id = $2 AND buried IS NULL"
BY_KEYS = f"{KNOWN} AND resource_type = $2 AND backend = 'hr' AND entity = $3 AND key = ANY ($4) AND buried IS NULL"
TOUCH = (
    "UPDATE scim_identity SET last_modified = greatest(last_modified, $3), counter = counter + 1"
    " WHERE tenant = $1 AND id = $2 AND buried IS NULL"
    " RETURNING id, key, created, last_modified, counter, resource_type"
)
ENTITY = {"User": "employees", "Group": "teams"}
FILTER = re.compile(r'userName eq "([^"\\]+)"')

Known = tuple[str, str, int, int, int, str]
"""id, native key, created, last modified, counter, type."""


class Connection(asyncpg.Connection):  # type: ignore[misc]
    """One that is not reset when it is given back: nothing was set."""

    def get_reset_query(self) -> str:
        return ""


class Mapped:
    """Ids and keys in PostgreSQL, with Redis in front of it."""

    def __init__(self, store: Any, cache: Any) -> None:
        self._store = store
        self._cache = cache
        self._links: dict[tuple[str, str], tuple[float, str]] = {}

    async def by_id(self, id: str) -> Known:
        (data,) = await self._cache.mget([f"floor:id:{id}"])
        if data is not None and data != b"~":
            return orjson.loads(data)  # type: ignore[no-any-return]
        row = await self._store.fetchrow(BY_ID, TENANT, id)
        if row is None:
            raise web.HTTPNotFound
        await self._remember([tuple(row)])
        return tuple(row)

    async def by_keys(self, kind: str, keys: list[str]) -> dict[str, Known]:
        values = await self._cache.mget([f"floor:key:{kind}:{key}" for key in keys])
        found = {key: orjson.loads(data) for key, data in zip(keys, values, strict=True) if data and data != b"~"}
        if missing := [key for key in keys if key not in found]:
            read = [tuple(row) for row in await self._store.fetch(BY_KEYS, TENANT, kind, ENTITY[kind], missing)]
            await self._remember(read)
            found |= {known[1]: known for known in read}
        return found

    async def links(self, kind: str, keys: Iterable[str]) -> dict[str, str]:
        now, found, missing = time.monotonic(), {}, []
        for key in keys:
            until, id = self._links.get((kind, key), (0.0, ""))
            if until > now:
                found[key] = id
            else:
                missing.append(key)
        if missing:
            for key, known in (await self.by_keys(kind, missing)).items():
                found[key] = known[0]
                self._links[kind, key] = now + LINKS, known[0]
        return found

    async def touch(self, known: Known) -> Known:
        await self._forget(known, 10_000)
        row = await self._store.fetchrow(TOUCH, TENANT, known[0], int(time.time() * 1e6))
        await self._forget(known, 1_000)
        return tuple(row)

    async def _remember(self, read: list[Any]) -> None:
        pipeline = self._cache.pipeline(transaction=False)
        for known in read:
            data = orjson.dumps(known)
            pipeline.set(f"floor:id:{known[0]}", data, px=LIFE, nx=True)
            pipeline.set(f"floor:key:{known[5]}:{known[1]}", data, px=LIFE, nx=True)
        await pipeline.execute()

    async def _forget(self, known: Known, milliseconds: int) -> None:
        pipeline = self._cache.pipeline(transaction=False)
        pipeline.set(f"floor:id:{known[0]}", b"~", px=milliseconds)
        pipeline.set(f"floor:key:{known[5]}:{known[1]}", b"~", px=milliseconds)
        await pipeline.execute()


class Remembered:
    """Ids and keys in this process alone."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self._by_id: dict[str, Known] = {row[0]: tuple(row) for row in rows}
        self._by_key = {(known[5], known[1]): known[0] for known in self._by_id.values()}

    async def by_id(self, id: str) -> Known:
        return self._by_id[id]

    async def by_keys(self, kind: str, keys: list[str]) -> dict[str, Known]:
        return {key: self._by_id[self._by_key[kind, key]] for key in keys}

    async def links(self, kind: str, keys: Iterable[str]) -> dict[str, str]:
        return {key: self._by_key[kind, key] for key in keys}

    async def touch(self, known: Known) -> Known:
        now = int(time.time() * 1e6)
        self._by_id[known[0]] = (*known[:3], max(known[3], now), known[4] + 1, known[5])
        return self._by_id[known[0]]


class Floor:
    """The five answers."""

    def __init__(self, legacy: Any, identities: Mapped | Remembered, digest: str, base: str) -> None:
        self._legacy = legacy
        self._identities = identities
        self._digest = digest
        self._base = base

    def _check(self, request: web.Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not hmac.compare_digest(hashlib.sha256(token.encode()).hexdigest(), self._digest):
            raise web.HTTPUnauthorized

    async def read(self, request: web.Request) -> web.Response:
        self._check(request)
        known = await self._identities.by_id(request.match_info["id"])
        return await self._one(known)

    async def search(self, request: web.Request) -> web.Response:
        self._check(request)
        query = parse_qs(request.query_string)
        if "filter" in query:
            asked = FILTER.fullmatch(query["filter"][0])
            if asked is None:
                raise web.HTTPBadRequest
            rows = await self._legacy.fetch(BY_LOGIN, asked[1].upper())
            total = len(rows)
        else:
            count = int(query["count"][0])
            rows = await self._legacy.fetch(PAGE, count + 1)
            total = await self._legacy.fetchval(COUNT)
            rows = rows[:count]
        teams = await self._teams([row[0] for row in rows])
        known = await self._identities.by_keys("User", [str(row[0]) for row in rows])
        found = await self._documents(rows, known, teams)
        body = {
            "schemas": [LIST],
            "totalResults": total,
            "itemsPerPage": len(found),
            "startIndex": 1,
            "Resources": found,
        }
        return web.Response(body=orjson.dumps(body), content_type="application/scim+json")

    async def patch_user(self, request: web.Request) -> web.Response:
        self._check(request)
        (operation,) = orjson.loads(await request.read())["Operations"]
        if (operation["op"], operation["path"]) != ("replace", "active"):
            raise web.HTTPBadRequest
        known = await self._identities.by_id(request.match_info["id"])
        key, status = int(known[1]), "A" if operation["value"] else "I"
        row = await self._legacy.fetchrow(STATUS, key)
        if row is None or row[1] == "D":
            raise web.HTTPNotFound
        if await self._legacy.execute(SET_STATUS, status, key) == "UPDATE 1":
            known = await self._identities.touch(known)
        return await self._one(known)

    async def patch_group(self, request: web.Request) -> web.Response:
        self._check(request)
        (operation,) = orjson.loads(await request.read())["Operations"]
        (member,) = operation["value"]
        if (operation["op"], operation["path"]) != ("add", "members"):
            raise web.HTTPBadRequest
        group = await self._identities.by_id(request.match_info["id"])
        user = await self._identities.by_id(member["value"])
        if await self._legacy.execute(ADD_MEMBER, int(group[1]), int(user[1])) == "INSERT 0 1":
            await self._identities.touch(group)
        return web.Response(status=204)

    async def _one(self, known: Known) -> web.Response:
        row = await self._legacy.fetchrow(BY_KEY, int(known[1]))
        if row is None or row[10] == "D":
            raise web.HTTPNotFound
        teams = {row[0]: [team for _, team in await self._legacy.fetch(TEAMS, row[0])]}
        (document,) = await self._documents([row], {known[1]: known}, teams)
        meta = document["meta"]
        headers = {"ETag": meta["version"], "Location": meta["location"], "Content-Location": meta["location"]}
        return web.Response(body=orjson.dumps(document), content_type="application/scim+json", headers=headers)

    async def _teams(self, keys: list[int]) -> dict[int, list[int]]:
        teams: dict[int, list[int]] = {key: [] for key in keys}
        if len(keys) == 1:
            teams[keys[0]] = [team for _, team in await self._legacy.fetch(TEAMS, keys[0])]
        elif keys:
            for key, team in await self._legacy.fetch(ALL_TEAMS, keys):
                teams[key].append(team)
        return teams

    async def _documents(
        self, rows: list[Any], known: dict[str, Known], teams: dict[int, list[int]]
    ) -> list[dict[str, Any]]:
        groups = await self._identities.links("Group", {str(team) for some in teams.values() for team in some})
        bosses = await self._identities.links("User", {str(row[1]) for row in rows if row[1] is not None})
        return [self._document(row, known[str(row[0])], teams[row[0]], groups, bosses) for row in rows]

    def _document(
        self, row: Any, known: Known, teams: list[int], groups: dict[str, str], bosses: dict[str, str]
    ) -> dict[str, Any]:
        _, boss, cost_centre, first, full, title, last, login, mail, phone, status = row
        id, _, created, modified, counter, _ = known
        name = {}
        if last:
            name["familyName"] = last
        if first is not None:
            name["givenName"] = first
        resource: dict[str, Any] = {"userName": login}
        if name:
            resource["name"] = name
        if full is not None:
            resource["displayName"] = full
        if title is not None:
            resource["title"] = title
        resource["active"] = status == "A"
        if mail is not None:
            resource["emails"] = [{"value": mail, "type": "work"}]
        if phone is not None:
            resource["phoneNumbers"] = [{"value": phone, "type": "work"}]
        enterprise: dict[str, Any] = {}
        if cost_centre is not None:
            enterprise["costCenter"] = cost_centre.rstrip()
        if boss is not None:
            manager = bosses[str(boss)]
            enterprise["manager"] = {"value": manager, "$ref": f"{self._base}/Users/{manager}"}
        versioned = {"id": id, **resource}
        if enterprise:
            versioned[ENTERPRISE] = enterprise
        digest = hashlib.sha256(orjson.dumps(versioned, option=orjson.OPT_SORT_KEYS)).digest()
        version = f'W/"{base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")}"'
        if teams:
            ids = [groups[str(team)] for team in teams]
            resource["groups"] = [{"value": one, "$ref": f"{self._base}/Groups/{one}", "type": "direct"} for one in ids]
        if enterprise:
            resource[ENTERPRISE] = enterprise
        return {
            "schemas": [CORE, ENTERPRISE] if enterprise else [CORE],
            "id": id,
            **resource,
            "meta": {
                "resourceType": "User",
                "created": _written(created),
                "lastModified": _written(modified if counter else created),
                "location": f"{self._base}/Users/{id}",
                "version": version,
            },
        }


def _written(microseconds: int) -> str:
    text = datetime.fromtimestamp(microseconds // 1000 / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


async def serve(port: int, *, alone: bool) -> None:
    async def pool(name: str) -> Any:
        return await asyncpg.create_pool(os.environ[name], min_size=1, max_size=8, connection_class=Connection)

    async with contextlib.AsyncExitStack() as stack:
        legacy, store = await pool("HR_DATABASE_URL"), await pool("STORE_URL")
        stack.push_async_callback(legacy.close)
        stack.push_async_callback(store.close)
        identities: Mapped | Remembered
        if alone:
            identities = Remembered(await store.fetch(f"{KNOWN} AND buried IS NULL", TENANT))
        else:
            cache = redis.asyncio.Redis.from_url(os.environ["CACHE_URL"])
            stack.push_async_callback(cache.aclose)
            identities = Mapped(store, cache)
        floor = Floor(legacy, identities, os.environ["TOKEN_SHA256"], f"{os.environ['PUBLIC_URL']}/{TENANT}/scim/v2")
        application, root = web.Application(), f"/{TENANT}/scim/v2"
        application.router.add_get(f"{root}/Users", floor.search)
        application.router.add_get(f"{root}/Users/{{id}}", floor.read)
        application.router.add_patch(f"{root}/Users/{{id}}", floor.patch_user)
        application.router.add_patch(f"{root}/Groups/{{id}}", floor.patch_group)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--alone", action="store_true", help="the id map in memory: neither store nor Redis")
    options = parser.parse_args()
    factory = None
    if importlib.util.find_spec("uvloop") is not None:
        factory = importlib.import_module("uvloop").new_event_loop
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(options.port, alone=options.alone))


if __name__ == "__main__":
    main()
