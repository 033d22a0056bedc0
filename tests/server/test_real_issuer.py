"""Tokens of a real issuer, which we did not write: JWTs by discovery, opaque tokens by introspection."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient

from gateway.server.auth import Introspection, IntrospectionRules, Jwt, JwtIssuer
from gateway.server.auth.introspection import ask_at
from gateway.server.auth.jwks import FetchedKeys, from_issuer
from gateway.server.auth.outbound import Outbound
from tests.server.conftest import World
from tests.services import free_port

PROGRAM = Path(__file__).with_name("issuer_program.py")
GATEWAY = "Basic " + base64.b64encode(b"gateway:secret-of-gateway").decode()
USERS = "/acme/scim/v2/Users/7"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The issuer's URL; it runs for the length of this file."""
    port = free_port()
    with (tmp_path_factory.mktemp("issuer") / "log").open("w+b") as log:
        process = subprocess.Popen([sys.executable, str(PROGRAM), str(port)], stdout=log, stderr=log)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


@pytest.fixture
async def session(issuer: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A session, once the issuer answers."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(60):
        while not await answers(session, issuer):  # noqa: ASYNC110 (another program has no event of ours)
            await asyncio.sleep(0.05)
        yield session


async def answers(session: aiohttp.ClientSession, issuer: str) -> bool:
    try:
        async with session.get(f"{issuer}/.well-known/openid-configuration") as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False


async def token(session: aiohttp.ClientSession, issuer: str, **form: str) -> str:
    async with session.post(f"{issuer}/oauth/token", data=form, headers={"Authorization": GATEWAY}) as answer:
        assert answer.status == 200, await answer.text()
        return str((await answer.json())["access_token"])


async def use(client: TestClient, access: str) -> int:
    return (await client.get(USERS, headers={"Authorization": f"Bearer {access}"})).status


async def test_jwt_of_a_real_issuer(
    stranger: TestClient, world: World, session: aiohttp.ClientSession, issuer: str
) -> None:
    """A JWT is verified with keys found by discovery; for another audience, later, or changed, it is nobody's (X7)."""
    loop = asyncio.get_running_loop()
    keys = FetchedKeys(from_issuer(Outbound(session).get, issuer), clock=loop.time)
    now = [datetime.now(UTC)]

    def known(**changes: Any) -> Jwt:
        rules = {"issuer": issuer, "audience": frozenset({"gateway"}), "keys": keys, "algorithms": frozenset({"RS512"})}
        return Jwt([JwtIssuer(**{**rules, **changes})], now=lambda: now[0])

    access = await token(session, issuer, grant_type="password", username="robot", password="secret-of-robot")
    world.change_tenant(authenticator=known())
    assert await use(stranger, access) == 200
    assert world.engine.calls[-1][1].caller.name == "jwt:robot"
    assert keys.age is not None
    head, body, signature = access.split(".")
    turned = f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    assert await use(stranger, turned) == 401
    for changes in (
        {"audience": frozenset({"other"})},
        {"issuer": f"{issuer}/"},
        {"algorithms": frozenset({"RS256"})},
        {"claims": {"sub": frozenset({"somebody"})}},
    ):
        world.change_tenant(authenticator=known(**changes))
        assert await use(stranger, access) == 401
    world.change_tenant(authenticator=known())
    now[0] += timedelta(days=30)
    assert await use(stranger, access) == 401
    await keys.stop()


async def test_opaque_token_of_a_real_issuer(
    stranger: TestClient, world: World, session: aiohttp.ClientSession, issuer: str
) -> None:
    """An opaque token is asked about; for another audience, or unknown to the issuer, it is nobody's (RFC 7662)."""
    ask = ask_at(Outbound(session).post, f"{issuer}/oauth/introspect", GATEWAY)

    def known(rules: IntrospectionRules) -> Introspection:
        return Introspection(ask, rules, now=lambda: datetime.now(UTC))

    access = await token(session, issuer, grant_type="client_credentials")
    world.change_tenant(authenticator=known(IntrospectionRules(frozenset({"gateway"}), issuer=issuer)))
    assert await use(stranger, access) == 200
    assert world.engine.calls[-1][1].caller.name == "token:gateway"
    assert await use(stranger, f"{access}x") == 401
    world.change_tenant(authenticator=known(IntrospectionRules(frozenset({"other"}))))
    assert await use(stranger, access) == 401
    wrong = ask_at(Outbound(session).post, f"{issuer}/oauth/introspect", "Basic d3Jvbmc6d3Jvbmc=")
    world.change_tenant(authenticator=Introspection(wrong, IntrospectionRules(), now=lambda: datetime.now(UTC)))
    assert await use(stranger, access) == 503
