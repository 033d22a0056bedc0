"""Public keys of token issuers: read strictly, found by key id and algorithm (X7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from joserfc import jwk
from joserfc.errors import JoseError

from gateway.scim.errors import ScimError
from gateway.server.codec import Decoder
from gateway.server.limits import JsonLimits

CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}
RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
ALGORITHMS = frozenset({*RSA, *CURVES})
"""What may sign: public keys only, never ``none`` and never a shared secret."""

_RSA_CHARACTERS = 341
"""Characters of a modulus of 2,048 bits in base64url."""
_DECODER = Decoder(JsonLimits(depth=6, members=200, elements=500, characters=65_536))


class KeysUnavailable(Exception):
    """An issuer's keys cannot be had: nobody can be known or refused for now."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """One public key, its id and what it may verify."""

    id: str | None
    algorithms: frozenset[str]
    key: jwk.Key = field(repr=False)


class Keys(Protocol):
    """Where an issuer's keys come from."""

    async def find(self, id: str | None, algorithm: str) -> VerifyingKey | None:
        """Find the key of a token; raise `KeysUnavailable` where no keys can be had."""


class KeySet:
    """Some keys, by id and algorithm; the id is nothing but a dictionary's key."""

    def __init__(self, keys: Iterable[VerifyingKey]) -> None:
        self._keys = tuple(keys)
        self._by_id = {(key.id, algorithm): key for key in reversed(self._keys) for algorithm in key.algorithms}

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, id: str | None, algorithm: str) -> VerifyingKey | None:
        """Give the key; a token without a key id is matched only where there is no choice."""
        if id is not None:
            return self._by_id.get((id, algorithm))
        fitting = [key for key in self._keys if algorithm in key.algorithms]
        return fitting[0] if len(fitting) == 1 else None


class PinnedKeys:
    """Keys of the configuration."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    async def find(self, id: str | None, algorithm: str) -> VerifyingKey | None:
        return self._keys.get(id, algorithm)


def read_jwks(document: bytes) -> KeySet:
    """Read a JWK set; keys that are for something else, too short or of another kind are left out.

    Raises ValueError for what is no JWK set.
    """
    try:
        members = _DECODER.decode(document)
    except ScimError as error:
        raise ValueError(error.detail) from None
    keys = members.get("keys")
    if not isinstance(keys, list):
        raise ValueError("the document is no JWK set")
    return KeySet(key for one in keys if isinstance(one, dict) and (key := _key(one)) is not None)


def read_pem(pem: bytes, id: str | None = None) -> VerifyingKey:
    """Read one public key in PEM; raises ValueError for what is none, and for a private key."""
    for kind in ("RSA", "EC", "OKP"):
        try:
            made = jwk.import_key(pem, kind)
        except (JoseError, ValueError, TypeError):
            continue
        if made.is_private:
            raise ValueError("the key is private; the gateway needs the public one only")
        found = _key({**made.as_dict(private=False), **({} if id is None else {"kid": id})})
        if found is not None:
            # The thumbprint that takes the place of a missing id is nothing a token would name.
            return VerifyingKey(id, found.algorithms, found.key)
    raise ValueError("the file holds no public key of RSA (2,048 bits or more), P-256, P-384, P-521 or Ed25519")


def _key(member: Mapping[str, Any]) -> VerifyingKey | None:
    if member.get("use", "sig") != "sig" or not _verifies(member.get("key_ops", ["verify"])):
        return None
    algorithms = _algorithms(member)
    if (named := member.get("alg")) is not None:
        algorithms &= {named} if isinstance(named, str) else set()
    id = member.get("kid")
    if not algorithms or not (id is None or isinstance(id, str)):
        return None
    public = {name: value for name, value in member.items() if name in ("kty", "crv", "x", "y", "n", "e")}
    try:
        return VerifyingKey(id, algorithms, jwk.import_key(public))
    except (JoseError, ValueError, TypeError):
        return None


def _verifies(operations: Any) -> bool:
    return isinstance(operations, list) and "verify" in operations


def _algorithms(member: Mapping[str, Any]) -> frozenset[str]:
    """Tell what a key of this kind and size may verify."""
    match member.get("kty"):
        case "RSA":
            modulus = member.get("n")
            return frozenset(RSA) if isinstance(modulus, str) and len(modulus) > _RSA_CHARACTERS else frozenset()
        case "EC" | "OKP":
            return frozenset(name for name, curve in CURVES.items() if curve == member.get("crv"))
        case _:
            return frozenset()
