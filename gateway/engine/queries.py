"""One type's part of a search: the filter compiled, bound and classified, then answered by the cheapest road that is
right.

Two roads. *Pushed*: the backend filters, sorts, pages and counts; the gateway reads one page. *Residual*: what the
backend cannot answer exactly is read within the scan budget and re-checked here. There is no third: a filter never
becomes an unfiltered list (F12).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backends.contract import KEY, And, Compare, Filter, Op, Query, Record, Sort
from gateway.engine.calls import Call
from gateway.engine.failures import translated
from gateway.engine.links import BATCH, Resolver, batch_operator, fetch_each, holds
from gateway.engine.observer import Observer
from gateway.engine.render import Rendered, Renderer, render
from gateway.engine.tenants import Served
from gateway.identity import HeldTerm, Identity, IdentityMap
from gateway.mapping import BoundFilter, FilterPlan, Held, ReadPlan
from gateway.scim import evaluate, filters, paths
from gateway.scim.errors import ScimType, refuse
from gateway.scim.filters import Filter as ScimFilter
from gateway.scim.paths import AttributePath
from gateway.scim.project import Projection

CHUNK = 500
"""Records read at a time on the residual road."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query bound to one type: what the backend is asked, and what is left to check here.

    `test` is None on the pushed road. `keys` limits the search to accounts the store named. `nothing`: no resource
    can match.
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
        return self.test is None and self.sort is not None and self.keys is None


class Budget:
    """What one request may still scan: rows over all types, and seconds of the loop's clock (F14)."""

    def __init__(self, rows: int, until: float, clock: Callable[[], float]) -> None:
        self.rows = rows
        self.used = 0
        self._until = until
        self._clock = clock

    def spend(self, rows: int) -> None:
        """Count rows read; raise 400 tooMany when the budget is exceeded."""
        self.used += rows
        if self.used > self.rows or self._clock() > self._until:
            detail = "the query would scan too many resources; narrow it to attributes the system can search"
            raise refuse(ScimType.TOO_MANY, detail)


class Queries:
    """Prepares and runs the queries of one resource type."""

    def __init__(self, identities: IdentityMap, resolver: Resolver, renderer: Renderer, observer: Observer) -> None:
        self._identities = identities
        self._resolver = resolver
        self._renderer = renderer
        self._observer = observer

    async def prepare(
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
        plan = served.mapping.translate(tree)
        links = await self._resolver.links(call, wanted=plan.wanted)
        bound = plan.bind(links, await self._spilled(call, served, plan))
        sort = Sort() if order is None else served.mapping.sort(*order)
        keys = await self._held(call, served, bound) if bound.held and not bound.nothing else None
        test = None
        if tree is not None and (bound.residual is not None or keys is not None):
            test = evaluate.compile_filter(tree)
        mentioned = _mentioned(tree) | ({order[0].top.text} if order else set())
        return Prepared(
            served=served,
            plan=_read_plan(served, projection, mentioned if test or order else set()),
            where=bound.where,
            test=test,
            sort=sort,
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

    async def page(
        self, call: Call, query: Prepared, offset: int, limit: int, budget: Budget
    ) -> tuple[int, list[Rendered]]:
        """Answer by index: the count of all matches, and up to `limit` resources from `offset` (zero-based)."""
        if query.nothing:
            return 0, []
        with translated(query.served.mapping.attribute_of, searching=True):
            capabilities = query.served.capabilities
            if query.pushed and capabilities.total and (capabilities.offset or offset == 0):
                answer = await self._pushed(call, query, offset, limit)
                self._observer.road(call.tenant.name, query.served.name, "pushed", len(answer[1]))
                return answer
            if query.pushed:
                answer = await self._counted(call, query, offset, limit, budget)
                self._observer.road(call.tenant.name, query.served.name, "counted", budget.used)
                return answer
            matches = [item async for item in self.matches(call, query, budget)]
            self._observer.road(call.tenant.name, query.served.name, "residual", budget.used)
            return len(matches), matches[offset : offset + limit]

    async def _pushed(self, call: Call, query: Prepared, offset: int, limit: int) -> tuple[int, list[Rendered]]:
        served, records = query.served, list[Record]()
        ask = Query(
            fields=query.plan.fields if limit else frozenset(),
            where=query.where,
            sort=query.sort or Sort(),
            limit=max(limit, 1),
            offset=offset,
            total=True,
        )
        page = await served.guard.search(served.entity, ask, deadline=call.deadline)
        total = page.total
        while limit:
            records += page.records
            if page.cursor is None or len(records) >= limit:
                break
            ask = replace(ask, cursor=page.cursor, offset=0, limit=limit - len(records), total=False)
            page = await served.guard.search(served.entity, ask, deadline=call.deadline)
        return total or 0, await self.rendered(call, query, records)

    async def _counted(
        self, call: Call, query: Prepared, offset: int, limit: int, budget: Budget
    ) -> tuple[int, list[Rendered]]:
        """Page by index over a backend that can neither skip nor count: read on, keep only the page."""
        total, kept = 0, list[Record]()
        async for records in self._scan(call, query, budget):
            low, high = max(offset - total, 0), offset + limit - total
            kept += records[low : max(high, 0)]
            total += len(records)
        return total, await self.rendered(call, query, kept)

    async def matches(self, call: Call, query: Prepared, budget: Budget) -> AsyncIterator[Rendered]:
        """Yield every match in the backend's order, within the budget."""
        if query.nothing:
            return
        with translated(query.served.mapping.attribute_of, searching=True):
            async for records in self._scan(call, query, budget):
                for item in await self.rendered(call, query, records):
                    if query.test is None or query.test(item.resource):
                        yield item

    async def _scan(self, call: Call, query: Prepared, budget: Budget) -> AsyncIterator[Sequence[Record]]:
        served = query.served
        where, keys = query.where, query.keys
        if keys is not None and batch_operator(served.capabilities, KEY) is None:
            budget.spend(len(keys))
            records = await fetch_each(call, served, keys, query.plan.fields)
            yield [record for record in records if not served.mapping.is_dead(record)]
            return
        for part in [None] if keys is None else [keys[i : i + BATCH] for i in range(0, len(keys), BATCH)]:
            limited = where if part is None else conjunction(where, Compare(KEY, Op.IN, part))
            cursor: str | None = None
            while True:
                ask = Query(query.plan.fields, limited, query.sort or Sort(), limit=CHUNK, cursor=cursor)
                page = await served.guard.search(served.entity, ask, deadline=call.deadline)
                budget.spend(len(page.records))
                yield page.records
                if (cursor := page.cursor) is None:
                    break

    async def after(
        self, call: Call, query: Prepared, cursor: str | None, limit: int, budget: Budget
    ) -> tuple[list[Rendered], str | None]:
        """Answer by cursor: up to `limit` resources after `cursor`, and the native cursor to go on from (None at the
        end).

        On the residual road a page may be short, never silently incomplete: what is left is behind the next cursor.
        """
        if query.nothing:
            return [], None
        if query.keys is not None or query.sort is None:
            detail = "this query cannot be paged by cursor; page by startIndex or narrow the filter"
            raise refuse(ScimType.INVALID_CURSOR, detail)
        served, found = query.served, list[Rendered]()
        with translated(served.mapping.attribute_of, searching=True):
            while len(found) < limit:
                ask = Query(query.plan.fields, query.where, query.sort, limit=limit - len(found), cursor=cursor)
                page = await served.guard.search(served.entity, ask, deadline=call.deadline)
                found += [
                    item
                    for item in await self.rendered(call, query, page.records)
                    if query.test is None or query.test(item.resource)
                ]
                cursor = page.cursor
                if cursor is None:
                    break
                if query.test is not None:
                    if budget.used + len(page.records) >= budget.rows:
                        break
                    budget.spend(len(page.records))
        road = "pushed" if query.test is None else "residual"
        self._observer.road(call.tenant.name, served.name, road, len(found))
        return found, cursor

    async def rendered(self, call: Call, query: Prepared, records: Sequence[Record]) -> list[Rendered]:
        """Render a page: one look-up of identities and one resolution of references for all of it."""
        if not records:
            return []
        served, plan = query.served, query.plan
        keys = [record.key for record in records]
        identities = await self._resolver.identify(call, served, keys, kept=True)
        links = await self._renderer.links(call, served, plan, records)
        return [render(call, served, plan, record, identities[record.key], links) for record in records]


def conjunction(*terms: Filter | None) -> Filter | None:
    """Combine native filters that must all hold; None holds always."""
    present = tuple(term for term in terms if term is not None)
    return None if not present else present[0] if len(present) == 1 else And(present)


def _keys(served: Served, found: Iterable[Identity]) -> tuple[str, ...]:
    """Give the native keys of those identities that still belong to the entity."""
    return tuple(identity.key for identity in found if holds(served, identity))


def _held_term(held: Held) -> HeldTerm:
    return HeldTerm(path=held.path.text, op=held.op.value, value=held.value, folded=held.folded)


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


def _read_plan(served: Served, projection: Projection, mentioned: Iterable[str]) -> ReadPlan:
    """Choose what to load: the projection alone where no version is asked for, else all but the memberships not
    asked for."""
    mentioned = set(mentioned)
    meta = paths.resolve(served.resource_type, "meta")
    if not mentioned and not projection.wants(meta):
        return served.mapping.read_plan(projection)
    heavy = served.resource_type
    wanted = frozenset(
        name for name in served.heavy if name in mentioned or projection.wants(paths.resolve(heavy, name))
    )
    return served.mapping.read_plan(served.whole[wanted])
