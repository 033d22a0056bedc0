"""`explain`: the whole gateway with rehearsed backends answers one request, and tells what it would have caused."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import quote

import aiohttp
import yarl
from prometheus_client import CollectorRegistry

from gateway.app import listeners
from gateway.app.blueprint import Blueprint
from gateway.app.gateway import Gateway, identities
from gateway.app.observation import Observation
from gateway.app.rehearsal import Rehearsed, RehearsedMap, Step, Tape
from gateway.app.residence import housed
from gateway.identity import IdentityMap
from gateway.identity.sqlite import file_of
from gateway.mapping.spec import GATEWAY
from gateway.server.auth import Grant, Presented
from gateway.server.proxies import Addresses, Proxies
from gateway.settings.values import Address
from gateway.telemetry import logs

MEDIA_TYPE = "application/scim+json"
_AS_WRITTEN = "/?&=%+:;,@!$'()*~-._"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a request would cause, in order, and how it would be answered as far as that can be known."""

    steps: tuple[Step, ...]
    status: int
    answer: Mapping[str, Any] | None


class _Rehearsing(Observation):
    """Writes down the rewrites of dialects; nothing is logged but what goes wrong."""

    def __init__(self, tape: Tape) -> None:
        super().__init__(logs.console_logger(sys.stderr, logging.ERROR, colors=False), CollectorRegistry())
        self._tape = tape

    def rewrite(self, tenant: str, client: str, quirk: str) -> None:
        self._tape.steps.append(Step("rewrite", quirk))


class _Anybody:
    """Lets the one request in that is explained."""

    async def authenticate(self, _: Presented) -> Grant | None:
        return Grant("explain", "token")


async def explain(
    blueprint: Blueprint, tenant: str, method: str, path: str, body: bytes | None, *, read: bool
) -> Explanation:
    """Rehearse one request of a tenant; `path` is below its root, with its query. Nothing is written anywhere.

    With `read` the reads it needs are made, of the backends and of the store. Raises `SettingsError`, `IdentityError`
    and `BackendError` as a start does.
    """
    tape = Tape()
    plan = blueprint.tenants[tenant]
    observation = _Rehearsing(tape)
    served = {one.name: (one.spec.backend, one.spec.entity) for one in plan.resources}
    real = identities(blueprint, observation, upgrade=False) if read and _has_store(blueprint) else None
    own = blueprint.backends if real is None else housed(blueprint.backends, lambda: real.database)
    # Without a store there is nothing that could be read of what lives in it.
    backends = {
        name: Rehearsed(own[name], tape, read=read and (name != GATEWAY or real is not None))
        for name in sorted(plan.backends)
    }
    rehearsed = RehearsedMap(lambda _: served, real)
    alone = replace(blueprint, backends=backends, tenants={tenant: plan})
    bound = listeners.bind(Address("127.0.0.1", 0))
    gateway = Gateway(alone, observation, public_url=_public_url(blueprint), identities=cast(IdentityMap, rehearsed))
    try:
        await gateway.start()
        site = gateway.holder.site
        # The rehearsal is nobody's request: it counts against no rate and no brake, and comes from nowhere.
        known = replace(site.tenants[tenant], authenticator=_Anybody(), addresses=Addresses())
        uncounted = replace(site, tenants={tenant: known}, sources=None, traffic=None, proxies=Proxies())
        await gateway.holder.swap(uncounted, grace=0)
        section = blueprint.configuration.settings.server
        listener = await listeners.serve(bound, gateway.holder, observation, section, None)
        try:
            status, answer = await _send(bound.address, tenant, method, path, body)
        finally:
            await listener.close()
    finally:
        await gateway.stop()
        bound.close()
    return Explanation(tuple(tape.steps), status, answer)


def _has_store(blueprint: Blueprint) -> bool:
    """Tell whether there is a store to ask: opening a file that is not there would make it."""
    url = blueprint.configuration.settings.store.url.get_secret_value()
    return not url.startswith("sqlite") or file_of(url).exists()


async def _send(address: Address, tenant: str, method: str, path: str, body: bytes | None) -> tuple[int, Any]:
    url = yarl.URL(f"http://{address}/{tenant}/scim/v2{quote(path, safe=_AS_WRITTEN)}", encoded=True)
    headers = {"Authorization": "Bearer explain", "Accept": MEDIA_TYPE}
    if body is not None:
        headers["Content-Type"] = MEDIA_TYPE
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, data=body, headers=headers, allow_redirects=False) as answer,
    ):
        raw = await answer.read()
        return answer.status, json.loads(raw) if raw else None


def _public_url(blueprint: Blueprint) -> str:
    server = blueprint.configuration.settings.server
    return server.public_url or f"http{'s' if server.tls else ''}://{server.listen}"
