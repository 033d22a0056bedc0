"""Any JSON string as text every store can hold.

PostgreSQL holds neither U+0000 nor a lone surrogate, and a native key or an externalId may be made of either. Such
texts, and only they, are written as JSON behind an escape character; equal texts stay equal, different ones different.
"""

from __future__ import annotations

import json

_ESCAPE = "\x1b"


def storable(text: str) -> str:
    """Write a text so that the store can hold it; most stay as they are."""
    if text.startswith(_ESCAPE) or "\x00" in text:
        return _ESCAPE + json.dumps(text)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return _ESCAPE + json.dumps(text)
    return text


def original(text: str) -> str:
    """Read back what `storable` wrote."""
    return str(json.loads(text[1:])) if text.startswith(_ESCAPE) else text
