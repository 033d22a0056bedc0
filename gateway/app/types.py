"""The resource types of a tenant: standard or of its own, from its settings and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.mapping.spec import ResourceSpec
from gateway.scim import standard
from gateway.scim.schema import Attribute, ResourceType, Schema
from gateway.settings import Configuration, Problem

STANDARD = ("User", "Group")


def known_schemas(configuration: Configuration, tenant: str, problems: list[Problem]) -> Mapping[str, Schema]:
    """Read a tenant's own schemas beside the standard ones, by URN; what is wrong with them goes to `problems`."""
    known = dict(standard.schemas())
    for position, data in enumerate(configuration.settings.tenants[tenant].schemas):
        trail = ("tenants", tenant, "schemas", position)
        try:
            schema = standard.parse_schema(data)
        except ValueError as error:
            problems.append(configuration.problem(trail, str(error)))
            continue
        if schema.id in known:
            problems.append(configuration.problem((*trail, "id"), f"there is a schema {schema.id} already"))
        known[schema.id] = schema
    return known


def resource_type(name: str, spec: ResourceSpec, known: Mapping[str, Schema], *, strict: bool) -> ResourceType:
    """Make the resource type a tenant's settings describe; raise ValueError with the reason.

    Unless `strict`, a country may be any text: directories hold "Germany", and refusing that would refuse the whole
    account (D4, S16).
    """
    made = _made(name, spec, known)
    if strict:
        return made
    extensions = {urn: _with_any_country(schema) for urn, schema in made.extensions.items()}
    return replace(made, schema=_with_any_country(made.schema), extensions=extensions)


def _with_any_country(schema: Schema) -> Schema:
    return replace(schema, attributes=tuple(_any_country(attribute) for attribute in schema.attributes))


def _any_country(attribute: Attribute) -> Attribute:
    subs = tuple(_any_country(sub) for sub in attribute.sub_attributes)
    form = None if attribute.format == "country" else attribute.format
    return replace(attribute, sub_attributes=subs, format=form)


def _made(name: str, spec: ResourceSpec, known: Mapping[str, Schema]) -> ResourceType:
    if name in STANDARD and spec.urn is None and spec.extensions is None:
        served = standard.resource_type(name)
        return served if spec.endpoint is None else replace(served, endpoint=spec.endpoint)
    base = standard.resource_type(name) if name in STANDARD else None
    urn = spec.urn or (base.schema.id if base else None)
    if urn is None:
        raise ValueError(f"{name}: schema is missing; only {' and '.join(STANDARD)} have one of their own")
    extensions: list[dict[str, Any]]
    if spec.extensions is not None:
        extensions = [{"schema": one.urn, "required": one.required} for one in spec.extensions]
    else:
        extensions = [] if base is None else [{"schema": urn} for urn in base.extensions]
    data = {
        "name": name,
        "endpoint": spec.endpoint or (base.endpoint if base else f"/{name}s"),
        "description": base.description if base else "",
        "schema": urn,
        "schemaExtensions": extensions,
    }
    return standard.parse_resource_type(data, known)
