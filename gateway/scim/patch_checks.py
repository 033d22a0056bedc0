"""Checks: a PATCH value without a path repeats what is readOnly, which changes nothing if it is true (D2, S4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.scim.folding import instant
from gateway.scim.operations import Operation
from gateway.scim.patch_elements import frozen
from gateway.scim.schema import Attribute, Type


def settle(operations: Sequence[Operation], known: Mapping[str, Any]) -> tuple[Operation, ...]:
    """Make the checks (D2) of the top-level attributes in `known`, and leave out those that hold.

    For what is known before the resource is read, such as its ``id``: a message that only repeats it costs no more
    than one that does not. Raises `ScimError` 400 mutability where a check fails.
    """
    left: list[Operation] = []
    for operation in operations:
        if not operation.check or operation.target.path.top.text not in known:
            left.append(operation)
        elif not agrees(operation, known):
            raise differs(operation)
    return tuple(left)


def check_schemas(operation: Operation, result: Mapping[str, Any]) -> None:
    """Compare what a message says of `schemas` with what they are in the end; an ``add`` may name some of them."""
    value = operation.value
    said = {urn.lower() for urn in value if isinstance(urn, str)} if isinstance(value, list) else set()
    actual = {urn.lower() for urn in result.get("schemas", ())}
    if said != actual and not (operation.op == "add" and isinstance(value, list) and said <= actual):
        raise differs(operation)


def differs(operation: Operation) -> ScimError:
    """Make the refusal of a readOnly value that is not the current one (D2)."""
    return refuse(ScimType.MUTABILITY, f"{operation.target.path.text}: is read-only and has another value")


def agrees(operation: Operation, resource: Mapping[str, Any]) -> bool:
    """Tell whether a readOnly attribute has the value a message says it has (D2)."""
    path = operation.target.path
    holder = resource if path.extension is None else resource.get(path.extension) or {}
    if path.attribute is None:
        return False
    actual = holder.get(path.attribute.name)
    if path.sub is None:
        return _same(path.attribute, actual, operation.value)
    return _same(path.sub, (actual or {}).get(path.sub.name), operation.value)


def _same(attribute: Attribute, actual: Any, said: Any) -> bool:
    if said in (None, [], {}) or actual in (None, [], {}):
        return said in (None, [], {}) and (actual in (None, [], {}) or said == {})
    if attribute.multi_valued:
        if not isinstance(said, list) or len(said) != len(actual):
            return False
        if not attribute.is_complex:
            return {frozen(part) for part in said} == {frozen(part) for part in actual}
        known = {part.get("value"): part for part in actual}
        return all(_same_parts(attribute, _element(known, part), part) for part in said)
    if attribute.is_complex:
        return _same_parts(attribute, actual, said)
    if attribute.type is Type.DATE_TIME and isinstance(said, str) and said != actual:
        try:
            return instant(said) == instant(actual)
        except ValueError:
            return False
    return type(said) is type(actual) and bool(said == actual)


def _same_parts(attribute: Attribute, actual: Any, said: Any) -> bool:
    """Compare the sub-attributes that are named; what a message does not say it does not deny."""
    if not isinstance(said, dict) or actual is None:
        return False
    parts = ((attribute.sub(name), part) for name, part in said.items())
    return all(sub is not None and _same(sub, actual.get(sub.name), part) for sub, part in parts)


def _element(known: Mapping[Any, Any], said: Any) -> Any:
    values = [part for name, part in said.items() if name.lower() == "value"] if isinstance(said, dict) else []
    return known.get(values[0]) if values and isinstance(values[0], str) else None
