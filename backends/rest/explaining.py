"""Calls shown instead of made, with the names of fields where their values would be, and no credentials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from backends.contract import KEY, Change, Compare, Fields, NativeCall, Query, Scalar, UnsupportedError
from backends.kit.templates import Mark
from backends.rest.calls import Call
from backends.rest.drafts import altered, applies, due, made, marked, shown_values
from backends.rest.links import PAGE
from backends.rest.model import Entity, WriteCall
from backends.rest.questions import ByKeys, ByList, conjuncts, plan

KEY_MARK = Mark("{key}")
Pairs = tuple[tuple[str, Scalar | None], ...]


class Explanation:
    """Shows what operations on entities would send."""

    def __init__(self, entities: Mapping[str, Entity], extra: tuple[str, ...]) -> None:
        self._entities = entities
        self._extra = extra

    def calls(self, entity: Entity, operation: str, arguments: tuple[Any, ...]) -> list[NativeCall]:
        """Show the calls of an operation in the order they are made; an update as if every value were another."""
        match operation, arguments:
            case "get", (str() as key, fields):
                return [*self._read(entity, key), *self._apart(entity, key, fields)]
            case "search", (Query() as query,):
                return list(self._search(entity, query))
            case "create", (fields,):
                return list(self._create(entity, fields))
            case "update", (str() as key, Change() as change, *_):
                return list(self._update(entity, key, change))
            case "delete", (str() as key, *_):
                return list(self._delete(entity, key))
        raise UnsupportedError(f"{operation} cannot be explained")

    def _shown(self, call: Call, values: Mapping[str, Any], pairs: Pairs = (), body: Any = None) -> NativeCall:
        return NativeCall(call.shown(values, body, self._extra), pairs)

    def _read(self, entity: Entity, key: str) -> Iterator[NativeCall]:
        if entity.get is not None:
            yield self._shown(entity.get, {"key": KEY_MARK}, (("key", key),))
        elif entity.listing is not None:
            yield self._shown(entity.listing.call, _asked(entity.listing.settings.paging.size))

    def _apart(self, entity: Entity, key: str, fields: Any) -> Iterator[NativeCall]:
        for name in sorted(fields):
            field = entity.fields[name]
            if field.links is not None:
                values = {"key": KEY_MARK, **_asked(field.links.listing.settings.paging.size)}
                yield self._shown(field.links.listing.call, values, (("key", key),))
            elif field.settings.through is not None:
                other, _, far = field.settings.through.partition(".")
                query = Query(frozenset(), Compare(far, "eq", key), limit=PAGE)  # type: ignore[arg-type]
                yield from self._search(self._entities[other], query)

    def _search(self, entity: Entity, query: Query) -> Iterator[NativeCall]:
        source = plan(entity, query.where).source
        named = {str(compare.value): compare.field for compare in conjuncts(query.where, "")}
        if isinstance(source, ByKeys):
            for key in source.keys:
                yield from self._read(entity, key)
        else:
            for one in source:
                yield self._list(one, query, named)
        for name in sorted(query.fields):
            if entity.fields[name].settings.apart:
                yield from self._apart(entity, "of each record", {name})

    def _list(self, source: ByList, query: Query, named: Mapping[str, str]) -> NativeCall:
        listing = source.listing
        marks: dict[str, Any] = {}
        pairs: list[tuple[str, Scalar | None]] = []
        for name, value in source.values.items():
            if name == "values":
                continue
            label = named.get(str(value), "value")
            label = "key" if label == KEY else label
            marks[name] = Mark(f"{{{label}}}")
            pairs.append((label, value))
        if "values" in source.values:
            marks["values"] = [Mark("{value}")]
        return self._shown(listing.call, {**_asked(listing.size(query.limit)), **marks}, tuple(dict.fromkeys(pairs)))

    def _create(self, entity: Entity, fields: Fields) -> Iterator[NativeCall]:
        marks = marked(entity, fields)
        for number, call in enumerate(entity.create):
            if number and not due(call, fields):
                continue
            values = {
                **marks,
                "@record": made(call, entity, fields, marks=True),
                **({"key": KEY_MARK} if number else {}),
            }
            yield self._shown(call.call, values, self._pairs(entity, call, fields))
        change = Change(add={name: value for name, value in fields.items() if entity.fields[name].settings.apart})  # type: ignore[misc]
        yield from self._links(entity, "of the new record", change)

    def _update(self, entity: Entity, key: str, change: Change) -> Iterator[NativeCall]:
        plain = {
            name: value
            for part in (change.set, change.add, change.remove)
            for name, value in part.items()
            if not entity.fields[name].settings.apart
        }
        touched = {*change.set, *change.add, *change.remove}
        through = any(entity.fields[name].settings.through for name in touched)
        if plain or entity.where or through or not touched:
            yield from self._read(entity, key)
        texts = {**marked(entity, entity.described), "key": KEY_MARK, "@version": Mark("{@version}")}  # type: ignore[arg-type]
        for call in entity.update:
            names = call.fields & plain.keys()
            if not names or not applies(call, plain):
                continue
            # Of a whole record, what is not declared goes back as it was read.
            whole = {**texts, **plain} if call.send == "known" else plain
            document = altered(call, entity, None, whole, names, marks=True)
            body = {**({n: m for n, m in texts.items() if n in names or n not in entity.fields}), "@record": document}
            if call.send != "changed":
                body = {**texts, "@record": document}
            yield self._shown(call.call, texts, (("key", key), *self._pairs(entity, call, plain)), body)
        yield from self._links(entity, key, change)

    def _links(self, entity: Entity, key: str, change: Change) -> Iterator[NativeCall]:
        for name in sorted({*change.set, *change.add, *change.remove}):
            field = entity.fields[name]
            if not field.settings.apart:
                continue
            calls = field.links
            if name in change.set or (calls is not None and not calls.deltas):
                yield from self._apart(entity, key, {name})
            if calls is None:
                other, _, far = (field.settings.through or "").partition(".")
                added = (*change.add.get(name, ()), *_many(change.set.get(name)))
                for value in added:
                    yield from self._read(self._entities[other], str(value))
                for value in (*change.remove.get(name, ()), *added):
                    yield from self._update(self._entities[other], str(value), Change(add={far: (key,)}))
                continue
            mark = Mark(f"{{{name}}}")
            several = {"key": KEY_MARK, "value": mark, "values": [mark], name: [mark]}
            several["@record"] = field.column.path.place({}, [mark])
            wanted = (
                (calls.remove, change.remove.get(name, ())),
                (calls.add, (*change.add.get(name, ()), *_many(change.set.get(name)))),
            )
            for call, found in wanted:
                if call is not None:
                    pairs: list[Pairs] = [(("key", key), (name, str(value))) for value in found]
                    yield from (self._shown(call, several, one) for one in pairs)
            if calls.replace is not None and (name in change.set or calls.add is None):
                yield self._shown(calls.replace, several, (("key", key),))

    def _delete(self, entity: Entity, key: str) -> Iterator[NativeCall]:
        if entity.where or entity.settings.look_first:
            yield from self._read(entity, key)
        for name in entity.settings.leave:
            yield from self._apart(entity, key, {name})
        for call in entity.delete:
            yield self._shown(call.call, {"key": KEY_MARK}, (("key", key),))

    def _pairs(self, entity: Entity, call: WriteCall, fields: Mapping[str, Any]) -> Pairs:
        return tuple(shown_values(entity, {name: value for name, value in fields.items() if name in call.fields}))


def _asked(size: int) -> dict[str, Any]:
    """Fill in how a list is begun."""
    return {"@limit": size, "@offset": Mark("{@offset}"), "@page": Mark("{@page}")}


def _many(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else ()
