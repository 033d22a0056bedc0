"""Token buckets, kept as one number each: the instant at which a bucket would be full again (GCRA)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

Key = tuple[str, ...]
"""What a bucket is for: parts, never joined into a text that two of them could share (X9)."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many per second on average, and `burst` at once."""

    per_second: float
    burst: int

    def __post_init__(self) -> None:
        if self.per_second <= 0 or self.burst < 1:
            raise ValueError("a rate must be more than nothing")

    @property
    def interval(self) -> float:
        """Seconds one costs."""
        return 1.0 / self.per_second

    @property
    def depth(self) -> float:
        """Seconds a whole burst costs."""
        return self.burst * self.interval


class Buckets(Protocol):
    """Many buckets."""

    async def take(self, key: Key, rate: Rate, cost: int = 1) -> float:
        """Take `cost` and give 0.0, or take nothing and give the seconds after which it could be had."""

    async def owe(self, key: Key, rate: Rate, cost: int = 1) -> None:
        """Take `cost` whether it is there or not; at most a burst is owed."""

    async def wait(self, key: Key, rate: Rate) -> float:
        """Tell for how many seconds nothing can be had, and take nothing."""


class LocalBuckets:
    """Buckets of this process, the `most` that were used last; `clock` gives seconds."""

    def __init__(self, *, clock: Callable[[], float], most: int = 50_000) -> None:
        self._clock = clock
        self._most = most
        self._full_at: OrderedDict[Key, float] = OrderedDict()

    async def take(self, key: Key, rate: Rate, cost: int = 1) -> float:
        now = self._clock()
        full_at = max(self._full_at.get(key, now), now) + cost * rate.interval
        wait = full_at - now - rate.depth
        if wait > 1e-9:
            return wait
        self._keep(key, full_at)
        return 0.0

    async def owe(self, key: Key, rate: Rate, cost: int = 1) -> None:
        now = self._clock()
        full_at = max(self._full_at.get(key, now), now) + cost * rate.interval
        self._keep(key, min(full_at, now + 2 * rate.depth))

    async def wait(self, key: Key, rate: Rate) -> float:
        now = self._clock()
        return max(0.0, max(self._full_at.get(key, now), now) + rate.interval - now - rate.depth)

    def _keep(self, key: Key, full_at: float) -> None:
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        while len(self._full_at) > self._most:
            # The one used longest ago is most likely full again, which is what forgetting makes it.
            self._full_at.popitem(last=False)
