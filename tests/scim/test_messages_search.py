"""Queries and their answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scim2_models import ListResponse, User

from gateway.scim import messages
from gateway.scim.errors import ScimError
from gateway.scim.messages import LIST_URN, SEARCH_URN, SearchRequest
from gateway.scim.schema import USER_URN


def query(raw: str) -> SearchRequest:
    return messages.parse_query(messages.query_pairs(raw))


def search(**members: Any) -> SearchRequest:
    return messages.parse_search({"schemas": [SEARCH_URN], **members})


def test_a_page_by_index_says_what_it_holds() -> None:
    """itemsPerPage is what was returned, not what was asked for; Resources is always there (Q2, Q3, Q9)."""
    assert messages.list_response([{"id": "1"}], total=7, start_index=3) == {
        "schemas": [LIST_URN],
        "totalResults": 7,
        "itemsPerPage": 1,
        "startIndex": 3,
        "Resources": [{"id": "1"}],
    }
    empty = messages.list_response((), total=0, start_index=1)
    assert (empty["totalResults"], empty["itemsPerPage"], empty["Resources"]) == (0, 0, [])
    beyond = messages.list_response([], total=7, start_index=1000)
    assert (beyond["totalResults"], beyond["startIndex"], beyond["Resources"]) == (7, 1000, [])


def test_a_page_by_cursor_has_no_index() -> None:
    """nextCursor but on the last page, totalResults where it is known, never startIndex (N3)."""
    first = messages.list_response([{"id": "1"}], next_cursor="abc")
    assert first == {"schemas": [LIST_URN], "itemsPerPage": 1, "nextCursor": "abc", "Resources": [{"id": "1"}]}
    middle = messages.list_response([{"id": "1"}], total=3, next_cursor="c", previous_cursor="a")
    assert (middle["totalResults"], middle["previousCursor"], middle["nextCursor"]) == (3, "a", "c")
    last = messages.list_response([], total=3)
    assert "nextCursor" not in last
    assert "startIndex" not in last


def test_scim2_models_understands_the_list() -> None:
    """An independent reader finds the same (Q2)."""
    user = {"schemas": [USER_URN], "id": "1", "userName": "x"}
    read = ListResponse[User].model_validate(messages.list_response([user], total=1, start_index=1))
    assert (read.total_results, read.items_per_page, read.start_index) == (1, 1, 1)
    assert read.resources[0].user_name == "x"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("", SearchRequest()),
        ("startIndex=0", SearchRequest(start_index=1)),
        ("startIndex=-7&count=-1", SearchRequest(start_index=1, count=0)),
        ("count=0", SearchRequest(count=0)),
        ("startIndex=2&count=+10", SearchRequest(start_index=2, count=10)),
        ("startIndex=" + "9" * 5000, SearchRequest(start_index=2**63 - 1)),
        ("count=-" + "9" * 5000, SearchRequest(count=0)),
        ("count=" + "0" * 5000 + "3", SearchRequest(count=3)),
        ("cursor", SearchRequest(cursor="")),
        ("cursor&count=5", SearchRequest(cursor="", count=5)),
        ("cursor=", SearchRequest(cursor="")),
        ("cursor=aB-_.~9", SearchRequest(cursor="aB-_.~9")),
        ("attributes=userName,name.givenName", SearchRequest(attributes=["userName,name.givenName"])),
        ("attributes=userName&attributes=emails", SearchRequest(attributes=["userName", "emails"])),
        ("excludedAttributes=members", SearchRequest(excluded=["members"])),
        ("sortBy=userName&sortOrder=descending", SearchRequest(sort_by="userName", sort_order="descending")),
        ("sortBy=&sortOrder=+", SearchRequest()),
        ("FILTER=a+pr&Count=1", SearchRequest(filter="a pr", count=1)),
        ("filter=", SearchRequest(filter="")),
        ("filter=userName+eq+%22a%2Bb%40x%22", SearchRequest(filter='userName eq "a+b@x"')),
        ("filter=userName%20eq%20%22%C5%81%22", SearchRequest(filter='userName eq "Ł"')),
        ("aadOptscim062020&x=1&x=2&startindexx=7", SearchRequest()),
    ],
)
def test_parameters_are_read(raw: str, expected: SearchRequest) -> None:
    """Bounds, valueless cursor, spaces and pluses, names in any case, unknown ones ignored (Q1, Q3, H6, H16, N1, N2,
    N4, E5, F12)."""
    assert query(raw) == expected
    assert expected.has_count is (expected.count is not None)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("startIndex=a", "startIndex: must be an integer"),
        ("startIndex=1.0", "startIndex: must be an integer"),
        ("count=1e3", "count: must be an integer"),
        ("count=", "count: must be an integer"),
        ("count", "count: must be an integer"),
        ("count=٣", "count: must be an integer"),
        ("count=1_0", "count: must be an integer"),
        ("count=1&count=2", "count: is given twice"),
        ("filter=a&Filter=b", "filter: is given twice"),
        ("cursor&cursor", "cursor: is given twice"),
        ("startIndex=1&cursor", "startIndex and cursor"),
        ("filter=%ff", "not UTF-8"),
        ("&".join(["a=b"] * 300), "more than 256 parameters"),
    ],
)
def test_wrong_parameters_are_refused(refused: Any, raw: str, words: str) -> None:
    """Integers are integers, one parameter has one value, two ways of paging are one too many (Q1, N10)."""
    with refused("invalidValue", words):
        query(raw)


def test_a_search_by_body_is_the_same_query() -> None:
    """POST .search and GET mean the same (Q8, N9, S2)."""
    assert search() == SearchRequest()
    assert search(
        attributes=["userName"], filter="a pr", sortBy="a", sortOrder="ascending", startIndex=2, count=3
    ) == query("attributes=userName&filter=a+pr&sortBy=a&sortOrder=ascending&startIndex=2&count=3")
    assert search(excludedAttributes=["members"], cursor="", count=-4) == query(
        "excludedAttributes=members&cursor&count=-4"
    )
    assert search(FILTER="a pr", STARTINDEX=-3) == SearchRequest(filter="a pr", start_index=1)
    assert search(attributes="userName,emails") == SearchRequest(attributes=["userName,emails"])
    assert search(filter=None, count=None, attributes=None, x=1) == SearchRequest()
    assert search(startIndex=10**40, count=-(10**40)) == SearchRequest(start_index=2**63 - 1, count=0)


@pytest.mark.parametrize(
    ("body", "scim_type", "words"),
    [
        (None, "invalidSyntax", "must be a JSON object"),
        ([], "invalidSyntax", "must be a JSON object"),
        ({}, "invalidSyntax", "schemas: must hold"),
        ({"schemas": []}, "invalidSyntax", "schemas: must hold"),
        ({"schemas": SEARCH_URN}, "invalidSyntax", "schemas: must hold"),
        ({"schemas": [LIST_URN]}, "invalidSyntax", "schemas: must hold"),
        ({"schemas": [SEARCH_URN, SEARCH_URN]}, "invalidSyntax", "schemas: must hold"),
        ({"schemas": [SEARCH_URN, 1]}, "invalidSyntax", "schemas: must hold"),
        ({"schemas": [SEARCH_URN], "count": "10"}, "invalidValue", "count: must be an integer"),
        ({"schemas": [SEARCH_URN], "count": 1.0}, "invalidValue", "count: must be an integer"),
        ({"schemas": [SEARCH_URN], "startIndex": True}, "invalidValue", "startIndex: must be an integer"),
        ({"schemas": [SEARCH_URN], "filter": 7}, "invalidValue", "filter: must be a string"),
        ({"schemas": [SEARCH_URN], "sortBy": ["a"]}, "invalidValue", "sortBy: must be a string"),
        ({"schemas": [SEARCH_URN], "cursor": 1}, "invalidValue", "cursor: must be a string"),
        ({"schemas": [SEARCH_URN], "attributes": 7}, "invalidValue", "attributes: must be a list"),
        ({"schemas": [SEARCH_URN], "attributes": [7]}, "invalidValue", "attributes: must be a list"),
        ({"schemas": [SEARCH_URN], "filter": "a", "FILTER": "b"}, "invalidSyntax", "filter: is given twice"),
        ({"schemas": [SEARCH_URN], "filter": None, "Filter": "b"}, "invalidSyntax", "filter: is given twice"),
        ({"schemas": [SEARCH_URN], "cursor": "", "startIndex": 1}, "invalidValue", "startIndex and cursor"),
    ],
)
def test_a_wrong_search_is_refused(refused: Any, body: Any, scim_type: str, words: str) -> None:
    """The message has its own schema, and each member its type (S3, Q8, N9, N10, S2)."""
    with refused(scim_type, words):
        messages.parse_search(body)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_query_string_is_read_or_refused(raw: str) -> None:
    """Bounds hold whatever comes (Q1)."""
    try:
        request = query(raw)
    except ScimError as error:
        assert error.status == 400  # noqa: PT017
    else:
        assert request.start_index >= 1


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.integers(), st.integers())
def test_numbers_mean_the_same_in_both_forms(start: int, count: int) -> None:
    """GET and .search clamp alike (Q1, Q8)."""
    request = query(f"startIndex={start}&count={count}")
    assert request == search(startIndex=start, count=count)
    assert request.start_index >= 1
    assert request.count is not None
    assert request.count >= 0
