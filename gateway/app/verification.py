"""Meeting the backends once, only to see whether the configuration fits them."""

from __future__ import annotations

import asyncio
from typing import Any

from backends.contract import Backend, BackendError
from gateway.app.blueprint import Blueprint, Described, path_of, reason_of
from gateway.settings import Problem, SettingsError
from gateway.settings.problems import Trail
from gateway.settings.secrecy import masked


async def verify(blueprint: Blueprint) -> list[Problem]:
    """Start every backend, hold the mappings against what it says of itself, and stop it again.

    Nothing is written and no record is read. A backend that cannot be reached is a problem like any other.
    """
    names = list(blueprint.backends)
    found = await asyncio.gather(*(_verify(blueprint, name) for name in names))
    described = {name: one for name, one in zip(names, found, strict=True) if isinstance(one, dict)}
    problems = [one for one in found if isinstance(one, Problem)]
    for tenant in blueprint.tenants.values():
        for plan in tenant.resources:
            if plan.spec.backend not in described:
                continue
            try:
                blueprint.compiled(plan, described[plan.spec.backend])
            except SettingsError as error:
                problems += error.problems
    return problems


async def _verify(blueprint: Blueprint, name: str) -> Described | Problem:
    backend = blueprint.backends[name]
    seconds = blueprint.configuration.settings.backends[name].limits.call_seconds
    trail: Trail = ("backends", name)
    try:
        async with asyncio.timeout(seconds):
            return await _met(backend, blueprint.entities(name))
    except TimeoutError:
        reason = f"does not answer within {seconds:g} seconds"
    except ValueError as error:
        trail = (*trail, "settings", *path_of(error))
        reason = reason_of(error)
    except BackendError as error:
        cause = f" ({type(error.__cause__).__name__}: {error.__cause__})" if error.__cause__ is not None else ""
        reason = f"{error.detail}{cause}"
    except OSError as error:
        reason = f"cannot be reached: {error}"
    return blueprint.configuration.problem(trail, masked(reason, blueprint.secrets()))


async def _met(backend: Backend[Any], entities: frozenset[str]) -> Described:
    try:
        await backend.start()
        await backend.ping()
        return {entity: await backend.describe(entity) for entity in sorted(entities)}
    finally:
        await backend.stop()
