"""SCIM <-> native, compiled once from configuration and pure.

Owns the configuration language, the codecs, and what of a request the backend can do itself. Says which ids, keys and
look-ups it needs and leaves finding them to the engine; then it translates. ``README.md`` is the language reference.
"""

from gateway.mapping.doors import (
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
from gateway.mapping.spec import AttributeSpec, ResourceSpec

__all__ = [
    "UNCHANGED",
    "AttributeSpec",
    "BoundFilter",
    "Delta",
    "Encoding",
    "Held",
    "Kept",
    "Link",
    "Links",
    "MappingError",
    "Native",
    "Reference",
    "ResourceSpec",
    "Unchanged",
    "Wanted",
]
