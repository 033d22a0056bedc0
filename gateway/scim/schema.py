"""Schemas and resource types as data (RFC 7643 §2, §3, §6, §7): User and Group are two rows among others, no code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

USER_URN = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP_URN = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE_URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class Type(StrEnum):
    """The data types (RFC 7643 §2.3)."""

    STRING = "string"
    BOOLEAN = "boolean"
    DECIMAL = "decimal"
    INTEGER = "integer"
    DATE_TIME = "dateTime"
    BINARY = "binary"
    REFERENCE = "reference"
    COMPLEX = "complex"


class Mutability(StrEnum):
    """When a value may change (RFC 7643 §7)."""

    READ_ONLY = "readOnly"
    READ_WRITE = "readWrite"
    IMMUTABLE = "immutable"
    WRITE_ONLY = "writeOnly"


class Returned(StrEnum):
    """When a value is part of an answer (RFC 7643 §7)."""

    ALWAYS = "always"
    NEVER = "never"
    DEFAULT = "default"
    REQUEST = "request"


class Uniqueness(StrEnum):
    """How far a value is unique (RFC 7643 §7)."""

    NONE = "none"
    SERVER = "server"
    GLOBAL = "global"


def _index(attributes: Iterable[Attribute]) -> dict[str, Attribute]:
    return {attribute.name.lower(): attribute for attribute in attributes}


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute or sub-attribute with its characteristics; the defaults are those of S1.

    `restricted`: only `canonical_values` are taken, which are suggestions otherwise (S12). `format` narrows a type
    beyond what RFC 7643 can say: ``country`` (two letters), ``base64url`` (binary in the URL-safe alphabet,
    RFC 7643 §2.3.6).
    """

    name: str
    type: Type = Type.STRING
    multi_valued: bool = False
    required: bool = False
    case_exact: bool = False
    mutability: Mutability = Mutability.READ_WRITE
    returned: Returned = Returned.DEFAULT
    uniqueness: Uniqueness = Uniqueness.NONE
    description: str = ""
    canonical_values: tuple[str, ...] = ()
    reference_types: tuple[str, ...] = ()
    sub_attributes: tuple[Attribute, ...] = ()
    restricted: bool = False
    format: str | None = None
    index: Mapping[str, Attribute] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", _index(self.sub_attributes))

    def sub(self, name: str) -> Attribute | None:
        """Find a sub-attribute by its name in any case (S2)."""
        return self.index.get(name.lower())

    @property
    def is_complex(self) -> bool:
        return self.type is Type.COMPLEX


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema: its URN and its attributes."""

    id: str
    name: str
    description: str = ""
    attributes: tuple[Attribute, ...] = ()
    index: Mapping[str, Attribute] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", _index(self.attributes))

    def attribute(self, name: str) -> Attribute | None:
        """Find an attribute by its name in any case (S2)."""
        return self.index.get(name.lower())


META = Attribute(
    "meta", Type.COMPLEX, mutability=Mutability.READ_ONLY,
    description="Facts about the resource, kept by the provider.",
    sub_attributes=(
        Attribute("resourceType", case_exact=True, mutability=Mutability.READ_ONLY),
        Attribute("created", Type.DATE_TIME, mutability=Mutability.READ_ONLY),
        Attribute("lastModified", Type.DATE_TIME, mutability=Mutability.READ_ONLY),
        Attribute("location", Type.REFERENCE, case_exact=True, mutability=Mutability.READ_ONLY),
        Attribute("version", case_exact=True, mutability=Mutability.READ_ONLY),
    ),
)  # fmt: skip
COMMON = (
    Attribute("schemas", Type.REFERENCE, multi_valued=True, required=True, case_exact=True, returned=Returned.ALWAYS,
              reference_types=("uri",), description="The URNs of the schemas present in the resource."),
    Attribute("id", case_exact=True, mutability=Mutability.READ_ONLY, returned=Returned.ALWAYS,
              uniqueness=Uniqueness.SERVER, description="The provider's unique, stable identifier of the resource."),
    Attribute("externalId", case_exact=True, description="The client's own identifier of the resource."),
    META,
)  # fmt: skip
"""The attributes every resource has beside those of its schemas (RFC 7643 §3, §3.1)."""


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A resource type: an endpoint, a base schema and extensions.

    `extensions` maps the URN of each extension to its schema; `required` holds the URNs that must be present.
    `compiled` is where the modules of the protocol lay what they compile from this type once, under their own names;
    it lives and dies with the type.
    """

    name: str
    endpoint: str
    schema: Schema
    description: str = ""
    extensions: Mapping[str, Schema] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    index: Mapping[str, Attribute] = field(init=False, repr=False, compare=False, default_factory=dict)
    urns: Mapping[str, str] = field(init=False, repr=False, compare=False, default_factory=dict)
    compiled: dict[str, Any] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", _index((*COMMON, *self.schema.attributes)))
        object.__setattr__(self, "urns", {urn.lower(): urn for urn in (self.schema.id, *self.extensions)})

    def attribute(self, name: str) -> Attribute | None:
        """Find a common or core attribute by its name in any case."""
        return self.index.get(name.lower())

    def extension(self, urn: str) -> Schema | None:
        """Find an extension by its URN in any case."""
        canonical = self.urns.get(urn.lower())
        return self.extensions.get(canonical) if canonical else None

    def schemas(self) -> Iterator[Schema]:
        """Yield the base schema and each extension."""
        yield self.schema
        yield from self.extensions.values()
