"""What the elements of one place look like: which sub-attributes are where, and how they are read and asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backends.contract import And as NativeAnd
from backends.contract import Compare, Op
from backends.contract import Filter as NativeFilter
from backends.contract import Or as NativeOr
from gateway.mapping.leaves import Leaf, constant_condition
from gateway.mapping.pushdown import NEVER, UNKNOWN, Condition, Terms
from gateway.scim.filters import And, Comparison, Filter, Never, Not, Or, ValuePath
from gateway.scim.filters import Op as ScimOp
from gateway.scim.schema import Attribute

VALUE = "value"
"""The name under which the value of an element of a simple attribute is held here."""
PRIMARY = "primary"
Element = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """What the elements of one place look like.

    `fixed` is what the path of the place says of them, `defaults` what they have beside, `leaves` where their other
    sub-attributes are.
    """

    attribute: Attribute
    leaves: Mapping[str, Leaf]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def homes(self) -> frozenset[str]:
        """The sub-attributes that have a place."""
        return frozenset((*self.leaves, *self.fixed, *self.defaults))

    def takes(self, element: Element) -> bool:
        """Tell whether an element is one of those meant for this place, and has something to be held in it."""
        constants = (*self.fixed.items(), *self.defaults.items())
        return (
            any(name in element for name in self.leaves)
            and all(element.get(name) == constant for name, constant in self.fixed.items())
            and all(element.get(name, constant) == constant for name, constant in constants)
        )

    def complete(self, found: Element) -> Element:
        """Add the constants to what was read or written."""
        return {**self.fixed, **self.defaults, **found}

    def reader(self) -> Callable[[Mapping[str, Any]], Element | None]:
        """Compile what reads an element out of a record or a row."""
        parts = tuple((name, leaf.reader()) for name, leaf in self.leaves.items())
        constants = {**self.fixed, **self.defaults}
        if len(parts) == 1:
            ((only, part),) = parts

            def read_one(fields: Mapping[str, Any]) -> Element | None:
                value = part(fields)
                return None if value is None else {only: value, **constants}

            return read_one

        def read(fields: Mapping[str, Any]) -> Element | None:
            found = {name: value for name, part in parts if says(name, value := part(fields))}
            return {**found, **constants} if found else None

        return read

    def condition(self, terms: Terms, where: Filter) -> Condition:
        """Ask for an element in this place; sub-attributes it has no place for count as unassigned."""
        found = self._condition(terms, where)
        if found.never or found.unknown or _implies_presence(found):
            return found
        return terms.all([self.present(terms), found])

    def present(self, terms: Terms) -> Condition:
        """Ask for there being an element at all."""
        return terms.any([leaf.ask(terms, ScimOp.PR, None) for leaf in self.leaves.values()])

    def _condition(self, terms: Terms, where: Filter) -> Condition:
        match where:
            case Comparison(path=path, op=op, value=value):
                return self._compare(terms, path.sub.name if path.sub else VALUE, op, value)
            case And(terms=inner):
                return terms.all([self._condition(terms, term) for term in inner])
            case Or(terms=inner):
                return terms.any([self._condition(terms, term) for term in inner])
            case Not(term=term):
                return terms.negate(self._condition(terms, term))
            case Never():
                return NEVER
            case ValuePath():
                return UNKNOWN

    def _compare(self, terms: Terms, name: str, op: ScimOp, value: Any) -> Condition:
        leaf = self.leaves.get(name)
        if leaf is not None and name == PRIMARY:
            return self._compare_primary(terms, leaf, op, value)
        if leaf is not None:
            return leaf.ask(terms, op, value)
        sub = self.attribute.sub(name) or self.attribute
        constants = {**self.fixed, **self.defaults}
        return constant_condition(sub, constants.get(name), op, value)

    def _compare_primary(self, terms: Terms, leaf: Leaf, op: ScimOp, value: Any) -> Condition:
        """Compare what reads as true or as no word about it."""
        primary = leaf.ask(terms, ScimOp.EQ, True)
        if op is ScimOp.PR:
            return primary
        found = NEVER if value is False else terms.negate(primary) if value is None else primary
        return found if op is ScimOp.EQ else terms.negate(found)


def says(name: str, value: Any) -> bool:
    """Tell whether a sub-attribute says anything: not to be the primary one is what every other element is anyway."""
    return value is not None and not (name == PRIMARY and value is False)


def _implies_presence(condition: Condition) -> bool:
    """Tell whether a condition can only hold of fields that are not empty."""

    def run(where: NativeFilter | None) -> bool:
        match where:
            case Compare(op=op):
                return op is not Op.NE
            case NativeAnd(terms=terms):
                return any(run(term) for term in terms)
            case NativeOr(terms=terms):
                return all(run(term) for term in terms)
        return False

    return run(condition.where)
