"""Bulk messages."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.scim import bulk, messages
from gateway.scim.bulk import REQUEST_URN, RESPONSE_URN, BulkOperation, Step
from gateway.scim.errors import ScimError

POST = {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "x"}}


def parse(*operations: Any, **members: Any) -> bulk.BulkRequest:
    return messages.parse_bulk(
        {"schemas": [REQUEST_URN], "Operations": list(operations), **members}, max_operations=1000
    )


def test_a_request_is_read() -> None:
    """Methods in any case, names in any case, paths without a trailing slash (B1, B2, S2, H10)."""
    request = messages.parse_bulk(
        {
            "schemas": [REQUEST_URN],
            "failOnErrors": 2,
            "operations": [
                {"METHOD": "post", "path": "/Users/", "bulkid": "a", "data": {"userName": "x"}},
                {"method": "PUT", "path": "/Users/1", "version": 'W/"1"', "data": {}},
                {"method": "PATCH", "path": "/Groups/bulkId:a", "data": {"Operations": []}},
                {"method": "DELETE", "path": "/Users/2", "data": {"ignored": True}, "version": ""},
            ],
        },
        max_operations=4,
    )
    assert request.fail_on_errors == 2
    assert request.operations == (
        BulkOperation("POST", "/Users", {"userName": "x"}, "a", None, 0),
        BulkOperation("PUT", "/Users/1", {}, None, 'W/"1"', 1),
        BulkOperation("PATCH", "/Groups/bulkId:a", {"Operations": []}, None, None, 2),
        BulkOperation("DELETE", "/Users/2", None, None, None, 3),
    )
    assert parse(POST).fail_on_errors is None


def test_too_many_operations_name_the_limit(refused: Any) -> None:
    """413, the limit's name and its value (B4)."""
    body = {"schemas": [REQUEST_URN], "Operations": [POST] * 4}
    with refused(None, "maxOperations is 3", "4 operations", status=413):
        messages.parse_bulk(body, max_operations=3)


@pytest.mark.parametrize(
    ("body", "scim_type", "words"),
    [
        (None, "invalidSyntax", "must be a JSON object"),
        ({"Operations": [POST]}, "invalidSyntax", "schemas: must hold"),
        ({"schemas": [RESPONSE_URN], "Operations": [POST]}, "invalidSyntax", "schemas: must hold"),
        ({"schemas": [REQUEST_URN, REQUEST_URN], "Operations": [POST]}, "invalidSyntax", "schemas: must hold"),
        ({"schemas": [REQUEST_URN]}, "invalidSyntax", "Operations: must be a list"),
        ({"schemas": [REQUEST_URN], "Operations": []}, "invalidSyntax", "Operations: must be a list"),
        ({"schemas": [REQUEST_URN], "Operations": {}}, "invalidSyntax", "Operations: must be a list"),
        ({"schemas": [REQUEST_URN], "Operations": [POST], "operations": []}, "invalidSyntax", "given twice"),
        ({"schemas": [REQUEST_URN], "Operations": ["x"]}, "invalidSyntax", "Operations[0]: must be a JSON object"),
    ],
)
def test_a_wrong_message_is_refused(refused: Any, body: Any, scim_type: str, words: str) -> None:
    """The message has its own schema and shape (S3, B1)."""
    with refused(scim_type, words):
        messages.parse_bulk(body, max_operations=10)


@pytest.mark.parametrize("limit", [0, -1, 1.0, "1", True])
def test_fail_on_errors_is_a_positive_integer(refused: Any, limit: Any) -> None:
    """Anything else is no limit (B1)."""
    with refused("invalidValue", "failOnErrors: "):
        parse(POST, failOnErrors=limit)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "GET"}, "Operations[1].method"),
        ({"method": "HEAD"}, "Operations[1].method"),
        ({"method": None}, "Operations[1].method"),
        ({"bulkId": None}, "Operations[1].bulkId: is required for POST"),
        ({"bulkId": ""}, "Operations[1].bulkId"),
        ({"bulkId": 1}, "Operations[1].bulkId"),
        ({"bulkId": "a/b"}, "Operations[1].bulkId"),
        ({"bulkId": "x" * 300}, "Operations[1].bulkId"),
        ({"bulkId": "a"}, "Operations[1].bulkId: a is used twice"),
        ({"path": None}, "Operations[1].path"),
        ({"path": "Users"}, "Operations[1].path: must be text that begins with /"),
        ({"path": "/"}, "Operations[1].path"),
        ({"path": "/Users/1"}, "Operations[1].path: must have the form /Users"),
        ({"path": "/Users/.search"}, "Operations[1].path"),
        ({"path": "/Users?filter=x"}, "Operations[1].path"),
        ({"path": "https://example.com/Users"}, "Operations[1].path"),
        ({"path": "//Users"}, "Operations[1].path"),
        ({"path": "/Bulk"}, "a bulk request cannot hold another"),
        ({"path": "/bulk"}, "a bulk request cannot hold another"),
        ({"method": "PUT", "path": "/Users"}, "must have the form /Users/{id}"),
        ({"method": "PUT", "path": "/Users/.."}, "Operations[1].path"),
        ({"method": "PUT", "path": "/Users/1/2"}, "Operations[1].path"),
        ({"method": "PUT", "path": "/Users/a b"}, "Operations[1].path"),
        ({"method": "DELETE", "path": "/Bulk/1"}, "a bulk request cannot hold another"),
        ({"version": 1}, "Operations[1].version"),
        ({"data": None}, "Operations[1].data"),
        ({"data": []}, "Operations[1].data"),
        ({"method": "PATCH", "path": "/Users/1", "data": "x"}, "Operations[1].data"),
        ({"METHOD": "POST"}, "Operations[1]: a member is given twice"),
    ],
)
def test_a_wrong_operation_is_refused_by_its_place(change: dict[str, Any], words: str) -> None:
    """bulkId on POST and unique, methods that write, paths of one shape, no bulk in bulk (B2, B6)."""
    with pytest.raises(ScimError) as caught:
        parse(POST, {**POST, "bulkId": "b", **change})
    assert caught.value.status == 400
    assert words in caught.value.detail


def test_a_response_lists_the_items() -> None:
    """Statuses are text, failures carry their error (B5)."""
    items = [{"method": "POST", "bulkId": "a", "status": "201", "location": "l", "version": "v"}]
    assert messages.bulk_response(items) == {"schemas": [RESPONSE_URN], "Operations": items}
    assert messages.bulk_response([]) == {"schemas": [RESPONSE_URN], "Operations": []}


def operation(place: int, *names: str, method: str = "POST", path: str = "/Groups") -> BulkOperation:
    data = {"members": [{"value": f"bulkId:{name}"} for name in names]}
    return BulkOperation(method, path, data, f"o{place}" if method == "POST" else None, None, place)


def test_references_are_found_in_data_and_path() -> None:
    """Members, managers, extensions and the path itself; text that only mentions one is text (B2)."""
    found = BulkOperation(
        "PATCH",
        "/Groups/bulkId:g",
        {
            "Operations": [{"op": "add", "path": "members", "value": [{"value": "bulkId:u"}, {"value": "real"}]}],
            "urn:x": {"manager": {"value": "bulkId:m"}},
            "displayName": "see bulkId:not",
            "title": "bulkId:",
        },
    )
    assert bulk.references(found) == {"g", "u", "m"}
    resolved = bulk.resolve(found, {"g": "1", "u": "2", "m": "3"})
    assert resolved.path == "/Groups/1"
    assert resolved.data["Operations"][0]["value"] == [{"value": "2"}, {"value": "real"}]
    assert resolved.data["urn:x"]["manager"]["value"] == "3"
    assert (resolved.data["displayName"], resolved.data["title"]) == ("see bulkId:not", "bulkId:")
    assert bulk.resolve(found, {}) == found
    assert found.path == "/Groups/bulkId:g"


def test_what_refers_forward_waits() -> None:
    """The order sent is kept as far as it can be (B2, B6)."""
    operations = [
        operation(0, "o2"),
        operation(1),
        operation(2),
        operation(3, path="/Groups/bulkId:o0", method="PATCH"),
    ]
    steps = bulk.execution_order(operations)
    assert [step.operation.index for step in steps] == [1, 2, 0, 3]
    assert all(not step.postponed for step in steps)
    plain = [operation(place) for place in range(5)]
    assert bulk.execution_order(plain) == tuple(Step(one) for one in plain)


def test_a_circle_is_broken_in_one_place() -> None:
    """Both are created, the reference that comes too early is postponed; bystanders are not touched (B3)."""
    operations = [operation(0, "o1"), operation(1, "o2"), operation(2, "o1"), operation(3, "o3"), operation(4)]
    steps = {step.operation.index: step.postponed for step in bulk.execution_order(operations)}
    assert steps == {0: frozenset(), 1: {"o2"}, 2: frozenset(), 3: {"o3"}, 4: frozenset()}
    order = [step.operation.index for step in bulk.execution_order(operations)]
    assert order.index(1) < order.index(2)
    assert order.index(1) < order.index(0)


def test_an_unknown_reference_holds_nothing_up() -> None:
    """It fails on its own when its turn comes; a bulkId of something else than a POST is unknown (B3)."""
    put = BulkOperation("PUT", "/Users/1", {}, "p", None, 1)
    steps = bulk.execution_order([operation(0, "nobody", "p"), put])
    assert [(step.operation.index, step.postponed) for step in steps] == [(0, frozenset()), (1, frozenset())]


def test_a_long_chain_and_a_large_circle_are_ordered_quickly() -> None:
    """Time in proportion to the request, and no recursion (B3, B6, X4)."""
    size = 20_000
    started = time.perf_counter()
    chain = bulk.execution_order([operation(place, f"o{place + 1}") for place in range(size)])
    assert [step.operation.index for step in chain] == list(reversed(range(size)))
    circle = bulk.execution_order([operation(place, f"o{(place + 1) % size}") for place in range(size)])
    assert len(circle) == size
    assert time.perf_counter() - started < 10


graphs = st.integers(1, 8).flatmap(
    lambda size: st.lists(st.frozensets(st.integers(0, size), max_size=4), min_size=size, max_size=size)
)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(graphs, st.randoms(use_true_random=False))
def test_any_graph_is_ordered_whole(graph: list[frozenset[int]], chance: random.Random) -> None:
    """Every operation once; what is not postponed exists already; without circles nothing is postponed (B2, B3)."""
    operations = [operation(place, *(f"o{other}" for other in needs)) for place, needs in enumerate(graph)]
    steps = bulk.execution_order(operations)
    assert sorted(step.operation.index for step in steps) == list(range(len(graph)))
    made: set[str] = set()
    names = {f"o{place}" for place in range(len(graph))}
    for step in steps:
        assert (bulk.references(step.operation) & names) - step.postponed <= made
        made.add(str(step.operation.bulk_id))
    ranks = list(range(len(graph)))
    chance.shuffle(ranks)
    acyclic = [
        operation(place, *(f"o{other}" for other in needs if other < len(graph) and ranks[other] < ranks[place]))
        for place, needs in enumerate(graph)
    ]
    assert all(not step.postponed for step in bulk.execution_order(acyclic))
