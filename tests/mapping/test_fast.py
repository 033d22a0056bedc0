"""The fast road, case by case: what goes by it, and what must look at the record first (DESIGN §4)."""

from __future__ import annotations

from typing import Any

import pytest

from backends.contract import Change, Field, Write
from gateway.mapping import UNCHANGED, Links, Wanted
from gateway.scim import patch
from gateway.scim.errors import ScimError
from tests.mapping.world import ENTERPRISE, FIELDS, TEAM_FIELDS, World, able, group, linked, user

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
PEOPLE = {"u1": "11", "u2": "12"}
LINKS = linked(PEOPLE, {"g1": "t1"})


def operations(world: World, *given: dict[str, Any]) -> Any:
    return patch.parse({"schemas": [PATCH], "Operations": list(given)}, world.resource_type)


def op(kind: str, path: str, value: Any = None) -> dict[str, Any]:
    return {"op": kind, "path": path} if value is None else {"op": kind, "path": path, "value": value}


def everyone(**changes: Any) -> World:
    return user(
        {
            "userName": {"field": "login", "codec": "upper", "keep": "spelling"},
            "active": {"field": "status", "codec": {"values": {"A": True, "I": False, "L": False}}},
            "name.givenName": "first",
            "displayName": "full",
            "title": "title",
            'emails[type eq "work"].value': "mail",
            "roles.value": {"field": "role_list", "codec": {"split": ","}},
            f"{ENTERPRISE}:manager.value": {"field": "boss", "reference": "User"},
            f"{ENTERPRISE}:employeeNumber": {"field": "number", "codec": {"number": 3}, "keep": "unknown"},
        },
        **changes,
    )


def test_a_membership_is_a_delta_and_the_group_is_never_read() -> None:
    """`add members` and `remove members[value eq …]` name one member each, however large the group (promise 4)."""
    world = group()
    ops = operations(
        world,
        op("add", "members", [{"value": "u1"}, {"value": "g1"}]),
        op("remove", 'members[value eq "u2"]'),
        op("replace", "displayName", "New"),
    )
    quick = world.mapping.fast(ops)
    assert quick is not None
    assert quick.wanted == {Wanted(id, None, (kind,)) for id in ("u1", "u2", "g1") for kind in ("User", "Group")}
    delta = quick.build(LINKS)
    assert delta.change == Change(
        set={"title": "New"}, add={"members": ("11",), "subteams": ("t1",)}, remove={"members": ("12",)}
    )
    assert (dict(delta.kept), delta.external_id) == ({}, UNCHANGED)


def test_the_last_word_on_a_member_counts() -> None:
    """Added and removed again is removed, in the order of the operations; a field's deltas are disjoint (P3)."""
    world = group()
    ops = operations(world, op("add", "members", [{"value": "u1"}]), op("remove", "members", [{"value": "u1"}]))
    quick = world.mapping.fast(ops)
    assert quick is not None
    assert quick.build(LINKS).change == Change(remove={"members": ("11",)})
    ops = operations(world, op("remove", 'members[value eq "u1"]'), op("add", "members", [{"value": "u1"}]))
    quick = world.mapping.fast(ops)
    assert quick is not None
    assert quick.build(LINKS).change == Change(add={"members": ("11",)})


def test_removing_by_value_never_empties_a_group() -> None:
    """A list of members to remove removes them and no others; an empty one removes nothing (D1)."""
    world = group()
    for value, gone in (([{"value": "u1"}, {"value": "nobody"}], ("11",)), ([], None)):
        quick = world.mapping.fast(operations(world, {"op": "remove", "path": "members", "value": value}))
        assert quick is not None
        assert quick.build(LINKS).change == Change(remove={"members": gone} if gone else {})


def test_an_unknown_member_cannot_be_added() -> None:
    """400 naming the attribute; removing somebody unknown changes nothing (P5)."""
    world = group()
    quick = world.mapping.fast(operations(world, op("add", "members", [{"value": "nobody"}])))
    assert quick is not None
    with pytest.raises(ScimError, match=r"members\.value: there is no User or Group with this id") as caught:
        quick.build(LINKS)
    assert caught.value.status == 400
    quick = world.mapping.fast(operations(world, op("remove", 'members[value eq "nobody"]')))
    assert quick is not None
    assert not quick.build(LINKS).change


SLOW_GROUPS = [
    op("replace", "members", [{"value": "u1"}]),
    op("remove", "members"),
    op("remove", 'members[type eq "User"]'),
    op("remove", 'members[value eq "u1" and type eq "User"]'),
]


@pytest.mark.parametrize("operation", SLOW_GROUPS, ids=str)
def test_what_depends_on_the_members_there_are_is_slow(operation: dict[str, Any]) -> None:
    """A replacement, or a filter by something else than the id, must know the group (DESIGN §4)."""
    world = group()
    assert world.mapping.fast(operations(world, operation)) is None


def test_a_backend_without_deltas_is_asked_for_the_group() -> None:
    """Where adding one member costs a whole record anyway, the record is read (DESIGN §4)."""
    world = group(capabilities=able(TEAM_FIELDS, deltas=frozenset()))
    assert world.mapping.fast(operations(world, op("add", "members", [{"value": "u1"}]))) is None


FAST: list[tuple[dict[str, Any], Change]] = [
    (op("replace", "active", True), Change(set={"status": "A"})),
    (op("add", "title", "Dr"), Change(set={"title": "Dr"})),
    (op("remove", "title"), Change(set={"title": None})),
    (op("replace", "name.givenName", "Ada"), Change(set={"first": "Ada"})),
    (op("remove", "name.givenName"), Change(set={"first": None})),
    (op("replace", f"{ENTERPRISE}:manager", {"value": "u1"}), Change(set={"boss": "11"})),
    (op("add", f"{ENTERPRISE}:manager.value", "u2"), Change(set={"boss": "12"})),
    (op("remove", f"{ENTERPRISE}:manager"), Change(set={"boss": None})),
    ({"op": "replace", "value": {"active": True, "title": "x"}}, Change(set={"status": "A", "title": "x"})),
]


@pytest.mark.parametrize(("operation", "change"), FAST, ids=[str(row[0]) for row in FAST])
def test_single_values_are_set_without_looking(operation: dict[str, Any], change: Change) -> None:
    """What comes out the same whatever was there needs no reading (DESIGN §4)."""
    world = everyone()
    quick = world.mapping.fast(operations(world, operation))
    assert quick is not None
    assert quick.build(LINKS).change == change


SLOW: list[dict[str, Any]] = [
    op("replace", "active", False),
    op("remove", "active"),
    op("replace", 'emails[type eq "work"].value', "a@x.com"),
    op("add", "emails", [{"type": "work", "value": "a@x.com"}]),
    op("replace", "emails", [{"type": "work", "value": "a@x.com"}]),
    op("replace", "roles", [{"value": "a"}]),
    op("replace", "name", {"givenName": "Ada"}),
    op("replace", f"{ENTERPRISE}:employeeNumber", "007"),
    op("replace", f"{ENTERPRISE}:manager", {"displayName": "x"}),
    op("replace", "nickName", "x"),
    {"op": "replace", "value": {"id": "x", "title": "y"}},
]


@pytest.mark.parametrize("operation", SLOW, ids=str)
def test_what_must_know_the_record_is_slow(operation: dict[str, Any]) -> None:
    """Codecs that would write over what means the same, value filters, merges, checks of readOnly attributes: None
    (DESIGN §4, R-L7, D2)."""
    world = everyone()
    assert world.mapping.fast(operations(world, operation)) is None


def test_one_slow_operation_makes_all_of_them_slow() -> None:
    """A request is applied whole, by one road (P3)."""
    world = everyone()
    assert world.mapping.fast(operations(world, op("add", "title", "x"), op("replace", "active", False))) is None


def test_a_kept_spelling_goes_along() -> None:
    """A renamed login is written in capitals, and its spelling kept, in one go (R-L11)."""
    world = everyone()
    quick = world.mapping.fast(operations(world, op("replace", "userName", "Ada")))
    assert quick is not None
    delta = quick.build(Links())
    assert delta.change == Change(set={"login": "ADA"})
    assert dict(delta.kept) == {"userName": {"sent": "Ada", "canonical": "ADA"}}
    quick = world.mapping.fast(operations(world, op("replace", "userName", "ADA")))
    assert quick is not None
    assert dict(quick.build(Links()).kept) == {"userName": None}


def test_what_the_gateway_keeps_whole_is_set_and_cleared() -> None:
    """Attributes without native home, and the externalId, change in the store alone (DESIGN §7)."""
    world = everyone(unmapped="keep")
    ops = operations(
        world,
        op("replace", "nickName", "n"),
        op("remove", "locale"),
        op("replace", "ims", [{"value": "x"}]),
        op("replace", "entitlements", []),
        op("add", "externalId", "e"),
    )
    quick = world.mapping.fast(ops)
    assert quick is not None
    delta = quick.build(Links())
    assert not delta.change
    assert dict(delta.kept) == {"nickName": "n", "locale": None, "ims": [{"value": "x"}], "entitlements": None}
    assert delta.external_id == "e"
    assert world.mapping.fast(operations(world, op("add", "ims", [{"value": "x"}]))) is None
    assert world.mapping.fast(operations(world, op("remove", "name.givenName"))) is None


def test_a_value_that_cannot_be_held_is_refused_on_this_road_too() -> None:
    """Refusals name the attribute on either road (D10)."""
    world = everyone()
    quick = world.mapping.fast(operations(world, op("replace", "title", "x" * 21)))
    assert quick is not None
    with pytest.raises(ScimError, match="title: is longer than 20 characters"):
        quick.build(Links())


def test_fields_that_cannot_simply_be_changed_are_slow() -> None:
    """What may be set once, and what the system insists on, is decided by what is there (R-L2)."""
    fields = {**FIELDS, "title": Field(str, write=Write.CREATE), "full": Field(str, required=True)}
    world = everyone(fields=fields)
    assert world.mapping.fast(operations(world, op("replace", "title", "x"))) is None
    assert world.mapping.fast(operations(world, op("remove", "displayName"))) is None
    assert world.mapping.fast(operations(world, op("replace", "displayName", "x"))) is not None


def test_active_as_a_membership_is_a_delta() -> None:
    """A special group that means active is joined and left without looking (R-L7, promise 4)."""
    world = user({"active": {"field": "groups", "codec": {"contains": "t9"}}})
    quick = world.mapping.fast(operations(world, op("replace", "active", False)))
    assert quick is not None
    assert quick.build(Links()).change == Change(remove={"groups": ("t9",)})


def test_a_password_is_set_without_looking() -> None:
    """Nothing there could be compared with it, and nobody reads it (X12)."""
    world = user({"password": {"field": "full", "codec": {"template": "{}!"}}})
    quick = world.mapping.fast(operations(world, op("replace", "password", "x")))
    assert quick is not None
    assert quick.build(Links()).change == Change(set={"full": "x!"})


@pytest.mark.parametrize(
    ("value", "required", "quick"),
    [(True, False, True), (False, False, False), (True, True, True), (False, True, True)],
)
def test_a_flag_is_set_without_looking_where_only_it_means_that(value: bool, required: bool, quick: bool) -> None:
    """Only true is read as active; an empty field means the same as false, unless it can never be empty (promise 4)."""
    world = user({"active": "flag"}, fields={**FIELDS, "flag": Field(bool, required=required)})
    found = world.mapping.fast(operations(world, op("replace", "active", value)))
    assert (found is not None) is quick
    if found is not None:
        assert found.build(LINKS).change == Change(set={"flag": value})
