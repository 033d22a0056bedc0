"""When two native values are the same, and which comes first."""

from __future__ import annotations

import unicodedata
from datetime import date, datetime
from decimal import Decimal

from backends.contract import Scalar

Identity = tuple[int, Scalar]
"""A value with the rank of its kind: equal for equal values of one kind, and sortable where the kind has an order."""


def fold(text: str) -> str:
    """Fold text so that spellings that differ in case only become equal: Unicode's canonical caseless form."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def kind(value: Scalar) -> int:
    """Rank the kind of a value. Kinds are never equal to one another: True is not 1, and a date is not its midnight."""
    match value:
        case bool():
            return 0
        case int() | float() | Decimal():
            return 1
        case datetime():
            return 2 if value.tzinfo is not None else 3
        case date():
            return 4
        case bytes():
            return 5
    return 6


def identity(value: Scalar, ignore_case: bool = False) -> Identity:
    """Pair a value with its kind, text folded on demand."""
    if ignore_case and isinstance(value, str):
        value = fold(value)
    return kind(value), value


def precedes(one: Identity, other: Identity) -> bool:
    """Tell whether `one` lies before `other`; values of two kinds have no order, so neither precedes."""
    return one[0] == other[0] and one[1] < other[1]  # type: ignore[operator]
