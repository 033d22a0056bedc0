"""Templates are filled by value, never by joining text into a document."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.kit.templates import UNSET, Mark, TemplateError, Text, fill, names, plain, shape

VALUES = {"login": "ann", "age": 7, "on": True, "none": None, "many": [1, 2]}


@pytest.mark.parametrize(
    ("source", "filled"),
    [
        ({"a": "{login}", "b": "{age}", "c": "{on}"}, {"a": "ann", "b": 7, "c": True}),
        ({"a": "<{login}:{age}:{on}>"}, {"a": "<ann:7:true>"}),
        ({"a": {"b": ["{many}", "{age}"]}}, {"a": {"b": [[1, 2], 7]}}),
        ({"a": "{missing}", "b": "x{missing}", "c": ["{missing}", 1]}, {"c": [1]}),
        ({"a": "{none}"}, {"a": None}),
        ({"a": "x{none}"}, {}),
        ({"a": "{{login}}"}, {"a": "{login}"}),
        ("{many}", [1, 2]),
        ({"a": 1, "b": None, "c": False}, {"a": 1, "b": None, "c": False}),
    ],
)
def test_a_body_is_filled_with_values(source: Any, filled: Any) -> None:
    """A placeholder alone keeps its type; what has no value is left out; braces are written twice."""
    assert fill(shape(source), VALUES) == filled


def test_names_are_known_before() -> None:
    """All placeholders of a nested body can be named."""
    assert sorted(names(shape({"a": ["{x}", {"b": "{y}-{@z}"}], "c": 1}))) == ["@z", "x", "y"]


@pytest.mark.parametrize("source", ["{", "}", "{a b}", "{}", "a{b", "{{}"])
def test_a_stray_brace_is_told(source: str) -> None:
    """A brace that opens or closes nothing is an error at load."""
    with pytest.raises(TemplateError):
        Text.parse(source)


def test_marks_are_shown_as_they_are() -> None:
    """A mark stands in for a value and is not encoded; scalars are written as JSON writes them."""
    text = Text.parse("/a/{x}")
    assert text.fill({"x": Mark("{x}")}, lambda value: value.upper()) == "/a/{x}"
    assert text.fill({"x": "b"}, str.upper) == "/a/B"
    assert text.fill({}) is UNSET
    assert [plain(value) for value in (True, False, 1, 1.5, "x")] == ["true", "false", "1", "1.5", "x"]


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_a_value_is_never_read_as_a_template(value: str) -> None:
    """Braces in values mean nothing."""
    assert Text.parse("<{x}>").fill({"x": value, "y": "secret"}) == f"<{value}>"
    assert fill(shape({"a": "{x}"}), {"x": value}) == {"a": value}
