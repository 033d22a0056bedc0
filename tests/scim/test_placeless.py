"""What the schema has and the tenant has no place for is refused where the configuration says so."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.scim.discovery import Override, narrow_type
from gateway.scim.errors import ScimError
from gateway.scim.placeless import placeless, refuse_placeless, refuse_placeless_operations
from gateway.scim.schema import ENTERPRISE_URN, USER_URN, Mutability
from gateway.scim.standard import resource_type

WHOLE = resource_type("User")
NARROWED = narrow_type(
    WHOLE, {"userName", "active", "name.familyName", "emails.value", "emails.type", f"{ENTERPRISE_URN}:department"}
)
PATHS = placeless(WHOLE, NARROWED)
BODY: dict[str, Any] = {"schemas": [USER_URN], "userName": "a"}
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("nickName", {"nickName": "x"}),
    ("NICKNAME", {"NICKNAME": "x"}),
    ("name.middleName", {"name": {"middleName": "x"}}),
    ("emails.display", {"emails": [{"value": "a@example.com"}, {"value": "b@example.com", "display": "B"}]}),
    (f"{ENTERPRISE_URN}:costCenter", {ENTERPRISE_URN: {"costCenter": "c"}}),
    ("roles", {"roles": [{"value": "auditor"}]}),
]
TAKEN: list[dict[str, Any]] = [
    {"nickName": None, "roles": [], "title": ""},
    {"groups": [{"value": "1"}], "id": "1", "meta": {"resourceType": "User"}},
    {"password": "placeholder"},
    {"externalId": "7", "name": {"familyName": "x"}, "emails": [{"value": "a@example.com", "type": "work"}]},
    {"neverHeardOf": 1},
]


@pytest.mark.parametrize(("path", "given"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_a_value_without_a_place_is_refused_by_name(path: str, given: dict[str, Any]) -> None:
    """400 invalidValue names the attribute as sent, in a body as in an operation with or without a path (D10)."""
    with pytest.raises(ScimError) as caught:
        refuse_placeless({**BODY, **given}, PATHS)
    assert (caught.value.status, caught.value.scim_type) == (400, "invalidValue")
    assert caught.value.detail.startswith(f"{path}: ")
    (name, value) = next(iter(given.items()))
    for operation in ({"op": "Replace", "value": given}, {"op": "add", "path": name, "value": value}):
        with pytest.raises(ScimError):
            refuse_placeless_operations({"Operations": [operation]}, PATHS)


@pytest.mark.parametrize("given", TAKEN, ids=str)
def test_what_asks_for_nothing_is_left_alone(given: dict[str, Any]) -> None:
    """Nulls, readOnly values, passwords and what no schema knows are not this rule's (D4, H3, O2)."""
    refuse_placeless({**BODY, **given}, PATHS)
    refuse_placeless_operations(
        {"Operations": [{"op": "replace", "value": given}, {"op": "remove", "path": "nickName"}]}, PATHS
    )


def test_what_is_said_of_a_reference_is_not_asked_for() -> None:
    """The name of a member belongs to the member: clients send it along with every group they push."""
    whole = resource_type("Group")
    paths = placeless(whole, narrow_type(whole, {"displayName", "members.value"}))
    members = [{"value": "1", "display": "kim", "$ref": "https://example.com/Users/1"}]
    refuse_placeless({"displayName": "G", "members": members}, paths)
    refuse_placeless_operations({"Operations": [{"op": "add", "path": "members", "value": members}]}, paths)


def test_what_is_only_read_has_a_place() -> None:
    """An attribute the tenant computes, or the system forbids to write, is readOnly: ignored, as the RFC says (H3)."""
    read_only = Override(mutability=Mutability.READ_ONLY)
    narrowed = narrow_type(WHOLE, {"userName", "title", "name.familyName"}, {"title": read_only})
    paths = placeless(WHOLE, narrowed)
    refuse_placeless({**BODY, "title": "x"}, paths)
    with pytest.raises(ScimError):
        refuse_placeless({**BODY, "nickName": "x"}, paths)


def test_nothing_is_refused_where_everything_has_a_place() -> None:
    """A schema that is not narrowed leaves nothing to refuse."""
    assert placeless(WHOLE, WHOLE) == frozenset()
    refuse_placeless({"nickName": "x"}, frozenset())
