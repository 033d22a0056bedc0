"""Paths: names in any case and form, PATCH targets, and the refusals of both."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.scim import names, paths, standard
from gateway.scim.errors import ScimError
from gateway.scim.filters import And, Comparison, FilterOptions, Op
from gateway.scim.paths import AttributePath, TargetPath
from gateway.scim.schema import ENTERPRISE_URN, GROUP_URN, USER_URN, ResourceType


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("userName", "userName"),
        ("USERNAME", "userName"),
        ("name.givenname", "name.givenName"),
        ("emails.$REF", None),
        ("members.$ref", None),
        (f"{USER_URN}:userName", "userName"),
        (f"{USER_URN.upper()}:NAME.FAMILYNAME", "name.familyName"),
        (f"{USER_URN}:meta.lastModified", "meta.lastModified"),
        (ENTERPRISE_URN, ENTERPRISE_URN),
        (f"{ENTERPRISE_URN}:manager", f"{ENTERPRISE_URN}:manager"),
        (f"{ENTERPRISE_URN.upper()}:Manager.VALUE", f"{ENTERPRISE_URN}:manager.value"),
        ("manager", None),
        (USER_URN, None),
        (f"{USER_URN}:", None),
        (f"{ENTERPRISE_URN}:", None),
        (f"{ENTERPRISE_URN}:manager.value.x", None),
        (f"{ENTERPRISE_URN}.manager", None),
        (f"{GROUP_URN}:displayName", None),
        ("", None),
        (" userName", None),
        ("userName.", None),
        (".userName", None),
        ("name.givenName.x", None),
        ("displayName.value", None),
        ("\u212aind", None),
        ("__class__", None),
    ],
)
def test_a_name_is_resolved_or_refused(user_type: ResourceType, refused: Any, text: str, canonical: str | None) -> None:
    """Names and URNs ignore case; a URN is taken whole in spite of its dots and colons (S2, F10, P7)."""
    if canonical is None:
        with refused("invalidPath"):
            paths.resolve(user_type, text)
    else:
        path = paths.resolve(user_type, text)
        assert path.text == canonical
        assert path is paths.resolve(user_type, path.text)


def test_the_longest_urn_wins() -> None:
    """Where one extension's URN begins with another's, each name goes to the right one (F10)."""
    short, long = "urn:example:2.0:Ext", "urn:example:2.0:Ext:more"

    def schema(urn: str, *attributes: str) -> dict[str, Any]:
        return {"id": urn, "attributes": [{"name": name} for name in attributes]}

    raw = (schema(short, "more", "same"), schema(long, "same"), schema("urn:example:Base", "title"))
    known = {read.id: read for read in map(standard.parse_schema, raw)}
    extensions = [{"schema": urn, "required": False} for urn in (long, short)]
    data = {"name": "Thing", "endpoint": "/Things", "schema": "urn:example:Base", "schemaExtensions": extensions}
    thing = standard.parse_resource_type(data, known)

    assert paths.resolve(thing, f"{short}:same").extension == short
    assert paths.resolve(thing, f"{long}:same").extension == long
    whole = paths.resolve(thing, f"{short}:more")
    assert (whole.extension, whole.attribute) == (long, None)
    assert names.find(names.short_names(thing), "more") == AttributePath(known[short].attribute("more"), None, short)
    assert names.find(names.short_names(thing), "same") is None, "two extensions have it: it is nobody's short name"


def test_a_short_name_never_hides_a_core_attribute() -> None:
    """An extension's `title.note` is not taken for a part of the core attribute `title` (F10)."""
    note = {"name": "title", "type": "complex", "subAttributes": [{"name": "note"}]}
    raw = (
        {"id": "urn:example:Ext", "attributes": [note]},
        {"id": "urn:example:Base", "attributes": [{"name": "title"}]},
    )
    known = {read.id: read for read in map(standard.parse_schema, raw)}
    extension = {"schema": "urn:example:Ext", "required": False}
    data = {"name": "Thing", "endpoint": "/Things", "schema": "urn:example:Base", "schemaExtensions": [extension]}
    thing = standard.parse_resource_type(data, known)

    assert paths.parse(thing, "title").path.extension is None
    assert names.find(names.short_names(thing), "title.note") is None


def test_equal_paths_hash_alike(user_type: ResourceType) -> None:
    """A path made by hand equals the one looked up and finds it in a set, and its parts are what they say."""
    emails = user_type.attribute("emails")
    assert emails is not None
    made = AttributePath(emails, emails.sub("value"))
    found = paths.resolve(user_type, "emails.value")
    assert made == found
    assert {made: 1}[found] == 1
    assert (found.leaf.name, found.top.text, found.is_many, found.is_complex) == ("value", "emails", True, False)
    assert found.top.is_complex
    with pytest.raises(LookupError, match="whole extension"):
        _ = paths.resolve(user_type, ENTERPRISE_URN).leaf


@pytest.mark.parametrize(
    ("text", "path", "selected"),
    [
        ("active", "active", "active"),
        ("Name.GivenName", "name.givenName", "name.givenName"),
        ("emails.value", "emails.value", "emails.value"),
        (ENTERPRISE_URN, ENTERPRISE_URN, ENTERPRISE_URN),
        ("manager", f"{ENTERPRISE_URN}:manager", f"{ENTERPRISE_URN}:manager"),
        ("manager.value", f"{ENTERPRISE_URN}:manager.value", f"{ENTERPRISE_URN}:manager.value"),
        ("id", "id", "id"),
        ("password", "password", "password"),
    ],
)
def test_a_target_without_brackets(user_type: ResourceType, text: str, path: str, selected: str) -> None:
    """`attrPath`: one attribute or sub-attribute, Entra's `manager` without its URN included (P1, E6, D2)."""
    target = paths.parse(user_type, text)
    assert (target.path.text, target.where, target.sub, target.selected.text) == (path, None, None, selected)


@pytest.mark.parametrize("text", ['emails[type eq "work"].value', 'EMAILS[ TYPE Eq "work" ].Value'])
def test_a_target_with_brackets(user_type: ResourceType, text: str) -> None:
    """`valuePath[subAttr]`: the filter is over one element, and the sub-attribute stands apart (P1, D5)."""
    target = paths.parse(user_type, text)
    kind = paths.resolve(user_type, "emails.type")
    emails = paths.resolve(user_type, "emails")
    assert target == TargetPath(emails, Comparison(kind, Op.EQ, "work"), target.sub)
    assert target.sub is not None
    assert target.sub.name == "value"
    assert target.selected.text == "emails.value"


def test_a_target_with_brackets_keeps_the_terms_apart(user_type: ResourceType) -> None:
    """The `eq` terms of a pure conjunction can be read off the tree, which is what an `add` seeds from (D5)."""
    target = paths.parse(user_type, 'emails[type eq "work" and (primary eq true and value eq "a@example.com")]')
    assert isinstance(target.where, And)
    terms = [(term.path.leaf.name, term.op, term.value) for term in target.where.terms if isinstance(term, Comparison)]
    assert terms == [("type", Op.EQ, "work"), ("primary", Op.EQ, True), ("value", Op.EQ, "a@example.com")]


def test_a_bracket_in_a_string_is_no_bracket(user_type: ResourceType) -> None:
    """Strings may hold every bracket and quote there is (P1, F4)."""
    target = paths.parse(user_type, r'emails[value eq "a]b[\"c].d"].type')
    assert isinstance(target.where, Comparison)
    assert target.where.value == 'a]b["c].d'
    assert target.sub is not None
    assert target.sub.name == "type"


def test_elements_without_parts_are_called_value(badge_type: ResourceType) -> None:
    """The elements of a multi-valued simple attribute are chosen by `value` (P1)."""
    target = paths.parse(badge_type, 'tags[value eq "x"]')
    assert target.where == Comparison(paths.resolve(badge_type, "tags"), Op.EQ, "x")
    assert target.sub is None


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "emails ", " emails", "emails.", ".value", "emails..value", "a.b.c", "emails.value.x", "/emails"),
        *("emails[0]", "emails[0].value", "emails[ 7 ]", "emails[]", "emails[ ]", "emails.0", "emails[", "emails]"),
        *('emails[type eq "work"', 'emails[type eq "work"]value', 'emails[type eq "work"].'),
        *('emails[type eq "work"].nope', 'emails[type eq "work"].value.x', 'emails[type eq "work"]..value'),
        *(
            'emails [type eq "work"]',
            'emails.value[type eq "work"]',
            'name[givenName eq "x"]',
            'userName[value eq "x"]',
        ),
        *('[type eq "work"]', 'nope[type eq "work"]', "shoeSize", "members", "userName eq", 'emails[type eq "x"] '),
        *(f'{ENTERPRISE_URN}[value eq "x"]', f'{ENTERPRISE_URN}:manager[value eq "x"]', "emails(value)", "ｅmails"),
        *("__class__", "constructor", "__proto__", "emails.__class__", 'emails[type eq "work"].\u212a', "x" * 5000),
    ],
)
def test_a_malformed_path_is_refused(user_type: ResourceType, refused: Any, text: str) -> None:
    """One dot at most, no indexes, known names, brackets only after what is multi-valued (P1, P7)."""
    with refused("invalidPath"):
        paths.parse(user_type, text)


@pytest.mark.parametrize(
    "inside",
    ["nope eq 1", "type eq", 'type is "x"', 'emails.type eq "x"', "primary gt true", "type eq 7", "(type pr",
     "type pr)", 'type eq "work"][value pr', "not type pr", "pr", '"', 'type eq "work', "\x00", 'type eq "\\ud800"'],
)  # fmt: skip
def test_a_bad_filter_between_brackets_is_refused(user_type: ResourceType, refused: Any, inside: str) -> None:
    """What is wrong between the brackets is an invalidFilter, not an invalidPath (P1, F12)."""
    with refused("invalidFilter"):
        paths.parse(user_type, f"emails[{inside}].value")


def test_the_options_hold_between_brackets(user_type: ResourceType, refused: Any) -> None:
    """Entra's `roles[primary eq "True"].value` is read where the dialect allows it, and counted (D3, E15)."""
    text = 'roles[primary eq "True"].value'
    with refused("invalidFilter", "roles.primary"):
        paths.parse(user_type, text)
    seen: list[str] = []
    target = paths.parse(user_type, text, FilterOptions(string_booleans=True, on_rewrite=seen.append))
    assert isinstance(target.where, Comparison)
    assert target.where.value is True
    assert seen == ["string_booleans"]


def test_a_refusal_tells_no_value(user_type: ResourceType) -> None:
    """What stands between brackets may be personal: the error names the attribute and the reason alone (X13)."""
    with pytest.raises(ScimError) as caught:
        paths.parse(user_type, 'emails[value eq "someone@example.com"].nope')
    assert "someone" not in caught.value.detail
    assert caught.value.detail.startswith("emails[…]: ")
    with pytest.raises(ScimError) as caught:
        paths.parse(user_type, "x\n" * 500)
    assert len(caught.value.detail) < 400
    assert caught.value.detail.isprintable()
