"""The breaker: when it opens, how it probes, how it closes."""

from __future__ import annotations

import pytest

from gateway.engine.breaker import Breaker, State


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_few_failures_leave_it_closed(clock: Clock) -> None:
    """Fewer failures in a row than the threshold let every call through (R-L26)."""
    breaker = Breaker(threshold=3, rest=10, clock=clock)
    for _ in range(2):
        assert breaker.admit() == 0.0
        breaker.fail()
    breaker.succeed()
    breaker.fail()
    breaker.fail()
    assert breaker.state is State.CLOSED


def test_it_opens_and_says_when_to_come_back(clock: Clock) -> None:
    """At the threshold it opens and tells the seconds left of its rest."""
    breaker = Breaker(threshold=2, rest=10, clock=clock)
    breaker.fail()
    breaker.fail()
    clock.now += 4
    assert breaker.state is State.OPEN
    assert breaker.admit() == pytest.approx(6)


def test_after_its_rest_one_probe_at_a_time_gets_through(clock: Clock) -> None:
    """Half open, the first call is the probe and the second is sent away until the probe has ended."""
    breaker = Breaker(threshold=1, rest=10, clock=clock)
    breaker.fail()
    clock.now += 10
    assert breaker.admit() == 0.0
    assert breaker.admit() > 0.0
    breaker.succeed()
    assert breaker.state is State.CLOSED
    assert breaker.admit() == 0.0


def test_a_failed_probe_opens_it_again_for_a_whole_rest(clock: Clock) -> None:
    """The rest begins anew with the failed probe."""
    breaker = Breaker(threshold=2, rest=10, clock=clock)
    breaker.fail()
    breaker.fail()
    clock.now += 11
    assert breaker.admit() == 0.0
    breaker.fail()
    assert breaker.state is State.OPEN
    assert breaker.admit() == pytest.approx(10)


def test_an_abandoned_probe_lets_the_next_call_probe(clock: Clock) -> None:
    """A probe that was cancelled from outside says nothing of the backend and does not block the next."""
    breaker = Breaker(threshold=1, rest=10, clock=clock)
    breaker.fail()
    clock.now += 10
    assert breaker.admit() == 0.0
    breaker.abandon()
    assert breaker.admit() == 0.0
