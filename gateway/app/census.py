"""Every account the backends have, one after the other: what a lost store is rebuilt from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from backends.contract import Filter, Query
from gateway import identity
from gateway.app.blueprint import Blueprint, ResourcePlan
from gateway.app.contact import Described
from gateway.app.residence import housed
from gateway.identity.upkeep import Account
from gateway.mapping import Links
from gateway.mapping.spec import GATEWAY

BATCH = 500


async def accounts(blueprint: Blueprint) -> AsyncIterator[Account]:
    """Yield the visible accounts of every tenant; backends are started and stopped again.

    Raises `BackendError` and `SettingsError` as they come: half a census would rebuild half a store.
    """
    described: dict[str, Described] = {}
    store = identity.database_of(blueprint.configuration.settings.store.url.get_secret_value())
    blueprint = replace(blueprint, backends=housed(blueprint.backends, lambda: store))
    try:
        if GATEWAY in blueprint.backends:
            await store.start()
        for name, backend in blueprint.backends.items():
            await backend.start()
            described[name] = {entity: await backend.describe(entity) for entity in blueprint.entities(name)}
        for tenant in blueprint.tenants.values():
            mappings = blueprint.mappings(tenant, described)
            for plan in tenant.resources:
                where = mappings[plan.name].translate(None).bind(Links()).where
                async for key in _keys(blueprint, plan, where):
                    yield Account(tenant.name, plan.name, plan.spec.backend, plan.spec.entity, key)
    finally:
        for backend in blueprint.backends.values():
            await backend.stop()
        await store.stop()


async def _keys(blueprint: Blueprint, plan: ResourcePlan, where: Filter | None) -> AsyncIterator[str]:
    backend = blueprint.backends[plan.spec.backend]
    cursor: str | None = None
    while True:
        query = Query(fields=frozenset(), where=where, limit=BATCH, cursor=cursor)
        page = await backend.search(plan.spec.entity, query)
        for record in page.records:
            yield record.key
        if (cursor := page.cursor) is None:
            return
