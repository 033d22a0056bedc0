"""What each operation does to each kind of target: every cell of the matrix P5."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from gateway.scim import patch
from gateway.scim.patch import REQUEST_URN, PatchOptions
from gateway.scim.schema import ENTERPRISE_URN, GROUP_URN, USER_URN, ResourceType

Apply = Callable[..., dict[str, Any]]

WORK = {"type": "work", "value": "w@example.com", "display": "W", "primary": True}
HOME = {"type": "home", "value": "h@example.com"}
USER: dict[str, Any] = {
    "schemas": [USER_URN, ENTERPRISE_URN],
    "id": "26118915",
    "userName": "bjensen",
    "title": "Boss",
    "active": True,
    "name": {"givenName": "Barbara", "familyName": "Jensen"},
    "emails": [WORK, HOME],
    "groups": [{"value": "g1", "display": "Welders"}],
    ENTERPRISE_URN: {"department": "Tools", "manager": {"value": "7", "$ref": "../Users/7", "displayName": "Zoe"}},
    "meta": {"resourceType": "User", "created": "2026-01-02T03:04:05Z"},
}
ADA = {"value": "ada", "type": "User", "display": "Ada", "$ref": "../Users/ada"}
BOB = {"value": "bob", "type": "User", "display": "Bob", "$ref": "../Users/bob"}
GROUP: dict[str, Any] = {"schemas": [GROUP_URN], "id": "g1", "displayName": "Welders", "members": [ADA, BOB]}


@pytest.fixture
def apply(user_type: ResourceType, group_type: ResourceType) -> Apply:
    """Apply operations and give what became of the resource; what went in must come out unchanged (P3)."""

    def run(resource: dict[str, Any], *operations: dict[str, Any], **options: Any) -> dict[str, Any]:
        resource_type = group_type if "members" in resource or "displayName" in resource else user_type
        body = {"schemas": [REQUEST_URN], "Operations": list(operations)}
        before = copy.deepcopy((resource, body))
        chosen = PatchOptions(**options)
        try:
            parsed = patch.parse(body, resource_type, chosen)
            return patch.apply(parsed, resource, resource_type, chosen)
        finally:
            assert (resource, body) == before

    return run


def op(verb: str, path: str | None = None, value: Any = ...) -> dict[str, Any]:
    """Write an operation as a client does."""
    item: dict[str, Any] = {"op": verb}
    if path is not None:
        item["path"] = path
    if value is not ...:
        item["value"] = value
    return item


def test_no_path_add_merges_each_member(apply: Apply) -> None:
    """P5: without a path each member is an add to its attribute; lists grow, objects are merged."""
    after = apply(USER, op("add", None, {"nickName": "Babs", "emails": [{"value": "n"}], "name": {"middleName": "J"}}))
    assert after["nickName"] == "Babs"
    assert after["emails"] == [WORK, HOME, {"value": "n"}]
    assert after["name"] == {"givenName": "Barbara", "familyName": "Jensen", "middleName": "J"}
    assert after["title"] == "Boss"


def test_no_path_replace_replaces_each_member(apply: Apply) -> None:
    """P5: without a path each member is replaced, lists as wholes; what is not named stays (P9)."""
    after = apply(USER, op("replace", None, {"title": "Chief", "emails": [{"value": "n"}]}))
    assert (after["title"], after["emails"]) == ("Chief", [{"value": "n"}])
    assert after["name"] == USER["name"]
    renamed = apply(GROUP, op("replace", None, {"displayName": "Fitters"}))
    assert renamed == {**GROUP, "displayName": "Fitters"}


def test_no_path_with_an_extension(apply: Apply) -> None:
    """P5, S4: the container of an extension is read member by member."""
    after = apply(USER, op("replace", None, {ENTERPRISE_URN.upper(): {"costCenter": "4711", "department": None}}))
    assert after[ENTERPRISE_URN] == {"manager": USER[ENTERPRISE_URN]["manager"], "costCenter": "4711"}
    gone = apply(USER, op("replace", None, {ENTERPRISE_URN: None}))
    assert ENTERPRISE_URN not in gone
    assert gone["schemas"] == [USER_URN]


def test_no_path_remove_has_no_target(apply: Apply, refused: Any) -> None:
    """P5: a remove without a path is 400 noTarget."""
    for item in (op("remove"), op("remove", None, {"title": "Boss"})):
        with refused("noTarget", "path"):
            apply(USER, item)


@pytest.mark.parametrize("verb", ["add", "replace"])
def test_simple_single_is_set(apply: Apply, verb: str) -> None:
    """P5: add and replace set a simple value, whether there was one or not."""
    assert apply(USER, op(verb, "title", "Chief"))["title"] == "Chief"
    assert apply(USER, op(verb, "nickName", "Babs"))["nickName"] == "Babs"
    assert apply(USER, op(verb, "TITLE", "Chief"))["title"] == "Chief"
    assert apply(USER, op(verb, f"{USER_URN}:title", "Chief"))["title"] == "Chief"


def test_simple_single_is_removed(apply: Apply) -> None:
    """P5: remove unassigns, and what is not there can be removed."""
    assert "title" not in apply(USER, op("remove", "title"))
    assert apply(USER, op("remove", "nickName")) == USER
    assert apply(USER, op("remove", "title", "another value"))["name"] == USER["name"]


@pytest.mark.parametrize("verb", ["add", "replace"])
def test_null_unassigns_a_simple_value(apply: Apply, verb: str) -> None:
    """P6, S8: null is unassigned, for false too."""
    assert "title" not in apply(USER, op(verb, "title", None))
    assert "active" not in apply({**USER, "active": False}, op(verb, "active", None))


def test_complex_single_add_merges(apply: Apply) -> None:
    """P5: add merges the given sub-attributes."""
    after = apply(USER, op("add", "name", {"GIVENNAME": "Babs", "honorificPrefix": "Ms"}))
    assert after["name"] == {"givenName": "Babs", "familyName": "Jensen", "honorificPrefix": "Ms"}


def test_complex_single_replace_leaves_what_is_not_given(apply: Apply) -> None:
    """P5, RFC 7644 §3.5.2.3: unspecified sub-attributes stay, null unassigns one, null for all unassigns it."""
    assert apply(USER, op("replace", "name", {"givenName": "B"}))["name"] == {"givenName": "B", "familyName": "Jensen"}
    assert apply(USER, op("replace", "name", {"givenName": None}))["name"] == {"familyName": "Jensen"}
    assert apply(USER, op("replace", "name", {})) == USER
    assert "name" not in apply(USER, op("replace", "name", None))
    assert "name" not in apply(USER, op("replace", "name", {"givenName": None, "familyName": None}))


def test_complex_single_replace_of_the_whole(apply: Apply) -> None:
    """P5, D4: the interoperability profile replaces the whole object, a mode of its own."""
    after = apply(USER, op("replace", "name", {"givenName": "B"}), replace_whole=True)
    assert after["name"] == {"givenName": "B"}
    assert "name" not in apply(USER, op("replace", "name", {}), replace_whole=True)
    extension = apply(USER, op("replace", ENTERPRISE_URN, {"division": "D"}), replace_whole=True)
    assert extension[ENTERPRISE_URN] == {"division": "D"}
    assert apply(USER, op("add", "name", {"givenName": "B"}), replace_whole=True)["name"]["familyName"] == "Jensen"


def test_complex_single_is_removed_whole(apply: Apply) -> None:
    """P5: remove unassigns the whole."""
    assert "name" not in apply(USER, op("remove", "name"))
    assert apply({**GROUP}, op("remove", "externalId")) == GROUP


@pytest.mark.parametrize("verb", ["add", "replace"])
def test_sub_attribute_is_set_and_makes_its_parent(apply: Apply, verb: str) -> None:
    """P5: a sub-attribute is set, its parent made where there is none."""
    assert apply(USER, op(verb, "name.givenName", "B"))["name"] == {"givenName": "B", "familyName": "Jensen"}
    bare = {name: value for name, value in USER.items() if name != "name"}
    assert apply(bare, op(verb, "name.givenName", "B"))["name"] == {"givenName": "B"}


def test_sub_attribute_is_removed_and_an_empty_parent_with_it(apply: Apply) -> None:
    """P5: the parent is unassigned when nothing is left of it."""
    assert apply(USER, op("remove", "name.givenName"))["name"] == {"familyName": "Jensen"}
    assert "name" not in apply(USER, op("remove", "name.givenName"), op("remove", "name.familyName"))
    bare = {name: value for name, value in USER.items() if name != "name"}
    assert apply(bare, op("remove", "name.givenName")) == bare
    assert apply(USER, op("replace", "name.givenName", None))["name"] == {"familyName": "Jensen"}


def test_multi_valued_add_appends_what_is_new(apply: Apply) -> None:
    """P5: add appends; an equal value changes nothing, one with the same type and value is merged (S11)."""
    assert apply(USER, op("add", "emails", [{"value": "n"}]))["emails"] == [WORK, HOME, {"value": "n"}]
    assert apply(USER, op("add", "emails", [WORK])) == USER
    assert apply(USER, op("add", "emails", [{"value": "h@example.com"}])) == USER
    same = apply(USER, op("add", "emails", [{**HOME, "display": "Home"}]))
    assert same["emails"] == [WORK, {**HOME, "display": "Home"}]
    both = apply(USER, op("add", "emails", [{"type": "work", "value": "h@example.com"}]))
    assert both["emails"] == [WORK, HOME, {"type": "work", "value": "h@example.com"}]
    assert apply(USER, op("add", "emails", [])) == USER
    assert apply(USER, op("add", "emails", None)) == USER
    assert apply(USER, op("add", "roles", [{"value": "r"}]))["roles"] == [{"value": "r"}]


def test_multi_valued_replace_replaces_all(apply: Apply) -> None:
    """P5, P9: replace puts the whole list, [] and null clear it, the same in another order is no change."""
    assert apply(USER, op("replace", "emails", [HOME]))["emails"] == [HOME]
    assert apply(USER, op("replace", "emails", [HOME, WORK])) == USER
    assert "emails" not in apply(USER, op("replace", "emails", []))
    assert "emails" not in apply(USER, op("replace", "emails", None))
    assert apply(GROUP, op("replace", "members", [{"value": "bob"}]))["members"] == [BOB]
    assert "members" not in apply(GROUP, op("replace", "members", []))


def test_multi_valued_remove_clears_all(apply: Apply) -> None:
    """P5: remove without a value clears the attribute."""
    assert "emails" not in apply(USER, op("remove", "emails"))
    assert "members" not in apply(GROUP, op("remove", "members"))
    assert "members" not in apply(GROUP, op("remove", "members", None))
    assert apply(USER, op("remove", "roles")) == USER


def test_value_path_add_merges_into_every_match(apply: Apply) -> None:
    """P5: add to selected elements merges into each of them."""
    after = apply(USER, op("add", 'emails[value ew "@example.com"]', {"display": "D"}))
    assert after["emails"] == [{**WORK, "display": "D"}, {**HOME, "display": "D"}]


def test_value_path_replace_replaces_every_match(apply: Apply) -> None:
    """P5: replace puts the value in the place of each selected element; equal ones become one (S11)."""
    after = apply(USER, op("replace", 'emails[type eq "work"]', {"type": "work", "value": "n"}))
    assert after["emails"] == [{"type": "work", "value": "n"}, HOME]
    both = apply(USER, op("replace", "emails[value pr]", {"value": "n"}))
    assert both["emails"] == [{"value": "n"}]
    assert apply(USER, op("replace", 'emails[type eq "work"]', None))["emails"] == [HOME]
    stays = apply(USER, op("replace", 'emails[type eq "work"]', {"value": "n"}))
    assert stays["emails"] == [{"type": "work", "value": "n"}, HOME]
    moves = apply(USER, op("replace", 'emails[type eq "work"]', {"value": "n", "type": None}))
    assert moves["emails"] == [{"type": "work", "value": "n"}, HOME]


def test_value_path_remove_deletes_matches(apply: Apply) -> None:
    """P5: remove deletes the selected elements; when none is left the attribute is unassigned."""
    assert apply(USER, op("remove", 'emails[type eq "work"]'))["emails"] == [HOME]
    assert "emails" not in apply(USER, op("remove", "emails[type pr]"))
    assert apply(GROUP, op("remove", 'members[value eq "ada"]'))["members"] == [BOB]


def test_value_path_add_without_match_makes_the_element(apply: Apply, refused: Any) -> None:
    """D5: eq terms become sub-attributes of a new element; any other filter is 400 noTarget."""
    after = apply(USER, op("add", 'emails[type eq "other"].value', "o@example.com"))
    assert after["emails"][2] == {"type": "other", "value": "o@example.com"}
    after = apply(USER, op("add", 'emails[type eq "other" and display eq "O"]', {"value": "o"}))
    assert after["emails"][2] == {"type": "other", "display": "O", "value": "o"}
    after = apply(USER, op("add", 'roles[primary eq true and type eq "t"].value', "r"))
    assert after["roles"] == [{"primary": True, "type": "t", "value": "r"}]
    for path in ('emails[type ne "work" and type ne "home"].value', "emails[not (type pr)].value", "roles[type pr]"):
        with refused("noTarget", path.partition("[")[0]):
            apply(USER, op("add", path, "x" if path.endswith("value") else {"value": "x"}))
    with refused("noTarget"):
        apply(USER, op("add", 'emails[type eq "a" and type eq "b"].value', "x"))
    with refused("noTarget"):
        apply(USER, op("add", 'emails[type eq "a" or type eq "b"].value', "x"))


def test_value_path_replace_without_match_has_no_target(apply: Apply, refused: Any) -> None:
    """D5: replacing what nothing matches is 400 noTarget, unless the tenant wants it added."""
    for path in ('emails[type eq "other"].value', 'roles[type eq "other"].value'):
        with refused("noTarget", path.partition("[")[0]):
            apply(USER, op("replace", path, "o"))
        name = path.partition("[")[0]
        assert apply(USER, op("replace", path, "o"), upsert=True)[name][-1] == {"type": "other", "value": "o"}


def test_value_path_remove_without_match_changes_nothing(apply: Apply) -> None:
    """D5: removing what is not there succeeds."""
    assert apply(USER, op("remove", 'emails[type eq "other"]')) == USER
    assert apply(USER, op("remove", 'roles[type eq "other"].value')) == USER
    assert apply(GROUP, op("remove", 'members[value eq "cyd"]')) == GROUP


@pytest.mark.parametrize("verb", ["add", "replace"])
def test_value_path_sub_is_set_on_all_matches(apply: Apply, verb: str) -> None:
    """P5: a sub-attribute is set on every match and on nothing else."""
    after = apply(USER, op(verb, 'emails[type eq "work"].value', "n"))
    assert after["emails"] == [{**WORK, "value": "n"}, HOME]
    both = apply(USER, op(verb, "emails[value pr].display", "D"))
    assert [part["display"] for part in both["emails"]] == ["D", "D"]
    dotted = apply(USER, op(verb, "emails.display", "D"))
    assert dotted == both
    assert apply(USER, op(verb, "roles.value", "r"))["roles"] == [{"value": "r"}]


def test_value_path_sub_is_unassigned_on_all_matches(apply: Apply) -> None:
    """P5: a sub-attribute is unassigned on every match; an element of which nothing is left goes."""
    assert apply(USER, op("remove", 'emails[type eq "work"].display'))["emails"][0] == {
        "type": "work", "value": "w@example.com", "primary": True,
    }  # fmt: skip
    assert [part.get("type") for part in apply(USER, op("remove", "emails.type"))["emails"]] == [None, None]
    assert apply(USER, op("remove", "roles.value")) == USER
    lone = {**USER, "roles": [{"value": "r"}, {"value": "s", "type": "t"}]}
    assert apply(lone, op("remove", 'roles[value eq "r"].value'))["roles"] == [{"value": "s", "type": "t"}]
    assert apply(lone, op("replace", 'roles[value eq "s"].type', None))["roles"] == [{"value": "r"}, {"value": "s"}]


@pytest.mark.parametrize("verb", ["add", "replace", "remove"])
@pytest.mark.parametrize(
    "path", ["id", "meta", "meta.created", "groups", "groups.value", 'groups[value eq "g1"]', "manager.displayName"]
)
def test_read_only_is_refused(apply: Apply, refused: Any, verb: str, path: str) -> None:
    """P5, D2: a path to what is readOnly is 400 mutability, whatever the operation and the value."""
    with refused("mutability", path.partition("[")[0].split(".")[-1]):
        apply(USER, op(verb, path, USER.get(path, "x")))


def test_immutable_is_set_once(refused: Any, badge_type: ResourceType) -> None:
    """P5: an immutable attribute is added where unset; an equal value is no change, removing is refused."""

    def run(resource: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
        body = {"schemas": [REQUEST_URN], "Operations": [item]}
        return patch.apply(patch.parse(body, badge_type), resource, badge_type)

    bare = {"number": "1"}
    cut = {"number": "1", "serial": "s", "holder": {"value": "h", "since": "2026-01-02T03:04:05Z"}}
    for verb in ("add", "replace"):
        assert run(bare, op(verb, "serial", "s")) == {"number": "1", "serial": "s"}
        assert run(cut, op(verb, "serial", "s")) == cut
        for path, value in (("serial", "t"), ("serial", None), ("holder.since", "2027-01-02T03:04:05Z")):
            with refused("mutability", path):
                run(cut, op(verb, path, value))
    for path in ("serial", "holder.since"):
        with refused("mutability", path):
            run(cut, op("remove", path))
    set_once = run({"number": "1", "holder": {"value": "h"}}, op("add", "holder.since", "2026-01-02T03:04:05Z"))
    assert set_once["holder"]["since"] == "2026-01-02T03:04:05Z"


def test_members_are_immutable_but_come_and_go(apply: Apply, refused: Any) -> None:
    """S15, P5: the sub-attributes of a member cannot be changed; members are added and removed as wholes."""
    for verb in ("add", "replace"):
        with refused("mutability", "members.value"):
            apply(GROUP, op(verb, 'members[value eq "ada"].value', "bob"))
        with refused("mutability", "members.display"):
            apply(GROUP, op(verb, 'members[value eq "ada"]', {"value": "ada", "display": "A."}))
        assert apply(GROUP, op(verb, 'members[value eq "ada"].display', "Ada")) == GROUP
    assert apply(GROUP, op("replace", 'members[value eq "ada"]', {"value": "ada"})) == GROUP
    with refused("mutability", "members.display"):
        apply(GROUP, op("remove", 'members[value eq "ada"].display'))
    cyd = {"value": "cyd"}
    assert apply(GROUP, op("add", "members", [cyd]))["members"] == [ADA, BOB, cyd]
    assert apply({**GROUP, "members": [cyd]}, op("add", 'members[value eq "cyd"].type', "User"))["members"] == [
        {"value": "cyd", "type": "User"}
    ]


def test_required_stays(apply: Apply, refused: Any, badge_type: ResourceType) -> None:
    """P5: removing what is required is 400 mutability; null and "" for it are 400 invalidValue (S14)."""
    with refused("mutability", "userName"):
        apply(USER, op("remove", "userName"))
    for value in (None, "", "  "):
        with refused("invalidValue", "userName"):
            apply(USER, op("replace", "userName", value))
        with refused("invalidValue", "userName"):
            apply(USER, op("replace", None, {"userName": value}))
    body = {"schemas": [REQUEST_URN], "Operations": [op("remove", "holder.value")]}
    with refused("mutability", "holder.value"):
        patch.parse(body, badge_type)
    body["Operations"] = [op("add", "holder", {"remark": "r"})]
    operations = patch.parse(body, badge_type)
    assert patch.apply(operations, {"holder": {"value": "h"}}, badge_type)["holder"] == {"value": "h", "remark": "r"}
    with refused("invalidValue", "holder.value"):
        patch.apply(operations, {}, badge_type)


def test_required_extension_stays(refused: Any, badge_type: ResourceType) -> None:
    """P5: so do a required extension and the required attributes of one that is there."""
    urn = "urn:example:params:scim:schemas:extension:2.0:Audit"
    badge = {"number": "1", urn: {"owner": "o", "ticket": "t"}}

    def run(*operations: dict[str, Any], on: dict[str, Any] = badge) -> dict[str, Any]:
        body = {"schemas": [REQUEST_URN], "Operations": list(operations)}
        return patch.apply(patch.parse(body, badge_type), on, badge_type)

    for item, keyword in ((op("remove", urn), "mutability"), (op("replace", None, {urn: None}), "invalidValue")):
        with refused(keyword, urn):
            run(item)
    with refused("mutability", "owner"):
        run(op("remove", f"{urn}:owner"))
    with refused("invalidValue", "owner"):
        run(op("add", f"{urn}:ticket", "t"), on={"number": "1"})
    assert run(op("remove", f"{urn}:ticket"))[urn] == {"owner": "o"}
