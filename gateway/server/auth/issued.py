"""The gateway's own access tokens: short-lived, signed with a key of the tenant, good for nothing else (RFC 9068).

The signature is an HMAC, for nobody but the gateway has to verify it; that every replica has the key is all that
replicas must share.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from joserfc import jws
from joserfc.jwk import OctKey

from gateway.server.auth.authenticator import EVERYTHING, Grant, Permissions, Presented
from gateway.server.auth.jwt import peek, verify, within
from gateway.server.auth.keys import Keys
from gateway.server.codec import encode

ALGORITHM = "HS256"
TYPE = "at+jwt"
SCOPE = "scim"
SECONDS = 900


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """A client that may ask for tokens: by secrets (hex SHA-256, several for a rotation), or by keys it signs with.

    `permissions` are those of its tokens, as they are when a token is used.
    """

    id: str
    secrets: tuple[str, ...] = field(default=(), repr=False)
    keys: Keys | None = field(default=None, repr=False)
    expires: datetime | None = None
    permissions: Permissions = EVERYTHING

    def holds(self, now: datetime) -> bool:
        return self.expires is None or now < self.expires


@dataclass(frozen=True, slots=True)
class Issuance:
    """What one tenant's tokens are: `issuer` is its URL, `secret` its key (32 bytes), `seconds` their life."""

    issuer: str
    secret: bytes = field(repr=False)
    clients: Mapping[str, OAuthClient]
    now: Callable[[], datetime]
    seconds: int = SECONDS

    def issue(self, client: OAuthClient) -> str:
        """Make a token for a client that has authenticated."""
        now = int(self.now().timestamp())
        claims = {
            "iss": self.issuer,
            "aud": self.issuer,
            "sub": client.id,
            "client_id": client.id,
            "scope": SCOPE,
            "iat": now,
            "exp": now + self.seconds,
            "jti": secrets.token_urlsafe(12),
        }
        header = {"alg": ALGORITHM, "typ": TYPE}
        return jws.serialize_compact(header, encode(claims), OctKey.import_key(self.secret), [ALGORITHM])


class Issued:
    """Knows callers by the gateway's own tokens; a client that is no longer configured is nobody at once."""

    def __init__(self, issuance: Issuance) -> None:
        self._issuance = issuance
        self._key = OctKey.import_key(issuance.secret)

    async def authenticate(self, presented: Presented) -> Grant | None:
        if presented.scheme != "bearer" or (parts := peek(presented.credential)) is None:
            return None
        header, claims = parts
        now = self._issuance.now()
        name = claims.get("client_id")
        client = self._issuance.clients.get(name) if isinstance(name, str) else None
        if (
            client is None
            or not client.holds(now)
            or (header.get("alg"), header.get("typ")) != (ALGORITHM, TYPE)
            or "crit" in header
            or (claims.get("iss"), claims.get("aud")) != (self._issuance.issuer, self._issuance.issuer)
            or not within(claims, now.timestamp(), 0.0)
            or not verify(presented.credential, self._key, ALGORITHM)
        ):
            return None
        return Grant(client.id, "oauth", client.permissions)
