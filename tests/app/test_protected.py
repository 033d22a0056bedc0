"""Protected accounts and groups, as the settings say: what the rules may be, and what they cost."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from gateway.app import Blueprint
from gateway.app.explanation import explain
from gateway.settings import SettingsError
from tests.app.conftest import PATCH_URN, USER_URN, Document, Served

Drawn = Callable[..., Blueprint]
Serving = Callable[..., AbstractAsyncContextManager[Served]]
OFF = {"schemas": [PATCH_URN], "Operations": [{"op": "replace", "path": "active", "value": False}]}


def people(document: Document) -> Any:
    """The entity behind acme."""
    return document["backends"]["hr"]["settings"]["entities"]["people"]


def change(path: str, value: Any) -> dict[str, Any]:
    return {"schemas": [PATCH_URN], "Operations": [{"op": "replace", "path": path, "value": value}]}


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"Usr": 'userName eq "x"'}, "there is no Usr; did you mean 'User'?"),
        ({"User": 'nickName eq "x"'}, "nickName"),
        ({"User": 'userName eq "x'}, "protected.User"),
        ({"User": ""}, "protected.User"),
    ],
)
def test_a_rule_that_protects_nothing_is_refused(
    drawn: Drawn, document: Document, rules: dict[str, str], reason: str
) -> None:
    """A type that is not served, an attribute without a place, no filter: with file and line, before the start (X3)."""
    document["tenants"]["acme"]["protected"] = rules
    with pytest.raises(SettingsError) as refused:
        drawn(document)
    assert reason in str(refused.value)
    assert "config.yaml:" in str(refused.value)


async def test_a_change_costs_a_read_of_what_the_rule_names_and_only_where_there_is_one(
    drawn: Drawn, document: Document
) -> None:
    """Without a rule the fast road reads nothing; with one it reads the field the rule is about, and no more."""

    async def steps(tenant: str) -> list[str]:
        found = await explain(drawn(document), tenant, "PATCH", "/Users/@1", json.dumps(OFF).encode(), read=False)
        return [step.name for step in found.steps if step.what != "rewrite"]

    document["tenants"]["acme"]["protected"] = {"User": 'userName sw "svc-"'}
    plain, ruled = await steps("globex"), await steps("acme")
    assert len(ruled) == len(plain) + 1
    assert ruled[1:] == [name.replace("crm", "hr") for name in plain]
    assert "get" in ruled[0]


async def test_nothing_is_changed_into_or_out_of_protection(serving: Serving, document: Document) -> None:
    """A protected account is not talked out of it by changing what the rule looks at, and no other one into it, by
    whatever spelling; tenants without the rule do as ever (X3)."""
    people(document)["records"] = [{"login": "SVC-Backup", "enabled": True}]
    document["tenants"]["acme"]["protected"] = {"User": 'userName sw "svc-"'}
    async with serving(document) as served:
        (service,) = (await served.send("GET", "acme"))[1]["Resources"]
        await served.create("globex", "svc-one")
        person = await served.create("acme", "ada")
        for body in (change("userName", "ada2"), change("active", False), change("urn:x:y:userName", "z")):
            status, answer, _ = await served.send("PATCH", "acme", f"/Users/{service['id']}", body)
            assert status == (400 if "urn:x" in str(body) else 403), answer
        path = f"/Users/{person['id']}"
        for body in (
            change("userName", "svc-ada"),
            change("userName", "SVC-ADA"),
            change(f"{USER_URN}:userName", "Svc-x"),
        ):
            assert (await served.send("PATCH", "acme", path, body))[0] == 403
        whole = {"schemas": [PATCH_URN], "Operations": [{"op": "replace", "value": {"userName": "svc-ada"}}]}
        assert (await served.send("PATCH", "acme", path, whole))[0] == 403
        new = {"schemas": [USER_URN], "userName": "svc-new", "active": True}
        assert (await served.send("PUT", "acme", path, new))[0] == 403
        assert (await served.send("POST", "acme", body=new))[0] == 403
        assert (await served.send("DELETE", "acme", f"/Users/{service['id']}"))[0] == 403
        assert (await served.send("DELETE", "acme", "/Users/nobody"))[0] == 404
        found = (await served.send("GET", "acme"))[1]["Resources"]
        assert sorted(one["userName"] for one in found) == ["SVC-Backup", "ada"]
        assert (await served.send("PATCH", "acme", path, OFF))[0] in (200, 204)


@pytest.mark.parametrize("policy", ["adopt", "reactivate"])
async def test_a_create_takes_over_no_protected_account(serving: Serving, document: Document, policy: str) -> None:
    """`on_conflict` adopts what is there, but nothing that is protected (X3)."""
    people(document)["records"] = [{"login": "old", "enabled": False}, {"login": "gone", "enabled": False}]
    document["tenants"]["acme"]["resources"]["User"]["on_conflict"] = policy
    document["tenants"]["acme"]["protected"] = {"User": 'active eq false and userName eq "old"'}
    async with serving(document) as served:
        statuses = [
            (await served.send("POST", "acme", body={"schemas": [USER_URN], "userName": login, "active": True}))[0]
            for login in ("old", "gone")
        ]
        assert statuses == [403, 201]
        found = (await served.send("GET", "acme"))[1]["Resources"]
        assert {one["userName"]: one["active"] for one in found} == {"old": False, "gone": True}
