"""The audit trail: one event for every attempt to change something, and what became of it (M10)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from backends.contract import BackendError, DeniedError, UnavailableError
from gateway.engine.audit import Attempt, Sensitivity
from gateway.scim.errors import ScimError
from gateway.scim.schema import ENTERPRISE_URN, USER_URN
from tests.engine.conftest import Serve
from tests.engine.watched import Held, failing, losing
from tests.engine.world import Client, add, refs, remove, swap

Sent = Callable[[Client, str, str], Awaitable[Any]]

OUTCOMES: dict[str, tuple[Sent, tuple[str, str, int, str | None]]] = {
    "create": (lambda c, id, group: c.post("User", {"userName": "new"}), ("create", "done", 201, None)),
    "taken": (lambda c, id, group: c.post("User", {"userName": "ADA"}), ("create", "refused", 409, "uniqueness")),
    "malformed": (lambda c, id, group: c.post("User", {"title": "x"}), ("create", "refused", 400, "invalidValue")),
    "patch": (lambda c, id, group: c.patch("User", id, swap("title", "U")), ("patch", "done", 200, None)),
    "patch of nothing": (
        lambda c, id, group: c.patch("User", id, swap("title", "T")),
        ("patch", "unchanged", 200, None),
    ),
    "slow patch of nothing": (
        lambda c, id, group: c.patch("User", id, swap("title", "T"), if_match="*"),
        ("patch", "unchanged", 200, None),
    ),
    "wrong path": (lambda c, id, group: c.patch("User", id, swap("shoe", 1)), ("patch", "refused", 400, "invalidPath")),
    "members": (lambda c, id, group: c.patch("Group", group, add("members", refs(id))), ("patch", "done", 204, None)),
    "members that are not there": (
        lambda c, id, group: c.patch("Group", group, remove("members", value=refs(id))),
        ("patch", "unchanged", 204, None),
    ),
    "nobody": (lambda c, id, group: c.patch("User", group, swap("title", "U")), ("patch", "refused", 404, None)),
    "put": (lambda c, id, group: c.put("User", id, {"userName": "ada"}), ("replace", "done", 200, None)),
    "put of the same": (
        lambda c, id, group: c.put("User", id, {"userName": "ada", "title": "T"}),
        ("replace", "unchanged", 200, None),
    ),
    "old version": (
        lambda c, id, group: c.put("User", id, {"userName": "ada"}, if_match='W/"x"'),
        ("replace", "refused", 412, None),
    ),
    "delete": (lambda c, id, group: c.delete("User", id), ("delete", "done", 204, None)),
    "delete of nobody": (lambda c, id, group: c.delete("User", group), ("delete", "refused", 404, None)),
}


async def start(serve: Serve) -> tuple[Client, str, str]:
    client = await serve("full")
    id, group = await client.user("ada", title="T"), await client.group("G")
    client.world.recorder.attempts.clear()
    return client, id, group


async def recorded(client: Client, sent: Awaitable[Any]) -> Attempt:
    """Send something, whatever comes of it; give the one event there is."""
    await asyncio.gather(sent, return_exceptions=True)
    (attempt,) = client.world.recorder.attempts
    client.world.recorder.attempts.clear()
    return attempt


@pytest.mark.parametrize("name", OUTCOMES)
async def test_an_attempt_is_one_event(serve: Serve, name: str) -> None:
    """Done, unchanged or refused, with the status that was answered: exactly once, and of the right caller (M10)."""
    client, id, group = await start(serve)
    send, (operation, outcome, status, reason) = OUTCOMES[name]
    attempt = await recorded(client, send(client, id, group))
    assert (attempt.operation, attempt.outcome, attempt.status, attempt.reason) == (operation, outcome, status, reason)
    assert (attempt.tenant, attempt.caller) == (client.tenant.name, "key")
    if operation == "create":
        assert (attempt.id is not None) is (outcome == "done")
    else:
        assert attempt.id in (id, group)


@pytest.mark.parametrize(
    ("operation", "fault", "outcome", "status"),
    [
        ("update", failing(UnavailableError()), "failed", 503),
        ("update", failing(BackendError()), "failed", 500),
        ("update", failing(RuntimeError("bug")), "failed", 500),
        ("update", failing(DeniedError()), "refused", 403),
        ("update", losing(), "done", 200),
        ("update", failing(UnavailableError(maybe_done=True)), "failed", 503),
    ],
)
async def test_a_fault_is_one_event(serve: Serve, operation: str, fault: Any, outcome: str, status: int) -> None:
    """What the backend did to an attempt is its outcome."""
    client, id, _ = await start(serve)
    client.world.backends["hr"].once(operation, fault)
    attempt = await recorded(client, client.patch("User", id, swap("title", "U")))
    assert (attempt.outcome, attempt.status) == (outcome, status)


async def test_a_create_that_is_cut_off_is_a_failure(serve: Serve) -> None:
    """Cancelled: nobody was told anything, and the event says failed."""
    client, _, _ = await start(serve)
    held = Held()
    client.world.backends["hr"].once("create", held)
    task = asyncio.create_task(client.post("User", {"userName": "new"}))
    await held.reached.wait()
    task.cancel()
    attempt = await recorded(client, task)
    assert (attempt.operation, attempt.outcome, attempt.status, attempt.id) == ("create", "failed", 503, None)


async def test_reading_is_no_attempt_to_change(serve: Serve) -> None:
    """Reads and searches leave no event."""
    client, id, group = await start(serve)
    await client.get("User", id)
    await client.search(["User", "Group"])
    with pytest.raises(ScimError):
        await client.get("User", group)
    assert client.world.recorder.attempts == []


async def test_a_bulk_request_is_one_event_for_each_operation(serve: Serve) -> None:
    """Also for those that were refused before anything was looked at."""
    client, id, group = await start(serve)
    await client.send_bulk(
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"schemas": [USER_URN], "userName": "bob"}},
        {"method": "POST", "path": "/Users", "bulkId": "b", "data": {"schemas": [USER_URN], "userName": "ada"}},
        {"method": "DELETE", "path": f"/Users/{id}"},
        {"method": "DELETE", "path": "/Robots/7"},
        {"method": "DELETE", "path": f"/Groups/{group}", "version": 'W/"x"'},
    )
    found = [(one.operation, one.outcome, one.status) for one in client.world.recorder.attempts]
    assert found == [
        ("create", "done", 201), ("create", "refused", 409), ("delete", "done", 204), ("delete", "refused", 404),
        ("delete", "refused", 412),
    ]  # fmt: skip


async def test_an_event_names_what_was_to_be_altered(serve: Serve) -> None:
    """Attributes with their values, classed: what is secret is marked, what tells people apart hashed (X12, M10)."""
    client, id, group = await start(serve)
    attempt = await recorded(
        client,
        client.post(
            "User",
            {"userName": "bob", "password": "s3cret", "active": True, ENTERPRISE_URN: {"manager": {"value": id}}},
        ),
    )
    found = {one.path: (one.verb, one.sensitivity) for one in attempt.alterations}
    assert found == {
        "userName": ("set", Sensitivity.HASHED),
        "password": ("set", Sensitivity.MARKED),
        "active": ("set", Sensitivity.SHOWN),
        f"{ENTERPRISE_URN}:manager": ("set", Sensitivity.SHOWN),
    }
    assert "s3cret" not in repr(attempt)
    attempt = await recorded(client, client.patch("Group", group, add("members", refs(id))))
    (one,) = attempt.alterations
    assert (one.path, one.verb, one.value, one.sensitivity) == ("members", "add", refs(id), Sensitivity.SHOWN)
    attempt = await recorded(client, client.put("User", id, {"userName": "ada", "nickName": "N"}))
    assert {one.path: one.value for one in attempt.alterations} == {"nickName": "N", "title": None}
