"""What a query asks held against what was declared."""

from __future__ import annotations

from typing import Any

import pytest

from backends.contract import And, AnyRow, Capabilities, Compare, Match, Not, Op, Or, Query, Sort, UnsupportedError
from backends.kit.queries import admit

EQ = Compare("login", Op.EQ, "x")
LOOSE = Compare("note", Op.EQ, "x")
ROW = AnyRow("mails", Compare("kind", Op.EQ, "x"))
ABLE = Capabilities(
    filters={
        "login": {(Op.EQ, False): Match.EXACT},
        "note": {(Op.EQ, False): Match.LOOSE},
        "mails.kind": {(Op.EQ, False): Match.EXACT},
    },
    logic=frozenset({"and", "or", "not", "any_row"}),
    sort=frozenset({"login"}),
    offset=True,
    total=True,
)


def ask(**query: Any) -> Query:
    return Query(frozenset(), **query)


@pytest.mark.parametrize(
    ("query", "match"),
    [
        (ask(), Match.EXACT),
        (ask(where=EQ, sort=Sort("login"), offset=2, total=True), Match.EXACT),
        (ask(where=LOOSE), Match.LOOSE),
        (ask(where=And((EQ, LOOSE))), Match.LOOSE),
        (ask(where=Or((EQ, Not(ROW)))), Match.EXACT),
        (ask(sort=Sort(descending=True), cursor="c"), Match.EXACT),
    ],
)
def test_what_was_declared_is_admitted(query: Query, match: Match) -> None:
    """A query within the capabilities passes; it is as exact as its loosest part."""
    assert admit(query, ABLE) is match


@pytest.mark.parametrize(
    "query",
    [
        ask(where=Compare("login", Op.EQ, "x", True)),
        ask(where=Compare("login", Op.NE, "x")),
        ask(where=Compare("other", Op.EQ, "x")),
        ask(where=Compare("@key", Op.EQ, "x")),
        ask(where=And((EQ, Compare("other", Op.EQ, "x")))),
        ask(where=AnyRow("mails", Compare("login", Op.EQ, "x"))),
        ask(where=Not(LOOSE)),
        ask(where=Not(Or((EQ, LOOSE)))),
        ask(where=LOOSE, total=True),
        ask(sort=Sort("note")),
        ask(offset=1, cursor="c"),
    ],
)
def test_what_was_not_declared_is_refused(query: Query) -> None:
    """Filters, sorts and totals beyond the capabilities are refused, never ignored; loose is never negated."""
    with pytest.raises(UnsupportedError):
        admit(query, ABLE)


@pytest.mark.parametrize(
    "query",
    [
        ask(where=And((EQ, EQ))),
        ask(where=Or((EQ, EQ))),
        ask(where=Not(EQ)),
        ask(where=ROW),
        ask(offset=1),
        ask(total=True),
        ask(sort=Sort("login")),
    ],
)
def test_the_humblest_entity_refuses_all_but_the_plain_list(query: Query) -> None:
    """By default nothing is offered but all records in the order of their keys."""
    with pytest.raises(UnsupportedError):
        admit(query, Capabilities(filters=ABLE.filters))
    assert admit(ask(), Capabilities()) is Match.EXACT
