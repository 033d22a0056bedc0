"""A gateway's engine over systems of several shapes, with a real id map, watched from every side."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from backends.contract import (
    Backend,
    Compare,
    Context,
    Op,
    Record,
)
from backends.memory import MemoryBackend, MemorySettings
from gateway.engine.accounts import Accounts
from gateway.engine.bulk import Bulk
from gateway.engine.calls import Answer, Call, Caller
from gateway.engine.guard import Bounds, Guard
from gateway.engine.links import Resolver
from gateway.engine.queries import Queries
from gateway.engine.render import Renderer
from gateway.engine.resources import Resources
from gateway.engine.search import Search
from gateway.engine.tenants import Limits, Served, Tenant
from gateway.identity import IdentityMap
from gateway.mapping import ResourceSpec, compile_mapping
from gateway.mapping.codecs import Factory
from gateway.scim import dialects, messages, standard
from gateway.scim.bulk import REQUEST_URN as BULK_URN
from gateway.scim.discovery import narrow_type
from gateway.scim.errors import ScimError
from gateway.scim.patch import REQUEST_URN as PATCH_URN
from gateway.scim.schema import ENTERPRISE_URN, GROUP_URN, USER_URN, Uniqueness
from tests.engine.watched import Recorder, Watched, failing, losing

LOGINS: dict[str, Any] = {"unique": True, "required": True, "ignore_case": True}
PEOPLE: dict[str, Any] = {
    "login": LOGINS,
    "first": {},
    "last": {},
    "title": {"max_length": 40},
    "status": {},
    "secret": {},
    "boss": {"refers": "people"},
    "mails": {"row": {"address": "str", "kind": "str"}, "row_key": ["address"]},
    "hired": "datetime",
    "teams": {"inverse": "teams.members"},
}
TEAMS: dict[str, Any] = {"title": {"required": True}, "members": {"many": True, "refers": "people"}}
WEAK = ["filters", "logic", "sort", "offset", "total", "deltas", "versions", "atomic"]
"""Everything a system may be without and still be served."""

USER: Mapping[str, Any] = {
    "userName": "login",
    "name.givenName": "first",
    "name.familyName": "last",
    "title": "title",
    "password": "secret",
    "active": {"field": "status", "codec": {"values": {"A": True, "I": False}}},
    "emails": {"rows": "mails", "each": {"value": "address", "type": "kind"}},
    "groups.value": {"field": "teams", "reference": "Group"},
    f"{ENTERPRISE_URN}:manager.value": {"field": "boss", "reference": "User"},
}
GROUP: Mapping[str, Any] = {"displayName": "title", "members.value": {"field": "members", "reference": "User"}}


@dataclass
class Client:
    """Speaks to one tenant of the engine as the server does."""

    world: World
    tenant: Tenant
    caller: str = "key"
    seconds: float = 30.0

    def call(self, **given: Any) -> Call:
        deadline = asyncio.get_running_loop().time() + given.pop("seconds", self.seconds)
        return Call(self.tenant, Caller(given.pop("caller", self.caller)), self.url, deadline, **given)

    @property
    def url(self) -> str:
        return f"https://scim.example.com/{self.tenant.name}/scim/v2"

    def served(self, kind: str) -> Served:
        return self.tenant.served[kind]

    async def post(self, kind: str, body: Mapping[str, Any], **given: Any) -> Answer:
        urn = USER_URN if kind == "User" else GROUP_URN
        whole = {"schemas": [urn], **body}
        if ENTERPRISE_URN in body:
            whole["schemas"] = [urn, ENTERPRISE_URN]
        return await self.world.resources.create(self.call(**given), self.served(kind), whole)

    async def user(self, login: str, **body: Any) -> str:
        """Create a user and give its id."""
        answer = await self.post("User", {"userName": login, **body})
        assert answer.status == 201
        return id_of(answer)

    async def group(self, title: str, *members: str, **body: Any) -> str:
        """Create a group and give its id."""
        answer = await self.post("Group", {"displayName": title, "members": refs(*members), **body})
        assert answer.status == 201
        return id_of(answer)

    async def get(self, kind: str, id: str, **given: Any) -> Answer:
        return await self.world.resources.read(self.call(**given), self.served(kind), id)

    async def body(self, kind: str, id: str, **given: Any) -> dict[str, Any]:
        return body_of(await self.get(kind, id, **given))

    async def put(self, kind: str, id: str, body: Mapping[str, Any], **given: Any) -> Answer:
        urn = USER_URN if kind == "User" else GROUP_URN
        whole = {"schemas": [urn], **body}
        if ENTERPRISE_URN in body:
            whole["schemas"] = [urn, ENTERPRISE_URN]
        return await self.world.resources.replace(self.call(**given), self.served(kind), id, whole)

    async def patch(self, kind: str, id: str, *operations: Mapping[str, Any], **given: Any) -> Answer:
        body = {"schemas": [PATCH_URN], "Operations": list(operations)}
        return await self.world.resources.patch(self.call(**given), self.served(kind), id, body)

    async def delete(self, kind: str, id: str, **given: Any) -> Answer:
        return await self.world.resources.delete(self.call(**given), self.served(kind), id)

    async def search(self, kinds: str | Sequence[str] = "User", **query: Any) -> dict[str, Any]:
        """Search; the parameters are those of a SearchRequest."""
        names = [kinds] if isinstance(kinds, str) else kinds
        given = {name: query.pop(name) for name in ("caller", "seconds") if name in query}
        request = messages.parse_search({"schemas": [messages.SEARCH_URN], **query})
        types = [self.served(name) for name in names]
        return body_of(await self.world.search.run(self.call(**given), types, request))

    async def found(self, filter: str, kind: str = "User", **query: Any) -> list[str]:
        """Give the ids of what a filter finds."""
        body = await self.search(kind, filter=filter, **query)
        assert body["totalResults"] >= len(body["Resources"])
        return [resource["id"] for resource in body["Resources"]]

    async def send_bulk(self, *operations: Mapping[str, Any]) -> list[dict[str, Any]]:
        answer = await self.world.bulk.run(self.call(), {"schemas": [BULK_URN], "Operations": list(operations)})
        items: list[dict[str, Any]] = body_of(answer)["Operations"]
        return items

    async def pages(self, kinds: str | Sequence[str] = "User", **query: Any) -> list[dict[str, Any]]:
        """Follow cursors to the end; give all pages."""
        pages = [await self.search(kinds, cursor="", **query)]
        while (cursor := pages[-1].get("nextCursor")) is not None:
            pages.append(await self.search(kinds, cursor=cursor, **query))
        return pages


@dataclass
class World:
    """The engine, what it stands on, and those who watch. `mark` keeps its tenants apart from others in the store."""

    identities: IdentityMap
    mark: str = ""
    recorder: Recorder = field(default_factory=Recorder)
    backends: dict[str, Watched] = field(default_factory=dict)
    guards: dict[str, Guard] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)

    def __post_init__(self) -> None:
        clock = asyncio.get_running_loop().time
        resolver = Resolver(self.identities, self.recorder)
        renderer = Renderer(resolver)
        self.accounts = Accounts(self.identities, resolver, renderer)
        self.resources = Resources(self.accounts, self.recorder, self.recorder)
        queries = Queries(self.identities, resolver, renderer, self.recorder)
        self.search = Search(queries, clock=clock, now=lambda: datetime.now(UTC))
        self.bulk = Bulk(self.resources)

    def backend(self, name: str, inner: Backend[Any], bounds: Bounds | None = None) -> Watched:
        """Put a backend behind a guard."""
        watched = Watched(inner, name)
        clock = asyncio.get_running_loop().time
        self.guards[name] = Guard(name, watched, self.recorder, bounds or Bounds(), clock=clock)
        self.backends[name] = watched
        return watched

    async def tenant(
        self,
        name: str,
        resources: Mapping[str, Mapping[str, Any]],
        *,
        limits: Limits | None = None,
        client: str = "compat",
        codecs: Mapping[str, Factory] | None = None,
    ) -> Client:
        """Serve a tenant; `resources` is what stands in its configuration, `codecs` are some of the test's own."""
        served = {}
        for kind, section in resources.items():
            spec = ResourceSpec.model_validate(section)
            guard = self.guards[spec.backend]
            await guard.start()
            fields = await guard.describe(spec.entity)
            capabilities = guard.capabilities(spec.entity)
            mapping = compile_mapping(standard.resource_type(kind), spec, capabilities, fields, codecs or {})
            narrowed = narrow_type(standard.resource_type(kind), mapping.supported, mapping.overrides)
            indexed = {mapping.attribute_of(field) for field, told in (fields or {}).items() if told.unique}
            checked = tuple(
                one.name
                for one in narrowed.schema.attributes
                if one.uniqueness is not Uniqueness.NONE and one.name not in indexed
            )
            served[kind] = Served(narrowed, mapping, guard, capabilities, checked)
        key = hashlib.sha256(name.encode()).digest()
        tenant = Tenant(name + self.mark, dialects.profile(client), served, limits or Limits(), key)
        self.clients[name] = Client(self, tenant)
        return self.clients[name]


def people(**changes: Any) -> dict[str, Any]:
    """Configure the entity of people: `fields` are added to the usual ones, a field None taken away."""
    fields = {**PEOPLE, **changes.pop("fields", {})}
    return {"key": "sequence", "fields": {name: one for name, one in fields.items() if one is not None}, **changes}


def memory(people_settings: Mapping[str, Any], teams_settings: Mapping[str, Any] | None = None) -> MemoryBackend:
    """Make a memory backend of people and teams."""
    teams = {"key": "sequence", "fields": TEAMS, **(teams_settings or {})}
    settings = MemorySettings.model_validate({"entities": {"people": people_settings, "teams": teams}})
    return MemoryBackend(settings, Context("hr"))


def user_section(attributes: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Map User: `attributes` are added to the usual ones, one that is None is left out."""
    found = {**USER, **(attributes or {})}
    return {
        "backend": "hr",
        "entity": "people",
        "attributes": {name: one for name, one in found.items() if one is not None},
        "unmapped": "keep",
        "on_delete": "delete",
        **changes,
    }


def group_section(attributes: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Map Group."""
    found = {**GROUP, **(attributes or {})}
    return {"backend": "hr", "entity": "teams", "attributes": found, "on_delete": "delete", **changes}


def by_login(world: World, login: str, backend: str = "hr") -> list[Record]:
    """Read the people with a login from the store of a memory backend, past everything."""
    inner = world.backends[backend].inner
    table = inner._store.table("people")
    names = table.shape.fields
    found = [inner._store.view(table, stored, names) for stored in table.records.values()]
    return [record for record in found if record.fields["login"] == login]


def natively(world: World, entity: str, key: str, backend: str = "hr") -> dict[str, Any]:
    """Read all fields of one record from the store of a memory backend, past everything."""
    inner = world.backends[backend].inner
    table = inner._store.table(entity)
    return dict(inner._store.view(table, table.find(key), table.shape.fields).fields)


async def key_of(client: Client, kind: str, id: str) -> str:
    """Give the native key behind an id."""
    found = await client.world.identities.find(client.tenant.name, [id])
    assert found[id].resource_type == kind
    return found[id].key


def refs(*ids: str) -> list[dict[str, str]]:
    return [{"value": id} for id in ids]


def id_of(answer: Answer) -> str:
    id = body_of(answer)["id"]
    assert isinstance(id, str)
    return id


def body_of(answer: Answer) -> dict[str, Any]:
    assert answer.body is not None
    return dict(answer.body)


def members_of(body: Mapping[str, Any], name: str = "members") -> set[str]:
    """Give the ids in a list of references, each of which must be there once."""
    found = [element["value"] for element in body.get(name, ())]
    assert len(found) == len(set(found))
    return set(found)


def add(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def swap(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def remove(path: str, **given: Any) -> dict[str, Any]:
    return {"op": "remove", "path": path, **given}


@contextmanager
def refused(status: int, scim_type: str | None = None) -> Iterator[pytest.ExceptionInfo[ScimError]]:
    """Expect a SCIM error."""
    with pytest.raises(ScimError) as caught:
        yield caught
    assert (caught.value.status, caught.value.scim_type) == (status, scim_type), caught.value.detail


def only(op: Op, *fields: str) -> dict[str, list[str]]:
    """Settings of the only filters a memory entity takes."""
    return {name: [op.value] for name in fields}


def compares(where: Any) -> list[Compare]:
    """List the comparisons in a native filter."""
    if isinstance(where, Compare):
        return [where]
    inner = getattr(where, "terms", None) or [
        getattr(where, name) for name in ("term", "where") if hasattr(where, name)
    ]
    return [compare for term in inner for compare in compares(term)]


def cut(world: World, where: str, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Break the next create at one place, as a crash of the process would."""
    identities = world.identities
    reserve, bind = identities.reserve, identities.bind

    async def broken_reserve(*given: Any, **named: Any) -> Any:
        monkeypatch.setattr(identities, "reserve", reserve)
        if where == "after reserving":
            await reserve(*given, **named)
        raise error

    async def broken_bind(*given: Any, **named: Any) -> Any:
        monkeypatch.setattr(identities, "bind", bind)
        raise error

    if where.endswith("reserving"):
        monkeypatch.setattr(identities, "reserve", broken_reserve)
    elif where == "before binding":
        monkeypatch.setattr(identities, "bind", broken_bind)
    else:
        world.backends["hr"].once("create", failing(error) if where == "in the backend" else losing(error))


async def populate(client: Client, count: int = 7) -> list[str]:
    """Make some accounts that differ in everything a filter can look at."""
    ids: list[str] = []
    for number in range(count):
        body: dict[str, Any] = {"name": {"familyName": f"F{number % 3}"}, "active": number % 2 == 0}
        if number % 2:
            body["emails"] = [
                {"value": f"u{number}@example.com", "type": "work"},
                {"value": f"u{number + 1}@home.example.com", "type": "home"},
            ]
        if number % 3 == 0:
            body |= {"title": "Chief", "nickName": "Nick", "externalId": f"x{number}"}
        if ids and number % 4 == 0:
            body[ENTERPRISE_URN] = {"manager": {"value": ids[0]}}
        ids.append(await client.user(f"u{number}", **body))
    await client.group("G", *ids[:2])
    return ids
