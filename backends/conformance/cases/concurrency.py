"""Many at once, and calls cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from backends.conformance.rules import ATOMIC, FILLED, GROUP, STAYS, UNIQUE, group_writes, role, rule, writes
from backends.conformance.trial import Trial
from backends.contract import BackendError, ConflictError, NotFoundError, Record

UPDATE = writes("update")


@rule(writes("create"), UNIQUE)
async def of_fifty_creates_with_one_name_one_succeeds(t: Trial) -> None:
    """Fifty creates at once with the same unique value: exactly one record, the others are conflicts."""
    fields = t.values(t.number())
    results = await asyncio.gather(
        *(t.writable.create(t.entity, dict(fields)) for _ in range(50)), return_exceptions=True
    )
    made = [result for result in results if isinstance(result, Record)]
    assert len(made) == 1, f"{len(made)} records have the same name"
    assert all(isinstance(result, Record | ConflictError) for result in results)
    assert [record.key for record in await t.walk()] == [made[0].key]


@rule(writes("create"))
async def creates_at_once_all_succeed(t: Trial) -> None:
    """Thirty creates of different names at once are thirty records."""
    keys = await asyncio.gather(*(t.make() for _ in range(30)))
    assert len(set(keys)) == 30
    assert {record.key for record in await t.walk(limit=7)} == set(keys)


@rule(FILLED, UPDATE, role("text", "number"))
async def changes_of_different_fields_at_once_all_land(t: Trial) -> None:
    """Two changes of one record at once that name different fields are both made."""
    key = await t.make()
    for number in range(1, 6):
        text = f"text {number}"
        await asyncio.gather(
            t.update(key, {t.named("text"): text}),
            t.update(key, {t.named("number"): number}),
        )
        assert (await t.value(key, "text"), await t.value(key, "number")) == (text, number), "a change was lost"


@rule(FILLED, UPDATE, role("many"))
async def deltas_at_once_all_land(t: Trial) -> None:
    """Thirty changes of one field at once, each adding a value and some removing one, are all made."""
    name = t.named("many")
    key = await t.make(many=tuple(f"old{number}" for number in range(15)))
    adds = [t.update(key, add={name: (f"new{number}",)}) for number in range(15)]
    removes = [t.update(key, remove={name: (f"old{number}",)}) for number in range(15)]
    outcomes = await asyncio.gather(*(change for pair in zip(adds, removes, strict=True) for change in pair))
    assert all(outcome.changed for outcome in outcomes)
    assert set(await t.value(key, "many")) == {f"new{number}" for number in range(15)}


@rule(FILLED, GROUP, group_writes("update"))
async def members_added_at_once_all_land(t: Trial) -> None:
    """Twenty changes of one group at once, half adding and half removing members, are all made."""
    keys = [await t.make() for _ in range(20)]
    group = await t.make_group(*keys[:10])
    name, entity = t.group.members, t.group.entity
    adds = [t.update(group, add={name: (key,)}, entity=entity) for key in keys[10:]]
    removes = [t.update(group, remove={name: (key,)}, entity=entity) for key in keys[:10]]
    await asyncio.gather(*(change for pair in zip(adds, removes, strict=True) for change in pair))
    assert await t.members(group) == set(keys[10:])


@rule(FILLED, UPDATE, ATOMIC, role("text", "number"))
async def nobody_sees_half_a_change(t: Trial) -> None:
    """While two fields change together again and again, every read shows them together."""
    text, number = t.named("text"), t.named("number")
    key = await t.make(text="text 0", number=0)
    done = asyncio.Event()

    async def write() -> None:
        for turn in range(1, 16):
            await t.update(key, {text: f"text {turn}", number: turn})
        done.set()

    async def read() -> None:
        while not done.is_set():
            fields = await t.get(key, {text, number})
            assert fields[text] == f"text {fields[number]}", "half a change is seen"

    await asyncio.gather(write(), read(), read())
    assert await t.value(key, "number") == 15


@rule(FILLED, writes("update", "delete"), STAYS)
async def a_change_during_a_delete_brings_nothing_back(t: Trial) -> None:
    """A change and a delete of one record at once leave no record."""
    for _ in range(5):
        key = await t.make()
        change = t.update(key, t.other())
        results = await asyncio.gather(change, t.writable.delete(t.entity, key), return_exceptions=True)
        assert all(result is None or not isinstance(result, Exception) for result in results[1:])
        assert not isinstance(results[0], BaseException) or isinstance(results[0], BackendError)
        assert await t.walk() == [], "a deleted record is back"


@rule(FILLED, UPDATE, role("text", "number"))
async def a_change_cut_off_leaves_nothing_half(t: Trial) -> None:
    """Cancelled at any moment an atomic change is made or not made, and the next one goes through as ever."""
    text, number = t.named("text"), t.named("number")
    key = await t.make(text="text 0", number=0)
    turn = 0

    async def change() -> None:
        await t.update(key, {text: f"text {turn}", number: turn})

    for cut in _moments():
        turn += 1
        finished = await cut(change())
        fields = await t.get(key, {text, number})
        if t.capabilities.atomic:
            assert fields[text] == f"text {fields[number]}", "half a change was left"
        assert not finished or fields[number] == turn
        turn += 1
        await change()
        assert (await t.get(key, {text, number})) == {text: f"text {turn}", number: turn}
        if finished:
            break


@rule(writes("create"))
async def a_create_cut_off_leaves_one_record_or_none(t: Trial) -> None:
    """Cancelled at any moment a create has made its record or not, and the same name can be dealt with after."""
    for cut in _moments():
        fields = t.values(t.number())
        name = fields[t.roles.name]
        finished = await cut(t.writable.create(t.entity, fields))
        if t.roles.unique:
            try:
                await t.writable.create(t.entity, fields)
            except ConflictError:
                pass
            found = [record for record in await t.walk() if record.fields[t.roles.name] == name]
            assert len(found) == 1
        if finished:
            break


@rule(FILLED, writes("delete"))
async def a_delete_cut_off_leaves_the_record_or_none(t: Trial) -> None:
    """Cancelled at any moment a delete has taken the record or not; deleting again leaves none."""
    for cut in _moments():
        key = await t.make()
        finished = await cut(t.writable.delete(t.entity, key))
        try:
            await t.writable.delete(t.entity, key)
        except NotFoundError:
            pass
        assert await t.gone(key)
        if finished:
            break


Cut = Callable[[Coroutine[Any, Any, Any]], Awaitable[bool]]


def _moments() -> list[Cut]:
    """Ways to cut a call off ever later: after so many turns of the loop, then after so many milliseconds. Each tells
    whether the call was finished by then."""

    def after_turns(turns: int) -> Cut:
        async def cut(call: Coroutine[Any, Any, Any]) -> bool:
            task = asyncio.ensure_future(call)
            for _ in range(turns):
                await asyncio.sleep(0)
            return await _cancelled(task)

        return cut

    def after_seconds(seconds: float) -> Cut:
        async def cut(call: Coroutine[Any, Any, Any]) -> bool:
            task = asyncio.ensure_future(call)
            await asyncio.wait({task}, timeout=seconds)
            return await _cancelled(task)

        return cut

    return [*(after_turns(turns) for turns in range(12)), *(after_seconds(0.0005 * 2**power) for power in range(7))]


async def _cancelled(task: asyncio.Future[Any]) -> bool:
    """Cancel a task unless it is done; tell whether it was."""
    if task.done():
        task.result()
        return True
    task.cancel()
    await asyncio.wait({task})
    if task.cancelled():
        return False
    task.result()
    return True
