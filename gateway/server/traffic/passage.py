"""One request on its way past rates and brake: late enough to know what it asks, early enough to do nothing of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.scim.errors import ScimError
from gateway.server.traffic.asked import bulk_size, changes, deprovisions
from gateway.server.traffic.brake import Brake, BrakeRules
from gateway.server.traffic.throttle import Excess, Rates, Throttle

BULK = "BULK"
"""Stands for the method of a bulk request, which is a POST that may be anything."""
_MAY_DEPROVISION = ("PUT", "PATCH", "DELETE", BULK)


class Limited(Protocol):
    """Is told of what was refused."""

    def limited(self, tenant: str, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Traffic:
    """What counts the requests of a process; it outlives reloads, so that they reset nothing."""

    throttle: Throttle
    brake: Brake


@dataclass(frozen=True, slots=True)
class Bounds:
    """The rates and brakes of one tenant; without any, everything passes."""

    rates: Rates = field(default_factory=Rates)
    brake: BrakeRules = field(default_factory=BrakeRules)


@dataclass(frozen=True, slots=True)
class Passage:
    """What is still to be checked of one request once its body is known."""

    traffic: Traffic | None
    bounds: Bounds
    observer: Limited
    tenant: str
    caller: str
    verb: str
    excess: Excess | None = None

    async def admit(self, body: Any = None) -> None:
        """Let a request through or raise `ScimError` 429; call it when its sender is known to be allowed to ask."""
        if self.traffic is None:
            return
        if self.excess is not None and not deprovisions(self.verb, body):
            raise refused(self.excess, self.observer, self.tenant)
        try:
            await self.traffic.brake.admit(self.tenant, self.bounds.brake, changes(self.verb, body))
        except ScimError:
            self.observer.limited(self.tenant, "brake")
            raise
        # One was counted when the request came, unless there was no room for it.
        cost = (bulk_size(body) if self.verb == BULK else 1) - (self.excess is None)
        await self.traffic.throttle.charge(self.tenant, self.caller, self.bounds.rates, cost)


async def passage(
    traffic: Traffic | None, bounds: Bounds, observer: Limited, *, tenant: str, caller: str, verb: str
) -> Passage:
    """Count a request; refuse it at once with 429 where there is no room and it can take no access away."""
    excess = None if traffic is None else await traffic.throttle.ask(tenant, caller, bounds.rates)
    if excess is not None and verb not in _MAY_DEPROVISION:
        raise refused(excess, observer, tenant)
    return Passage(traffic, bounds, observer, tenant, caller, verb, excess)


def refused(excess: Excess, observer: Limited, tenant: str) -> ScimError:
    """Tell of a refusal and make it."""
    observer.limited(tenant, excess.reason)
    return excess.error()
