"""Sorting of resources no backend can sort (RFC 7644 §3.4.2.3; Q6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.scim.folding import fold, instant
from gateway.scim.names import lookup
from gateway.scim.paths import AttributePath
from gateway.scim.schema import ResourceType, Returned, Type
from gateway.scim.values import shown

Key = tuple[int, Any]
"""A rank of the type, then the value: so that values of two types can be compared when several types are listed."""
T = TypeVar("T")


def parse(
    resource_type: ResourceType, sort_by: str | None, sort_order: str | None
) -> tuple[AttributePath, bool] | None:
    """Read `sortBy` and `sortOrder`: the attribute and whether the order is descending; None without `sortBy`.

    A multi-valued complex attribute without a sub-attribute is sorted by its ``value`` (as F7). Raises `ScimError` 400
    invalidValue for another order than ascending and descending, for an attribute the type does not have, for a complex
    one without sub-attribute, for binary, and for attributes that are never returned: their order would tell them.
    """
    descending = _descending(sort_order)
    if sort_by is None or not sort_by.strip():
        return None
    path = lookup(resource_type, sort_by.strip())
    attribute = path.attribute if path is not None else None
    if path is None or attribute is None:
        raise _refusal(f"{shown(sort_by)} is no attribute of {resource_type.name}")
    if path.is_complex:
        value = attribute.sub("value") if path.is_many else None
        if value is None:
            raise _refusal(f"{path.text} is complex; name one of its sub-attributes")
        path = AttributePath(attribute, value, path.extension)
    if Returned.NEVER in (attribute.returned, path.leaf.returned):
        raise _refusal(f"{path.text} is never returned and cannot be sorted by")
    if path.leaf.type is Type.BINARY:
        raise _refusal(f"{path.text} is binary and has no order")
    return path, descending


def key(path: AttributePath, _: bool = False) -> Callable[[Mapping[str, Any]], Key | None]:
    """Compile the sort key of a resource; None is unassigned. The direction is taken for the sake of ``key(*parse(…))``
    and is no part of the key: `ordered` has it.

    Of several values the primary one counts, else the first. Text is folded unless it is caseExact; times are instants.
    """
    name, extension = path.attribute.name if path.attribute is not None else "", path.extension
    sub = path.sub.name if path.sub is not None else None
    convert = _converter(path)

    def run(resource: Mapping[str, Any]) -> Key | None:
        holder = resource if extension is None else resource.get(extension) or {}
        value = holder.get(name)
        if isinstance(value, list):
            value = _preferred(value)
        if sub is not None and isinstance(value, Mapping):
            value = value.get(sub)
            if isinstance(value, list):
                value = value[0] if value else None
        return None if value is None else convert(value)

    return run


def ordered(items: Iterable[T], *, descending: bool, key: Callable[[T], Key | None]) -> list[T]:
    """Sort by keys: the unassigned last when ascending, first when descending; equals stay in the order they came."""
    present: list[tuple[Key, T]] = []
    absent: list[T] = []
    for item in items:
        found = key(item)
        if found is None:
            absent.append(item)
        else:
            present.append((found, item))
    present.sort(key=lambda pair: pair[0], reverse=descending)
    found_items = [item for _, item in present]
    return absent + found_items if descending else found_items + absent


def _descending(sort_order: str | None) -> bool:
    match (sort_order or "ascending").strip().lower():
        case "ascending" | "":
            return False
        case "descending":
            return True
    raise refuse(ScimType.INVALID_VALUE, "sortOrder: must be ascending or descending")


def _preferred(values: list[Any]) -> Any:
    for value in values:
        if isinstance(value, Mapping) and value.get("primary") is True:
            return value
    return values[0] if values else None


def _converter(path: AttributePath) -> Callable[[Any], Key | None]:
    leaf = path.leaf
    match leaf.type:
        case Type.BOOLEAN:
            return lambda value: (0, bool(value))
        case Type.INTEGER | Type.DECIMAL:
            return lambda value: (1, value)
        case Type.DATE_TIME:
            return _moment
    if leaf.case_exact:
        return lambda value: (3, str(value))
    return lambda value: (3, fold(str(value)))


def _moment(value: Any) -> Key | None:
    try:
        return (2, instant(value))
    except ValueError:
        return None


def _refusal(reason: str) -> ScimError:
    return refuse(ScimType.INVALID_VALUE, f"sortBy: {reason}")
