"""Memberships replaced as a whole, without knowing who is in them: only who is to be, and who may go (promise 4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from backends.contract import Write
from gateway.mapping.doors import Links, Reference, Wanted
from gateway.mapping.drafts import invalid
from gateway.mapping.layout import Layout
from gateway.mapping.leaves import linked_id
from gateway.mapping.references import LinkedMany, ids, unknown_id


@dataclass(frozen=True, slots=True)
class Roster:
    """A multi-valued reference whose fields take deltas."""

    place: LinkedMany

    @property
    def fields(self) -> frozenset[str]:
        """The native fields it is made of."""
        return self.place.fields

    def wanted(self, value: Any) -> frozenset[Wanted]:
        """Name what must be looked up to write a value."""
        return frozenset(want for id in ids(value) for want in self.place.wanted_id(id))

    def natives(self, value: Any, links: Links) -> Mapping[str, frozenset[Any]]:
        """Tell, by field, which native values stand for a value; raise `ScimError` 400 for ids nobody has."""
        place = self.place
        where = f"{place.path.text}.value"
        if any(linked_id(element) is None for element in value or ()):
            raise invalid(where, "a value is required")
        found: dict[str, set[Any]] = {name: set() for name in place.fields}
        for id in ids(value):
            native = place.find(id, links)
            if native is None:
                raise unknown_id(where, *(source.target for source in place.sources))
            found[native[0].name].add(native[1])
        return {name: frozenset(values) for name, values in found.items()}

    def references(self, field: str, natives: Iterable[Any]) -> Iterator[tuple[Any, Reference]]:
        """Pair native values with what they may stand for; those that mean something else stand for nothing."""
        for source in self.place.sources:
            if source.name == field:
                for native in natives:
                    if native not in source.hidden:
                        for reference in source.target.references(native):
                            yield native, reference


def roster(layout: Layout, text: str) -> Roster | None:
    """Find a membership that can be replaced without reading the record; None where that costs more than it spares."""
    place = layout.places.get(text)
    if not isinstance(place, LinkedMany) or not place.fields <= layout.capabilities.deltas:
        return None
    # Sources that share a field could not tell whose values are to go.
    several = len(place.fields) < len(place.sources)
    writable = all(source.write is Write.ALWAYS for source in place.sources)
    return Roster(place) if writable and not several else None
