"""PUT bodies."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.scim import validate
from gateway.scim.schema import ENTERPRISE_URN, GROUP_URN, USER_URN
from gateway.scim.validate import ValidateOptions

MINIMAL = {"schemas": [USER_URN], "userName": "bjensen"}
META = {"resourceType": "User", "version": 'W/"1"'}
CURRENT: dict[str, Any] = {
    "schemas": [USER_URN, ENTERPRISE_URN],
    "id": "1",
    "externalId": "e",
    "userName": "bjensen",
    "name": {"givenName": "Barbara"},
    "active": True,
    "title": "Boss",
    "emails": [{"value": "a"}],
    "groups": [{"value": "g"}],
    ENTERPRISE_URN: {
        "division": "d",
        "employeeNumber": "007",
        "manager": {"value": "2", "$ref": "../Users/2", "displayName": "M"},
    },
    "meta": META,
}
KEPT = {"id": "1", "groups": [{"value": "g"}], "meta": META}


def test_what_is_left_out_is_cleared_but_active_and_what_is_read_only(user_type: Any) -> None:
    """A leaver is not let in and nobody locked out because a client says nothing of active (D6, H3)."""
    assert validate.replace(user_type, MINIMAL, CURRENT) == {**MINIMAL, "active": True, **KEPT}
    assert validate.replace(user_type, MINIMAL, {**CURRENT, "active": False})["active"] is False


def test_an_explicit_null_clears_what_would_be_kept(user_type: Any) -> None:
    """null and [] always clear, active and password too (D6)."""
    body = {**MINIMAL, "active": None, "title": None, "emails": []}
    options = ValidateOptions(keep=frozenset({"title", "emails", "name"}))
    kept = validate.replace(user_type, body, CURRENT, options)
    assert kept == {**MINIMAL, "name": {"givenName": "Barbara"}, **KEPT}


def test_the_tenant_says_what_else_is_kept(user_type: Any) -> None:
    """Attributes of extensions, and whole extensions, by path in any case (D6)."""
    kept = validate.replace(
        user_type, MINIMAL, CURRENT, ValidateOptions(keep=frozenset({f"{ENTERPRISE_URN.lower()}:EMPLOYEENUMBER"}))
    )
    assert kept[ENTERPRISE_URN] == {"employeeNumber": "007"}
    assert kept["schemas"] == [USER_URN, ENTERPRISE_URN]
    whole = ValidateOptions(keep=frozenset({ENTERPRISE_URN, "TITLE", "noSuchAttribute"}))
    kept = validate.replace(user_type, MINIMAL, CURRENT, whole)
    assert kept[ENTERPRISE_URN] == CURRENT[ENTERPRISE_URN]
    assert kept["title"] == "Boss"
    part = {**MINIMAL, ENTERPRISE_URN: {"division": "new", "employeeNumber": None}}
    kept = validate.replace(user_type, part, CURRENT, whole)
    assert kept[ENTERPRISE_URN] == {"division": "new", "manager": CURRENT[ENTERPRISE_URN]["manager"]}
    assert ENTERPRISE_URN not in validate.replace(user_type, {**MINIMAL, ENTERPRISE_URN: None}, CURRENT, whole)


def test_a_password_is_kept_where_it_is_known(user_type: Any) -> None:
    """A kept value is the caller's own; a new one replaces it (D6)."""
    current = {**CURRENT, "password": "old"}
    assert validate.replace(user_type, MINIMAL, current)["password"] == "old"
    assert validate.replace(user_type, {**MINIMAL, "password": "new"}, current)["password"] == "new"
    assert "password" not in validate.replace(user_type, {**MINIMAL, "password": None}, current)


def test_get_then_put_changes_nothing(user_type: Any) -> None:
    """What was read and is sent back unaltered is the resource as it was (O6, P4)."""
    assert validate.replace(user_type, CURRENT, CURRENT) == CURRENT


def test_read_only_attributes_come_from_the_provider(user_type: Any) -> None:
    """Whatever the body says of them (H3, S7, S15)."""
    body = {**MINIMAL, "id": "other", "groups": [], "meta": {"version": "x"}}
    after = validate.replace(user_type, body, CURRENT)
    assert {name: after[name] for name in KEPT} == KEPT
    assert "groups" not in validate.replace(user_type, {**body, "groups": [{"value": "x"}]}, {"id": "1"})


def test_derived_parts_stay_with_the_value_they_were_derived_of(user_type: Any, badge_type: Any) -> None:
    """A new manager does not keep the old one's name (H3)."""
    same = {**MINIMAL, ENTERPRISE_URN: {"manager": {"value": "2", "$ref": "../Users/2", "displayName": "forged"}}}
    after = validate.replace(user_type, same, CURRENT)
    assert after[ENTERPRISE_URN]["manager"] == CURRENT[ENTERPRISE_URN]["manager"]
    other = {**MINIMAL, ENTERPRISE_URN: {"manager": {"value": "3"}}}
    assert validate.replace(user_type, other, CURRENT)[ENTERPRISE_URN] == {"manager": {"value": "3"}}
    urn = next(iter(badge_type.extensions))
    base = {"schemas": [badge_type.schema.id], "number": "1", urn: {"owner": "o"}}
    current = {**base, "zones": [{"value": "a", "label": "A"}, {"value": "b", "label": "B"}]}
    after = validate.replace(badge_type, {**base, "zones": [{"value": "b"}, {"value": "c"}]}, current)
    assert after["zones"] == [{"value": "b", "label": "B"}, {"value": "c"}]


def badge(badge_type: Any, **change: Any) -> dict[str, Any]:
    urn = next(iter(badge_type.extensions))
    return {"schemas": [badge_type.schema.id], "number": "1", urn: {"owner": "o"}, **change}


def test_immutable_attributes_keep_their_first_value(refused: Any, badge_type: Any) -> None:
    """Equal or unset before; else 400 mutability, in the type, its extensions and singular complex values (H3)."""
    urn = next(iter(badge_type.extensions))
    current = badge(badge_type, serial="s", holder={"value": "h", "since": "2024-01-01T00:00:00Z"})
    current[urn] = {"owner": "o", "batch": "b", "origin": "x"}
    assert validate.replace(badge_type, badge(badge_type, serial="s"), current)["serial"] == "s"
    assert validate.replace(badge_type, badge(badge_type), current)["serial"] == "s"
    assert validate.replace(badge_type, badge(badge_type, serial="new"), badge(badge_type))["serial"] == "new"
    assert validate.replace(badge_type, badge(badge_type), current)[urn] == current[urn]
    for change, path in (
        ({"serial": "t"}, "serial"),
        ({"serial": None}, "serial"),
        ({urn: {"owner": "o", "batch": "c"}}, f"{urn}:batch"),
        ({"holder": {"value": "h", "since": "2025-01-01T00:00:00Z"}}, "holder.since"),
    ):
        with refused("mutability", f"{path}: is immutable"):
            validate.replace(badge_type, badge(badge_type, **change), current)
    after = validate.replace(badge_type, badge(badge_type, holder={"value": "other"}), current)
    assert after["holder"] == {"value": "other", "since": "2024-01-01T00:00:00Z"}


def test_members_are_replaced_as_wholes(group_type: Any) -> None:
    """Members come and go although their sub-attributes are immutable (S15, O3)."""
    current = {"schemas": [GROUP_URN], "id": "g", "displayName": "x", "members": [{"value": "1"}, {"value": "2"}]}
    body = {"schemas": [GROUP_URN], "displayName": "x", "members": [{"value": "2"}, {"value": "3", "type": "User"}]}
    assert validate.replace(group_type, body, current)["members"] == body["members"]
    assert "members" not in validate.replace(group_type, {**body, "members": []}, current)


def test_required_attributes_cannot_be_taken_away(refused: Any, user_type: Any, badge_type: Any) -> None:
    """A PUT is a whole resource: it names them itself (S14, H3)."""
    with refused("invalidValue", "userName: a value is required"):
        validate.replace(user_type, {"schemas": [USER_URN]}, CURRENT)
    with refused("invalidValue", "userName: "):
        validate.replace(user_type, {**MINIMAL, "userName": None}, CURRENT)
    urn = next(iter(badge_type.extensions))
    with refused("invalidValue", f"{urn}: the extension is required"):
        validate.replace(badge_type, {"schemas": [badge_type.schema.id], "number": "1"}, badge(badge_type))


@pytest.mark.parametrize("change", [{"schemas": []}, {"shoeSize": 1}, {"active": "False"}, {"USERNAME": "x"}])
def test_a_put_is_checked_like_a_post(user_type: Any, change: dict[str, Any]) -> None:
    """The same refusals in the same words (S2, S3, D3, D4)."""
    with pytest.raises(validate.ScimError) as put:
        validate.replace(user_type, {**MINIMAL, **change}, CURRENT)
    with pytest.raises(validate.ScimError) as post:
        validate.create(user_type, {**MINIMAL, **change})
    assert (put.value.scim_type, put.value.detail) == (post.value.scim_type, post.value.detail)


def test_the_current_resource_is_not_altered(user_type: Any) -> None:
    """The engine compares before and after."""
    before = repr(CURRENT)
    validate.replace(user_type, {**MINIMAL, ENTERPRISE_URN: {"manager": {"value": "3"}}}, CURRENT)
    assert repr(CURRENT) == before
