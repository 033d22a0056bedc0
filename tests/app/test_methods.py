"""Callers known by what others say of them: an issuer that is asked, a proxy that ends TLS, a client's own keys."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jws
from joserfc.jwk import ECKey

from gateway.app import Blueprint
from gateway.settings import SettingsError
from tests.app.conftest import Document, Served
from tests.server.authority import Authority

Drawn = Callable[..., Blueprint]
Serving = Callable[..., AbstractAsyncContextManager[Served]]
KEY = ECKey.generate_key("P-256", {"kid": "c1", "use": "sig", "alg": "ES256"})


@asynccontextmanager
async def listening(port: int, answer: Callable[[web.Request], Any]) -> AsyncIterator[str]:
    """Be somebody on loopback who answers; give the root."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def users(served: Served, tenant: str = "acme", **headers: str) -> int:
    """Ask for users with these headers; give the status."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"http://{served.running.address}/{tenant}/scim/v2/Users"
    async with served.session.get(url, headers=names) as answer:
        return answer.status


async def test_the_issuer_of_opaque_tokens_is_asked(serving: Serving, document: Document, unused_tcp_port: int) -> None:
    """By the gateway's own name and secret, once for a while, and never about tokens that are known without it (X6,
    RFC 7662); an issuer that is away is 503, not 401."""
    asked: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        form = await request.post()
        asked.append((str(form["token"]), request.headers["Authorization"]))
        audience = "mail" if form["token"] == "for-mail" else "scim"
        return web.json_response({"active": form["token"] != "ended", "aud": audience, "sub": "idp"})

    document["tenants"]["acme"]["introspection"] = {
        "url": f"http://127.0.0.1:{unused_tcp_port}/introspect", "client_id": "gate:way",
        "client_secret": "${env:PASSWORD}", "audience": ["scim"], "operations": ["search"],
    }  # fmt: skip
    document["tenants"]["acme"]["oauth"] = {"clients": [{"id": "own", "secrets": ["0" * 64]}]}
    async with serving(document) as served:
        async with listening(unused_tcp_port, answer):
            for token, status in (("good", 200), ("good", 200), ("ended", 401), ("for-mail", 401)):
                assert await users(served, Authorization=f"Bearer {token}") == status
            assert await users(served, Authorization="Bearer acme-token") == 200
            assert await users(served, "globex", Authorization="Bearer good") == 401
            assert (await served.send("POST", "acme", body={}, token="good"))[0] == 403
        assert await users(served, Authorization="Bearer new") == 503
    assert [token for token, _ in asked] == ["good", "ended", "for-mail"]
    assert {header for _, header in asked} == {"Basic " + base64.b64encode(b"gate%3Away:s3cret").decode()}


async def test_a_trusted_proxy_passes_certificates_and_addresses_on(serving: Serving, document: Document) -> None:
    """Believed from the proxy's address only; whoever is no proxy can write the headers for nothing (X8)."""
    authority = Authority()
    made = authority.certificate("batch").certificate
    header = f":{base64.b64encode(made.public_bytes(Encoding.DER)).decode()}:"
    other = authority.certificate("other").certificate.public_bytes(Encoding.DER)
    document["tenants"]["acme"]["certificates"] = [{"name": "batch", "subject": "CN=batch", "operations": ["search"]}]
    document["tenants"]["acme"]["addresses"] = ["203.0.113.0/24"]
    proxies = {"networks": ["127.0.0.0/8"], "certificate_header": "Client-Cert"}
    for trusted, status in ((proxies, 200), ({**proxies, "networks": ["10.0.0.0/8"]}, 401)):
        document["server"]["proxies"] = trusted
        async with serving(document) as served:
            assert await users(served, Client_Cert=header, X_Forwarded_For="203.0.113.9") == status
            assert await users(served, Client_Cert=f":{base64.b64encode(other).decode()}:") == 401
            if status == 200:
                assert await users(served, Client_Cert=header, X_Forwarded_For="203.0.113.9, 198.51.100.7") == 403
                assert await users(served, Client_Cert=header) == 403


async def test_a_client_signs_for_itself(serving: Serving, document: Document, unused_tcp_port: int) -> None:
    """`private_key_jwt` with keys that are fetched; the assertion is good once, and the age of the keys is measured
    (RFC 7523)."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"keys": [KEY.as_dict(private=False)]})

    document["tenants"]["acme"]["oauth"] = {
        "clients": [{"id": "signer", "jwks_url": f"http://127.0.0.1:{unused_tcp_port}/keys"}]
    }
    async with listening(unused_tcp_port, answer), serving(document) as served:
        url = f"http://{served.running.address}/acme/oauth2/token"
        now = datetime.now(UTC)
        claims = {
            "iss": "signer", "sub": "signer", "aud": f"{served.running.url}/acme/oauth2/token",
            "jti": str(uuid.uuid4()), "exp": int((now + timedelta(minutes=2)).timestamp()),
        }  # fmt: skip
        signed = jws.serialize_compact({"alg": "ES256", "kid": "c1"}, json.dumps(claims).encode(), KEY, ["ES256"])
        form = {
            "grant_type": "client_credentials", "client_assertion": signed,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }  # fmt: skip
        async with served.session.post(url, data=form) as granted:
            token = (await granted.json())["access_token"]
        async with served.session.post(url, data=form) as again:
            assert again.status == 401
        assert await users(served, Authorization=f"Bearer {token}") == 200
        async with served.session.get(f"http://{served.running.metrics}/metrics") as page:
            assert 'scim_gateway_jwks_age_seconds{issuer="signer",tenant="acme"}' in await page.text()


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"introspection": {"resource_types": ["Usr"]}}, "tenants.acme.introspection.resource_types: there is no Usr"),
        ({"oauth": {"clients": [{"id": "x", "secrets": ["0" * 64], "resource_types": ["Group"]}]}},
         "tenants.acme.oauth.clients[0].resource_types: there is no Group"),
        ({"oauth": {"clients": [{"id": "x"}]}}, "something it is known by"),
        ({"oauth": {"clients": []}}, "oauth.clients"),
        ({"introspection": {"client_secret": "written out"}}, "a secret must not be written here"),
        ({"introspection": {"url": "http://sso.example.com"}}, "by https only"),
        ({"addresses": ["10.0.0.1/8"]}, "host bits set"),
        ({"certificates": [{"name": "x", "subject": "CN=x", "sha256": "0" * 64}]}, "exactly one of"),
        ({"certificates": [{"name": "x", "subject": "CN=x"}]}, "no client is asked for one"),
        ({"brake": {"deletions": 0}}, "greater than or equal to 1"),
        ({"rates": {"tenant": {"per_second": 0, "burst": 1}}}, "greater than 0"),
    ],
)  # fmt: skip
def test_callers_that_cannot_be_are_told(drawn: Drawn, document: Document, section: Document, reason: str) -> None:
    """Each with its place, before anything starts."""
    introspection = {"url": "https://sso.example.com", "client_id": "g", "client_secret": "${env:PASSWORD}"}
    if "introspection" in section:
        section = {"introspection": {**introspection, **section["introspection"]}}
    document["tenants"]["acme"].update(section)
    with pytest.raises(SettingsError) as refused:
        drawn(document)
    assert reason in str(refused.value)


@pytest.mark.parametrize("name", ["scim", "oauth2", "healthz", "readyz", "metrics"])
def test_paths_of_the_gateways_own_are_no_tenants(drawn: Drawn, document: Document, name: str) -> None:
    """A tenant of such a name could not be reached, or would stand in the way."""
    document["tenants"][name] = document["tenants"].pop("acme")
    with pytest.raises(SettingsError, match="begins a path of the gateway's own"):
        drawn(document)


def test_keys_of_a_client_that_cannot_be_read_are_told(drawn: Drawn, document: Document, tmp_path: Path) -> None:
    """A missing file, or one that is no key: the place in the settings, and why."""
    (tmp_path / "odd.json").write_text("{}", encoding="utf-8")
    for path in ("nowhere.json", "odd.json"):
        client = {"id": "x", "keys": str(tmp_path / path)}
        document["tenants"]["acme"]["oauth"] = {"clients": [client]}
        with pytest.raises(SettingsError, match=r"tenants\.acme\.oauth\.clients\[0\]\.keys"):
            drawn(document)
