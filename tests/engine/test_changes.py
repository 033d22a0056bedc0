"""Changing: the fast road, the slow road, answers that are lost, and others who are changing at the same time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from backends.contract import (
    Change,
    DeniedError,
    Outcome,
    RejectedError,
    StaleError,
)
from gateway.scim.errors import ScimError
from tests.engine.conftest import Serve
from tests.engine.watched import failing
from tests.engine.world import (
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
    remove,
    swap,
)


async def test_members_are_changed_without_reading_the_group(full: Client) -> None:
    """A delta on the fast road is one native call, `update`, whatever the group holds (promise 4, H4)."""
    users = [await full.user(f"u{number}") for number in range(3)]
    id = await full.group("G", users[0])
    backend = full.world.backends["hr"]
    for operation in (
        add("members", refs(users[1], users[2])),
        remove(f'members[value eq "{users[1]}"]'),
        remove("members", value=refs(users[2])),
        add("members", refs(users[2])),
    ):
        since = len(backend.calls)
        assert (await full.patch("Group", id, operation)).status == 204
        assert backend.counted(since) == {"update teams": 1}


async def test_the_cost_of_a_member_does_not_grow_with_the_group(full: Client) -> None:
    """Ten members or ten thousand: the same single call, and the others are not touched (promise 4)."""
    inner = full.world.backends["hr"].inner
    everybody = [inner.enter("people", {"login": f"p{number}"}) for number in range(10_001)]
    keys = everybody[:-1]
    small = inner.enter("teams", {"title": "small", "members": tuple(keys[:10])})
    large = inner.enter("teams", {"title": "large", "members": tuple(keys)})
    found = {
        one["displayName"]: one["id"] for one in (await full.search("Group", attributes=["displayName"]))["Resources"]
    }
    (new,) = await full.found('userName eq "p10000"', attributes=["id"])
    (old,) = await full.found('userName eq "p5"', attributes=["id"])
    backend = full.world.backends["hr"]
    for name, key, count in (("small", small, 10), ("large", large, 10_000)):
        since = len(backend.calls)
        await full.patch("Group", found[name], add("members", refs(new)))
        await full.patch("Group", found[name], remove("members", value=refs(old)))
        assert backend.counted(since) == {"update teams": 2}
        assert set(natively(full.world, "teams", key)["members"]) == {*keys[:count], everybody[-1]} - {keys[5]}


async def test_the_group_is_read_only_where_an_answer_was_asked_for(full: Client) -> None:
    """`attributes` makes a 200, which is read back once and without the members nobody asked for (H4, Q7)."""
    ada = await full.user("ada")
    id = await full.group("G")
    backend = full.world.backends["hr"]
    since = len(backend.calls)
    answer = await full.patch("Group", id, add("members", refs(ada)), attributes="displayName")
    assert body_of(answer)["displayName"] == "G"
    assert backend.counted(since) == {"update teams": 1, "get teams": 1}
    assert "members" not in backend.asked("get", "teams")[-1][1]


async def test_members_nobody_has_are_refused(client: Client) -> None:
    """An unknown id, or one of another type: 400 naming the attribute; removing one is no error (P5)."""
    id = await client.group("G")
    before = natively(client.world, "teams", await key_of(client, "Group", id))
    for unknown in ("nobody", "2819c223-7f76-853a-8139-8d4e6a0a7e4c", id):
        with refused(400, "invalidValue") as caught:
            await client.patch("Group", id, add("members", refs(unknown)))
        assert "members" in caught.value.detail
        assert (await client.patch("Group", id, remove("members", value=refs(unknown)))).status == 204
    assert natively(client.world, "teams", await key_of(client, "Group", id)) == before


async def test_members_added_at_once_are_all_there(client: Client) -> None:
    """Twenty concurrent deltas, on a system that reads, merges and writes too: nothing is lost (DESIGN §5)."""
    users = [await client.user(f"u{number}") for number in range(20)]
    id = await client.group("G", *users[:5])
    operations = [add("members", refs(user)) for user in users[5:]] + [remove("members", value=refs(users[0]))]
    await asyncio.gather(*(client.patch("Group", id, operation) for operation in operations))
    assert members_of(await client.body("Group", id)) == set(users[1:])


async def test_members_and_name_changed_at_once(client: Client) -> None:
    """A slow change of the same group beside fast ones loses none of them."""
    users = [await client.user(f"u{number}") for number in range(8)]
    id = await client.group("G")
    await asyncio.gather(
        *(client.patch("Group", id, add("members", refs(user))) for user in users),
        client.patch("Group", id, swap("displayName", "H"), swap("externalId", "x")),
        client.patch("Group", id, swap("displayName", "H"), if_match="*"),
    )
    body = await client.body("Group", id)
    assert (body["displayName"], body["externalId"], members_of(body)) == ("H", "x", set(users))


async def test_attributes_changed_at_once_are_all_there(client: Client) -> None:
    """Different attributes of one user, on the slow road: each change is worked out on what the others left."""
    id = await client.user("ada", emails=[{"value": "a@example.com", "type": "work"}])
    await asyncio.gather(
        client.patch("User", id, swap("title", "T"), if_match="*"),
        client.patch("User", id, swap("name.givenName", "Ada"), if_match="*"),
        client.patch("User", id, swap('emails[type eq "work"].value', "b@example.com")),
        client.patch("User", id, add("emails", [{"value": "c@example.com", "type": "home"}])),
        client.patch("User", id, swap("nickName", "N"), if_match="*"),
    )
    body = await client.body("User", id)
    assert (body["title"], body["name"]["givenName"], body["nickName"]) == ("T", "Ada", "N")
    assert {mail["value"] for mail in body["emails"]} == {"b@example.com", "c@example.com"}


async def test_somebody_faster_is_no_error_without_a_version(full: Client) -> None:
    """The record changed between reading and writing: worked out anew, without the client noticing (DESIGN §4)."""
    id = await full.user("ada", title="T")
    key = await key_of(full, "User", id)
    backend = full.world.backends["hr"]

    async def overtaken(call: Any) -> Any:
        await backend.inner.update("people", key, Change(set={"first": "Theirs"}))
        return await call()

    backend.once("update", overtaken, overtaken)
    await full.patch("User", id, add("emails", [{"value": "a@example.com"}]), swap("name.familyName", "Mine"))
    native = natively(full.world, "people", key)
    assert (native["first"], native["last"]) == ("Theirs", "Mine")
    assert [change.set for _, change, _ in backend.asked("update", "people")] == [{"last": "Mine"}] * len(
        backend.asked("update", "people")
    )


async def test_somebody_faster_is_412_with_a_version(full: Client) -> None:
    """The same race with If-Match: 412, and nothing of the change is there (V1)."""
    id = await full.user("ada", title="T")
    key = await key_of(full, "User", id)
    version = (await full.get("User", id)).version
    backend = full.world.backends["hr"]

    async def overtaken(call: Any) -> Any:
        await backend.inner.update("people", key, Change(set={"first": "Theirs"}))
        return await call()

    backend.once("update", overtaken)
    with refused(412):
        await full.patch("User", id, swap("title", "U"), if_match=version)
    assert natively(full.world, "people", key)["title"] == "T"
    version = (await full.get("User", id)).version

    async def unseen(call: Any) -> Any:
        await backend.inner.update("people", key, Change(set={"hired": datetime(2020, 1, 1, tzinfo=UTC)}))
        return await call()

    backend.once("update", unseen)
    assert (await full.patch("User", id, swap("title", "U"), if_match=version)).status == 200
    backend.once("delete", failing(StaleError()))
    assert (await full.delete("User", id, if_match="*")).status == 204


async def test_a_record_that_never_rests_is_given_up(full: Client) -> None:
    """Always somebody faster: 503 with Retry-After after a few tries, never an endless loop."""
    id = await full.user("ada", title="T")
    full.world.backends["hr"].once("update", *[failing(StaleError())] * 10)
    with refused(503) as caught:
        await full.put("User", id, {"userName": "ada", "title": "U"})
    assert caught.value.retry_after == 1.0
    assert 2 <= len(full.world.backends["hr"].asked("update", "people")) <= 5


async def test_a_patch_is_whole_or_not_at_all(client: Client) -> None:
    """An operation that cannot be done leaves those before it undone (P3)."""
    id = await client.user("ada", title="T")
    before = natively(client.world, "people", await key_of(client, "User", id))
    shown = await client.body("User", id)
    for bad in (swap('emails[type eq "work"].value', "x"), swap("userName", None), swap("title", "t" * 41)):
        with pytest.raises(ScimError) as caught:
            await client.patch("User", id, swap("name.givenName", "X"), swap("nickName", "N"), bad)
        assert caught.value.status == 400
    assert natively(client.world, "people", await key_of(client, "User", id)) == before
    assert await client.body("User", id) == shown


async def test_what_the_system_refuses_names_the_attribute(full: Client) -> None:
    """Native errors become SCIM errors that name the attribute, not the field (X13)."""
    id = await full.user("ada")
    backend = full.world.backends["hr"]
    backend.once("update", failing(RejectedError("must not be so", "last")), failing(DeniedError("db-17: no")))
    with refused(400, "invalidValue") as caught:
        await full.patch("User", id, swap("name.familyName", "L"))
    assert "name.familyName" in caught.value.detail
    with refused(403) as caught:
        await full.patch("User", id, swap("name.familyName", "L"))
    assert "db-17" not in caught.value.detail


async def test_a_name_that_is_taken_cannot_be_changed_to(client: Client) -> None:
    """PATCH and PUT to another's userName: 409 uniqueness, index or not; nothing is written (H2)."""
    await client.user("ada")
    id = await client.user("bob", title="T")
    with refused(409, "uniqueness"):
        await client.patch("User", id, swap("userName", "ADA"))
    with refused(409, "uniqueness"):
        await client.put("User", id, {"userName": "ada"})
    assert (await client.body("User", id))["userName"] == "bob"
    assert (await client.body("User", id))["title"] == "T"


async def test_one_s_own_name_may_be_spelled_anew(client: Client) -> None:
    """Changing only the case of one's own userName collides with nobody (S14)."""
    id = await client.user("ada")
    assert body_of(await client.patch("User", id, swap("userName", "Ada")))["userName"] == "Ada"
    assert (await client.put("User", id, {"userName": "ADA"})).status == 200
    assert len(by_login(client.world, "ADA")) == 1


async def test_two_cannot_take_one_name_at_once(client: Client) -> None:
    """A create and two renames to one free name at the same time: one of them has it, the others are 409 (H2)."""
    first, second = await client.user("ada"), await client.user("bob")
    found = await asyncio.gather(
        client.post("User", {"userName": "cyd"}),
        client.patch("User", first, swap("userName", "cyd")),
        client.put("User", second, {"userName": "CYD"}),
        return_exceptions=True,
    )
    statuses = [one.status for one in found]  # type: ignore[union-attr]
    assert sorted(statuses)[1:] == [409, 409]
    assert sorted(statuses)[0] in (200, 201)
    assert len(await client.found('userName eq "cyd"')) == 1


async def test_a_deactivation_is_read_back(client: Client) -> None:
    """The system says yes and does nothing: the client is told that the account is still active (promise 2, X15)."""
    id = await client.user("ada", active=True)

    async def deaf(call: Any) -> Any:
        return Outcome(changed=True)

    for send in (
        lambda: client.patch("User", id, swap("active", False)),
        lambda: client.patch("User", id, {"op": "Replace", "path": "active", "value": "False"}),
        lambda: client.patch("User", id, {"op": "replace", "value": {"active": False}}),
        lambda: client.put("User", id, {"userName": "ada", "active": False}),
    ):
        client.world.backends["hr"].once("update", deaf)
        with refused(500) as caught:
            await send()
        assert "active" in caught.value.detail
    assert body_of(await client.patch("User", id, swap("active", False)))["active"] is False
    assert by_login(client.world, "ada")[0].fields["status"] == "I"


async def test_memberships_survive_a_deactivation(client: Client) -> None:
    """Disabled and enabled again, the account is in the same groups (R-L9)."""
    id = await client.user("ada", active=True)
    group = await client.group("G", id)
    await client.patch("User", id, swap("active", False))
    assert members_of(await client.body("Group", group)) == {id}
    body = body_of(await client.patch("User", id, swap("active", True)))
    assert members_of(body, "groups") == {group}


async def test_a_dead_account_is_not_changed(serve: Serve) -> None:
    """Marked dead behind the gateway's back: a PATCH finds nobody and does not bring it back (H5, promise 2)."""
    for shape in ("full", "weak"):
        client = await serve(shape, user={"on_delete": {"set": {"status": "D"}}}) if shape == "full" else await serve(
            "full", entity={"without": [name for name in WEAK if name not in ("filters", "logic")]},
            user={"on_delete": {"set": {"status": "D"}}},
        )  # fmt: skip
        id = await client.user(f"ada-{shape}", active=True)
        key = await key_of(client, "User", id)
        await client.world.backends["hr"].inner.update("people", key, Change(set={"status": "D"}))
        for operation in (swap("active", False), swap("title", "T"), add("emails", [{"value": "a@example.com"}])):
            with refused(404):
                await client.patch("User", id, operation)
        native = natively(client.world, "people", key)
        assert (native["status"], native["title"], native["mails"]) == ("D", None, ())
