"""Replace and patch (RFC 7644 §3.5): the fast road where the operations say it all, the slow road where the record
must be known."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from backends.contract import Change
from gateway.engine import audit
from gateway.engine.accounts import Accounts, answer, check_match, heavy_of, projection_of
from gateway.engine.calls import Answer, Call
from gateway.engine.failures import SOON
from gateway.engine.ownership import Ownership, locks
from gateway.engine.render import Rendered
from gateway.engine.rosters import Rosters
from gateway.engine.tenants import Served
from gateway.engine.translation import Translation
from gateway.engine.writes import Writes
from gateway.identity import Identity
from gateway.mapping import UNCHANGED, Delta, FastPatch
from gateway.mapping.rosters import Roster
from gateway.scim import patch, validate
from gateway.scim.errors import ScimError
from gateway.scim.patch import Operation
from gateway.scim.schema import Mutability

ATTEMPTS = 4
"""How often a change is worked out anew when somebody else was faster."""

UNSEEN: Any = [{"value": "\0"}]
"""Stands for memberships nobody has looked at."""

Work = Callable[[Rendered], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Brought:
    """What became of a change: the identity, the resource that was wanted, what there was, if it stayed so, and the
    memberships that were replaced, which are not in the resource."""

    identity: Identity
    after: dict[str, Any]
    same: Rendered | None = None
    replaced: Mapping[str, Any] = field(default_factory=dict)


class Changes:
    """Changes accounts. Nothing is written when nothing changes (P4), and all of a request or nothing of it (P3)."""

    def __init__(self, accounts: Accounts, writes: Writes, ownership: Ownership, translation: Translation) -> None:
        self._accounts = accounts
        self._translation = translation
        self._writes = writes
        self._ownership = ownership
        self._rosters = Rosters(accounts.resolver)

    async def replace(
        self, call: Call, served: Served, id: str, body: Any, options: validate.ValidateOptions
    ) -> Answer:
        """Replace a resource; answer 200 with what is stored."""
        identity = await self._accounts.identity(call, served, id)
        writable = [name for name in served.heavy if not _read_only(served, name)]
        rosters = {name: roster for name in writable if (roster := served.mapping.roster(name)) is not None}
        loaded = [name for name in writable if name not in rosters]

        def work(rendered: Rendered) -> dict[str, Any]:
            after = validate.replace(served.resource_type, body, _unseen(rendered.resource, rosters), options)
            seen = {name: value for name, value in after.items() if name not in rosters}
            call.notes.alterations = audit.of_difference(served.resource_type, rendered.resource, seen)
            return after

        brought = await self.bring(call, served, identity, loaded, work, rosters)
        call.notes.alterations += audit.of_resource(served.resource_type, brought.replaced)
        return await self._changed(call, served, brought, loaded)

    async def patch(
        self, call: Call, served: Served, id: str, operations: Sequence[Operation], options: patch.PatchOptions
    ) -> Answer:
        """Apply operations; answer 200 with what is stored, or 204 where the dialect says so and nothing was asked
        for (H4)."""
        identity = await self._accounts.identity(call, served, id)
        asked = call.attributes is not None or call.excluded is not None
        quiet = not asked and call.tenant.dialect.patch_status(served.resource_type) == 204
        tops = {operation.target.path.top.text for operation in operations}
        rosters = _replaced(served, operations)
        heavy = [name for name in served.heavy if name in tops and name not in rosters]
        fast = None
        foreseen = served.protection is not None and served.protection.is_touched(operations)
        if call.if_match is None and not foreseen and not tops & set(served.checked):
            fast = served.mapping.fast(operations)
        if fast is not None:
            brought = await self._fast(call, served, identity, fast, operations, quiet=quiet)
        else:

            def work(rendered: Rendered) -> dict[str, Any]:
                return patch.apply(operations, _unseen(rendered.resource, rosters), served.resource_type, options)

            brought = await self.bring(call, served, identity, heavy, work, rosters)
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

    async def bring(
        self,
        call: Call,
        served: Served,
        identity: Identity,
        heavy: Iterable[str],
        work: Work,
        rosters: Mapping[str, Roster] = MappingProxyType({}),
    ) -> Brought:
        """Read, work out the new state, write the difference; again if somebody else was faster. `rosters` are
        memberships that are not loaded: where the new state has others than `UNSEEN` they are replaced."""
        heavy, attempts = list(heavy), ATTEMPTS
        claims: list[tuple[str, ...]] = []
        locked = served.capabilities.serialize or not served.capabilities.versions or bool(rosters)
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
                given = {name: (roster, after.pop(name, None)) for name, roster in rosters.items()}
                given = {name: (roster, value) for name, (roster, value) in given.items() if value != UNSEEN}
                links = await self._accounts.resolver.links(
                    call, wanted=served.mapping.wanted(after, rendered.resource)
                )
                delta = await self._translation.diff(call, served, rendered.resource, after, record, links)
                replaced = dict[str, Any]()
                if given:
                    moved, different = await self._rosters.change(call, served, identity, given)
                    delta = replace(delta, change=_joined(delta.change, moved))
                    replaced = {name: given[name][1] for name in different}
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
            return Brought(identity, after, replaced=replaced)

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


def _replaced(served: Served, operations: Sequence[Operation]) -> dict[str, Roster]:
    """Find the memberships of which operations first say who is in them: who was there before does not matter then."""
    found: dict[str, Roster] = {}
    for name in served.heavy:
        touching = [one for one in operations if one.target.path.top.text == name]
        if not touching:
            continue
        first, target = touching[0], touching[0].target
        whole = target.where is None and target.sub is None and target.path.sub is None and not first.check
        if whole and first.op == "replace" and (roster := served.mapping.roster(name)) is not None:
            found[name] = roster
    return found


def _unseen(resource: Mapping[str, Any], rosters: Iterable[str]) -> dict[str, Any]:
    """Put a sign in the place of memberships that were not loaded."""
    return {**resource, **dict.fromkeys(rosters, UNSEEN)}


def _joined(one: Change, other: Change) -> Change:
    """Join two changes of different fields."""
    return Change(set=one.set, add={**one.add, **other.add}, remove={**one.remove, **other.remove})


def _moves(served: Served, identity: Identity, delta: Delta) -> bool:
    """Tell whether a change gives the account another key: then nobody else is to look for it meanwhile."""
    return served.guard.renamed(served.entity, identity.key, delta.change) != identity.key


def _read_only(served: Served, name: str) -> bool:
    attribute = served.resource_type.attribute(name)
    return attribute is None or attribute.mutability is Mutability.READ_ONLY
