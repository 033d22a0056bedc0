"""Values: what each data type takes, and the canonical form of complex and multi-valued ones (S8-S12, S16).

Checks are compiled once per attribute into closures; `validate` strings them together, PATCH uses `check` on one value.
A value that passes is given back as it was sent (D10): types are checked, never converted. Converting the string
"False" to a boolean is the business of `dialects`, before anything comes here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.scim.folding import fold, instant
from gateway.scim.schema import Attribute, Mutability, Type

Unknown = Callable[[str], None]
"""Is told the full path of an attribute the schema does not have; raises, or returns to have it dropped."""
Check = Callable[[Any, Unknown], Any]
"""Checks what lies under an attribute's name and returns it in canonical form, None if it is unassigned (S8)."""
Entry = tuple[str, bool, Check | None]
"""Canonical name, whether printable text passes unchecked, and the check (None: readOnly, ignored on writing; H3)."""

_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*={0,2}")
_NOT_URI = re.compile(r"[\s<>\"\\^`{|}]")
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_INT64 = 2**63
_MAX_BITS = 1024


def check(attribute: Attribute, value: Any, where: str) -> Any:
    """Check one value of `attribute`: of a multi-valued one, a single element.

    A complex value is given back as a new dict with canonical names, without readOnly sub-attributes and unassigned
    ones; it is None when nothing is left. Raises `ScimError` 400 invalidValue, or invalidSyntax for an unknown
    sub-attribute, naming the path: `where` is the path of the attribute itself (``emails``).
    """
    return _single(attribute, where)(value, refuse_unknown)


def check_all(attribute: Attribute, value: Any, where: str) -> Any:
    """Check what lies under the name of `attribute`: a list if it is multi-valued. None is unassigned (S8).

    Beyond `check`, wholly equal elements become one, two elements with the same type and value are refused (S11), and
    so are two with primary true (S10). Raises as `check` does.
    """
    return checker(attribute, where)(value, refuse_unknown)


def checker(attribute: Attribute, where: str) -> Check:
    """Compile `check_all` of one attribute."""
    single = _single(attribute, where)
    return _many(attribute, single, where) if attribute.multi_valued else single


def entries(attributes: tuple[Attribute, ...], prefix: str) -> dict[str, Entry]:
    """Compile the checks of a schema or of a complex attribute, by canonical name; `prefix` ends in ``:`` or ``.``."""
    compiled: dict[str, Entry] = {}
    for attribute in attributes:
        plain = (
            attribute.type is Type.STRING
            and not attribute.multi_valued
            and not attribute.restricted
            and attribute.format is None
        )
        if attribute.mutability is Mutability.READ_ONLY:
            compiled[attribute.name] = (attribute.name, False, None)
        else:
            compiled[attribute.name] = (attribute.name, plain, checker(attribute, f"{prefix}{attribute.name}"))
    return compiled


def find(entries: Mapping[str, Entry], folded: Mapping[str, str], key: str, given: Mapping[str, Any]) -> Entry | None:
    """Find the entry of a key that is not spelled canonically; None if there is none.

    Raises `ScimError` 400 invalidSyntax if the object `given` has another spelling of the same name as well (S2).
    """
    if not key.isascii():
        return None
    name = folded.get(key.lower())
    if name is None:
        return None
    if sum(other.lower() == name.lower() for other in given) > 1:
        raise refuse(ScimType.INVALID_SYNTAX, f"{name}: is given twice (names ignore case)")
    return entries[name]


def refuse_unknown(path: str) -> None:
    """Refuse an attribute the schema does not have (D4)."""
    raise refuse(ScimType.INVALID_SYNTAX, f"{shown(path)}: there is no such attribute in the schema")


def shown(text: Any) -> str:
    """Write something a client sent so that it can stand in an error: bounded, and without control characters (X13)."""
    text = str(text)
    return (text if len(text) <= 128 else f"{text[:128]}…").encode("unicode_escape").decode("ascii")


def check_text(value: str, where: str) -> None:
    """Refuse characters no legacy system can take: lone surrogates and what XML 1.0 forbids (X1, X4)."""
    if not value.isprintable() and (found := _ILLEGAL.search(value)):
        raise _invalid(where, f"the character U+{ord(found[0]):04X} at position {found.start()} is not allowed")


def _invalid(where: str, reason: str) -> ScimError:
    return refuse(ScimType.INVALID_VALUE, f"{where}: {reason}")


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float() | Decimal():
            return "a number"
        case str():
            return "a string"
        case list() | tuple():
            return "an array"
        case Mapping():
            return "an object"
    return "something else"


def _single(attribute: Attribute, where: str) -> Check:
    if attribute.type is Type.COMPLEX:
        return _complex(attribute, where)
    plain = _SIMPLE[attribute.type](attribute, where)

    def simple(value: Any, _: Unknown) -> Any:
        return None if value is None else plain(value)

    return simple


def _string(attribute: Attribute, where: str) -> Callable[[Any], Any]:
    same: Callable[[str], str] = str if attribute.case_exact else fold
    allowed = {same(value) for value in attribute.canonical_values} if attribute.restricted else None

    def run(value: Any) -> str:
        if not isinstance(value, str):
            raise _invalid(where, f"a string is expected, not {_kind(value)}")
        check_text(value, where)
        if allowed is not None and same(value) not in allowed:
            raise _invalid(where, f"must be one of {', '.join(attribute.canonical_values)}")
        if attribute.format == "country" and value and not _COUNTRY.fullmatch(value):
            raise _invalid(where, "must be a country code of two letters (ISO 3166-1 alpha-2), such as DE")
        return value

    return run


def _boolean(_: Attribute, where: str) -> Callable[[Any], Any]:
    def run(value: Any) -> bool:
        if not isinstance(value, bool):
            raise _invalid(where, f"true or false is expected, not {_kind(value)}")
        return value

    return run


def _integer(_: Attribute, where: str) -> Callable[[Any], Any]:
    def run(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise _invalid(where, f"an integer is expected, not {_kind(value)}")
        if not isinstance(value, int):
            raise _invalid(where, "an integer has neither fraction nor exponent")
        if not -_INT64 <= value < _INT64:
            raise _invalid(where, "the integer does not fit in 64 bits")
        return value

    return run


def _decimal(_: Attribute, where: str) -> Callable[[Any], Any]:
    def run(value: Any) -> int | float | Decimal:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise _invalid(where, f"a number is expected, not {_kind(value)}")
        if isinstance(value, int):
            if value.bit_length() > _MAX_BITS:
                raise _invalid(where, "the number is too large")
        elif not math.isfinite(value):
            raise _invalid(where, "the number must be finite")
        return value

    return run


def _date_time(_: Attribute, where: str) -> Callable[[Any], Any]:
    def run(value: Any) -> str:
        if not isinstance(value, str):
            raise _invalid(where, f"a date and time is expected, not {_kind(value)}")
        try:
            instant(value)
        except ValueError as error:
            raise _invalid(where, str(error)) from None
        return value

    return run


def _binary(attribute: Attribute, where: str) -> Callable[[Any], Any]:
    """RFC 7643 §2.3.6: the alphabet of RFC 4648 §4 unless the definition says §5; the padding may be left out."""
    pattern, name = (_BASE64URL, "base64url") if attribute.format == "base64url" else (_BASE64, "base64")

    def run(value: Any) -> str:
        if not isinstance(value, str):
            raise _invalid(where, f"{name} text is expected, not {_kind(value)}")
        bare = value.rstrip("=")
        if not pattern.fullmatch(value) or len(bare) % 4 == 1 or (len(bare) != len(value) and len(value) % 4):
            raise _invalid(where, f"the text is not {name}")
        return value

    return run


def _reference(_: Attribute, where: str) -> Callable[[Any], Any]:
    """A URI, relative ones and those with non-ASCII letters included; never fetched (X5)."""

    def run(value: Any) -> str:
        if not isinstance(value, str):
            raise _invalid(where, f"a URI is expected, not {_kind(value)}")
        check_text(value, where)
        if found := _NOT_URI.search(value):
            raise _invalid(where, f"a URI cannot hold the character U+{ord(found[0]):04X}")
        return value

    return run


_SIMPLE: Mapping[Type, Callable[[Attribute, str], Callable[[Any], Any]]] = {
    Type.STRING: _string,
    Type.BOOLEAN: _boolean,
    Type.INTEGER: _integer,
    Type.DECIMAL: _decimal,
    Type.DATE_TIME: _date_time,
    Type.BINARY: _binary,
    Type.REFERENCE: _reference,
}


def _complex(attribute: Attribute, where: str) -> Check:
    known = entries(attribute.sub_attributes, f"{where}.")
    folded = {name.lower(): name for name in known}
    required = tuple(
        sub.name for sub in attribute.sub_attributes if sub.required and sub.mutability is not Mutability.READ_ONLY
    )

    def run(value: Any, unknown: Unknown) -> Any:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise _invalid(where, f"an object is expected, not {_kind(value)}")
        result: dict[str, Any] = {}
        for key, part in value.items():
            entry = known.get(key) or find(known, folded, key, value)
            if entry is None:
                unknown(f"{where}.{key}")
                continue
            name, plain, compiled = entry
            if part is None or compiled is None:
                continue
            if plain and type(part) is str and part.isprintable():
                result[name] = part
            elif (checked := compiled(part, unknown)) is not None:
                result[name] = checked
        if not result:
            return None
        for name in required:
            if name not in result:
                raise _invalid(f"{where}.{name}", "a value is required")
        return result

    return run


def _many(attribute: Attribute, single: Check, where: str) -> Check:
    paired = _has_simple(attribute, "value") and not ((kind := attribute.sub("type")) and kind.multi_valued)
    preferable = _has_simple(attribute, "primary")

    def run(value: Any, unknown: Unknown) -> Any:
        if value is None:
            return None
        if not isinstance(value, list):
            raise _invalid(where, f"an array is expected, not {_kind(value)}")
        result = [checked for part in value if (checked := single(part, unknown)) is not None]
        if len(result) > 1:
            if not attribute.is_complex:
                return list({(type(part), part): part for part in result}.values())
            if paired:
                result = _distinct(result, where)
            if preferable and sum(part.get("primary") is True for part in result) > 1:
                raise _invalid(f"{where}.primary", "only one value can be primary")
        return result or None

    return run


def _has_simple(attribute: Attribute, name: str) -> bool:
    sub = attribute.sub(name)
    return sub is not None and not sub.multi_valued


def _distinct(found: list[dict[str, Any]], where: str) -> list[dict[str, Any]]:
    """Fold wholly equal elements into one; refuse two that differ although their type and value are the same (S11)."""
    seen: dict[tuple[Any, Any], dict[str, Any]] = {}
    valueless = []
    for part in found:
        if "value" not in part:
            valueless.append(part)
            continue
        pair = (part.get("type"), part["value"])
        earlier = seen.setdefault(pair, part)
        if earlier is not part and earlier != part:
            raise _invalid(where, f"the value {shown(part['value'])} is given twice with different details")
    if len(seen) + len(valueless) == len(found):
        return found
    kept = {id(part) for part in (*seen.values(), *valueless)}
    return [part for part in found if id(part) in kept]
