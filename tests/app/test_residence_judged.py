"""scim2-tester, whole, against a tenant that has no system at all: every type lives with the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from scim2_client.engines.wsgi import WSGISCIMClient
from scim2_tester import check_server

from tests.app.conftest import Document, Served
from tests.demo.test_scim2_tester import GOOD, Forwarder

Serving = Callable[..., AbstractAsyncContextManager[Served]]
DEVICE_URN = "urn:example:params:scim:schemas:Device"
RESIDENT: Document = {"backend": "gateway", "on_delete": "delete"}
DEVICE: Document = {
    "id": DEVICE_URN,
    "name": "Device",
    "attributes": [
        {"name": "serial", "type": "string", "required": True, "uniqueness": "server", "caseExact": True},
        {"name": "sold", "type": "boolean"},
        {"name": "labels", "type": "string", "multiValued": True},
        {
            "name": "owners",
            "type": "complex",
            "multiValued": True,
            "subAttributes": [
                {"name": "value", "type": "string"},
                {"name": "$ref", "type": "reference", "referenceTypes": ["User", "Group"]},
            ],
        },
    ],
}


async def test_an_outside_judge_finds_nothing(document: Document, serving: Serving) -> None:
    """Every check of the tester succeeds for users, groups and a type of one's own, none is skipped (C1, D10)."""
    document["backends"] = {}
    del document["tenants"]["globex"]
    acme = document["tenants"]["acme"]
    acme["schemas"] = [DEVICE]
    acme["resources"] = {"User": RESIDENT, "Group": RESIDENT, "Device": {**RESIDENT, "schema": DEVICE_URN}}
    async with serving(document) as served:
        netloc = str(served.running.address)
        headers = {"Authorization": "Bearer acme-token"}
        client = WSGISCIMClient(Forwarder(netloc), base_url=f"http://{netloc}/acme/scim/v2", headers=headers)
        results: list[Any] = await asyncio.to_thread(check_server, client)
    bad = [
        f"{one.status.name} {one.resource_type or '-'} {one.title}: {one.reason}"
        for one in results
        if one.status not in GOOD
    ]
    assert not bad, "\n".join(bad)
    assert {one.resource_type for one in results} >= {"User", "Group", "Device"}
    assert len(results) > 100
