"""Native steps that fail, one after the other: what an error says must be true, and repeating must converge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from backends.conformance.rules import FAULTS, FILLED, GROUP, group_writes, rule, writes
from backends.conformance.trial import ROLES, Trial, alike
from backends.contract import (
    BackendError,
    ConflictError,
    NotFoundError,
    UnavailableError,
    UnfinishedError,
    Value,
)

STEPS = 200
"""More native steps than any single call here takes."""


@rule(FAULTS, FILLED)
async def a_read_that_fails_says_so(t: Trial) -> None:
    """Get and search raise `UnavailableError` when the system fails, never a partial answer; then they go on."""
    keys = [await t.make() for _ in range(4)]

    async def read() -> None:
        assert (await t.backend.get(t.entity, keys[0], t.fields)).key == keys[0]
        assert [record.key for record in await t.walk(limit=3)] == [record.key for record in expected]

    expected = await t.walk(limit=3)
    failed = 0
    async for error, _ in _faults(t, read):
        assert isinstance(error, UnavailableError), f"{type(error).__name__} was raised, not UnavailableError"
        failed += 1
    assert failed


@rule(FAULTS, FILLED, writes("update"))
async def a_change_that_fails_converges(t: Trial) -> None:
    """After a fault at any step: what the error says of the record is true, and the same change again completes it."""
    roles = [name for name in ROLES[1:] if t.roles.field(name) is not None]
    keys: list[str] = []
    numbers: list[int] = []

    async def change() -> None:
        await t.update(keys[-1], _values(t, roles, numbers[-1]))

    async def prepare() -> None:
        keys.append(await t.make(*roles))
        numbers.append(t.number() * 2 + 1)

    failed = 0
    async for error, before in _faults(t, change, prepare, lambda: t.get(keys[-1])):
        after = await t.get(keys[-1])
        _truthful(t, error)
        wanted = {**before, **_values(t, roles, numbers[-1])}
        if isinstance(error, UnavailableError) and not error.maybe_done:
            assert alike(after, before), "the error says nothing was done"
        if t.capabilities.atomic:
            assert alike(after, before) or _reached(after, wanted), "half an atomic change was made"
        await change()
        assert _reached(await t.get(keys[-1]), wanted), "the same change again does not complete it"
        failed += 1
    assert failed


@rule(FAULTS, FILLED, GROUP, group_writes("update"))
async def a_change_of_members_that_fails_converges(t: Trial) -> None:
    """After a fault at any step of a delta over members, the same delta again completes it."""
    people = [await t.make() for _ in range(5)]
    groups: list[str] = []
    name, entity = t.group.members, t.group.entity

    async def change() -> None:
        await t.update(groups[-1], add={name: tuple(people[3:])}, remove={name: tuple(people[:2])}, entity=entity)

    async def prepare() -> None:
        groups.append(await t.make_group(*people[:3]))

    failed = 0
    async for error, _ in _faults(t, change, prepare):
        _truthful(t, error, entity)
        after = await t.members(groups[-1])
        assert people[2] in after, "a member nobody named is gone"
        if isinstance(error, UnavailableError) and not error.maybe_done:
            assert after == set(people[:3]), "the error says nothing was done"
        await change()
        assert await t.members(groups[-1]) == set(people[2:])
        failed += 1
    assert failed


@rule(FAULTS, writes("create", "update"))
async def a_create_that_fails_leaves_what_it_says(t: Trial) -> None:
    """After a fault there is no record, or one: whole if atomic, else completed by setting its fields again."""
    roles = [name for name in ROLES[1:] if t.roles.field(name) is not None]
    numbers: list[int] = []

    async def create() -> None:
        await t.writable.create(t.entity, t.values(numbers[-1], *roles))

    async def prepare() -> None:
        numbers.append(t.number())

    failed = 0
    async for error, _ in _faults(t, create, prepare):
        _truthful(t, error)
        fields = t.values(numbers[-1], *roles)
        name = t.roles.name
        found = [record for record in await t.walk(fields=t.fields) if record.fields[name] == fields[name]]
        assert len(found) <= 1, "one create made two records"
        if isinstance(error, UnavailableError) and not error.maybe_done:
            assert not found, "the error says nothing was done"
        if isinstance(error, UnfinishedError) and error.key is not None:
            assert [record.key for record in found] == [error.key]
        if found and t.capabilities.atomic:
            assert _reached(found[0].fields, fields), "half a record was made"
        if not found:
            await create()
        else:
            if t.roles.unique:
                try:
                    await create()
                except ConflictError:
                    pass
            await t.update(found[0].key, _values(t, roles, numbers[-1]))
            assert _reached(await t.get(found[0].key), fields)
        failed += 1
    assert failed


@rule(FAULTS, FILLED, GROUP, writes("delete"))
async def a_delete_that_fails_converges(t: Trial) -> None:
    """After a fault at any step, deleting again leaves neither the record nor its memberships."""
    keys: list[str] = []
    groups: list[tuple[str, str]] = []
    other = await t.make()

    async def delete() -> None:
        await t.writable.delete(t.entity, keys[-1])

    async def prepare() -> None:
        keys.append(await t.make())
        groups.append((await t.make_group(keys[-1], other), await t.make_group(keys[-1])))

    failed = 0
    async for error, _ in _faults(t, delete, prepare):
        _truthful(t, error)
        if isinstance(error, UnavailableError) and not error.maybe_done:
            assert not await t.gone(keys[-1]), "the error says nothing was done"
            assert await t.members(groups[-1][1]) == {keys[-1]}
        try:
            await delete()
        except NotFoundError:
            pass
        assert await t.gone(keys[-1])
        assert await t.members(groups[-1][0]) == {other}
        assert await t.members(groups[-1][1]) == set()
        failed += 1
    assert failed


class _Faults:
    """Runs a call once for every step that can fail, lost or not done, until the step is beyond its end."""

    def __init__(
        self,
        t: Trial,
        call: Callable[[], Awaitable[None]],
        prepare: Callable[[], Awaitable[None]] | None,
        look: Callable[[], Awaitable[object]] | None,
    ) -> None:
        self._t = t
        self._call = call
        self._prepare = prepare
        self._look = look
        self._step = 0
        self._lost = False

    def __aiter__(self) -> _Faults:
        return self

    async def __anext__(self) -> tuple[BackendError, dict[str, Value]]:
        while True:
            assert self._step < STEPS, "the fault is never past the end of the call"
            if self._prepare is not None:
                await self._prepare()
            before: object = await self._look() if self._look is not None else {}
            error = await self._fail()
            if error is not None:
                self._step += 1
                assert isinstance(before, dict)
                return error, before
            if self._lost:
                raise StopAsyncIteration
            self._lost, self._step = True, 0

    async def _fail(self) -> BackendError | None:
        self._t.harness.fail(self._t.backend, self._step, lost=self._lost)
        try:
            await self._call()
        except BackendError as error:
            return error
        finally:
            self._t.harness.heal(self._t.backend)
        return None


def _faults(
    t: Trial,
    call: Callable[[], Awaitable[None]],
    prepare: Callable[[], Awaitable[None]] | None = None,
    look: Callable[[], Awaitable[object]] | None = None,
) -> _Faults:
    return _Faults(t, call, prepare, look)


def _values(t: Trial, roles: list[str], number: int) -> dict[str, Value]:
    return {t.named(role): t.sample(role, number) for role in roles}


def _truthful(t: Trial, error: BackendError, entity: str | None = None) -> None:
    kinds = (
        (UnavailableError,)
        if t.backend.capabilities(entity or t.entity).atomic
        else (UnavailableError, UnfinishedError)
    )
    assert isinstance(error, kinds), f"{type(error).__name__} was raised for a system that failed"


def _reached(fields: object, wanted: dict[str, Value]) -> bool:
    """Tell whether a record has what it should; rows may have columns nobody named."""
    assert isinstance(fields, dict)
    for name, value in wanted.items():
        found = fields.get(name)
        if isinstance(value, tuple) and value and isinstance(value[0], dict):
            rows = found if isinstance(found, tuple) else ()
            if len(rows) != len(value):
                return False
            if not all(any(part.items() <= dict(row).items() for row in rows) for part in value):
                return False
        elif not alike({name: found}, {name: value}):
            return False
    return True
