"""Creates: announced before the backend is called, bound after, and converging whatever is cut off (R-L21, R-L22)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from gateway.identity import IdentityMap
from tests.identity.conftest import House, Users, create

MATCH = {"userName": "ada", "externalId": "e-1"}


async def test_a_create_that_was_cut_off_is_resumed(house: House, identities: IdentityMap, tenant: str) -> None:
    """The same request after a crash finds its reservation open; once bound, another one does not (R-L21)."""
    first = await identities.reserve(tenant, "User", MATCH)
    assert not first.resumed
    again = await house.restarted(identities)
    second = await again.reserve(tenant, "User", dict(reversed(MATCH.items())))
    assert second.resumed
    await again.bind(second, "hr", "staff", "ada", external_id="e-1", kept={}, index=())
    assert not (await again.reserve(tenant, "User", MATCH)).resumed


async def test_a_released_reservation_is_not_resumed(identities: IdentityMap, tenant: str) -> None:
    """A create the backend refused leaves nothing open."""
    await identities.release(await identities.reserve(tenant, "User", MATCH))
    assert not (await identities.reserve(tenant, "User", MATCH)).resumed


async def test_only_the_same_request_resumes(identities: IdentityMap, tenant: str) -> None:
    """Another tenant, type, name or externalId is another create; names and values are not run together (X9)."""
    await identities.reserve(tenant, "User", MATCH)
    others: list[tuple[str, str, dict[str, str]]] = [
        (f"{tenant}2", "User", MATCH),
        (tenant, "Group", MATCH),
        (tenant, "User", {"userName": "ada"}),
        (tenant, "User", {**MATCH, "externalId": "e-2"}),
        (tenant, "User", {"userName": "ada:externalId:e-1"}),
        (tenant, "User", {"userNameada": "", "externalId": "e-1"}),
    ]
    for owner, resource_type, match in others:
        assert not (await identities.reserve(owner, resource_type, match)).resumed


async def test_a_reservation_does_not_stay_open_for_ever(house: House, tenant: str) -> None:
    """After a day the request is somebody else's; a conflict then is a conflict."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    identities = await house.open(clock=lambda: now)
    await identities.reserve(tenant, "User", MATCH)
    now += timedelta(hours=23)
    assert (await identities.reserve(tenant, "User", MATCH)).resumed
    now += timedelta(hours=25)
    assert not (await identities.reserve(tenant, "User", MATCH)).resumed


async def test_a_created_account_is_not_whoever_had_its_key(identities: IdentityMap, tenant: str, users: Users) -> None:
    """A mapping that was there before the create is of an account gone unnoticed: the new one gets a new id (R-L3)."""
    stale = await create(identities, tenant, "ada", external_id="old", kept={"title": "Old"}, index=[("title", "old")])
    fresh = await create(identities, tenant, "ada")
    assert fresh.id != stale.id
    assert (fresh.external_id, fresh.kept, fresh.generation) == (None, {}, 1)
    assert await identities.find(tenant, [stale.id, fresh.id]) == {fresh.id: fresh}
    assert (await users("ada"))["ada"].id == fresh.id


async def test_a_list_between_backend_and_store_does_not_change_the_id(
    house: House, identities: IdentityMap, tenant: str, users: Users
) -> None:
    """An id a list gave the account a moment before it was bound is its id, also if another replica listed it."""
    lister = await house.replica(identities)
    reservation = await identities.reserve(tenant, "User", MATCH)
    met = (await users("ada", by=lister))["ada"]
    bound = await identities.bind(
        reservation, "hr", "staff", "ada", external_id="e-1", kept={"title": "C"}, index=[("title", "c")]
    )
    assert (bound.id, bound.external_id, bound.kept) == (met.id, "e-1", {"title": "C"})
    assert (await lister.find(tenant, [met.id]))[met.id] == bound


async def test_two_of_the_same_request_give_one_id(house: House, identities: IdentityMap, tenant: str) -> None:
    """The second of two simultaneous POSTs adopts the account the first one made, before or after it is bound."""
    other = await house.replica(identities)
    first = await identities.reserve(tenant, "User", MATCH)
    second = await other.reserve(tenant, "User", MATCH)
    assert second.resumed
    adopted = await other.bind(second, "hr", "staff", "ada", external_id="e-1", kept={}, index=(), adopted=True)
    bound = await identities.bind(first, "hr", "staff", "ada", external_id="e-1", kept={}, index=())
    assert bound.id == adopted.id
    third = await other.bind(second, "hr", "staff", "ada", external_id="e-1", kept={}, index=(), adopted=True)
    assert third.id == bound.id


async def test_adopting_keeps_the_id_and_what_is_known(identities: IdentityMap, tenant: str) -> None:
    """Taking over an account keeps its id; what was not sent stays, what was sent replaces."""
    known = await create(
        identities, tenant, "ada", external_id="e-1", kept={"a": 1, "b": 2}, index=[("a", "1"), ("b", "2")]
    )
    reservation = await identities.reserve(tenant, "User", {"userName": "ada"})
    adopted = await identities.bind(
        reservation, "hr", "staff", "ada", external_id=None, kept={"b": 3}, index=[("b", "3")], adopted=True
    )
    assert (adopted.id, adopted.external_id, adopted.kept) == (known.id, "e-1", {"a": 1, "b": 3})


async def test_creates_and_lists_at_once_give_one_id_per_account(
    house: House, identities: IdentityMap, tenant: str, users: Users
) -> None:
    """Binding while several replicas list the same accounts ends with one id each, the one everybody was told."""
    lister = await house.replica(identities)
    keys = [f"k{number}" for number in range(20)]
    reservations = {key: await identities.reserve(tenant, "User", {"userName": key}) for key in keys}

    async def bind(key: str) -> str:
        bound = await identities.bind(reservations[key], "hr", "staff", key, external_id=None, kept={}, index=())
        return bound.id

    bound, *lists = await asyncio.gather(
        asyncio.gather(*(bind(key) for key in keys)),
        *(users(*keys, by=by) for by in (identities, lister, lister)),
    )
    after = await users(*keys, by=lister)
    for key, id in zip(keys, bound, strict=True):
        assert {id, after[key].id} | {found[key].id for found in lists} == {id}
