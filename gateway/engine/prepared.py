"""A search of one type before it is run: the filter compiled, bound and classified, and what it may still cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from backends.contract import Filter, Sort
from gateway.engine.calls import Call
from gateway.engine.links import BATCH, Resolver, holds
from gateway.engine.observer import Observer
from gateway.engine.tenants import Served
from gateway.identity import HeldTerm, Identity, IdentityMap
from gateway.mapping import BoundFilter, FilterPlan, Held, Links, ReadPlan
from gateway.scim import evaluate, filters, paths
from gateway.scim.errors import ScimType, refuse
from gateway.scim.filters import Filter as ScimFilter
from gateway.scim.paths import AttributePath
from gateway.scim.project import Projection


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query bound to one type: what the backend is asked, and what is left to check here.

    `test` is None on the pushed road. `keys` limits the search to accounts the store named, in a fixed order. `sort` is
    None where the backend cannot sort as asked. `nothing`: no resource can match.
    """

    served: Served
    plan: ReadPlan
    where: Filter | None
    test: Callable[[Mapping[str, Any]], bool] | None
    sort: Sort | None
    keys: tuple[str, ...] | None
    nothing: bool

    @property
    def pushed(self) -> bool:
        """Whether the backend can answer it alone."""
        return self.test is None and self.sort is not None and self.keys is None


class Budget:
    """What one request may still scan: rows over all types, and seconds of the loop's clock (F14)."""

    def __init__(self, rows: int, until: float, clock: Callable[[], float]) -> None:
        self.rows = rows
        self.used = 0
        self._until = until
        self._clock = clock

    def spend(self, rows: int, *, more: bool = True) -> None:
        """Count rows read; raise 400 tooMany when the budget is exceeded.

        The time that is up only forbids to read on: without `more` to read, an answer that came late is an answer.
        """
        self.used += rows
        if self.used > self.rows or (more and self._clock() > self._until):
            detail = "the query would scan too many resources; narrow it to attributes the system can search"
            raise refuse(ScimType.TOO_MANY, detail)

    @property
    def spent(self) -> bool:
        """Whether nothing more should be read."""
        return self.used >= self.rows or self._clock() > self._until


class Preparation:
    """Prepares the queries of single types."""

    def __init__(self, identities: IdentityMap, resolver: Resolver, observer: Observer) -> None:
        self._identities = identities
        self._resolver = resolver
        self._observer = observer

    async def parsed(
        self,
        call: Call,
        served: Served,
        text: str | None,
        order: tuple[AttributePath, bool] | None,
        projection: Projection,
        *,
        lenient: bool = False,
    ) -> Prepared:
        """Compile and bind a filter for one type; `lenient` reads unknown attributes as absent (F13).

        Raises `ScimError` invalidFilter, or tooMany when the store alone names more accounts than may be scanned.
        """
        tree: ScimFilter | None = None
        if text is not None:
            options = replace(
                call.tenant.dialect.filter_options,
                unknown="absent" if lenient else "refuse",
                on_rewrite=lambda quirk: self._observer.rewrite(call.tenant.name, call.tenant.dialect.name, quirk),
            )
            tree = filters.parse(text, served.resource_type, options)

        def plan(checked: bool) -> ReadPlan:
            looked_at = set[str]()
            if checked or order is not None:
                looked_at = _mentioned(tree) | ({order[0].top.text} if order else set())
            return _read_plan(served, projection, looked_at)

        return await self._prepared(call, served, tree, order, plan)

    async def bound(
        self,
        call: Call,
        served: Served,
        tree: ScimFilter | None,
        plan: ReadPlan,
        order: tuple[AttributePath, bool] | None = None,
    ) -> Prepared:
        """Bind a filter; `plan` is what is to be read of what it finds."""
        return await self._prepared(call, served, tree, order, lambda _: plan)

    async def _prepared(
        self,
        call: Call,
        served: Served,
        tree: ScimFilter | None,
        order: tuple[AttributePath, bool] | None,
        plan: Callable[[bool], ReadPlan],
    ) -> Prepared:
        """Bind a filter; `plan` chooses what is to be read, told whether what is found will be checked here."""
        asked = served.mapping.translate(tree)
        links = await self._resolver.links(call, wanted=asked.wanted) if asked.wanted else Links()
        bound = asked.bind(links, await self._spilled(call, served, asked) if asked.spilled else {})
        keys = await self._held(call, served, bound) if bound.held and not bound.nothing else None
        checked = tree is not None and (bound.residual is not None or keys is not None)
        return Prepared(
            served=served,
            plan=plan(checked),
            where=bound.where,
            test=evaluate.compile_filter(tree) if checked and tree is not None else None,
            sort=Sort() if order is None else served.mapping.sort(*order),
            keys=keys,
            nothing=bound.nothing or keys == (),
        )

    async def _spilled(self, call: Call, served: Served, plan: FilterPlan) -> dict[Held, tuple[str, ...]]:
        """Find the accounts of which the store keeps what did not fit into the record; too many of them are left to the
        residual road."""
        found: dict[Held, tuple[str, ...]] = {}
        for held in plan.spilled:
            identities = await self._identities.search(call.tenant.name, served.name, [_held_term(held)], BATCH + 1)
            if len(identities) <= BATCH:
                found[held] = _keys(served, identities)
        return found

    async def _held(self, call: Call, served: Served, bound: BoundFilter) -> tuple[str, ...]:
        terms = [_held_term(held) for held in bound.held]
        limit = call.tenant.limits.scan_rows
        found = await self._identities.search(call.tenant.name, served.name, terms, limit + 1)
        if len(found) > limit:
            raise refuse(ScimType.TOO_MANY, "too many resources match what the gateway keeps; narrow the filter")
        return _keys(served, found)


def _keys(served: Served, found: Iterable[Identity]) -> tuple[str, ...]:
    """Give the native keys of those identities that still belong to the entity, always in the same order (Q4)."""
    return tuple(sorted(identity.key for identity in found if holds(served, identity)))


def _held_term(held: Held) -> HeldTerm:
    return HeldTerm(path=held.path.text, op=held.op.value, value=held.value, folded=held.folded, changed=held.changed)


def _mentioned(tree: ScimFilter | None) -> set[str]:
    """Name the top-level attributes a filter looks at."""
    match tree:
        case filters.Comparison(path=path):
            return {path.top.text}
        case filters.And(terms=terms) | filters.Or(terms=terms):
            return set[str]().union(*(_mentioned(term) for term in terms))
        case filters.Not(term=term):
            return _mentioned(term)
        case filters.ValuePath(path=path):
            return {path.top.text}
        case _:
            return set()


def _read_plan(served: Served, projection: Projection, looked_at: Iterable[str]) -> ReadPlan:
    """Choose what to load: the projection alone where no version is asked for, else all but the memberships not
    asked for."""
    looked_at = set(looked_at)
    meta = paths.resolve(served.resource_type, "meta")
    if not looked_at and not projection.wants(meta):
        return served.mapping.read_plan(projection)
    wanted = frozenset(
        name
        for name in served.heavy
        if name in looked_at or projection.wants(paths.resolve(served.resource_type, name))
    )
    return served.mapping.read_plan(served.whole[wanted])
