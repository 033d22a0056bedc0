"""Resource types to test with, and what a refusal must look like."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.scim import errors, standard
from gateway.scim.errors import ScimError
from gateway.scim.schema import ResourceType

BADGE = {
    "id": "urn:example:params:scim:schemas:Badge",
    "name": "Badge",
    "description": "A door badge.",
    "attributes": [
        {"name": "number", "type": "string", "required": True, "caseExact": True, "uniqueness": "server"},
        {"name": "colour", "type": "string", "canonicalValues": ["red", "green"], "restricted": True},
        {"name": "serial", "type": "string", "mutability": "immutable", "caseExact": True},
        {"name": "issued", "type": "dateTime"},
        {"name": "doors", "type": "integer"},
        {"name": "weight", "type": "decimal"},
        {"name": "chip", "type": "binary", "format": "base64url"},
        {"name": "pin", "type": "string", "mutability": "writeOnly", "returned": "never"},
        {"name": "notes", "type": "string", "returned": "request"},
        {"name": "tags", "type": "string", "multiValued": True},
        {"name": "seal", "type": "string", "returned": "always"},
        {
            "name": "holder",
            "type": "complex",
            "subAttributes": [
                {"name": "value", "type": "string", "caseExact": True, "required": True},
                {"name": "since", "type": "dateTime", "mutability": "immutable"},
                {"name": "display", "type": "string", "mutability": "readOnly"},
                {"name": "secret", "type": "string", "returned": "never"},
                {"name": "remark", "type": "string", "returned": "request"},
            ],
        },
        {
            "name": "zones",
            "type": "complex",
            "multiValued": True,
            "subAttributes": [
                {"name": "value", "type": "string"},
                {"name": "hours", "type": "string", "multiValued": True},
                {"name": "label", "type": "string", "mutability": "readOnly"},
            ],
        },
    ],
}
AUDIT = {
    "id": "urn:example:params:scim:schemas:extension:2.0:Audit",
    "name": "Audit",
    "attributes": [
        {"name": "owner", "type": "string", "required": True},
        {"name": "origin", "type": "string", "mutability": "readOnly"},
        {"name": "ticket", "type": "string", "returned": "request"},
        {"name": "batch", "type": "string", "mutability": "immutable"},
    ],
}


@pytest.fixture(scope="session")
def user_type() -> ResourceType:
    return standard.resource_type("User")


@pytest.fixture(scope="session")
def group_type() -> ResourceType:
    return standard.resource_type("Group")


@pytest.fixture(scope="session")
def badge_type() -> ResourceType:
    """A resource type of one's own with every characteristic the standard ones lack, and a required extension."""
    known = {schema.id: schema for schema in map(standard.parse_schema, (BADGE, AUDIT))}
    extension = {"schema": AUDIT["id"], "required": True}
    data = {"name": "Badge", "endpoint": "/Badges", "schema": BADGE["id"], "schemaExtensions": [extension]}
    return standard.parse_resource_type(data, known)


@pytest.fixture(scope="session")
def refused() -> Callable[..., contextlib.AbstractContextManager[None]]:
    """Expect a `ScimError` with a keyword and a detail that holds the given words."""

    @contextlib.contextmanager
    def expect(scim_type: str | None, *words: str, status: int = 400) -> Iterator[None]:
        with pytest.raises(ScimError) as caught:
            yield
        body: dict[str, Any] = errors.body(caught.value)
        assert (body.get("scimType"), body["status"]) == (scim_type, str(status)), body["detail"]
        assert all(word in body["detail"] for word in words), body["detail"]

    return expect
