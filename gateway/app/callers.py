"""Settings of callers -> what knows them: one authenticator for each tenant, of as many methods as it names."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import aiohttp

from gateway.server.auth import (
    AnyOf,
    Authenticator,
    Basic,
    BasicLogin,
    Certificates,
    ClientCertificate,
    Introspection,
    IntrospectionRules,
    Jwt,
    JwtIssuer,
    Permissions,
    StaticToken,
    StaticTokens,
)
from gateway.server.auth.introspection import ask_at
from gateway.server.auth.issued import Issuance, OAuthClient
from gateway.server.auth.jwks import Fetch, FetchedKeys, from_issuer, from_url
from gateway.server.auth.jwt import DEFAULT_TYPES, ambiguous
from gateway.server.auth.keys import Keys, KeySet, PinnedKeys, read_jwks, read_pem
from gateway.server.auth.outbound import Outbound
from gateway.server.oauth import Seen, TokenEndpoint
from gateway.server.proxies import Addresses, Proxies, networks
from gateway.settings import Configuration, Problem
from gateway.settings.callers import (
    CallerSettings,
    CallersSettings,
    IntrospectionSettings,
    IssuerSettings,
    OAuthClientSettings,
    ProxySettings,
    TokenSettings,
)
from gateway.settings.problems import Trail
from gateway.settings.traffic import AdminTokenSettings

Now = Callable[[], datetime]


class Callers:
    """Makes the authenticators of all tenants; issuers are asked through one session, opened when one is needed."""

    def __init__(self, id_key: bytes, public_url: str, seen: Seen, *, now: Now, clock: Callable[[], float]) -> None:
        self._id_key = id_key
        self._public_url = public_url
        self._seen = seen
        self._now = now
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._fetched: list[FetchedKeys] = []
        self.fetched: dict[tuple[str, str], FetchedKeys] = {}
        self.tokens: dict[str, StaticTokens] = {}

    def authenticator(
        self, tenant: str, section: CallersSettings, endpoint: TokenEndpoint | None = None
    ) -> Authenticator:
        """Make what knows a tenant's callers, those with tokens of `endpoint` too; call it in the running loop."""
        methods: list[Authenticator] = []
        if section.tokens:
            self.tokens[tenant] = static_tokens(section.tokens, self._now)
            methods.append(self.tokens[tenant])
        if section.basic:
            logins = [BasicLogin(one.user, one.sha256, one.expires, permissions(one)) for one in section.basic]
            methods.append(Basic(logins, now=self._now))
        if section.certificates:
            accepted = [
                ClientCertificate(one.name, one.sha256, one.subject, one.alternative, one.expires, permissions(one))
                for one in section.certificates
            ]
            methods.append(Certificates(accepted, now=self._now))
        if section.issuers:
            methods.append(Jwt([issuer(one, self._keys(tenant, one)) for one in section.issuers], now=self._now))
        if endpoint is not None:
            methods.append(endpoint.authenticator)
        if section.introspection is not None:
            # The last: no issuer is shown tokens that are none of its own.
            methods.append(self._introspection(section.introspection))
        return methods[0] if len(methods) == 1 else AnyOf(methods)

    def endpoint(self, tenant: str, section: CallersSettings) -> TokenEndpoint | None:
        """Make a tenant's own token endpoint; None where it has none.

        The key its tokens are signed with is the same in every replica and another in every tenant.
        """
        if section.oauth is None:
            return None
        clients = {
            one.id: OAuthClient(
                one.id, tuple(one.secrets), self._client_keys(tenant, one), one.expires, permissions(one)
            )
            for one in section.oauth.clients
        }
        issuer = f"{self._public_url}/{tenant}"
        secret = hmac.new(self._id_key, f"oauth/{tenant}".encode(), hashlib.sha256).digest()
        issuance = Issuance(issuer, secret, clients, self._now, section.oauth.token_seconds)
        return TokenEndpoint(issuance, f"{issuer}/oauth2/token", self._seen)

    async def stop(self) -> None:
        """End what asks issuers."""
        await asyncio.gather(*(keys.stop() for keys in self._fetched))
        if self._session is not None:
            await self._session.close()

    def _keys(self, tenant: str, section: IssuerSettings) -> Keys:
        if section.keys is not None:
            return PinnedKeys(read_keys(section.keys))
        get = self._outbound().get
        fetch = from_issuer(get, section.issuer) if section.jwks_url is None else from_url(get, section.jwks_url)
        return self._fetching(tenant, section.issuer, fetch)

    def _client_keys(self, tenant: str, section: OAuthClientSettings) -> Keys | None:
        if section.keys is not None:
            return PinnedKeys(read_keys(section.keys))
        if section.jwks_url is None:
            return None
        return self._fetching(tenant, section.id, from_url(self._outbound().get, section.jwks_url))

    def _fetching(self, tenant: str, whose: str, fetch: Fetch) -> Keys:
        """Fetch the keys of an issuer, or of a client, of one tenant."""
        keys = FetchedKeys(fetch, clock=self._clock)
        self._fetched.append(keys)
        self.fetched[tenant, whose] = keys
        return keys

    def _introspection(self, section: IntrospectionSettings) -> Introspection:
        # Both are form-encoded before they are put together (RFC 6749 §2.3.1).
        user, secret = (quote(text, safe="") for text in (section.client_id, section.client_secret.get_secret_value()))
        header = f"Basic {base64.b64encode(f'{user}:{secret}'.encode()).decode()}"
        rules = IntrospectionRules(
            audience=section.audience,
            claims=section.claims,
            issuer=section.issuer,
            permissions=permissions(section),
            remember=section.remember_seconds,
        )
        return Introspection(ask_at(self._outbound().post, section.url, header), rules, now=self._now)

    def _outbound(self) -> Outbound:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return Outbound(self._session)


def static_tokens(sections: Sequence[TokenSettings], now: Now) -> StaticTokens:
    """Know callers by the bearer tokens of the configuration."""
    named = enumerate(sections, start=1)
    return StaticTokens(
        [
            StaticToken(one.sha256, one.name or f"token-{place}", one.expires, permissions(one), one.created)
            for place, one in named
        ],
        now=now,
    )


def operators(sections: Sequence[AdminTokenSettings], now: Now) -> StaticTokens:
    """Know operators by the bearer tokens of the admin plane."""
    named = enumerate(sections, start=1)
    return StaticTokens(
        [
            StaticToken(one.sha256, one.name or f"admin-{place}", one.expires, Permissions(read_only=one.read_only))
            for place, one in named
        ],
        now=now,
    )


def permissions(section: CallerSettings) -> Permissions:
    """Give the server what a caller may do."""
    return Permissions(section.read_only, section.resource_types, section.operations, section.bulk)


def issuer(section: IssuerSettings, keys: Keys) -> JwtIssuer:
    """Give the server an issuer; raise ValueError for algorithms that do not exist."""
    return JwtIssuer(
        issuer=section.issuer,
        audience=section.audience,
        keys=keys,
        algorithms=section.algorithms,
        claims=section.claims,
        required=section.required,
        types=DEFAULT_TYPES if section.types is None else section.types,
        skew=section.skew_seconds,
        permissions=permissions(section),
    )


def read_keys(path: Path) -> KeySet:
    """Read public keys from a file, a JWK set or one key in PEM; raise ValueError or OSError."""
    document = path.read_bytes()
    return KeySet([read_pem(document)]) if document.lstrip().startswith(b"-----") else read_jwks(document)


def addresses(section: CallersSettings) -> Addresses:
    """Give the server from where a tenant's callers may come."""
    return Addresses(networks(section.addresses))


def proxies(section: ProxySettings | None) -> Proxies:
    """Give the server the proxies it may believe."""
    if section is None:
        return Proxies()
    return Proxies(networks(section.networks), section.address_header, section.certificate_header)


def problems(configuration: Configuration) -> Iterator[Problem]:
    """Find what of the callers cannot be, or would open one tenant with another's credentials (X7)."""
    tenants = configuration.settings.tenants
    believed: dict[str, list[JwtIssuer]] = {}
    for name, section in tenants.items():
        trail: Trail = ("tenants", name)
        if not section.has_callers:
            yield configuration.problem(trail, "has no tokens and no other callers: nobody could use it")
        if section.certificates and not _asks_for_certificates(configuration):
            reason = "no client is asked for one: say server.tls.client_ca, or server.proxies.certificate_header"
            yield configuration.problem((*trail, "certificates"), reason)
        for position, one in enumerate(section.issuers):
            at = (*trail, "issuers", position)
            try:
                keys = KeySet([]) if one.keys is None else read_keys(one.keys)
                believed.setdefault(name, []).append(issuer(one, PinnedKeys(keys)))
            except ValueError as error:
                yield configuration.problem(at, str(error))
            except OSError as error:
                yield configuration.problem((*at, "keys"), f"cannot be read: {error.strerror}")
        for position, client in enumerate(section.oauth.clients if section.oauth is not None else ()):
            at = (*trail, "oauth", "clients", position)
            try:
                if client.keys is not None:
                    read_keys(client.keys)
            except ValueError as error:
                yield configuration.problem((*at, "keys"), str(error))
            except OSError as error:
                yield configuration.problem((*at, "keys"), f"cannot be read: {error.strerror}")
        yield from _names(configuration, trail, section)
    for first, other, who in ambiguous(believed):
        reason = f"a token of {who} for {first} would open {other} too; say by a claim whose it is"
        yield configuration.problem(("tenants", other, "issuers"), reason)


def _asks_for_certificates(configuration: Configuration) -> bool:
    server = configuration.settings.server
    own = server.tls is not None and server.tls.client_ca is not None
    return own or (server.proxies is not None and server.proxies.certificate_header is not None)


def _names(configuration: Configuration, trail: Trail, section: CallersSettings) -> Iterator[Problem]:
    """Two credentials of a tenant must not share a name: logs and cursors could not tell them apart."""
    clients = section.oauth.clients if section.oauth is not None else []
    named = [
        *((("tokens", place), one.name or f"token-{place + 1}") for place, one in enumerate(section.tokens)),
        *((("certificates", place), one.name) for place, one in enumerate(section.certificates)),
        *((("oauth", "clients", place), one.id) for place, one in enumerate(clients)),
    ]
    seen: set[str] = set()
    for at, name in named:
        if name in seen:
            yield configuration.problem((*trail, *at), f"another credential of the tenant has the name {name}")
        seen.add(name)
