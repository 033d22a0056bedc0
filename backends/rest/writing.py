"""Writing: what one operation of the contract is in native calls, in which order, and how far it came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from backends.contract import (
    BackendError,
    Change,
    Compare,
    Fields,
    NotFoundError,
    Op,
    Outcome,
    Query,
    Record,
    RejectedError,
    StaleError,
    UnavailableError,
    UnsupportedError,
    Value,
)
from backends.kit.merging import Merged, merge
from backends.kit.paths import Path
from backends.rest.answers import Reply
from backends.rest.call_settings import KeySettings
from backends.rest.drafts import altered, applies, checked, due, folded, made, native_values
from backends.rest.exchange import Exchange
from backends.rest.links import Links
from backends.rest.model import Entity, WriteCall
from backends.rest.progress import Progress
from backends.rest.reading import Native, Reading

TRIES = 4
"""How often a change is read, merged and written again when somebody else was faster."""


class Writing:
    """Writes one entity."""

    def __init__(self, entity: Entity, exchange: Exchange, links: Links, reading: Reading) -> None:
        self._entity = entity
        self._exchange = exchange
        self._links = links
        self._reading = reading

    async def create(self, fields: Fields) -> Record:
        """Make a record: the first call, the others whose condition holds, then values with calls of their own."""
        entity = self._entity
        if not entity.create:
            raise UnsupportedError("create is not offered")
        empty: dict[str, Value] = {name: () if field.described.many else None for name, field in entity.fields.items()}
        unknown = [name for name in fields if name not in entity.fields]
        if unknown:
            raise RejectedError("there is no such field", unknown[0])
        fields = folded(entity, fields)
        after = merge(empty, Change(set=fields), entity.described).fields
        given = {name: after[name] for name in fields}
        checked(entity, given, creating=True)
        progress = Progress()
        reply: Reply | None = None
        values = native_values(entity, given)
        for call in entity.create:
            if reply is not None and not due(call, given):
                continue
            body = {**values, "@record": made(call, entity, given)}
            if progress.key is not None:
                body |= {"key": entity.sent(progress.key)}
            answer = await progress.step(self._exchange.call(call.call, body))
            if reply is None:
                reply = answer
                progress.key = await progress.after(self._new_key(reply, given))
        assert progress.key is not None
        key, several = progress.key, False
        for name, value in given.items():
            if entity.fields[name].settings.apart and value:
                several = True
                await self._links.change(entity, name, key, Change(add={name: value}), progress)  # type: ignore[dict-item]
        assert reply is not None
        if (record := self._answered(entity.create[0], reply, given)) is not None and not (
            several or len(entity.create) > 1
        ):
            return record
        return await progress.after(self._reading.get(key, frozenset(given)))

    async def update(self, key: str, change: Change, expect: str | None = None) -> Outcome:
        """Apply a change; where it reads and merges without a lock of the system's, it does so again if the record
        changed meanwhile."""
        for _ in range(TRIES):
            try:
                return await self._update(key, change, expect)
            except StaleError:
                if expect is not None:
                    raise
        raise UnavailableError("the record keeps changing")

    async def delete(self, key: str, expect: str | None = None) -> None:
        """Delete a record, after emptying what the settings say must be left first."""
        entity = self._entity
        if not entity.delete:
            raise UnsupportedError("delete is not offered")
        if not key:
            raise NotFoundError("there is no such record")
        self._reading.recalled(key, None)
        values = {"key": entity.sent(key)}
        progress = Progress(key)
        version = None
        if expect is not None or entity.where or entity.settings.look_first:
            native = await self._reading.native(key)
            version = _expected(native, expect)
        for name in entity.settings.leave:
            await self._links.change(entity, name, key, Change(set={name: ()}), progress)
        for number, call in enumerate(entity.delete):
            headers = self._condition(version) if expect is not None and number == 0 else None
            await progress.step(self._exchange.call(call.call, {**values, "@version": version}, headers=headers))

    async def _update(self, key: str, change: Change, expect: str | None) -> Outcome:
        entity = self._entity
        if not entity.update and not any(field.settings.apart for field in entity.fields.values()):
            raise UnsupportedError("update is not offered")
        names = {*change.set, *change.add, *change.remove}
        if unknown := sorted(names - entity.fields.keys()):
            raise RejectedError("there is no such field", unknown[0])
        change = Change(folded(entity, change.set), folded(entity, change.add), folded(entity, change.remove))
        for part in (change.set, {**change.add}, {**change.remove}):
            checked(entity, part, creating=False)
        apart = sorted(name for name in names if entity.fields[name].settings.apart)
        progress = Progress(key)
        changed, found = False, None
        through = any(entity.fields[name].links is None for name in apart)
        if names - set(apart) or expect is not None or entity.where or not names or through:
            rest = _without(change, apart)
            native = self._recalled(key, rest, expect) or await self._reading.native(key)
            version = _expected(native, expect)
            changed, found = await self._plain(native, rest, version, progress, insists=expect is not None)
            key = found.key if found is not None else key
        for name in apart:
            # One that goes on under another key finds its values there.
            try:
                changed |= await self._links.change(entity, name, key, change, progress)
            except RejectedError:
                if progress.doubtful:
                    await self._reading.native(key)
                raise
        if progress.doubtful and not changed:
            await self._reading.native(key)
        return Outcome(changed, found)

    def _recalled(self, key: str, change: Change, expect: str | None) -> Native | None:
        """Recall the record that was just read, where the first call tells whether its version still holds."""
        native = self._reading.recalled(key, expect)
        if native is None:
            return None
        calls, _ = self._calls(native, change)
        return native if calls and self._entity.guards(calls[0].call) else None

    async def _plain(
        self, native: Native, change: Change, version: str | None, progress: Progress, *, insists: bool
    ) -> tuple[bool, Record | None]:
        """Change what is part of the record; give the record if its key is another one now."""
        entity = self._entity
        calls, merged = self._calls(native, change)
        for name in merged.changed:
            checked(entity, {name: merged.fields[name]}, creating=False)
        left = merged.changed - frozenset[str]().union(*(call.fields for call in calls))
        if left:
            raise RejectedError("no call takes this value", min(left))
        texts = {**native_values(entity, merged.fields), "key": entity.sent(native.key), "@version": version}
        reply: Reply | None = None
        for call in calls:
            carried = merged.changed & call.fields
            document = altered(call, entity, native.document, merged.fields, carried)
            body = texts
            if call.send == "changed":
                body = {name: value for name, value in texts.items() if name not in merged.fields or name in carried}
            body = {**body, "@record": document}
            # A change of single values needs no condition of ours; what was read, merged and is written back does.
            merges = call.send != "changed" or any(entity.fields[name].array for name in carried)
            headers = self._condition(version) if not progress.begun and (insists or merges) else None
            reply = await progress.step(self._exchange.call(call.call, texts, body=body, headers=headers))
        key = self._key_after(calls, reply, merged.fields, merged.changed, native.key)
        if key == native.key:
            return bool(calls), None
        return True, await progress.after(self._reading.get(key, frozenset(merged.fields)))

    def _calls(self, native: Native, change: Change) -> tuple[list[WriteCall], Merged]:
        """Choose the calls a change of a record needs, and what they are to make of it."""
        entity = self._entity
        before = {
            name: field.read(native.document) for name, field in entity.fields.items() if not field.settings.apart
        }
        merged = merge(before, change, entity.described)
        return [one for one in entity.update if merged.changed & one.fields and applies(one, merged.fields)], merged

    def _key_after(
        self,
        calls: list[WriteCall],
        reply: Reply | None,
        fields: Mapping[str, Value],
        changed: frozenset[str],
        key: str,
    ) -> str:
        """Tell the record's key after its change: from the last answer, or from the field it is the value of."""
        if reply is not None and (path := calls[-1].record) is not None:
            return self._entity.key_of(path.read(reply.document))
        for name in changed:
            field = self._entity.fields[name]
            if field.column.path.steps == self._entity.key.steps:
                return str(field.write(fields[name]))
        return key

    async def _new_key(self, reply: Reply, fields: Fields) -> str:
        entity, create = self._entity, self._entity.create[0]
        settings: KeySettings | None = getattr(entity.settings.create[0], "key", None)
        found: Any
        if settings is None:
            path = create.record or Path.parse("")
            return entity.key_of(path.read(reply.document))
        if settings.location:
            found = unquote(reply.answer.headers.get("location", "").partition("?")[0].rstrip("/").rpartition("/")[2])
        elif settings.header is not None:
            found = reply.answer.headers.get(settings.header.lower())
        elif settings.at is not None:
            found = Path.parse(settings.at).read(reply.document)
        elif settings.field is not None:
            found = entity.fields[settings.field].write(fields.get(settings.field))
        else:
            found = await self._found(settings.find or "", fields)
        if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
            raise BackendError("the system did not tell the new record's key")
        return str(found)

    async def _found(self, name: str, fields: Fields) -> str | None:
        value = fields.get(name)
        assert not isinstance(value, tuple)
        page = await self._reading.search(Query(frozenset(), Compare(name, Op.EQ, value), limit=2))
        return page.records[0].key if len(page.records) == 1 else None

    def _answered(self, call: WriteCall, reply: Reply, fields: Fields) -> Record | None:
        """Make the record out of the answer, if it has all that was written."""
        if call.record is None:
            return None
        entity = self._entity
        document = call.record.read(reply.document)
        native = Native(entity.key_of(document), document, entity.version_of(document, reply.answer.headers))
        settings = entity.settings.version
        if settings is not None and native.version is None:
            return None
        return self._reading.light(native, fields)

    def _condition(self, version: str | None) -> dict[str, str] | None:
        settings = self._entity.settings.version
        if version is None or settings is None or settings.send is None:
            return None
        return {settings.send.lower(): version}


def _expected(native: Native, expect: str | None) -> str | None:
    if expect is not None and native.version != expect:
        raise StaleError("the record has changed")
    return native.version


def _without(change: Change, names: list[str]) -> Change:
    if not names:
        return change
    return Change(
        {name: value for name, value in change.set.items() if name not in names},
        {name: value for name, value in change.add.items() if name not in names},
        {name: value for name, value in change.remove.items() if name not in names},
    )
