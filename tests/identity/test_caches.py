"""The caches alone: what they hold, for how long, and what they refuse to learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis as Client

from gateway.identity import Identity, connect
from gateway.identity.entries import PENDING, Writing, name_of_id, name_of_key, names_of
from gateway.identity.minting import Minter, pack
from gateway.identity.process import NEGATIVE, PATIENCE, SETTLE, ProcessCache
from gateway.identity.records import Place
from tests.identity.conftest import KEY, House, create, until

ADA = Identity(
    "acme", "User", "an-id", "hr", "staff", "ada", 0, "e-1",
    datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), 7, MappingProxyType({}),
)  # fmt: skip
NAME = name_of_id("acme", "an-id")


class Ticks:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def cache(ticks: Ticks) -> ProcessCache:
    return ProcessCache(ticks, size=3, seconds=10.0)


def test_an_entry_lives_for_its_time(cache: ProcessCache, ticks: Ticks) -> None:
    """A remembered identity lasts ten seconds, that there is none two."""
    cache.fill({NAME: ADA, ("id", "acme", "no"): None}, ticks.now)
    assert cache.get([NAME, ("id", "acme", "no"), ("id", "acme", "?")]) == {NAME: ADA, ("id", "acme", "no"): None}
    ticks.now += NEGATIVE + 0.1
    assert cache.get([NAME, ("id", "acme", "no")]) == {NAME: ADA}
    ticks.now += 10
    assert cache.get([NAME]) == {}
    assert len(cache) == 0


def test_what_was_read_before_a_change_is_not_remembered_after(cache: ProcessCache, ticks: Ticks) -> None:
    """While something is changed, and for longer than a reader may take, nothing of it is learned."""
    began = ticks.now
    cache.mark([NAME], 10)
    cache.fill({NAME: ADA}, began)
    assert cache.get([NAME]) == {}
    cache.mark([NAME], SETTLE)
    ticks.now += PATIENCE
    cache.fill({NAME: ADA}, began)
    assert cache.get([NAME]) == {}
    ticks.now += SETTLE
    cache.fill({NAME: ADA}, began)
    assert cache.get([NAME]) == {}
    cache.fill({NAME: ADA}, ticks.now)
    assert cache.get([NAME]) == {NAME: ADA}


def test_what_is_known_is_not_overwritten_by_readers(cache: ProcessCache, ticks: Ticks) -> None:
    """Of two readers the first counts; only a change makes room for something newer."""
    cache.fill({NAME: ADA}, ticks.now)
    cache.fill({NAME: replace(ADA, counter=6)}, ticks.now)
    assert cache.get([NAME]) == {NAME: ADA}


def test_clearing_forgets_what_is_being_read_too(cache: ProcessCache, ticks: Ticks) -> None:
    """A reader that began before everything was voided does not bring it back."""
    began = ticks.now
    ticks.now += 0.01
    cache.clear()
    cache.fill({NAME: ADA}, began)
    assert cache.get([NAME]) == {}


def test_the_least_recently_used_goes_first(cache: ProcessCache, ticks: Ticks) -> None:
    """Memory is bounded, and what is asked for stays."""
    names = [name_of_id("acme", f"{n}") for n in range(4)]
    cache.fill(dict.fromkeys(names[:3], ADA), ticks.now)
    cache.get([names[0]])
    cache.fill({names[3]: ADA}, ticks.now)
    assert len(cache) == 3
    assert set(cache.get(names)) == {names[0], names[2], names[3]}


SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20)
TEXT = st.text(max_size=20)
NAMED = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    names=st.tuples(*[NAMED] * 6), external_id=st.none() | NAMED, moment=st.datetimes(min_value=datetime(1600, 1, 1)),
    kept=st.dictionaries(NAMED, SCALARS | st.lists(SCALARS, max_size=3), max_size=3), allowed=st.booleans(),
)  # fmt: skip
def test_entries_come_back_as_written(
    names: tuple[str, ...], external_id: str | None, moment: datetime, kept: Mapping[str, Any], allowed: bool
) -> None:
    """Whatever an identity holds, an entry gives it back; kept attributes only where they are allowed."""
    tenant, resource_type, id, backend, entity, key = names
    moment = moment.replace(tzinfo=UTC)
    identity = Identity(tenant, resource_type, id, backend, entity, key, 3, external_id, moment, moment, 9, kept)
    writing = Writing(b"secret", "store", kept=allowed)
    name = writing.name(name_of_id(tenant, id))
    data = writing.dump(name, identity)
    if data is None:
        return
    known, back = writing.load(name, data)
    assert known
    assert back is not None
    if allowed or not kept:
        assert back == identity
    else:
        assert back.kept is PENDING
        assert replace(back, kept=kept) == identity


def test_what_cannot_be_written_is_left_to_the_store() -> None:
    """A broken character or a very large number makes no entry instead of a wrong one."""
    writing = Writing(b"secret", "store", kept=True)
    assert writing.dump(b"n", replace(ADA, key="\ud800")) is None
    assert writing.dump(b"n", replace(ADA, kept={"n": 2**70})) is None


def test_forged_damaged_and_copied_entries_read_as_nothing() -> None:
    """An entry is good only under its own name, unchanged, and with this gateway's key."""
    writing, other = Writing(b"secret", "store", kept=True), Writing(b"another", "store", kept=True)
    data = writing.dump(b"a", ADA)
    assert data is not None
    assert writing.load(b"a", data) == (True, ADA)
    forged = [data[:-1], data + b" ", b"", b"x", b"-", data[:8], bytes(8) + data[8:], data[:20] + b"9" + data[21:]]
    for wrong in forged:
        assert writing.load(b"a", wrong) == (False, None)
    assert writing.load(b"b", data) == (False, None)
    assert other.load(b"a", data) == (False, None)
    nothing = writing.dump(b"a", None)
    assert nothing is not None
    assert writing.load(b"a", nothing) == (True, None)


def test_names_begin_with_the_tenant_and_cannot_meet() -> None:
    """Names of two tenants never share a beginning up to the separator, and keys are not readable in them (X9)."""
    writing = Writing(b"secret", "store", kept=False)
    writing.begin(1)
    first = writing.name(name_of_key(Place("a:b", "User", "hr", "staff"), "ada@example.com"))
    second = writing.name(name_of_key(Place("a", "b:User", "hr", "staff"), "ada@example.com"))
    assert first.startswith(b"a%3Ab:scim:")
    assert second.startswith(b"a:scim:")
    assert b"ada" not in first
    writing.begin(2)
    assert writing.name(NAME) != first
    assert b":2:" in writing.name(NAME)


@settings(max_examples=100)
@given(st.lists(TEXT, max_size=4), st.lists(TEXT, max_size=4))
def test_packing_is_injective(one: list[str], two: list[str]) -> None:
    """Different tuples never give the same bytes, wherever their parts are cut (X9)."""
    assert (pack(*one) == pack(*two)) == (one == two)
    assert pack(1) != pack("1")


def test_ids_depend_on_the_key_and_on_every_part() -> None:
    """Another secret, or any other part, gives another id; the same gives the same for ever."""
    minter = Minter(KEY)
    parts = ("acme", "User", "hr", "staff", "ada", 0)
    assert minter.mint(*parts) == "46cce320-dc65-8506-a937-3dfa27d1bc61"
    ids = {minter.mint(*parts), Minter(KEY + b"x").mint(*parts), minter.mint(*parts[:5], 1)}
    for n in range(5):
        changed = [*parts]
        changed[n] = f"{changed[n]}x"
        ids.add(minter.mint(*changed))  # type: ignore[arg-type]
    assert len(ids) == 8


def test_a_short_secret_is_refused(fresh_sqlite: str) -> None:
    """A key too short to be a secret is refused at once, and is in no text."""
    with pytest.raises(ValueError, match="id_key: must have at least 16 bytes") as refusal:
        connect(fresh_sqlite, id_key=b"short secret")
    assert "short secret" not in str(refusal.value)


def test_nothing_of_a_person_is_in_a_repr() -> None:
    """An identity's repr names no key, no externalId and nothing kept (promise 8)."""
    text = repr(replace(ADA, kept={"title": "Countess"}))
    assert "ada" not in text.replace("an-id", "")
    assert "e-1" not in text
    assert "Countess" not in text
    assert "an-id" in text


class Seen:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, str], int] = {}

    def lookup(self, layer: str, outcome: str, count: int) -> None:
        self.events[layer, outcome] = self.events.get((layer, outcome), 0) + count

    def taken(self) -> dict[tuple[str, str], int]:
        taken, self.events = self.events, {}
        return taken


@pytest.mark.parametrize("combination", ["sqlite+memory", "postgresql+redis"])
async def test_look_ups_are_told_by_layer(house: House, hasty: None) -> None:
    """The observer learns which layer answered how many look-ups, and what had to go on to the next."""
    seen = Seen()
    identities = await house.open(observer=seen)
    layer = "process" if house.cache == "memory" else "redis"
    minted = await identities.identify(house.tenant, "User", "hr", "staff", ["a", "b"])
    assert seen.taken() == {(layer, "miss"): 2, ("store", "miss"): 2}
    await identities.identify(house.tenant, "User", "hr", "staff", ["a", "b", "c"])
    assert seen.taken() == {(layer, "hit"): 2, (layer, "miss"): 1, ("store", "miss"): 1}
    ids = [minted["a"].id, "00000000-0000-8000-8000-000000000000"]
    await identities.find(house.tenant, ids)
    assert seen.taken() == {(layer, "hit"): 1, (layer, "miss"): 1, ("store", "miss"): 1}
    await identities.find(house.tenant, ids)
    assert seen.taken() == {(layer, "hit"): 1, (layer, "negative"): 1}
    for _ in range(2):
        await identities.identify(house.tenant, "User", "hr", "staff", ["a"], mint=False, kept=False)
    expected = {("process", "hit"): 2} if house.cache == "memory" else {
        ("process", "miss"): 1, ("redis", "hit"): 1, ("process", "hit"): 1}  # fmt: skip
    assert seen.taken() == expected


@pytest.mark.parametrize("combination", ["postgresql+redis"])
async def test_kept_attributes_stay_out_of_the_shared_cache(house: House, tenant: str, hasty: None) -> None:
    """What the gateway keeps is not in Redis unless the operator allows it; nor is a key readable in a name."""
    for allowed in (False, True):
        identities = await house.open(cache_kept=allowed)
        key = f"login-{allowed}"
        ada = await create(identities, tenant, key, kept={"title": "Countess"}, index=[("title", "countess")])
        await _warm(identities, tenant, ada)
        with Client.from_url(house.cache) as client:
            content = {name: client.get(name) or b"" for name in client.keys(f"{tenant}:*")}
            client.flushall()
        assert content
        assert not any(key.encode() in name for name in content)
        assert any(b"Countess" in data for data in content.values()) == allowed
        assert (await identities.find(tenant, [ada.id]))[ada.id].kept == {"title": "Countess"}


async def _warm(identities: Any, tenant: str, identity: Identity) -> None:
    """Read until the shared cache has it."""

    async def remembered() -> bool:
        await identities.find(tenant, [identity.id])
        found = await identities._caches.get([names_of(identity)[0]], links=False)
        return bool(found)

    await until(remembered)


def test_another_gateways_entries_are_not_ours() -> None:
    """Two stores that share one Redis share no name in it."""
    names = [Writing(b"k", store, kept=False).name(NAME) for store in ("one", "two")]
    assert names[0] != names[1]
