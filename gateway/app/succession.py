"""What a new configuration may change while the gateway runs, and what of the running gateway it can go on with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.app.blueprint import Blueprint
from gateway.engine.guard import Guard
from gateway.settings import Problem
from gateway.settings.problems import Trail

FIXED: tuple[Trail, ...] = (
    ("server", "listen"),
    ("server", "limits", "target_bytes"),
    ("server", "limits", "header_bytes"),
    ("server", "limits", "headers"),
    ("server", "limits", "idle_seconds"),
    ("admin", "listen"),
    ("metrics", "listen"),
    ("audit",),
    ("store",),
    ("cache",),
)
"""What holds from the start of the process to its end."""

_REASON = "is another one than the gateway was started with; this takes a restart"


def problems(running: Blueprint, wanted: Blueprint) -> Iterator[Problem]:
    """Name everything that a reload cannot change."""
    for trail in FIXED:
        if _at(running.configuration.settings, trail) != _at(wanted.configuration.settings, trail):
            yield wanted.configuration.problem(trail, _REASON)


def kept(running: Blueprint, wanted: Blueprint, guards: Mapping[str, Guard]) -> dict[str, Guard]:
    """Choose the guarded backends that can go on: type, settings (secrets too) and bounds are what they were.

    Their pools stay open and their breakers know what they knew.
    """
    before, after = running.configuration.settings.backends, wanted.configuration.settings.backends
    return {
        name: guard
        for name, guard in guards.items()
        if name in after
        and (before[name].type, before[name].limits) == (after[name].type, after[name].limits)
        and type(running.backends[name]) is type(wanted.backends[name])
        and running.backends[name].settings == wanted.backends[name].settings
    }


def _at(model: Any, trail: Trail) -> Any:
    for name in trail:
        if model is None:
            return None
        model = getattr(model, str(name))
    return model
