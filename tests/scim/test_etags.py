"""Entity tags."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.scim import etags

USER: dict[str, Any] = {
    "id": "1",
    "userName": "x",
    "emails": [{"value": "a", "type": "work"}, {"value": "b"}],
    "urn:x": {"tags": ["p", "q"], "manager": {"value": "2"}},
}


def quick(value: Any) -> bytes:
    """A writer such as the server uses: quick, sorts names, and cannot write everything."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


@pytest.fixture(params=[None, quick], ids=["own", "quick"])
def compute(request: pytest.FixtureRequest) -> Callable[[Mapping[str, Any]], str]:
    """Computes versions with this module's own writer, and with one that is given."""
    return lambda visible: etags.compute(visible, request.param)


def test_what_a_writer_cannot_write_is_written_all_the_same() -> None:
    """A number beyond 64 bits or half a character has a version as well, the same in any order (V1)."""
    for odd in (1 << 70, "\ud800"):
        visible = {"b": ["x", odd], "a": "y"}
        version = etags.compute(visible, quick)
        assert version == etags.compute({"a": "y", "b": [odd, "x"]}, quick)
        assert version != etags.compute({"a": "y", "b": ["x"]}, quick)


def test_a_version_is_weak_and_short() -> None:
    """It carries W/ and is a legal entity tag (S7, V1)."""
    version = etags.compute(USER)
    assert version.startswith('W/"')
    assert version.endswith('"')
    assert len(version) == 26
    assert version == etags.compute(copy.deepcopy(USER))


def test_order_makes_no_difference_and_content_does(compute: Callable[[Mapping[str, Any]], str]) -> None:
    """A backend may give names and values in any order (V2)."""
    version = compute(USER)
    turned = {
        name: list(reversed(value)) if isinstance(value, list) else value for name, value in reversed(USER.items())
    }
    turned["urn:x"] = {"manager": {"value": "2"}, "tags": ["q", "p"]}
    assert compute(turned) == version
    seen = {version}
    for change in (
        {"userName": "X"},
        {"emails": USER["emails"][:1]},
        {"emails": [{"value": "a"}, {"value": "b", "type": "work"}]},
        {"urn:x": {"tags": ["p"], "manager": {"value": "2"}}},
        {"active": True},
        {"active": "true"},
        {"active": 1},
    ):
        seen.add(compute({**USER, **change}))
    assert len(seen) == 8


@pytest.mark.parametrize(
    "header",
    [
        'W/"abc"', '"abc"', ' W/"abc" ', '*', ' * ', '"x", W/"abc"', 'W/"abc","x"', '"x" ,, "abc"', ',"abc",',
        '"a,b", "abc"', 'W/"abc", ',
    ],
)  # fmt: skip
def test_a_header_that_names_the_version_matches(header: str) -> None:
    """Weak comparison, lists, and the star (D9, V1, V2)."""
    assert etags.matches(header, 'W/"abc"')
    assert etags.matches(header, '"abc"')


@pytest.mark.parametrize(
    "header",
    ['"abd"', 'W/"ABC"', '""', "", " ", "abc", "W/abc", 'w/"abc"', '"abc', 'abc"', '"x" "abc"', '"abc" x', '"a"bc"',
     "W/*", '*, "x"', "null", ",", "\x00", '"a", "b', "'abc'"],
)  # fmt: skip
def test_any_other_header_does_not(header: str) -> None:
    """Another version, or no list of entity tags at all: If-Match then ends in 412 (V1)."""
    assert not etags.matches(header, 'W/"abc"')


def test_nothing_matches_what_does_not_exist() -> None:
    """Not even the star (V2)."""
    assert not etags.matches("*", None)
    assert not etags.matches('W/"abc"', None)


def test_a_long_header_is_read_in_one_pass() -> None:
    """A header of commas or open quotes costs what its length costs (X4)."""
    assert not etags.matches("," * 100_000, '"abc"')
    assert not etags.matches('"' + "a" * 100_000, '"abc"')
    assert not etags.matches(" " * 100_000 + "x", '"abc"')
    assert etags.matches('"x",' * 20_000 + '"abc"', '"abc"')


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=4),
        st.one_of(
            st.text(max_size=4), st.booleans(), st.lists(st.dictionaries(st.text(max_size=2), st.text(max_size=2)))
        ),
        max_size=5,
    ),
    st.randoms(use_true_random=False),
    st.sampled_from([None, quick]),
)
def test_any_resource_has_a_version_that_matches_itself(
    resource: dict[str, Any], chance: random.Random, write: Any
) -> None:
    """Whatever it holds and in whatever order (V1, V2)."""
    version = etags.compute(resource, write)
    names = list(resource)
    chance.shuffle(names)
    shuffled = {
        name: chance.sample(resource[name], len(resource[name])) if isinstance(resource[name], list) else resource[name]
        for name in names
    }
    assert etags.compute(shuffled, write) == version
    assert etags.matches(version, version)
    assert etags.matches(version.removeprefix("W/"), version)
