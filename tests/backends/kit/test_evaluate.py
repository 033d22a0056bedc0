"""Filters worked out in memory."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.contract import KEY, And, AnyRow, Compare, Filter, Not, Op, Or, Record
from backends.kit.evaluate import compile_filter, compile_row, fields_of, operators

RECORD = Record(
    "k1",
    {
        "name": "Ann_é",
        "none": None,
        "grade": 3,
        "flag": True,
        "day": date(2020, 2, 29),
        "seen": datetime(2020, 1, 1, tzinfo=UTC),
        "tags": ("a", "B"),
        "no_tags": (),
        "mails": ({"address": "a@example.com", "kind": "work"}, {"address": "b@example.com", "kind": None}),
        "no_mails": (),
    },
)


def holds(where: Filter | None, record: Record = RECORD) -> bool:
    return compile_filter(where)(record)


@pytest.mark.parametrize(
    ("field", "op", "value", "expected"),
    [
        ("name", Op.EQ, "Ann_é", True),
        ("name", Op.EQ, "ann_é", False),
        ("name", Op.CO, "n_", True),
        ("name", Op.CO, "n%", False),
        ("name", Op.SW, "Ann", True),
        ("name", Op.EW, "é", True),
        ("name", Op.GT, "Ann", True),
        ("name", Op.LT, "Ann", False),
        ("name", Op.GE, "Ann_é", True),
        ("name", Op.LE, "Ann_é", True),
        ("name", Op.IN, ("x", "Ann_é"), True),
        ("name", Op.IN, (), False),
        ("name", Op.PR, None, True),
        ("none", Op.PR, None, False),
        ("none", Op.EQ, "x", False),
        ("none", Op.NE, "x", True),
        ("none", Op.LT, "x", False),
        ("none", Op.IN, ("x",), False),
        ("grade", Op.EQ, 3, True),
        ("grade", Op.EQ, 3.0, True),
        ("grade", Op.EQ, Decimal(3), True),
        ("grade", Op.EQ, "3", False),
        ("grade", Op.GT, Decimal("2.5"), True),
        ("grade", Op.GT, "2", False),
        ("grade", Op.CO, "3", False),
        ("flag", Op.EQ, True, True),
        ("flag", Op.EQ, 1, False),
        ("flag", Op.IN, (1, False), False),
        ("day", Op.LT, date(2020, 3, 1), True),
        ("day", Op.LT, datetime(2020, 3, 1, tzinfo=UTC), False),
        ("seen", Op.GE, datetime(2020, 1, 1, tzinfo=UTC), True),
        ("seen", Op.GE, datetime(2019, 1, 1), False),
        ("tags", Op.EQ, "a", True),
        ("tags", Op.NE, "a", True),
        ("tags", Op.EQ, "b", False),
        ("tags", Op.PR, None, True),
        ("no_tags", Op.PR, None, False),
        ("no_tags", Op.NE, "a", True),
        ("no_tags", Op.EQ, "a", False),
        ("mails", Op.PR, None, True),
        ("no_mails", Op.PR, None, False),
        ("mails.kind", Op.EQ, "work", True),
        ("mails.kind", Op.NE, "work", True),
        ("mails.address", Op.SW, "b@", True),
        ("no_mails.kind", Op.NE, "work", True),
        ("no_mails.kind", Op.PR, None, False),
        (KEY, Op.EQ, "k1", True),
        (KEY, Op.IN, ("k2", "k1"), True),
        (KEY, Op.NE, "k1", False),
    ],
)
def test_a_compare_means_what_the_contract_says(field: str, op: Op, value: Any, expected: bool) -> None:
    """Kinds do not mix, an empty field is unequal to everything, of many values any one will do (F8, F9)."""
    assert holds(Compare(field, op, value)) is expected


@pytest.mark.parametrize(
    ("op", "value", "expected"),
    [
        (Op.EQ, "ANN_É", True),
        (Op.EQ, "ANN_E\u0301", True),
        (Op.CO, "NN_", True),
        (Op.SW, "aNN", True),
        (Op.EW, "É", True),
        (Op.NE, "ANN_É", False),
        (Op.IN, ("x", "aNN_é"), True),
        (Op.GT, "ANN", True),
    ],
)
def test_case_is_ignored_where_asked(op: Op, value: Any, expected: bool) -> None:
    """Ignoring case is the canonical caseless form of Unicode, for every operator (S14)."""
    assert holds(Compare("name", op, value, ignore_case=True)) is expected


def test_logic_combines() -> None:
    """And, or and not nest; no terms at all are true for and, false for or."""
    yes, no = Compare("grade", Op.EQ, 3), Compare("grade", Op.EQ, 4)
    assert holds(And((yes, Not(no))))
    assert holds(Or((no, yes)))
    assert not holds(And((yes, no)))
    assert not holds(Or((no, Not(yes))))
    assert holds(And(()))
    assert not holds(Or(()))
    assert holds(None)


def test_any_row_binds_its_conditions_to_one_row() -> None:
    """Two conditions each met by another row are not met (F11)."""
    address, kind = Compare("address", Op.SW, "b@"), Compare("kind", Op.EQ, "work")
    assert not holds(AnyRow("mails", And((address, kind))))
    assert holds(AnyRow("mails", And((address, Not(kind)))))
    assert holds(AnyRow("mails", Or((address, kind))))
    assert holds(And((Compare("mails.address", Op.SW, "b@"), Compare("mails.kind", Op.EQ, "work"))))
    assert not holds(AnyRow("no_mails", Not(kind)))
    with pytest.raises(ValueError, match="no rows"):
        compile_row(AnyRow("x", kind))


def test_a_field_that_was_not_read_is_no_empty_one() -> None:
    """Asking about a field the record does not carry is an error, not "not equal"."""
    with pytest.raises(KeyError):
        holds(Compare("other", Op.NE, "x"))


@pytest.mark.parametrize(
    "compare", [Compare("name", Op.EQ), Compare("name", Op.CO, 3), Compare("name", Op.GT, ("a", "b"))]
)
def test_a_compare_without_sense_is_refused(compare: Compare) -> None:
    """A value an operator cannot take fails when the filter is compiled, not for each record."""
    with pytest.raises(ValueError, match=compare.op.value):
        compile_filter(compare)


def test_fields_of_a_filter_are_named() -> None:
    """What must be read for a filter is every field in it but the key."""
    where = And(
        (Compare("a", Op.PR), Not(Or((Compare("b.c", Op.PR), Compare(KEY, Op.PR)))), AnyRow("d", Compare("e", Op.PR)))
    )
    assert fields_of(where) == {"a", "b.c", "d"}
    assert fields_of(None) == frozenset()


def test_operators_suit_the_type() -> None:
    """Only text is searched within, and truth has no order."""
    assert {op for op, _ in operators(bool)} == {Op.EQ, Op.NE, Op.PR, Op.IN}
    assert (Op.CO, True) in set(operators(str))
    assert (Op.GT, False) in set(operators(int))
    assert (Op.CO, False) not in set(operators(int))
    assert (Op.PR, True) not in set(operators(str))


values = st.one_of(
    st.none(), st.text(max_size=4), st.integers(-3, 3), st.booleans(), st.tuples(), st.tuples(st.text(max_size=2))
)
compares = st.builds(
    Compare,
    st.sampled_from(["a", "b"]),
    st.sampled_from([Op.EQ, Op.NE, Op.GT, Op.LE]),
    st.one_of(st.text(max_size=2), st.integers(-3, 3)),
)


@settings(max_examples=150, deadline=None)
@given(values, values, st.lists(compares, min_size=1, max_size=4))
def test_de_morgan_holds(a: Any, b: Any, terms: list[Compare]) -> None:
    """Not (p and q) is (not p) or (not q), whatever is empty."""
    record = Record("k", {"a": a, "b": b})
    assert holds(Not(And(tuple(terms))), record) == holds(Or(tuple(Not(term) for term in terms)), record)


@settings(max_examples=150, deadline=None)
@given(values, compares)
def test_in_is_eq_to_one_of_several(a: Any, compare: Compare) -> None:
    """`in` is the batch form of `eq`."""
    record = Record("k", {"a": a, "b": None})
    many = Compare("a", Op.IN, (compare.value, "other"))  # type: ignore[arg-type]
    either = Or((Compare("a", Op.EQ, compare.value), Compare("a", Op.EQ, "other")))
    assert holds(many, record) == holds(either, record)
