"""Replace and patch (RFC 7644 §3.5): the fast road where the operations say it all, the slow road where the record
must be known."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.engine import audit
from gateway.engine.accounts import Accounts, answer, check_match, heavy_of, projection_of
from gateway.engine.calls import Answer, Call
from gateway.engine.failures import SOON
from gateway.engine.ownership import Ownership, locks
from gateway.engine.render import Rendered
from gateway.engine.tenants import Served
from gateway.engine.translation import Translation
from gateway.engine.writes import Writes
from gateway.identity import Identity
from gateway.mapping import UNCHANGED, Delta, FastPatch
from gateway.scim import patch, validate
from gateway.scim.errors import ScimError
from gateway.scim.patch import Operation
from gateway.scim.schema import Mutability

ATTEMPTS = 4
"""How often a change is worked out anew when somebody else was faster."""

Work = Callable[[Rendered], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Brought:
    """What became of a change: the identity, the resource that was wanted, and what there was, if it stayed so."""

    identity: Identity
    after: dict[str, Any]
    same: Rendered | None = None


class Changes:
    """Changes accounts. Nothing is written when nothing changes (P4), and all of a request or nothing of it (P3)."""

    def __init__(self, accounts: Accounts, writes: Writes, ownership: Ownership, translation: Translation) -> None:
        self._accounts = accounts
        self._translation = translation
        self._writes = writes
        self._ownership = ownership

    async def replace(
        self, call: Call, served: Served, id: str, body: Any, options: validate.ValidateOptions
    ) -> Answer:
        """Replace a resource; answer 200 with what is stored."""
        identity = await self._accounts.identity(call, served, id)
        writable = [name for name in served.heavy if not _read_only(served, name)]

        def work(rendered: Rendered) -> dict[str, Any]:
            after = validate.replace(served.resource_type, body, rendered.resource, options)
            call.notes.alterations = audit.of_difference(served.resource_type, rendered.resource, after)
            return after

        brought = await self.bring(call, served, identity, writable, work)
        return await self._changed(call, served, brought, writable)

    async def patch(
        self, call: Call, served: Served, id: str, operations: Sequence[Operation], options: patch.PatchOptions
    ) -> Answer:
        """Apply operations; answer 200 with what is stored, or 204 where the dialect says so and nothing was asked
        for (H4)."""
        identity = await self._accounts.identity(call, served, id)
        asked = call.attributes is not None or call.excluded is not None
        quiet = not asked and call.tenant.dialect.patch_status(served.resource_type) == 204
        tops = {operation.target.path.top.text for operation in operations}
        heavy = [name for name in served.heavy if name in tops]
        fast = None
        foreseen = served.protection is not None and served.protection.is_touched(operations)
        if call.if_match is None and not foreseen and not tops & set(served.checked):
            fast = served.mapping.fast(operations)
        if fast is not None:
            brought = await self._fast(call, served, identity, fast, operations, quiet=quiet)
        else:

            def work(rendered: Rendered) -> dict[str, Any]:
                return patch.apply(operations, rendered.resource, served.resource_type, options)

            brought = await self.bring(call, served, identity, heavy, work)
        if quiet and brought.after.get("active") is not False:
            return Answer(204)
        changed = await self._changed(call, served, brought, heavy)
        return Answer(204) if quiet else changed

    async def _fast(
        self,
        call: Call,
        served: Served,
        identity: Identity,
        fast: FastPatch,
        operations: Sequence[Operation],
        *,
        quiet: bool,
    ) -> Brought:
        """Change without reading what there is: the cost does not depend on it (promise 4)."""
        links = await self._accounts.resolver.links(call, wanted=fast.wanted)
        delta = await self._translation.build(call, served, fast, links)
        async with contextlib.AsyncExitStack() as stack:
            if served.capabilities.serialize or _moves(served, identity, delta):
                await stack.enter_async_context(self._accounts.alone(call, served, identity.key))
                identity = await self._accounts.identity(call, served, identity.id)
            if served.mapping.marks or (quiet and not delta.change):
                # The dead are not to be changed, and where only the store would be asked nobody else would notice.
                await self._accounts.record(call, served, identity, served.mapping.marks)
            identity, call.notes.changed = await self._writes.apply(call, served, identity, delta)
        active = [operation.value for operation in operations if operation.target.path.text == "active"]
        return Brought(identity, {"active": active[-1]} if active else {})

    async def bring(self, call: Call, served: Served, identity: Identity, heavy: Iterable[str], work: Work) -> Brought:
        """Read, work out the new state, write the difference; again if somebody else was faster."""
        heavy, attempts = list(heavy), ATTEMPTS
        claims: list[tuple[str, ...]] = []
        locked = served.capabilities.serialize or not served.capabilities.versions
        while True:
            async with contextlib.AsyncExitStack() as stack:
                if claims:
                    await stack.enter_async_context(self._accounts.exclusive(call, *claims))
                if locked:
                    await stack.enter_async_context(self._accounts.alone(call, served, identity.key))
                    identity = await self._accounts.identity(call, served, identity.id)
                record, rendered = await self._accounts.current(call, served, identity, heavy)
                check_match(call, rendered)
                after = work(rendered)
                if served.protection is not None:
                    served.protection.check_new(after)
                links = await self._accounts.resolver.links(
                    call, wanted=served.mapping.wanted(after, rendered.resource)
                )
                delta = await self._translation.diff(call, served, rendered.resource, after, record, links)
                if not delta.change and not delta.kept and delta.external_id is UNCHANGED:
                    call.notes.changed = False
                    return Brought(identity, after, rendered)
                if not locked and _moves(served, identity, delta):
                    locked = True
                    continue
                claimed = [name for name in served.checked if after.get(name) != rendered.resource.get(name)]
                if missing := [claim for claim in locks(served, claimed, after) if claim not in claims]:
                    # Begin again with them: whoever creates holds them too, and takes them before any record's.
                    claims += missing
                    continue
                await self._ownership.check(call, served, after, delta.change.set, own=identity.key, names=claimed)
                expect = record.version if served.capabilities.versions else None
                try:
                    identity, changed = await self._writes.apply(call, served, identity, delta, expect=expect)
                except ScimError as error:
                    # Whether the version the client saw still holds is told by what is read next: the system's own
                    # version may change without anything a client can see (V2).
                    attempts -= 1
                    if error.status != 412:
                        raise
                    if not attempts:
                        busy = "others keep changing the same resource; try again later"
                        raise ScimError(503, busy, retry_after=SOON) from error
                    identity = await self._accounts.identity(call, served, identity.id)
                    continue
            call.notes.changed = changed
            return Brought(identity, after)

    async def _changed(self, call: Call, served: Served, brought: Brought, heavy: Iterable[str]) -> Answer:
        """Read back; a deactivation the account does not show is a failure, whatever the backend said (promise 2)."""
        projection = projection_of(call, served)
        if brought.same is not None and heavy_of(served, projection) <= set(heavy):
            reply, rendered = answer(brought.same, projection), brought.same
        else:
            reply, rendered = await self._accounts.answer(call, served, brought.identity, projection)
        if brought.after.get("active") is False and rendered.resource.get("active") is True:
            raise ScimError(500, "active: the account is still active after it was deactivated")
        return reply


def _moves(served: Served, identity: Identity, delta: Delta) -> bool:
    """Tell whether a change gives the account another key: then nobody else is to look for it meanwhile."""
    return served.guard.renamed(served.entity, identity.key, delta.change) != identity.key


def _read_only(served: Served, name: str) -> bool:
    attribute = served.resource_type.attribute(name)
    return attribute is None or attribute.mutability is Mutability.READ_ONLY
