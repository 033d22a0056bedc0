"""Messages of queries (RFC 7644 §3.4.2, §3.4.3; RFC 9865): requests from a URL or a body, and their answers.

Those of bulk requests are in `bulk` and can be had from here too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from gateway.scim.bulk import BulkOperation, BulkRequest, bulk_response, parse_bulk
from gateway.scim.errors import ScimError, ScimType, refuse

__all__ = [
    "LIST_URN",
    "SEARCH_URN",
    "BulkOperation",
    "BulkRequest",
    "SearchRequest",
    "bulk_response",
    "list_response",
    "parse_bulk",
    "parse_query",
    "parse_search",
    "query_pairs",
]

LIST_URN = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
SEARCH_URN = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"

_INTEGER = re.compile(r"[+-]?[0-9]+")
_LARGEST = 2**63 - 1
"""What databases can count to; a larger number means the same to a client."""
_MAX_FIELDS = 256
_NAMES = {
    name.lower(): name
    for name in ("attributes", "excludedAttributes", "filter", "sortBy", "sortOrder", "startIndex", "count", "cursor")
}
_LISTS = ("attributes", "excludedAttributes")


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A query, whether it came by GET or by `.search`.

    `start_index` is at least 1; `count` is None where the client leaves the page size to the server, else at least 0;
    `cursor` is None for paging by index and empty for the first page by cursor (N1). `attributes` and `excluded` go to
    `project.parse`; an empty `filter` is kept: it is a wrong filter, not none (F12).
    """

    attributes: list[str] | None = None
    excluded: list[str] | None = None
    filter: str | None = None
    sort_by: str | None = None
    sort_order: str | None = None
    start_index: int = 1
    count: int | None = None
    cursor: str | None = None

    @property
    def has_count(self) -> bool:
        """Whether the client asked for a page size."""
        return self.count is not None


def list_response(
    resources: Sequence[Mapping[str, Any]],
    *,
    total: int | None = None,
    start_index: int | None = None,
    next_cursor: str | None = None,
    previous_cursor: str | None = None,
) -> dict[str, Any]:
    """Make a ListResponse; `Resources` is always there, and `itemsPerPage` counts what it holds (Q2, Q9).

    By index `total` and `start_index` are given; by cursor `start_index` is not, `total` may be left out where it
    cannot be told, and `next_cursor` is left out on the last page only (N3).
    """
    message: dict[str, Any] = {"schemas": [LIST_URN]}
    if total is not None:
        message["totalResults"] = total
    message["itemsPerPage"] = len(resources)
    if start_index is not None:
        message["startIndex"] = start_index
    if previous_cursor is not None:
        message["previousCursor"] = previous_cursor
    if next_cursor is not None:
        message["nextCursor"] = next_cursor
    message["Resources"] = resources if isinstance(resources, list) else list(resources)
    return message


def query_pairs(raw: str) -> list[tuple[str, str]]:
    """Split a query string: ``+`` is a space and ``%2B`` a plus (H16), and a name without a value is kept (N2).

    Raises `ScimError` 400 invalidValue for text that is not UTF-8 and for too many parameters.
    """
    try:
        return parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except UnicodeDecodeError:
        raise refuse(ScimType.INVALID_VALUE, "the query string is not UTF-8") from None
    except ValueError:
        raise refuse(ScimType.INVALID_VALUE, f"the query string has more than {_MAX_FIELDS} parameters") from None


def parse_query(pairs: Iterable[tuple[str, str]]) -> SearchRequest:
    """Read the parameters of a GET, as `query_pairs` or a multidict's ``items()`` give them.

    Names are taken in any case, for a misspelled ``Filter`` must not list everybody (F12); others are ignored (H6).
    `attributes` and `excludedAttributes` may be repeated. Raises `ScimError` 400 invalidValue for another parameter
    given twice, a `startIndex` or `count` that is no integer (Q1), and `startIndex` together with `cursor` (N10).
    """
    given: dict[str, Any] = {}
    for key, value in pairs:
        name = _NAMES.get(key.lower())
        if name is None:
            continue
        if name in _LISTS:
            given.setdefault(name, []).append(value)
        elif name in given:
            raise refuse(ScimType.INVALID_VALUE, f"{name}: is given twice")
        else:
            given[name] = value
    for name in ("startIndex", "count"):
        if name in given:
            text = given[name].strip()
            if not _INTEGER.fullmatch(text):
                raise refuse(ScimType.INVALID_VALUE, f"{name}: must be an integer")
            given[name] = _clamped(text)
    return _request(given)


def parse_search(body: Any) -> SearchRequest:
    """Read a SearchRequest (Q8, N9): the same as a GET with the parameters in the body; null is not given.

    Names are taken in any case (S2), unknown members are ignored as unknown parameters are (H6). Raises `ScimError` 400
    invalidSyntax for a body that is no object, a member given twice or wrong `schemas`, and invalidValue for a member
    of a wrong type and for `startIndex` together with `cursor` (N10).
    """
    if not isinstance(body, dict):
        raise refuse(ScimType.INVALID_SYNTAX, "the body must be a JSON object")
    given: dict[str, Any] = {}
    seen: set[str] = set()
    for key, value in body.items():
        lowered = key.lower()
        name = "schemas" if lowered == "schemas" else _NAMES.get(lowered)
        if name is None:
            continue
        if name in seen:
            raise refuse(ScimType.INVALID_SYNTAX, f"{name}: is given twice (names ignore case)")
        seen.add(name)
        if value is not None:
            given[name] = value
    urns = given.pop("schemas", None)
    if not isinstance(urns, list) or [_lower(urn) for urn in urns] != [SEARCH_URN.lower()]:
        raise refuse(ScimType.INVALID_SYNTAX, f"schemas: must hold {SEARCH_URN} and nothing else")
    for name, value in given.items():
        given[name] = _member(name, value)
    return _request(given)


def _member(name: str, value: Any) -> Any:
    if name in _LISTS:
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not all(isinstance(item, str) for item in names):
            raise _wrong(name, "a list of attribute names")
        return names
    if name in ("startIndex", "count"):
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong(name, "an integer")
        return max(min(value, _LARGEST), -_LARGEST)
    if not isinstance(value, str):
        raise _wrong(name, "a string")
    return value


def _request(given: Mapping[str, Any]) -> SearchRequest:
    if "startIndex" in given and "cursor" in given:
        raise refuse(ScimType.INVALID_VALUE, "startIndex and cursor cannot be used together")
    count = given.get("count")
    return SearchRequest(
        attributes=given.get("attributes"),
        excluded=given.get("excludedAttributes"),
        filter=given.get("filter"),
        sort_by=given.get("sortBy", "").strip() or None,
        sort_order=given.get("sortOrder", "").strip() or None,
        start_index=max(1, given.get("startIndex", 1)),
        count=None if count is None else max(0, count),
        cursor=given.get("cursor"),
    )


def _clamped(text: str) -> int:
    """Read an integer of any length without spending more on it the longer it is."""
    digits = text.lstrip("+-").lstrip("0")
    size = _LARGEST if len(digits) > 18 else int(digits or "0")
    return -size if text.startswith("-") else size


def _lower(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) else None


def _wrong(name: str, expected: str) -> ScimError:
    return refuse(ScimType.INVALID_VALUE, f"{name}: must be {expected}")
