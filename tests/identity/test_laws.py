"""An id, once given, means the same account for ever, and never another (promise 3)."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from redis import Redis as Client

from gateway.identity import Identity, IdentityError, IdentityMap
from tests.identity.conftest import House, Users, create


async def test_an_id_survives_rename_restart_and_cache_loss(
    house: House, identities: IdentityMap, tenant: str, users: Users
) -> None:
    """The same account has the same id after a new login, a restart, and the loss of every cache (R-L1, R-L4)."""
    ada = (await users("ada"))["ada"]
    moved = await identities.rename(ada, "ada.lovelace")
    assert moved.id == ada.id
    again = await house.restarted(identities)
    if house.cache != "memory":
        with Client.from_url(house.cache) as client:
            client.flushall()
    assert (await users("ada.lovelace", by=again))["ada.lovelace"].id == ada.id
    assert (await again.find(tenant, [ada.id]))[ada.id].key == "ada.lovelace"


async def test_ids_are_opaque_uuids(users: Users) -> None:
    """An id is a UUID in canonical form, tells nothing of the key, and cannot contain "bulkId" (S5)."""
    found = await users(*(f"bulkId{number}" for number in range(200)))
    ids = {identity.id for identity in found.values()}
    assert len(ids) == 200
    for id in ids:
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", id)
        assert "bulkid" not in id.lower()


async def test_a_key_left_by_delete_gets_another_id(
    house: House, identities: IdentityMap, tenant: str, users: Users
) -> None:
    """A login given to somebody else after a delete is another person, met in a list or created (R-L3)."""
    seen = set()
    for turn in range(4):
        if turn % 2:
            person = await create(identities, tenant, "ada")
        else:
            person = (await users("ada"))["ada"]
        assert person.id not in seen
        assert person.generation == turn
        seen.add(person.id)
        await identities.bury(person)
        assert await identities.find(tenant, list(seen)) == {}
    again = await house.restarted(identities)
    assert (await users("ada", by=again))["ada"].id not in seen


async def test_a_key_left_by_rename_gets_another_id(identities: IdentityMap, tenant: str, users: Users) -> None:
    """Whoever has the old login after a rename is somebody else, and a rename back and forth loses nothing (R-L3)."""
    ada = (await users("ada"))["ada"]
    await identities.rename(ada, "countess")
    other = (await users("ada"))["ada"]
    assert other.id != ada.id
    back = await identities.rename(only(await identities.find(tenant, [ada.id])), "lovelace")
    assert back.id == ada.id
    third = (await users("countess"))["countess"]
    assert len({ada.id, other.id, third.id}) == 3
    found = await identities.find(tenant, [ada.id, other.id, third.id])
    assert {id: identity.key for id, identity in found.items()} == {
        ada.id: "lovelace",
        other.id: "ada",
        third.id: "countess",
    }


def only(found: dict[str, Identity]) -> Identity:
    (identity,) = found.values()
    return identity


async def test_a_rename_onto_a_known_key_buries_who_had_it(identities: IdentityMap, tenant: str, users: Users) -> None:
    """If the backend lets an account take a key, whoever had it is gone: their id is nobody's (R-L3)."""
    found = await users("ada", "byron")
    moved = await identities.rename(found["ada"], "byron")
    assert moved.id == found["ada"].id
    assert await identities.find(tenant, [found["byron"].id]) == {}
    assert (await users("byron"))["byron"].id == found["ada"].id


async def test_a_tombstone_stays_one(house: House, identities: IdentityMap, tenant: str, users: Users) -> None:
    """A deleted id is not found, not searched, and burying twice is harmless (H5)."""
    ada = await create(identities, tenant, "ada", external_id="e-1")
    await identities.bury(ada)
    await identities.bury(ada)
    again = await house.restarted(identities)
    assert await again.find(tenant, [ada.id]) == {}
    assert await again.search(tenant, "User", [], 10) == ()
    assert await users("ada", by=again, mint=False) == {}
    assert (await users("ada", by=again))["ada"].generation == 1


async def test_a_stale_look_does_not_bury(identities: IdentityMap, tenant: str, users: Users) -> None:
    """Who looked under the old key after a rename has seen nothing that means the account is gone."""
    ada = (await users("ada"))["ada"]
    moved = await identities.rename(ada, "countess")
    await identities.bury(ada)
    assert (await identities.find(tenant, [ada.id]))[ada.id] == moved


async def test_a_rename_takes_a_tombstone_back_that_was_made_half_way(
    identities: IdentityMap, tenant: str, users: Users
) -> None:
    """A reader between the backend's rename and the store's finds nothing under the old key and buries; the rename
    sets it right, with all that was kept."""
    ada = await create(
        identities, tenant, "ada", external_id="e-1", kept={"title": "Countess"}, index=[("title", "countess")]
    )
    await identities.bury(ada)
    assert await identities.find(tenant, [ada.id]) == {}
    moved = await identities.rename(ada, "countess")
    assert (moved.id, moved.key, moved.external_id, moved.kept) == (ada.id, "countess", "e-1", {"title": "Countess"})
    assert (await users("ada"))["ada"].id != ada.id


async def test_looking_up_without_minting_gives_nothing_new(identities: IdentityMap, tenant: str, users: Users) -> None:
    """A key first met as a reference gets no id until its entity confirms it (DESIGN §6); then it is known at
    once."""
    assert await users("ghost", mint=False, kept=False) == {}
    minted = (await users("ghost"))["ghost"]
    assert (await users("ghost", mint=False, kept=False))["ghost"].id == minted.id


async def test_entities_backends_types_and_tenants_are_apart(identities: IdentityMap, tenant: str) -> None:
    """The same key elsewhere is somebody else, however names and keys are cut (X9, promise 7)."""
    places = [
        (tenant, "User", "hr", "staff", "a:b"),
        (tenant, "User", "hr", "staff:a", "b"),
        (tenant, "User", "hr:staff", "a", "b"),
        (tenant, "User", "hr", "staf", "fa:b"),
        (tenant, "Group", "hr", "staff", "a:b"),
        (f"{tenant}:User", "hr", "staff", "a", "b"),
        (f"{tenant}2", "User", "hr", "staff", "a:b"),
    ]
    ids = {}
    for *place, key in places:
        found = await identities.identify(*place[:4], [key])
        ids[(*place, key)] = found[key].id
    assert len(set(ids.values())) == len(places)
    for (owner, *_), id in ids.items():
        for other in {place[0] for place in places}:
            assert (id in await identities.find(other, [id])) == (other == owner)


async def test_another_tenants_id_cannot_be_changed(identities: IdentityMap, tenant: str, users: Users) -> None:
    """With a tenant's identity forged onto another's id nothing is altered, renamed or buried (X10)."""
    ada = (await users("ada"))["ada"]
    forged = replace(ada, tenant=f"{tenant}-other")
    await identities.alter(forged, external_id="stolen", touched=True)
    await identities.rename(forged, "stolen")
    await identities.bury(forged)
    assert await identities.find(tenant, [ada.id]) == {ada.id: ada}


STRANGE_IDS = [
    "",
    "x",
    "%",
    "2819c223-7f76-453a-919d-413861904646",
    "'; DROP TABLE scim_identity; --",
    "\x00",
    "\ud800",
]


async def test_what_is_no_id_is_nobody(identities: IdentityMap, tenant: str, users: Users) -> None:
    """Whatever a client sends as an id is looked up, or cannot be one; it is never an error (H15)."""
    ada = (await users("ada"))["ada"]
    for id in (*STRANGE_IDS, "é" * 99, ada.id.upper(), f"{ada.id}\n"):
        assert await identities.find(tenant, [id]) == {}, id
    assert await identities.find(tenant, [*STRANGE_IDS, ada.id, ada.id.upper()]) == {ada.id: ada}


STRANGE_KEYS = ["", " ", "ÅÄÖ", "a\x00b", "\x1b[0m", '\x1b"a"', "\ud800", "💩", "a'b\"c\\d", "%_", "x" * 1000]


async def test_any_native_key_can_be_mapped(house: House, identities: IdentityMap, tenant: str, users: Users) -> None:
    """Keys are what a legacy system has: blank, quoted, with U+0000 or broken characters; each stays itself."""
    first = await users(*STRANGE_KEYS)
    assert {key: identity.key for key, identity in first.items()} == {key: key for key in STRANGE_KEYS}
    for key, identity in first.items():
        await identities.alter(identity, external_id=f"e{key}", kept={"title": key}, index=[("title", key)])
    again = await house.restarted(identities)
    found = await users(*STRANGE_KEYS, by=again)
    for key in STRANGE_KEYS:
        held = (found[key].id, found[key].key, found[key].external_id, found[key].kept)
        assert held == (first[key].id, key, f"e{key}", {"title": key})
        assert await again.find(tenant, [first[key].id]) == {first[key].id: found[key]}


async def test_a_key_too_long_to_be_found_again_is_refused(users: Users) -> None:
    """A key beyond what an index holds is an error that names the reason, not a mapping that breaks later."""
    with pytest.raises(IdentityError, match="longer than 1000"):
        await users("x" * 1001)
