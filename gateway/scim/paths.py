"""Attribute paths (RFC 7644 §3.10, figures 1 and 7): text -> the attribute it names.

`AttributePath` is the name of an attribute everywhere in the gateway: filters, PATCH, projection and mapping all carry it, and its
`text` is the canonical spelling (``userName``, ``name.givenName``, ``emails.value``,
``urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.scim.schema import Attribute, Type


@dataclass(frozen=True, slots=True)
class AttributePath:
    """One resolved path.

    `extension` is the canonical URN of the extension the attribute belongs to, None for common and core attributes.
    `attribute` is None only where a path names a whole extension. `sub` is the sub-attribute, if the path names one.
    """

    attribute: Attribute | None
    sub: Attribute | None = None
    extension: str | None = None
    text: str = field(init=False, default="")

    def __post_init__(self) -> None:
        name = self.attribute.name if self.attribute is not None else ""
        tail = f"{name}.{self.sub.name}" if self.sub is not None else name
        text = tail if self.extension is None else f"{self.extension}:{tail}" if tail else self.extension
        object.__setattr__(self, "text", text)

    @property
    def leaf(self) -> Attribute:
        """The attribute whose values the path selects: the sub-attribute if there is one."""
        leaf = self.sub or self.attribute
        if leaf is None:
            raise LookupError(f"{self.text} names a whole extension")
        return leaf

    @property
    def top(self) -> AttributePath:
        """The path without its sub-attribute."""
        return AttributePath(self.attribute, None, self.extension) if self.sub is not None else self

    @property
    def is_many(self) -> bool:
        """Whether the path selects the values of a multi-valued attribute (possibly of one sub-attribute of each)."""
        return bool(self.attribute and self.attribute.multi_valued)

    @property
    def is_complex(self) -> bool:
        """Whether the selected values are complex."""
        return self.attribute is not None and self.sub is None and self.attribute.type is Type.COMPLEX
