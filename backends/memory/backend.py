"""The memory backend: the contract over a store in memory."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterable, Mapping

from backends.contract import (
    KEY,
    BackendError,
    Capabilities,
    Change,
    Context,
    Field,
    Fields,
    Outcome,
    Page,
    Query,
    Record,
    Row,
    Scalar,
    StaleError,
    UnfinishedError,
    UnsupportedError,
    WritableBackend,
)
from backends.kit.evaluate import fields_of
from backends.kit.merging import about, merge
from backends.kit.paging import decode, encode, page
from backends.kit.queries import admit
from backends.kit.scalars import identity
from backends.memory.filters import candidates, loosened
from backends.memory.settings import MemorySettings
from backends.memory.shapes import shape
from backends.memory.store import Store
from backends.memory.table import Stored, Table
from backends.memory.values import check, check_create


async def pause(step: str) -> None:
    """Let others run, as any real system would between two of its steps."""
    await asyncio.sleep(0)


class MemoryBackend(WritableBackend[MemorySettings]):
    """Keeps records for as long as the object lives, `stop` and `start` included.

    `step` is awaited around everything a system would do by itself, and named after it: ``ask`` before, ``store``
    between the parts of a write that is not atomic, ``answer`` behind a write. Tests put one of their own in its place
    to hold a call or to let it fail there.
    """

    settings_type = MemorySettings

    def __init__(
        self, settings: MemorySettings, context: Context, *, step: Callable[[str], Awaitable[None]] = pause
    ) -> None:
        super().__init__(settings, context)
        self.step = step
        self._shapes = {name: shape(name, entity) for name, entity in settings.entities.items()}
        self._store = Store(self._shapes.values())
        self._seed()

    def enter(self, entity: str, fields: Fields) -> str:
        """Enter a record whatever the entity takes, and give its key: as if it had always been there."""
        table = self._store.table(entity)
        check_create(fields, table.shape.fields)
        stored = self._store.add(table, fields)
        for name, edit in self._store.edits(table, stored, Change(set=fields)).items():
            self._store.apply(table, stored, name, edit)
        return stored.key

    async def ping(self) -> None:
        await self.step("ask")

    def capabilities(self, entity: str) -> Capabilities:
        return self._shapes[entity].capabilities if entity in self._shapes else Capabilities()

    async def describe(self, entity: str) -> Mapping[str, Field]:
        return self._store.table(entity).shape.fields

    async def introspect(self) -> Mapping[str, Mapping[str, Field]]:
        return {name: shape.fields for name, shape in self._shapes.items()}

    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        table = self._store.table(entity)
        await self.step("ask")
        return self._store.view(table, table.find(key), fields)

    async def search(self, entity: str, query: Query) -> Page:
        table = self._store.table(entity)
        admit(query, table.shape.capabilities)
        await self.step("ask")
        where = loosened(query.where, self.settings.entities[entity].loose)
        looked_at = {name if name in table.shape.fields else name.rpartition(".")[0] for name in fields_of(where)}
        needed = query.fields | looked_at | ({query.sort.field} - {KEY})
        keys = candidates(where, table, self._store)
        by_key = query.sort.field == KEY and keys is None
        after = None
        if by_key and query.cursor is not None:
            after = str(decode(query.cursor, 2)[1]) if not query.total else None
        found: Iterable[Stored] = (table.records[key] for key in keys or () if key in table.records)
        if keys is None:
            found = table.walk(descending=by_key and query.sort.descending, after=after)
        records = (self._store.view(table, stored, needed) for stored in found)
        asked = Query(query.fields, where, query.sort, query.limit, query.offset, query.cursor, query.total)
        return page(records, asked, order=table.shape.order, presorted=by_key)

    async def list_values(
        self, entity: str, key: str, field: str, *, limit: int, cursor: str | None = None
    ) -> tuple[tuple[Scalar, ...] | tuple[Row, ...], str | None]:
        table = self._store.table(entity)
        await self.step("ask")
        values = self._store.view(table, table.find(key), (field,)).fields[field]
        if not isinstance(values, tuple) or table.shape.fields[field].row is not None:
            raise UnsupportedError(f"{field} cannot be listed in pages")
        last = None if cursor is None else identity(decode(cursor, 1)[0] or "")
        ranked = ((identity(value), value) for value in values if not isinstance(value, Mapping))
        ahead = heapq.nsmallest(limit + 1, (pair for pair in ranked if last is None or pair[0] > last))
        found = tuple(value for _, value in ahead[:limit])
        return found, encode(found[-1]) if len(ahead) > limit else None

    async def create(self, entity: str, fields: Fields) -> Record:
        table = self._writable(entity, "create")
        fields = dict(fields)
        await self.step("ask")
        check_create(fields, table.shape.fields)
        many = Change(set={name: value for name, value in fields.items() if table.shape.fields[name].many})
        self._store.edits(table, None, many)
        stored = self._store.add(table, fields)
        await self._apply(table, stored, many, begun=True)
        await self.step("answer")
        return self._store.view(table, table.find(stored.key), fields)

    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        table = self._writable(entity, "update")
        change = Change(dict(change.set), dict(change.add), dict(change.remove))
        await self.step("ask")
        stored = self._expected(table, key, expect)
        for part in (change.set, change.add, change.remove):
            check(part, table.shape.fields, creating=False)
        if table.shape.capabilities.serialize:
            whole = {name: field for name, field in table.shape.fields.items() if name not in table.shape.inverses}
            before = self._store.view(table, stored, whole).fields
            await self.step("store")
            stored = self._expected(table, key, expect)
            change = Change(set=merge(before, change, whole).fields)
        changed = await self._apply(table, stored, change)
        await self.step("answer")
        renamed = self._store.view(table, table.find(stored.key), change.set) if stored.key != key else None
        return Outcome(changed, renamed)

    def renamed(self, entity: str, key: str, change: Change) -> str:
        """Tell the key of a record once a change is made: another one where a field is the key."""
        shape = self._store.table(entity).shape
        value = change.set.get(shape.key) if shape.key in shape.fields else None
        return key if value is None else str(value)

    async def delete(self, entity: str, key: str, *, expect: str | None = None) -> None:
        table = self._writable(entity, "delete")
        await self.step("ask")
        self._store.remove(table, self._expected(table, key, expect))
        await self.step("answer")

    def _writable(self, entity: str, operation: str) -> Table:
        table = self._store.table(entity)
        if operation not in table.shape.capabilities.writes:
            raise UnsupportedError(f"{operation} is not offered")
        return table

    def _expected(self, table: Table, key: str, expect: str | None) -> Stored:
        if expect is not None and not table.shape.capabilities.versions:
            raise UnsupportedError("records have no versions")
        stored = table.find(key)
        if expect is not None and expect != str(stored.version):
            raise StaleError("the record has changed")
        return stored

    async def _apply(self, table: Table, stored: Stored, change: Change, *, begun: bool = False) -> bool:
        """Apply a change, at one stroke if the entity is atomic and else field by field; tell whether it made a
        difference. With `begun` a part of the whole is done already."""
        edits = self._store.edits(table, stored, change)
        if table.shape.capabilities.atomic:
            for name, edit in edits.items():
                self._store.apply(table, stored, name, edit)
            return bool(edits)
        key = stored.key
        for name in edits:
            try:
                await self.step("store")
                stored = table.find(stored.key)
                for edit in self._store.edits(table, stored, about(name, change)).values():
                    self._store.apply(table, stored, name, edit)
            except BackendError as error:
                if begun:
                    raise UnfinishedError(key=key) from error
                raise
            begun = True
        return bool(edits)

    def _seed(self) -> None:
        """Enter the records of the settings, then what they refer to; raise ValueError naming the one that is wrong."""
        seeded: list[tuple[str, Table, Stored, Fields]] = []
        where = ""
        try:
            for name, entity in self.settings.entities.items():
                table = self._store.table(name)
                for number, seed in enumerate(entity.seeds()):
                    where = f"entities.{name}.records.{number}"
                    key = seed.pop(KEY, None)
                    single = {field: value for field, value in seed.items() if table.shape.fields[field].refers is None}
                    stored = self._store.add(table, single, None if key is None else str(key))
                    seeded.append((where, table, stored, seed))
            for place, table, stored, fields in seeded:
                where = place
                for field, edit in self._store.edits(table, stored, Change(set=fields)).items():
                    self._store.apply(table, stored, field, edit)
        except BackendError as error:
            raise ValueError(f"{where}: {error.detail}") from error
