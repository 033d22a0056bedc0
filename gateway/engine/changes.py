"""Replace and patch (RFC 7644 §3.5): the fast road where the operations say it all, the slow road where the record
must be known."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gateway.engine import audit
from gateway.engine.accounts import Accounts, check_match, projection_of
from gateway.engine.calls import Answer, Call
from gateway.engine.render import Rendered
from gateway.engine.tenants import Served
from gateway.identity import Identity
from gateway.mapping import FastPatch
from gateway.scim import patch, validate
from gateway.scim.errors import ScimError
from gateway.scim.patch import Operation
from gateway.scim.schema import Mutability

ATTEMPTS = 4
"""How often a change is worked out anew when somebody else was faster and the client did not insist on a version."""


class Changes:
    """Changes accounts. Nothing is written when nothing changes (P4), and all of a request or nothing of it (P3)."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def replace(
        self, call: Call, served: Served, id: str, body: Any, options: validate.ValidateOptions
    ) -> Answer:
        """Replace a resource; answer 200 with what is stored."""
        identity = await self._accounts.identity(call, served, id)
        writable = [name for name in served.heavy if not _read_only(served, name)]

        def work(rendered: Rendered) -> dict[str, Any]:
            return validate.replace(served.resource_type, body, rendered.resource, options)

        identity, after = await self._slow(call, served, identity, writable, work, replacing=True)
        return await self._changed(call, served, identity, after)

    async def patch(
        self, call: Call, served: Served, id: str, operations: Sequence[Operation], options: patch.PatchOptions
    ) -> Answer:
        """Apply operations; answer 200 with what is stored, or 204 where the dialect says so and nothing was asked
        for (H4)."""
        identity = await self._accounts.identity(call, served, id)
        fast = served.mapping.fast(operations) if call.if_match is None else None
        after: dict[str, Any] = {}
        if fast is not None:
            identity, after = await self._fast(call, served, identity, fast, operations)
        else:
            tops = {operation.target.path.top.text for operation in operations}
            heavy = [name for name in served.heavy if name in tops]

            def work(rendered: Rendered) -> dict[str, Any]:
                return patch.apply(operations, rendered.resource, served.resource_type, options)

            identity, after = await self._slow(call, served, identity, heavy, work)
        asked = call.attributes is not None or call.excluded is not None
        quiet = not asked and call.tenant.dialect.patch_status(served.resource_type) == 204
        if quiet and after.get("active") is not False:
            return Answer(204)
        answer = await self._changed(call, served, identity, after)
        return Answer(204) if quiet else answer

    async def _fast(
        self, call: Call, served: Served, identity: Identity, fast: FastPatch, operations: Sequence[Operation]
    ) -> tuple[Identity, dict[str, Any]]:
        """Change without reading: the cost does not depend on what is there (promise 4)."""
        links = await self._accounts.resolver.links(call, wanted=fast.wanted)
        delta = fast.build(links)
        if not delta.change:
            # Only the store would be asked: make sure the account is still there before saying so.
            await self._accounts.record(call, served, identity, self._accounts.plan(served, ()).fields)
        async with contextlib.AsyncExitStack() as stack:
            if served.capabilities.serialize:
                await stack.enter_async_context(self._accounts.alone(served, identity))
            identity, call.notes.changed = await self._accounts.apply(call, served, identity, delta)
        active = [operation.value for operation in operations if operation.target.path.text == "active"]
        return identity, {"active": active[-1]} if active else {}

    async def _slow(
        self,
        call: Call,
        served: Served,
        identity: Identity,
        heavy: Iterable[str],
        work: Callable[[Rendered], dict[str, Any]],
        *,
        replacing: bool = False,
    ) -> tuple[Identity, dict[str, Any]]:
        """Read, work out the new state, write the difference; again if somebody else was faster."""
        locked = served.capabilities.serialize or not served.capabilities.versions
        heavy = list(heavy)
        for attempt in range(ATTEMPTS):
            async with contextlib.AsyncExitStack() as stack:
                if locked:
                    await stack.enter_async_context(self._accounts.alone(served, identity))
                    identity = await self._accounts.identity(call, served, identity.id)
                record, rendered = await self._accounts.current(call, served, identity, heavy)
                check_match(call, rendered)
                after = work(rendered)
                if replacing:
                    call.notes.alterations = audit.of_difference(served.resource_type, rendered.resource, after)
                wanted = served.mapping.wanted(after, rendered.resource)
                links = await self._accounts.resolver.links(call, wanted=wanted)
                delta = served.mapping.diff(rendered.resource, after, record, links)
                expect = record.version if served.capabilities.versions else None
                try:
                    applied = await self._accounts.apply(call, served, identity, delta, expect=expect)
                    identity, call.notes.changed = applied
                except ScimError as error:
                    if error.status != 412 or call.if_match is not None or attempt == ATTEMPTS - 1:
                        raise
                    identity = await self._accounts.identity(call, served, identity.id)
                    continue
            return identity, after
        raise AssertionError("unreachable")

    async def _changed(self, call: Call, served: Served, identity: Identity, after: dict[str, Any]) -> Answer:
        """Read back; a deactivation the account does not show is a failure, whatever the backend said (promise 2)."""
        projection = projection_of(call, served)
        answer, rendered = await self._accounts.answer(call, served, identity, projection)
        if after.get("active") is False and rendered.resource.get("active") is True:
            raise ScimError(500, "active: the account is still active after it was deactivated")
        return answer


def _read_only(served: Served, name: str) -> bool:
    attribute = served.resource_type.attribute(name)
    return attribute is None or attribute.mutability is Mutability.READ_ONLY
