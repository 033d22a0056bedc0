"""The left side of a mapping: paths as written -> attributes of the resource type; all problems are told at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.mapping.spec import AttributeSpec
from gateway.scim.errors import ScimError
from gateway.scim.filters import And, Comparison, Filter
from gateway.scim.filters import Op as ScimOp
from gateway.scim.names import names
from gateway.scim.paths import AttributePath, parse
from gateway.scim.schema import Attribute, ResourceType

Where = tuple[str | int, ...]
UNMAPPABLE = ("id", "schemas")
"""What is the gateway's own."""
MAPPABLE_META = ("created", "lastModified")


class Problems:
    """Everything wrong with a mapping, in the order it was found."""

    def __init__(self) -> None:
        self.found: list[tuple[Where, str]] = []

    def add(self, where: Where, reason: str) -> None:
        """Note a problem, once."""
        if (where, reason) not in self.found:
            self.found.append((where, reason))


@dataclass(frozen=True, slots=True)
class Entry:
    """One place of one attribute, or of one of its sub-attributes.

    `where` leads to it in the configuration. `fixed` is what the brackets of its path say.
    """

    where: Where
    path: AttributePath
    spec: AttributeSpec
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sub(self) -> Attribute | None:
        return self.path.sub

    @property
    def text(self) -> str:
        """The path as it stands in messages."""
        return str(self.where[1]) if len(self.where) == 2 else self.path.text


def read_entries(
    resource_type: ResourceType, attributes: Mapping[str, AttributeSpec], problems: Problems
) -> dict[str, list[Entry]]:
    """Read the attributes of a mapping; group their places by the path text of the top-level attribute."""
    groups: dict[str, list[Entry]] = {}
    for text, spec in attributes.items():
        where: Where = ("attributes", text)
        found = _path(resource_type, text, where, problems)
        if found is None:
            continue
        path, fixed = found
        for entry in _expand(Entry(where, path, spec, fixed), problems):
            groups.setdefault(path.top.text, []).append(entry)
    return groups


def _path(
    resource_type: ResourceType, text: str, where: Where, problems: Problems
) -> tuple[AttributePath, Mapping[str, Any]] | None:
    try:
        target = parse(resource_type, text)
    except ScimError:
        head = text.partition("[")[0]
        problems.add(where, f"{resource_type.name} has no attribute {head!r}{nearest(head, names(resource_type))}")
        return None
    path = target.selected
    if path.attribute is None:
        problems.add(where, "names a whole extension; name its attributes")
        return None
    top = path.attribute.name
    own = path.extension is None
    if own and (top in UNMAPPABLE or (top == "meta" and (path.sub is None or path.sub.name not in MAPPABLE_META))):
        problems.add(where, "is the gateway's own and has no place in the system behind")
        return None
    fixed: dict[str, Any] = {}
    if target.where is not None and not _read_fixed(target.where, fixed):
        problems.add(where, 'the brackets must say what its elements have in common: [type eq "work"]')
        return None
    return path, fixed


def _read_fixed(where: Filter, fixed: dict[str, Any]) -> bool:
    match where:
        case Comparison(path=AttributePath(sub=sub), op=ScimOp.EQ, value=value) if (
            sub is not None and value is not None
        ):
            return bool(fixed.setdefault(sub.name, value) == value)
        case And(terms=terms):
            return all(_read_fixed(term, fixed) for term in terms)
    return False


def _expand(entry: Entry, problems: Problems) -> Iterator[Entry]:
    """Unfold the forms that hold others: objects of sub-attributes and lists of sources."""
    spec = entry.spec
    if spec.sources:
        for position, source in enumerate(spec.sources):
            yield from _expand(Entry((*entry.where, position), entry.path, source, entry.fixed), problems)
        return
    if not spec.parts:
        yield entry
        return
    attribute = entry.path.attribute
    if entry.sub is not None or attribute is None or not attribute.is_complex:
        problems.add(entry.where, "has no sub-attributes; name its field, or give field, fields, rows or constant")
        return
    for name, part in spec.parts.items():
        sub = attribute.sub(name)
        where = (*entry.where, name)
        if sub is None:
            known = (*(one.name for one in attribute.sub_attributes), *AttributeSpec.model_fields)
            problems.add(where, f"is neither a sub-attribute of {entry.path.text} nor a setting{nearest(name, known)}")
        elif part.parts or part.sources:
            problems.add(where, "name a single field here")
        else:
            yield Entry(where, AttributePath(attribute, sub, entry.path.extension), part, entry.fixed)


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest the known name that looks most like a wrong one."""
    spelled: dict[str, str] = {}
    for one in sorted(known):
        spelled.setdefault(one.casefold(), one)
    near = difflib.get_close_matches(name.casefold(), spelled, 1, 0.6)
    return f"; did you mean {spelled[near[0]]}?" if near else ""
