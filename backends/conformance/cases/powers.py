"""The optional interfaces."""

from __future__ import annotations

from typing import Any

from backends.conformance.rules import FILLED, GROUP, group_writes, power, rule
from backends.conformance.trial import Trial
from backends.contract import Change, Compare, Explains, Introspects, Lists, NotFoundError, Op, Query


@rule(FILLED, GROUP, power(Lists))
async def a_long_field_is_listed_page_by_page(t: Trial) -> None:
    """Pages of every size give each value once, in the same order; an unknown record is not found."""
    assert isinstance(t.backend, Lists)
    keys = {await t.make() for _ in range(7)}
    group = await t.make_group(*keys)
    orders = []
    for limit in (1, 3, 7, 100):
        found = await _listed(t, group, limit)
        assert sorted(found) == sorted(keys)
        orders.append(found)
    assert all(order == orders[0] for order in orders)
    assert await _listed(t, await t.make_group(), 3) == []
    with t.refused(NotFoundError):
        await t.backend.list_values(t.group.entity, "987654321", t.group.members, limit=3)


@rule(FILLED, GROUP, power(Lists), group_writes("update"))
async def values_removed_meanwhile_shift_nothing(t: Trial) -> None:
    """While members already seen leave, each of the others is listed exactly once."""
    assert isinstance(t.backend, Lists)
    keys = [await t.make() for _ in range(9)]
    group = await t.make_group(*keys)
    name, entity = t.group.members, t.group.entity
    seen: list[Any] = []
    cursor: str | None = None
    while True:
        values, cursor = await t.backend.list_values(entity, group, name, limit=2, cursor=cursor)
        seen += values
        if cursor is None:
            break
        await t.update(group, remove={name: (values[-1],)}, entity=entity)
    assert sorted(seen) == sorted(keys)


@rule(power(Introspects))
async def what_is_found_in_the_live_system_has_fields(t: Trial) -> None:
    """Introspection names what is there, each with its fields."""
    assert isinstance(t.backend, Introspects)
    found = await t.backend.introspect()
    assert found
    assert all(fields for fields in found.values())


@rule(FILLED, power(Explains))
async def explaining_shows_calls_and_makes_none(t: Trial) -> None:
    """Each operation is rendered as text, its values apart from it and out of its repr; nothing is written."""
    assert isinstance(t.backend, Explains)
    key = await t.make()
    before = await t.snapshot()
    name = "veiled0001"
    asked: list[tuple[str, tuple[Any, ...]]] = [
        ("get", (key, t.fields)),
        ("search", (Query(t.fields),)),
        ("create", ({**t.roles.extra, t.roles.name: name},)),
        ("update", (key, Change(set={t.roles.name: name}))),
        ("delete", (key,)),
    ]
    if (Op.EQ, False) in t.capabilities.filters.get(t.roles.name, {}):
        asked.append(("search", (Query(t.fields, Compare(t.roles.name, Op.EQ, name)),)))
    for operation, arguments in asked:
        if operation in {"create", "update", "delete"} - t.capabilities.writes:
            continue
        calls = t.backend.explain(t.entity, operation, *arguments)
        assert calls, f"{operation} shows no call"
        assert all(call.text for call in calls)
        assert name not in repr(calls)
    assert await t.snapshot() == before


async def _listed(t: Trial, group: str, limit: int) -> list[Any]:
    assert isinstance(t.backend, Lists)
    found: list[Any] = []
    cursor: str | None = None
    while True:
        values, cursor = await t.backend.list_values(t.group.entity, group, t.group.members, limit=limit, cursor=cursor)
        assert len(values) <= limit
        found += values
        if cursor is None:
            return found
