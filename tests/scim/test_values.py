"""Values of each type."""

from __future__ import annotations

import base64
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.scim import standard, values
from gateway.scim.errors import ScimError
from gateway.scim.schema import Attribute, Mutability, Type

ONE = {kind: Attribute("a", kind) for kind in Type if kind is not Type.COMPLEX}
EMAILS = standard.resource_type("User").attribute("emails")
ADDRESSES = standard.resource_type("User").attribute("addresses")
assert EMAILS is not None
assert ADDRESSES is not None

TAKEN = {
    Type.STRING: ["", "x", "tab\tline\nreturn\r", "Łucja", "\U0001f600", "\u00a0", "a" * 10_000],
    Type.BOOLEAN: [True, False],
    Type.INTEGER: [0, -1, 2**63 - 1, -(2**63)],
    Type.DECIMAL: [0, 1.5, -1e300, 10**300, Decimal("1.10")],
    Type.DATE_TIME: ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00.123+01:00"],
    Type.BINARY: ["", "TQ==", "TQ", "TWE=", "TWFu", "+/+/"],
    Type.REFERENCE: ["", "https://example.com/bjørn?x=1&y=%20", "../Users/1", "urn:a:b", "tel:+1-202"],
}
REFUSED = {
    Type.STRING: [1, True, 1.5, [], {}, "\x00", "a\x08", "\x1f", "\ud800", "\ufffe", "\uffff", b"x"],
    Type.BOOLEAN: ["true", "False", "", 0, 1, 1.0, [], {}],
    Type.INTEGER: [1.0, 1e3, 1.5, "1", True, 2**63, -(2**63) - 1, math.nan, [], Decimal(1)],
    Type.DECIMAL: ["1", True, math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("Infinity"), 10**1000, []],
    Type.DATE_TIME: ["2024-01-01", "", "now", 1704067200, True, "2024-02-30T00:00:00Z"],
    Type.BINARY: ["T", "TQ=", "TQ===", "TWFu=", "T Q=", "TQ==\n", "-_-_", "é", 1, b"TQ=="],
    Type.REFERENCE: ["a b", "a\nb", "<x>", 'a"b', "a\\b", "a\x00", 1, True, {}],
}


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, found in TAKEN.items() for value in found])
def test_a_value_of_its_type_comes_back_as_sent(kind: Type, value: Any) -> None:
    """What is taken is not converted (S16, D10)."""
    checked = values.check(ONE[kind], value, "a")
    assert checked == value
    assert type(checked) is type(value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [(kind, value) for kind, found in REFUSED.items() for value in found],
    ids=lambda found: str(found) if isinstance(found, Type) else ascii(found)[:20],
)
def test_a_value_of_another_type_is_refused(refused: Any, kind: Type, value: Any) -> None:
    """Numbers, booleans and times are what they are; text never counts as one; the path is named (S16, X1, X4, D3)."""
    with refused("invalidValue", "where.it.is: "):
        values.check(ONE[kind], value, "where.it.is")


@pytest.mark.parametrize("kind", list(ONE))
def test_null_is_unassigned(kind: Type) -> None:
    """null is no value of any type, but none (S8)."""
    assert values.check(ONE[kind], None, "a") is None


def test_url_safe_base64_needs_a_definition_that_says_so(refused: Any) -> None:
    """The standard alphabet unless the attribute's definition names the other (S16)."""
    attribute = Attribute("chip", Type.BINARY, format="base64url")
    assert values.check(attribute, "-_-_", "chip") == "-_-_"
    with refused("invalidValue", "chip: the text is not base64url"):
        values.check(attribute, "+/+/", "chip")


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_every_base64_text_is_taken(data: bytes) -> None:
    """With padding and without (S16)."""
    text = base64.b64encode(data).decode()
    assert values.check(ONE[Type.BINARY], text, "a") == text
    assert values.check(ONE[Type.BINARY], text.rstrip("="), "a") == text.rstrip("=")


def test_canonical_values_are_suggestions_unless_restricted(refused: Any) -> None:
    """A type nobody suggested is taken; a restricted attribute says what it takes (S12)."""
    assert values.check(EMAILS, {"type": "webshop", "value": "x"}, "emails")
    colour = Attribute("colour", canonical_values=("red", "green"), restricted=True)
    assert values.check(colour, "RED", "colour") == "RED"
    with refused("invalidValue", "colour: must be one of red, green"):
        values.check(colour, "blue", "colour")
    exact = Attribute("colour", canonical_values=("red",), restricted=True, case_exact=True)
    with refused("invalidValue", "colour"):
        values.check(exact, "RED", "colour")


@pytest.mark.parametrize("country", ["Germany", "D", "D1", "ДЕ", "DEU", " DE"])
def test_a_country_has_two_letters(refused: Any, country: str) -> None:
    """addresses.country is a code of ISO 3166-1 alpha-2 (S12, S16)."""
    with refused("invalidValue", "addresses.country: ", "two letters"):
        values.check(ADDRESSES, {"country": country}, "addresses")
    assert values.check(ADDRESSES, {"country": "de"}, "addresses") == {"country": "de"}


def test_a_complex_value_is_brought_into_canonical_form() -> None:
    """Names as the schema spells them, unassigned parts dropped, nothing left is nothing (S2, S8)."""
    assert values.check(EMAILS, {"VALUE": "a", "Type": None, "primary": False}, "emails") == {
        "value": "a",
        "primary": False,
    }
    assert values.check(EMAILS, {"type": None}, "emails") is None
    assert values.check(EMAILS, {}, "emails") is None


def test_read_only_parts_of_a_complex_value_are_ignored() -> None:
    """manager.displayName is the provider's (H3)."""
    manager = standard.resource_type("User").extension(standard.ENTERPRISE_URN).attribute("manager")
    assert values.check(manager, {"value": "1", "displayName": 7}, "manager") == {"value": "1"}


def test_wrong_shapes_are_refused(refused: Any) -> None:
    """An object where one belongs, an array where several belong; unknown parts by name (S2, D4)."""
    with refused("invalidValue", "emails: an object is expected, not a string"):
        values.check(EMAILS, "a@example.com", "emails")
    with refused("invalidValue", "emails: an array is expected, not an object"):
        values.check_all(EMAILS, {"value": "a"}, "emails")
    with refused("invalidValue", "emails: an object is expected, not an array"):
        values.check_all(EMAILS, [["a"]], "emails")
    with refused("invalidSyntax", "emails.__proto__: there is no such attribute"):
        values.check(EMAILS, {"__proto__": {}}, "emails")
    with refused("invalidSyntax", "value: is given twice"):
        values.check(EMAILS, {"value": "a", "VALUE": "b"}, "emails")
    with refused("invalidValue", "emails.primary: true or false is expected, not a string"):
        values.check(EMAILS, {"primary": "True"}, "emails")


def test_a_required_part_must_be_there(refused: Any, badge_type: Any) -> None:
    """A complex value without its required sub-attribute is incomplete (S1)."""
    holder = badge_type.attribute("holder")
    with refused("invalidValue", "holder.value: a value is required"):
        values.check(holder, {"since": "2024-01-01T00:00:00Z"}, "holder")


def test_two_primaries_are_refused(refused: Any) -> None:
    """primary is true at most once per attribute (S10)."""
    with refused("invalidValue", "emails.primary: only one value can be primary"):
        values.check_all(EMAILS, [{"value": "a", "primary": True}, {"value": "b", "primary": True}], "emails")
    both = [{"value": "a", "primary": True}, {"value": "b", "primary": False}, {"value": "c"}]
    assert values.check_all(EMAILS, both, "emails") == both


def test_the_same_value_is_held_once(refused: Any) -> None:
    """Equal elements become one; the same type and value with other details are a contradiction (S11)."""
    one, two = {"value": "a", "type": "work"}, {"value": "a", "type": "home"}
    assert values.check_all(EMAILS, [one, two, dict(one)], "emails") == [one, two]
    assert values.check_all(EMAILS, [{"value": "a", "primary": True}] * 2, "emails") == [
        {"value": "a", "primary": True}
    ]
    with refused("invalidValue", "emails: the value a is given twice with different details"):
        values.check_all(EMAILS, [one, {**one, "display": "x"}], "emails")
    tags = Attribute("tags", multi_valued=True)
    assert values.check_all(tags, ["a", "b", "a", None], "tags") == ["a", "b"]
    numbers = Attribute("n", Type.DECIMAL, multi_valued=True)
    assert values.check_all(numbers, [1, 1.0, 1], "n") == [1, 1.0]


def test_addresses_may_repeat_their_type() -> None:
    """Two work addresses are two addresses: addresses have no value to be the same (S11)."""
    found = [{"type": "work", "locality": "A"}, {"type": "work", "locality": "B"}]
    assert values.check_all(ADDRESSES, found, "addresses") == found


@pytest.mark.parametrize("value", [None, [], [None], [{}], [{"value": None}]])
def test_an_empty_list_is_unassigned(value: Any) -> None:
    """null, [] and lists of nothing are the same (S8)."""
    assert values.check_all(EMAILS, value, "emails") is None


def test_an_attribute_only_the_provider_writes_is_never_checked() -> None:
    """What is ignored cannot be wrong (H3)."""
    compiled = values.entries((Attribute("id", mutability=Mutability.READ_ONLY),), "")
    assert compiled["id"] == ("id", False, None)


def test_a_hundred_thousand_members_are_checked_in_one_pass() -> None:
    """The cost of a list grows with its length, not with its square (X4)."""
    members = standard.resource_type("Group").attribute("members")
    found = [{"value": str(number), "type": "User"} for number in range(100_000)]
    assert len(values.check_all(members, found + found[:10], "members")) == 100_000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["value", "type", "primary", "VALUE", "x", "é"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(json_values)
def test_any_json_is_taken_or_refused(value: Any) -> None:
    """Nothing a client sends is more than a 400, and what is taken is stable under a second check (S16, D10)."""
    for attribute in (EMAILS, ADDRESSES, *ONE.values()):
        try:
            checked = values.check_all(attribute, value, attribute.name)
        except ScimError as error:
            assert (error.status, error.detail.isprintable()) == (400, True)  # noqa: PT017
        else:
            assert checked is None or values.check_all(attribute, checked, attribute.name) == checked


def test_what_a_client_sent_is_shown_shortened_and_escaped() -> None:
    """An error never carries control characters, line breaks or a megabyte back (X13)."""
    assert values.shown("a\nb\ud800") == "a\\nb\\ud800"
    assert len(values.shown("x" * 10_000)) < 200
