"""Leaving without losing a request: what is told to balancers and clients between the signal and the end (M7)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Drain:
    """Counts requests under way, and says whether the process is leaving.

    Once it is, ``/readyz`` answers 503 and every answer closes its connection, so that clients turn to another
    process; requests are still answered.
    """

    def __init__(self) -> None:
        self._under_way = 0
        self._idle = asyncio.Event()
        self._leaving = False

    @property
    def leaving(self) -> bool:
        return self._leaving

    @property
    def under_way(self) -> int:
        """Requests being answered."""
        return self._under_way

    def begin(self) -> None:
        """Leave from now on."""
        self._leaving = True

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request while it is answered."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def finished(self, grace: float) -> bool:
        """Wait until no request is under way (True), or for `grace` seconds (False)."""
        try:
            async with asyncio.timeout(grace):
                while self._under_way:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            return False
        return True
