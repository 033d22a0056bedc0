"""Attempts the engine never saw: one event each, and none for what changes nothing (M10)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.engine.audit import Attempt, Notes
from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.server import handlers
from gateway.server.observer import Progress
from gateway.server.recording import VERBS, recorded
from gateway.server.routes import ROUTES

PROGRESS = Progress("r1", "PATCH", address="192.0.2.1", tenant="acme", caller="key")


class Trail:
    """A trail that remembers."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []

    def record(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)


def attempt(trail: Trail, handler: Any, notes: Notes | None = None) -> Any:
    return recorded(trail, PROGRESS, notes or Notes(), handler, resource_type="User", id="7")


@pytest.mark.parametrize(
    ("error", "outcome", "status", "reason"),
    [
        (ScimError(403, "no"), "refused", 403, None),
        (refuse(ScimType.INVALID_SYNTAX, "no"), "refused", 400, "invalidSyntax"),
        (ScimError(503, "away"), "failed", 503, None),
        (ValueError("a bug"), "failed", 500, None),
        (asyncio.CancelledError(), "failed", 500, None),
    ],
)
def test_what_ends_before_the_engine_is_recorded(
    error: BaseException, outcome: str, status: int, reason: str | None
) -> None:
    """With who and what is known by then; the error goes on its way."""
    trail = Trail()
    with pytest.raises(type(error)), attempt(trail, handlers.patch):
        raise error
    assert trail.attempts == [
        Attempt("acme", "key", "192.0.2.1", "r1", "patch", "User", "7", outcome, status, reason)  # type: ignore[arg-type]
    ]


def test_what_the_engine_recorded_is_not_recorded_again() -> None:
    """Whatever it raised, or answered."""
    trail, notes = Trail(), Notes()
    notes.recorded = True
    with pytest.raises(ScimError), attempt(trail, handlers.delete, notes):
        raise ScimError(409, "no")
    with attempt(trail, handlers.create):
        pass
    assert trail.attempts == []


@pytest.mark.parametrize("handler", [handlers.read, handlers.search, handlers.search_by_body, handlers.me])
def test_what_changes_nothing_leaves_no_event(handler: Any) -> None:
    """Reads may be refused without a line."""
    trail = Trail()
    with pytest.raises(ScimError), attempt(trail, handler):
        raise ScimError(403, "no")
    assert trail.attempts == []


def test_every_route_that_changes_something_is_known() -> None:
    """Each handler of POST, PUT, PATCH and DELETE is an attempt, but for searches and /Me."""
    changing = {
        handler
        for path, methods in ROUTES
        for verb, handler in methods.items()
        if verb != "GET" and not path.endswith(".search") and path != "Me"
    }
    assert changing == set(VERBS)
