"""Versions and times: what changes them, what does not, and what a client can do with them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.engine.tenants import Limits
from gateway.scim.schema import ENTERPRISE_URN
from tests.engine.conftest import Serve
from tests.engine.world import Client, add, body_of, id_of, key_of, natively, refs, refused, remove, swap


async def version_of(client: Client, kind: str, id: str) -> str:
    answer = await client.get(kind, id)
    assert answer.version is not None
    assert answer.version == body_of(answer)["meta"]["version"]
    return answer.version


async def test_what_a_client_has_already_is_not_sent(client: Client) -> None:
    """If-None-Match: 304 without a body as long as the version holds, 200 afterwards (V1, D9)."""
    id = await client.user("ada")
    version = await version_of(client, "User", id)
    for header in (version, version.removeprefix("W/"), f'"other", {version}', "*"):
        answer = await client.get("User", id, if_none_match=header)
        assert (answer.status, answer.body, answer.version) == (304, None, version)
    assert (await client.get("User", id, if_none_match='W/"other"')).status == 200
    await client.patch("User", id, swap("title", "T"))
    assert (await client.get("User", id, if_none_match=version)).status == 200


async def test_a_change_of_another_version_is_refused(client: Client) -> None:
    """If-Match that does not hold: 412 on PUT, PATCH and DELETE, and nothing is written (V1, V2)."""
    id = await client.user("ada", title="T")
    key = await key_of(client, "User", id)
    old = await version_of(client, "User", id)
    await client.patch("User", id, swap("title", "U"))
    before = natively(client.world, "people", key)
    with refused(412):
        await client.patch("User", id, swap("title", "V"), if_match=old)
    with refused(412):
        await client.put("User", id, {"userName": "ada", "title": "V"}, if_match=old)
    with refused(412):
        await client.delete("User", id, if_match=old)
    assert natively(client.world, "people", key) == before
    with refused(404):
        await client.patch("User", "nobody", swap("title", "V"), if_match="*")


async def test_a_change_of_the_version_seen_is_made(client: Client) -> None:
    """If-Match that holds, `*` included: done, and the new version is told (V1)."""
    id = await client.user("ada")
    answer = await client.patch("User", id, swap("title", "U"), if_match=await version_of(client, "User", id))
    assert answer.version == await version_of(client, "User", id)
    answer = await client.put("User", id, {"userName": "ada"}, if_match=answer.version)
    assert (await client.patch("User", id, swap("title", "W"), if_match="*")).status == 200
    assert (await client.delete("User", id, if_match=await version_of(client, "User", id))).status == 204


async def test_of_two_changes_of_one_version_one_is_made(client: Client) -> None:
    """Two clients saw the same version: one change is made, the other is 412, never both (V1)."""
    id = await client.user("ada", title="T")
    seen = await version_of(client, "User", id)
    changes = [client.patch("User", id, swap("title", title), if_match=seen) for title in ("U", "V")]
    found = await asyncio.gather(*changes, return_exceptions=True)
    assert sorted(one.status for one in found) == [200, 412]  # type: ignore[union-attr]
    title = natively(client.world, "people", await key_of(client, "User", id))["title"]
    assert title == next(title for title, one in zip(("U", "V"), found, strict=True) if one.status == 200)  # type: ignore[union-attr]


async def test_of_two_deletions_of_one_version_one_is_made(client: Client) -> None:
    """A change and a deletion of the same version: whoever is first wins, and the other knows it (V1)."""
    id = await client.user("ada", title="T")
    seen = await version_of(client, "User", id)
    found = await asyncio.gather(
        client.patch("User", id, swap("title", "U"), if_match=seen),
        client.delete("User", id, if_match=seen),
        return_exceptions=True,
    )
    statuses = [one.status for one in found]  # type: ignore[union-attr]
    assert statuses in ([200, 412], [404, 204], [412, 204])


NOTHING: dict[str, Any] = {
    "the same value": swap("title", "T"),
    "a member that is there": add("emails", [{"value": "a@example.com", "type": "work"}]),
    "removing what is not there": remove("displayName"),
    "what the gateway keeps": swap("nickName", "Nick"),
    "externalId": swap("externalId", "x1"),
    "active": swap("active", True),
    "the whole name": swap("name", {"givenName": "Ada"}),
    "nobody's mail": remove('emails[value eq "b@example.com"]'),
}


@pytest.mark.parametrize("name", NOTHING)
async def test_what_changes_nothing_leaves_no_trace(client: Client, name: str) -> None:
    """No effective change: 200, the same version and lastModified, nothing written where that can be known (P4)."""
    mails = [{"value": "a@example.com", "type": "work"}]
    id = await client.user(
        "ada", title="T", nickName="Nick", externalId="x1", active=True, name={"givenName": "Ada"}, emails=mails
    )
    await client.patch("User", id, swap("nickName", "X"))
    await client.patch("User", id, swap("nickName", "Nick"))
    before = await client.body("User", id)
    answer = await client.patch("User", id, NOTHING[name])
    assert answer.body == before == await client.body("User", id)


async def test_replacing_with_the_same_changes_nothing(client: Client) -> None:
    """PUT of what was read: nothing is written (P4, O6)."""
    boss = await client.user("boss")
    id = await client.user(
        "ada", title="T", nickName="N", active=True, **{ENTERPRISE_URN: {"manager": {"value": boss}}}
    )
    group = await client.group("G", id)
    before = await client.body("User", id)
    assert before["groups"][0]["value"] == group
    backend = client.world.backends["hr"]
    writes = len(backend.asked("update", "people"))
    answer = await client.put("User", id, before)
    assert answer.body == before
    assert len(backend.asked("update", "people")) == writes


async def test_a_group_whose_members_stay_keeps_its_version(client: Client) -> None:
    """Adding who is there, removing who is not: 204, same version and time; a real change moves both (P4)."""
    ada, bob = await client.user("ada"), await client.user("bob")
    id = await client.group("G", ada)
    before = await client.body("Group", id)
    for nothing in (
        add("members", refs(ada)),
        remove(f'members[value eq "{bob}"]'),
        remove("members", value=refs(bob)),
    ):
        assert (await client.patch("Group", id, nothing)).status == 204
    assert await client.body("Group", id) == before
    assert (await client.patch("Group", id, add("members", refs(bob)))).status == 204
    after = await client.body("Group", id)
    assert after["meta"]["version"] != before["meta"]["version"]
    assert after["meta"]["lastModified"] >= before["meta"]["lastModified"]


async def test_versions_do_not_depend_on_what_is_shown(client: Client) -> None:
    """The version is of the whole resource: reading a part, or in a list, gives the same one (V2)."""
    ada = await client.user("ada", title="T", nickName="N", externalId="x")
    group = await client.group("G", ada)
    for kind, id in (("User", ada), ("Group", group)):
        whole = await version_of(client, kind, id)
        assert (await client.get(kind, id, attributes="id")).version == whole
        assert (await client.get(kind, id, excluded="members,groups")).version == whole
        listed = (await client.search(kind))["Resources"][0]
        assert listed["meta"]["version"] == whole
        assert listed == await client.body(kind, id)


async def test_an_account_just_made_was_modified_when_it_was_created(client: Client) -> None:
    """created and lastModified are one instant until the first change, in one format (S7, S16)."""
    meta = body_of(await client.post("User", {"userName": "ada"}))["meta"]
    assert meta["created"] == meta["lastModified"]
    assert datetime.fromisoformat(meta["created"]).tzinfo is not None
    assert len(meta["created"]) == len("2026-01-01T00:00:00.000Z")


HIRED = datetime(2019, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
LATER = datetime(2021, 5, 6, 7, 8, 9, tzinfo=UTC)
TIMES = {
    "created": {"meta.created": "hired"},
    "both": {"meta.created": "hired", "meta.lastModified": "changed"},
    "modified": {"meta.lastModified": "changed"},
    "neither": {},
}


@pytest.mark.parametrize("shape", ["full", "weak"])
@pytest.mark.parametrize("times", TIMES)
async def test_filters_of_times_agree_with_what_is_shown(serve: Serve, shape: str, times: str) -> None:
    """Whatever times have a field, and whether it is filled or not: what is shown is what is found (S7, F8, F11)."""
    client = await serve(shape, entity={"fields": {"changed": "datetime"}}, user={"attributes": TIMES[times]})
    inner = client.world.backends["hr"].inner
    for login, hired, changed in (
        ("old", HIRED, None), ("moved", HIRED, LATER), ("blank", None, None), ("late", None, LATER),
    ):  # fmt: skip
        inner.enter("people", {"login": login, "hired": hired, "changed": changed})
    everybody = {one["userName"]: one for one in (await client.search("User"))["Resources"]}
    if "meta.created" in TIMES[times]:
        assert everybody["old"]["meta"]["created"] == "2019-05-06T07:08:09.123Z"
        assert times == "both" or everybody["moved"]["meta"]["lastModified"] == "2019-05-06T07:08:09.123Z"
    for name in ("created", "lastModified"):
        for moment in ("2020-01-01T00:00:00Z", "2022-01-01T00:00:00Z", "2999-01-01T00:00:00Z"):
            late = {login for login, one in everybody.items() if one["meta"][name] >= moment}
            for operator, wanted in (("ge", late), ("lt", everybody.keys() - late)):
                found = (await client.search("User", filter=f'meta.{name} {operator} "{moment}"'))["Resources"]
                assert {one["userName"] for one in found} == wanted, (name, operator, moment)
    for one in everybody.values():
        if not one["meta"]["created"].startswith("2019"):
            assert one["id"] in await client.found(f'meta.created eq "{one["meta"]["created"]}"')


async def test_a_change_by_the_gateway_is_the_last_one(serve: Serve) -> None:
    """Once the gateway changed an account the system cannot date, lastModified is that moment, and found (S7)."""
    client = await serve("full", user={"attributes": {"meta.created": "hired"}})
    client.world.backends["hr"].inner.enter("people", {"login": "ada", "hired": HIRED})
    client.world.backends["hr"].inner.enter("people", {"login": "bob", "hired": HIRED})
    ada, bob = [one["id"] for one in (await client.search("User"))["Resources"]]
    assert set(await client.found('meta.lastModified lt "2020-01-01T00:00:00Z"')) == {ada, bob}
    answer = await client.patch("User", ada, swap("title", "T"))
    assert body_of(answer)["meta"]["lastModified"] > "2026"
    assert body_of(answer)["meta"]["created"] == "2019-05-06T07:08:09.123Z"
    assert await client.found('meta.lastModified ge "2020-01-01T00:00:00Z"') == [ada]
    assert await client.found('meta.lastModified lt "2020-01-01T00:00:00Z"') == [bob]
    assert id_of(answer) == ada


async def test_what_was_only_met_costs_a_look_for_changes_nothing(serve: Serve) -> None:
    """After a first listing of many old accounts, asking what changed since is a narrow question (promise 5)."""
    client = await serve("full", user={"attributes": {"meta.created": "hired"}}, limits=Limits(scan_rows=50))
    inner = client.world.backends["hr"].inner
    for number in range(700):
        inner.enter("people", {"login": f"u{number}", "hired": HIRED})
    first = (await client.search("User", count=700))["Resources"][0]["id"]
    await client.patch("User", first, swap("title", "T"))
    assert await client.found('meta.lastModified ge "2024-01-01T00:00:00Z"') == [first]
