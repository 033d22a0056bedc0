"""A replica in a process of its own, for tests that kill it: prints one line of JSON per step, then goes on.

Usage: child.py URL CACHE TENANT COMMAND ARGUMENT…
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path
from typing import Any

from gateway.identity import Identity, IdentityMap, connect

KEY = b"a secret of the tests, 32 bytes!"
PLACE = ("User", "hr", "staff")


def say(step: str, value: Any = None) -> None:
    print(json.dumps([step, value]), flush=True)


async def pause() -> None:
    """Give the parent the time to kill this process: it does so before a second has passed, or lets it go on."""
    await asyncio.to_thread(sys.stdin.readline)


class Marking:
    """A Redis client that stops after each mark."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def set(self, values: Any, seconds: float, *, only_new: bool) -> None:
        await self._inner.set(values, seconds, only_new=only_new)
        if not only_new:
            say("marked")
            await asyncio.Event().wait()


async def create(identities: IdentityMap, tenant: str, key: str, backend: str, stop: str) -> None:
    """Create one account as the engine does; the backend is a file. Waits after the step `stop`."""
    if stop == "marked":
        shared: Any = identities._caches._shared
        shared._server = Marking(shared._server)

    async def reached(step: str, value: Any = None) -> None:
        say(step, value)
        if step == stop:
            await pause()

    reservation = await identities.reserve(tenant, "User", {"userName": key})
    await reached("reserved", reservation.resumed)
    with Path(backend).open("a", encoding="utf-8") as file:  # noqa: ASYNC230
        file.write(f"{key}\n")
    await reached("created")
    bound = await identities.bind(reservation, "hr", "staff", key, external_id="e-1", kept={"a": 1}, index=[("a", "1")])
    await reached("bound", bound.id)


async def hold(identities: IdentityMap, tenant: str, name: str) -> None:
    """Hold a lock until killed."""
    async with identities.exclusive((tenant, name)):
        say("held")
        await pause()


async def mint(identities: IdentityMap, tenant: str, count: str, seed: str) -> None:
    """Identify the same keys as everybody else, in an order of its own; say which ids they have."""
    keys = [f"k{n}" for n in range(int(count))]
    random.Random(seed).shuffle(keys)
    say("ready")
    await pause()
    found: dict[str, Identity] = {}
    for start in range(0, len(keys), 50):
        found |= await identities.identify(tenant, *PLACE, keys[start : start + 50])
    say("minted", {key: found[key].id for key in sorted(found)})


async def churn(identities: IdentityMap, tenant: str, rounds: str, mine: str, of: str) -> None:
    """Rename, alter, bury and list; only accounts of its own share are changed, all are listed."""
    chance = random.Random(mine)
    keys = [f"{owner}-{n}" for owner in range(int(of)) for n in range(6)]
    own = [key for key in keys if key.startswith(f"{mine}-")]
    say("ready")
    await pause()
    model: dict[str, Identity] = dict(await identities.identify(tenant, *PLACE, own))
    dead: set[str] = set()
    for turn in range(int(rounds)):
        key = chance.choice(sorted(model))
        match chance.randrange(4):
            case 0:
                to = f"{mine}-new-{turn}"
                model[to] = await identities.rename(model.pop(key), to)
            case 1:
                gone = model.pop(key)
                await identities.bury(gone)
                dead.add(gone.id)
                model |= await identities.identify(tenant, *PLACE, [key])
            case 2:
                model[key] = await identities.alter(model[key], external_id=f"e-{turn}")
            case _:
                await identities.identify(tenant, *PLACE, keys, mint=bool(turn % 2))
        if dead & {identity.id for identity in model.values()}:
            raise AssertionError("an id came back")
        seen = await identities.find(tenant, [identity.id for identity in model.values()])
        if seen != {identity.id: identity for identity in model.values()}:
            raise AssertionError(f"{turn}: {seen} is not {model}")
    say("done", {"live": {identity.id: key for key, identity in model.items()}, "dead": sorted(dead)})


async def main(url: str, cache: str, tenant: str, command: str, *arguments: str) -> None:
    commands: dict[str, Any] = {"create": create, "hold": hold, "mint": mint, "churn": churn}
    async with connect(url, id_key=KEY, cache=cache) as identities:
        await commands[command](identities, tenant, *arguments)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
