"""The same bodies given to scim2-models: taken and refused alike, but for listed differences."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic import ValidationError
from scim2_models import Context, EnterpriseUser, Group, SCIMException, User

from gateway.scim import standard, validate
from gateway.scim.errors import ScimError
from gateway.scim.schema import ENTERPRISE_URN, GROUP_URN, USER_URN

USER = {"schemas": [USER_URN], "userName": "x"}
BOTH = [USER_URN, ENTERPRISE_URN]
BODIES: dict[str, dict[str, Any]] = {
    "minimal": {},
    "no user name": {"userName": None},
    "number as user name": {"userName": 7},
    "other case": {"USERNAME": None, "NickName": "x"},
    "name": {"name": {"givenName": "a", "familyName": "b"}},
    "name as text": {"name": "a"},
    "name with unknown part": {"name": {"first": "a"}},
    "emails": {"emails": [{"value": "a@example.com", "type": "work", "primary": True}]},
    "emails as object": {"emails": {"value": "a@example.com"}},
    "emails as text": {"emails": ["a@example.com"]},
    "unknown type of email": {"emails": [{"value": "a@example.com", "type": "webshop"}]},
    "two primaries": {"emails": [{"value": "a@a.org", "primary": True}, {"value": "b@a.org", "primary": True}]},
    "primary as text": {"emails": [{"value": "a@a.org", "primary": "yes, please"}]},
    "null list": {"emails": None},
    "empty list": {"emails": []},
    "active": {"active": False},
    "active as list": {"active": []},
    "active as text": {"active": "perhaps"},
    "active as Entra writes it": {"active": "False"},
    "unknown attribute": {"shoeSize": 44},
    "certificate": {"x509Certificates": [{"value": "TWFu"}]},
    "no certificate": {"x509Certificates": [{"value": "é"}]},
    "read-only id": {"id": "1"},
    "read-only groups": {"groups": [{"value": "1"}]},
    "read-only meta": {"meta": {"resourceType": "User"}},
    "country": {"addresses": [{"country": "DE"}]},
    "country in words": {"addresses": [{"country": "Germany"}]},
    "schemas empty": {"schemas": []},
    "schemas unknown": {"schemas": ["urn:example:x"]},
    "schemas of a group": {"schemas": [GROUP_URN]},
    "schemas with extension": {"schemas": BOTH},
    "extension": {"schemas": BOTH, ENTERPRISE_URN: {"employeeNumber": "1"}},
    "extension as text": {"schemas": BOTH, ENTERPRISE_URN: "x"},
    "extension with unknown part": {"schemas": BOTH, ENTERPRISE_URN: {"badge": "x"}},
    "manager": {"schemas": BOTH, ENTERPRISE_URN: {"manager": {"value": "1", "$ref": "../Users/1"}}},
    "manager without $ref": {"schemas": BOTH, ENTERPRISE_URN: {"manager": {"value": "1"}}},
    "empty user name": {"userName": ""},
    "nul": {"nickName": "a\x00b"},
}  # fmt: skip
OURS_ALONE = {
    # Refused here, taken there: what they leave to the application.
    "active as Entra writes it",  # converting is the dialect's business (D3); they convert
    "no certificate",  # they decode what is no base64 to an empty value (S16)
    "country in words",  # S16
    "schemas empty",  # S3
    "empty user name",  # S14
    "nul",  # X1
}
THEIRS_ALONE = {
    # Refused there, taken here.
    "manager without $ref",  # RFC 7643 §8.7.1 recommends it only; what clients send has none
}


def ours(body: dict[str, Any]) -> bool:
    try:
        validate.create(standard.resource_type("User"), copy.deepcopy(body))
    except ScimError:
        return False
    return True


def theirs(body: dict[str, Any]) -> bool:
    try:
        User[EnterpriseUser].model_validate(copy.deepcopy(body), scim_ctx=Context.RESOURCE_CREATION_REQUEST)
    except (ValidationError, SCIMException):
        return False
    return True


@pytest.mark.parametrize("name", list(BODIES))
def test_a_user_is_taken_or_refused_as_scim2_models_does(name: str) -> None:
    """Every difference is one that is listed with its reason (S2, S3, S8, S10, S14, S16, D3, D4, H3)."""
    body = {**USER, **BODIES[name]}
    expected = theirs(body)
    if name in OURS_ALONE:
        assert (expected, ours(body)) == (True, False)
    elif name in THEIRS_ALONE:
        assert (expected, ours(body)) == (False, True)
    else:
        assert ours(body) is expected


def test_what_both_take_both_understand_alike() -> None:
    """The canonical forms are equal (S4, S8, S17)."""
    for name, change in BODIES.items():
        body = {**USER, **change}
        if not (ours(body) and theirs(body)):
            continue
        mine = validate.create(standard.resource_type("User"), body)
        model = User[EnterpriseUser].model_validate(copy.deepcopy(body), scim_ctx=Context.RESOURCE_CREATION_REQUEST)
        dumped = model.model_dump(scim_ctx=Context.RESOURCE_CREATION_REQUEST)
        mine.pop("schemas")
        dumped.pop("schemas")
        dumped.pop("password", None)
        assert {key: value for key, value in dumped.items() if value} == {k: v for k, v in mine.items() if v}, name


def test_a_group_needs_a_name_for_both() -> None:
    """displayName of a group is required by erratum 5368 (S9)."""
    for body, good in (({"schemas": [GROUP_URN]}, False), ({"schemas": [GROUP_URN], "displayName": "g"}, True)):
        for check in (
            lambda body=body: validate.create(standard.resource_type("Group"), body),
            lambda body=body: Group.model_validate(body, scim_ctx=Context.RESOURCE_CREATION_REQUEST),
        ):
            if good:
                check()
            else:
                with pytest.raises((ScimError, ValidationError, SCIMException)):
                    check()
