"""A rule of the contract, and what a backend must have for it to apply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from backends.conformance.harness import Harness
from backends.conformance.trial import Trial
from backends.contract import Backend, Capabilities, WritableBackend


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a backend before it starts."""

    harness: Harness
    backend: Backend[Any]
    capabilities: Capabilities

    @classmethod
    def of(cls, harness: Harness) -> Facts:
        backend = harness.build(None)
        return cls(harness, backend, backend.capabilities(harness.entity))


@dataclass(frozen=True, slots=True)
class Need:
    """Something a rule needs; `reason` says what is missing where it is not there."""

    reason: str
    holds: Callable[[Facts], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One case: its name, its sentence, and the trial itself."""

    name: str
    sentence: str
    needs: tuple[Need, ...]
    run: Callable[[Trial], Awaitable[None]]

    def missing(self, facts: Facts) -> str | None:
        """Say why the rule does not apply, or None if it does."""
        return next((need.reason for need in self.needs if not need.holds(facts)), None)


def rule(*needs: Need) -> Callable[[Callable[[Trial], Awaitable[None]]], Rule]:
    """Make a function that tries something, with a sentence as its docstring, a rule."""

    def make(run: Callable[[Trial], Awaitable[None]]) -> Rule:
        sentence = " ".join((run.__doc__ or "").split())
        return Rule(getattr(run, "__name__", ""), sentence, needs, run)

    return make


def writes(*operations: str) -> Need:
    """Need an entity that takes these writes."""

    def holds(facts: Facts) -> bool:
        return isinstance(facts.backend, WritableBackend) and set(operations) <= facts.capabilities.writes

    return Need(f"the entity does not take {' and '.join(operations)}", holds)


def role(*names: str) -> Need:
    """Need fields that play these parts."""
    reason = f"the entity has no field for: {', '.join(names)}"
    return Need(reason, lambda facts: all(getattr(facts.harness.roles, name) is not None for name in names))


def optional(method: str, reason: str) -> Need:
    """Need a harness with an optional method."""
    return Need(reason, lambda facts: facts.harness.overrides(method))


def declares(reason: str, test: Callable[[Capabilities], object]) -> Need:
    """Need a capability."""
    return Need(reason, lambda facts: bool(test(facts.capabilities)))


FILLED = Need(
    "the entity takes no create, and the harness inserts nothing",
    lambda facts: facts.harness.overrides("insert") or writes("create").holds(facts),
)
UNIQUE = Need("no field is unique", lambda facts: facts.harness.roles.unique)
ORDERED = Need("the system has an order of its own", lambda facts: facts.harness.ordered)
STEADY = Need("the system pages by number", lambda facts: not facts.harness.shifting)
GROUP = Need("no entity refers to this one", lambda facts: facts.harness.group is not None)
INVERSE = Need(
    "references are not seen from the other side",
    lambda facts: facts.harness.group is not None and facts.harness.group.inverse is not None,
)
DESCRIBED = Need(
    "the backend does not describe its entities",
    lambda facts: type(facts.backend).describe is not Backend.describe,
)
FAULTS = optional("fail", "the harness cannot let the system fail")
VERSIONS = declares("records have no versions", lambda it: it.versions)
ATOMIC = declares("changes are not atomic", lambda it: it.atomic)


def power(protocol: type[Any]) -> Need:
    """Need a backend with an optional interface."""
    return Need(f"the backend is none that {protocol.__name__}", lambda facts: isinstance(facts.backend, protocol))


STAYS = Need(
    "every change gives a record another key",
    lambda facts: (
        facts.harness.roles.key is None
        or any(getattr(facts.harness.roles, role) is not None for role in ("text", "number", "day", "moment"))
    ),
)
RENAMED = Need("groups keep their names", lambda facts: facts.harness.group is not None and facts.harness.group.renamed)


def group_writes(*operations: str) -> Need:
    """Need an entity of groups that takes these writes."""

    def holds(facts: Facts) -> bool:
        group = facts.harness.group
        return group is not None and set(operations) <= facts.backend.capabilities(group.entity).writes

    return Need(f"the group's entity does not take {' and '.join(operations)}", holds)
