"""Bulk messages (RFC 7644 §3.7): reading them, what refers to what, and in which order that can be done (B1-B6)."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.scim.values import shown

REQUEST_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
RESPONSE_URN = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
PREFIX = "bulkId:"

Method = Literal["POST", "PUT", "PATCH", "DELETE"]
_METHODS = ("POST", "PUT", "PATCH", "DELETE")
_SEGMENT = re.compile(r"(?!\.\.?$)[A-Za-z0-9._~:@!$&'()*+,;=%-]+")
_NAME = re.compile(r"[^\s/\\?#\"]{1,255}")


@dataclass(frozen=True, slots=True)
class BulkOperation:
    """One operation: `path` without a trailing slash, `data` None for DELETE, `index` its place in the request."""

    method: Method
    path: str
    data: Any = field(default=None, repr=False)
    bulk_id: str | None = None
    version: str | None = None
    index: int = 0


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """A whole request; after `fail_on_errors` errors no further operation is begun (B1), None means never."""

    operations: tuple[BulkOperation, ...]
    fail_on_errors: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One operation in its turn.

    `postponed` names the bulkIds it refers to that do not exist yet when its turn comes, because they refer back to it:
    create it without those references, and PATCH them in when everything is there (B3).
    """

    operation: BulkOperation
    postponed: frozenset[str] = frozenset()


def parse_bulk(body: Any, *, max_operations: int) -> BulkRequest:
    """Read a BulkRequest.

    Raises `ScimError` 413 naming maxOperations and its value (B4), and 400 invalidSyntax or invalidValue for a wrong
    structure; the detail names the operation by its place, counted from 0 (``Operations[3].path``). What is wrong with
    the data of an operation is that operation's own failure and is not looked at here.
    """
    message = _members(body, "the body")
    _check_schemas(message.get("schemas"))
    limit = message.get("failonerrors")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise refuse(ScimType.INVALID_VALUE, "failOnErrors: must be an integer of at least 1")
    found = message.get("operations")
    if not isinstance(found, list) or not found:
        raise refuse(ScimType.INVALID_SYNTAX, "Operations: must be a list of at least one operation")
    if len(found) > max_operations:
        raise ScimError(413, f"the request has {len(found)} operations; maxOperations is {max_operations}")
    operations = tuple(_operation(item, index) for index, item in enumerate(found))
    taken: set[str] = set()
    for operation in operations:
        if operation.bulk_id is not None:
            if operation.bulk_id in taken:
                reason = f"{shown(operation.bulk_id)} is used twice"
                raise refuse(ScimType.INVALID_VALUE, f"Operations[{operation.index}].bulkId: {reason}")
            taken.add(operation.bulk_id)
    return BulkRequest(operations, limit)


def bulk_response(items: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Make a BulkResponse of the items of the operations that were begun (B5).

    Each item holds `method`, `status` (a string), `bulkId` and `version` where there are any, `location` (but for a
    failed POST), and for a failure `response`, which is an error message.
    """
    return {"schemas": [RESPONSE_URN], "Operations": [dict(item) for item in items]}


def references(operation: BulkOperation) -> frozenset[str]:
    """Collect the bulkIds an operation refers to: whole strings anywhere in its data, and its path (B2)."""
    found: set[str] = set()
    stack: list[Any] = [operation.data]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            if (name := _reference(value)) is not None:
                found.add(name)
        elif isinstance(value, dict):
            stack += value.values()
        elif isinstance(value, list):
            stack += value
    if (name := _reference(operation.path.rpartition("/")[2])) is not None:
        found.add(name)
    return frozenset(found)


def resolve(operation: BulkOperation, ids: Mapping[str, str]) -> BulkOperation:
    """Put the ids in the place of the references, in data and path; references without an id stay as they are."""
    head, slash, tail = operation.path.rpartition("/")
    name = _reference(tail)
    path = f"{head}{slash}{ids[name]}" if name is not None and name in ids else operation.path
    return replace(operation, path=path, data=_resolved(operation.data, ids))


def execution_order(operations: Sequence[BulkOperation]) -> tuple[Step, ...]:
    """Order operations so that what is referred to comes first, and otherwise as they were sent (B2, B6).

    Where operations refer to each other in a circle, or one to itself, the references that cannot be met yet are marked
    `postponed` (B3). References to a bulkId that no POST has are left to the engine: they wait for nothing. Takes time
    in proportion to operations and references.
    """
    makers = {one.bulk_id: place for place, one in enumerate(operations) if one.method == "POST" and one.bulk_id}
    needs = [{makers[name]: name for name in references(operation) if name in makers} for operation in operations]
    circle = _circles([list(need) for need in needs])
    postponed: list[frozenset[str]] = []
    waiting: list[int] = []
    followers: list[list[int]] = [[] for _ in operations]
    for place, need in enumerate(needs):
        late = {other for other in need if circle[other] == circle[place] and other >= place}
        postponed.append(frozenset(need[other] for other in late))
        waiting.append(len(need) - len(late))
        for other in need.keys() - late:
            followers[other].append(place)
    ready = [place for place, count in enumerate(waiting) if count == 0]
    steps: list[Step] = []
    while ready:
        place = heapq.heappop(ready)
        steps.append(Step(operations[place], postponed[place]))
        for follower in followers[place]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                heapq.heappush(ready, follower)
    return tuple(steps)


def _circles(needs: Sequence[Sequence[int]]) -> list[int]:
    """Number each place by its strongly connected component (Tarjan, without recursion)."""
    order, low, component = [-1] * len(needs), [0] * len(needs), [-1] * len(needs)
    stack: list[int] = []
    clock = 0
    for root in range(len(needs)):
        if order[root] >= 0:
            continue
        work = [(root, 0)]
        while work:
            place, start = work.pop()
            if start == 0:
                order[place] = low[place] = clock
                clock += 1
                stack.append(place)
            else:
                low[place] = min(low[place], low[needs[place][start - 1]])
            for step in range(start, len(needs[place])):
                other = needs[place][step]
                if order[other] < 0:
                    work += [(place, step + 1), (other, 0)]
                    break
                if component[other] < 0:
                    low[place] = min(low[place], order[other])
            else:
                if low[place] == order[place]:
                    while component[place] < 0:
                        component[stack.pop()] = place
    return component


def _reference(text: str) -> str | None:
    return text[len(PREFIX) :] if text.startswith(PREFIX) and len(text) > len(PREFIX) else None


def _resolved(value: Any, ids: Mapping[str, str]) -> Any:
    """Depth is the message's own, which the codec has bounded (X4)."""
    if isinstance(value, str):
        name = _reference(value)
        return ids.get(name, value) if name is not None else value
    if isinstance(value, dict):
        return {name: _resolved(part, ids) for name, part in value.items()}
    if isinstance(value, list):
        return [_resolved(part, ids) for part in value]
    return value


def _members(value: Any, where: str) -> dict[str, Any]:
    """Fold the names of a message's members, refusing two spellings of one (S2)."""
    if not isinstance(value, dict):
        raise refuse(ScimType.INVALID_SYNTAX, f"{where}: must be a JSON object")
    members = {name.lower(): member for name, member in value.items()}
    if len(members) != len(value):
        raise refuse(ScimType.INVALID_SYNTAX, f"{where}: a member is given twice (names ignore case)")
    return members


def _check_schemas(found: Any) -> None:
    urns = found if isinstance(found, list) else []
    if [urn.lower() if isinstance(urn, str) else None for urn in urns] != [REQUEST_URN.lower()]:
        raise refuse(ScimType.INVALID_SYNTAX, f"schemas: must hold {REQUEST_URN} and nothing else")


def _operation(item: Any, index: int) -> BulkOperation:
    where = f"Operations[{index}]"
    members = _members(item, where)
    method = members.get("method")
    if not isinstance(method, str) or method.upper() not in _METHODS:
        raise refuse(ScimType.INVALID_VALUE, f"{where}.method: must be POST, PUT, PATCH or DELETE")
    method = method.upper()
    bulk_id = members.get("bulkid")
    if bulk_id is not None and (not isinstance(bulk_id, str) or not _NAME.fullmatch(bulk_id)):
        raise refuse(ScimType.INVALID_VALUE, f"{where}.bulkId: must be text without blanks, slashes and quotes")
    if bulk_id is None and method == "POST":
        raise refuse(ScimType.INVALID_VALUE, f"{where}.bulkId: is required for POST")
    version = members.get("version")
    if version is not None and not isinstance(version, str):
        raise refuse(ScimType.INVALID_VALUE, f"{where}.version: must be text")
    data = members.get("data")
    if method == "DELETE":
        data = None
    elif not isinstance(data, dict):
        raise refuse(ScimType.INVALID_SYNTAX, f"{where}.data: must be a JSON object")
    return BulkOperation(
        cast(Method, method), _path(members.get("path"), method, where), data, bulk_id, version or None, index
    )


def _path(path: Any, method: str, where: str) -> str:
    if not isinstance(path, str) or not path.startswith("/"):
        raise refuse(ScimType.INVALID_VALUE, f"{where}.path: must be text that begins with /")
    segments = path[1:].removesuffix("/").split("/")
    if segments[0].lower() == "bulk":
        raise refuse(ScimType.INVALID_VALUE, f"{where}.path: a bulk request cannot hold another")
    if len(segments) != (1 if method == "POST" else 2) or not all(map(_SEGMENT.fullmatch, segments)):
        shape = "/Users" if method == "POST" else "/Users/{id}"
        raise refuse(ScimType.INVALID_VALUE, f"{where}.path: must have the form {shape}")
    return "/" + "/".join(segments)
