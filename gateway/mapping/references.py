"""Places of references: a manager, members, groups. Ids outside, native values inside; both looked up in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from backends.contract import Fields, Op, Write
from gateway.mapping.asking import Asking
from gateway.mapping.codecs import Ask
from gateway.mapping.doors import Links, Reference, Wanted
from gateway.mapping.drafts import Draft, invalid
from gateway.mapping.leaves import Target, linked, linked_id
from gateway.mapping.pushdown import UNKNOWN, Condition
from gateway.mapping.singles import Read
from gateway.scim.errors import ScimType, refuse
from gateway.scim.filters import And, Comparison, Filter
from gateway.scim.filters import Op as ScimOp
from gateway.scim.paths import AttributePath


@dataclass(frozen=True, slots=True)
class Linked:
    """A singular reference in one field, as of a manager."""

    path: AttributePath
    name: str
    target: Target
    write: Write = Write.ALWAYS
    keeps: bool = False
    fields: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", frozenset({self.name}))

    @property
    def _where(self) -> str:
        return f"{self.path.text}.value" if self.path.is_complex else self.path.text

    def reader(self) -> Read:
        name, target, whole = self.name, self.target, self.path.is_complex
        build = linked(self.path.leaf)

        def read(fields: Fields, links: Links) -> Any:
            native = fields[name]
            if native is None or (link := target.link(native, links)) is None:
                return None
            return build(link) if whole else link.id

        return read

    def references(self, fields: Fields) -> Iterator[Reference]:
        """Name what the record refers to."""
        native: Any = fields[self.name]
        if native is not None:
            yield from self.target.references(native)

    def wanted(self, value: Any, _: Any = None) -> Iterator[Wanted]:
        """Name the ids a value holds."""
        if value is not None and (id := linked_id(value)) is not None:
            yield self.target.wanted(id)

    def put(self, draft: Draft, value: Any, _: Any = None) -> None:
        id = linked_id(value) if value is not None else None
        native = None
        if id is not None:
            found = self.target.native(id, draft.links)
            if found is None:
                raise unknown_id(self._where, self.target)
            native = found.value
        if not draft.creating and not draft.blind and draft.native(self.name) == native:
            return
        if self.write is Write.NEVER or (self.write is Write.CREATE and not draft.creating):
            if draft.creating:
                return
            raise refuse(ScimType.MUTABILITY, f"{self._where}: cannot be changed")
        if native is not None or not draft.creating:
            draft.put(self.name, native, self._where)

    def ask(self, asking: Asking, path: AttributePath, op: ScimOp, value: Any) -> Condition:
        terms = asking.terms
        part = path.sub.name if path.sub is not None else "value"
        if op is ScimOp.PR or value is None:
            # A reference that leads nowhere visible is not shown, so that present is less than not empty.
            present = terms.ask(self.name, Ask(Op.PR))
            return present.loose if op is not ScimOp.EQ else UNKNOWN
        if part != "value":
            return UNKNOWN
        if op is ScimOp.EQ:
            return asking.referred(self.name, self.target, value)
        return terms.negate(asking.referred(self.name, self.target, value)) if op is ScimOp.NE else UNKNOWN


@dataclass(frozen=True, slots=True)
class Source:
    """One field that holds references to resources of some types; `hidden` are values that mean something else."""

    name: str
    target: Target
    write: Write = Write.ALWAYS
    hidden: frozenset[Any] = frozenset()


@dataclass(frozen=True, slots=True)
class LinkedMany:
    """A multi-valued reference: members, groups. It is changed by deltas over what a client can see."""

    path: AttributePath
    sources: tuple[Source, ...]
    keeps: bool = False
    fields: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", frozenset(source.name for source in self.sources))

    def reader(self) -> Read:
        sources = tuple((source.name, source.target, source.hidden) for source in self.sources)
        whole = self.path.is_complex
        build = linked(self.path.leaf)

        def read(fields: Fields, links: Links) -> Any:
            found: dict[str, Any] = {}
            for name, target, hidden in sources:
                natives: Any = fields[name]
                for native in natives or ():
                    if native not in hidden and (link := target.link(native, links)) is not None:
                        found[link.id] = build(link) if whole else link.id
            return list(found.values()) or None

        return read

    def references(self, fields: Fields) -> Iterator[Reference]:
        """Name what the record refers to."""
        for source in self.sources:
            natives: Any = fields[source.name]
            for native in natives or ():
                if native not in source.hidden:
                    yield from source.target.references(native)

    def wanted(self, value: Any, before: Any = None) -> Iterator[Wanted]:
        """Name the ids that come and those that go."""
        after, old = ids(value), ids(before)
        for id in after.keys() ^ old.keys():
            yield from self.wanted_id(id)

    def wanted_id(self, id: str) -> Iterator[Wanted]:
        """Name what an id may stand for in any of the fields."""
        for source in self.sources:
            yield source.target.wanted(id)

    def put(self, draft: Draft, value: Any, before: Any = None) -> None:
        after, old = ids(value), ids(before)
        if any(linked_id(element) is None for element in value or ()):
            raise invalid(f"{self.path.text}.value", "a value is required")
        for id in old.keys() - after.keys():
            # An account that is gone took its memberships along.
            if (found := self.find(id, draft.links)) is not None:
                self.remove(draft, *found)
        for id in after:
            if id not in old:
                found = self.find(id, draft.links)
                if found is None:
                    raise unknown_id(f"{self.path.text}.value", *(source.target for source in self.sources))
                self.add(draft, *found)

    def find(self, id: str, links: Links) -> tuple[Source, Any] | None:
        """Find the field an id belongs into, and what stands for it there."""
        for source in self.sources:
            native = source.target.native(id, links)
            if native is not None and native.resource_type in source.target.resource_types:
                return source, native.value
        return None

    def add(self, draft: Draft, source: Source, native: Any) -> None:
        """Add one reference."""
        self._check(draft, source)
        draft.add(source.name, native)

    def remove(self, draft: Draft, source: Source, native: Any) -> None:
        """Take one reference away."""
        self._check(draft, source)
        draft.remove(source.name, native)

    def _check(self, draft: Draft, source: Source) -> None:
        if source.write is Write.ALWAYS or (source.write is Write.CREATE and draft.creating):
            return
        raise refuse(ScimType.MUTABILITY, f"{self.path.text}: cannot be changed")

    def ask(self, asking: Asking, path: AttributePath, op: ScimOp, value: Any) -> Condition:
        terms = asking.terms
        part = path.sub.name if path.sub is not None else "value"
        if op is ScimOp.PR and part != "$ref":
            return terms.any([terms.ask(source.name, Ask(Op.PR)) for source in self.sources]).loose
        if part != "value" or op is not ScimOp.EQ or value is None:
            return UNKNOWN
        return terms.any([asking.referred(source.name, source.target, value) for source in self.sources])

    def ask_element(self, asking: Asking, where: Filter) -> Condition:
        """Ask for one and the same element: by its id; what is said of it beside is checked afterwards."""
        match where:
            case Comparison(path=path, op=op, value=value):
                return self.ask(asking, path, op, value)
            case And(terms=terms):
                named = [term for term in terms if isinstance(term, Comparison) and _names_id(term)]
                if named:
                    return self.ask(asking, named[0].path, named[0].op, named[0].value).loose
        return UNKNOWN


def _names_id(term: Comparison) -> bool:
    return term.op is ScimOp.EQ and (term.path.sub is None or term.path.sub.name == "value")


def ids(value: Iterable[Any] | Any) -> dict[str, None]:
    """Name the ids in the elements of a multi-valued reference, in their order."""
    found: dict[str, None] = {}
    for element in value or ():
        if isinstance(element, str | Mapping) and (id := linked_id(element)) is not None:
            found[id] = None
    return found


def unknown_id(where: str, *targets: Target) -> Exception:
    """Refuse a reference to a resource nobody has."""
    names = dict.fromkeys(name for target in targets for name in target.resource_types)
    return invalid(where, f"there is no {' or '.join(names)} with this id")
