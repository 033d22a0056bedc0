"""PATCH messages (RFC 7644 §3.5.2): a body -> checked operations, and their effect on a resource (P1-P9)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.scim.filters import FilterOptions
from gateway.scim.paths import TargetPath

Verb = Literal["add", "remove", "replace"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One checked operation on one attribute; `target` never names a whole extension.

    `value` is canonical, its types are checked, and its shape follows from the target:

    - a single simple value, or None to unassign it (``replace`` with null);
    - a complex one that is merged (singular: ``name``): a dict in which None unassigns a sub-attribute, or None;
    - without brackets, a multi-valued attribute: the list of elements to add or to replace all with (``[]`` clears);
    - with brackets: an element to merge (``add``) or to put in place (``replace``), or a value of `target.sub`;
    - ``remove``: None removes all that is selected. On a multi-valued attribute without brackets a list names the
      elements to remove, each by its ``value`` or else by all it says (D1); the empty list removes nothing.

    A `check` writes nothing: a path-less value named a readOnly attribute, and `apply` compares (D2). `settle` does it
    for what is known without reading.
    """

    op: Verb
    target: TargetPath
    value: Any = field(default=None, repr=False)
    check: bool = False


@dataclass(frozen=True, slots=True)
class PatchOptions:
    """How operations are read and what they mean where specifications differ.

    `filters`: how the filters in paths are read. `pathless`: operations without a path are taken (D4).
    `remove_by_value`: a `value` in a remove names the elements to remove (D1); refused otherwise, never ignored.
    `replace_whole`: replacing a singular complex attribute clears the sub-attributes that are not given, as the
    interoperability profile has it; by RFC 7644 §3.5.2.3 they stay. `upsert`: replacing an element nobody has adds it,
    as `add` does (D5). `max_operations` bounds one request (P8).
    """

    filters: FilterOptions = FilterOptions()
    pathless: bool = True
    remove_by_value: bool = True
    replace_whole: bool = False
    upsert: bool = False
    max_operations: int = 1000
