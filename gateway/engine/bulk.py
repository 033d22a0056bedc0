"""Bulk (RFC 7644 §3.7): many operations in one request, run one after the other in an order their references allow.

What refers to what, and the order, is worked out by `scim.bulk` before anything is done; here the operations are run,
references are replaced by the ids as they come to be, and what closes a circle is set afterwards.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.engine.audit import Verb
from gateway.engine.calls import Answer, Call
from gateway.engine.resources import Resources
from gateway.engine.tenants import Served
from gateway.scim import errors, patch
from gateway.scim.bulk import (
    BulkOperation,
    Step,
    bulk_response,
    execution_order,
    parse_bulk,
    references,
    resolve,
)
from gateway.scim.errors import ScimError, ScimType, refuse

_VERBS: Mapping[str, Verb] = {"POST": "create", "PUT": "replace", "PATCH": "patch", "DELETE": "delete"}


@dataclass(slots=True)
class _Progress:
    """What became of the operations so far: ids by bulkId, items by position, and how many failed."""

    posted: frozenset[str]
    limit: int | None
    ids: dict[str, str] = field(default_factory=dict)
    items: dict[int, dict[str, Any]] = field(default_factory=dict)
    failures: int = 0

    @property
    def stopped(self) -> bool:
        """Whether as many operations failed as the client allows (B1)."""
        return self.limit is not None and self.failures >= self.limit


class Bulk:
    """Runs bulk requests; a failure touches only what refers to it (B1)."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def run(self, call: Call, body: Any) -> Answer:
        """Answer a bulk request; raise `ScimError` 400 for a malformed one and 413 naming the limit it exceeds (B4)."""
        request = parse_bulk(body, max_operations=call.tenant.limits.bulk_operations)
        posted = frozenset(one.bulk_id for one in request.operations if one.bulk_id and one.method == "POST")
        progress = _Progress(posted, request.fail_on_errors)
        postponed: list[tuple[BulkOperation, dict[str, Any]]] = []
        for step in execution_order(request.operations):
            if progress.stopped:
                break
            operation, later = _parted(step)
            await self._one(call, operation, progress)
            if later:
                postponed.append((operation, later))
        for operation, later in postponed:
            if not progress.stopped and operation.bulk_id in progress.ids:
                await self._complete(call, operation, later, progress)
        return Answer(200, bulk_response(progress.items[index] for index in sorted(progress.items)))

    async def _one(self, call: Call, operation: BulkOperation, progress: _Progress) -> None:
        """Run one operation and note its item."""
        item: dict[str, Any] = {"method": operation.method}
        if operation.bulk_id is not None:
            item["bulkId"] = operation.bulk_id
        progress.items[operation.index] = item

        async def work() -> Answer:
            served, id, data = self._made_ready(call, operation, progress)
            if id:
                item["location"] = f"{call.base_url}{served.resource_type.endpoint}/{id}"
            return await self._run(call, operation, served, id, data)

        answer = await self._guarded(call, item, progress, work)
        if answer is None:
            return
        item["status"] = str(answer.status)
        if answer.location is not None:
            item["location"] = answer.location
        if answer.version is not None:
            item["version"] = answer.version
        if operation.method == "POST" and operation.bulk_id is not None and answer.location is not None:
            progress.ids[operation.bulk_id] = answer.location.rsplit("/", 1)[1]

    async def _guarded(
        self, call: Call, item: dict[str, Any], progress: _Progress, work: Callable[[], Awaitable[Answer]]
    ) -> Answer | None:
        """Give the answer, or None and put the refusal into the item."""
        try:
            return await work()
        except ScimError as error:
            refusal = error
        except Exception as error:  # noqa: BLE001
            # One operation of a batch must not take the others with it; the cause travels to the log with the error.
            self._resources.report(call, error)
            refusal = ScimError(500, "the operation failed for an internal reason")
        progress.failures += 1
        item["status"] = str(refusal.status)
        item["response"] = errors.body(refusal)
        return None

    def _made_ready(self, call: Call, operation: BulkOperation, progress: _Progress) -> tuple[Served, str, Any]:
        """Make an operation ready; one that cannot be is an attempt too (M10)."""
        try:
            return _ready(call, operation, progress)
        except ScimError as error:
            endpoint, _, id = operation.path.strip("/").partition("/")
            served = call.tenant.by_endpoint.get(endpoint.lower())
            name = "" if served is None else served.name
            self._resources.refused(call, _VERBS[operation.method], name, id or None, error)
            raise

    async def _run(self, call: Call, operation: BulkOperation, served: Served, id: str, data: Any) -> Answer:
        inner = replace(call, if_match=operation.version, if_none_match=None, attributes=None, excluded=None)
        match operation.method:
            case "POST":
                return await self._resources.create(replace(inner, if_match=None), served, data)
            case "PUT":
                return await self._resources.replace(inner, served, id, data)
            case "PATCH":
                return await self._resources.patch(inner, served, id, data)
            case "DELETE":
                return await self._resources.delete(inner, served, id)

    async def _complete(
        self, call: Call, operation: BulkOperation, later: Mapping[str, Any], progress: _Progress
    ) -> None:
        """Set the references that closed a circle, now that both ends exist (B3)."""
        item = progress.items[operation.index]
        changes = [{"op": "add", "path": name, "value": value} for name, value in later.items()]
        message = {"schemas": [patch.REQUEST_URN], "Operations": changes}
        path = f"{operation.path}/{progress.ids[operation.bulk_id or '']}"
        change = replace(operation, method="PATCH", path=path, data=message, version=None)

        async def work() -> Answer:
            try:
                served, id, data = self._made_ready(call, change, progress)
                return await self._run(call, change, served, id, data)
            except ScimError as error:
                detail = f"the resource was created without its circular references: {error.detail}"
                raise ScimError(409, detail) from error

        answer = await self._guarded(call, item, progress, work)
        if answer is not None and answer.version is not None:
            item["version"] = answer.version


def _parted(step: Step) -> tuple[BulkOperation, dict[str, Any]]:
    """Split a creation: what can be written now, and the attributes whose references have no id yet (B3)."""
    operation = step.operation
    if not step.postponed or not isinstance(operation.data, dict):
        return operation, {}
    now: dict[str, Any] = {}
    later: dict[str, Any] = {}
    for name, value in operation.data.items():
        if not _refers(value, step.postponed):
            now[name] = value
        elif isinstance(value, list):
            later[name] = [part for part in value if _refers(part, step.postponed)]
            now[name] = [part for part in value if not _refers(part, step.postponed)]
        else:
            later[name] = value
    return replace(operation, data=now), later


def _refers(value: Any, names: frozenset[str]) -> bool:
    return not references(BulkOperation("POST", "/", value)).isdisjoint(names)


def _ready(call: Call, operation: BulkOperation, progress: _Progress) -> tuple[Served, str, Any]:
    """Find the type and id an operation is about, and its data, with every reference replaced by its id (B2).

    Raises `ScimError` 409 where what is referred to failed, 400 where nothing of the request has the bulkId, and 404
    for an endpoint nobody serves.
    """
    for name in sorted(references(operation) - progress.ids.keys()):
        if name in progress.posted:
            raise ScimError(409, f"bulkId {name[:64]}: the operation it refers to failed")
        raise refuse(ScimType.INVALID_VALUE, f"bulkId {name[:64]}: no POST of this request has it")
    resolved = resolve(operation, progress.ids)
    endpoint, _, id = resolved.path.strip("/").partition("/")
    served = call.tenant.by_endpoint.get(endpoint.lower())
    if served is None:
        raise ScimError(404, f"path: there is no resource type at /{endpoint[:64]}")
    return served, id, resolved.data
