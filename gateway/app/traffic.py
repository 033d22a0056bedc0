"""What counts the requests of a process: in its own memory, or in Redis where several serve the same tenants."""

from __future__ import annotations

import time
from collections.abc import Callable

from gateway.identity.servers import Server, server
from gateway.server.auth.seen import LocalSeen
from gateway.server.oauth import Seen
from gateway.server.traffic.brake import Brake, BrakeRules, Kind, LocalTallies, Tallies
from gateway.server.traffic.buckets import Buckets, LocalBuckets, Rate
from gateway.server.traffic.passage import Bounds, Traffic
from gateway.server.traffic.shared import SharedBuckets, SharedSeen, SharedTallies
from gateway.server.traffic.sources import CountedSources
from gateway.server.traffic.throttle import Rates, Throttle
from gateway.settings.model import TenantSettings
from gateway.settings.traffic import BrakeSettings, RateSettings


class Counters:
    """Buckets, tallies and used assertions of one process; `cache` is the URL of the shared one, None without any."""

    def __init__(self, cache: str | None, *, clock: Callable[[], float]) -> None:
        self._server: Server | None = None if cache is None else server(cache)
        buckets: Buckets = LocalBuckets(clock=clock)
        tallies: Tallies = LocalTallies(now=time.time)
        self.seen: Seen = LocalSeen(clock=clock)
        if self._server is not None:
            evaluate = self._server.evaluate
            buckets = SharedBuckets(evaluate, buckets, clock=clock)
            tallies = SharedTallies(evaluate, LocalTallies(now=time.time))
            self.seen = SharedSeen(evaluate, self.seen)
        self.tallies = tallies
        self.sources = CountedSources(buckets)
        self.traffic = Traffic(Throttle(buckets), Brake(tallies))

    async def stop(self) -> None:
        """Close what was opened."""
        if self._server is not None:
            await self._server.close()


def bounds(section: TenantSettings) -> Bounds:
    """Give the server a tenant's rates and brakes."""
    rates = Rates(_rate(section.rates.tenant), _rate(section.rates.caller), section.rates.at_once)
    return Bounds(rates, _brake(section.brake))


def _rate(section: RateSettings | None) -> Rate | None:
    return None if section is None else Rate(section.per_second, section.burst)


def _brake(section: BrakeSettings) -> BrakeRules:
    named: dict[Kind, int | None] = {
        "deactivations": section.deactivations,
        "deletions": section.deletions,
        "removals": section.removals,
    }
    return BrakeRules({kind: limit for kind, limit in named.items() if limit is not None}, section.window_seconds)
