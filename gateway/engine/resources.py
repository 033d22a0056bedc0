"""Single resources: create, read, replace, patch, delete (RFC 7644 §3.3 to §3.6).

Life of a PATCH, down the rooms once and up once::

    dialect.patch      body     -> body in the RFC's form, every rewrite counted
    patch.parse        body     -> checked operations
    accounts.identity  id       -> native key, or 404
    mapping.fast       ops      -> what must be looked up, then a Change; None: read, apply, diff
    writes.apply       guard.update, then what the gateway keeps, lastModified, counter
    accounts.answer    read back, render, project
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from gateway.engine import audit
from gateway.engine.accounts import Accounts, answer, heavy_of, projection_of
from gateway.engine.audit import Attempt, Notes, NoTrail, Outcome, Trail, Verb
from gateway.engine.calls import Answer, Call
from gateway.engine.carrying import Carrier
from gateway.engine.changes import Changes
from gateway.engine.creation import Creation
from gateway.engine.failures import answerable
from gateway.engine.moves import once_more
from gateway.engine.observer import Observer
from gateway.engine.ownership import Ownership
from gateway.engine.queries import Queries
from gateway.engine.removal import Removal
from gateway.engine.tenants import Served
from gateway.engine.translation import Translation
from gateway.engine.writes import Writes
from gateway.scim import etags, patch
from gateway.scim.errors import ScimError
from gateway.scim.patch import Operation
from gateway.scim.placeless import refuse_placeless, refuse_placeless_operations


class Resources:
    """The five operations on one resource. Every method raises `ScimError` for what it refuses."""

    def __init__(self, accounts: Accounts, observer: Observer, trail: Trail | None = None) -> None:
        self._accounts = accounts
        self._observer = observer
        self._trail = trail or NoTrail()
        writes = Writes(accounts)
        ownership = Ownership(Queries(accounts.identities, accounts.resolver, accounts.renderer, observer))
        self._translation = Translation(observer)
        self._changes = Changes(accounts, writes, ownership, self._translation)
        self._creation = Creation(accounts, self._changes, ownership, self._translation)
        self._removal = Removal(accounts, writes)
        self._carrier = Carrier()

    async def create(self, call: Call, served: Served, body: Any) -> Answer:
        """Create (H1): 201, `Location`, the full stored representation.

        One that is cut off is taken up by the same request sent again.
        """
        return await self._attempt(call, served, "create", None, lambda noted: self._create(noted, served, body))

    async def read(self, call: Call, served: Served, id: str) -> Answer:
        """Read (RFC 7644 §3.4.1): 200, or 304 when the client's version still holds (V1)."""
        return await once_more(lambda: self._read(call, served, id))

    async def _read(self, call: Call, served: Served, id: str) -> Answer:
        with answerable():
            projection = projection_of(call, served)
            identity = await self._accounts.identity(call, served, id)
            heavy = heavy_of(served, projection)
            if call.if_none_match is not None and heavy:
                # The memberships are no part of the version: they need not be read to find that it still holds.
                _, light = await self._accounts.current(call, served, identity)
                if etags.matches(call.if_none_match, light.version):
                    return Answer(304, None, light.location, light.version)
            _, rendered = await self._accounts.current(call, served, identity, heavy)
        if call.if_none_match is not None and etags.matches(call.if_none_match, rendered.version):
            return Answer(304, None, rendered.location, rendered.version)
        return answer(rendered, projection)

    async def replace(self, call: Call, served: Served, id: str, body: Any) -> Answer:
        """Replace (H3, D6): never creates."""
        return await self._carried(call, served, "replace", id, lambda noted: self._replace(noted, served, id, body))

    async def patch(self, call: Call, served: Served, id: str, body: Any) -> Answer:
        """Patch (P1-P9)."""
        return await self._carried(call, served, "patch", id, lambda noted: self._patch(noted, served, id, body))

    async def delete(self, call: Call, served: Served, id: str) -> Answer:
        """Delete (H5): 204, and the id is nobody's from then on."""
        return await self._carried(call, served, "delete", id, lambda noted: self._delete(noted, served, id))

    async def settle(self) -> None:
        """Wait for changes whose callers are gone; to be called before backends and store are closed."""
        await self._carrier.idle()
        self._translation.close()

    async def _carried(
        self, call: Call, served: Served, operation: Verb, id: str, work: Callable[[Call], Awaitable[Answer]]
    ) -> Answer:
        """Carry a change to its end even if the caller is cancelled: nothing would take it up again."""
        attempt = self._attempt(call, served, operation, id, work)
        return await self._carrier.run(attempt, lambda error: self._unheard(call, error))

    async def _attempt(
        self,
        call: Call,
        served: Served,
        operation: Verb,
        id: str | None,
        work: Callable[[Call], Awaitable[Answer]],
    ) -> Answer:
        """Carry out one attempt to change something, and write down what became of it, whatever that is."""
        call.notes.recorded = True
        noted = replace(call, notes=Notes(id))
        outcome: Outcome = "failed"
        status, reason = 500, None
        try:
            with answerable():
                reply = await once_more(lambda: work(noted))
            status = reply.status
            outcome = "done" if noted.notes.changed else "unchanged"
        except ScimError as error:
            status, reason = error.status, error.scim_type
            outcome = "refused" if error.status < 500 else "failed"
            raise
        except asyncio.CancelledError:
            status = 503
            raise
        finally:
            self._record(noted, operation, served.name, outcome, status, reason)
        return reply

    def refused(self, call: Call, operation: Verb, resource_type: str, id: str | None, error: ScimError) -> None:
        """Write down an operation of a bulk request that was refused before its resource was looked at."""
        call.notes.recorded = True
        outcome: Outcome = "refused" if error.status < 500 else "failed"
        noted = replace(call, notes=Notes(id))
        self._record(noted, operation, resource_type, outcome, error.status, error.scim_type)

    def _record(
        self, call: Call, operation: Verb, resource_type: str, outcome: Outcome, status: int, reason: str | None
    ) -> None:
        self._trail.record(
            Attempt(
                tenant=call.tenant.name,
                caller=call.caller.name,
                address=call.address,
                request_id=call.request_id,
                operation=operation,
                resource_type=resource_type,
                id=call.notes.id,
                outcome=outcome,
                status=status,
                reason=reason,
                alterations=call.notes.alterations,
            )
        )

    async def _unprotected(self, call: Call, served: Served, id: str) -> None:
        """Refuse what nobody changes through SCIM (X3)."""
        if served.protection is not None:
            await served.protection.check(self._accounts, call, served, id)

    async def _create(self, call: Call, served: Served, body: Any) -> Answer:
        refuse_placeless(body, served.placeless)
        body = self._rewritten(call, served, body)
        return await self._creation.create(call, served, body, call.tenant.dialect.validate_options)

    async def _replace(self, call: Call, served: Served, id: str, body: Any) -> Answer:
        refuse_placeless(body, served.placeless)
        body = self._rewritten(call, served, body)
        await self._unprotected(call, served, id)
        if _deactivates(served, body):
            return await self._removal.deactivate(call, served, id)
        return await self._changes.replace(call, served, id, body, call.tenant.dialect.validate_options)

    async def _patch(self, call: Call, served: Served, id: str, body: Any) -> Answer:
        refuse_placeless_operations(body, served.placeless)
        dialect = call.tenant.dialect

        def count(quirk: str) -> None:
            self._count(call, quirk)

        filters = replace(dialect.filter_options, on_rewrite=count)
        options = replace(dialect.patch_options, filters=filters)
        operations = patch.parse(dialect.patch(served.resource_type, body, count), served.resource_type, options)
        call.notes.alterations = audit.of_operations(operations)
        operations = patch.settle(operations, {"id": id})
        await self._unprotected(call, served, id)
        if served.mapping.on_deactivate is not None and any(_is_deactivation(operation) for operation in operations):
            return await self._removal.deactivate(call, served, id)
        return await self._changes.patch(call, served, id, operations, options)

    async def _delete(self, call: Call, served: Served, id: str) -> Answer:
        await self._unprotected(call, served, id)
        return await self._removal.delete(call, served, id)

    def report(self, call: Call, error: BaseException) -> None:
        """Tell the operator of an operation that failed for an internal reason."""
        self._observer.failure(call.tenant.name, call.request_id, error)

    def _unheard(self, call: Call, error: BaseException) -> None:
        if not isinstance(error, ScimError):
            self.report(call, error)

    def _rewritten(self, call: Call, served: Served, body: Any) -> Any:
        return call.tenant.dialect.resource(served.resource_type, body, lambda quirk: self._count(call, quirk))

    def _count(self, call: Call, quirk: str) -> None:
        self._observer.rewrite(call.tenant.name, call.tenant.dialect.name, quirk)


def _is_deactivation(operation: Operation) -> bool:
    return operation.target.path.text == "active" and operation.value is False


def _deactivates(served: Served, body: Any) -> bool:
    if served.mapping.on_deactivate is None or not isinstance(body, dict):
        return False
    return any(name.lower() == "active" and value is False for name, value in body.items())
