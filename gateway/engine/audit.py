"""The audit trail: one event for every attempt to change something, whatever became of it (M10).

The engine says what was attempted and how it ended; a `Trail` writes it down, values by their class: shown where nobody
is told apart by them, as a keyed hash where somebody is, as a mark where they are secret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol

from gateway.scim.patch import Operation
from gateway.scim.schema import Attribute, Mutability, ResourceType, Returned, Type

Verb = Literal["create", "replace", "patch", "delete", "bulk"]
"""What was attempted; `bulk` is a whole bulk request of which no operation was reached."""
Outcome = Literal["done", "unchanged", "refused", "failed"]


class Sensitivity(StrEnum):
    """How a value may be written down."""

    SHOWN = "shown"
    HASHED = "hashed"
    MARKED = "marked"


@dataclass(frozen=True, slots=True)
class Alteration:
    """One attribute a request wanted to alter: `verb` is set, add or remove; `value` None where it is cleared."""

    path: str
    verb: Literal["set", "add", "remove"]
    value: Any = field(default=None, repr=False)
    sensitivity: Sensitivity = Sensitivity.HASHED


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to change one resource.

    `status` is the HTTP status it was answered with; `outcome` done, unchanged (there was nothing to change), refused
    (4xx) or failed (5xx, cut off). `id` is None where none is known. `reason` is the scimType of a refusal.
    """

    tenant: str
    caller: str
    address: str
    request_id: str
    operation: Verb
    resource_type: str
    id: str | None
    outcome: Outcome
    status: int
    reason: str | None = None
    alterations: tuple[Alteration, ...] = field(default=(), repr=False)


class Trail(Protocol):
    """Where attempts are written down."""

    def record(self, attempt: Attempt) -> None:
        """Write one attempt down; must not block for long and must not raise."""


class NoTrail:
    """A trail nobody asked for."""

    def record(self, attempt: Attempt) -> None:
        """Do nothing."""


@dataclass(slots=True, eq=False)
class Notes:
    """What is learned of an attempt on its way through the engine; `recorded` once the trail was told of it, or of the
    operations of its bulk request."""

    id: str | None = None
    changed: bool = True
    recorded: bool = False
    alterations: tuple[Alteration, ...] = field(default=(), repr=False)


def of_resource(resource_type: ResourceType, resource: Mapping[str, Any]) -> tuple[Alteration, ...]:
    """List what a whole resource sets, attributes of extensions each by their own path."""
    found: list[Alteration] = []
    for name, value in resource.items():
        extension = resource_type.extensions.get(name)
        if extension is not None and isinstance(value, Mapping):
            for inner, part in value.items():
                found.append(_set(f"{name}:{inner}", extension.attribute(inner), part))
        elif name not in ("schemas", "id", "meta"):
            found.append(_set(name, resource_type.attribute(name), value))
    return tuple(found)


def of_difference(
    resource_type: ResourceType, before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[Alteration, ...]:
    """List what differs between two states of a resource; what is gone is set to None."""
    old = {one.path: one.value for one in of_resource(resource_type, before)}
    new = of_resource(resource_type, after)
    changed = [one for one in new if one.path not in old or old[one.path] != one.value]
    gone = old.keys() - {one.path for one in new}
    return (*changed, *(Alteration(path, "set") for path in sorted(gone)))


def of_operations(operations: Sequence[Operation]) -> tuple[Alteration, ...]:
    """List what PATCH operations want, by the paths they name."""
    return tuple(
        Alteration(
            operation.target.path.text,
            "set" if operation.op == "replace" else operation.op,
            operation.value,
            _sensitivity(operation.target.path.attribute),
        )
        for operation in operations
        if not operation.check
    )


def _set(path: str, attribute: Attribute | None, value: Any) -> Alteration:
    return Alteration(path, "set", value, _sensitivity(attribute))


def _sensitivity(attribute: Attribute | None) -> Sensitivity:
    """Classify by the schema: what is never returned is secret; flags, numbers and references are shown."""
    if attribute is None:
        return Sensitivity.MARKED
    if attribute.returned is Returned.NEVER or attribute.mutability is Mutability.WRITE_ONLY:
        return Sensitivity.MARKED
    if attribute.type in (Type.BOOLEAN, Type.INTEGER, Type.DECIMAL, Type.DATE_TIME):
        return Sensitivity.SHOWN
    reference = attribute.sub("$ref")
    if reference is not None and set(reference.reference_types) - {"uri", "external"}:
        return Sensitivity.SHOWN
    return Sensitivity.HASHED
