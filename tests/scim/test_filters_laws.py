"""Laws of filters: reading undoes printing, evaluation is what its definition says, nothing breaks the reader."""

from __future__ import annotations

import json
import random
import time
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.scim import evaluate, filters, paths, standard
from gateway.scim.errors import ScimError
from gateway.scim.filters import And, Comparison, Filter, FilterOptions, Never, Not, Op, Or, ValuePath
from gateway.scim.paths import AttributePath
from gateway.scim.schema import ENTERPRISE_URN, USER_URN, Type

USER = standard.resource_type("User")
SCHEMA = {
    "id": "urn:example:params:scim:schemas:Crate",
    "attributes": [
        {"name": "doors", "type": "integer"},
        {"name": "weight", "type": "decimal"},
        {"name": "code", "caseExact": True},
        {"name": "label"},
        {"name": "open", "type": "boolean"},
        {"name": "sealed", "type": "dateTime"},
        {"name": "tags", "multiValued": True},
        {
            "name": "parts",
            "type": "complex",
            "multiValued": True,
            "subAttributes": [
                {"name": "value"},
                {"name": "kind", "caseExact": True},
                {"name": "first", "type": "boolean"},
                {"name": "count", "type": "integer"},
                {"name": "hours", "multiValued": True},
            ],
        },
        {
            "name": "maker",
            "type": "complex",
            "subAttributes": [{"name": "name"}, {"name": "since", "type": "dateTime"}],
        },
    ],
}
EXTENSION = {
    "id": "urn:example:params:scim:schemas:extension:2.0:Crate",
    "attributes": [{"name": "owner"}, {"name": "rows", "type": "integer", "multiValued": True}],
}
_known = {schema.id: schema for schema in map(standard.parse_schema, (SCHEMA, EXTENSION))}
CRATE = standard.parse_resource_type(
    {
        "name": "Crate",
        "endpoint": "/Crates",
        "schema": SCHEMA["id"],
        "schemaExtensions": [{"schema": EXTENSION["id"], "required": False}],
    },
    _known,
)
SIMPLE = [
    *("doors", "weight", "code", "label", "open", "sealed", "tags", "parts.value", "parts.kind", "parts.first"),
    *("parts.count", "parts.hours", "maker.name", "maker.since", f"{EXTENSION['id']}:owner", f"{EXTENSION['id']}:rows"),
]
COMPLEX = ["parts", "maker", "meta"]

TEXTS = st.sampled_from(["", "a", "A", "ab", "Ab", "b", "ß", "SS", "é", "e\u0301", "ｂ", "İ", "10", "9"])
TIMES = st.sampled_from(
    ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00.5Z", "2023-12-31T23:59:59Z"]
)
VALUES: dict[Type, st.SearchStrategy[Any]] = {
    Type.STRING: TEXTS,
    Type.REFERENCE: TEXTS,
    Type.BOOLEAN: st.booleans(),
    Type.INTEGER: st.integers(-2, 2),
    Type.DECIMAL: st.sampled_from([-1, 0, 0.5, 1, 1.5]),
    Type.DATE_TIME: TIMES,
}
ORDER = [Op.EQ, Op.NE, Op.GT, Op.GE, Op.LT, Op.LE]
OPERATORS = {
    Type.STRING: [*ORDER, Op.CO, Op.SW, Op.EW],
    Type.BOOLEAN: [Op.EQ, Op.NE],
    Type.INTEGER: ORDER,
    Type.DECIMAL: ORDER,
    Type.DATE_TIME: ORDER,
}


def _leaves(named: list[str], whole: list[str]) -> st.SearchStrategy[Filter]:
    def compared(name: str) -> st.SearchStrategy[Filter]:
        path = paths.resolve(CRATE, name)
        pairs = st.tuples(st.sampled_from(OPERATORS[path.leaf.type]), VALUES[path.leaf.type])
        return pairs.map(lambda pair: Comparison(path, *pair))

    tests = st.sampled_from([(Op.PR, None), (Op.EQ, None), (Op.NE, None)])
    present = st.tuples(st.sampled_from([*named, *whole]), tests)
    return st.one_of(
        st.sampled_from(named).flatmap(compared),
        present.map(lambda pair: Comparison(paths.resolve(CRATE, pair[0]), *pair[1])),
    )


def _flat(kind: type[And] | type[Or], terms: list[Filter]) -> Filter:
    """Make the form the reader gives: conjunctions within conjunctions are laid flat."""
    flat: list[Filter] = []
    for term in terms:
        flat.extend(term.terms if isinstance(term, kind) else (term,))
    return kind(tuple(flat))


def _combined(leaves: st.SearchStrategy[Filter], size: int) -> st.SearchStrategy[Filter]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(Not, inner),
            st.lists(inner, min_size=2, max_size=3).map(lambda terms: _flat(And, terms)),
            st.lists(inner, min_size=2, max_size=3).map(lambda terms: _flat(Or, terms)),
        ),
        max_leaves=size,
    )


ELEMENTS = _combined(_leaves([name for name in SIMPLE if name.startswith("parts.")], []), 4)
SELECTIONS = st.builds(ValuePath, st.just(paths.resolve(CRATE, "parts")), ELEMENTS)
TAGS = st.builds(ValuePath, st.just(paths.resolve(CRATE, "tags")), _combined(_leaves(["tags"], []), 3))
TREES = _combined(st.one_of(_leaves(SIMPLE, COMPLEX), SELECTIONS, TAGS), 8)


class Printer:
    """Writes a tree as text, in one of the many spellings that mean the same."""

    def __init__(self, choices: random.Random) -> None:
        self._choices = choices

    def write(self, tree: Filter, within: AttributePath | None = None) -> str:
        text = self._plain(tree, within)
        return f"({self._space()}{text}{self._space()})" if self._choices.random() < 0.1 else text

    def _plain(self, tree: Filter, within: AttributePath | None) -> str:
        match tree:
            case Comparison(path, Op.PR):
                return f"{self._name(path, within)} {self._spell('pr')}"
            case Comparison(path, op, value):
                literal = json.dumps(value, ensure_ascii=self._choices.random() < 0.5)
                return f"{self._name(path, within)}{self._gap()}{self._spell(op.value)}{self._gap()}{literal}"
            case And(terms):
                word = f"{self._gap()}{self._spell('and')}{self._gap()}"
                return word.join(self._operand(term, within, Or) for term in terms)
            case Or(terms):
                return f"{self._gap()}{self._spell('or')}{self._gap()}".join(self.write(term, within) for term in terms)
            case Not(term):
                return f"{self._spell('not')}{self._space()}({self.write(term, within)})"
            case ValuePath(path, where):
                return f"{self._name(path, None)}[{self._space()}{self.write(where, path)}{self._space()}]"
        raise AssertionError(tree)

    def _operand(self, tree: Filter, within: AttributePath | None, weaker: type[Filter]) -> str:
        text = self.write(tree, within)
        return f"({text})" if isinstance(tree, weaker) else text

    def _name(self, path: AttributePath, within: AttributePath | None) -> str:
        if within is not None:
            return self._spell(path.sub.name if path.sub is not None else "value")
        if path.extension is None and self._choices.random() < 0.2:
            return self._spell(f"{SCHEMA['id']}:{path.text}")
        if path.extension is not None and self._choices.random() < 0.2:
            return self._spell(path.text.removeprefix(f"{path.extension}:"))
        return self._spell(path.text)

    def _spell(self, text: str) -> str:
        return "".join(self._choices.choice((one.lower(), one.upper(), one)) for one in text)

    def _gap(self) -> str:
        return " " * self._choices.choice((1, 1, 1, 2))

    def _space(self) -> str:
        return " " * self._choices.choice((0, 0, 1))


@given(TREES, st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_reading_what_was_printed_gives_the_same_tree(tree: Filter, choices: random.Random) -> None:
    """Any spelling of a tree (case, spaces, escapes, URNs, parentheses) is read as that tree (F1, F2, F4, F10)."""
    text = Printer(choices).write(tree)
    assert filters.parse(text, CRATE) == tree


@given(TREES, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_a_valid_filter_reads_the_same_with_every_option(tree: Filter, choices: random.Random) -> None:
    """Leniency changes nothing about what needs none: no rewrite is counted (D3, D8, F13)."""
    text = Printer(choices).write(tree)
    options = FilterOptions(
        barewords=True, string_booleans=True, unknown="absent", on_rewrite=lambda name: pytest.fail(f"{name}: {text}")
    )
    assert filters.parse(text, CRATE, options) == tree


# ---- evaluation, once more and as plainly as possible


def _maybe(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), value)


def _object(fields: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: _maybe(value) for name, value in fields.items()})


PARTS = _object(
    {
        "value": TEXTS,
        "kind": TEXTS,
        "first": st.booleans(),
        "count": st.integers(-2, 2),
        "hours": st.lists(TEXTS, max_size=2),
    }
)
RESOURCES = _object(
    {
        "doors": st.integers(-2, 2),
        "weight": VALUES[Type.DECIMAL],
        "code": TEXTS,
        "label": TEXTS,
        "open": st.booleans(),
        "sealed": TIMES,
        "tags": st.lists(TEXTS, max_size=3),
        "parts": st.lists(PARTS, max_size=3),
        "maker": _object({"name": TEXTS, "since": TIMES}),
        "meta": _object({"created": TIMES}),
        EXTENSION["id"]: _object({"owner": TEXTS, "rows": st.lists(st.integers(-2, 2), max_size=2)}),
    }
)


def _flatten(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, list):
        return [inner for item in value for inner in _flatten(item)]
    if isinstance(value, dict):
        return [value] if any(_flatten(item) for item in value.values()) else []
    return [value]


def _naive(tree: Filter, item: Any, within: bool = False) -> bool:
    match tree:
        case And(terms):
            return all(_naive(term, item, within) for term in terms)
        case Or(terms):
            return any(_naive(term, item, within) for term in terms)
        case Not(term):
            return not _naive(term, item, within)
        case ValuePath(path, where):
            assert path.attribute is not None
            return any(_naive(where, element, True) for element in item.get(path.attribute.name) or [])
        case Comparison(path, op, value):
            found = _values(path, item, within)
            if op is Op.PR or (op is Op.NE and value is None):
                return bool(found)
            if value is None:
                return not found
            if op is Op.NE:
                return not found or any(_key(path, one) != _key(path, value) for one in found)
            return any(_holds(op, _key(path, one), _key(path, value)) for one in found)
    raise AssertionError(tree)


def _values(path: AttributePath, item: Any, within: bool) -> list[Any]:
    if not within:
        assert path.attribute is not None
        holder = item if path.extension is None else item.get(path.extension) or {}
        item = holder.get(path.attribute.name)
    if path.sub is None:
        return _flatten(item)
    elements = item if isinstance(item, list) else [item]
    return _flatten([element.get(path.sub.name) for element in elements if element is not None])


def _key(path: AttributePath, value: Any) -> Any:
    if path.leaf.type is Type.DATE_TIME:
        return datetime.fromisoformat(value)
    if isinstance(value, str) and not path.leaf.case_exact:
        halfwidth = "".join(unicodedata.normalize("NFKC", one) if "！" <= one <= "～" else one for one in value)
        return unicodedata.normalize("NFC", unicodedata.normalize("NFD", halfwidth).casefold())
    return value


def _holds(op: Op, left: Any, right: Any) -> bool:
    tests: dict[Op, Callable[[], bool]] = {
        Op.EQ: lambda: bool(left == right),
        Op.CO: lambda: right in left,
        Op.SW: lambda: bool(left[: len(right)] == right),
        Op.EW: lambda: bool(left[len(left) - len(right) :] == right) and len(right) <= len(left),
        Op.GT: lambda: bool(left > right),
        Op.GE: lambda: bool(left >= right),
        Op.LT: lambda: bool(left < right),
        Op.LE: lambda: bool(left <= right),
    }
    return tests[op]()


@given(TREES, RESOURCES)
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_evaluation_is_what_its_definition_says(tree: Filter, resource: dict[str, Any]) -> None:
    """The compiled closure agrees with the plainest reading of the rules on any resource (F2, F5, F6, F8, F9, S8)."""
    before = json.dumps(resource)
    assert evaluate.compile_filter(tree)(resource) is _naive(tree, resource)
    assert json.dumps(resource) == before


@given(ELEMENTS, PARTS)
@settings(max_examples=200, deadline=None)
def test_one_element_is_judged_as_within_its_resource(where: Filter, element: dict[str, Any]) -> None:
    """`compile_element` says of an element what a value path says of the resource that has only this one (F6)."""
    selection = ValuePath(paths.resolve(CRATE, "parts"), where)
    assert evaluate.compile_element(where)(element) == evaluate.compile_filter(selection)({"parts": [element]})


@given(TREES, RESOURCES)
@settings(max_examples=100, deadline=None)
def test_not_is_the_opposite(tree: Filter, resource: dict[str, Any]) -> None:
    """There is no third truth value: `not (x)` holds exactly where `x` does not (F2, F5)."""
    assert evaluate.compile_filter(Not(tree))(resource) is not evaluate.compile_filter(tree)(resource)
    assert not evaluate.compile_filter(Never())(resource)


# ---- what clients send by mistake or on purpose

FRAGMENTS = st.sampled_from(
    [
        *(
            "userName",
            "emails",
            "emails[",
            "]",
            "].value",
            "(",
            ")",
            "not",
            "not(",
            "and",
            "or",
            "eq",
            "pr",
            "co",
            "null",
        ),
        *(
            "true",
            '"x"',
            '"',
            "\\",
            '"\\"',
            "7",
            "-",
            "1e9",
            ".",
            "[",
            ":",
            USER_URN,
            ENTERPRISE_URN,
            "manager",
            "active",
        ),
        *("\x00", "\ud800", "é", "\u212a", "\t", "\n", "password", "name.", "name.givenName", "İ", '"\\u12', "x" * 50),
    ]
)
GARBAGE = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=60),
    st.lists(FRAGMENTS, max_size=25).map(" ".join),
    st.lists(FRAGMENTS, max_size=25).map("".join),
)
OPTIONS = st.builds(
    FilterOptions,
    barewords=st.booleans(),
    string_booleans=st.booleans(),
    unknown=st.sampled_from(["refuse", "absent"]),
)


@given(GARBAGE, OPTIONS)
@example("userName eq \ud800", FilterOptions(barewords=True))
@example('"' * 3, FilterOptions(barewords=True))
@settings(max_examples=800, deadline=None)
def test_nothing_but_a_scim_error_comes_of_garbage(text: str, options: FilterOptions) -> None:
    """Whatever is sent is read or refused with 400; the answer can be encoded (F12, X4)."""
    for read, kinds in (
        (lambda: filters.parse(text, USER, options), {"invalidFilter"}),
        (lambda: paths.parse(USER, text, options), {"invalidFilter", "invalidPath"}),
        (lambda: paths.resolve(USER, text), {"invalidPath"}),
    ):
        error = _refusal(read)
        if error is not None:
            assert (error.status, error.scim_type in kinds) == (400, True)
            assert len(error.detail.encode()) < 1000


def _refusal(read: Callable[[], object]) -> ScimError | None:
    try:
        read()
    except ScimError as error:
        return error
    return None


HOSTILE = {
    "open parentheses": "(" * 4096,
    "open and close": "(" * 2048 + ")" * 2048,
    "nested": "(" * 10_000 + "userName pr" + ")" * 10_000,
    "nested not": "not(" * 1000 + "x" * 90,
    "brackets": "emails[" * 580,
    "closing": ")" * 4096,
    "quotes": '"' * 4096,
    "open string of escapes": 'userName eq "' + "\\\\" * 2040,
    "open strings of escapes": 'userName eq "' + '\\"' * 2040,
    "quote and backslash": '\\"' * 2048,
    "spaces": " " * 4096,
    "spaces and a bracket": "userName" + " " * 4000 + "]",
    "one long word": "x" * 4096,
    "one long name": "a." * 2048,
    "colons": "urn:" * 1024,
    "long number": "userName eq " + "9" * 4000,
    "exponents": "userName eq " + "1e" * 2000,
    "surrogates": 'userName eq "' + "\ud800" * 1000 + '"',
    "closers of value paths": "].a" * 1300,
    "two hundred terms": " and ".join(["title pr"] * 200),
    "wide characters": "é" * 2049,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_filters_are_refused_at_once(text: str) -> None:
    """Deep, long or malformed on purpose: refused in milliseconds, without touching Python's stack (F15)."""
    for options in (FilterOptions(), FilterOptions(unknown="absent", max_bytes=40_000)):
        started = time.process_time()
        with pytest.raises(ScimError) as caught:
            filters.parse(text, USER, options)
        assert caught.value.scim_type == "invalidFilter"
        assert time.process_time() - started < 0.1


def test_reading_takes_time_in_proportion() -> None:
    """Ten times the text takes about ten times as long, closed strings and open ones alike (F15)."""
    options = FilterOptions(max_bytes=10**7, max_terms=10**6)

    def spent(text: str) -> float:
        best = 1.0
        for _ in range(3):
            started = time.process_time()
            _refusal(lambda: filters.parse(text, USER, options))
            best = min(best, time.process_time() - started)
        return best

    for piece in ('\\"', '" ', "a ", "x", "\\\\", '""'):
        few, many = (spent('title eq "' + piece * size) for size in (20_000, 200_000))
        assert many < max(few, 0.0005) * 60, piece


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("(" * 40 + "title pr" + ")" * 40, FilterOptions()),
        ("not(" * 40 + "title pr" + ")" * 40, FilterOptions()),
        ("(" * 39 + "emails[type pr]" + ")" * 39, FilterOptions()),
        (" and ".join(["title pr"] * 100), FilterOptions()),
        ("emails[" + " or ".join(['type eq "x"'] * 99) + "].value pr", FilterOptions()),
        (f'title eq "{"x" * 4085}"', FilterOptions()),
        (f'title eq "{"é" * 2042}"', FilterOptions()),
        ("title pr", FilterOptions(max_bytes=8, max_depth=0, max_terms=1)),
        ("((title pr))", FilterOptions(max_depth=2)),
        ("title pr or title pr", FilterOptions(max_terms=2)),
    ],
)
def test_limits_are_where_they_are_said_to_be(refused: Any, text: str, options: FilterOptions) -> None:
    """4096 bytes, 40 levels and 100 terms are taken, one more of each is not, and each is a setting (F15)."""
    assert filters.parse(text, USER, options) is not None
    size, terms = len(text.encode()), text.count(" pr") + text.count(" eq")
    depth = text.count("(") + text.count("[")
    tighter = (
        ("bytes", FilterOptions(max_bytes=size - 1)),
        ("terms", FilterOptions(max_terms=terms - 1)),
        *([("deeper", FilterOptions(max_depth=depth - 1))] if depth else []),
    )
    for word, limits in tighter:
        with refused("invalidFilter", word):
            filters.parse(text, USER, limits)
