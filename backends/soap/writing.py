"""Writing: what the contract asks, in the calls the system has; none of it is ever told as done that is not."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from backends.contract import (
    BackendError,
    Change,
    Compare,
    Field,
    Fields,
    NotFoundError,
    Op,
    Outcome,
    Query,
    Record,
    RejectedError,
    StaleError,
    UnavailableError,
    UnfinishedError,
    UnsupportedError,
    Value,
)
from backends.contract import (
    Write as When,
)
from backends.kit.merging import difference, merge
from backends.kit.paths import Path
from backends.soap.calls import Call
from backends.soap.client import Reply
from backends.soap.documents import DocumentError, scalar
from backends.soap.model import Entity, Links, Write
from backends.soap.reading import Reading

Readings = Callable[[str], Reading]
"""Finds what reads another entity."""


class _Steps:
    """The calls of one operation: once one is made, a failure of the next leaves something half done."""

    def __init__(self, reading: Reading, key: str | None) -> None:
        self._reading = reading
        self.key = key
        self.begun = False
        self.changed = False

    async def call(self, call: Call, values: Mapping[str, Any]) -> Reply:
        try:
            reply = await self._reading.call(call, values)
        except BackendError as error:
            if self.begun:
                raise UnfinishedError(key=self.key) from error
            raise
        self.begun = True
        self.changed |= not reply.unchanged
        return reply


class Writing:
    """Writes the records of one entity."""

    def __init__(self, reading: Reading, readings: Readings) -> None:
        self._reading = reading
        self._readings = readings
        self._entity: Entity = reading.entity
        self._plain: Mapping[str, Field] = {
            name: plan.declared for name, plan in self._entity.fields.items() if not plan.apart
        }

    async def create(self, fields: Fields) -> Record:
        """Make a record and read it back."""
        self._offered("create")
        entity = self._entity
        given = {name: value for name, value in fields.items() if value is not None and value not in ("", ())}
        self._known(fields)
        for name, plan in entity.fields.items():
            if plan.declared.required and name not in given:
                raise RejectedError("the field must not be empty", name)
        for name in given:
            if entity.fields[name].declared.write is When.NEVER:
                raise RejectedError("the field cannot be written", name)
        empty: dict[str, Value] = {name: () if one.many else None for name, one in self._plain.items()}
        after = merge(empty, Change(set={name: one for name, one in given.items() if name in self._plain}), self._plain)
        self._check(after.fields, after.changed)
        document: dict[str, Any] = {}
        for path, text in entity.defaults:
            path.place(document, text)
        for path, texts in entity.where:
            path.place(document, texts[0])
        values: dict[str, Any] = {}
        for name in self._ordered(after.changed):
            entity.fields[name].place(document, after.fields[name])
            values[name] = entity.fields[name].argument(after.fields[name])
        values["@record"] = document
        due = [one for one in entity.creates if one.key is not None or one.due(after.changed, after.fields)]
        self._covered(after.changed, due)
        links = {name: self._texts(name, given[name]) for name in given if name not in self._plain}
        steps = _Steps(self._reading, None)
        for write in due:
            reply = await steps.call(write.call, {**values, **({"key": steps.key} if steps.key else {})})
            if write.key is not None:
                steps.key = await self._new_key(write, reply, values, given)
        assert steps.key is not None
        for name, linked in links.items():
            await self._link(steps, name, entity.links[name].add, linked)
        try:
            return await self._reading.get(steps.key, frozenset(fields))
        except BackendError as error:
            raise UnfinishedError(key=steps.key) from error

    async def update(self, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        """Apply a change: what is part of the record is read, merged and written, the rest added and removed."""
        self._offered("update")
        for part in (change.set, change.add, change.remove):
            self._known(part)
        self._one_way(change)
        plain = _part(change, lambda name: name in self._plain)
        steps = _Steps(self._reading, key)
        record: Record | None = None
        looked = bool(plain) or expect is not None or not change
        if looked:
            document = self._recalled(key, plain, expect) or await self._reading.document(key)
            self._expected(document, expect)
            if plain:
                record = await self._merge(steps, key, document, plain, expect)
        current_key = record.key if record is not None else key
        apart = _part(change, lambda name: name not in self._plain)
        for name in dict.fromkeys((*apart.set, *apart.add, *apart.remove)):
            await self._relink(steps, current_key, name, apart)
        if not looked and not steps.begun:
            await self._reading.document(key)
        return Outcome(steps.changed, record)

    async def delete(self, key: str, *, expect: str | None = None) -> None:
        """Delete a record; calls that are made for each owner come where the settings put them."""
        self._offered("delete")
        entity = self._entity
        self._reading.recalled(key, None)
        values: dict[str, Any] = {}
        if entity.look_first or expect is not None or entity.capabilities.versions:
            document = await self._reading.document(key)
            self._expected(document, expect)
            values = self._current(document)
        steps, found = _Steps(self._reading, key), False
        for write in entity.deletes:
            given = {**values, "key": self._reading.fit(write.call, key)}
            if write.each is None:
                await steps.call(write.call, given)
                found = True
                continue
            for owner in await self._owners(write.each, key, steps):
                await steps.call(write.call, {**given, "@owner": owner})
                found = True
        if not found:
            raise NotFoundError("there is no such record")

    def _recalled(self, key: str, change: Change, expect: str | None) -> dict[str, Any] | None:
        """Recall the document that was just read, where a call follows that tells whether its version still holds."""
        document = self._reading.recalled(key, expect)
        if document is None:
            return None
        before = self._entity.read(document, frozenset(self._plain))
        return document if merge(before, _emptied(change), self._plain).changed else None

    async def _merge(
        self, steps: _Steps, key: str, document: dict[str, Any], change: Change, expect: str | None
    ) -> Record | None:
        """Write what differs; the record is given if its key changed."""
        entity = self._entity
        before = entity.read(document, frozenset(self._plain))
        merged = merge(before, _emptied(change), self._plain)
        if not merged.changed:
            return None
        for name in self._ordered(merged.changed):
            if entity.fields[name].declared.write is not When.ALWAYS:
                raise RejectedError("the field cannot be changed", name)
        self._check(merged.fields, merged.changed)
        after = copy.deepcopy(document)
        values = self._current(document)
        for name in self._ordered(merged.changed):
            entity.fields[name].place(after, merged.fields[name])
            values[name] = entity.fields[name].argument(merged.fields[name])
        values["@record"] = after
        due = [one for one in entity.updates if one.due(merged.changed, merged.fields)]
        self._covered(merged.changed, due)
        for write in due:
            given = {name: one for name, one in values.items() if name in merged.changed or name not in self._plain}
            given = {**(given if write.changed_only else values), "key": self._reading.fit(write.call, key)}
            try:
                await steps.call(write.call, given)
            except StaleError as error:
                if expect is None:
                    raise UnavailableError("the record changed meanwhile") from error
                raise
        steps.changed = True
        there = entity.key_of(after)
        if there == key:
            return None
        steps.key = there
        try:
            return await self._reading.get(there, frozenset(self._plain))
        except BackendError as error:
            raise UnfinishedError(key=there) from error

    def _current(self, document: Any) -> dict[str, Any]:
        """What a record holds now, as it stands there, for templates that name fields which do not change."""
        values: dict[str, Any] = {}
        for name in self._plain:
            plan = self._entity.fields[name]
            found = plan.column.path.read(document)
            values[name] = plan.column.nothing() if found is None or found == "" else found
        values["@version"] = self._entity.version_of(document)
        return values

    async def _relink(self, steps: _Steps, key: str, name: str, change: Change) -> None:
        """Bring the values of a field that is no part of the record to what a change says, touching no other value."""
        links = self._entity.links[name]
        added: Sequence[str] = self._texts(name, change.add.get(name, ()))
        removed: Sequence[str] = self._texts(name, change.remove.get(name, ()))
        if name in change.set or links.compare:
            before = tuple(str(one) for one in await self._reading.links(key, name))
            wanted = self._texts(name, change.set[name]) if name in change.set else None
            if wanted is not None:
                added, removed = difference(before, tuple(wanted))
            else:
                there = set(before)
                added = [one for one in added if one not in there]
                removed = [one for one in removed if one in there]
        for call, texts in ((links.remove, removed), (links.add, added)):
            await self._link(steps, name, call, texts, key=key)

    async def _link(
        self, steps: _Steps, name: str, call: Call | None, texts: Sequence[str], *, key: str | None = None
    ) -> None:
        if not texts:
            return
        if call is None:
            raise RejectedError("the field cannot be written", name)
        links: Links = self._entity.links[name]
        given = {"key": self._reading.fit(call, key or steps.key or "")}
        size = links.at_once if "values" in call.names else 1
        for start in range(0, len(texts), size):
            part = list(texts[start : start + size])
            await steps.call(call, {**given, "value": part[0], "values": part})

    def _texts(self, name: str, value: Value) -> list[str]:
        """Write the values of a field of many, each once."""
        if value is not None and not isinstance(value, tuple):
            raise RejectedError("the field has many values", name)
        column = self._entity.fields[name].column
        found = [column.text(one, name) for one in value or () if not isinstance(one, Mapping)]
        return list(dict.fromkeys(found))

    async def _owners(self, each: tuple[str, str], key: str, steps: _Steps) -> list[str]:
        """Find the records of another entity whose field refers to this one."""
        other, field = each
        reading = self._readings(other)
        found: list[str] = []
        cursor: str | None = None
        try:
            while True:
                page = await reading.search(Query(frozenset({field}), limit=100, cursor=cursor))
                for record in page.records:
                    value = record.fields[field]
                    if key in (value if isinstance(value, tuple) else (value,)):
                        found.append(record.key)
                if (cursor := page.cursor) is None:
                    return found
        except BackendError as error:
            if steps.begun:
                raise UnfinishedError(key=key) from error
            raise

    async def _new_key(self, write: Write, reply: Reply, values: Mapping[str, Any], given: Fields) -> str:
        place = write.key
        assert place is not None
        try:
            if place.at is not None:
                key = scalar(Path.parse(place.at).read(reply.document))
            elif place.field is not None:
                key = scalar(values.get(place.field))
            else:
                assert place.find is not None
                where = Compare(place.find, Op.EQ, given.get(place.find))  # type: ignore[arg-type]
                page = await self._reading.search(Query(frozenset(), where, limit=2))
                key = page.records[0].key if len(page.records) == 1 else None
        except (BackendError, DocumentError) as error:
            raise UnfinishedError from error
        if not key:
            raise UnfinishedError
        return key.strip() if self._entity.numbered else key

    def _offered(self, operation: str) -> None:
        if operation not in self._entity.capabilities.writes:
            raise UnsupportedError(f"{operation} is not offered")

    def _known(self, fields: Mapping[str, Any]) -> None:
        for name in fields:
            if name not in self._entity.fields:
                raise RejectedError("there is no such field", name)
            if fields[name] and self._entity.fields[name].declared.write is When.NEVER and name not in self._plain:
                raise RejectedError("the field cannot be written", name)

    def _one_way(self, change: Change) -> None:
        """Refuse what there is no call for before anything is done."""
        for part, way in ((change.add, "add"), (change.remove, "remove")):
            for name in part:
                if part[name] and name not in self._plain and getattr(self._entity.links[name], way) is None:
                    raise RejectedError(f"the system cannot {way} single values", name)

    def _ordered(self, names: frozenset[str]) -> list[str]:
        """Bring names into the order of the settings, so that the same mistake is always told of the same field."""
        return [name for name in self._entity.fields if name in names]

    def _check(self, fields: Mapping[str, Value], names: frozenset[str]) -> None:
        for name in self._ordered(names):
            declared, value = self._entity.fields[name].declared, fields[name]
            if declared.required and value in (None, "", ()):
                raise RejectedError("the field must not be empty", name)
            if declared.max_length is None:
                continue
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(one, str) and len(one) > declared.max_length:
                    raise RejectedError("the value is too long", name)

    def _covered(self, names: frozenset[str], due: Sequence[Write]) -> None:
        """Refuse what no call carries, rather than write all but that."""
        covered = frozenset[str]().union(*(one.fields for one in due))
        for name in self._ordered(names):
            if name not in covered:
                raise RejectedError("the field cannot be written", name)

    def _expected(self, document: Any, expect: str | None) -> None:
        if expect is None:
            return
        if not self._entity.capabilities.versions:
            raise UnsupportedError("records have no versions")
        if self._entity.version_of(document) != expect:
            raise StaleError("the record has changed")


def _part(change: Change, wanted: Callable[[str], bool]) -> Change:
    return Change(
        {name: one for name, one in change.set.items() if wanted(name)},
        {name: one for name, one in change.add.items() if wanted(name)},
        {name: one for name, one in change.remove.items() if wanted(name)},
    )


def _emptied(change: Change) -> Change:
    """Take an empty text for no value: XML has one for both."""
    return Change({name: None if one == "" else one for name, one in change.set.items()}, change.add, change.remove)
