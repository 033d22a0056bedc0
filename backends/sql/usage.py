"""How full a pool of connections is: counted where calls take and give back, the same for every driver."""

from __future__ import annotations

import time
from collections.abc import Callable

from backends.pools import Pool


class Usage:
    """Counts the connections in the hands of calls, and the calls that have none yet. `limit` is how many there may be.

    Whoever is let wait is counted from `ask` to `answer`; opening a connection that is new counts as waiting for it.
    """

    def __init__(self, name: str, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._limit = limit
        self._clock = clock
        self._used = 0
        self._waiting = 0
        self._waited = 0.0

    def ask(self) -> float:
        """Count a call that waits from now on; give the moment to `answer` with."""
        self._waiting += 1
        return self._clock()

    def answer(self, asked: float) -> None:
        """Count it no more, whether it got a connection or not."""
        self._waiting -= 1
        self._waited += self._clock() - asked

    def take(self) -> None:
        """Count a connection that went out."""
        self._used += 1

    def give(self) -> None:
        """Count it as back."""
        self._used -= 1

    def told(self) -> Pool:
        """Tell how things are."""
        return Pool(self._name, self._limit, self._used, self._waiting, self._waited)
