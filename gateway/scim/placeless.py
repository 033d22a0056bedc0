"""Attributes a standard schema has and one tenant has no place for, where the configuration says to refuse them (D10).

What nobody has ever heard of is another matter: that is dropped or refused as the dialect says (D4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.scim.errors import ScimType, refuse
from gateway.scim.schema import Attribute, Mutability, ResourceType

_EXEMPT = frozenset({"password"})
"""Clients send a placeholder whether they were asked to or not (O2); a password without a place is forgotten."""

_TOLD = frozenset({"$ref", "display"})
"""What a reference says of the resource it leads to is that resource's own: clients send it along, and nobody asked."""


def placeless(whole: ResourceType, narrowed: ResourceType) -> frozenset[str]:
    """Name, in lower case, the paths a client may write by the whole schema and that the narrowed one does not have.

    What the narrowed one has and says is readOnly has a place: what is sent of it is ignored (RFC 7644 §3.3).
    """
    has = set(_paths(narrowed, writable=False))
    return frozenset(path.lower() for path in set(_paths(whole)) - has)


def refuse_placeless(body: Any, paths: frozenset[str]) -> None:
    """Refuse a body that gives a value to one of `paths`; null and empty values ask for nothing.

    Raises `ScimError` 400 invalidValue naming the attribute.
    """
    if paths and isinstance(body, dict):
        _look(body, "", paths)


def refuse_placeless_operations(body: Any, paths: frozenset[str]) -> None:
    """Refuse a PATCH message that sets one of `paths`, with a path or without; as `refuse_placeless` otherwise."""
    if not paths or not isinstance(body, dict):
        return
    for name, operations in body.items():
        if name.lower() != "operations" or not isinstance(operations, list):
            continue
        for operation in operations:
            if isinstance(operation, dict):
                given = {key.lower(): value for key, value in operation.items()}
                path, value = given.get("path"), given.get("value")
                if str(given.get("op", "")).lower() != "remove":
                    refuse_placeless({path: value} if isinstance(path, str) else value, paths)


def _look(holder: Mapping[str, Any], prefix: str, paths: frozenset[str]) -> None:
    for name, value in holder.items():
        if value in (None, "", [], {}) or not isinstance(name, str):
            continue
        path = f"{prefix}{name}"
        if path.lower() in paths:
            reason = "has no place in the system behind the gateway, and the configuration refuses what has none"
            raise refuse(ScimType.INVALID_VALUE, f"{path[:200]}: {reason}")
        separator = ":" if name.lower().startswith("urn:") and not prefix else "."
        for part in value if isinstance(value, list) else (value,):
            if isinstance(part, Mapping):
                _look(part, f"{path}{separator}", paths)


def _paths(resource_type: ResourceType, *, writable: bool = True) -> Iterator[str]:
    yield from _attributes(resource_type.schema.attributes, "", writable=writable)
    for urn, extension in resource_type.extensions.items():
        yield from _attributes(extension.attributes, f"{urn}:", writable=writable)


def _attributes(attributes: tuple[Attribute, ...], prefix: str, *, writable: bool) -> Iterator[str]:
    for attribute in attributes:
        if attribute.name in _EXEMPT or (writable and attribute.mutability is Mutability.READ_ONLY):
            continue
        yield f"{prefix}{attribute.name}"
        told = _TOLD if attribute.sub("$ref") is not None else ()
        for sub in attribute.sub_attributes:
            if sub.name not in told and not (writable and sub.mutability is Mutability.READ_ONLY):
                yield f"{prefix}{attribute.name}.{sub.name}"
