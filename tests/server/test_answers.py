"""Answers and errors as they stand on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from gateway.engine.calls import Answer
from gateway.scim.errors import ScimError, ScimType, refuse
from tests.server.conftest import BASE, World, is_error

SCIM = "application/scim+json"
PLAIN = "application/json"


async def test_created_resource(client: TestClient, world: World) -> None:
    """201 has Location, Content-Location, ETag and the whole body (H1, S7)."""
    world.engine.answer = Answer(201, {"id": "7", "userName": "Ä"}, f"{BASE}/Users/7", 'W/"abc"')
    answer = await client.post("/acme/scim/v2/Users", json={"userName": "Ä"})
    assert answer.status == 201
    assert answer.headers["Location"] == answer.headers["Content-Location"] == f"{BASE}/Users/7"
    assert answer.headers["ETag"] == 'W/"abc"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert await answer.json(content_type=None) == {"id": "7", "userName": "Ä"}


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_without_a_body(client: TestClient, world: World, status: int) -> None:
    """204 and 304 have the version and no body (H4, V1)."""
    world.engine.answer = Answer(status, None, f"{BASE}/Users/7", 'W/"abc"')
    answer = await client.get("/acme/scim/v2/Users/7", headers={"If-None-Match": 'W/"abc"'})
    assert (answer.status, await answer.read(), answer.headers["ETag"]) == (status, b"", 'W/"abc"')
    assert world.engine.calls[0][1].if_none_match == 'W/"abc"'


async def test_conditions_and_projection_reach_the_engine(client: TestClient, world: World) -> None:
    """If-Match and the projection of the query are part of the call (V1, Q7)."""
    path = "/acme/scim/v2/Users/7?attributes=userName,emails&Attributes=name&x=1"
    await client.patch(path, json={}, headers={"If-Match": 'W/"1"'})
    call = world.engine.calls[0][1]
    assert (call.if_match, call.attributes, call.excluded) == ('W/"1"', ["userName,emails", "name"], None)


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        (None, SCIM),
        ("*/*", SCIM),
        (SCIM, SCIM),
        (PLAIN, PLAIN),
        (f"{PLAIN}, text/plain", PLAIN),
        (f"{PLAIN}, {SCIM};q=0.5", SCIM),
        (f"{PLAIN}, {SCIM};q=0", PLAIN),
        (f"{PLAIN}, */*;q=0.1", SCIM),
        ("text/html", SCIM),
        (f"{PLAIN};q=0", SCIM),
        ("Application/JSON", PLAIN),
    ],
)
@pytest.mark.parametrize("fails", [False, True])
async def test_media_type_of_answers(
    client: TestClient, world: World, accept: str | None, given: str, fails: bool
) -> None:
    """Answers and errors are SCIM's own type without a charset, unless plain JSON is all a client takes (D7)."""
    world.engine.answer = ScimError(404, "gone") if fails else Answer(200, {"id": "7"})
    headers = {} if accept is None else {"Accept": accept}
    answer = await client.get("/acme/scim/v2/Users/7", headers=headers, skip_auto_headers={"Accept"})
    assert answer.headers["Content-Type"] == given


async def test_error_of_the_engine(client: TestClient, world: World) -> None:
    """A refusal keeps status, keyword and detail; Retry-After is in whole seconds, rounded up (H7, H8, M8)."""
    world.engine.answer = refuse(ScimType.UNIQUENESS, "userName: is taken")
    answer = await client.post("/acme/scim/v2/Users", json={"userName": "x"})
    assert answer.status == 409
    assert is_error(await answer.json(content_type=None), 409, "uniqueness")
    world.engine.answer = ScimError(503, "later", retry_after=0.2)
    answer = await client.get("/acme/scim/v2/Users/7")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    world.engine.answer = ScimError(503, "later", retry_after=4.2)
    assert (await client.get("/acme/scim/v2/Users/7")).headers["Retry-After"] == "5"


async def test_internal_failure_tells_nothing_but_where_it_is_logged(client: TestClient, world: World) -> None:
    """An unexpected error is 500 with the request id and no word of its cause, which the observer gets (X13)."""
    world.engine.answer = RuntimeError("password=hunter2 at db.internal")
    answer = await client.get("/acme/scim/v2/Users/7", headers={"X-Request-Id": "abcdef-123456"})
    text = await answer.text()
    assert answer.status == 500
    assert "hunter2" not in text
    assert "db.internal" not in text
    assert "abcdef-123456" in text
    [(tenant, request_id, error)] = world.observer.failures
    assert (tenant, request_id, str(error)) == ("acme", "abcdef-123456", "password=hunter2 at db.internal")
    assert world.observer.ended[-1][1] == 500


async def test_timeouts_of_collaborators_are_internal_failures(client: TestClient, world: World) -> None:
    """A TimeoutError that is not the request's own deadline is a failure and not lateness."""
    world.engine.answer = TimeoutError("store")
    answer = await client.get("/acme/scim/v2/Users/7")
    assert answer.status == 500
    assert len(world.observer.failures) == 1


async def test_request_that_hangs_is_given_up(client: TestClient, world: World, monkeypatch: Any) -> None:
    """A request is ended after its deadline whatever it waits for: 503 with Retry-After (M8)."""
    monkeypatch.setattr("gateway.server.boundary.LATE_SECONDS", 0.0)
    world.change(limits=replace(world.holder.site.limits, request_seconds=0.05))
    world.engine.answer = asyncio.Event().wait
    answer = await client.get("/acme/scim/v2/Users/7")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert is_error(await answer.json(content_type=None), 503)


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ({"X-Request-Id": "req-12345678"}, "req-12345678"),
        (
            {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
            "4bf92f3577b34da6a3ce929d0e0e4736",
        ),
        ({"X-Request-Id": "short"}, None),
        ({"X-Request-Id": 'with spaces and "quotes"'}, None),
        ({"X-Request-Id": "x" * 200}, None),
        ({"traceparent": "00-00000000000000000000000000000000-00f067aa0ba902b7-01"}, None),
    ],
)
async def test_request_id(client: TestClient, world: World, headers: dict[str, str], kept: str | None) -> None:
    """A sane request id or trace is taken over, anything else is replaced; every answer carries it (M4)."""
    answer = await client.get("/acme/scim/v2/Users/7", headers=headers)
    given = answer.headers["X-Request-Id"]
    assert given == kept if kept is not None else len(given) == 32 and given not in headers.values()
    assert world.engine.calls[0][1].request_id == given
    assert world.observer.ended[0][0].request_id == given


async def test_what_is_told_of_a_request(client: TestClient, world: World) -> None:
    """Tenant, type, operation, caller and size are known at the end; of a stranger's request nothing is (M1)."""
    await client.get("/acme/scim/v2/Users/7")
    await client.get("/nowhere/scim/v2/Users/7")
    (known, status, sent), (unknown, refused, _) = world.observer.ended
    assert (known.tenant, known.resource_type, known.operation, known.caller, known.method) == (
        "acme",
        "User",
        "read",
        "main",
        "token",
    )
    assert (status, sent) == (200, len(b'{"id":"1"}'))
    assert (unknown.tenant, unknown.resource_type, unknown.operation, unknown.caller, refused) == (
        "",
        "",
        "other",
        "",
        401,
    )


async def test_deadline_is_that_of_the_site(client: TestClient, world: World) -> None:
    """The call's deadline is the site's setting from now, on the loop's clock."""
    before = asyncio.get_running_loop().time()
    await client.get("/acme/scim/v2/Users/7")
    deadline = world.engine.calls[0][1].deadline
    assert before + 30 <= deadline <= asyncio.get_running_loop().time() + 30


@pytest.fixture(autouse=True)
def _nothing_unexpected(world: World, request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test does not provoke must not fail inside."""
    yield
    if "internal" not in request.node.name and "timeouts" not in request.node.name:
        assert world.observer.failures == []
