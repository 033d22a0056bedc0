"""Configurations that cannot work: each problem names its place and the reason, all at once (DESIGN §6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from backends.contract import Capabilities, Field, Match, Op, Write
from gateway.mapping import Codec, MappingError, ResourceSpec, Site, compile_mapping
from gateway.scim import standard
from tests.mapping.world import BASE, ENTERPRISE, FIELDS, TEAM_FIELDS, able, group, spec_of, user

MANAGER = f"{ENTERPRISE}:manager.value"


def problems(attributes: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, str]:
    """What is wrong with a configuration: place -> reason."""
    with pytest.raises(MappingError) as caught:
        user(attributes, **changes)
    return {".".join(str(part) for part in where): reason for where, reason in caught.value.problems}


WRONG: list[tuple[str, Mapping[str, Any], str, str]] = [
    ("misspelt attribute", {"usrName": "login"}, "attributes.usrName",
     "User has no attribute 'usrName'; did you mean userName?"),
    ("misspelt sub-attribute", {"name.givenNam": "first"}, "attributes.name.givenNam",
     "User has no attribute 'name.givenNam'; did you mean name.givenName?"),
    ("misspelt extension", {f"{ENTERPRISE}:departmen": "code"}, f"attributes.{ENTERPRISE}:departmen",
     f"did you mean {ENTERPRISE}:department?"),
    ("whole extension", {ENTERPRISE: "code"}, f"attributes.{ENTERPRISE}", "names a whole extension"),
    ("the gateway's own", {"id": "login"}, "attributes.id", "is the gateway's own"),
    ("version", {"meta.version": "login"}, "attributes.meta.version", "is the gateway's own"),
    ("misspelt field", {"title": "titel"}, "attributes.title", "the entity has no field 'titel'; did you mean title?"),
    ("misspelt key", {"title": {"feild": "title"}}, "attributes.title", "has no sub-attributes; name its field"),
    ("misspelt part", {"name": {"givenNme": "first"}}, "attributes.name.givenNme",
     "neither a sub-attribute of name nor a setting; did you mean givenName?"),
    ("part in part", {"name": {"givenName": {"x": "first"}}}, "attributes.name.givenName", "name a single field"),
    ("two places", {"title": ["title", "full"]}, "attributes.title.1", "title has a place already"),
    ("twice in other letters", {"TITLE": "full", "title": "title"}, "attributes.title", "title has a place already"),
    ("whole and part", {"name": {"field": "full", "codec": {"split": {"into": ["givenName", "familyName"]}}},
                        "name.givenName": "first"}, "attributes.name.givenName", "has a place as a whole already"),
    ("complex in a field", {"name": "full"}, "attributes.name", "one field for all of it needs `codec: { split"),
    ("constants only", {"name.givenName": {"constant": "x"}}, "attributes.name.givenName", "constants alone"),
    ("constant of another type", {"active": {"constant": "yes"}}, "attributes.active",
     "constant: active: true or false is expected"),
    ("text in a number", {"title": "number"}, "attributes.title",
     "is of type string, the field holds int; it needs a codec (codec: number)"),
    ("boolean in text", {"active": "status"}, "attributes.active", "it needs a codec (codec: flag"),
    ("boolean in a number", {"active": "number"}, "attributes.active", "codec: { flag: [1, 0] }"),
    ("boolean in a date", {"active": "ends"}, "attributes.active", "codec: until"),
    ("time in a date", {"meta.created": "ends"}, "attributes.meta.created", "codec: date"),
    ("time in text", {"meta.created": "full"}, "attributes.meta.created", "codec: timestamp"),
    ("text in bytes", {"title": "photo"}, "attributes.title", "codec: { charset"),
    ("one value, many in the field", {"title": "roles"}, "attributes.title", "needs `codec: { contains"),
    ("part with many", {"name.givenName": "roles"}, "attributes.name.givenName", "has one value; the field has"),
    ("rows as a field", {"roles.value": "mails"}, "attributes.roles.value", "holds rows; write `rows: mails`"),
    ("field as rows", {"emails": {"rows": "mail", "each": {"value": "x"}}}, "attributes.emails", "holds no rows"),
    ("rows without columns", {"emails": {"rows": "mails"}}, "attributes.emails", "each: is missing"),
    ("misspelt column", {"emails": {"rows": "mails", "each": {"value": "adress"}}}, "attributes.emails.each.value",
     "mails has no column 'adress'; did you mean address?"),
    ("misspelt sub-attribute of rows", {"emails": {"rows": "mails", "each": {"valu": "address"}}},
     "attributes.emails.each.valu", "emails has no sub-attribute 'valu'; did you mean value?"),
    ("key column left out", {"emails": {"rows": "mails", "each": {"value": "kind"}}}, "attributes.emails",
     "the key column address of mails has no sub-attribute"),
    ("codec beside rows", {"emails": {"rows": "mails", "each": {"value": "address"}, "codec": "upper"}},
     "attributes.emails", "codec: belongs to the columns"),
    ("element without a part", {'emails[type eq "work"]': {"field": "mail"}}, 'attributes.emails[type eq "work"]',
     "is complex; say which sub-attribute the field holds, such as emails.value"),
    ("brackets that choose nothing", {'emails[type co "w"].value': "mail"}, 'attributes.emails[type co "w"].value',
     "the brackets must say what its elements have in common"),
    ("same slot twice", {'emails[type eq "work"].value': "mail", 'emails[TYPE eq "work"].VALUE': "mail2"},
     'attributes.emails[TYPE eq "work"].VALUE', "value has a place here already"),
    ("unknown codec", {"title": {"field": "title", "codec": "uper"}}, "attributes.title",
     "there is no codec 'uper'; did you mean upper?"),
    ("codec of another type", {"title": {"field": "number", "codec": "upper"}}, "attributes.title",
     "codec upper: writes text, the field holds int"),
    ("codec for booleans", {"title": {"field": "title", "codec": "flag"}}, "attributes.title",
     "codec flag: stands for true or false; the attribute is of type string"),
    ("codec order", {"title": {"field": "title", "codec": ["padded", {"number": 3}]}}, "attributes.title", "codec"),
    ("boolean spelling", {"active": {"field": "flag", "keep": "spelling"}}, "attributes.active", "keep: there is"),
    ("no parts", {"title": {"field": "title", "keep": "parts"}}, "attributes.title", "keep: parts are those"),
    ("several fields, no join", {"title": {"fields": ["title", "full"]}}, "attributes.title", "need the codec join"),
    ("reference and more", {MANAGER: {"field": "boss", "reference": "User"},
                            f"{ENTERPRISE}:manager.displayName": "full"},
     f"attributes.{ENTERPRISE}:manager.displayName", "is a reference; nothing else of it"),
    ("reference in another part", {f"{ENTERPRISE}:manager.displayName": {"field": "boss", "reference": "User"}},
     f"attributes.{ENTERPRISE}:manager.displayName", "a reference is mapped as"),
    ("reference with codec", {MANAGER: {"field": "boss", "reference": "User", "codec": "upper"}},
     f"attributes.{MANAGER}", "takes no codec"),
    ("reference of many in one", {MANAGER: {"field": "groups", "reference": "User"}}, f"attributes.{MANAGER}",
     "has one value, the field groups has several"),
    ("references of one in many", {"groups.value": {"field": "boss", "reference": "Group"}}, "attributes.groups.value",
     "groups has several values, the field boss has one"),
    ("containment in one value", {"active": {"field": "status", "codec": {"contains": "A"}}}, "attributes.active",
     "is for fields with several values"),
    ("containment of a value in rows", {"active": {"rows": "locks", "codec": {"lacks": "x"}}}, "attributes.active",
     "columns with their values must be said"),
    ("containment of unknown columns", {"active": {"rows": "locks", "codec": {"lacks": {"reson": "x"}}}},
     "attributes.active", "there is no column 'reson'; did you mean reason?"),
    ("many said of one", {"roles.value": {"field": "full", "many": True}}, "attributes.roles.value",
     "the field full has one value"),
]  # fmt: skip


@pytest.mark.parametrize(("attributes", "where", "reason"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_cannot_work_is_said_with_its_place(attributes: Mapping[str, Any], where: str, reason: str) -> None:
    """A mapping that cannot work is refused before anything starts, by the line it is in (DESIGN §6)."""
    found = problems(attributes)
    assert where in found
    assert reason in found[where]


CODECS: list[tuple[Any, str]] = [
    ({"fold": 1}, "it takes no arguments"),
    ({"padded": 0}, "width: must be a positive number"),
    ({"padded": {"width": 3, "fil": "0"}}, "there is no key 'fil'; it takes width, fill, side"),
    ({"padded": {"fill": "ab"}}, "fill: one character"),
    ({"prefix": ""}, "must not be empty"),
    ({"prefix": 3}, "text: must be text"),
    ("suffix", "text: is missing"),
    ({"template": "x"}, "must hold {} once"),
    ({"regex": {"read": "(", "write": "{}"}}, "read: is no pattern"),
    ({"regex": {"read": "x", "write": "{}"}}, "must have a group"),
    ({"regex": {"read": "(x)", "write": "x"}}, "must hold {} once"),
    ({"charset": "ebcdic-7"}, "there is no character set 'ebcdic-7'"),
    ({"length": {"max": "x"}}, "max: must be a positive number"),
    ("length", "max: is missing"),
    ({"length": {"max": 3, "unit": "stones"}}, "unit: must be one of characters, bytes, utf16"),
    ({"transliterate": {"ab": "c"}}, "one character stands on the left"),
    ("transliterate", "a table is expected"),
    ({"empty": 3}, "3 is not of the field's type str"),
    ("values", "a table is expected"),
    ({"values": {"A": True}}, "'A': True is no value of type string"),
    ({"number": 3}, "writes numbers, the field holds str"),
    ({"zeros": "x"}, "width: must be a positive number"),
    ({"date": "%d.%m"}, "does not say the whole date"),
    ({"date": "%Q"}, "cannot be read back"),
    ({"date": {"zone": "Mars/Olympus"}}, "zone: there is no time zone 'Mars/Olympus'"),
    ({"date": {"format": "%Y%m%d", "pivot": 1950}}, "pivot: is the first year of a pattern with %y"),
    ("timestamp", "is for dateTime; the attribute is of type string"),
    ({"split": {"separator": "", "into": ["a", "b"]}}, "separator: must not be empty"),
    ({"part": {"index": 3, "of": 2}}, "index: must not be greater than `of`"),
    ({"part": {"index": 1}}, "of: is missing"),
    ("present", "stands for true or false"),
    ({"hash": "md5"}, "scheme: must be one of"),
    ({"join": {"separator": ""}}, "separator: must not be empty"),
]


@pytest.mark.parametrize(("codec", "reason"), CODECS, ids=[str(row[0])[:40] for row in CODECS])
def test_a_codec_says_what_is_wrong_with_its_arguments(codec: Any, reason: str) -> None:
    """Arguments are checked when the configuration is read, not when a value comes (DESIGN §6)."""
    found = problems({"title": {"field": "title", "codec": codec}})
    assert reason in found["attributes.title"]


BOOLEANS: list[tuple[str, Any, str]] = [
    ("status", {"values": {"A": "yes"}}, "'A': 'yes' is no value of type boolean"),
    ("status", {"values": {"A": False}}, "nothing in the table means true"),
    ("number", {"values": {"A": True}}, "'A' is not of the field's type int"),
    ("status", {"flag": ["Y"]}, "two different values are expected"),
    ("status", {"flag": ["Y", "Y"]}, "two different values are expected"),
    ("ends", {"until": {"none": "never"}}, "none: must be days"),
    ("ends", {"until": {"last": "maybe"}}, "last: must be included or excluded"),
    ("ends", {"absent": "x"}, "write: 'x' is not of the field's type date"),
    ("ends", "present", "write: is missing"),
    ("status", {"absent": {"write": "X", "format": "%Y%m%d"}}, "format and zone are for `write: now`"),
    ("status", {"absent": {"write": "now", "format": "%Y"}}, "does not say the whole date"),
    ("status", {"absent": {"write": "now", "zone": "Atlantis"}}, "there is no time zone"),
    ("groups", {"contains": {}}, "a single value is expected"),
]


@pytest.mark.parametrize(("field", "codec", "reason"), BOOLEANS, ids=[str(row[1])[:40] for row in BOOLEANS])
def test_a_codec_of_active_says_what_is_wrong_with_it(field: str, codec: Any, reason: str) -> None:
    """Whether somebody is active is nothing to guess (R-L7)."""
    assert reason in problems({"active": {"field": field, "codec": codec}})["attributes.active"]


def test_all_problems_are_told_at_once() -> None:
    """One start tells everything that is wrong, not the first of many (DESIGN §6)."""
    found = problems({"usrName": "login", "title": "titel", "nickName": {"field": "full", "codec": "uper"}})
    assert list(found) == ["attributes.usrName", "attributes.title", "attributes.nickName"]
    with pytest.raises(MappingError) as caught:
        user({"title": "titel"})
    assert (caught.value.where, caught.value.reason) == caught.value.problems[0]
    assert str(caught.value).startswith("attributes.title: the entity has no field")


def test_active_is_never_left_to_chance() -> None:
    """`active` has a place, or `on_deactivate` says what becomes of a leaver; not both, not neither (DESIGN §6)."""
    assert "map it, or say on_deactivate" in problems({"active": None})["attributes"]
    assert "map it, or say on_deactivate" in problems({"active": None}, unmapped="keep")["attributes"]
    assert "here it has one" in problems(on_deactivate="refuse")["on_deactivate"]
    assert user({"active": None}, on_deactivate="refuse").mapping.on_deactivate == "refuse"
    with pytest.raises(MappingError, match="Group has no attribute active"):
        group(on_deactivate="delete")


def test_required_attributes_have_a_place() -> None:
    """A user without a userName cannot be (S14)."""
    assert problems({"userName": None})["attributes"] == "userName is required and has no place"
    assert "userName is required" in problems({"userName": None}, unmapped="keep")["attributes"]
    with pytest.raises(MappingError, match="displayName is required"):
        compile_mapping(standard.resource_type("Group"), spec_of({}), able(TEAM_FIELDS), TEAM_FIELDS)


def test_what_the_system_requires_is_filled() -> None:
    """A field a new record must have, and nobody gives, is found before the first create fails (R-L19)."""
    fields = {**FIELDS, "owner": Field(str, required=True)}
    found = problems(fields=fields)
    assert found["entity"] == "the entity requires the field owner, and no attribute fills it; give it a default"
    user({"nickName": "owner"}, fields=fields)
    user(fields=fields, capabilities=able(fields, writes=frozenset({"update"})))
    user(fields={**FIELDS, "owner": Field(str, required=True, write=Write.NEVER)})


MARKS: list[tuple[dict[str, Any], str, str]] = [
    ({"stat": "D"}, "on_delete.set.stat", "the entity has no field 'stat'; did you mean status?"),
    ({"status": "I"}, "on_delete.set.status", "is also what inactive accounts have"),
    ({"status": "L"}, "on_delete.set.status", "is also what inactive accounts have"),
    ({"status": "A"}, "on_delete.set.status", "means active"),
    ({"number": "x"}, "on_delete.set.number", "is not of the field's type int"),
    ({"roles": "x"}, "on_delete.set.roles", "must be a field with one value"),
    ({"teams": "x"}, "on_delete.set.teams", "must be a field with one value"),
]


@pytest.mark.parametrize(("mark", "where", "reason"), MARKS, ids=[str(row[0]) for row in MARKS])
def test_the_mark_of_the_dead_is_checked(mark: dict[str, Any], where: str, reason: str) -> None:
    """A mark that inactive people bear, or that no field can hold, is refused at start (R-L8, DESIGN §6)."""
    assert reason in problems(on_delete={"set": mark})[where]


def test_a_mark_that_cannot_be_searched_is_refused() -> None:
    """Where the backend cannot leave out the dead, they would be found (R-L8, DESIGN §6)."""
    found = problems(on_delete={"set": {"status": "D"}}, capabilities=Capabilities())
    assert "cannot leave out such records" in found["on_delete.set"]
    loose = able(FIELDS, filters={"status": {(Op.NE, False): Match.LOOSE, (Op.EQ, False): Match.LOOSE}})
    assert "on_delete.set" in problems(on_delete={"set": {"status": "D"}}, capabilities=loose)
    by_not = able(FIELDS, filters={"status": {(Op.EQ, False): Match.EXACT}})
    assert user(on_delete={"set": {"status": "D"}}, capabilities=by_not).mapping.on_delete == "mark"


def test_hidden_records_must_be_searchable() -> None:
    """A record that is no resource, and could not be left out of a search, is refused at start (DESIGN §6)."""
    found = problems(hidden=["t9"], capabilities=able(FIELDS, filters={}))
    assert "cannot leave out" in found["entity"]


def test_overrides_name_attributes_that_are_there() -> None:
    """An override of a misspelt attribute would be silently ignored (DESIGN §6)."""
    found = problems(overrides={"titel": {"required": True}})
    assert found["overrides.titel"] == "User has no attribute 'titel'; did you mean title?"


def test_a_codec_of_ones_own_cannot_replace_a_known_one() -> None:
    """What `upper` means is the same everywhere (DESIGN §6)."""

    def own(arguments: Any, site: Site) -> Codec:
        return Codec(lambda value: value, lambda native: native, takes=(str,), gives=(str,))

    assert "upper is built in" in problems(codecs={"upper": own})["attributes"]
    world = user({"title": {"field": "title", "codec": "rot"}}, codecs={"rot": own})
    assert world.through({"userName": "a", "title": "x"})["title"] == "x"


WHOLE = {"backend": "b", "entity": "e", "on_delete": "delete"}
SHAPES: list[tuple[dict[str, Any], str]] = [
    ({"entity": "e", "on_delete": "delete"}, "backend"),
    ({"backend": "b", "on_delete": "delete"}, "entity Field required"),
    ({"backend": "b", "entity": "e"}, "on_delete"),
    ({**WHOLE, "on_delete": "forget"}, "on_delete"),
    ({**WHOLE, "on_delete": {"set": {}}}, "name at least one field"),
    ({**WHOLE, "unmaped": "keep"}, "unmaped"),
    ({**WHOLE, "attributes": {"a": {"field": "x", "fields": ["y", "z"]}}},
     "not field and fields"),
    ({**WHOLE, "attributes": {"a": {"fields": ["y"]}}}, "at least two"),
    ({**WHOLE, "attributes": {"a": {"field": "x", "codec": {"a": 1, "b": 2}}}},
     "one name with its arguments"),
    ({**WHOLE, "attributes": {"a": {"field": "x", "each": {"b": "c"}}}},
     "there is no `rows` here"),
    ({**WHOLE, "attributes": {"a": {"field": "x", "by": "y"}}},
     "there is no `reference` here"),
    ({**WHOLE, "attributes": {"a": {"field": "x", "show": "y"}}},
     "there is no `reference` here"),
    ({**WHOLE, "attributes": {"a": {"constant": 1, "codec": "upper"}}},
     "means nothing beside `constant`"),
    ({**WHOLE, "attributes": {"a": {"field": "x", "keep": "all"}}}, "keep"),
    ({**WHOLE, "attributes": {"a": {"field": "x", "codek": "upper"}}},
     "codek"),
    ({**WHOLE, "attributes": {"a": 5}}, "attributes.a"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "reason"), SHAPES, ids=[row[1] for row in SHAPES])
def test_shapes_are_checked_before_anything_else(data: dict[str, Any], reason: str) -> None:
    """Unknown keys and impossible combinations are errors of the file, with their path (DESIGN §6)."""
    with pytest.raises(ValidationError) as caught:
        ResourceSpec.model_validate(data)
    (error,) = caught.value.errors()
    assert reason in f"{'.'.join(str(part) for part in error['loc'])} {error['msg']}"


def test_editors_know_the_short_forms() -> None:
    """The JSON schema allows a field's name, objects of sub-attributes and lists of sources (DESIGN §6)."""
    schema = ResourceSpec.model_json_schema()
    forms = schema["properties"]["attributes"]["additionalProperties"]["anyOf"]
    assert [form.get("type", "place") for form in forms] == ["string", "place", "object", "array"]
    assert set(BASE) <= {"userName", "active"}
