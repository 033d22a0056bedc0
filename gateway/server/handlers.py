"""Handlers of resources, searches and bulk requests: from HTTP's words to the engine's, nothing more."""

from __future__ import annotations

from typing import Any

from gateway.engine.calls import Answer
from gateway.engine.tenants import Served
from gateway.scim import messages
from gateway.scim.errors import ScimError
from gateway.scim.messages import SearchRequest
from gateway.server.exchange import Exchange

_METHODS = {"POST": "create", "PUT": "replace", "PATCH": "patch", "DELETE": "delete"}


async def create(exchange: Exchange) -> Answer:
    """POST /Users (H1)."""
    served = exchange.served
    exchange.begin("create", served)
    return await exchange.site.resources.create(exchange.call(), served, await exchange.admitted_body())


async def read(exchange: Exchange) -> Answer:
    """GET /Users/{id}."""
    served = exchange.served
    exchange.begin("read", served)
    return await exchange.site.resources.read(exchange.call(), served, exchange.id)


async def replace(exchange: Exchange) -> Answer:
    """PUT /Users/{id}."""
    served = exchange.served
    exchange.begin("replace", served)
    return await exchange.site.resources.replace(exchange.call(), served, exchange.id, await exchange.admitted_body())


async def patch(exchange: Exchange) -> Answer:
    """PATCH /Users/{id}."""
    served = exchange.served
    exchange.begin("patch", served)
    return await exchange.site.resources.patch(exchange.call(), served, exchange.id, await exchange.admitted_body())


async def delete(exchange: Exchange) -> Answer:
    """DELETE /Users/{id}."""
    served = exchange.served
    exchange.begin("delete", served)
    await exchange.passage.admit()
    return await exchange.site.resources.delete(exchange.call(), served, exchange.id)


async def search(exchange: Exchange) -> Answer:
    """GET /Users."""
    served = exchange.served
    exchange.begin("search", served)
    request = _from_query(exchange)
    return await exchange.site.search.run(exchange.call(projected=False), (served,), request)


async def search_by_body(exchange: Exchange) -> Answer:
    """POST /Users/.search (Q8)."""
    served = exchange.served
    exchange.begin("search", served)
    request = messages.parse_search(await exchange.body())
    return await exchange.site.search.run(exchange.call(), (served,), request)


async def search_all(exchange: Exchange) -> Answer:
    """GET of the root: every resource type (Q8)."""
    exchange.begin("search")
    types, request = _readable(exchange), _from_query(exchange)
    return await exchange.site.search.run(exchange.call(projected=False), types, request)


async def search_all_by_body(exchange: Exchange) -> Answer:
    """POST /.search (Q8)."""
    exchange.begin("search")
    types, request = _readable(exchange), messages.parse_search(await exchange.body())
    return await exchange.site.search.run(exchange.call(), types, request)


async def bulk(exchange: Exchange) -> Answer:
    """POST /Bulk, whose size has a limit of its own (B4)."""
    exchange.begin("bulk")
    permissions = exchange.grant.permissions
    if not exchange.tenant_site.facts.bulk:
        raise ScimError(501, "bulk requests are not offered")
    if permissions.read_only:
        raise ScimError(403, "these credentials may only read")
    if not permissions.bulk:
        raise ScimError(403, "these credentials may not send bulk requests")
    body = await exchange.body()
    _permit_each(exchange, body)
    await exchange.passage.admit(body)
    return await exchange.site.bulk.run(exchange.call(), body)


async def me(exchange: Exchange) -> Answer:
    """Say that a machine's token stands for nobody (H13)."""
    exchange.begin("me")
    raise ScimError(501, "/Me is not offered: the credentials of a client stand for no user")


def _from_query(exchange: Exchange) -> SearchRequest:
    return messages.parse_query(messages.query_pairs(exchange.query))


def _readable(exchange: Exchange) -> tuple[Served, ...]:
    """Choose the types a search over all covers; what the caller may not search is not there for them."""
    permissions = exchange.grant.permissions
    served = exchange.tenant.served.values()
    types = tuple(one for one in served if permissions.allows(one.name, "search"))
    if not types:
        raise ScimError(403, "these credentials may not search")
    return types


def _permit_each(exchange: Exchange, body: Any) -> None:
    """Refuse a bulk request that holds anything its sender may not do alone (B6)."""
    permissions = exchange.grant.permissions
    if permissions.resource_types is None and permissions.operations is None:
        return
    request = messages.parse_bulk(body, max_operations=exchange.tenant.limits.bulk_operations)
    for operation in request.operations:
        served = exchange.tenant.by_endpoint.get(operation.path.strip("/").partition("/")[0].lower())
        if served is not None:
            exchange.permit(served.name, _METHODS[operation.method])
