"""Static bearer tokens: digests only, expiry to the second, last use, and tokens of the gateway's own making (X6)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.server.auth import Presented, StaticToken, StaticTokens
from gateway.server.auth.tokens import digest, is_well_formed, new_token

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def bearer(text: str) -> Presented:
    return Presented("bearer", text)


async def test_token_holds_until_its_end() -> None:
    """A token is accepted before the instant it expires and not from it on."""
    clock = [NOW]
    tokens = StaticTokens(
        [StaticToken(digest("a"), "a", NOW + timedelta(seconds=1)), StaticToken(digest("b"), "b")], now=lambda: clock[0]
    )
    grant = await tokens.authenticate(bearer("a"))
    assert grant is not None
    assert (grant.name, grant.method) == ("a", "token")
    clock[0] = NOW + timedelta(seconds=1)
    assert await tokens.authenticate(bearer("a")) is None
    assert await tokens.authenticate(bearer("b")) is not None
    assert tokens.last_used == {"a": NOW, "b": clock[0]}
    assert tokens.expiries == {"a": NOW + timedelta(seconds=1)}


async def test_only_bearer_tokens_are_looked_at() -> None:
    """Another scheme with the right text is nothing."""
    tokens = StaticTokens([StaticToken(digest("a"), "a")], now=lambda: NOW)
    assert await tokens.authenticate(Presented("basic", "a")) is None
    assert await tokens.authenticate(Presented()) is None
    assert await tokens.authenticate(bearer("\udcff")) is None
    assert tokens.last_used == {}


@pytest.mark.parametrize("sha256", ["", "abc", "zz" * 32, "a" * 63, "a" * 66])
def test_digest_must_be_one(sha256: str) -> None:
    """What is no SHA-256 is refused when it is configured."""
    with pytest.raises(ValueError, match="hexa"):
        StaticTokens([StaticToken(sha256, "x")], now=lambda: NOW)


def test_digest_is_not_shown() -> None:
    """The digest is no part of a token's repr."""
    assert digest("a") not in repr(StaticToken(digest("a"), "a"))


def test_new_tokens() -> None:
    """A new token has a prefix, 256 random bits and a checksum, and its digest is that of its text."""
    token, sha256 = new_token()
    assert token.startswith("scimgw_")
    assert len(token) == 56
    assert sha256 == hashlib.sha256(token.encode()).hexdigest()
    assert is_well_formed(token)
    assert len({new_token()[0] for _ in range(100)}) == 100


@settings(max_examples=100)
@given(st.integers(7, 55), st.characters(codec="ascii", categories=["L", "N"]))
def test_slips_of_the_pen_are_noticed(place: int, letter: str) -> None:
    """A changed character anywhere is seen by the checksum."""
    token, _ = new_token()
    changed = token[:place] + letter + token[place + 1 :]
    assert is_well_formed(changed) == (changed == token)
    assert not is_well_formed(token[:-1])
    assert not is_well_formed("")
