"""Memory backends of several kinds, described to the conformance suite."""

from __future__ import annotations

from typing import Any

from backends.conformance import Group, Harness, Roles, RowRole
from backends.contract import Backend, Context, UnavailableError
from backends.memory import MemoryBackend, MemorySettings
from backends.memory.backend import pause

FIELDS: dict[str, Any] = {
    "login": {"unique": True, "required": True},
    "note": {"max_length": 400},
    "grade": "int",
    "enabled": "bool",
    "hired": "date",
    "seen": "datetime",
    "tags": {"many": True},
    "mails": {"row": {"address": "str", "kind": "str"}, "row_key": ["address"]},
    "teams": {"inverse": "teams.members"},
}
GROUP_FIELDS: dict[str, Any] = {
    "title": {"unique": True, "required": True},
    "members": {"many": True, "refers": "people"},
}


def settings(**people: Any) -> MemorySettings:
    """Make the settings of people and teams; what is given is added to the people's entity."""
    return MemorySettings.model_validate(
        {"entities": {"people": {"fields": FIELDS, **people}, "teams": {"fields": GROUP_FIELDS}}}
    )


class Failing:
    """A step that fails once: the one so many steps from now; `lost` counts only what comes behind a write."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.lost = False

    async def __call__(self, step: str) -> None:
        await pause(step)
        if self.left is None or (step == "answer") is not self.lost:
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            raise UnavailableError(maybe_done=self.lost)


class MemoryHarness(Harness):
    """People and teams in memory."""

    entity = "people"
    roles = Roles(
        name="login",
        text="note",
        longest=400,
        number="grade",
        flag="enabled",
        day="hired",
        moment="seen",
        many="tags",
        rows=RowRole("mails", key="address", other="kind"),
    )
    group = Group("teams", name="title", members="members", inverse="teams")

    def __init__(self, kind: type[MemoryBackend] = MemoryBackend, **people: Any) -> None:
        self._kind = kind
        self._settings = settings(**people)

    def build(self, place: Any) -> Backend[Any]:
        return self._kind(self._settings, Context("memory"), step=Failing())

    def fail(self, backend: Backend[Any], step: int, *, lost: bool) -> None:
        assert isinstance(backend, MemoryBackend)
        assert isinstance(backend.step, Failing)
        backend.step.left, backend.step.lost = step, lost

    def heal(self, backend: Backend[Any]) -> None:
        assert isinstance(backend, MemoryBackend)
        assert isinstance(backend.step, Failing)
        backend.step.left = None
