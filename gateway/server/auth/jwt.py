"""Access tokens that are signed JWTs of other issuers (RFC 7519, RFC 8725, RFC 9068; X7).

The tenant is bound by what is configured for it: an issuer together with audience and claims. Where one issuer writes
tokens for several tenants under one audience, a claim must tell them apart (`ambiguous` finds where none does).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError

from gateway.scim.errors import ScimError
from gateway.scim.values import shown
from gateway.server.auth.authenticator import EVERYTHING, Grant, Permissions, Presented
from gateway.server.auth.keys import ALGORITHMS, Keys, KeysUnavailable
from gateway.server.codec import Decoder
from gateway.server.limits import JsonLimits

LONGEST = 8_192
"""Bytes of a token; longer ones are not looked at."""
MOST_SKEW = 60.0
DEFAULT_ALGORITHMS = frozenset({"RS256", "PS256", "ES256"})
DEFAULT_TYPES = frozenset({"", "jwt", "at+jwt", "application/at+jwt"})
_NAMES = ("client_id", "azp", "appid", "sub")
_DECODER = Decoder(JsonLimits(depth=8, members=200, elements=2_000, characters=LONGEST))


@dataclass(frozen=True, slots=True)
class JwtIssuer:
    """One issuer a tenant believes, and of its tokens those meant for the tenant.

    `audience`: one of them must be in ``aud``. `claims`: each named claim must be, or hold, one of its values (of
    ``scope`` and ``scp`` each word counts). `required` claims must be there. `types` are values of ``typ`` in lower
    case, empty for none. `skew` is in seconds.
    """

    issuer: str
    audience: frozenset[str]
    keys: Keys = field(repr=False)
    algorithms: frozenset[str] = DEFAULT_ALGORITHMS
    claims: Mapping[str, frozenset[str]] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    types: frozenset[str] = DEFAULT_TYPES
    skew: float = 30.0
    permissions: Permissions = EVERYTHING

    def __post_init__(self) -> None:
        if not self.audience:
            raise ValueError("audience: at least one is needed, or tokens for others would be taken")
        if not self.algorithms or not self.algorithms <= ALGORITHMS:
            raise ValueError(f"algorithms: must be some of {', '.join(sorted(ALGORITHMS))}")
        if not 0 <= self.skew <= MOST_SKEW:
            raise ValueError(f"skew: must be between 0 and {MOST_SKEW:.0f} seconds")


class Jwt:
    """Knows callers by tokens of one or several issuers."""

    def __init__(self, issuers: Iterable[JwtIssuer], *, now: Callable[[], datetime]) -> None:
        self._issuers = tuple(issuers)
        self._now = now

    async def authenticate(self, presented: Presented) -> Grant | None:
        """Raises `ScimError` 503 where a token could only be judged with keys that cannot be had: a good client must
        not be told that its credentials are bad (E12)."""
        token = presented.credential
        if presented.scheme != "bearer" or (parts := peek(token)) is None:
            return None
        header, claims = parts
        for issuer in self._issuers:
            if claims.get("iss") == issuer.issuer and self._fits(issuer, header, claims):
                try:
                    if await _signed(token, header, issuer):
                        return Grant(f"jwt:{name_of(claims)}", "jwt", issuer.permissions)
                except KeysUnavailable:
                    raise ScimError(503, "credentials cannot be checked for now", retry_after=5.0) from None
        return None

    def _fits(self, issuer: JwtIssuer, header: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
        """Check everything but the signature first: it costs little, and a wrong token then costs no more than that."""
        typ = header.get("typ", "")
        return (
            _is_one_of(header.get("alg"), issuer.algorithms)
            and "crit" not in header
            and isinstance(typ, str)
            and typ.lower() in issuer.types
            and not issuer.audience.isdisjoint(_texts(claims.get("aud")))
            and within(claims, self._now().timestamp(), issuer.skew)
            and all(name in claims for name in issuer.required)
            and all(holds(claims, name, values) for name, values in issuer.claims.items())
        )


def peek(token: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Read header and claims without believing them; None for what is no signed JWT."""
    if len(token) > LONGEST or token.count(".") != 2:
        return None
    try:
        header, claims, _ = token.encode("ascii").split(b".")
        return _DECODER.decode(_unpadded(header)), _DECODER.decode(_unpadded(claims))
    except (ScimError, UnicodeError, binascii.Error):
        return None


def within(claims: Mapping[str, Any], now: float, skew: float) -> bool:
    """Tell whether a token holds now: ``exp`` must be there, ``nbf`` and ``iat`` are believed where they are."""
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name)
        if value is None and name != "exp":
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if (now >= value + skew) if name == "exp" else (now < value - skew):
            return False
    return True


def holds(claims: Mapping[str, Any], name: str, values: frozenset[str]) -> bool:
    """Tell whether a claim is one of some values, or a list that holds one."""
    value = claims.get(name)
    if isinstance(value, str) and name in ("scope", "scp"):
        return not values.isdisjoint(value.split(" "))
    if isinstance(value, bool | int):
        return str(value).lower() in values
    return not values.isdisjoint(_texts(value))


def name_of(claims: Mapping[str, Any]) -> str:
    """Name the caller for logs and cursors: its client id where there is one, else its subject."""
    for name in _NAMES:
        if isinstance(value := claims.get(name), str) and value:
            return shown(value)
    return "unnamed"


def ambiguous(tenants: Mapping[str, Iterable[JwtIssuer]]) -> list[tuple[str, str, str]]:
    """Find pairs of tenants one token could open both of, with the issuer: their configuration must be refused."""
    flat = [(tenant, issuer) for tenant, issuers in tenants.items() for issuer in issuers]
    return [
        (one, other, first.issuer)
        for place, (one, first) in enumerate(flat)
        for other, second in flat[place + 1 :]
        if one != other and first.issuer == second.issuer and _overlap(first, second)
    ]


def _overlap(one: JwtIssuer, other: JwtIssuer) -> bool:
    """Tell whether the claims leave room for a token both take; an ``aud`` may name several audiences at once."""
    shared = one.claims.keys() & other.claims.keys() - {"scope", "scp", "roles", "groups"}
    apart = any(one.claims[name].isdisjoint(other.claims[name]) for name in shared)
    return not apart and not one.audience.isdisjoint(other.audience)


async def _signed(token: str, header: Mapping[str, Any], issuer: JwtIssuer) -> bool:
    """Verify the signature with the issuer's own key of this id; ``jku``, ``x5u`` and ``jwk`` mean nothing."""
    kid = header.get("kid")
    if not (kid is None or isinstance(kid, str)):
        return False
    key = await issuer.keys.find(kid, header["alg"])
    return key is not None and verify(token, key.key, header["alg"])


def verify(token: str, key: Any, algorithm: str) -> bool:
    """Verify a signature with one key and one algorithm."""
    try:
        jws.deserialize_compact(token, key, registry=_Registry(algorithms=[algorithm], strict_check_header=False))
    except (JoseError, ValueError, TypeError):
        return False
    return True


class _Registry(jws.JWSRegistry):
    """Takes headers as long as certificate thumbprints make them, for the whole token is bounded already, and ``EdDSA``
    without a warning on every token that it has been renamed."""

    max_header_length = LONGEST
    max_payload_length = LONGEST

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


def _unpadded(segment: bytes) -> bytes:
    if b"=" in segment:
        raise binascii.Error("padding")
    return base64.b64decode(segment + b"=" * (-len(segment) % 4), altchars=b"-_", validate=True)


def _texts(value: Any) -> set[str]:
    values = value if isinstance(value, list) else [value]
    return {one for one in values if isinstance(one, str)}


def _is_one_of(value: Any, known: frozenset[str]) -> bool:
    return isinstance(value, str) and value in known
