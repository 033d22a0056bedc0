"""Filters worked out in memory: for systems that cannot search, and as the measure of those that say they can."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from backends.contract import KEY, And, AnyRow, Compare, Filter, Not, Op, Or, Record, Row, Scalar, Value
from backends.kit.scalars import Identity, identity, precedes

Values = Sequence[Scalar | None]
"""What a compare looks at: the values of a field, None where there is none; no values at all is an empty field."""
Test = Callable[[Values], bool]


def compile_filter(where: Filter | None) -> Callable[[Record], bool]:
    """Compile a filter once into a test of records; without a filter every record passes.

    A record must carry every field the filter names (`fields_of`), else the test raises `KeyError`: a field not read
    is not an empty one.
    """
    match where:
        case None:
            return lambda record: True
        case Compare(field=field):
            test = _compare(where)
            return lambda record: test(_of_record(record, field))
        case And(terms=terms):
            tests = [compile_filter(term) for term in terms]
            return lambda record: all(test(record) for test in tests)
        case Or(terms=terms):
            tests = [compile_filter(term) for term in terms]
            return lambda record: any(test(record) for test in tests)
        case Not(term=term):
            inner = compile_filter(term)
            return lambda record: not inner(record)
        case AnyRow(field=field, where=condition):
            holds = compile_row(condition)
            return lambda record: any(holds(row) for row in rows(record.fields[field]))


def compile_row(where: Filter) -> Callable[[Row], bool]:
    """Compile the condition of an `AnyRow` into a test of one row; a column the row lacks is empty."""
    match where:
        case Compare(field=column):
            test = _compare(where)
            return lambda row: test((row.get(column),))
        case And(terms=terms):
            tests = [compile_row(term) for term in terms]
            return lambda row: all(test(row) for test in tests)
        case Or(terms=terms):
            tests = [compile_row(term) for term in terms]
            return lambda row: any(test(row) for test in tests)
        case Not(term=term):
            inner = compile_row(term)
            return lambda row: not inner(row)
        case AnyRow():
            raise ValueError("a row has no rows of its own")


def fields_of(where: Filter | None) -> frozenset[str]:
    """Name what a filter looks at, as it is written there: ``field``, ``rows.column``, never `KEY`."""
    match where:
        case None | Compare(field="@key"):
            return frozenset()
        case Compare(field=field) | AnyRow(field=field):
            return frozenset({field})
        case And(terms=terms) | Or(terms=terms):
            return frozenset[str]().union(*(fields_of(term) for term in terms))
        case Not(term=term):
            return fields_of(term)


def rows(value: Value) -> tuple[Row, ...]:
    """View the value of a field made of rows."""
    many = value if isinstance(value, tuple) else ()
    return tuple(row for row in many if isinstance(row, Mapping))


def _of_record(record: Record, name: str) -> Values:
    """Collect what a compare looks at; a row as such has no value, but it is there."""
    if name == KEY:
        return (record.key,)
    if name not in record.fields:
        field, _, column = name.rpartition(".")
        return [row.get(column) for row in rows(record.fields[field])]
    value = record.fields[name]
    if not isinstance(value, tuple):
        return (value,)
    return ["" if isinstance(item, Mapping) else item for item in value]


def _compare(compare: Compare) -> Test:
    match compare.op:
        case Op.PR:
            return _any(lambda value: True)
        case Op.IN:
            many = compare.value if isinstance(compare.value, tuple) else ()
            wanted = {identity(value, compare.ignore_case) for value in many}
            return _any(lambda value: identity(value, compare.ignore_case) in wanted)
        case Op.CO | Op.SW | Op.EW:
            return _text(compare)
    if isinstance(compare.value, tuple) or compare.value is None:
        raise ValueError(f"{compare.op.value} compares with one value")
    sought = identity(compare.value, compare.ignore_case)
    if compare.op is Op.NE:
        return _differs(sought, compare.ignore_case)
    relation = _RELATIONS[compare.op]
    return _any(lambda value: relation(identity(value, compare.ignore_case), sought))


def _any(test: Callable[[Scalar], bool]) -> Test:
    return lambda values: any(value is not None and test(value) for value in values)


def _differs(sought: Identity, ignore_case: bool) -> Test:
    """`ne` holds for an empty field too: "not equal", not "present and different"."""

    def test(values: Values) -> bool:
        return not values or any(value is None or identity(value, ignore_case) != sought for value in values)

    return test


def _text(compare: Compare) -> Test:
    if not isinstance(compare.value, str):
        raise ValueError(f"{compare.op.value} compares text")
    _, part = identity(compare.value, compare.ignore_case)
    relation: Callable[[str, str], bool] = {
        Op.CO: str.__contains__,
        Op.SW: str.startswith,
        Op.EW: str.endswith,
    }[compare.op]

    def test(value: Scalar) -> bool:
        _, text = identity(value, compare.ignore_case)
        return isinstance(text, str) and relation(text, str(part))

    return _any(test)


_RELATIONS: Mapping[Op, Callable[[Identity, Identity], bool]] = {
    Op.EQ: lambda value, sought: value == sought,
    Op.GT: lambda value, sought: precedes(sought, value),
    Op.GE: lambda value, sought: value == sought or precedes(sought, value),
    Op.LT: lambda value, sought: precedes(value, sought),
    Op.LE: lambda value, sought: value == sought or precedes(value, sought),
}


def operators(type_: type[object]) -> Iterable[tuple[Op, bool]]:
    """Name the comparisons that make sense for values of a type, with and without regard to case."""
    yield from ((op, False) for op in (Op.EQ, Op.NE, Op.PR, Op.IN))
    if type_ is not bool:
        yield from ((op, False) for op in (Op.GT, Op.GE, Op.LT, Op.LE))
    if type_ is str:
        yield from ((op, False) for op in (Op.CO, Op.SW, Op.EW))
        yield from ((op, True) for op in Op if op is not Op.PR)
