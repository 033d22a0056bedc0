"""Attribute paths (RFC 7644 §3.10, figures 1 and 7): text -> the attribute it names, or some values of it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.scim.filters import Filter, FilterOptions, parse_element
from gateway.scim.names import AttributePath, find, lookup, short_names
from gateway.scim.schema import Attribute, ResourceType
from gateway.scim.values import shown

__all__ = ["AttributePath", "TargetPath", "parse", "resolve"]

_LITERAL = FilterOptions()


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
    """Find the attribute a path names, in any case; raises `ScimError` 400 invalidPath.

    The attributes of extensions need their URN; a URN alone names the whole extension.
    """
    path = lookup(resource_type, text)
    if path is None:
        raise _refusal(text, f"{resource_type.name} has no such attribute")
    return path


def parse(resource_type: ResourceType, text: str, options: FilterOptions = _LITERAL) -> TargetPath:
    """Read the path of a PATCH operation (P1).

    The URN of an extension may be left out where no other attribute has the name (Entra ID sends ``manager``, E6).
    Raises `ScimError` 400 invalidPath for what is no path of the type: unknown attributes, array indexes, more than
    one dot, brackets after what is not multi-valued; 400 invalidFilter for what is wrong between the brackets.
    """
    if len(text) > options.max_bytes:
        raise _refusal(text, f"the path is longer than {options.max_bytes} characters")
    head, opening, rest = text.partition("[")
    path = find(short_names(resource_type), head)
    if path is None:
        raise _refusal(text, _why(resource_type, head))
    if not opening:
        return TargetPath(path)
    inside, closing, tail = rest.rpartition("]")
    if not closing or not inside.strip():
        raise _refusal(text, "brackets hold a filter and are closed")
    if inside.strip().isdecimal():
        raise _refusal(text, "elements are chosen by a filter, not by an index")
    attribute = path.attribute
    if attribute is None or path.sub is not None or not attribute.multi_valued:
        raise _refusal(text, f"{path.text} is not multi-valued and takes no brackets")
    sub = attribute.sub(tail[1:]) if tail.isascii() else None
    if tail and (tail[0] != "." or sub is None):
        raise _refusal(text, f"what follows the brackets is no sub-attribute of {path.text}")
    return TargetPath(path, parse_element(inside, path, resource_type, options), sub)


def _why(resource_type: ResourceType, head: str) -> str:
    if head[:1] == "/":
        return "a path begins with the name of an attribute, not with /"
    if not head or any(character in ' "()]' for character in head):
        return "this is no path"
    name, _, tail = head.rpartition(".")
    if tail and find(short_names(resource_type), name) is not None:
        return f"{shown(name)} has no such sub-attribute"
    return f"{resource_type.name} has no such attribute"


def _refusal(text: str, reason: str) -> ScimError:
    # What stands between brackets may be personal and stays out of errors (X13).
    head, opening, _ = text.partition("[")
    return refuse(ScimType.INVALID_PATH, f"{shown(head)}{'[…]' if opening else ''}: {reason}")
