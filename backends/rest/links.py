"""Values that are no part of their record: sub-resources with calls of their own, and references seen from the other
side."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from weakref import WeakValueDictionary

from backends.contract import (
    BackendError,
    Change,
    Compare,
    ConflictError,
    NotFoundError,
    Op,
    Outcome,
    Page,
    Query,
    RejectedError,
    Scalar,
    UnavailableError,
    UnfinishedError,
    UnsupportedError,
    Value,
)
from backends.kit.merging import difference
from backends.kit.paging import decode, encode
from backends.kit.scalars import identity
from backends.kit.together import together
from backends.rest.calls import Call, UnfitValueError
from backends.rest.exchange import Exchange
from backends.rest.model import Entity, LinkCalls, NativeField
from backends.rest.progress import Progress

PAGE = 200
"""Records read at once where references are seen from the other side."""


class Records(Protocol):
    """What references through another entity need of it."""

    async def search(self, query: Query) -> Page:
        """Read a page."""

    async def update(self, key: str, change: Change) -> Outcome:
        """Change a record."""

    async def meet(self, key: str) -> object:
        """Make sure that a record is there; raise `NotFoundError` if not."""


class Links:
    """Lists and changes values that have calls of their own; `others` finds the entities fields go through."""

    def __init__(self, exchange: Exchange, others: Callable[[str], Records]) -> None:
        self._exchange = exchange
        self._others = others
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def values(self, entity: Entity, name: str, key: str) -> Value:
        """Read all values of a field of one record."""
        field = entity.fields[name]
        if field.links is None:
            return tuple([other async for other in self._through(field, key)])
        calls, values = field.links, {"key": entity.sent(key)}
        every = calls.listing.everything(self._exchange, values)
        return _read(field, calls, [element async for element in every])

    async def page(
        self, entity: Entity, name: str, key: str, *, limit: int, cursor: str | None
    ) -> tuple[tuple[Any, ...], str | None]:
        """Read some values of a field: a part of the system's list, or some of all in their own order."""
        field = entity.fields[name]
        if field.links is None or field.links.listing.whole:
            return cut(await self.values(entity, name, key), limit=limit, cursor=cursor)
        calls = field.links
        position, skip = decode(cursor, 2) if cursor is not None else (None, 0)
        if not isinstance(skip, int) or not isinstance(position, int | str | None):
            raise UnsupportedError("the cursor is not one of this list")
        size = calls.listing.size(limit)
        part = await calls.listing.part(self._exchange, {"key": entity.sent(key)}, position, size)
        taken = part.elements[skip : skip + limit]
        following = None if part.following is None else encode(part.following, 0)
        if skip + len(taken) < len(part.elements):
            following = encode(position, skip + len(taken))
        found = _read(field, calls, taken)
        assert isinstance(found, tuple)
        return found, following

    async def change(self, entity: Entity, name: str, key: str, change: Change, progress: Progress) -> bool:
        """Apply the part of a change that is about one field; tell whether it made a difference.

        Raises `NotFoundError` only if the record itself is not there: `progress.doubtful` asks for that to be checked.
        """
        field = entity.fields[name]
        added, removed = change.add.get(name, ()), change.remove.get(name, ())
        calls = field.links
        whole = calls is not None and (calls.add is None or calls.remove is None)
        if name in change.set or whole or (calls is not None and calls.compare):
            before = await self.values(entity, name, key)
            assert isinstance(before, tuple)
            after = change.set[name] if name in change.set else _after(before, added, removed)
            added, removed = difference(before, after)
            if not (added or removed):
                return False
            if calls is not None and calls.replace is not None and (whole or name in change.set):
                written = field.write(after or ())
                values = {"key": entity.sent(key), "values": written, **_members(field, written)}
                await progress.step(self._exchange.call(calls.replace, values))
                return True
        if calls is None:
            return await self._write_through(field, key, added, removed, progress)
        changed = False
        for call, several, gone in ((calls.remove, removed, True), (calls.add, added, False)):
            if several and call is None:
                raise UnsupportedError(f"{name} cannot be changed so")
            if several and call is not None:
                changed |= await self._send(entity, field, call, key, several, progress, gone=gone)
        return changed

    async def _send(
        self,
        entity: Entity,
        field: NativeField,
        call: Call,
        key: str,
        several: Sequence[Any],
        progress: Progress,
        *,
        gone: bool,
    ) -> bool:
        """Add or remove values, so many a call."""
        assert field.links is not None
        size = field.links.at_once

        async def one(part: Sequence[Any]) -> bool:
            written = [field.write(value) for value in part]
            values = {"key": entity.sent(key), "values": written, "value": written[0], **_members(field, written)}
            try:
                return not (await self._exchange.call(call, values)).unchanged
            except UnfitValueError as error:
                if gone:
                    return False
                raise RejectedError(error.detail, field.name) from error
            except ConflictError:
                if gone:
                    raise
                return False  # it is there already
            except NotFoundError as error:
                progress.doubtful = True
                if gone:
                    return False
                raise RejectedError("there is nothing to refer to", field.name) from error

        unique = list(dict.fromkeys(several))
        parts = [unique[start : start + size] for start in range(0, len(unique), size)]
        if len(parts) == 1:
            return await progress.step(one(parts[0]))
        return await self._several(one, parts, progress)

    async def _several(
        self, one: Callable[[Sequence[Any]], Awaitable[bool]], parts: Sequence[Sequence[Any]], progress: Progress
    ) -> bool:
        """Make calls at once. Each under way is waited for, so that what an error says of them is true; none is begun
        once the system is away."""
        errors: list[BackendError] = []
        away = False

        async def tried(part: Sequence[Any]) -> bool | None:
            nonlocal away
            if away:
                return None
            try:
                return await one(part)
            except BackendError as error:
                errors.append(error)
                away |= isinstance(error, UnavailableError)
                return None

        outcomes = await together(tried, parts, at_once=self._exchange.at_once)
        done = [outcome for outcome in outcomes if outcome is not None]
        if not errors:
            progress.begun = True
            return any(done)
        if done or progress.begun:
            raise UnfinishedError(key=progress.key) from errors[0]
        open_ = (error for error in errors if isinstance(error, UnavailableError) and error.maybe_done)
        raise next(open_, errors[0])

    async def _through(self, field: NativeField, key: str) -> AsyncIterator[str]:
        other, _, far = (field.settings.through or "").partition(".")
        cursor: str | None = None
        while True:
            query = Query(frozenset(), Compare(far, Op.EQ, key), limit=PAGE, cursor=cursor)
            page = await self._others(other).search(query)
            for record in page.records:
                yield record.key
            if (cursor := page.cursor) is None:
                return

    async def _write_through(
        self, field: NativeField, key: str, added: Sequence[Any], removed: Sequence[Any], progress: Progress
    ) -> bool:
        """Write the other side: one record after the other, each read, merged and written under a lock of this
        process."""
        other, _, far = (field.settings.through or "").partition(".")
        records, changed = self._others(other), False
        # Who is to be added must be there before anybody is written: a refusal half-way would never converge.
        try:
            await together(records.meet, dict.fromkeys(added), at_once=self._exchange.at_once)
        except NotFoundError as error:
            raise RejectedError("there is nothing to refer to", field.name) from error

        async def one(value: str, change: Change, *, gone: bool) -> bool:
            try:
                return (await records.update(value, change)).changed
            except NotFoundError:
                if gone:
                    return False
                raise

        for several, gone in ((removed, True), (added, False)):
            for value in dict.fromkeys(several):
                change = Change(remove={far: (key,)}) if gone else Change(add={far: (key,)})
                lock = self._locks.setdefault((other, value), asyncio.Lock())
                async with lock:
                    changed |= await progress.step(one(value, change, gone=gone))
        return changed


def cut(found: Value, *, limit: int, cursor: str | None) -> tuple[tuple[Any, ...], str | None]:
    """Cut a page out of many values, in their own order."""
    if not isinstance(found, tuple) or any(isinstance(value, Mapping) for value in found):
        raise UnsupportedError("the field cannot be listed in pages")
    last = None if cursor is None else identity(decode(cursor, 1)[0] or "")
    ranked = ((identity(value), value) for value in found if not isinstance(value, Mapping))
    ahead: list[Any] = heapq.nsmallest(limit + 1, (pair for pair in ranked if last is None or pair[0] > last))
    values: tuple[Scalar, ...] = tuple(value for _, value in ahead[:limit])
    return values, encode(values[-1]) if len(ahead) > limit else None


def _read(field: NativeField, calls: LinkCalls, elements: list[Any]) -> Value:
    found = [calls.value.read(element) for element in elements]
    try:
        return field.several(value for value in found if value is not None)
    except ValueError as error:
        raise BackendError(f"the system's {field.name} is {error}") from error


def _after(before: Value, added: Sequence[Any], removed: Sequence[Any]) -> tuple[Any, ...]:
    kept = [value for value in before or () if value not in set(removed)]  # type: ignore[union-attr]
    return tuple(dict.fromkeys([*kept, *added]))


def _members(field: NativeField, written: Sequence[Any]) -> dict[str, Any]:
    """Give the record that would have these values alone, for bodies that are built of it."""
    return {"@record": field.column.path.place({}, list(written)), field.name: list(written)}
