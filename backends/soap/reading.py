"""Reading: one record, pages of records, and the values that operations of their own list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from backends.contract import (
    KEY,
    And,
    BackendError,
    Compare,
    Filter,
    Match,
    NotFoundError,
    Op,
    Page,
    Query,
    Record,
    RejectedError,
    UnsupportedError,
    Value,
)
from backends.kit.evaluate import compile_filter, fields_of
from backends.kit.paging import encode, page
from backends.kit.queries import admit
from backends.kit.recall import Recall
from backends.kit.together import together
from backends.kit.windows import Looked, window
from backends.soap.calls import Call
from backends.soap.client import Reply, SoapClient
from backends.soap.envelopes import UnfitError, check
from backends.soap.model import Entity, Lister
from backends.soap.positions import counted, everything, list_answers, page_number, place_in, position, told, within
from backends.soap.questions import Question, apart, question

ASIDE = 1000
"""Lists longer than this are worked through in a thread, so that nobody else waits for it."""
Keys = Callable[[str], AsyncIterator[str]]
"""Walks over the keys of another entity."""


class Reading:
    """Reads the records of one entity."""

    def __init__(self, entity: Entity, client: SoapClient, keys: Keys, at_once: int) -> None:
        self.entity = entity
        self._client = client
        self._keys = keys
        self._at_once = at_once
        self._names = tuple(entity.fields)
        # Records have versions where every change of them carries one: then the service refuses what is stale.
        self._recall: Recall[dict[str, Any]] | None = Recall() if entity.capabilities.versions else None

    async def get(self, key: str, fields: frozenset[str]) -> Record:
        """Read one record; raise `NotFoundError`."""
        self.check(fields)
        document = await self.document(key)
        version = self.entity.version_of(document)
        if self._recall is not None and version:
            self._recall.keep(key, version, document)
        return await self.record(document, fields)

    def recalled(self, key: str, version: str | None) -> dict[str, Any] | None:
        """Give a document that `get` has just read, if it had that version; only once."""
        return None if self._recall is None else self._recall.take(key, version)

    async def document(self, key: str) -> dict[str, Any]:
        """Read the document of one record; raise `NotFoundError`."""
        entity = self.entity
        if entity.get is None:
            async for document in self._search_key(key):
                if entity.has(document) and entity.key_of(document) == key:
                    return document  # type: ignore[no-any-return]
            raise NotFoundError("there is no such record")
        call = entity.get
        reply = await self.call(call, {"key": self.fit(call, key)})
        document = entity.record.read(reply.document)
        # Whoever answers a question nobody asked, about "007" for "7", has not found it.
        if not entity.has(document) or entity.key_of(document) != key:
            raise NotFoundError("there is no such record")
        assert isinstance(document, dict)
        return document

    async def record(self, document: Any, fields: frozenset[str]) -> Record:
        """Make a record of a document, with the values that operations of their own list."""
        entity = self.entity
        key = entity.key_of(document)
        values = entity.read(document, fields)
        apart = sorted(name for name in fields if entity.fields[name].apart)
        if apart:

            async def listed(name: str) -> Value:
                return await self.links(key, name)

            found = await together(listed, apart, at_once=self._at_once)
            values |= dict(zip(apart, found, strict=True))
        return Record(key, values, entity.version_of(document))

    async def links(self, key: str, name: str) -> tuple[Any, ...]:
        """List the values of a field that are no part of the record, each once."""
        links, plan = self.entity.links[name], self.entity.fields[name]
        found: dict[Any, None] = {}
        async for one in self._all(links.lister, {"key": self.fit(links.lister.call, key)}):
            value = plan.column.read(links.value.read(one), name)
            if value is not None:
                found[value] = None
        return tuple(found)

    async def search(self, query: Query) -> Page:
        """Read a page; raise `UnsupportedError` for what the settings did not declare."""
        entity = self.entity
        self.check(query.fields)
        match = admit(query, entity.capabilities)
        asked = question(query.where, entity)
        for name in asked.unreadable:
            raise RejectedError("the value has a character that XML cannot carry", name)
        if asked.nothing:
            return Page((), 0 if query.total else None)
        if asked.lister.whole or asked.several:
            return await self._whole(query, asked)
        if query.sort.descending:
            raise UnsupportedError("the system has an order of its own")
        # One condition of several finds more than all of them; a query text says them all.
        if list_answers(query, asked.lister, exact=match is Match.EXACT and not asked.partial):
            found = await self._part(query, asked)
            if found is not None:
                return found
        return await self._sliced(query, asked)

    def check(self, fields: Iterable[str]) -> None:
        """Refuse fields there are not."""
        for name in fields:
            if name not in self.entity.fields:
                raise BackendError(f"there is no field {name}")

    async def call(self, call: Call, values: Mapping[str, Any]) -> Reply:
        """Make a call of this entity."""
        return await self._client.call(call, values, fields=self._names)

    def fit(self, call: Call, key: str) -> str:
        """Check that a key can be one; raise `NotFoundError` for what no key looks like."""
        leaf = call.leaves.get("key")
        try:
            text = check(key, leaf) if leaf is not None else key
        except UnfitError as error:
            raise NotFoundError("there is no such record") from error
        if not text:
            raise NotFoundError("there is no such record")
        return text

    async def _search_key(self, key: str) -> AsyncIterator[Any]:
        plan = self.entity.filters.get((KEY, Op.EQ, False))
        if plan is None or not key:
            assert self.entity.list is not None
            async for document in self._all(self.entity.list, everything(self.entity.list)):
                yield document
            return
        asked = question(Compare(KEY, Op.EQ, key), self.entity)
        if asked.nothing or asked.unreadable:
            return
        for values in asked.values:
            async for document in self._all(asked.lister, values):
                yield document

    async def _whole(self, query: Query, asked: Question) -> Page:
        """Answer from all that the system finds at once."""
        documents: list[Any] = []
        for values in asked.values:
            documents += [document async for document in self._all(asked.lister, values)]
        if len(documents) > ASIDE:
            found, chosen = await asyncio.to_thread(self._cut, documents, query)
        else:
            found, chosen = self._cut(documents, query)
        return Page(await self._records(chosen, query.fields), found.total, found.cursor)

    def _cut(self, documents: list[Any], query: Query) -> tuple[Page, list[Any]]:
        """Filter, order and cut what was found; who is there twice counts once."""
        entity = self.entity
        again = self._again(query.where)
        names = frozenset(self._looked_at(again) | ({query.sort.field} - {KEY}))
        known: dict[str, Any] = {}
        for document in documents:
            if entity.has(document):
                known.setdefault(entity.key_of(document), document)
        records = (Record(key, entity.read(document, names)) for key, document in known.items())
        inner = Query(names, again, query.sort, query.limit, query.offset, query.cursor, query.total)
        found = page(records, inner, order=int if entity.numbered else str)
        return found, [known[record.key] for record in found.records]

    async def _part(self, query: Query, asked: Question) -> Page | None:
        """Answer with a part of what the system finds part by part, in its own order; None if it was to skip or to
        count and finds what was not asked for, or tells no count."""
        lister, (values,) = asked.lister, asked.values
        documents, cursor, total = await self._read(lister, values, query)
        if query.total and total is None:
            return None
        matching = await self._matching(query.where, lister, documents)
        kept = [document for document in matching if document is not None]
        if query.where is not None and len(kept) < len(documents) and (query.total or query.offset):
            return None
        return Page(await self._records(kept, query.fields), total if query.total else None, cursor)

    async def _sliced(self, query: Query, asked: Question) -> Page:
        """Skip and count what the system can neither skip nor count: its answer is read from the beginning."""
        lister, (values,) = asked.lister, asked.values

        async def part(cursor: str | None) -> Looked[Any]:
            ask = Query(frozenset(), limit=lister.paging.size, cursor=cursor)
            documents, following, _ = await self._read(lister, values, ask)
            matching = await self._matching(query.where, lister, documents)
            return Looked(matching, lambda place: within(lister, cursor, place), following)

        if query.cursor is not None:
            # The count is that of the whole search; the page goes on where the last one ended.
            whole = await window(part, replace(query, cursor=None, limit=0))
            shown = await self._part(replace(query, total=False), asked)
            assert shown is not None
            return replace(shown, total=whole.total)
        found = await window(part, query)
        return Page(await self._records(found.items, query.fields), found.total, found.cursor)

    async def _read(
        self, lister: Lister, values: Mapping[str, Any], query: Query
    ) -> tuple[list[Any], str | None, int | None]:
        if lister.paging.by == "offset":
            return await self._by_offset(lister, values, query)
        return *await self._by_page(lister, values, query), None

    async def _matching(self, where: Filter | None, lister: Lister, documents: list[Any]) -> list[Any]:
        """Look through documents: None stands for what is no match, or no record."""
        entity, again = self.entity, self._again(where)
        test, needed = compile_filter(again), frozenset(self._looked_at(again))
        if lister.thin:
            documents = await self._thick(documents)
        return [
            document
            if entity.has(document) and test(Record(entity.key_of(document), entity.read(document, needed)))
            else None
            for document in documents
        ]

    async def _by_offset(
        self, lister: Lister, values: Mapping[str, Any], query: Query
    ) -> tuple[list[Any], str | None, int | None]:
        start = query.offset if query.cursor is None else position(query.cursor, 1)[0]
        count = min(lister.paging.size, query.limit)
        found, total = await self._window(lister, values, start, count)
        after = start + len(found)
        last = not found or (total is not None and after >= total)
        last |= lister.paging.short_is_last and len(found) < count
        return found, None if last else encode(after), total

    async def _window(
        self, lister: Lister, values: Mapping[str, Any], start: int, count: int
    ) -> tuple[list[Any], int | None]:
        """Read a window of a list; what a server gives beyond it is left for the next."""
        paging, handle = lister.paging, lister.handle
        values = {**values, "@offset": str(paging.first + start), "@limit": str(count)}
        if handle is None:
            reply = await self.call(lister.call, values)
            return self._found(lister, reply)[:count], counted(lister.total, reply)
        opened = await self.call(handle.open, values)
        name = told(handle.at, opened)
        if name is None:
            raise BackendError("the system gave no handle")
        total = counted(handle.count, opened)
        try:
            if total is not None and start >= total:
                return [], total
            reply = await self.call(lister.call, {**values, "@handle": name})
        finally:
            if handle.close is not None:
                await self.call(handle.close, {**values, "@handle": name})
        return self._found(lister, reply)[:count], total if total is not None else counted(lister.total, reply)

    async def _by_page(self, lister: Lister, values: Mapping[str, Any], query: Query) -> tuple[list[Any], str | None]:
        paging = lister.paging
        where, inside = (None, 0) if query.cursor is None else place_in(query.cursor)
        if paging.by == "page":
            number = 0 if where is None else page_number(where)
            given = {"@page": str(paging.first + number), "@limit": str(paging.size)}
        else:
            given = {"@limit": str(paging.size)} if where is None else {"@token": where, "@limit": str(paging.size)}
        reply = await self.call(lister.call, {**values, **given})
        found = self._found(lister, reply)
        part = found[inside : inside + query.limit]
        if inside + len(part) < len(found):
            return part, encode(where, inside + len(part))
        if paging.by == "token":
            following = told(lister.next, reply)
            return part, None if following is None else encode(following, 0)
        last = not found or (paging.short_is_last and len(found) < paging.size)
        return part, None if last else encode(str(number + 1), 0)

    async def _all(self, lister: Lister, values: Mapping[str, Any]) -> AsyncIterator[Any]:
        """Walk over everything a list has, part by part where it has parts."""
        if lister.each is not None:
            async for owner in self._keys(lister.each):
                for document in self._found(lister, await self.call(lister.call, {**values, "@owner": owner})):
                    yield document
        elif lister.whole:
            found = self._found(lister, await self.call(lister.call, values))
            for document in await self._thick(found) if lister.thin else found:
                if document is not None:
                    yield document
        else:
            cursor: str | None = None
            while True:
                query = Query(frozenset(), limit=lister.paging.size, cursor=cursor)
                found, cursor, _ = await self._read(lister, values, query)
                for document in await self._thick(found) if lister.thin else found:
                    if document is not None:
                        yield document
                if cursor is None:
                    return

    async def _thick(self, documents: list[Any]) -> list[Any]:
        """Read each record by itself, where a list has its key only; None for who is gone meanwhile."""

        async def whole(document: Any) -> Any:
            if not self.entity.has(document):
                return None
            try:
                return await self.document(self.entity.key_of(document))
            except NotFoundError:
                return None

        return await together(whole, documents, at_once=self._at_once)

    async def _records(self, documents: list[Any], fields: frozenset[str]) -> list[Record]:
        async def made(document: Any) -> Record:
            return await self.record(document, fields)

        return await together(made, documents, at_once=self._at_once)

    def _found(self, lister: Lister, reply: Reply) -> list[Any]:
        return self.entity.documents(lister.records.read(reply.document))

    def _looked_at(self, where: Filter | None) -> set[str]:
        """Name the fields a filter looks at."""
        fields = self.entity.fields
        return {name if name in fields else name.rpartition(".")[0] for name in fields_of(where)}

    def _again(self, where: Filter | None) -> Filter | None:
        """The filter to look through the answer with: what a system finds is not trusted, where the answer has what
        the filter names. Of conditions that must all hold, the one it has not was asked for."""
        if isinstance(where, And):
            return And(tuple(again for term in where.terms if (again := self._again(term)) is not None))
        return None if any(apart(name, self.entity) for name in fields_of(where)) else where
