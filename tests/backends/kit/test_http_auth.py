"""Outbound credentials: each style, and tokens that run out."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey
from pydantic import ValidationError

from backends.contract import UnavailableError
from backends.kit.http import HttpSettings
from tests.backends.kit.scripted import GET, PUT, Scripted, session

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


class Guarded(Scripted):
    """A system that takes tokens it gave out at `/token` or `/login`, and forgets them on demand."""

    def __init__(self) -> None:
        super().__init__(self.answer)
        self.good: set[str] = set()
        self.given = 0
        self.requests: list[dict[str, str]] = []
        self.life: Any = 3600
        self.broken = False
        self.hold: asyncio.Event | None = None
        self.place = "authorization"
        self.asked = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path in ("/token", "/login"):
            return await self.give(request)
        found = {
            "authorization": request.headers.get("authorization", "").removeprefix("Bearer "),
            "x-session": request.headers.get("x-session", ""),
            "query": request.query.get("sid", ""),
            "cookie": request.cookies.get("SID", ""),
        }[self.place]
        return web.Response(status=200 if found in self.good else 401, text="{}")

    async def give(self, request: web.Request) -> web.StreamResponse:
        self.asked.set()
        if self.hold is not None:
            await self.hold.wait()
        body = await request.text()
        self.requests.append({"body": body, **{name.lower(): value for name, value in request.headers.items()}})
        if self.broken:
            return web.Response(status=400, text='{"error": "invalid_client"}')
        self.given += 1
        token = f"t0ken{self.given}"
        self.good = {token}
        answer = web.json_response({"access_token": token, "expires_in": self.life, "session": {"id": token}})
        answer.headers["X-Session"] = token
        answer.set_cookie("SID", token)
        return answer


@pytest.mark.parametrize(
    ("auth", "place", "value"),
    [
        ({"type": "none"}, "authorization", None),
        (
            {"type": "basic", "username": "gäte", "password": "wörd:x"},
            "authorization",
            "Basic " + base64.b64encode("gäte:wörd:x".encode()).decode(),
        ),
        ({"type": "bearer", "token": "t0ken"}, "authorization", "Bearer t0ken"),
        ({"type": "header", "name": "X-Api-Key", "value": "k3y"}, "x-api-key", "k3y"),
    ],
    ids=["none", "basic", "bearer", "header"],
)
async def test_fixed_credentials_go_with_every_call(auth: dict[str, Any], place: str, value: str | None) -> None:
    """Each style puts its credentials in its place, and shows where without them (promise 8)."""

    async def script(request: web.Request) -> web.StreamResponse:
        return web.Response()

    async with Scripted(script).running() as server, session(server.url, auth=auth) as opened:
        await opened.send(GET)
        assert server.headers[0].get(place) == value
        assert value is None or opened.shown == (f"{place}: ***",)
        made = HttpSettings.model_validate({"base_urls": server.url, "auth": auth})
        assert not any(secret in repr(made) for secret in ("wörd", "t0ken", "k3y"))


async def test_a_key_in_the_query_is_encoded() -> None:
    """A key in the query is one value, beside the call's own."""

    async def script(request: web.Request) -> web.StreamResponse:
        return web.json_response(dict(request.query))

    auth = {"type": "query", "name": "key", "value": "a&b=c"}
    async with Scripted(script).running() as server, session(server.url, auth=auth) as opened:
        answer = await opened.send(type(GET)("GET", "/x", "q=1"))
        assert json.loads(answer.body) == {"q": "1", "key": "a&b=c"}


def client(url: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "client_credentials",
        "token_url": f"{url}/token",
        "client_id": "gateway",
        "client_secret": "s3cret",
        **more,
    }


async def test_client_credentials_fetch_a_token_once() -> None:
    """Twenty calls at once make one token request, with the secret in its header (RFC 6749, section 2.3.1)."""
    server = Guarded()
    server.hold = asyncio.Event()
    async with (
        server.running(),
        session(server.url, auth=client(server.url, scope="a b", parameters={"audience": "x"})) as opened,
    ):
        calls = [asyncio.ensure_future(opened.send(GET)) for _ in range(20)]
        await asyncio.sleep(0)
        server.hold.set()
        assert {answer.status for answer in await asyncio.gather(*calls)} == {200}
        assert server.given == 1
        assert server.requests[0]["authorization"] == "Basic " + base64.b64encode(b"gateway:s3cret").decode()
        assert server.requests[0]["body"] == "grant_type=client_credentials&scope=a%20b&audience=x"


async def test_the_secret_may_go_in_the_body_or_as_a_signature() -> None:
    """client_secret_post and private_key_jwt prove who the client is (RFC 6749, RFC 7523)."""
    server = Guarded()
    async with server.running():
        async with session(server.url, auth=client(server.url, method="client_secret_post")) as opened:
            await opened.send(GET)
        assert "client_secret=s3cret" in server.requests[0]["body"]
        signed = client(server.url, method="private_key_jwt", private_key=PEM, key_id="k1")
        async with session(server.url, auth=signed) as opened:
            await opened.send(GET)
    form = dict(pair.split("=", 1) for pair in server.requests[1]["body"].split("&"))
    token = jwt.decode(form["client_assertion"], RSAKey.import_key(PEM), algorithms=["RS256"])
    assert token.header["kid"] == "k1"
    assert (token.claims["iss"], token.claims["sub"], token.claims["aud"]) == (
        "gateway",
        "gateway",
        f"{server.url}/token",
    )


async def test_a_signed_assertion_is_exchanged_for_a_token() -> None:
    """The JWT bearer grant signs who asks, for whom and how long (RFC 7523, section 2.1)."""
    server = Guarded()
    async with server.running():
        auth = {
            "type": "jwt_bearer",
            "token_url": f"{server.url}/token",
            "issuer": "gateway",
            "subject": "admin@example.com",
            "private_key": PEM,
            "claims": {"scope": "x"},
        }
        async with session(server.url, auth=auth) as opened:
            assert (await opened.send(PUT)).status == 200
    form = dict(pair.split("=", 1) for pair in server.requests[0]["body"].split("&"))
    assert form["grant_type"] == "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
    claims = jwt.decode(form["assertion"], RSAKey.import_key(PEM), algorithms=["RS256"]).claims
    assert (claims["sub"], claims["scope"], claims["exp"] - claims["iat"]) == ("admin@example.com", "x", 300)


async def test_a_token_refused_early_is_renewed_once_for_all() -> None:
    """On a 401 one new token is fetched, and every call that was refused is made again with it."""
    server = Guarded()
    async with server.running(), session(server.url, auth=client(server.url)) as opened:
        await opened.send(GET)
        server.good = set()
        answers = await asyncio.gather(*(opened.send(PUT) for _ in range(10)))
        assert {answer.status for answer in answers} == {200}
        assert server.given == 2


async def test_credentials_refused_twice_are_unavailable() -> None:
    """A new token that is refused as well ends it: 503, never the client's 401 (E12, R-L34)."""
    server = Guarded()
    async with server.running(), session(server.url, auth=client(server.url)) as opened:
        server.place = "x-session"
        with pytest.raises(UnavailableError) as caught:
            await opened.send(PUT)
        assert not caught.value.maybe_done
        assert [call.split()[1] for call in server.calls] == ["/token", "/x", "/token", "/x"]


async def test_fixed_credentials_refused_are_unavailable() -> None:
    """A 401 to a fixed token is not tried again."""
    server = Guarded()
    auth = {"type": "bearer", "token": "old"}
    async with server.running(), session(server.url, auth=auth) as opened:
        with pytest.raises(UnavailableError):
            await opened.send(GET)
        assert len(server.calls) == 1


@pytest.mark.parametrize("answer", ["error", "no token", "no json", "no server"])
async def test_no_token_is_unavailable_and_nothing_was_done(answer: str) -> None:
    """Whatever goes wrong at the token endpoint, the call itself was never made."""

    async def script(request: web.Request) -> web.StreamResponse:
        bodies = {"error": '{"error":"x"}', "no token": '{"access_token": 7}', "no json": "<html>"}
        return web.Response(status=400 if answer == "error" else 200, text=bodies.get(answer, ""))

    async with Scripted(script).running() as server:
        token_url = "http://127.0.0.1:9" if answer == "no server" else server.url
        async with session(server.url, auth=client(token_url)) as opened:
            with pytest.raises(UnavailableError) as caught:
                await opened.send(PUT)
            assert not caught.value.maybe_done
            assert all(call == "POST /token" for call in server.calls)


async def test_a_token_is_renewed_before_it_runs_out() -> None:
    """At four fifths of its life a token is renewed; if that fails it is used to its end, then no longer."""
    server = Guarded()
    server.life = 100
    now = 0.0
    async with server.running(), session(server.url, lambda: now, auth=client(server.url)) as opened:
        await opened.send(GET)
        now = 79.0
        await opened.send(GET)
        assert server.given == 1
        now, server.broken = 85.0, True
        assert (await opened.send(GET)).status == 200
        now = 101.0
        with pytest.raises(UnavailableError):
            await opened.send(GET)
        server.broken = False
        assert (await opened.send(GET)).status == 200
        assert server.given == 2


async def test_while_one_renews_the_others_go_on() -> None:
    """A token that is old but good is used by the others while it is being renewed."""
    server = Guarded()
    server.life = 100
    now = 0.0
    async with server.running(), session(server.url, lambda: now, auth=client(server.url)) as opened:
        await opened.send(GET)
        now, server.hold = 85.0, asyncio.Event()
        server.asked.clear()
        first = asyncio.ensure_future(opened.send(GET))
        await server.asked.wait()
        assert (await opened.send(GET)).status == 200
        server.hold.set()
        assert (await first).status == 200


async def test_one_who_gives_up_does_not_take_the_token_from_the_others() -> None:
    """When the call that fetches is cancelled, the next one fetches."""
    server = Guarded()
    server.hold = asyncio.Event()
    async with server.running(), session(server.url, auth=client(server.url)) as opened:
        first, second = (asyncio.ensure_future(opened.send(GET)) for _ in range(2))
        await server.asked.wait()
        first.cancel()
        server.hold.set()
        assert (await second).status == 200


def login(token: dict[str, Any], send: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "login",
        "path": "/login",
        "username": "gateway",
        "password": "s3cret",
        "token": token,
        "send": send,
        **more,
    }


@pytest.mark.parametrize(
    ("token", "send", "place"),
    [
        ({"header": "X-Session"}, {"header": "X-Session"}, "x-session"),
        ({"at": "session.id"}, {"header": "Authorization", "prefix": "Bearer "}, "authorization"),
        ({"cookie": "SID"}, {"cookie": "SID"}, "cookie"),
        ({"at": "session.id"}, {"query": "sid"}, "query"),
    ],
    ids=["header", "body", "cookie", "query"],
)
async def test_a_login_yields_a_token(token: dict[str, Any], send: dict[str, Any], place: str) -> None:
    """A login call's token comes from a header, the body or a cookie, goes where it should, and is renewed."""
    server = Guarded()
    server.place = place
    auth = login(token, send, json={"user": {"name": "{username}", "word": "{password}"}})
    async with server.running(), session(server.url, auth=auth) as opened:
        assert (await opened.send(GET)).status == 200
        assert json.loads(server.requests[0]["body"]) == {"user": {"name": "gateway", "word": "s3cret"}}
        server.good = set()
        assert (await opened.send(PUT)).status == 200
        assert server.given == 2
        assert "s3cret" not in str(opened.shown)
        assert "***" in str(opened.shown)


async def test_a_login_may_be_a_form_or_basic() -> None:
    """Name and password go as a form, encoded, or as HTTP basic authentication."""
    server = Guarded()
    server.place = "x-session"
    place = {"header": "X-Session"}
    async with server.running():
        form = login(place, place, form={"u": "{username}", "p": "{password}"}, life_at="expires_in")
        form["password"] = "a&b"
        async with session(server.url, auth=form) as opened:
            await opened.send(GET)
        async with session(server.url, auth=login(place, place, basic=True)) as opened:
            await opened.send(GET)
    assert server.requests[0]["body"] == "u=gateway&p=a%26b"
    assert server.requests[1]["authorization"] == "Basic " + base64.b64encode(b"gateway:s3cret").decode()


async def test_a_token_that_would_split_a_header_is_not_sent() -> None:
    """A token with a line break in it is no token."""

    async def script(request: web.Request) -> web.StreamResponse:
        return web.json_response({"access_token": "a\r\nX: y"})

    async with Scripted(script).running() as server, session(server.url, auth=client(server.url)) as opened:
        with pytest.raises(UnavailableError):
            await opened.send(GET)
        assert server.calls == ["POST /token"]


@pytest.mark.parametrize(
    "auth",
    [
        {"type": "client_credentials", "token_url": "https://a.example.com", "client_id": "x"},
        {"type": "client_credentials", "token_url": "/token", "client_id": "x", "client_secret": "y"},
        client("https://a.example.com", method="private_key_jwt"),
        login({}, {"header": "a"}),
        login({"header": "a"}, {"header": "a", "query": "b"}),
        login({"header": "a"}, {"header": "a"}, path="login"),
        {"type": "magic"},
    ],
)
def test_incomplete_credentials_are_refused_at_load(auth: dict[str, Any]) -> None:
    """What cannot work is an error of the settings."""
    with pytest.raises(ValidationError):
        HttpSettings.model_validate({"base_urls": "https://a.example.com", "auth": auth})


async def test_a_key_that_cannot_sign_is_unavailable() -> None:
    """A private key that is none is told at the first call, without it."""
    auth = client("http://127.0.0.1:9", method="private_key_jwt", private_key="no key")
    async with session("http://127.0.0.1:9", auth=auth) as opened:
        with pytest.raises(UnavailableError) as caught:
            await opened.send(GET)
        assert "no key" not in caught.value.detail
