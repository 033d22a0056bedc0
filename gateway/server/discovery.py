"""Handlers of discovery: the documents of one tenant, true of it (C1-C4)."""

from __future__ import annotations

from dataclasses import replace

from gateway.engine.calls import Answer
from gateway.scim import discovery, messages
from gateway.server.exchange import Exchange


async def service_provider_config(exchange: Exchange) -> Answer:
    """GET /ServiceProviderConfig."""
    _begin(exchange)
    facts = replace(exchange.tenant_site.facts, base_url=exchange.base_url)
    return Answer(200, discovery.service_provider_config(facts))


async def resource_types(exchange: Exchange) -> Answer:
    """GET /ResourceTypes."""
    _begin(exchange)
    return Answer(200, discovery.resource_types(exchange.tenant_site.resource_types, exchange.base_url))


async def resource_type(exchange: Exchange) -> Answer:
    """GET /ResourceTypes/{name}."""
    _begin(exchange)
    known = {one.name: one for one in exchange.tenant_site.resource_types}
    return Answer(200, discovery.resource_type(discovery.find(known, exchange.id), exchange.base_url))


async def schemas(exchange: Exchange) -> Answer:
    """GET /Schemas."""
    _begin(exchange)
    return Answer(200, discovery.schemas(exchange.tenant_site.resource_types, exchange.base_url))


async def schema(exchange: Exchange) -> Answer:
    """GET /Schemas/{urn}."""
    _begin(exchange)
    known = discovery.served_schemas(exchange.tenant_site.resource_types)
    return Answer(200, discovery.schema(discovery.find(known, exchange.id), exchange.base_url))


def _begin(exchange: Exchange) -> None:
    exchange.begin("discovery")
    discovery.check_query(name for name, _ in messages.query_pairs(exchange.query))
