"""The records of one entity, in the order of their keys."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from backends.contract import NotFoundError, Row, Scalar
from backends.kit.scalars import fold
from backends.memory.shapes import Shape


@dataclass(slots=True)
class Stored:
    """One record as it is kept: single values, sets of many, and rows."""

    key: str
    version: int
    single: dict[str, Scalar | None] = field(default_factory=dict, repr=False)
    many: dict[str, dict[Scalar, None]] = field(default_factory=dict, repr=False)
    rows: dict[str, tuple[Row, ...]] = field(default_factory=dict, repr=False)


class Table:
    """One entity: its records by key, and its unique values with the key that has each."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.name = shape.name
        self.records: dict[str, Stored] = {}
        self._keys: list[str] = []
        self._taken: dict[str, dict[Scalar, str]] = {name: {} for name, item in shape.fields.items() if item.unique}
        self._sequence = itertools.count(1)

    def find(self, key: str) -> Stored:
        """Find a record; raise `NotFoundError`."""
        stored = self.records.get(key)
        if stored is None:
            raise NotFoundError("there is no such record")
        return stored

    def next_in_sequence(self) -> str:
        """Draw the next free number."""
        return next(key for number in self._sequence if (key := str(number)) not in self.records)

    def walk(self, *, descending: bool, after: str | None) -> Iterator[Stored]:
        """Visit the records in the order of their keys, beginning behind `after`."""
        order, keys = self.shape.order, self._keys
        if descending:
            end = len(keys) if after is None else bisect.bisect_left(keys, order(after), key=order)
            return (self.records[keys[place]] for place in range(end - 1, -1, -1))
        start = 0 if after is None else bisect.bisect_right(keys, order(after), key=order)
        return (self.records[keys[place]] for place in range(start, len(keys)))

    def enter(self, stored: Stored) -> None:
        self.records[stored.key] = stored
        bisect.insort(self._keys, stored.key, key=self.shape.order)

    def leave(self, stored: Stored) -> None:
        del self.records[stored.key]
        order = self.shape.order
        del self._keys[bisect.bisect_left(self._keys, order(stored.key), key=order)]

    def owner(self, name: str, value: Scalar) -> str | None:
        """Name the record that has a unique value; None where nobody has it, or the field is not unique."""
        return self._taken.get(name, {}).get(self._unique(name, value))

    def take(self, name: str, value: Scalar | None, key: str) -> None:
        if name in self._taken and value is not None:
            self._taken[name][self._unique(name, value)] = key

    def release(self, name: str, value: Scalar | None) -> None:
        if name in self._taken and value is not None:
            del self._taken[name][self._unique(name, value)]

    def _unique(self, name: str, value: Scalar) -> Scalar:
        return fold(value) if name in self.shape.folded and isinstance(value, str) else value
