"""Evaluation of filters on resources (RFC 7644 §3.4.2.2): a tree becomes one closure that is compiled once.

What is unassigned (absent, null, an empty array; S8) is compared as nothing: every operator is false on it but ``ne``
and ``eq null`` (F5). Of several values any one may match (F6), for ``ne`` too: ``emails.type ne "work"`` holds if
some e-mail has another type. A value that is not of its attribute's type equals nothing and has no order.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from gateway.scim.filters import And, Comparison, Filter, Never, Not, Op, Or, ValuePath
from gateway.scim.folding import fold as fold
from gateway.scim.folding import instant
from gateway.scim.names import AttributePath
from gateway.scim.schema import Type

Test = Callable[[Any], bool]

_ORDERS: Mapping[Op, Callable[[Any, Any], bool]] = {
    Op.GT: operator.gt,
    Op.GE: operator.ge,
    Op.LT: operator.lt,
    Op.LE: operator.le,
}


def compile_filter(tree: Filter) -> Callable[[Mapping[str, Any]], bool]:
    """Compile a filter over whole resources in canonical form; what a resource lacks is unassigned."""
    return _compile(tree, _in_resource)


def compile_element(where: Filter) -> Callable[[Any], bool]:
    """Compile the `where` of a value path over one element of its attribute: an object, or a simple value."""
    return _compile(where, _in_element)


def _compile(tree: Filter, comparison: Callable[[Comparison], Test]) -> Test:
    match tree:
        case Comparison():
            return comparison(tree)
        case And(terms):
            return _all([_compile(term, comparison) for term in terms])
        case Or(terms):
            return _any([_compile(term, comparison) for term in terms])
        case Not(term):
            return _not(_compile(term, comparison))
        case ValuePath():
            return _selection(tree)
        case Never():
            return lambda _: False


def _all(tests: list[Test]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda item: first(item) and second(item)
    return lambda item: all(test(item) for test in tests)


def _any(tests: list[Test]) -> Test:
    return lambda item: any(test(item) for test in tests)


def _not(test: Test) -> Test:
    return lambda item: not test(item)


def _selection(tree: ValuePath) -> Test:
    find, test = _finder(tree.path), compile_element(tree.where)
    return lambda resource: any(test(element) for element in _each(find(resource)))


def _in_resource(tree: Comparison) -> Test:
    path = tree.path
    find = _finder(path)
    if path.sub is None:
        return _on(find, tree)
    sub = path.sub.name
    if not path.is_many:
        return _on(lambda resource: _part(find(resource), sub), tree)

    def collect(resource: Any) -> list[Any]:
        return [value for element in _each(find(resource)) for value in _each(_part(element, sub))]

    return _on(collect, tree)


def _in_element(tree: Comparison) -> Test:
    sub = tree.path.sub
    if sub is None:
        return _on(lambda element: element, tree)
    name = sub.name
    return _on(lambda element: _part(element, name), tree)


def _finder(path: AttributePath) -> Callable[[Any], Any]:
    """Find what lies under the name of an attribute, in its extension's container if it has one."""
    name = path.attribute.name if path.attribute is not None else ""
    extension = path.extension
    if extension is None:
        return lambda resource: resource.get(name)
    return lambda resource: _part(resource.get(extension), name)


def _part(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _each(value: Any) -> Iterator[Any]:
    """Yield the assigned values among what lies under a name."""
    if isinstance(value, list | tuple):
        yield from (item for item in value if item is not None)
    elif value is not None:
        yield value


def _on(find: Callable[[Any], Any], tree: Comparison) -> Test:
    """Compile a comparison of what `find` gives: None, a value or a list of them."""
    op, value = tree.op, tree.value
    if op is Op.PR or value is None:
        present = op is not Op.EQ
        return lambda item: _assigned(find(item)) is present
    same = _value_test(tree)
    if op is Op.NE:

        def differs(item: Any) -> bool:
            found = list(_each(find(item)))
            return not found or not all(same(value) for value in found)

        return differs

    def holds(item: Any) -> bool:
        found = find(item)
        if found is None:
            return False
        if isinstance(found, list | tuple):
            return any(same(value) for value in _each(found))
        return same(found)

    return holds


def _assigned(value: Any) -> bool:
    """Tell whether anything is assigned: not null, nor an array or object in which nothing is (S8)."""
    if isinstance(value, Mapping):
        return any(_assigned(part) for part in value.values())
    if isinstance(value, list | tuple):
        return any(_assigned(part) for part in value)
    return value is not None


def _value_test(tree: Comparison) -> Test:
    """Compile the comparison with one assigned value; ``ne`` as ``eq``, to be negated."""
    leaf, value = tree.path.leaf, tree.value
    match leaf.type:
        case Type.BOOLEAN:
            return lambda found: found is value
        case Type.INTEGER | Type.DECIMAL:
            return _ordered(tree.op, _number, _number(value))
        case Type.DATE_TIME:
            return _ordered(tree.op, _moment, _moment(value))
    exact = leaf.case_exact or leaf.type is Type.BINARY
    convert, wanted = (_exact, str(value)) if exact else (_folded, fold(str(value)))
    match tree.op:
        case Op.CO:
            return lambda found: wanted in text if (text := convert(found)) is not None else False
        case Op.SW:
            return lambda found: text.startswith(wanted) if (text := convert(found)) is not None else False
        case Op.EW:
            return lambda found: text.endswith(wanted) if (text := convert(found)) is not None else False
    return _ordered(tree.op, convert, wanted)


def _ordered(op: Op, convert: Callable[[Any], Any], wanted: Any) -> Test:
    compare: Callable[[Any, Any], bool] = _ORDERS.get(op, operator.eq)
    return lambda found: (known := convert(found)) is not None and compare(known, wanted)


def _exact(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _folded(value: Any) -> str | None:
    return fold(value) if isinstance(value, str) else None


def _number(value: Any) -> int | float | Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    # 0.1 of a resource and 0.1 of a filter may come as Decimal and as float, which are equal only as floats.
    return float(value) if isinstance(value, Decimal) and value != value.to_integral_value() else value


def _moment(value: Any) -> Any:
    if not isinstance(value, str):
        return None
    try:
        return instant(value)
    except ValueError:
        return None
