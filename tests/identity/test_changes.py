"""Changes: what the gateway keeps, lastModified, the counter, and what other replicas see of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gateway.identity import UNCHANGED, IdentityMap
from tests.identity.conftest import House, Users, create


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


async def test_nothing_changed_leaves_last_modified(house: House, tenant: str) -> None:
    """A change that changes nothing leaves lastModified and the counter; one that does moves both (P4)."""
    clock = Clock()
    identities = await house.open(clock=clock)
    ada = await create(
        identities, tenant, "ada", external_id="e-1", kept={"title": {"b": 1, "a": [True]}}, index=[("title.b", "1")]
    )
    assert ada.created == ada.last_modified == clock.now
    clock.now += timedelta(minutes=1)
    assert await identities.alter(ada, touched=False) == ada
    same = await identities.alter(
        ada, external_id="e-1", kept={"title": {"a": [True], "b": 1}, "gone": None}, index=[("title.b", "1")],
        touched=False,
    )  # fmt: skip
    assert same == ada
    assert (await identities.find(tenant, [ada.id]))[ada.id] == ada
    changed = await identities.alter(ada, kept={"title": {"b": 1, "a": [1]}}, touched=False)
    assert (changed.last_modified, changed.created, changed.counter) == (clock.now, ada.created, 1)


async def test_a_touch_moves_last_modified_and_the_counter(house: House, tenant: str) -> None:
    """A change of the account alone counts; a clock that goes back does not turn lastModified back."""
    clock = Clock()
    identities = await house.open(clock=clock)
    ada = await create(identities, tenant, "ada", kept={"title": "C"})
    clock.now += timedelta(minutes=1)
    first = await identities.alter(ada)
    clock.now -= timedelta(hours=1)
    second = await identities.alter(ada)
    assert first.last_modified == second.last_modified == ada.created + timedelta(minutes=1)
    assert (first.counter, second.counter, second.kept) == (1, 2, {"title": "C"})


async def test_what_is_kept_is_merged_by_attribute(identities: IdentityMap, tenant: str) -> None:
    """A change names only what changes: None removes, everything else stays; externalId is set, kept and removed."""
    ada = await create(identities, tenant, "ada", external_id="e-1", kept={"a": 1, "b": 2})
    one = await identities.alter(ada, external_id=UNCHANGED, kept={"b": None, "c": {"x": None}})
    assert (one.kept, one.external_id) == ({"a": 1, "c": {"x": None}}, "e-1")
    two = await identities.alter(ada, external_id=None)
    assert (two.kept, two.external_id) == (one.kept, None)
    three = await identities.alter(ada, external_id="e-2", kept={"a": None, "c": None})
    assert (three.kept, three.external_id) == ({}, "e-2")
    assert (await identities.find(tenant, [ada.id]))[ada.id] == three


async def test_changes_of_one_account_at_once_all_land(house: House, identities: IdentityMap, tenant: str) -> None:
    """Concurrent changes of different attributes from two replicas are all there in the end, each counted once."""
    other = await house.replica(identities)
    ada = await create(identities, tenant, "ada")
    await asyncio.gather(
        *((identities, other)[n % 2].alter(ada, kept={f"a{n}": n}, index=[(f"a{n}", str(n))]) for n in range(20))
    )
    final = (await other.find(tenant, [ada.id]))[ada.id]
    assert final.kept == {f"a{n}": n for n in range(20)}
    assert final.counter == 20


async def test_a_change_of_a_buried_account_changes_nothing(identities: IdentityMap, tenant: str) -> None:
    """An account deleted meanwhile by somebody else stays a tombstone."""
    ada = await create(identities, tenant, "ada")
    await identities.bury(ada)
    assert await identities.alter(ada, external_id="e-9") == ada
    assert await identities.alter(ada) == ada
    assert await identities.find(tenant, [ada.id]) == {}


async def test_a_change_is_carried_to_its_end_when_the_caller_goes(
    house: House, identities: IdentityMap, tenant: str
) -> None:
    """Cancelling a request does not leave a change half done, or caches that do not know of it."""
    ada = await create(identities, tenant, "ada")
    for n in range(10):
        task = asyncio.create_task(identities.alter(ada, kept={f"a{n}": n}))
        for _ in range(n):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    again = await house.restarted(identities)
    final = (await again.find(tenant, [ada.id]))[ada.id]
    # The first was cancelled before it began; the others had begun.
    assert final.kept == {f"a{n}": n for n in range(1, 10)}
    assert final.counter == 9


@pytest.mark.parametrize("combination", ["postgresql+redis"])
async def test_a_client_sees_its_own_write_through_another_replica(
    house: House, identities: IdentityMap, tenant: str, users: Users
) -> None:
    """Written through one replica and read through another with a warm cache, every change is there at once."""
    other = await house.open()
    ada = (await users("ada"))["ada"]
    for n in range(30):
        assert (await other.find(tenant, [ada.id]))[ada.id] == ada
        ada = await identities.alter(ada, external_id=f"e-{n}", kept={"n": n})
        assert (await other.find(tenant, [ada.id]))[ada.id] == ada
        if n % 5 == 0:
            ada = await identities.rename(ada, f"ada-{n}")
            assert (await other.find(tenant, [ada.id]))[ada.id] == ada
            assert (await users(ada.key, by=other))[ada.key] == ada
    await identities.bury(ada)
    assert await other.find(tenant, [ada.id]) == {}
    assert await users(ada.key, by=other, mint=False, kept=True) == {}


@pytest.mark.parametrize("combination", ["postgresql+redis"])
async def test_readers_never_see_older_than_what_was_answered(
    house: House, identities: IdentityMap, tenant: str, users: Users, hasty: None
) -> None:
    """While one replica changes an account, readers on another see counters that never go back behind an answered
    write."""
    other = await house.open()
    ada = (await users("ada"))["ada"]
    answered = 0
    done = asyncio.Event()

    async def read() -> int:
        looks = 0
        while not done.is_set():
            least = answered
            seen = (await other.find(tenant, [ada.id]))[ada.id].counter
            assert seen >= least
            looks += 1
        return looks

    readers = [asyncio.create_task(read()) for _ in range(4)]
    for n in range(60):
        answered = (await identities.alter(ada)).counter
        await asyncio.sleep(0.035 * (n % 3 == 0))
    done.set()
    assert sum(await asyncio.gather(*readers)) > 60


async def test_locks_are_exclusive_across_replicas(house: House, identities: IdentityMap) -> None:
    """Blocks that share a name never overlap, from whatever replica; others do not wait (DESIGN §5 serialize)."""
    shared = house.url.startswith("postgresql")
    replicas = [identities, await house.open() if shared else identities]
    inside, most = 0, 0

    async def work(n: int) -> None:
        nonlocal inside, most
        names = [("record", "hr", "staff", "4711"), ("unique", f"{n}")]
        async with replicas[n % 2].exclusive(*(names if n % 3 else reversed(names))):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1

    await asyncio.gather(*(work(n) for n in range(20)))
    assert most == 1
    async with identities.exclusive(("a",)), replicas[1].exclusive(("b",)):
        pass


async def test_a_lock_is_let_go_by_errors_and_cancellation(house: House, identities: IdentityMap) -> None:
    """An exception, or a caller that goes away inside or while waiting, leaves no lock behind."""
    other = await house.open() if house.url.startswith("postgresql") else identities
    with pytest.raises(KeyError):
        async with identities.exclusive(("a",)):
            raise KeyError("inside")
    held = asyncio.Event()

    async def hold() -> None:
        async with identities.exclusive(("a",)):
            held.set()
            await asyncio.Event().wait()

    async def wait() -> None:
        async with other.exclusive(("a",)):
            raise AssertionError("two in one block")

    holder = asyncio.create_task(hold())
    await held.wait()
    waiter = asyncio.create_task(wait())
    await asyncio.sleep(0.05)
    assert not waiter.done()
    for task in (waiter, holder):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with asyncio.timeout(5), other.exclusive(("a",)):
        pass
