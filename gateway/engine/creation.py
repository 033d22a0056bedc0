"""Create (RFC 7644 §3.3): exactly one account per request that was told 201, whatever is cut off in between.

Under a lock on what tells accounts apart the system is asked whether anybody has it. Only if nobody does, the store
reserves it, and then the backend is called: whatever account has it while the reservation is open was made by this
request. A repeated POST that finds the reservation of an earlier attempt still open binds the account that attempt made
(DESIGN §7, R-L21, R-L22), and is never given somebody else's (REQUIREMENTS §4.1).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from backends.contract import (
    BackendError,
    ConflictError,
    DeniedError,
    Record,
    RejectedError,
    UnavailableError,
    UnsupportedError,
)
from gateway.engine import audit
from gateway.engine.accounts import Accounts, answer, heavy_of, projection_of
from gateway.engine.calls import Answer, Call
from gateway.engine.changes import Changes
from gateway.engine.failures import scim_error, taken, translated
from gateway.engine.ownership import Holders, Ownership, is_unique, locks, unique_attributes, unsure
from gateway.engine.render import Rendered, render
from gateway.engine.tenants import Served
from gateway.engine.translation import Translation
from gateway.identity import Identity, Reservation
from gateway.mapping import Encoding, Links, ReadPlan
from gateway.scim import validate
from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.scim.evaluate import fold
from gateway.scim.project import Projection

REFUSALS = (RejectedError, DeniedError, UnsupportedError)
"""Errors that say for certain that nothing was done."""
PROTECTED = ("userName", "emails", "password")
"""What taking over an existing account never rewrites: each could hand it to somebody else (REQUIREMENTS §4.1)."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One request to create a resource; `encoding` is what the system is to hold, `names` what tells it apart."""

    call: Call
    served: Served
    resource: dict[str, Any]
    encoding: Encoding
    names: tuple[str, ...]

    @property
    def unique(self) -> bool:
        """Whether nobody else may have what tells it apart."""
        return any(is_unique(self.served, name) for name in self.names)

    def match(self, *, proven: bool) -> dict[str, str]:
        """Give what a repeated request would carry again; what is not proven to be free is no match for what is."""
        match = {name: fold(str(self.resource[name])) for name in self.names}
        if "externalId" in self.resource:
            match["externalId"] = str(self.resource["externalId"])
        return match if proven else {**match, "": "unproven"}


class Creation:
    """Creates accounts, settles unclear outcomes by reading back, and applies `on_conflict`."""

    def __init__(self, accounts: Accounts, changes: Changes, ownership: Ownership, translation: Translation) -> None:
        self._accounts = accounts
        self._translation = translation
        self._changes = changes
        self._ownership = ownership

    async def create(self, call: Call, served: Served, body: Any, options: validate.ValidateOptions) -> Answer:
        """Create a resource from a rewritten body; answer 201 with what is stored."""
        projection = projection_of(call, served)
        resource = validate.create(served.resource_type, body, options)
        call.notes.alterations = audit.of_resource(served.resource_type, resource)
        if served.protection is not None:
            served.protection.check_new(resource)
        if resource.get("active") is False and served.mapping.on_deactivate is not None:
            raise refuse(ScimType.INVALID_VALUE, "active: the system behind the gateway cannot hold inactive accounts")
        links = await self._accounts.resolver.links(call, wanted=served.mapping.wanted(resource))
        encoding = await self._translation.encode(call, served, resource, links)
        names = dict.fromkeys((*unique_attributes(served), *served.checked))
        attempt = _Attempt(call, served, resource, encoding, tuple(name for name in names if name in resource))
        # One attempt at a time for one name: a repeated request finds the first one done, never half done (R-L22).
        async with self._accounts.exclusive(call, *locks(served, attempt.names, resource)):
            identity, record = await self._perform(attempt)
        call.notes.id = identity.id
        return await self._created(attempt, identity, record, projection)

    async def _perform(self, attempt: _Attempt) -> tuple[Identity, Record | None]:
        served, policy = attempt.served, attempt.served.mapping.on_conflict
        there = await self._holders(attempt)
        if there.records:
            call, identities = attempt.call, self._accounts.identities
            earlier = await identities.reserved(call.tenant.name, served.name, attempt.match(proven=True))
            if earlier is not None:
                return await self._resume(attempt, earlier, there), None
            if attempt.unique or policy != "reject":
                return await self._adopt(attempt, there, taken(there.name)), None
        elif not there.complete and (blind := next((name for name in attempt.names if name in served.checked), None)):
            raise unsure(blind)
        reservation = await self._reserve(attempt, proven=there.nobody)
        return await self._write(attempt, reservation, there)

    async def _write(
        self, attempt: _Attempt, reservation: Reservation, there: Holders
    ) -> tuple[Identity, Record | None]:
        """Call the backend; whatever it does not refuse for certain leaves the reservation open."""
        served, release = attempt.served, self._accounts.identities.release
        with translated(served.mapping.attribute_of):
            try:
                record = await served.guard.create(
                    served.entity, attempt.encoding.fields, deadline=attempt.call.deadline
                )
            except ConflictError as error:
                now = await self._holders(attempt)
                if reservation.resumed and (made := _fresh(there, now)) is not None:
                    return await self._complete(attempt, reservation, made), None
                await release(reservation)
                refusal = scim_error(error, served.mapping.attribute_of)
                refusal.__cause__ = error
                return await self._adopt(attempt, now, refusal), None
            except UnavailableError as error:
                if not error.maybe_done:
                    await release(reservation)
                    raise
                made = None
                with contextlib.suppress(ScimError, BackendError):
                    made = _fresh(there, await self._holders(attempt))
                if made is None:
                    raise
                return await self._complete(attempt, reservation, made), None
            except REFUSALS:
                await release(reservation)
                raise
        return await self._bind(attempt, reservation, record.key), record

    async def _resume(self, attempt: _Attempt, reservation: Reservation, there: Holders) -> Identity:
        """Take up what an earlier attempt of the same request left: bind the account it made."""
        if there.single is None or await self._is_anothers(attempt, there.single):
            await self._accounts.identities.release(reservation)
            raise taken(there.name)
        return await self._complete(attempt, reservation, there.single)

    async def _complete(self, attempt: _Attempt, reservation: Reservation, record: Record) -> Identity:
        """Bring a record that may be half made to what was asked for, then bind it."""
        call, served = attempt.call, attempt.served
        plan = self._accounts.plan(served, [name for name in served.heavy if name in attempt.resource])
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(translated(served.mapping.attribute_of))
            if served.capabilities.serialize:
                await stack.enter_async_context(self._accounts.alone(call, served, record.key))
            whole = await served.guard.get(served.entity, record.key, plan.fields, deadline=call.deadline)
            shown = await self._accounts.renderer.links(call, served, plan, (whole,))
            before = served.mapping.decode(plan, whole, shown, {})
            after = {**before, **attempt.resource}
            links = await self._accounts.resolver.links(call, wanted=served.mapping.wanted(after, before))
            delta = await self._translation.diff(call, served, before, after, whole, links)
            if delta.change:
                await served.guard.update(served.entity, record.key, delta.change, deadline=call.deadline)
        return await self._bind(attempt, reservation, record.key)

    async def _adopt(self, attempt: _Attempt, there: Holders, refusal: ScimError) -> Identity:
        """Apply `on_conflict` to somebody's account that is there, or raise `refusal`."""
        call, served, record = attempt.call, attempt.served, there.single
        policy = served.mapping.on_conflict
        if policy == "reject" or record is None or await self._is_anothers(attempt, record):
            raise refusal
        identity = (await self._accounts.resolver.identify(call, served, [record.key], kept=True)).get(record.key)
        if identity is None:
            raise refusal
        if served.protection is not None:
            await served.protection.check(self._accounts, call, served, identity.id)
        wanted = {name: value for name, value in attempt.resource.items() if name not in PROTECTED}
        if policy == "reactivate":
            _, rendered = await self._accounts.current(call, served, identity)
            if rendered.resource.get("active") is not False:
                raise refusal
            wanted.setdefault("active", True)

        def work(rendered: Rendered) -> dict[str, Any]:
            return {**rendered.resource, **wanted}

        heavy = [name for name in served.heavy if name in wanted]
        return (await self._changes.bring(call, served, identity, heavy, work)).identity

    async def _is_anothers(self, attempt: _Attempt, record: Record) -> bool:
        """Tell whether a client has another name for the account: then it would get two owners."""
        known = await self._accounts.resolver.identify(
            attempt.call, attempt.served, [record.key], mint=False, kept=True
        )
        owner = known[record.key].external_id if record.key in known else None
        return owner not in (None, attempt.resource.get("externalId"))

    async def _holders(self, attempt: _Attempt) -> Holders:
        return await self._ownership.holders(
            attempt.call, attempt.served, attempt.names, attempt.resource, attempt.encoding.fields
        )

    async def _reserve(self, attempt: _Attempt, *, proven: bool) -> Reservation:
        match = attempt.match(proven=proven)
        return await self._accounts.identities.reserve(attempt.call.tenant.name, attempt.served.name, match)

    async def _bind(self, attempt: _Attempt, reservation: Reservation, key: str) -> Identity:
        served, encoding = attempt.served, attempt.encoding
        return await self._accounts.identities.bind(
            reservation,
            served.guard.name,
            served.entity,
            key,
            external_id=encoding.external_id,
            kept={name: value for name, value in encoding.kept.items() if value is not None},
            index=served.mapping.index(encoding.kept),
        )

    async def _created(
        self, attempt: _Attempt, identity: Identity, record: Record | None, projection: Projection
    ) -> Answer:
        call, served = attempt.call, attempt.served
        plan = self._accounts.plan(served, heavy_of(served, projection))
        if attempt.resource.get("active") is False:
            # A system may create accounts active whatever it is told: nobody gets access that was not granted.
            await self._inactive(call, served, identity)
            record = None
        return answer(await self._representation(attempt, identity, record, plan), projection, 201)

    async def _inactive(self, call: Call, served: Served, identity: Identity) -> None:
        _, rendered = await self._accounts.current(call, served, identity)
        if rendered.resource.get("active") is True:

            def work(rendered: Rendered) -> dict[str, Any]:
                return {**rendered.resource, "active": False}

            await self._changes.bring(call, served, identity, (), work)
            _, rendered = await self._accounts.current(call, served, identity)
        if rendered.resource.get("active") is True:
            raise ScimError(500, "active: the account was created, and it is active although it must not be")

    async def _representation(
        self, attempt: _Attempt, identity: Identity, record: Record | None, plan: ReadPlan
    ) -> Rendered:
        """Show what is stored. The account exists and has its id: an error now would make the client create it again,
        so that what cannot be read is left out."""
        call, served = attempt.call, attempt.served
        known = dict(attempt.encoding.fields if record is None else record.fields)
        shown = Record(identity.key, {name: known.get(name) for name in plan.fields})
        links = Links()
        with contextlib.suppress(BackendError, ScimError):
            if record is None or not plan.fields <= known.keys():
                shown = await served.guard.get(served.entity, identity.key, plan.fields, deadline=call.deadline)
            links = await self._accounts.renderer.links(call, served, plan, (shown,))
        return render(call, served, plan, shown, identity, links)


def _fresh(before: Holders, after: Holders) -> Record | None:
    """Find the one account that came to be between two looks."""
    new = [record for key, record in after.records.items() if key not in before.records]
    return new[0] if before.complete and after.complete and len(new) == 1 else None
