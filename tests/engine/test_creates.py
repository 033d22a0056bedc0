"""Creating: one account per 201, on systems with and without an index, whatever is cut off in between."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backends.contract import (
    ConflictError,
    UnavailableError,
    UnfinishedError,
)
from gateway.engine.calls import Answer
from gateway.engine.tenants import Limits
from gateway.identity import StoreUnavailableError
from gateway.scim.errors import ScimError
from tests.engine.conftest import Serve
from tests.engine.watched import Held, failing, losing, normal
from tests.engine.world import Client, body_of, by_login, cut, id_of, refs, refused


async def outcomes(*calls: Any) -> list[Any]:
    """Await all; give the status of each."""
    found = await asyncio.gather(*calls, return_exceptions=True)
    return sorted(one.status for one in found if isinstance(one, Answer | ScimError))


async def test_of_two_at_once_one_is_created(client: Client) -> None:
    """Two concurrent creates of one name, spelled differently: one 201, one 409 uniqueness, one account (H2, S14)."""
    posts = [client.post("User", {"userName": name}) for name in ("Ada", "ada")]
    assert await outcomes(*posts) == [201, 409]
    people = [record for name in ("Ada", "ada") for record in by_login(client.world, name)]
    assert len(people) == 1


async def test_many_at_once_of_one_name(client: Client) -> None:
    """Ten repeated requests make one account, and ten of different names ten."""
    same = [client.post("User", {"userName": "ada"}) for _ in range(10)]
    others = [client.post("User", {"userName": f"u{number}"}) for number in range(10)]
    assert await outcomes(*same, *others) == [201] * 11 + [409] * 9


async def test_a_name_that_is_taken_is_refused_by_name(client: Client) -> None:
    """409 uniqueness names the attribute, and nothing was written or reserved (H2)."""
    await client.user("ada")
    with refused(409, "uniqueness") as caught:
        await client.post("User", {"userName": "ADA"})
    assert "userName" in caught.value.detail
    assert len(client.world.backends["hr"].asked("create", "people")) == 1


async def test_values_the_system_cannot_tell_apart_collide(serve: Serve) -> None:
    """Two names that are one in the system are one, though they differ for the client (R-L11)."""
    login = {"field": "login", "codec": {"transliterate": {"ë": "e"}}, "keep": "spelling"}
    client = await serve("unindexed", user={"attributes": {"userName": login}})
    await client.user("Zoë")
    assert len(by_login(client.world, "Zoe")) == 1
    with refused(409, "uniqueness"):
        await client.post("User", {"userName": "Zoe"})
    assert len(by_login(client.world, "Zoe")) == 1


async def test_without_having_seen_all_nobody_is_told_a_name_is_free(serve: Serve) -> None:
    """A system that cannot be searched, does not guard its names and holds too many: refused, nothing written (F14)."""
    client = await serve("blind", limits=Limits(scan_rows=3))
    for name in ("a", "b", "c"):
        await client.user(name)
    await client.user("d")
    with refused(400, "tooMany") as caught:
        await client.post("User", {"userName": "e"})
    assert "userName" in caught.value.detail
    assert by_login(client.world, "e") == []


async def test_an_index_decides_where_all_cannot_be_seen(serve: Serve) -> None:
    """With an index of its own the system itself says whether a name is free."""
    client = await serve("weak", limits=Limits(scan_rows=2))
    for name in ("a", "b", "c", "d"):
        await client.user(name)
    with refused(409, "uniqueness"):
        await client.post("User", {"userName": "d"})
    assert len(by_login(client.world, "d")) == 1


CUTS = ["before reserving", "after reserving", "in the backend", "behind the backend", "before binding"]


@pytest.mark.parametrize("where", CUTS)
@pytest.mark.parametrize("error", [asyncio.CancelledError(), StoreUnavailableError("gone")], ids=["cancelled", "store"])
async def test_a_create_that_was_cut_off_is_taken_up(
    client: Client, monkeypatch: pytest.MonkeyPatch, where: str, error: BaseException
) -> None:
    """The same request again ends in 201 and one account with everything that was asked for (R-L20, R-L21, R-L22)."""
    body = {"userName": "ada", "externalId": "x1", "title": "Countess", "nickName": "Ada"}
    cut(client.world, where, monkeypatch, error)
    with pytest.raises((ScimError, asyncio.CancelledError)) as caught:
        await client.post("User", body)
    assert getattr(caught.value, "status", 503) in (500, 503)
    answer = await client.post("User", body)
    assert answer.status == 201
    shown = await client.body("User", id_of(answer))
    assert (shown["externalId"], shown["title"], shown["nickName"]) == ("x1", "Countess", "Ada")
    assert len(by_login(client.world, "ada")) == 1
    with refused(409, "uniqueness"):
        await client.post("User", body)


async def test_a_group_that_was_cut_off_is_not_made_twice(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """No index guards the names of groups, and still the repeated request makes no second one (R-L22)."""
    ada = await client.user("ada")
    cut(client.world, "before binding", monkeypatch, asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await client.post("Group", {"displayName": "Makers", "members": refs(ada)})
    id = await client.group("Makers", ada)
    body = await client.search("Group")
    assert [group["id"] for group in body["Resources"]] == [id]


async def test_groups_may_have_the_same_name(client: Client) -> None:
    """displayName is not unique: another request for the same name is another group (RFC 7643 §4.2)."""
    first, second = await client.group("Makers"), await client.group("Makers")
    assert first != second
    assert await client.group("Makers") not in (first, second)


async def test_the_lock_is_free_after_a_create_was_cancelled(client: Client) -> None:
    """Cancelled in the middle of the backend's call: nobody waits, nothing is half (F)."""
    held = Held()
    client.world.backends["hr"].once("create", held)
    task = asyncio.create_task(client.post("User", {"userName": "ada"}))
    await held.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await client.post("User", {"userName": "ada"})).status == 201
    assert len(by_login(client.world, "ada")) == 1


async def test_whoever_waits_for_a_lock_waits_no_longer_than_the_deadline(client: Client) -> None:
    """A create behind one that hangs is answered 503 in its time, and leaves no trace."""
    held = Held()
    client.world.backends["hr"].once("create", held)
    first = asyncio.create_task(client.post("User", {"userName": "ada"}))
    await held.reached.wait()
    with refused(503) as caught:
        await client.post("User", {"userName": "ada"}, seconds=0.01)
    assert caught.value.retry_after is not None
    held.released.set()
    assert (await first).status == 201


async def test_a_lost_answer_is_settled_by_reading_back(client: Client) -> None:
    """The backend made the account and the answer was lost: 201 at once, one account, one id (R-L21)."""
    client.world.backends["hr"].once("create", losing())
    answer = await client.post("User", {"userName": "ada", "externalId": "x1", "title": "T"})
    assert answer.status == 201
    assert body_of(answer)["title"] == "T"
    assert len(by_login(client.world, "ada")) == 1
    assert (await client.get("User", id_of(answer))).body == answer.body


async def test_an_answer_lost_on_a_group_is_settled_too(client: Client) -> None:
    """Also where another group of the same name was there before: the new one is the one that was not."""
    first = await client.group("Makers")
    client.world.backends["hr"].once("create", losing())
    second = await client.group("Makers")
    assert first != second
    assert {one["id"] for one in (await client.search("Group"))["Resources"]} == {first, second}


async def test_a_create_that_may_still_come_is_503_and_then_converges(client: Client) -> None:
    """Nothing to be seen yet: 503, not repeated by the gateway; when it lands, the repeated POST binds it (R-L21)."""
    backend = client.world.backends["hr"]
    backend.once("create", failing(UnavailableError(maybe_done=True)))
    with refused(503):
        await client.post("User", {"userName": "ada", "title": "T"})
    assert len(backend.asked("create", "people")) == 1
    late = backend.asked("create", "people")[0]
    await backend.inner.create("people", late)
    answer = await client.post("User", {"userName": "ada", "title": "T"})
    assert answer.status == 201
    assert len(by_login(client.world, "ada")) == 1


async def test_a_create_that_lands_during_the_next_attempt(client: Client) -> None:
    """The first attempt's write arrives between the second one's look and its write: still one account, and 201."""
    backend = client.world.backends["hr"]
    backend.once("create", failing(UnavailableError(maybe_done=True)))
    with refused(503):
        await client.post("User", {"userName": "ada", "title": "T"})

    async def landing(call: Any) -> Any:
        await backend.inner.create("people", backend.asked("create", "people")[0])
        raise ConflictError(field="login")

    backend.once("create", landing)
    assert (await client.post("User", {"userName": "ada", "title": "T"})).status == 201
    assert len(by_login(client.world, "ada")) == 1


async def test_an_unfinished_create_is_completed(serve: Serve) -> None:
    """A system of several calls stopped half-way: 503; the same POST completes what is there (R-L20)."""
    client = await serve("weak")
    backend = client.world.backends["hr"]

    async def half(call: Any) -> Any:
        fields = {name: value for name, value in backend.calls[-1].asked.items() if name in ("login", "status")}
        made = await backend.inner.create("people", fields)
        raise UnfinishedError(key=made.key)

    backend.once("create", half)
    body = {"userName": "ada", "active": True, "title": "T", "emails": [{"value": "a@example.com", "type": "work"}]}
    with refused(503):
        await client.post("User", {**body, "password": "s3cret"})
    assert by_login(client.world, "ada")[0].fields["title"] is None
    answer = await client.post("User", {**body, "password": "s3cret"})
    assert answer.status == 201
    (record,) = by_login(client.world, "ada")
    assert (record.fields["title"], record.fields["secret"]) == ("T", "s3cret")
    assert record.fields["mails"] == ({"address": "a@example.com", "kind": "work"},)


async def test_completing_is_tried_again_until_it_is_done(serve: Serve) -> None:
    """A repeated POST that fails while it completes leaves the way open for the next one (R-L20)."""
    client = await serve("weak")
    backend = client.world.backends["hr"]

    async def half(call: Any) -> Any:
        made = await backend.inner.create("people", {"login": "ada"})
        raise UnfinishedError(key=made.key)

    backend.once("create", half)
    backend.once("update", failing(UnavailableError()))
    for _ in range(2):
        with refused(503):
            await client.post("User", {"userName": "ada", "title": "T"})
    answer = await client.post("User", {"userName": "ada", "title": "T"})
    assert body_of(answer)["title"] == "T"
    assert by_login(client.world, "ada")[0].fields["title"] == "T"


async def test_an_account_made_with_a_used_key_has_another_id(serve: Serve) -> None:
    """The login is the key; the account was deleted behind the gateway's back and made anew: another id (R-L3)."""
    client = await serve("full", entity={"key": "login"})
    old = await client.user("ada")
    await client.world.backends["hr"].inner.delete("people", "ada")
    new = await client.user("ada")
    assert new != old
    with refused(404):
        await client.get("User", old)
    assert (await client.body("User", new))["userName"] == "ada"


async def test_a_used_key_has_another_id_even_if_the_create_was_cut_off(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The id of the account that is gone is not given to the one that is taken up (R-L3)."""
    client = await serve("full", entity={"key": "login"})
    old = await client.user("ada")
    await client.world.backends["hr"].inner.delete("people", "ada")
    cut(client.world, "before binding", monkeypatch, asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await client.post("User", {"userName": "ada"})
    assert await client.user("ada") != old


async def test_what_cannot_be_read_back_is_still_created(client: Client) -> None:
    """The account is there and has its id; an error now would have it created again (H1)."""
    down = failing(UnavailableError())
    client.world.backends["hr"].once("get", *[down] * 10)
    answer = await client.post("User", {"userName": "ada", "title": "T"})
    assert answer.status == 201
    assert body_of(answer)["title"] == "T"
    client.world.backends["hr"].next.clear()
    assert (await client.body("User", id_of(answer)))["userName"] == "ada"


async def test_an_account_that_must_not_be_active_is_not(client: Client) -> None:
    """A system that makes accounts active whatever it is told is told again, and looked at again (promise 2)."""
    backend = client.world.backends["hr"]

    async def active(call: Any) -> Any:
        made = await backend.inner.create("people", {**backend.calls[-1].asked, "status": "A"})
        return made

    backend.once("create", active)
    answer = await client.post("User", {"userName": "ada", "active": False})
    assert body_of(answer)["active"] is False
    assert by_login(client.world, "ada")[0].fields["status"] == "I"


async def test_an_account_that_stays_active_is_no_success(client: Client) -> None:
    """If it cannot be made inactive the answer is an error, never 201 (promise 2)."""
    backend = client.world.backends["hr"]

    async def active(call: Any) -> Any:
        return await backend.inner.create("people", {**backend.calls[-1].asked, "status": "A"})

    async def deaf(call: Any) -> Any:
        return await backend.inner.update("people", backend.calls[-1].asked[0], type(backend.calls[-1].asked[1])())

    backend.once("create", active)
    backend.once("update", deaf)
    with refused(500) as caught:
        await client.post("User", {"userName": "ada", "active": False})
    assert "active" in caught.value.detail


async def test_a_call_that_does_what_it_should_is_made_once(client: Client) -> None:
    """A create is one write, after one look."""
    backend = client.world.backends["hr"]
    backend.once("create", normal)
    await client.user("ada")
    assert len(backend.asked("create", "people")) == 1
    assert backend.counted()["update people"] == 0


async def test_what_the_gateway_keeps_can_be_unique(serve: Serve) -> None:
    """An attribute without native home that must be unique: the store is asked, by creates and changes alike (H2)."""
    client = await serve("full", user={"overrides": {"nickName": {"uniqueness": "server"}}})
    id = await client.user("ada", nickName="Countess")
    other = await client.user("bob", nickName="Bob")
    with refused(409, "uniqueness") as caught:
        await client.post("User", {"userName": "cyd", "nickName": "COUNTESS"})
    assert "nickName" in caught.value.detail
    assert by_login(client.world, "cyd") == []
    with refused(409, "uniqueness"):
        await client.patch("User", other, {"op": "replace", "path": "nickName", "value": "countess"})
    assert (await client.body("User", other))["nickName"] == "Bob"
    assert (await client.patch("User", id, {"op": "replace", "path": "nickName", "value": "countess"})).status == 200
    found = await outcomes(*(client.post("User", {"userName": f"u{n}", "nickName": "New"}) for n in range(3)))
    assert found == [201, 409, 409]


async def test_names_of_groups_can_be_unique(serve: Serve) -> None:
    """Where the configuration says so, a second group of one name is 409, made at once or one after the other (E10)."""
    client = await serve("weak", group={"overrides": {"displayName": {"uniqueness": "server"}}})
    found = await outcomes(*(client.post("Group", {"displayName": name}) for name in ("Makers", "makers")))
    assert found == [201, 409]
    other = await client.group("Others")
    with refused(409, "uniqueness"):
        await client.patch("Group", other, {"op": "replace", "value": {"displayName": "MAKERS"}})
    assert (await client.body("Group", other))["displayName"] == "Others"


async def test_a_group_can_be_adopted(serve: Serve) -> None:
    """`on_conflict: adopt` takes over a group that was there before, by its name, with the members that are sent."""
    client = await serve("full", group={"on_conflict": "adopt"})
    ada = await client.user("ada")
    inner = client.world.backends["hr"].inner
    inner.enter("teams", {"title": "Makers"})
    (seen,) = (await client.search("Group"))["Resources"]
    assert await client.group("Makers", ada, externalId="g1") == seen["id"]
    assert await client.found('externalId eq "g1"', "Group") == [seen["id"]]


async def test_a_request_whose_time_is_over_is_503(client: Client) -> None:
    """Nothing is told as done after the deadline, and the same request in time converges."""
    id = await client.user("ada")
    for attempt in (
        client.get("User", id, seconds=-1), client.search("User", seconds=-1),
        client.patch("User", id, {"op": "replace", "path": "title", "value": "T"}, seconds=-1),
        client.post("User", {"userName": "bob"}, seconds=-1), client.delete("User", id, seconds=-1),
    ):  # fmt: skip
        with refused(503) as caught:
            await attempt
        assert caught.value.retry_after is not None
    assert (await client.post("User", {"userName": "bob"})).status == 201
    assert (await client.delete("User", id)).status == 204
