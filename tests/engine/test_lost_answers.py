"""Changes whose answer was lost, that stopped half-way, or that nobody waits for any more; and accounts renamed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backends.contract import (
    Change,
    UnavailableError,
    UnfinishedError,
)
from gateway.engine.guard import Bounds
from gateway.identity import StoreUnavailableError
from tests.engine.conftest import Serve
from tests.engine.watched import Held, failing, losing
from tests.engine.world import (
    Client,
    add,
    body_of,
    key_of,
    members_of,
    natively,
    refs,
    refused,
    remove,
    swap,
)


async def test_a_change_whose_answer_was_lost_is_settled(client: Client) -> None:
    """The write was done and its answer lost: read back, 200, and told as changed (R-L21)."""
    id = await client.user("ada")
    before = await client.body("User", id)
    client.world.backends["hr"].once("update", losing())
    answer = await client.patch("User", id, swap("title", "T"))
    assert body_of(answer)["title"] == "T"
    assert body_of(answer)["meta"]["version"] != before["meta"]["version"]


async def test_members_whose_answer_was_lost_are_settled(client: Client) -> None:
    """A delta whose answer was lost: its members are asked for, and the version moves (R-L21, promise 4)."""
    ada, bob = await client.user("ada"), await client.user("bob")
    id = await client.group("G", ada)
    before = (await client.get("Group", id)).version
    backend = client.world.backends["hr"]
    backend.once("update", losing())
    since = len(backend.calls)
    assert (
        await client.patch("Group", id, add("members", refs(bob)), remove("members", value=refs(ada)))
    ).status == 204
    if client.served("Group").capabilities.deltas:
        assert backend.counted(since) == {"update teams": 1, "search teams": 1}
    assert members_of(await client.body("Group", id)) == {bob}
    assert (await client.get("Group", id)).version != before


async def test_a_change_that_is_not_there_is_no_success(client: Client) -> None:
    """The answer was lost and the change is not to be seen: 503, and the same request converges (promise 1)."""
    ada, bob = await client.user("ada"), await client.user("bob")
    id = await client.group("G", ada)
    backend = client.world.backends["hr"]
    for kind, subject, operation in (
        ("User", ada, swap("title", "T")),
        ("Group", id, add("members", refs(bob))),
        ("Group", id, remove("members", value=refs(ada))),
    ):
        backend.once("update", failing(UnavailableError(maybe_done=True)))
        with refused(503) as caught:
            await client.patch(kind, subject, operation)
        assert caught.value.retry_after is not None
        assert (await client.patch(kind, subject, operation)).status in (200, 204)
    assert (await client.body("User", ada))["title"] == "T"
    assert members_of(await client.body("Group", id)) == {bob}


async def test_a_write_that_hangs_is_settled_by_the_deadline(serve: Serve) -> None:
    """The backend does not answer in time: the call ends, what became of it is read back (R-L21, E)."""
    client = await serve("full", bounds=Bounds(call_seconds=0.05))
    id = await client.user("ada")
    held = Held(after=True)
    client.world.backends["hr"].once("update", held)
    assert body_of(await client.patch("User", id, swap("title", "T")))["title"] == "T"
    client.world.backends["hr"].once("update", Held())
    with refused(503):
        await client.patch("User", id, swap("title", "U"))
    assert (await client.body("User", id))["title"] == "T"


async def test_an_unfinished_change_converges(client: Client) -> None:
    """Part of a change is done: 503, everybody's version is void, and the same request completes it (R-L20)."""
    id = await client.user("ada")
    key = await key_of(client, "User", id)
    version = (await client.get("User", id)).version
    backend = client.world.backends["hr"]

    async def half(call: Any) -> Any:
        await backend.inner.update("people", key, Change(set={"first": "Ada"}))
        raise UnfinishedError(key=key)

    backend.once("update", half)
    change = {"userName": "ada", "name": {"givenName": "Ada", "familyName": "L"}}
    with refused(503):
        await client.put("User", id, change)
    with refused(412):
        await client.put("User", id, change, if_match=version)
    assert (await client.put("User", id, change)).status == 200
    assert natively(client.world, "people", key)["last"] == "L"


LOGIN_KEYS = {"key": "login"}


@pytest.mark.parametrize("shape", ["full", "weak"])
async def test_a_rename_keeps_the_id(serve: Serve, shape: str) -> None:
    """The login is the key: renamed, the account has the same id, the same memberships and all the gateway keeps (R-L1,
    R-L2)."""
    client = await serve(shape, entity=LOGIN_KEYS)
    id = await client.user("ada", externalId="x1", nickName="N", title="T")
    group = await client.group("G", id)
    for login in ("augusta", "lovelace"):
        answer = await client.patch("User", id, swap("userName", login))
        assert (body_of(answer)["id"], body_of(answer)["userName"]) == (id, login)
    body = await client.body("User", id)
    assert (body["externalId"], body["nickName"], body["title"]) == ("x1", "N", "T")
    assert members_of(await client.body("Group", group)) == {id}
    assert await client.found('userName eq "lovelace"') == [id]
    other = await client.user("ada")
    assert other != id
    assert (await client.body("User", other)).get("nickName") is None


async def test_a_rename_whose_answer_was_lost_keeps_the_id(serve: Serve) -> None:
    """The key changed and nobody was told: the account is found under its new key (R-L1, R-L21)."""
    client = await serve("full", entity=LOGIN_KEYS)
    id = await client.user("ada")
    client.world.backends["hr"].once("update", losing())
    answer = await client.patch("User", id, swap("userName", "augusta"))
    assert (body_of(answer)["id"], body_of(answer)["userName"]) == (id, "augusta")
    assert (await client.body("User", id))["userName"] == "augusta"


async def test_an_unfinished_rename_keeps_the_id(serve: Serve) -> None:
    """The backend says the key has changed though not all is done: the id goes along (R-L2)."""
    client = await serve("full", entity=LOGIN_KEYS)
    id = await client.user("ada")
    client.world.backends["hr"].once("update", losing(UnfinishedError(key="augusta")))
    with refused(503):
        await client.patch("User", id, swap("userName", "augusta"), swap("title", "T"))
    assert (await client.body("User", id))["userName"] == "augusta"
    assert (await client.patch("User", id, swap("userName", "augusta"), swap("title", "T"))).status == 200


async def test_whoever_reads_during_a_rename_finds_the_account(serve: Serve) -> None:
    """A request that looked under the old key while the account moved looks again, and is never told 404."""
    client = await serve("full", entity=LOGIN_KEYS)
    id = await client.user("ada")
    backend = client.world.backends["hr"]
    held = Held()
    backend.once("get", held)
    reading = asyncio.create_task(client.get("User", id))
    await held.reached.wait()
    await client.patch("User", id, swap("userName", "augusta"))
    held.released.set()
    assert body_of(await reading)["userName"] == "augusta"


@pytest.mark.parametrize("after", [False, True], ids=["before", "behind"])
async def test_a_change_is_carried_to_its_end(client: Client, after: bool) -> None:
    """The client goes away in the middle of a write: what the gateway keeps is changed with it, and the lock is free
    only then."""
    id = await client.user("ada", nickName="A")
    held = Held(after=after)
    client.world.backends["hr"].once("update", held)
    task = asyncio.create_task(client.patch("User", id, swap("title", "T"), swap("nickName", "B")))
    await held.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [attempt.operation for attempt in client.world.recorder.attempts] == ["create"]
    held.released.set()
    await client.world.resources.settle()
    body = await client.body("User", id)
    assert (body["title"], body["nickName"]) == ("T", "B")
    assert [attempt.outcome for attempt in client.world.recorder.attempts] == ["done", "done"]
    assert (await client.patch("User", id, swap("title", "U"))).status == 200


async def test_a_failure_nobody_waits_for_is_told_to_the_operator(
    full: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What breaks after the client has gone is not swallowed."""
    id = await full.user("ada")
    held = Held()
    full.world.backends["hr"].once("update", held)
    broken = RuntimeError("broken")

    async def fail(*given: Any, **named: Any) -> Any:
        raise broken

    monkeypatch.setattr(full.world.identities, "alter", fail)
    task = asyncio.create_task(full.patch("User", id, swap("title", "T")))
    await held.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    held.released.set()
    await full.world.resources.settle()
    assert full.world.recorder.failures == [broken]
    assert full.world.recorder.attempts[-1].outcome == "failed"


async def test_a_store_that_fails_after_the_write_is_503_and_converges(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account is changed, the store is not: no success; the same request brings both together (promise 1)."""
    id = await client.user("ada", nickName="A")
    with monkeypatch.context() as broken:

        async def fail(*given: Any, **named: Any) -> Any:
            raise StoreUnavailableError("10.0.0.7 is down")

        broken.setattr(client.world.identities, "alter", fail)
        with refused(503) as caught:
            await client.patch("User", id, swap("title", "T"), swap("nickName", "B"))
        assert "10.0.0.7" not in caught.value.detail
    assert body_of(await client.patch("User", id, swap("title", "T"), swap("nickName", "B")))["nickName"] == "B"
    assert (await client.body("User", id))["title"] == "T"


async def test_whoever_waits_to_change_waits_no_longer_than_the_deadline(weak: Client) -> None:
    """A change behind one that hangs on the same record: 503 in its own time."""
    id = await weak.user("ada")
    held = Held()
    weak.world.backends["hr"].once("update", held)
    first = asyncio.create_task(weak.patch("User", id, swap("title", "T")))
    await held.reached.wait()
    with refused(503):
        await weak.patch("User", id, swap("title", "U"), seconds=0.01)
    held.released.set()
    await first
    assert (await weak.body("User", id))["title"] == "T"
