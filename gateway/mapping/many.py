"""Places of multi-valued attributes, spread over slots of columns, fields with several values, and rows (R-L17).

Written, each element goes to the first place that takes it, in the order slots, then the others as configured. What
finds no place is kept by the gateway, dropped or refused, as the configuration says of all that is unmapped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from backends.contract import Fields
from gateway.mapping.asking import Asking, held, homeless
from gateway.mapping.doors import Held, Links
from gateway.mapping.drafts import Draft, invalid
from gateway.mapping.elements import Column, Refusals, Rows, Slot
from gateway.mapping.keeping import pair
from gateway.mapping.pushdown import UNKNOWN, Condition
from gateway.mapping.shapes import VALUE, Element
from gateway.mapping.singles import Policy, Read, assigned, is_read_only, leave
from gateway.scim.filters import And, Comparison, Filter, Not, Or
from gateway.scim.filters import Op as ScimOp
from gateway.scim.paths import AttributePath
from gateway.scim.values import shown

Place = Slot | Column | Rows


@dataclass(frozen=True, slots=True)
class Many:
    """A multi-valued attribute and the places of its elements."""

    path: AttributePath
    places: tuple[Place, ...]
    policy: Policy
    fields: frozenset[str] = field(init=False, default=frozenset())
    homes: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", frozenset[str]().union(*(place.fields for place in self.places)))
        object.__setattr__(self, "homes", frozenset[str]().union(*(place.shape.homes for place in self.places)))

    @property
    def keeps(self) -> bool:
        return self.policy == "keep" or any(
            leaf.chain.keep for place in self.places for leaf in place.shape.leaves.values()
        )

    def reader(self) -> Read:
        readers = tuple(place.reader() for place in self.places)
        if not self.path.is_complex:

            def read_simple(fields: Fields, _: Links) -> Any:
                return [element[VALUE] for read in readers for element in read(fields)] or None

            return read_simple

        def read(fields: Fields, _: Links) -> Any:
            return [element for read in readers for element in read(fields)] or None

        return read

    def put(self, draft: Draft, value: Any, _: Any = None) -> None:
        elements = self._elements(value)
        canonical: list[Element | None] = [None] * len(elements)
        refusals: Refusals = {}
        left = list(enumerate(elements))
        for place in self.places:
            for position, back in self._placed(place, draft, tuple(left), refusals):
                canonical[position] = back
                gone = [name for name in elements[position] if name not in place.shape.homes]
                leave(draft, [f"{self.path.text}.{name}" for name in gone], self.policy)
            left = [item for item in left if canonical[item[0]] is None]
        for position, element in left:
            self._without_place(draft, element, refusals, position)
        if self.keeps:
            draft.kept[self.path.text] = self._pair(elements, canonical)

    def _placed(
        self, place: Place, draft: Draft, left: tuple[tuple[int, Element], ...], refusals: Refusals
    ) -> Iterator[tuple[int, Element]]:
        if place.writable:
            yield from place.place(draft, left, refusals)
        elif draft.current is not None:
            # What cannot be written can still be what is there.
            there = list(place.reader()(draft.current))
            for position, element in left:
                if element in there:
                    there.remove(element)
                    yield position, element

    def _elements(self, value: Any) -> list[Element]:
        if not self.path.is_complex:
            return [{VALUE: item} for item in value or () if assigned(item) is not None]
        found = []
        for item in value or ():
            element = {
                name: part
                for name, part in (assigned(item) or {}).items()
                if not is_read_only(self.path.attribute, name)
            }
            if element:
                found.append(element)
        return found

    def _without_place(self, draft: Draft, element: Element, refusals: Refusals, position: int) -> None:
        if self.policy == "keep":
            return
        if position in refusals:
            raise refusals[position]
        kind = element.get("type")
        where = f"{self.path.text}[type eq {shown(repr(str(kind)))}]" if kind is not None else self.path.text
        if self.policy == "drop" and not any(place.shape.takes(element) for place in self.places):
            draft.drop([self.path.text])
            return
        raise invalid(where, "the system behind has no place for this value beside the others")

    def _pair(self, elements: list[Element], canonical: list[Element | None]) -> Any:
        if elements == canonical:
            return None
        if self.path.is_complex:
            return pair(elements, canonical)
        values = [None if back is None else back[VALUE] for back in canonical]
        return pair([element[VALUE] for element in elements], values)

    def ask(self, asking: Asking, path: AttributePath, op: ScimOp, value: Any) -> Condition:
        if op is ScimOp.PR and path.sub is None:
            return (
                asking.terms.any([place.present(asking.terms) for place in self.places]) if not self.keeps else UNKNOWN
            )
        if op is ScimOp.NE or (value is None and op is not ScimOp.PR):
            self._check_homes(Comparison(path, op, value))
            return UNKNOWN
        return self.ask_element(asking, Comparison(path, op, value))

    def ask_element(self, asking: Asking, where: Filter) -> Condition:
        """Ask for one and the same element that satisfies `where` (F6)."""
        self._check_homes(where)
        if self.keeps and self._negates(where):
            return UNKNOWN
        found = asking.terms.any([place.ask(asking.terms, where) for place in self.places])
        if not self.keeps:
            return found
        return asking.terms.any([found, asking.kept(self._held(where))]).loose

    def _check_homes(self, where: Filter) -> None:
        """Refuse a sub-attribute that has no place anywhere, unless the gateway keeps it (F12)."""
        if self.policy == "keep":
            return
        for comparison in _comparisons(where):
            if _name(comparison.path) not in self.homes:
                raise homeless(comparison.path)

    def _held(self, where: Filter) -> list[Held] | None:
        """Say which comparisons the store must be asked: each element that satisfies `where` only by what is kept of it
        satisfies one of them. None if that cannot be said."""
        match where:
            case Comparison(path=path, op=op, value=value):
                one = None if op is ScimOp.NE or (value is None and op is not ScimOp.PR) else held(path, op, value)
                return None if one is None else [one]
            case Or(terms=terms):
                parts = [self._held(term) for term in terms]
                return None if any(part is None for part in parts) else [one for part in parts for one in part or ()]
            case And(terms=terms):
                return self._held_of_all(terms)
        return None

    def _held_of_all(self, terms: Sequence[Filter]) -> list[Held] | None:
        """The same of a conjunction.

        Of an element that has a native home the store indexes only what has none. So where some terms are about such
        sub-attributes, one that is about nothing else says enough; else any of them may be what only the store knows.
        """
        parts = [(term, self._held(term)) for term in terms]
        pure = [part for _, part in parts if part and all(_name(one.path) not in self.homes for one in part)]
        beyond = [part for term, part in parts if any(_name(one.path) not in self.homes for one in _comparisons(term))]
        if pure:
            return min(pure, key=self._breadth)
        if None in beyond:
            return None
        if beyond:
            return [one for part in beyond for one in part or ()]
        return min((part for _, part in parts if part), key=self._breadth, default=None)

    def _breadth(self, terms: list[Held]) -> tuple[bool, int]:
        """Order alternatives: values before types and the like, and what is compared by eq before the rest."""
        return any(_name(one.path) != VALUE for one in terms), sum(one.op is not ScimOp.EQ for one in terms)

    def _negates(self, where: Filter) -> bool:
        """Tell whether something is negated that only the gateway knows of an element."""
        match where:
            case And(terms=terms) | Or(terms=terms):
                return any(self._negates(term) for term in terms)
            case Not(term=term):
                return any(_name(one.path) not in self.homes for one in _comparisons(term))
        return False


def _name(path: AttributePath) -> str:
    return path.sub.name if path.sub is not None else VALUE


def _comparisons(where: Filter) -> Iterator[Comparison]:
    match where:
        case Comparison():
            yield where
        case And(terms=terms) | Or(terms=terms):
            for term in terms:
                yield from _comparisons(term)
        case Not(term=term):
            yield from _comparisons(term)
