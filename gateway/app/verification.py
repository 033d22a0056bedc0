"""Meeting the backends once, only to see whether the configuration fits them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from backends.contract import BackendError, Field
from gateway.app.blueprint import Blueprint
from gateway.app.contact import Described
from gateway.mapping.spec import GATEWAY
from gateway.settings import Problem, SettingsError
from gateway.settings.secrecy import masked


async def verify(blueprint: Blueprint) -> list[Problem]:
    """Start every backend, hold the mappings against what it says of itself, and stop it again.

    Nothing is written and no record is read. A backend that cannot be reached is a problem like any other.
    """
    names = list(blueprint.backends)
    found = await asyncio.gather(*(_verify(blueprint, name) for name in names))
    described = {name: one for name, one in zip(names, found, strict=True) if isinstance(one, dict)}
    problems = [problem for one in found if isinstance(one, list) for problem in one]
    for tenant in blueprint.tenants.values():
        try:
            blueprint.mappings(tenant, described)
        except SettingsError as error:
            problems += error.problems
    return problems


async def _verify(blueprint: Blueprint, name: str) -> Described | list[Problem]:
    if name == GATEWAY:
        # There is no system to meet; of the store itself `store check` tells.
        return {entity: await blueprint.backends[name].describe(entity) for entity in blueprint.entities(name)}
    seconds = blueprint.configuration.settings.backends[name].limits.call_seconds
    try:
        async with asyncio.timeout(seconds):
            return await _met(blueprint, name)
    except SettingsError as error:
        return list(error.problems)
    except TimeoutError:
        reason = f"does not answer within {seconds:g} seconds"
    except (BackendError, ValueError, OSError) as error:
        if (misfit := blueprint.misfit(name, error)) is not None:
            return list(misfit.problems)
        cause = f" ({type(error.__cause__).__name__}: {error.__cause__})" if error.__cause__ is not None else ""
        reason = f"cannot be reached: {error}{cause}"
    return [blueprint.configuration.problem(("backends", name), masked(reason, blueprint.secrets()))]


async def _met(blueprint: Blueprint, name: str) -> Described:
    backend = blueprint.backends[name]
    described: dict[str, Mapping[str, Field] | None] = {}
    try:
        await backend.start()
        await backend.ping()
        for entity in sorted(blueprint.entities(name)):
            try:
                described[entity] = await backend.describe(entity)
            except BackendError as error:
                if (misfit := blueprint.misfit(name, error, entity)) is not None:
                    raise misfit from error
                raise
    finally:
        await backend.stop()
    return described
