"""The gateway's own token endpoint: client credentials by secret or by signed assertion (RFC 6749, 7523, 8414)."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest
from aiohttp.test_utils import TestClient
from joserfc import jwk, jws

from gateway.server.auth import AnyOf, Permissions, Presented
from gateway.server.auth.issued import Issuance, Issued, OAuthClient
from gateway.server.auth.keys import KeySet, PinnedKeys, read_jwks
from gateway.server.auth.seen import LocalSeen
from gateway.server.auth.tokens import digest
from gateway.server.oauth import ASSERTION, TokenEndpoint, parse_form
from gateway.server.proxies import Addresses, networks
from tests.server.conftest import NOW, TOKEN, World, token, tokens

ISSUER = "https://scim.example.com/acme"
URL = f"{ISSUER}/oauth2/token"
PATH = "/acme/oauth2/token"
USERS = "/acme/scim/v2/Users/7"
STAMP = int(NOW.timestamp())
GRANT = {"grant_type": "client_credentials"}


class Setting:
    """The endpoint of acme, with a clock that is turned by hand."""

    def __init__(self, world: World) -> None:
        self.now = NOW
        self.key = jwk.generate_key("EC", "P-256", {"kid": "k"})
        signer: KeySet = read_jwks(json.dumps({"keys": [self.key.as_dict(private=False)]}).encode())
        self.clients = {
            "ping": OAuthClient("ping", (digest("one"), digest("two %+ü"))),
            "reader": OAuthClient("reader", (digest("r"),), permissions=Permissions(read_only=True)),
            "signer": OAuthClient("signer", keys=PinnedKeys(signer)),
            "gone": OAuthClient("gone", (digest("g"),), expires=NOW),
        }
        issuance = Issuance(ISSUER, b"k" * 32, self.clients, lambda: self.now)
        self.endpoint = TokenEndpoint(issuance, URL, LocalSeen(clock=lambda: self.now.timestamp()))
        methods = AnyOf([tokens(token(TOKEN, "main")), self.endpoint.authenticator])
        world.change_tenant(oauth=self.endpoint, authenticator=methods)

    def assertion(self, **changes: Any) -> str:
        known = {"iss": "signer", "sub": "signer", "aud": URL, "exp": STAMP + 60, "jti": "1"}
        header = {"alg": "ES256", "kid": "k", **changes.pop("header", {})}
        key = changes.pop("key", self.key)
        claims = {name: value for name, value in {**known, **changes}.items() if value is not None}
        registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
        return jws.serialize_compact(header, json.dumps(claims), key, registry=registry)


@pytest.fixture
def setting(world: World) -> Setting:
    return Setting(world)


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def asserted(text: str) -> dict[str, str]:
    return {**GRANT, "client_assertion_type": ASSERTION, "client_assertion": text}


async def use(client: TestClient, access: str, verb: str = "GET") -> int:
    answer = await client.request(verb, USERS, headers={"Authorization": f"Bearer {access}"})
    return answer.status


@pytest.mark.parametrize(
    ("headers", "form"),
    [
        (basic("ping", "one"), {}),
        (basic("ping", "two %+ü"), {}),
        (basic("ping", quote_plus("two %+ü")), {}),
        ({}, {"client_id": "ping", "client_secret": "one"}),
        ({}, {"client_id": "ping", "client_secret": "two %+ü"}),
        (basic("ping", "one"), {"client_id": "ping", "scope": "scim"}),
    ],
)
async def test_token_for_a_secret(
    stranger: TestClient, world: World, setting: Setting, headers: dict[str, str], form: dict[str, str]
) -> None:
    """Both ways to present a secret, both secrets of a rotation, and secrets written as the RFC says or as they are,
    give a token that opens the tenant under the client's name (E14)."""
    answer = await stranger.post(PATH, data={**GRANT, **form}, headers=headers)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"
    message = await answer.json()
    assert (message["token_type"], message["expires_in"], message["scope"]) == ("Bearer", 900, "scim")
    assert await use(stranger, message["access_token"]) == 200
    assert world.engine.calls[0][1].caller.name == "ping"
    assert world.observer.authentications == [("acme", "oauth", "granted")] * 2
    assert world.observer.ended[0][0].operation == "token"


async def test_token_for_an_assertion(stranger: TestClient, setting: Setting) -> None:
    """A client that signs its requests gets a token, and each assertion is good once (RFC 7523 §3)."""
    form = asserted(setting.assertion())
    answer = await stranger.post(PATH, data=form)
    assert answer.status == 200
    assert await use(stranger, (await answer.json())["access_token"]) == 200
    assert (await stranger.post(PATH, data=form)).status == 401
    assert (await stranger.post(PATH, data=asserted(setting.assertion(jti="2", aud=[ISSUER])))).status == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "ping"},
        {"sub": "ping", "iss": "ping"},
        {"sub": "nobody", "iss": "nobody"},
        {"sub": None},
        {"sub": ["signer"]},
        {"aud": "https://scim.example.com/globex"},
        {"aud": None},
        {"aud": [7]},
        {"exp": None},
        {"exp": STAMP - 31},
        {"exp": STAMP + 601},
        {"nbf": STAMP + 60},
        {"jti": None},
        {"jti": ""},
        {"jti": "x" * 257},
        {"jti": 7},
        {"header": {"kid": "other"}},
        {"header": {"crit": ["kid"]}},
        {"key": jwk.generate_key("EC", "P-256", {"kid": "k"})},
    ],
)
async def test_wrong_assertions(stranger: TestClient, world: World, setting: Setting, changes: dict[str, Any]) -> None:
    """An assertion of another, for another, without end, too long, or forged is nobody's."""
    answer = await stranger.post(PATH, data=asserted(setting.assertion(**changes)))
    assert answer.status == 401
    assert (await answer.json())["error"] == "invalid_client"


@pytest.mark.parametrize("path", [PATH, "/globex/oauth2/token", "/nowhere/oauth2/token", "/oauth2/token"])
@pytest.mark.parametrize(
    ("headers", "form"),
    [
        (basic("ping", "wrong"), {}),
        (basic("nobody", "one"), {}),
        (basic("gone", "g"), {}),
        (basic("signer", ""), {}),
        (basic("ping", "one"), {"client_id": "reader"}),
        ({"Authorization": "Bearer x"}, {}),
        ({"Authorization": "Basic !"}, {}),
        ({}, {"client_id": "ping", "client_secret": "wrong"}),
        ({}, {"client_secret": "one"}),
        ({}, {"client_id": "signer", "client_secret": ""}),
        ({}, {"client_id": "ping"}),
        ({}, {"client_assertion_type": ASSERTION, "client_assertion": "a.b.c"}),
        ({}, {"client_assertion_type": "x", "client_assertion": "a.b.c"}),
    ],
)
async def test_unknown_tenant_endpoint_client_and_secret_get_one_answer(
    stranger: TestClient, world: World, setting: Setting, path: str, headers: dict[str, str], form: dict[str, str]
) -> None:
    """Nobody can tell which tenants there are, which have an endpoint, and which clients they have (X8)."""
    answer = await stranger.post(path, data={**GRANT, **form}, headers=headers)
    assert answer.status == 401
    assert await answer.json() == {
        "error": "invalid_client",
        "error_description": "the client is not known by what it presented",
    }
    assert ("WWW-Authenticate" in answer.headers) == bool(headers)
    assert world.engine.calls == []


@pytest.mark.parametrize(
    ("form", "headers", "error"),
    [
        ({"grant_type": "password"}, basic("ping", "one"), "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, basic("ping", "one"), "unsupported_grant_type"),
        ({}, basic("ping", "one"), "invalid_request"),
        ({**GRANT, "scope": "scim admin"}, basic("ping", "one"), "invalid_scope"),
        ({**GRANT, "client_id": "ping", "client_secret": "one"}, basic("ping", "one"), "invalid_request"),
        ({**GRANT, "client_secret": "one", "client_assertion": "x"}, {}, "invalid_request"),
    ],
)
async def test_refusals_in_oauths_words(
    stranger: TestClient, setting: Setting, form: dict[str, str], headers: dict[str, str], error: str
) -> None:
    """Other grants, scopes and two methods at once are refused as RFC 6749 §5.2 says."""
    answer = await stranger.post(PATH, data=urlencode(form), headers={"Content-Type": FORM, **headers})
    assert answer.status == 400
    assert (await answer.json())["error"] == error


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("data", "media", "status", "error"),
    [
        (b"grant_type=client_credentials&grant_type=x", FORM, 400, "invalid_request"),
        (b"grant_type=\xff", FORM, 400, "invalid_request"),
        (b"grant_type=%ff", FORM, 400, "invalid_request"),
        (b"&".join(b"a%d=b" % number for number in range(300)), FORM, 400, "invalid_request"),
        (b'{"grant_type":"client_credentials"}', "application/json", 400, "invalid_request"),
        (b"x=" + b"y" * 20_000, FORM, 413, None),
    ],
)
async def test_bad_forms(
    stranger: TestClient, setting: Setting, data: bytes, media: str, status: int, error: str | None
) -> None:
    """A body that is no form, or no form of this size, is refused."""
    answer = await stranger.post(PATH, data=data, headers={"Content-Type": media, **basic("ping", "one")})
    assert answer.status == status
    assert (await answer.json(content_type=None)).get("error") == error


async def test_tokens_end(stranger: TestClient, setting: Setting) -> None:
    """A token holds for its time and not a second longer, and less if its client goes (X6)."""
    answer = await stranger.post(PATH, data=GRANT, headers=basic("ping", "one"))
    access = (await answer.json())["access_token"]
    setting.now += timedelta(seconds=899)
    assert await use(stranger, access) == 200
    client = setting.clients.pop("ping")
    assert await use(stranger, access) == 401
    setting.clients["ping"] = replace(client, expires=setting.now)
    assert await use(stranger, access) == 401
    setting.clients["ping"] = client
    setting.now += timedelta(seconds=1)
    assert await use(stranger, access) == 401


async def test_permissions_are_those_of_the_client_now(stranger: TestClient, setting: Setting) -> None:
    """A token does what its client may do when it is used."""
    answer = await stranger.post(PATH, data=GRANT, headers=basic("reader", "r"))
    access = (await answer.json())["access_token"]
    assert (await use(stranger, access), await use(stranger, access, "DELETE")) == (200, 403)
    setting.clients["reader"] = replace(setting.clients["reader"], permissions=Permissions())
    assert await use(stranger, access, "DELETE") == 200


async def test_tokens_of_one_tenant_are_nothing_to_another(
    stranger: TestClient, world: World, setting: Setting
) -> None:
    """A token opens its own tenant only, even where another has the same client and, by mistake, the same key."""
    answer = await stranger.post(PATH, data=GRANT, headers=basic("ping", "one"))
    access = (await answer.json())["access_token"]
    for secret in (b"o" * 32, b"k" * 32):
        issuance = Issuance("https://scim.example.com/globex", secret, setting.clients, lambda: NOW)
        world.change_tenant("globex", authenticator=Issued(issuance))
        found = await stranger.get("/globex/scim/v2/Users/7", headers={"Authorization": f"Bearer {access}"})
        assert found.status == 401


async def test_forged_tokens(setting: Setting) -> None:
    """Tokens of another key, another algorithm, another type or another shape are nobody's."""
    issued = setting.endpoint.authenticator
    claims = {"iss": ISSUER, "aud": ISSUER, "client_id": "ping", "exp": STAMP + 60}

    async def known(header: dict[str, Any], claims: dict[str, Any], key: bytes = b"k" * 32) -> bool:
        registry = jws.JWSRegistry(algorithms=["HS256", "HS512"], strict_check_header=False)
        text = jws.serialize_compact(header, json.dumps(claims), jwk.OctKey.import_key(key), registry=registry)
        return await issued.authenticate(Presented("bearer", text)) is not None

    good = {"alg": "HS256", "typ": "at+jwt"}
    assert await known(good, claims)
    assert not await known(good, claims, b"x" * 32)
    assert not await known({"alg": "HS512", "typ": "at+jwt"}, claims, b"k" * 64)
    assert not await known({"alg": "HS256", "typ": "JWT"}, claims)
    assert not await known({**good, "crit": []}, claims)
    for changes in ({"iss": "x"}, {"aud": "x"}, {"client_id": "nobody"}, {"client_id": ["ping"]}, {"exp": STAMP}):
        assert not await known(good, {**claims, **changes})
    assert await issued.authenticate(Presented("bearer", "")) is None
    assert (
        await issued.authenticate(Presented("basic", setting.endpoint.issuance.issue(setting.clients["ping"]))) is None
    )


@pytest.mark.parametrize(
    "path", ["/.well-known/oauth-authorization-server/acme", "/acme/.well-known/oauth-authorization-server"]
)
async def test_metadata(stranger: TestClient, setting: Setting, path: str) -> None:
    """The metadata of RFC 8414 tells the endpoint and what it takes; a tenant without one has none."""
    answer = await stranger.get(path)
    document = await answer.json()
    assert (document["issuer"], document["token_endpoint"]) == (ISSUER, URL)
    assert document["grant_types_supported"] == ["client_credentials"]
    assert "private_key_jwt" in document["token_endpoint_auth_methods_supported"]
    assert (await stranger.post(path)).status == 405
    for name in ("globex", "nowhere"):
        assert (await stranger.get(path.replace("acme", name))).status == 401


async def test_host_name_has_the_endpoint_too(stranger: TestClient, setting: Setting) -> None:
    """A tenant served under a host name has its token endpoint there as well."""
    headers = {"Host": "scim.acme.example", **basic("ping", "one")}
    assert (await stranger.post("/oauth2/token", data=GRANT, headers=headers)).status == 200
    well_known = await stranger.get("/.well-known/oauth-authorization-server", headers={"Host": "scim.acme.example"})
    assert well_known.status == 200


async def test_other_methods(stranger: TestClient, setting: Setting) -> None:
    """Tokens are asked for with POST alone, wherever one asks."""
    for path in (PATH, "/nowhere/oauth2/token"):
        answer = await stranger.get(path)
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_address_of_the_client_counts_here_too(stranger: TestClient, world: World, setting: Setting) -> None:
    """A tenant that takes callers from its networks only gives no tokens to others."""
    world.change_tenant(addresses=Addresses(networks(["198.51.100.0/24"])))
    answer = await stranger.post(PATH, data=GRANT, headers=basic("ping", "one"))
    assert answer.status == 403
    assert (await answer.json())["error"] == "access_denied"


async def test_failures_are_held_against_their_source(stranger: TestClient, world: World, setting: Setting) -> None:
    """Guessing secrets is counted, and a blocked source is not listened to (X8)."""

    class Sources:
        failures = 0
        wait = 0.0

        async def blocked(self, address: str, tenant: str) -> float:
            return self.wait

        async def failed(self, address: str, tenant: str) -> None:
            self.failures += 1

    sources = Sources()
    world.change(sources=sources)
    await stranger.post(PATH, data=GRANT, headers=basic("ping", "wrong"))
    await stranger.post(PATH, data={"grant_type": "x"}, headers=basic("ping", "one"))
    assert sources.failures == 1
    sources.wait = 9.0
    answer = await stranger.post(PATH, data=GRANT, headers=basic("ping", "one"))
    assert (answer.status, answer.headers["Retry-After"]) == (429, "9")


def test_secrets_are_not_shown(setting: Setting) -> None:
    """Neither keys nor digests are part of a repr (X16)."""
    shown = repr(setting.endpoint)
    assert "kkkk" not in shown
    assert digest("one") not in shown


async def test_seen_assertions_are_forgotten_in_time_and_bounded() -> None:
    """An assertion is remembered as long as it could be used, and a full memory takes none."""
    now = [0.0]
    seen = LocalSeen(clock=lambda: now[0], most=2)
    assert await seen.first("a", "1", 10)
    assert not await seen.first("a", "1", 10)
    assert await seen.first("b", "1", 10)
    assert not await seen.first("c", "1", 10)
    now[0] = 10.0
    assert await seen.first("a", "1", 10)


async def test_assertion_is_taken_once_by_requests_side_by_side(stranger: TestClient, setting: Setting) -> None:
    """Of many requests with one assertion exactly one gets a token."""
    form = asserted(setting.assertion())
    answers = await asyncio.gather(*(stranger.post(PATH, data=form) for _ in range(10)))
    assert sorted(answer.status for answer in answers) == [200] + [401] * 9


def test_forms_are_decoded() -> None:
    """Percent and plus are decoded, empty values kept."""
    assert parse_form(b"a=b+c%2B&d=") == {"a": "b c+", "d": ""}
