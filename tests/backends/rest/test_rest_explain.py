"""What is explained is what is sent: the same calls in the same order, with names for values (promise 9)."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from typing import Any

import pytest

from backends.contract import KEY, Change, Compare, Context, Op, Query, UnsupportedError
from backends.rest import RestBackend, RestSettings
from tests.backends.rest import systems
from tests.backends.rest.servers import NamedServer, ProperServer, RpcServer, Server, UglyServer

KINDS: dict[str, tuple[type[Server], Any]] = {
    "proper": (ProperServer, systems.proper),
    "ugly": (UglyServer, systems.ugly),
    "rpc": (RpcServer, systems.rpc),
    "named": (NamedServer, systems.named),
}


def normal(text: str, keys: dict[str, str]) -> str:
    """Bring an explained or a made call into one form: the method and the path, names for values."""
    method, _, rest = text.partition("\n")[0].partition(" ")
    path = rest.partition("?")[0]
    for key, name in keys.items():
        path = re.sub(rf"(?<=/){re.escape(key)}(?=/|$)", name, path)
    return f"{method} {path}"


@pytest.mark.parametrize("kind", KINDS)
async def test_explained_calls_are_those_made(kind: str) -> None:
    """For each operation and each kind of system, explaining names the calls that follow, and makes none."""
    server_type, system = KINDS[kind]
    async with server_type().running() as server, AsyncExitStack() as stack:
        settings = system(server.url)
        backend = RestBackend(RestSettings.model_validate(settings), Context("x"))
        await backend.start()
        stack.push_async_callback(backend.stop)
        prefix = settings["base_urls"].removeprefix(server.url).rstrip("/")
        person = (await backend.create("people", {"login": "ann", "note": "old"})).key
        team = (await backend.create("teams", {"title": "staff", "members": ()})).key
        fields = frozenset({"login", "note"})
        asked: list[tuple[str, str, tuple[Any, ...]]] = [
            ("people", "get", (person, fields)),
            ("people", "search", (Query(fields),)),
            ("people", "search", (Query(fields, Compare(KEY, Op.EQ, person)),)),
            ("people", "create", ({"login": "bob", "note": "n"},)),
            ("people", "update", (person, Change({"note": "new"}))),
            ("teams", "update", (team, Change(add={"members": (person,)}))),
            ("people", "delete", (person,)),
        ]
        for entity, operation, arguments in asked:
            server.calls.clear()
            explained = backend.explain(entity, operation, *arguments)
            assert server.calls == [], "explaining makes no call"
            await getattr(backend, operation)(entity, *arguments)
            names = {person: "{key}", team: "{key}"}
            if entity == "teams":
                names[person] = "{members}" if kind == "proper" else "{key}"
            made = [normal(call.replace(prefix, "", 1), names) for call in server.calls]
            shown = [normal(call.text, {}) for call in explained]
            reads_back = operation == "create"
            # Thin lists and reading back what was made depend on answers nobody has yet.
            made = made[: len(shown)] if reads_back or operation == "search" else made
            assert shown == made, f"{operation} on {entity}"
            assert not any(value in call.text for call in explained for value in ("ann", "old", "bob", "t0psecret"))


async def test_values_stand_beside_the_text_and_secrets_nowhere() -> None:
    """Values are listed apart from the text and out of its repr; secret fields and credentials are masked."""
    settings = systems.proper("https://people.example.com")
    settings["entities"]["people"]["fields"]["word"] = {"secret": True}
    backend = RestBackend(RestSettings.model_validate(settings), Context("x"))
    fields = {"login": "veiled", "word": "pa55", "tags": ("a", "b"), "mails": ({"address": "x", "kind": None},)}
    (call,) = backend.explain("people", "create", fields)
    assert call.text.splitlines()[:2] == ["POST /people", "authorization: ***"]
    assert call.text.endswith('{"login": "{login}", "mails": ["{mails}"], "tags": ["{tags}"], "word": "{word}"}')
    assert dict(call.values) == {
        "login": "veiled",
        "word": "***",
        "tags": "b",
        "mails.address": "x",
        "mails.kind": None,
    }
    assert "veiled" not in repr(call)
    assert "pa55" not in str(call.values)


def test_what_cannot_be_explained_is_said() -> None:
    """An unknown operation or entity is refused."""
    backend = RestBackend(RestSettings.model_validate(systems.proper("https://people.example.com")), Context("x"))
    for entity, operation in (("people", "dance"), ("nobody", "get")):
        with pytest.raises(UnsupportedError):
            backend.explain(entity, operation, "7", frozenset())
