"""What of the schema is true of a tenant: supported attributes, and what the backend narrows (D4, C2)."""

from __future__ import annotations

from typing import Any

import pytest

from backends.contract import Field, Write
from gateway.scim.discovery import Override, narrow_type
from gateway.scim.schema import Mutability, Returned, Uniqueness
from tests.mapping.world import ENTERPRISE, FIELDS, group, user

COLUMNS = {
    **FIELDS,
    "title": Field(str, write=Write.NEVER),
    "full": Field(str, required=True),
    "code": Field(str, write=Write.CREATE),
    "mail": Field(str, write=Write.NEVER),
    "roles": Field(str, many=True, write=Write.NEVER),
    "first": Field(str, write=Write.CREATE),
}
ATTRIBUTES: dict[str, Any] = {
    "title": "title",
    "displayName": "full",
    "nickName": "code",
    "name.givenName": "first",
    'emails[type eq "work"].value': "mail",
    "roles.value": "roles",
    f"{ENTERPRISE}:manager.value": {"field": "boss", "reference": "User"},
    "groups.value": {"field": "teams", "reference": "Group"},
}


def test_only_what_has_a_place_is_supported() -> None:
    """Nothing is published that would be refused or dropped (D4, F12)."""
    for policy in ("refuse", "drop"):
        mapping = user(ATTRIBUTES, fields=COLUMNS, unmapped=policy).mapping
        assert mapping.supported == {
            "userName", "active", "title", "displayName", "nickName", "name.givenName", "emails.value", "emails.type",
            "roles.value", f"{ENTERPRISE}:manager", "groups",
        }  # fmt: skip


def test_what_is_kept_is_supported_but_for_secrets() -> None:
    """With `unmapped: keep` everything a client may write has a place but a password, and groups without a field are
    omitted (X12, DESIGN §6)."""
    mapping = user(unmapped="keep").mapping
    resource_type = narrow_type(user().resource_type, mapping.supported, mapping.overrides)
    names = {attribute.name for attribute in resource_type.schema.attributes}
    assert {"password", "groups"} & names == set()
    assert {"nickName", "ims", "name", "emails", "active", "userName"} <= names
    assert ENTERPRISE in resource_type.extensions


def test_the_backend_narrows_when_attributes_may_change() -> None:
    """What the system does not take is readOnly, what it takes once immutable, what it insists on required (R-L2)."""
    mapping = user(ATTRIBUTES, fields=COLUMNS, unmapped="refuse").mapping
    assert mapping.overrides == {
        "title": Override(mutability=Mutability.READ_ONLY),
        "displayName": Override(required=True),
        "nickName": Override(mutability=Mutability.IMMUTABLE),
        "name": Override(mutability=Mutability.IMMUTABLE),
        "name.givenName": Override(mutability=Mutability.IMMUTABLE),
        "emails": Override(mutability=Mutability.READ_ONLY),
        "roles": Override(mutability=Mutability.READ_ONLY),
    }
    resource_type = narrow_type(user().resource_type, mapping.supported, mapping.overrides)
    title = resource_type.attribute("title")
    assert title is not None
    assert title.mutability is Mutability.READ_ONLY


def test_the_configuration_narrows_too() -> None:
    """`write` of an attribute, and `overrides`, are published like what the backend says (D4)."""
    mapping = user(
        {"title": {"field": "title", "write": "create"}, "nickName": {"field": "code", "write": "never"}},
        overrides={
            "TITLE": {"required": True, "returned": "request"},
            "displayName": {"uniqueness": "server", "caseExact": True},
        },
        unmapped="keep",
    ).mapping
    assert mapping.overrides == {
        "title": Override(mutability=Mutability.IMMUTABLE, required=True, returned=Returned.REQUEST),
        "nickName": Override(mutability=Mutability.READ_ONLY),
        "displayName": Override(uniqueness=Uniqueness.SERVER, case_exact=True),
    }


def test_members_that_cannot_be_changed_are_read_only() -> None:
    """A membership the system only shows is published so, and what a member is called is never the client's (C2)."""
    fixed = group({"members.value": {"field": "members", "reference": "User", "write": "never"}}).mapping
    read_only = Override(mutability=Mutability.READ_ONLY)
    assert fixed.overrides == {"members": read_only, "members.display": read_only}
    assert fixed.supported == {"displayName", "members"}
    assert group().mapping.overrides == {"members.display": read_only}


@pytest.mark.parametrize("policy", ["keep", "refuse"])
def test_a_codec_with_a_form_for_nothing_makes_no_attribute_required(policy: str) -> None:
    """A NOT NULL column whose codec writes an empty text needs no value from a client (R-L19)."""
    mapping = user({"displayName": {"field": "full", "codec": "empty"}}, fields=COLUMNS, unmapped=policy).mapping
    assert mapping.overrides == {}
