"""Health: alive means the loop turns, ready that requests can be answered; a sick backend changes neither (M6)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from gateway.server.drain import Drain
from gateway.server.site import Check, SiteHolder

CHECK_SECONDS = 2.0
"""How long a check may take before it counts as failed."""
REMEMBER_SECONDS = 1.0
"""How long a result is given again: the question is open to everybody, the store is not."""


class Readiness:
    """Answers whether the process can take requests; checks run at most once at a time and once a second."""

    def __init__(self, holder: SiteHolder, drain: Drain, *, clock: Callable[[], float]) -> None:
        self._holder = holder
        self._drain = drain
        self._clock = clock
        self._lock = asyncio.Lock()
        self._until = float("-inf")
        self._failed: tuple[str, ...] = ()

    async def document(self) -> tuple[int, Mapping[str, Any]]:
        """Give status and document: 200, or 503 with the names of what fails."""
        if self._drain.leaving:
            return 503, {"status": "draining"}
        async with self._lock:
            if self._clock() >= self._until:
                self._failed = await _failing(self._holder.site.ready)
                self._until = self._clock() + REMEMBER_SECONDS
        if self._failed:
            return 503, {"status": "unready", "failing": list(self._failed)}
        return 200, {"status": "ready"}


async def _failing(checks: Mapping[str, Check]) -> tuple[str, ...]:
    results = await asyncio.gather(*(_holds(check) for check in checks.values()))
    return tuple(name for name, holds in zip(checks, results, strict=True) if not holds)


async def _holds(check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except TimeoutError:
        return False
