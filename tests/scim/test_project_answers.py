"""What answers carry."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.scim import project, standard
from gateway.scim.names import lookup
from gateway.scim.schema import ENTERPRISE_URN, GROUP_URN, USER_URN

USER: dict[str, Any] = {
    "schemas": [USER_URN, ENTERPRISE_URN],
    "id": "1",
    "userName": "x",
    "name": {"givenName": "G", "familyName": "F"},
    "password": "secret",
    "emails": [{"value": "a", "type": "work"}, {"value": "b", "type": "home"}, {"type": "other"}],
    ENTERPRISE_URN: {"employeeNumber": "7", "manager": {"value": "2", "displayName": "M"}},
    "meta": {"resourceType": "User", "version": "v"},
}
ALWAYS = {"schemas": USER["schemas"], "id": "1"}


def shown(resource_type: Any, attributes: Any = None, excluded: Any = None) -> dict[str, Any]:
    before = copy.deepcopy(USER)
    result = project.parse(resource_type, attributes, excluded).apply(USER)
    assert before == USER
    return result


def test_by_default_all_but_what_is_never_returned(user_type: Any) -> None:
    """A password is in no answer (S13)."""
    assert shown(user_type) == {name: value for name, value in USER.items() if name != "password"}
    assert project.parse(user_type, None, None).is_default


def test_a_resource_without_secrets_is_not_even_copied(user_type: Any) -> None:
    """The default projection of a page costs next to nothing (Q7)."""
    plain = {name: value for name, value in USER.items() if name != "password"}
    assert project.parse(user_type, None, None).apply(plain) is plain


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("userName", {"userName": "x"}),
        ("USERNAME", {"userName": "x"}),
        (" userName , name.givenName ", {"userName": "x", "name": {"givenName": "G"}}),
        ("name", {"name": USER["name"]}),
        ("name,name.givenName", {"name": USER["name"]}),
        ("emails.value", {"emails": [{"value": "a"}, {"value": "b"}]}),
        (f"{USER_URN}:userName", {"userName": "x"}),
        (f"{USER_URN.upper()}:NAME.FAMILYNAME", {"name": {"familyName": "F"}}),
        (ENTERPRISE_URN, {ENTERPRISE_URN: USER[ENTERPRISE_URN]}),
        (f"{ENTERPRISE_URN}:employeeNumber", {ENTERPRISE_URN: {"employeeNumber": "7"}}),
        (f"{ENTERPRISE_URN.lower()}:manager.VALUE", {ENTERPRISE_URN: {"manager": {"value": "2"}}}),
        (["userName", "meta.version"], {"userName": "x", "meta": {"version": "v"}}),
        (["userName,id"], {"userName": "x"}),
        ("password", {}),
        ("noSuchThing", {}),
        ("noSuchThing,userName", {"userName": "x"}),
        ("name.noSuchThing,employeeNumber,urn:x:y", {}),
        ("nickName", {}),
    ],
)
def test_attributes_choose(user_type: Any, attributes: Any, expected: dict[str, Any]) -> None:
    """Only what is named, and what is always returned; unknown names choose nothing (Q7, S2, S13, H6, F10)."""
    assert shown(user_type, attributes) == {**ALWAYS, **expected}


@pytest.mark.parametrize(
    ("excluded", "gone"),
    [
        ("emails", {"emails": None}),
        ("EMAILS, meta", {"emails": None, "meta": None}),
        ("name.givenName", {"name": {"familyName": "F"}}),
        ("name.givenName,name.familyName", {"name": None}),
        ("emails.value", {"emails": [{"type": "work"}, {"type": "home"}, {"type": "other"}]}),
        (ENTERPRISE_URN, {ENTERPRISE_URN: None}),
        (f"{ENTERPRISE_URN}:manager", {ENTERPRISE_URN: {"employeeNumber": "7"}}),
        (f"{ENTERPRISE_URN}:manager,{ENTERPRISE_URN}:employeeNumber", {ENTERPRISE_URN: None}),
        ("id,schemas", {}),
        ("noSuchThing", {}),
    ],
)
def test_excluded_attributes_are_left_out(user_type: Any, excluded: str, gone: dict[str, Any]) -> None:
    """All but what is named, never without id and schemas (Q7, S13, E10)."""
    expected = {name: value for name, value in {**USER, **gone}.items() if value is not None and name != "password"}
    assert shown(user_type, None, excluded) == expected


def test_both_parameters_are_too_many(refused: Any, user_type: Any) -> None:
    """attributes and excludedAttributes exclude each other; a blank one is not there (H6)."""
    with refused("invalidValue", "attributes and excludedAttributes"):
        project.parse(user_type, "userName", ["emails"])
    assert project.parse(user_type, " , ", "emails").excluded == {"emails"}
    assert project.parse(user_type, [], "").is_default


@pytest.mark.parametrize("given", [7, {"a": 1}, [1], ["userName", None], True])
def test_names_are_text(refused: Any, user_type: Any, given: Any) -> None:
    """A body may hold anything (Q8)."""
    with refused("invalidValue", "attributes: must be a list of attribute names"):
        project.parse(user_type, given, None)


def test_members_need_not_be_loaded(group_type: Any, user_type: Any) -> None:
    """A projection says what it wants before anything is read (Q7, E10)."""
    members = lookup(group_type, "members")
    assert project.parse(group_type, None, None).wants(members)
    assert not project.parse(group_type, None, "members").wants(members)
    assert not project.parse(group_type, "displayName", None).wants(members)
    assert project.parse(group_type, "members.value", None).wants(members)
    value, display = lookup(group_type, "members.value"), lookup(group_type, "members.display")
    assert project.parse(group_type, "members.value", None).wants(value)
    assert not project.parse(group_type, "members.value", None).wants(display)
    manager, extension = lookup(user_type, f"{ENTERPRISE_URN}:manager"), lookup(user_type, ENTERPRISE_URN)
    assert project.parse(user_type, f"{ENTERPRISE_URN}:manager", None).wants(manager)
    assert not project.parse(user_type, "userName", None).wants(extension)
    assert not project.parse(user_type, None, ENTERPRISE_URN).wants(manager)
    assert not project.parse(user_type, "password", None).wants(lookup(user_type, "password"))
    assert project.parse(user_type, "userName", None).wants(lookup(user_type, "id"))


def test_returned_on_request(badge_type: Any) -> None:
    """On reads only if named, on writes only if the client set it (S13)."""
    urn = next(iter(badge_type.extensions))
    badge = {
        "schemas": [badge_type.schema.id, urn],
        "id": "1",
        "number": "7",
        "notes": "n",
        "pin": "0000",
        "seal": "s",
        "holder": {"value": "h", "secret": "x", "remark": "r"},
        urn: {"owner": "o", "ticket": "t"},
    }
    always = {"schemas": badge["schemas"], "id": "1", "seal": "s"}
    default = project.parse(badge_type, None, None)
    plain = {**always, "number": "7", "holder": {"value": "h"}, urn: {"owner": "o"}}
    assert default.apply(badge) == plain
    assert default.apply(badge, written={"number"}) == plain
    assert default.apply(badge, written={"notes", "pin"}) == {**plain, "notes": "n"}
    assert default.apply(badge, written=["holder.remark"])["holder"] == {"value": "h", "remark": "r"}
    assert default.apply(badge, written={f"{urn}:ticket"})[urn] == {"owner": "o", "ticket": "t"}
    assert project.parse(badge_type, "notes", None).apply(badge) == {**always, "notes": "n"}
    assert project.parse(badge_type, "holder", None).apply(badge) == {**always, "holder": {"value": "h"}}
    assert project.parse(badge_type, "holder.remark", None).apply(badge) == {**always, "holder": {"remark": "r"}}
    assert project.parse(badge_type, "holder.secret", None).apply(badge) == always
    assert project.parse(badge_type, f"{urn}:ticket", None).apply(badge) == {**always, urn: {"ticket": "t"}}
    excluded = project.parse(badge_type, None, "seal,notes")
    assert excluded.apply(badge, written={"notes"}) == plain


def test_projections_are_equal_by_what_they_choose(user_type: Any) -> None:
    """Plans are cached by projection, whatever its spelling (Q7)."""
    one, two = project.parse(user_type, "USERNAME, id", None), project.parse(user_type, ["id", "userName"], None)
    assert one == two
    assert hash(one) == hash(two)
    assert one != project.parse(user_type, None, "userName,id")
    assert one != project.parse(user_type, "userName", None)


def test_a_flood_of_projections_is_not_remembered(user_type: Any) -> None:
    """What clients ask for cannot fill the memory (X4)."""
    names = [f"{attribute.name}.{sub.name}" for attribute in user_type.schema.attributes
             for sub in attribute.sub_attributes]  # fmt: skip
    for one in names:
        for two in names[:10]:
            project.parse(user_type, [one, two], None)
    assert len(user_type.compiled["project"]) <= 64
    project.parse(user_type, ",".join(f"x{number}" for number in range(20_000)), None)


ALL = [
    *(attribute.name for attribute in standard.resource_type("User").index.values()),
    *(f"{a.name}.{s.name}" for a in standard.resource_type("User").index.values() for s in a.sub_attributes),
    ENTERPRISE_URN,
    f"{ENTERPRISE_URN}:manager.value",
    f"{ENTERPRISE_URN}:employeeNumber",
]


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=6))
def test_wants_and_apply_agree(names: list[str]) -> None:
    """What a projection does not want it does not carry, and the two parameters are each other's opposite (Q7, S13)."""
    user_type = standard.resource_type("User")
    for projection in (project.parse(user_type, names, None), project.parse(user_type, None, names)):
        result = projection.apply(USER)
        assert "password" not in result
        assert result["id"] == "1"
        for name in ALL:
            path = lookup(user_type, name)
            assert path is not None
            if not projection.wants(path) and "." not in name and ":" not in name:
                assert name not in result
        assert projection.apply(result) == result


def test_a_group_keeps_its_name_and_id(group_type: Any) -> None:
    """Entra reads groups without members (E10)."""
    group = {"schemas": [GROUP_URN], "id": "g", "displayName": "n", "members": [{"value": "1"}]}
    assert project.parse(group_type, None, "members").apply(group) == {
        "schemas": [GROUP_URN],
        "id": "g",
        "displayName": "n",
    }
