"""The gateway's own token endpoint, for identity providers that insist on OAuth (RFC 6749 §4.4, RFC 7523, RFC 8414).

Nothing but client credentials. Its errors are OAuth's (RFC 6749 §5.2) and not SCIM's, for OAuth's clients read them. A
tenant that does not exist, one without this endpoint, an unknown client and a wrong secret get one answer.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import unquote_plus

from gateway.scim import messages
from gateway.scim.errors import ScimError
from gateway.server.auth.basic import credentials
from gateway.server.auth.issued import SCOPE, Issuance, Issued, OAuthClient
from gateway.server.auth.jwt import peek, verify, within
from gateway.server.auth.keys import ALGORITHMS, KeysUnavailable

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_ASSERTION = 600.0
"""Seconds a client's assertion may hold: so long it must be remembered."""
_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")
_SKEW = 30.0


class Seen(Protocol):
    """Remembers assertions, so that each is good for one token."""

    async def first(self, client: str, id: str, seconds: float) -> bool:
        """Tell whether this is the first time within so many seconds."""


class OAuthError(Exception):
    """A refusal in OAuth's words."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """The endpoint of one tenant; `url` is its own, which assertions may name as their audience."""

    issuance: Issuance
    url: str
    seen: Seen = field(repr=False)

    @property
    def authenticator(self) -> Issued:
        """What knows the tokens given out here."""
        return Issued(self.issuance)

    def metadata(self) -> dict[str, Any]:
        """Give the metadata of RFC 8414 §2."""
        return {
            "issuer": self.issuance.issuer,
            "token_endpoint": self.url,
            "response_types_supported": [],
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": list(_METHODS),
            "token_endpoint_auth_signing_alg_values_supported": sorted(ALGORITHMS),
            "scopes_supported": [SCOPE],
        }

    async def grant(self, authorization: str, form: Mapping[str, str]) -> tuple[dict[str, Any], str]:
        """Answer a token request with the token message and the client's id; raise `OAuthError`."""
        client = await self._client(authorization, form)
        if form.get("grant_type") != "client_credentials":
            name = "unsupported_grant_type" if "grant_type" in form else "invalid_request"
            raise OAuthError(name, "grant_type must be client_credentials")
        if not set(form.get("scope", SCOPE).split()) <= {SCOPE}:
            raise OAuthError("invalid_scope", f"the only scope is {SCOPE}")
        token = self.issuance.issue(client)
        expires = self.issuance.seconds
        return {"access_token": token, "token_type": "Bearer", "expires_in": expires, "scope": SCOPE}, client.id

    async def _client(self, authorization: str, form: Mapping[str, str]) -> OAuthClient:
        """Know the client by exactly one method (RFC 6749 §2.3)."""
        posted, asserted = "client_secret" in form, "client_assertion" in form
        if (authorization != "") + posted + asserted != 1:
            raise invalid_client() if not (authorization or posted or asserted) else _one_method()
        if asserted:
            client = await self._by_assertion(form)
        elif posted:
            client = self._by_secret([(form.get("client_id", ""), form["client_secret"])])
        else:
            client = self._by_secret(_basic(authorization))
        if client is None or form.get("client_id", client.id) != client.id:
            raise invalid_client()
        return client

    def _by_secret(self, pairs: list[tuple[str, str]]) -> OAuthClient | None:
        for id, secret in pairs:
            client = self.issuance.clients.get(id)
            # A client that is not there costs what one with a wrong secret does.
            known = (_NOBODY,) if client is None else client.secrets
            given = hashlib.sha256(secret.encode()).hexdigest()
            matches = [hmac.compare_digest(one.lower().encode(), given.encode()) for one in known]
            if any(matches) and client is not None and client.holds(self.issuance.now()):
                return client
        return None

    async def _by_assertion(self, form: Mapping[str, str]) -> OAuthClient | None:
        """Know a client by a JWT of its own (RFC 7523 §3): its issuer and subject, for us, once."""
        parts = peek(form["client_assertion"])
        if parts is None or form.get("client_assertion_type") != ASSERTION:
            return None
        header, claims = parts
        id, jti = claims.get("sub"), claims.get("jti")
        client = self.issuance.clients.get(id) if isinstance(id, str) else None
        algorithm, kid = header.get("alg"), header.get("kid")
        now = self.issuance.now()
        if (
            client is None
            or client.keys is None
            or not client.holds(now)
            or claims.get("iss") != id
            or not (isinstance(jti, str) and 0 < len(jti) <= 256)
            or not within(claims, now.timestamp(), _SKEW)
            or claims["exp"] > now.timestamp() + LONGEST_ASSERTION
            or not _is_for(claims.get("aud"), (self.url, self.issuance.issuer))
            or "crit" in header
            or not (isinstance(algorithm, str) and algorithm in ALGORITHMS)
            or not (kid is None or isinstance(kid, str))
        ):
            return None
        try:
            key = await client.keys.find(kid, algorithm)
        except KeysUnavailable:
            raise OAuthError("temporarily_unavailable", "the client's keys cannot be had for now", 503) from None
        if key is None or not verify(form["client_assertion"], key.key, algorithm):
            return None
        return client if await self.seen.first(client.id, jti, LONGEST_ASSERTION + _SKEW) else None


_NOBODY = hashlib.sha256(b"").hexdigest()


def invalid_client() -> OAuthError:
    """Make the one answer for whoever is not known."""
    return OAuthError("invalid_client", "the client is not known by what it presented", 401)


def parse_form(data: bytes) -> dict[str, str]:
    """Read a form; raise `OAuthError` for what is none and for a parameter given twice (RFC 6749 §3.2)."""
    try:
        pairs = messages.query_pairs(data.decode("ascii"))
    except (UnicodeDecodeError, ScimError):
        raise OAuthError("invalid_request", "the body is no form") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError("invalid_request", "a parameter is given twice")
    return form


def _one_method() -> OAuthError:
    return OAuthError("invalid_request", "the client must authenticate in exactly one way")


def _basic(authorization: str) -> list[tuple[str, str]]:
    """Read client id and secret, form-encoded as the RFC says (§2.3.1), or as they are, as most clients send them."""
    scheme, _, credential = authorization.strip().partition(" ")
    pair = credentials(credential.strip()) if scheme.lower() == "basic" else None
    if pair is None:
        return []
    decoded = (unquote_plus(pair[0]), unquote_plus(pair[1]))
    return [pair] if decoded == pair else [pair, decoded]


def _is_for(audience: Any, ours: tuple[str, ...]) -> bool:
    return any(one in ours for one in (audience if isinstance(audience, list) else [audience]))
