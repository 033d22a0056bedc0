"""Who gets in, and that those who do not learn nothing (X6, X8, H15)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from gateway.server.auth import AnyOf, Grant, Permissions, Presented
from tests.server.conftest import OTHER, TOKEN, World, is_error, tenant_site, token, tokens

USERS = "/acme/scim/v2/Users/7"


class Counted:
    """An authenticator that remembers what it was shown and knows nobody."""

    def __init__(self) -> None:
        self.shown: list[Presented] = []

    async def authenticate(self, presented: Presented) -> Grant | None:
        self.shown.append(presented)
        return None


class Blocked:
    """Sources that block one address and remember failures."""

    def __init__(self, blocked: str = "") -> None:
        self.address = blocked
        self.failures: list[tuple[str, str]] = []

    async def blocked(self, address: str, tenant: str) -> float:
        return 7.0 if address == self.address else 0.0

    async def failed(self, address: str, tenant: str) -> None:
        self.failures.append((address, tenant))


def told(headers: Mapping[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
    return {name: value for name, value in headers.items() if name.lower() not in ("x-request-id", "date")}, body


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere/scim/v2/Users/7",
        "/acme/scim/v2/Users/7",
        "/acme/scim/v2/ServiceProviderConfig",
        "/acme/scim/v2/Nothing",
        "/acme/scim/v1/Users",
        "/acme",
        "/scim/v2/Users",
        "/",
        "/metrics",
        "/favicon.ico",
    ],
)
@pytest.mark.parametrize("verb", ["GET", "POST", "DELETE", "PROPFIND"])
async def test_unknown_tenant_and_wrong_token_get_one_answer(stranger: TestClient, path: str, verb: str) -> None:
    """Nobody can tell a tenant that does not exist, a wrong token, a wrong path and a wrong method apart (X8)."""
    headers = {"Authorization": "Bearer wrong", "Content-Type": "text/plain"}
    wrong = await stranger.get(USERS, headers={"Authorization": "Bearer wrong"})
    answer = await stranger.request(verb, path, headers=headers)
    assert answer.status == wrong.status == 401
    assert told(answer.headers, await answer.read()) == told(wrong.headers, await wrong.read())
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="scim", error="invalid_token"'
    assert is_error(await answer.json(content_type=None), 401)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        TOKEN,
        f"Basic {TOKEN}",
        "Bearer",
        "Bearer ",
        "Bearer old",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN.upper()}",
        f"Bearer {TOKEN}, {TOKEN}",
        f"Bearer {OTHER}",
        "Bearer nobody",
        "Bearer \xff\xfe",
    ],
)
async def test_wrong_credentials(stranger: TestClient, world: World, authorization: str | None) -> None:
    """No, malformed, expired and other tenants' credentials are all 401, and nothing is done (X6, X8)."""
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = await stranger.get(USERS, headers=headers)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="scim"')
    assert is_error(await answer.json(content_type=None), 401)
    assert world.engine.calls == []
    assert world.observer.authentications == [("acme", "", "refused")]


async def test_token_counts_only_in_its_header(stranger: TestClient) -> None:
    """A token in the query is no token (X6)."""
    assert (await stranger.get(USERS, params={"access_token": TOKEN})).status == 401


async def test_scheme_is_taken_in_any_case(stranger: TestClient) -> None:
    """``bearer`` is written in any case (RFC 9110 §11.1)."""
    assert (await stranger.get(USERS, headers={"Authorization": f"bEARER  {TOKEN}"})).status == 200


async def test_decoy_does_the_work_where_there_is_no_tenant(stranger: TestClient, world: World) -> None:
    """For a tenant that does not exist an authenticator is asked all the same, so that it takes as long (X8)."""
    decoy = Counted()
    world.change(decoy=decoy)
    await stranger.get("/nowhere/scim/v2/Users", headers={"Authorization": "Bearer secret-text"})
    [shown] = decoy.shown
    assert (shown.scheme, shown.credential) == ("bearer", "secret-text")
    assert "secret-text" not in repr(shown)
    assert world.observer.authentications == [("", "", "refused")]


async def test_grant_of_the_decoy_opens_nothing(stranger: TestClient) -> None:
    """Even whom the decoy would know is refused where there is no tenant (fails closed)."""
    answer = await stranger.get("/nowhere/scim/v2/Users", headers={"Authorization": "Bearer nobody"})
    assert answer.status == 401


async def test_several_methods_side_by_side(stranger: TestClient, world: World) -> None:
    """Two tokens, in one method or in two, hold at the same time; the first that knows the caller decides."""
    both = AnyOf([tokens(token("a", "first")), tokens(token("b", "second"))])
    world.change_tenant(authenticator=both)
    for text in ("a", "b"):
        assert (await stranger.get(USERS, headers={"Authorization": f"Bearer {text}"})).status == 200
    assert [call.caller.name for _, call, _ in world.engine.calls] == ["first", "second"]


async def test_blocked_sources_are_not_listened_to(stranger: TestClient, world: World) -> None:
    """A source that failed too often is told when to come back, whatever it presents (X8)."""
    world.change(sources=Blocked("127.0.0.1"))
    answer = await stranger.get(USERS, headers={"Authorization": f"Bearer {TOKEN}"})
    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    assert is_error(await answer.json(content_type=None), 429)
    assert world.engine.calls == []
    assert world.observer.authentications == [("", "", "limited")]


async def test_failures_are_counted_by_source(stranger: TestClient, world: World) -> None:
    """Failed attempts are held against their source, for existing tenants and others alike; good ones are not."""
    sources = Blocked()
    world.change(sources=sources)
    await stranger.get(USERS)
    await stranger.get("/nowhere/scim/v2/Users")
    await stranger.get(USERS, headers={"Authorization": f"Bearer {TOKEN}"})
    assert sources.failures == [("127.0.0.1", "acme"), ("127.0.0.1", "nowhere")]


async def test_backend_never_reached(client: TestClient, stranger: TestClient, world: World) -> None:
    """A tenant whose backend was never reached is 503 with Retry-After for those who are known, 401 for others."""
    world.change_tenant(tenant=None, retry_after=3.0)
    for path in (USERS, "/acme/scim/v2/Schemas"):
        answer = await client.get(path)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "3")
        assert is_error(await answer.json(content_type=None), 503)
    assert (await stranger.get(USERS)).status == 401
    assert (await client.get("/acme/scim/v2/Nothing")).status == 404


READ = Permissions(read_only=True)
USERS_ONLY = Permissions(resource_types=frozenset({"User"}), operations=frozenset({"read", "patch"}))
NO_BULK = Permissions(bulk=False)
BULK = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
    "Operations": [
        {"method": "PATCH", "path": "/Users/1", "data": {}},
        {"method": "delete", "path": "/Groups/1"},
    ],
}


@pytest.mark.parametrize(
    ("may", "verb", "path", "status"),
    [
        (READ, "GET", "/Users", 200),
        (READ, "GET", "/Users/7", 200),
        (READ, "POST", "/Users/.search", 200),
        (READ, "GET", "/Schemas", 200),
        (READ, "POST", "/Users", 403),
        (READ, "PUT", "/Users/7", 403),
        (READ, "PATCH", "/Users/7", 403),
        (READ, "DELETE", "/Users/7", 403),
        (READ, "POST", "/Bulk", 403),
        (USERS_ONLY, "GET", "/Users/7", 200),
        (USERS_ONLY, "PATCH", "/Users/7", 200),
        (USERS_ONLY, "DELETE", "/Users/7", 403),
        (USERS_ONLY, "GET", "/Groups/7", 403),
        (USERS_ONLY, "GET", "/Users", 403),
        (USERS_ONLY, "GET", "", 403),
        (USERS_ONLY, "POST", "/Bulk", 403),
        (NO_BULK, "POST", "/Bulk", 403),
        (NO_BULK, "DELETE", "/Users/7", 200),
    ],
)
async def test_permissions(
    stranger: TestClient, world: World, may: Permissions, verb: str, path: str, status: int
) -> None:
    """Callers do what they may, on the types they may, alone or in bulk; anything else is 403 and not done (B6)."""
    world.change_tenant(authenticator=tokens(token("x", "limited", may=may)))
    body: Any = BULK if path == "/Bulk" else {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]}
    sent = None if verb in ("GET", "DELETE") else body
    answer = await stranger.request(verb, f"/acme/scim/v2{path}", json=sent, headers={"Authorization": "Bearer x"})
    assert answer.status == status
    if status == 403:
        assert is_error(await answer.json(content_type=None), 403)
        assert world.engine.calls == []


@pytest.mark.parametrize("key", ["Operations", "operations", "OPERATIONS"])
async def test_spelling_does_not_get_a_bulk_operation_past(stranger: TestClient, world: World, key: str) -> None:
    """Names ignore case in bulk bodies, and so does the check of what may be done (B6, S2)."""
    may = Permissions(operations=frozenset({"read"}))
    world.change_tenant(authenticator=tokens(token("x", "limited", may=may)))
    body = {"schemas": BULK["schemas"], key: [{"METHOD": "Delete", "PATH": "/USERS/1"}]}
    answer = await stranger.post("/acme/scim/v2/Bulk", json=body, headers={"Authorization": "Bearer x"})
    assert answer.status == 403
    assert world.engine.calls == []


async def test_root_search_covers_what_may_be_searched(stranger: TestClient, world: World) -> None:
    """A search over everything leaves out the types its caller may not search."""
    may = Permissions(resource_types=frozenset({"Group"}))
    world.change_tenant(authenticator=tokens(token("x", "limited", may=may)))
    await stranger.get("/acme/scim/v2/", headers={"Authorization": "Bearer x"})
    assert world.engine.calls[0][2][0] == ["Group"]


async def test_bulk_that_is_not_offered(client: TestClient, world: World) -> None:
    """Where discovery says there is no bulk, there is none: 501 (H12, C2)."""
    facts = replace(world.holder.site.tenants["acme"].facts, bulk=False)
    world.change_tenant(facts=facts)
    assert (await client.post("/acme/scim/v2/Bulk", json=BULK)).status == 501
    assert world.engine.calls == []


async def test_tokens_of_one_tenant_are_nothing_to_another(stranger: TestClient, world: World) -> None:
    """Each tenant knows its own tokens only, and the call carries the tenant of the path."""
    world.change(tenants={**world.holder.site.tenants, "third": tenant_site("third", token("t", "t"))})
    for text, name in ((TOKEN, "acme"), (OTHER, "globex"), ("t", "third")):
        for tried in ("acme", "globex", "third"):
            answer = await stranger.get(f"/{tried}/scim/v2/Users/1", headers={"Authorization": f"Bearer {text}"})
            assert answer.status == (200 if tried == name else 401)
    assert [call.tenant.name for _, call, _ in world.engine.calls] == ["acme", "globex", "third"]
