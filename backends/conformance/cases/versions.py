"""Versions, and changes that insist on one."""

from __future__ import annotations

import asyncio

from backends.conformance.rules import FILLED, VERSIONS, role, rule, writes
from backends.conformance.trial import ROLES, Trial
from backends.contract import NotFoundError, Outcome, StaleError

UPDATE = writes("update")


@rule(FILLED, VERSIONS)
async def every_record_has_a_version(t: Trial) -> None:
    """Versions are text, the same for the same state, whatever fields are read."""
    key = await t.make()
    versions = {(await t.backend.get(t.entity, key, fields)).version for fields in (frozenset[str](), t.fields)}
    versions |= {record.version for record in await t.walk()}
    assert len(versions) == 1
    assert all(isinstance(version, str) for version in versions)


@rule(FILLED, VERSIONS, UPDATE)
async def every_change_makes_another_version(t: Trial) -> None:
    """Whatever kind of field changes, the version does, and never to one there was."""
    roles = [name for name in ROLES[1:] if t.roles.field(name) is not None]
    key = await t.make()
    seen = {await _version(t, key)}
    for role_ in roles:
        await t.update(key, {t.named(role_): t.sample(role_, 1)})
        version = await _version(t, key)
        assert version not in seen, f"{role_} changed and the version did not"
        seen.add(version)


@rule(FILLED, VERSIONS, UPDATE, role("text"))
async def a_change_with_the_right_version_is_made(t: Trial) -> None:
    """`expect` with the version there is lets the change through, once."""
    key = await t.make()
    version = await _version(t, key)
    assert (await t.update(key, {t.named("text"): "new"}, expect=version)).changed
    with t.refused(StaleError):
        await t.update(key, {t.named("text"): "newer"}, expect=version)
    assert await t.value(key, "text") == "new"


@rule(FILLED, VERSIONS, UPDATE)
async def a_change_with_a_stale_version_writes_nothing(t: Trial) -> None:
    """`StaleError` leaves everything as it was, for versions that are old and such that never were."""
    key = await t.make()
    old = await _version(t, key)
    await t.update(key, t.other())
    roles = [name for name in ROLES[1:] if t.roles.field(name) is not None]
    before = await t.snapshot()
    for version in (old, "", "0", "no such version"):
        with t.refused(StaleError):
            await t.update(key, {t.named(role_): t.sample(role_, 77) for role_ in roles} or t.other(), expect=version)
    assert await t.snapshot() == before


@rule(FILLED, VERSIONS, UPDATE)
async def a_version_of_nothing_is_not_found(t: Trial) -> None:
    """A record that is not there is not found, whatever version is expected."""
    key = await t.make()
    with t.refused(NotFoundError):
        await t.update("987654321", {t.roles.name: "x"}, expect=await _version(t, key))


@rule(FILLED, VERSIONS, writes("delete"))
async def a_delete_may_insist_on_a_version(t: Trial) -> None:
    """A stale version deletes nothing, the right one does."""
    key = await t.make()
    with t.refused(StaleError):
        await t.writable.delete(t.entity, key, expect="no such version")
    assert not await t.gone(key)
    await t.writable.delete(t.entity, key, expect=await _version(t, key))
    assert await t.gone(key)


@rule(FILLED, VERSIONS, UPDATE, role("number"))
async def of_changes_with_one_version_one_is_made(t: Trial) -> None:
    """Ten changes at once that expect the same version: one is made, nine are `StaleError`."""
    key = await t.make("number", number=0)
    version = await _version(t, key)
    results = await asyncio.gather(
        *(t.update(key, {t.named("number"): number}, expect=version) for number in range(1, 11)),
        return_exceptions=True,
    )
    made = [number for number, result in enumerate(results, 1) if isinstance(result, Outcome)]
    assert len(made) == 1
    assert sum(isinstance(result, StaleError) for result in results) == 9
    assert await t.value(key, "number") == made[0]


async def _version(t: Trial, key: str) -> str:
    version = (await t.backend.get(t.entity, key, frozenset())).version
    assert version is not None
    return version
