"""How late the event loop is: the first sign of something that blocks it."""

from __future__ import annotations

import asyncio

from gateway.telemetry.metrics import Metrics

EVERY = 0.5
"""Seconds between two looks."""


async def watch_lag(metrics: Metrics, *, every: float = EVERY) -> None:
    """Measure for ever how much later than asked the loop comes back; run it as a task of its own."""
    clock = asyncio.get_running_loop().time
    observe = metrics.child("loop_lag_seconds").observe
    while True:
        asked = clock() + every
        await asyncio.sleep(every)
        observe(max(0.0, clock() - asked))
