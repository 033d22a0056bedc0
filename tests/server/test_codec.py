"""Request bodies under every limit, and that reading them takes time in proportion to their bytes."""

from __future__ import annotations

import contextlib
import gc
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.scim.errors import ScimError
from gateway.server.codec import Decoder, encode
from gateway.server.limits import JsonLimits

DECODER = Decoder(JsonLimits())
SMALL = Decoder(JsonLimits(depth=3, members=3, elements=4, characters=8, digits=6))
MEBIBYTE = 1_048_576


def refusal(data: bytes, decoder: Decoder = DECODER) -> tuple[str | None, str]:
    with pytest.raises(ScimError) as caught:
        decoder.decode(data)
    assert caught.value.status == 400
    return caught.value.scim_type, caught.value.detail


@pytest.mark.parametrize(
    ("data", "scim_type", "reason"),
    [
        (b"", "invalidSyntax", "empty"),
        (b" \r\n\t", "invalidSyntax", "empty"),
        (b"{", "invalidSyntax", "line 1, column 2"),
        (b'{"a":1}}', "invalidSyntax", "Extra data"),
        (b'{"a":1,}', "invalidSyntax", "no JSON"),
        (b"{'a':1}", "invalidSyntax", "no JSON"),
        (b'{"a":"\x01"}', "invalidSyntax", "control character"),
        (b"[]", "invalidSyntax", "object"),
        (b"null", "invalidSyntax", "object"),
        (b'"text"', "invalidSyntax", "object"),
        (b'{"userName":"a","userName":"b"}', "invalidSyntax", "userName: is given twice"),
        (b'{"x":{"a":1,"\\u0061":2}}', "invalidSyntax", "a: is given twice"),
        (b'{"a":NaN}', "invalidSyntax", "NaN"),
        (b'{"a":-Infinity}', "invalidSyntax", "-Infinity"),
        (b'{"a":1e999}', "invalidValue", "64 bits"),
        (b'{"a":9223372036854775808}', "invalidValue", "64 bits"),
        (b'{"a":-9223372036854775808}', "invalidValue", "64 bits"),
        (b'{"a":' + b"9" * 5000 + b"}", "invalidValue", "64 digits"),
        (b'{"a":0.' + b"1" * 100 + b"}", "invalidValue", "64 digits"),
        (b'{"a":"\\ud800"}', "invalidSyntax", "surrogate"),
        (b'{"a":["\\udc00\\ud800"]}', "invalidSyntax", "surrogate"),
        (b'{"\\udfff":1}', "invalidSyntax", "surrogate"),
        (b'{"a":"\xff"}', "invalidSyntax", "UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "invalidSyntax", "UTF-8"),
        ('{"a":1}'.encode("utf-16"), "invalidSyntax", "UTF-8"),
        (b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}", "invalidSyntax", "32 levels"),
        (b'{"a":' * 1000 + b"1" + b"}" * 1000, "invalidSyntax", "32 levels"),
        (b'{"a":[' * 20 + b"1" + b"]}" * 20, "invalidSyntax", "32 levels"),
        (b"[" * MEBIBYTE, "invalidSyntax", "32 levels"),
    ],
)
def test_bad_bodies(data: bytes, scim_type: str, reason: str) -> None:
    """Each kind of broken body is a 400 that says what is wrong (S2, X4)."""
    assert reason in refusal(data)[1]
    assert refusal(data)[0] == scim_type


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a":{"b":{"c":{}}}}', "3 levels"),
        (b'{"a":1,"b":2,"c":3,"d":4}', "3 members"),
        (b'{"a":[1,2,3,4,5]}', "4 elements"),
        (b'{"a":"123456789"}', "8 characters"),
        (b'{"123456789":1}', "8 characters"),
        (b'{"a":1234567}', "6 digits"),
    ],
)
def test_limits_are_settings(data: bytes, reason: str) -> None:
    """Each limit is the one that was set, and what lies on it is taken (X4)."""
    assert reason in refusal(data, SMALL)[1]
    assert SMALL.decode(b'{"a":{"b":[1,2,3,4]},"c":"12345678","d":123456}')["d"] == 123456


def test_good_bodies() -> None:
    """A byte order mark, pairs of surrogates, the largest numbers and 32 levels are taken."""
    assert DECODER.decode(b'\xef\xbb\xbf{"a":1}') == {"a": 1}
    assert DECODER.decode(b'{"a":"\\ud83d\\ude00"}') == {"a": "😀"}
    assert DECODER.decode(b'{"a":[9223372036854775807,-9223372036854775807,1.5e3]}')["a"][2] == 1500.0
    assert DECODER.decode(b'{"a":' + b"[" * 31 + b"]" * 31 + b"}")["a"]
    assert DECODER.decode(b'{"a":"' + b"[{" * 100 + b'"}')["a"] == "[{" * 100
    assert DECODER.decode(b'{"a":"\\"[[[[[[","b":' + b"[{}," * 20 + b"1" + b"]" * 20 + b"}")["b"]


SHAPES: dict[str, Callable[[int], bytes]] = {
    "nested arrays": lambda size: b"[" * size,
    "nested objects": lambda size: b'{"a":' * (size // 5),
    "escaped quotes": lambda size: b'{"a":"' + b'\\"' * (size // 2),
    "empty containers": lambda size: b'{"a":[' + b"[],{}," * (size // 6 - 2) + b"1]}",
    "empty strings": lambda size: b'{"a":[' + b'"",' * (size // 3 - 4) + b'""]}',
    "quotes": lambda size: b'"' * size,
    "escaped letters": lambda size: b'{"a":"' + b"\\u0041" * (size // 6) + b'"}',
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_cost_is_in_proportion(shape: str) -> None:
    """Of the nastiest shapes a body eight times as long costs about eight times as much, not sixty-four (X4)."""

    def cost(data: bytes) -> float:
        taken = []
        for _ in range(3):
            gc.collect()
            gc.disable()  # what the collector does depends on all that is there, not on the body
            begun = time.thread_time()
            with contextlib.suppress(ScimError):
                DECODER.decode(data)
            taken.append(time.thread_time() - begun)
            gc.enable()
        return min(taken)

    small, large = (cost(SHAPES[shape](size)) for size in (MEBIBYTE // 8, MEBIBYTE))
    assert large < 40 * max(small, 0.0005)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), json_values, max_size=5))
def test_what_is_written_is_read(value: dict[str, Any]) -> None:
    """Whatever this codec writes it reads back equal."""
    assert DECODER.decode(encode(value)) == value


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='[]{}",:\\u01ad8 ', max_size=120))
def test_any_text_is_read_as_json_reads_it_or_refused(text: str) -> None:
    """Text of JSON's own characters is either what the standard library makes of it, or a `ScimError` (X4)."""
    try:
        found = DECODER.decode(text.encode())
    except ScimError:
        return
    assert found == json.loads(text)
