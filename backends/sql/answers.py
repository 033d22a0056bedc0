"""Results that are read to their end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Answer:
    """A result that is all there."""

    __slots__ = ("_rows", "inserted_primary_key", "rowcount")

    def __init__(self, rows: Sequence[Any], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount
        self.inserted_primary_key: Any = None

    def first(self) -> Any:
        return self._rows[0] if self._rows else None

    def all(self) -> Sequence[Any]:
        return self._rows

    def one(self) -> Any:
        (row,) = self._rows
        return row

    def scalar_one(self) -> Any:
        return self.one()[0]

    def close(self) -> None:
        """Nothing is open any more."""
