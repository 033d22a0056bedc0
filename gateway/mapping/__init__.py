"""SCIM <-> native, compiled once from configuration and pure.

Owns the configuration language, the codecs, and what of a request the backend can do itself. Says which ids, keys and
look-ups it needs and leaves finding them to the engine; then it translates. ``README.md`` is the language reference.
"""

from gateway.mapping.codecs import BUILT_IN, Answer, Ask, Codec, Factory, Refused, Site
from gateway.mapping.compile import compile_mapping
from gateway.mapping.doors import (
    ID,
    UNCHANGED,
    BoundFilter,
    Delta,
    Encoding,
    Held,
    Kept,
    Link,
    Links,
    MappingError,
    Native,
    Reference,
    Unchanged,
    Wanted,
)
from gateway.mapping.fast import FastPatch
from gateway.mapping.filters import FilterPlan
from gateway.mapping.mapper import ResourceMapping
from gateway.mapping.plans import ReadPlan
from gateway.mapping.spec import AttributeSpec, ResourceSpec

__all__ = [
    "BUILT_IN",
    "ID",
    "UNCHANGED",
    "Answer",
    "Ask",
    "AttributeSpec",
    "BoundFilter",
    "Codec",
    "Delta",
    "Encoding",
    "Factory",
    "FastPatch",
    "FilterPlan",
    "Held",
    "Kept",
    "Link",
    "Links",
    "MappingError",
    "Native",
    "ReadPlan",
    "Reference",
    "Refused",
    "ResourceMapping",
    "ResourceSpec",
    "Site",
    "Unchanged",
    "Wanted",
    "compile_mapping",
]
