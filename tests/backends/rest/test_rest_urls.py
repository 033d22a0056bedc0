"""Whatever a value is, it ends up as one path segment, one query value, one form value or one JSON text."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from yarl import URL

from backends.contract import NotFoundError, RejectedError
from backends.kit.http.urls import UnfitError, header, segment
from backends.rest.answers import Meanings
from backends.rest.call_settings import CallSettings
from backends.rest.calls import Call, UnfitValueError

ANY = st.text() | st.text(st.sampled_from("./\\%?#&=+;: \r\n\x00{}\"'@[]àß\ud800"), max_size=8)
CALL = Call.of(
    CallSettings.model_validate(
        {
            "method": "POST",
            "path": "/a/{key}/b/{login}.x",
            "query": {"q": "{value}", "fixed": "1", "many": "{values}"},
            "json": {"a": {"b": "{login}"}, "c": "<{login}>"},
        }
    ),
    Meanings(),
    None,
    write=True,
)


@settings(max_examples=300, deadline=None)
@given(ANY)
@example("..")
@example("%2e%2e")
@example("a/b")
@example("a\r\nHost: evil.example.com")
@example("?x=1#y")
@example("\u2025")
def test_any_key_is_one_segment_or_none(key: str) -> None:
    """A key is one segment of the URL that is sent, and reads back as itself; or no record can have it."""
    try:
        request = CALL.request({"key": key, "login": "ann", "value": "v"})
    except NotFoundError:
        assert key in ("", ".", "..") or any(
            ord(sign) < 32 or sign in "/\\\x7f" or "\ud800" <= sign <= "\udfff" for sign in key
        )
        return
    url = URL(f"https://people.example.com/v1{request.path}?{request.query}", encoded=True)
    assert url.host == "people.example.com"
    raw = url.raw_path.split("/")
    assert raw[:3] == ["", "v1", "a"]
    assert raw[4:] == ["b", "ann.x"]
    assert unquote(raw[3], errors="strict") == key
    assert all(33 <= ord(sign) < 127 for sign in str(url))


@settings(max_examples=300, deadline=None)
@given(ANY, ANY)
def test_any_value_is_one_value_of_the_query(one: str, other: str) -> None:
    """Values of a query come out as they went in, each under its name, and add none."""
    try:
        request = CALL.request({"key": "7", "login": "ann", "value": one, "values": [one, other]})
    except UnfitValueError:
        assert any("\ud800" <= sign <= "\udfff" for sign in one + other)
        return
    split = urlsplit(f"https://x.example.com{request.path}?{request.query}")
    assert split.fragment == ""
    pairs = parse_qsl(split.query, keep_blank_values=True, strict_parsing=True, errors="strict")
    assert pairs == [("q", one), ("fixed", "1"), ("many", one), ("many", other)]


@settings(max_examples=200, deadline=None)
@given(ANY)
def test_any_value_is_one_text_of_the_body(value: str) -> None:
    """Values in a JSON body are texts, whatever is in them."""
    values = {"key": "7", "login": "ann", "value": "v"}
    try:
        request = CALL.request(values, {**values, "login": value})
    except RejectedError:
        assert any("\ud800" <= sign <= "\udfff" for sign in value)
        return
    assert json.loads(request.body or b"") == {"a": {"b": value}, "c": f"<{value}>"}


@settings(max_examples=200, deadline=None)
@given(ANY)
def test_any_value_is_one_header_or_none(value: str) -> None:
    """A header's value never begins another header."""
    try:
        assert header(value) == value
    except UnfitError:
        return
    assert not {"\r", "\n", "\x00"} & set(value)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=5), ANY, max_size=3))
def test_any_record_is_a_form(record: dict[str, str]) -> None:
    """A record sent as a form has as many values as members."""
    call = Call.of(
        CallSettings.model_validate({"method": "POST", "path": "/a", "form": {}}), Meanings(), None, write=True
    )
    try:
        request = call.request({"@record": record})
    except RejectedError:
        assert any("\ud800" <= sign <= "\udfff" for text in record.items() for sign in "".join(text))
        return
    assert parse_qsl((request.body or b"").decode(), keep_blank_values=True) == list(record.items())


@pytest.mark.parametrize("text", ["a b", "ä", "a+b", "a%20b", "~", "a:b@c", "a;b"])
def test_ordinary_keys_are_encoded_once(text: str) -> None:
    """Spaces, umlauts, plus and percent signs survive one encoding and one decoding."""
    assert unquote(segment(text)) == text
    assert "+" not in segment(text)
