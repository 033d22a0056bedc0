"""Resource types of one's own: every kind of attribute a schema can declare has a place (S9, DESIGN §6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from backends.contract import Change, Compare, Field, Op, Write
from gateway.mapping import Links, MappingError, compile_mapping
from gateway.mapping.keeping import pair
from gateway.scim import filters, standard
from gateway.scim.errors import ScimError
from gateway.scim.schema import ResourceType
from tests.mapping.world import World, able, linked, spec_of

URN = "urn:example:params:scim:schemas:Badge"
SCHEMA = standard.parse_schema(
    {
        "id": URN,
        "name": "Badge",
        "attributes": [
            {"name": "number", "type": "string", "required": True, "caseExact": True, "uniqueness": "server"},
            {"name": "doors", "type": "string", "multiValued": True},
            {"name": "levels", "type": "integer", "multiValued": True},
            {"name": "owner", "type": "string"},
            {"name": "deputies", "type": "string", "multiValued": True},
            {"name": "worth", "type": "decimal"},
            {"name": "chip", "type": "binary"},
            {"name": "valid", "type": "dateTime"},
        ],
    }
)
BADGE = ResourceType("Badge", "/Badges", SCHEMA)
FIELDS: Mapping[str, Field] = {
    "no": Field(str, required=True),
    "doors": Field(str, many=True),
    "door1": Field(str),
    "door_list": Field(str),
    "levels": Field(int, many=True),
    "owner": Field(str),
    "deputies": Field(str, many=True),
    "worth": Field(float),
    "chip": Field(bytes),
    "valid": Field(str),
    "log": Field(dict, many=True, row={"door": Field(str)}, row_key=("door",)),
}


def badge(attributes: Mapping[str, Any], fields: Mapping[str, Field] | None = None, **changes: Any) -> World:
    known = FIELDS if fields is None else fields
    spec = spec_of({"number": "no", **attributes}, **changes)
    mapping = compile_mapping(BADGE, spec, able(known), known)
    return World(mapping, BADGE, known, linked({"u1": "11", "u2": "12"}))


def where(world: World, text: str) -> Any:
    return world.mapping.translate(filters.parse(text, BADGE)).bind(world.links)


def test_simple_values_of_several_places_are_one_list() -> None:
    """A multi-valued simple attribute may lie in a field with several values, in a column and in rows (R-L17)."""
    world = badge({"doors": [{"field": "door1", "codec": {"prefix": "A"}}, {"rows": "log", "each": {"value": "door"}}]})
    record, _ = world.created({"number": "1", "doors": ["7", "8", "9"]})
    assert record.fields["door1"] == "A7"
    assert [row["door"] for row in record.fields["log"]] == ["8", "9"]  # type: ignore[union-attr, index]
    assert world.read(record)["doors"] == ["7", "8", "9"]
    record, _, delta = world.changed(record, {}, {"number": "1", "doors": ["9", "8"]})
    assert delta.change == Change(set={"door1": "A9"}, remove={"log": ({"door": "9"},)})
    assert world.read(record)["doors"] == ["9", "8"]
    found = where(world, 'doors eq "8"').where
    assert Compare("log.door", Op.EQ, "8", ignore_case=True) in found.terms


def test_a_field_of_values_changes_by_deltas() -> None:
    """Values come and go one by one; numbers are numbers (contract)."""
    world = badge({"doors": "doors", "levels": "levels"})
    record, _ = world.created({"number": "1", "doors": ["a", "b"], "levels": [1, 2]})
    assert (record.fields["doors"], record.fields["levels"]) == (("a", "b"), (1, 2))
    delta = world.mapping.diff(world.read(record), {"number": "1", "doors": ["b", "c"]}, record, Links())
    assert delta.change.add == {"doors": ("c",)}
    assert {name: set(gone) for name, gone in delta.change.remove.items()} == {"doors": {"a"}, "levels": {1, 2}}
    assert where(world, "levels eq 2").where == Compare("levels", Op.EQ, 2)


def test_values_that_are_kept_come_back_one_by_one() -> None:
    """What a column cannot hold of a list is kept, element by element (D10, R-L17)."""
    world = badge({"doors": {"field": "door1", "codec": "upper", "keep": "spelling"}}, unmapped="keep")
    record, kept = world.created({"number": "1", "doors": ["a", "b"]})
    assert record.fields["door1"] == "A"
    assert kept == {"doors": pair(["a", "b"], ["A", None])}
    assert world.read(record, kept)["doors"] == ["a", "b"]
    assert world.read(world.record({"no": "1", "door1": "X"}), kept)["doors"] == ["b", "X"]
    assert world.mapping.index(kept) == (("doors", "b"),)


def test_references_need_not_be_complex() -> None:
    """An id in a simple attribute, or several of them, is a reference like any other (DESIGN §6)."""
    world = badge(
        {"owner": {"field": "owner", "reference": "User"}, "deputies": {"field": "deputies", "reference": "User"}}
    )
    record, _ = world.created({"number": "1", "owner": "u1", "deputies": ["u2", "u1"]})
    assert (record.fields["owner"], record.fields["deputies"]) == ("11", ("12", "11"))
    found = world.read(record)
    assert (found["owner"], found["deputies"]) == ("u1", ["u2", "u1"])
    with pytest.raises(ScimError, match="owner: there is no User with this id"):
        world.mapping.encode({"number": "1", "owner": "nobody"}, world.links)
    assert where(world, 'owner eq "u1"').where == Compare("owner", Op.EQ, "11")
    assert where(world, 'deputies eq "u2"').where == Compare("deputies", Op.EQ, "12")


def test_numbers_bytes_and_times_have_their_places() -> None:
    """Decimals, binaries and times come back as they were sent, or are refused (S16, D10)."""
    valid = {"field": "valid", "codec": {"timestamp": "%Y%m%d%H%M%S"}}
    world = badge({"worth": "worth", "chip": "chip", "valid": valid})
    resource = {"number": "1", "worth": 1.5, "chip": "AQI=", "valid": "2026-01-01T00:00:00Z"}
    record, _ = world.created(resource)
    assert record.fields["chip"] == b"\x01\x02"
    assert world.read(record) == resource
    with pytest.raises(ScimError, match="valid: cannot be held by the system behind as it was sent"):
        world.mapping.encode({"number": "1", "valid": "2026-01-01T00:00:00.5Z"}, Links())
    assert where(world, 'chip eq "AQI="').where == Compare("chip", Op.EQ, b"\x01\x02")
    greater = where(world, "worth gt 1")
    assert greater.where is None  # the backend of this test orders no floats
    assert greater.residual is not None


def test_what_cannot_be_written_can_still_be_what_is_there() -> None:
    """A list of which a part is the system's own takes what is there as given, and refuses the rest (D10)."""
    fields = {**FIELDS, "doors": Field(str, many=True, write=Write.NEVER)}
    world = badge({"doors": ["doors", {"rows": "log", "each": {"value": "door"}}]}, fields)
    record = world.record({"no": "1", "doors": ("a",), "log": ({"door": "b"},)})
    before = world.read(record)
    assert before["doors"] == ["a", "b"]
    delta = world.mapping.diff(before, {**before, "doors": ["a", "c"]}, record, Links())
    assert delta.change == Change(add={"log": ({"door": "c"},)}, remove={"log": ({"door": "b"},)})


def test_a_type_has_no_active_unless_its_schema_says_so() -> None:
    """A badge is neither active nor deactivated, and its own required attribute needs a place (DESIGN §6)."""
    assert badge({}).mapping.on_deactivate is None
    with pytest.raises(MappingError, match="number is required and has no place"):
        compile_mapping(BADGE, spec_of({"owner": "owner"}), able(FIELDS), FIELDS)


def test_a_backend_that_cannot_tell_its_fields_is_believed() -> None:
    """Without a description nothing is checked, what is said is taken, and values are read as they are (DESIGN §5)."""
    spec = spec_of({"number": "no", "doors": {"field": "doors", "many": True}, "worth": "worth", "valid": "valid"})
    mapping = compile_mapping(BADGE, spec, able(FIELDS), None)
    world = World(mapping, BADGE, FIELDS)
    record = world.record({"no": 7, "doors": ("a", "b"), "worth": "x", "valid": "2026-01-01T01:00:00+01:00"})
    assert world.read(record) == {"number": "7", "doors": ["a", "b"], "valid": "2026-01-01T00:00:00Z"}
    assert dict(mapping.encode({"number": "1", "doors": ["a"]}, Links()).fields) == {"no": "1", "doors": ("a",)}
