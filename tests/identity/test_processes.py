"""Real processes on one store and one Redis: killed between steps, and all at once on the same accounts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.identity import IdentityMap
from tests.identity.conftest import House

CHILD = Path(__file__).with_name("child.py")
ROOT = Path(__file__).parents[2]


class Child:
    """A replica in another process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def step(self, wanted: str) -> Any:
        """Read on until a step is said; give what was said with it."""
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            while line := await self.process.stdout.readline():
                step, value = json.loads(line)
                if step == wanted:
                    return value
        raise AssertionError(f"the process ended before it was {wanted}")

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


@contextlib.asynccontextmanager
async def child(house: House, command: str, *arguments: str) -> AsyncIterator[Child]:
    """Run a replica in a process of its own; it does not outlive the test."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(CHILD), house.url, house.cache, house.tenant, command, *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    try:
        yield Child(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


STOPS = [
    ("sqlite+memory", "reserved"),
    ("sqlite+memory", "created"),
    ("postgresql+redis", "reserved"),
    ("postgresql+redis", "created"),
    ("postgresql+redis", "marked"),
    ("postgresql+redis", "bound"),
]


@pytest.mark.parametrize(("combination", "stop"), STOPS)
async def test_a_repeated_create_converges_after_a_kill(house: House, tenant: str, tmp_path: Path, stop: str) -> None:
    """Killed with -9 after any step of a create, the same request again makes no second account and no second id
    (R-L20, R-L21)."""
    backend = tmp_path / "backend"
    told = None
    async with child(house, "create", "ada", str(backend), stop) as cut_off:
        told = await cut_off.step(stop)
        await cut_off.kill()
    identities = await house.open()
    reservation = await identities.reserve(tenant, "User", {"userName": "ada"})
    there = backend.exists() and "ada" in backend.read_text()
    assert reservation.resumed == (stop != "bound")
    assert there == (stop != "reserved")
    if stop == "bound":
        # The backend answers with a conflict, and nothing was open: the client is told, and finds the account.
        await identities.release(reservation)
    else:
        await identities.bind(
            reservation, "hr", "staff", "ada", external_id="e-1", kept={"a": 1}, index=[("a", "1")], adopted=there
        )
    (person,) = (await identities.identify(tenant, "User", "hr", "staff", ["ada"])).values()
    assert (person.external_id, person.kept) == ("e-1", {"a": 1})
    assert [found.id for found in await identities.search(tenant, "User", [], 10)] == [person.id]
    if stop == "bound":
        assert told == person.id
    assert await identities.find(tenant, [person.id]) == {person.id: person}


@pytest.mark.parametrize("combination", ["postgresql+redis"])
async def test_a_lock_of_a_killed_process_is_free(house: House, identities: IdentityMap, tenant: str) -> None:
    """A replica that dies in an exclusive block holds nobody up (DESIGN §5 serialize)."""
    async with child(house, "hold", "a") as holder:
        await holder.step("held")
        entered = asyncio.Event()

        async def enter() -> None:
            async with identities.exclusive((tenant, "a")):
                entered.set()

        waiting = asyncio.create_task(enter())
        await asyncio.sleep(0.1)
        assert not entered.is_set()
        await holder.kill()
        async with asyncio.timeout(5):
            await waiting


@pytest.mark.parametrize("combination", ["postgresql+redis"])
async def test_processes_minting_the_same_keys_give_the_same_ids(
    house: House, identities: IdentityMap, tenant: str
) -> None:
    """Three replicas that meet the same thousand accounts at once, each in its own order, give one id to each
    (R-L4)."""
    async with contextlib.AsyncExitStack() as stack:
        children = [await stack.enter_async_context(child(house, "mint", "1000", f"{n}")) for n in range(3)]
        for each in children:
            await each.step("ready")
        for each in children:
            each.go_on()
        minted = [await each.step("minted") for each in children]
    assert minted[0] == minted[1] == minted[2]
    found = await identities.identify(tenant, "User", "hr", "staff", list(minted[0]), mint=False)
    assert {key: identity.id for key, identity in found.items()} == minted[0]
    assert len(set(minted[0].values())) == 1000


@pytest.mark.parametrize("combination", ["postgresql+redis"])
async def test_processes_changing_accounts_at_once_lose_none(
    house: House, identities: IdentityMap, tenant: str
) -> None:
    """Replicas that rename, alter, delete and list the same tenant at once each see their own writes at every step;
    in the end every account has its id, and no dead id lives."""
    count = 3
    async with contextlib.AsyncExitStack() as stack:
        children = [
            await stack.enter_async_context(child(house, "churn", "60", f"{n}", f"{count}")) for n in range(count)
        ]
        for each in children:
            await each.step("ready")
        for each in children:
            each.go_on()
        done = [await each.step("done") for each in children]
    live = {id: key for each in done for id, key in each["live"].items()}
    dead = {id for each in done for id in each["dead"]}
    assert not live.keys() & dead
    found = await identities.find(tenant, [*live, *dead])
    assert {id: identity.key for id, identity in found.items()} == live
