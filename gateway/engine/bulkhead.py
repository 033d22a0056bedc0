"""The bulkhead: how many calls one backend is asked at once, and whose turn is next.

Several tenants may share a backend. A place that becomes free goes to the tenant that holds fewest, so that one who
asks for much waits for itself and not the others for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass


class CrowdedError(Exception):
    """No place was to be had: the queue is full, or the deadline came first."""


@dataclass(slots=True, eq=False)
class _Waiter:
    """One call that waits; `patient` ones are never sent away."""

    turn: asyncio.Future[None]
    patient: bool


class Bulkhead:
    """`places` calls at once, `queue` more that wait for a place.

    Where several tenants are expected, none holds the last eighth of the places (one at least) alone: whoever comes
    second finds room even while every call of the first hangs. A full queue sends away the youngest call of the
    tenant that has most of them waiting, which may be the one that just came.
    """

    def __init__(self, places: int, queue: int) -> None:
        self.places = places
        self.under_way = 0
        self.waiting = 0
        self._queue = queue
        self._ceiling = places
        self._tenants: set[str] = set()
        self._held: dict[str, int] = {}
        self._lines: dict[str, deque[_Waiter]] = {}

    def expect(self, tenant: str) -> None:
        """Reckon with calls of a tenant."""
        self._tenants.add(tenant)
        if len(self._tenants) > 1:
            self._ceiling = max(1, self.places - max(1, self.places // 8))

    def take(self, tenant: str) -> bool:
        """Take a place if there is one for this tenant right now."""
        if self.under_way >= self.places or tenant in self._lines:
            return False
        held = self._held.get(tenant, 0)
        if held >= self._ceiling:
            return False
        self._held[tenant] = held + 1
        self.under_way += 1
        return True

    async def wait(self, tenant: str, deadline: float, *, patient: bool) -> None:
        """Wait for a place, never past the deadline; raise `CrowdedError` if there is none.

        A `patient` call joins a full queue too and leaves it only with a place or at its deadline.
        """
        if self.waiting >= self._queue and not patient and not self._make_room(tenant):
            raise CrowdedError("the queue is full")
        waiter = _Waiter(asyncio.get_running_loop().create_future(), patient)
        self._lines.setdefault(tenant, deque()).append(waiter)
        self.waiting += 1
        placed = False
        try:
            async with asyncio.timeout_at(deadline):
                await waiter.turn
            placed = True
        except TimeoutError as error:
            raise CrowdedError("the deadline came first") from error
        finally:
            if not placed:
                self._give_up(tenant, waiter)

    def leave(self, tenant: str) -> None:
        """Give a place back, and hand out what is free."""
        self.under_way -= 1
        if held := self._held.pop(tenant) - 1:
            self._held[tenant] = held
        while self._lines and self.under_way < self.places:
            # Lines stand in the order in which they were served last: of those that hold equally few, the one that
            # has waited longest for its turn comes first.
            chosen = min(self._lines, key=self._held_by)
            if (held := self._held_by(chosen)) >= self._ceiling:
                return
            line = self._lines.pop(chosen)
            waiter = line.popleft()
            if line:
                self._lines[chosen] = line
            self._held[chosen] = held + 1
            self.under_way += 1
            self.waiting -= 1
            waiter.turn.set_result(None)

    def _held_by(self, tenant: str) -> int:
        return self._held.get(tenant, 0)

    def _make_room(self, tenant: str) -> bool:
        """Send somebody away from a full queue for a call of this tenant; tell whether that was just."""
        longest = max(self._lines, key=lambda name: len(self._lines[name]))
        if len(self._lines[longest]) <= len(self._lines.get(tenant, ())) + 1:
            return False
        for waiter in reversed(self._lines[longest]):
            if not waiter.patient:
                self._drop(longest, waiter)
                waiter.turn.set_exception(CrowdedError("the queue is full"))
                return True
        return False

    def _give_up(self, tenant: str, waiter: _Waiter) -> None:
        if waiter.turn.cancelled():
            self._drop(tenant, waiter)
        elif waiter.turn.exception() is None:
            self.leave(tenant)  # it was given a place in the moment it gave up

    def _drop(self, tenant: str, waiter: _Waiter) -> None:
        line = self._lines[tenant]
        line.remove(waiter)
        if not line:
            del self._lines[tenant]
        self.waiting -= 1
