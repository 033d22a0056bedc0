"""The effect of PATCH operations on a resource: a new resource, all operations or an error (P3, P4, P5).

Pure: what is given is never changed, what does not change is shared with the result, and every operation takes time in
proportion to the values it looks at, however many there are (promise 4 is kept by never coming here: `mapping.fast`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.scim.errors import ScimType, refuse
from gateway.scim.evaluate import compile_element
from gateway.scim.filters import And, Comparison, Filter, Op
from gateway.scim.operations import STANDARD, Operation, PatchOptions
from gateway.scim.patch_checks import agrees, check_schemas, differs
from gateway.scim.patch_elements import (
    added,
    frozen,
    merged,
    named_by_value,
    one_primary,
    put,
    read_only,
    removed,
    replaced,
)
from gateway.scim.paths import TargetPath
from gateway.scim.schema import Attribute, Mutability, ResourceType


def apply(
    operations: Iterable[Operation],
    resource: Mapping[str, Any],
    resource_type: ResourceType,
    options: PatchOptions = STANDARD,
) -> dict[str, Any]:
    """Apply operations one after the other and give the new resource; it equals `resource` if nothing changed (P4).

    Both are in canonical form; `schemas` follows the extensions that are there (S4). Raises `ScimError` 400: noTarget
    (D5), mutability (D2, immutable attributes), invalidValue (what is required is missing, two primary values).
    """
    result = dict(resource)
    touched: set[str] = set()
    schemas: list[Operation] = []
    for operation in gathered(operations):
        path = operation.target.path
        if operation.check:
            if path.text == "schemas":
                schemas.append(operation)
            elif not agrees(operation, resource):
                raise differs(operation)
            continue
        attribute, urn = path.attribute, path.extension
        if attribute is None:
            raise ValueError(f"{path.text} names a whole extension")
        holder = result if urn is None else result.get(urn) or {}
        before = holder.get(attribute.name)
        after = _after(operation, attribute, before, options)
        if after is before:
            continue
        if after is None and attribute.required and urn is None:
            scim_type = ScimType.MUTABILITY if operation.op == "remove" else ScimType.INVALID_VALUE
            raise refuse(scim_type, f"{path.top.text}: a value is required")
        if attribute.mutability is Mutability.IMMUTABLE and before is not None and after != before:
            raise refuse(ScimType.MUTABILITY, f"{path.top.text}: is immutable and already has another value")
        if urn is None:
            _set(result, attribute.name, after)
        else:
            touched.add(urn)
            inner = dict(holder)
            _set(inner, attribute.name, after)
            _set(result, urn, inner or None)
    if touched:
        _check_extensions(touched, result, resource_type)
        _list_schemas(touched, result, resource_type)
    for operation in schemas:
        check_schemas(operation, result)
    return result


def gathered(operations: Iterable[Operation]) -> Iterator[Operation]:
    """Join neighbouring operations that each add, or each remove, members by their values.

    Clients send one operation per member; joined, a thousand of them pass over a long list once instead of a thousand
    times. Only where an immutable ``value`` tells elements apart: there the result is the same.
    """
    run: Operation | None = None
    for operation in operations:
        part = _by_value(operation)
        if run is not None and part is not None and (run.op, run.target) == (part.op, part.target):
            run = replace(run, value=[*run.value, *part.value])
            continue
        if run is not None:
            yield run
        run = part
        if part is None:
            yield operation
    if run is not None:
        yield run


def _by_value(operation: Operation) -> Operation | None:
    """Write ``members[value eq "x"]`` as the removal of a named element; None for what is no change by value."""
    target, attribute = operation.target, operation.target.path.attribute
    if attribute is None or operation.check or operation.op == "replace" or not named_by_value(attribute):
        return None
    if target.path.sub is not None or target.sub is not None:
        return None
    where = target.where
    if where is None:
        return operation if isinstance(operation.value, list) and operation.value else None
    if operation.op != "remove" or not isinstance(where, Comparison) or where.op is not Op.EQ:
        return None
    if where.path.sub is None or where.path.sub.name != "value" or where.value is None:
        return None
    return Operation("remove", TargetPath(target.path), [{"value": where.value}])


def _after(operation: Operation, attribute: Attribute, before: Any, options: PatchOptions) -> Any:
    """Work out the new value of a top-level attribute; `before` itself if it stays, None if it becomes unassigned."""
    target, op, value = operation.target, operation.op, operation.value
    if attribute.multi_valued:
        if target.where is not None:
            return _selected(operation, attribute, before, options)
        if target.path.sub is not None:
            return _on_all(operation, attribute, target.path.sub, before)
        if op == "add":
            return added(attribute, before, value)
        return replaced(attribute, before, value) if op == "replace" else removed(attribute, before, value)
    if target.path.sub is not None:
        if op == "remove" and before is None:
            return None
        given = {target.path.sub.name: None if op == "remove" else value}
        return _complete(attribute, before, merged(attribute, before or {}, given, op, target.path.top.text), target)
    if op == "remove" or value is None:
        return None
    if not attribute.is_complex:
        return before if before == value else value
    if op == "replace" and options.replace_whole:
        given = {name: part for name, part in value.items() if part is not None}
        after = put(attribute, before, given, target.path.text) if before is not None else given
    else:
        after = merged(attribute, before or {}, value, op, target.path.text)
    return _complete(attribute, before, after, target)


def _complete(attribute: Attribute, before: Any, after: Mapping[str, Any], target: Any) -> Any:
    """Unassign a complex value of which nothing is left (P5), and refuse one without what it must have."""
    if after == (before or {}):
        return before
    if after.keys() <= read_only(attribute):
        return None
    _require(attribute, after, target.path.top.text)
    return after


def _require(attribute: Attribute, value: Any, where: str) -> None:
    for sub in attribute.sub_attributes:
        if sub.required and sub.mutability is not Mutability.READ_ONLY and sub.name not in value:
            raise refuse(ScimType.INVALID_VALUE, f"{where}.{sub.name}: a value is required")


def _on_all(operation: Operation, attribute: Attribute, sub: Attribute, before: Any) -> Any:
    """Change one sub-attribute of every element; where there is none, ``add`` and ``replace`` make one."""
    given = {sub.name: None if operation.op == "remove" else operation.value}
    where = operation.target.path.top.text
    if not before:
        return before if operation.op == "remove" or operation.value in (None, []) else [given]
    after = [merged(attribute, part, given, operation.op, where) for part in before]
    return _settled(attribute, before, after, range(len(before)), given, where)


def _selected(operation: Operation, attribute: Attribute, before: Any, options: PatchOptions) -> Any:
    """Change the elements a filter selects (P5, D5)."""
    target, op, value = operation.target, operation.op, operation.value
    where = target.path.text
    if target.where is None:
        raise ValueError("there is no filter")
    test = compile_element(target.where)
    hits = [place for place, part in enumerate(before or ()) if test(part)]
    if not hits:
        if op == "remove":
            return before
        if op == "add" or options.upsert:
            return _seeded(operation, attribute, before)
        raise refuse(ScimType.NO_TARGET, f"{where}: no value matches the filter of the path")
    sub = target.sub
    if sub is None and (op == "remove" or (op == "replace" and value is None)):
        chosen = set(hits)
        return [part for place, part in enumerate(before) if place not in chosen] or None
    if sub is None and value is None:
        return before
    given = value if sub is None else {sub.name: None if op == "remove" else value}
    if sub is None and op == "replace" and attribute.is_complex:
        # What is put in place stays what the filter asked for, unless it says otherwise itself: a new value for the
        # work address does not make it nobody's.
        given = {**_seeds(target.where), **value}
    after = list(before)
    for place in hits:
        if sub is None and (op == "replace" or not attribute.is_complex):
            after[place] = put(attribute, before[place], given, where) if attribute.is_complex else given
        else:
            after[place] = merged(attribute, before[place], given, op, where)
    return _settled(attribute, before, after, hits, given, where)


def _settled(
    attribute: Attribute, before: Sequence[Any], after: list[Any], changed: Iterable[int], given: Any, where: str
) -> Any:
    """Tidy a list after some of its elements changed: no empty ones, no equal ones, one primary (S10, S11)."""
    moved = {place for place in changed if after[place] is not before[place]}
    primary = attribute.is_complex and given.get("primary") is True
    if not moved and not primary:
        return before
    seen = {frozen(part) for place, part in enumerate(after) if place not in moved}
    kept: list[Any] = []
    chosen: list[int] = []
    told = set(changed) if primary else set()
    for place, part in enumerate(after):
        if place in moved:
            mark = frozen(part)
            if not part or mark in seen:
                continue
            seen.add(mark)
            if attribute.is_complex:
                _require(attribute, part, where)
        if place in told:
            chosen.append(len(kept))
        kept.append(part)
    kept = one_primary(kept, chosen, where)
    return before if kept == before else kept or None


def _seeded(operation: Operation, attribute: Attribute, before: Any) -> Any:
    """Add the element a filter describes, where none matches (D5): its eq terms become sub-attributes."""
    target = operation.target
    where = target.path.text
    seeds = _seeds(target.where) if target.where is not None and attribute.is_complex else {}
    if not seeds:
        reason = "no value matches the filter of the path, and it does not say what a new one would be"
        raise refuse(ScimType.NO_TARGET, f"{where}: {reason}")
    given = operation.value if target.sub is None else {target.sub.name: operation.value}
    part = {name: value for name, value in {**seeds, **(given or {})}.items() if value not in (None, [])}
    _require(attribute, part, where)
    return added(attribute, before, [part])


def _seeds(where: Filter) -> dict[str, Any]:
    """Read an element from a filter of eq terms joined by ``and``; any other filter describes none: {}."""
    seeds: dict[str, Any] = {}
    for term in _conjuncts(where):
        if not isinstance(term, Comparison) or term.op is not Op.EQ or term.value is None:
            return {}
        sub = term.path.sub
        if sub is None or sub.multi_valued or sub.mutability is Mutability.READ_ONLY:
            return {}
        if seeds.setdefault(sub.name, term.value) != term.value:
            return {}
    return seeds


def _conjuncts(where: Filter) -> Iterator[Filter]:
    if isinstance(where, And):
        for term in where.terms:
            yield from _conjuncts(term)
    else:
        yield where


def _set(holder: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        holder.pop(name, None)
    else:
        holder[name] = value


def _check_extensions(touched: Iterable[str], result: Mapping[str, Any], resource_type: ResourceType) -> None:
    for urn in touched:
        if urn not in result:
            if urn in resource_type.required:
                raise refuse(ScimType.MUTABILITY, f"{urn}: the extension is required")
            continue
        for attribute in resource_type.extensions[urn].attributes:
            missing = attribute.name not in result[urn] and attribute.mutability is not Mutability.READ_ONLY
            if attribute.required and missing:
                raise refuse(ScimType.INVALID_VALUE, f"{urn}:{attribute.name}: a value is required")


def _list_schemas(touched: Iterable[str], result: dict[str, Any], resource_type: ResourceType) -> None:
    """Let `schemas` follow the extensions whose attributes were changed (S4)."""
    listed = result.get("schemas")
    if listed is None:
        return
    gone = {urn for urn in touched if urn not in result}
    new = [urn for urn in resource_type.extensions if urn in touched and urn in result and urn not in listed]
    if new or not gone.isdisjoint(listed):
        result["schemas"] = [urn for urn in listed if urn not in gone] + new
