"""Writes an entity does not take, and values a field does not."""

from __future__ import annotations

from backends.conformance.rules import DESCRIBED, FILLED, INVERSE, UNIQUE, Need, role, rule, writes
from backends.conformance.trial import Trial
from backends.contract import BackendError, ConflictError, RejectedError, UnsupportedError, Value, WritableBackend


def _left_out(operation: str) -> Need:
    return Need(
        f"the entity takes {operation}",
        lambda facts: isinstance(facts.backend, WritableBackend) and operation not in facts.capabilities.writes,
    )


@rule(_left_out("create"))
async def a_create_not_offered_is_refused(t: Trial) -> None:
    """An entity that takes no create refuses it and has nothing new."""
    before = await t.snapshot()
    with t.refused(UnsupportedError):
        await t.writable.create(t.entity, t.values(t.number()))
    assert await t.snapshot() == before


@rule(_left_out("update"), FILLED)
async def an_update_not_offered_is_refused(t: Trial) -> None:
    """An entity that takes no update refuses it and is as it was."""
    key = await t.make()
    before = await t.snapshot()
    with t.refused(UnsupportedError):
        await t.update(key, t.other())
    assert await t.snapshot() == before


@rule(_left_out("delete"), FILLED)
async def a_delete_not_offered_is_refused(t: Trial) -> None:
    """An entity that takes no delete refuses it and keeps the record."""
    key = await t.make()
    with t.refused(UnsupportedError):
        await t.writable.delete(t.entity, key)
    assert not await t.gone(key)


@rule(writes("create"), UNIQUE)
async def a_unique_value_that_is_taken_is_a_conflict(t: Trial) -> None:
    """A second record with a unique value is `ConflictError`, names the field, and leaves nothing behind."""
    fields = t.values(t.number())
    key = (await t.writable.create(t.entity, fields)).key
    before = await t.snapshot()
    with t.refused(ConflictError) as caught:
        await t.writable.create(t.entity, fields)
    _named(t, caught.error, t.roles.name)
    assert await t.snapshot() == before
    assert before.keys() == {key}


@rule(FILLED, writes("update"), UNIQUE)
async def a_change_to_a_unique_value_that_is_taken_is_a_conflict(t: Trial) -> None:
    """A record cannot take another one's unique value; its own it can be given again."""
    one, other = await t.make(), await t.make()
    before = await t.snapshot()
    with t.refused(ConflictError) as caught:
        await t.update(one, {t.roles.name: before[other][t.roles.name]})
    _named(t, caught.error, t.roles.name)
    assert await t.snapshot() == before
    assert not (await t.update(one, {t.roles.name: before[one][t.roles.name]})).changed


@rule(writes("create"))
async def a_record_needs_its_name(t: Trial) -> None:
    """Without a value that may not be empty, none at all or None, nothing is created."""
    for fields in (dict(t.roles.extra), {**t.roles.extra, t.roles.name: None}):
        with t.refused(RejectedError) as caught:
            await t.writable.create(t.entity, fields)
        _named(t, caught.error, t.roles.name)
    assert await t.snapshot() == {}


@rule(FILLED, writes("update"))
async def a_name_cannot_be_taken_away(t: Trial) -> None:
    """What may not be empty is not emptied."""
    key = await t.make()
    before = await t.snapshot()
    with t.refused(RejectedError) as caught:
        await t.update(key, {t.roles.name: None})
    _named(t, caught.error, t.roles.name)
    assert await t.snapshot() == before


@rule(writes("create", "update"), role("text", "longest"))
async def text_that_is_too_long_is_rejected_not_cut(t: Trial) -> None:
    """One character too many is `RejectedError` naming the field; the longest that fits comes back whole."""
    longest = t.roles.longest or 0
    key = await t.make(text="m" * longest)
    assert await t.value(key, "text") == "m" * longest
    before = await t.snapshot()
    with t.refused(RejectedError) as caught:
        await t.writable.create(t.entity, t.values(t.number(), text="m" * (longest + 1)))
    _named(t, caught.error, t.named("text"))
    with t.refused(RejectedError):
        await t.update(key, {t.named("text"): "m" * (longest + 1)})
    assert await t.snapshot() == before


@rule(FILLED, writes("create", "update"))
async def a_field_that_does_not_exist_cannot_be_written(t: Trial) -> None:
    """An unknown field is refused and nothing is written, rather than all but that."""
    key = await t.make()
    before = await t.snapshot()
    unknown: dict[str, Value] = {"no_such_field": "x"}
    with t.refused(BackendError):
        await t.writable.create(t.entity, {**t.values(t.number()), **unknown})
    with t.refused(BackendError):
        await t.update(key, {**unknown, **t.other()})
    assert await t.snapshot() == before


@rule(FILLED, writes("update"), INVERSE, DESCRIBED)
async def what_is_seen_from_the_other_side_cannot_be_written(t: Trial) -> None:
    """The field that mirrors a reference is refused as part of a change, and the group is as it was."""
    key = await t.make()
    group = await t.make_group()
    described = await t.backend.describe(t.entity)
    assert described is not None
    inverse = described[t.group.inverse or ""]
    if inverse.write == "never":
        with t.refused(BackendError):
            await t.update(key, {t.group.inverse or "": (group,)})
        assert await t.members(group) == set()
    else:
        await t.update(key, add={t.group.inverse or "": (group,)})
        assert await t.members(group) == {key}


def _named(t: Trial, error: BackendError, field: str) -> None:
    """The error names the field, where the system tells."""
    assert isinstance(error, ConflictError | RejectedError)
    assert error.field == field or (error.field is None and not t.harness.names_conflicts), "the field is not named"
