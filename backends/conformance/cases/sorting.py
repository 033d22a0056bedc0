"""Searches in another order than that of the keys."""

from __future__ import annotations

from collections.abc import Iterable

from backends.conformance.rules import FILLED, Need, declares, rule
from backends.conformance.trial import ROLES, Trial
from backends.contract import Sort, UnsupportedError

SORT = declares("no field can be sorted by", lambda it: it.sort)
TEXT = Need("the text cannot be sorted by", lambda facts: facts.harness.roles.text in facts.capabilities.sort)


@rule(FILLED, SORT)
async def declared_sorts_order_by_the_value(t: Trial) -> None:
    """Each declared field sorts both ways, over pages of every size; empty values last when ascending, first when
    descending."""
    for role, field in _sortable(t):
        numbers = [t.number() for _ in range(7)]
        filled = [await t.make(role, nth=numbers[place]) for place in (3, 0, 6, 2, 5, 1, 4)]
        empty = [] if role == "name" or field in t.roles.extra else [await t.make(), await t.make()]
        values = {key: await t.value(key, role) for key in filled}
        for descending in (False, True):
            for limit in (1, 2, 100):
                found = await _walk(t, Sort(field, descending), limit, filled + empty)
                assert sorted(found) == sorted(filled + empty), f"{field}: each record once"
                holes = found[: len(empty)] if descending else found[len(filled) :]
                assert set(holes) == set(empty), f"{field}: where the empty values are"
                ordered = [values[key] for key in found if key in values]
                assert ordered == sorted(ordered, reverse=descending), f"{field}: the order"


@rule(FILLED, SORT)
async def equal_values_are_told_apart_by_the_key(t: Trial) -> None:
    """Records with the same value have one order over all page sizes, and none is lost between two pages."""
    for role, field in _sortable(t):
        if role == "name":
            continue
        keys = [await t.make(**{role: t.sample(role, 2)}) for _ in range(7)]
        for descending in (False, True):
            walks = [await _walk(t, Sort(field, descending), limit, keys) for limit in (1, 3, 100)]
            assert sorted(walks[0]) == sorted(keys), f"{field}: each record once"
            assert walks[0] == walks[1] == walks[2], f"{field}: the order of equals depends on the page size"


@rule(FILLED, TEXT)
async def a_sort_may_ignore_case(t: Trial) -> None:
    """A sort that ignores case puts a small letter between capitals; a system that cannot refuses it."""
    keys = [await t.make(text=text) for text in ("Alpha", "bravo", "Charlie", "delta")]
    try:
        found = await _walk(t, Sort(t.named("text"), ignore_case=True), 2, keys)
    except UnsupportedError:
        return
    assert found == keys


def _sortable(t: Trial) -> list[tuple[str, str]]:
    """Name the roles whose fields can be sorted by, with their fields."""
    roles = [(role, t.roles.field(role)) for role in ROLES[:6]]
    return [(role, field) for role, field in roles if field is not None and field in t.capabilities.sort]


async def _walk(t: Trial, sort: Sort, limit: int, keys: Iterable[str]) -> list[str]:
    """Walk a search and give what it shows of these keys, in its order."""
    wanted = set(keys)
    return [record.key for record in await t.walk(sort=sort, limit=limit) if record.key in wanted]
