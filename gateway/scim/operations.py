"""What a PATCH message is once it is read: checked operations on single attributes, and how they were read."""

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
    - a singular complex attribute: a dict to merge, in which None unassigns a sub-attribute, or None for all of it;
    - a multi-valued attribute without brackets: the list of elements to add or to replace all with (``[]`` clears);
    - with brackets: an element to merge (``add``), to put in place (``replace``) or to take away (``replace`` with
      None), or a value of `target.sub`;
    - ``remove``: None removes all that is selected. On a multi-valued attribute without brackets a list names the
      elements to remove, each by its ``value`` or else by all it says (D1); the empty list removes nothing.

    A `check` writes nothing: a value without a path named a readOnly attribute, and `patch.apply` compares (D2).
    `patch.settle` does so for what is known without reading.
    """

    op: Verb
    target: TargetPath
    value: Any = field(default=None, repr=False)
    check: bool = False


_LITERAL = FilterOptions()


@dataclass(frozen=True, slots=True)
class PatchOptions:
    """How operations are read and what they mean where specifications differ.

    `filters`: how the filters in paths are read. `pathless`: operations without a path are taken (D4).
    `dotted_keys`: the value of one may name its attributes by whole paths, ``name.givenName`` (P6).
    `remove_by_value`: a `value` in a remove names the elements to remove (D1); refused otherwise, never ignored.
    `replace_whole`: replacing a singular complex attribute clears the sub-attributes that are not given, as the
    interoperability profile has it; by RFC 7644 §3.5.2.3 they stay. `upsert`: replacing an element nobody has adds it,
    as `add` does (D5). `max_operations` bounds one request (P8).
    """

    filters: FilterOptions = _LITERAL
    pathless: bool = True
    dotted_keys: bool = False
    remove_by_value: bool = True
    replace_whole: bool = False
    upsert: bool = False
    max_operations: int = 1000


STANDARD = PatchOptions()
"""The letter of RFC 7644 §3.5.2, and D1 where it would remove more than was meant."""
