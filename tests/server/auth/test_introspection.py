"""Opaque tokens the issuer is asked about: remembered by digest, for a while, and asked about once (RFC 7662)."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientSession, web

from gateway.scim.errors import ScimError
from gateway.server.auth import Grant, Introspection, IntrospectionRules, Presented
from gateway.server.auth.introspection import ask_at
from gateway.server.auth.outbound import FetchError, Outbound
from tests.server.conftest import until

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
STAMP = NOW.timestamp()
ACTIVE = {"active": True, "client_id": "client-1", "exp": STAMP + 300}


class Issuer:
    """An issuer whose answers are set by token, and a clock that is turned by hand."""

    def __init__(self, rules: IntrospectionRules | None = None) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []
        self.now = NOW
        self.go: asyncio.Event | None = None
        self.method = Introspection(self.ask, rules or IntrospectionRules(), now=lambda: self.now)

    async def ask(self, token: str) -> bytes:
        self.asked.append(token)
        if self.go is not None:
            await self.go.wait()
        answer = self.answers.get(token, {"active": False})
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    async def knows(self, token: str, scheme: str = "bearer") -> Grant | None:
        return await self.method.authenticate(Presented(scheme, token))


async def test_active_token() -> None:
    """An active token is known by its client, and not asked about again for a while."""
    issuer = Issuer()
    issuer.answers["good"] = ACTIVE
    grant = await issuer.knows("good")
    assert grant is not None
    assert (grant.name, grant.method) == ("token:client-1", "introspection")
    issuer.now += timedelta(seconds=59)
    assert await issuer.knows("good") == grant
    assert issuer.asked == ["good"]
    issuer.now += timedelta(seconds=1)
    issuer.answers["good"] = {"active": False}
    assert await issuer.knows("good") is None
    assert issuer.asked == ["good", "good"]


async def test_refusals_are_remembered_for_less() -> None:
    """A refused token is not asked about again for a moment, and then it is."""
    issuer = Issuer()
    assert await issuer.knows("bad") is None
    issuer.answers["bad"] = ACTIVE
    assert await issuer.knows("bad") is None
    issuer.now += timedelta(seconds=10)
    assert await issuer.knows("bad") is not None
    assert issuer.asked == ["bad", "bad"]


async def test_nothing_is_remembered_beyond_the_tokens_end() -> None:
    """A token is not believed from the instant it expires, however long answers are remembered."""
    issuer = Issuer()
    issuer.answers["short"] = {**ACTIVE, "exp": STAMP + 5}
    assert await issuer.knows("short") is not None
    issuer.now += timedelta(seconds=5)
    assert await issuer.knows("short") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"active": "true"},
        {"active": 1},
        {"active": None},
        {"exp": STAMP},
        {"exp": "soon"},
        {"exp": True},
        {"nbf": STAMP + 60},
        {"aud": "globex"},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"scope": "scim2"},
        {"scope": None},
    ],
)
async def test_wrong_answers(changes: dict[str, Any]) -> None:
    """Activity, times, audience, issuer and claims are each enforced."""
    rules = IntrospectionRules(frozenset({"acme"}), {"scope": frozenset({"scim"})}, "https://login.example.com")
    issuer = Issuer(rules)
    good = {**ACTIVE, "aud": ["acme"], "scope": "openid scim"}
    issuer.answers = {"good": good, "bad": {**good, **changes}}
    assert await issuer.knows("good") is not None
    assert await issuer.knows("bad") is None


@pytest.mark.parametrize("answer", [FetchError("down"), b"<html>", b"[]"])
async def test_issuer_that_cannot_be_asked_gives_no_verdict(answer: Any) -> None:
    """An issuer that is down or answers nonsense makes 503, not 401, and nothing is remembered (E12)."""
    issuer = Issuer()
    issuer.answers["token"] = answer
    with pytest.raises(ScimError) as caught:
        await issuer.knows("token")
    assert (caught.value.status, caught.value.retry_after) == (503, 5.0)
    issuer.answers["token"] = ACTIVE
    assert await issuer.knows("token") is not None


async def test_asked_once_for_everybody_who_waits() -> None:
    """Many requests with one token make one question; who gives up does not end it."""
    issuer = Issuer()
    issuer.answers["good"] = ACTIVE
    issuer.go = asyncio.Event()
    asking = [asyncio.create_task(issuer.knows("good")) for _ in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking[0].cancel()
    issuer.go.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert all(isinstance(one, Grant) for one in found[1:])
    assert issuer.asked == ["good"]


async def test_failure_nobody_waits_for_is_nobodys() -> None:
    """A question whose askers all left may fail without a complaint."""
    issuer = Issuer()
    issuer.answers["token"] = FetchError("down")
    issuer.go = asyncio.Event()
    asking = asyncio.create_task(issuer.knows("token"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    issuer.go.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await until(lambda: not issuer.method._asking)
    issuer.answers["token"] = ACTIVE
    assert await issuer.knows("token") is not None


async def test_flood_of_tokens_is_bounded() -> None:
    """However many tokens are thrown at it, few are asked about at once and few are remembered (X9)."""
    issuer = Issuer(IntrospectionRules(at_once=2, most=10))
    issuer.go = asyncio.Event()
    asking = [asyncio.create_task(issuer.knows(f"token-{number}")) for number in range(50)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(issuer.asked) == 2
    issuer.go.set()
    assert await asyncio.gather(*asking) == [None] * 50
    assert len(issuer.method._known) == 10
    assert not any("token" in repr(key) for key in issuer.method._known)


@pytest.mark.parametrize("token", ["", "x" * 8193, "scimgw_abc", "é", "a\x00b"])
async def test_implausible_tokens_are_not_sent_to_the_issuer(token: str) -> None:
    """Texts that cannot be one of the issuer's tokens are not told to it."""
    issuer = Issuer()
    assert await issuer.knows(token) is None
    assert await issuer.knows("good", "basic") is None
    assert issuer.asked == []


async def test_question_over_http(aiohttp_server: Any) -> None:
    """The issuer is asked by POST with a form, under the gateway's own credentials (RFC 7662 §2.1)."""
    seen: list[Any] = []

    async def introspect(request: web.Request) -> web.Response:
        seen.append((request.headers["Authorization"], dict(await request.post())))
        return web.json_response(ACTIVE)

    application = web.Application()
    application.router.add_post("/introspect", introspect)
    server = await aiohttp_server(application)
    authorization = "Basic " + base64.b64encode(b"gateway:secret").decode()
    async with ClientSession() as session:
        ask = ask_at(Outbound(session).post, str(server.make_url("/introspect")), authorization)
        method = Introspection(ask, IntrospectionRules(), now=lambda: NOW)
        assert await method.authenticate(Presented("bearer", "opaque")) is not None
    assert seen == [(authorization, {"token": "opaque", "token_type_hint": "access_token"})]
