"""One type's part of a search, answered by the cheapest road that is right.

*Pushed*: the backend filters, sorts, pages and counts; the gateway reads one page. *Counted*: the backend filters, but
the gateway has to read on to count. *Residual*: what the backend cannot answer exactly is read within the scan budget
and re-checked here. There is no other: a filter never becomes an unfiltered list (F12).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from backends.contract import KEY, And, Compare, Filter, Op, Query, Record, Sort, UnsupportedError
from gateway.engine.calls import Call
from gateway.engine.failures import translated
from gateway.engine.links import BATCH, Resolver, batch_operator, fetch_each
from gateway.engine.observer import Observer
from gateway.engine.prepared import Budget as Budget
from gateway.engine.prepared import Preparation
from gateway.engine.prepared import Prepared as Prepared
from gateway.engine.render import Rendered, Renderer, render
from gateway.identity import IdentityMap
from gateway.scim.errors import ScimType, refuse

CHUNK = 500
"""Records read at a time where they are checked or counted here."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of a list: what was found, and where to go on (None at the end); `total` where it was counted."""

    found: list[Rendered]
    cursor: str | None = None
    total: int | None = None


class Queries:
    """Runs the queries of one resource type."""

    def __init__(self, identities: IdentityMap, resolver: Resolver, renderer: Renderer, observer: Observer) -> None:
        self._resolver = resolver
        self._renderer = renderer
        self._observer = observer
        self.preparation = Preparation(identities, resolver, observer)

    def budget(self, call: Call) -> Budget:
        """Give what a request of the tenant may scan, from now on."""
        limits, clock = call.tenant.limits, asyncio.get_running_loop().time
        return Budget(limits.scan_rows, clock() + limits.scan_seconds, clock)

    async def page(self, call: Call, query: Prepared, offset: int, limit: int, budget: Budget) -> Stretch:
        """Answer by index: the count of all matches, and up to `limit` resources from `offset` (zero-based)."""
        if query.nothing:
            return Stretch([], total=0)
        with translated(query.served.mapping.attribute_of, searching=True):
            capabilities = query.served.capabilities
            if query.pushed and capabilities.total and (capabilities.offset or offset == 0):
                pushed = await self._pushed(call, query, offset, limit)
                if pushed is not None:
                    self._road(call, query, "pushed", len(pushed.found))
                    return pushed
            if query.pushed:
                answer = await self._counted(call, query, offset, limit, budget)
                self._road(call, query, "counted", budget.used)
                return answer
            matches = [item async for item in self.matches(call, query, budget)]
            self._road(call, query, "residual", budget.used)
            return Stretch(matches[offset : offset + limit], total=len(matches))

    async def count(self, call: Call, query: Prepared) -> int | None:
        """Count all matches where the backend does it by itself; None where only reading on would tell."""
        if query.nothing:
            return 0
        with translated(query.served.mapping.attribute_of, searching=True):
            pushed = await self._pushed(call, query, 0, 0)
            return None if pushed is None else pushed.total

    async def _pushed(self, call: Call, query: Prepared, offset: int, limit: int) -> Stretch | None:
        """Let the backend skip and count; None if it would have to read too much for that, which is for the budget."""
        served, records = query.served, list[Record]()
        ask = Query(
            fields=query.plan.fields if limit else frozenset(),
            where=query.where,
            sort=query.sort or Sort(),
            limit=max(limit, 1),
            offset=offset,
            total=True,
        )
        try:
            page = await served.guard.search(served.entity, ask, deadline=call.deadline)
        except UnsupportedError:
            return None
        total = page.total
        while limit:
            records += page.records
            if page.cursor is None or len(records) >= limit:
                break
            ask = replace(ask, cursor=page.cursor, offset=0, limit=limit - len(records), total=False)
            page = await served.guard.search(served.entity, ask, deadline=call.deadline)
        return Stretch(await self.rendered(call, query, records), total=total or 0)

    async def _counted(self, call: Call, query: Prepared, offset: int, limit: int, budget: Budget) -> Stretch:
        """Page by index over a backend that can neither skip nor count: read on, keep only the page."""
        total, kept = 0, list[Record]()
        async for records in self.scan(call, query, budget):
            low, high = max(offset - total, 0), offset + limit - total
            kept += records[low : max(high, 0)]
            total += len(records)
        return Stretch(await self.rendered(call, query, kept), total=total)

    async def matches(self, call: Call, query: Prepared, budget: Budget) -> AsyncIterator[Rendered]:
        """Yield every match in the backend's order, within the budget."""
        if query.nothing:
            return
        with translated(query.served.mapping.attribute_of, searching=True):
            async for records in self.scan(call, query, budget):
                for item in await self._matching(call, query, records):
                    yield item

    async def scan(self, call: Call, query: Prepared, budget: Budget) -> AsyncIterator[Sequence[Record]]:
        """Yield the records the backend finds, not re-checked, in batches and within the budget."""
        if query.keys is not None:
            for start in range(0, len(query.keys), BATCH):
                part = query.keys[start : start + BATCH]
                budget.spend(len(part), more=start > 0)
                yield await self._named(call, query, part)
            return
        served, cursor = query.served, None
        while True:
            ask = Query(query.plan.fields, query.where, query.sort or Sort(), limit=CHUNK, cursor=cursor)
            page = await served.guard.search(served.entity, ask, deadline=call.deadline)
            budget.spend(len(page.records), more=page.cursor is not None)
            yield page.records
            if (cursor := page.cursor) is None:
                return

    async def _named(self, call: Call, query: Prepared, keys: Sequence[str]) -> list[Record]:
        """Read the accounts with these keys, in their order; the dead and those that are gone are left out."""
        served = query.served
        if batch_operator(served.capabilities, KEY) is None:
            found = await fetch_each(call, served, keys, query.plan.fields)
        else:
            found, cursor = [], None
            named = Compare(KEY, Op.IN, tuple(keys))
            where = conjunction(query.where, named) if "and" in served.capabilities.logic else named
            while True:
                ask = Query(query.plan.fields, where, limit=len(keys), cursor=cursor)
                page = await served.guard.search(served.entity, ask, deadline=call.deadline)
                found += page.records
                if (cursor := page.cursor) is None:
                    break
        alive = {record.key: record for record in found if not served.mapping.is_dead(record)}
        return [alive[key] for key in keys if key in alive]

    async def after(
        self, call: Call, query: Prepared, cursor: str | None, limit: int, budget: Budget, *, total: bool = False
    ) -> Stretch:
        """Answer by cursor: up to `limit` resources after `cursor` (None: from the beginning), counted all together
        if that can be had without reading on (`total`, at the beginning only).

        On the residual road a page may be short, never silently incomplete: what is left is behind the next cursor.
        """
        if query.nothing:
            return Stretch([], total=0)
        if query.sort is None or (query.keys is not None and query.sort != Sort()):
            detail = "sortBy: this order cannot be paged by cursor; page by startIndex"
            raise refuse(ScimType.INVALID_VALUE, detail)
        with translated(query.served.mapping.attribute_of, searching=True):
            if query.keys is not None:
                answer = await self._after_key(call, query, query.keys, cursor, limit, budget)
            elif query.test is not None:
                answer = await self._after_checked(call, query, cursor, limit, budget)
            else:
                answer = await self._after_pushed(call, query, cursor, limit, total=total)
        self._road(call, query, "pushed" if query.test is None else "residual", len(answer.found))
        return answer

    async def _after_pushed(
        self, call: Call, query: Prepared, cursor: str | None, limit: int, *, total: bool
    ) -> Stretch:
        served, records, counted = query.served, list[Record](), None
        while True:
            ask = Query(
                query.plan.fields,
                query.where,
                query.sort or Sort(),
                limit=limit - len(records),
                cursor=cursor,
                total=total and not records,
            )
            try:
                page = await served.guard.search(served.entity, ask, deadline=call.deadline)
            except UnsupportedError:
                if not ask.total:
                    raise
                total = False
                continue
            records += page.records
            counted = page.total if counted is None else counted
            cursor = page.cursor
            if cursor is None or len(records) >= limit:
                return Stretch(await self.rendered(call, query, records), cursor, counted)

    async def _after_checked(
        self, call: Call, query: Prepared, cursor: str | None, limit: int, budget: Budget
    ) -> Stretch:
        """Read pages of `limit` records until one of them holds a match: a page of few is cheaper than many calls."""
        served, found = query.served, list[Rendered]()
        while True:
            ask = Query(query.plan.fields, query.where, query.sort or Sort(), limit=limit, cursor=cursor)
            page = await served.guard.search(served.entity, ask, deadline=call.deadline)
            budget.used += len(page.records)
            found = await self._matching(call, query, page.records)
            cursor = page.cursor
            if cursor is None or found or budget.spent:
                return Stretch(found, cursor)

    async def _after_key(
        self, call: Call, query: Prepared, keys: Sequence[str], cursor: str | None, limit: int, budget: Budget
    ) -> Stretch:
        """Go on behind a key among those the store named: its cursor is the last key that was looked at."""
        left = [key for key in keys if cursor is None or key > cursor]
        found = list[Rendered]()
        while left and len(found) < limit and not budget.spent:
            part, left = left[: limit - len(found)], left[limit - len(found) :]
            budget.used += len(part)
            found += await self._matching(call, query, await self._named(call, query, part))
            cursor = part[-1]
        return Stretch(found, cursor if left else None)

    async def _matching(self, call: Call, query: Prepared, records: Sequence[Record]) -> list[Rendered]:
        test = query.test
        rendered = await self.rendered(call, query, records)
        return rendered if test is None else [item for item in rendered if test(item.resource)]

    async def rendered(self, call: Call, query: Prepared, records: Sequence[Record]) -> list[Rendered]:
        """Render a page: one look-up of identities and one resolution of references for all of it."""
        if not records:
            return []
        served, plan = query.served, query.plan
        pairs = await self._resolver.identified(call, served, records)
        links = await self._renderer.links(call, served, plan, records)
        return [render(call, served, plan, record, identity, links) for record, identity in pairs]

    def _road(self, call: Call, query: Prepared, road: str, rows: int) -> None:
        self._observer.road(call.tenant.name, query.served.name, road, rows)


def conjunction(*terms: Filter | None) -> Filter | None:
    """Combine native filters that must all hold; None holds always."""
    present = tuple(term for term in terms if term is not None)
    return None if not present else present[0] if len(present) == 1 else And(present)
