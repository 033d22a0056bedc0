"""POST bodies."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.scim import standard, validate
from gateway.scim.errors import ScimError
from gateway.scim.schema import ENTERPRISE_URN, GROUP_URN, USER_URN
from gateway.scim.validate import ValidateOptions

ADSCIM = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
MISSPELT = "urn:ietf:params:scim:schemas:extension:enterprise:2.0User"
USER = {"schemas": [USER_URN], "userName": "bjensen"}


def user(**change: Any) -> dict[str, Any]:
    return {**USER, **change}


def test_a_minimal_user_comes_back_whole(user_type: Any) -> None:
    """A userName and the schemas are enough (S3, S14)."""
    assert validate.create(user_type, USER) == USER


def test_names_are_brought_into_the_spelling_of_the_schema(user_type: Any) -> None:
    """Attributes, sub-attributes and URNs in any case (S2)."""
    body = {
        "SCHEMAS": [USER_URN.upper(), ENTERPRISE_URN.lower()],
        "USERNAME": "x",
        "Name": {"GIVENNAME": "G"},
        "EMAILS": [{"Value": "a", "PRIMARY": True}],
        ENTERPRISE_URN.upper(): {"EMPLOYEENUMBER": "007", "Manager": {"VALUE": "1"}},
    }
    assert validate.create(user_type, body) == {
        "schemas": [USER_URN, ENTERPRISE_URN],
        "userName": "x",
        "name": {"givenName": "G"},
        "emails": [{"value": "a", "primary": True}],
        ENTERPRISE_URN: {"employeeNumber": "007", "manager": {"value": "1"}},
    }


@pytest.mark.parametrize(
    "body",
    [
        user(USERNAME="other"),
        {"schemas": [USER_URN], "UserName": "a", "USERNAME": "b"},
        user(id="1", ID="2"),
        user(name={"givenName": "a", "GivenName": "b"}),
        {**USER, "Schemas": [USER_URN]},
        user(**{ENTERPRISE_URN: {"division": "a", "DIVISION": "b"}}),
        user(**{ENTERPRISE_URN: {"division": "a"}, ENTERPRISE_URN.lower(): {"division": "b"}}),
    ],
)
def test_one_attribute_in_two_spellings_is_refused(refused: Any, user_type: Any, body: Any) -> None:
    """Validator and backend could each pick another one (S2)."""
    with refused("invalidSyntax", "is given twice"):
        validate.create(user_type, body)


def test_letters_that_only_look_alike_are_other_names(refused: Any, user_type: Any) -> None:
    """Case folding of names is ASCII's: the Kelvin sign is no k (S2)."""
    with refused("invalidSyntax", "nic\\u212aName"):
        validate.create(user_type, {**USER, "nic\u212aName": "x"})


@pytest.mark.parametrize(
    ("schemas", "words"),
    [
        (None, "schemas: must be a list"),
        ([], "schemas: must be a list"),
        (USER_URN, "schemas: must be a list"),
        ([1], "schemas: must hold URNs only"),
        ([USER_URN, USER_URN.upper()], "is listed twice"),
        ([ENTERPRISE_URN], f"{USER_URN} is missing"),
        ([USER_URN, GROUP_URN], "is no schema of User"),
        ([USER_URN, MISSPELT], "is no schema of User"),
    ],
)
def test_schemas_are_mandatory_and_known(refused: Any, user_type: Any, schemas: Any, words: str) -> None:
    """Present, not empty, no duplicates, only those of the type (S3)."""
    with refused("invalidSyntax", words):
        validate.create(user_type, {"schemas": schemas, "userName": "x"})
    with refused("invalidSyntax", "schemas: must be a list"):
        validate.create(user_type, {"userName": "x"})


def test_urns_of_a_known_client_are_tolerated_and_dropped(refused: Any, user_type: Any, group_type: Any) -> None:
    """Where the tenant's options say so, and only there (S3)."""
    group = {"schemas": [ADSCIM, GROUP_URN], "displayName": "g"}
    options = ValidateOptions(tolerated=(ADSCIM, MISSPELT))
    assert validate.create(group_type, group, options)["schemas"] == [GROUP_URN]
    assert validate.create(user_type, user(schemas=[USER_URN, MISSPELT]), options) == USER
    with refused("invalidSyntax", "is no schema of Group"):
        validate.create(group_type, group)


def test_schemas_say_what_is_there(user_type: Any) -> None:
    """Order does not matter, an extension without values is not listed, one with values is (S3, S4, E7)."""
    assert validate.create(user_type, user(schemas=[ENTERPRISE_URN, USER_URN]))["schemas"] == [USER_URN]
    extended = user(**{ENTERPRISE_URN: {"division": "d", "costCenter": None}})
    assert validate.create(user_type, extended) == {
        **USER,
        "schemas": [USER_URN, ENTERPRISE_URN],
        ENTERPRISE_URN: {"division": "d"},
    }
    for empty in (None, {}, {"division": None}):
        assert validate.create(user_type, user(**{ENTERPRISE_URN: empty})) == USER
    for wrong in ([], "x", 1):
        with pytest.raises(ScimError, match="must lie in an object"):
            validate.create(user_type, user(**{ENTERPRISE_URN: wrong}))


def test_unassigned_is_absent(user_type: Any) -> None:
    """null, [] and complex values of nothing are the same (S8, E7)."""
    body = user(addresses=None, roles=[], name={"givenName": None}, emails=[{}], nickName=None)
    assert validate.create(user_type, body) == USER


def test_read_only_attributes_are_ignored(user_type: Any) -> None:
    """Whatever they hold: id, meta, groups and parts of them (H3, S7, E7, O2)."""
    body = user(id=None, ID_=None, meta={"resourceType": "Cat", "x": 1}, groups=[{"value": 7}])
    del body["ID_"]
    assert validate.create(user_type, body) == USER
    assert validate.create(user_type, user(id={"a": 1}, groups=[], meta="x")) == USER


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (user(shoeSize=44), "shoeSize"),
        (user(name={"first": "x"}), "name.first"),
        (user(emails=[{"valeu": "x"}]), "emails.valeu"),
        (user(**{ENTERPRISE_URN: {"badge": "x"}}), f"{ENTERPRISE_URN}:badge"),
        (user(**{"name.givenName": "x"}), "name.givenName"),
        (user(**{USER_URN: {"title": "x"}}), USER_URN),
        (user(__proto__={"x": 1}), "__proto__"),
        (user(__class__="x"), "__class__"),
        ({**USER, "é": "x"}, "\\xe9"),
        (user(**{"": "x"}), "there is no such attribute"),
    ],
)
def test_an_unknown_attribute_is_refused_or_reported(refused: Any, user_type: Any, body: Any, path: str) -> None:
    """Strict: 400 naming it; otherwise dropped and told, never passed on (D4, X3, P7)."""
    with refused("invalidSyntax", path):
        validate.create(user_type, body)
    dropped: list[str] = []
    options = ValidateOptions(unknown="ignore", on_dropped=dropped.append)
    assert validate.create(user_type, body, options) == USER
    assert len(dropped) == 1
    assert validate.create(user_type, body, ValidateOptions(unknown="ignore")) == USER


@pytest.mark.parametrize("value", [None, "", " ", "\t\n", []])
def test_a_user_has_a_name(refused: Any, user_type: Any, value: Any) -> None:
    """userName is required and not empty (S14)."""
    with refused("invalidValue", "userName: "):
        validate.create(user_type, user(userName=value))


def test_a_group_has_a_name(refused: Any, group_type: Any) -> None:
    """displayName of a group is required (S9)."""
    with refused("invalidValue", "displayName: a value is required"):
        validate.create(group_type, {"schemas": [GROUP_URN]})
    with refused("invalidValue", "displayName: must not be empty"):
        validate.create(group_type, {"schemas": [GROUP_URN], "displayName": ""})


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"userName": 7}, "userName"),
        ({"active": "True"}, "active"),
        ({"active": 1}, "active"),
        ({"name": "Bjensen"}, "name"),
        ({"name": [{"givenName": "x"}]}, "name"),
        ({"emails": {"value": "x"}}, "emails"),
        ({"emails": ["a@example.com"]}, "emails"),
        ({"emails": [{"value": 7}]}, "emails.value"),
        ({"emails": [{"value": "a", "primary": True}, {"value": "b", "primary": True}]}, "emails.primary"),
        ({"addresses": [{"country": "Germany"}]}, "addresses.country"),
        ({"x509Certificates": [{"value": "???"}]}, "x509Certificates.value"),
        ({"profileUrl": "not a uri"}, "profileUrl"),
        ({"nickName": "a\x00b"}, "nickName"),
        ({"nickName": "\ud800"}, "nickName"),
        ({"externalId": 12}, "externalId"),
        ({ENTERPRISE_URN: {"manager": "26118915"}}, f"{ENTERPRISE_URN}:manager"),
        ({ENTERPRISE_URN: {"manager": {"value": 1}}}, f"{ENTERPRISE_URN}:manager.value"),
    ],
)
def test_a_wrong_value_is_refused_by_its_path(refused: Any, user_type: Any, change: Any, path: str) -> None:
    """The detail begins with the whole path of the value (S10, S12, S16, D3, E9)."""
    with refused("invalidValue", f"{path}: "):
        validate.create(user_type, user(**change))


@pytest.mark.parametrize("body", [None, [], "x", 1, True])
def test_a_body_is_an_object(refused: Any, user_type: Any, body: Any) -> None:
    """Anything else is no resource (H8)."""
    with refused("invalidSyntax", "the body must be a JSON object"):
        validate.create(user_type, body)


def test_a_type_of_ones_own_is_checked_alike(refused: Any, badge_type: Any) -> None:
    """Required extension, restricted values, integers and times (S12, S16, C4)."""
    base, extension = badge_type.schema.id, next(iter(badge_type.extensions))
    body = {"schemas": [base], "number": "1", extension: {"owner": "o", "origin": "ignored"}, "doors": 3}
    made = validate.create(badge_type, body)
    assert made == {"schemas": [base, extension], "number": "1", extension: {"owner": "o"}, "doors": 3}
    with refused("invalidValue", f"{extension}: the extension is required"):
        validate.create(badge_type, {"schemas": [base], "number": "1"})
    with refused("invalidValue", f"{extension}:owner: a value is required"):
        validate.create(badge_type, {**body, extension: {"batch": "b"}})
    for change in ({"doors": 1.0}, {"doors": 1e3}, {"issued": "2024-01-01"}, {"colour": "blue"}, {"weight": "1"}):
        with refused("invalidValue", next(iter(change))):
            validate.create(badge_type, {**body, **change})


def test_the_body_is_not_altered(user_type: Any) -> None:
    """The dict handed in is the caller's."""
    body = user(emails=[{"value": "a", "type": None}], **{ENTERPRISE_URN: {"division": None, "department": "d"}})
    before = copy.deepcopy(body)
    validate.create(user_type, body)
    assert body == before


def test_ten_thousand_spellings_are_refused_quickly(refused: Any, user_type: Any) -> None:
    """An object full of strange names costs what its size costs (X4)."""
    body = user(**{f"x{number}": "y" for number in range(10_000)})
    dropped: list[str] = []
    validate.create(user_type, body, ValidateOptions(unknown="ignore", on_dropped=dropped.append))
    assert len(dropped) == 10_000


names = st.sampled_from(
    ["schemas", "userName", "USERNAME", "name", "emails", "active", "members", ENTERPRISE_URN, "x", "id", "meta", "é"]
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from([USER_URN]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@settings(derandomize=True, max_examples=400, deadline=None)
@given(st.dictionaries(names, anything, max_size=6), st.booleans())
def test_any_body_is_taken_or_refused(body: dict[str, Any], lawful: bool) -> None:
    """Never an internal error; and what is taken is canonical: taken again it is the same (S2, S8, H8)."""
    user_type = standard.resource_type("User")
    if lawful:
        body = {**body, "schemas": [USER_URN], "userName": "x"}
    try:
        made = validate.create(user_type, body)
    except ScimError as error:
        assert (error.status, error.detail.isprintable()) == (400, True)  # noqa: PT017
    else:
        assert validate.create(user_type, made) == made
