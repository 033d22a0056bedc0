"""Any history of requests, faults and changes behind the gateway's back, held against a model of what was promised."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.contract import UnavailableError
from gateway.engine.calls import Answer
from gateway.identity import connect
from gateway.scim.errors import ScimError
from tests.engine.conftest import SHAPES
from tests.engine.watched import failing, losing
from tests.engine.world import (
    Client,
    World,
    add,
    body_of,
    group_section,
    members_of,
    memory,
    people,
    refs,
    remove,
    swap,
    user_section,
)

LOGINS = ("ada", "Ada", "bob", "cyd")
TITLES = ("T", "U", None)
NICKS = ("N", "n", None)
number = st.integers(0, 7)
STEPS = st.one_of(
    st.tuples(st.just("post"), st.sampled_from(LOGINS), st.sampled_from(TITLES), st.sampled_from(NICKS)),
    st.tuples(st.just("title"), number, st.sampled_from(TITLES), st.booleans()),
    st.tuples(st.just("nick"), number, st.sampled_from(NICKS), st.booleans()),
    st.tuples(st.just("login"), number, st.sampled_from(LOGINS), st.booleans()),
    st.tuples(st.just("active"), number, st.booleans(), st.booleans()),
    st.tuples(st.just("put"), number, st.sampled_from(LOGINS), st.sampled_from(TITLES)),
    st.tuples(st.just("delete"), number, st.none(), st.none()),
    st.tuples(st.just("join"), number, st.none(), st.booleans()),
    st.tuples(st.just("leave"), number, st.none(), st.booleans()),
    st.tuples(st.just("all"), number, number, st.none()),
    st.tuples(st.just("vanish"), number, st.none(), st.none()),
)
FAULTS = {
    "": None,
    "down": failing(UnavailableError()),
    "unknown": failing(UnavailableError(maybe_done=True)),
    "lost": losing(),
    "cut": losing(asyncio.CancelledError()),
}


@dataclass
class Model:
    """What a client was told: accounts by id, members, and ids that must never be seen again."""

    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)

    def pick(self, place: int) -> str:
        ids = [*self.users, "2819c223-7f76-853a-8139-8d4e6a0a7e4c"]
        return ids[place % len(ids)]

    def taken(self, login: str, besides: str | None = None) -> bool:
        return any(one["userName"].lower() == login.lower() for id, one in self.users.items() if id != besides)


async def sent(client: Client, group: str, model: Model, step: tuple[Any, ...]) -> tuple[Any, int, Any]:
    """Make a request of a step: how to send it, the status it must have, and what is true afterwards."""
    verb, what, value, slow = step
    if verb == "post":
        body = {"userName": what, "active": True, "title": value, "nickName": slow}
        wanted = {name: one for name, one in body.items() if one is not None}
        return lambda: client.post("User", body), 409 if model.taken(what) else 201, ("new", wanted)
    id = model.pick(what)
    known = id in model.users
    asked = {"if_match": "*"} if slow is True else {}
    match verb:
        case "title" | "nick" | "active":
            path = {"title": "title", "nick": "nickName", "active": "active"}[verb]
            change = remove(path) if value is None else swap(path, value)
            return lambda: client.patch("User", id, change, **asked), 200 if known else 404, ("set", id, {path: value})
        case "login":
            status = 404 if not known else 409 if model.taken(value, id) else 200
            change = swap("userName", value)
            return lambda: client.patch("User", id, change, **asked), status, ("set", id, {"userName": value})
        case "put":
            status = 404 if not known else 409 if model.taken(value, id) else 200
            body = {"userName": value, "title": slow}
            return lambda: client.put("User", id, body), status, ("set", id, {**body, "nickName": None})
        case "delete":
            return lambda: client.delete("User", id), 204 if known else 404, ("gone", id)
        case "join":
            return lambda: client.patch("Group", group, add("members", refs(id)), **asked), 204 if known else 400, (
                "members", model.members | {id},
            )  # fmt: skip
        case "leave":
            change = remove(f'members[value eq "{id}"]')
            return lambda: client.patch("Group", group, change, **asked), 204, ("members", model.members - {id})
        case _:
            chosen = {id, model.pick(value)} & model.users.keys()
            return lambda: client.patch("Group", group, swap("members", refs(*chosen))), 204, ("members", chosen)


def settle(model: Model, effect: Any, answer: Answer) -> None:
    """Believe what a success says."""
    match effect:
        case ("new", wanted):
            id = body_of(answer)["id"]
            assert id not in model.users.keys() | model.gone
            model.users[id] = wanted
        case ("set", id, values):
            merged = {**model.users[id], **values}
            model.users[id] = {name: value for name, value in merged.items() if value is not None}
        case ("gone", id):
            forget(model, id)
        case ("members", members):
            model.members = set(members)


def forget(model: Model, id: str) -> None:
    model.users.pop(id, None)
    model.members.discard(id)
    model.gone.add(id)


async def compare(client: Client, group: str, model: Model) -> None:
    """See that everything is as the client was told, on every way to look at it."""
    listed = {one["id"]: one for one in (await client.search("User"))["Resources"]}
    assert listed.keys() == model.users.keys()
    names = ("userName", "title", "nickName", "active")
    for id, wanted in model.users.items():
        shown = await client.body("User", id)
        assert shown == listed[id]
        assert {name: shown[name] for name in names if name in shown} == wanted
        assert await client.found(f'userName eq "{wanted["userName"].upper()}"') == [id]
        if "nickName" in wanted:
            assert id in await client.found(f'nickName eq "{wanted["nickName"]}"')
    assert members_of(await client.body("Group", group)) == model.members
    for id in model.gone:
        with pytest.raises(ScimError) as caught:
            await client.get("User", id)
        assert caught.value.status == 404


async def live(shape: str, history: list[tuple[tuple[Any, ...], str]]) -> None:
    """Live through a history; a request that failed is repeated once without its fault, as clients do."""
    with TemporaryDirectory() as folder:
        async with connect(f"sqlite:///{Path(folder)}/gateway.db", id_key=b"k" * 32) as identities:
            world = World(identities)
            given = dict(SHAPES[shape])
            lacks = {name: given[name] for name in ("without", "serialize") if name in given}
            backend = world.backend("hr", memory(people(**given), lacks))
            client = await world.tenant("acme", {"User": user_section(), "Group": group_section()})
            group = await client.group("G")
            model = Model()
            for step, fault in history:
                if step[0] == "vanish":
                    await vanish(client, model, step[1])
                    continue
                send, status, effect = await sent(client, group, model, step)
                behaviour = FAULTS[fault]
                operation = "create" if step[0] == "post" else "delete" if step[0] == "delete" else "update"
                if behaviour is not None:
                    backend.once(operation, behaviour)
                (found,) = await asyncio.gather(send(), return_exceptions=True)
                await world.resources.settle()
                backend.next.clear()
                if getattr(found, "status", 503) == 503:
                    assert behaviour is not None, found
                    (found,) = await asyncio.gather(send(), return_exceptions=True)
                    if step[0] == "delete" and fault in ("lost", "cut"):
                        status = 404
                assert getattr(found, "status", found) == status, (step, fault)
                if isinstance(found, Answer):
                    settle(model, effect, found)
                elif effect[0] == "gone" and status == 404:
                    forget(model, effect[1])
            await compare(client, group, model)


async def vanish(client: Client, model: Model, place: int) -> None:
    """Delete an account behind the gateway's back."""
    id = model.pick(place)
    if id in model.users:
        known = await client.world.identities.find(client.tenant.name, [id])
        await client.world.backends["hr"].inner.delete("people", known[id].key)
        forget(model, id)


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=10, deadline=None)
@given(history=st.lists(st.tuples(STEPS, st.sampled_from([*FAULTS, "", ""])), max_size=14))
def test_what_a_client_is_told_is_so(shape: str, history: list[tuple[tuple[Any, ...], str]]) -> None:
    """After any history every account is what the answers said, under its one id, and nobody else is there (promises
    1, 2 and 3)."""
    asyncio.run(live(shape, history))
