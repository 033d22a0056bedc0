"""JSON as it comes from strangers: size, depth and numbers are checked before anybody works with it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn


class BodyError(ValueError):
    """A body that cannot be read, or one that cannot be written."""


def decode(body: bytes, charset: str, depth: int) -> Any:
    """Read a JSON document at most `depth` deep; an empty body is None. Raises `BodyError`.

    Numbers with more digits than a float holds stay `Decimal`; NaN and infinities are refused.
    """
    try:
        text = body.decode(charset)
    except (UnicodeDecodeError, LookupError) as error:
        raise BodyError("the body is not text") from error
    text = text.removeprefix("\ufeff")
    if not text.strip():
        return None
    try:
        document = json.loads(text, parse_float=_number, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BodyError("the body is not JSON") from error
    # The parser itself stops at the interpreter's own limit; what works on documents afterwards needs a lower one.
    if _deeper(document, depth):
        raise BodyError("the body is nested too deep")
    return document


def encode(document: Any) -> bytes:
    """Write a JSON document; raises `BodyError` for a number JSON libraries would alter, and for half surrogates."""
    try:
        return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_exact).encode()
    except (ValueError, TypeError) as error:
        raise BodyError("the body cannot be written as JSON") from error


def _deeper(document: Any, depth: int) -> bool:
    """Tell whether a document is nested deeper than so many levels, level by level."""
    level = [document] if isinstance(document, dict | list) else []
    for _ in range(depth):
        if not level:
            return False
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) is dict or type(child) is list
        ]
    return bool(level)


def _number(text: str) -> float | Decimal:
    number, exact = float(text), Decimal(text)
    return number if Decimal(repr(number)) == exact else exact


def _exact(value: Any) -> float:
    if isinstance(value, Decimal):
        number = float(value)
        if Decimal(repr(number)) == value:
            return number
    raise TypeError(f"{type(value).__name__} has no exact form in JSON")


def _refuse(name: str) -> NoReturn:
    raise BodyError(f"{name} is no number")
