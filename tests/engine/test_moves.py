"""Accounts whose key changes, met by others before the map knows (R-L1, promise 3)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backends.contract import ConflictError, UnavailableError
from gateway.identity import StoreUnavailableError
from tests.engine.conftest import Serve
from tests.engine.watched import Held, failing, losing
from tests.engine.world import Client, body_of, members_of, natively, refs, refused, swap

KEYED = {"key": "login"}


async def cut_off(client: Client, id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rename ada to augusta in the system, and lose the store before it knows."""

    async def fail(*_: Any) -> Any:
        raise StoreUnavailableError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(client.world.identities, "rename", fail)
        with refused(503):
            await client.patch("User", id, swap("userName", "augusta"))
    assert natively(client.world, "people", "augusta")["login"] == "augusta"


@pytest.mark.parametrize("next_request", ["get", "list", "find", "patch", "put", "delete", "group", "again"])
@pytest.mark.parametrize("shape", ["full", "weak"])
async def test_a_rename_cut_off_before_the_store_converges(
    serve: Serve, shape: str, next_request: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is asked next finds the account, under its new login and its old id."""
    client = await serve(shape, entity=KEYED)
    id = await client.user("ada", nickName="N")
    group = await client.group("G", id)
    await cut_off(client, id, monkeypatch)
    match next_request:
        case "get":
            assert (await client.body("User", id))["userName"] == "augusta"
        case "list":
            assert [one["id"] for one in (await client.search("User"))["Resources"]] == [id]
        case "find":
            assert await client.found('userName eq "augusta"') == [id]
        case "patch":
            assert body_of(await client.patch("User", id, swap("title", "T")))["title"] == "T"
        case "put":
            answer = body_of(await client.put("User", id, {"userName": "augusta", "nickName": "N", "title": "T"}))
            assert (answer["id"], answer["title"]) == (id, "T")
        case "delete":
            assert (await client.delete("User", id)).status == 204
            assert (await client.search("User"))["totalResults"] == 0
            return
        case "group":
            assert members_of(await client.body("Group", group)) == {id}
        case "again":
            assert body_of(await client.patch("User", id, swap("userName", "augusta")))["id"] == id
    body = await client.body("User", id)
    assert (body["userName"], body["nickName"]) == ("augusta", "N")
    assert await client.user("ada") != id


async def test_the_login_left_by_a_rename_cut_off_is_somebody_elses(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new account with the login that was left gets an id of its own; the renamed one keeps its own (R-L3)."""
    client = await serve("full", entity=KEYED)
    id = await client.user("ada", nickName="N")
    await cut_off(client, id, monkeypatch)
    new = await client.user("ada")
    assert new != id
    assert (await client.body("User", id))["userName"] == "augusta"
    assert (await client.body("User", new)).get("nickName") is None
    assert set(await client.found("userName pr")) == {id, new}


async def test_who_lists_an_account_that_is_being_renamed_waits_for_its_id(serve: Serve) -> None:
    """Between the system and the store an account has a key nobody knows: a list then tells the id it has (R-L4)."""
    client = await serve("full", entity=KEYED)
    id = await client.user("ada")
    held = Held(after=True)
    client.world.backends["hr"].once("update", held)
    renaming = asyncio.create_task(client.patch("User", id, swap("userName", "augusta")))
    await held.reached.wait()
    listing = asyncio.create_task(client.search("User"))
    while not client.world.backends["hr"].asked("search", "people"):  # noqa: ASYNC110
        await asyncio.sleep(0)
    held.released.set()
    assert [(one["userName"], one["id"]) for one in (await listing)["Resources"]] == [("augusta", id)]
    assert body_of(await renaming)["id"] == id


async def test_what_was_read_before_a_rename_makes_no_account(serve: Serve) -> None:
    """A list that read an account under its old key, and asks for the id only when it has another, does not give it a
    second one."""
    client = await serve("full", entity=KEYED)
    id = await client.user("ada")
    held = Held(after=True)
    client.world.backends["hr"].once("search", held)
    listing = asyncio.create_task(client.search("User"))
    await held.reached.wait()
    await client.patch("User", id, swap("userName", "augusta"))
    held.released.set()
    assert {one["id"] for one in (await listing)["Resources"]} <= {id}
    known = await client.world.identities.identify(
        client.tenant.name, "User", client.served("User").guard.name, "people", ["ada"], mint=False
    )
    assert known == {}


@pytest.mark.parametrize("error", [ConflictError("login"), UnavailableError()])
async def test_a_rename_that_was_refused_leaves_nothing_behind(serve: Serve, error: Exception) -> None:
    """The system says no: whoever gets that login afterwards, made by the gateway or met in the system, gets an id of
    his own."""
    client = await serve("full", entity=KEYED)
    id = await client.user("ada")
    client.world.backends["hr"].once("update", failing(error))
    with refused(503) if isinstance(error, UnavailableError) else refused(409, "uniqueness"):
        await client.patch("User", id, swap("userName", "augusta"))
    client.world.backends["hr"].inner.enter("people", {"login": "augusta"})
    found = {one["userName"]: one["id"] for one in (await client.search("User"))["Resources"]}
    assert found["ada"] == id != found["augusta"]


async def test_a_rename_that_may_have_been_made_and_was_not_is_given_up(serve: Serve) -> None:
    """The answer was lost and nothing was done: the account is where it was, and a stranger with that login is no
    relative."""
    client = await serve("full", entity=KEYED)
    id = await client.user("ada")
    client.world.backends["hr"].once("update", failing(UnavailableError(maybe_done=True)))
    with refused(503):
        await client.patch("User", id, swap("userName", "augusta"))
    client.world.backends["hr"].inner.enter("people", {"login": "augusta"})
    found = {one["userName"]: one["id"] for one in (await client.search("User"))["Resources"]}
    assert found["ada"] == id != found["augusta"]
    assert (await client.body("User", id))["userName"] == "ada"


async def test_renames_of_one_account_at_once_are_made_one_after_the_other(serve: Serve) -> None:
    """Two clients rename the same account to different logins: both are told 200, one of them is last, and the id
    stays."""
    client = await serve("full", entity=KEYED)
    id = await client.user("ada")
    group = await client.group("G")
    answers = await asyncio.gather(
        *(client.patch("User", id, swap("userName", login)) for login in ("augusta", "lovelace")),
        client.patch("Group", group, swap("members", refs(id))),
    )
    assert [answer.status for answer in answers] == [200, 200, 204]
    assert (await client.body("User", id))["userName"] in ("augusta", "lovelace")
    assert len(await client.found("userName pr")) == 1


async def test_a_lost_answer_of_a_rename_is_read_back(serve: Serve) -> None:
    """The key changed and nobody was told: nothing is left open, and the login that was left is free (R-L21)."""
    client = await serve("full", entity=KEYED)
    id = await client.user("ada")
    client.world.backends["hr"].once("update", losing())
    assert body_of(await client.patch("User", id, swap("userName", "augusta")))["id"] == id
    identity = (await client.world.identities.find(client.tenant.name, [id]))[id]
    assert await client.world.identities.destination(identity) is None
