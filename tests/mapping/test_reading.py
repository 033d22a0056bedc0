"""Reading: which fields a projection needs, and what a record and what is kept of it come to."""

from __future__ import annotations

from typing import Any

from backends.contract import Record
from gateway.mapping import Link, Links, Reference
from gateway.mapping.keeping import pair
from gateway.scim import project
from tests.mapping.world import ENTERPRISE, World, group, linked, user


def everyone(**changes: Any) -> World:
    return user(
        {
            "name.givenName": "first",
            "name.familyName": "last",
            'emails[type eq "work"].value': "mail",
            "emails": {
                "rows": "mails",
                "each": {"value": "address", "type": "kind", "primary": {"field": "std", "codec": "flag"}},
            },
            f"{ENTERPRISE}:manager.value": {"field": "boss", "reference": "User", "show": "full"},
            "groups.value": {"field": "teams", "reference": "Group", "show": "title"},
        },
        **changes,
    )


def plan_of(world: World, attributes: list[str] | None = None, excluded: list[str] | None = None) -> Any:
    return world.mapping.read_plan(project.parse(world.resource_type, attributes, excluded))


def test_only_what_a_projection_asks_for_is_read() -> None:
    """Fields of attributes that are not wanted are not asked for, memberships least of all (Q7)."""
    world = everyone(on_delete={"set": {"code": "DEAD"}})
    assert plan_of(world, ["userName"]).fields == {"login", "code"}
    assert plan_of(world, ["name.givenName", f"{ENTERPRISE}:manager"]).fields == {"first", "last", "boss", "code"}
    assert plan_of(world, ["emails"]).fields == {"mail", "mails", "code"}
    whole = plan_of(world)
    assert whole.fields == {"login", "status", "first", "last", "mail", "mails", "boss", "teams", "code"}
    assert plan_of(world, None, ["groups"]).fields == whole.fields - {"teams"}


def test_a_plan_is_made_once_for_equal_projections() -> None:
    """Clients ask for the same few things again and again, and each costs one look-up (promise 10)."""
    world = everyone()
    assert plan_of(world, ["userName", "emails"]) is plan_of(world, ["emails", "USERNAME"])


def test_plans_are_not_remembered_without_end() -> None:
    """Projections nobody repeats fill no memory, and are answered all the same (promise 6)."""
    world = everyone()
    names = [attribute.name for attribute in world.resource_type.schema.attributes]
    for first in names:
        for second in names:
            assert plan_of(world, [first, second]).fields is not None
    assert len(world.mapping._plans) <= 128


def test_what_is_kept_is_needed_only_where_something_may_be() -> None:
    """The store need not be asked for what no attribute of the answer could come from (promise 10)."""
    assert plan_of(everyone()).needs_kept is False
    assert plan_of(everyone(unmapped="keep"), ["nickName"]).needs_kept is True
    assert plan_of(everyone(unmapped="keep"), ["userName"]).needs_kept is False


def test_a_record_becomes_a_resource_in_the_order_of_the_schema() -> None:
    """Names are canonical, extensions lie under their URN, unassigned attributes are absent (S4, S8)."""
    world = everyone()
    world.links = linked({"u1": "11"}, {"g1": "t1", "g2": "t2"})
    rows = ({"address": "b@x", "kind": None, "std": "N", "note": None}, {"address": None, "kind": "x"})
    names = {"login": "ada", "status": "A", "first": "Ada", "mail": "a@x"}
    record = world.record({**names, "mails": rows, "boss": "11", "teams": ("t2", "t1")})
    found = world.read(record)
    assert found == {
        "userName": "ada",
        "name": {"givenName": "Ada"},
        "active": True,
        "emails": [{"value": "a@x", "type": "work"}, {"value": "b@x"}, {"type": "x"}],
        "groups": [
            {"value": "g2", "$ref": "https://x.example.com/Groups/g2", "display": "Title of g2", "type": "direct"},
            {"value": "g1", "$ref": "https://x.example.com/Groups/g1", "display": "Title of g1", "type": "direct"},
        ],
        ENTERPRISE: {"manager": {"value": "u1", "$ref": "https://x.example.com/Users/u1", "displayName": "Name of u1"}},
    }
    assert list(found)[:3] == ["userName", "name", "active"]


def test_references_of_a_page_are_named_in_one_batch() -> None:
    """However many records a page has, each reference is named once (DESIGN §6)."""
    world = everyone()
    first = world.record({"login": "a", "boss": "11", "teams": ("t1", "t2")})
    records = [first, world.record({"login": "b", "boss": "11"})]
    assert world.mapping.references(plan_of(world), records) == {
        Reference("User", None, "11", "full"),
        Reference("Group", None, "t1", "title"),
        Reference("Group", None, "t2", "title"),
    }
    assert world.mapping.references(plan_of(world, ["userName"]), records) == frozenset()


def test_references_that_lead_nowhere_are_hidden() -> None:
    """A key nobody answers for is not shown; a manager who is gone is no manager (DESIGN §6)."""
    world = everyone()
    record = world.record({"login": "a", "boss": "99", "teams": ("t9",)})
    found = world.read(record)
    assert ENTERPRISE not in found
    assert "groups" not in found


def test_a_field_may_refer_to_either_of_two_types() -> None:
    """Keys of people and of teams in one field: whichever type answers is the member's (DESIGN §6)."""
    world = group({"members.value": {"field": "members", "reference": ["User", "Group"]}})
    world.links = linked({"u1": "11"}, {"g1": "t1"})
    record = world.record({"title": "T", "members": ("11", "t1")})
    assert [(one["value"], one["type"]) for one in world.read(record)["members"]] == [("u1", "User"), ("g1", "Group")]


def test_a_reference_may_be_held_by_something_else_than_the_key() -> None:
    """`by` names the field of the referenced record the table stores (DESIGN §6)."""
    world = user({f"{ENTERPRISE}:manager.value": {"field": "boss_login", "reference": "User", "by": "login"}})
    record = world.record({"login": "a", "boss_login": "ADA"})
    (reference,) = world.mapping.references(plan_of(world), [record])
    assert reference == Reference("User", "login", "ADA", None)
    links = Links({reference: Link("u1", "User", "https://x.example.com/Users/u1")})
    found = world.mapping.decode(plan_of(world), record, links, {})
    assert found[ENTERPRISE] == {"manager": {"value": "u1", "$ref": "https://x.example.com/Users/u1"}}
    (wanted,) = world.mapping.wanted({"userName": "a", ENTERPRISE: {"manager": {"value": "u1"}}})
    assert (wanted.id, wanted.by) == ("u1", "login")


def test_an_unknown_code_reads_as_inactive() -> None:
    """Of a code nobody can explain, and of none, nobody becomes active (R-L7, promise 2)."""
    world = user()
    for code in ("X", None, "a", ""):
        assert world.read(world.record({"login": "a", "status": code}))["active"] is False


def test_elements_that_found_no_place_stay_when_others_change() -> None:
    """What was kept because nothing could hold it outlives a change of the rest behind the gateway's back (R-L17)."""
    world = everyone(unmapped="keep")
    kept = {
        "emails": pair(
            [{"type": "work", "value": "a@x", "primary": True}, {"type": "fax", "value": "f"}, {"value": "b@x"}],
            [{"value": "a@x", "type": "work"}, None, {"value": "b@x"}],
        )
    }
    same = world.record({"login": "a", "mail": "a@x", "mails": ({"address": "b@x"},)})
    assert world.read(same, kept)["emails"] == kept["emails"]["sent"]
    moved = world.record({"login": "a", "mail": "new@x", "mails": ({"address": "b@x", "std": "Y"},)})
    assert world.read(moved, kept)["emails"] == [
        {"type": "fax", "value": "f"},
        {"value": "new@x", "type": "work"},
        {"value": "b@x", "primary": True},
    ]
    arrived = world.record({"login": "a", "mails": ({"address": "f", "kind": "fax"},)})
    assert world.read(arrived, kept)["emails"] == [{"value": "f", "type": "fax"}]


def test_what_was_kept_under_another_configuration_does_no_harm() -> None:
    """An attribute that got a column, or lost one, since its value was kept, reads as well as it can (M9)."""
    mapped = user({"nickName": {"field": "full", "codec": "upper", "keep": "spelling"}}, unmapped="keep")
    record = mapped.record({"login": "a", "full": "AD"})
    assert mapped.read(record, {"nickName": "old"})["nickName"] == "AD"
    unmapped = user(unmapped="keep")
    found = unmapped.read(unmapped.record({"login": "a"}), {"nickName": pair("Ad", "AD"), "gone": "x"})
    assert found["nickName"] == "Ad"
    assert "gone" not in found


def test_the_dead_are_known_by_their_mark() -> None:
    """A record with all values of the mark is dead; without the fields it cannot be told (R-L8)."""
    world = user(on_delete={"set": {"status": "D", "number": 1}})
    mapping = world.mapping
    assert mapping.on_delete == "mark"
    assert dict(mapping.dead_mark) == {"status": "D", "number": 1}
    assert mapping.marks == {"status", "number"}
    assert mapping.is_dead(world.record({"status": "D", "number": 1}))
    assert not mapping.is_dead(world.record({"status": "D"}))
    assert not mapping.is_dead(Record("1", {"status": "D"}))
    assert not user().mapping.is_dead(world.record({"status": "D"}))


def test_fields_are_named_by_their_attribute() -> None:
    """An error about a native field, or a column of rows, names the SCIM attribute (H2)."""
    mapping = everyone().mapping
    assert mapping.attribute_of("login") == "userName"
    assert mapping.attribute_of("mail") == "emails.value"
    assert mapping.attribute_of("mails.address") == "emails.value"
    assert mapping.attribute_of("mails") == "emails"
    assert mapping.attribute_of("boss") == f"{ENTERPRISE}:manager"
    assert mapping.attribute_of("unheard_of") is None
