"""The bulkhead: whose turn it is, who is sent away, and that no place is ever lost."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.engine.bulkhead import Bulkhead, CrowdedError


def later(seconds: float = 5.0) -> float:
    return asyncio.get_running_loop().time() + seconds


def shared(places: int, queue: int = 100, *tenants: str) -> Bulkhead:
    bulkhead = Bulkhead(places, queue)
    for tenant in tenants:
        bulkhead.expect(tenant)
    return bulkhead


class Line:
    """Calls that wait, in the order in which they got their places."""

    def __init__(self, bulkhead: Bulkhead) -> None:
        self.bulkhead = bulkhead
        self.served: list[str] = []
        self.refused: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def join(self, tenant: str, count: int = 1, *, patient: bool = False, deadline: float | None = None) -> None:
        for _ in range(count):
            self.tasks.append(asyncio.create_task(self._one(tenant, patient, deadline or later())))
        await asyncio.sleep(0)

    async def _one(self, tenant: str, patient: bool, deadline: float) -> None:
        try:
            if not self.bulkhead.take(tenant):
                await self.bulkhead.wait(tenant, deadline, patient=patient)
        except CrowdedError:
            self.refused.append(tenant)
        else:
            self.served.append(tenant)

    async def finish(self) -> None:
        """Let every call that holds a place end, until nobody is left."""
        ended = 0
        while ended < len(self.served):
            self.bulkhead.leave(self.served[ended])
            ended += 1
            for _ in range(3):
                await asyncio.sleep(0)
        await asyncio.gather(*self.tasks)


async def test_turns_are_taken_by_who_holds_fewest() -> None:
    """A tenant that comes late with one call waits for one place, not for the long line of another (promise 6)."""
    line = Line(shared(4, 100, "loud", "quiet"))
    await line.join("loud", 40)
    assert line.served == ["loud"] * 3, "the last place is not for one tenant alone"
    await line.join("quiet")
    assert line.served[-1] == "quiet"
    await line.join("quiet", 2)
    assert line.bulkhead.waiting == 39
    line.bulkhead.leave("loud")
    for _ in range(3):
        await asyncio.sleep(0)
    assert line.served[-1] == "quiet"
    line.served.remove("loud")
    await line.finish()
    assert (line.bulkhead.under_way, line.bulkhead.waiting) == (0, 0)
    assert Counter(line.served) == {"loud": 39, "quiet": 3}


async def test_a_tenant_alone_has_every_place() -> None:
    """Nothing is kept for others where nobody shares the system."""
    line = Line(shared(4, 100, "only"))
    await line.join("only", 4)
    assert line.bulkhead.under_way == 4
    await line.finish()


async def test_a_full_queue_sends_away_the_youngest_call_of_the_longest_line() -> None:
    """The one who crowds is refused; who takes little still gets in, and single accounts are never refused (R-L26)."""
    line = Line(shared(1, 4, "loud", "quiet"))
    await line.join("loud", 5)
    assert (line.bulkhead.under_way, line.bulkhead.waiting) == (1, 4)
    await line.join("loud")
    assert line.refused == ["loud"]
    await line.join("quiet")
    await asyncio.sleep(0)
    assert line.refused == ["loud", "loud"]
    assert line.bulkhead.waiting == 4
    await line.join("loud", patient=True)
    assert line.bulkhead.waiting == 5
    await line.finish()
    assert Counter(line.served) == {"loud": 5, "quiet": 1}
    assert line.refused == ["loud", "loud"]


async def test_patient_calls_are_not_sent_away_for_others() -> None:
    """A queue full of calls that may take access away stays as it is (promise 2)."""
    line = Line(shared(1, 2, "loud", "quiet"))
    await line.join("loud", 4, patient=True)
    await line.join("quiet")
    assert line.refused == ["quiet"]
    await line.finish()
    assert line.served == ["loud"] * 4


async def test_a_deadline_ends_the_wait() -> None:
    """Who gets no place in time is refused and leaves nothing behind."""
    bulkhead = shared(1)
    assert bulkhead.take("a")
    with pytest.raises(CrowdedError):
        await bulkhead.wait("a", later(0.01), patient=True)
    assert (bulkhead.under_way, bulkhead.waiting) == (1, 0)
    bulkhead.leave("a")
    assert bulkhead.take("a")


async def test_a_call_cancelled_in_the_moment_of_its_turn_passes_the_place_on() -> None:
    """A place given to somebody who has left is not lost."""
    bulkhead = shared(1)
    assert bulkhead.take("a")
    line = Line(bulkhead)
    await line.join("a", 2)
    bulkhead.leave("a")
    line.tasks[0].cancel()
    await asyncio.gather(line.tasks[0], return_exceptions=True)
    await line.tasks[1]
    assert line.served == ["a"]
    assert (bulkhead.under_way, bulkhead.waiting) == (1, 0)


ACTS = st.sampled_from(["join", "patient", "leave", "cancel"])
STEPS = st.lists(st.tuples(ACTS, st.sampled_from("abc")), max_size=60)


@settings(max_examples=60, deadline=None)
@given(places=st.integers(1, 6), queue=st.integers(1, 5), steps=STEPS)
def test_places_are_kept_count_of_in_any_history(places: int, queue: int, steps: list[tuple[str, str]]) -> None:
    """Never more calls than places, nobody waits for a place he could have, and in the end everything is free."""

    async def live() -> None:
        line = Line(shared(places, queue, "a", "b", "c"))
        bulkhead = line.bulkhead
        for step, tenant in steps:
            if step == "leave":
                if tenant in line.served:
                    line.served.remove(tenant)
                    bulkhead.leave(tenant)
            elif step == "cancel":
                waiting = [task for task in line.tasks if not task.done()]
                if waiting:
                    waiting[len(waiting) // 2].cancel()
            else:
                await line.join(tenant, patient=step == "patient")
            for _ in range(4):
                await asyncio.sleep(0)
            assert bulkhead.under_way == len(line.served) <= places
            assert bulkhead.waiting == sum(not task.done() for task in line.tasks)
            assert not (bulkhead.waiting and not line.served)
        while line.served:
            bulkhead.leave(line.served.pop())
            for _ in range(4):
                await asyncio.sleep(0)
        assert (bulkhead.under_way, bulkhead.waiting) == (0, 0)
        await asyncio.gather(*line.tasks, return_exceptions=True)

    asyncio.run(live())
