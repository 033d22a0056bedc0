"""Changes worked out in memory: for systems that only take whole records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backends.contract import Change, Field, Fields, RejectedError, Row, Scalar, Value
from backends.kit.evaluate import rows
from backends.kit.scalars import Identity, identity


@dataclass(frozen=True, slots=True)
class Merged:
    """A record as it is after a change: all its fields, and the names of those that differ from before."""

    fields: Mapping[str, Value] = field(repr=False)
    changed: frozenset[str]


def merge(current: Fields, change: Change, fields: Mapping[str, Field]) -> Merged:
    """Apply a change to a whole record; what the change does not name stays as it is.

    Many-valued fields are sets: a value twice is there once, and another order is no change. Rows are told apart by
    the `row_key` of their field, or as wholes where it has none. Raises `RejectedError` naming the field that is
    unknown, has one value where many are given, or gets a row without a key column.
    """
    after, changed = dict(current), set[str]()
    for name in (*change.set, *change.add, *change.remove):
        if name not in fields:
            raise RejectedError("there is no such field", name)
    for name, value in change.set.items():
        after[name] = settled(name, value, fields[name], current.get(name))
    for name in dict.fromkeys((*change.add, *change.remove)):
        declared = fields[name]
        if not declared.many:
            raise RejectedError("the field has one value, none can be added or removed", name)
        gone, added = change.remove.get(name, ()), change.add.get(name, ())
        if declared.row is None:
            after[name] = _altered(after.get(name), added, gone)
        else:
            kept = [row for row in rows(after.get(name)) if not any(_covers(part, row) for part in rows(gone))]
            after[name] = _overlaid(name, kept, rows(added), declared)
    for name in after:
        if not same(current.get(name), after[name]):
            changed.add(name)
    return Merged(after, frozenset(changed))


def about(name: str, change: Change) -> Change:
    """Give the part of a change that is about one field."""
    return Change(
        set={name: change.set[name]} if name in change.set else {},
        add={name: change.add[name]} if name in change.add else {},
        remove={name: change.remove[name]} if name in change.remove else {},
    )


def settled(name: str, value: Value, declared: Field, current: Value = None) -> Value:
    """Bring a value that is set into the shape it is kept in: no duplicates, rows whole, unnamed columns as before."""
    if not declared.many:
        if isinstance(value, tuple):
            raise RejectedError("the field has one value", name)
        return value
    if value is not None and not isinstance(value, tuple):
        raise RejectedError("the field has many values", name)
    if declared.row is None:
        return _altered((), value or (), ())
    wanted = [_key(name, row, declared) for row in rows(value)]
    kept = [row for row in rows(current) if _key(name, row, declared) in wanted]
    return _overlaid(name, kept, rows(value), declared)


def same(one: Value, other: Value) -> bool:
    """Tell whether two values of a field are the same; the order of many plays no part, and no values equal none."""
    if isinstance(one, tuple) or isinstance(other, tuple):
        return _bag(one) == _bag(other)
    if one is None or other is None:
        return one is other
    return identity(one) == identity(other)


def difference(before: Value, after: Value) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Name what to add to and what to remove from many values to get from one state to the other: for systems that
    take one value a call. Rows count as wholes."""
    old, new = _bag(before), _bag(after)
    added = tuple(value for mark, value in new.items() if mark not in old)
    return added, tuple(value for mark, value in old.items() if mark not in new)


Mark = Identity | frozenset[tuple[str, Identity | None]]


def _bag(value: Value) -> dict[Mark, Scalar | Row]:
    many: Sequence[Scalar | Row] = value if isinstance(value, tuple) else ()
    return {_mark(item): item for item in many}


def _mark(item: Scalar | Row) -> Mark:
    if isinstance(item, Mapping):
        return frozenset((name, None if value is None else identity(value)) for name, value in item.items())
    return identity(item)


def _altered(current: Value, added: Iterable[Scalar | Row], gone: Iterable[Scalar | Row]) -> tuple[Any, ...]:
    removed = {_mark(item) for item in gone}
    bag = {mark: item for mark, item in _bag(current).items() if mark not in removed}
    for item in added:
        bag.setdefault(_mark(item), item)
    return tuple(bag.values())


def _key(name: str, row: Row, declared: Field) -> Mark:
    columns = declared.row_key or tuple(declared.row or {})
    missing = [column for column in declared.row_key if column not in row]
    if missing:
        raise RejectedError(f"a row needs its {missing[0]}", name)
    unknown = [column for column in row if column not in (declared.row or {})]
    if unknown:
        raise RejectedError(f"a row has no {unknown[0]}", name)
    return _mark({column: row.get(column) for column in columns})


def _covers(part: Row, row: Row) -> bool:
    """Tell whether a row has all that a partial row says."""
    return all(column in row and same(value, row[column]) for column, value in part.items())


def _overlaid(name: str, kept: Iterable[Row], added: Iterable[Row], declared: Field) -> tuple[Row, ...]:
    found: dict[Mark, dict[str, Scalar | None]] = {}
    for row in (*kept, *added):
        whole = found.setdefault(_key(name, row, declared), dict.fromkeys(declared.row or {}))
        whole.update(row)
    return tuple(found.values())
