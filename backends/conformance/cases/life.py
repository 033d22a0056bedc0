"""The life of a backend: start, ping, stop."""

from __future__ import annotations

import asyncio

from backends.conformance.rules import FILLED, optional, rule
from backends.conformance.trial import Trial
from backends.contract import UnavailableError

UNREACHABLE = optional("unreachable", "the harness has no system that is not there")


@rule()
async def a_started_backend_answers_a_ping(t: Trial) -> None:
    """A ping on a system that is there succeeds, many at once too."""
    await asyncio.gather(*(t.backend.ping() for _ in range(10)))


@rule()
async def stopping_twice_is_safe(t: Trial) -> None:
    """A second stop does nothing, and is no error."""
    await t.backend.ping()
    await t.backend.stop()
    await t.backend.stop()


@rule()
async def stopping_what_never_started_is_safe(t: Trial) -> None:
    """A backend whose start was never called, or never got far, can be stopped."""
    other = t.harness.build(t.place)
    await other.stop()
    await t.backend.ping()


@rule(UNREACHABLE)
async def a_system_that_is_not_there_is_unavailable(t: Trial) -> None:
    """Start or ping raise `UnavailableError`, naming no secret; start may be tried again; stop is safe after it."""
    backend = t.harness.unreachable()
    for _ in range(2):
        with t.refused(UnavailableError):
            await backend.start()
            await backend.ping()
    await backend.stop()
    await backend.stop()


@rule()
async def capabilities_are_constant(t: Trial) -> None:
    """What a backend can do is known before it starts and never changes."""
    fresh = t.harness.build(t.place)
    assert fresh.capabilities(t.entity) == t.capabilities, "another object can do other things"
    assert t.backend.capabilities(t.entity) == t.capabilities, "capabilities changed"
    await fresh.stop()


@rule(FILLED)
async def many_calls_at_once_are_answered_each_with_its_own(t: Trial) -> None:
    """Concurrent reads do not mix up their answers."""
    keys = [await t.make() for _ in range(5)]
    names = [await t.value(key, "name") for key in keys]
    assert len(set(names)) == 5
    records = await asyncio.gather(*(t.backend.get(t.entity, key, frozenset({t.roles.name})) for key in keys * 10))
    assert [record.key for record in records] == keys * 10
    assert [record.fields[t.roles.name] for record in records] == names * 10
