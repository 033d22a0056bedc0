"""Work that is carried to its end whoever stops waiting for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Carrier:
    """Carries changes to their end even if the caller is cancelled: of one that is cut off between the backend and the
    store, half would be true."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, T], unheard: Callable[[BaseException], None]) -> T:
        """Wait for `work`; if that is cancelled, `work` goes on, and `unheard` is told the error it ends in."""
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():
                task.add_done_callback(lambda ended: _tell(ended, unheard))
            raise

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.wait(set(self._under_way))


def _tell(task: asyncio.Task[Any], unheard: Callable[[BaseException], None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        unheard(error)
