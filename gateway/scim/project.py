"""Projection: which attributes an answer carries (RFC 7644 §3.9; S13, Q7, H6)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.scim.errors import ScimType, refuse
from gateway.scim.names import lookup
from gateway.scim.paths import AttributePath
from gateway.scim.schema import COMMON, Attribute, ResourceType, Returned

Scope = dict[str, frozenset[str] | None]
"""What is carried of one schema: name -> the sub-attributes, None for all of them. What is not named is not carried."""
Parts = tuple[tuple[str, frozenset[str]], ...]

_REMEMBERED = 64
"""How many projections are kept compiled per resource type: clients ask for the same few."""


@dataclass(frozen=True, slots=True)
class Projection:
    """One choice of attributes, compiled; equal and hashable by what it chooses.

    `attributes` and `excluded` hold path texts, None where the parameter is not given.
    """

    type_name: str
    attributes: frozenset[str] | None
    excluded: frozenset[str] | None
    resource_type: ResourceType = field(repr=False, compare=False)
    core: Scope = field(repr=False, compare=False)
    extensions: Mapping[str, Scope] = field(repr=False, compare=False)
    on_request: frozenset[str] = field(repr=False, compare=False)
    drops: tuple[str, ...] = field(init=False, repr=False, compare=False)
    parts: Parts = field(init=False, repr=False, compare=False)
    altered: tuple[tuple[str, tuple[str, ...], Parts], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known = (*COMMON, *self.resource_type.schema.attributes)
        drops = [attribute.name for attribute in known if attribute.name not in self.core]
        altered = []
        for urn, extension in self.resource_type.extensions.items():
            scope = self.extensions[urn]
            inner = tuple(attribute.name for attribute in extension.attributes if attribute.name not in scope)
            if not scope:
                drops.append(urn)
            elif inner or _parts(scope):
                altered.append((urn, inner, _parts(scope)))
        object.__setattr__(self, "drops", tuple(drops))
        object.__setattr__(self, "parts", _parts(self.core))
        object.__setattr__(self, "altered", tuple(altered))

    @property
    def is_default(self) -> bool:
        """Whether neither parameter was given."""
        return self.attributes is None and self.excluded is None

    def wants(self, path: AttributePath) -> bool:
        """Tell whether an answer carries anything of what `path` names, so that the rest need not be loaded (Q7)."""
        scope = self.core if path.extension is None else self.extensions.get(path.extension, {})
        if path.attribute is None:
            return bool(scope)
        if path.attribute.name not in scope:
            return False
        subs = scope[path.attribute.name]
        return path.sub is None or subs is None or path.sub.name in subs

    def apply(self, resource: Mapping[str, Any], written: Collection[str] = ()) -> dict[str, Any]:
        """Give what an answer carries of a resource in canonical form; the resource is not altered.

        It may be given back itself, so the result is not to be altered either. `written` holds the path texts a client
        set in the request that is being answered: attributes returned on request are then carried (S13).
        """
        if written and self.attributes is None and not self.on_request.isdisjoint(written):
            chosen = self.on_request.intersection(written)
            return _compile(self.resource_type, None, self.excluded, chosen).apply(resource)
        if self.attributes is not None:
            return self._pick(resource)
        result = _without(resource, self.drops, self.parts)
        for urn, drops, parts in self.altered:
            before = result.get(urn)
            if before is None:
                continue
            after = _without(before, drops, parts)
            if after is not before:
                result = dict(result)
                if after:
                    result[urn] = after
                else:
                    del result[urn]
        return result

    def _pick(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        result = _chosen(resource, self.core)
        for urn, scope in self.extensions.items():
            if scope and (found := resource.get(urn)) and (part := _chosen(found, scope)):
                result[urn] = part
        return result


def parse(
    resource_type: ResourceType, attributes: str | Sequence[str] | None, excluded: str | Sequence[str] | None
) -> Projection:
    """Read the two parameters: text with commas as in a query, or a list as in a body; blank counts as not given.

    Names are taken in any case and with or without their URN; an extension's URN stands for all of it. Names the type
    does not have choose nothing and are no error, like unknown parameters (H6): a client may ask two servers for the
    same attributes. Raises `ScimError` 400 invalidValue for both parameters at once or for something else than text.
    """
    wanted, unwanted = _names(attributes, "attributes"), _names(excluded, "excludedAttributes")
    if wanted is not None and unwanted is not None:
        raise refuse(ScimType.INVALID_VALUE, "attributes and excludedAttributes cannot be used together")
    memory: dict[Any, Projection] = resource_type.compiled.setdefault("project", {})
    key = (_paths(resource_type, wanted), _paths(resource_type, unwanted))
    projection = memory.get(key)
    if projection is None:
        projection = _compile(resource_type, *key)
        if len(memory) < _REMEMBERED:
            memory[key] = projection
    return projection


def _names(given: str | Sequence[str] | None, where: str) -> frozenset[str] | None:
    if given is None:
        return None
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise refuse(ScimType.INVALID_VALUE, f"{where}: must be a list of attribute names")
    names = frozenset(name for text in texts for part in text.split(",") if (name := part.strip()))
    return names or None


def _paths(resource_type: ResourceType, names: Iterable[str] | None) -> frozenset[str] | None:
    if names is None:
        return None
    return frozenset(path.text for name in names if (path := lookup(resource_type, name)) is not None)


def _compile(
    resource_type: ResourceType,
    attributes: frozenset[str] | None,
    excluded: frozenset[str] | None,
    written: frozenset[str] = frozenset(),
) -> Projection:
    core = _scope((*COMMON, *resource_type.schema.attributes), "", attributes, excluded, written)
    extensions: dict[str, Scope] = {}
    on_request = _requestable((*COMMON, *resource_type.schema.attributes), "")
    for urn, extension in resource_type.extensions.items():
        on_request |= _requestable(extension.attributes, f"{urn}:")
        if excluded is not None and urn in excluded:
            kept = tuple(attribute for attribute in extension.attributes if attribute.returned is Returned.ALWAYS)
            extensions[urn] = _scope(kept, f"{urn}:", None, None, written)
        elif attributes is not None and urn in attributes:
            extensions[urn] = _scope(extension.attributes, f"{urn}:", None, None, attributes)
        else:
            extensions[urn] = _scope(extension.attributes, f"{urn}:", attributes, excluded, written)
    return Projection(resource_type.name, attributes, excluded, resource_type, core, extensions, frozenset(on_request))


def _scope(
    known: Iterable[Attribute],
    prefix: str,
    attributes: frozenset[str] | None,
    excluded: frozenset[str] | None,
    extra: frozenset[str],
) -> Scope:
    """Choose of one schema; `extra` names what is carried although it is returned on request only."""
    scope: Scope = {}
    asked = attributes if attributes is not None else extra
    for attribute in known:
        path = f"{prefix}{attribute.name}"
        if attribute.returned is Returned.NEVER:
            continue
        always = attribute.returned is Returned.ALWAYS
        subs = {sub.name for sub in attribute.sub_attributes if f"{path}.{sub.name}" in asked}
        named = path in asked or bool(subs)
        if attributes is not None:
            whole = always or path in asked
        else:
            whole = always or attribute.returned is Returned.DEFAULT or path in asked
        if not (whole or named):
            continue
        if excluded is not None and path in excluded and not always:
            continue
        chosen = _subs(attribute, path, subs, excluded or frozenset(), whole=whole)
        if chosen is None or chosen:
            scope[attribute.name] = chosen
    return scope


def _subs(
    attribute: Attribute, path: str, asked: set[str], excluded: frozenset[str], *, whole: bool
) -> frozenset[str] | None:
    chosen = set()
    for sub in attribute.sub_attributes:
        if sub.returned is Returned.NEVER:
            continue
        wanted = sub.name in asked or (whole and sub.returned is Returned.DEFAULT)
        if sub.returned is Returned.ALWAYS or (wanted and f"{path}.{sub.name}" not in excluded):
            chosen.add(sub.name)
    return None if len(chosen) == len(attribute.sub_attributes) else frozenset(chosen)


def _requestable(known: Iterable[Attribute], prefix: str) -> set[str]:
    found = set()
    for attribute in known:
        if attribute.returned is Returned.REQUEST:
            found.add(f"{prefix}{attribute.name}")
        for sub in attribute.sub_attributes:
            if sub.returned is Returned.REQUEST:
                found.add(f"{prefix}{attribute.name}.{sub.name}")
    return found


def _parts(scope: Scope) -> Parts:
    return tuple((name, subs) for name, subs in scope.items() if subs is not None)


def _without(holder: Mapping[str, Any], drops: tuple[str, ...], parts: Parts) -> dict[str, Any]:
    """Leave out names and sub-attributes; copied only if there is something to leave out."""
    result: dict[str, Any] = holder if isinstance(holder, dict) else dict(holder)
    for name in drops:
        if name in result:
            if result is holder:
                result = dict(result)
            del result[name]
    for name, subs in parts:
        value = result.get(name)
        if value is not None:
            if result is holder:
                result = dict(result)
            if (cut := _cut(value, subs)) is None:
                del result[name]
            else:
                result[name] = cut
    return result


def _chosen(holder: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, subs in scope.items():
        value = holder.get(name)
        if value is not None and (cut := value if subs is None else _cut(value, subs)) is not None:
            result[name] = cut
    return result


def _cut(value: Any, subs: frozenset[str]) -> Any:
    """Keep the chosen sub-attributes of a complex value or of each of several; None if nothing is left."""
    if isinstance(value, list):
        cut = [part for item in value if (part := {name: item[name] for name in item if name in subs})]
        return cut or None
    return {name: value[name] for name in value if name in subs} or None
