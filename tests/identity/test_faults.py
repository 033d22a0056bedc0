"""Redis slow, down, emptied, restarted or full of rubbish costs speed only; a store that goes away is told."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import pytest
from redis import Redis as Client

from gateway.identity import Identity, IdentityMap, StoreUnavailableError, connect
from gateway.identity.entries import names_of
from gateway.identity.shared import ANSWER_SECONDS
from gateway.identity.statements import Statement
from tests.identity.conftest import KEY, House, create, until
from tests.services import Postgres, Redis, free_port

STAFF = ("User", "hr", "staff")


async def warmed(identities: IdentityMap, identity: Identity) -> None:
    """Read until the shared cache has an identity."""

    async def remembered() -> bool:
        await identities.find(identity.tenant, [identity.id])
        return bool(await identities._caches.get([names_of(identity)[0]], links=False))

    await until(remembered)


async def usable(identities: IdentityMap) -> None:
    """Wait until the shared cache is in use."""

    async def so() -> bool:
        return identities.cache_usable

    await until(so)


async def unusable(identities: IdentityMap) -> None:
    """Wait until the shared cache is left aside."""

    async def so() -> bool:
        return not identities.cache_usable

    await until(so)


async def every_operation(identities: IdentityMap, other: IdentityMap, tenant: str, key: str) -> None:
    """Do one of everything, each seen through the other replica at once."""
    person = await create(identities, tenant, key, external_id="e-1")
    assert await other.find(tenant, [person.id]) == {person.id: person}
    person = await other.alter(person, external_id="e-2", kept={"title": "C"})
    assert await identities.find(tenant, [person.id]) == {person.id: person}
    person = await identities.rename(person, f"{key}-2")
    assert await other.identify(tenant, *STAFF, [f"{key}-2"]) == {f"{key}-2": person}
    await other.bury(person)
    assert await identities.find(tenant, [person.id]) == {}


async def test_redis_stopped_in_the_middle(apart: House, own_valkey: Redis) -> None:
    """Requests go on through the store while Redis is down, and it is used again when it is back."""
    identities, other = await apart.open(), await apart.open()
    ada = (await identities.identify(apart.tenant, *STAFF, ["ada"]))["ada"]
    await warmed(other, ada)
    own_valkey.stop()
    await every_operation(identities, other, apart.tenant, "while-down")
    ada = await identities.alter(ada, external_id="changed while down")
    assert (await other.find(apart.tenant, [ada.id]))[ada.id] == ada
    assert not identities.cache_usable
    started = time.monotonic()
    for _ in range(50):
        await identities.find(apart.tenant, [ada.id])
    assert time.monotonic() - started < 2.0
    own_valkey.start()
    await usable(identities)
    await usable(other)
    await every_operation(identities, other, apart.tenant, "after")
    await warmed(other, ada)


async def test_redis_down_at_the_start(postgres_url: str, own_valkey: Redis) -> None:
    """A gateway starts without Redis and takes it into use when it comes."""
    own_valkey.stop()
    async with connect(postgres_url, id_key=KEY, cache=own_valkey.url) as identities:
        assert not identities.cache_usable
        await identities.identify("t-down", *STAFF, ["ada"])
        own_valkey.start()
        await usable(identities)


async def test_redis_restarted_with_old_data(apart: House, own_valkey: Redis) -> None:
    """A server that comes back with what it held before (a snapshot, a failover) brings nothing stale back."""
    identities, other = await apart.open(), await apart.open()
    people = await identities.identify(apart.tenant, *STAFF, ["ada", "bob", "eve"])
    for person in people.values():
        await warmed(other, person)
    with Client.from_url(apart.cache) as client:
        snapshot = {name: client.dump(name) for name in client.keys(f"{apart.tenant}:*")}
    renamed = await identities.rename(people["ada"], "countess")
    changed = await identities.alter(people["bob"], external_id="e-2")
    await identities.bury(people["eve"])
    own_valkey.stop()
    await unusable(identities)
    await unusable(other)
    own_valkey.start()
    with Client.from_url(apart.cache) as client:
        for name, data in snapshot.items():
            client.restore(name, 0, data, replace=True)
    await usable(identities)
    await usable(other)
    ids = [person.id for person in people.values()]
    for replica in (identities, other):
        assert await replica.find(apart.tenant, ids) == {renamed.id: renamed, changed.id: changed}


async def test_redis_emptied(apart: House) -> None:
    """A flush, also between the steps of changes, changes no answer."""
    identities, other = await apart.open(), await apart.open()
    with Client.from_url(apart.cache) as client:
        stop = asyncio.Event()

        async def flush() -> None:
            while not stop.is_set():
                client.flushall()
                await asyncio.sleep(0.002)

        flushing = asyncio.create_task(flush())
        for n in range(10):
            await every_operation(identities, other, apart.tenant, f"k{n}")
        stop.set()
        await flushing
    assert identities.cache_usable


async def test_redis_holding_rubbish(apart: House) -> None:
    """Values that are damaged, copied from elsewhere or of another kind read as nothing, and are never an answer."""
    identities = await apart.open()
    people = await identities.identify(apart.tenant, *STAFF, [f"k{n}" for n in range(40)])
    for person in people.values():
        await warmed(identities, person)
    with Client.from_url(apart.cache) as client:
        names = sorted(client.keys(f"{apart.tenant}:*"))
        values = [client.get(name) or b"" for name in names]
        for n, name in enumerate(names):
            match n % 5:
                case 0:
                    client.set(name, values[(n + 5) % len(values)])
                case 1:
                    client.set(name, os.urandom(60))
                case 2:
                    client.delete(name)
                    client.rpush(name, "a list")
                case 3:
                    client.set(name, values[n][:-3])
                case _:
                    client.set(name, b"-")
    assert await identities.identify(apart.tenant, *STAFF, list(people)) == people
    assert await identities.find(apart.tenant, [p.id for p in people.values()]) == {p.id: p for p in people.values()}
    assert await identities.identify(apart.tenant, *STAFF, list(people), mint=False, kept=False) == people
    moved = await identities.rename(people["k0"], "moved")
    assert await identities.find(apart.tenant, [moved.id]) == {moved.id: moved}


async def test_redis_slow(apart: House) -> None:
    """A server that does not answer delays one request by a tenth of a second and the next ones not at all."""
    identities, other = await apart.open(), await apart.open()
    ada = (await identities.identify(apart.tenant, *STAFF, ["ada"]))["ada"]
    await warmed(other, ada)
    with Client.from_url(apart.cache) as client:
        client.client_pause(1500)
        started = time.monotonic()
        assert await other.find(apart.tenant, [ada.id]) == {ada.id: ada}
        first = time.monotonic() - started
        ada = await identities.alter(ada, external_id="e-slow")
        started = time.monotonic()
        for _ in range(20):
            assert await other.find(apart.tenant, [ada.id]) == {ada.id: ada}
        rest = time.monotonic() - started
        client.client_unpause()
    assert first < 3 * ANSWER_SECONDS + 0.3
    assert rest < 0.5
    await usable(other)
    # Answers that came too late were not taken for those of later questions.
    people = await other.identify(apart.tenant, *STAFF, [f"k{n}" for n in range(10)])
    for key, person in people.items():
        assert person.key == key
        assert await other.find(apart.tenant, [person.id]) == {person.id: person}


class Broken:
    """A Redis one replica cannot reach."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.broken = False

    def __getattr__(self, name: str) -> Any:
        if self.broken:
            raise OSError("unreachable")
        return getattr(self.inner, name)


async def test_one_replica_cut_off_from_redis(apart: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a replica changes that cannot reach Redis is seen by those that can: the epoch tells them."""
    monkeypatch.setattr("gateway.identity.shared.EPOCH_SECONDS", 0.1)
    identities, other = await apart.open(), await apart.open()
    ada = (await identities.identify(apart.tenant, *STAFF, ["ada"]))["ada"]
    await warmed(other, ada)
    shared = identities._caches._shared
    assert shared is not None
    shared._server = broken = Broken(shared._server)  # type: ignore[assignment]
    broken.broken = True
    ada = await identities.alter(ada, external_id="seen late")
    assert not identities.cache_usable

    async def seen() -> bool:
        return (await other.find(apart.tenant, [ada.id]))[ada.id] == ada

    await until(seen, 3.0)
    await warmed(other, ada)
    broken.broken = False
    await usable(identities)
    await every_operation(identities, other, apart.tenant, "again")


async def test_a_change_that_never_ended_is_not_remembered_wrongly(apart: House) -> None:
    """Marks of a replica that died in the middle keep others from learning until they fade; they read the store."""
    identities = await apart.open()
    ada = (await identities.identify(apart.tenant, *STAFF, ["ada"]))["ada"]
    await warmed(identities, ada)
    dead = await apart.open()
    cover = dead._caches.cover()
    await cover.over(ada)
    for _ in range(3):
        assert await identities.find(apart.tenant, [ada.id]) == {ada.id: ada}
        assert await identities._caches.get([names_of(ada)[0]], links=False) == {}


async def test_renames_reach_what_other_processes_remember(apart: House, hasty: None) -> None:
    """A link another process remembers is dropped by a message when the account is renamed or deleted."""
    identities, other = await apart.open(), await apart.open()
    ada = (await identities.identify(apart.tenant, *STAFF, ["ada"]))["ada"]

    async def linked() -> str | None:
        found = await other.identify(apart.tenant, *STAFF, ["ada"], mint=False, kept=False)
        return found["ada"].id if found else None

    for _ in range(2):
        assert await linked() == ada.id
    await identities.rename(ada, "countess")

    async def gone() -> bool:
        return await linked() is None

    await until(gone, 1.0)
    fresh = (await identities.identify(apart.tenant, *STAFF, ["ada"]))["ada"]
    assert fresh.id != ada.id

    async def new() -> bool:
        return await linked() == fresh.id

    await until(new, 3.0)


async def test_changes_by_who_knows_an_old_key_are_seen(apart: House, hasty: None) -> None:
    """A change made with an identity that was renamed meanwhile voids what is remembered under the key it has now."""
    identities, other = await apart.open(), await apart.open()
    old = (await identities.identify(apart.tenant, *STAFF, ["ada"]))["ada"]
    moved = await identities.rename(old, "countess")

    async def remembered() -> bool:
        await other.identify(apart.tenant, *STAFF, ["countess"])
        return bool(await other._caches.get([names_of(moved)[1]], links=False))

    for change in (
        lambda: identities.alter(old),
        lambda: identities.alter(old, external_id="e-1", touched=False),
        lambda: identities.rename(old, "lovelace"),
    ):
        await until(remembered)
        after = await change()
        for key in {"countess", after.key}:
            found = await other.identify(apart.tenant, *STAFF, [key], mint=False)
            assert found == ({key: after} if key == after.key else {})


@pytest.mark.parametrize(
    "message", [b"", b"[]", b"{", b'{"left": 5}', b'{"left": [[1]]}', b'{"left": [null]}', b"\xff"]
)
async def test_strange_messages_are_passed_over(apart: House, message: bytes) -> None:
    """What somebody else says on the channel harms nobody."""
    identities = await apart.open()
    shared = identities._caches._shared
    assert shared is not None
    with Client.from_url(apart.cache) as client:
        for _ in range(3):
            assert client.publish(shared._channel, message) == 1
    ada = (await identities.identify(apart.tenant, *STAFF, ["ada"]))["ada"]
    await warmed(identities, ada)
    assert identities.cache_usable


async def test_lost_connections_of_the_store_are_replaced(apart: House, postgres: Postgres) -> None:
    """Connections the database cut are told as unavailable at most once each, then everything works again."""
    identities = await apart.open()
    ada = await create(identities, apart.tenant, "ada")
    postgres.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        f"AND datname = '{apart.url.rpartition('/')[2]}'"
    )
    failures = 0

    async def works() -> bool:
        nonlocal failures
        try:
            await identities.alter(ada)
        except StoreUnavailableError:
            failures += 1
            return False
        return True

    await until(works)
    assert failures <= 3


@pytest.mark.parametrize("store", ["postgresql", "sqlite", "file"])
async def test_a_store_that_cannot_be_reached_is_told_at_the_start(store: str, tmp_path: Any) -> None:
    """An unreachable database, and a file that cannot be a database, end the start with a plain error."""
    (tmp_path / "file").write_text("this is no database, " * 100)
    url = {
        "postgresql": f"postgresql://nobody@127.0.0.1:{free_port()}/none",
        "sqlite": f"sqlite:///{tmp_path}",
        "file": f"sqlite:///{tmp_path / 'file'}",
    }[store]
    with pytest.raises(StoreUnavailableError):
        async with connect(url, id_key=KEY):
            pass


@pytest.mark.parametrize("combination", ["sqlite+memory", "postgresql+memory"])
async def test_a_stopped_map_says_so(house: House, identities: IdentityMap) -> None:
    """After the stop everything is unavailable, and stopping again is harmless."""
    await identities.ping()
    await identities.stop()
    await identities.stop()
    for call in (
        identities.ping(),
        identities.find("t", ["00000000-0000-8000-8000-000000000000"]),
        identities.reserve("t", "User", {}),
    ):
        with pytest.raises(StoreUnavailableError):
            await call
    if house.url.startswith("postgresql"):
        with pytest.raises(StoreUnavailableError):
            async with identities.exclusive(("a",)):
                pass


async def test_a_statement_that_fails_leaves_the_store_usable(
    house: House, tenant: str, identities: IdentityMap
) -> None:
    """A transaction that fails half-way is undone, and the next one works."""
    ada = await create(identities, tenant, "ada", external_id="e-1")
    ledger = identities._ledger
    hold = ledger._statements.hold

    ledger._statements.hold = Statement("SELECT nonsense FROM nowhere", (), {})
    with pytest.raises(Exception, match="store") as refusal:
        await identities.alter(ada, external_id="e-2")
    assert "nonsense" not in str(refusal.value)
    ledger._statements.hold = hold
    assert await identities.find(tenant, [ada.id]) == {ada.id: ada}
    changed = await identities.alter(ada, external_id="e-3")
    assert (changed.external_id, changed.counter) == ("e-3", 1)
