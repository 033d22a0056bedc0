"""The life of one resource, on systems of every shape, each step verified in the system itself."""

from __future__ import annotations

from tests.engine.world import Client, add, by_login, key_of, members_of, natively, refs, refused, remove, swap


async def test_a_user_lives(client: Client) -> None:
    """Created, read, patched, replaced and deleted; the record says so each time (H1, H3, H4, H5)."""
    answer = await client.post(
        "User", {"userName": "ada", "name": {"givenName": "Ada", "familyName": "L"}, "active": True, "externalId": "x1"}
    )
    assert answer.status == 201
    assert answer.body is not None
    id = answer.body["id"]
    assert answer.location == answer.body["meta"]["location"] == f"{client.url}/Users/{id}"
    assert answer.version == answer.body["meta"]["version"]
    key = await key_of(client, "User", id)
    native = natively(client.world, "people", key)
    assert (native["login"], native["first"], native["last"], native["status"]) == ("ada", "Ada", "L", "A")
    assert (await client.get("User", id)).body == answer.body
    assert (await client.patch("User", id, swap("name.givenName", "Augusta"))).status == 200
    assert natively(client.world, "people", key)["first"] == "Augusta"
    replaced = await client.put("User", id, {"userName": "ada", "title": "Countess"})
    assert replaced.status == 200
    native = natively(client.world, "people", key)
    assert (native["first"], native["last"], native["title"], native["status"]) == (None, None, "Countess", "A")
    assert (await client.delete("User", id)).status == 204
    assert by_login(client.world, "ada") == []
    with refused(404):
        await client.get("User", id)
    with refused(404):
        await client.delete("User", id)
    with refused(404):
        await client.put("User", id, {"userName": "ada"})
    with refused(404):
        await client.patch("User", id, swap("title", "x"))


async def test_a_group_lives(client: Client) -> None:
    """Members come and go one by one, in every way clients say it; the table follows (D1, P5, P9)."""
    ada, bob, cyd = [await client.user(name) for name in ("ada", "bob", "cyd")]
    keys = [await key_of(client, "User", id) for id in (ada, bob, cyd)]
    id = await client.group("Engineers", ada)
    team = await key_of(client, "Group", id)

    def held() -> set[str]:
        return set(natively(client.world, "teams", team)["members"])

    assert held() == {keys[0]}
    assert (await client.patch("Group", id, add("members", refs(bob, cyd)))).status == 204
    assert held() == set(keys)
    assert (await client.patch("Group", id, remove(f'members[value eq "{ada}"]'))).status == 204
    assert held() == set(keys[1:])
    assert (await client.patch("Group", id, remove("members", value=refs(bob)))).status == 204
    assert held() == {keys[2]}
    answer = await client.patch("Group", id, swap("members", refs(ada)), attributes="members")
    assert answer.status == 200
    assert answer.body is not None
    assert members_of(answer.body) == {ada}
    assert held() == {keys[0]}
    assert (await client.patch("Group", id, {"op": "replace", "value": {"displayName": "Makers"}})).status == 204
    assert natively(client.world, "teams", team)["title"] == "Makers"
    assert held() == {keys[0]}
    user = await client.body("User", ada)
    assert members_of(user, "groups") == {id}
    assert (await client.put("Group", id, {"displayName": "Makers"})).status == 200
    assert held() == set()
    assert (await client.delete("Group", id)).status == 204
    with refused(404):
        await client.get("Group", id)
