"""What the gateway keeps of an attribute beside the native record, and when it may be shown (D10, R-L11, R-L16).

An attribute without native home is kept as it is. Of one that has a home but does not fit whole, a pair is kept: what
was ``sent`` and its ``canonical`` form, what the record reads as after the write. What was sent is returned for as long
as the record still reads so; when somebody changed the record, the record wins. Of a multi-valued attribute each
element is a pair of its own, and one that found no native place at all (``canonical`` null) always stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from typing import Any

from gateway.mapping.doors import Kept
from gateway.scim.folding import fold, instant
from gateway.scim.paths import AttributePath
from gateway.scim.schema import Attribute, Type

SENT = "sent"
CANONICAL = "canonical"


def pair(sent: Any, canonical: Any) -> Kept:
    """Pair what was sent with what it reads as; of a multi-valued attribute both are lists of the same length."""
    return {SENT: sent, CANONICAL: canonical}


def is_pair(kept: Kept) -> bool:
    """Tell a pair from a value that is kept whole."""
    return isinstance(kept, dict) and kept.keys() == {SENT, CANONICAL}


def restore(kept: Kept, read: Any) -> Any:
    """Give what was sent if the record still reads as it did, else what it reads."""
    if not is_pair(kept):
        # Kept whole before the attribute had a native home: the record knows better now.
        return read
    return kept[SENT] if kept[CANONICAL] == read else read


def restore_many(kept: Kept, read: Sequence[Any] | None) -> list[Any] | None:
    """Do the same element by element, in the order they were sent; what the record has beyond them follows."""
    left = list(read or ())
    if not is_pair(kept) or not isinstance(kept[SENT], list):
        return left or None
    found: list[Any] = []
    homeless: list[int] = []
    for sent, canonical in zip(kept[SENT], kept[CANONICAL], strict=False):
        if canonical is None:
            homeless.append(len(found))
            found.append(sent)
        elif canonical in left:
            left.remove(canonical)
            found.append(sent)
    if not left:
        return found or None
    return _joined(found, left, frozenset(homeless))


def _joined(found: list[Any], left: list[Any], homeless: frozenset[int]) -> list[Any]:
    """Join with what the record has by now: nothing twice, and its primary element is the primary one (S10, S11)."""
    natives = {_identity(element) for element in left}
    primary = any(isinstance(element, dict) and element.get("primary") is True for element in left)
    kept = []
    for place, element in enumerate(found):
        if place in homeless and _identity(element) in natives:
            continue
        if primary and isinstance(element, dict) and element.get("primary") is True:
            element = {name: value for name, value in element.items() if name != "primary"}
        kept.append(element)
    return kept + left


def _identity(element: Any) -> Any:
    return (element.get("type"), element.get("value")) if isinstance(element, dict) else element


def index(path: AttributePath, kept: Kept) -> Iterator[tuple[str, str]]:
    """Yield what the store is to index of an entry: path text and comparable text of every value a search might be for.

    Values that can be found in the record are left out: a search for them asks the backend.
    """
    attribute = path.attribute
    if attribute is None or kept is None:
        return
    if not is_pair(kept):
        for element in kept if isinstance(kept, list) else [kept]:
            yield from _entries(path, attribute, element, None)
    elif attribute.multi_valued:
        for sent, canonical in zip(kept[SENT], kept[CANONICAL], strict=False):
            yield from _entries(path, attribute, sent, canonical)
    else:
        yield from _entries(path, attribute, kept[SENT], kept[CANONICAL])


def _entries(path: AttributePath, attribute: Attribute, sent: Any, canonical: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(sent, Mapping):
        if (text := comparable(attribute, sent)) is not None and text != comparable(attribute, canonical):
            yield path.text, text
        return
    home = canonical if isinstance(canonical, Mapping) else {}
    for name, value in sent.items():
        sub = attribute.sub(name)
        if sub is None:
            continue
        for one in value if isinstance(value, list) else [value]:
            if (text := comparable(sub, one)) is not None and text != comparable(sub, home.get(name)):
                yield AttributePath(attribute, sub, path.extension).text, text


def comparable(attribute: Attribute, value: Any) -> str | None:
    """Write a value as the text it is compared by: folded unless it is caseExact; instants in UTC; None if there is
    nothing to compare."""
    if value is None:
        return None
    match attribute.type:
        case Type.BOOLEAN:
            return "true" if value is True else "false"
        case Type.INTEGER | Type.DECIMAL:
            return f"{Decimal(str(value)).normalize():f}"
        case Type.DATE_TIME:
            try:
                return instant(str(value)).astimezone(UTC).isoformat()
            except ValueError:
                return None
    text = str(value)
    return text if attribute.case_exact else fold(text)
