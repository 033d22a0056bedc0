"""Paths select and build, and what they build they select again."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.kit.paths import Path, PathError, listed

DOCUMENT: dict[str, Any] = {
    "user": {"name": "ann", "odd.name": 1, "on": True},
    "mails": [{"kind": "home", "a": "h"}, {"kind": "work", "a": "w"}, "rubbish"],
    "teams": [{"id": 1, "tags": ["x", "y"]}, {"id": 2, "tags": []}],
    "one": {"id": 7},
    "nothing": None,
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", DOCUMENT),
        ("user.name", "ann"),
        ('user."odd.name"', 1),
        ("mails[1].a", "w"),
        ("mails[kind=home].a", "h"),
        ('mails[kind="work"].a', "w"),
        ("mails[kind=other].a", None),
        ("mails[9].a", None),
        ("teams[*].id", [1, 2]),
        ("teams[*].tags[*]", ["x", "y"]),
        ("teams[id=2].id", 2),
        ("one[*].id", [7]),
        ("one[0].id", 7),
        ("nothing.more", None),
        ("nothing[*].more", []),
        ("user.name.more", None),
        ("missing[*]", []),
    ],
)
def test_a_path_reads(text: str, found: Any) -> None:
    """Members, positions, conditions and all elements; a single value is a list of one; what is missing is None."""
    assert Path.parse(text).read(DOCUMENT) == found


@pytest.mark.parametrize(
    ("text", "value", "built"),
    [
        ("a", 1, {"a": 1}),
        ("a.b.c", 1, {"a": {"b": {"c": 1}}}),
        ("a[1].b", 1, {"a": [None, {"b": 1}]}),
        ("a[k=x].b", 1, {"a": [{"k": "x", "b": 1}]}),
        ("a[k=x].b", None, {"a": []}),
        ("a[*].b", [1, 2], {"a": [{"b": 1}, {"b": 2}]}),
        ("a[*]", [1, 2], {"a": [1, 2]}),
        ("[*].b", [1], [{"b": 1}]),
        ('"a.b"', 1, {"a.b": 1}),
        ("", 1, 1),
    ],
)
def test_a_path_builds(text: str, value: Any, built: Any) -> None:
    """What a path names is made on the way: members, lists, and elements with the member they are known by."""
    assert Path.parse(text).place({}, value) == built


def test_elements_keep_what_nobody_named() -> None:
    """Writing an array leaves the elements that stay as they are, with all their other members."""
    document = {"teams": [{"id": 1, "role": "head"}, {"id": 2, "role": "guest"}], "more": 1}
    built = Path.parse("teams[*].id").place(document, [2, 3])
    assert built == {"teams": [{"id": 2, "role": "guest"}, {"id": 3}], "more": 1}
    built = Path.parse("teams[id=2].role").place(built, "head")
    assert built["teams"][0] == {"id": 2, "role": "head"}


def test_what_is_dropped_is_gone() -> None:
    """Dropping takes a member away, and nothing where there is none."""
    document = copy.deepcopy(DOCUMENT)
    for text in ("user.name", "user.missing", "nothing.x", "mails[1]", ""):
        Path.parse(text).drop(document)
    assert "name" not in document["user"]
    assert document["mails"] == DOCUMENT["mails"]


@pytest.mark.parametrize(
    "text", ["a.", ".a", "a..b", "a[", "a[x]", "a]b", 'a"', "a b", "a[1]b", "a[*=x]", "a[k=x][0]", "a." * 40 + "a"]
)
def test_what_is_no_path_is_told(text: str) -> None:
    """A text that is no path is an error at load that shows where."""
    with pytest.raises(PathError):
        Path.parse(text)


def test_values_as_lists() -> None:
    """Nothing is an empty list, one value a list of one."""
    assert (listed(None), listed(1), listed([1]), listed((1,))) == ([], [1], [1], [1])


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters='"\\'), min_size=1, max_size=5)
STEPS = st.lists(
    st.one_of(
        NAMES.map(lambda name: f'."{name}"'),
        st.integers(0, 3).map(lambda index: f"[{index}]"),
        st.tuples(st.sampled_from("kt"), st.sampled_from(["x", "y"]), NAMES).map(
            lambda three: f'[{three[0]}={three[1]}]."_{three[2]}"'
        ),
    ),
    min_size=1,
    max_size=5,
).map(lambda steps: "".join(steps).removeprefix("."))


@settings(max_examples=200, deadline=None)
@given(STEPS, st.integers())
def test_what_was_placed_is_read_again(text: str, value: int) -> None:
    """The law of every path that names one place: reading after placing gives the value."""
    path = Path.parse(text)
    assert path.read(path.place({}, value)) == value


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=20))
def test_any_text_is_a_path_or_an_error(text: str) -> None:
    """Parsing never fails in another way, and a path reads anything without an error."""
    try:
        path = Path.parse(text)
    except PathError:
        return
    path.read(DOCUMENT)
    path.read([1, [2]])


@pytest.mark.parametrize(
    ("text", "document", "leads"),
    [
        ("", {"a": 1}, True),
        ("data", {"data": None}, True),
        ("data", {}, True),
        ("data", None, True),
        ("data", [], True),
        ("data", {"notice": "closed"}, False),
        ("data", "closed", False),
        ("data", ["closed"], False),
        ("data.user", {"data": {}}, True),
        ("data.user", {"data": {"text": "closed"}}, False),
        ("data[0]", {"data": []}, True),
        ("data[0].user", {"data": [{"user": 1}]}, True),
        ("data[id=7]", {"data": {"text": "closed"}}, False),
        ("data[*].id", {"text": "closed"}, False),
    ],
)
def test_nothing_said_and_nothing_said_of_it(text: str, document: Any, leads: bool) -> None:
    """A document that says "none" has the place; one that is about something else has not."""
    assert Path.parse(text).leads(document) is leads
