"""Callers as configured: each method opens its own tenant and nothing else, with what it was allowed."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from joserfc import jws
from joserfc.jwk import ECKey

from gateway.app import Blueprint
from gateway.settings import SettingsError
from tests.app.conftest import Document, Served

Drawn = Callable[..., Blueprint]
Serving = Callable[..., AbstractAsyncContextManager[Served]]
KEY = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig", "alg": "ES256"})
JWKS = {"keys": [KEY.as_dict(private=False)]}
ISSUER = "https://login.example.com"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def signed(**claims: Any) -> str:
    """Make a token of the issuer of these tests."""
    now = datetime.now(UTC)
    whole = {"iss": ISSUER, "aud": "scim", "sub": "idp", "exp": int((now + timedelta(minutes=5)).timestamp()), **claims}
    header = {"alg": "ES256", "kid": "k1", "typ": "at+jwt"}
    return jws.serialize_compact(header, json.dumps(whole).encode(), KEY, algorithms=["ES256"])


@pytest.fixture
def jwks(tmp_path: Path) -> str:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(JWKS), encoding="utf-8")
    return str(path)


async def status(served: Served, tenant: str, authorization: str, method: str = "GET") -> int:
    """Ask for users with an Authorization header; give the status."""
    url = f"http://{served.running.address}/{tenant}/scim/v2/Users"
    async with served.session.request(method, url, headers={"Authorization": authorization}) as answer:
        return answer.status


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def test_http_basic(serving: Serving, document: Document) -> None:
    """User and password of one tenant open that tenant only, beside its tokens (O9)."""
    document["tenants"]["acme"]["basic"] = [{"user": "okta", "sha256": sha256("long-random"), "read_only": True}]
    async with serving(document) as served:
        assert await status(served, "acme", basic("okta", "long-random")) == 200
        assert await status(served, "acme", basic("okta", "long-random"), "POST") == 403
        assert await status(served, "acme", basic("okta", "wrong")) == 401
        assert await status(served, "globex", basic("okta", "long-random")) == 401
        assert await status(served, "acme", "Bearer acme-token") == 200


async def test_signed_tokens_of_an_issuer(serving: Serving, document: Document, jwks: str) -> None:
    """Tokens for this audience and with this claim are taken, all others are not (X7)."""
    believed = {"issuer": ISSUER, "audience": ["scim"], "keys": jwks, "claims": {"tid": ["acme-tenant"]}}
    document["tenants"]["acme"]["issuers"] = [believed]
    async with serving(document) as served:
        assert await status(served, "acme", f"Bearer {signed(tid='acme-tenant')}") == 200
        assert await status(served, "acme", f"Bearer {signed(tid='other')}") == 401
        assert await status(served, "acme", f"Bearer {signed(tid='acme-tenant', aud='mail')}") == 401
        assert await status(served, "globex", f"Bearer {signed(tid='acme-tenant')}") == 401


async def test_keys_are_found_by_discovery(serving: Serving, document: Document, unused_tcp_port: int) -> None:
    """Without keys in the settings the issuer's own metadata leads to them; the session is closed at the end."""
    issuer = f"http://127.0.0.1:{unused_tcp_port}"
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        metadata = {"issuer": issuer, "jwks_uri": f"{issuer}/keys"}
        return web.json_response(JWKS if request.path == "/keys" else metadata)

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    document["tenants"]["acme"]["issuers"] = [{"issuer": issuer, "audience": ["scim"]}]
    try:
        async with serving(document) as served:
            assert await status(served, "acme", f"Bearer {signed(iss=issuer)}") == 200
            assert asked == ["/.well-known/openid-configuration", "/keys"]
    finally:
        await runner.cleanup()


async def test_the_gateways_own_token_endpoint(serving: Serving, document: Document) -> None:
    """A client with a secret gets a token, which opens its own tenant with the client's rights (E14)."""
    client = {"id": "entra", "secrets": [sha256("client-secret")], "operations": ["read", "search"]}
    document["tenants"]["acme"]["oauth"] = {"clients": [client], "token_seconds": 120}
    async with serving(document) as served:
        url = f"http://{served.running.address}/acme/oauth2/token"
        form = {"grant_type": "client_credentials"}
        good, wrong = ({"Authorization": basic("entra", secret)} for secret in ("client-secret", "wrong"))
        async with served.session.post(url, data=form, headers=good) as answer:
            token = await answer.json()
        assert (answer.status, token["token_type"], token["expires_in"]) == (200, "Bearer", 120)
        bearer = f"Bearer {token['access_token']}"
        assert await status(served, "acme", bearer) == 200
        assert await status(served, "acme", bearer, "POST") == 403
        assert await status(served, "globex", bearer) == 401
        async with served.session.post(url, data=form, headers=wrong) as answer:
            assert answer.status == 401


async def test_callers_come_from_named_addresses(serving: Serving, document: Document) -> None:
    """A good token from elsewhere is refused; a trusted proxy says where a caller really is (X8)."""
    document["tenants"]["acme"]["addresses"] = ["203.0.113.0/24"]
    document["server"]["proxies"] = {"networks": ["127.0.0.0/8"]}
    async with serving(document) as served:
        url = f"http://{served.running.address}/acme/scim/v2/Users"
        for address, expected in (("203.0.113.7", 200), ("198.51.100.1", 403)):
            headers = {"Authorization": "Bearer acme-token", "X-Forwarded-For": address}
            async with served.session.get(url, headers=headers) as answer:
                assert answer.status == expected
        assert await status(served, "acme", "Bearer acme-token") == 403


async def test_rates_hold_readers_back_and_no_leaver(serving: Serving, document: Document) -> None:
    """Over its rate a tenant gets 429 with Retry-After, another does not; a deactivation passes all the same (X15)."""
    document["tenants"]["acme"]["rates"] = {"tenant": {"per_second": 0.01, "burst": 2}}
    async with serving(document) as served:
        user = await served.create("acme", "ada")
        assert (await served.send("GET", "acme"))[0] == 200
        code, body, headers = await served.send("GET", "acme")
        assert (code, body["status"]) == (429, "429")
        assert int(headers["Retry-After"]) > 0
        assert (await served.send("GET", "globex"))[0] == 200
        patch = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "active", "value": False}],
        }
        assert (await served.send("PATCH", "acme", f"/Users/{user['id']}", patch))[0] == 200


async def test_sources_that_guess_are_not_listened_to(serving: Serving, document: Document) -> None:
    """After many wrong tokens an address is refused for a while, at the tenant it tried (X8)."""
    async with serving(document) as served:
        codes = [await status(served, "acme", f"Bearer guess-{number}") for number in range(40)]
        assert codes[0] == 401
        assert codes[-1] == 429
        assert await status(served, "globex", "Bearer globex-token") == 200


def test_one_token_must_not_open_two_tenants(drawn: Drawn, document: Document, jwks: str) -> None:
    """Two tenants that believe one issuer need a claim that tells them apart."""
    believed = {"issuer": ISSUER, "audience": ["scim"], "keys": jwks}
    document["tenants"]["acme"]["issuers"] = [dict(believed)]
    document["tenants"]["globex"]["issuers"] = [dict(believed)]
    with pytest.raises(SettingsError, match="would open globex too"):
        drawn(document)
    document["tenants"]["acme"]["issuers"][0]["claims"] = {"tid": ["a"]}
    document["tenants"]["globex"]["issuers"][0]["claims"] = {"tid": ["b"]}
    assert drawn(document)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"issuers": [{"issuer": ISSUER, "audience": ["x"], "keys": "/nowhere"}]}, "issuers[0].keys: cannot be read"),
        (
            {"issuers": [{"issuer": "http://login.example.com", "audience": ["x"]}]},
            "issuers[0].issuer: tokens",
        ),
        ({"issuers": [{"issuer": ISSUER, "audience": []}]}, "issuers[0].audience: "),
        ({"issuers": [{"issuer": ISSUER, "audience": ["x"], "algorithms": ["HS256"]}]}, "issuers[0]: algorithms: must"),
        ({"issuers": [{"issuer": ISSUER, "audience": ["x"], "algorithms": ["none"]}]}, "issuers[0]: algorithms: must"),
        ({"certificates": [{"name": "a"}]}, "certificates[0]: give exactly one of sha256, subject and alternative"),
        ({"oauth": {"clients": [{"id": "a"}]}}, "oauth.clients[0]: give secrets, keys or jwks_url"),
        ({"oauth": {"clients": [{"id": "first", "secrets": ["ab" * 32]}]}}, "oauth.clients[0]: another credential"),
        ({"addresses": ["everywhere"]}, "addresses[0]: "),
        (
            {"introspection": {"url": ISSUER, "client_id": "a", "client_secret": "plain"}},
            "introspection.client_",
        ),
        ({"rates": {"tenant": {"per_second": 0, "burst": 1}}}, "rates.tenant.per_second: "),
    ],
)
def test_what_would_open_too_much_is_refused(drawn: Drawn, document: Document, section: Document, problem: str) -> None:
    """Mistakes that would let nobody or everybody in are told before anything starts."""
    document["tenants"]["acme"] |= section
    with pytest.raises(SettingsError) as caught:
        drawn(document)
    found = [f"{one.where}: {one.reason}" for one in caught.value.problems]
    assert [line for line in found if line.startswith(f"tenants.acme.{problem}")], found
