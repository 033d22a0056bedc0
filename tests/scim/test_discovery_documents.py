"""Discovery documents."""

from __future__ import annotations

import json
from typing import Any

import pytest
import scim2_models

from gateway.scim import discovery, standard, validate
from gateway.scim.discovery import AuthenticationScheme, Facts, Override
from gateway.scim.schema import ENTERPRISE_URN, GROUP_URN, USER_URN, Mutability, Returned, Uniqueness

BASE = "https://scim.example.com/acme/scim/v2"


def facts(**change: Any) -> Facts:
    return Facts(**{"base_url": BASE, "max_results": 1000, **change})


def nulls(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(nulls, value.values()))
    if isinstance(value, list):
        return any(map(nulls, value))
    return value is None


def test_the_provider_config_tells_what_is_true_of_a_tenant() -> None:
    """Every required part, as the tenant has it; index paging stays the default where both are offered (C2, N6, N7)."""
    document = discovery.service_provider_config(
        facts(patch=False, bulk_operations=7, bulk_payload=99, sort=False, page_size=50, cursor_timeout=600,
              documentation_uri="https://example.com/help")
    )  # fmt: skip
    assert document["patch"] == {"supported": False}
    assert document["bulk"] == {"supported": True, "maxOperations": 7, "maxPayloadSize": 99}
    assert document["filter"] == {"supported": True, "maxResults": 1000}
    assert document["changePassword"] == {"supported": False}
    assert document["sort"] == {"supported": False}
    assert document["etag"] == {"supported": True}
    assert document["pagination"] == {
        "cursor": True,
        "index": True,
        "defaultPaginationMethod": "index",
        "defaultPageSize": 50,
        "maxPageSize": 1000,
        "cursorTimeout": 600,
    }
    assert document["authenticationSchemes"][0]["type"] == "oauthbearertoken"
    assert document["documentationUri"] == "https://example.com/help"
    assert document["meta"] == {
        "resourceType": "ServiceProviderConfig",
        "location": f"{BASE}/ServiceProviderConfig",
    }
    scim2_models.ServiceProviderConfig.model_validate(document, scim_ctx=scim2_models.Context.RESOURCE_QUERY_RESPONSE)


def test_what_is_off_is_said_to_be_off() -> None:
    """A limit of something that is not there is nought; no cursor, no timeout (C2, N7)."""
    document = discovery.service_provider_config(facts(bulk=False, cursor=False, documentation_uri=None))
    assert document["bulk"] == {"supported": False, "maxOperations": 0, "maxPayloadSize": 0}
    assert "cursorTimeout" not in document["pagination"]
    assert "documentationUri" not in document
    assert not nulls(document)


def test_conformance_is_claimed_in_strict_mode_only() -> None:
    """The interoperability profile and the compatible mode exclude each other (D4)."""
    assert "interopProfileConformant" not in discovery.service_provider_config(facts())
    assert discovery.service_provider_config(facts(strict=True))["interopProfileConformant"] is True


def test_authentication_schemes_are_told_in_order() -> None:
    """As many as there are, without empty parts (C2, C3)."""
    basic = AuthenticationScheme("httpbasic", "Basic", "A name and a password.", documentation_uri="https://e.org/b")
    document = discovery.service_provider_config(facts(schemes=(discovery.BEARER, basic)))
    assert document["authenticationSchemes"][0]["primary"] is True
    assert document["authenticationSchemes"][1] == {
        "type": "httpbasic",
        "name": "Basic",
        "description": "A name and a password.",
        "documentationUri": "https://e.org/b",
    }


def test_the_provider_config_is_as_its_schema_says() -> None:
    """Nothing in the document its published schema does not have, and nothing required is missing (C2)."""
    schema = standard.schemas()[standard.SERVICE_PROVIDER_CONFIG_URN]
    document = discovery.service_provider_config(facts(strict=True, documentation_uri="https://e.org"))
    for name, value in document.items():
        if name in ("schemas", "meta"):
            continue
        attribute = schema.attribute(name)
        assert attribute is not None
        for part in value if isinstance(value, list) else [value]:
            if attribute.is_complex:
                assert part.keys() <= attribute.index.keys() | {sub.name for sub in attribute.sub_attributes}
    assert {a.name for a in schema.attributes if a.required} <= document.keys()


def test_resource_types_are_listed(user_type: Any, group_type: Any, badge_type: Any) -> None:
    """id equals name, the extensions say whether they are required, everything has its place (C1, C4)."""
    document = discovery.resource_types([user_type, group_type, badge_type], BASE)
    assert (document["totalResults"], document["itemsPerPage"], document["startIndex"]) == (3, 3, 1)
    user, group, badge = document["Resources"]
    assert user == {
        "schemas": [standard.RESOURCE_TYPE_URN],
        "id": "User",
        "name": "User",
        "description": "An account of a person.",
        "endpoint": "/Users",
        "schema": USER_URN,
        "schemaExtensions": [{"schema": ENTERPRISE_URN, "required": False}],
        "meta": {"resourceType": "ResourceType", "location": f"{BASE}/ResourceTypes/User"},
    }
    assert "schemaExtensions" not in group
    assert badge["schemaExtensions"][0]["required"] is True
    assert "description" not in badge
    assert not nulls(document)
    scim2_models.ListResponse[scim2_models.ResourceType].model_validate(document)


def test_schemas_are_listed(user_type: Any, group_type: Any) -> None:
    """A list response, each schema once, no null, enums in camelCase (C1, C3)."""
    document = discovery.schemas([user_type, group_type, user_type], BASE)
    assert [schema["id"] for schema in document["Resources"]] == [USER_URN, ENTERPRISE_URN, GROUP_URN]
    assert document["totalResults"] == 3
    assert document["Resources"][0]["meta"] == {"resourceType": "Schema", "location": f"{BASE}/Schemas/{USER_URN}"}
    assert not nulls(document)
    text = json.dumps(document)
    assert '"readWrite"' in text
    assert '"restricted"' not in text
    assert '"format"' not in text
    read = scim2_models.ListResponse[scim2_models.Schema].model_validate(document)
    assert read.resources[0].attributes[0].name == "userName"


def test_one_document_is_found_by_name_in_any_case(refused: Any, user_type: Any) -> None:
    """/ResourceTypes/User and /Schemas/{urn}; 404 for what is not there (C1, S2)."""
    types = {"User": user_type}
    assert discovery.find(types, "user") is user_type
    known = discovery.served_schemas([user_type])
    assert discovery.find(known, ENTERPRISE_URN.upper()).id == ENTERPRISE_URN
    for name in ("Group", "", "User/", "a\r\nb"):
        with refused(None, "does not exist", status=404):
            discovery.find(types, name)


def test_a_filter_is_forbidden_and_other_parameters_are_not(refused: Any) -> None:
    """403 for filter; sorting and paging are ignored (C1)."""
    discovery.check_query(["startIndex", "count", "sortBy", "attributes"])
    for name in ("filter", "Filter"):
        with refused(None, "filter", status=403):
            discovery.check_query(["count", name])


def test_a_tenant_publishes_what_it_has(user_type: Any) -> None:
    """Attributes without a place are absent; sub-attributes bring their parent, a parent all its parts (C2, D4)."""
    supported = ["userName", "name.givenName", "emails", "active", "externalId", "meta.created", "id"]
    narrowed = discovery.narrow_type(user_type, supported)
    names = {attribute.name for attribute in narrowed.schema.attributes}
    assert names == {"userName", "name", "emails", "active"}
    assert [sub.name for sub in narrowed.attribute("name").sub_attributes] == ["givenName"]
    assert len(narrowed.attribute("emails").sub_attributes) == 4
    assert narrowed.extensions == {}
    assert "schemaExtensions" not in discovery.resource_type(narrowed, BASE)
    manager = f"{ENTERPRISE_URN}:manager.value"
    narrowed = discovery.narrow_type(user_type, ["userName", manager, f"{ENTERPRISE_URN}:division"])
    assert {attribute.name for attribute in narrowed.extensions[ENTERPRISE_URN].attributes} == {"manager", "division"}
    assert narrowed.attribute("externalId") is not None


def test_what_is_published_is_what_is_enforced(refused: Any, user_type: Any) -> None:
    """The narrowed type checks bodies too; the standard one stays as it is (C2, R-L2)."""
    overrides = {
        "userName": Override(mutability=Mutability.IMMUTABLE, case_exact=True),
        "title": Override(mutability=Mutability.READ_ONLY),
        "displayName": Override(required=True, uniqueness=Uniqueness.SERVER, returned=Returned.ALWAYS),
        "name.givenName": Override(required=True),
        f"{ENTERPRISE_URN}:division": Override(mutability=Mutability.READ_ONLY),
    }
    narrowed = discovery.narrow_type(user_type, None, overrides)
    document = {item["name"]: item for item in discovery.schema(narrowed.schema, BASE)["attributes"]}
    assert (document["userName"]["mutability"], document["userName"]["caseExact"]) == ("immutable", True)
    assert document["title"]["mutability"] == "readOnly"
    assert document["displayName"]["required"] is True
    assert (document["displayName"]["uniqueness"], document["displayName"]["returned"]) == ("server", "always")
    body = {"schemas": [USER_URN], "userName": "x", "displayName": "d", "title": "t", ENTERPRISE_URN: {"division": "d"}}
    made = validate.create(narrowed, body)
    assert made == {"schemas": [USER_URN], "userName": "x", "displayName": "d"}
    with refused("invalidValue", "displayName: a value is required"):
        validate.create(narrowed, {"schemas": [USER_URN], "userName": "x"})
    with refused("invalidValue", "name.givenName: a value is required"):
        validate.create(narrowed, {**body, "name": {"familyName": "f"}})
    with refused("mutability", "userName"):
        validate.replace(narrowed, {**body, "userName": "y"}, made)
    assert validate.create(user_type, body)["title"] == "t"
    without = discovery.narrow_type(user_type, ["userName"])
    with refused("invalidSyntax", "displayName"):
        validate.create(without, body)


@pytest.mark.parametrize(
    ("supported", "overrides", "words"),
    [
        (["userNam"], {}, "userNam: is no attribute"),
        (["name.first"], {}, "name.first: is no attribute"),
        (None, {"nickname": Override(required=True)}, "nickname: is no attribute"),
        ([f"{ENTERPRISE_URN}:badge"], {}, f"{ENTERPRISE_URN}:badge: is no attribute"),
        (None, {"urn:x:y": Override()}, "urn:x:y: is no attribute"),
    ],
)
def test_a_wrong_path_is_a_mistake_in_the_configuration(
    user_type: Any, supported: Any, overrides: Any, words: str
) -> None:
    """Discovery cannot silently leave out what was meant (C2)."""
    with pytest.raises(ValueError) as caught:
        discovery.narrow_type(user_type, supported, overrides)
    assert words in str(caught.value)


def test_a_required_extension_needs_a_place(badge_type: Any) -> None:
    """A type that requires what it does not have could not be created (C2)."""
    with pytest.raises(ValueError, match="is required, and no attribute of it has a place"):
        discovery.narrow_type(badge_type, ["number"])
