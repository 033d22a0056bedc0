"""Record keys: one canonical spelling of the values in the key columns.

A key of one column is its value's text; of several, the texts joined by ``|`` with ``%`` and ``|`` inside them written
``%25`` and ``%7C``. Blanks that fill up a CHAR are no part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from backends.sql.natives import Native

SEPARATOR = "|"


@dataclass(frozen=True, slots=True)
class Key:
    """The columns that tell records apart, in their order."""

    columns: tuple[sa.Column[Any], ...]
    natives: tuple[Native, ...]

    def __len__(self) -> int:
        return len(self.columns)

    def encode(self, values: Sequence[Any]) -> str:
        """Spell the driver's values of the key columns."""
        if len(values) == 1:
            return self.natives[0].spell(values[0])
        parts = (native.spell(value) for native, value in zip(self.natives, values, strict=True))
        return SEPARATOR.join(part.replace("%", "%25").replace(SEPARATOR, "%7C") for part in parts)

    def decode(self, text: Any) -> tuple[Any, ...] | None:
        """Read a key; None if no record can have it, because it is not the canonical spelling of anything."""
        if not isinstance(text, str):
            text = str(text)
        parts = [text]
        if len(self.natives) > 1:
            parts = [part.replace("%7C", SEPARATOR).replace("%25", "%") for part in text.split(SEPARATOR)]
            if len(parts) != len(self.natives):
                return None
        try:
            values = tuple(native.dump(native.parse(part)) for native, part in zip(self.natives, parts, strict=True))
            return values if self.encode(values) == text else None
        except (ValueError, ArithmeticError, KeyError):
            return None
