"""Cursors."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.scim import cursors
from gateway.scim.errors import ScimError

KEY = bytes(range(32))
PLACE = {"t": 0, "c": "last key / ü", "n": 12, "k": 100}
NOW = 1_700_000_000.0


def test_a_cursor_comes_back_as_it_was_sealed() -> None:
    """Nothing is stored; the place is in the cursor (N1, N8)."""
    text = cursors.seal(KEY, PLACE, b"binding", NOW + 60)
    assert re.fullmatch(r"[A-Za-z0-9._~-]+", text)
    assert cursors.open(KEY, text, b"binding", NOW) == PLACE
    assert cursors.open(KEY, text, b"binding", NOW + 59.9) == PLACE


def refusal(key: bytes, text: str, binding: bytes, now: float = NOW) -> tuple[Any, ...]:
    with pytest.raises(ScimError) as caught:
        cursors.open(key, text, binding, now)
    error = caught.value
    return error.status, error.scim_type, error.detail


def test_an_old_cursor_says_so() -> None:
    """Only one of ours, for this very query, is told to have expired (N5, N7)."""
    text = cursors.seal(KEY, PLACE, b"binding", NOW)
    assert refusal(KEY, text, b"binding", NOW)[:2] == (400, "expiredCursor")
    assert refusal(KEY, text, b"binding", NOW + 1)[:2] == (400, "expiredCursor")
    assert refusal(KEY, text, b"other", NOW + 1)[:2] == (400, "invalidCursor")
    assert refusal(bytes(32), text, b"binding", NOW + 1)[:2] == (400, "invalidCursor")


def test_everything_else_is_refused_in_the_same_words() -> None:
    """Forged, cut, of another tenant, caller or query: nobody learns which (N4, N5, N8)."""
    text = cursors.seal(KEY, PLACE, b"tenant a, caller b, query c", NOW + 60)
    raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    late = raw.copy()
    late[32:40] = (2**63).to_bytes(8, "big")
    forged = [
        "", "x", "!", "a b", "ü", text[:-4], text + "AAAA", text[4:], text.swapcase(), f"{text}\n", "A" * 20_000,
        base64.b64encode(bytes(raw)).decode() + "==", base64.urlsafe_b64encode(bytes(late)).decode().rstrip("="),
    ]  # fmt: skip
    answers = {refusal(KEY, item, b"tenant a, caller b, query c") for item in forged}
    answers.add(refusal(KEY, text, b"tenant b, caller b, query c"))
    answers.add(refusal(KEY, text, b""))
    answers.add(refusal(b"another key, as long as the other", text, b"tenant a, caller b, query c"))
    assert answers == {(400, "invalidCursor", "cursor: is not valid for this query")}


def test_no_single_bit_can_be_altered() -> None:
    """Signature, expiry and place are all signed (N8)."""
    text = cursors.seal(KEY, PLACE, b"binding", NOW + 60)
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    for place in range(len(raw)):
        altered = bytearray(raw)
        altered[place] ^= 1
        forged = base64.urlsafe_b64encode(bytes(altered)).decode().rstrip("=")
        assert refusal(KEY, forged, b"binding")[1] == "invalidCursor"


def test_the_binding_cannot_take_over_part_of_the_place() -> None:
    """Lengths are fixed: nothing moves from one signed part to the next (N8)."""
    one = cursors.seal(KEY, "ab", b"x", NOW + 60)
    assert refusal(KEY, one, b'x"')[1] == "invalidCursor"


def test_a_place_too_long_for_a_url_is_a_mistake_of_ours() -> None:
    """It is told at once and not when the next page is asked for (N1)."""
    with pytest.raises(ValueError, match="too long"):
        cursors.seal(KEY, "x" * 20_000, b"", NOW)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)),
    st.binary(max_size=40),
    st.text(max_size=40),
)
def test_any_place_comes_back_and_any_text_is_refused(payload: Any, binding: bytes, text: str) -> None:
    """Of URL characters only; what was not sealed here is no cursor (N1, N5)."""
    sealed = cursors.seal(KEY, payload, binding, NOW + 1)
    assert re.fullmatch(r"[A-Za-z0-9._~-]+", sealed)
    assert cursors.open(KEY, sealed, binding, NOW) == payload
    assert refusal(KEY, text, binding)[1] == "invalidCursor"
