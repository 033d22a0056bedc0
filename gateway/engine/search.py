"""Search: GET and `.search` on one type or on all, by index or by cursor (RFC 7644 §3.4.2, §3.4.3; RFC 9865)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from gateway.engine.calls import Answer, Call
from gateway.engine.failures import answerable
from gateway.engine.queries import Budget, Prepared, Queries
from gateway.engine.render import Rendered
from gateway.engine.tenants import Served
from gateway.scim import cursors, messages, project, sort
from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.scim.messages import SearchRequest
from gateway.scim.paths import AttributePath
from gateway.scim.project import Projection


class Search:
    """Answers searches over one or several resource types as one list in a stable order (Q4)."""

    def __init__(self, queries: Queries, *, clock: Callable[[], float], now: Callable[[], datetime]) -> None:
        self._queries = queries
        self._clock = clock
        self._now = now

    async def run(self, call: Call, types: Sequence[Served], request: SearchRequest) -> Answer:
        """Answer a search; raise `ScimError` 400 for a filter, sort, count or cursor that cannot be honoured."""
        with answerable():
            return await self._run(call, types, request)

    async def _run(self, call: Call, types: Sequence[Served], request: SearchRequest) -> Answer:
        limits = call.tenant.limits
        budget = Budget(limits.scan_rows, self._clock() + limits.scan_seconds, self._clock)
        lenient = len(types) > 1
        projections = {
            served.name: project.parse(served.resource_type, request.attributes, request.excluded) for served in types
        }
        queries = []
        for served in types:
            order = self._order(served, request, lenient=lenient)
            projection = projections[served.name]
            queries.append(
                await self._queries.preparation.parsed(call, served, request.filter, order, projection, lenient=lenient)
            )
        if request.cursor is not None:
            return await self._by_cursor(call, queries, projections, request, budget)
        return await self._by_index(call, queries, projections, request, budget)

    def _order(self, served: Served, request: SearchRequest, *, lenient: bool) -> tuple[AttributePath, bool] | None:
        if request.sort_by is None:
            sort.parse(served.resource_type, None, request.sort_order)
            return None
        try:
            return sort.parse(served.resource_type, request.sort_by, request.sort_order)
        except ScimError:
            if lenient and served.resource_type.attribute(request.sort_by.split(".")[0]) is None:
                return None
            raise

    async def _by_index(
        self,
        call: Call,
        queries: Sequence[Prepared],
        projections: dict[str, Projection],
        request: SearchRequest,
        budget: Budget,
    ) -> Answer:
        limits = call.tenant.limits
        count = limits.page_size if request.count is None else min(request.count, limits.max_page_size)
        offset = request.start_index - 1
        total, page = 0, list[dict[str, Any]]()
        if request.sort_by is not None and (len(queries) > 1 or queries[0].sort is None or queries[0].keys is not None):
            return await self._sorted_here(call, queries, projections, request, budget, offset, count)
        for query in queries:
            skip, room = max(offset - total, 0), count - len(page)
            answer = await self._queries.page(call, query, skip, room, budget)
            total += answer.total or 0
            page += _project(answer.found, projections[query.served.name])
        return Answer(200, messages.list_response(page, total=total, start_index=request.start_index))

    async def _sorted_here(
        self,
        call: Call,
        queries: Sequence[Prepared],
        projections: dict[str, Projection],
        request: SearchRequest,
        budget: Budget,
        offset: int,
        count: int,
    ) -> Answer:
        """Sort what no backend can sort: every match is read, within the scan budget."""
        found: list[tuple[Any, Rendered, Projection]] = []
        descending = False
        for query in queries:
            order = self._order(query.served, request, lenient=len(queries) > 1)
            key = (lambda _: None) if order is None else sort.key(*order)
            descending = descending if order is None else order[1]
            projection = projections[query.served.name]
            found += [
                (key(item.resource), item, projection) async for item in self._queries.matches(call, query, budget)
            ]
        ordered = sort.ordered(found, descending=descending, key=lambda entry: entry[0])
        page = [projection.apply(item.resource) for _, item, projection in ordered[offset : offset + count]]
        return Answer(200, messages.list_response(page, total=len(found), start_index=request.start_index))

    async def _by_cursor(
        self,
        call: Call,
        queries: Sequence[Prepared],
        projections: dict[str, Projection],
        request: SearchRequest,
        budget: Budget,
    ) -> Answer:
        limits = call.tenant.limits
        if request.count is not None and not 0 <= request.count <= limits.max_page_size:
            raise refuse(ScimType.INVALID_COUNT, f"count: must lie between 0 and {limits.max_page_size}")
        if request.sort_by is not None and len(queries) > 1:
            raise refuse(ScimType.INVALID_VALUE, "sortBy: several types in one order cannot be paged by cursor")
        count = limits.page_size if request.count is None else request.count
        binding = _binding(call, queries, request)
        index, native, total = 0, None, None
        now = self._now().timestamp()
        if request.cursor:
            payload = cursors.open(call.tenant.cursor_key, request.cursor, binding, now)
            index, native, total, sealed = payload["t"], payload["c"], payload["n"], payload["k"]
            if request.count is not None and request.count != sealed:
                raise refuse(ScimType.INVALID_COUNT, "count: must be the same on every page of one query")
            count = sealed
        # Counted once, with the first page, and carried along: a count costs more than a page.
        counting = not request.cursor and all(
            query.nothing or (query.pushed and query.served.capabilities.total) for query in queries
        )
        totals: dict[int, int] = {}
        page = list[dict[str, Any]]()
        while index < len(queries) and len(page) < count:
            query = queries[index]
            answer = await self._queries.after(
                call, query, native, count - len(page), budget, total=counting and native is None
            )
            native = answer.cursor
            page += _project(answer.found, projections[query.served.name])
            if answer.total is not None:
                totals[index] = answer.total
            counting = counting and index in totals
            if native is not None:
                break
            index += 1
        if counting:
            counts = [
                totals[other] if other in totals else await self._queries.count(call, query)
                for other, query in enumerate(queries)
            ]
            total = None if None in counts else sum(count for count in counts if count is not None)
        following = None
        if index < len(queries) and count > 0:
            payload = {"t": index, "c": native, "n": total, "k": count}
            following = cursors.seal(call.tenant.cursor_key, payload, binding, now + limits.cursor_seconds)
        return Answer(200, messages.list_response(page, total=total, next_cursor=following))


def _project(found: Sequence[Rendered], projection: Projection) -> list[dict[str, Any]]:
    return [projection.apply(item.resource) for item in found]


def _binding(call: Call, queries: Sequence[Prepared], request: SearchRequest) -> bytes:
    """Digest of everything a cursor is bound to: tenant, caller and the query itself (N4, N8)."""
    parts = [
        call.tenant.name,
        call.caller.name,
        [query.served.name for query in queries],
        request.filter,
        request.sort_by,
        request.sort_order,
        request.attributes,
        request.excluded,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).digest()
