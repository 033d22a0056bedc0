"""Filters: each one declared, held against the same filter worked out in memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from backends.conformance.rules import FILLED, GROUP, Need, declares, role, rule
from backends.conformance.trial import ROLES, Trial
from backends.contract import (
    KEY,
    And,
    AnyRow,
    Compare,
    Filter,
    Match,
    Not,
    Op,
    Or,
    Record,
    Scalar,
    UnsupportedError,
)
from backends.kit.evaluate import compile_filter, rows

FILTERS = declares("no filter is declared", lambda it: it.filters)
LOGIC = declares("filters cannot be combined", lambda it: it.filters and it.logic & {"and", "or", "not"})
ANY_ROW = declares("conditions cannot be bound to one row", lambda it: "any_row" in it.logic)
KEYS_IN = declares("keys cannot be asked for in batches", lambda it: (Op.IN, False) in it.filters.get(KEY, {}))
GROUP_FILTERS = Need(
    "the group's entity has no filter on its members",
    lambda facts: (
        facts.harness.group is not None
        and bool(facts.backend.capabilities(facts.harness.group.entity).filters.get(facts.harness.group.members))
    ),
)
TEXT_OPS = (Op.CO, Op.SW, Op.EW)
ORDER_OPS = (Op.GT, Op.GE, Op.LT, Op.LE)


@rule(FILLED, FILTERS)
async def every_declared_filter_finds_what_it_should(t: Trial) -> None:
    """Exact filters give exactly the matches, loose ones no fewer; wildcards, quotes and case mean what they say."""
    truth = await _corpus(t)
    asked = 0
    for where, match in compares(t, truth):
        await _hold(t, truth, where, match)
        asked += 1
    assert asked, "filters are declared only on fields without a role"


@rule(FILLED, FILTERS)
async def a_filter_holds_over_pages(t: Trial) -> None:
    """Cursors of a filtered search visit each match once, and nothing else if it is exact."""
    truth = await _corpus(t)
    every = list(compares(t, truth))
    several = [pair for pair in every if 2 <= len(_matches(truth, pair[0])) < len(truth)]
    for where, match in _some(several or every, 12):
        expected = _matches(truth, where)
        for limit in (1, 3):
            found = [record.key for record in await t.walk(where, limit=limit)]
            assert len(found) == len(set(found)), "a record is seen twice"
            assert expected <= set(found), "a match is missing"
            assert match is Match.LOOSE or expected == set(found), "a record that does not match"


@rule(FILLED, LOGIC)
async def declared_combinations_mean_what_they_say(t: Trial) -> None:
    """And, or, not and their nestings combine filters as logic has it; empty fields are "not equal"."""
    truth = await _corpus(t)
    parts = _one_for_each_operator(compares(t, truth))
    logic = t.capabilities.logic
    for (one, first), (other, second) in itertools.pairwise(parts):
        match = Match.EXACT if first is second is Match.EXACT else Match.LOOSE
        formulas: list[Filter] = []
        if "and" in logic:
            formulas += [And((one, other)), And((one, one, other)), And((one,))]
        if "or" in logic:
            formulas += [Or((one, other)), Or((other,))]
        if {"and", "or"} <= logic:
            formulas += [And((Or((one, other)), one)), Or((And((one, other)), other))]
        if "not" in logic and match is Match.EXACT:
            formulas += [Not(one), Not(Not(other))]
            formulas += [Not(And((one, other)))] if "and" in logic else []
            formulas += [Or((Not(one), other))] if "or" in logic else []
        for formula in formulas:
            await _hold(t, truth, formula, match)


@rule(FILLED, ANY_ROW, role("rows"))
async def conditions_on_a_row_are_met_by_one_and_the_same(t: Trial) -> None:
    """`AnyRow` binds its conditions to one row; without it each may be met by another."""
    h = t.harness
    both = await t.make(rows=(h.row("a", "work"), h.row("b", "home")))
    await t.make(rows=(h.row("a", "home"), h.row("b", "work")))
    await t.make(rows=())
    rows_ = t.roles.rows
    assert rows_ is not None
    declared = t.capabilities.filters
    needed = (f"{rows_.field}.{rows_.key}", f"{rows_.field}.{rows_.other}")
    assert any(name in declared for name in needed), "any_row is declared, but no column can be asked for"
    if all((Op.EQ, False) in declared.get(name, {}) for name in needed) and "and" in t.capabilities.logic:
        same = And((Compare(rows_.key, Op.EQ, "a"), Compare(rows_.other, Op.EQ, "work")))
        found = {record.key for record in await t.walk(AnyRow(rows_.field, same))}
        loose = any(declared[name][Op.EQ, False] is Match.LOOSE for name in needed)
        assert both in found
        assert loose or found == {both}
    truth = await t.walk(fields=t.fields)
    for name in needed:
        for (op, ignore_case), match in declared.get(name, {}).items():
            value = ("a", "work") if op is Op.IN else None if op is Op.PR else "a"
            where = AnyRow(rows_.field, Compare(name.rpartition(".")[2], op, value, ignore_case))
            await _hold(t, truth, where, match)


@rule(FILLED, KEYS_IN)
async def keys_can_be_asked_for_by_the_hundred(t: Trial) -> None:
    """`@key in` takes five hundred keys at once, known and unknown, and finds the known ones; of none it finds none."""
    keys = [await t.make() for _ in range(6)]
    unknown = [f"{number}00000{number}" for number in range(1, 496)]
    where = Compare(KEY, Op.IN, (*keys[:5], *unknown))
    assert {record.key for record in await t.walk(where)} == set(keys[:5])
    assert await t.walk(Compare(KEY, Op.IN, ())) == []


@rule(FILLED, GROUP, GROUP_FILTERS)
async def groups_are_found_by_their_members(t: Trial) -> None:
    """A filter on the members of a group compares with the keys of those it refers to."""
    one, other = await t.make(), await t.make()
    groups = {await t.make_group(one): {one}, await t.make_group(one, other): {one, other}, await t.make_group(): set()}
    declared = t.backend.capabilities(t.group.entity).filters[t.group.members]
    truth = await t.walk(fields={t.group.members}, entity=t.group.entity)
    assert {record.key for record in truth} == groups.keys()
    for (op, ignore_case), match in declared.items():
        for key in (one, other, "0"):
            value = (key, "0") if op is Op.IN else None if op is Op.PR else key
            where = Compare(t.group.members, op, value, ignore_case)
            expected = _matches(truth, where)
            found = {record.key for record in await t.walk(where, fields=(), entity=t.group.entity)}
            assert expected <= found, f"{op.value}: a group is missing"
            assert match is Match.LOOSE or expected == found, f"{op.value}: a group that does not match"


@rule(FILLED)
async def filters_not_declared_are_refused(t: Trial) -> None:
    """A filter on a field or with an operator that was not declared is refused, never ignored (and never the list of
    everything)."""
    await t.make()
    asked = [(name, _value(t, name)) for name in sorted(t.fields) if not _is_rows(t, name)]
    for name, value in [*asked, (KEY, "1"), ("no_such_field", "x")]:
        for op, ignore_case in itertools.product(Op, (False, True)):
            if (op, ignore_case) in t.capabilities.filters.get(name, {}):
                continue
            right = (value,) if op is Op.IN else None if op is Op.PR else value
            if op in TEXT_OPS and not isinstance(right, str):
                continue
            with t.refused(UnsupportedError):
                await t.search(where=Compare(name, op, right, ignore_case))


@rule(FILLED, FILTERS)
async def combinations_not_declared_are_refused(t: Trial) -> None:
    """A combination that was not declared is refused, even of filters that are."""
    truth = await _corpus(t)
    (part, _), *_ = _some(compares(t, truth), 1)
    combined: dict[str, Filter] = {"and": And((part, part)), "or": Or((part, part)), "not": Not(part)}
    if t.roles.rows is not None:
        combined["any_row"] = AnyRow(t.roles.rows.field, Compare(t.roles.rows.key, Op.EQ, "a"))
    for logic in combined.keys() - t.capabilities.logic:
        with t.refused(UnsupportedError):
            await t.search(where=combined[logic])


def compares(t: Trial, truth: Sequence[Record]) -> Iterator[tuple[Compare, Match]]:
    """Make compares for everything declared on fields with a role, with values that are there and such that are not."""
    for name, operators in sorted(t.capabilities.filters.items()):
        values = _found(truth, name)
        if not values and name not in (KEY, *t.fields):
            continue
        for (op, ignore_case), match in sorted(operators.items()):
            for value in _asked(op, values):
                yield Compare(name, op, value, ignore_case), match


async def _corpus(t: Trial) -> list[Record]:
    """Fill the entity with records of all kinds, and read all of it."""
    roles = [role_ for role_ in ROLES[1:] if t.roles.field(role_) is not None]
    for number in range(1, 5):
        await t.make(*roles, nth=number)
        t.number()
    for role_ in roles:
        await t.make(role_)
    if t.roles.text is not None:
        for text in t.harness.texts():
            await t.make(text=text)
    await t.make()
    return await t.walk(fields=t.fields)


async def _hold(t: Trial, truth: Sequence[Record], where: Filter, match: Match) -> None:
    found = {record.key for record in await t.walk(where, fields=())}
    expected = _matches(truth, where)
    told = f"{where!r}"
    assert expected <= found, f"a match is missing: {told}"
    assert match is Match.LOOSE or found == expected, f"a record that does not match: {told}"


def _matches(truth: Sequence[Record], where: Filter) -> set[str]:
    test = compile_filter(where)
    return {record.key for record in truth if test(record)}


def _some(pairs: Iterable[tuple[Compare, Match]], count: int) -> list[tuple[Compare, Match]]:
    """Choose a few of many, spread over all of them."""
    every = list(pairs)
    return every[:: max(1, len(every) // count)]


def _one_for_each_operator(pairs: Iterator[tuple[Compare, Match]]) -> list[tuple[Compare, Match]]:
    """Choose a compare for every operator there is, on as many fields as can be."""
    every: dict[tuple[Op, bool], list[tuple[Compare, Match]]] = {}
    for pair in pairs:
        every.setdefault((pair[0].op, pair[0].ignore_case), []).append(pair)
    return [those[len(those) * turn // len(every)] for turn, those in enumerate(every.values())]


def _found(truth: Sequence[Record], name: str) -> list[Scalar]:
    """Collect the values a field has in the corpus, each once."""
    if name == KEY:
        return [record.key for record in truth]
    found: dict[Scalar, None] = {}
    for record in truth:
        field, _, column = name.partition(".")
        value = record.fields.get(field)
        many = [row.get(column) for row in rows(value)] if column else value if isinstance(value, tuple) else (value,)
        found |= {item: None for item in many if item is not None and not isinstance(item, Mapping)}
    return list(found)


def _asked(op: Op, values: list[Scalar]) -> list[Scalar | tuple[Scalar, ...] | None]:
    """Choose what to compare with."""
    if op is Op.PR:
        return [None]
    texts = [value for value in values if isinstance(value, str)]
    if op is Op.IN:
        many = [value for value in values[::3] if not isinstance(value, str)] or texts[::3]
        return [tuple(many), (*values[:1],), *([("nothing",)] if texts else [])]
    if not texts:
        return [*values[:4]]
    if op in ORDER_OPS:
        # Letters no value begins with: collations differ in all that is finer.
        return ["g", "u", *[text for text in texts[:3] if text.isalnum() and text == text.lower()]]
    parts = {text[1:4] for text in texts[::2]} | {text[:3] for text in texts[::2]} | {text[-3:] for text in texts[::2]}
    wild = ["%", "_", "m_", "*", "\\", "'"] if op in TEXT_OPS else ["m%", "m_d", "_ixed", "nothing"]
    pieces = sorted(part for part in parts if part) if op in TEXT_OPS else []
    return [*texts, *(text.swapcase() for text in texts), *wild, *pieces]


def _is_rows(t: Trial, name: str) -> bool:
    return t.roles.rows is not None and name == t.roles.rows.field


def _value(t: Trial, name: str) -> Scalar:
    for role_ in ROLES:
        if t.roles.field(role_) == name:
            value = t.sample(role_, 1)
            return value[0] if isinstance(value, tuple) else value  # type: ignore[no-any-return]
    return "x"
