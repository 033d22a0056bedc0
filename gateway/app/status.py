"""What an operator is told of a running gateway: store, cache, backends, tenants, brakes."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from gateway import __version__
from gateway.app.gateway import Gateway
from gateway.server.traffic.brake import TalliesUnavailable
from gateway.settings.secrecy import masked


async def status(gateway: Gateway, worker: int | None = None) -> Mapping[str, Any]:
    """Tell the state of everything; the words are fit for an operator and name no secret.

    `worker` is the number of the process that answers, where there are several.
    """
    pending = set(gateway.pending())
    return {
        "version": __version__,
        "python": platform.python_version(),
        "worker": worker,
        "store": "usable" if await gateway.store_ready() else "unavailable",
        "cache": _cache(gateway),
        "backends": {name: _backend(gateway, name) for name in sorted(gateway.contacts)},
        "tenants": {name: "waiting" if name in pending else "served" for name in sorted(gateway.blueprint.tenants)},
        "brakes": await _brakes(gateway),
    }


def _cache(gateway: Gateway) -> str:
    """Tell of the cache: it is in the process, or shared and usable, or shared and left aside as it fails."""
    if gateway.blueprint.configuration.settings.shared_cache is None:
        return "in process"
    return "usable" if gateway.identities.cache_usable else "left aside"


async def _brakes(gateway: Gateway) -> list[str] | None:
    """Name the brakes that hold; None where that cannot be known for now."""
    if gateway.counters is None:
        return []
    try:
        return [f"{one.tenant}: {one.kind}" for one in await gateway.counters.tallies.engaged()]
    except TalliesUnavailable:
        return None


def _backend(gateway: Gateway, name: str) -> Mapping[str, Any]:
    contact = gateway.contacts[name]
    told: dict[str, Any] = {"reached": contact.reached, "breaker": gateway.guards[name].state.value}
    if contact.error is not None:
        told["error"] = masked(str(contact.error), gateway.blueprint.secrets())
    return told
