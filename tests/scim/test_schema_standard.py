"""The standard schemas and those of one's own."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import scim2_models

from gateway.scim import standard
from gateway.scim.schema import ENTERPRISE_URN, GROUP_URN, USER_URN, Attribute, Schema, Type, Uniqueness

DIFFERENCES = {
    # What scim2-models says otherwise, and why this does not follow it: {path: (characteristic, theirs, ours)}.
    "User:name": ("uniqueness", "none", None),
    "User:emails": ("uniqueness", "none", None),
    "User:phoneNumbers": ("uniqueness", "none", None),
    "User:ims": ("uniqueness", "none", None),
    "User:photos": ("uniqueness", "none", None),
    "User:addresses": ("uniqueness", "none", None),
    "User:groups": ("uniqueness", "none", None),
    "User:entitlements": ("uniqueness", "none", None),
    "User:roles": ("uniqueness", "none", None),
    "User:x509Certificates": ("uniqueness", "none", None),
    "Group:members": ("uniqueness", "none", None),
    "EnterpriseUser:manager": ("uniqueness", "none", None),  # all of these: erratum 6004
    "EnterpriseUser:manager.value": ("required", True, False),  # RFC 7643 §8.7.1: recommended only
    "EnterpriseUser:manager.$ref": ("required", True, False),  # likewise; Okta and Entra leave it out
    "Group:members.display": ("mutability", "readWrite", "immutable"),  # S15: members are never altered
}


def flat(attributes: list[dict[str, Any]], prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for attribute in attributes:
        yield f"{prefix}{attribute['name']}", attribute
        yield from flat(attribute.get("subAttributes") or [], f"{prefix}{attribute['name']}.")


@pytest.mark.parametrize("model", [scim2_models.User, scim2_models.Group, scim2_models.EnterpriseUser])
def test_the_schemas_agree_with_scim2_models_but_for_listed_differences(model: Any) -> None:
    """Every characteristic of every attribute is held against an independent source; differences are named (S1, S9)."""
    theirs = model.to_schema().model_dump()
    ours = standard.schema_to_dict(standard.schemas()[theirs["id"]])
    left = dict(flat(theirs["attributes"], f"{ours['name']}:"))
    right = dict(flat(ours["attributes"], f"{ours['name']}:"))
    assert left.keys() == right.keys()
    found = {}
    for path, mine in right.items():
        for key in ("type", "multiValued", "required", "mutability", "returned", "uniqueness", "caseExact"):
            their_value = left[path].get(key)
            if key == "caseExact" and mine["type"] not in ("string", "reference", "binary"):
                continue  # meaningless for the other types, and not published
            if their_value != mine.get(key):
                found[path] = (key, their_value, mine.get(key))
        for key in ("canonicalValues", "referenceTypes"):
            assert (left[path].get(key) or []) == mine.get(key, []), (path, key)
    expected = {path: value for path, value in DIFFERENCES.items() if path.startswith(f"{ours['name']}:")}
    assert found == expected


def test_the_discovery_schemas_have_the_attributes_of_scim2_models() -> None:
    """ServiceProviderConfig (with pagination), ResourceType and Schema are described too (C1, N7)."""
    for model in (scim2_models.ServiceProviderConfig, scim2_models.ResourceType, scim2_models.Schema):
        theirs = model.to_schema().model_dump()
        ours = standard.schema_to_dict(standard.schemas()[theirs["id"]])
        left = {path for path, _ in flat(theirs["attributes"], "")}
        right = {path for path, _ in flat(ours["attributes"], "")}
        assert right - left == ({"interopProfileConformant"} if "Provider" in theirs["id"] else set())
        assert left - right == ({"id"} if "Provider" in theirs["id"] else set())


def test_the_errata_are_applied() -> None:
    """Errata 5368, 8472, 8471, 5606/8435, 6004, 8415, 5607 and 7522 one by one (S9)."""
    known = standard.schemas()
    user, group, enterprise = known[USER_URN], known[GROUP_URN], known[ENTERPRISE_URN]
    assert group.attribute("displayName").required
    assert enterprise.attribute("manager").sub("value").case_exact
    assert user.attribute("groups").sub("$ref").reference_types == ("Group",)
    assert user.attribute("x509Certificates").sub("value").type is Type.BINARY
    for schema in known.values():
        for attribute in schema.attributes:
            if attribute.is_complex:
                assert attribute.uniqueness is Uniqueness.NONE
                assert "uniqueness" not in standard.attribute_to_dict(attribute)
            if schema.id != standard.SCHEMA_URN:
                assert not any(sub.is_complex for sub in attribute.sub_attributes)
    described = known[standard.SCHEMA_URN].attribute("attributes")
    assert "complex" in described.sub("type").canonical_values
    nested = {sub.name: sub for sub in standard_subs(described)}
    assert "complex" not in nested["type"].canonical_values
    assert nested["canonicalValues"].multi_valued
    assert "binary" in nested["type"].canonical_values
    assert known[standard.RESOURCE_TYPE_URN].attribute("schemaExtensions").multi_valued


def standard_subs(attribute: Attribute) -> tuple[Attribute, ...]:
    nested = attribute.sub("subAttributes")
    assert nested is not None
    return nested.sub_attributes


def test_members_are_added_and_removed_but_not_altered() -> None:
    """Every sub-attribute of members is immutable, and User.groups is readOnly (S15)."""
    members = standard.schemas()[GROUP_URN].attribute("members")
    assert {sub.name: sub.mutability.value for sub in members.sub_attributes} == dict.fromkeys(
        ("value", "$ref", "display", "type"), "immutable"
    )
    assert standard.schemas()[USER_URN].attribute("groups").mutability.value == "readOnly"


def test_common_attributes_have_their_characteristics(user_type: Any) -> None:
    """id and externalId are caseExact, id and meta readOnly, id and schemas always returned (S5, S6, S7)."""
    assert user_type.attribute("ID").case_exact
    assert user_type.attribute("id").mutability.value == "readOnly"
    assert user_type.attribute("id").returned.value == "always"
    assert user_type.attribute("EXTERNALID").case_exact
    assert user_type.attribute("externalId").uniqueness is Uniqueness.NONE
    assert {sub.mutability.value for sub in user_type.attribute("meta").sub_attributes} == {"readOnly"}


def test_defaults_of_an_attribute_that_says_nothing() -> None:
    """An attribute with a name only has the defaults of the RFC (S1)."""
    (attribute,) = standard.parse_schema({"id": "urn:example:x", "attributes": [{"name": "a"}]}).attributes
    assert standard.attribute_to_dict(attribute) == {
        "name": "a",
        "type": "string",
        "multiValued": False,
        "description": "",
        "required": False,
        "caseExact": False,
        "mutability": "readWrite",
        "returned": "default",
        "uniqueness": "none",
    }


@pytest.mark.parametrize("urn", list(standard.schemas()))
def test_a_written_schema_reads_back_as_itself(urn: str) -> None:
    """schema_to_dict and parse_schema are each other's inverse, but for the form of a country (S9)."""
    schema = standard.schemas()[urn]
    written = json.loads(json.dumps(standard.schema_to_dict(schema)))
    again = standard.parse_schema(written)
    assert standard.schema_to_dict(again) == written
    assert "null" not in json.dumps(written)


def test_the_standard_schemas_are_read_once() -> None:
    """The same objects every time, so that what is compiled of them is compiled once."""
    assert standard.resource_type("User") is standard.resource_type("User")
    assert standard.schemas() is standard.schemas()
    with pytest.raises(ValueError, match="User and Group"):
        standard.resource_type("Users")


def broken(**change: Any) -> dict[str, Any]:
    return {"id": "urn:example:x", "attributes": [{"name": "size", **change}]}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (broken(type="text"), "urn:example:x:size: type 'text' is none of string"),
        (broken(typ="string"), "there is no key 'typ'; did you mean type?"),
        (broken(mutability="readonly"), "urn:example:x:size: mutability"),
        (broken(multiValued="true"), "urn:example:x:size: multiValued must be true or false"),
        (broken(type="complex"), "urn:example:x:size: a list of attributes is missing"),
        (broken(subAttributes=[{"name": "a"}]), "only a complex attribute"),
        (
            broken(type="complex", subAttributes=[{"name": "a", "type": "complex", "subAttributes": [{"name": "b"}]}]),
            "urn:example:x:size.a: a sub-attribute cannot be complex",
        ),
        (broken(type="complex", uniqueness="server", subAttributes=[{"name": "a"}]), "no uniqueness"),
        (broken(name="__class__"), "is no attribute name"),
        (broken(name="a.b"), "is no attribute name"),
        (broken(name=7), "is no attribute name"),
        (broken(canonicalValues="red"), "canonicalValues must be a list"),
        (broken(restricted=True), "restricted needs"),
        (broken(format="country", type="integer"), "format 'country' does not exist for type integer"),
        (broken(description=None), "description must be text"),
        ({"id": "urn:example:x", "attributes": [{"name": "a"}, {"name": "A"}]}, "urn:example:x:A: is declared twice"),
        ({"id": "urn:example:x", "attributes": []}, "a list of attributes is missing"),
        ({"id": "urn:example:x", "attributes": ["a"]}, "is no attribute name"),
        ({"id": "example", "attributes": [{"name": "a"}]}, "must be a URN"),
        ({"attributes": [{"name": "a"}]}, "must be a URN"),
        (["a"], "an object is expected"),
    ],
)
def test_a_wrong_schema_is_refused_by_name(data: Any, words: str) -> None:
    """A mistake in a schema names the attribute and the reason (S9, S12)."""
    with pytest.raises(ValueError) as caught:
        standard.parse_schema(data)
    assert words in str(caught.value)


def custom() -> tuple[dict[str, Any], dict[str, Schema]]:
    schema = standard.parse_schema({"id": "urn:example:Door", "attributes": [{"name": "colour"}]})
    extension = standard.parse_schema({"id": "urn:example:ext:Lock", "attributes": [{"name": "maker"}]})
    data = {
        "name": "Door",
        "endpoint": "/Doors",
        "schema": "URN:example:Door",
        "schemaExtensions": [{"schema": "urn:example:ext:Lock", "required": True}],
    }
    return data, {schema.id: schema, extension.id: extension}


def test_a_resource_type_comes_from_configuration() -> None:
    """User and Group are data among others: a type of one's own has endpoint, schema and extensions (C4)."""
    data, known = custom()
    door = standard.parse_resource_type(data, known)
    assert (door.name, door.endpoint, door.schema.id) == ("Door", "/Doors", "urn:example:Door")
    assert door.required == {"urn:example:ext:Lock"}
    assert door.attribute("COLOUR").name == "colour"
    assert door.extension("URN:EXAMPLE:ext:lock").attribute("maker").name == "maker"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": None}, "is no name"),
        ({"endpoint": "Doors"}, "Door: endpoint"),
        ({"endpoint": "/a/b"}, "Door: endpoint"),
        ({"schema": "urn:example:Dor"}, "did you mean urn:example:Door"),
        ({"schema": None}, "there is no schema None"),
        ({"schemaExtensions": "x"}, "must be a list"),
        ({"schemaExtensions": ["x"]}, "needs the keys"),
        ({"schemaExtensions": [{"schema": "urn:example:ext:Lock", "required": 1}]}, "required must be true or false"),
        ({"schemaExtensions": [{"schema": "urn:example:ext:Lock"}] * 2}, "named twice"),
        ({"schemaExtensions": [{"schema": "urn:example:Door"}]}, "named twice"),
        ({"id": "Other"}, "id must be the same"),
        ({"extensions": []}, "there is no key 'extensions'"),
    ],
)
def test_a_wrong_resource_type_is_refused_by_name(change: dict[str, Any], words: str) -> None:
    """A mistake in a resource type names the type and the reason (C4)."""
    data, known = custom()
    with pytest.raises(ValueError) as caught:
        standard.parse_resource_type({**data, **change}, known)
    assert words in str(caught.value)


def test_a_schema_cannot_take_the_names_of_common_attributes() -> None:
    """id, externalId, meta and schemas belong to every resource already (S5, S6, S7)."""
    data, known = custom()
    known = copy.copy(known)
    known["urn:example:Door"] = standard.parse_schema({"id": "urn:example:Door", "attributes": [{"name": "ID"}]})
    with pytest.raises(ValueError, match="ID is a common attribute"):
        standard.parse_resource_type(data, known)
