"""Deleting records."""

from __future__ import annotations

from backends.conformance.rules import FILLED, UNIQUE, rule, writes
from backends.conformance.trial import Trial
from backends.contract import NotFoundError

DELETE = writes("delete")


@rule(FILLED, DELETE)
async def a_deleted_record_is_gone_for_every_method(t: Trial) -> None:
    """After a delete the record is in no read, search or write, and the others are."""
    keys = [await t.make() for _ in range(3)]
    before = await t.snapshot()
    await t.writable.delete(t.entity, keys[1])
    assert await t.gone(keys[1])
    assert await t.snapshot() == {key: before[key] for key in (keys[0], keys[2])}
    if "update" in t.capabilities.writes:
        with t.refused(NotFoundError):
            await t.update(keys[1], t.other())
    with t.refused(NotFoundError):
        await t.writable.delete(t.entity, keys[1])


@rule(FILLED, DELETE)
async def only_the_record_named_is_deleted(t: Trial) -> None:
    """Deleting unknown keys, wildcards among them, is `NotFoundError` and deletes nothing."""
    await t.make()
    before = await t.snapshot()
    for key in ("987654321", "%", "_", "*", "", "' or '1'='1", ".."):
        with t.refused(NotFoundError):
            await t.writable.delete(t.entity, key)
    assert await t.snapshot() == before


@rule(FILLED, writes("create", "delete"), UNIQUE)
async def the_name_of_a_deleted_record_is_free_again(t: Trial) -> None:
    """A unique value can be used again by a new record, which has nothing of the old one."""
    number = t.number()
    old = await t.make(nth=number)
    await t.writable.delete(t.entity, old)
    new = await t.make(nth=number)
    assert await t.value(new, "name") == t.sample("name", number)
    for name in t.fields - {t.roles.name} - t.roles.extra.keys():
        assert (await t.get(new))[name] in (None, ())
