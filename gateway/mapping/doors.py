"""What crosses the door between the mapping and the engine: plain data, nothing looked up and nothing computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from backends.contract import Change, Fields, Filter, Scalar
from gateway.scim.filters import Filter as ScimFilter
from gateway.scim.filters import Op
from gateway.scim.paths import AttributePath

Resource = Mapping[str, Any]
"""A SCIM resource in canonical form."""
Kept = Any
"""What the gateway keeps of one top-level attribute: JSON (see ``gateway/mapping/kept.py``)."""


class Unchanged(Enum):
    """The type of `UNCHANGED`."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED
"""An externalId that stays as it is; None would clear it."""

ID: Final = "@id"
"""In the place of a native field: what a reference holds is the id itself, which is never anybody else's again."""


class MappingError(Exception):
    """A mapping that cannot work: `problems` says where (the path in the configuration) and why, for each one.

    `where` and `reason` are those of the first.
    """

    def __init__(self, where: tuple[str | int, ...], reason: str, *others: tuple[tuple[str | int, ...], str]) -> None:
        self.problems = ((where, reason), *others)
        super().__init__("\n".join(f"{'.'.join(str(part) for part in at)}: {why}" for at, why in self.problems))
        self.where = where
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Reference:
    """A native value that stands for another resource.

    `value` is the key of a record of `resource_type`, the value of its native field `by`, or its id (`by` is `ID`).
    `show`: the native field of that record to show as its name.
    """

    resource_type: str
    by: str | None
    value: Scalar = field(repr=False)
    show: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """What a `Reference` leads to: the resource's id, type and URL, and the value of the field that was to be shown."""

    id: str
    resource_type: str
    location: str
    shown: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An id whose native value is needed: its record's key, its field `by`, or the id itself (`by` is `ID`).

    `resource_types`: the types it may be of; an id of another type is as good as unknown.
    """

    id: str
    by: str | None
    resource_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Native:
    """What an id stands for: the type of the resource it belongs to, and the value to write."""

    resource_type: str
    value: Scalar = field(repr=False)


@dataclass(frozen=True, slots=True)
class Links:
    """What was looked up. What led nowhere is absent: hidden on the way out, refused on the way in."""

    incoming: Mapping[Reference, Link] = field(default_factory=dict)
    outgoing: Mapping[Wanted, Native] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Encoding:
    """A whole resource in native terms, for a create.

    `kept`: path text of a top-level attribute -> what the gateway is to keep of it. `external_id` is None where the
    client sent none or a field holds it. `dropped`: paths that were left out because the configuration says so.
    """

    fields: Fields = field(repr=False)
    kept: Mapping[str, Kept] = field(default_factory=dict, repr=False)
    external_id: str | None = field(default=None, repr=False)
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """What a change of a resource comes to.

    `kept` names only what changes; None: nothing is kept of that attribute any more. `external_id` is `UNCHANGED`, None
    to clear it, or the new one.
    """

    change: Change
    kept: Mapping[str, Kept | None] = field(default_factory=dict, repr=False)
    external_id: str | Unchanged | None = field(default=UNCHANGED, repr=False)
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """A comparison only the store can answer: of an attribute it keeps, `externalId`, `meta.created` or
    `meta.lastModified`.

    `value` is folded where `folded` says so, as in `ResourceMapping.index`; None for `pr`. `changed`: only accounts the
    gateway has changed are meant.
    """

    path: AttributePath
    op: Op
    value: str | None = field(default=None, repr=False)
    folded: bool = False
    changed: bool = False


@dataclass(frozen=True, slots=True)
class BoundFilter:
    """A filter with its ids replaced by what they stand for.

    `where` is what the backend is asked: a superset of the matches, or exactly them if `residual` is None. `held` are
    conjuncts the store answers. `nothing`: no resource can match.
    """

    where: Filter | None = field(default=None, repr=False)
    held: tuple[Held, ...] = ()
    residual: ScimFilter | None = field(default=None, repr=False)
    nothing: bool = False
