"""Discovery documents (RFC 7643 §5-§7, RFC 9865 §2.4): facts of one tenant in, documents out (C1-C4, N7).

Whatever is published is what is enforced: `narrow` makes of a schema the one a tenant really has, and the same narrowed
resource type then checks its requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from gateway.scim.errors import ScimError
from gateway.scim.messages import list_response
from gateway.scim.schema import Attribute, Mutability, ResourceType, Returned, Schema, Uniqueness
from gateway.scim.standard import RESOURCE_TYPE_URN, SCHEMA_URN, SERVICE_PROVIDER_CONFIG_URN, schema_to_dict
from gateway.scim.values import shown

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class AuthenticationScheme:
    """One way to authenticate; `type` is one of those of RFC 7643 §5, such as ``oauthbearertoken``."""

    type: str
    name: str
    description: str
    spec_uri: str | None = None
    documentation_uri: str | None = None
    primary: bool = False


BEARER = AuthenticationScheme(
    "oauthbearertoken",
    "Bearer token",
    "A token in the Authorization header, as of RFC 6750.",
    "https://www.rfc-editor.org/info/rfc6750",
    primary=True,
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true of one tenant.

    `base_url` is its SCIM root without a trailing slash. Sizes are resources per page, `bulk_payload` bytes,
    `cursor_timeout` seconds. `strict` says that it keeps to the interoperability profile, which is said aloud (D4).
    """

    base_url: str
    max_results: int
    patch: bool = True
    bulk: bool = True
    bulk_operations: int = 1000
    bulk_payload: int = 1_048_576
    change_password: bool = False
    sort: bool = True
    etag: bool = True
    cursor: bool = True
    index: bool = True
    default_method: Literal["cursor", "index"] = "index"
    page_size: int = 100
    cursor_timeout: int = 3600
    strict: bool = False
    documentation_uri: str | None = None
    schemes: tuple[AuthenticationScheme, ...] = (BEARER,)


@dataclass(frozen=True, slots=True)
class Override:
    """What differs from the schema for one attribute of one tenant; None leaves it as it is."""

    mutability: Mutability | None = None
    required: bool | None = None
    returned: Returned | None = None
    uniqueness: Uniqueness | None = None
    case_exact: bool | None = None


def service_provider_config(facts: Facts) -> dict[str, Any]:
    """Make the ServiceProviderConfig (C2, N7): every required part, no null (C3)."""
    document: dict[str, Any] = {"schemas": [SERVICE_PROVIDER_CONFIG_URN]}
    if facts.documentation_uri is not None:
        document["documentationUri"] = facts.documentation_uri
    document |= {
        "patch": {"supported": facts.patch},
        "bulk": {
            "supported": facts.bulk,
            "maxOperations": facts.bulk_operations if facts.bulk else 0,
            "maxPayloadSize": facts.bulk_payload if facts.bulk else 0,
        },
        "filter": {"supported": True, "maxResults": facts.max_results},
        "changePassword": {"supported": facts.change_password},
        "sort": {"supported": facts.sort},
        "etag": {"supported": facts.etag},
        "pagination": _pagination(facts),
        "authenticationSchemes": [_scheme(scheme) for scheme in facts.schemes],
    }
    if facts.strict:
        document["interopProfileConformant"] = True
    document["meta"] = _meta("ServiceProviderConfig", facts.base_url, "/ServiceProviderConfig")
    return document


def resource_type(served: ResourceType, base_url: str) -> dict[str, Any]:
    """Make the document of one resource type; its `id` is its name (C4)."""
    document: dict[str, Any] = {"schemas": [RESOURCE_TYPE_URN], "id": served.name, "name": served.name}
    if served.description:
        document["description"] = served.description
    document |= {"endpoint": served.endpoint, "schema": served.schema.id}
    if served.extensions:
        document["schemaExtensions"] = [
            {"schema": urn, "required": urn in served.required} for urn in served.extensions
        ]
    document["meta"] = _meta("ResourceType", base_url, f"/ResourceTypes/{served.name}")
    return document


def resource_types(served: Iterable[ResourceType], base_url: str) -> dict[str, Any]:
    """Make the list of `/ResourceTypes`."""
    return _list([resource_type(one, base_url) for one in served])


def schema(one: Schema, base_url: str) -> dict[str, Any]:
    """Make the document of one schema."""
    document = {"schemas": [SCHEMA_URN], **schema_to_dict(one)}
    if not one.description:
        del document["description"]
    document["meta"] = _meta("Schema", base_url, f"/Schemas/{one.id}")
    return document


def schemas(served: Iterable[ResourceType], base_url: str) -> dict[str, Any]:
    """Make the list of `/Schemas`: the schemas of the resource types, each once (C3: a list response)."""
    return _list([schema(one, base_url) for one in served_schemas(served).values()])


def served_schemas(served: Iterable[ResourceType]) -> Mapping[str, Schema]:
    """Collect the schemas of resource types by URN: what `/Schemas/{urn}` may be asked for."""
    return {one.id: one for resource in served for one in resource.schemas()}


def find(known: Mapping[str, D], name: str) -> D:
    """Find what `/ResourceTypes/{name}` or `/Schemas/{urn}` names, in any case; `ScimError` 404 if there is none."""
    for key, one in known.items():
        if key.lower() == name.lower():
            return one
    raise ScimError(404, f"{shown(name)} does not exist")


def check_query(names: Iterable[str]) -> None:
    """Refuse `filter` on a discovery endpoint with 403 (C1); other parameters are ignored there."""
    if any(name.lower() == "filter" for name in names):
        raise ScimError(403, "filter: is not offered for discovery documents")


def narrow(
    one: Schema,
    supported: Iterable[str] | None = None,
    overrides: Mapping[str, Override] | None = None,
    *,
    prefix: str = "",
) -> Schema:
    """Make of a schema the one a tenant really has (D4, C2).

    `supported` holds the path texts of the attributes that have a place, None for all of them: a sub-attribute brings
    its parent along, a parent without any of its sub-attributes named brings all of them. `overrides` says what
    differs, by path text. `prefix` is the URN with a colon where `one` is used as an extension. Raises ValueError for a
    path the schema does not have, so that discovery cannot silently leave out what was meant.
    """
    known = _known(one, prefix)
    overrides = overrides or {}
    wanted = known if supported is None else frozenset(supported)
    for path in sorted((wanted | overrides.keys()) - known):
        raise ValueError(f"{path}: is no attribute of {one.id}")
    kept = (_narrowed(attribute, prefix, wanted, overrides) for attribute in one.attributes)
    return replace(one, attributes=tuple(attribute for attribute in kept if attribute is not None))


def narrow_type(
    served: ResourceType, supported: Iterable[str] | None, overrides: Mapping[str, Override] | None = None
) -> ResourceType:
    """Narrow the schemas of a resource type; an extension of which nothing is left is left out.

    `supported` and `overrides` name paths of the whole type, those of extensions with their URN; the common attributes
    (id, externalId, meta, schemas) may be among them and are always there. Raises ValueError as `narrow` does.
    """
    names = None if supported is None else frozenset(supported) - _common(supported)
    changes = dict(overrides or {})
    extensions: dict[str, Schema] = {}
    base_names, base_changes = names, changes
    for urn, extension in served.extensions.items():
        inside = _inside(f"{urn}:")
        base_names = None if base_names is None else frozenset(path for path in base_names if not inside(path))
        base_changes = {path: change for path, change in base_changes.items() if not inside(path)}
        own = None if names is None else frozenset(filter(inside, names))
        own_changes = {path: change for path, change in changes.items() if inside(path)}
        narrowed = narrow(extension, own, own_changes, prefix=f"{urn}:")
        if narrowed.attributes:
            extensions[urn] = narrowed
        elif urn in served.required:
            raise ValueError(f"{urn}: is required, and no attribute of it has a place")
    base = narrow(served.schema, base_names, base_changes)
    return replace(served, schema=base, extensions=extensions, required=frozenset(served.required & extensions.keys()))


def _pagination(facts: Facts) -> dict[str, Any]:
    pagination: dict[str, Any] = {
        "cursor": facts.cursor,
        "index": facts.index,
        "defaultPaginationMethod": facts.default_method,
        "defaultPageSize": facts.page_size,
        "maxPageSize": facts.max_results,
    }
    if facts.cursor:
        pagination["cursorTimeout"] = facts.cursor_timeout
    return pagination


def _scheme(scheme: AuthenticationScheme) -> dict[str, Any]:
    document: dict[str, Any] = {"type": scheme.type, "name": scheme.name, "description": scheme.description}
    if scheme.spec_uri is not None:
        document["specUri"] = scheme.spec_uri
    if scheme.documentation_uri is not None:
        document["documentationUri"] = scheme.documentation_uri
    if scheme.primary:
        document["primary"] = True
    return document


def _meta(kind: str, base_url: str, path: str) -> dict[str, str]:
    return {"resourceType": kind, "location": f"{base_url}{path}"}


def _list(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return list_response(documents, total=len(documents), start_index=1)


def _known(one: Schema, prefix: str) -> frozenset[str]:
    found = set()
    for attribute in one.attributes:
        path = f"{prefix}{attribute.name}"
        found |= {path, *(f"{path}.{sub.name}" for sub in attribute.sub_attributes)}
    return frozenset(found)


def _narrowed(
    attribute: Attribute, prefix: str, wanted: frozenset[str], overrides: Mapping[str, Override]
) -> Attribute | None:
    path = f"{prefix}{attribute.name}"
    named = {sub.name for sub in attribute.sub_attributes if f"{path}.{sub.name}" in wanted}
    if path not in wanted and not named:
        return None
    subs = tuple(
        _changed(sub, overrides.get(f"{path}.{sub.name}"))
        for sub in attribute.sub_attributes
        if not named or sub.name in named
    )
    return _changed(replace(attribute, sub_attributes=subs), overrides.get(path))


def _changed(attribute: Attribute, override: Override | None) -> Attribute:
    if override is None:
        return attribute
    pick = {
        "mutability": override.mutability,
        "required": override.required,
        "returned": override.returned,
        "uniqueness": override.uniqueness,
        "case_exact": override.case_exact,
    }
    return replace(attribute, **{name: value for name, value in pick.items() if value is not None})  # type: ignore[arg-type]


def _common(paths: Iterable[str]) -> frozenset[str]:
    tops = ("schemas", "id", "externalId", "meta")
    return frozenset(path for path in paths if path.partition(".")[0] in tops)


def _inside(prefix: str) -> Callable[[str], bool]:
    return lambda path: path.startswith(prefix)
