"""What is read for one projection: the native fields, and how each attribute comes out of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backends.contract import Fields
from gateway.mapping.doors import Kept, Links
from gateway.mapping.keeping import SENT, is_pair, restore, restore_many
from gateway.mapping.references import Linked, LinkedMany
from gateway.mapping.singles import Read


@dataclass(frozen=True, slots=True)
class Part:
    """How one attribute is read: `name` in its container, `text` its path.

    `keeps`: the gateway may keep something of it beside the record. `read` is None where it keeps all of it.
    """

    name: str
    text: str
    read: Read | None
    keeps: bool
    many: bool

    def value(self, fields: Fields, links: Links, kept: Mapping[str, Kept]) -> Any:
        """Read the value, with what is kept of it; None if it is unassigned."""
        if self.read is None:
            found: Any = kept.get(self.text)
            return found[SENT] if is_pair(found) else found
        value = self.read(fields, links)
        if not self.keeps or self.text not in kept:
            return value
        return restore_many(kept[self.text], value) if self.many else restore(kept[self.text], value)


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """What a projection needs: the native `fields`, and the attributes that come out of them.

    `needs_kept`: whether anything the gateway keeps may be among it.
    """

    fields: frozenset[str]
    core: Sequence[Part] = field(repr=False)
    extensions: Sequence[tuple[str, Sequence[Part]]] = field(repr=False)
    references: Sequence[Linked | LinkedMany] = field(repr=False)
    needs_kept: bool = False

    def decode(self, fields: Fields, links: Links, kept: Mapping[str, Kept]) -> dict[str, Any]:
        """Read a record: a resource without id, meta and schemas."""
        resource = gathered(self.core, fields, links, kept)
        for urn, parts in self.extensions:
            if inner := gathered(parts, fields, links, kept):
                resource[urn] = inner
        return resource


def gathered(parts: Sequence[Part], fields: Fields, links: Links, kept: Mapping[str, Kept]) -> dict[str, Any]:
    """Read some attributes of one container."""
    found: dict[str, Any] = {}
    if kept:
        for part in parts:
            value = part.value(fields, links, kept)
            if value is not None:
                found[part.name] = value
        return found
    for part in parts:
        read = part.read
        if read is not None and (value := read(fields, links)) is not None:
            found[part.name] = value
    return found
