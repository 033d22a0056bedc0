"""Bulk requests, over resources that only take notes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.engine.bulk import Bulk
from gateway.engine.calls import Answer, Call, Caller
from gateway.engine.resources import Resources
from gateway.engine.tenants import Limits, Served, Tenant
from gateway.scim import bulk, patch, standard
from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.scim.schema import ENTERPRISE_URN, GROUP_URN, USER_URN

BASE = "https://scim.example.com/acme/scim/v2"


class Notebook:
    """Stands in for `Resources`: keeps what is created, notes every call, and fails where it is told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Any]] = []
        self.stored: dict[str, Any] = {}
        self.versions: dict[str, str | None] = {}
        self.reported: list[BaseException] = []
        self.refusals: list[tuple[str, str, str | None, int]] = []
        self.faults: dict[str, BaseException] = {}

    def _note(self, call: Call, verb: str, subject: str, body: Any) -> None:
        assert (call.attributes, call.excluded, call.if_none_match) == (None, None, None)
        self.calls.append((verb, subject, body))
        self.versions[subject] = call.if_match
        key = body.get("userName") or body.get("displayName") if verb == "create" and body else f"{verb} {subject}"
        if (fault := self.faults.get(str(key))) is not None:
            raise fault

    async def create(self, call: Call, served: Served, body: Any) -> Answer:
        self._note(call, "create", served.name, body)
        id = f"id-{body.get('userName') or body.get('displayName')}"
        self.stored[id] = body
        return Answer(201, {"id": id}, f"{BASE}{served.resource_type.endpoint}/{id}", 'W/"1"')

    async def replace(self, call: Call, served: Served, id: str, body: Any) -> Answer:
        self._note(call, "replace", id, body)
        return Answer(200, {"id": id}, f"{BASE}{served.resource_type.endpoint}/{id}", 'W/"2"')

    async def patch(self, call: Call, served: Served, id: str, body: Any) -> Answer:
        self._note(call, "patch", id, body)
        operations = patch.parse(body, served.resource_type)
        if id in self.stored:
            self.stored[id] = patch.apply(operations, self.stored[id], served.resource_type)
        return Answer(204)

    async def delete(self, call: Call, served: Served, id: str) -> Answer:
        self._note(call, "delete", id, None)
        return Answer(204)

    def report(self, call: Call, error: BaseException) -> None:
        self.reported.append(error)

    def refused(self, call: Call, operation: str, resource_type: str, id: str | None, error: ScimError) -> None:
        self.refusals.append((operation, resource_type, id, error.status))


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


Run = Callable[..., Any]


@pytest.fixture
def run(notebook: Notebook) -> Run:
    """Send operations and give the items of the answer."""
    types = {name: standard.resource_type(name) for name in ("User", "Group")}
    served = {
        kind.endpoint.strip("/").lower(): SimpleNamespace(name=name, resource_type=kind) for name, kind in types.items()
    }
    tenant = cast(Tenant, SimpleNamespace(name="acme", limits=Limits(bulk_operations=50), by_endpoint=served))
    call = Call(tenant, Caller("key"), BASE, 1e9, if_match='W/"outer"', attributes="id", excluded=["members"])

    async def send(*operations: dict[str, Any], **members: Any) -> list[dict[str, Any]]:
        body = {"schemas": [bulk.REQUEST_URN], "Operations": list(operations), **members}
        answer = await Bulk(cast(Resources, notebook)).run(call, body)
        assert answer.status == 200
        assert answer.body is not None
        assert answer.body["schemas"] == [bulk.RESPONSE_URN]
        return list(answer.body["Operations"])

    return send


def post(bulk_id: str, **data: Any) -> dict[str, Any]:
    """A creation of a user, or of a group where members are named."""
    if "members" in data:
        members = [{"value": value} for value in data["members"]]
        body: dict[str, Any] = {"schemas": [GROUP_URN], "displayName": bulk_id, "members": members}
        return {"method": "POST", "path": "/Groups", "bulkId": bulk_id, "data": body}
    body = {"schemas": [USER_URN], "userName": bulk_id}
    if "manager" in data:
        body[ENTERPRISE_URN] = {"department": "D", "manager": {"value": data["manager"]}}
    return {"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": body}


async def test_every_method_has_its_item(run: Run, notebook: Notebook) -> None:
    """Items are in the order of the request: method, bulkId, location, version, and status as a string (B5)."""
    items = await run(
        post("ada"),
        {"method": "PUT", "path": "/Users/7", "version": 'W/"3"', "data": {"userName": "u"}},
        {"method": "PATCH", "path": "/Groups/8", "data": {"schemas": [patch.REQUEST_URN], "Operations": [
            {"op": "replace", "path": "displayName", "value": "x"}]}},
        {"method": "DELETE", "path": "/Users/9"},
    )  # fmt: skip
    assert items == [
        {"method": "POST", "bulkId": "ada", "status": "201", "location": f"{BASE}/Users/id-ada", "version": 'W/"1"'},
        {"method": "PUT", "status": "200", "location": f"{BASE}/Users/7", "version": 'W/"2"'},
        {"method": "PATCH", "status": "204", "location": f"{BASE}/Groups/8"},
        {"method": "DELETE", "status": "204", "location": f"{BASE}/Users/9"},
    ]
    assert [verb for verb, _, _ in notebook.calls] == ["create", "replace", "patch", "delete"]
    assert notebook.versions == {"User": None, "7": 'W/"3"', "8": None, "9": None}


async def test_references_point_backward_and_forward(run: Run, notebook: Notebook) -> None:
    """What is referred to is made first, and its id stands in the place of the reference (B2)."""
    items = await run(
        post("team", members=["bulkId:ada", "bulkId:bob", "old"]), post("ada"), post("bob", manager="bulkId:ada")
    )
    assert [item["status"] for item in items] == ["201"] * 3
    assert [item["bulkId"] for item in items] == ["team", "ada", "bob"]
    assert notebook.stored["id-team"]["members"] == [{"value": "id-ada"}, {"value": "id-bob"}, {"value": "old"}]
    assert notebook.stored["id-bob"][ENTERPRISE_URN]["manager"] == {"value": "id-ada"}
    assert [verb for verb, _, _ in notebook.calls] == ["create"] * 3


async def test_a_path_can_be_a_reference(run: Run, notebook: Notebook) -> None:
    """`/Groups/bulkId:team` is the group made in the same request, wherever it is made (B2)."""
    message = {
        "schemas": [patch.REQUEST_URN],
        "Operations": [{"op": "add", "path": "members", "value": [{"value": "bulkId:ada"}]}],
    }
    items = await run(
        {"method": "PATCH", "path": "/Groups/bulkId:team", "data": message}, post("team", members=[]), post("ada")
    )
    assert [item["status"] for item in items] == ["204", "201", "201"]
    assert items[0]["location"] == f"{BASE}/Groups/id-team"
    assert notebook.stored["id-team"]["members"] == [{"value": "id-ada"}]


async def test_a_circle_is_made_and_then_closed(run: Run, notebook: Notebook) -> None:
    """Both are created, then the references are set; nothing else of the attribute is lost (B3)."""
    items = await run(post("ada", manager="bulkId:bob"), post("bob", manager="bulkId:ada"))
    assert [item["status"] for item in items] == ["201", "201"]
    managers = [notebook.stored[id][ENTERPRISE_URN] for id in ("id-ada", "id-bob")]
    assert managers == [
        {"department": "D", "manager": {"value": "id-bob"}},
        {"department": "D", "manager": {"value": "id-ada"}},
    ]
    assert [verb for verb, _, _ in notebook.calls] == ["create", "create", "patch"]


async def test_groups_in_a_circle_keep_their_other_members(run: Run, notebook: Notebook) -> None:
    """Of a list only the references that cannot be met yet wait; a group in itself is one of them (B3)."""
    await run(post("a", members=["x", "bulkId:b", "bulkId:a"]), post("b", members=["bulkId:a"]))
    found = {id: {member["value"] for member in notebook.stored[id]["members"]} for id in ("id-a", "id-b")}
    assert found == {"id-a": {"x", "id-b", "id-a"}, "id-b": {"id-a"}}
    assert notebook.calls[0][2]["members"] == [{"value": "x"}]


async def test_a_circle_that_cannot_be_closed_is_a_conflict(run: Run, notebook: Notebook) -> None:
    """The item says 409 and why; the resource is there, without its reference (B3)."""
    notebook.faults["bob"] = refuse(ScimType.UNIQUENESS, "userName: is taken")
    items = await run(post("ada", manager="bulkId:bob"), post("bob", manager="bulkId:ada"))
    assert [item["status"] for item in items] == ["409", "409"]
    assert "circular" in items[0]["response"]["detail"]
    assert "bob" in items[0]["response"]["detail"]
    assert items[0]["location"] == f"{BASE}/Users/id-ada"
    assert "location" not in items[1]
    assert ENTERPRISE_URN not in notebook.stored["id-ada"]


async def test_an_internal_failure_while_closing_a_circle_is_that_item_alone(run: Run, notebook: Notebook) -> None:
    """The last step is guarded like the first (B1)."""
    error = RuntimeError("driver exploded at 10.0.0.1")
    notebook.faults["patch id-ada"] = error
    items = await run(post("ada", manager="bulkId:bob"), post("bob", manager="bulkId:ada"), post("cyd"))
    assert [item["status"] for item in items] == ["500", "201", "201"]
    assert notebook.reported == [error]


async def test_what_refers_to_a_failure_fails_and_says_so(run: Run, notebook: Notebook) -> None:
    """Dependants get 409 naming the bulkId and are not tried, the audit trail knows of them; everybody else goes on
    (B1, B3, M10)."""
    notebook.faults["ada"] = refuse(ScimType.UNIQUENESS, "userName: is taken")
    items = await run(
        post("ada"), post("team", members=["bulkId:ada"]), post("all", members=["bulkId:team"]), post("bob")
    )
    assert [item["status"] for item in items] == ["409", "409", "409", "201"]
    assert [item.get("response", {}).get("scimType") for item in items] == ["uniqueness", None, None, None]
    assert "bulkId ada" in items[1]["response"]["detail"]
    assert "bulkId team" in items[2]["response"]["detail"]
    assert [body["userName"] for _, _, body in notebook.calls] == ["ada", "bob"]
    assert notebook.refusals == [("create", "Group", None, 409)] * 2


async def test_a_reference_to_nothing_is_refused(run: Run, notebook: Notebook) -> None:
    """No POST of the request has the bulkId: 400 invalidValue for that operation (B3)."""
    items = await run(
        post("team", members=["bulkId:nobody"]),
        {"method": "DELETE", "path": "/Users/bulkId:nobody"},
        {"method": "PUT", "path": "/Users/7", "bulkId": "seven", "data": {"manager": "bulkId:seven"}},
    )
    assert [item["status"] for item in items] == ["400"] * 3
    assert {item["response"]["scimType"] for item in items} == {"invalidValue"}
    assert notebook.calls == []
    assert [one[:2] for one in notebook.refusals] == [("create", "Group"), ("delete", "User"), ("replace", "User")]


@pytest.mark.parametrize(("limit", "done"), [(None, 4), (3, 4), (2, 3), (1, 1)])
async def test_fail_on_errors_stops(run: Run, notebook: Notebook, limit: int | None, done: int) -> None:
    """After as many errors as allowed nothing further is begun, and what was processed is told (B1)."""
    notebook.faults |= {name: ScimError(400, "no") for name in ("a", "c")}
    items = await run(post("a"), post("b"), post("c"), post("d"), failOnErrors=limit)
    assert [item["bulkId"] for item in items] == ["a", "b", "c", "d"][:done]
    assert len(notebook.calls) == done


async def test_no_circle_is_closed_after_the_stop(run: Run, notebook: Notebook) -> None:
    """Stopped is stopped (B1)."""
    notebook.faults["cyd"] = ScimError(400, "no")
    items = await run(post("ada", manager="bulkId:bob"), post("bob", manager="bulkId:ada"), post("cyd"), failOnErrors=1)
    assert [item["status"] for item in items] == ["201", "201", "400"]
    assert [verb for verb, _, _ in notebook.calls] == ["create"] * 3


async def test_one_internal_failure_does_not_take_the_others(run: Run, notebook: Notebook) -> None:
    """It is 500 with generic text, told to the operator, and the rest is done (B1, X13)."""
    error = RuntimeError("password=secret at 10.0.0.1")
    notebook.faults["ada"] = error
    items = await run(post("ada"), post("bob"))
    assert [item["status"] for item in items] == ["500", "201"]
    assert "secret" not in str(items)
    assert notebook.reported == [error]


async def test_a_version_that_does_not_hold_is_412(run: Run, notebook: Notebook) -> None:
    """The version of an operation is its If-Match, the header of the whole request is nobody's (V1)."""
    notebook.faults["replace 7"] = ScimError(412, "If-Match: the resource has another version by now")
    items = await run(
        {"method": "PUT", "path": "/Users/7", "version": 'W/"3"', "data": {"userName": "u"}},
        {"method": "DELETE", "path": "/Users/8", "version": 'W/"4"'},
    )
    assert [item["status"] for item in items] == ["412", "204"]
    assert items[0]["location"] == f"{BASE}/Users/7"
    assert items[0]["response"]["status"] == "412"
    assert notebook.versions == {"7": 'W/"3"', "8": 'W/"4"'}


async def test_an_endpoint_nobody_serves_is_404(run: Run, notebook: Notebook) -> None:
    """For that operation only; the case of a path does not matter (B1)."""
    items = await run({"method": "DELETE", "path": "/Robots/7"}, {"method": "DELETE", "path": "/users/7"})
    assert [item["status"] for item in items] == ["404", "204"]
    assert items[1]["location"] == f"{BASE}/Users/7"


async def test_a_bulk_in_a_bulk_is_refused_whole(run: Run, notebook: Notebook) -> None:
    """Nested /Bulk is 400 for the request, before anything is done (B6)."""
    with pytest.raises(ScimError) as caught:
        await run(post("ada"), {"method": "POST", "path": "/Bulk", "bulkId": "b", "data": {}})
    assert caught.value.status == 400
    assert notebook.calls == []


async def test_too_many_operations_are_413(run: Run, notebook: Notebook) -> None:
    """The detail names the limit of the tenant (B4)."""
    with pytest.raises(ScimError) as caught:
        await run(*(post(f"u{n}") for n in range(51)))
    assert caught.value.status == 413
    assert "maxOperations is 50" in caught.value.detail
    assert notebook.calls == []
