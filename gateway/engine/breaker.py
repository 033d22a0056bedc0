"""A circuit breaker: a backend that keeps failing is left alone for a while, then probed by one call at a time."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class State(StrEnum):
    """Whether calls get through: all, none, or one that probes."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Counts consecutive failures of one backend.

    After `threshold` failures in a row it opens for `rest` seconds; then one call at a time is let through, and its
    success closes it, its failure opens it again. `clock` gives monotonic seconds.
    """

    def __init__(self, *, threshold: int, rest: float, clock: Callable[[], float]) -> None:
        self._threshold = threshold
        self._rest = rest
        self._clock = clock
        self._failures = 0
        self._opened = 0.0
        self._probing = False

    @property
    def state(self) -> State:
        if self._failures < self._threshold:
            return State.CLOSED
        return State.HALF_OPEN if self._clock() - self._opened >= self._rest else State.OPEN

    def admit(self) -> float:
        """Let a call through (0.0), or tell in how many seconds to come back."""
        match self.state:
            case State.CLOSED:
                return 0.0
            case State.HALF_OPEN if not self._probing:
                self._probing = True
                return 0.0
            case State.HALF_OPEN:
                return 1.0
            case State.OPEN:
                return self.remaining

    @property
    def remaining(self) -> float:
        """Seconds until an open one lets somebody through."""
        return max(self._rest - (self._clock() - self._opened), 0.001)

    def succeed(self) -> None:
        """The backend answered, with whatever result."""
        self._failures = 0
        self._probing = False

    def fail(self) -> None:
        """The backend was unavailable."""
        self._failures = min(self._failures + 1, self._threshold)
        self._probing = False
        if self._failures == self._threshold:
            self._opened = self._clock()

    def abandon(self) -> None:
        """The call ended without telling anything of the backend (it was cancelled from outside)."""
        self._probing = False
