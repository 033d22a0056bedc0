"""What single values are found and sorted by: rows beside the record, in the form every database compares alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from backends.kit.scalars import fold
from gateway.identity.held import digest
from gateway.residence.entities import FieldSettings

BEGINNING = 160
"""Characters of a folded value an index holds: enough to find a place in an order, and little enough for any index."""


def rows(content: Mapping[str, Any], fields: Mapping[str, FieldSettings]) -> list[list[Any]]:
    """Make the rows of single values, in one order everywhere: field, value, folded, begin, digest, sole."""
    found = []
    for name in sorted(content):
        value, field = content[name], fields.get(name)
        if value is None or field is None:
            continue
        text = ("false", "true")[value] if isinstance(value, bool) else value
        folded = fold(text)
        mark = digest(folded)
        sole = None if not field.unique else digest(text) if field.case_exact else mark
        found.append([name, text, folded, folded[:BEGINNING], mark, sole])
    return found


def first_behind(text: str) -> str | None:
    """Give the first text behind all that begin with this one; None where there is none."""
    kept = text.rstrip("\U0010ffff")
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    # Between the two halves of the plane lie the surrogates, which are no characters.
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)


def written(value: Any) -> Any:
    """Write a parameter: a batch as one JSON text."""
    return json.dumps(value) if isinstance(value, list) else value
