"""Codecs that block: their work is done beside the loop, and what needs none of them pays nothing for it."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pytest

from gateway.mapping.codecs import Codec, Refused, Site
from gateway.scim.errors import ScimType
from tests.engine.conftest import Serve
from tests.engine.world import Client, add, by_login, key_of, natively, refused, swap


class Vault:
    """A codec that blocks until it is let go on, and one that does not; both note where they ran."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.entered = threading.Semaphore(0)
        self.slow_threads: set[int] = set()
        self.quick_threads: set[int] = set()
        self.at_once = self.most = 0
        self._lock = threading.Lock()

    def slow(self, arguments: Any, site: Site) -> Codec:
        return Codec(self._hash, lambda _: None, takes=(str,), gives=(str,), one_way=True, slow=True)

    def quick(self, arguments: Any, site: Site) -> Codec:
        return Codec(self._mark, lambda text: text, takes=(str,), gives=(str,))

    def _hash(self, text: str) -> str:
        with self._lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        self.slow_threads.add(threading.get_ident())
        self.entered.release()
        assert self.release.wait(20), "nobody could let it go on: the loop stood still"
        with self._lock:
            self.at_once -= 1
        if text == "weak":
            raise Refused("is too weak")
        return f"hash of {len(text)}"

    def _mark(self, text: str) -> str:
        self.quick_threads.add(threading.get_ident())
        return text

    async def is_entered(self, times: int = 1) -> None:
        for _ in range(times):
            assert await asyncio.to_thread(self.entered.acquire, timeout=20)


@pytest.fixture
def vault() -> Vault:
    return Vault()


@pytest.fixture
def hashed(serve: Serve, vault: Vault) -> Any:
    """The tenant acme, whose passwords pass through the vault."""

    async def start(shape: str = "full") -> Client:
        attributes = {
            "password": {"field": "secret", "codec": "slow"},
            "title": {"field": "title", "codec": "quick"},
        }
        codecs = {"slow": vault.slow, "quick": vault.quick}
        return await serve(shape, user={"attributes": attributes}, codecs=codecs)

    return start


@pytest.mark.parametrize("road", ["create", "patch", "patch beside what must be known", "replace"])
async def test_the_loop_goes_on_while_a_password_is_hashed(hashed: Any, vault: Vault, road: str) -> None:
    """While a codec blocks, others are served; the hash arrives in the system all the same (X12)."""
    client: Client = await hashed()
    vault.release.set()
    id = await client.user("ann", title="before")
    other = await client.user("bob")
    vault.release.clear()
    match road:
        case "create":
            work = client.post("User", {"userName": "kim", "password": "pencil"})
        case "patch":
            work = client.patch("User", id, swap("password", "pencil"))
        case "patch beside what must be known":
            work = client.patch(
                "User", id, swap("password", "pencil"), add("emails", [{"value": "a@example.com", "type": "work"}])
            )
        case _:
            work = client.put("User", id, {"userName": "ann", "password": "pencil"})
    changing = asyncio.create_task(work)
    await vault.is_entered()
    for _ in range(3):
        assert (await client.body("User", other))["userName"] == "bob"
        assert (await client.patch("User", other, swap("title", "while it is hashed"))).status in (200, 204)
    assert not changing.done()
    vault.release.set()
    assert (await changing).status in (200, 201, 204)
    record = by_login(client.world, "kim" if road == "create" else "ann")[0]
    assert record.fields["secret"] == "hash of 6"
    assert threading.get_ident() not in vault.slow_threads


async def test_what_is_quick_stays_on_the_loop(hashed: Any, vault: Vault) -> None:
    """Requests without a slow attribute start no thread, whatever else the mapping has (promise 10)."""
    client: Client = await hashed()
    id = await client.user("ann", title="one")
    await client.patch("User", id, swap("title", "two"))
    await client.put("User", id, {"userName": "ann", "title": "three"})
    assert natively(client.world, "people", await key_of(client, "User", id))["title"] == "three"
    assert vault.quick_threads == {threading.get_ident()}
    assert client.world.resources._translation._threads is None


async def test_no_more_at_once_than_there_are_cores(hashed: Any, vault: Vault) -> None:
    """Many passwords at once wait for each other, and for nothing else."""
    client: Client = await hashed()
    cores = min(os.cpu_count() or 1, 8)
    many = [
        asyncio.create_task(client.post("User", {"userName": f"u{number}", "password": "pencil"}))
        for number in range(cores + 4)
    ]
    await vault.is_entered(cores)
    assert vault.at_once == cores
    vault.release.set()
    assert [answer.status for answer in await asyncio.gather(*many)] == [201] * len(many)
    assert vault.most == cores


async def test_a_hash_is_not_waited_for_past_the_deadline(hashed: Any, vault: Vault) -> None:
    """503 when the time is up, and nothing was written; the thread goes on and its work is forgotten."""
    client: Client = await hashed()
    with refused(503) as caught:
        await client.post("User", {"userName": "kim", "password": "pencil"}, seconds=0.05)
    assert caught.value.retry_after is not None
    vault.release.set()
    assert by_login(client.world, "kim") == []
    assert (await client.post("User", {"userName": "kim", "password": "pencil"})).status == 201


async def test_what_a_slow_codec_refuses_is_a_refusal(hashed: Any, vault: Vault) -> None:
    """A refusal from another thread is the same 400 that names the attribute (D10)."""
    client: Client = await hashed()
    vault.release.set()
    with refused(400, ScimType.INVALID_VALUE) as caught:
        await client.post("User", {"userName": "kim", "password": "weak"})
    assert caught.value.detail == "password: is too weak"
    assert by_login(client.world, "kim") == []


async def test_threads_end_with_the_engine(hashed: Any, vault: Vault) -> None:
    """After `settle` none is left; whoever comes later is served all the same."""
    client: Client = await hashed()
    vault.release.set()
    await client.user("kim", password="pencil")
    threads = client.world.resources._translation._threads
    assert threads is not None
    await client.world.resources.settle()
    threads.shutdown(wait=True)
    assert not any(thread.name.startswith("scim-codec") for thread in threads._threads if thread.is_alive())
    assert await client.user("late", password="pencil")


async def test_what_is_dropped_is_counted(serve: Serve) -> None:
    """A value that finds no place among those an attribute has is left out and told by the attribute's path, never by
    anything else a client sent; attributes without any place are the dialect's to drop and to count (DESIGN §6)."""
    mails = {"emails": None, 'emails[type eq "work"].value': "title"}
    client = await serve(user={"attributes": {"title": None, **mails}, "unmapped": "drop"})
    work, home = {"value": "w@example.com", "type": "work"}, {"value": "h@example.com", "type": "home"}
    id = await client.user("ann", emails=[work, home], nickName="b")
    dropped, rewrites = client.world.recorder.dropped_ones, client.world.recorder.rewrites
    assert (dropped, rewrites) == ({"emails": 1}, {"drop_unknown_attributes": 1})
    assert (await client.body("User", id))["emails"] == [work]
    await client.put("User", id, {"userName": "ann", "emails": [work, home]})
    await client.patch("User", id, add("emails", [{"value": "o@example.com", "type": "other"}]))
    assert dropped == {"emails": 3}
