"""Values in URLs and headers: each ends up as exactly one path segment, one query value or one header value."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

_UNFIT = re.compile(r"[\x00-\x1f\x7f/\\]")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class UnfitError(ValueError):
    """A value that cannot travel in this place."""


def segment(text: str) -> str:
    """Encode a value as one path segment.

    Raises `UnfitError` for what servers and proxies read as something else: nothing, ``.`` and ``..``, slashes of both
    kinds (many decode them before they route), control characters, and half surrogate pairs.
    """
    if text in ("", ".", "..") or _UNFIT.search(text):
        raise UnfitError("the value cannot be part of a path")
    return _quoted(text)


def query(pairs: Iterable[tuple[str, str]]) -> str:
    """Encode names and values as a query or a form."""
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in pairs)


def query_value(text: str) -> str:
    """Encode a value as one query value."""
    return _quoted(text)


def header(text: str) -> str:
    """Check a header's value: no line breaks or other controls, nothing beyond Latin-1."""
    if _CONTROL.search(text) or any(ord(sign) > 255 for sign in text):
        raise UnfitError("the value cannot be part of a header")
    return text


def _quoted(text: str) -> str:
    try:
        return quote(text, safe="", encoding="utf-8", errors="strict")
    except UnicodeEncodeError as error:
        raise UnfitError("the value is not a text") from error
