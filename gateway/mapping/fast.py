"""PATCH operations -> a change, without knowing the record: the fast road (DESIGN §4, promise 4).

Only what comes out the same whatever the record holds goes by it. Everything else takes the slow road: value filters,
attributes of which the gateway keeps a part, codecs that write over what means the same already, immutable attributes,
checks of readOnly ones, fields whose deltas cost a whole record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backends.contract import Write
from gateway.mapping.changes import EXTERNAL_ID
from gateway.mapping.doors import UNCHANGED, Delta, Links, Unchanged, Wanted
from gateway.mapping.drafts import Draft
from gateway.mapping.layout import Layout
from gateway.mapping.leaves import Leaf, linked_id
from gateway.mapping.references import Linked, LinkedMany, ids, unknown_id
from gateway.mapping.singles import Complex, Membership, Single
from gateway.scim.filters import Comparison, Or
from gateway.scim.filters import Filter as ScimFilter
from gateway.scim.filters import Op as ScimOp
from gateway.scim.operations import Operation
from gateway.scim.paths import AttributePath
from gateway.scim.schema import Attribute, Mutability, Type

Step = Callable[[Draft], None]


@dataclass(frozen=True, slots=True)
class FastPatch:
    """Operations that need no record: `wanted` is what must be looked up, `build` then gives the change; it blocks if
    it is `slow`."""

    wanted: frozenset[Wanted]
    steps: tuple[Step, ...] = field(repr=False)
    external_id: str | Unchanged | None = field(default=UNCHANGED, repr=False)
    slow: bool = False

    def build(self, links: Links) -> Delta:
        """Make the change; raises `ScimError` 400 for ids nobody has and values that cannot be held."""
        draft = Draft(links, blind=True)
        for step in self.steps:
            step(draft)
        return Delta(draft.change(), dict(draft.kept), self.external_id, tuple(draft.dropped))


def fast(layout: Layout, operations: Sequence[Operation]) -> FastPatch | None:
    """Compile operations; None if any of them depends on what the record holds."""
    wanted: set[Wanted] = set()
    steps: dict[str, list[Step]] = {}
    external_id: str | Unchanged | None = UNCHANGED
    for operation in operations:
        path = operation.target.path
        if path.attribute is None or operation.check or not _changeable(path):
            return None
        if path.text == EXTERNAL_ID and not layout.holds_external_id:
            external_id = operation.value if operation.op != "remove" else None
            continue
        found = _steps(layout, operation, wanted)
        if found is None:
            return None
        key, new = found
        if isinstance(layout.places.get(path.top.text), LinkedMany):
            steps.setdefault(key, []).extend(new)
        else:
            steps[key] = new  # a later operation on the same value has the last word
    merged = tuple(step for group in steps.values() for step in group)
    fields = list(_fields(layout, steps))
    if len(set(fields)) < len(fields):
        return None  # two of them would write the same field
    slow = bool(layout.slow) and any(one.target.path.top.text in layout.slow for one in operations)
    return FastPatch(frozenset(wanted), merged, external_id, slow)


def _changeable(path: AttributePath) -> bool:
    """Tell whether an attribute and its sub-attribute may be set whatever they were."""
    parts = [part for part in (path.attribute, path.sub) if part is not None]
    return all(part.mutability in (Mutability.READ_WRITE, Mutability.WRITE_ONLY) for part in parts)


def _steps(layout: Layout, operation: Operation, wanted: set[Wanted]) -> tuple[str, list[Step]] | None:
    """Give the steps of one operation, and the name of the value they set."""
    target, path = operation.target, operation.target.path
    text = path.top.text
    place = layout.places.get(text)
    attribute = path.top.leaf
    removing = operation.op == "remove" or operation.value in (None, "")
    if removing and (attribute.required or (path.sub is not None and path.sub.required)):
        return None
    if isinstance(place, LinkedMany):
        steps = _membership(layout, place, operation, wanted)
        return None if steps is None else (text, steps)
    if target.where is not None:
        return None
    if place is None:
        return _kept(layout, operation, text, removing=removing)
    value = None if removing else operation.value
    match place:
        case Single() if not place.secret or not removing:
            return _single(place.path.text, place, value)
        case Membership(write=Write.ALWAYS) if value is not None and place.name in layout.capabilities.deltas:
            return text, [lambda draft: place.put(draft, value)]
        case Linked(write=Write.ALWAYS) if path.sub is None or path.sub.name == "value":
            if (path.sub is not None) if removing else (linked_id(value) is None):
                return None
            wanted.update(place.wanted(value))
            return text, [lambda draft: place.put(draft, value)]
        case Complex() if not place.keeps and not place.constants:
            return _complex(place, path, value)
    return None


def _single(text: str, place: Single, value: Any) -> tuple[str, list[Step]] | None:
    if isinstance(value, Mapping) or place.leaf.chain.steps[0].parts or not _blind(place.leaf, value):
        return None
    if place.leaf.chain.keep not in (None, "spelling"):
        return None
    return text, [lambda draft: place.put(draft, value)]


def _complex(place: Complex, path: AttributePath, value: Any) -> tuple[str, list[Step]] | None:
    leaf = place.leaves.get(path.sub.name) if path.sub is not None else None
    if leaf is None or not _blind(leaf, value):
        return None  # a whole value is merged with what is there

    def step(draft: Draft) -> None:
        leaf.put(draft, value)

    return path.text, [step]


def _blind(leaf: Leaf, value: Any) -> bool:
    """Tell whether a value may be written over whatever is there."""
    if value is None and (leaf.attribute.type is Type.BOOLEAN or (leaf.field is not None and leaf.field.required)):
        return False
    return leaf.write is Write.ALWAYS and len(leaf.names) == 1 and leaf.chain.blind(value)


def _kept(layout: Layout, operation: Operation, text: str, *, removing: bool) -> tuple[str, list[Step]] | None:
    """Set or clear an attribute the gateway keeps whole."""
    path = operation.target.path
    if text not in layout.kept or path.sub is not None:
        return None
    attribute = path.leaf
    value = operation.value
    if operation.op == "remove" and value is not None:
        return None
    if attribute.multi_valued and not removing and operation.op != "replace":
        return None
    if attribute.is_complex and not attribute.multi_valued and not removing:
        return None
    if isinstance(value, list) and _too_many(attribute, value):
        return None

    def step(draft: Draft) -> None:
        draft.kept[text] = None if removing or value in ("", []) else value

    return text, [step]


def _too_many(attribute: Attribute, value: Sequence[Any]) -> bool:
    """Leave lists to `patch.apply` in which it might have something to mend."""
    return (
        attribute.sub("primary") is not None
        and sum(isinstance(item, Mapping) and item.get("primary") is True for item in value) > 1
    )


def _membership(layout: Layout, place: LinkedMany, operation: Operation, wanted: set[Wanted]) -> list[Step] | None:
    """Add or remove members as what they are: a delta, however large the group."""
    fields = {source.name for source in place.sources}
    if not fields <= layout.capabilities.deltas or any(source.write is not Write.ALWAYS for source in place.sources):
        return None
    where = operation.target.where
    if operation.target.sub is not None or operation.target.path.sub is not None:
        return None
    if operation.op == "add" and where is None:
        added = ids(operation.value)
        if len(added) != len(operation.value or ()):
            return None
        wanted.update(want for id in added for want in place.wanted_id(id))
        return [lambda draft: _add(place, draft, added)]
    if operation.op != "remove":
        return None
    removed = _named(operation.value) if where is None else _selected(where)
    if removed is None:
        return None
    wanted.update(want for id in removed for want in place.wanted_id(id))
    return [lambda draft: _remove(place, draft, removed)]


def _named(value: Any) -> Sequence[str] | None:
    """Name the members a remove lists; one that says more than its id must be compared with what is there (D1)."""
    if value is None:
        return None
    found = []
    for element in value:
        id = element.get("value") if isinstance(element, Mapping) else element
        if not isinstance(id, str):
            return None
        found.append(id)
    return found


def _selected(where: ScimFilter) -> Sequence[str] | None:
    """Read the ids out of ``members[value eq "x"]``, or of several joined by ``or``."""
    match where:
        case Comparison(path=path, op=ScimOp.EQ, value=str() as value) if path.sub is None or path.sub.name == "value":
            return [value]
        case Or(terms=terms):
            parts = [_selected(term) for term in terms]
            if any(part is None for part in parts):
                return None
            return [id for part in parts for id in part or ()]
    return None


def _add(place: LinkedMany, draft: Draft, added: Mapping[str, None]) -> None:
    for id in added:
        found = place.find(id, draft.links)
        if found is None:
            raise unknown_id(f"{place.path.text}.value", *(source.target for source in place.sources))
        place.add(draft, *found)


def _remove(place: LinkedMany, draft: Draft, removed: Sequence[str]) -> None:
    for id in removed:
        # Who is unknown is no member: removing them changes nothing (P5).
        if (found := place.find(id, draft.links)) is not None:
            place.remove(draft, *found)


def _fields(layout: Layout, steps: Mapping[str, Sequence[Step]]) -> Iterator[str]:
    """Name the fields the steps write, once for each value that is set."""
    for text in steps:
        place = layout.places.get(text)
        if place is not None:
            yield from place.fields
            continue
        top, _, sub = text.rpartition(".")
        owner = layout.places.get(top)
        if isinstance(owner, Complex) and sub in owner.leaves:
            yield from owner.leaves[sub].names
