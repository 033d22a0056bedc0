"""What two identity providers do with people and groups from their first day to their last, each step looked for in the
system behind the gateway as well."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
MAIL = 'emails[type eq "work"].value'


@dataclass(frozen=True, slots=True)
class Seen:
    """A person as the system itself has it: whether it can sign in, and the value of the attribute that is changed."""

    active: bool
    label: str | None


class System(Protocol):
    """The system behind the gateway, looked into without it.

    `label`: the SCIM path of the attribute whose changes are looked for; `holds_label`: it has a place in the system.
    `group` names a group, `renamed` what it can become, None where groups keep their names. `inactive`: an account can
    stay without access; else who is deactivated is gone.
    """

    label: str
    holds_label: bool
    group: str
    renamed: str | None
    inactive: bool

    async def account(self, login: str) -> Seen | None: ...

    async def membership(self, group: str) -> set[str] | None:
        """Give the logins of a group's members, None if there is no such group."""

    def begin_to_count(self) -> None:
        """Forget which calls were made so far."""

    def lists_read(self) -> int:
        """Tell how often the members of a group were read since then."""


class Client:
    """An identity provider's connection to one tenant."""

    def __init__(self, session: aiohttp.ClientSession, root: str) -> None:
        self._session = session
        self._root = root

    async def send(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
        """Send a request; give status and body."""
        data = None if body is None else json.dumps(body).encode()
        async with self._session.request(method, f"{self._root}{path}", data=data, params=query) as answer:
            raw = await answer.read()
            found = json.loads(raw) if raw else None
            if answer.status >= 400:
                assert found["schemas"] == [ERROR]
            return answer.status, found

    async def ask(self, method: str, path: str, body: Any = None, *, status: int = 200, **query: str) -> Any:
        """Send a request that must have this status; give the body."""
        found, answer = await self.send(method, path, body, **query)
        assert found == status, answer
        return answer

    async def patch(self, path: str, *operations: Mapping[str, Any]) -> Any:
        """Send operations that must be done."""
        status, answer = await self.send("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})
        assert status in (200, 204), answer
        return answer

    async def found(self, path: str, filter: str) -> list[Any]:
        """Look up by a filter."""
        answer = await self.ask("GET", path, filter=filter)
        assert answer["totalResults"] == len(answer.get("Resources", []))
        return list(answer.get("Resources", []))


def seen(system: System, label: str, *, active: bool = True) -> Seen:
    """Say how a person must be seen in a system."""
    return Seen(active, label if system.holds_label else None)


def nested(path: str, value: str) -> dict[str, Any]:
    """Write an attribute as it stands in a resource."""
    if path == MAIL:
        return {"emails": [{"type": "work", "primary": True, "value": value}]}
    top, _, sub = path.partition(".")
    return {top: {sub: value}} if sub else {top: value}


def shown(resource: Mapping[str, Any], path: str) -> Any:
    """Read an attribute out of a resource."""
    if path == MAIL:
        return next((one["value"] for one in resource.get("emails", []) if one.get("type") == "work"), None)
    top, _, sub = path.partition(".")
    found = resource.get(top)
    return found.get(sub) if sub and isinstance(found, Mapping) else found


async def entra(client: Client, system: System) -> None:
    """Entra ID: looks before it creates, spells operations with capitals and booleans as texts, adds members one by one
    and asks for groups without them."""
    login, other = "Ann.Lee@example.com", "bob@example.com"
    assert await client.found("/Users", f'userName eq "{login}"') == []
    body = {
        "schemas": [USER, ENTERPRISE],
        "externalId": "ann.lee",
        "userName": login,
        "active": True,
        "name": {"formatted": "Ann Lee", "familyName": "Lee", "givenName": "Ann"},
        "displayName": "Ann Lee",
        "emails": [{"primary": True, "type": "work", "value": "ann.lee@example.com"}],
        "title": "Engineer",
        ENTERPRISE: {"employeeNumber": "701984"},
    }
    ann = await client.ask("POST", "/Users", {**body, **nested(system.label, "first@example.com")}, status=201)
    assert (ann["userName"], ann["externalId"], ann["active"], ann["title"]) == (login, "ann.lee", True, "Engineer")
    assert await system.account(login) == seen(system, "first@example.com")
    assert [one["id"] for one in await client.found("/Users", f'userName eq "{login}"')] == [ann["id"]]
    assert [one["id"] for one in await client.found("/Users", 'externalId eq "ann.lee"')] == [ann["id"]]
    taken = await client.ask("POST", "/Users", {**body, "externalId": "somebody.else"}, status=409)
    assert taken["scimType"] == "uniqueness"
    bob = await client.ask("POST", "/Users", {"schemas": [USER], "userName": other, "active": True}, status=201)

    await client.patch(
        f"/Users/{ann['id']}",
        {"op": "Replace", "path": system.label, "value": "second@example.com"},
        {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Research"},
        {"op": "Replace", "path": "title", "value": "Head of research"},
    )
    changed = await client.ask("GET", f"/Users/{ann['id']}")
    assert (changed["title"], changed[ENTERPRISE]["department"]) == ("Head of research", "Research")
    assert shown(changed, system.label) == "second@example.com"
    assert await system.account(login) == seen(system, "second@example.com")

    named = f'displayName eq "{system.group}"'
    assert (await client.ask("GET", "/Groups", excludedAttributes="members", filter=named))["totalResults"] == 0
    group = {"schemas": [GROUP], "externalId": "g-1", "displayName": system.group}
    team = await client.ask("POST", "/Groups", group, status=201)
    assert await system.membership(system.group) == set()
    system.begin_to_count()
    for member in (ann, bob):
        await client.patch(
            f"/Groups/{team['id']}", {"op": "Add", "path": "members", "value": [{"value": member["id"]}]}
        )
    assert system.lists_read() == 0, "a member is added without reading the others"
    assert await system.membership(system.group) == {login, other}
    (found,) = (await client.ask("GET", "/Groups", excludedAttributes="members", filter=named))["Resources"]
    assert (found["id"], "members" in found) == (team["id"], False)
    whole = await client.ask("GET", f"/Groups/{team['id']}")
    assert {one["value"] for one in whole["members"]} == {ann["id"], bob["id"]}
    assert [one["value"] for one in (await client.ask("GET", f"/Users/{ann['id']}"))["groups"]] == [team["id"]]
    system.begin_to_count()
    await client.patch(f"/Groups/{team['id']}", {"op": "Remove", "path": "members", "value": [{"value": bob["id"]}]})
    assert system.lists_read() == 0, "a member is removed without reading the others"
    assert await system.membership(system.group) == {login}
    name = system.group
    if system.renamed is not None:
        name = system.renamed
        await client.patch(f"/Groups/{team['id']}", {"op": "Replace", "path": "displayName", "value": name})
        assert await system.membership(system.group) is None
        assert await system.membership(name) == {login}

    await client.patch(f"/Users/{ann['id']}", {"op": "Replace", "path": "active", "value": "False"})
    if system.inactive:
        assert (await client.ask("GET", f"/Users/{ann['id']}"))["active"] is False
        assert await system.account(login) == seen(system, "second@example.com", active=False)
        assert await client.found("/Users", f'userName eq "{login}" and active eq true') == []
        await client.ask("DELETE", f"/Users/{ann['id']}", status=204)
    assert await system.account(login) is None
    await client.ask("GET", f"/Users/{ann['id']}", status=404)
    assert await system.membership(name) == set()
    await client.ask("DELETE", f"/Users/{bob['id']}", status=204)
    await client.ask("DELETE", f"/Groups/{team['id']}", status=204)
    assert (await system.account(other), await system.membership(name)) == (None, None)


async def okta(client: Client, system: System) -> None:
    """Okta: writes whole people with PUT, patches without a path, creates groups with their members, removes one by a
    filter in the path, takes access away and gives it back."""
    logins = ("cleo@example.com", "dan@example.com")
    assert (await client.ask("GET", "/Users", filter=f'userName eq "{logins[0]}"', startIndex="1", count="100"))[
        "totalResults"
    ] == 0
    people = []
    for number, login in enumerate(logins):
        body = {
            "schemas": [USER],
            "userName": login,
            "name": {"givenName": "G", "familyName": "F"},
            "emails": [{"primary": True, "value": login, "type": "work"}],
            "displayName": "G F",
            "locale": "en-US",
            "externalId": f"00u{number}",
            "groups": [],
            "active": True,
        }
        people.append(
            await client.ask("POST", "/Users", {**body, **nested(system.label, "one@example.com")}, status=201)
        )
        assert await system.account(login) == seen(system, "one@example.com")
    cleo, dan = people

    whole = await client.ask("GET", f"/Users/{cleo['id']}")
    whole.pop("meta")
    replaced = await client.ask(
        "PUT", f"/Users/{cleo['id']}", {**whole, **nested(system.label, "two@example.com"), "locale": "fr-FR"}
    )
    assert (replaced["locale"], shown(replaced, system.label)) == ("fr-FR", "two@example.com")
    assert await system.account(logins[0]) == seen(system, "two@example.com")

    body = {"schemas": [GROUP], "displayName": system.group, "members": [{"value": cleo["id"], "display": "cleo"}]}
    team = await client.ask("POST", "/Groups", body, status=201)
    assert await system.membership(system.group) == {logins[0]}
    await client.patch(
        f"/Groups/{team['id']}",
        {"op": "remove", "path": f'members[value eq "{cleo["id"]}"]'},
        {"op": "add", "path": "members", "value": [{"value": dan["id"], "display": "dan"}]},
    )
    assert await system.membership(system.group) == {logins[1]}
    members = [{"value": one["id"], "display": "x"} for one in people]
    await client.patch(f"/Groups/{team['id']}", {"op": "replace", "path": "members", "value": members})
    assert await system.membership(system.group) == set(logins)
    name = system.group
    if system.renamed is not None:
        name = system.renamed
        await client.patch(f"/Groups/{team['id']}", {"op": "replace", "value": {"id": team["id"], "displayName": name}})
        assert await system.membership(name) == set(logins)

    await client.patch(f"/Users/{cleo['id']}", {"op": "replace", "value": {"active": False}})
    if system.inactive:
        assert await system.account(logins[0]) == seen(system, "two@example.com", active=False)
        await client.patch(f"/Users/{cleo['id']}", {"op": "replace", "value": {"active": True}})
        assert await system.account(logins[0]) == seen(system, "two@example.com")
        await client.patch(f"/Users/{cleo['id']}", {"op": "replace", "value": {"active": False}})
        await client.ask("DELETE", f"/Users/{cleo['id']}", status=204)
    assert await system.account(logins[0]) is None
    await client.ask("GET", f"/Users/{cleo['id']}", status=404)
    assert await system.membership(name) == {logins[1]}
    await client.ask("DELETE", f"/Groups/{team['id']}", status=204)
    assert await system.membership(name) is None
    assert await system.account(logins[1]) == seen(system, "one@example.com"), "a group's end is nobody else's"
    await client.ask("DELETE", f"/Users/{dan['id']}", status=204)
    assert await system.account(logins[1]) is None


LIVES = {"entra": entra, "okta": okta}
