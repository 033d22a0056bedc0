"""What each operation asks of the store, worked out without asking: to be run, or to be shown to an operator."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from backends.contract import KEY, Change, Fields, NativeCall, Query, RejectedError
from backends.kit.paging import decode
from gateway.identity.statements import Statement
from gateway.residence.conditions import Question
from gateway.residence.entities import EntitySettings
from gateway.residence.indexing import BEGINNING, rows
from gateway.residence.statements import Order, ResidentStatements


@dataclass(frozen=True, slots=True)
class Step:
    """One statement with its values. `claims`: the fields whose values it takes; one that is not told back has
    somebody already."""

    statement: Statement
    values: Mapping[str, Any] = field(repr=False)
    claims: tuple[str, ...] = ()

    def call(self) -> NativeCall:
        """Show the statement."""
        values = zip(self.statement.names, self.statement.arguments(self.values), strict=True)
        return NativeCall(self.statement.sql, tuple(values))


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of the operations on one entity."""

    statements: ResidentStatements
    entity: EntitySettings

    def read(self, key: str, fields: Collection[str]) -> Step:
        """Read a record: rows of version and content, or of nothing, field and value for each value of its lists."""
        lists = sorted(self.entity.lists.intersection(fields))
        return self._step(self.statements.whole, key=key, fields=json.dumps(lists))

    def lock(self, key: str) -> Step:
        """Read version and content, and hold others off."""
        return self._step(self.statements.locked, key=key)

    def page(self, query: Query) -> Step:
        """Read one record more than the page has: key, version, content, and the value sorted by."""
        question, order = Question(query.where, self.entity.fields), self.order(query)
        values = {**question.values, "limit": query.limit + 1, "offset": query.offset}
        if query.cursor is not None:
            values |= _position(query.cursor, order)
        statement = self.statements.search(question.shape, order, after=query.cursor is not None)
        return self._step(statement, **values)

    def order(self, query: Query) -> Order:
        """Say in which order a query wants its records."""
        sort = query.sort
        if sort.field == KEY:
            return Order(descending=sort.descending)
        return Order(sort.field, sort.descending, sort.ignore_case, self.entity.fields[sort.field].filled)

    def count(self, query: Query) -> Step:
        """Count all a query finds."""
        question = Question(query.where, self.entity.fields)
        return self._step(self.statements.count(question.shape), **question.values)

    def lists(self, keys: Collection[str], fields: Collection[str]) -> Step:
        """Read the lists of several records: key, field, value."""
        return self._step(self.statements.lists, keys=json.dumps(list(keys)), fields=json.dumps(sorted(fields)))

    def listed(self, key: str, name: str, limit: int, cursor: str | None) -> Step:
        """Read one value of a list more than a page of them has."""
        given: dict[str, Any] = {"key": key, "field": name, "limit": limit + 1}
        if cursor is None:
            return self._step(self.statements.listed, **given)
        return self._step(self.statements.listed_after, after=_text(decode(cursor, 1)[0]), **given)

    def create(self, key: str, fields: Fields) -> Iterator[Step]:
        """Enter a record, what it is found by, and its lists."""
        content = {name: value for name, value in fields.items() if name not in self.entity.lists and value is not None}
        yield self._step(self.statements.enter, key=key, content=json.dumps(content))
        yield from self._index(key, content)
        for name in sorted(self.entity.lists & fields.keys()):
            yield from self._items(self.statements.add, key, name, fields[name])

    def change_lists(self, key: str, change: Change) -> Iterator[Step]:
        """Change the lists; each step tells the values that made a difference."""
        for name in sorted(self.entity.lists & change.set.keys()):
            value = change.set[name] or ()
            yield self._step(self.statements.retain, key=key, field=name, values=json.dumps(value))
            yield from self._items(self.statements.add, key, name, value)
        for name, value in sorted(change.remove.items()):
            yield self._step(self.statements.remove, key=key, field=name, values=json.dumps(value))
        for name, value in sorted(change.add.items()):
            yield from self._items(self.statements.add, key, name, value)

    def change_singles(self, key: str, content: Mapping[str, Any], singles: Fields) -> Iterator[Step]:
        """Give a record of which something changes its next version, and its single values."""
        if not singles:
            yield self._step(self.statements.touch, key=key)
            return
        whole = {name: value for name, value in {**content, **singles}.items() if value is not None}
        yield self._step(self.statements.rewrite, key=key, content=json.dumps(whole))
        yield self._step(self.statements.unindex, key=key, fields=json.dumps(sorted(singles)))
        yield from self._index(key, singles)

    def delete(self, key: str, referring: Collection[str]) -> Iterator[Step]:
        """Remove a record with all there is of it, and from the lists `referring` that hold keys of its entity."""
        for statement in (self.statements.leave, self.statements.drop_texts, self.statements.drop_lists):
            yield self._step(statement, key=key)
        if referring:
            yield self._step(self.statements.disown, key=key, fields=json.dumps(sorted(referring)))

    def _index(self, key: str, singles: Mapping[str, Any]) -> Iterator[Step]:
        found = rows(singles, self.entity.fields)
        if found:
            names = tuple(row[0] for row in found)
            yield self._step(self.statements.index, claims=names, key=key, given=json.dumps(found))

    def _items(self, statement: Statement, key: str, name: str, value: Any) -> Iterator[Step]:
        # In one order everywhere, or two changes of the same list would wait for each other.
        given = [[item] for item in sorted(set(value or ()))]
        if given:
            yield self._step(statement, key=key, field=name, given=json.dumps(given))

    def _step(self, statement: Statement, *, claims: tuple[str, ...] = (), **values: Any) -> Step:
        return Step(statement, {**self.entity.place, **values}, claims)


def _position(cursor: str, order: Order) -> dict[str, Any]:
    value, key = decode(cursor, 2)
    if not isinstance(value, str | None) or (order.field is None and value is not None):
        raise RejectedError("the cursor is not one of this search")
    text = value or ""
    found: dict[str, Any] = {"after_key": _text(key), "after_value": text, "after_begin": text[:BEGINNING]}
    return {**found, "after_empty": int(value is None)}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise RejectedError("the cursor is not one of this search")
    return value
