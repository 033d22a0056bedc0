"""The brake on mass changes (X14): beyond so many deactivations, deletions or removals in a window, nothing more of
the kind is done until an operator says so.

Counted is what clients ask for, before anything is done: a mistake upstream shows in the asking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gateway.scim.errors import ScimError

Kind = Literal["deactivations", "deletions", "removals"]
KINDS: tuple[Kind, ...] = ("deactivations", "deletions", "removals")
RETRY_SECONDS = 600.0
"""What a client is told to wait; nobody knows when an operator comes."""


@dataclass(frozen=True, slots=True)
class BrakeRules:
    """How many of each kind within `window` seconds; kinds that are not named are not counted."""

    limits: Mapping[Kind, int] = field(default_factory=dict)
    window: float = 3600.0


@dataclass(frozen=True, slots=True)
class Engaged:
    """A brake that holds: how many were asked for, and since when (Unix time)."""

    tenant: str
    kind: str
    count: int
    since: float


class TalliesUnavailable(Exception):
    """What is shared cannot be asked for now; changes are counted by each process alone meanwhile."""


class Tallies(Protocol):
    """Counts by tenant and kind, and which of them went too far."""

    async def add(self, tenant: str, kind: str, number: int, limit: int, window: float) -> bool:
        """Count, and tell whether it may be done; once it may not, nothing may until `release`."""

    async def engaged(self) -> list[Engaged]:
        """Tell which brakes hold; raise `TalliesUnavailable` where that cannot be known."""

    async def release(self, tenant: str, kind: str) -> bool:
        """Let changes through again and count from nothing; True if the brake held. Raises as `engaged` does."""


class LocalTallies:
    """Tallies of this process; `now` gives Unix time."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        self._now = now
        self._counts: dict[tuple[str, str], tuple[int, float]] = {}
        self._engaged: dict[tuple[str, str], Engaged] = {}

    async def add(self, tenant: str, kind: str, number: int, limit: int, window: float) -> bool:
        key, now = (tenant, kind), self._now()
        if key in self._engaged:
            return False
        count, until = self._counts.get(key, (0, 0.0))
        if now >= until:
            count, until = 0, now + window
        self._counts[key] = (count + number, until)
        if count + number <= limit:
            return True
        self._engaged[key] = Engaged(tenant, kind, count + number, now)
        return False

    async def engaged(self) -> list[Engaged]:
        return list(self._engaged.values())

    async def release(self, tenant: str, kind: str) -> bool:
        self._counts.pop((tenant, kind), None)
        return self._engaged.pop((tenant, kind), None) is not None


class Brake:
    """Holds a tenant's changes back when there are too many of them."""

    def __init__(self, tallies: Tallies) -> None:
        self.tallies = tallies

    async def admit(self, tenant: str, rules: BrakeRules, asked: Mapping[Kind, int]) -> None:
        """Let changes through, or raise `ScimError` 429 that says what happened and who can end it."""
        for kind, number in asked.items():
            limit = rules.limits.get(kind)
            if not number or limit is None:
                continue
            if not await self.tallies.add(tenant, kind, number, limit, rules.window):
                hours = rules.window / 3600
                raise ScimError(
                    429,
                    f"more than {limit} {kind} in {hours:g} h: changes of this kind are held until an operator "
                    "releases the brake",
                    retry_after=RETRY_SECONDS,
                )
