"""Names of attributes: text in any case -> the attribute it names; what a wrong name means others say (S2, F10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.scim.schema import Attribute, ResourceType, Type

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AttributePath:
    """The name of an attribute, resolved: filters, PATCH, projection and mapping all carry it.

    `extension` is the canonical URN of the extension the attribute belongs to, None for common and core attributes.
    `attribute` is None only where a path names a whole extension. `sub` is the sub-attribute, if the path names one.
    `text` is the canonical spelling: ``userName``, ``name.givenName``, ``emails.value``,
    ``urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value``.
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

    def __repr__(self) -> str:
        return f"AttributePath({self.text!r})"

    def __hash__(self) -> int:
        # Equal paths have equal texts; hashing whole attributes with all that hangs on them would cost far more.
        return hash(self.text)

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


def lookup(resource_type: ResourceType, text: str) -> AttributePath | None:
    """Find what ``attr``, ``attr.sub``, ``urn:attr``, ``urn:attr.sub`` or the URN of an extension names.

    None for everything else.
    """
    return find(names(resource_type), text)


def find(table: Mapping[str, T], text: str) -> T | None:
    """Find a name in a table that has the canonical and the lower-case spelling of each."""
    found = table.get(text)
    return table.get(text.lower()) if found is None and text.isascii() else found


def names(resource_type: ResourceType) -> Mapping[str, AttributePath]:
    """Give every name of every attribute of a type, as spelled canonically and in lower case; compiled once.

    URNs hold dots and colons themselves: with all names laid out there is nothing to split. Where one text could be
    read in two ways, the longer URN wins (F10).
    """
    table: dict[str, AttributePath] | None = resource_type.compiled.get("names")
    if table is None:
        table = resource_type.compiled["names"] = _spelled(_full_names(resource_type))
    return table


def short_names(resource_type: ResourceType) -> Mapping[str, AttributePath]:
    """Give `names` and, for attributes of extensions, the names without URN that no other attribute has.

    In filters and PATCH paths clients leave the URN out: Entra ID asks for ``manager`` (E6, F16), and RFC 7644 §3.10
    only recommends the URN.
    """
    table: dict[str, AttributePath] | None = resource_type.compiled.get("short names")
    if table is None:
        table = resource_type.compiled["short names"] = _spelled(_bare_names(resource_type)) | dict(
            names(resource_type)
        )
    return table


def _spelled(found: Mapping[str, AttributePath]) -> dict[str, AttributePath]:
    return {text.lower(): path for text, path in found.items()} | dict(found)


def _full_names(resource_type: ResourceType) -> dict[str, AttributePath]:
    core = {path.text: path for path in _paths(resource_type.index.values(), None)}
    found = dict(core)
    for urn in sorted(resource_type.urns.values(), key=len):
        if urn in resource_type.extensions:
            found |= {path.text: path for path in _paths(resource_type.extensions[urn].attributes, urn)}
            found[urn] = AttributePath(None, None, urn)
        else:
            found |= {f"{urn}:{text}": path for text, path in core.items()}
    return found


def _bare_names(resource_type: ResourceType) -> dict[str, AttributePath]:
    owners = Counter(name for schema in resource_type.extensions.values() for name in schema.index)
    bare: dict[str, AttributePath] = {}
    for urn, schema in resource_type.extensions.items():
        own = (found for name, found in schema.index.items() if owners[name] == 1 and name not in resource_type.index)
        bare |= {path.text.removeprefix(f"{urn}:"): path for path in _paths(own, urn)}
    return bare


def _paths(attributes: Iterable[Attribute], urn: str | None) -> Iterator[AttributePath]:
    for attribute in attributes:
        yield AttributePath(attribute, None, urn)
        for sub in attribute.sub_attributes:
            yield AttributePath(attribute, sub, urn)
