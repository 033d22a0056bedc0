"""Filters answered without looking at every record, and filters answered loosely."""

from __future__ import annotations

from collections.abc import Iterable, Set

from backends.contract import And, AnyRow, Compare, Filter, Not, Op, Or
from backends.memory.store import Store
from backends.memory.table import Table

EVERYTHING = And(())


def loosened(where: Filter | None, loose: Set[str]) -> Filter | None:
    """Let every condition on a loose field hold: the broadest superset an answer may be."""
    match where:
        case Compare(field=field) if field in loose:
            return EVERYTHING
        case And(terms=terms):
            return And(tuple(loosened(term, loose) or EVERYTHING for term in terms))
        case Or(terms=terms):
            return Or(tuple(loosened(term, loose) or EVERYTHING for term in terms))
        case Not(term=term):
            return Not(loosened(term, loose) or EVERYTHING)
        case AnyRow(field=field, where=condition):
            columns = {name.partition(".")[2] for name in loose if name.partition(".")[0] == field}
            return AnyRow(field, loosened(condition, columns) or EVERYTHING)
    return where


def candidates(where: Filter | None, table: Table, store: Store) -> Iterable[str] | None:
    """Name the only keys that can match, where an index tells; None where every record must be looked at."""
    match where:
        case Compare(field="@key", op=Op.EQ, value=str() as key, ignore_case=False):
            return (key,)
        case Compare(field="@key", op=Op.IN, value=tuple() as keys, ignore_case=False):
            return dict.fromkeys(key for key in keys if isinstance(key, str))
        case Compare(op=Op.EQ, value=value) if value is not None and not isinstance(value, tuple):
            return store.holders(table, where.field, value, ignore_case=where.ignore_case)
        case And(terms=terms):
            found = (candidates(term, table, store) for term in terms)
            return next((keys for keys in found if keys is not None), None)
    return None
