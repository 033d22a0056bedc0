"""The compiled mapping of one resource type of one tenant: what the engine asks and what it is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from backends.contract import Record, Sort
from gateway.mapping import keeping
from gateway.mapping.changes import deltas, encoded
from gateway.mapping.doors import Delta, Encoding, Kept, Links, Reference, Resource, Wanted
from gateway.mapping.fast import FastPatch, fast
from gateway.mapping.filters import FilterPlan, Searcher
from gateway.mapping.layout import Layout, valued
from gateway.mapping.placement import Place
from gateway.mapping.plans import Part, ReadPlan
from gateway.mapping.references import Linked, LinkedMany
from gateway.mapping.rosters import Roster, roster
from gateway.mapping.singles import Constant, Membership, Single
from gateway.scim.discovery import Override
from gateway.scim.filters import Filter
from gateway.scim.operations import Operation
from gateway.scim.paths import AttributePath
from gateway.scim.project import Projection
from gateway.scim.schema import Type

_REMEMBERED = 128
"""Plans kept per mapping: clients ask for the same few projections."""


class ResourceMapping:
    """Translates between the resources of one type and the records of one entity; pure, and safe to share.

    `entity` is the backend's; `on_delete`, `on_deactivate` and `on_conflict` are the configuration's policies,
    `dead_mark` the native fields a delete writes where it only marks. `marks` names the fields `is_dead` looks at.
    `supported` and `overrides` say what of the schema is true of this tenant (`discovery.narrow_type`). `slow` names
    the attributes whose writing blocks: run `encode`, `diff` and `build` elsewhere for them. `owned`: native values of
    this entity's fields that a codec claims for itself (a group that means "active"), by field. `always`: attributes
    that have a value whatever a client does, since the system has no way to say that they have none.
    """

    def __init__(
        self,
        layout: Layout,
        searcher: Searcher,
        *,
        entity: str,
        on_delete: Literal["delete", "mark", "refuse"],
        on_deactivate: Literal["delete", "refuse"] | None,
        on_conflict: Literal["reject", "adopt", "reactivate"],
        supported: frozenset[str],
        overrides: Mapping[str, Override],
        attributes: Mapping[str, str],
        owned: Mapping[str, frozenset[Any]],
    ) -> None:
        self.entity = entity
        self.on_delete = on_delete
        self.on_deactivate = on_deactivate
        self.on_conflict = on_conflict
        self.dead_mark: Mapping[str, Any] = dict(layout.mark)
        self.marks = frozenset(layout.mark)
        self.supported = supported
        self.overrides = overrides
        self.owned = owned
        self.always = frozenset(_always(layout))
        self.slow = layout.slow
        self._slow_paths = tuple(layout.paths[text] for text in layout.slow)
        self._layout = layout
        self._searcher = searcher
        self._attributes = attributes
        self._plans: dict[Projection, ReadPlan] = {}
        self._parts = tuple(_parts(layout))
        self._references = {
            text: place for text, place in layout.places.items() if isinstance(place, Linked | LinkedMany)
        }

    def attribute_of(self, field: str) -> str | None:
        """Name the SCIM attribute a native field (or ``rows.column``) holds, for errors; None if there is none."""
        return self._attributes.get(field)

    def is_dead(self, record: Record) -> bool:
        """Tell whether a record bears the mark of the dead, or stands for something that is no resource (DESIGN §6).

        A record that was read without the fields in `marks` counts as alive.
        """
        if record.key in self._layout.hidden:
            return True
        mark = self._layout.mark
        fields = record.fields
        return bool(mark) and all(name in fields and fields[name] == value for name, value in mark.items())

    def read_plan(self, projection: Projection) -> ReadPlan:
        """Choose what to read for a projection; the same plan for equal projections."""
        plan = self._plans.get(projection)
        if plan is None:
            plan = self._plan(projection)
            if len(self._plans) < _REMEMBERED:
                self._plans[projection] = plan
        return plan

    def _plan(self, projection: Projection) -> ReadPlan:
        fields = set(self.marks)
        core: list[Part] = []
        extensions: dict[str, list[Part]] = {}
        references = []
        for path, part, place in self._parts:
            if not projection.wants(path):
                continue
            (core if path.extension is None else extensions.setdefault(path.extension, [])).append(part)
            if place is not None:
                fields |= place.fields
            if isinstance(place, Linked | LinkedMany):
                references.append(place)
        parts = [*core, *(part for inner in extensions.values() for part in inner)]
        return ReadPlan(
            fields=frozenset(fields),
            core=tuple(core),
            extensions=tuple((urn, tuple(inner)) for urn, inner in extensions.items()),
            references=tuple(references),
            needs_kept=any(part.keeps for part in parts),
        )

    def references(self, plan: ReadPlan, records: Sequence[Record]) -> frozenset[Reference]:
        """Name everything the records refer to, to be resolved in one batch."""
        if not plan.references:
            return frozenset()
        found: set[Reference] = set()
        for place in plan.references:
            for record in records:
                found.update(place.references(record.fields))
        return frozenset(found)

    def decode(self, plan: ReadPlan, record: Record, links: Links, kept: Mapping[str, Kept]) -> dict[str, Any]:
        """Make the resource of a record, without id, meta (but for mapped times) and schemas.

        externalId is among it only if a field holds it. References that lead nowhere are left out.
        """
        return plan.decode(record.fields, links, kept)

    def wanted(self, resource: Resource, before: Resource | None = None) -> frozenset[Wanted]:
        """Name the ids in a resource whose native values are needed to write it; given `before`, only those that come
        or go."""
        found: set[Wanted] = set()
        for text, place in self._references.items():
            path = self._layout.paths[text]
            value = valued(resource, path)
            old = None if before is None else valued(before, path)
            if value != old:
                found.update(place.wanted(value, old))
        return frozenset(found)

    def is_slow(self, resource: Resource, before: Resource | None = None) -> bool:
        """Tell whether writing a resource, or given `before` what differs from it, goes through a codec that blocks."""
        return any(
            (before is None or value != valued(before, path))
            for path in self._slow_paths
            if (value := valued(resource, path)) is not None
        )

    def encode(self, resource: Resource, links: Links) -> Encoding:
        """Make the record of a new resource.

        Raises `ScimError` 400 invalidValue, naming the attribute, for values that cannot be held as they were sent and
        for references to nobody (D10).
        """
        return encoded(self._layout, resource, links)

    def diff(self, before: Resource, after: Resource, record: Record, links: Links) -> Delta:
        """Work out the least change that makes `after` of `before`.

        `before` is the record as `decode` made it, with what is kept; `links` hold what `wanted(after, before)` named.
        Native values that already mean the same are left alone; references and rows become deltas. Raises as `encode`
        does, and 400 mutability for what cannot be changed any more.
        """
        return deltas(self._layout, before, after, record, links)

    def fast(self, operations: Sequence[Operation]) -> FastPatch | None:
        """Express operations as a change without knowing the record; None if it must be known (promise 4)."""
        return fast(self._layout, operations)

    def roster(self, name: str) -> Roster | None:
        """Give a membership that can be replaced without knowing who is in it; None where the record must be known."""
        return roster(self._layout, name)

    def translate(self, filter: Filter | None) -> FilterPlan:
        """Translate a filter; raise `ScimError` 400 invalidFilter for attributes that have no place (F12)."""
        return self._searcher.translate(filter)

    def sort(self, path: AttributePath, descending: bool) -> Sort | None:
        """Translate an order; None if the backend cannot sort by it.

        Raises `ScimError` 400 for what the store holds, and for what has no place.
        """
        return self._searcher.sort(path, descending)

    def index(self, kept: Mapping[str, Kept]) -> tuple[tuple[str, str], ...]:
        """Name what the store is to index of what it keeps: path texts and comparable values."""
        found: list[tuple[str, str]] = []
        for text, value in kept.items():
            path = self._layout.paths.get(text)
            if path is not None:
                found += keeping.index(path, value)
        return tuple(found)


def _always(layout: Layout) -> Iterator[str]:
    """Name what is always true or false: systems that have no third state."""
    for text, place in layout.places.items():
        match place:
            case Single(leaf=leaf) if leaf.attribute.type is Type.BOOLEAN and not leaf.chain.has_empty:
                yield text
            case Membership() | Constant():
                yield text


def _parts(layout: Layout) -> Iterator[tuple[AttributePath, Part, Place | None]]:
    """Put what is read into the order of the schemas."""
    for text, path in layout.paths.items():
        place = layout.places.get(text)
        many = path.leaf.multi_valued
        if place is not None:
            if isinstance(place, Single) and place.secret:
                continue
            yield path, Part(path.leaf.name, text, place.reader(), place.keeps, many), place
        elif text in layout.kept:
            yield path, Part(path.leaf.name, text, None, True, many), None
