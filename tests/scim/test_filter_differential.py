"""The same filters given to scim2-models: read, refused and matched alike, but for listed differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from scim2_models import EnterpriseUser, Group, SCIMException, ScimFilter, User

from gateway.scim import evaluate, filters
from gateway.scim.errors import ScimError
from gateway.scim.schema import ENTERPRISE_URN, GROUP_URN, USER_URN, ResourceType

USERS: list[dict[str, Any]] = [
    {"schemas": [USER_URN], "userName": "bjensen"},
    {
        "schemas": [USER_URN, ENTERPRISE_URN],
        "id": "Id-1",
        "externalId": "Ext-1",
        "userName": "BJensen",
        "title": "Tour Guide",
        "active": True,
        "name": {"familyName": "O'Malley", "givenName": "Barbara"},
        "emails": [
            {"value": "bjensen@example.com", "type": "work", "primary": True},
            {"value": "babs@jensen.org", "type": "home"},
        ],
        "meta": {
            "resourceType": "User",
            "created": "2011-05-13T04:42:34Z",
            "lastModified": "2011-05-13T06:42:34+02:00",
        },
        ENTERPRISE_URN: {"employeeNumber": "701984", "manager": {"value": "Boss-1", "displayName": "John"}},
    },
    {
        "schemas": [USER_URN, ENTERPRISE_URN],
        "id": "id-1",
        "externalId": "ext-1",
        "userName": "zoë",
        "title": "guide",
        "active": False,
        "name": {"familyName": 'a"b\\c'},
        "emails": [{"value": "work@example.org", "type": "home"}],
        "addresses": [{"type": "work", "locality": "Łódź"}],
        "meta": {"resourceType": "User", "lastModified": "2012-01-01T00:00:00.5Z"},
        ENTERPRISE_URN: {"department": "Tours"},
    },
]
GROUPS: list[dict[str, Any]] = [
    {"schemas": [GROUP_URN], "displayName": "Guides", "members": [{"value": "u1", "type": "User"}, {"value": "g2"}]},
    {"schemas": [GROUP_URN], "displayName": "Empty"},
]

ORDER = ("eq", "ne", "gt", "ge", "lt", "le")
TEXT = (*ORDER, "co", "sw", "ew")
COMPARED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "userName": (TEXT, ('"bjensen"', '"BJ"', '"sen"', '"ZOË"', '""')),
    "externalId": (TEXT, ('"Ext-1"', '"ext-1"', '"-1"')),
    "id": (TEXT, ('"Id-1"', '"id-1"')),
    "title": (TEXT, ('"tour guide"', '"guide"', '"x"')),
    "name.familyName": (("eq", "ne", "co", "sw", "ew"), ('"o\'malley"', r'"a\"b\\c"', r'"\u0061"')),
    "active": (("eq", "ne"), ("true", "false")),
    "emails": (("co", "sw", "ew"), ('"bjensen@example.com"', '"WORK"', '".org"')),
    "emails.value": (("eq", "co", "sw", "ew"), ('"babs@jensen.org"', '"BJensen@Example.com"')),
    "emails.type": (("eq", "co"), ('"work"', '"HOME"')),
    "emails.primary": (("eq",), ("true", "false")),
    "meta.resourceType": (("eq", "co"), ('"User"', '"Group"')),
    "meta.created": (ORDER, ('"2011-05-13T04:42:34Z"', '"2011-05-13T03:42:34-01:00"', '"2020-01-01T00:00:00Z"')),
    "meta.lastModified": (ORDER, ('"2011-05-13T04:42:34Z"', '"2012-01-01T01:00:00.5+01:00"')),
    "schemas": (("eq",), (f'"{USER_URN}"', f'"{USER_URN.upper()}"', f'"{ENTERPRISE_URN}"', '"urn:x:y"')),
    f"{USER_URN}:userName": (("eq", "sw"), ('"bjensen"',)),
    f"{ENTERPRISE_URN}:employeeNumber": (TEXT, ('"701984"', '"7"')),
    f"{ENTERPRISE_URN}:manager.displayName": (TEXT, ('"john"', '"J"')),
    f"{ENTERPRISE_URN}:department": (("eq", "ne"), ('"tours"',)),
}
PRESENT = ["userName", "title", "active", "emails", "emails.display", "name", "addresses", "phoneNumbers",
           "name.givenName", "meta.created", f"{ENTERPRISE_URN}:manager", f"{ENTERPRISE_URN}:division"]  # fmt: skip
COMBINED = [
    'title pr and userName eq "bjensen"',
    'title pr or userName eq "bjensen"',
    'not (title pr) or active eq true and emails co "example"',
    '(title co "guide" or active eq true) and not(emails.type eq "work")',
    'userName sw "b" and not (title sw "t" or title sw "g")',
    "not (not (title pr))",
    'emails[type eq "work"]',
    'emails[type eq "work" and value co "@example.com"]',
    'emails[type eq "home" and value co "@example.com"]',
    'emails.type eq "home" and emails.value co "@example.com"',
    'emails[type eq "work" or primary eq true]',
    "emails[not (primary eq true)]",
    'emails[type eq "work"].value eq "BJENSEN@example.com"',
    'emails[type eq "home"].value sw "b"',
    'emails[type eq "home"].primary pr',
    'emails[type ne "work"]',
    'EMAILS[TYPE EQ "WORK" AND VALUE EW ".COM"]',
    'title pr AND USERNAME Eq "bjensen"',
    "((((title pr))))",
    "title pr and (active eq true and (emails pr))",
    f'schemas[value eq "{USER_URN}"]',
    'userName eq "a" or userName eq "b" or userName eq "zoë"',
    'meta.lastModified ge "2011-01-01T00:00:00Z" and meta.lastModified lt "2012-01-01T00:00:00Z"',
    "title eq null",
    "title ne null",
    "emails[display eq null]",
]
REFUSED = [
    *("", "userName", "userName eq", 'userName is "x"', "userName eq x", "not title pr", "title pr and", "(title pr"),
    *("title pr)", 'userName eq "x', r'userName eq "\x"', "userName eq 01", 'emails[type eq "work"', "emails[]"),
    *('emails [type eq "work"] x', "active gt true", "active co true", 'emails.primary lt true', "1 eq 1", "()"),
    *('active eq "perhaps"', 'meta.created gt "x"', "title pr title pr", "emails[0]"),
    *('name.givenName.x eq "y"', 'emails[type[value pr]]', 'title[value pr]', "not ()", "title pr and or title pr"),
    *('password sw "a"', 'x509Certificates.value gt "TWFu"', "active eq 7", '"x" eq "x"', 'userName eq "a\nb"'),
]  # fmt: skip
DIFFERENT: dict[str, tuple[str, bool | str | None, bool | str | None]] = {
    # filter -> why, what we say of USERS[1] (None: refused), what they say
    'emails.type ne "work"': ("several values match ne if any differs (F5); theirs if all do", True, False),
    'emails ne "bjensen@example.com"': ("several values match ne if any differs (F5)", True, False),
    f'{ENTERPRISE_URN}:manager eq "Boss-1"': ("a reference is compared by its value (F16); theirs whole", True, False),
    'name eq "x"': ("a complex attribute has no value (F7); theirs compares the object", None, False),
    'addresses eq "x"': ("no sub-attribute called value (F7)", None, False),
    'manager eq "Boss-1"': ("Entra leaves the URN out (F16); theirs counts it as unknown, hence absent", True, False),
    'shoeSize eq "44"': ("refused on an endpoint of one type (F13); theirs is strict only when told", None, False),
    'shoeSize ne "44"': ("refused on an endpoint of one type (F13)", None, False),
    'password eq "x"': ("secrets are not searched at all (S13); theirs takes eq", None, False),
    "password pr": ("secrets are not searched at all (S13)", None, False),
    'meta.created co "2011"': ("times are no text (F8, F12)", None, False),
    'meta.created eq "2011-05-13"': ("a date alone is no dateTime (S16); theirs takes midnight", None, False),
    "active eq TRUE": ("JSON's literals are lower-case (F4)", None, True),
    'active eq "True"': ("a string is no boolean unless the dialect says so (D3)", None, True),
    "userName eq 7": ("a number is no string (F4)", None, None),
    "title gt null": ("null has no order", None, False),
    r'userName eq "\u0000"': ("a control character no legacy system can hold (X1)", None, False),
    r'userName eq "\ud800"': ("a lone surrogate (X4)", None, False),
    'userName\teq\t"bjensen"': ("only spaces separate (RFC 7644 figure 1)", None, True),
    'emails eq "work"': ("any text can be asked for; theirs wants an e-mail address", False, None),
    'meta.created gt "2011"': ("a year is no dateTime (S16); theirs takes it for seconds", None, True),
    'emails [type eq "work"]': ("brackets follow the name at once (RFC 7644 figure 1)", None, True),
    'not (emails.type ne "work")': ("not is the opposite (F5)", False, True),
}  # fmt: skip


def _ours(text: str, resource_type: ResourceType, resource: dict[str, Any]) -> bool | None:
    try:
        return evaluate.compile_filter(filters.parse(text, resource_type))(resource)
    except ScimError as error:
        return None if error.scim_type == "invalidFilter" else pytest.fail(error.detail)


def _theirs(text: str, model: Any, resource: dict[str, Any]) -> bool | None:
    try:
        return bool(ScimFilter[model](text).match(model.model_validate(resource)))
    except SCIMException:
        return None


@pytest.fixture(scope="module")
def both(user_type: ResourceType) -> Callable[[str, dict[str, Any]], tuple[bool | None, bool | None]]:
    """Ask both about one user; None is a refusal."""
    model = User[EnterpriseUser]
    return lambda text, user: (_ours(text, user_type, user), _theirs(text, model, user))


@pytest.mark.parametrize("name", COMPARED)
def test_comparisons_agree(both: Any, name: str) -> None:
    """Every operator on every kind of attribute says the same of every user (F1, F4, F6-F11)."""
    operators, values = COMPARED[name]
    for text in (f"{name} {op} {value}" for op in operators for value in values):
        for user in USERS:
            ours, theirs = both(text, user)
            assert ours is not None, text
            assert ours == theirs, (text, user["userName"])


@pytest.mark.parametrize("name", PRESENT)
def test_presence_agrees(both: Any, name: str) -> None:
    """`pr` and `not (… pr)` say the same of every user (S8, F3)."""
    for text in (f"{name} pr", f"not ({name} pr)"):
        for user in USERS:
            ours, theirs = both(text, user)
            assert ours is not None, text
            assert ours == theirs, (text, user["userName"])


@pytest.mark.parametrize("text", COMBINED)
def test_combinations_agree(both: Any, text: str) -> None:
    """Precedence, grouping, negation and value paths say the same of every user (F2, F3, F5, F6, F16)."""
    for user in USERS:
        ours, theirs = both(text, user)
        assert ours is not None, text
        assert ours == theirs, user["userName"]


@pytest.mark.parametrize(
    "text", ['members eq "u1"', 'members[value eq "g2"]', 'members[value eq "u1" and type eq "User"]', "members pr",
             'members.type eq "Group"', 'displayName eq "GUIDES"', 'displayName co "u" and not (members pr)'],
)  # fmt: skip
def test_groups_agree(group_type: ResourceType, text: str) -> None:
    """The look-ups of groups and members say the same (F7, F16)."""
    for group in GROUPS:
        assert _ours(text, group_type, group) == _theirs(text, Group, group) is not None


@pytest.mark.parametrize("text", REFUSED)
def test_refusals_agree(both: Any, text: str) -> None:
    """What one takes for no filter, the other does too (F3, F8, F12, P1)."""
    assert both(text, USERS[1]) == (None, None)


@pytest.mark.parametrize("text", DIFFERENT)
def test_differences_are_known(both: Any, text: str) -> None:
    """Where the two part, the requirement that decides is written beside it (D3, F4, F5, F7, F8, F13, F16, S13)."""
    reason, ours, theirs = DIFFERENT[text]
    assert both(text, USERS[1]) == (ours, theirs), reason
