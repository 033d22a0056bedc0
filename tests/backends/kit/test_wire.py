"""Values travel the system's way and come back as they were."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.kit.http.json_bodies import BodyError, decode, encode
from backends.kit.wire import Wire, WireError

MOMENT = datetime(2024, 2, 29, 12, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wire", "value", "native"),
    [
        (Wire(str), "ann", "ann"),
        (Wire(str, form="number"), "42", 42),
        (Wire(str, letters="lower"), "ann", "ann"),
        (Wire(int), 7, 7),
        (Wire(int, form="text"), -7, "-7"),
        (Wire(Decimal, form="text"), Decimal("1.50"), "1.50"),
        (Wire(bool), True, True),
        (Wire(bool, form="text"), False, "false"),
        (Wire(bool, words=("N", "Y")), True, "Y"),
        (Wire(bool, words=(0, 1)), False, 0),
        (Wire(date), date(2024, 2, 29), "2024-02-29"),
        (Wire(date, format="%d.%m.%Y"), date(2024, 2, 29), "29.02.2024"),
        (Wire(date, format="epoch_ms"), date(2024, 2, 29), 1709164800000),
        (Wire(datetime), MOMENT, "2024-02-29T12:30:15+00:00"),
        (Wire(datetime, format="epoch"), MOMENT, 1709209815),
        (Wire(datetime, format="epoch_ms", form="text"), MOMENT + timedelta(milliseconds=5), "1709209815005"),
        (Wire(datetime, format="%Y%m%d%H%M%S", zone=ZoneInfo("Europe/Rome")), MOMENT, "20240229133015"),
        (Wire(bytes), b"\x00\xff", "AP8="),
        (Wire(str, blank=True), None, ""),
        (Wire(str), None, None),
    ],
)
def test_values_are_written_and_read(wire: Wire, value: Any, native: Any) -> None:
    """Each type, form, word and format is written as declared, and read back to the same value (R-L14, R-L18)."""
    written = wire.write(value)
    assert (written, type(written)) == (native, type(native))
    found = wire.read(written)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("wire", "native", "value"),
    [
        (Wire(str), 7, "7"),
        (Wire(str), True, "true"),
        (Wire(int), "007", 7),
        (Wire(int), 7.0, 7),
        (Wire(Decimal), 0.1, Decimal("0.1")),
        (Wire(bool), "TRUE", True),
        (Wire(date), "2024-02-29T23:59:59", date(2024, 2, 29)),
        (Wire(datetime), "2024-02-29T12:30:15Z", MOMENT),
        (
            Wire(datetime),
            "2024-02-29T13:30:15+01:00",
            datetime(2024, 2, 29, 13, 30, 15, tzinfo=timezone(timedelta(hours=1))),
        ),
        (Wire(datetime), "2024-02-29 12:30:15", MOMENT),
    ],
)
def test_other_spellings_are_read_too(wire: Wire, native: Any, value: Any) -> None:
    """Systems are not consistent: numbers as texts, texts as numbers, times without a zone."""
    assert wire.read(native) == value


@pytest.mark.parametrize(
    ("wire", "native"),
    [
        (Wire(int), "7x"),
        (Wire(int), 7.5),
        (Wire(int), True),
        (Wire(int), {}),
        (Wire(Decimal), "NaN"),
        (Wire(bool), "maybe"),
        (Wire(bool, words=("N", "Y")), "y"),
        (Wire(bool, words=(0, 1)), True),
        (Wire(date), "29.02.2024"),
        (Wire(datetime, format="epoch"), 10**30),
        (Wire(bytes), "***"),
        (Wire(str), ["a"]),
        (Wire(str), "\ud800"),
    ],
)
def test_what_is_not_of_the_type_is_told(wire: Wire, native: Any) -> None:
    """A value that does not fit is an error, never another value."""
    with pytest.raises(WireError):
        wire.read(native)


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        (Wire(str), 7),
        (Wire(str, form="number"), "x"),
        (Wire(str), "\ud800"),
        (Wire(int), Decimal("1.5")),
        (Wire(int), True),
        (Wire(bool), "true"),
        (Wire(bool, words=("N", "Y")), 1),
        (Wire(date), MOMENT),
        (Wire(datetime), date(2024, 1, 1)),
    ],
)
def test_what_cannot_be_written_is_told(wire: Wire, value: Any) -> None:
    """A value of another type is refused before it is sent."""
    with pytest.raises(WireError):
        wire.write(value)


@settings(max_examples=100, deadline=None)
@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["epoch_ms", None]),
)
def test_moments_come_back(moment: datetime, form: str | None) -> None:
    """Moments survive both ways of writing them, to the millisecond."""
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    wire = Wire(datetime, format=form)
    assert wire.read(wire.write(moment)) == moment


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_documents_come_back(document: Any) -> None:
    """What is written as JSON is read the same."""
    assert decode(encode(document), "utf-8", 100) == document


@pytest.mark.parametrize(
    "body",
    [b"{", b"nul", b"NaN", b"[Infinity]", b"\xff", b"[1,]", b"<html>", b"[" * 100 + b"]" * 100, b'"' + b'\\"' * 10],
)
def test_what_is_no_document_is_told(body: bytes) -> None:
    """Rubbish, NaN and what is nested too deep are errors."""
    with pytest.raises(BodyError):
        decode(body, "utf-8", 64)


def test_depth_counts_brackets_outside_of_texts() -> None:
    """Brackets in texts nest nothing; a document just deep enough is read; nothing is None."""
    assert decode(b'["[[[[[[[[[[", "\\"[[[["]', "utf-8", 1) == ["[[[[[[[[[[", '"[[[[']
    assert decode(b"[[{}]]", "utf-8", 3) == [[{}]]
    with pytest.raises(BodyError):
        decode(b"[[{}]]", "utf-8", 2)
    assert decode(b" ", "utf-8", 2) is None
    assert decode("\ufeff{}".encode(), "utf-8", 2) == {}
    assert decode('"ü"'.encode("latin-1"), "latin-1", 2) == "ü"


def test_numbers_are_never_altered() -> None:
    """More digits than a float holds stay as they are when read, and are refused when they would be cut (promise 1)."""
    assert decode(b"0.1", "utf-8", 2) == 0.1
    exact = decode(b"0.12345678901234567890123", "utf-8", 2)
    assert exact == Decimal("0.12345678901234567890123")
    with pytest.raises(BodyError):
        encode({"a": exact})
    assert encode({"a": Decimal("1.5")}) == b'{"a":1.5}'
    with pytest.raises(BodyError):
        encode({"a": "\ud800"})
