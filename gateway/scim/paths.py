"""Attribute paths (RFC 7644 §3.10, figures 1 and 7): text -> the attribute, or the values of one, it names."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.scim.errors import ScimType, refuse
from gateway.scim.filters import Filter
from gateway.scim.names import AttributePath, lookup
from gateway.scim.schema import Attribute, ResourceType
from gateway.scim.values import shown

__all__ = ["AttributePath", "TargetPath", "resolve"]


@dataclass(frozen=True, slots=True)
class TargetPath:
    """The target of a PATCH operation: ``attrPath / valuePath [subAttr]`` (P1).

    `path` is what stands before the brackets: ``name.givenName``, ``members``, a whole extension. With brackets it
    names a multi-valued attribute, `where` chooses among its elements and `sub` is the sub-attribute named after them
    (``emails[type eq "work"].value``). Without brackets `where` and `sub` are None, and a sub-attribute is in `path`.
    """

    path: AttributePath
    where: Filter | None = None
    sub: Attribute | None = None

    @property
    def selected(self) -> AttributePath:
        """The attribute whose values are meant, whatever chooses among them: ``emails.value`` in the example."""
        if self.sub is None:
            return self.path
        return AttributePath(self.path.attribute, self.sub, self.path.extension)


def resolve(resource_type: ResourceType, text: str) -> AttributePath:
    """Find the attribute a path names, in any case and with or without its URN; raises `ScimError` 400 invalidPath."""
    path = lookup(resource_type, text)
    if path is None:
        raise refuse(ScimType.INVALID_PATH, f"{shown(text)}: {resource_type.name} has no such attribute")
    return path
