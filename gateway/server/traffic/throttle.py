"""Rates of tenants and callers, and a tenant's share of what is under way (M8). Deprovisioning passes (X15)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.scim.errors import ScimError
from gateway.server.traffic.buckets import Buckets, Rate

SHARE_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Rates:
    """How much one tenant may ask: all its callers together, each of them, and at once in this process; None: no
    bound."""

    tenant: Rate | None = None
    caller: Rate | None = None
    at_once: int | None = None


@dataclass(frozen=True, slots=True)
class Excess:
    """Why a request is too much, and in how many seconds it would not be."""

    reason: str
    wait: float

    def error(self) -> ScimError:
        """Make the refusal."""
        return ScimError(429, f"too many requests of this {self.reason}; try again later", retry_after=self.wait)


class Throttle:
    """Counts requests against the rates of their tenant and caller."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._under_way: Counter[str] = Counter()

    async def ask(self, tenant: str, caller: str, rates: Rates) -> Excess | None:
        """Count one request; where there is no room for it, say so, and count nothing."""
        if rates.at_once is not None and self._under_way[tenant] >= rates.at_once:
            return Excess("tenant", SHARE_RETRY_SECONDS)
        if rates.caller is not None:
            wait = await self._buckets.take(("caller", tenant, caller), rates.caller)
            if wait > 0:
                return Excess("caller", wait)
        if rates.tenant is not None:
            wait = await self._buckets.take(("tenant", tenant), rates.tenant)
            if wait > 0:
                return Excess("tenant", wait)
        return None

    async def charge(self, tenant: str, caller: str, rates: Rates, cost: int) -> None:
        """Count more for a request that was let in: each operation of a bulk request, or one that passes anyway."""
        if cost > 0 and rates.caller is not None:
            await self._buckets.owe(("caller", tenant, caller), rates.caller, cost)
        if cost > 0 and rates.tenant is not None:
            await self._buckets.owe(("tenant", tenant), rates.tenant, cost)

    @contextmanager
    def under_way(self, tenant: str) -> Iterator[None]:
        """Count a request while it is answered."""
        self._under_way[tenant] += 1
        try:
            yield
        finally:
            self._under_way[tenant] -= 1
            if not self._under_way[tenant]:
                del self._under_way[tenant]
