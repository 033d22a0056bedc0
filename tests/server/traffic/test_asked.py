"""What a body asks to take away, in every form clients use."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.server.traffic.asked import WHOLE, bulk_size, changes, deprovisions

URN = "urn:ietf:params:scim:schemas:core:2.0:User"


def patch(*operations: Any, key: str = "Operations") -> dict[str, Any]:
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], key: list(operations)}


DEACTIVATIONS = [
    ("PUT", {"active": False}),
    ("PUT", {"Active": "False"}),
    ("PUT", {"userName": "x", "ACTIVE": " false "}),
    ("PATCH", patch({"op": "Replace", "path": "active", "value": "False"})),
    ("PATCH", patch({"op": "replace", "path": "active", "value": False}, key="operations")),
    ("PATCH", patch({"OP": "add", "Path": "Active", "Value": False})),
    ("PATCH", patch({"op": "replace", "path": f"{URN}:active", "value": False})),
    ("PATCH", patch({"op": "replace", "value": {"active": False}})),
    ("PATCH", patch({"op": "replace", "value": {f"{URN}:active": "false"}})),
    ("PATCH", patch({"op": "add", "value": {"displayName": "x", "Active": "FALSE"}})),
    ("PATCH", patch({"op": "replace", "path": "active", "value": [{"value": "False"}]})),
    ("PATCH", patch({"op": "remove", "path": "active"})),
    ("PATCH", patch({"op": "add", "path": "title", "value": "x"}, {"op": "replace", "path": "active", "value": False})),
]


@pytest.mark.parametrize(("verb", "body"), DEACTIVATIONS)
def test_deactivations(verb: str, body: Any) -> None:
    """A deactivation is seen in every form in which it comes (X15, E4, O4, P6)."""
    assert deprovisions(verb, body)
    assert changes(verb, body) == {"deactivations": 1}


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("PUT", {"active": True}),
        ("PUT", {"active": "0"}),
        ("PUT", {"userName": "false"}),
        ("PUT", None),
        ("PUT", {"active": None}),
        ("PATCH", patch({"op": "replace", "path": "active", "value": "True"})),
        ("PATCH", patch({"op": "replace", "path": "activeUntil", "value": False})),
        ("PATCH", patch({"op": "replace", "path": "emails[active eq false].value", "value": False})),
        ("PATCH", patch({"op": "remove", "value": {"active": False}})),
        ("PATCH", {"Operations": {"op": "replace"}}),
        ("PATCH", patch("text", None, {"op": 7, "path": [], "value": {}})),
        ("PATCH", []),
        ("POST", {"active": False}),
        ("POST", {"Operations": [{"method": "DELETE", "path": "/Users/1"}]}),
        ("GET", None),
    ],
)
def test_what_takes_nothing_away(verb: str, body: Any) -> None:
    """Other requests, and bodies that only look like it, are held back like any other."""
    assert not deprovisions(verb, body)
    assert changes(verb, body) == {}


@pytest.mark.parametrize(
    ("operations", "count"),
    [
        ([{"op": "remove", "path": 'members[value eq "1"]'}], 1),
        ([{"op": "Remove", "path": "members", "value": [{"value": "1"}, {"value": "2"}]}], 2),
        ([{"op": "remove", "path": "members", "value": {"value": "1"}}], 1),
        ([{"op": "remove", "path": "members"}], WHOLE),
        ([{"op": "remove", "path": "members", "value": []}], 0),
        ([{"op": "remove", "path": 'members[value eq "1"]'}] * 3, 3),
        ([{"op": "add", "path": "members", "value": [{"value": "1"}]}], 0),
        ([{"op": "remove", "path": "membership"}], 0),
    ],
)
def test_removals_of_members(operations: list[Any], count: int) -> None:
    """Members that are taken out are counted, all of them at once as many (X14, D1)."""
    assert changes("PATCH", patch(*operations)).get("removals", 0) == count
    assert not deprovisions("PATCH", patch(*operations))


def test_bulk() -> None:
    """A bulk request counts as all of its operations, and passes as deprovisioning only if every one is (B7)."""
    delete = {"method": "DELETE", "path": "/Users/1"}
    off = {"METHOD": "patch", "path": "/Users/2", "Data": patch({"op": "replace", "path": "active", "value": False})}
    create = {"method": "POST", "path": "/Users", "bulkId": "1", "data": {"userName": "x", "active": False}}
    nested = {"method": "BULK", "path": "/Bulk", "data": {"Operations": [delete]}}
    assert changes("BULK", {"Operations": [delete, off, create]}) == {"deletions": 1, "deactivations": 1}
    assert deprovisions("BULK", {"operations": [delete, off]})
    assert not deprovisions("BULK", {"Operations": [delete, off, create]})
    assert not deprovisions("BULK", {"Operations": []})
    assert bulk_size({"OPERATIONS": [delete, off, create]}) == 3
    assert bulk_size(None) == 0
    assert changes("BULK", {"Operations": [nested]}) == {}
    assert not deprovisions("BULK", {"Operations": [nested]})


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["active", "members", "false", "remove", "DELETE", "PATCH"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["op", "path", "value", "Operations", "active", "method", "data"]), inner)
    ),
    max_leaves=15,
)


@settings(max_examples=200)
@given(st.sampled_from(["PUT", "PATCH", "DELETE", "BULK", "POST"]), json_values)
def test_any_body_is_looked_at_without_a_stumble(verb: str, body: Any) -> None:
    """Whatever a body holds, looking at it raises nothing and counts nothing negative."""
    assert deprovisions(verb, body) in (True, False)
    assert all(number > 0 for number in changes(verb, body).values())
