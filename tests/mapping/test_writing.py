"""Writing: what a resource comes to in native terms, and what is refused, kept or left alone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from backends.contract import Change, Field, Write
from gateway.mapping import UNCHANGED, Links, Wanted
from gateway.scim.errors import ScimError, ScimType
from tests.mapping.world import ENTERPRISE, FIELDS, NOW, group, linked, user

PEOPLE = {"u1": "11", "u2": "12"}
TEAMS = {"g1": "t1"}


def refused(call: Any, *arguments: Any) -> ScimError:
    with pytest.raises(ScimError) as caught:
        call(*arguments)
    assert caught.value.status == 400
    return caught.value


def test_a_create_names_only_what_has_a_value() -> None:
    """What the client does not send gets the system's own default: its field is not named (R-L19)."""
    world = user({"displayName": "full", "title": "title"})
    encoding = world.mapping.encode({"userName": "ada", "title": "Dr"}, Links())
    assert dict(encoding.fields) == {"login": "ada", "title": "Dr"}


def test_a_column_that_must_not_be_null_gets_an_empty_text() -> None:
    """NOT NULL without a value is written as the text agreed on, at create and at change (R-L19)."""
    title = {"field": "title", "codec": {"empty": "-"}}
    world = user({"name.familyName": {"field": "last", "codec": "empty"}, "title": title})
    encoding = world.mapping.encode({"userName": "ada"}, Links())
    assert dict(encoding.fields) == {"login": "ada", "last": "", "title": "-"}
    record = world.record({"login": "ada", "last": "Love", "title": "Dr"})
    before = world.read(record)
    delta = world.mapping.diff(before, {"userName": "ada", "active": False}, record, Links())
    assert dict(delta.change.set) == {"last": "", "title": "-"}
    assert "name" not in world.read(world.record({"login": "ada", "last": "", "title": "-"}))


def test_a_required_column_is_not_emptied() -> None:
    """Taking away what the system insists on is refused before it is asked (D10)."""
    fields = {**FIELDS, "title": Field(str, required=True)}
    world = user({"title": "title"}, fields=fields)
    record = world.record({"login": "ada", "title": "Dr"})
    before = world.read(record)
    error = refused(world.mapping.diff, before, {"userName": "ada", "active": False}, record, Links())
    assert error.detail == "title: a value is required by the system behind"


def test_a_text_longer_than_the_column_is_refused_and_not_cut() -> None:
    """The length of the column is the limit, and the detail names attribute and reason, not the value (R-L12, X13)."""
    world = user({"title": "title"})
    error = refused(world.mapping.encode, {"userName": "a", "title": "x" * 21}, Links())
    assert error.scim_type is ScimType.INVALID_VALUE
    assert error.detail == "title: is longer than 20 characters"


def test_length_in_bytes_of_the_legacy_charset() -> None:
    """A limit in bytes counts the bytes of the charset the system uses (R-L12)."""
    codec = {"length": {"max": 4, "charset": "shift_jis"}}
    world = user({"title": {"field": "title", "codec": codec}})
    world.mapping.encode({"userName": "a", "title": "日本"}, Links())
    error = refused(world.mapping.encode, {"userName": "a", "title": "日本x"}, Links())
    assert error.detail == "title: is longer than 4 bytes in shift_jis"
    error = refused(world.mapping.encode, {"userName": "a", "title": "🙂"}, Links())
    assert error.detail == "title: holds a character that shift_jis does not have"


def test_the_first_native_value_of_a_table_is_written() -> None:
    """Several codes mean inactive: the first one listed is written (R-L7)."""
    world = user()
    assert world.mapping.encode({"userName": "a", "active": False}, Links()).fields["status"] == "I"


def test_a_native_value_that_means_the_same_is_left_alone() -> None:
    """Somebody on leave who is deactivated stays on leave, and an unknown code stays what it is (R-L7, DESIGN §6)."""
    world = user()
    for code in ("L", "X", None):
        record = world.record({"login": "a", "status": code})
        before = world.read(record)
        assert before["active"] is False
        delta = world.mapping.diff({**before, "active": True}, before, record, Links())
        assert not delta.change
    record = world.record({"login": "a", "status": "L"})
    delta = world.mapping.diff(world.read(record), {"userName": "a", "active": True}, record, Links())
    assert dict(delta.change.set) == {"status": "A"}


def test_active_cannot_be_removed_where_it_always_has_a_value() -> None:
    """Nobody is left in a state the system cannot have: neither active nor not (promise 2)."""
    world = user()
    record = world.record({"login": "a", "status": "A"})
    before = world.read(record)
    error = refused(world.mapping.diff, before, {"userName": "a"}, record, Links())
    assert error.detail == "active: cannot be removed: the system behind always has a value for it"


def test_an_end_date_is_written_for_a_deactivation_and_taken_away_again() -> None:
    """Active is an end date that has not passed; 9999-12-31 is none (R-L7, R-L14)."""
    world = user({"active": {"field": "ends", "codec": {"until": {"none": "9999-12-31"}}}})
    record, _ = world.created({"userName": "a", "active": True})
    assert record.fields["ends"] == date(9999, 12, 31)
    record, kept, _ = world.changed(record, {}, {"userName": "a", "active": False})
    assert record.fields["ends"] == date(2026, 11, 1)
    assert world.read(record, kept)["active"] is False
    record, _, _ = world.changed(record, kept, {"userName": "a", "active": True})
    assert record.fields["ends"] == date(9999, 12, 31)
    leaving = world.record({"login": "a", "ends": NOW.date()})
    assert world.read(leaving)["active"] is True
    delta = world.mapping.diff({"userName": "a", "active": False}, {"userName": "a", "active": True}, leaving, Links())
    assert not delta.change


def test_a_lock_date_is_set_and_cleared() -> None:
    """Active is the absence of a lock date, which is the time of the deactivation (R-L7)."""
    world = user({"active": {"field": "locked", "codec": {"absent": "now"}}})
    record, _ = world.created({"userName": "a", "active": True})
    assert record.fields["locked"] is None
    record, _, _ = world.changed(record, {}, {"userName": "a", "active": False})
    assert record.fields["locked"] == NOW
    record, _, _ = world.changed(record, {}, {"userName": "a", "active": True})
    assert record.fields["locked"] is None


@pytest.mark.parametrize(
    ("codec", "written"),
    [
        (
            {"write": "now", "format": "%Y%m%d%H%M%S", "zone": "Europe/Oslo"},
            NOW.astimezone(ZoneInfo("Europe/Oslo")).strftime("%Y%m%d%H%M%S"),
        ),
        ({"write": "today", "format": "%d.%m.%Y"}, NOW.strftime("%d.%m.%Y")),
        ({"write": "now", "format": "epoch"}, str(int(NOW.timestamp()))),
    ],
)
def test_a_lock_date_is_written_as_the_application_writes_it(codec: dict[str, str], written: str) -> None:
    """What locks is written in the format of the column; whatever is there locks, readable or not (R-L7, R-L14)."""
    world = user({"active": {"field": "title", "codec": {"absent": codec}}})
    record, _ = world.created({"userName": "a", "active": True})
    assert record.fields["title"] is None
    record, _, _ = world.changed(record, {}, {"userName": "a", "active": False})
    assert record.fields["title"] == written
    assert world.read(world.record({"login": "a", "title": "sometime in May"}))["active"] is False


def test_a_lock_row_is_added_and_removed() -> None:
    """Active is the absence of a lock of ours; locks of others are not touched (R-L7)."""
    world = user({"active": {"rows": "locks", "codec": {"lacks": {"reason": "SCIM", "by": "scim"}}}})
    other = {"reason": "AUDIT", "by": "root"}
    record = world.record({"login": "a", "locks": (other,)})
    assert world.read(record)["active"] is True
    delta = world.mapping.diff(world.read(record), {"userName": "a", "active": False}, record, Links())
    assert delta.change == Change(add={"locks": ({"reason": "SCIM", "by": "scim"},)})
    record, _ = world.applied(record, {}, delta)
    assert world.read(record)["active"] is False
    delta = world.mapping.diff(world.read(record), {"userName": "a", "active": True}, record, Links())
    record, _ = world.applied(record, {}, delta)
    assert record.fields["locks"] == (other,)


def test_a_special_group_means_active_and_is_no_group() -> None:
    """Active is membership in a group a codec owns, which is not shown among the groups (DESIGN §6, R-L7)."""
    world = user(
        {
            "active": {"field": "groups", "codec": {"contains": "t9"}},
            "groups.value": {"field": "groups", "reference": "Group"},
        }
    )
    world.links = linked(PEOPLE, {"g1": "t1", "g9": "t9"})
    record = world.record({"login": "a", "groups": ("t1", "t9")})
    found = world.read(record)
    assert found["active"] is True
    assert [element["value"] for element in found["groups"]] == ["g1"]
    delta = world.mapping.diff(found, {**found, "active": False}, record, Links())
    assert delta.change == Change(remove={"groups": ("t9",)})
    assert world.mapping.owned == {"groups": {"t9"}}


def test_a_comma_list_keeps_its_order_and_what_nobody_can_read() -> None:
    """Values squeezed into one text are told apart, compared without order, and too many are refused (R-L17)."""
    world = user({"roles.value": {"field": "role_list", "codec": {"split": ","}}}, unmapped="drop")
    record = world.record({"login": "a", "role_list": "FIN, ADM"})
    before = world.read(record)
    assert before["roles"] == [{"value": "FIN"}, {"value": "ADM"}]
    same = {**before, "roles": [{"value": "ADM"}, {"value": "FIN"}]}
    assert not world.mapping.diff(before, same, record, Links()).change
    more = {**before, "roles": [{"value": "NEW"}, {"value": "ADM"}]}
    assert dict(world.mapping.diff(before, more, record, Links()).change.set) == {"role_list": "ADM,NEW"}
    error = refused(world.mapping.diff, before, {**before, "roles": [{"value": "A,B"}]}, record, Links())
    assert error.detail == "roles.value: must not hold the separator ','"
    long = [{"value": f"{n:09}"} for n in range(5)]
    error = refused(world.mapping.diff, before, {**before, "roles": long}, record, Links())
    assert error.detail == "roles.value: is longer than 40 characters"


def test_an_escaped_list_takes_the_separator_too() -> None:
    """With an escape character a value may hold the separator (R-L17)."""
    codec = {"split": {"separator": ",", "escape": "\\"}}
    world = user({"roles.value": {"field": "role_list", "codec": codec}}, unmapped="drop")
    roles = [{"value": "a,b"}, {"value": "c\\d"}, {"value": "e"}]
    record, _ = world.created({"userName": "a", "roles": roles})
    assert record.fields["role_list"] == "a\\,b,c\\\\d,e"
    assert world.read(record)["roles"] == roles


def test_a_name_in_one_field_keeps_its_parts() -> None:
    """A full name splits at the last blank; parts the field cannot tell apart are kept as long as it stays (R-L16)."""
    codec = {"split": {"separator": " ", "into": ["givenName", "familyName"], "rest": "first"}}
    world = user({"name": {"field": "full", "codec": codec, "keep": "parts"}})
    name = {"givenName": "Juan", "familyName": "de la Cruz", "honorificPrefix": "Sr."}
    record, kept = world.created({"userName": "j", "name": name})
    assert record.fields["full"] == "Juan de la Cruz"
    assert world.read(record, kept)["name"] == name
    changed = world.record({**record.fields, "full": "Juan Cruz"})
    assert world.read(changed, kept)["name"] == {"givenName": "Juan", "familyName": "Cruz"}
    lossy = user({"name": {"field": "full", "codec": codec}})
    error = refused(lossy.mapping.encode, {"userName": "j", "name": {"givenName": "A", "familyName": "B C"}}, Links())
    assert "as it was sent" in error.detail


def test_two_fields_are_one_attribute() -> None:
    """Several fields for one attribute: joined to read, split to write, never guessed at (R-L16)."""
    world = user({"displayName": {"fields": ["first", "last"], "codec": {"join": {"separator": " ", "rest": "first"}}}})
    record, _ = world.created({"userName": "a", "displayName": "Ada Maria Love"})
    assert (record.fields["first"], record.fields["last"]) == ("Ada Maria", "Love")
    assert world.read(record)["displayName"] == "Ada Maria Love"
    record, _, delta = world.changed(record, {}, {"userName": "a", "active": False, "displayName": "Ada Byron"})
    assert dict(delta.change.set) == {"first": "Ada", "last": "Byron"}
    assert world.read(record)["displayName"] == "Ada Byron"


def test_several_attributes_share_a_field_piece_by_piece() -> None:
    """Each writes its own piece and leaves the others as they are, at create and at change (R-L17)."""
    world = user(
        {
            "displayName": {"field": "full", "codec": {"part": {"index": 1, "of": 3}}},
            "title": {"field": "full", "codec": {"part": {"index": 3, "of": 3}}},
        }
    )
    record, _ = world.created({"userName": "a", "displayName": "Ada", "title": "Dr"})
    assert record.fields["full"] == "Ada,,Dr"
    record = world.record({**record.fields, "full": "Ada,room 7,Dr"})
    record, _, delta = world.changed(record, {}, {"userName": "a", "active": False, "displayName": "Ada"})
    assert dict(delta.change.set) == {"full": "Ada,room 7,"}
    assert "title" not in world.read(record)


def test_attributes_that_share_a_field_must_agree() -> None:
    """Two attributes in one field with different values are refused, not settled by chance (promise 1)."""
    world = user({"displayName": "full", "nickName": "full"})
    world.mapping.encode({"userName": "a", "displayName": "x", "nickName": "x"}, Links())
    error = refused(world.mapping.encode, {"userName": "a", "displayName": "x", "nickName": "y"}, Links())
    assert error.detail == "nickName: shares a field of the system behind with displayName, and they differ"


def test_a_dropped_attribute_is_told() -> None:
    """What the configuration drops is named, so that it can be counted; a password is never kept (X12)."""
    world = user(unmapped="drop")
    encoding = world.mapping.encode({"userName": "a", "nickName": "n", "password": "p"}, Links())
    assert encoding.dropped == ("nickName", "password")
    kept = user(unmapped="keep").mapping.encode({"userName": "a", "nickName": "n", "password": "p"}, Links())
    assert dict(kept.kept) == {"nickName": "n"}
    assert kept.dropped == ("password",)
    assert "'p'" not in repr(kept)


def test_what_has_no_place_is_refused_where_the_configuration_says_so() -> None:
    """`unmapped: refuse` answers 400 and names the attribute, sub-attributes and elements too (D10)."""
    world = user({'emails[type eq "work"].value': "mail", "name.givenName": "first"})
    cases: list[tuple[dict[str, Any], str]] = [
        ({"nickName": "n"}, "nickName"),
        ({"name": {"givenName": "g", "formatted": "f"}}, "name.formatted"),
        ({"emails": [{"type": "work", "value": "a", "display": "d"}]}, "emails.display"),
        ({"emails": [{"type": "home", "value": "a"}]}, "emails[type eq 'home']"),
        ({"emails": [{"type": "work", "value": "a"}, {"type": "work", "value": "b"}]}, "emails[type eq 'work']"),
    ]
    for resource, name in cases:
        error = refused(world.mapping.encode, {"userName": "a", **resource}, Links())
        assert error.detail.startswith(f"{name}: the system behind has no place for")


def test_elements_go_to_the_first_place_that_takes_them() -> None:
    """Columns by type first, then rows; what does not fit into the column goes on (R-L17)."""
    world = user(
        {
            'emails[type eq "work"].value': "mail",
            "emails": {"rows": "mails", "each": {"value": "address", "type": "kind"}},
        }
    )
    long = f"{'x' * 61}@x.com"
    emails = [{"type": "work", "value": long}, {"type": "work", "value": "a@x.com"}, {"value": "b@x.com"}]
    record, _ = world.created({"userName": "a", "emails": emails})
    assert record.fields["mail"] == "a@x.com"
    assert [row["address"] for row in record.fields["mails"]] == [long, "b@x.com"]  # type: ignore[union-attr, index]


def test_rows_change_by_their_key() -> None:
    """A row that stays is not written, one that goes is removed by its key, one that changes is merged (contract)."""
    world = user({"emails": {"rows": "mails", "each": {"value": "address", "type": "kind", "display": "note"}}})
    rows = (
        {"address": "a", "kind": "work", "note": None, "std": "Y"},
        {"address": "b", "kind": "home", "note": "n", "std": None},
        {"address": "c", "kind": None, "note": None, "std": None},
    )
    record = world.record({"login": "a", "mails": rows})
    before = world.read(record)
    after = {**before, "emails": [{"value": "a", "type": "work"}, {"value": "b", "type": "web"}, {"value": "d"}]}
    delta = world.mapping.diff(before, after, record, Links())
    assert delta.change == Change(
        add={"mails": ({"address": "b", "kind": "web", "note": None}, {"address": "d"})},
        remove={"mails": ({"address": "c"},)},
    )


def test_a_boolean_column_says_false_where_nothing_is_said() -> None:
    """A row that was the default and is no longer becomes N, not NULL: such columns seldom may be empty (R-L19)."""
    each = {"value": "address", "primary": {"field": "std", "codec": "flag"}}
    world = user({"emails": {"rows": "mails", "each": each}}, unmapped="keep")
    record, kept = world.created({"userName": "a", "emails": [{"value": "a", "primary": True}]})
    after = {"userName": "a", "active": False, "emails": [{"value": "a"}]}
    record, kept, delta = world.changed(record, kept, after)
    assert delta.change.add == {"mails": ({"address": "a", "std": "N"},)}
    assert world.read(record, kept)["emails"] == [{"value": "a"}]


def test_a_row_that_says_false_is_left_alone_where_nothing_is_said() -> None:
    """A column's own N is as good as no word about it: a change of another address does not empty it (R-L19)."""
    each = {"value": "address", "primary": {"field": "std", "codec": "flag"}}
    world = user({"emails": {"rows": "mails", "each": each}}, unmapped="keep")
    record, kept = world.created({"userName": "a", "emails": [{"value": "a"}, {"value": "b"}]})
    record = world.record({**record.fields, "mails": ({"address": "a", "std": "N"}, {"address": "b", "std": "N"})})
    record, kept, delta = world.changed(record, kept, {"userName": "a", "active": False, "emails": [{"value": "a"}]})
    assert (delta.change.add, delta.change.remove) == ({}, {"mails": ({"address": "b"},)})
    assert world.read(record, kept)["emails"] == [{"value": "a"}]


def test_an_element_without_what_tells_rows_apart_is_kept_or_refused() -> None:
    """An address that is only a display name, as ``emails[type eq "x"].display`` makes it, has no row of its own."""
    attributes = {"emails": {"rows": "mails", "each": {"value": "address", "type": "kind", "display": "note"}}}
    resource = {"userName": "a", "emails": [{"type": "home", "display": "d"}]}
    world = user(attributes, unmapped="keep")
    record, kept = world.created(resource)
    assert record.fields["mails"] in (None, ())
    assert world.read(record, kept)["emails"] == resource["emails"]
    with pytest.raises(ScimError, match=r"emails\.value: the system behind has no place"):
        user(attributes, unmapped="refuse").created(resource)


def test_references_are_written_by_key_and_unknown_ones_refused() -> None:
    """A manager is the key of their record; an id nobody has is 400 and names the attribute (DESIGN §6)."""
    world = user({f"{ENTERPRISE}:manager.value": {"field": "boss", "reference": "User"}})
    links = linked(PEOPLE)
    resource = {"userName": "a", ENTERPRISE: {"manager": {"value": "u1", "displayName": "x"}}}
    assert world.mapping.wanted(resource) == {Wanted("u1", None, ("User",))}
    assert world.mapping.encode(resource, links).fields["boss"] == "11"
    by_url = {"userName": "a", ENTERPRISE: {"manager": {"$ref": "https://x.example.com/Users/u2"}}}
    assert world.mapping.encode(by_url, links).fields["boss"] == "12"
    unknown = {"userName": "a", ENTERPRISE: {"manager": {"value": "nobody"}}}
    error = refused(world.mapping.encode, unknown, links)
    assert error.detail == f"{ENTERPRISE}:manager.value: there is no User with this id"


def test_members_go_by_type_into_their_own_fields() -> None:
    """Nested groups: people and teams are held in fields of their own (DESIGN §6)."""
    world = group()
    links = linked(PEOPLE, TEAMS)
    resource = {"displayName": "T", "members": [{"value": "u1"}, {"value": "g1", "type": "Group"}, {"value": "u2"}]}
    assert dict(world.mapping.encode(resource, links).fields) == {
        "title": "T",
        "members": ("11", "12"),
        "subteams": ("t1",),
    }
    error = refused(world.mapping.encode, {"displayName": "T", "members": [{"value": "x"}]}, links)
    assert error.detail == "members.value: there is no User or Group with this id"
    error = refused(world.mapping.encode, {"displayName": "T", "members": [{"display": "x"}]}, links)
    assert error.detail == "members.value: a value is required"


def test_replacing_members_leaves_alone_who_cannot_be_seen() -> None:
    """A replacement is a delta over what the client could see; hidden members stay (DESIGN §6, promise 4)."""
    world = group()
    world.links = linked(PEOPLE)
    record = world.record({"title": "T", "members": ("11", "99")})
    before = world.read(record)
    assert [element["value"] for element in before["members"]] == ["u1"]
    after = {**before, "members": [{"value": "u2"}]}
    assert {want.id for want in world.mapping.wanted(after, before)} == {"u1", "u2"}
    delta = world.mapping.diff(before, after, record, world.links)
    assert delta.change == Change(add={"members": ("12",)}, remove={"members": ("11",)})


def test_only_members_that_come_or_go_are_looked_up() -> None:
    """What stays needs no look-up, however many they are (promise 10)."""
    world = group()
    before = {"displayName": "T", "members": [{"value": f"u{n}"} for n in range(1000)]}
    after = {"displayName": "T", "members": [*before["members"][1:], {"value": "new"}]}
    assert {want.id for want in world.mapping.wanted(after, before)} == {"u0", "new"}
    assert world.mapping.wanted(before, before) == frozenset()


def test_external_ids_live_in_one_place() -> None:
    """An externalId is the store's, or the field's it is mapped to, never both (DESIGN §7)."""
    held = user().mapping
    assert held.encode({"userName": "a", "externalId": "e"}, Links()).external_id == "e"
    mapped = user({"externalId": "code"})
    encoding = mapped.mapping.encode({"userName": "a", "externalId": "e"}, Links())
    assert (encoding.external_id, encoding.fields["code"]) == (None, "e")
    record = mapped.record({"login": "a", "code": "e"})
    before = mapped.read(record)
    assert before["externalId"] == "e"
    delta = mapped.mapping.diff(before, {**before, "externalId": "f"}, record, Links())
    assert (delta.external_id, dict(delta.change.set)) == (UNCHANGED, {"code": "f"})
    record = user().record({"login": "a"})
    delta = held.diff({"userName": "a", "externalId": "e"}, {"userName": "a"}, record, Links())
    assert delta.external_id is None


def test_a_field_that_can_be_set_once_cannot_be_changed() -> None:
    """What the system takes at create only is 400 mutability afterwards (R-L2)."""
    fields = {**FIELDS, "title": Field(str, write=Write.CREATE), "full": Field(str, write=Write.NEVER)}
    world = user({"title": "title", "displayName": "full"}, fields=fields)
    encoding = world.mapping.encode({"userName": "a", "title": "Dr", "displayName": "x"}, Links())
    assert dict(encoding.fields) == {"login": "a", "title": "Dr"}
    record = world.record({"login": "a", "title": "Dr"})
    before = world.read(record)
    with pytest.raises(ScimError, match="title: cannot be changed") as caught:
        world.mapping.diff(before, {**before, "title": "x"}, record, Links())
    assert caught.value.scim_type is ScimType.MUTABILITY
    with pytest.raises(ScimError, match="displayName: is read-only"):
        world.mapping.diff(before, {**before, "displayName": "x"}, record, Links())


def test_spelling_is_remembered_as_long_as_the_login_means_the_same() -> None:
    """An upper-case login comes back as it was sent, until somebody renames it (R-L11)."""
    world = user({"userName": {"field": "login", "codec": "upper", "keep": "spelling"}})
    record, kept = world.created({"userName": "Ada@X.com"})
    assert record.fields["login"] == "ADA@X.COM"
    assert world.read(record, kept)["userName"] == "Ada@X.com"
    assert world.read(world.record({"login": "ADA2"}), kept)["userName"] == "ADA2"
    strict = user({"userName": {"field": "login", "codec": "upper"}})
    error = refused(strict.mapping.encode, {"userName": "Ada"}, Links())
    assert error.detail.startswith("userName: cannot be held by the system behind as it was sent")


def test_padding_is_neither_shown_nor_forgotten() -> None:
    """CHAR columns are filled up and read without blanks; nothing but blanks is empty (R-L10)."""
    world = user({"title": {"field": "code", "codec": "padded"}})
    record, _ = world.created({"userName": "a", "title": "HR"})
    assert record.fields["code"] == "HR    "
    assert world.read(record)["title"] == "HR"
    assert "title" not in world.read(world.record({"login": "a", "code": "      "}))
    error = refused(world.mapping.encode, {"userName": "a", "title": "HR "}, Links())
    assert "as it was sent" in error.detail


def test_leading_zeros_count() -> None:
    """A number with zeros before it is another one unless the configuration says how many there are (R-L18)."""
    plain = user({"nickName": {"field": "number", "codec": "number"}})
    error = refused(plain.mapping.encode, {"userName": "a", "nickName": "007"}, Links())
    assert error.detail == "nickName: must not begin with zeros"
    filled = user({"nickName": {"field": "number", "codec": {"number": 3}}})
    record, _ = filled.created({"userName": "a", "nickName": "007"})
    assert record.fields["number"] == 7
    assert filled.read(record)["nickName"] == "007"


def test_times_are_told_in_utc_and_local_ones_are_never_guessed() -> None:
    """A local time that comes twice or never is refused; magic dates are no dates (R-L14)."""
    fields = {**FIELDS, "title": Field(str), "changed": Field(str)}
    stamp = {"timestamp": {"format": "%Y%m%d%H%M%S", "zone": "Europe/Berlin", "none": "00000000000000"}}
    world = user({"meta.created": {"field": "changed", "codec": stamp}}, fields=fields)
    summer = world.record({"login": "a", "changed": "20260701120000"})
    assert world.read(summer)["meta"] == {"created": "2026-07-01T10:00:00Z"}
    assert "meta" not in world.read(world.record({"login": "a", "changed": "00000000000000"}))
    assert "meta" not in world.read(world.record({"login": "a", "changed": "junk"}))


def test_passwords_are_hashed_one_way_and_never_read() -> None:
    """A password is written as a salted hash, is in no plan, and is not asked for again (X12)."""
    world = user({"password": {"field": "full", "codec": {"hash": {"scheme": "pbkdf2-sha256", "rounds": 10}}}})
    first = world.mapping.encode({"userName": "a", "password": "pencil"}, Links()).fields["full"]
    second = world.mapping.encode({"userName": "a", "password": "pencil"}, Links()).fields["full"]
    assert str(first).startswith("$pbkdf2-sha256$i=10$")
    assert first != second
    assert "pencil" not in str(first)
    assert world.mapping.slow == {"password"}
    record = world.record({"login": "a", "full": first})
    assert "password" not in world.read(record)
    delta = world.mapping.diff({"userName": "a"}, {"userName": "a", "password": "new"}, record, Links())
    assert set(delta.change.set) == {"full"}


def test_slow_codecs_are_known_wherever_they_stand() -> None:
    """An attribute is slow if any codec in it is: its own, a sub-attribute's, a column's; so is what writes it."""
    hashing = {"hash": {"rounds": 10}}
    world = user(
        {
            "name.familyName": {"field": "last", "codec": hashing},
            "emails": {"rows": "mails", "each": {"value": {"field": "address", "codec": hashing}, "type": "kind"}},
        }
    )
    mapping = world.mapping
    assert mapping.slow == {"name", "emails"}
    plain = {"userName": "a", "displayName": "A"}
    assert not mapping.is_slow(plain)
    assert not mapping.is_slow({**plain, "name": {"familyName": "B"}}, {"name": {"familyName": "B"}})
    assert mapping.is_slow({**plain, "name": {"familyName": "B"}})
    assert mapping.is_slow({**plain, "emails": [{"value": "a@example.com"}]}, plain)
    assert not user({}).mapping.slow


def test_transliteration_is_explicit_and_remembers_what_was_sent() -> None:
    """Letters a charset lacks are written as the table says, and the name comes back as it was sent (R-L12)."""
    codec = [{"transliterate": {"ü": "ue", "ß": "ss"}}, {"charset": "ascii"}]
    world = user({"name.familyName": {"field": "last", "codec": codec, "keep": "spelling"}})
    record, kept = world.created({"userName": "a", "name": {"familyName": "Üßmüller"}})
    assert record.fields["last"] == "Uessmueller"
    assert world.read(record, kept)["name"] == {"familyName": "Üßmüller"}
    error = refused(world.mapping.encode, {"userName": "a", "name": {"familyName": "Ångström"}}, Links())
    assert error.detail == "name.familyName: holds a character that ascii does not have"


def test_a_value_the_table_does_not_know_is_refused_or_kept() -> None:
    """An unknown department is 400 naming the attribute; with `keep: unknown` the column stays empty (R-L15)."""
    codec = [{"values": {"HR": "Human Resources"}}, "padded"]
    strict = user({f"{ENTERPRISE}:department": {"field": "code", "codec": codec}})
    resource = {"userName": "a", ENTERPRISE: {"department": "Sales"}}
    error = refused(strict.mapping.encode, resource, Links())
    assert error.detail == f"{ENTERPRISE}:department: is none of the values the system behind knows"
    lax = user({f"{ENTERPRISE}:department": {"field": "code", "codec": codec, "keep": "unknown"}})
    record, kept = lax.created(resource)
    assert record.fields["code"] is None
    assert lax.read(record, kept)[ENTERPRISE] == {"department": "Sales"}
    changed = lax.record({**record.fields, "code": "HR    "})
    assert lax.read(changed, kept)[ENTERPRISE] == {"department": "Human Resources"}


def test_a_system_without_inactive_accounts_has_active_ones_only() -> None:
    """Where `on_deactivate` says what becomes of a leaver, everybody who is there is active (DESIGN §6)."""
    world = user({"active": None}, on_deactivate="delete")
    record = world.record({"login": "a"})
    assert world.read(record)["active"] is True
    assert dict(world.mapping.encode({"userName": "a", "active": True}, Links()).fields) == {"login": "a"}
    error = refused(world.mapping.encode, {"userName": "a", "active": False}, Links())
    assert error.detail.startswith("active: always has the same value")


def test_nothing_secret_is_in_a_repr() -> None:
    """Values are in no repr that could reach a log (promise 8)."""
    world = user({"displayName": "full"}, unmapped="keep")
    encoding = world.mapping.encode(
        {"userName": "topsecret", "nickName": "topsecret", "externalId": "topsecret"}, Links()
    )
    record = world.record(encoding.fields)
    delta = world.mapping.diff(world.read(record), {"userName": "topsecret2", "active": False}, record, Links())
    quick = linked({"u1": "topsecret"})
    texts = [repr(encoding), repr(delta), repr(record), *map(repr, quick.incoming), *map(repr, quick.outgoing.values())]
    assert not any("topsecret" in text for text in texts)


def test_a_time_zone_is_said_once() -> None:
    """Dates of a zone are midnights there (R-L14)."""
    world = user({"meta.created": {"field": "ends", "codec": {"date": {"zone": "Europe/Berlin"}}}})
    record = world.record({"login": "a", "ends": date(2026, 7, 1)})
    assert world.read(record)["meta"] == {"created": "2026-06-30T22:00:00Z"}
    stamp = user({"meta.created": "changed"})
    record = stamp.record({"login": "a", "changed": datetime(2026, 7, 1, 1, 2, 3, 4000, tzinfo=UTC)})
    assert stamp.read(record)["meta"] == {"created": "2026-07-01T01:02:03.004Z"}
