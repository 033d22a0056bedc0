"""Moves to another key, announced before they are made (R-L1)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from gateway.identity import IdentityMap
from gateway.identity.moves import OPEN
from tests.identity.conftest import House, Users, create

STAFF = ("User", "hr", "staff")


async def test_an_announced_key_is_given_no_id(
    house: House, identities: IdentityMap, tenant: str, users: Users
) -> None:
    """Who meets a key an account is on its way to gets nothing for it, from any replica, and can ask who is coming; the
    move made, the key is that account's."""
    other = await house.replica(identities)
    ada = (await users("ada", "bob"))["ada"]
    await identities.announce(ada, "countess")
    assert set(await users("countess", "ada", "carl", by=other)) == {"ada", "carl"}
    assert await other.movers(tenant, *STAFF, ["countess", "ada", "dora"]) == {"countess": ada}
    assert await other.destination(ada) == "countess"
    moved = await other.rename(ada, "countess")
    assert await users("countess") == {"countess": moved}
    assert moved.id == ada.id
    assert await identities.destination(moved) is None
    assert await identities.movers(tenant, *STAFF, ["countess"]) == {}


async def test_a_move_taken_back_leaves_the_key_free(identities: IdentityMap, users: Users, tenant: str) -> None:
    """Nothing came of it: the next who is met under that key is somebody new."""
    ada = (await users("ada"))["ada"]
    await identities.announce(ada, "countess")
    await identities.retract(ada, "countess")
    fresh = (await users("countess"))["countess"]
    assert fresh.id != ada.id
    assert await identities.find(tenant, [ada.id]) == {ada.id: ada}


async def test_who_died_on_the_way_is_forgotten(identities: IdentityMap, users: Users, tenant: str) -> None:
    """A move of an account that is gone keeps nobody from its key."""
    ada = (await users("ada"))["ada"]
    await identities.announce(ada, "countess")
    await identities.bury(ada)
    assert await users("countess") == {}
    assert await identities.movers(tenant, *STAFF, ["countess"]) == {}
    assert (await users("countess"))["countess"].id != ada.id


async def test_a_create_with_the_key_that_was_left_lets_the_account_move_on(
    identities: IdentityMap, users: Users, tenant: str
) -> None:
    """The system has made another account with the key, so that the first one has left it: for where it was to go."""
    ada = await create(identities, tenant, "ada", kept={"title": "C"})
    await identities.announce(ada, "countess")
    new = await create(identities, tenant, "ada")
    assert new.id != ada.id
    moved = (await identities.find(tenant, [ada.id]))[ada.id]
    assert (moved.key, moved.kept) == ("countess", {"title": "C"})
    assert await identities.rename(ada, "countess") == moved
    assert (await users("countess", "ada")) == {"countess": moved, "ada": new}


async def test_a_create_with_the_key_somebody_comes_to_counts(
    identities: IdentityMap, users: Users, tenant: str
) -> None:
    """An account the gateway itself made under an announced key has an id of its own; the move then buries it, or is
    taken back."""
    ada = (await users("ada"))["ada"]
    await identities.announce(ada, "countess")
    new = await create(identities, tenant, "countess")
    assert new.id != ada.id
    await identities.retract(ada, "countess")
    assert (await users("countess", "ada")) == {"countess": new, "ada": ada}


async def test_a_key_that_was_left_is_given_no_id_in_doubt(identities: IdentityMap, users: Users) -> None:
    """Who may have read an account before its key was left is told nothing, and looks again; a key never left is given
    an id at once."""
    ada = (await users("ada"))["ada"]
    await identities.rename(ada, "countess")
    assert set(await users("ada", "bob", "countess", doubt=True)) == {"bob", "countess"}
    fresh = (await users("ada"))["ada"]
    assert fresh.id != ada.id
    assert (await users("ada", doubt=True)) == {"ada": fresh}


async def test_moves_and_lists_at_once_leave_one_id(
    house: House, identities: IdentityMap, users: Users, tenant: str
) -> None:
    """However moves and lists fall together, no key that was only on somebody's way has an id of its own in the end."""
    other = await house.replica(identities)
    people = await users(*(f"k{n}" for n in range(12)))

    async def move(n: int) -> None:
        person = people[f"k{n}"]
        for step in range(3):
            await identities.announce(person, f"k{n}-{step}")
            person = await identities.rename(person, f"k{n}-{step}")

    async def look() -> None:
        for _ in range(6):
            for step in range(3):
                await users(*(f"k{n}-{step}" for n in range(12)), by=other, doubt=True, mint=False)

    await asyncio.gather(*(move(n) for n in range(12)), look())
    final = await users(*(f"k{n}-2" for n in range(12)))
    assert {one.id for one in final.values()} == {one.id for one in people.values()}


async def test_a_move_cut_off_is_forgotten_in_the_end(house: House, tenant: str) -> None:
    """After three months nobody waits for an account any more."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    early = await house.open(clock=lambda: now)
    ada = (await early.identify(tenant, *STAFF, ["ada"]))["ada"]
    await early.announce(ada, "countess")
    await early._store.tidy()
    assert await early.destination(ada) == "countess"
    now += OPEN + timedelta(seconds=1)
    await early._store.tidy()
    assert await early.destination(ada) is None
    assert set(await early.identify(tenant, *STAFF, ["countess"])) == {"countess"}
