"""Create (RFC 7644 §3.3): exactly one account per request that was told 201, whatever is cut off in between.

Before the backend is called the store reserves what would identify the account. An open reservation of an earlier
attempt turns the conflict of a repeated POST into binding the account that attempt made (DESIGN §7, R-L21, R-L22).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backends.contract import BackendError, ConflictError, Record, UnavailableError, UnfinishedError
from gateway.engine import audit
from gateway.engine.accounts import Accounts, answer, projection_of
from gateway.engine.calls import Answer, Call
from gateway.engine.failures import scim_error
from gateway.engine.render import render
from gateway.engine.tenants import Served
from gateway.identity import Identity, Reservation
from gateway.mapping import Encoding
from gateway.scim import paths, validate
from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.scim.evaluate import fold
from gateway.scim.project import Projection
from gateway.scim.schema import Uniqueness

PROTECTED = ("userName", "emails", "password")
"""What taking over an existing account never rewrites: each could hand it to somebody else (REQUIREMENTS §4.1)."""


class Creation:
    """Creates accounts, settles unclear outcomes by reading back, and applies `on_conflict`."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def create(self, call: Call, served: Served, body: Any, options: validate.ValidateOptions) -> Answer:
        """Create a resource from a rewritten body; answer 201 with what is stored."""
        projection = projection_of(call, served)
        resource = validate.create(served.resource_type, body, options)
        call.notes.alterations = audit.of_resource(served.resource_type, resource)
        if resource.get("active") is False and served.mapping.on_deactivate is not None:
            raise refuse(ScimType.INVALID_VALUE, "active: the system behind the gateway cannot hold inactive accounts")
        links = await self._accounts.resolver.links(call, wanted=served.mapping.wanted(resource))
        encoding = served.mapping.encode(resource, links)
        # One attempt at a time for one name: a repeated request finds the first one done, never half done (R-L22).
        async with self._accounts.identities.exclusive(*_locks(served, resource)):
            identity, record = await self._perform(call, served, resource, encoding)
        call.notes.id = identity.id
        return await self._created(call, served, identity, record, resource, projection)

    async def _perform(
        self, call: Call, served: Served, resource: dict[str, Any], encoding: Encoding
    ) -> tuple[Identity, Record | None]:
        identities = self._accounts.identities
        match = match_values(served, resource)
        reservation = await identities.reserve(call.tenant.name, served.name, match)
        if (refusal := await self._taken(call, served, resource)) is not None:
            return await self._settle_conflict(call, served, resource, encoding, reservation, refusal), None
        try:
            record = await served.guard.create(served.entity, encoding.fields, deadline=call.deadline)
        except ConflictError as error:
            refusal = scim_error(error, served.mapping.attribute_of)
            refusal.__cause__ = error
            return await self._settle_conflict(call, served, resource, encoding, reservation, refusal), None
        except UnavailableError as error:
            if not error.maybe_done:
                await identities.release(reservation)
                raise scim_error(error, served.mapping.attribute_of) from error
            return await self._settle_unclear(call, served, resource, encoding, reservation, error), None
        except UnfinishedError as error:
            # The reservation stays open: the same POST again completes the account.
            raise scim_error(error, served.mapping.attribute_of) from error
        except BackendError as error:
            await identities.release(reservation)
            raise scim_error(error, served.mapping.attribute_of) from error
        return await self._bind(served, reservation, record.key, encoding), record

    async def _bind(
        self, served: Served, reservation: Reservation, key: str, encoding: Encoding, *, adopted: bool = False
    ) -> Identity:
        return await self._accounts.identities.bind(
            reservation,
            served.guard.name,
            served.entity,
            key,
            external_id=encoding.external_id,
            kept={name: value for name, value in encoding.kept.items() if value is not None},
            index=served.mapping.index(encoding.kept),
            adopted=adopted,
        )

    async def _settle_unclear(
        self,
        call: Call,
        served: Served,
        resource: dict[str, Any],
        encoding: Encoding,
        reservation: Reservation,
        error: UnavailableError,
    ) -> Identity:
        """Read back before anything is repeated: the answer was lost, the account may be there."""
        try:
            found = await self._find(call, served, resource)
        except ScimError:
            found = None
        if found is None:
            raise scim_error(error, served.mapping.attribute_of) from error
        identity = await self._bind(served, reservation, found.key, encoding, adopted=True)
        return await self._converge(call, served, identity, resource)

    async def _settle_conflict(
        self,
        call: Call,
        served: Served,
        resource: dict[str, Any],
        encoding: Encoding,
        reservation: Reservation,
        refusal: ScimError,
    ) -> Identity:
        """Bind the account an earlier attempt of this request made, apply `on_conflict` to any other, or refuse."""
        policy = served.mapping.on_conflict
        found = None
        if reservation.resumed or policy != "reject":
            found = await self._find(call, served, resource)
        if found is None:
            await self._accounts.identities.release(reservation)
            raise refusal
        known = await self._accounts.resolver.identify(call, served, [found.key], mint=False, kept=True)
        owner = known[found.key].external_id if found.key in known else None
        if owner not in (None, resource.get("externalId")):
            # Somebody's account already: taking it over would give one person two owners.
            await self._accounts.identities.release(reservation)
            raise refusal
        if reservation.resumed:
            identity = await self._bind(served, reservation, found.key, encoding, adopted=True)
            return await self._converge(call, served, identity, resource)
        await self._accounts.identities.release(reservation)
        identity = (await self._accounts.resolver.identify(call, served, [found.key], kept=True))[found.key]
        _, rendered = await self._accounts.current(call, served, identity)
        if policy == "reactivate" and rendered.resource.get("active") is not False:
            raise refusal
        wanted = {name: value for name, value in resource.items() if name not in PROTECTED}
        return await self._converge(call, served, identity, wanted)

    async def _find(self, call: Call, served: Served, resource: Mapping[str, Any]) -> Record | None:
        """Find the one account the request is about; two are none (R-L6)."""
        for name in unique_attributes(served):
            if name in resource:
                found = await self._accounts.matching(call, served, name, resource[name])
                return found[0] if len(found) == 1 else None
        return None

    async def _converge(self, call: Call, served: Served, identity: Identity, resource: Mapping[str, Any]) -> Identity:
        """Bring an account that is there to what was asked for; attributes not sent stay as they are."""
        heavy = [name for name in served.heavy if name in resource]
        record, rendered = await self._accounts.current(call, served, identity, heavy)
        after = {**rendered.resource, **resource}
        links = await self._accounts.resolver.links(call, wanted=served.mapping.wanted(after, rendered.resource))
        delta = served.mapping.diff(rendered.resource, after, record, links)
        identity, _ = await self._accounts.apply(call, served, identity, delta)
        return identity

    async def _taken(self, call: Call, served: Served, resource: Mapping[str, Any]) -> ScimError | None:
        """Where the backend has no unique index of its own, look before the write; the lock makes it one step (H2)."""
        for name in served.checked:
            if name in resource and await self._accounts.matching(call, served, name, resource[name]):
                return refuse(ScimType.UNIQUENESS, f"the value of {name} is already taken")
        return None

    async def _created(
        self,
        call: Call,
        served: Served,
        identity: Identity,
        record: Record | None,
        resource: Mapping[str, Any],
        projection: Projection,
    ) -> Answer:
        wanted = [name for name in served.heavy if projection.wants(paths.resolve(served.resource_type, name))]
        plan = self._accounts.plan(served, wanted)
        if record is None or not plan.fields <= record.fields.keys():
            try:
                full = await served.guard.get(served.entity, identity.key, plan.fields, deadline=call.deadline)
            except BackendError:
                # The account exists and has its id: an error now would make the client create it again.
                known = dict(record.fields) if record is not None else {}
                full = Record(identity.key, {name: known.get(name) for name in plan.fields})
            record = full
        links = await self._accounts.renderer.links(call, served, plan, (record,))
        rendered = render(call, served, plan, record, identity, links)
        if resource.get("active") is False and rendered.resource.get("active") is True:
            # A system that creates accounts active whatever it is told: nobody gets access that was not granted.
            identity = await self._converge(call, served, identity, {"active": False})
            reply, rendered = await self._accounts.answer(call, served, identity, projection, 201)
            if rendered.resource.get("active") is True:
                raise ScimError(500, "active: the account was created, and it is active although it must not be")
            return reply
        return answer(rendered, projection, 201)


def _locks(served: Served, resource: Mapping[str, Any]) -> list[tuple[str, ...]]:
    names = dict.fromkeys((*unique_attributes(served), *served.checked))
    place = ("unique", served.guard.name, served.entity)
    return [(*place, name, fold(str(resource[name]))) for name in names if name in resource]


def unique_attributes(served: Served) -> list[str]:
    """Name what tells two resources of a type apart: the unique attributes, or the required ones where none is
    unique."""
    attributes = served.resource_type.schema.attributes
    unique = [a.name for a in attributes if a.uniqueness is not Uniqueness.NONE and not a.is_complex]
    return unique or [a.name for a in attributes if a.required and not a.is_complex and not a.multi_valued]


def match_values(served: Served, resource: Mapping[str, Any]) -> dict[str, str]:
    """Collect the folded values a repeated request would carry again."""
    match = {name: fold(str(resource[name])) for name in unique_attributes(served) if name in resource}
    if "externalId" in resource:
        match["externalId"] = str(resource["externalId"])
    return match
