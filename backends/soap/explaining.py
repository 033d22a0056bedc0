"""Showing the calls of an operation without making them: rendered by what renders the real ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from backends.contract import (
    And,
    AnyRow,
    Change,
    Compare,
    Filter,
    NativeCall,
    Not,
    Or,
    Query,
    Scalar,
    UnsupportedError,
    Value,
)
from backends.kit.templates import Mark
from backends.soap.calls import Call
from backends.soap.client import SoapClient
from backends.soap.model import Entity, Lister, Write
from backends.soap.questions import question

Told = tuple[tuple[str, Scalar | None], ...]


class Explaining:
    """Renders the calls of one entity."""

    def __init__(self, entity: Entity, client: SoapClient) -> None:
        self._entity = entity
        self._client = client

    def explain(self, operation: str, arguments: Sequence[Any]) -> list[NativeCall]:
        """Render what an operation would send; raises `UnsupportedError` for one that is not offered."""
        match operation:
            case "get":
                return [*self._get(arguments[0]), *self._links(arguments[0], arguments[1])]
            case "search":
                return self._search(arguments[0])
            case "create":
                return self._create(arguments[0])
            case "update":
                return self._update(arguments[0], arguments[1])
            case "delete":
                return self._delete(arguments[0])
        raise UnsupportedError(f"there is no operation {operation}")

    def _show(self, call: Call, values: Mapping[str, Any], told: Told = ()) -> NativeCall:
        marks = {name: Mark(f"{{{name}}}") for name in call.names if name not in values}
        return self._client.shown(call, {**marks, **values}, told)

    def _get(self, key: str) -> list[NativeCall]:
        if self._entity.get is None:
            assert self._entity.list is not None
            return self._list(self._entity.list, {}, ())
        return [self._show(self._entity.get, {"key": Mark("{key}")}, (("key", key),))]

    def _links(self, key: str, fields: frozenset[str]) -> list[NativeCall]:
        found = []
        for name in sorted(fields & self._entity.links.keys()):
            found += self._list(self._entity.links[name].lister, {"key": Mark("{key}")}, (("key", key),))
        return found

    def _list(self, lister: Lister, values: Mapping[str, Any], told: Told) -> list[NativeCall]:
        calls = [lister.call] if lister.handle is None else [lister.handle.open, lister.call]
        if lister.handle is not None and lister.handle.close is not None:
            calls.append(lister.handle.close)
        return [self._show(call, values, told) for call in calls]

    def _search(self, query: Query) -> list[NativeCall]:
        asked = question(query.where, self._entity, marks=True)
        told = tuple(_compared(query.where, self._entity))
        found = []
        for values in asked.values:
            found += self._list(asked.lister, values, told)
        return found

    def _create(self, fields: Mapping[str, Value]) -> list[NativeCall]:
        document: dict[str, Any] = {}
        for path, text in self._entity.defaults:
            path.place(document, text)
        for path, texts in self._entity.where:
            path.place(document, texts[0])
        values: dict[str, Any] = {name: self._entity.fields[name].mark(document) for name in self._plain(fields)}
        given = frozenset(values)
        values["@record"] = document
        absent = {name: Mark("") for name in self._entity.fields if name not in values}
        calls = [
            self._shown_without(one.call, values, absent, tuple(self._told(fields)))
            for one in self._entity.creates
            if one.key is not None or one.due(given, fields)
        ]
        return calls + self._link_calls(None, fields, {}, {})

    def _update(self, key: str, change: Change) -> list[NativeCall]:
        changed = self._plain({**change.set, **change.add, **change.remove})
        found = self._get(key) if changed or not change else []
        document: dict[str, Any] = {}
        values: dict[str, Any] = {}
        for name, plan in self._entity.fields.items():
            if not plan.apart:
                values[name] = plan.mark(document)
        values |= {"@record": document, "key": Mark("{key}")}
        told = (("key", key), *self._told({**change.set, **change.add, **change.remove}))
        for write in self._entity.updates:
            if _touched(write, changed, change.set):
                found.append(self._show(write.call, values, told))
        return found + self._link_calls(key, change.set, change.add, change.remove)

    def _delete(self, key: str) -> list[NativeCall]:
        found = self._get(key) if self._entity.look_first else []
        told: Told = (("key", key),)
        return found + [self._show(one.call, {"key": Mark("{key}")}, told) for one in self._entity.deletes]

    def _link_calls(
        self,
        key: str | None,
        set_: Mapping[str, Value],
        add: Mapping[str, Any],
        remove: Mapping[str, Any],
    ) -> list[NativeCall]:
        found: list[NativeCall] = []
        for name, links in self._entity.links.items():
            if name in set_ and key is not None:
                found += self._list(links.lister, {"key": Mark("{key}")}, (("key", key),))
            for call, parts in ((links.remove, remove.get(name, ())), (links.add, add.get(name, set_.get(name) or ()))):
                if call is None:
                    continue
                for value in parts:
                    told = (("key", key), ("value", value))
                    marks = {"key": Mark("{key}"), "value": Mark("{value}"), "values": [Mark("{value}")]}
                    found.append(self._show(call, marks, told))
        return found

    def _shown_without(
        self, call: Call, values: Mapping[str, Any], absent: Mapping[str, Any], told: Told
    ) -> NativeCall:
        """Show a create: fields nobody gives are left out, as they will be."""
        marks = {name: Mark(f"{{{name}}}") for name in call.names if name not in values and name not in absent}
        return self._client.shown(call, {**marks, **values}, told)

    def _plain(self, fields: Mapping[str, Any]) -> frozenset[str]:
        known = self._entity.fields
        return frozenset(name for name in fields if name in known and not known[name].apart)

    def _told(self, fields: Mapping[str, Any]) -> Iterator[tuple[str, Scalar | None]]:
        for name in fields:
            plan = self._entity.fields.get(name)
            many = fields[name] if isinstance(fields[name], tuple) else (fields[name],)
            for value in many:
                shown = None if plan is None or plan.secret else value
                if isinstance(shown, Mapping):
                    yield from ((f"{name}.{column}", one) for column, one in shown.items())
                else:
                    yield name, shown


def _touched(write: Write, changed: frozenset[str], values: Mapping[str, Value]) -> bool:
    if write.when and any(name in values for name in write.when):
        return write.due(changed, values)
    return bool(changed) and (not write.fields or bool(write.fields & changed)) and not write.when


def _compared(where: Filter | None, entity: Entity) -> Iterator[tuple[str, Scalar | None]]:
    match where:
        case Compare(field=name, value=value):
            plan = entity.fields.get(name)
            for one in value if isinstance(value, tuple) else (value,):
                yield name, None if plan is not None and plan.secret else one
        case And(terms=terms) | Or(terms=terms):
            for term in terms:
                yield from _compared(term, entity)
        case Not(term=term) | AnyRow(where=term):
            yield from _compared(term, entity)
