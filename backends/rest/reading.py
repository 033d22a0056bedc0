"""Reading: single records, pages of them, and what is looked through because no system is trusted to filter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backends.contract import (
    KEY,
    BackendError,
    Capabilities,
    NotFoundError,
    Page,
    Query,
    Record,
    Sort,
    UnavailableError,
    UnsupportedError,
)
from backends.kit.paging import decode, encode, page
from backends.kit.queries import admit
from backends.kit.recall import Recall
from backends.kit.together import together
from backends.kit.windows import Looked, window
from backends.rest.calls import UnfitValueError
from backends.rest.exchange import Exchange
from backends.rest.links import Links
from backends.rest.model import Entity, key_at
from backends.rest.paging import Listing, Position
from backends.rest.questions import ByKeys, ByList, Plan, plan

COLLECTED = 10_000
"""So many records of lists that come in parts are held at most, where they must be ordered here."""


@dataclass(frozen=True, slots=True)
class Native:
    """A record as the system gave it."""

    key: str
    document: Any
    version: str | None


class Reading:
    """Reads one entity."""

    def __init__(self, entity: Entity, exchange: Exchange, links: Links, capabilities: Capabilities) -> None:
        self._entity = entity
        self._exchange = exchange
        self._links = links
        self._capabilities = capabilities
        self._recall: Recall[Native] | None = (
            Recall() if any(entity.guards(one.call) for one in entity.update) else None
        )

    async def get(self, key: str, fields: frozenset[str]) -> Record:
        """Read one record; raise `NotFoundError` for a key that no visible record has, in that very spelling."""
        self._entity.require(fields)
        native = await self.native(key)
        if self._recall is not None and native.version is not None:
            self._recall.keep(key, native.version, native)
        return await self.record(native, fields)

    def recalled(self, key: str, version: str | None) -> Native | None:
        """Give a record that `get` has just read, if it had that version; only once."""
        return None if self._recall is None else self._recall.take(key, version)

    async def native(self, key: str) -> Native:
        """Read one record as the system has it."""
        entity = self._entity
        if not key:
            raise NotFoundError("there is no such record")
        if entity.get is None:
            return await self._listed(key)
        reply = await self._exchange.call(entity.get, {"key": entity.sent(key)})
        document = entity.record.read(reply.document)
        if document is None and not entity.record.leads(reply.document):
            # Neither a record nor "none": whoever takes this for a record that is gone forgets accounts that live.
            raise UnavailableError("the system's answer holds no record where its settings say")
        if document in (None, [], {}):
            raise NotFoundError("there is no such record")
        document = document[0] if isinstance(document, list) else document
        # A system may answer to another spelling: that is another key.
        if entity.key_of(document) != key or not entity.visible(document):
            raise NotFoundError("there is no such record")
        return Native(key, document, entity.version_of(document, reply.answer.headers))

    async def record(self, native: Native, fields: Iterable[str]) -> Record:
        """Show fields of a record, those with calls of their own among them."""
        apart = [name for name in fields if self._entity.fields[name].settings.apart]
        record = self.light(native, [name for name in fields if name not in apart])
        if not apart:
            return record
        read = await together(
            lambda name: self._links.values(self._entity, name, native.key), apart, at_once=self._exchange.at_once
        )
        return Record(native.key, {**record.fields, **dict(zip(apart, read, strict=True))}, native.version)

    def light(self, native: Native, fields: Iterable[str]) -> Record:
        """Show fields that are part of a record."""
        return Record(
            native.key, {name: self._entity.fields[name].read(native.document) for name in fields}, native.version
        )

    async def search(self, query: Query) -> Page:
        """Answer a query: in pages of the system where one list has it all in its order, else worked out in memory."""
        entity = self._entity
        entity.require(query.fields)
        admit(query, self._capabilities)
        chosen = plan(entity, query.where)
        if not isinstance(chosen.source, ByKeys) and len(chosen.source) == 1:
            (source,) = chosen.source
            if not source.one and not source.listing.whole:
                if _answers(query, chosen, source):
                    return await self._paged(query, chosen, source)
                if query.sort == Sort():
                    return await self._cut(query, chosen, source)
        return await self._collected(query, chosen)

    async def _collected(self, query: Query, chosen: Plan) -> Page:
        """Collect all there is and cut the page out of it."""
        shown = query.fields | chosen.needed | ({query.sort.field} - {KEY})
        if query.sort.field != KEY and query.sort.field not in self._capabilities.sort:
            raise UnsupportedError(f"cannot sort by {query.sort.field}")
        light = frozenset(name for name in shown if not self._entity.fields[name].settings.apart)
        if isinstance(chosen.source, ByKeys):
            natives = await self._by_keys(chosen.source.keys)
        else:
            natives = await self._bounded(chosen.source)
        fit = [native for native in await self._matching(natives, chosen) if native is not None]
        by_key = {native.key: native for native in fit}
        found = page(
            [self.light(native, light) for native in fit],
            Query(light, None, query.sort, query.limit, query.offset, query.cursor, query.total),
        )
        whole = await self._whole([by_key[record.key] for record in found.records], query.fields)
        return Page(whole, found.total, found.cursor)

    async def _bounded(self, sources: Iterable[ByList]) -> list[Native]:
        """Hold all that several lists have, each record once: no more of what comes in parts than is looked through."""
        sources, found = tuple(sources), dict[str, Native]()
        parts = any(not source.one and not source.listing.whole for source in sources)
        async for native in self._natives(sources):
            found[native.key] = native
            if parts and len(found) > COLLECTED:
                raise UnsupportedError("too many records would be held to order them or to count them")
        return list(found.values())

    async def _cut(self, query: Query, chosen: Plan, source: ByList) -> Page:
        """Skip and count what the system can neither skip nor count: its answer is read from the beginning."""
        listing = source.listing
        size = listing.size(listing.settings.paging.size)

        async def part(cursor: str | None) -> Looked[Native]:
            position, _, mark = self._begin(replace(query, cursor=cursor, offset=0), listing, size)
            one = await listing.part(self._exchange, source.values, position, size)
            ends = _ends(listing, one.elements)
            if mark is not None and ends == mark:
                raise BackendError("the system ignores how its list is paged")
            shown = await self._each(one.elements, listing)
            kept = await self._matching(shown, chosen)
            following = None if one.following is None else encode(one.following, 0, ends)
            return Looked(kept, lambda place: encode(*listing.within(position, one.elements, place), None), following)

        try:
            if query.cursor is not None:
                # The count is that of the whole search; the page goes on where the last one ended.
                whole = await window(part, replace(query, cursor=None, limit=0))
                shown = await self._paged(replace(query, total=False), chosen, source)
                return replace(shown, total=whole.total)
            found = await window(part, query)
        except UnfitValueError:
            return Page((), 0 if query.total else None)
        return Page(await self._whole(found.items, query.fields), found.total, found.cursor)

    async def _matching(self, natives: Sequence[Native | None], chosen: Plan) -> list[Native | None]:
        """Look through records: None stands for what is no match. What has calls of its own is read only of those that
        may be one."""
        likely = [
            native if native is not None and chosen.test(self.light(native, chosen.needed)) else None
            for native in natives
        ]
        closer = chosen.closer
        if closer is None:
            return likely

        async def look(native: Native | None) -> Native | None:
            return native if native is not None and closer(await self.record(native, chosen.read)) else None

        return await together(look, likely, at_once=self._exchange.at_once)

    async def _natives(self, sources: Iterable[ByList]) -> AsyncIterator[Native]:
        for source in sources:
            try:
                if source.one:
                    reply = await self._exchange.call(source.listing.call, source.values)
                    elements = [source.listing.record.read(source.listing.records.read(reply.document))]
                else:
                    every = source.listing.everything(self._exchange, source.values)
                    elements = [element async for element in every]
            except NotFoundError:
                if not source.one:
                    raise
                continue
            except UnfitValueError:
                continue
            found = [element for element in elements if element not in (None, [], {})]
            for native in await self._visible(found, source.listing):
                yield native

    async def _paged(self, query: Query, chosen: Plan, source: ByList) -> Page:
        """Read one page of the system's own, or a part of it."""
        listing, sort = source.listing, query.sort
        values = dict(source.values)
        if sort.descending and sort.field == KEY:
            raise UnsupportedError("cannot sort by the key downwards")
        if sort.field != KEY:
            values["@order"] = "desc" if sort.descending else "asc"
            if sort.ignore_case or source.listing is not self._entity.listing:
                raise UnsupportedError(f"cannot sort by {sort.field} here")
            listing = self._entity.sorts[sort.field]
        position, skip, mark = self._begin(query, listing, listing.size(query.limit))
        try:
            part = await listing.part(self._exchange, values, position, listing.size(query.limit))
        except UnfitValueError:
            return Page((), 0 if query.total else None)
        ends = _ends(listing, part.elements)
        if mark is not None and skip == 0 and ends == mark:
            raise BackendError("the system ignores how its list is paged")
        taken = part.elements[skip : skip + query.limit]
        natives = await self._visible(taken, listing)
        if query.where is not None:
            kept = [native for native in await self._matching(natives, chosen) if native is not None]
            if len(kept) < len(natives) and (query.total or query.offset):
                raise BackendError("the system does not filter as its settings say")
            natives = kept
        cursor = None
        if skip + len(taken) < len(part.elements):
            cursor = encode(position, skip + len(taken), None)
        elif part.following is not None:
            cursor = encode(part.following, 0, ends)
        total = part.total if query.total else None
        return Page(await self._whole(natives, query.fields), total, cursor)

    def _begin(self, query: Query, listing: Listing, size: int) -> tuple[Position | None, int, Any]:
        if query.cursor is not None:
            position, skip, mark = decode(query.cursor, 3)
            if not isinstance(skip, int) or not isinstance(position, int | str | None):
                raise UnsupportedError("the cursor is not one of this search")
            return position, skip, mark
        if not query.offset:
            return None, 0, None
        assert listing.numbered
        if listing.settings.paging.style == "offset":
            return query.offset, 0, None
        number, skip = divmod(query.offset, size)
        return number, skip, None

    async def _visible(self, elements: list[Any], listing: Listing) -> list[Native]:
        """Make records of a list's elements; leave out what is excluded, and what was deleted meanwhile."""
        return [native for native in await self._each(elements, listing) if native is not None]

    async def _each(self, elements: list[Any], listing: Listing) -> list[Native | None]:
        """Make a record of each element, read one by one where the list is thin; None for what is not to be seen."""
        entity = self._entity
        if listing.settings.thin:
            keys = [key_at(listing.key, element) for element in elements]
            return await together(self._maybe, keys, at_once=self._exchange.at_once)
        return [
            Native(entity.key_of(element), element, entity.version_of(element, {})) if entity.visible(element) else None
            for element in elements
        ]

    async def _by_keys(self, keys: Iterable[str]) -> list[Native]:
        found = await together(self._maybe, keys, at_once=self._exchange.at_once)
        return [native for native in found if native is not None]

    async def _maybe(self, key: str) -> Native | None:
        try:
            return await self.native(key)
        except NotFoundError:
            return None

    async def _whole(self, natives: list[Native], fields: frozenset[str]) -> list[Record]:
        return await together(lambda native: self.record(native, fields), natives, at_once=self._exchange.at_once)

    async def _listed(self, key: str) -> Native:
        """Find a record in the list, where the system cannot read one."""
        compare = next((item for item in self._entity.filters if item.field == KEY and "eq" in item.ops), None)
        values = {} if compare is None else {"value": self._entity.sent(key), "key": self._entity.sent(key)}
        listing = self._entity.listing if compare is None else compare.listing
        assert listing is not None
        source = ByList(listing, values, one=compare is not None and compare.one)
        async for native in self._natives((source,)):
            if native.key == key:
                return native
        raise NotFoundError("there is no such record")


def _answers(query: Query, chosen: Plan, source: ByList) -> bool:
    """Tell whether the system's own list answers a query: where it is to skip or count, only one that can, and only of
    what it finds exactly."""
    if not query.total and not query.offset:
        return True
    able = (source.listing.counts or not query.total) and (source.listing.numbered or not query.offset)
    return chosen.trusted and able


def _ends(listing: Listing, elements: list[Any]) -> str | None:
    """Name the first and last record of a part: the next one cannot have the same, unless paging is ignored."""
    if len(elements) < 2:
        return None
    return f"{listing.key.read(elements[0])}\n{listing.key.read(elements[-1])}"
