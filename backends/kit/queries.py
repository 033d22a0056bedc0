"""What a query asks held against what an entity declared: refused, never ignored."""

from __future__ import annotations

from backends.contract import (
    KEY,
    And,
    AnyRow,
    Capabilities,
    Compare,
    Filter,
    Match,
    Not,
    Or,
    Query,
    UnsupportedError,
)


def admit(query: Query, capabilities: Capabilities) -> Match:
    """Check a query against the capabilities of its entity; tell whether the answer will be exact or loose.

    Raises `UnsupportedError` for a filter, a combination, a sort, an offset or a total that was not declared, for an
    offset beside a cursor, for a total of a loose filter, and for ``not`` around one: that would lose records.
    """
    match = Match.EXACT if query.where is None else _admit(query.where, capabilities, "")
    if query.sort.field != KEY and query.sort.field not in capabilities.sort:
        raise UnsupportedError(f"cannot sort by {query.sort.field}")
    if query.offset and not capabilities.offset:
        raise UnsupportedError("cannot start at an offset")
    if query.offset and query.cursor is not None:
        raise UnsupportedError("a cursor and an offset exclude each other")
    if query.total and (not capabilities.total or match is Match.LOOSE):
        raise UnsupportedError("cannot count the matches")
    return match


def _admit(where: Filter, capabilities: Capabilities, prefix: str) -> Match:
    match where:
        case Compare(field=field, op=op, ignore_case=ignore_case):
            name = f"{prefix}{field}"
            found = capabilities.filters.get(name, {}).get((op, ignore_case))
            if found is None:
                raise UnsupportedError(f"cannot search {name} by {op.value}{' ignoring case' if ignore_case else ''}")
            return found
        case And(terms=terms):
            _combines("and", capabilities)
        case Or(terms=terms):
            _combines("or", capabilities)
        case AnyRow(field=field, where=condition):
            _combines("any_row", capabilities)
            return _admit(condition, capabilities, f"{field}.")
        case Not(term=term):
            _combines("not", capabilities)
            if _admit(term, capabilities, prefix) is Match.LOOSE:
                raise UnsupportedError("cannot negate a loose filter")
            return Match.EXACT
    matches = [_admit(term, capabilities, prefix) for term in terms]
    return Match.LOOSE if Match.LOOSE in matches else Match.EXACT


def _combines(logic: str, capabilities: Capabilities) -> None:
    if logic not in capabilities.logic:
        raise UnsupportedError(f"cannot combine conditions by {logic}")
