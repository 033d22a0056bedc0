"""Which request reaches which operation, and what is said to those that reach none."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from yarl import URL

from gateway.engine.calls import Answer
from gateway.server import routes
from tests.server.conftest import BASE, TOKEN, World, is_error

USER = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "bjensen@example.com"}
SEARCH = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": 'userName eq "x"'}
ALLOWED = [
    ("", "GET, HEAD"),
    ("/.search", "POST"),
    ("/Bulk", "POST"),
    ("/ServiceProviderConfig", "GET, HEAD"),
    ("/ResourceTypes", "GET, HEAD"),
    ("/ResourceTypes/User", "GET, HEAD"),
    ("/Schemas", "GET, HEAD"),
    ("/Schemas/urn:ietf:params:scim:schemas:core:2.0:User", "GET, HEAD"),
    ("/Users", "GET, POST, HEAD"),
    ("/Users/.search", "POST"),
    ("/Users/7", "GET, PUT, PATCH, DELETE, HEAD"),
    ("/Rooms", "GET, POST, HEAD"),
]


@pytest.mark.parametrize(
    ("verb", "path", "body", "name", "given"),
    [
        ("POST", "/Users", USER, "create", ("User", USER)),
        ("GET", "/Users/7", None, "read", ("User", "7")),
        ("PUT", "/Groups/7", USER, "replace", ("Group", "7", USER)),
        ("PATCH", "/Users/7", USER, "patch", ("User", "7", USER)),
        ("DELETE", "/Rooms/7", None, "delete", ("Room", "7")),
        ("GET", "/users/7/", None, "read", ("User", "7")),
        ("GET", "/Users/a%2Fb%20c", None, None, None),
        ("GET", "/Users/a%20c", None, "read", ("User", "a c")),
        ("POST", "/Bulk", {"Operations": []}, "bulk", ({"Operations": []},)),
    ],
)
async def test_paths_lead_to_operations(
    client: TestClient, world: World, verb: str, path: str, body: Any, name: str | None, given: Any
) -> None:
    """Each path and method reaches its operation with resource type, id and body; names are taken in any case."""
    answer = await client.request(verb, f"/acme/scim/v2{path}", json=body)
    if name is None:
        assert answer.status == 404
        assert world.engine.calls == []
        return
    assert answer.status == 200
    [(called, call, arguments)] = world.engine.calls
    assert (called, arguments) == (name, given)
    assert (call.tenant.name, call.caller.name, call.base_url) == ("acme", "main", BASE)


@pytest.mark.parametrize(
    "path", ["/acme/scim/v2/Users/?count=3", "/acme/scim/Users?count=3", "/acme/scim/v2.0/Users?count=3"]
)
async def test_version_and_trailing_slash_are_optional(client: TestClient, world: World, path: str) -> None:
    """A trailing slash means nothing and the version may be left out (H10)."""
    answer = await client.get(path)
    assert answer.status == 200
    [(name, _, (types, request))] = world.engine.calls
    assert (name, types, request.count) == ("search", ["User"], 3)


@pytest.mark.parametrize(
    "path",
    [
        "/acme",
        "/acme/",
        "/acme/scim",
        "/acme/scim/v2/",
        "/acme/scim/v2//Users",
        "/acme/scim/v2/Users//",
    ],
)
@pytest.mark.parametrize("verb", ["GET", "POST", "PATCH", "DELETE"])
async def test_nobody_is_sent_elsewhere(client: TestClient, verb: str, path: str) -> None:
    """No path is answered with a redirect, which many clients follow with another method or not at all (H14)."""
    answer = await client.request(verb, path, json=SEARCH, allow_redirects=False)
    assert not 300 <= answer.status < 400
    assert "Location" not in answer.headers


@pytest.mark.parametrize("version", ["v1", "V3", "v1.1"])
async def test_other_versions_are_refused(client: TestClient, world: World, version: str) -> None:
    """A version of the protocol that is not offered is 400 invalidVers (H10)."""
    answer = await client.get(f"/acme/scim/{version}/Users")
    assert answer.status == 400
    assert is_error(await answer.json(content_type=None), 400, "invalidVers")
    assert world.engine.calls == []


@pytest.mark.parametrize(("path", "types"), [("/Users/.search", ["User"]), ("/.search", ["User", "Group", "Room"])])
async def test_search_by_body(client: TestClient, world: World, path: str, types: list[str]) -> None:
    """`.search` works on a type and on the root, with the query in the body (Q8)."""
    answer = await client.post(f"/acme/scim/v2{path}", json=SEARCH)
    assert answer.status == 200
    [(name, _, (asked, request))] = world.engine.calls
    assert (name, asked, request.filter) == ("search", types, 'userName eq "x"')


async def test_root_is_searched_by_get(client: TestClient, world: World) -> None:
    """GET of the root searches every resource type (Q8)."""
    answer = await client.get("/acme/scim/v2/", params={"filter": 'meta.resourceType eq "User"'})
    assert answer.status == 200
    assert world.engine.calls[0][2][0] == ["User", "Group", "Room"]


async def test_plus_is_a_space_and_percent_2b_a_plus(client: TestClient, world: World) -> None:
    """A query's ``+`` is a space and ``%2B`` a plus, so that plus-addressed logins are found (H16)."""
    await client.get("/acme/scim/v2/Users?filter=userName+eq+%22a%2Bb@example.com%22&aadOptscim062020")
    [(_, _, (_, request))] = world.engine.calls
    assert request.filter == 'userName eq "a+b@example.com"'


async def test_flag_of_the_base_url_changes_no_route(client: TestClient, world: World) -> None:
    """A query flag that a client carries on every URL is ignored (E5, H6)."""
    answer = await client.post("/acme/scim/v2/Users?aadOptscim062020", json=USER)
    assert answer.status == 200
    assert world.engine.calls[0][0] == "create"


async def test_method_override_is_ignored(client: TestClient, world: World) -> None:
    """``X-HTTP-Method-Override`` is not honoured (H11)."""
    await client.get("/acme/scim/v2/Users/7", headers={"X-HTTP-Method-Override": "DELETE"})
    assert [name for name, _, _ in world.engine.calls] == ["read"]


@pytest.mark.parametrize(("path", "allowed"), ALLOWED)
async def test_wrong_method_is_405_with_allow(client: TestClient, world: World, path: str, allowed: str) -> None:
    """A known path with another method is 405 and says which ones there are (H12)."""
    answer = await client.request("OPTIONS", f"/acme/scim/v2{path}")
    assert answer.status == 405
    assert answer.headers["Allow"] == allowed
    assert is_error(await answer.json(content_type=None), 405)
    assert world.engine.calls == []


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_me_is_not_offered(client: TestClient, verb: str) -> None:
    """/Me is 501 for a machine's token (H12, H13)."""
    answer = await client.request(verb, "/acme/scim/v2/Me")
    assert answer.status == 501
    assert is_error(await answer.json(content_type=None), 501)


@pytest.mark.parametrize("path", ["/acme/scim/v2/Persons", "/acme/scim/v2/Users/7/emails", "/acme/other", "/acme"])
async def test_unknown_path_is_404_only_for_those_who_are_known(
    client: TestClient, stranger: TestClient, path: str
) -> None:
    """Somebody known learns that there is nothing, a stranger learns nothing (H7)."""
    answer = await client.get(path)
    assert answer.status == 404
    assert is_error(await answer.json(content_type=None), 404)
    assert (await stranger.get(path)).status == 401


@pytest.mark.parametrize("id", ["%00", "a%0Ab", "x" * 600, "a%2Fb"])
async def test_ids_nobody_can_have(client: TestClient, world: World, id: str) -> None:
    """An id with control characters, a slash or of absurd length is looked up nowhere (X1)."""
    answer = await client.get(URL(f"/acme/scim/v2/Users/{id}", encoded=True))
    assert answer.status == 404
    assert world.engine.calls == []


async def test_ids_that_are_no_utf8_are_no_ones(client: TestClient, world: World) -> None:
    """Bytes of a path that are no UTF-8 reach the engine as marked characters, never as half surrogates (X4)."""
    await client.get(URL("/acme/scim/v2/Users/%ff", encoded=True))
    assert world.engine.calls[0][2] == ("User", "\ufffd")


async def test_head_is_get_without_a_body(client: TestClient, world: World) -> None:
    """HEAD has GET's headers and no body."""
    world.engine.answer = Answer(200, {"id": "7"}, f"{BASE}/Users/7", 'W/"1"')
    answer = await client.head("/acme/scim/v2/Users/7")
    assert (answer.status, answer.headers["ETag"], await answer.read()) == (200, 'W/"1"', b"")


async def test_host_name_names_the_tenant(stranger: TestClient, world: World) -> None:
    """A configured host name stands for its tenant, and locations are written with it."""
    headers = {"Host": "SCIM.acme.example", "Authorization": f"Bearer {TOKEN}"}
    answer = await stranger.get("/scim/v2/Users/7", headers=headers)
    assert answer.status == 200
    assert world.engine.calls[0][1].base_url == "https://scim.acme.example/scim/v2"


async def test_host_header_decides_no_location(stranger: TestClient, world: World) -> None:
    """A host name nobody configured leads nowhere, and never into a location."""
    known = {"Host": "evil.example", "Authorization": f"Bearer {TOKEN}"}
    assert (await stranger.get("/scim/v2/Users/7", headers=known)).status == 401
    assert (await stranger.get("/acme/scim/v2/Users/7", headers=known)).status == 200
    assert world.engine.calls[0][1].base_url == BASE


def test_table_is_matched_row_by_row() -> None:
    """The table's literal rows win over its patterns."""
    endpoints = {"users": object()}
    found = routes.match(("Users", ".search"), endpoints)
    assert found is not None
    assert list(found.handlers) == ["POST"]
    assert routes.match(("Users", "7"), endpoints) == routes.Match(dict(routes.ROUTES)["{type}/{id}"], "users", "7")
    assert routes.match(("Nothing",), endpoints) is None
    assert routes.match(("{type}",), endpoints) is None
    assert routes.match(("{type}", "{id}"), endpoints) is None
    assert routes.match(("Users", "{id}"), endpoints) is None
    assert routes.match(("Me", "x"), endpoints) is None
    assert routes.match(("Users", "7", "8"), endpoints) is None
