"""The schemas of RFC 7643 with its errata (S9), and the reading of schemas and resource types from configuration."""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from importlib import resources
from typing import Any, TypeVar

from gateway.scim.schema import (
    COMMON,
    ENTERPRISE_URN,
    GROUP_URN,
    USER_URN,
    Attribute,
    Mutability,
    ResourceType,
    Returned,
    Schema,
    Type,
    Uniqueness,
)

SERVICE_PROVIDER_CONFIG_URN = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
RESOURCE_TYPE_URN = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
SCHEMA_URN = "urn:ietf:params:scim:schemas:core:2.0:Schema"

_FILES = ("User", "Group", "EnterpriseUser", "ServiceProviderConfig", "ResourceType", "Schema")
_NAME = re.compile(r"[A-Za-z$][A-Za-z0-9$_-]{0,127}")
_URN = re.compile(r"urn:[A-Za-z0-9][A-Za-z0-9-]{1,31}:[^\s\"'\[\]()]+", re.IGNORECASE)
_ENDPOINT = re.compile(r"/[A-Za-z0-9][A-Za-z0-9._~-]*")
_CASED = (Type.STRING, Type.REFERENCE, Type.BINARY)
_FORMATS = {"country": Type.STRING, "base64url": Type.BINARY}
_SCHEMA_KEYS = frozenset({"schemas", "id", "name", "description", "attributes", "meta"})
_TYPE_KEYS = frozenset({"schemas", "id", "name", "description", "endpoint", "schema", "schemaExtensions", "meta"})
_ATTRIBUTE_KEYS = frozenset(
    {
        *("name", "type", "multiValued", "description", "required", "caseExact", "mutability", "returned"),
        *("uniqueness", "canonicalValues", "referenceTypes", "subAttributes", "restricted", "format"),
    }
)

E = TypeVar("E", bound=StrEnum)


@functools.cache
def schemas() -> Mapping[str, Schema]:
    """Read the standard schemas, by URN: User, Group, EnterpriseUser and the three of discovery. Read once."""
    folder = resources.files("gateway.scim") / "schemas"
    read = (parse_schema(json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))) for name in _FILES)
    return {schema.id: schema for schema in read}


@functools.cache
def resource_type(name: str) -> ResourceType:
    """Give the standard type `User` (with the Enterprise extension) or `Group`; ValueError for another name."""
    known = schemas()
    match name:
        case "User":
            extensions = {ENTERPRISE_URN: known[ENTERPRISE_URN]}
            return ResourceType("User", "/Users", known[USER_URN], "An account of a person.", extensions)
        case "Group":
            return ResourceType("Group", "/Groups", known[GROUP_URN], "A group of people and of other groups.")
    raise ValueError(f"{name}: the standard resource types are User and Group")


def parse_schema(data: Mapping[str, Any]) -> Schema:
    """Read a schema in the form of RFC 7643 §7.

    Two keys of an attribute go beyond the RFC: ``restricted`` (only the canonicalValues are taken, S12) and ``format``
    (see `Attribute`). Raises ValueError that names the attribute and the reason; an unknown key is an error.
    """
    _check_keys(data, _SCHEMA_KEYS, "schema")
    urn = data.get("id")
    if not isinstance(urn, str) or not _URN.fullmatch(urn):
        raise ValueError(f"schema: id must be a URN such as urn:example:params:scim:schemas:Badge, not {urn!r}")
    levels = 2 if urn == SCHEMA_URN else 1  # the schema of schemas alone may nest once more (S9)
    return Schema(
        urn,
        _text(data.get("name", urn.rpartition(":")[2]), f"{urn}: name"),
        _text(data.get("description", ""), f"{urn}: description"),
        _attributes(data.get("attributes"), f"{urn}:", levels),
    )


def _attributes(found: Any, prefix: str, levels: int) -> tuple[Attribute, ...]:
    if not isinstance(found, list | tuple) or not found:
        raise ValueError(f"{prefix[:-1]}: a list of attributes is missing")
    attributes = tuple(_attribute(item, prefix, levels) for item in found)
    names: set[str] = set()
    for attribute in attributes:
        if attribute.name.lower() in names:
            raise ValueError(f"{prefix}{attribute.name}: is declared twice (names ignore case)")
        names.add(attribute.name.lower())
    return attributes


def _attribute(data: Any, prefix: str, levels: int) -> Attribute:
    name = data.get("name") if isinstance(data, Mapping) else None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        reason = f"{name!r} is no attribute name (a letter, then letters, digits, '$', '-' or '_')"
        raise ValueError(f"{prefix[:-1]}: {reason}")
    where = f"{prefix}{name}"
    _check_keys(data, _ATTRIBUTE_KEYS, where)
    kind = _choice(Type, data.get("type", "string"), f"{where}: type")
    if kind is Type.COMPLEX and levels == 0:
        raise ValueError(f"{where}: a sub-attribute cannot be complex (RFC 7643 §2.3.8)")
    if kind is Type.COMPLEX and "uniqueness" in data and data["uniqueness"] != "none":
        raise ValueError(f"{where}: a complex attribute has no uniqueness; declare it on a sub-attribute")
    if kind is not Type.COMPLEX and data.get("subAttributes"):
        raise ValueError(f"{where}: only a complex attribute has subAttributes, this one is of type {kind}")
    form = data.get("format")
    if form is not None and _FORMATS.get(form) is not kind:
        raise ValueError(f"{where}: format {form!r} does not exist for type {kind}")
    canonical = _texts(data.get("canonicalValues"), f"{where}: canonicalValues")
    restricted = _flag(data, "restricted", where)
    if restricted and (not canonical or kind is not Type.STRING):
        raise ValueError(f"{where}: restricted needs type string and canonicalValues")
    exact = _flag(data, "caseExact", where) if "caseExact" in data else kind in (Type.REFERENCE, Type.BINARY)
    return Attribute(
        name=name,
        type=kind,
        multi_valued=_flag(data, "multiValued", where),
        required=_flag(data, "required", where),
        case_exact=exact,
        mutability=_choice(Mutability, data.get("mutability", "readWrite"), f"{where}: mutability"),
        returned=_choice(Returned, data.get("returned", "default"), f"{where}: returned"),
        uniqueness=_choice(Uniqueness, data.get("uniqueness", "none"), f"{where}: uniqueness"),
        description=_text(data.get("description", ""), f"{where}: description"),
        canonical_values=canonical,
        reference_types=_texts(data.get("referenceTypes"), f"{where}: referenceTypes"),
        sub_attributes=_attributes(data.get("subAttributes"), f"{where}.", levels - 1) if kind is Type.COMPLEX else (),
        restricted=restricted,
        format=form,
    )


def parse_resource_type(data: Mapping[str, Any], known: Mapping[str, Schema]) -> ResourceType:
    """Read a resource type in the form of RFC 7643 §6: name, endpoint, schema, schemaExtensions [{schema, required}].

    `known` holds the schemas it may name, by URN. Raises ValueError that names the resource type and the reason.
    """
    name = data.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"resource type: {name!r} is no name (a letter, then letters, digits, '$', '-' or '_')")
    _check_keys(data, _TYPE_KEYS, name)
    if data.get("id", name) != name:
        raise ValueError(f"{name}: id must be the same as the name")
    endpoint = data.get("endpoint")
    if not isinstance(endpoint, str) or not _ENDPOINT.fullmatch(endpoint):
        raise ValueError(f"{name}: endpoint must be one path segment such as /Badges, not {endpoint!r}")
    base = _known(known, data.get("schema"), name)
    taken = {attribute.name.lower() for attribute in COMMON}
    for attribute in base.attributes:
        if attribute.name.lower() in taken:
            raise ValueError(
                f"{name}: {attribute.name} is a common attribute; the schema {base.id} must not declare it"
            )
    extensions: dict[str, Schema] = {}
    required: set[str] = set()
    entries = data.get("schemaExtensions") or ()
    if not isinstance(entries, list | tuple):
        raise ValueError(f"{name}: schemaExtensions must be a list")
    for entry in entries:
        if not isinstance(entry, Mapping):
            raise ValueError(f"{name}: each of schemaExtensions needs the keys schema and required")
        _check_keys(entry, frozenset({"schema", "required"}), f"{name}: schemaExtensions")
        extension = _known(known, entry.get("schema"), name)
        if extension is base or extension.id in extensions:
            raise ValueError(f"{name}: {extension.id} is named twice")
        extensions[extension.id] = extension
        if _flag(entry, "required", f"{name}: {extension.id}"):
            required.add(extension.id)
    description = _text(data.get("description", ""), f"{name}: description")
    return ResourceType(name, endpoint, base, description, extensions, frozenset(required))


def schema_to_dict(schema: Schema) -> dict[str, Any]:
    """Write a schema in the form of RFC 7643 §7, without `schemas` and `meta`; no key has the value null (C3)."""
    return {
        "id": schema.id,
        "name": schema.name,
        "description": schema.description,
        "attributes": [attribute_to_dict(attribute) for attribute in schema.attributes],
    }


def attribute_to_dict(attribute: Attribute) -> dict[str, Any]:
    """Write an attribute with its characteristics: caseExact where text has case, uniqueness unless complex (S9)."""
    data: dict[str, Any] = {
        "name": attribute.name,
        "type": attribute.type.value,
        "multiValued": attribute.multi_valued,
        "description": attribute.description,
        "required": attribute.required,
    }
    if attribute.type in _CASED:
        data["caseExact"] = attribute.case_exact
    data["mutability"] = attribute.mutability.value
    data["returned"] = attribute.returned.value
    if attribute.type is not Type.COMPLEX:
        data["uniqueness"] = attribute.uniqueness.value
    if attribute.canonical_values:
        data["canonicalValues"] = list(attribute.canonical_values)
    if attribute.reference_types:
        data["referenceTypes"] = list(attribute.reference_types)
    if attribute.sub_attributes:
        data["subAttributes"] = [attribute_to_dict(sub) for sub in attribute.sub_attributes]
    return data


def _known(known: Mapping[str, Schema], urn: Any, where: str) -> Schema:
    for name, schema in known.items():
        if isinstance(urn, str) and name.lower() == urn.lower():
            return schema
    raise ValueError(f"{where}: there is no schema {urn!r}{_hint(urn, known)}")


def _check_keys(data: Any, allowed: frozenset[str], where: str) -> None:
    if not isinstance(data, Mapping):
        raise ValueError(f"{where}: an object is expected, not {type(data).__name__}")
    for key in data:
        if key not in allowed:
            raise ValueError(f"{where}: there is no key {key!r}{_hint(key, allowed)}")


def _choice(kind: type[E], value: Any, where: str) -> E:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"{where} {value!r} is none of {', '.join(kind)}") from None


def _flag(data: Mapping[str, Any], key: str, where: str) -> bool:
    value = data.get(key, False)
    if not isinstance(value, bool):
        raise ValueError(f"{where}: {key} must be true or false, not {value!r}")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{where} must be text, not {value!r}")
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise ValueError(f"{where} must be a list of texts, not {value!r}")
    return tuple(_text(item, where) for item in value)


def _hint(word: Any, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(word), list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""
