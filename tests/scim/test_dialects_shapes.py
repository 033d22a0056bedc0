"""What each quirk takes when it is on, and that it is refused when it is off."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.scim import dialects, evaluate, filters, patch, validate
from gateway.scim.dialects import COMPAT, Dialect
from gateway.scim.errors import ScimError
from gateway.scim.patch import REQUEST_URN
from gateway.scim.schema import ENTERPRISE_URN, GROUP_URN, USER_URN, ResourceType

MISSPELT = "urn:ietf:params:scim:schemas:extension:enterprise:2.0User"
VENDOR = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
STATE: dict[str, Any] = {
    "schemas": [USER_URN, ENTERPRISE_URN],
    "id": "1",
    "userName": "u",
    "active": True,
    "title": "Boss",
    "emails": [{"type": "work", "value": "w"}],
    ENTERPRISE_URN: {"manager": {"value": "7"}},
}
GROUP: dict[str, Any] = {"schemas": [GROUP_URN], "displayName": "g", "members": [{"value": "a"}, {"value": "b"}]}

Case = tuple[str, dict[str, Any], str, Any]
PATCHES: list[Case] = [
    # quirk, operation on the user, attribute, what it must be afterwards
    ("any_case_ops", {"op": "REPLACE", "path": "title", "value": "x"}, "title", "x"),
    ("any_case_ops", {"op": "Remove", "path": "title"}, "title", None),
    ("pathless_patch", {"op": "replace", "value": {"active": False}}, "active", False),
    ("pathless_patch", {"op": "add", "path": None, "value": {"title": "x"}}, "title", "x"),
    ("dotted_keys", {"op": "replace", "value": {"name.givenName": "B"}}, "name", {"givenName": "B"}),
    ("dotted_keys", {"op": "add", "value": {'emails[type eq "work"].display': "W"}}, "emails",
     [{"type": "work", "value": "w", "display": "W"}]),
    ("dotted_keys", {"op": "replace", "value": {f"{ENTERPRISE_URN}:division": "D"}}, ENTERPRISE_URN,
     {"manager": {"value": "7"}, "division": "D"}),
    ("dotted_keys", {"op": "replace", "value": {"manager": {"value": "8"}}}, ENTERPRISE_URN,
     {"manager": {"value": "8"}}),
    ("remove_by_value", {"op": "remove", "path": "emails", "value": [{"value": "x"}]}, "emails", STATE["emails"]),
    ("remove_by_value", {"op": "remove", "path": "emails", "value": [{"value": "w"}]}, "emails", None),
    ("json_in_strings", {"op": "add", "path": "roles", "value": '[{"value":"r"}]'}, "roles", [{"value": "r"}]),
    ("json_in_strings", {"op": "add", "path": "roles", "value": ['{"value":"r"}']}, "roles", [{"value": "r"}]),
    ("json_in_strings", {"op": "replace", "value": '{"title": "x"}'}, "title", "x"),
    ("json_in_strings", {"op": "replace", "path": "name", "value": '{"givenName":"B"}'}, "name", {"givenName": "B"}),
    ("array_for_object", {"op": "add", "path": "manager", "value": [{"$ref": "../Users/8", "value": "8"}]},
     ENTERPRISE_URN, {"manager": {"value": "8", "$ref": "../Users/8"}}),
    ("array_for_object", {"op": "replace", "path": "manager", "value": []}, ENTERPRISE_URN, None),
    ("bare_values", {"op": "replace", "path": "manager", "value": "8"}, ENTERPRISE_URN, {"manager": {"value": "8"}}),
    ("bare_values", {"op": "add", "path": "roles", "value": ["r"]}, "roles", [{"value": "r"}]),
    ("empty_string_clears", {"op": "replace", "path": "manager", "value": ""}, ENTERPRISE_URN, None),
    ("empty_string_clears", {"op": "replace", "value": {"title": ""}}, "title", None),
    ("empty_string_clears", {"op": "replace", "path": "profileUrl", "value": ""}, "profileUrl", None),
    ("object_for_array", {"op": "add", "path": "roles", "value": {"value": "r"}}, "roles", [{"value": "r"}]),
    ("object_for_array", {"op": "replace", "value": {"roles": {"value": "r"}}}, "roles", [{"value": "r"}]),
    ("object_for_array", {"op": "remove", "path": "emails", "value": {"value": "w"}}, "emails", None),
    ("string_booleans", {"op": "replace", "path": "active", "value": "False"}, "active", False),
    ("string_booleans", {"op": "replace", "path": "active", "value": "tRuE"}, "active", True),
    ("string_booleans", {"op": "replace", "value": {"active": "FALSE"}}, "active", False),
    ("string_booleans", {"op": "add", "path": "emails", "value": [{"value": "n", "primary": "True"}]}, "emails",
     [{"type": "work", "value": "w"}, {"value": "n", "primary": True}]),
    ("string_booleans", {"op": "add", "path": 'emails[type eq "work"]', "value": {"primary": "true"}}, "emails",
     [{"type": "work", "value": "w", "primary": True}]),
    ("string_booleans", {"op": "add", "path": 'emails[type eq "work"].primary', "value": "true"}, "emails",
     [{"type": "work", "value": "w", "primary": True}]),
    ("misspelt_enterprise_urn", {"op": "add", "path": f"{MISSPELT}:division", "value": "D"}, ENTERPRISE_URN,
     {"manager": {"value": "7"}, "division": "D"}),
    ("drop_unknown_attributes", {"op": "replace", "value": {"shoeSize": 44, "title": "x"}}, "title", "x"),
    ("drop_unknown_attributes", {"op": "add", "path": "roles", "value": [{"value": "r", "colour": "red"}]}, "roles",
     [{"value": "r"}]),
    ("passwords", {"op": "replace", "path": "password", "value": "t0p"}, "password", "t0p"),
    ("passwords", {"op": "replace", "value": {"password": "t0p"}}, "password", "t0p"),
]  # fmt: skip
BODIES: list[Case] = [
    ("string_booleans", {"active": "False"}, "active", False),
    ("string_booleans", {"emails": [{"value": "n", "primary": "true"}]}, "emails", [{"value": "n", "primary": True}]),
    ("json_in_strings", {"roles": ['{"value":"r"}']}, "roles", [{"value": "r"}]),
    ("array_for_object", {"name": [{"givenName": "B"}]}, "name", {"givenName": "B"}),
    ("empty_string_clears", {"profileUrl": ""}, "profileUrl", None),
    ("object_for_array", {"emails": {"value": "n"}}, "emails", [{"value": "n"}]),
    ("bare_values", {ENTERPRISE_URN: {"manager": "7"}}, ENTERPRISE_URN, {"manager": {"value": "7"}}),
    ("dotted_keys", {"name.givenName": "B"}, "name", {"givenName": "B"}),
    ("dotted_keys", {f"{ENTERPRISE_URN}:division": "D"}, ENTERPRISE_URN, {"division": "D"}),
    ("dotted_keys", {"manager": {"value": "7"}}, ENTERPRISE_URN, {"manager": {"value": "7"}}),
    ("manager_id", {ENTERPRISE_URN: {"manager": {"managerId": "7"}}}, ENTERPRISE_URN, {"manager": {"value": "7"}}),
    ("misspelt_enterprise_urn", {MISSPELT: {"division": "D"}}, ENTERPRISE_URN, {"division": "D"}),
    ("misspelt_enterprise_urn", {"schemas": [USER_URN, MISSPELT]}, "schemas", [USER_URN]),
    ("drop_unknown_attributes", {"shoeSize": 44}, "shoeSize", None),
    ("drop_unknown_attributes", {"name": {"first": "B", "givenName": "B"}}, "name", {"givenName": "B"}),
    ("drop_unknown_attributes", {"schemas": [USER_URN, "urn:example:x"], "urn:example:x": {"a": 1}}, "schemas",
     [USER_URN]),
    ("passwords", {"password": "t0p"}, "password", "t0p"),
]  # fmt: skip


def without(*quirks: str) -> Dialect:
    """Switch quirks off, and with them the ones that would hide it: unknown things must be refused to be seen."""
    return dialects.profile("compat", dict.fromkeys((*quirks, "drop_unknown_attributes"), False))


def patched(dialect: Dialect, resource_type: ResourceType, state: Any, item: Any, count: Any) -> dict[str, Any]:
    body = {"schemas": [REQUEST_URN], "Operations": [item]}
    before = copy.deepcopy(body)
    rewritten = dialect.patch(resource_type, body, count)
    operations = patch.parse(rewritten, resource_type, dialect.patch_options)
    assert body == before
    return patch.apply(operations, state, resource_type, dialect.patch_options)


def created(dialect: Dialect, resource_type: ResourceType, body: Any, count: Any) -> dict[str, Any]:
    before = copy.deepcopy(body)
    rewritten = dialect.resource(resource_type, body, count)
    assert body == before
    return validate.create(resource_type, rewritten, dialect.validate_options)


def outcome(work: Callable[[], dict[str, Any]]) -> dict[str, Any] | int:
    """Give the resource, or the status of the refusal."""
    try:
        return work()
    except ScimError as error:
        return error.status


@pytest.mark.parametrize(("quirk", "item", "name", "expected"), PATCHES)
def test_a_patch_is_rewritten_and_counted(
    user_type: ResourceType, quirk: str, item: dict[str, Any], name: str, expected: Any
) -> None:
    """What the client means is done and the quirk is counted (P2, P6, D1, D3, D4, S3, E4-E6)."""
    counted: Counter[str] = Counter()
    after = patched(dialects.profile(), user_type, STATE, item, lambda quirk: counted.update([quirk]))
    assert after.get(name) == expected
    assert quirk in counted or quirk == "passwords"


@pytest.mark.parametrize(("quirk", "item", "name", "expected"), PATCHES)
def test_a_patch_is_refused_where_the_quirk_is_off(
    user_type: ResourceType, quirk: str, item: dict[str, Any], name: str, expected: Any
) -> None:
    """Switched off, the same message is a 400 or, where it is text either way, taken as it stands; never counted."""
    counted: list[str] = []
    found = outcome(lambda: patched(without(quirk), user_type, STATE, item, counted.append))
    assert found == 400 or (isinstance(found, dict) and found.get(name) != expected)
    assert quirk not in counted


@pytest.mark.parametrize(("quirk", "body", "name", "expected"), BODIES)
def test_a_body_is_rewritten_and_counted(
    user_type: ResourceType, quirk: str, body: dict[str, Any], name: str, expected: Any
) -> None:
    """POST and PUT bodies go the same road (D3, D4, S3, P6, E7)."""
    counted: Counter[str] = Counter()
    whole = {"schemas": [USER_URN], "userName": "u", **body}
    resource = created(dialects.profile(), user_type, whole, lambda quirk: counted.update([quirk]))
    assert resource.get(name) == expected
    assert quirk in counted or quirk == "passwords"


@pytest.mark.parametrize(("quirk", "body", "name", "expected"), BODIES)
def test_a_body_is_refused_where_the_quirk_is_off(
    user_type: ResourceType, quirk: str, body: dict[str, Any], name: str, expected: Any
) -> None:
    """Switched off, the same body is a 400 or, where it is text either way, taken as it stands (D3, D4, S3)."""
    counted: list[str] = []
    whole = {"schemas": [USER_URN], "userName": "u", **body}
    found = outcome(lambda: created(without(quirk), user_type, whole, counted.append))
    assert found == 400 or (isinstance(found, dict) and found.get(name) != expected)
    assert quirk not in counted


def test_a_vendor_schema_is_dropped(group_type: ResourceType, refused: Any) -> None:
    """Whatever its case, and a 400 in strict (S3)."""
    for urn in (VENDOR, VENDOR.lower()):
        body = {"schemas": [GROUP_URN, urn], "displayName": "g"}
        counted: list[str] = []
        assert created(dialects.profile(), group_type, body, counted.append)["schemas"] == [GROUP_URN]
        assert counted == ["vendor_schemas"]
        with refused("invalidSyntax", "schemas"):
            created(dialects.profile("strict"), group_type, body, counted.append)


def test_the_schemas_of_another_type_are_not_dropped(user_type: ResourceType, refused: Any) -> None:
    """A group posted to users is no user with an unknown extension (S3)."""
    for urns in ([GROUP_URN], [USER_URN, GROUP_URN], ["urn:example:x"], [7], "x", None):
        with refused("invalidSyntax", "schemas"):
            created(dialects.profile(), user_type, {"schemas": urns, "userName": "u"}, lambda _: None)


def test_display_names_of_members(group_type: ResourceType) -> None:
    """`displayName` of a member is its `display`, unless it has one (P6)."""
    counted: list[str] = []
    item = {"op": "add", "path": "members", "value": [{"value": "c", "DisplayName": "Cyd"}]}
    after = patched(dialects.profile(), group_type, GROUP, item, counted.append)
    assert after["members"][2] == {"value": "c", "display": "Cyd"}
    assert counted == ["display_names"]
    item["value"] = [{"value": "c", "displayName": "Cyd", "display": "C."}]
    after = patched(dialects.profile(), group_type, GROUP, item, counted.append)
    assert after["members"][2] == {"value": "c", "display": "C."}
    assert counted[1:] == ["drop_unknown_attributes"]


def test_members_with_null_references_and_without_type(group_type: ResourceType) -> None:
    """`"$ref": null` is no reference, and a member needs no type: its id says what it is (P6, S8)."""
    item = {"op": "add", "path": "members", "value": [{"$ref": None, "value": "c"}]}
    assert patched(dialects.profile("strict"), group_type, GROUP, item, lambda _: None)["members"][2] == {"value": "c"}


def test_removal_never_wipes_what_was_not_named(group_type: ResourceType, refused: Any) -> None:
    """D1 through the dialect: one, none, unknown; what cannot be understood is refused."""

    def left(value: Any) -> list[str]:
        item = {"op": "Remove", "path": "members", "value": value}
        after = patched(dialects.profile(), group_type, GROUP, item, lambda _: None)
        return [member["value"] for member in after.get("members", [])]

    assert left([{"$ref": None, "value": "a"}]) == ["b"]
    assert left({"value": "a"}) == ["b"]
    assert left("a") == ["b"]
    assert left(["a", "b"]) == []
    assert left('[{"value":"a"}]') == ["b"]
    assert left([{"value": "z"}]) == ["a", "b"]
    assert left([]) == ["a", "b"]
    assert left(None) == []
    assert left("{") == left('{"value": NaN}') == ["a", "b"]
    for value in ("", [""], [{}], [{"value": ""}, {}], [{"id": "a"}], [7], 7, [["a"]]):
        with refused("invalidValue", "members"):
            left(value)


@pytest.mark.parametrize("value", ["maybe", "", " true", "1", 1, 0, [], {}, [True]])
def test_nothing_else_is_a_boolean(user_type: ResourceType, refused: Any, value: Any) -> None:
    """What is merely truthy is refused: a leaver must not stay active because of it (D3)."""
    for item in ({"op": "replace", "path": "active", "value": value}, {"op": "replace", "value": {"active": value}}):
        with refused("invalidValue", "active"):
            patched(dialects.profile(), user_type, STATE, item, lambda _: None)
    with refused("invalidValue", "active"):
        body = {"schemas": [USER_URN], "userName": "u", "active": value}
        created(dialects.profile(), user_type, body, lambda _: None)


def test_text_that_looks_like_a_boolean_stays_text(user_type: ResourceType) -> None:
    """Only where the schema says boolean (D3)."""
    item = {"op": "replace", "value": {"title": "False", "nickName": "true"}}
    after = patched(dialects.profile(), user_type, STATE, item, lambda _: None)
    assert (after["title"], after["nickName"]) == ("False", "true")


def test_json_in_a_text_attribute_stays_text(user_type: ResourceType) -> None:
    """What comes for a text is returned as sent, whatever it looks like (D10, E9)."""
    text = '{"id":"r1","displayName":"Reader"}'
    item = {"op": "Add", "path": "roles", "value": [{"value": text, "type": "t"}]}
    assert patched(dialects.profile(), user_type, STATE, item, lambda _: None)["roles"] == [
        {"value": text, "type": "t"}
    ]


@pytest.mark.parametrize(
    "text", ["{", "[" * 30_000, '{"value": NaN}', '{"value": "a", "value": "b"}', "[1" + " " * 70_000]
)
def test_broken_json_is_left_to_be_refused(user_type: ResourceType, refused: Any, text: str) -> None:
    """Rubbish, depth, duplicate keys and sheer length never break the reader (X4)."""
    counted: list[str] = []
    for path in ("roles", "name"):
        with pytest.raises(ScimError) as caught:
            patched(
                without("bare_values"), user_type, STATE, {"op": "add", "path": path, "value": text}, counted.append
            )
        assert caught.value.status == 400
    assert "json_in_strings" not in counted


@pytest.mark.parametrize("key", ["__proto__", "__class__", "__dict__"])
def test_names_of_python_and_javascript_are_refused(user_type: ResourceType, refused: Any, key: str) -> None:
    """Even where unknown attributes are dropped (P7)."""
    for value in ({key: {"admin": True}}, {"name": {key: 1}}, {"emails": [{"value": "x", key: 1}]}):
        with refused("invalidSyntax", key):
            patched(dialects.profile(), user_type, STATE, {"op": "replace", "value": value}, lambda _: None)
        with refused("invalidSyntax", key):
            created(dialects.profile(), user_type, {"schemas": [USER_URN], "userName": "u", **value}, lambda _: None)


def test_an_unknown_path_is_an_error_even_in_compat(user_type: ResourceType, refused: Any) -> None:
    """What a path names must be there: the administrator is told (E9, P7)."""
    with refused("invalidPath", "shoeSize"):
        patched(dialects.profile(), user_type, STATE, {"op": "Add", "path": "shoeSize", "value": 44}, lambda _: None)


def test_two_spellings_are_still_refused(user_type: ResourceType, refused: Any) -> None:
    """Rewriting hides no ambiguity (S2)."""
    base = {"schemas": [USER_URN], "userName": "u"}
    for body in (
        {"USERNAME": "v"},
        {"name": {"givenName": "a"}, "name.givenName": "b"},
        {ENTERPRISE_URN: {"division": "a"}, f"{ENTERPRISE_URN}:DIVISION": "b"},
        {"SCHEMAS": [USER_URN]},
    ):
        with refused("invalidSyntax", "twice"):
            created(dialects.profile(), user_type, {**base, **body}, lambda _: None)
    with refused("invalidValue", "name"):
        created(dialects.profile(), user_type, {**base, "name": "B", "name.givenName": "b"}, lambda _: None)


def test_a_misspelt_container_beside_the_right_one_is_unknown(user_type: ResourceType) -> None:
    """It neither overwrites nor is merged (S3, S2)."""
    counted: list[str] = []
    body = {"schemas": [USER_URN], "userName": "u", ENTERPRISE_URN: {"division": "a"}, MISSPELT: {"division": "b"}}
    resource = created(dialects.profile(), user_type, body, counted.append)
    assert resource[ENTERPRISE_URN] == {"division": "a"}
    assert "drop_unknown_attributes" in counted


def test_read_only_values_are_not_looked_into(user_type: ResourceType) -> None:
    """meta, groups and id are ignored or compared, never rewritten (H3, D2, E7, O2)."""
    counted: list[str] = []
    body = {"schemas": [USER_URN], "userName": "u", "meta": {"odd": 1}, "groups": "x", "id": None}
    assert created(dialects.profile(), user_type, body, counted.append) == {"schemas": [USER_URN], "userName": "u"}
    assert counted == []


def test_a_body_in_the_form_of_the_rfc_is_not_counted(user_type: ResourceType) -> None:
    """Nothing is rewritten that needs no rewriting."""
    counted: list[str] = []
    assert created(dialects.profile(), user_type, STATE, counted.append) == {
        name: value for name, value in STATE.items() if name != "id"
    }
    item = {"op": "replace", "path": "title", "value": "x"}
    patched(dialects.profile(), user_type, STATE, item, counted.append)
    assert counted == []


@pytest.mark.parametrize("body", [None, [], "x", 7, {}, {"Operations": None}, {"Operations": ["x", None, {"op": 7}]},
                                  {"Operations": [{"op": "add", "OP": "add"}]}])  # fmt: skip
def test_what_is_no_message_is_left_to_be_refused(user_type: ResourceType, body: Any) -> None:
    """A dialect passes on what it does not know (P2)."""
    dialect = dialects.profile()
    assert dialect.patch(user_type, body, lambda _: None) == body
    with pytest.raises(ScimError):
        patch.parse(dialect.patch(user_type, body, lambda _: None), user_type, dialect.patch_options)


def test_filters_follow_the_dialect(user_type: ResourceType, refused: Any) -> None:
    """String booleans in filters are met in compat, barewords only where the client needs them (D3, D8, E15)."""
    tree = filters.parse('roles[primary eq "True"].value eq "x"', user_type, dialects.profile().filter_options)
    matches = evaluate.compile_filter(tree)
    assert matches({"roles": [{"primary": True, "value": "x"}]})
    assert not matches({"roles": [{"primary": False, "value": "x"}]})
    with refused("invalidFilter"):
        filters.parse('active eq "True"', user_type, dialects.profile("strict").filter_options)
    with refused("invalidFilter"):
        filters.parse("userName eq akadmin", user_type, dialects.profile().filter_options)
    filters.parse("userName eq akadmin", user_type, dialects.profile("authentik").filter_options)
    on = dialects.profile("compat", {"barewords": True})
    filters.parse("userName eq akadmin", user_type, on.filter_options)


def test_quirks_met_in_filters_are_counted_too(user_type: ResourceType) -> None:
    """Under the same names as the rows (D3, D8)."""
    counted: list[str] = []
    dialect = dialects.profile("authentik")
    filters.parse(
        'active eq "True" and userName eq x', user_type, replace(dialect.filter_options, on_rewrite=counted.append)
    )
    item = {"op": "add", "path": 'roles[primary eq "True"].value', "value": "r"}
    body = {"schemas": [REQUEST_URN], "Operations": [item]}
    options = replace(dialect.patch_options, filters=replace(dialect.filter_options, on_rewrite=counted.append))
    operations = patch.parse(body, user_type, options)
    assert sorted(counted) == ["barewords", "string_booleans", "string_booleans"]
    after = patch.apply(operations, STATE, user_type, dialect.patch_options)
    assert after["roles"] == [{"primary": True, "value": "r"}]


def test_every_row_has_a_case() -> None:
    """Each quirk is tried here, on and off."""
    tried = {case[0] for case in (*PATCHES, *BODIES)}
    elsewhere = {"vendor_schemas", "display_names", "no_content_for_groups"}
    assert tried | elsewhere == COMPAT
