"""What lives with the gateway, as operators meet it: shown, checked, moved, reloaded, guarded, on a server, and its
costs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from uuid import uuid4

import pytest

from backends.contract import Change
from gateway.app import Blueprint
from gateway.app.census import accounts
from gateway.app.explanation import explain
from gateway.app.verification import verify
from gateway.identity import upkeep
from gateway.residence import ResidentBackend
from tests.app.conftest import PATCH_URN, USER_URN, Document, Served
from tests.residence.conftest import Faulty
from tests.services import Postgres

GROUP_URN = "urn:ietf:params:scim:schemas:core:2.0:Group"
KEY = b"0123456789abcdef" * 4
Drawn = Callable[..., Blueprint]
Serving = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def living(document: Document) -> Document:
    """Users in a system, groups with the gateway."""
    for tenant in document["tenants"].values():
        tenant["resources"]["Group"] = {"backend": "gateway", "on_delete": "delete"}
    return document


async def group(served: Served, name: str, *members: str) -> str:
    body = {"schemas": [GROUP_URN], "displayName": name, "members": [{"value": id} for id in members]}
    status, answer, _ = await served.send("POST", "acme", "/Groups", body)
    assert status == 201, answer
    return str(answer["id"])


def membership(op: str, *ids: str) -> Document:
    step = {"op": op, "path": "members", "value": [{"value": id} for id in ids]}
    return {"schemas": [PATCH_URN], "Operations": [step]}


async def shown(served: Served, id: str) -> set[str]:
    status, body, _ = await served.send("GET", "acme", f"/Groups/{id}")
    assert status == 200
    return {one["value"] for one in body.get("members", ())}


def resident(served: Served) -> ResidentBackend:
    found = served.running.gateway.blueprint.backends["gateway"]
    assert isinstance(found, ResidentBackend)
    return found


async def each(lines: list[str]) -> AsyncIterator[str]:
    for line in lines:
        yield line


async def test_a_delta_is_shown_before_it_is_made(living: Document, drawn: Drawn, tmp_path: Path) -> None:
    """Explained without a store: one member more is a lock, a row and a version, and reads no list (promise 9)."""
    body = json.dumps(membership("Add", "@1")).encode()
    living["tenants"]["acme"]["client"] = "entra"
    found = await explain(drawn(living), "acme", "PATCH", "/Groups/@Group:k1", body, read=False)
    (step,) = [step for step in found.steps if step.name == "gateway: update acme/Group"]
    assert step.effect == "not made"
    assert [call.text.split()[0] for call in step.calls] == ["SELECT", "INSERT", "UPDATE"]
    assert not any("scim_resident_list" in call.text and call.text.startswith("SELECT") for call in step.calls)
    assert ("tenant", "acme") in step.calls[1].values
    assert found.status == 204
    assert not (tmp_path / "gateway.db").exists()


async def test_reads_are_made_of_the_store_there_is(living: Document, drawn: Drawn, serving: Serving) -> None:
    """With `read` an explanation shows what is there; it changes nothing."""
    async with serving(living) as served:
        await group(served, "Staff")
    found = await explain(drawn(living), "acme", "GET", '/Groups?filter=displayName eq "staff"', None, read=True)
    assert found.status == 200
    assert found.answer is not None
    assert [one["displayName"] for one in found.answer["Resources"]] == ["Staff"]
    assert [step.effect for step in found.steps if step.name == "gateway: search acme/Group"] == ["made"]
    body = json.dumps({"schemas": [GROUP_URN], "displayName": "New"}).encode()
    found = await explain(drawn(living), "acme", "POST", "/Groups", body, read=True)
    assert found.status == 201
    async with serving(living) as served:
        assert (await served.send("GET", "acme", "/Groups"))[1]["totalResults"] == 1


async def test_a_check_makes_no_store(living: Document, drawn: Drawn, tmp_path: Path) -> None:
    """Meeting the systems finds nothing wrong with what lives here, and opens no store."""
    assert await verify(drawn(living)) == []
    assert not (tmp_path / "gateway.db").exists()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_an_export_has_it_all(
    living: Document, drawn: Drawn, serving: Serving, tmp_path: Path, postgres: Postgres, kind: str
) -> None:
    """Groups, members and names move to another store, of either kind, and are served from there under their ids; a
    census finds them, and a rebuild gives nothing another id."""
    async with serving(living) as served:
        inner = await group(served, "Inner")
        outer = await group(served, "Outer", inner)
    lines = [line async for line in upkeep.export(f"sqlite:///{tmp_path / 'gateway.db'}", id_key=KEY)]
    url = postgres.create_database() if kind == "postgresql" else f"sqlite:///{tmp_path / 'other.db'}"
    living["store"]["url"] = url
    async with serving(living):
        pass
    restored = await upkeep.restore(url, each(lines), id_key=KEY)
    assert restored.skipped == 0
    blueprint = drawn(living)
    found = [one async for one in accounts(blueprint)]
    assert [(one.tenant, one.resource_type, one.backend, one.entity) for one in found] == [
        ("acme", "Group", "gateway", "acme/Group")
    ] * 2
    rebuilt = await upkeep.rebuild(url, accounts(blueprint), id_key=KEY, known=[("acme", inner), ("acme", outer)])
    assert (rebuilt.present, rebuilt.minted, rebuilt.lost, rebuilt.at_risk) == (2, 0, (), ())
    async with serving(living) as served:
        assert await shown(served, outer) == {inner}
        _, body, _ = await served.send("GET", "acme", '/Groups?filter=displayName eq "INNER"')
        assert [one["id"] for one in body["Resources"]] == [inner]


async def test_on_a_server_as_in_a_file(living: Document, serving: Serving, postgres: Postgres) -> None:
    """The same life on PostgreSQL: made, changed, found, sorted, left, deleted."""
    living["store"]["url"] = url = postgres.create_database()
    async with serving(living) as served:
        ada, bob = [(await served.create("acme", login))["id"] for login in ("ada", "bob")]
        staff, admins = await group(served, "Staff", ada), await group(served, "admins", bob)
        assert (await served.send("PATCH", "acme", f"/Groups/{staff}", membership("add", bob)))[0] == 204
        assert postgres.run("SELECT value FROM scim_resident_list ORDER BY key, value", url) == [
            *sorted([(ada,), (bob,)]),
            (bob,),
        ]
        _, body, _ = await served.send("GET", "acme", f'/Groups?filter=members.value eq "{bob}"&sortBy=displayName')
        assert [one["id"] for one in body["Resources"]] == [admins, staff]
        assert (await served.send("DELETE", "acme", f"/Users/{bob}"))[0] == 204
        assert postgres.run("SELECT value FROM scim_resident_list", url) == [(ada,)]
        assert await shown(served, staff) == {ada}
        for id in (staff, admins):
            assert (await served.send("DELETE", "acme", f"/Groups/{id}"))[0] == 204
        assert postgres.run("SELECT count(*) FROM scim_resident_text", url) == [(0,)]


async def test_a_reload_leaves_it_where_it_is(living: Document, drawn: Drawn, serving: Serving) -> None:
    """A configuration read anew serves the same groups, also after the old one was closed."""
    async with serving(living) as served:
        id = await group(served, "Staff")
        ada = (await served.create("acme", "ada"))["id"]
        living["tenants"]["acme"]["limits"] = {"page_size": 7}
        await served.running.serving.reload(drawn(living))
        assert (await served.send("PATCH", "acme", f"/Groups/{id}", membership("add", ada)))[0] == 204
        assert await shown(served, id) == {ada}


async def test_what_guards_others_guards_it(living: Document, serving: Serving, tmp_path: Path) -> None:
    """Protected groups are not changed, a burst of removals is held by the brake, and every attempt is in the trail."""
    trail = tmp_path / "audit.jsonl"
    living["audit"] = {"to": "file", "path": str(trail)}
    living["tenants"]["acme"]["protected"] = {"Group": 'displayName sw "root"'}
    living["tenants"]["acme"]["brake"] = {"deletions": 1}
    async with serving(living) as served:
        ids = [await group(served, name) for name in ("one", "two")]
        await resident(served).create("acme/Group", {"displayName": "Root-admins"})
        _, body, _ = await served.send("GET", "acme", '/Groups?filter=displayName eq "root-admins"')
        (root,) = body["Resources"]
        assert (await served.send("PATCH", "acme", f"/Groups/{root['id']}", membership("add", ids[0])))[0] == 403
        assert await shown(served, root["id"]) == set()
        assert [(await served.send("DELETE", "acme", f"/Groups/{id}"))[0] for id in ids] == [204, 429]
    events = [json.loads(line) for line in trail.read_text(encoding="utf-8").splitlines()]
    assert {one["resource_type"] for one in events} == {"Group"}
    assert [(one["operation"], one["outcome"]) for one in events] == [
        ("create", "done"), ("create", "done"), ("patch", "refused"), ("delete", "done"), ("delete", "refused"),
    ]  # fmt: skip


async def test_a_delta_of_a_hundred_thousand_costs_what_one_of_ten_costs(living: Document, serving: Serving) -> None:
    """From the request to the rows: the same statements for a group of ten and of 100,000, and none reads the members
    (promise 4)."""
    living["tenants"]["acme"]["client"] = "entra"
    async with serving(living) as served:
        ada = (await served.create("acme", "ada"))["id"]
        small, large = await group(served, "Small"), await group(served, "Large")
        backend = resident(served)
        identities = served.running.gateway.identities
        found = await identities.find("acme", [small, large])
        for id, count in ((small, 10), (large, 100_000)):
            filler = tuple(str(uuid4()) for _ in range(count))
            await backend.update("acme/Group", found[id].key, Change(add={"members": filler}))
        backend._database = watched = Faulty(identities.database)
        ran: dict[str, list[list[str]]] = {}
        for id in (small, large):
            for op in ("Add", "Remove"):
                watched.ran.clear()
                assert (await served.send("PATCH", "acme", f"/Groups/{id}", membership(op, ada)))[0] == 204
                ran.setdefault(id, []).append(list(watched.ran))
        assert ran[small] == ran[large]
        for statements in ran[large]:
            assert len(statements) == 3
            assert not [one for one in statements if one.startswith("SELECT") and "scim_resident_list" in one]
        _, body, _ = await served.send("GET", "acme", "/Groups?excludedAttributes=members")
        assert {one["displayName"] for one in body["Resources"]} == {"Small", "Large"}


async def test_users_with_a_password_tell_it_to_nobody(living: Document, serving: Serving, tmp_path: Path) -> None:
    """What is never kept is never kept: a password sent to a user who lives here is in no table of the store (X11)."""
    living["tenants"]["acme"]["resources"]["User"] = {"backend": "gateway", "on_delete": "delete"}
    async with serving(living) as served:
        body = {"schemas": [USER_URN], "userName": "ada", "password": "hunter2-hunter2"}
        assert (await served.send("POST", "acme", body=body))[0] == 201
    lines = [line async for line in upkeep.export(f"sqlite:///{tmp_path / 'gateway.db'}", id_key=KEY)]
    assert any('"ada"' in line for line in lines)
    assert "hunter2" not in "".join(lines)
