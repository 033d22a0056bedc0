"""Versions: weak entity tags made of the content (V1, V2, D9)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring_ascii
from typing import Any

Write = Callable[[Any], bytes]
_TAG = re.compile(r"[ \t]*(?:W/)?(\"[\x21\x23-\x7e\x80-\xff]*\")[ \t]*(?:,|$)")
_EMPTY = re.compile(r"[ \t]*,")
_SCALARS = frozenset({str, bool, int, float, type(None)})


def compute(visible: Mapping[str, Any], write: Write | None = None) -> str:
    """Make the entity tag of a resource: ``W/"…"``, 22 characters of a SHA-256 over its canonical form.

    The order of names and of the values of a multi-valued attribute makes no difference, for no backend promises one.
    `visible` is what the client can see and what else is to count; it holds JSON values only. `write` is a faster
    writer of JSON than this module's, one that sorts names and raises TypeError for what it cannot write; the tags of
    different writers are different.
    """
    digest = hashlib.sha256(_written(visible, write)).digest()
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


def _written(visible: Mapping[str, Any], write: Write | None) -> bytes:
    if write is not None:
        try:
            return write(_ordered(visible, write))
        except TypeError:
            pass  # a lone surrogate, or a number beyond 64 bits: rare enough to be written the slow way
    return _canonical(visible).encode("ascii")


def _ordered(value: Mapping[str, Any], write: Write) -> Mapping[str, Any]:
    """Give an object whose lists are sorted: itself where there are none."""
    found: Any = value
    for name, part in value.items():
        if part.__class__ in _SCALARS:
            continue
        if isinstance(part, list | tuple):
            ordered: Any = _sorted(part, write)
        elif isinstance(part, dict):
            ordered = _ordered(part, write)
        else:
            continue
        if ordered is not part:
            if found is value:
                found = dict(value)
            found[name] = ordered
    return found  # type: ignore[no-any-return]


def _sorted(values: Sequence[Any], write: Write) -> Sequence[Any]:
    """Give a sorted list: itself if it has one element, and that needs no order."""
    if len(values) == 1 and isinstance(only := values[0], dict):
        ordered = _ordered(only, write)
        return values if ordered is only else [ordered]
    elements = [
        part
        if isinstance(part, str)
        else _ordered(part, write)
        if isinstance(part, dict)
        else _sorted(part, write)
        if isinstance(part, list | tuple)
        else part
        for part in values
    ]
    if len(elements) > 1:
        elements.sort(key=write)
    return elements


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
