"""POST and PUT bodies -> resources in canonical form (RFC 7644 §3.3, §3.5.1), compiled once per resource type.

Canonical: names as the schema spells them, attributes of an extension under its URN, readOnly and unassigned attributes
absent, `schemas` exactly the base and the extensions that are there. `password` is an ordinary value here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.scim.schema import COMMON, Attribute, Mutability, ResourceType, Schema, Type
from gateway.scim.values import Entry, entries, find, refuse_unknown, shown

ALWAYS_KEPT = ("active", "password")
"""What PUT keeps when a client leaves it out: clearing it unasked would open or lock an account (D6)."""


@dataclass(frozen=True, slots=True)
class ValidateOptions:
    """How a tenant's bodies are read.

    `unknown`: refuse attributes the schema does not have (D4), or ignore them, telling `on_dropped` the path of each as
    the client spelled it. `tolerated`: URNs that may stand in `schemas` and are dropped (S3). `keep`: path texts of
    top-level attributes, attributes of extensions or whole extensions that PUT keeps when they are left out, beside
    `ALWAYS_KEPT`.
    """

    unknown: Literal["refuse", "ignore"] = "refuse"
    on_dropped: Callable[[str], None] | None = None
    tolerated: tuple[str, ...] = ()
    keep: frozenset[str] = frozenset()


STRICT = ValidateOptions()


def create(resource_type: ResourceType, body: Any, options: ValidateOptions = STRICT) -> dict[str, Any]:
    """Check and normalise the body of a POST.

    Raises `ScimError` 400: invalidSyntax for a wrong structure, `schemas` or an unknown attribute, invalidValue for a
    value or a missing required attribute; the detail names the path.
    """
    plan = _plan(resource_type)
    result, _ = plan.read(body, options)
    plan.require(result)
    plan.list_schemas(result)
    return result


def replace(
    resource_type: ResourceType, body: Any, current: Mapping[str, Any], options: ValidateOptions = STRICT
) -> dict[str, Any]:
    """Check and normalise the body of a PUT, and work out the whole new resource.

    `current` is the resource in canonical form. readOnly attributes are taken from it whatever the body says (H3). An
    attribute left out is cleared, unless it is to be kept (D6) or immutable; null and [] clear always. The elements of
    a multi-valued attribute are added and removed as wholes, so immutable sub-attributes bind singular ones only (S15).
    Raises as `create` does, and 400 mutability where an immutable attribute is given another value or cleared.
    """
    plan = _plan(resource_type)
    result, cleared = plan.read(body, options)
    _keep(result, current, cleared, options.keep, resource_type)
    _carry(plan.attributes, result, current, cleared, "")
    for urn, (attributes, _, _, _) in plan.extensions.items():
        before = current.get(urn)
        if before:
            part = result.get(urn, {})
            _carry(attributes, part, before, cleared, f"{urn}:")
            if part:
                result[urn] = part
    plan.require(result)
    plan.list_schemas(result)
    return result


Part = tuple[tuple[Attribute, ...], dict[str, Entry], dict[str, str], tuple[str, ...]]
"""The attributes of one schema: themselves, their checks, their names folded, and the names of the required ones."""


class _Plan:
    """What is compiled of one resource type."""

    __slots__ = ("attributes", "core", "extensions", "folded", "required", "resource_type", "urns")

    def __init__(self, resource_type: ResourceType) -> None:
        self.resource_type = resource_type
        common = tuple(attribute for attribute in COMMON if attribute.name != "schemas")
        self.attributes, self.core, self.folded, self.required = _part((*common, *resource_type.schema.attributes), "")
        self.extensions: dict[str, Part] = {
            urn: _part(extension.attributes, f"{urn}:") for urn, extension in resource_type.extensions.items()
        }
        self.urns = {urn.lower(): urn for urn in self.extensions}

    def read(self, body: Any, options: ValidateOptions) -> tuple[dict[str, Any], set[str]]:
        """Normalise a body; also give the paths it clears by an explicit null, [] or {}."""
        if not isinstance(body, dict):
            raise refuse(ScimType.INVALID_SYNTAX, "the body must be a JSON object")
        unknown = refuse_unknown if options.unknown == "refuse" else (options.on_dropped or _forget)
        result: dict[str, Any] = {"schemas": []}
        cleared: set[str] = set()
        found: Any = None
        core, folded = self.core, self.folded
        for key, value in body.items():
            entry = core.get(key)
            if entry is None:
                lowered = key.lower()
                if lowered == "schemas":
                    if found is not None:
                        raise refuse(ScimType.INVALID_SYNTAX, "schemas: is given twice (names ignore case)")
                    found = value
                    continue
                urn = self.urns.get(lowered)
                if urn is not None:
                    self._extension(urn, key, value, body, result, cleared, unknown)
                    continue
                entry = find(core, folded, key, body)
                if entry is None:
                    unknown(key)
                    continue
            name, plain, compiled = entry
            if compiled is None:
                continue
            if plain and type(value) is str and value.isprintable():
                result[name] = value
            elif (checked := compiled(value, unknown)) is not None:
                result[name] = checked
            else:
                cleared.add(name)
        self._check_schemas(found, options.tolerated)
        return result, cleared

    def _extension(
        self,
        urn: str,
        key: str,
        value: Any,
        body: Mapping[str, Any],
        result: dict[str, Any],
        cleared: set[str],
        unknown: Callable[[str], None],
    ) -> None:
        if key != urn and sum(other.lower() == urn.lower() for other in body) > 1:
            raise refuse(ScimType.INVALID_SYNTAX, f"{urn}: is given twice (names ignore case)")
        if value is None or value == {}:
            cleared.add(urn)
            return
        if not isinstance(value, dict):
            raise refuse(ScimType.INVALID_SYNTAX, f"{urn}: the attributes of an extension must lie in an object")
        _, known, folded, _ = self.extensions[urn]
        container: dict[str, Any] = {}
        for inner, part in value.items():
            entry = known.get(inner) or find(known, folded, inner, value)
            if entry is None:
                unknown(f"{urn}:{inner}")
                continue
            name, plain, compiled = entry
            if compiled is None:
                continue
            if plain and type(part) is str and part.isprintable():
                container[name] = part
            elif (checked := compiled(part, unknown)) is not None:
                container[name] = checked
            else:
                cleared.add(f"{urn}:{name}")
        if container:
            result[urn] = container

    def _check_schemas(self, found: Any, tolerated: tuple[str, ...]) -> None:
        """S3: there, not empty, no duplicates, the base among them, and nothing the type does not have."""
        base = self.resource_type.schema.id
        if not isinstance(found, list) or not found:
            raise refuse(ScimType.INVALID_SYNTAX, f"schemas: must be a list that holds {base}")
        allowed = self.resource_type.urns
        seen: set[str] = set()
        for urn in found:
            if not isinstance(urn, str):
                raise refuse(ScimType.INVALID_SYNTAX, "schemas: must hold URNs only")
            lowered = urn.lower()
            if lowered in seen:
                raise refuse(ScimType.INVALID_SYNTAX, f"schemas: {shown(urn)} is listed twice")
            seen.add(lowered)
            if lowered not in allowed and all(lowered != other.lower() for other in tolerated):
                reason = f"{shown(urn)} is no schema of {self.resource_type.name}"
                raise refuse(ScimType.INVALID_SYNTAX, f"schemas: {reason}")
        if base.lower() not in seen:
            raise refuse(ScimType.INVALID_SYNTAX, f"schemas: {base} is missing")

    def require(self, result: Mapping[str, Any]) -> None:
        """Refuse a resource without its required attributes and extensions."""
        for name in self.required:
            _require(result, name, "")
        for urn in self.resource_type.required:
            if urn not in result:
                raise refuse(ScimType.INVALID_VALUE, f"{urn}: the extension is required")
        for urn, (_, _, _, required) in self.extensions.items():
            if urn in result:
                for name in required:
                    _require(result[urn], name, f"{urn}:")

    def list_schemas(self, result: dict[str, Any]) -> None:
        """Make `schemas` hold exactly the base and the extensions that are there (S4)."""
        result["schemas"] = [self.resource_type.schema.id, *(urn for urn in self.extensions if urn in result)]


def _plan(resource_type: ResourceType) -> _Plan:
    plan = resource_type.compiled.get("validate")
    if plan is None:
        plan = resource_type.compiled["validate"] = _Plan(resource_type)
    compiled: _Plan = plan
    return compiled


def _part(attributes: tuple[Attribute, ...], prefix: str) -> Part:
    known = entries(attributes, prefix)
    required = tuple(a.name for a in attributes if a.required and a.mutability is not Mutability.READ_ONLY)
    return attributes, known, {name.lower(): name for name in known}, required


def _forget(_: str) -> None:
    """Drop an unknown attribute without telling anybody."""


def _require(holder: Mapping[str, Any], name: str, prefix: str) -> None:
    value = holder.get(name)
    if value is None:
        raise refuse(ScimType.INVALID_VALUE, f"{prefix}{name}: a value is required")
    if isinstance(value, str) and not value.strip():
        raise refuse(ScimType.INVALID_VALUE, f"{prefix}{name}: must not be empty")


def _keep(
    result: dict[str, Any],
    current: Mapping[str, Any],
    cleared: set[str],
    keep: Iterable[str],
    resource_type: ResourceType,
) -> None:
    """Take over from `current` what is to be kept and was neither given nor cleared (D6)."""
    for path in (*ALWAYS_KEPT, *keep):
        attribute = resource_type.attribute(path)
        if attribute is not None:
            name = attribute.name
            if name not in result and name not in cleared and name in current:
                result[name] = current[name]
            continue
        for urn, extension in resource_type.extensions.items():
            if path.lower() == urn.lower():
                _keep_part(result, current, cleared, urn, extension, None)
            elif path.lower().startswith(f"{urn.lower()}:"):
                _keep_part(result, current, cleared, urn, extension, path[len(urn) + 1 :])


def _keep_part(
    result: dict[str, Any],
    current: Mapping[str, Any],
    cleared: set[str],
    urn: str,
    extension: Schema,
    only: str | None,
) -> None:
    before = current.get(urn)
    if not before or urn in cleared:
        return
    part = result.get(urn, {})
    for attribute in extension.attributes:
        name = attribute.name
        if only is not None and name.lower() != only.lower():
            continue
        if name in before and name not in part and f"{urn}:{name}" not in cleared:
            part[name] = before[name]
    if part:
        result[urn] = part


def _carry(
    attributes: Iterable[Attribute],
    result: dict[str, Any],
    current: Mapping[str, Any],
    cleared: set[str],
    prefix: str,
) -> None:
    """Carry readOnly values over, and hold immutable ones against what they were (H3)."""
    for attribute in attributes:
        name = attribute.name
        before = current.get(name)
        if before is None:
            continue
        if attribute.mutability is Mutability.READ_ONLY:
            result[name] = before
        elif attribute.mutability is Mutability.IMMUTABLE:
            if f"{prefix}{name}" in cleared or not _same(result.get(name, before), before):
                raise _immutable(f"{prefix}{name}")
            result[name] = before
        elif attribute.type is Type.COMPLEX and name in result:
            _carry_complex(attribute, result, before, f"{prefix}{name}.")


def _carry_complex(attribute: Attribute, result: dict[str, Any], before: Any, prefix: str) -> None:
    hidden = {sub.name for sub in attribute.sub_attributes if sub.mutability is Mutability.READ_ONLY}
    now = result[attribute.name]
    if not attribute.multi_valued:
        for sub in attribute.sub_attributes:
            if sub.mutability is Mutability.IMMUTABLE and sub.name in before:
                if not _same(now.get(sub.name, before[sub.name]), before[sub.name]):
                    raise _immutable(f"{prefix}{sub.name}")
                now[sub.name] = before[sub.name]
    if not hidden:
        return
    # What the provider derives of a value stays true only as long as the value itself stays the same.
    olds = before if attribute.multi_valued else [before]
    known = {_frozen(old, hidden): old for old in olds}
    news = now if attribute.multi_valued else [now]
    restored = [known.get(_frozen(new, hidden), new) for new in news]
    result[attribute.name] = restored if attribute.multi_valued else restored[0]


def _frozen(value: Mapping[str, Any], without: set[str]) -> frozenset[tuple[str, str]]:
    return frozenset((name, repr(part)) for name, part in value.items() if name not in without)


def _same(one: Any, other: Any) -> bool:
    """Compare two values of an attribute; the order of several does not matter."""
    if isinstance(one, list) and isinstance(other, list) and one != other:
        return sorted(map(_ordered, one)) == sorted(map(_ordered, other))
    return bool(one == other)


def _ordered(value: Any) -> str:
    return repr(sorted(value.items())) if isinstance(value, dict) else repr(value)


def _immutable(path: str) -> ScimError:
    return refuse(ScimType.MUTABILITY, f"{path}: is immutable and already has another value")
