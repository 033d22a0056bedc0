"""Bulk (RFC 7644 §3.7): many operations in one request, their bulkId references resolved forward, backward and in
circles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.engine.calls import Answer, Call
from gateway.engine.resources import Resources
from gateway.engine.tenants import Served
from gateway.scim import errors, messages
from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.scim.messages import BulkOperation

PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
PREFIX = "bulkId:"


@dataclass(slots=True)
class _Progress:
    """What became of the operations so far: ids by bulkId, items by position, bulkIds that will never be."""

    ids: dict[str, str] = field(default_factory=dict)
    items: dict[int, dict[str, Any]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    errors: int = 0


class Bulk:
    """Runs bulk requests one operation after the other; a failure touches only what refers to it (B1)."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def run(self, call: Call, body: Any) -> Answer:
        """Answer a bulk request; raise `ScimError` 400 for a malformed one and 413 naming the limit it exceeds (B4)."""
        request = messages.parse_bulk(body, max_operations=call.tenant.limits.bulk_operations)
        progress = _Progress()
        pending = [(operation, frozenset(_references(operation))) for operation in request.operations]
        posted = {one.bulk_id for one, _ in pending if one.bulk_id and one.method == "POST"}
        postponed: list[tuple[BulkOperation, dict[str, Any]]] = []
        while pending and not self._stop(request.fail_on_errors, progress):
            place, left = _next(pending, posted, progress)
            operation, _ = pending.pop(place)
            if left:
                operation, later = _break(operation, left)
                postponed.append((operation, later))
            await self._one(call, operation, posted, progress)
        for operation, later in postponed:
            if not self._stop(request.fail_on_errors, progress):
                await self._complete(call, operation, later, posted, progress)
        items = [progress.items[index] for index in sorted(progress.items)]
        return Answer(200, messages.bulk_response(items))

    @staticmethod
    def _stop(limit: int | None, progress: _Progress) -> bool:
        return limit is not None and progress.errors >= limit

    async def _one(self, call: Call, operation: BulkOperation, posted: set[str], progress: _Progress) -> None:
        item: dict[str, Any] = {"method": operation.method}
        if operation.bulk_id is not None:
            item["bulkId"] = operation.bulk_id
        try:
            _check_references(operation, posted, progress)
            answer = await self._run(call, operation, progress)
        except ScimError as error:
            self._fail(item, operation, error, progress)
        except Exception as error:  # noqa: BLE001
            # One operation of a batch must not take the others with it; the cause travels to the log with the error.
            self._resources.report(call, error)
            self._fail(item, operation, ScimError(500, "the operation failed for an internal reason"), progress)
        else:
            item["status"] = str(answer.status)
            if answer.location is not None:
                item["location"] = answer.location
            if answer.version is not None:
                item["version"] = answer.version
            if operation.method == "POST" and operation.bulk_id is not None and answer.location is not None:
                progress.ids[operation.bulk_id] = answer.location.rsplit("/", 1)[1]
        progress.items[operation.index] = item

    async def _run(self, call: Call, operation: BulkOperation, progress: _Progress) -> Answer:
        served, id = _route(call, operation, progress)
        inner = replace(call, if_match=operation.version, if_none_match=None, attributes=None, excluded=None)
        data = _resolve(operation.data, progress.ids)
        match operation.method:
            case "POST":
                return await self._resources.create(inner, served, data)
            case "PUT":
                return await self._resources.replace(inner, served, id, data)
            case "PATCH":
                answer = await self._resources.patch(inner, served, id, data)
            case _:
                answer = await self._resources.delete(inner, served, id)
        location = f"{call.base_url}{served.resource_type.endpoint}/{id}"
        return replace(answer, location=answer.location or location)

    async def _complete(
        self, call: Call, operation: BulkOperation, later: Mapping[str, Any], posted: set[str], progress: _Progress
    ) -> None:
        """Set the references that closed a circle, now that both ends exist (B3)."""
        item = progress.items[operation.index]
        if operation.bulk_id not in progress.ids:
            return
        operations = [{"op": "add", "path": name, "value": value} for name, value in later.items()]
        message = {"schemas": [PATCH_URN], "Operations": operations}
        path = f"{operation.path.rstrip('/')}/{progress.ids[operation.bulk_id]}"
        patch = replace(operation, method="PATCH", path=path, data=message, version=None)
        try:
            _check_references(patch, posted, progress)
            answer = await self._run(call, patch, progress)
        except ScimError as error:
            detail = f"the resource was created without its circular references: {error.detail}"
            self._fail(item, operation, ScimError(409, detail), progress)
        else:
            if answer.version is not None:
                item["version"] = answer.version

    @staticmethod
    def _fail(item: dict[str, Any], operation: BulkOperation, error: ScimError, progress: _Progress) -> None:
        item["status"] = str(error.status)
        item["response"] = errors.body(error)
        progress.errors += 1
        if operation.bulk_id is not None and operation.bulk_id not in progress.ids:
            progress.failed.add(operation.bulk_id)


def _next(
    pending: Sequence[tuple[BulkOperation, frozenset[str]]], posted: set[str], progress: _Progress
) -> tuple[int, frozenset[str]]:
    """Pick the first operation that waits for nothing; where all wait, a creation with what it leaves out."""
    open_ = posted - progress.ids.keys() - progress.failed
    for place, (_, references) in enumerate(pending):
        if references.isdisjoint(open_):
            return place, frozenset()
    for place, (operation, references) in enumerate(pending):
        if operation.method == "POST":
            return place, references & open_
    return 0, frozenset()


def _references(operation: BulkOperation) -> set[str]:
    """Collect the bulkIds an operation refers to, in its data and in its path (B2)."""
    found: set[str] = set()
    stack: list[Any] = [operation.data]
    while stack:
        value = stack.pop()
        if isinstance(value, str) and value.startswith(PREFIX):
            found.add(value.removeprefix(PREFIX))
        elif isinstance(value, dict):
            stack += value.values()
        elif isinstance(value, list):
            stack += value
    tail = operation.path.strip("/").partition("/")[2]
    if tail.startswith(PREFIX):
        found.add(tail.removeprefix(PREFIX))
    return found


def _resolve(value: Any, ids: Mapping[str, str]) -> Any:
    """Replace every ``bulkId:x`` by the id it stands for."""
    if isinstance(value, str) and value.startswith(PREFIX):
        return ids.get(value.removeprefix(PREFIX), value)
    if isinstance(value, dict):
        return {name: _resolve(member, ids) for name, member in value.items()}
    if isinstance(value, list):
        return [_resolve(member, ids) for member in value]
    return value


def _check_references(operation: BulkOperation, posted: set[str], progress: _Progress) -> None:
    for name in sorted(_references(operation) - progress.ids.keys()):
        if name in posted:
            detail = f"bulkId {name[:64]}: the operation it refers to failed or comes too late"
            raise ScimError(409, detail)
        raise refuse(ScimType.INVALID_VALUE, f"bulkId {name[:64]}: no POST of this request has it")


def _break(operation: BulkOperation, left: frozenset[str]) -> tuple[BulkOperation, dict[str, Any]]:
    """Split a creation: what can be written now, and the attributes whose references have no id yet."""
    now, later = dict(operation.data), dict[str, Any]()
    for name, value in operation.data.items():
        probe = replace(operation, path="/", data=value)
        if not _references(probe) & left:
            continue
        if isinstance(value, list):
            open_ = [part for part in value if _references(replace(probe, data=part)) & left]
            now[name] = [part for part in value if part not in open_]
            later[name] = open_
        else:
            del now[name]
            later[name] = value
    return replace(operation, data=now), later


def _route(call: Call, operation: BulkOperation, progress: _Progress) -> tuple[Served, str]:
    endpoint, _, id = operation.path.strip("/").partition("/")
    served = call.tenant.by_endpoint.get(endpoint.lower())
    if served is None:
        raise ScimError(404, f"path: there is no resource type at /{endpoint[:64]}")
    if id.startswith(PREFIX):
        id = progress.ids.get(id.removeprefix(PREFIX), id)
    return served, id
