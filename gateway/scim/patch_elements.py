"""Complex values and the elements of multi-valued attributes: merging, adding, replacing, removing (S10, S11, S15).

Two elements are the same one if they have the same ``type`` and ``value``. Where ``value`` is immutable, as in the
members of a group, it alone tells elements apart: what the provider says about a member (``display``, ``$ref``) is not
the client's to change, so naming a member once more leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any

from gateway.scim.errors import ScimType, refuse
from gateway.scim.folding import fold
from gateway.scim.operations import Verb
from gateway.scim.schema import Attribute, Mutability, Type


def added(attribute: Attribute, before: Sequence[Any] | None, given: Sequence[Any]) -> Any:
    """Append elements; one that is there already is merged with what is given of it, wholly equal ones stay (P5)."""
    if not given:
        return before
    keys = _Keys(attribute)
    after: list[Any] = list(before or ())
    places: dict[Hashable, int] = {}
    loose = keys.untyped(given)
    for place, part in enumerate(after):
        places.setdefault(keys.pair(part), place)
        if loose and (bare := keys.bare(part)) in loose:
            places.setdefault(("any", bare), place)
    chosen: list[int] = []
    for part in given:
        place = places.get(keys.pair(part), -1)
        if place < 0 and loose and "type" not in part:
            place = places.get(("any", keys.bare(part)), -1)
        if place < 0:
            place = places[keys.pair(part)] = len(after)
            after.append(part)
        elif not keys.fixed and attribute.is_complex:
            after[place] = merged(attribute, after[place], part, "add", attribute.name)
        if attribute.is_complex and part.get("primary") is True:
            chosen.append(place)
    after = one_primary(after, chosen, attribute.name)
    return before if after == before else after


def replaced(attribute: Attribute, before: Sequence[Any] | None, given: Sequence[Any]) -> Any:
    """Put elements in the place of all; those that were there keep what the provider says of them.

    The same elements in another order change nothing.
    """
    if not before:
        return list(given) or before
    hidden = read_only(attribute)
    keys = _Keys(attribute)
    olds = {keys.pair(part) if keys.fixed else frozen(part, hidden): part for part in before}
    after = []
    same = 0
    for part in given:
        old = olds.get(keys.pair(part) if keys.fixed else frozen(part))
        same += old is not None
        after.append(part if old is None else old)
    if same == len(given) == len(before):
        return before
    return after or None


def removed(attribute: Attribute, before: Sequence[Any] | None, named: Sequence[Any] | None) -> Any:
    """Remove the elements that are named by their ``value``, and ``type`` if they say it, or by all they say (D1).

    None removes all, the empty list nothing, and so does naming what is not there.
    """
    if named is None or not before:
        return None
    keys = _Keys(attribute)
    pairs, loose = {keys.pair(part) for part in named}, keys.untyped(named)
    kept = [part for part in before if keys.pair(part) not in pairs and (not loose or keys.bare(part) not in loose)]
    return before if len(kept) == len(before) else kept or None


def merged(
    attribute: Attribute, before: Mapping[str, Any], given: Mapping[str, Any], op: Verb, where: str
) -> Mapping[str, Any]:
    """Set sub-attributes of a complex value; None unassigns one. `before` itself if nothing changes.

    Where ``value`` becomes another one, what was derived of the old one (readOnly sub-attributes, ``$ref``) goes.
    Raises `ScimError` 400 mutability for an immutable sub-attribute that has another value.
    """
    after = dict(before)
    for name, part in given.items():
        sub = attribute.sub(name)
        if sub is None:
            continue
        old = before.get(name)
        new = _sub_after(sub, old, part, op)
        if new is old or new == old:
            continue
        if sub.mutability is Mutability.IMMUTABLE and old is not None:
            raise refuse(ScimType.MUTABILITY, f"{where}.{name}: is immutable and already has another value")
        if new is None:
            after.pop(name, None)
        else:
            after[name] = new
    if after == before:
        return before
    if after.get("value") != before.get("value"):
        derived = read_only(attribute) | {"$ref"}
        after = {name: part for name, part in after.items() if name not in derived or name in given}
    return after


def put(attribute: Attribute, before: Mapping[str, Any], given: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Put a complex value in the place of another; immutable sub-attributes stay and must not be contradicted."""
    after = dict(given)
    for sub in attribute.sub_attributes:
        if sub.mutability is not Mutability.IMMUTABLE or sub.name not in before:
            continue
        if after.setdefault(sub.name, before[sub.name]) != before[sub.name]:
            raise refuse(ScimType.MUTABILITY, f"{where}.{sub.name}: is immutable and already has another value")
    return before if frozen(after) == frozen(before, read_only(attribute)) else after


def one_primary(elements: list[Any], chosen: Collection[int], where: str) -> list[Any]:
    """Take ``primary`` from every element but the one that was given it (S10); two of them are refused."""
    if not chosen:
        return elements
    if len(set(chosen)) > 1:
        raise refuse(ScimType.INVALID_VALUE, f"{where}.primary: only one value can be primary")
    return [
        {**part, "primary": False} if part.get("primary") is True and place not in chosen else part
        for place, part in enumerate(elements)
    ]


def frozen(value: Any, without: Collection[str] = ()) -> Hashable:
    """Make a hashable copy of an element, so that equal ones are found in one look-up."""
    if isinstance(value, dict):
        return frozenset((name, frozen(part)) for name, part in value.items() if name not in without)
    if isinstance(value, list):
        return tuple(frozen(part) for part in value)
    return (value.__class__ is bool, value)


def named_by_value(attribute: Attribute) -> bool:
    """Tell whether an immutable ``value`` is all that tells the elements of an attribute apart, as with members."""
    value = attribute.sub("value")
    return attribute.multi_valued and value is not None and value.mutability is Mutability.IMMUTABLE


def read_only(attribute: Attribute) -> frozenset[str]:
    """Name the sub-attributes the provider alone sets."""
    return frozenset(sub.name for sub in attribute.sub_attributes if sub.mutability is Mutability.READ_ONLY)


def _sub_after(sub: Attribute, old: Any, given: Any, op: Verb) -> Any:
    if not sub.multi_valued or given is None:
        return given
    return added(sub, old, given) if op == "add" else replaced(sub, old, given)


class _Keys:
    """What tells the elements of one attribute apart.

    `fixed`: ``value`` is immutable, and so the element's name. Texts that differ in case only are the same unless the
    attribute is caseExact.
    """

    __slots__ = ("_complex", "_exact", "fixed")

    def __init__(self, attribute: Attribute) -> None:
        value = attribute.sub("value")
        self._complex = attribute.is_complex
        self.fixed = named_by_value(attribute)
        compared = value or attribute
        self._exact = compared.case_exact or compared.type is not Type.STRING or self.fixed

    def pair(self, part: Any) -> Hashable:
        """Give type and value; the value alone where that is enough; the whole element where it has none."""
        if not self._complex:
            return self._spelled(part)
        value = part.get("value")
        if self.fixed and value is not None:
            return ("value", value)
        if value is None or isinstance(value, list):
            return frozen(part)
        kind = part.get("type")
        return (fold(kind) if isinstance(kind, str) else frozen(kind), self._spelled(value))

    def bare(self, part: Any) -> Hashable:
        """Give the value alone; None where there is none."""
        value = part.get("value") if self._complex else None
        return None if value is None or isinstance(value, list) else self._spelled(value)

    def untyped(self, parts: Iterable[Any]) -> set[Hashable]:
        """Collect the values of the elements that are named without a type, which may be those of any."""
        if self.fixed or not self._complex:
            return set()
        return {self.bare(part) for part in parts if "type" not in part} - {None}

    def _spelled(self, value: Any) -> Hashable:
        return fold(value) if not self._exact and isinstance(value, str) else frozen(value)
