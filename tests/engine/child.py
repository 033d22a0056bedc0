"""A gateway's engine in a process of its own, for tests that kill it: says where it is, and waits there for its end."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from backends.contract import Context
from backends.sql import SqlBackend, SqlSettings
from gateway.identity import connect
from tests.engine.world import Client, World, add, group_section, refs, swap, user_section

SCHEMA = """
CREATE TABLE person (
    no INTEGER PRIMARY KEY AUTOINCREMENT, login TEXT NOT NULL UNIQUE COLLATE NOCASE, first TEXT, last TEXT, title TEXT,
    status TEXT, secret TEXT, boss INTEGER REFERENCES person (no)
);
CREATE TABLE mail (person INTEGER NOT NULL, address TEXT NOT NULL, kind TEXT, PRIMARY KEY (person, address));
CREATE TABLE team (no INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL);
CREATE TABLE team_person (
    team INTEGER NOT NULL REFERENCES team (no), person INTEGER NOT NULL REFERENCES person (no),
    PRIMARY KEY (team, person)
);
"""
ENTITIES = {
    "people": {
        "table": "person",
        "key": "no",
        "fields": {"teams": {"inverse": "teams.members"}},
        "rows": {"mails": {"table": "mail", "owner": "person", "key": ["address"]}},
    },
    "teams": {"table": "team", "key": "no", "members": {"table": "team_person", "owner": "team", "member": "person"}},
}
BODY = {
    "userName": "ada",
    "externalId": "x1",
    "title": "Countess",
    "nickName": "Ada",
    "emails": [{"value": "ada@example.com", "type": "work"}],
}


async def served(world: World, folder: Path) -> Client:
    """Serve a tenant on the database in a folder."""
    settings = SqlSettings.model_validate({"url": f"sqlite:///{folder}/hr.db", "entities": ENTITIES})
    world.backend("hr", SqlBackend(settings, Context("hr")))
    return await world.tenant("acme", {"User": user_section(), "Group": group_section()})


def say(what: object) -> None:
    print(json.dumps(what), flush=True)


def stopping(step: Callable[..., Awaitable[Any]], *, behind: bool) -> Callable[..., Awaitable[Any]]:
    """Make a step that says that it is reached and goes no further."""

    async def run(*given: Any, **named: Any) -> Any:
        if behind:
            await step(*given, **named)
        say("reached")
        await asyncio.Event().wait()

    return run


async def send(folder: str, stop: str, verb: str) -> None:
    """Send one request and stop at a place in it: before a step, or behind it with a ``+`` in front."""
    async with connect(f"sqlite:///{folder}/gateway.db", id_key=b"k" * 32) as identities:
        world = World(identities)
        client = await served(world, Path(folder))
        ids = {one["userName"]: one["id"] for one in (await client.search("User"))["Resources"]}
        groups = [one["id"] for one in (await client.search("Group"))["Resources"]]
        name = stop.lstrip("+")
        owner: Any = world.backends["hr"].inner if name in ("create", "update", "delete") else identities
        setattr(owner, name, stopping(getattr(owner, name), behind=stop.startswith("+")))
        match verb:
            case "create":
                await client.post("User", BODY)
            case "group":
                await client.post("Group", {"displayName": "Makers", "members": refs(ids["bob"])})
            case "change":
                await client.patch("User", ids["bob"], swap("title", "New"), swap("nickName", "New"))
            case "join":
                await client.patch("Group", groups[0], add("members", refs(ids["bob"])))
            case "delete":
                await client.delete("User", ids["bob"])
        say("done")


def nurse() -> None:
    """Fork a process for each line of JSON, ``[folder, stop, verb]``: what costs time is loaded by then."""
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            asyncio.run(send(*json.loads(line)))
            os._exit(0)
        say(pid)
        os.waitpid(pid, 0)
        say("ended")
