"""Filters turned into calls: which condition the system is asked, and what is looked through afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
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
    """How a search is made: `test` looks through what comes, `needed` are the fields it looks at.

    `closer`, with the fields `read`, looks at those that are left where a condition is about fields with calls of their
    own, and the system was not asked for it.
    """

    source: Source
    test: Callable[[Record], bool]
    needed: frozenset[str]
    trusted: bool
    closer: Callable[[Record], bool] | None = None
    read: frozenset[str] = frozenset()


def plan(entity: Entity, where: Filter | None) -> Plan:
    """Choose the narrowest source: keys, then a filter that finds one record, then any filter, then the list."""
    checked = readable(entity, where)
    needed, test = _fields(entity, checked), compile_filter(checked)
    best: tuple[int, Source, bool, Compare] | None = None
    source: Source
    asked: Compare | None
    for compare in conjuncts(where, ""):
        for rank, source, exact in _sources(entity, compare):
            if best is None or rank < best[0]:
                best = rank, source, exact, compare
    if best is None:
        assert entity.listing is not None
        source, trusted, asked = (ByList(entity.listing, {}),), where is None, None
    else:
        source, trusted, asked = best[1], best[2] and isinstance(where, Compare), best[3]
    return _closer(entity, Plan(source, test, needed, trusted), _rest(entity, where, asked))


def _closer(entity: Entity, found: Plan, rest: Filter | None) -> Plan:
    """Look closer at what is found, if something is left that the records themselves do not tell."""
    if rest is None or not any(_apart(entity, name) for name in fields_of(rest)):
        return found
    return replace(found, closer=compile_filter(rest), read=_fields(entity, rest), trusted=False)


def _rest(entity: Entity, where: Filter | None, asked: Compare | None) -> Filter | None:
    """Leave out the condition the system was asked for, and those of which it may find too much anyway."""
    match where:
        case And(terms=terms):
            return And(tuple(left for term in terms if (left := _rest(entity, term, asked)) is not None))
        case Compare() if _apart(entity, where.field):
            return None if where is asked or not _exact(entity, where) else where
    return where


def _exact(entity: Entity, compare: Compare) -> bool:
    """Tell whether a comparison is promised exactly, as `abilities` does: by the first filter that can make it."""
    item = next((item for item, _ in filter_for(entity, compare)), None)
    return item is not None and item.exact and (compare.ignore_case or not item.ignores_case)


def _apart(entity: Entity, name: str) -> bool:
    return name in entity.fields and entity.fields[name].settings.apart


def _fields(entity: Entity, where: Filter | None) -> frozenset[str]:
    names = fields_of(where)
    return frozenset(name if name in entity.fields else name.rpartition(".")[0] for name in names)


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
        case Compare(field=field) if _apart(entity, field):
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
