"""Resource types that live with the gateway: their mapping and their fields, made from the schema alone (DESIGN §6).

A record has a field for each single text, a flag for `active`, and a list of ids for each reference. All the rest is
kept by the id map, as what has no native home always is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from backends.contract import Backend, Context
from gateway import identity
from gateway.identity.databases import Database
from gateway.mapping import ID
from gateway.mapping.spec import GATEWAY, AttributeSpec, OverrideSpec, ResourceSpec
from gateway.residence import EntitySettings, FieldSettings, ResidenceSettings, ResidentBackend
from gateway.scim import paths
from gateway.scim.errors import ScimError
from gateway.scim.paths import AttributePath
from gateway.scim.schema import GROUP_URN, USER_URN, Attribute, Mutability, ResourceType, Type, Uniqueness

Wrong = tuple[tuple[str | int, ...], str]
"""Where below the resource's section something is wrong, and why."""

_OF_A_REFERENCE = frozenset({"value", "$ref", "type", "display", "displayName"})
"""Sub-attributes that say where a reference leads, and nothing of its own."""
_KEPT = "the gateway keeps this as it is sent; only where a reference leads can be said here"


@dataclass(frozen=True, slots=True)
class Residence:
    """One resource type that lives with the gateway: its whole mapping, its fields, and what is wrong with it."""

    spec: ResourceSpec
    entity: EntitySettings
    problems: tuple[Wrong, ...]


def residence(tenant: str, spec: ResourceSpec, resource_type: ResourceType, served: Collection[str]) -> Residence:
    """Make the mapping of a type; `served` are the types of the tenant that references may lead to."""
    written, problems = _written(spec, resource_type)
    standard = resource_type.schema.id in (USER_URN, GROUP_URN)
    attributes: dict[str, AttributeSpec] = {}
    fields: dict[str, FieldSettings] = {}
    for path in _tops(resource_type):
        name, attribute = path.text, path.leaf
        override = spec.overrides.get(name, OverrideSpec())
        if attribute.mutability is Mutability.READ_ONLY:
            continue
        if references := written.get(name) or _references(path, served):
            several = len(references) > 1
            attributes[f"{name}.value"] = AttributeSpec(sources=references) if several else references[0]
            fields[name] = FieldSettings(kind="list" if attribute.multi_valued else "text")
        elif path.extension is None and name == "active" and attribute.type is Type.BOOLEAN:
            attributes[name] = AttributeSpec(field=name)
            fields[name] = FieldSettings(kind="flag", default=True)
        elif (field := _field(path, override, standard)) is not None:
            attributes[name] = AttributeSpec(field=name)
            fields[name] = field
    problems += _settings_problems(spec)
    whole = spec.model_copy(
        update={"entity": f"{tenant}/{resource_type.name}", "attributes": attributes, "unmapped": "keep"}
    )
    entity = EntitySettings(tenant=tenant, type=resource_type.name, fields=fields)
    return Residence(whole, entity, tuple(problems))


def backend(entities: Mapping[str, EntitySettings], url: str) -> ResidentBackend:
    """Make the backend of all that lives with the gateway, over a store that is not open; raise ValueError for a URL
    nobody understands."""
    return ResidentBackend(ResidenceSettings(entities=dict(entities)), Context(GATEWAY), identity.database_of(url))


def housed(backends: Mapping[str, Backend[Any]], database: Callable[[], Database]) -> dict[str, Backend[Any]]:
    """Put what lives with the gateway on the database of the store in use, which is asked for only if anything does."""
    return {name: one.within(database()) if isinstance(one, ResidentBackend) else one for name, one in backends.items()}


def _tops(resource_type: ResourceType) -> Iterator[AttributePath]:
    for attribute in resource_type.schema.attributes:
        yield AttributePath(attribute)
    for urn, schema in resource_type.extensions.items():
        for attribute in schema.attributes:
            yield AttributePath(attribute, None, urn)


def _field(path: AttributePath, override: OverrideSpec, standard: bool) -> FieldSettings | None:
    """Choose the field of a single text; None for what is none. Whether it is unique does not matter for that: where a
    value lives must not change with it."""
    attribute = path.leaf
    if attribute.type is not Type.STRING or attribute.multi_valued or attribute.mutability is Mutability.WRITE_ONLY:
        return None
    unique = (override.uniqueness or attribute.uniqueness) is not Uniqueness.NONE
    required = attribute.required if override.required is None else override.required
    exact = attribute.case_exact if override.case_exact is None else override.case_exact
    own = path.extension is None  # what an extension requires is required of those that have the extension
    return FieldSettings(
        unique=unique,
        required=required and own,
        case_exact=exact,
        filled=standard and own and attribute.required and override.required is None,
    )


def _references(path: AttributePath, served: Collection[str]) -> tuple[AttributeSpec, ...]:
    """Read out of the schema where a reference leads, of the types that are served."""
    attribute = path.leaf
    ref = attribute.sub("$ref")
    if not attribute.is_complex or attribute.sub("value") is None or ref is None or _extras(attribute):
        return ()
    targets = tuple(name for name in ref.reference_types if name in served)
    return (AttributeSpec(field=path.text, reference=targets, by=ID),) if targets else ()


def _extras(attribute: Attribute) -> list[str]:
    """Name what a reference says beside where it leads: an id alone has no place for it."""
    return sorted(
        sub.name
        for sub in attribute.sub_attributes
        if sub.name not in _OF_A_REFERENCE and sub.mutability is not Mutability.READ_ONLY
    )


def _written(
    spec: ResourceSpec, resource_type: ResourceType
) -> tuple[dict[str, tuple[AttributeSpec, ...]], list[Wrong]]:
    """Read what the configuration says of references, by the path text of the attribute; anything else is wrong."""
    found: dict[str, tuple[AttributeSpec, ...]] = {}
    problems: list[Wrong] = []
    for text, given in spec.attributes.items():
        where: tuple[str | int, ...] = ("attributes", text)
        try:
            path = paths.parse(resource_type, text).selected
        except ScimError:
            problems.append((where, f"{resource_type.name} has no attribute {text!r}"))
            continue
        if given.parts.keys() == {"value"}:
            where, given = (*where, "value"), given.parts["value"]
        several = bool(given.sources)
        for number, one in enumerate(given.sources or (given,)):
            at = (*where, number) if several else where
            wrong = _misplaced(path, one)
            if wrong is not None:
                problems.append((at, wrong))
            else:
                name = path.top.text
                found[name] = (*found.get(name, ()), one.model_copy(update={"by": ID}))
    return found, problems


def _misplaced(path: AttributePath, given: AttributeSpec) -> str | None:
    """Say what is wrong with the place of a reference; None if nothing is."""
    if not given.reference or path.attribute is None or path.top.leaf.sub("value") is None:
        return _KEPT
    if given.field != path.top.text:
        return f"the gateway names its fields after the attributes: write `field: {path.top.text}`"
    if given.by not in (None, ID):
        return "by: the gateway holds the ids of what is referred to; leave it out"
    if extras := _extras(path.top.leaf):
        return f"a reference has no place for {', '.join(extras)} beside where it leads"
    return None


def _settings_problems(spec: ResourceSpec) -> Iterator[Wrong]:
    if "unmapped" in spec.model_fields_set and spec.unmapped != "keep":
        yield ("unmapped",), "what lives with the gateway is kept whole; leave this out"
    if not isinstance(spec.on_delete, str):
        yield ("on_delete",), "what lives with the gateway needs no mark of the dead: write delete, or refuse"
