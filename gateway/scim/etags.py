"""Versions: weak entity tags made of the content (V1, V2, D9)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii
from typing import Any

_TAG = re.compile(r"[ \t]*(?:W/)?(\"[\x21\x23-\x7e\x80-\xff]*\")[ \t]*(?:,|$)")
_EMPTY = re.compile(r"[ \t]*,")


def compute(visible: Mapping[str, Any]) -> str:
    """Make the entity tag of a resource: ``W/"…"``, 22 characters of a SHA-256 over its canonical form.

    The order of names and of the values of a multi-valued attribute makes no difference, for no backend promises one.
    `visible` is what the client can see and what else is to count; it holds JSON values only.
    """
    digest = hashlib.sha256(_canonical(visible).encode("ascii")).digest()
    return f'W/"{base64.urlsafe_b64encode(digest[:16]).decode("ascii").rstrip("=")}"'


def matches(header: str, version: str | None) -> bool:
    """Tell whether If-Match or If-None-Match names `version`, by weak comparison (D9, RFC 9110 §8.8.3.2).

    `version` is None for a resource that does not exist, which not even ``*`` matches (V2). A header that is not a list
    of entity tags matches nothing: as If-Match it ends in 412, as If-None-Match in a full answer, and neither loses
    anything.
    """
    if version is None:
        return False
    if header.strip(" \t") == "*":
        return True
    wanted = version.removeprefix("W/")
    place, found = 0, False
    while place < len(header):
        if empty := _EMPTY.match(header, place):
            place = empty.end()
            continue
        tag = _TAG.match(header, place)
        if tag is None:
            return found if not header[place:].strip(" \t") else False
        found = found or tag[1] == wanted
        place = tag.end()
    return found


def _canonical(value: Any) -> str:
    """Write a value in one pass, in ASCII: names and the elements of lists sorted, text as JSON writes it."""
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if isinstance(value, dict):
        members = [f"{encode_basestring_ascii(name)}:{_canonical(part)}" for name, part in value.items()]
        return f"{{{','.join(sorted(members))}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(sorted([_canonical(part) for part in value]))}]"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    return _canonical(dict(value)) if isinstance(value, Mapping) else encode_basestring_ascii(str(value))
