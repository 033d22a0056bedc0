"""Settings of HTTP towards a native system, shared by the backends that speak it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator
from yarl import URL

from backends.kit.http.urls import UnfitError, header

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def base_url(text: str) -> str:
    """Check an absolute URL: http or https, a host, neither credentials nor fragment; and take its last slash off."""
    try:
        url = URL(text)
    except ValueError as error:
        raise ValueError("not a URL") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("a URL begins with https:// or http:// and a host")
    if url.user is not None or url.password is not None:
        raise ValueError("credentials belong under `auth`, not in the URL")
    if url.fragment:
        raise ValueError("a URL called has no fragment")
    return text.rstrip("/")


Urls = Annotated[tuple[str, ...], BeforeValidator(_several), Field(min_length=1)]
"""One URL, or a list of them."""


class Section(BaseModel):
    """What all settings share: unknown keys are errors, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TlsSettings(Section):
    """How connections are encrypted."""

    ca: Path | None = Field(default=None, description="Certificates of a private CA; the system's if not given.")
    certificate: Path | None = Field(default=None, description="The client's certificate (PEM), for mutual TLS.")
    key: Path | None = Field(default=None, description="The client's private key (PEM).")
    key_password: SecretStr | None = Field(default=None, description="What the private key is encrypted with.")


class LimitSettings(Section):
    """How long and how much."""

    connect_seconds: float = Field(default=5.0, gt=0, description="How long a connection may take to open.")
    answer_seconds: float = Field(default=15.0, gt=0, description="How long the system may be silent.")
    total_seconds: float = Field(default=30.0, gt=0, description="How long one call may take in all.")
    connections: int = Field(default=32, ge=1, description="Connections open at once.")
    idle_seconds: float = Field(default=15.0, gt=0, description="How long an idle connection is kept.")
    response_bytes: int = Field(default=16 * 1024 * 1024, ge=1024, description="The longest answer that is read.")
    depth: int = Field(default=64, ge=2, le=500, description="How deep an answer may be nested.")


class NoAuthSettings(Section):
    """No credentials."""

    type: Literal["none"] = Field(default="none", description="No credentials are sent.")


class BasicSettings(Section):
    """A name and a password with every call."""

    type: Literal["basic"] = Field(description="HTTP basic authentication.")
    username: str = Field(description="The name.")
    password: SecretStr = Field(description="The password.")


class BearerSettings(Section):
    """A fixed token with every call."""

    type: Literal["bearer"] = Field(description="A token in `Authorization: Bearer`.")
    token: SecretStr = Field(description="The token.")


class HeaderKeySettings(Section):
    """A fixed key in a header."""

    type: Literal["header"] = Field(description="A key in a header of its own.")
    name: str = Field(description="The header: `X-Api-Key`.")
    value: SecretStr = Field(description="Its whole value.")


class QueryKeySettings(Section):
    """A fixed key in the query."""

    type: Literal["query"] = Field(description="A key as query parameter (it may end up in the system's logs).")
    name: str = Field(description="The parameter.")
    value: SecretStr = Field(description="Its value.")


class TokenSettings(Section):
    """What all tokens from an OAuth 2.0 server have in common."""

    token_url: str = Field(description="The token endpoint.")
    scope: str | None = Field(default=None, description="The scopes asked for, separated by spaces.")
    parameters: dict[str, str] = Field(
        default_factory=dict, description="Further parameters of the token request: `{audience: …}`."
    )
    life_seconds: float = Field(
        default=300.0, gt=0, description="How long a token lives where the server does not say (`expires_in`)."
    )

    @field_validator("token_url")
    @classmethod
    def _absolute(cls, value: str) -> str:
        return base_url(value)


class ClientCredentialsSettings(TokenSettings):
    """A token for the gateway itself (RFC 6749, section 4.4)."""

    type: Literal["client_credentials"] = Field(description="OAuth 2.0 client credentials.")
    client_id: str = Field(description="The client.")
    client_secret: SecretStr | None = Field(default=None, description="Its secret.")
    method: Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"] = Field(
        default="client_secret_basic", description="How the client proves who it is."
    )
    private_key: SecretStr | None = Field(default=None, description="The key (PEM) of `private_key_jwt`.")
    key_id: str | None = Field(default=None, description="Its id, for the token's head.")
    algorithm: str = Field(default="RS256", description="How the key signs.")

    @model_validator(mode="after")
    def _proof(self) -> ClientCredentialsSettings:
        if self.method == "private_key_jwt" and self.private_key is None:
            raise ValueError("private_key_jwt needs a private_key")
        if self.method.startswith("client_secret") and self.client_secret is None:
            raise ValueError(f"{self.method} needs a client_secret")
        return self


class JwtBearerSettings(TokenSettings):
    """A token for a signed assertion (RFC 7523, section 2.1)."""

    type: Literal["jwt_bearer"] = Field(description="OAuth 2.0 JWT bearer grant.")
    issuer: str = Field(description="Who signs.")
    subject: str | None = Field(default=None, description="On whose behalf; left out if not given.")
    audience: str | None = Field(default=None, description="For whom; the token endpoint if not given.")
    private_key: SecretStr = Field(description="The key (PEM).")
    key_id: str | None = Field(default=None, description="Its id, for the assertion's head.")
    algorithm: str = Field(default="RS256", description="How the key signs.")
    claims: dict[str, str] = Field(default_factory=dict, description="Further claims of the assertion.")


class LoginTokenSettings(Section):
    """Where a login's answer has the token, one of the three."""

    header: str | None = Field(default=None, description="In a header of the answer.")
    at: str | None = Field(default=None, description="In the answer's body, at this path.")
    cookie: str | None = Field(default=None, description="In a cookie of that name.")

    @model_validator(mode="after")
    def _one(self) -> LoginTokenSettings:
        if sum(place is not None for place in (self.header, self.at, self.cookie)) != 1:
            raise ValueError("the token comes in one of header, at and cookie")
        return self


class LoginSendSettings(Section):
    """How the token goes with every call, one of the three."""

    header: str | None = Field(default=None, description="In this header.")
    prefix: str = Field(default="", description="What stands before it in the header: `Bearer ` with its space.")
    query: str | None = Field(default=None, description="As this query parameter.")
    cookie: str | None = Field(default=None, description="As this cookie.")

    @model_validator(mode="after")
    def _one(self) -> LoginSendSettings:
        if sum(place is not None for place in (self.header, self.query, self.cookie)) != 1:
            raise ValueError("the token goes in one of header, query and cookie")
        return self


class LoginSettings(Section):
    """A call that opens a session and answers with a token."""

    type: Literal["login"] = Field(description="A login call that yields a token, repeated when it has expired.")
    path: str = Field(description="Where, below the base URL.")
    method: str = Field(default="POST", description="How.")
    json_body: dict[str, Any] | None = Field(
        default=None, alias="json", description="The body, with `{username}` and `{password}` in place."
    )
    form: dict[str, str] | None = Field(default=None, description="The same as a form.")
    basic: bool = Field(default=False, description="Whether name and password go as HTTP basic authentication.")
    username: str = Field(default="", description="The name.")
    password: SecretStr = Field(description="The password.")
    token: LoginTokenSettings = Field(description="Where the answer has the token.")
    send: LoginSendSettings = Field(description="How it goes with every call.")
    life_at: str | None = Field(default=None, description="Where the answer's body says how many seconds it lives.")
    life_seconds: float = Field(
        default=900.0, gt=0, description="How long it lives where the answer does not say; it is renewed before."
    )

    @field_validator("path")
    @classmethod
    def _below(cls, value: str) -> str:
        if not value.startswith("/"):
            raise ValueError("a path begins with /")
        return value


AuthSettings = Annotated[
    NoAuthSettings
    | BasicSettings
    | BearerSettings
    | HeaderKeySettings
    | QueryKeySettings
    | ClientCredentialsSettings
    | JwtBearerSettings
    | LoginSettings,
    Field(discriminator="type"),
]


class HttpSettings(Section):
    """An HTTP service: where it is, and how it is spoken to."""

    base_urls: Urls = Field(
        description="The URL all paths are below, or several of the same system: the next is tried when one cannot be "
        "connected to."
    )
    auth: AuthSettings = Field(default_factory=NoAuthSettings, description="The gateway's own credentials.")
    tls: TlsSettings = Field(default_factory=TlsSettings, description="Certificates; they are always verified.")
    proxy: SecretStr | None = Field(
        default=None, description="A proxy towards the system: `http://user:password@proxy.example.com:3128`."
    )
    limits: LimitSettings = Field(default_factory=LimitSettings, description="Times and sizes.")
    headers: dict[str, str] = Field(default_factory=dict, description="Headers of every call.")
    secret_headers: dict[str, SecretStr] = Field(
        default_factory=dict, description="Headers of every call whose values are secrets, beside `auth`."
    )

    @field_validator("base_urls")
    @classmethod
    def _absolute(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        urls = tuple(base_url(url) for url in value)
        if any("?" in url for url in urls):
            raise ValueError("a base URL has no query")
        return urls

    @model_validator(mode="after")
    def _headers(self) -> HttpSettings:
        secret = {name: text.get_secret_value() for name, text in self.secret_headers.items()}
        for name, text in {**self.headers, **secret}.items():
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"not the name of a header: {name!r}")
            try:
                header(text)
            except UnfitError as error:
                raise ValueError(f"the header {name}: {error}") from None
        if wrong := [name for name in self.headers if name.lower() in ("authorization", "cookie")]:
            raise ValueError(f"{wrong[0]} belongs under `auth` or `secret_headers`")
        return self
