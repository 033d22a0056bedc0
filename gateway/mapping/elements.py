"""Where the elements of a multi-valued attribute live: a slot of columns, the rows of a field, a field of values.

``emails[type eq "work"].value: MAIL_OFFICE`` is a slot: at most one element, with what its path says as constants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backends.contract import Fields, Op, Write
from gateway.mapping.chains import Chain
from gateway.mapping.codecs import Ask, Refused
from gateway.mapping.drafts import Draft, invalid
from gateway.mapping.leaves import Leaf, question
from gateway.mapping.pushdown import UNKNOWN, Condition, Terms
from gateway.mapping.shapes import VALUE, Element, Shape, says
from gateway.scim.errors import ScimError
from gateway.scim.filters import And, Comparison, Filter, Or
from gateway.scim.filters import Op as ScimOp

Refusals = dict[int, ScimError]
"""Why an element was not taken by a place that was meant for it, by position."""


@dataclass(frozen=True, slots=True)
class Slot:
    """At most one element, in fields of the record."""

    shape: Shape

    @property
    def writable(self) -> bool:
        return True

    @property
    def fields(self) -> frozenset[str]:
        return frozenset(name for leaf in self.shape.leaves.values() for name in leaf.names)

    def reader(self) -> Callable[[Fields], Sequence[Element]]:
        read = self.shape.reader()

        def run(fields: Fields) -> Sequence[Element]:
            found = read(fields)
            return () if found is None else (found,)

        return run

    def place(
        self, draft: Draft, elements: Sequence[tuple[int, Element]], refusals: Refusals
    ) -> Iterator[tuple[int, Element]]:
        """Write the first element that fits, and empty the fields if none does; yield which it was, and as what it
        reads."""
        for position, element in elements:
            if not self.shape.takes(element):
                continue
            try:
                for name, leaf in self.shape.leaves.items():
                    leaf.check(draft, element.get(name))
            except ScimError as error:
                refusals.setdefault(position, error)
                continue
            back = self._write(draft, element)
            if back is not None:
                yield position, back
                return
        self._write(draft, {})

    def _write(self, draft: Draft, element: Element) -> Element | None:
        backs = {name: leaf.put(draft, element.get(name)) for name, leaf in self.shape.leaves.items()}
        found = {name: back for name, back in backs.items() if back is not None}
        return self.shape.complete(found) if found else None

    def ask(self, terms: Terms, where: Filter) -> Condition:
        """Ask for this one element."""
        return self.shape.condition(terms, where)

    def present(self, terms: Terms) -> Condition:
        """Ask for there being one."""
        return self.shape.present(terms)


@dataclass(frozen=True, slots=True)
class Column:
    """One element for each value of a field with several; `whole` is set where the field is one text that holds all."""

    name: str
    shape: Shape
    whole: Chain | None = None
    writable: bool = True
    hidden: frozenset[Any] = frozenset()

    @property
    def fields(self) -> frozenset[str]:
        return frozenset({self.name})

    @property
    def _leaf(self) -> Leaf:
        return self.shape.leaves[VALUE]

    def _all(self, native: Any) -> tuple[Any, ...]:
        return tuple((self.whole.read(native) if self.whole is not None else native) or ())

    def reader(self) -> Callable[[Fields], Sequence[Element]]:
        name, read, complete = self.name, self._leaf.chain.read, self.shape.complete

        def run(fields: Fields) -> Sequence[Element]:
            values = [read(native) for native in self._all(fields[name]) if native not in self.hidden]
            return [complete({VALUE: value}) for value in dict.fromkeys(values) if value is not None]

        return run

    def place(
        self, draft: Draft, elements: Sequence[tuple[int, Element]], refusals: Refusals
    ) -> Iterator[tuple[int, Element]]:
        """Write all elements that fit; a value that is there already, in whatever spelling, is left alone."""
        held = self._all(draft.current.get(self.name) if draft.current is not None else None)
        read = self._leaf.chain.read
        readings = {
            native: value for native in held if native not in self.hidden and (value := read(native)) is not None
        }
        known = {value: native for native, value in reversed(readings.items())}
        natives: dict[Any, Any] = {}
        for position, element in elements:
            if not self.shape.takes(element):
                continue
            value = element[VALUE]
            try:
                native, back = (known[value], value) if value in known else self._leaf.column(value)
            except ScimError as error:
                refusals.setdefault(position, error)
                continue
            if back is not None and back not in natives.values():
                natives[native] = back
                yield position, self.shape.complete({VALUE: back})
        values = set(natives.values())
        gone = {native for native, value in readings.items() if value not in values}
        fresh = [native for native in natives if native not in readings]
        if self.whole is None:
            for native in fresh:
                draft.add(self.name, native)
            for native in gone:
                draft.remove(self.name, native)
        elif draft.creating or gone or fresh:
            # What is there keeps its order, and what nobody can read stays.
            self._write_whole(draft, (*(native for native in held if native not in gone), *fresh))

    def _write_whole(self, draft: Draft, natives: tuple[Any, ...]) -> None:
        if self.whole is None:
            raise LookupError("the field has several values of its own")
        try:
            native, _ = self.whole.write(natives or None)
        except Refused as error:
            raise invalid(self._leaf.where, error.reason) from None
        if native is not None or not draft.creating:
            draft.put(self.name, native, self._leaf.where)

    def ask(self, terms: Terms, where: Filter) -> Condition:
        if isinstance(where, Comparison):
            name = where.path.sub.name if where.path.sub is not None else VALUE
            if name == VALUE:
                return self._ask_value(terms, where.op, where.value)
            return self.shape.condition(terms, where) if where.op is not ScimOp.NE else UNKNOWN
        if isinstance(where, And):
            # Several terms about one of many values: each for itself is a superset.
            return terms.all([self.ask(terms, term) for term in where.terms]).loose
        if isinstance(where, Or):
            return terms.any([self.ask(terms, term) for term in where.terms])
        return UNKNOWN

    def present(self, terms: Terms) -> Condition:
        return self._ask_value(terms, ScimOp.PR, None)

    def _ask_value(self, terms: Terms, op: ScimOp, value: Any) -> Condition:
        ask = question(self._leaf.attribute, op, value) if value is not None or op is ScimOp.PR else None
        answer = self._leaf.chain.ask(ask) if ask is not None else None
        if answer is None or answer.negated:
            return UNKNOWN
        if self.whole is None:
            found = terms.answer(self.name, answer)
        elif any(inner.op is Op.IN for inner in answer.asks):
            return UNKNOWN
        else:
            found = terms.any([terms.answer(self.name, self.whole.ask(inner)) for inner in answer.asks]).loose
        return found.loose if self.hidden else found


@dataclass(frozen=True, slots=True)
class Rows:
    """One element for each row of a field; `key` names the columns that tell rows apart."""

    name: str
    shape: Shape
    key: tuple[str, ...]
    writable: bool = True

    @property
    def fields(self) -> frozenset[str]:
        return frozenset({self.name})

    def reader(self) -> Callable[[Fields], Sequence[Element]]:
        name, read = self.name, self.shape.reader()

        def run(fields: Fields) -> Sequence[Element]:
            rows: Any = fields[name]
            return [found for row in rows if (found := read(row)) is not None] if rows else ()

        return run

    def place(
        self, draft: Draft, elements: Sequence[tuple[int, Element]], refusals: Refusals
    ) -> Iterator[tuple[int, Element]]:
        """Write a row for each element that fits; take away those nothing is left of."""
        rows: Any = (draft.current.get(self.name) if draft.current is not None else None) or ()
        there = {self._key(row): row for row in rows}
        read = self.shape.reader()
        wanted: set[Any] = set()
        for position, element in elements:
            if not self.shape.takes(element):
                continue
            try:
                row, back = self._row(element, {})
                key = self._key(row)
                self._check_told_apart(row)
                old = there.get(key)
                if old is not None:
                    row, back = self._row(element, old)
            except ScimError as error:
                refusals.setdefault(position, error)
                continue
            if key in wanted or not back:
                continue
            wanted.add(key)
            yield position, self.shape.complete(back)
            if old is None:
                draft.add(self.name, {name: value for name, value in row.items() if value is not None})
            elif any(old.get(name) != value for name, value in row.items()):
                draft.add(self.name, {**{name: old.get(name) for name in self.key}, **row})
        for key, row in there.items():
            if key not in wanted and read(row) is not None:
                draft.remove(self.name, {name: row.get(name) for name in self.key})

    def _row(self, element: Element, old: Mapping[str, Any]) -> tuple[dict[str, Any], Element]:
        """Make the row of an element; give it, and as what it will read."""
        row: dict[str, Any] = {}
        back: Element = {}
        for name, leaf in self.shape.leaves.items():
            (column,) = leaf.names
            value = element.get(name)
            there = old.get(column)
            known = leaf.chain.read(there)
            if leaf.write is Write.ALWAYS or (leaf.write is Write.CREATE and not old):
                if old and known == value:
                    row[column] = there
                else:
                    row[column], known = leaf.column(value, there)
            if says(name, known):
                back[name] = known
        return row, back

    def _key(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(row.get(name) for name in self.key)

    def _check_told_apart(self, row: Mapping[str, Any]) -> None:
        """Raise `ScimError` where an element has nothing to say for a column that rows are told apart by."""
        for leaf in self.shape.leaves.values():
            (column,) = leaf.names
            if column in self.key and column in row and row[column] is None:
                raise invalid(leaf.where, "the system behind has no place for an element without it")

    def ask(self, terms: Terms, where: Filter) -> Condition:
        inside = terms.inside(self.name)
        return inside.row(self.shape.condition(inside, where))

    def present(self, terms: Terms) -> Condition:
        return terms.ask(self.name, Ask(Op.PR)).loose
