"""A system with next to no powers keeps the contract too."""

from __future__ import annotations

from typing import Any

from backends.conformance import ConformanceSuite, Group, Harness, Roles, RowRole
from backends.contract import Backend, Change, Context
from tests.backends.poor import PoorBackend, PoorSettings, PoorSystem


class PoorHarness(Harness):
    """People and teams of the old application, empty for each test."""

    entity = "people"
    roles = Roles(
        name="login",
        text="note",
        longest=40,
        number="grade",
        many="tags",
        rows=RowRole("mails", key="address", other="kind"),
    )
    group = Group("teams", name="title", members="members")

    def build(self, place: Any) -> Backend[Any]:
        return PoorBackend(PoorSettings(), Context("poor"), PoorSystem())

    def order(self, key: str) -> Any:
        return int(key)

    def fail(self, backend: Backend[Any], step: int, *, lost: bool) -> None:
        assert isinstance(backend, PoorBackend)
        backend.system.left, backend.system.lost = step, lost

    def heal(self, backend: Backend[Any]) -> None:
        assert isinstance(backend, PoorBackend)
        backend.system.left = None


class TestPoor(ConformanceSuite):
    harness = PoorHarness()


async def test_a_delta_costs_a_call_for_each_member() -> None:
    """Members are added and removed one call each, and those not named are not touched (promise 4)."""
    system = PoorSystem()
    backend = PoorBackend(PoorSettings(), Context("poor"), system)
    people = [(await backend.create("people", {"login": f"p{n}"})).key for n in range(5)]
    team = (await backend.create("teams", {"title": "t", "members": tuple(people[:3])})).key
    system.calls.clear()
    await backend.update("teams", team, Change(add={"members": (people[3],)}, remove={"members": (people[0],)}))
    assert system.calls == ["list_teams", "leave", "join"]
    assert system.teams[team]["members"] == people[1:4]
