"""Where attempts to authenticate come from, and which of them are not listened to for a while (X8).

Counted by address and the tenant that is tried, whether it exists or not, so that the counting tells nothing of which
do, and so that one tenant's wrong token does not lock out others whose identity provider calls from the same address;
and, much more patiently, by address alone.
"""

from __future__ import annotations

from typing import Protocol

from gateway.server.traffic.buckets import Buckets, Rate

TENANT_RATE = Rate(per_second=1 / 6, burst=20)
ADDRESS_RATE = Rate(per_second=5, burst=500)


class Sources(Protocol):
    """Remembers which addresses fail to authenticate."""

    async def blocked(self, address: str, tenant: str) -> float:
        """Tell for how many seconds nobody there is listened to about a tenant; 0.0 if they are."""

    async def failed(self, address: str, tenant: str) -> None:
        """Say that somebody there presented something wrong to a tenant."""


class CountedSources:
    """Counts failures in buckets."""

    def __init__(self, buckets: Buckets, *, tenant: Rate = TENANT_RATE, address: Rate = ADDRESS_RATE) -> None:
        self._buckets = buckets
        self._tenant = tenant
        self._address = address

    async def blocked(self, address: str, tenant: str) -> float:
        alone = await self._buckets.wait(("source", address), self._address)
        return max(alone, await self._buckets.wait(("source", address, tenant), self._tenant))

    async def failed(self, address: str, tenant: str) -> None:
        await self._buckets.owe(("source", address), self._address)
        await self._buckets.owe(("source", address, tenant), self._tenant)
