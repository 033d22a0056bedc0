"""Delete (RFC 7644 §3.6), and what stands for deactivating where a system has no inactive accounts."""

from __future__ import annotations

import contextlib

from backends.contract import StaleError
from gateway.engine.accounts import Accounts, answer, check_match, heavy_of, projection_of
from gateway.engine.calls import Answer, Call
from gateway.engine.changes import ATTEMPTS
from gateway.engine.tenants import Served
from gateway.engine.writes import Writes
from gateway.identity import Identity
from gateway.scim.errors import ScimError


class Removal:
    """Removes accounts as the configuration says: deletes them, marks them, or refuses."""

    def __init__(self, accounts: Accounts, writes: Writes) -> None:
        self._accounts = accounts
        self._writes = writes

    async def delete(self, call: Call, served: Served, id: str) -> Answer:
        """Delete a resource (`on_delete`): 204, and the id is nobody's from then on (H5)."""
        identity = await self._accounts.identity(call, served, id)
        policy = served.mapping.on_delete
        if policy == "refuse":
            raise ScimError(403, f"{served.name}: deleting is switched off; set active to false instead")
        await self._remove(call, served, identity, marking=policy == "mark")
        return Answer(204)

    async def deactivate(self, call: Call, served: Served, id: str) -> Answer:
        """Carry out `on_deactivate` for a system that has no inactive accounts: delete, or refuse aloud."""
        if served.mapping.on_deactivate == "refuse":
            raise ScimError(403, "active: the system behind the gateway cannot deactivate accounts")
        projection = projection_of(call, served)
        identity = await self._accounts.identity(call, served, id)
        _, rendered = await self._accounts.current(call, served, identity, heavy_of(served, projection))
        await self._remove(call, served, identity, marking=False)
        rendered.resource["active"] = False
        return answer(rendered, projection)

    async def _remove(self, call: Call, served: Served, identity: Identity, *, marking: bool) -> None:
        """Remove an account that has the version the client saw; again if somebody was faster with something else."""
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._try(call, served, identity, marking=marking)
            except ScimError as error:
                if not isinstance(error.__cause__, StaleError):
                    raise
            identity = await self._accounts.identity(call, served, identity.id)
        await self._try(call, served, identity, marking=marking)

    async def _try(self, call: Call, served: Served, identity: Identity, *, marking: bool) -> None:
        capabilities, expect = served.capabilities, None
        async with contextlib.AsyncExitStack() as stack:
            if (call.if_match is not None and not capabilities.versions) or (marking and capabilities.serialize):
                await stack.enter_async_context(self._accounts.alone(call, served, identity.key))
                identity = await self._accounts.identity(call, served, identity.id)
            if call.if_match is not None:
                record, rendered = await self._accounts.current(call, served, identity)
                check_match(call, rendered)
                expect = record.version if capabilities.versions else None
            elif marking:
                await self._accounts.record(call, served, identity, served.mapping.marks)
            if marking:
                await self._writes.mark(call, served, identity, expect=expect)
            else:
                await self._writes.remove(call, served, identity, expect=expect)
