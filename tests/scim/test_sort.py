"""Sorting in the gateway."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.scim import sort, standard
from gateway.scim.schema import ENTERPRISE_URN


def order(resource_type: Any, sort_by: str, found: list[dict[str, Any]], direction: str | None = None) -> list[Any]:
    parsed = sort.parse(resource_type, sort_by, direction)
    assert parsed is not None
    return [item["id"] for item in sort.ordered(found, descending=parsed[1], key=sort.key(*parsed))]


def test_text_is_sorted_without_regard_to_case_unless_case_exact(user_type: Any) -> None:
    """userName is folded, externalId is not (Q6, F9)."""
    found = [{"id": 1, "userName": "b", "externalId": "b"}, {"id": 2, "userName": "C", "externalId": "C"},
             {"id": 3, "userName": "A", "externalId": "a"}]  # fmt: skip
    assert order(user_type, "USERNAME", found) == [3, 1, 2]
    assert order(user_type, "userName", found, "DESCENDING") == [2, 1, 3]
    assert order(user_type, "externalId", found) == [2, 3, 1]


def test_the_unassigned_come_last_and_first_when_descending(user_type: Any) -> None:
    """Ascending last, descending first, in the order they came (Q6, Q4)."""
    found = [{"id": 1}, {"id": 2, "title": "b"}, {"id": 3, "title": None}, {"id": 4, "title": "a"}]
    assert order(user_type, "title", found) == [4, 2, 1, 3]
    assert order(user_type, "title", found, "descending") == [1, 3, 2, 4]


def test_of_several_values_the_primary_counts_else_the_first(user_type: Any) -> None:
    """A multi-valued attribute is sorted by one of its values (Q6, F7)."""
    found = [
        {"id": 1, "emails": [{"value": "z"}, {"value": "a", "primary": True}]},
        {"id": 2, "emails": [{"value": "b"}, {"value": "x"}]},
        {"id": 3, "emails": [{"type": "work"}]},
        {"id": 4, "emails": []},
    ]
    assert order(user_type, "emails", found) == [1, 2, 3, 4]
    assert order(user_type, "emails.value", found, "descending") == [3, 4, 2, 1]


def test_times_are_sorted_as_instants_and_numbers_as_numbers(user_type: Any, badge_type: Any) -> None:
    """Not by their text (Q6, F8)."""
    found = [
        {"id": 1, "meta": {"created": "2024-01-01T01:00:00+02:00"}},
        {"id": 2, "meta": {"created": "2024-01-01T00:00:00Z"}},
        {"id": 3, "meta": {"created": "not a time"}},
    ]
    assert order(user_type, "meta.created", found) == [1, 2, 3]
    assert order(badge_type, "doors", [{"id": 1, "doors": 10}, {"id": 2, "doors": 9}]) == [2, 1]
    assert order(badge_type, "tags", [{"id": 1, "tags": ["b", "a"]}, {"id": 2, "tags": ["a"]}]) == [2, 1]
    hours = [{"id": 1, "zones": [{"hours": ["b"]}]}, {"id": 2, "zones": [{"hours": ["a"]}]}, {"id": 3}]
    assert order(badge_type, "zones.hours", hours) == [2, 1, 3]
    assert order(user_type, "active", [{"id": 1, "active": True}, {"id": 2, "active": False}]) == [2, 1]


def test_attributes_of_an_extension_are_sorted_by(user_type: Any) -> None:
    """By their qualified name (Q6, F10)."""
    found = [{"id": 1}, {"id": 2, ENTERPRISE_URN: {"division": "b"}}, {"id": 3, ENTERPRISE_URN: {"division": "A"}}]
    assert order(user_type, f"{ENTERPRISE_URN.lower()}:division", found) == [3, 2, 1]
    managed = [{"id": 1, ENTERPRISE_URN: {"manager": {"value": "b"}}}, {"id": 2, ENTERPRISE_URN: {"division": "x"}},
               {"id": 3, ENTERPRISE_URN: {"manager": {"value": "a"}}}]  # fmt: skip
    assert order(user_type, f"{ENTERPRISE_URN}:manager.value", managed) == [3, 1, 2]


@pytest.mark.parametrize(
    ("sort_by", "words"),
    [
        ("shoeSize", "shoeSize is no attribute of User"),
        ("name", "name is complex"),
        ("addresses", "addresses is complex"),
        ("name.first", "is no attribute"),
        ("password", "never returned"),
        ("x509Certificates", "binary"),
        (ENTERPRISE_URN, "is no attribute"),
        ("division", "is no attribute"),
        ("a\nb", "a\\nb"),
    ],
)
def test_what_has_no_order_is_refused(refused: Any, user_type: Any, sort_by: str, words: str) -> None:
    """A complex attribute needs a sub-attribute, an unknown one is an error, a secret tells nothing (Q6, S13)."""
    with refused("invalidValue", "sortBy: ", words):
        sort.parse(user_type, sort_by, None)


@pytest.mark.parametrize("direction", ["up", "asc", "ascending,descending"])
def test_a_wrong_order_is_refused_even_without_an_attribute(refused: Any, user_type: Any, direction: str) -> None:
    """sortOrder is ascending or descending (Q6)."""
    for sort_by in (None, "userName"):
        with refused("invalidValue", "sortOrder: "):
            sort.parse(user_type, sort_by, direction)


def test_nothing_to_sort_by(user_type: Any) -> None:
    """Without sortBy the order is the backend's (Q4)."""
    assert sort.parse(user_type, None, "descending") is None
    assert sort.parse(user_type, " ", None) is None


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=3), st.integers()), max_size=12), st.booleans())
def test_sorting_is_stable_and_loses_nothing(keys: list[Any], descending: bool) -> None:
    """Equals stay in the order they came, types do not meet, and everything is still there (Q4, Q6)."""
    ranked = [None if key is None else (1 if isinstance(key, int) else 3, key) for key in keys]
    items = list(enumerate(ranked))
    done = sort.ordered(items, descending=descending, key=lambda item: item[1])
    assert sorted(item[0] for item in done) == list(range(len(items)))
    for one, two in itertools.pairwise(done):
        if one[1] == two[1]:
            assert one[0] < two[0]
        elif one[1] is None or two[1] is None:
            assert (one[1] is None) is descending
        else:
            assert (one[1] > two[1]) is descending


def test_a_type_of_ones_own_is_sorted_too(badge_type: Any) -> None:
    """Whole numbers and fractions compare (Q6)."""
    found = [{"id": 1, "weight": 2}, {"id": 2, "weight": 1.5}, {"id": 3, "weight": 10}]
    assert order(badge_type, "weight", found) == [2, 1, 3]
    assert standard.resource_type("User").attribute("weight") is None
