"""Evaluation: what each operator says of present, absent and several values."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.scim import evaluate, filters, folding, paths
from gateway.scim.filters import Comparison, FilterOptions, Op
from gateway.scim.schema import ENTERPRISE_URN, USER_URN, ResourceType

USER: dict[str, Any] = {
    "schemas": [USER_URN, ENTERPRISE_URN],
    "id": "2819c223-7F76-453A-919d-413861904646",
    "externalId": "Abc",
    "userName": "Jürgen.Straße@example.com",
    "name": {"familyName": "Straße", "givenName": "Jürgen", "middleName": None},
    "title": "Welder",
    "nickName": None,
    "active": True,
    "emails": [
        {"value": "j@example.com", "type": "work", "primary": True},
        {"value": "j@home.example", "type": "home"},
        {"type": "other"},
    ],
    "phoneNumbers": [],
    "ims": [{"value": None}],
    "addresses": [{"type": "work", "locality": "Gdańsk"}],
    "x509Certificates": [{"value": "TWFu"}],
    "meta": {
        "resourceType": "User",
        "created": "2024-01-01T00:00:00Z",
        "lastModified": "2024-06-01T12:00:00.123456Z",
        "location": "https://scim.example.com/acme/scim/v2/Users/2819c223",
        "version": 'W/"a1"',
    },
    ENTERPRISE_URN: {"employeeNumber": "0042", "manager": {"value": "Boss-1", "$ref": "../Users/Boss-1"}},
}


def holds(resource_type: ResourceType, text: str, resource: dict[str, Any]) -> bool:
    return evaluate.compile_filter(filters.parse(text, resource_type))(resource)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('title eq "welder"', True), ('title eq "welders"', False), ('title ne "welder"', False),
        ('title ne "Smith"', True), ('title co "ELD"', True), ('title co "elb"', False), ('title sw "we"', True),
        ('title sw "el"', False), ('title ew "DER"', True), ('title ew "de"', False), ('title gt "weld"', True),
        ('title gt "welder"', False), ('title ge "WELDER"', True), ('title lt "x"', True), ('title le "welder"', True),
        ('title lt "a"', False), ('title co ""', True),
    ],
)  # fmt: skip
def test_text_ignores_case_unless_it_is_exact(user_type: ResourceType, text: str, expected: bool) -> None:
    """Every operator folds both sides of what is not caseExact (F9, F8)."""
    assert holds(user_type, text, USER) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('externalId eq "Abc"', True), ('externalId eq "abc"', False), ('externalId co "B"', False),
        ('id eq "2819c223-7F76-453A-919d-413861904646"', True), ('id eq "2819c223-7f76-453a-919d-413861904646"', False),
        ('manager eq "Boss-1"', True), ('manager eq "boss-1"', False), ('manager.$ref eq "../Users/Boss-1"', True),
        ('manager.$ref ew "/users/boss-1"', False), ('meta.resourceType eq "user"', False),
        ('meta.version eq "W/\\"a1\\""', True), ('meta.location co "/acme/"', True),
        ('x509Certificates eq "TWFu"', True), ('x509Certificates.value eq "twfu"', False), ('externalId lt "a"', True),
    ],
)  # fmt: skip
def test_ids_and_references_are_exact(user_type: ResourceType, text: str, expected: bool) -> None:
    """`id`, `externalId`, references, versions and binary are compared letter by letter (F9, S5, S6)."""
    assert holds(user_type, text, USER) is expected


@pytest.mark.parametrize(
    ("stored", "asked", "equal"),
    [
        ("Straße", "STRASSE", True),
        ("é", "e\u0301", True),
        ("１２３", "123", True),
        ("İ", "i\u0307", True),
        ("İ", "i", False),
        ("ı", "i", False),
        ("x²", "x2", False),
        ("Ｊｏｈｎ", "john", True),
    ],
)
def test_filter_and_uniqueness_fold_alike(user_type: ResourceType, stored: str, asked: str, equal: bool) -> None:
    """A name is found by every spelling that uniqueness takes for the same, and by no other (S14)."""
    tree = Comparison(paths.resolve(user_type, "userName"), Op.EQ, asked)
    assert evaluate.compile_filter(tree)({"userName": stored}) is equal
    assert (evaluate.fold(stored) == evaluate.fold(asked)) is equal
    assert evaluate.fold is folding.fold


@pytest.mark.parametrize("resource", [{}, {"title": None}, {"title": [], "name": {}}, {"name": None, "meta": None}])
def test_what_is_unassigned_matches_ne_and_eq_null_alone(user_type: ResourceType, resource: dict[str, Any]) -> None:
    """On an absent attribute every operator is false but `ne` and `eq null` (F5, S8)."""
    for name, value in (("title", '"x"'), ("active", "true"), ("meta.created", '"2024-01-01T00:00:00Z"')):
        true = {"ne", "eq null"}
        for op in ("eq", "co", "sw", "ew", "gt", "ge", "lt", "le", "ne", "pr", "eq null", "ne null"):
            if name == "active" and op in ("co", "sw", "ew", "gt", "ge", "lt", "le"):
                continue
            if name == "meta.created" and op in ("co", "sw", "ew"):
                continue
            text = f"{name} {op}" if op == "pr" or "null" in op else f"{name} {op} {value}"
            assert holds(user_type, text, resource) is (op in true), text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("title pr", True), ("nickName pr", False), ("locale pr", False), ("phoneNumbers pr", False), ("ims pr", False),
        ("ims.value pr", False), ("emails pr", True), ("emails.display pr", False), ("name pr", True),
        ("name.middleName pr", False), ("active pr", True), ("manager pr", True), ("manager.displayName pr", False),
        ("manager.displayName eq null", True), ("ims eq null", True), ("phoneNumbers ne null", False),
        ("emails.value ne null", True), (f"{ENTERPRISE_URN}:division pr", False), ("groups eq null", True),
    ],
)  # fmt: skip
def test_presence(user_type: ResourceType, text: str, expected: bool) -> None:
    """Null, the empty array and an object with nothing assigned in it are all not present; `eq null` is its opposite
    (S8, F5)."""
    assert holds(user_type, text, USER) is expected
    assert holds(user_type, f"not ({text})", USER) is not expected


def test_false_and_zero_and_the_empty_string_are_present(user_type: ResourceType, badge_type: ResourceType) -> None:
    """Only null and the empty array are unassigned: other empty-looking values are values (S8)."""
    assert holds(user_type, "active pr", {"active": False})
    assert holds(user_type, "title pr", {"title": ""})
    assert holds(badge_type, "doors pr", {"doors": 0})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('emails co "home"', True), ('emails.value ew ".com"', True), ('emails.type eq "other"', True),
        ('emails.type eq "work" and emails.value co "home"', True),
        ('emails[type eq "work" and value co "home"]', False), ('emails[type eq "home" and value co "home"]', True),
        ('emails[type eq "work"].value co "home"', False), ('emails[type eq "work"].value eq "J@EXAMPLE.COM"', True),
        ('emails[type eq "other" and not (value pr)]', True), ('emails[type eq "work" and not (value pr)]', False),
        ('emails[primary eq true]', True), ('emails[primary eq true and type eq "home"]', False),
        ('emails[primary ne true and type eq "home"]', True), ('emails[type eq "home"] and emails.primary pr', True),
        ('phoneNumbers[type ne "x"]', False), ('not (phoneNumbers[type ne "x"])', True), ('ims[value eq null]', True),
        ('emails.type ne "work"', True), ('addresses.type ne "work"', False), ('phoneNumbers.type ne "work"', True),
        ('emails.display ne "x"', True), ('not (emails.type eq "work")', False),
    ],
)  # fmt: skip
def test_any_value_may_match(user_type: ResourceType, text: str, expected: bool) -> None:
    """Several values match if any does, for `ne` too; brackets bind their terms to one element (F6, F5)."""
    assert holds(user_type, text, USER) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("active eq true", True), ("active eq false", False), ("active ne false", True), ("active ne true", False),
        ('meta.created eq "2024-01-01T01:00:00+01:00"', True), ('meta.created eq "2023-12-31T24:00:00Z"', True),
        ('meta.created lt "2024-01-01T00:00:00.000001Z"', True), ('meta.created gt "2024-01-01T00:30:00+01:00"', True),
        ('meta.created ge "2024-01-01T00:00:00-00:30"', False), ('meta.lastModified ge "2024-06-01T12:00:00Z"', True),
        ('meta.lastModified le "2024-06-01T12:00:00.1234569Z"', True), ('meta.created ne "2024-01-01T00:00:00"', False),
    ],
)  # fmt: skip
def test_booleans_and_times(user_type: ResourceType, text: str, expected: bool) -> None:
    """Times are instants whatever their offset, not text (F8, F11)."""
    assert holds(user_type, text, USER) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("doors eq 10", True), ("doors gt 9", True), ("doors lt 9", False), ("doors ge 10", True),
        ("doors le 10", True),
        ("doors ne 11", True), ("weight eq 0.1", True), ("weight gt 0.09", True), ("weight lt 1", True),
        ("weight eq 1e-1", True), ('tags eq "RED"', True), ('tags[value eq "red"]', True),
        ('tags[value sw "r" and value ew "n"]', False), ('tags sw "r" and tags ew "n"', True), ('tags ne "red"', True),
        ('zones.hours eq "9-17"', True), ('zones[value eq "b" and hours eq "9-17"]', False),
        ('zones[value eq "a" and hours co "18"]', True), ("zones.hours pr", True),
        ('zones[value eq "b" and hours pr]', False),
        ('chip eq "_-8"', True), ('owner eq "me"', True),
    ],
)  # fmt: skip
def test_numbers_and_lists(badge_type: ResourceType, text: str, expected: bool) -> None:
    """Numbers are numeric (10 > 9), simple values of an attribute or sub-attribute match one by one (F8, F6, S9)."""
    badge = {
        "doors": 10,
        "weight": 0.1,
        "tags": ["red", "green"],
        "chip": "_-8",
        "zones": [{"value": "a", "hours": ["9-17", "18-20"]}, {"value": "b", "hours": []}],
        "urn:example:params:scim:schemas:extension:2.0:Audit": {"owner": "me"},
    }
    assert holds(badge_type, text, badge) is expected


def test_decimals_of_a_backend_equal_those_of_a_filter(badge_type: ResourceType) -> None:
    """0.1 stored as a decimal number is found by `weight eq 0.1`, and whole ones stay exact (F8)."""
    assert holds(badge_type, "weight eq 0.1", {"weight": Decimal("0.1")})
    assert holds(badge_type, "weight eq 9007199254740993", {"weight": Decimal("9007199254740993.0")})
    assert not holds(badge_type, "weight eq 9007199254740992", {"weight": Decimal("9007199254740993")})


@pytest.mark.parametrize(
    "resource",
    [{"doors": "10"}, {"doors": True}, {"doors": {"value": 10}}, {"issued": "yesterday"}, {"issued": 7}, {"tags": [7]},
     {"zones": "a"}, {"zones": ["a", None]}, {"holder": "x"}, {"number": 7}],
)  # fmt: skip
def test_values_of_another_type_match_nothing(badge_type: ResourceType, resource: dict[str, Any]) -> None:
    """A record that does not fit its schema equals nothing and has no order; it never breaks a search (F8)."""
    texts = (
        *(
            "doors eq 10",
            "doors ge 1",
            "doors eq 1",
            'tags co "7"',
            "holder.value pr",
            'number sw "7"',
            "zones[value pr]",
        ),
        *('issued ge "2024-01-01T00:00:00Z"', 'issued eq "2024-01-01T00:00:00Z"'),
    )
    for text in texts:
        assert not holds(badge_type, text, resource), text
    assert holds(badge_type, "doors ne 10", resource)


def test_schemas_and_type_can_be_asked_for(user_type: ResourceType, group_type: ResourceType) -> None:
    """`schemas eq` and `meta.resourceType eq` tell the types of a root search apart (F11, F13, S2)."""
    group = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "meta": {"resourceType": "Group"}}
    absent = FilterOptions(unknown="absent")
    for text in (f'schemas eq "{USER_URN.upper()}"', 'meta.resourceType eq "User"', 'userName co "@"'):
        for resource_type, resource, expected in ((user_type, USER, True), (group_type, group, False)):
            test = evaluate.compile_filter(filters.parse(text, resource_type, absent))
            assert test(resource) is expected


def test_absent_attributes_on_an_endpoint_of_several_types(user_type: ResourceType) -> None:
    """What a type does not have is never equal and always unequal (F13, F5)."""
    absent = FilterOptions(unknown="absent")
    for text, expected in (("members pr", False), ('members eq "x"', False), ('members ne "x"', True),
                           ("members eq null", True), ("not (members pr)", True)):  # fmt: skip
        assert evaluate.compile_filter(filters.parse(text, user_type, absent))(USER) is expected, text


def test_one_element(user_type: ResourceType, badge_type: ResourceType) -> None:
    """The `where` of a path chooses elements, be they objects or simple values (F6, P1)."""

    def chosen(resource_type: ResourceType, text: str, elements: list[Any]) -> list[Any]:
        where = paths.parse(resource_type, text).where
        assert where is not None
        return [element for element in elements if evaluate.compile_element(where)(element)]

    emails = USER["emails"]
    assert chosen(user_type, 'emails[type eq "WORK"]', emails) == emails[:1]
    assert chosen(user_type, "emails[value pr and not (primary eq true)]", emails) == emails[1:2]
    assert chosen(user_type, 'emails[type ne "work"]', [*emails, {}]) == [*emails[1:], {}]
    assert chosen(badge_type, 'tags[value eq "RED" or value sw "g"]', ["red", "blue", "green"]) == ["red", "green"]


def test_a_compiled_filter_can_be_used_again(user_type: ResourceType) -> None:
    """Nothing is left behind by one resource for the next (F2)."""
    test = evaluate.compile_filter(filters.parse('title eq "welder" and (active eq true or emails pr)', user_type))
    assert [test(resource) for resource in (USER, {}, USER, {"title": "WELDER"}, {**USER, "active": False})] == [
        *(True, False, True, False, True)
    ]
