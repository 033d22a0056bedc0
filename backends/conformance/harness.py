"""What the suite must be told about a backend: how to make one, and which field plays which part."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from backends.contract import Backend, Fields, Value, WritableBackend


@dataclass(frozen=True, slots=True)
class RowRole:
    """A field made of rows: the column that tells rows of one record apart, and another one; both text."""

    field: str
    key: str
    other: str


@dataclass(frozen=True, slots=True)
class Roles:
    """The fields of the entity under test by the part they play; what the entity does not have is None.

    `name` is text and never empty; `unique`: no two records have the same. The others may be empty: `text` is any text
    (at most `longest` characters), `many` holds texts. `key` names the field that keys come from, where writing it
    gives a record another key. `extra` are values every new record needs besides.
    """

    name: str
    unique: bool = True
    text: str | None = None
    longest: int | None = None
    number: str | None = None
    flag: str | None = None
    day: str | None = None
    moment: str | None = None
    many: str | None = None
    rows: RowRole | None = None
    key: str | None = None
    extra: Fields = field(default_factory=dict)

    def field(self, role: str) -> str | None:
        """Name the field that plays a role."""
        found = getattr(self, role)
        return found.field if isinstance(found, RowRole) else found


@dataclass(frozen=True, slots=True)
class Group:
    """An entity that refers to the one under test.

    `members` is its field of many references; `inverse` is the field of the entity under test that shows who refers
    to a record and cannot be written. `renamed`: its name can change once it is there.
    """

    entity: str
    name: str
    members: str
    inverse: str | None = None
    renamed: bool = True
    extra: Fields = field(default_factory=dict)


class Harness(ABC):
    """Describes one backend to the suite. Three things are needed: `entity`, `roles` and `build`; the rest widens what
    is tried.

    `secrets` are texts that no error may show (passwords, hosts). `ordered`: without a sort the keys ascend.
    `names_conflicts`: the system tells which field a refused value was for. `shifting`: it pages by number, so that
    what is deleted meanwhile shifts the rest.
    """

    entity: ClassVar[str]
    roles: ClassVar[Roles]
    group: ClassVar[Group | None] = None
    secrets: ClassVar[tuple[str, ...]] = ()
    ordered: ClassVar[bool] = True
    names_conflicts: ClassVar[bool] = True
    shifting: ClassVar[bool] = False

    @abstractmethod
    def build(self, place: Any) -> Backend[Any]:
        """Construct a backend on `place`, an empty native system, without any I/O.

        `place` is None when the suite only asks what the backend can do.
        """

    def world(self, place: Any) -> AbstractAsyncContextManager[Any]:
        """Prepare what must live in the event loop of one test; yields what `build` is given. `place` is the suite's
        fixture of that name."""
        return contextlib.nullcontext(place)

    async def insert(self, backend: Backend[Any], entity: str, fields: Fields) -> str:
        """Bring a record into the native system and give its key; override it where the backend cannot create."""
        assert isinstance(backend, WritableBackend)
        return (await backend.create(entity, fields)).key

    def sample(self, role: str, number: int) -> Value:
        """Give a value for a role as the system holds it, another one for every number (but for `flag`)."""
        match role:
            case "name":
                return f"name{number:04d}"
            case "text":
                return f"text {number:04d}"
            case "number":
                return number
            case "flag":
                return number % 2 == 0
            case "day":
                return date(2020, 1, 1) + timedelta(days=number)
            case "moment":
                return datetime(2020, 1, 1, 12, 30, tzinfo=UTC) + timedelta(hours=number)
            case "many":
                return (f"tag{number}a", f"tag{number}b")
        assert role == "rows"
        assert self.roles.rows is not None
        return (self.row(f"row{number}a", "work"), self.row(f"row{number}b", "home"))

    def order(self, key: str) -> Any:
        """Give what keys are ordered by: the text itself, or ``int(key)`` where keys are numbers."""
        return key

    def row(self, key: str, other: str) -> Mapping[str, str]:
        """Make a row."""
        assert self.roles.rows is not None
        return {self.roles.rows.key: key, self.roles.rows.other: other}

    def texts(self) -> tuple[str, ...]:
        """Give texts that have tripped others up, as far as the system can hold them.

        All begin with a small m, so that no collation has to be known to say what lies before g and behind t.
        """
        return (
            "mixed",
            "mIXed",
            "m%d",
            "m_d",
            "m\\d",
            "m'd; --",
            'm"d',
            "m*d",
            "m<d>&",
            "mü€𝄞",
            "m(d)",
            "m{d}",
            "m\nd",
        )

    def fail(self, backend: Backend[Any], step: int, *, lost: bool) -> None:
        """Let a native step of the calls that follow fail: the `step`-th from now, counted from zero.

        With `lost` the system does it and its answer is lost, else it does nothing. Override it to have faults tried.
        """
        raise NotImplementedError

    def heal(self, backend: Backend[Any]) -> None:
        """Undo `fail`, whether its step was reached or not."""
        raise NotImplementedError

    def unreachable(self) -> Backend[Any]:
        """Construct a backend whose system is not there."""
        raise NotImplementedError

    async def outsider(self, backend: Backend[Any], place: Any) -> str:
        """Bring a record into the native system that the settings exclude, and give what would be its key."""
        raise NotImplementedError

    def overrides(self, name: str) -> bool:
        """Tell whether an optional method is there."""
        return getattr(type(self), name) is not getattr(Harness, name)
