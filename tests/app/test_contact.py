"""First contact: until it succeeds, without hurry, and what stands in its way is told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from backends.contract import BackendError, Field, UnavailableError
from gateway.app.contact import FIRST_PAUSE, LONGEST_PAUSE, Contact, Described
from gateway.settings import Place, Problem, SettingsError


class System:
    """A backend that fails to start as often as it is told, and describes what it is told."""

    name = "hr"

    def __init__(self, *failures: BaseException, describe: BackendError | None = None) -> None:
        self.failures = list(failures)
        self.error = describe
        self.starts = 0

    async def start(self) -> None:
        self.starts += 1
        if self.failures:
            raise self.failures.pop(0)

    async def describe(self, entity: str) -> Mapping[str, Field] | None:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return {entity: Field(str)}


class Told:
    """What was told, and how long was waited."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.unreached: list[BaseException] = []
        self.pauses: list[float] = []
        self.met: list[Described] = []
        self.refusals: list[SettingsError] = []

    def backend_reached(self, backend: str) -> None:
        self.reached.append(backend)

    def backend_unreached(self, backend: str, error: BaseException, pause: float) -> None:
        self.unreached.append(error)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    async def meet(self, backend: str, described: Described) -> None:
        self.met.append(described)
        if self.refusals:
            raise self.refusals.pop(0)


def misfit(backend: str, error: BaseException, entity: str | None = None) -> SettingsError | None:
    return refusal(f"{entity}: {error}") if entity == "ghosts" else None


def refusal(reason: str) -> SettingsError:
    return SettingsError([Problem(Place(Path("a.yaml"), 1), ("x",), reason)])


def contact(system: System, told: Told, *entities: str) -> Contact:
    return Contact(system, frozenset(entities), told.meet, misfit, told, sleep=told.sleep)


async def test_a_system_that_is_there_is_met_once() -> None:
    """One start, one description of each entity, no pause."""
    system, told = System(), Told()
    one = contact(system, told, "people", "teams")
    await one.run()
    assert (system.starts, told.reached, told.pauses) == (1, ["hr"], [])
    assert [set(described) for described in told.met] == [{"people", "teams"}]
    assert one.reached
    assert one.tried.is_set()
    assert one.error is None


async def test_pauses_double_up_to_a_minute_and_are_never_the_same() -> None:
    """A system that is away for long is asked ever more rarely, and by replicas at different times (R-L26)."""
    system, told = System(*[UnavailableError() for _ in range(12)]), Told()
    await contact(system, told).run()
    assert system.starts == 13
    bounds = [min(FIRST_PAUSE * 2**turn, LONGEST_PAUSE) for turn in range(12)]
    assert all(bound / 2 <= pause <= bound for bound, pause in zip(bounds, told.pauses, strict=True))
    assert len(set(told.pauses)) == 12


async def test_the_first_try_is_told_while_the_others_go_on() -> None:
    """Whoever waits for the start learns of the first failure at once."""
    system, told = System(UnavailableError("gone")), Told()
    one = contact(system, told)
    task = asyncio.create_task(one.run())
    await one.tried.wait()
    assert isinstance(one.error, UnavailableError)
    assert not one.reached
    await task
    assert one.reached


async def test_an_entity_the_system_does_not_have_is_a_mistake_of_the_configuration() -> None:
    """What cannot be described is told with file and line, and tried again: it may be made meanwhile."""
    system, told = System(describe=BackendError("there is no entity ghosts")), Told()
    one = contact(system, told, "ghosts")
    task = asyncio.create_task(one.run())
    await one.tried.wait()
    assert isinstance(one.error, SettingsError)
    await task
    assert [str(error) for error in told.unreached] == ["a.yaml:1: x: ghosts: there is no entity ghosts"]
    assert one.reached


async def test_a_system_that_goes_away_while_it_is_described_is_away() -> None:
    """Losing the connection in between is no mistake of the configuration."""
    system, told = System(describe=UnavailableError("lost")), Told()
    await contact(system, told, "ghosts").run()
    assert [type(error) for error in told.unreached] == [UnavailableError]
    assert system.starts == 2


async def test_a_mapping_that_does_not_fit_keeps_the_tenants_waiting() -> None:
    """`met` refuses: nothing is reached until it agrees."""
    told = Told()
    told.refusals = [refusal("there is no field logn")]
    one = contact(System(), told)
    await one.run()
    assert [str(error) for error in told.unreached] == ["a.yaml:1: x: there is no field logn"]
    assert len(told.met) == 2


async def test_cancelling_ends_it() -> None:
    """A gateway that stops does not wait for a system that is away."""
    told, forever = Told(), asyncio.Event()

    async def sleep(_: float) -> None:
        await forever.wait()

    one = Contact(System(UnavailableError()), frozenset(), told.meet, misfit, told, sleep=sleep)
    task = asyncio.create_task(one.run())
    await one.tried.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told.reached == []
