"""What lives with the gateway keeps the rules of the contract, on either kind of store."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from backends.conformance.harness import Group, Harness, Roles
from backends.conformance.suite import ConformanceSuite
from backends.contract import Backend, Context
from gateway.identity import database_of
from gateway.residence import ResidentBackend
from tests.residence.conftest import Faulty, opened, settings


class Residents(Harness):
    """People and teams of a new tenant in a store that others use too."""

    entity = "people"
    roles = Roles(name="login", text="note", flag="enabled", many="tags")
    group = Group("teams", name="title", members="members")
    secrets = ("hidden", "127.0.0.1")

    @contextlib.asynccontextmanager
    async def world(self, place: Any) -> AsyncIterator[Any]:
        async with opened(place) as database:
            yield Faulty(database), f"t-{uuid4().hex[:12]}"

    def build(self, place: Any) -> Backend[Any]:
        database, tenant = place or (database_of("sqlite:///nowhere.db"), "none")
        return ResidentBackend(settings(tenant), Context("gateway"), database)

    def fail(self, backend: Backend[Any], step: int, *, lost: bool) -> None:
        faulty = _faulty(backend)
        faulty.left, faulty.lost = step, lost

    def heal(self, backend: Backend[Any]) -> None:
        _faulty(backend).left = None


class ResidentsInAFile(Residents):
    def unreachable(self) -> Backend[Any]:
        return ResidentBackend(settings("none"), Context("gateway"), database_of("sqlite:///nowhere.db"))


class ResidentsOnAServer(Residents):
    def unreachable(self) -> Backend[Any]:
        database = database_of("postgresql://scim:hidden@127.0.0.1:1/none")
        return ResidentBackend(settings("none"), Context("gateway"), database)


def _faulty(backend: Backend[Any]) -> Faulty:
    assert isinstance(backend, ResidentBackend)
    assert isinstance(backend._database, Faulty)
    return backend._database


class TestInAFile(ConformanceSuite):
    harness = ResidentsInAFile()

    @pytest.fixture
    def place(self, sqlite_store: str) -> str:
        return sqlite_store


class TestOnAServer(ConformanceSuite):
    harness = ResidentsOnAServer()

    @pytest.fixture
    def place(self, postgres_store: str) -> str:
        return postgres_store


def test_what_does_not_apply_to_residents() -> None:
    """Only what they do not have is not tried: numbers, rows, keys out of a field, the other side of a list."""
    assert TestInAFile.inapplicable == TestOnAServer.inapplicable
    reasons = set(TestInAFile.inapplicable.values())
    assert reasons == {
        "the settings exclude nothing",
        "offsets are offered",
        "matches are counted",
        "conditions cannot be bound to one row",
        "the entity takes create",
        "the entity takes update",
        "the entity takes delete",
        "the entity has no field for: text, longest",
        "the entity has no field for: rows",
        "the entity has no field for: number",
        "the entity has no field for: text, number",
        "references are not seen from the other side",
        "keys do not come from a field",
        "the backend is none that Introspects",
    }
    assert not Path("nowhere.db").exists()
