"""Mappings that ignore the case of their keys, as SQL does with names nobody quoted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")


class Folded(Mapping[str, T]):
    """A mapping that finds `LOGIN` under `login`; an exact match goes first. Iteration gives the names as they are."""

    def __init__(self, items: Mapping[str, T]) -> None:
        self._items = dict(items)
        self._folded = {name.casefold(): name for name in reversed(self._items)}

    def __getitem__(self, name: str) -> T:
        if name in self._items:
            return self._items[name]
        return self._items[self._folded[name.casefold()]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"Folded({list(self._items)})"
