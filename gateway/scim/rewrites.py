"""Rewrites: what real clients send -> what the RFC says, each a small function; which are on is said by `dialects`.

A rewrite gets a value and gives another one, or the same object if it has nothing to do. It never changes what it was
given, never guesses (what is not exactly a known shape is left to be refused, D3), and knows nothing of clients.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from gateway.scim.errors import ScimType, refuse
from gateway.scim.schema import ENTERPRISE_URN, Attribute, Type

Applies = Callable[[Attribute, Attribute | None], bool]
"""Tells for an attribute, and the complex one it lies in, whether a rewrite can have anything to do."""
Rewrite = Callable[[Any], Any]
"""Rewrites what lies under an attribute's name, or one element of it."""

_BOOLEANS = {"true": True, "false": False}
_MAX_JSON = 65_536


def string_boolean(value: Any) -> Any:
    """``"False"`` -> false; nothing else, for what is merely truthy would leave a leaver active (D3)."""
    return _BOOLEANS.get(value.lower(), value) if isinstance(value, str) else value


def is_boolean(attribute: Attribute, _: Attribute | None) -> bool:
    """Tell where the schema says boolean."""
    return attribute.type is Type.BOOLEAN and not attribute.multi_valued


def empty_string(value: Any) -> Any:
    """``""`` -> null: clients whose templates cannot say null (P6)."""
    return None if value == "" else value


def is_clearable(attribute: Attribute, within: Attribute | None) -> bool:
    """Tell what ``""`` may clear: single values, but no boolean and nothing that is required; no list, and no part of
    its elements (D1)."""
    if within is not None and within.multi_valued:
        return False
    return not attribute.multi_valued and not attribute.required and attribute.type is not Type.BOOLEAN


def decoded_json(value: Any) -> Any:
    """An object or array as JSON in a string -> the object or array (P6)."""
    if not isinstance(value, str) or value[:1] not in ("{", "[") or len(value) > _MAX_JSON:
        return value
    try:
        return json.loads(value, parse_constant=_refuse_constant, object_pairs_hook=_distinct)
    except (ValueError, RecursionError):
        return value


def is_complex(attribute: Attribute, _: Attribute | None) -> bool:
    """Tell where an object or a list of objects is expected."""
    return attribute.is_complex


def single_of_array(value: Any) -> Any:
    """``[{…}]`` -> ``{…}``, ``[]`` -> null; several are left to be refused (P6)."""
    if not isinstance(value, list) or len(value) > 1:
        return value
    return value[0] if value else None


def is_singular_complex(attribute: Attribute, _: Attribute | None) -> bool:
    """Tell where one object is expected."""
    return attribute.is_complex and not attribute.multi_valued


def array_of_single(value: Any) -> Any:
    """``{…}`` or ``"x"`` -> ``[…]`` of it (P6)."""
    if value is None or value == "" or isinstance(value, list):
        return value
    return [value]


def is_many(attribute: Attribute, _: Attribute | None) -> bool:
    """Tell where a list is expected."""
    return attribute.multi_valued


def object_of_value(value: Any) -> Any:
    """``"x"`` -> ``{"value": "x"}`` (P6)."""
    return {"value": value} if isinstance(value, str) and value else value


def has_value(attribute: Attribute, _: Attribute | None) -> bool:
    """Tell where an object is expected that has a ``value``."""
    return attribute.is_complex and attribute.sub("value") is not None


def display_name(value: Any) -> Any:
    """``displayName`` -> ``display`` in an element (P6)."""
    return _renamed(value, "displayname", "display")


def has_display(attribute: Attribute, _: Attribute | None) -> bool:
    """Tell where the schema says ``display`` and not ``displayName``."""
    return attribute.sub("display") is not None and attribute.sub("displayName") is None


def manager_id(value: Any) -> Any:
    """``managerId`` of SCIM 1.1 -> ``value``."""
    return _renamed(value, "managerid", "value")


def is_manager(attribute: Attribute, _: Attribute | None) -> bool:
    """Tell the manager."""
    return attribute.name == "manager" and attribute.sub("value") is not None and attribute.sub("managerId") is None


MISSPELT = ENTERPRISE_URN.removesuffix(":User") + "User"
"""``…:enterprise:2.0User``, as vendor documentation has it (S3)."""


def enterprise_urn(text: str) -> str:
    """Spell the URN of the enterprise extension as RFC 7643 does, at the head of a name or path (S3)."""
    head = text[: len(MISSPELT)]
    rest = text[len(MISSPELT) :]
    return ENTERPRISE_URN + rest if head.lower() == MISSPELT.lower() and rest[:1] in ("", ":") else text


def no_password(value: Any) -> Any:
    """Refuse a password (D4)."""
    if value is None:
        return value
    raise refuse(ScimType.INVALID_VALUE, "password: passwords are not taken here")


def is_password(attribute: Attribute, within: Attribute | None) -> bool:
    """Tell the password."""
    return attribute.name == "password" and within is None


def _renamed(value: Any, folded: str, name: str) -> Any:
    """Rename a member, unless the object has one of the new name, or two of the old."""
    if not isinstance(value, dict):
        return value
    keys = [key.lower() for key in value]
    if keys.count(folded) != 1 or name in keys:
        return value
    return {(name if key.lower() == folded else key): part for key, part in value.items()}


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is given twice")
    return found
