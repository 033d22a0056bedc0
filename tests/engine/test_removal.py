"""Deleting and marking: what becomes of the id, the login and the memberships."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from backends.contract import Change, DeniedError, UnavailableError
from tests.engine.conftest import Serve
from tests.engine.watched import failing, losing
from tests.engine.world import (
    LOGINS,
    WEAK,
    Client,
    add,
    body_of,
    by_login,
    key_of,
    members_of,
    natively,
    refs,
    refused,
    swap,
)

MARK = {"on_delete": {"set": {"status": "D"}}}
ABLE_TO_HIDE = [name for name in WEAK if name not in ("filters", "logic")]


@pytest_asyncio.fixture(params=["full", "weak"], loop_scope="session")
async def marking(request: pytest.FixtureRequest, serve: Serve) -> Client:
    """A tenant that marks its dead, in a system that guards no names."""
    fields = {"login": {**LOGINS, "unique": False}}
    if request.param == "full":
        return await serve("full", entity={"fields": fields}, user=MARK)
    entity = {"without": ABLE_TO_HIDE, "serialize": True, "fields": fields}
    return await serve("full", entity=entity, user=MARK)


async def test_the_marked_are_nowhere(marking: Client) -> None:
    """A deleted account keeps its record, marked; no client sees it by any way (H5, R-L8)."""
    id, other = await marking.user("ada", externalId="x1", nickName="N"), await marking.user("bob")
    group = await marking.group("G", id, other)
    key = await key_of(marking, "User", id)
    assert (await marking.delete("User", id)).status == 204
    assert natively(marking.world, "people", key)["status"] == "D"
    for filter in (
        None, 'userName eq "ada"', f'id eq "{id}"', 'externalId eq "x1"', 'nickName eq "N"', "active eq false",
        'userName eq "ada" or userName eq "bob"', "not (active eq true)", 'emails.value ne "x"',
    ):  # fmt: skip
        query = {} if filter is None else {"filter": filter}
        body = await marking.search("User", **query)
        assert id not in {one["id"] for one in body["Resources"]}, filter
        assert body["totalResults"] == len(body["Resources"])
    assert all(id not in {one["id"] for one in page["Resources"]} for page in await marking.pages("User", count=1))
    assert members_of(await marking.body("Group", group)) == {other}
    assert members_of((await marking.search("Group"))["Resources"][0]) == {other}
    for attempt in (
        marking.get("User", id), marking.delete("User", id), marking.patch("User", id, swap("active", True)),
        marking.put("User", id, {"userName": "ada"}),
    ):  # fmt: skip
        with refused(404):
            await attempt
    with refused(400, "invalidValue"):
        await marking.patch("Group", group, add("members", refs(id)))
    assert natively(marking.world, "people", key)["status"] == "D"


async def test_the_login_of_the_marked_is_free(marking: Client) -> None:
    """The same userName again: another account under another id, which has nothing of the first (H5, R-L3, R-L8)."""
    old = await marking.user("ada", externalId="x1", nickName="N", title="T")
    group = await marking.group("G", old)
    await marking.delete("User", old)
    new = await marking.user("ada")
    assert new != old
    body = await marking.body("User", new)
    assert not {"externalId", "nickName", "title", "groups"} & body.keys()
    assert members_of(await marking.body("Group", group)) == set()
    assert len(by_login(marking.world, "ada")) == 2
    with refused(409, "uniqueness"):
        await marking.post("User", {"userName": "Ada"})


async def test_an_index_that_counts_the_marked_is_told_as_it_is(serve: Serve) -> None:
    """Where the system itself keeps the name taken, a create is 409: nothing is resurrected (R-L8)."""
    client = await serve("full", user=MARK)
    id = await client.user("ada")
    key = await key_of(client, "User", id)
    await client.delete("User", id)
    with refused(409, "uniqueness"):
        await client.post("User", {"userName": "ada"})
    assert natively(client.world, "people", key)["status"] == "D"


async def test_whoever_is_marked_elsewhere_is_gone_for_good(marking: Client) -> None:
    """Marked by the old application: 404, and unmarked by it later it is another account (R-L5, R-L3)."""
    id = await marking.user("ada", active=True)
    key = await key_of(marking, "User", id)
    inner = marking.world.backends["hr"].inner
    await inner.update("people", key, Change(set={"status": "D"}))
    with refused(404):
        await marking.get("User", id)
    await inner.update("people", key, Change(set={"status": "A"}))
    with refused(404):
        await marking.get("User", id)
    (new,) = await marking.found('userName eq "ada"')
    assert new != id


async def test_a_lost_answer_to_a_delete_is_settled(client: Client) -> None:
    """Deleted and not told: looked for, not found, 204; still there: 503 and it can be repeated (R-L21)."""
    first, second = await client.user("ada"), await client.user("bob")
    backend = client.world.backends["hr"]
    backend.once("delete", losing(), failing(UnavailableError(maybe_done=True)), failing(UnavailableError()))
    assert (await client.delete("User", first)).status == 204
    with refused(404):
        await client.get("User", first)
    for _ in range(2):
        with refused(503):
            await client.delete("User", second)
    assert (await client.get("User", second)).status == 200
    assert (await client.delete("User", second)).status == 204


async def test_a_lost_answer_to_a_mark_is_settled(marking: Client) -> None:
    """Marked and not told: looked at, 204 (R-L21)."""
    id = await marking.user("ada")
    marking.world.backends["hr"].once("update", losing())
    assert (await marking.delete("User", id)).status == 204
    with refused(404):
        await marking.get("User", id)


async def test_a_delete_cut_off_behind_the_backend_is_found_out(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account is gone and the store does not know: the next request finds that out (DESIGN §7)."""
    id = await client.user("ada")

    async def crash(*given: Any) -> None:
        raise RuntimeError("cut off")

    with monkeypatch.context() as broken:
        broken.setattr(client.world.identities, "bury", crash)
        with pytest.raises(RuntimeError):
            await client.delete("User", id)
    with refused(404):
        await client.delete("User", id)
    assert await client.user("ada") != id


async def test_a_delete_nobody_waits_for_is_made(client: Client) -> None:
    """The client goes away during a DELETE: the id is buried all the same."""
    id = await client.user("ada")
    reached = asyncio.Event()
    release = asyncio.Event()

    async def slow(call: Any) -> Any:
        reached.set()
        await release.wait()
        return await call()

    client.world.backends["hr"].once("delete", slow)
    task = asyncio.create_task(client.delete("User", id))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    await client.world.resources.settle()
    assert await client.world.identities.find(client.tenant.name, [id]) == {}
    assert client.world.recorder.attempts[-1].status == 204


async def test_members_that_are_deleted_leave_their_groups(client: Client) -> None:
    """A deleted account is no member any more, and the group can still be changed."""
    ada, bob = await client.user("ada"), await client.user("bob")
    group = await client.group("G", ada, bob)
    await client.delete("User", ada)
    assert members_of(await client.body("Group", group)) == {bob}
    assert (await client.put("Group", group, {"displayName": "G", "members": refs(bob)})).status == 200


async def test_deleting_can_be_switched_off(serve: Serve) -> None:
    """`on_delete: refuse`: 403 that says what to do instead, and the account stays (R-L8)."""
    client = await serve("full", user={"on_delete": "refuse"})
    id = await client.user("ada")
    with refused(403) as caught:
        await client.delete("User", id)
    assert "active" in caught.value.detail
    assert (await client.get("User", id)).status == 200


async def test_a_system_that_forbids_it_says_so(client: Client) -> None:
    """Native refusals of a delete are 403, and the id lives on."""
    id = await client.user("ada")
    client.world.backends["hr"].once("delete", failing(DeniedError("row 7 of db-1")))
    with refused(403) as caught:
        await client.delete("User", id)
    assert "db-1" not in caught.value.detail
    assert (await client.get("User", id)).status == 200


async def test_a_system_without_deleting_says_so(serve: Serve) -> None:
    """Neither deletable nor creatable: 501, and reading goes on."""
    client = await serve("full", entity={"without": ["delete", "create"]})
    key = client.world.backends["hr"].inner.enter("people", {"login": "ada"})
    (id,) = await client.found('userName eq "ada"')
    with refused(501):
        await client.delete("User", id)
    with refused(501):
        await client.post("User", {"userName": "bob"})
    assert natively(client.world, "people", key)["login"] == "ada"


LEAVING: dict[str, Any] = {
    "a path": lambda client, id: client.patch("User", id, swap("active", False)),
    "text": lambda client, id: client.patch("User", id, {"op": "Replace", "path": "active", "value": "False"}),
    "no path": lambda client, id: client.patch("User", id, {"op": "replace", "value": {"active": False}}),
    "a replacement": lambda client, id: client.put("User", id, {"userName": "ada", "active": False}),
    "text in one": lambda client, id: client.put("User", id, {"userName": "ada", "active": "False"}),
}


def without_active(policy: str) -> dict[str, Any]:
    return {"attributes": {"active": None}, "on_deactivate": policy}


@pytest.mark.parametrize("form", LEAVING)
async def test_deactivating_may_mean_deleting(serve: Serve, form: str) -> None:
    """`on_deactivate: delete`: the account is gone, and the answer says inactive (promise 2, DESIGN §6)."""
    client = await serve("full", user=without_active("delete"))
    id = await client.user("ada")
    assert (await client.body("User", id))["active"] is True
    answer = await LEAVING[form](client, id)
    assert (answer.status, body_of(answer)["active"]) == (200, False)
    assert by_login(client.world, "ada") == []
    with refused(404):
        await client.get("User", id)


@pytest.mark.parametrize("form", LEAVING)
async def test_deactivating_may_be_refused_aloud(serve: Serve, form: str) -> None:
    """`on_deactivate: refuse`: 403, never a success that leaves the account active (promise 2)."""
    client = await serve("full", user=without_active("refuse"))
    id = await client.user("ada")
    with refused(403):
        await LEAVING[form](client, id)
    assert len(by_login(client.world, "ada")) == 1
    with refused(400, "invalidValue"):
        await client.post("User", {"userName": "bob", "active": False})
    assert by_login(client.world, "bob") == []


async def test_a_deactivation_of_another_version_is_refused(serve: Serve) -> None:
    """If-Match counts where deactivating means deleting, too (V1)."""
    client = await serve("full", user=without_active("delete"))
    id = await client.user("ada", title="T")
    version = (await client.get("User", id)).version
    await client.patch("User", id, swap("title", "U"))
    with refused(412):
        await client.patch("User", id, swap("active", False), if_match=version)
    assert len(by_login(client.world, "ada")) == 1


async def test_a_second_deactivation_finds_nobody(serve: Serve) -> None:
    """The account is gone: 404, as for any that is."""
    client = await serve("full", user=without_active("delete"))
    id = await client.user("ada")
    await client.patch("User", id, swap("active", False))
    with refused(404):
        await client.patch("User", id, swap("active", False))
