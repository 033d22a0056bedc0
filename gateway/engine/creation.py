"""Create (RFC 7644 §3.3): exactly one account per request that was told 201, whatever is cut off in between.

Before the backend is called the store reserves what would identify the account. An open reservation of an earlier
attempt turns the conflict of a repeated POST into binding the account that attempt made (DESIGN §7, R-L21, R-L22).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from backends.contract import BackendError, ConflictError, Record, UnavailableError, UnfinishedError
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
        if resource.get("active") is False and served.mapping.on_deactivate is not None:
            raise refuse(ScimType.INVALID_VALUE, "active: the system behind the gateway cannot hold inactive accounts")
        links = await self._accounts.resolver.links(call, wanted=served.mapping.wanted(resource))
        encoding = served.mapping.encode(resource, links)
        async with self._unique(call, served, resource):
            identity, record = await self._perform(call, served, resource, encoding)
        return await self._created(call, served, identity, record, projection_of(call, served) or projection)

    async def _perform(
        self, call: Call, served: Served, resource: dict[str, Any], encoding: Encoding
    ) -> tuple[Identity, Record | None]:
        identities = self._accounts.identities
        match = match_values(served, resource)
        reservation = await identities.reserve(call.tenant.name, served.name, match)
        try:
            record = await served.guard.create(served.entity, encoding.fields, deadline=call.deadline)
        except ConflictError as error:
            return await self._settle_conflict(call, served, resource, encoding, reservation, error), None
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
        error: ConflictError,
    ) -> Identity:
        identities = self._accounts.identities
        if reservation.resumed and (found := await self._find(call, served, resource)) is not None:
            identity = await self._bind(served, reservation, found.key, encoding, adopted=True)
            return await self._converge(call, served, identity, resource)
        await identities.release(reservation)
        refusal = scim_error(error, served.mapping.attribute_of)
        if served.mapping.on_conflict == "reject":
            raise refusal from error
        found = await self._find(call, served, resource)
        if found is None:
            raise refusal from error
        known = await self._accounts.resolver.identify(call, served, [found.key], kept=True)
        identity = known[found.key]
        _, rendered = await self._accounts.current(call, served, identity)
        if served.mapping.on_conflict == "reactivate" and rendered.resource.get("active") is not False:
            raise refusal from error
        if identity.external_id not in (None, resource.get("externalId")):
            # Somebody's account already: taking it over would give one person two owners.
            raise refusal from error
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
        links = await self._accounts.resolver.links(call, wanted=served.mapping.wanted(after))
        delta = served.mapping.diff(rendered.resource, after, record, links)
        identity, _ = await self._accounts.apply(call, served, identity, delta)
        return identity

    @contextlib.asynccontextmanager
    async def _unique(self, call: Call, served: Served, resource: Mapping[str, Any]) -> AsyncIterator[None]:
        """Where the backend has no unique index of its own, look and write as one step across all replicas (H2)."""
        names = [name for name in served.checked if name in resource]
        if not names:
            yield
            return
        locks = [("unique", served.guard.name, served.entity, name, fold(str(resource[name]))) for name in names]
        async with self._accounts.identities.exclusive(*locks):
            for name in names:
                if await self._accounts.matching(call, served, name, resource[name]):
                    raise refuse(ScimType.UNIQUENESS, f"the value of {name} is already taken")
            yield

    async def _created(
        self, call: Call, served: Served, identity: Identity, record: Record | None, projection: Any
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
        return answer(render(call, served, plan, record, identity, links), projection, 201)


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
