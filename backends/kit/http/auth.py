"""The gateway's own credentials: put on every call, fetched and renewed where they run out."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from authlib.oauth2.auth import ClientAuth  # type: ignore[import-untyped]
from authlib.oauth2.rfc7523 import PrivateKeyJWT  # type: ignore[import-untyped]
from authlib.oauth2.rfc7523.assertion import sign_jwt_bearer_assertion  # type: ignore[import-untyped]
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from backends.contract import UnavailableError
from backends.kit.http.json_bodies import BodyError, decode, encode
from backends.kit.http.messages import Answer, Request
from backends.kit.http.settings import (
    AuthSettings,
    BasicSettings,
    BearerSettings,
    ClientCredentialsSettings,
    HeaderKeySettings,
    JwtBearerSettings,
    LoginSettings,
    NoAuthSettings,
    QueryKeySettings,
    TokenSettings,
)
from backends.kit.http.tokens import Token, TokenSource
from backends.kit.http.urls import UnfitError, header, query
from backends.kit.paths import Path
from backends.kit.templates import fill, shape

Send = Callable[[Request, str | None], Awaitable[Answer]]
"""Sends a request as it is, without credentials: below the base URL, or to the absolute URL given."""
FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Authentication(ABC):
    """Puts credentials on requests; `shown` tells where, without them."""

    renewable = False
    shown: tuple[str, ...] = ()

    @abstractmethod
    def apply(self, request: Request, token: str) -> Request:
        """Give the request with the credentials on it."""

    async def current(self) -> str:
        """Give the token to apply; empty where credentials are fixed."""
        return ""

    async def after(self, refused: str) -> str:
        """Give another token than the one refused."""
        return refused


class Headers(Authentication):
    """Fixed headers."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers
        self.shown = tuple(f"{name}: ***" for name in headers)

    def apply(self, request: Request, token: str) -> Request:
        return replace(request, headers={**request.headers, **self._headers})


class QueryKey(Authentication):
    """A fixed query parameter."""

    def __init__(self, name: str, value: str) -> None:
        self._pair = query([(name, value)])
        self.shown = (f"query: {name}=***",)

    def apply(self, request: Request, token: str) -> Request:
        return _with_query(request, self._pair)


class Tokens(Authentication):
    """A token that is fetched, goes in one place of every call, and is renewed."""

    renewable = True

    def __init__(self, source: TokenSource, place: Callable[[Request, str], Request], shown: str) -> None:
        self._source = source
        self._place = place
        self.shown = (shown,)

    def apply(self, request: Request, token: str) -> Request:
        return self._place(request, token)

    async def current(self) -> str:
        return await self._source.current()

    async def after(self, refused: str) -> str:
        return await self._source.after(refused)


def authentication(settings: AuthSettings, send: Send, depth: int, clock: Callable[[], float]) -> Authentication:
    """Make what the settings describe."""
    match settings:
        case NoAuthSettings():
            return Headers({})
        case BasicSettings():
            return Headers({"authorization": basic(settings.username, settings.password.get_secret_value())})
        case BearerSettings():
            return Headers({"authorization": f"Bearer {settings.token.get_secret_value()}"})
        case HeaderKeySettings():
            return Headers({settings.name.lower(): settings.value.get_secret_value()})
        case QueryKeySettings():
            return QueryKey(settings.name, settings.value.get_secret_value())
        case LoginSettings():
            login = Login(settings, send, depth)
            return Tokens(TokenSource(login.fetch, clock), login.place, login.shown)
    grant = Grant(settings, send, depth)
    return Tokens(TokenSource(grant.fetch, clock), bearer, "authorization: ***")


def basic(username: str, password: str) -> str:
    """Write the value of an Authorization header (RFC 7617, UTF-8)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


def bearer(request: Request, token: str) -> Request:
    """Put a bearer token on a request (RFC 6750)."""
    return replace(request, headers={**request.headers, "authorization": f"Bearer {token}"})


class Grant:
    """An OAuth 2.0 token request; Authlib proves who the client is and signs assertions, this sends."""

    def __init__(self, settings: ClientCredentialsSettings | JwtBearerSettings, send: Send, depth: int) -> None:
        self._settings: TokenSettings = settings
        self._send = send
        self._depth = depth
        self._client = _client(settings) if isinstance(settings, ClientCredentialsSettings) else None

    async def fetch(self) -> Token:
        """Fetch a token; raise `UnavailableError` for any answer without one."""
        settings = self._settings
        body = query(self._parameters())
        url, headers = settings.token_url, dict(FORM)
        if self._client is not None:
            try:
                url, headers, body = self._client.prepare("POST", url, headers, body)
            except (ValueError, JoseError) as error:
                raise UnavailableError("the gateway's own key cannot sign") from error
        answer = await self._send(Request("POST", "", headers=headers, body=body.encode()), url)
        document = _document(answer, self._depth)
        token = document.get("access_token") if isinstance(document, dict) else None
        if answer.status >= 300 or not isinstance(token, str) or not token:
            raise UnavailableError("the gateway was given no token", retry_after=answer.retry_after)
        return Token(_fit(token), _seconds(document.get("expires_in"), settings.life_seconds))

    def _parameters(self) -> list[tuple[str, str]]:
        settings = self._settings
        pairs = [("grant_type", "client_credentials")]
        if isinstance(settings, JwtBearerSettings):
            try:
                assertion = sign_jwt_bearer_assertion(
                    _key(settings.algorithm).import_key(settings.private_key.get_secret_value()),
                    settings.issuer,
                    settings.audience or settings.token_url,
                    settings.subject,
                    claims=dict(settings.claims),
                    header={"alg": settings.algorithm, **({"kid": settings.key_id} if settings.key_id else {})},
                    expires_in=300,
                )
            except (ValueError, JoseError) as error:
                raise UnavailableError("the gateway's own key cannot sign") from error
            pairs = [("grant_type", JWT_BEARER), ("assertion", assertion)]
        if settings.scope is not None:
            pairs.append(("scope", settings.scope))
        return [*pairs, *settings.parameters.items()]


def _client(settings: ClientCredentialsSettings) -> ClientAuth:
    secret = settings.client_secret.get_secret_value() if settings.client_secret is not None else ""
    if settings.method != "private_key_jwt":
        return ClientAuth(settings.client_id, secret, settings.method)
    assert settings.private_key is not None
    head = {"kid": settings.key_id} if settings.key_id else None
    proof = PrivateKeyJWT(settings.token_url, headers=head, alg=settings.algorithm)
    return ClientAuth(settings.client_id, settings.private_key.get_secret_value(), proof)


class Login:
    """A login call of the system's own."""

    def __init__(self, settings: LoginSettings, send: Send, depth: int) -> None:
        self._settings = settings
        self._send = send
        self._depth = depth
        self._body = shape(settings.json_body)
        self._form = shape(settings.form or {})
        self._token_at = None if settings.token.at is None else Path.parse(settings.token.at)
        self._life_at = None if settings.life_at is None else Path.parse(settings.life_at)
        place = settings.send
        self.shown = (
            f"{place.header.lower()}: ***"
            if place.header is not None
            else f"query: {place.query}=***"
            if place.query is not None
            else f"cookie: {place.cookie}=***"
        )

    async def fetch(self) -> Token:
        """Log in; raise `UnavailableError` for any answer without a token."""
        settings = self._settings
        username, password = settings.username, settings.password.get_secret_value()
        values = {"username": username, "password": password}
        headers = {"accept": "application/json"}
        body: bytes | None = None
        if settings.basic:
            headers["authorization"] = basic(username, password)
        if settings.form is not None:
            headers["content-type"] = FORM["content-type"]
            body = query((name, text) for name, text in fill(self._form, values).items()).encode()
        elif self._body is not None:
            headers["content-type"] = "application/json"
            body = encode(fill(self._body, values))
        answer = await self._send(Request(settings.method, settings.path, headers=headers, body=body), None)
        token = self._token(answer)
        if answer.status >= 400 or not token:
            raise UnavailableError("the gateway cannot log in", retry_after=answer.retry_after)
        life = None
        if self._life_at is not None:
            life = self._life_at.read(_document(answer, self._depth))
        return Token(_fit(token), _seconds(life, settings.life_seconds))

    def place(self, request: Request, token: str) -> Request:
        """Put the token where the system wants it."""
        send = self._settings.send
        if send.header is not None:
            return replace(request, headers={**request.headers, send.header.lower(): send.prefix + token})
        if send.query is not None:
            return _with_query(request, query([(send.query, token)]))
        there = request.headers.get("cookie")
        pair = f"{send.cookie}={token}"
        return replace(request, headers={**request.headers, "cookie": pair if there is None else f"{there}; {pair}"})

    def _token(self, answer: Answer) -> str | None:
        place = self._settings.token
        if place.header is not None:
            return answer.headers.get(place.header.lower())
        if place.cookie is not None:
            return answer.cookies.get(place.cookie)
        assert self._token_at is not None
        found = self._token_at.read(_document(answer, self._depth))
        return None if found is None or isinstance(found, dict | list) else str(found)


def _key(algorithm: str) -> type[RSAKey] | type[ECKey] | type[OKPKey]:
    """Choose the kind of key an algorithm signs with."""
    return ECKey if algorithm.startswith("ES") else OKPKey if algorithm.startswith("Ed") else RSAKey


def _document(answer: Answer, depth: int) -> Any:
    try:
        return decode(answer.body, answer.charset, depth)
    except BodyError as error:
        raise UnavailableError("the answer to the gateway's own login cannot be read") from error


def _fit(token: str) -> str:
    try:
        return header(token)
    except UnfitError as error:
        raise UnavailableError("the gateway was given a token that cannot be sent") from error


def _seconds(found: Any, otherwise: float) -> float:
    try:
        seconds = float(found)
    except (TypeError, ValueError):
        return otherwise
    return seconds if 0 < seconds < 10**9 else otherwise


def _with_query(request: Request, pair: str) -> Request:
    return replace(request, query=f"{request.query}&{pair}" if request.query else pair)
