"""Assertions that were used: each is good for one token (RFC 7523 §3)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable


class LocalSeen:
    """Remembers in this process, the latest `most` of them; other replicas know nothing of it."""

    def __init__(self, *, clock: Callable[[], float], most: int = 10_000) -> None:
        self._clock = clock
        self._most = most
        self._until: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def first(self, client: str, id: str, seconds: float) -> bool:
        now = self._clock()
        while self._until and next(iter(self._until.values())) <= now:
            self._until.popitem(last=False)
        if (client, id) in self._until:
            return False
        if len(self._until) >= self._most:
            # Better to refuse a client for a while than to take an assertion a second time.
            return False
        self._until[client, id] = now + seconds
        return True
