"""Settings and compiled mappings -> what the server serves: tenants, credentials, facts of discovery."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime

from backends.contract import And, Compare, Field
from gateway.app.blueprint import Blueprint, ResourcePlan, TenantPlan
from gateway.engine.guard import Guard
from gateway.engine.protection import compile_rule
from gateway.engine.tenants import Limits, Served, Tenant
from gateway.mapping import Links, ResourceMapping
from gateway.scim import dialects, filters, paths
from gateway.scim.discovery import Facts, Override, narrow_type
from gateway.scim.placeless import placeless
from gateway.scim.schema import Attribute, ResourceType, Type, Uniqueness
from gateway.server.auth import Authenticator, StaticToken, StaticTokens
from gateway.server.limits import JsonLimits, ServerLimits
from gateway.settings.model import ServerLimitSettings, Settings, TenantLimitSettings

Now = Callable[[], datetime]


def limits(section: TenantLimitSettings) -> Limits:
    """Give the engine a tenant's bounds."""
    return Limits(**section.model_dump())


def server_limits(section: ServerLimitSettings) -> ServerLimits:
    """Give the server the bounds of a request."""
    plain = section.model_dump(exclude={"json_", "leave_seconds", "drain_seconds"})
    return ServerLimits(**plain, json=JsonLimits(**section.json_.model_dump()))


def decoy(now: Now) -> Authenticator:
    """Make what is asked where there is no tenant: a token nobody has, compared as all others are (X8)."""
    return StaticTokens([StaticToken(secrets.token_hex(32), "nobody")], now=now)


def cursor_key(settings: Settings, tenant: str) -> bytes:
    """Derive the key that signs a tenant's cursors; the same in every replica, another in every tenant (N8, X10)."""
    secret = settings.store.id_key.get_secret_value().encode("utf-8")
    return hmac.new(secret, f"cursor/{tenant}".encode(), hashlib.sha256).digest()


def checked_type(plan: ResourcePlan, mapping: ResourceMapping) -> ResourceType:
    """Narrow a resource type to what has a place, with the differences the settings name (D4, C2)."""
    return narrow_type(plan.resource_type, mapping.supported, mapping.overrides)


def public_type(checked: ResourceType, mapping: ResourceMapping) -> ResourceType:
    """Make what discovery tells of a type whose requests are checked by `checked`.

    What always has a value is told to be required, for it cannot be taken away; a create may leave it to the system.
    """
    return narrow_type(checked, None, {path: Override(required=True) for path in sorted(mapping.always)})


def served(
    plan: ResourcePlan,
    mapping: ResourceMapping,
    guard: Guard,
    fields: Mapping[str, Field] | None,
    protected: str | None = None,
) -> Served:
    """Put together one resource type of one tenant; `protected` is the rule that says what nobody changes."""
    narrowed = checked_type(plan, mapping)
    return Served(
        resource_type=narrowed,
        mapping=mapping,
        guard=guard,
        capabilities=guard.capabilities(plan.spec.entity),
        checked=_checked(narrowed, mapping, fields or {}),
        protection=None if protected is None else compile_rule(narrowed, protected),
        placeless=placeless(plan.resource_type, narrowed) if plan.spec.unmapped == "refuse" else frozenset(),
    )


def tenant(plan: TenantPlan, blueprint: Blueprint, resources: Mapping[str, Served]) -> Tenant:
    """Put together one tenant."""
    settings = blueprint.configuration.settings
    return Tenant(
        name=plan.name,
        dialect=plan.dialect,
        served=resources,
        limits=limits(settings.tenants[plan.name].limits),
        cursor_key=cursor_key(settings, plan.name),
    )


def facts(plan: TenantPlan, blueprint: Blueprint) -> Facts:
    """Say what is true of one tenant (C2); its URL is known only when a request comes by it."""
    section = blueprint.configuration.settings.tenants[plan.name]
    writes = frozenset[str]().union(
        *(
            blueprint.backends[resource.spec.backend].capabilities(resource.spec.entity).writes
            for resource in plan.resources
        )
    )
    return Facts(
        base_url="",
        max_results=section.limits.max_page_size,
        page_size=section.limits.page_size,
        patch="update" in writes,
        bulk=bool(writes),
        bulk_operations=section.limits.bulk_operations,
        bulk_payload=section.limits.bulk_bytes,
        cursor_timeout=section.limits.cursor_seconds,
        strict=plan.dialect.quirks <= dialects.STRICT,
    )


def _checked(resource_type: ResourceType, mapping: ResourceMapping, fields: Mapping[str, Field]) -> tuple[str, ...]:
    """Name the unique attributes that no unique index of the backend is known to guard (H2, S14)."""
    indexed = {mapping.attribute_of(name) for name, field in fields.items() if field.unique}
    return tuple(
        attribute.name
        for attribute in resource_type.schema.attributes
        if attribute.uniqueness is not Uniqueness.NONE
        and not (attribute.name in indexed and _is_compared_as_held(resource_type, mapping, attribute))
    )


def _is_compared_as_held(resource_type: ResourceType, mapping: ResourceMapping, attribute: Attribute) -> bool:
    """Tell whether equal values of an attribute are equal in the backend too, so that its unique index sees them.

    Where case does not count for the attribute but does for the field, ADA and Ada are two for the index and one here.
    """
    if attribute.case_exact or attribute.type is not Type.STRING:
        return True
    probe = filters.Comparison(paths.resolve(resource_type, attribute.name), filters.Op.EQ, "Probe")
    bound = mapping.translate(probe).bind(Links())
    compares = bound.where.terms if isinstance(bound.where, And) else (bound.where,)
    return bound.residual is None and not any(isinstance(one, Compare) and one.ignore_case for one in compares)
