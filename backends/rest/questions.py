"""Filters turned into calls: which condition the system is asked, and what is looked through afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from backends.contract import KEY, And, AnyRow, Compare, Filter, Not, Op, Or, Record, Scalar
from backends.kit.evaluate import compile_filter, fields_of
from backends.kit.templates import plain
from backends.kit.wire import WireError
from backends.rest.model import Entity, FilterCall
from backends.rest.paging import Listing


@dataclass(frozen=True, slots=True)
class ByKeys:
    """The records of these keys are read one by one."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ByList:
    """A list is read: all of it, or what the system finds for `values`."""

    listing: Listing
    values: Mapping[str, Any]
    one: bool = False


Source = ByKeys | tuple[ByList, ...]
"""Where the records come from; several lists are joined, and none at all is nothing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a search is made: `test` looks through what comes, `needed` are the fields it looks at."""

    source: Source
    test: Callable[[Record], bool]
    needed: frozenset[str]
    trusted: bool


def plan(entity: Entity, where: Filter | None) -> Plan:
    """Choose the narrowest source: keys, then a filter that finds one record, then any filter, then the list."""
    checked = readable(entity, where)
    needed = frozenset(name if name in entity.fields else name.rpartition(".")[0] for name in fields_of(checked))
    test = compile_filter(checked)
    best: tuple[int, Source, bool] | None = None
    for compare in conjuncts(where, ""):
        for rank, source, exact in _sources(entity, compare):
            if best is None or rank < best[0]:
                best = rank, source, exact
    if best is not None:
        return Plan(best[1], test, needed, best[2] and isinstance(where, Compare))
    assert entity.listing is not None
    return Plan((ByList(entity.listing, {}),), test, needed, where is None)


def conjuncts(where: Filter | None, prefix: str) -> Iterator[Compare]:
    """Give the compares that hold for every match, with the full names of their fields."""
    match where:
        case Compare():
            yield Compare(f"{prefix}{where.field}", where.op, where.value, where.ignore_case) if prefix else where
        case And(terms=terms):
            for term in terms:
                yield from conjuncts(term, prefix)
        case AnyRow(field=field, where=condition):
            yield from conjuncts(condition, f"{field}.")


def readable(entity: Entity, where: Filter | None) -> Filter | None:
    """Let every condition hold that looks at a field with calls of its own: that is not part of the record."""
    match where:
        case Compare(field=field) if field in entity.fields and entity.fields[field].settings.apart:
            return And(())
        case And(terms=terms):
            return And(tuple(readable(entity, term) or And(()) for term in terms))
        case Or(terms=terms):
            return Or(tuple(readable(entity, term) or And(()) for term in terms))
        case Not(term=term):
            inner = readable(entity, term)
            return where if inner == term else And(())
    return where


def filter_for(entity: Entity, compare: Compare) -> Iterator[tuple[FilterCall, bool]]:
    """Find the declared filters that answer a compare; with True where ``in`` is asked value by value."""
    for item in entity.filters:
        if item.field != compare.field or (compare.ignore_case and not item.ignores_case):
            continue
        if compare.op.value in item.ops:
            yield item, False
        elif compare.op is Op.IN and "eq" in item.ops:
            yield item, True


def _sources(entity: Entity, compare: Compare) -> Iterator[tuple[int, Source, bool]]:
    if compare.field == KEY and entity.get is not None and not compare.ignore_case:
        if compare.op is Op.EQ:
            yield 0, ByKeys((str(compare.value),)), True
        elif compare.op is Op.IN and not any(item.field == KEY and "in" in item.ops for item in entity.filters):
            values = compare.value if isinstance(compare.value, tuple) else ()
            yield 0, ByKeys(tuple(dict.fromkeys(str(value) for value in values))), True
    for item, each in filter_for(entity, compare):
        rank = 1 if item.one or item.field == KEY else 2 if compare.op in (Op.EQ, Op.IN) else 3
        exact = item.exact and (compare.ignore_case or not item.ignores_case)
        yield rank, tuple(_asked(entity, item, compare, each=each)), exact


def _asked(entity: Entity, item: FilterCall, compare: Compare, *, each: bool) -> Iterator[ByList]:
    if compare.op is Op.PR:
        yield ByList(item.listing, {"value": True}, item.one)
        return
    many = compare.value if isinstance(compare.value, tuple) else (compare.value,)
    written = [value for value in (_written(entity, item, one) for one in many) if value is not None]
    if compare.op is not Op.IN or each:
        yield from (ByList(item.listing, {"value": value, **_named(item, value)}, item.one) for value in written)
        return
    for start in range(0, len(written), item.values):
        part = written[start : start + item.values]
        text = item.join.join(plain(value) for value in part)
        yield ByList(item.listing, {"values": part, "value": text})


def _named(item: FilterCall, value: Any) -> dict[str, Any]:
    return {"key": value} if item.field == KEY else {}


def _written(entity: Entity, item: FilterCall, value: Scalar | None) -> Any:
    """Write a value to search for; None for one that no record can have."""
    if item.field == KEY:
        written: Any = str(value) if entity.settings.key_type == "str" else _number(str(value))
    else:
        assert item.wire is not None
        try:
            written = item.wire.write(value)
        except WireError:
            return None
    return written.translate(item.escape) if isinstance(written, str) and item.escape else written


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
