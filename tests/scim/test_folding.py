"""Folding of names and reading of instants."""

from __future__ import annotations

import sys
import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.scim.folding import fold, instant


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "STRASSE"),
        ("İstanbul", "i\u0307stanbul"),
        ("İ", "I\u0307"),
        ("José", "Jose\u0301"),
        ("ＵＳＥＲ１２３", "user123"),
        ("ｶﾞ", "ガ"),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
        ("BJENSEN@Example.COM", "bjensen@example.com"),
        ("\u1fb3", "\u03b1\u0345"),
        ("a\u3000b", "a b"),
    ],
)
def test_two_spellings_of_one_name_are_equal(one: str, other: str) -> None:
    """Case, composition and width do not tell names apart (S14, F9)."""
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("ı", "i"), ("x²", "x2"), ("user", "user "), ("é", "e"), ("İ", "i")])
def test_different_names_stay_different(one: str, other: str) -> None:
    """Folding goes no further than case, form and width (S14)."""
    assert fold(one) != fold(other)


def test_folding_any_character_twice_is_folding_it_once() -> None:
    """For every character of Unicode, alone and in either normal form (S14)."""
    for code in range(sys.maxunicode + 1):
        folded = fold(chr(code))
        if fold(folded) != folded or fold(unicodedata.normalize("NFD", chr(code))) != folded:
            pytest.fail(f"U+{code:04X}")


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_folding_is_stable(text: str) -> None:
    """Folding is idempotent, and composition and case make no difference (S14)."""
    folded = fold(text)
    assert fold(folded) == folded
    assert fold(unicodedata.normalize("NFD", text)) == folded
    assert fold(unicodedata.normalize("NFC", text)) == folded
    assert fold(text.casefold()) == folded


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-01T01:00:00+01:00", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T00:00:00Z", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T00:00:00", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T00:00:00.5Z", datetime(2024, 1, 1, microsecond=500_000, tzinfo=UTC)),
        ("2024-01-01T00:00:00.123456789Z", datetime(2024, 1, 1, microsecond=123_456, tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2023-12-31T24:00:00Z", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T00:00:00-14:00", datetime(2024, 1, 1, 14, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read(text: str, moment: datetime) -> None:
    """Offsets, fractions, leap days and hour 24 (S16, F8)."""
    assert instant(text) == moment


def test_the_last_moment_of_the_calendar_keeps_its_offset() -> None:
    """A legacy "never" with an offset is compared, not overflowed (S16)."""
    never = instant("9999-12-31T23:59:59-05:00")
    assert never > datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert never.utcoffset() == timedelta(hours=-5)


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01", "", "2024-01-01T00:00Z", "2024-01-01 00:00:00Z", "2024-01-01t00:00:00z", "2024-13-01T00:00:00Z",
        "2023-02-29T00:00:00Z", "2024-01-01T00:00:60Z", "2024-01-01T24:00:01Z", "2024-01-01T24:00:00.1Z",
        "2024-01-01T25:00:00Z", "2024-01-01T00:00:00+15:00", "2024-01-01T00:00:00+14:01", "2024-01-01T00:00:00+01:60",
        "12024-01-01T00:00:00Z", "-2024-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T24:00:00Z",
        "20240101T000000Z", "2024-W01-1T00:00:00Z", "２０２４-01-01T00:00:00Z", "2024-01-01T00:00:00Z\n",
        "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00." + "1" * 100 + "Z",
    ],
)  # fmt: skip
def test_what_is_no_instant_is_refused(text: str) -> None:
    """Date-only, week dates, leap seconds, impossible days and other notations (S16)."""
    with pytest.raises(ValueError, match=r"."):
        instant(text)
