"""Signed tokens: good ones of every algorithm, and forged ones of every kind named in X7."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc import jwk, jws
from joserfc import jwt as jose

from gateway.scim.errors import ScimError
from gateway.server.auth import Grant, Jwt, JwtIssuer, Presented
from gateway.server.auth.jwt import ambiguous, name_of
from gateway.server.auth.keys import (
    KeySet,
    KeysUnavailable,
    PinnedKeys,
    VerifyingKey,
    read_jwks,
    read_pem,
)

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
STAMP = int(NOW.timestamp())
ISSUER = "https://login.example.com/tenant-one/v2.0"
AUDIENCE = "https://scim.example.com/acme"
KINDS: dict[str, tuple[str, Any]] = {
    "RS256": ("RSA", 2048),
    "PS256": ("RSA", 2048),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}


@pytest.fixture(scope="module")
def keys() -> dict[str, Any]:
    """One private key per algorithm; the RSA ones share one."""
    rsa = jwk.RSAKey.generate_key(2048, {"kid": "rsa"})
    made: dict[str, Any] = {}
    for algorithm, (kind, size) in KINDS.items():
        made[algorithm] = rsa if kind == "RSA" else jwk.generate_key(kind, size, {"kid": algorithm})
    return made


def public(*given: Any, **changes: Any) -> KeySet:
    members = [{**key.as_dict(private=False), **changes} for key in given]
    return read_jwks(json.dumps({"keys": members}).encode())


def issuer(signers: KeySet, **changes: Any) -> JwtIssuer:
    known = {"issuer": ISSUER, "audience": frozenset({AUDIENCE}), "keys": PinnedKeys(signers)}
    return JwtIssuer(**{**known, **changes})


def claims(**changes: Any) -> dict[str, Any]:
    known = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "client-1",
        "exp": STAMP + 300,
        "nbf": STAMP - 10,
        "iat": STAMP - 10,
    }
    return {name: value for name, value in {**known, **changes}.items() if value is not None}


def signed(key: Any, body: dict[str, Any], algorithm: str = "RS256", **header: Any) -> str:
    head = {name: value for name, value in {"alg": algorithm, "kid": key.kid, "typ": "JWT", **header}.items() if value}
    if algorithm == "EdDSA":
        return _raw(key, head, body)
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    return jose.encode(head, body, key, registry=registry)


def segment(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


async def granted(token: str, *issuers: JwtIssuer) -> Grant | None:
    return await Jwt(issuers, now=lambda: NOW).authenticate(Presented("bearer", token))


@pytest.mark.parametrize("algorithm", list(KINDS))
async def test_every_allowed_algorithm(keys: dict[str, Any], algorithm: str) -> None:
    """A token signed as its issuer may sign is known, whatever the family of the key."""
    key = keys[algorithm]
    token = signed(key, claims(), algorithm)
    grant = await granted(token, issuer(public(key), algorithms=frozenset({algorithm})))
    assert grant is not None
    assert (grant.name, grant.method) == ("jwt:client-1", "jwt")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://login.example.com/tenant-two/v2.0"},
        {"iss": None},
        {"iss": [ISSUER]},
        {"aud": "https://scim.example.com/globex"},
        {"aud": None},
        {"aud": []},
        {"aud": [1, None]},
        {"aud": AUDIENCE + "/"},
        {"exp": None},
        {"exp": STAMP - 31},
        {"exp": str(STAMP + 300)},
        {"exp": True},
        {"nbf": STAMP + 31},
        {"nbf": "now"},
        {"iat": STAMP + 31},
        {"tid": "two"},
        {"tid": None},
        {"tid": "one two"},
        {"scope": "openid scim2"},
        {"scope": None},
        {"jti": None},
    ],
)
async def test_wrong_claims(keys: dict[str, Any], changes: dict[str, Any]) -> None:
    """Issuer, audience, times, bound claims and required claims are each enforced (X7)."""
    key = keys["RS256"]
    bound = issuer(
        public(key),
        claims={"tid": frozenset({"one"}), "scope": frozenset({"scim"})},
        required=frozenset({"jti"}),
    )
    good = {"tid": "one", "scope": "openid scim", "jti": "1"}
    assert await granted(signed(key, claims(**good)), bound) is not None
    assert await granted(signed(key, claims(**{**good, **changes})), bound) is None


@pytest.mark.parametrize("changes", [{"exp": STAMP - 29}, {"nbf": STAMP + 29}, {"aud": ["x", AUDIENCE]}, {"nbf": None}])
async def test_tolerated_claims(keys: dict[str, Any], changes: dict[str, Any]) -> None:
    """Clocks may be apart by the skew, several audiences may be named, nbf may be absent."""
    key = keys["RS256"]
    assert await granted(signed(key, claims(**changes)), issuer(public(key))) is not None


def test_skew_and_algorithms_are_bounded(keys: dict[str, Any]) -> None:
    """A skew of more than a minute, no audience, ``none`` and shared secrets cannot be configured (X7)."""
    known = public(keys["RS256"])
    for changes in (
        {"skew": 61.0},
        {"audience": frozenset()},
        {"algorithms": frozenset()},
        {"algorithms": frozenset({"none"})},
        {"algorithms": frozenset({"HS256", "RS256"})},
    ):
        with pytest.raises(ValueError, match=next(iter(changes))):
            issuer(known, **changes)


HEADER = {"alg": "RS256", "kid": "rsa"}
FORGERIES: dict[str, Callable[[dict[str, Any]], str]] = {
    "none": lambda keys: f"{segment({'alg': 'none', 'kid': 'rsa'})}.{segment(claims())}.",
    "None": lambda keys: f"{segment({'alg': 'None', 'kid': 'rsa'})}.{segment(claims())}.",
    "no algorithm": lambda keys: f"{segment({'kid': 'rsa'})}.{segment(claims())}.x",
    "algorithm list": lambda keys: f"{segment({'alg': ['RS256'], 'kid': 'rsa'})}.{segment(claims())}.x",
    "public key as secret": lambda keys: _with_public_key_as_secret(keys["RS256"]),
    "no signature": lambda keys: signed(keys["RS256"], claims()).rpartition(".")[0] + ".",
    "other key": lambda keys: signed(jwk.RSAKey.generate_key(2048, {"kid": "rsa"}), claims()),
    "own key in header": lambda keys: _with_own_key(),
    "own url in header": lambda keys: signed(
        jwk.RSAKey.generate_key(2048, {"kid": "rsa"}),
        claims(),
        jku="https://evil.example/jwks",
        x5u="https://evil.example",
    ),
    "algorithm not allowed": lambda keys: signed(keys["RS256"], claims(), "RS512"),
    "signature of zeros": lambda keys: _with_zero_signature(keys["ES256"]),
    "signature in DER": lambda keys: _with_der_signature(keys["ES256"]),
    "public key set as secret": lambda keys: _with_public_key_set_as_secret(keys["RS256"]),
    "empty secret": lambda keys: _hmac(b""),
    "own certificate in header": lambda keys: _with_own_certificate(),
    "unencoded claims": lambda keys: _raw(keys["RS256"], {**HEADER, "b64": False, "crit": ["b64"]}, claims()),
    "key id url": lambda keys: signed(keys["RS256"], claims(), kid="https://evil.example/jwks#rsa"),
    "key id empty and own key": lambda keys: signed(jwk.RSAKey.generate_key(2048), claims(), kid=""),
    "nested token": lambda keys: _raw(
        keys["RS256"], {**HEADER, "cty": "JWT"}, signed(keys["RS256"], claims()).encode()
    ),
    "blank in a segment": lambda keys: signed(keys["RS256"], claims()).replace(".", " .", 1),
    "line ends": lambda keys: signed(keys["RS256"], claims()) + "\n",
    "other family": lambda keys: signed(keys["ES256"], claims(), "ES256", kid="rsa"),
    "critical": lambda keys: signed(keys["RS256"], claims(), crit=["b64"], b64=True),
    "critical unknown": lambda keys: _raw(
        keys["RS256"], {"alg": "RS256", "kid": "rsa", "crit": ["x"], "x": 1}, claims()
    ),
    "critical empty": lambda keys: _raw(keys["RS256"], {"alg": "RS256", "kid": "rsa", "crit": []}, claims()),
    "other type": lambda keys: signed(keys["RS256"], claims(), typ="dpop+jwt"),
    "type list": lambda keys: _raw(keys["RS256"], {"alg": "RS256", "kid": "rsa", "typ": ["JWT"]}, claims()),
    "key id path": lambda keys: signed(keys["RS256"], claims(), kid="../../etc/passwd"),
    "key id sql": lambda keys: signed(keys["RS256"], claims(), kid="' or 1=1 --"),
    "key id number": lambda keys: _raw(keys["RS256"], {"alg": "RS256", "kid": 7}, claims()),
    "changed claims": lambda keys: _changed(keys),
    "changed header": lambda keys: _changed_header(keys),
    "too long": lambda keys: signed(keys["RS256"], claims(x="y" * 8192)),
    "two parts": lambda keys: signed(keys["RS256"], claims()).rpartition(".")[0],
    "four parts": lambda keys: signed(keys["RS256"], claims()) + ".x",
    "encrypted": lambda keys: f"{segment({'alg': 'RSA-OAEP', 'enc': 'A256GCM'})}.a.b.c.d",
    "no object": lambda keys: _raw(keys["RS256"], {"alg": "RS256", "kid": "rsa"}, b"[]"),
    "duplicate claims": lambda keys: _raw(
        keys["RS256"],
        {"alg": "RS256", "kid": "rsa"},
        json.dumps(claims()).encode()[:-1] + b',"aud":"x"}',
    ),
    "deep claims": lambda keys: _raw(keys["RS256"], {"alg": "RS256", "kid": "rsa"}, b'{"a":' * 500 + b"1" + b"}" * 500),
    "no json": lambda keys: _raw(keys["RS256"], b"header", b"claims"),
    "no base64": lambda keys: "a!.b!.c!",
    "padded": lambda keys: _padded(keys),
    "empty": lambda keys: "..",
    "not ascii": lambda keys: signed(keys["RS256"], claims()) + "é",
}


def _raw(key: Any, header: Any, body: Any) -> str:
    """Sign anything, past the library's own checks."""
    signing = f"{segment(header)}.{segment(body)}"
    algorithm = header["alg"] if isinstance(header, dict) else "RS256"
    signature = jws.JWSRegistry.algorithms[algorithm].sign(signing.encode(), key)
    return f"{signing}.{segment(signature)}"


def _with_public_key_as_secret(key: Any) -> str:
    return _hmac(key.as_pem(private=False))


def _with_public_key_set_as_secret(key: Any) -> str:
    return _hmac(json.dumps(key.as_dict(private=False)).encode())


def _hmac(secret: bytes) -> str:
    signing = f"{segment({'alg': 'HS256', 'kid': 'rsa'})}.{segment(claims())}"
    return f"{signing}.{segment(hmac.digest(secret, signing.encode(), 'sha256'))}"


def _with_zero_signature(key: Any) -> str:
    """CVE-2022-21449: r and s of 0 hold for everything where nobody looks."""
    return f"{segment({'alg': 'ES256', 'kid': key.kid})}.{segment(claims())}.{segment(bytes(64))}"


def _with_der_signature(key: Any) -> str:
    header, body, signature = signed(key, claims(), "ES256").split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    written = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    return f"{header}.{body}.{segment(written)}"


def _with_own_certificate() -> str:
    """A chain of one's own in the header; `x5c` is looked at by nobody."""
    own = jwk.RSAKey.generate_key(2048, {"kid": "rsa"})
    der = base64.b64encode(own.as_der(private=False)).decode()
    return _raw(own, {**HEADER, "x5c": [der]}, claims())


def _with_own_key() -> str:
    own = jwk.RSAKey.generate_key(2048, {"kid": "rsa"})
    return _raw(own, {"alg": "RS256", "kid": "rsa", "jwk": own.as_dict(private=False)}, claims())


def _changed(keys: dict[str, Any]) -> str:
    header, _, signature = signed(keys["RS256"], claims()).split(".")
    return f"{header}.{segment(claims(sub='admin'))}.{signature}"


def _changed_header(keys: dict[str, Any]) -> str:
    _, body, signature = signed(keys["RS256"], claims()).split(".")
    return f"{segment({'alg': 'RS256', 'kid': 'rsa', 'x': 1})}.{body}.{signature}"


def _padded(keys: dict[str, Any]) -> str:
    header, body, signature = signed(keys["RS256"], claims(x="")).split(".")
    return f"{header}=.{body}==.{signature}"


@pytest.mark.parametrize("kind", list(FORGERIES))
async def test_forged_tokens(keys: dict[str, Any], kind: str) -> None:
    """Forgeries of every kind are nobody's, and none of them raises (X7)."""
    known = public(keys["RS256"], keys["ES256"])
    assert await granted(FORGERIES[kind](keys), issuer(known, algorithms=frozenset({"RS256", "ES256"}))) is None


async def test_token_without_a_key_id(keys: dict[str, Any]) -> None:
    """Without a key id a token is verified where there is no choice of keys, and refused where there is."""
    token = signed(keys["RS256"], claims(), kid="")
    assert await granted(token, issuer(public(keys["RS256"]))) is not None
    assert await granted(token, issuer(public(keys["RS256"], jwk.RSAKey.generate_key(2048, {"kid": "b"})))) is None


async def test_several_issuers(keys: dict[str, Any]) -> None:
    """Each token is judged by its own issuer's rules and keys only."""
    one = issuer(public(keys["RS256"]))
    two = issuer(public(keys["ES256"]), issuer="https://two.example")
    assert await granted(signed(keys["ES256"], claims(iss="https://two.example"), "ES256"), one, two) is not None
    assert await granted(signed(keys["ES256"], claims(), "ES256"), one, two) is None
    assert await granted(signed(keys["RS256"], claims(iss="https://two.example")), one, two) is None


async def test_other_schemes_are_not_looked_at(keys: dict[str, Any]) -> None:
    """A good token under another scheme is nothing."""
    token = signed(keys["RS256"], claims())
    assert await Jwt([issuer(public(keys["RS256"]))], now=lambda: NOW).authenticate(Presented("dpop", token)) is None


async def test_keys_that_cannot_be_had_are_no_verdict(keys: dict[str, Any]) -> None:
    """Where keys cannot be had the answer is 503, for a 401 would tell a good client that it is a bad one (E12); a
    token that cannot be good anyway is refused without them."""

    class Nowhere:
        asked = 0

        async def find(self, id: str | None, algorithm: str) -> VerifyingKey | None:
            self.asked += 1
            raise KeysUnavailable

    nowhere = Nowhere()
    blind = issuer(public(keys["RS256"]), keys=nowhere)
    with pytest.raises(ScimError) as caught:
        await granted(signed(keys["RS256"], claims()), blind)
    assert (caught.value.status, caught.value.retry_after) == (503, 5.0)
    assert await granted(signed(keys["RS256"], claims(exp=1)), blind) is None
    assert await granted(signed(keys["RS256"], claims(iss="x")), blind) is None
    assert nowhere.asked == 1


def test_ambiguous_tenants_are_found(keys: dict[str, Any]) -> None:
    """Two tenants one token could open are found: same issuer and audience, and no claim that tells them apart (X7)."""
    known = public(keys["RS256"])

    def bound(**claims: str) -> JwtIssuer:
        return issuer(known, claims={name: frozenset({value}) for name, value in claims.items()})

    assert ambiguous({"a": [bound()], "b": [bound()]}) == [("a", "b", ISSUER)]
    assert ambiguous({"a": [bound(tid="1")], "b": [bound()]}) == [("a", "b", ISSUER)]
    assert ambiguous({"a": [bound(tid="1")], "b": [bound(tid="1")]}) == [("a", "b", ISSUER)]
    assert ambiguous({"a": [bound(scope="a")], "b": [bound(scope="b")]}) == [("a", "b", ISSUER)]
    assert ambiguous({"a": [bound(tid="1")], "b": [bound(tid="2")]}) == []
    assert ambiguous({"a": [bound()], "b": [issuer(known, audience=frozenset({"x"}))]}) == []
    assert ambiguous({"a": [bound()], "b": [issuer(known, issuer="https://x")]}) == []
    assert ambiguous({"a": [bound(), bound()]}) == []


def test_names_are_fit_for_logs() -> None:
    """A caller is named by its client id, else its subject, bounded and without control characters (X13)."""
    assert name_of({"sub": "s", "azp": "client"}) == "client"
    assert name_of({"sub": "a\nb" + "x" * 500}) == "a\\nb" + "x" * 125 + "\\u2026"
    assert name_of({"sub": 7}) == "unnamed"


def test_key_sets_leave_out_what_does_not_verify(keys: dict[str, Any]) -> None:
    """Keys for encryption, short ones, shared secrets and unknown kinds are not taken, the others are (X7)."""
    rsa = keys["RS256"].as_dict(private=False)
    bad: list[Any] = [
        {**rsa, "use": "enc"},
        {**rsa, "key_ops": ["encrypt"]},
        {**rsa, "alg": "RSA-OAEP"},
        {**rsa, "alg": 7},
        {**rsa, "kid": 7},
        {**rsa, "n": rsa["n"][:100]},
        {**rsa, "n": "!" * 400},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "x"},
        {"kty": "EC", "crv": "secp256k1", "x": "a", "y": "b"},
        {"kty": "OKP", "crv": "X25519", "x": "a"},
        {"kty": "RSA"},
        {"kty": ["RSA"]},
        "text",
    ]
    assert len(read_jwks(json.dumps({"keys": bad}).encode())) == 0
    assert len(read_jwks(json.dumps({"keys": [*bad, rsa]}).encode())) == 1
    assert public(keys["RS256"], alg="PS256").get("rsa", "RS256") is None
    assert public(keys["RS256"], alg="PS256").get("rsa", "PS256") is not None


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys":{}}', b"<html>", b'{"keys":[],"keys":[]}'])
def test_broken_key_sets(document: bytes) -> None:
    """What is no key set is said to be none."""
    with pytest.raises(ValueError, match=r"\w"):
        read_jwks(document)


async def test_pinned_pem_keys(keys: dict[str, Any]) -> None:
    """A public key in PEM is taken, of every kind; a private or short one is refused."""
    for algorithm in ("RS256", "ES256", "EdDSA"):
        key = read_pem(keys[algorithm].as_pem(private=False))
        token = signed(keys[algorithm], claims(), algorithm, kid="")
        assert await granted(token, issuer(KeySet([key]), algorithms=frozenset({algorithm}))) is not None
    with pytest.raises(ValueError, match="private"):
        read_pem(keys["RS256"].as_pem(private=True))
    with pytest.raises(ValueError, match="no public key"):
        read_pem(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
