"""Rules of protected accounts and groups, held against what the tenant serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from gateway.engine.protection import compile_rule
from gateway.mapping import ResourceMapping
from gateway.scim.discovery import narrow_type
from gateway.settings import Configuration, Problem
from gateway.settings.problems import Trail, nearest

if TYPE_CHECKING:
    from gateway.app.blueprint import TenantPlan


def problems(
    configuration: Configuration, tenant: TenantPlan, mappings: Mapping[str, ResourceMapping]
) -> Iterator[Problem]:
    """Find rules that protect nothing: of a type that is not served, or about an attribute that has no place."""
    plans = {plan.name: plan for plan in tenant.resources}
    for kind, rule in configuration.settings.tenants[tenant.name].protected.items():
        trail: Trail = ("tenants", tenant.name, "protected", kind)
        if kind not in plans:
            yield configuration.problem(trail, f"there is no {kind}{nearest(kind, plans)}")
        elif kind in mappings:
            mapping = mappings[kind]
            try:
                compile_rule(narrow_type(plans[kind].resource_type, mapping.supported, mapping.overrides), rule)
            except ValueError as error:
                yield configuration.problem(trail, str(error))
