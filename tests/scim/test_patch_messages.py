"""PATCH messages: structure, paths, sequence, limits, and what is read-only in a value."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway.scim import patch
from gateway.scim.patch import REQUEST_URN, PatchOptions
from gateway.scim.schema import ENTERPRISE_URN, GROUP_URN, USER_URN, ResourceType

Apply = Callable[..., dict[str, Any]]
USER: dict[str, Any] = {
    "schemas": [USER_URN],
    "id": "26118915",
    "userName": "bjensen",
    "emails": [{"type": "work", "value": "w", "primary": True}, {"type": "home", "value": "h", "primary": False}],
    "groups": [{"value": "g1", "display": "Welders"}],
    "meta": {"resourceType": "User", "created": "2026-01-02T03:04:05Z", "version": 'W/"1"'},
}


@pytest.fixture
def apply(user_type: ResourceType) -> Apply:
    def run(*operations: Any, on: dict[str, Any] = USER, **options: Any) -> dict[str, Any]:
        body = {"schemas": [REQUEST_URN], "Operations": list(operations)}
        before = copy.deepcopy(on)
        try:
            return patch.apply(patch.parse(body, user_type, PatchOptions(**options)), on, user_type)
        finally:
            assert on == before

    return run


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"Operations": [{"op": "add", "path": "title", "value": "x"}]},
        {"schemas": [USER_URN], "Operations": [{"op": "add", "path": "title", "value": "x"}]},
        {"schemas": [REQUEST_URN, USER_URN], "Operations": [{"op": "add", "path": "title", "value": "x"}]},
        {"schemas": [REQUEST_URN]},
        {"schemas": [REQUEST_URN], "Operations": []},
        {"schemas": [REQUEST_URN], "Operations": {"op": "remove", "path": "title"}},
        {"schemas": [REQUEST_URN], "Operations": ["remove"]},
        {"schemas": [REQUEST_URN], "Operations": [{"path": "title"}]},
        {"schemas": [REQUEST_URN], "Operations": [{"op": "move", "path": "title"}]},
        {"schemas": [REQUEST_URN], "Operations": [{"op": ["add"], "path": "title"}]},
        {"schemas": [REQUEST_URN], "Operations": [{"op": "add", "OP": "remove", "path": "title"}]},
        {"schemas": [REQUEST_URN], "Operations": [], "operations": []},
    ],
)
def test_a_wrong_structure_is_refused(user_type: ResourceType, refused: Any, body: Any) -> None:
    """Operations must be a list of at least one add, remove or replace (P2, S3)."""
    with refused("invalidSyntax"):
        patch.parse(body, user_type)


def test_member_names_ignore_case(user_type: ResourceType) -> None:
    """`operations` is Operations, as every name ignores case (P2, S2)."""
    body = {"SCHEMAS": [REQUEST_URN.lower()], "operations": [{"Op": "add", "Path": "title", "Value": "x", "name": "n"}]}
    (operation,) = patch.parse(body, user_type)
    assert (operation.op, operation.target.path.text, operation.value) == ("add", "title", "x")


def test_capitals_in_an_operation_are_the_business_of_the_dialect(apply: Apply, refused: Any) -> None:
    """The letter of the RFC is lower case (P2)."""
    with refused("invalidSyntax", "op"):
        apply({"op": "Add", "path": "title", "value": "x"})


@pytest.mark.parametrize("path", ["", "shoeSize", "name.first", "emails[0].value", "a.b.c", "emails[", "__class__", 7])
def test_a_malformed_path_is_refused(apply: Apply, refused: Any, path: Any) -> None:
    """Paths that are none, or name what is no attribute, the names of Python's own included (P1, P7)."""
    with refused("invalidPath"):
        apply({"op": "replace", "path": path, "value": "x"})


def test_a_bad_filter_in_a_path_is_refused(apply: Apply, refused: Any) -> None:
    """What is wrong between brackets is an invalidFilter (P1)."""
    with refused("invalidFilter"):
        apply({"op": "remove", "path": "emails[type is work]"})


@pytest.mark.parametrize("op", ["add", "replace"])
def test_a_value_is_needed(apply: Apply, refused: Any, op: str) -> None:
    """add and replace have a value, which may be null (RFC 7644 §3.5.2.1)."""
    with refused("invalidValue", "title"):
        apply({"op": op, "path": "title"})
    with refused("invalidValue", "value"):
        apply({"op": op})
    with refused("invalidValue", "value"):
        apply({"op": op, "value": [{"title": "x"}]})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("title", 7),
        ("title", {"value": "x"}),
        ("active", "False"),
        ("active", 0),
        ("name", "Barbara"),
        ("name", ["Barbara"]),
        ("emails", {"value": "x"}),
        ("emails", ["x"]),
        ("emails", [{"value": "x"}, 7]),
        ('emails[type eq "work"]', "x"),
        ('emails[type eq "work"].primary', "true"),
        ("profileUrl", "no uri"),
        ("title", "a\x00b"),
        (ENTERPRISE_URN, []),
    ],
)
def test_values_are_checked_and_never_converted(apply: Apply, refused: Any, path: str, value: Any) -> None:
    """A wrong type is 400 naming the attribute; converting is the business of the dialect (D3, S16, X1)."""
    keyword = "invalidSyntax" if path == ENTERPRISE_URN else "invalidValue"
    with refused(keyword, path.partition("[")[0]):
        apply({"op": "replace", "path": path, "value": value})


@pytest.mark.parametrize(
    "value", [{"shoeSize": 1}, {"__proto__": {}}, {"name.givenName": "x"}, {"name": {"first": "x"}}, {"": 1}]
)
def test_unknown_names_in_a_value_are_refused(apply: Apply, refused: Any, value: Any) -> None:
    """Nothing that the schema does not have comes in (P7, D4)."""
    with refused("invalidSyntax"):
        apply({"op": "replace", "value": value})


def test_dotted_keys_are_an_option(apply: Apply, refused: Any) -> None:
    """A value may name its attributes by whole paths where the tenant takes them (P6, E5)."""
    value = {
        "name.givenName": "B",
        f"{ENTERPRISE_URN}:department": "D",
        ENTERPRISE_URN: {"manager.value": "7"},
        'emails[type eq "work"].value': "n",
    }
    after = apply({"op": "replace", "value": value}, dotted_keys=True)
    assert after["name"] == {"givenName": "B"}
    assert after[ENTERPRISE_URN] == {"department": "D", "manager": {"value": "7"}}
    assert after["emails"][0]["value"] == "n"
    with refused("invalidSyntax", "twice"):
        apply({"op": "replace", "value": {"name.givenName": "B", "NAME.givenName": "C"}}, dotted_keys=True)
    with refused("invalidSyntax", "shoe"):
        apply({"op": "replace", "value": {"shoe.size": 1}}, dotted_keys=True)


def test_two_spellings_of_one_name_are_refused(apply: Apply, refused: Any) -> None:
    """Neither is picked (S2)."""
    for value in ({"title": "a", "TITLE": "b"}, {ENTERPRISE_URN: {}, ENTERPRISE_URN.lower(): {}}):
        with refused("invalidSyntax", "twice"):
            apply({"op": "replace", "value": value})


def test_operations_apply_one_after_the_other(apply: Apply) -> None:
    """Each sees what the one before it did (P3)."""
    after = apply(
        {"op": "remove", "path": "emails"},
        {"op": "add", "path": "emails", "value": [{"type": "work", "value": "n"}]},
        {"op": "replace", "path": 'emails[value eq "n"].value', "value": "m"},
    )
    assert after["emails"] == [{"type": "work", "value": "m"}]


def test_an_error_undoes_everything(apply: Apply, refused: Any) -> None:
    """All or nothing: the resource is untouched, and the error names the operation (P3)."""
    with refused("noTarget", "emails"):
        apply(
            {"op": "replace", "path": "title", "value": "x"},
            {"op": "replace", "path": 'emails[value eq "x"]', "value": {}},
        )
    with refused("invalidValue", "Operations[1]", "active"):
        apply({"op": "replace", "path": "title", "value": "x"}, {"op": "replace", "path": "active", "value": "maybe"})


def test_what_changes_nothing_equals_what_was(apply: Apply) -> None:
    """No effective change: an equal resource, for the engine to write nothing (P4)."""
    assert apply({"op": "replace", "path": "userName", "value": "bjensen"}) == USER
    assert apply({"op": "add", "path": "title", "value": "x"}, {"op": "remove", "path": "title"}) == USER
    assert apply({"op": "add", "value": {"emails": USER["emails"]}}) == USER


def test_schemas_follow_the_extensions(apply: Apply) -> None:
    """The URN comes with the first attribute and goes with the last (S4)."""
    came = apply({"op": "add", "path": f"{ENTERPRISE_URN}:department", "value": "D"})
    assert came["schemas"] == [USER_URN, ENTERPRISE_URN]
    for path in (f"{ENTERPRISE_URN}:department", ENTERPRISE_URN):
        gone = apply({"op": "remove", "path": path}, on=came)
        assert gone == USER
    kept = apply({"op": "add", "path": "manager", "value": {"value": "7"}}, on=came)
    assert kept["schemas"] == [USER_URN, ENTERPRISE_URN]
    without = apply({"op": "add", "path": "manager", "value": {"value": "7"}}, on={"userName": "x"})
    assert without == {"userName": "x", ENTERPRISE_URN: {"manager": {"value": "7"}}}


def test_too_many_operations_are_refused(user_type: ResourceType, refused: Any) -> None:
    """A thousand are taken, one more is 413 and says the limit (P8)."""
    item = {"op": "replace", "path": "title", "value": "x"}
    assert len(patch.parse({"schemas": [REQUEST_URN], "Operations": [item] * 1000}, user_type)) == 1000
    with refused(None, "1000", "1001", status=413):
        patch.parse({"schemas": [REQUEST_URN], "Operations": [item] * 1001}, user_type)
    with refused(None, "2", status=413):
        patch.parse({"schemas": [REQUEST_URN], "Operations": [item] * 3}, user_type, PatchOptions(max_operations=2))


@pytest.mark.parametrize(
    "said",
    [
        {"id": "26118915"},
        {"ID": "26118915"},
        {"meta": {"resourceType": "User"}},
        {"meta": {"RESOURCETYPE": "User", "created": "2026-01-02T04:04:05+01:00", "location": None}},
        {"meta": {}},
        {"schemas": [USER_URN.upper()]},
        {"groups": [{"value": "g1", "DISPLAY": "Welders", "$ref": None}]},
        {"groups": [{"Value": "g1"}]},
    ],
)
@pytest.mark.parametrize("op", ["add", "replace"])
def test_read_only_members_that_are_true_are_ignored(apply: Apply, op: str, said: dict[str, Any]) -> None:
    """In a value without a path what equals the current state changes nothing (D2)."""
    assert apply({"op": op, "value": {**said, "title": "x"}}) == {**USER, "title": "x"}


@pytest.mark.parametrize(
    "said",
    [
        {"id": "another"},
        {"id": 26118915},
        {"id": None},
        {"meta": {"resourceType": "Group"}},
        {"meta": {"created": "2026-01-02T03:04:06Z"}},
        {"meta": {"created": "yesterday"}},
        {"meta": {"unknown": "x"}},
        {"meta": "User"},
        {"schemas": [GROUP_URN]},
        {"schemas": [USER_URN, ENTERPRISE_URN]},
        {"groups": []},
        {"groups": "g1"},
        {"groups": [{"value": "g2", "display": "Welders"}]},
        {"groups": [{"value": "g1", "display": "Fitters"}]},
        {"groups": [{"value": ["g1"]}]},
        {"groups": [{"display": "Welders"}]},
        {"groups": [None]},
    ],
)
def test_read_only_members_that_differ_are_refused(apply: Apply, refused: Any, said: dict[str, Any]) -> None:
    """Different from the current state is 400 mutability, and nothing else is applied (D2)."""
    with refused("mutability", next(iter(said))):
        apply({"op": "replace", "value": {"title": "x", **said}})


def test_schemas_may_be_said_as_they_will_be(apply: Apply, refused: Any) -> None:
    """What a message says of `schemas` is held against the result (S4, D2)."""
    department = {"op": "add", "path": f"{ENTERPRISE_URN}:department", "value": "D"}
    after = apply({"op": "add", "path": "schemas", "value": [ENTERPRISE_URN]}, department)
    assert after["schemas"] == [USER_URN, ENTERPRISE_URN]
    apply({"op": "replace", "value": {"schemas": [ENTERPRISE_URN, USER_URN], ENTERPRISE_URN: {"department": "D"}}})
    for op, value, keyword in (
        ("add", [ENTERPRISE_URN], "mutability"),
        ("replace", [GROUP_URN], "mutability"),
        ("replace", USER_URN, "invalidValue"),
        ("remove", None, "mutability"),
    ):
        with refused(keyword, "schemas"):
            apply({"op": op, "path": "schemas", "value": value})


def test_what_is_known_is_settled_without_reading(user_type: ResourceType, refused: Any) -> None:
    """The id a rename repeats is compared before anything is read (D2, O5)."""
    body = {"schemas": [REQUEST_URN], "Operations": [{"op": "replace", "value": {"id": "1", "title": "x"}}]}
    operations = patch.parse(body, user_type)
    assert [operation.check for operation in operations] == [True, False]
    left = patch.settle(operations, {"id": "1"})
    assert [operation.target.path.text for operation in left] == ["title"]
    assert patch.settle(operations, {"meta": {}}) == operations
    with refused("mutability", "id"):
        patch.settle(operations, {"id": "2"})


def test_a_remove_with_a_value_names_what_to_remove(apply: Apply, refused: Any) -> None:
    """Only what is named goes; nothing is wiped because a value was not understood (D1)."""

    def left(value: Any) -> list[str]:
        after = apply({"op": "remove", "path": "emails", "value": value})
        return [part["value"] for part in after.get("emails", [])]

    assert left([{"value": "w"}]) == ["h"]
    assert left([{"value": "W", "display": None}]) == ["h"]
    assert left([{"value": "w", "type": "home"}]) == ["w", "h"]
    assert left([{"value": "w", "type": "WORK"}]) == ["h"]
    assert left([{"value": "x"}]) == ["w", "h"]
    assert left([]) == ["w", "h"]
    assert left(None) == []
    assert left([{"value": "w"}, {"value": "h"}]) == []
    for value in ([{}], [None], [{"value": None}], [{"type": "work"}], ["w"], "w", {"value": "w"}):
        with refused("invalidValue", "emails"):
            apply({"op": "remove", "path": "emails", "value": value})
    with refused("invalidSyntax", "emails"):
        apply({"op": "remove", "path": "emails", "value": [{"value": "w"}]}, remove_by_value=False)
    assert "emails" not in apply({"op": "remove", "path": "emails"}, remove_by_value=False)


def test_addresses_are_named_by_all_they_say(apply: Apply) -> None:
    """Where elements have no value, what is named must be wholly equal (D1)."""
    one, other = {"type": "work", "locality": "Gdańsk"}, {"type": "home", "locality": "Gdańsk"}
    after = apply({"op": "remove", "path": "addresses", "value": [one]}, on={**USER, "addresses": [one, other]})
    assert after["addresses"] == [other]
    again = apply({"op": "add", "path": "addresses", "value": [other, one]}, on={**USER, "addresses": [one, other]})
    assert again["addresses"] == [one, other]


def test_one_value_is_primary(apply: Apply, refused: Any) -> None:
    """Setting primary on one takes it from all others; two at once are refused (S10)."""
    home = 'emails[type eq "home"]'
    for item in (
        {"op": "replace", "path": f"{home}.primary", "value": True},
        {"op": "add", "path": home, "value": {"primary": True}},
        {"op": "add", "path": "emails", "value": [{"type": "home", "value": "h", "primary": True}]},
    ):
        assert [part["primary"] for part in apply(item)["emails"]] == [False, True]
    new = apply({"op": "add", "path": 'emails[type eq "other" and primary eq true].value', "value": "o"})
    assert [part["primary"] for part in new["emails"]] == [False, False, True]
    two = {**USER, "emails": [{"value": "a", "primary": True}, {"value": "b", "primary": True}]}
    assert apply({"op": "replace", "path": 'emails[value eq "a"].value', "value": "c"}, on=two)["emails"] == [
        {"value": "c", "primary": True}, {"value": "b", "primary": True},
    ]  # fmt: skip
    first = apply({"op": "add", "path": 'emails[value eq "a"].primary', "value": True}, on=two)
    assert [part["primary"] for part in first["emails"]] == [True, False]
    for item in (
        {"op": "replace", "path": "emails[value pr].primary", "value": True},
        {"op": "replace", "path": "emails.primary", "value": True},
        {"op": "add", "path": "emails", "value": [{"value": "a", "primary": True}, {"value": "b", "primary": True}]},
    ):
        with refused("invalidValue", "emails.primary"):
            apply(item)


def test_another_manager_loses_what_was_known_of_the_old_one(apply: Apply) -> None:
    """What the provider derived of a value is true of that value only (S7)."""
    boss = {"value": "7", "$ref": "../Users/7", "displayName": "Zoe"}
    on = {**USER, ENTERPRISE_URN: {"manager": boss}, "schemas": [USER_URN, ENTERPRISE_URN]}
    for path, value in (("manager", {"value": "8"}), ("manager.value", "8")):
        after = apply({"op": "replace", "path": path, "value": value}, on=on)
        assert after[ENTERPRISE_URN]["manager"] == {"value": "8"}
    with_ref = apply({"op": "replace", "path": "manager", "value": {"$ref": "../Users/8", "value": "8"}}, on=on)
    assert with_ref[ENTERPRISE_URN]["manager"] == {"value": "8", "$ref": "../Users/8"}
    assert apply({"op": "replace", "path": "manager", "value": {"value": "7", "displayName": "Z"}}, on=on) == on
    gone = apply({"op": "remove", "path": "manager.value"}, on=on)
    assert ENTERPRISE_URN not in gone


def test_a_password_is_written_like_any_value(apply: Apply, user_type: ResourceType) -> None:
    """writeOnly is writable and can be removed, and no repr shows it (X12)."""
    item = {"op": "replace", "path": "password", "value": "t0p"}
    assert apply(item)["password"] == "t0p"
    assert apply({"op": "replace", "value": {"password": None}}) == USER
    assert "t0p" not in repr(patch.parse({"schemas": [REQUEST_URN], "Operations": [item]}, user_type))


def test_multi_valued_sub_attributes_and_simple_lists(badge_type: ResourceType) -> None:
    """Lists of simple values, and lists inside elements, follow the same rules (P5)."""

    def run(on: dict[str, Any], *operations: dict[str, Any]) -> dict[str, Any]:
        body = {"schemas": [REQUEST_URN], "Operations": list(operations)}
        return patch.apply(patch.parse(body, badge_type), on, badge_type)

    on: dict[str, Any] = {"tags": ["a", "b"], "zones": [{"value": "z", "hours": ["1", "2"], "label": "Z"}]}
    assert run(on, {"op": "add", "path": "tags", "value": ["B", "c"]})["tags"] == ["a", "b", "c"]
    assert run(on, {"op": "remove", "path": "tags", "value": ["A"]})["tags"] == ["b"]
    assert run(on, {"op": "remove", "path": 'tags[value eq "a"]'})["tags"] == ["b"]
    assert run(on, {"op": "replace", "path": 'tags[value eq "a"]', "value": "z"})["tags"] == ["z", "b"]
    assert run(on, {"op": "replace", "path": "tags", "value": ["b", "a"]}) == on
    hours = 'zones[value eq "z"].hours'
    assert run(on, {"op": "add", "path": hours, "value": ["2", "3"]})["zones"][0]["hours"] == ["1", "2", "3"]
    assert run(on, {"op": "replace", "path": hours, "value": ["3"]})["zones"][0]["hours"] == ["3"]
    assert run(on, {"op": "replace", "path": hours, "value": []})["zones"] == [{"value": "z", "label": "Z"}]
    kept = run(on, {"op": "replace", "path": "zones", "value": [{"value": "z", "hours": ["1", "2"]}, {"value": "y"}]})
    assert kept["zones"] == [on["zones"][0], {"value": "y"}]


def test_a_thousand_members_pass_over_a_long_list_once(group_type: ResourceType) -> None:
    """One operation per member costs little more than one for all (P8): far from a thousand passes."""
    group = {"displayName": "g", "members": [{"value": f"m{n}", "type": "User"} for n in range(20_000)]}
    goes = [{"op": "remove", "path": f'members[value eq "m{n}"]'} for n in range(500)]
    comes = [{"op": "add", "path": "members", "value": [{"value": f"n{n}"}]} for n in range(500)]
    operations = patch.parse({"schemas": [REQUEST_URN], "Operations": goes + comes}, group_type)
    started = time.process_time()
    after = patch.apply(operations, group, group_type)
    assert time.process_time() - started < 1.0
    assert len(after["members"]) == 20_000
    assert after["members"][0]["value"] == "m500"
    assert after["members"][-1] == {"value": "n499"}


def test_joined_operations_do_what_single_ones_do(group_type: ResourceType) -> None:
    """Adding and removing in turns, the last word counts (P3)."""
    steps = [
        ("add", "a"),
        ("remove", "a"),
        ("remove", "b"),
        ("add", "b"),
        ("add", "b"),
        ("remove", "c"),
        ("remove", "c"),
    ]
    items = [
        {"op": op, "path": "members", "value": [{"value": value}]}
        if op == "add"
        else {"op": op, "path": f'members[value eq "{value}"]'}
        for op, value in steps
    ]
    group = {"displayName": "g", "members": [{"value": "b", "type": "User"}, {"value": "c"}]}
    body = {"schemas": [REQUEST_URN], "Operations": items}
    assert patch.apply(patch.parse(body, group_type), group, group_type)["members"] == [{"value": "b"}]
