"""SCIM filter -> native condition, what the store holds of it, and what is left to check here (R-L23, F12, F16)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from backends.contract import Sort
from gateway.mapping.asking import Asking, held, held_time, homeless
from gateway.mapping.changes import EXTERNAL_ID
from gateway.mapping.doors import BoundFilter, Held, Links, Wanted
from gateway.mapping.layout import Layout
from gateway.mapping.leaves import Leaf, constant_condition
from gateway.mapping.many import Many
from gateway.mapping.pushdown import ALWAYS, NEVER, UNKNOWN, Condition, Terms
from gateway.mapping.references import LinkedMany
from gateway.mapping.singles import Complex, Single
from gateway.scim.errors import ScimType, refuse
from gateway.scim.filters import And, Comparison, Filter, Never, Not, Or, ValuePath
from gateway.scim.filters import Op as ScimOp
from gateway.scim.paths import AttributePath
from gateway.scim.schema import Returned, Type

_NO_KEYS: Mapping[Held, Collection[str]] = {}
_TIMES = ("created", "lastModified")


@dataclass(frozen=True, slots=True)
class FilterPlan:
    """A filter and what must be looked up before it can be bound.

    `wanted`: ids it compares with. `spilled`: comparisons with what the gateway keeps of attributes that have a native
    home too; given the keys of the accounts they may hold for, the backend is asked for those as well. Without them
    the filter is still right, but the backend can narrow it less.
    """

    wanted: frozenset[Wanted]
    spilled: tuple[Held, ...]
    _searcher: Searcher = field(repr=False)
    _tree: Filter | None = field(repr=False)
    _bound: BoundFilter | None = field(default=None, repr=False)

    def bind(self, links: Links, keys: Mapping[Held, Collection[str]] = _NO_KEYS) -> BoundFilter:
        """Translate, with what was looked up: a superset of the matches, or exactly them (`residual` None)."""
        return self._bound or self._searcher.bind(self._tree, Asking(self._searcher.terms, links, keys))


@dataclass(frozen=True, slots=True)
class Searcher:
    """Translates the filters and orders of one resource type. `dead` is the condition every search carries."""

    layout: Layout
    terms: Terms
    dead: Condition = ALWAYS

    def translate(self, tree: Filter | None) -> FilterPlan:
        """Find out what a filter needs; raises `ScimError` 400 invalidFilter for what has no place (F12)."""
        asking = Asking(self.terms, Links(), _NO_KEYS)
        bound = self.bind(tree, asking)
        needs = asking.wanted or asking.spilled
        return FilterPlan(frozenset(asking.wanted), tuple(asking.spilled), self, tree, None if needs else bound)

    def bind(self, tree: Filter | None, asking: Asking) -> BoundFilter:
        """Translate a filter with what `asking` knows; what it does not know is noted there."""
        held: list[Held] = []
        found = ALWAYS if tree is None else self._condition(tree, asking, held, top=True)
        if found.never:
            return BoundFilter(nothing=True)
        whole = self.terms.all([self.dead, found])
        exact = whole.exact and not held
        return BoundFilter(whole.where, tuple(dict.fromkeys(held)), None if exact else tree)

    def _condition(self, tree: Filter, asking: Asking, held: list[Held], *, top: bool = False) -> Condition:
        """Translate a tree; conjuncts at its top that only the store can answer go to `held`."""
        match tree:
            case And(terms=terms):
                return self.terms.all([self._condition(term, asking, held, top=top) for term in terms])
            case Or(terms=terms):
                return self.terms.any([self._condition(term, asking, held) for term in terms])
            case Not(term=term):
                return self.terms.negate(self._condition(term, asking, held))
            case ValuePath(path=path, where=where):
                return self._element(path, where, asking, held, top=top)
            case Comparison():
                return self._comparison(tree, asking, held, top=top)
            case Never():
                return NEVER

    def _comparison(self, tree: Comparison, asking: Asking, found: list[Held], *, top: bool) -> Condition:
        path, op, value = tree.path, tree.op, tree.value
        if Returned.NEVER in (path.leaf.returned, path.top.leaf.returned):
            raise homeless(path)
        text = path.top.text
        place = self.layout.places.get(text)
        if text == "meta" and isinstance(place, Complex) and op is not ScimOp.PR and _has_home(place, path):
            # Where the field is empty, the gateway's own time is shown.
            empty = place.ask(asking, path, ScimOp.EQ, None)
            return self.terms.any([place.ask(asking, path, op, value), empty]).loose
        if place is not None and text != "meta":
            return place.ask(asking, path, op, value)
        if path.extension is None and text in ("id", "schemas", "meta"):
            return self._own(tree, asking, found, top=top)
        if text != EXTERNAL_ID and text not in self.layout.kept:
            raise homeless(path)
        one = held(path, op, value) if value is not None or op is ScimOp.PR else None
        return _held_condition(one, found, top=top)

    def _own(self, tree: Comparison, asking: Asking, found: list[Held], *, top: bool) -> Condition:
        """Compare what is the gateway's own: the id, the type, and times no field holds."""
        path, op, value = tree.path, tree.op, tree.value
        name = path.top.leaf.name
        if name == "id":
            if op is ScimOp.PR:
                return ALWAYS
            if op not in (ScimOp.EQ, ScimOp.NE) or not isinstance(value, str):
                return NEVER if value is None and op is ScimOp.EQ else UNKNOWN
            same = asking.key(value, self.layout.resource_type.name)
            return same if op is ScimOp.EQ else self.terms.negate(same)
        sub = path.sub
        if name == "meta" and sub is not None and sub.name == "resourceType":
            return constant_condition(sub, self.layout.resource_type.name, op, value)
        if name == "meta" and sub is not None and sub.name in _TIMES:
            if op is ScimOp.PR:
                return ALWAYS
            place = self.layout.places.get("meta")
            if sub.name == "lastModified" and isinstance(place, Complex) and "created" in place.leaves:
                return self._modified(place, tree, asking)
            return _held_condition(held_time(path, op, value), found, top=top)
        if name == "schemas" and op is ScimOp.EQ and value == self.layout.resource_type.schema.id:
            return ALWAYS
        return UNKNOWN

    def _modified(self, place: Complex, tree: Comparison, asking: Asking) -> Condition:
        """Compare the last change where only the creation has a field: that is what is shown of an account the gateway
        never changed (S7), and what the store holds of the others."""
        attribute = tree.path.attribute
        created = AttributePath(attribute, attribute.sub("created") if attribute is not None else None)
        own = held_time(tree.path, tree.op, tree.value, changed=True)
        known = asking.kept(None if own is None else [own])
        empty = place.ask(asking, created, ScimOp.EQ, None)
        return self.terms.any([place.ask(asking, created, tree.op, tree.value), empty, known]).loose

    def _element(
        self, path: AttributePath, where: Filter, asking: Asking, found: list[Held], *, top: bool
    ) -> Condition:
        text = path.top.text
        place = self.layout.places.get(text)
        if isinstance(place, Many | LinkedMany):
            return place.ask_element(asking, where)
        if text not in self.layout.kept:
            raise homeless(path)
        return _held_condition(_indexed(where), found, top=top)

    def sort(self, path: AttributePath, descending: bool) -> Sort | None:
        """Translate an order; None if the backend cannot sort by it."""
        text = path.top.text
        place = self.layout.places.get(text)
        leaf: Leaf | None = None
        match place:
            case Single(leaf=found) if path.sub is None:
                leaf = found
            case Complex(leaves=leaves) if path.sub is not None:
                leaf = leaves.get(path.sub.name)
                if leaf is None and (place.keeps or text == "meta"):
                    raise _unsortable(path)
            case None:
                if text in (EXTERNAL_ID, *self.layout.kept) or (path.sub is not None and path.sub.name in _TIMES):
                    raise _unsortable(path)
                if path.extension is None and text in ("id", "schemas", "meta"):
                    return None
                raise refuse(ScimType.INVALID_VALUE, f"sortBy: the system behind does not hold {path.text}")
        if leaf is None or len(leaf.names) > 1 or leaf.chain.keep not in (None, "spelling") or not leaf.chain.ordered:
            return None
        if leaf.names[0] not in self.layout.capabilities.sort:
            return None
        cased = leaf.attribute.type is Type.STRING and not leaf.attribute.case_exact
        return Sort(leaf.names[0], descending, ignore_case=cased and not any(step.folds for step in leaf.chain.steps))


def _has_home(place: Complex, path: AttributePath) -> bool:
    return path.sub is not None and path.sub.name in place.leaves


def _held_condition(one: Held | None, found: list[Held], *, top: bool) -> Condition:
    if one is not None and top:
        found.append(one)
    return UNKNOWN


def _indexed(where: Filter) -> Held | None:
    """Find one comparison in a value path that narrows it: what is said of the value first."""
    match where:
        case Comparison(path=path, op=op, value=value):
            return held(path, op, value) if value is not None or op is ScimOp.PR else None
        case And(terms=terms):
            usable = [one for term in terms if (one := _indexed(term)) is not None]
            return min(usable, key=lambda one: _breadth(one), default=None)
    return None


def _breadth(one: Held) -> tuple[bool, bool]:
    return one.op is not ScimOp.EQ, one.path.sub is None or one.path.sub.name != "value"


def _unsortable(path: AttributePath) -> Any:
    return refuse(ScimType.INVALID_VALUE, f"sortBy: {path.text} is held by the gateway and cannot be sorted by")
