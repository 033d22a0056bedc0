"""The memory backend keeps the rules of the contract, whatever is taken away from it."""

from __future__ import annotations

from typing import Any

from backends.conformance import ConformanceSuite, Harness, Roles
from backends.contract import Backend, Context, Fields, WritableBackend
from backends.memory import MemoryBackend, MemorySettings
from tests.backends.harnesses import MemoryHarness


class TestMemory(ConformanceSuite):
    harness = MemoryHarness()


class TestNotAtomic(ConformanceSuite):
    harness = MemoryHarness(without=["atomic", "versions", "deltas"])


class TestWholeRecords(ConformanceSuite):
    """Without the lock that `serialize` asks for, updates of this one would be lost."""

    harness = MemoryHarness(without=["atomic", "versions", "deltas"], serialize=True)


class TestNothingPushedDown(ConformanceSuite):
    harness = MemoryHarness(without=["filters", "sort", "offset", "total"])


class TestFiltersOnly(ConformanceSuite):
    harness = MemoryHarness(without=["logic"], filters={"login": ["eq"], "@key": ["in"], "mails.address": ["eq", "sw"]})


class TestLoose(ConformanceSuite):
    harness = MemoryHarness(loose=["login", "grade", "mails.kind"])


class Renamed(MemoryHarness):
    """Keys are logins: another login is another key."""

    roles = Roles(
        name="login", text="note", longest=400, number="grade", flag="enabled", day="hired", many="tags", key="login"
    )


class TestKeyFromAField(ConformanceSuite):
    harness = Renamed(key="login")


class Numbered(MemoryHarness):
    def order(self, key: str) -> Any:
        return int(key)


class TestSequence(ConformanceSuite):
    harness = Numbered(key="sequence")


class Sealed(Harness):
    """An entity that takes no writes through the contract; its records come from the settings."""

    entity = "people"
    roles = Roles(name="login", text="note")

    def build(self, place: Any) -> Backend[Any]:
        fields = {"login": {"required": True, "unique": True}, "note": "str"}
        entity = {"fields": fields, "without": ["create", "update", "delete"]}
        return MemoryBackend(MemorySettings.model_validate({"entities": {"people": entity}}), Context("sealed"))

    async def insert(self, backend: Backend[Any], entity: str, fields: Fields) -> str:
        assert isinstance(backend, MemoryBackend)
        return backend.enter(entity, fields)


class TestReadOnly(ConformanceSuite):
    harness = Sealed()


def test_what_does_not_apply_is_told() -> None:
    """A rule is tried or has a reason not to be; none is skipped."""
    assert TestMemory.inapplicable.keys() == {
        "a_system_that_is_not_there_is_unavailable",
        "what_the_settings_exclude_is_invisible",
        "an_offset_not_offered_is_refused",
        "a_total_not_offered_is_refused",
        "another_key_is_told",
        "references_follow_another_key",
        "a_create_not_offered_is_refused",
        "an_update_not_offered_is_refused",
        "a_delete_not_offered_is_refused",
        "explaining_shows_calls_and_makes_none",
    }
    assert TestReadOnly.inapplicable["a_name_cannot_be_taken_away"] == "the entity does not take update"
    assert hasattr(TestReadOnly, "test_an_update_not_offered_is_refused")
    assert issubclass(MemoryBackend, WritableBackend)
