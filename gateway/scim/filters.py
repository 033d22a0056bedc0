"""Filters (RFC 7644 §3.4.2.2): text -> a resolved, typed tree."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.scim.paths import AttributePath


class Op(StrEnum):
    """The attribute operators (F1)."""

    EQ = "eq"
    NE = "ne"
    CO = "co"
    SW = "sw"
    EW = "ew"
    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"
    PR = "pr"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`path op value`, checked against the type of the attribute.

    `value` is str, int, float, bool or None (JSON null; F5), already coerced to the attribute's type: DateTime stays the
    text the client sent. Inside a `ValuePath` the path is still the full one (``emails.type``).
    """

    path: AttributePath
    op: Op
    value: str | int | float | bool | None = None


@dataclass(frozen=True, slots=True)
class And:
    terms: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    terms: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    term: Filter


@dataclass(frozen=True, slots=True)
class ValuePath:
    """One and the same element of `path` (a multi-valued complex attribute) satisfies `where` (F6).

    Entra's ``emails[type eq "work"].value eq "x"`` is read as ``emails[type eq "work" and value eq "x"]`` (F16).
    """

    path: AttributePath
    where: Filter


@dataclass(frozen=True, slots=True)
class Never:
    """Matches nothing: what an attribute the type does not have becomes on an endpoint of several types (F13)."""


Filter = Comparison | And | Or | Not | ValuePath | Never
