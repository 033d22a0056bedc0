"""HTTP Basic for clients that cannot do better (O9)."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.server.auth import Basic, BasicLogin, Permissions, Presented
from gateway.server.auth.basic import credentials
from gateway.server.auth.tokens import digest

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
READ = Permissions(read_only=True)
BASIC = Basic(
    [
        BasicLogin("okta", digest("pass:word")),
        BasicLogin("okta", digest("next")),
        BasicLogin("old", digest("old"), NOW),
        BasicLogin("ünï", digest("çödé"), None, READ),
    ],
    now=lambda: NOW,
)


def presented(text: str, scheme: str = "basic") -> Presented:
    return Presented(scheme, base64.b64encode(text.encode()).decode())


@pytest.mark.parametrize(("text", "name"), [("okta:pass:word", "okta"), ("okta:next", "okta"), ("ünï:çödé", "ünï")])
async def test_known_pairs(text: str, name: str) -> None:
    """User and password are known, colons and letters of any script in them, and two passwords side by side."""
    grant = await BASIC.authenticate(presented(text))
    assert grant is not None
    assert (grant.name, grant.method) == (name, "basic")
    assert grant.permissions.read_only == (name == "ünï")


@pytest.mark.parametrize(
    "text", ["okta:wrong", "other:next", "okta", "okta:", ":next", ":", "", "old:old", "OKTA:next"]
)
async def test_unknown_pairs(text: str) -> None:
    """Anything else is nobody, an expired pair too."""
    assert await BASIC.authenticate(presented(text)) is None


async def test_other_schemes_and_broken_text() -> None:
    """A bearer token of the same text is nothing, nor is what is no base64 or no UTF-8."""
    assert await BASIC.authenticate(presented("okta:next", "bearer")) is None
    assert await BASIC.authenticate(Presented("basic", "b2t0*YTpuZXh0")) is None
    assert await BASIC.authenticate(Presented("basic", "b2t0\nYTpuZXh0")) is None
    assert await BASIC.authenticate(Presented("basic", base64.b64encode(b"\xff:\xff").decode())) is None


def test_password_must_be_a_digest_and_is_not_shown() -> None:
    """A literal password is refused when configured, and a digest is no part of a repr."""
    with pytest.raises(ValueError, match="hexa"):
        Basic([BasicLogin("a", "secret")], now=lambda: NOW)
    assert digest("x") not in repr(BasicLogin("a", digest("x")))


@settings(max_examples=100)
@given(st.text())
def test_any_text_is_split_or_refused(text: str) -> None:
    """Whatever a header holds, splitting it raises nothing."""
    assert credentials(text) is None or len(credentials(text) or ()) == 2
