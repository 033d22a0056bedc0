"""Filters (RFC 7644 §3.4.2.2): text -> a resolved, typed tree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from gateway.scim.names import AttributePath


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

    `value` is str, int, float, bool or None (JSON null; F5), already coerced to the attribute's type: DateTime stays
    the text the client sent. Inside a `ValuePath` the path is still the full one (``emails.type``).
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


@dataclass(frozen=True, slots=True)
class FilterOptions:
    """How a filter is read, beyond the letter of the RFC, and how large it may be (F15).

    `barewords`: text values may stand without quotes (D8). `string_booleans`: ``"True"`` is taken for true where the
    attribute is boolean (D3). `on_rewrite` is told the name of the option, ``barewords`` or ``string_booleans``, each
    time one of the two was needed. `unknown`: an attribute the type does not have is refused, or, on endpoints of
    several types, evaluated as absent (F13). `max_depth` counts parentheses and brackets around one term.
    """

    barewords: bool = False
    string_booleans: bool = False
    unknown: Literal["refuse", "absent"] = "refuse"
    max_bytes: int = 4096
    max_depth: int = 40
    max_terms: int = 100
    on_rewrite: Callable[[str], None] | None = field(default=None, compare=False, repr=False)
