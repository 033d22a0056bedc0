"""Who may call a tenant and what they may do: the part of a configuration that opens doors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator

from gateway.settings.values import Digest, Instant, IssuerUrl, Model, Moment, Network

Operation = Literal["create", "read", "search", "replace", "patch", "delete"]
Texts = frozenset[str]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
CallerName = Annotated[str, Field(min_length=1, max_length=64)]


class CallerSettings(Model):
    """What a caller may do, however it is known."""

    read_only: bool = Field(False, description="Whether it may only read and search.")
    resource_types: Texts | None = Field(None, description="The resource types it may use; all if not said.")
    operations: frozenset[Operation] | None = Field(None, description="What it may do; everything if not said.")
    bulk: bool = Field(True, description="Whether it may send bulk requests.")


class TokenSettings(CallerSettings):
    """One bearer token of a tenant, known by its digest only; several may hold side by side."""

    sha256: Digest = Field(
        repr=False, description="The SHA-256 of the token in hexadecimal; `scim-gateway token new` prints it."
    )
    name: CallerName | None = Field(None, description="What logs call it.")
    created: Moment | None = Field(None, description="When it was made: a day, or an instant; its age is a metric.")
    expires: Instant | None = Field(None, description="Until when it holds: the end of a day in UTC, or an instant.")


class BasicSettings(CallerSettings):
    """One user and password of HTTP Basic, for clients that cannot do better; the password is as random as a token."""

    user: CallerName = Field(description="The user, which is also what logs call the caller.")
    sha256: Digest = Field(
        repr=False, description="The SHA-256 of the password; make it with `scim-gateway token new`, never by hand."
    )
    expires: Instant | None = Field(None, description="Until when it holds.")


class CertificateSettings(CallerSettings):
    """One client certificate, by exactly one of digest, subject and alternative name."""

    name: CallerName = Field(description="What logs call the caller.")
    sha256: Digest | None = Field(None, repr=False, description="The SHA-256 of the certificate in DER.")
    subject: str | None = Field(None, description="Its subject as RFC 4514 writes it, such as `CN=acme,O=Example`.")
    alternative: str | None = Field(None, description="One of its alternative names, DNS or URI.")
    expires: Instant | None = Field(None, description="Until when it is taken.")

    @model_validator(mode="after")
    def _one_way(self) -> CertificateSettings:
        if sum(one is not None for one in (self.sha256, self.subject, self.alternative)) != 1:
            raise ValueError("give exactly one of sha256, subject and alternative")
        return self


class ClaimSettings(CallerSettings):
    """What a token of somebody else's must say to be one for this tenant."""

    audience: Texts = Field(frozenset(), description="One of these must be among the token's audiences.")
    claims: dict[str, Texts] = Field(
        default_factory=dict, description="Each named claim must be, or hold, one of its values: `tid: [<tenant id>]`."
    )


class IssuerSettings(ClaimSettings):
    """One issuer of signed tokens (JWT) the tenant believes. Its keys are found by discovery unless said otherwise."""

    issuer: IssuerUrl = Field(description="The issuer as its tokens name it, such as `https://login.example.com`.")
    audience: Texts = Field(min_length=1, description="One of these must be among the token's audiences.")
    jwks_url: IssuerUrl | None = Field(None, description="Where its keys are, if discovery is not to be asked.")
    keys: Path | None = Field(None, description="A file with its public keys, a JWK set or PEM: nobody is asked then.")
    algorithms: Texts = Field(frozenset({"RS256", "PS256", "ES256"}), description="What its tokens may be signed with.")
    required: Texts = Field(frozenset(), description="Claims that must be there.")
    types: Texts | None = Field(
        None, description="What `typ` may be (lower case); as access tokens have it if not said."
    )
    skew_seconds: Annotated[float, Field(ge=0, le=60)] = Field(30.0, description="How far clocks may be apart.")

    @model_validator(mode="after")
    def _keys_from_one_place(self) -> IssuerSettings:
        if self.jwks_url is not None and self.keys is not None:
            raise ValueError("give jwks_url or keys, not both")
        return self


class IntrospectionSettings(ClaimSettings):
    """The issuer of opaque tokens, which is asked about each of them (RFC 7662)."""

    url: IssuerUrl = Field(description="Where it is asked.")
    client_id: str = Field(description="The gateway's own name there.")
    client_secret: SecretStr = Field(description="The gateway's own secret there.")
    issuer: str | None = Field(None, description="Compared where the answer names one.")
    remember_seconds: Seconds = Field(60.0, description="How long an answer holds at most.")


class OAuthClientSettings(CallerSettings):
    """One client that may ask for tokens, by secrets or by keys it signs with."""

    id: CallerName = Field(description="Its client id, which is also what logs call it.")
    secrets: list[Digest] = Field(
        default_factory=list, repr=False, description="SHA-256 of its secrets; several for the time of a rotation."
    )
    keys: Path | None = Field(None, description="A file with its public keys, a JWK set or PEM (`private_key_jwt`).")
    jwks_url: IssuerUrl | None = Field(None, description="Where its public keys are, if not in a file.")
    expires: Instant | None = Field(None, description="Until when it may ask.")

    @model_validator(mode="after")
    def _known_by_something(self) -> OAuthClientSettings:
        if self.keys is not None and self.jwks_url is not None:
            raise ValueError("give jwks_url or keys, not both")
        if not (self.secrets or self.keys or self.jwks_url):
            raise ValueError("give secrets, keys or jwks_url: something it is known by")
        return self


class OAuthSettings(Model):
    """The tenant's own token endpoint, `/{name}/oauth2/token`, for clients that insist on client credentials."""

    clients: list[OAuthClientSettings] = Field(min_length=1, description="Who may ask for tokens.")
    token_seconds: Annotated[int, Field(ge=60, le=86_400)] = Field(900, description="How long a token holds.")


class CallersSettings(Model):
    """Everybody a tenant knows: the methods are tried in turn, and the first that knows the caller decides."""

    tokens: list[TokenSettings] = Field(default_factory=list, description="The bearer tokens it is reached with.")
    basic: list[BasicSettings] = Field(default_factory=list, description="Users and passwords of HTTP Basic.")
    certificates: list[CertificateSettings] = Field(
        default_factory=list, description="Client certificates, of the listener or of a trusted proxy."
    )
    issuers: list[IssuerSettings] = Field(default_factory=list, description="Issuers of signed tokens (JWT).")
    introspection: IntrospectionSettings | None = Field(None, description="The issuer of opaque tokens.")
    oauth: OAuthSettings | None = Field(None, description="The tenant's own token endpoint.")
    addresses: list[Network] = Field(
        default_factory=list, description="From where callers may come: `203.0.113.0/24`; everywhere if not said."
    )

    def callers(self) -> Iterator[tuple[tuple[object, ...], CallerSettings]]:
        """Yield everybody that may be known, with where below the tenant it stands."""
        for name, known in (
            ("tokens", self.tokens), ("basic", self.basic), ("certificates", self.certificates),
            ("issuers", self.issuers),
        ):  # fmt: skip
            yield from (((name, position), one) for position, one in enumerate(known))
        if self.introspection is not None:
            yield ("introspection",), self.introspection
        if self.oauth is not None:
            yield from ((("oauth", "clients", position), one) for position, one in enumerate(self.oauth.clients))

    @property
    def has_callers(self) -> bool:
        """Whether anybody at all can be known."""
        return bool(self.tokens or self.basic or self.certificates or self.issuers or self.introspection or self.oauth)


class ProxySettings(Model):
    """Proxies in front of the gateway; what they say of clients is believed from them only."""

    networks: list[Network] = Field(min_length=1, description="Their addresses, such as `10.0.0.0/8`.")
    address_header: str = Field("X-Forwarded-For", description="The header in which they name the client's address.")
    certificate_header: str | None = Field(
        None, description="The header in which they pass a verified client certificate on (RFC 9440, or PEM)."
    )
