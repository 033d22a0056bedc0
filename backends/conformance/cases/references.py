"""References between two entities, seen from both sides."""

from __future__ import annotations

from backends.conformance.cases.updating import RENAME
from backends.conformance.rules import FILLED, GROUP, INVERSE, RENAMED, group_writes, rule, writes
from backends.conformance.trial import Trial

UPDATES = group_writes("update")


@rule(FILLED, GROUP)
async def references_carry_keys(t: Trial) -> None:
    """What a group refers to are the keys of records, in the spelling that get takes."""
    keys = [await t.make() for _ in range(3)]
    group = await t.make_group(*keys)
    assert await t.members(group) == set(keys)
    for key in await t.members(group):
        assert isinstance(key, str)
        assert not await t.gone(key)


@rule(FILLED, GROUP, UPDATES)
async def members_are_added_and_removed_without_the_others(t: Trial) -> None:
    """Deltas over members touch those named only; there and not there are no errors and no changes."""
    a, b, c, d = [await t.make() for _ in range(4)]
    group, other = await t.make_group(a, b), await t.make_group(a, c)
    name, entity = t.group.members, t.group.entity
    assert (await t.update(group, add={name: (c,)}, remove={name: (a,)}, entity=entity)).changed
    assert await t.members(group) == {b, c}
    assert not (await t.update(group, add={name: (b,)}, remove={name: (a, d)}, entity=entity)).changed
    assert (await t.update(group, {name: (d, b)}, entity=entity)).changed
    assert await t.members(group) == {b, d}
    assert (await t.update(group, {name: ()}, entity=entity)).changed
    assert await t.members(group) == set()
    assert await t.members(other) == {a, c}


@rule(FILLED, GROUP, UPDATES, RENAMED)
async def members_survive_a_change_of_the_rest(t: Trial) -> None:
    """Renaming a group keeps its members."""
    key = await t.make()
    group = await t.make_group(key)
    outcome = await t.update(group, {t.group.name: "renamed"}, entity=t.group.entity)
    group = outcome.record.key if outcome.record is not None else group
    assert outcome.changed
    assert await t.members(group) == {key}


@rule(FILLED, INVERSE, UPDATES)
async def the_other_side_follows(t: Trial) -> None:
    """Who refers to a record is seen there at once, in single reads and in pages."""
    inverse = t.group.inverse or ""
    a, b = await t.make(), await t.make()
    one, two = await t.make_group(a, b), await t.make_group(a)
    await t.update(two, add={t.group.members: (b,)}, remove={t.group.members: (a,)}, entity=t.group.entity)
    expected = {a: {one}, b: {one, two}}
    for key, groups in expected.items():
        found = (await t.get(key, {inverse}))[inverse]
        assert isinstance(found, tuple)
        assert (len(found), set(found)) == (len(groups), groups)
    pages = {record.key: set(record.fields[inverse] or ()) for record in await t.walk(fields={inverse})}  # type: ignore[arg-type]
    assert pages == expected


@rule(FILLED, GROUP, writes("delete"))
async def a_deleted_record_is_a_member_of_nothing(t: Trial) -> None:
    """Deleting a record takes it out of every group, and nobody else."""
    a, b = await t.make(), await t.make()
    one, two = await t.make_group(a, b), await t.make_group(a)
    await t.writable.delete(t.entity, a)
    assert await t.members(one) == {b}
    assert await t.members(two) == set()


@rule(FILLED, GROUP, group_writes("delete"))
async def a_deleted_group_leaves_its_members(t: Trial) -> None:
    """Deleting a group deletes nobody, and its members are in it no longer."""
    a, b = await t.make(), await t.make()
    one, two = await t.make_group(a, b), await t.make_group(a)
    await t.writable.delete(t.group.entity, one)
    assert await t.gone(one, entity=t.group.entity)
    assert await t.members(two) == {a}
    assert not await t.gone(a)
    if (inverse := t.group.inverse) is not None:
        assert (await t.get(a, {inverse}))[inverse] == (two,)
        assert (await t.get(b, {inverse}))[inverse] == ()


@rule(FILLED, GROUP, writes("update"), RENAME)
async def references_follow_another_key(t: Trial) -> None:
    """A member whose key changes stays a member, under the new key."""
    key, other = await t.make(), await t.make()
    group = await t.make_group(key, other)
    record = (await t.update(key, {t.roles.key or "": t.sample("name", t.number())})).record
    assert record is not None
    assert await t.members(group) == {record.key, other}
