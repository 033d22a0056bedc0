"""The account behind an id: its identity, its record, how both are found, and how others are held off meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

from backends.contract import NotFoundError, Record
from gateway.engine.calls import Answer, Call
from gateway.engine.failures import SOON, MovedError, translated
from gateway.engine.links import Resolver, holds
from gateway.engine.moves import record_lock
from gateway.engine.render import Rendered, Renderer
from gateway.engine.tenants import Served
from gateway.identity import Identity, IdentityMap
from gateway.mapping import ReadPlan
from gateway.scim import etags, paths, project
from gateway.scim.errors import ScimError
from gateway.scim.project import Projection


class Accounts:
    """Finds single accounts."""

    def __init__(self, identities: IdentityMap, resolver: Resolver, renderer: Renderer) -> None:
        self.identities = identities
        self.resolver = resolver
        self.renderer = renderer
        self.moves = resolver.moves

    async def identity(self, call: Call, served: Served, id: str) -> Identity:
        """Find an identity; raise 404 for an unknown id, another tenant's, another type's, or one of a former entity
        (H15)."""
        identity = (await self.identities.find(call.tenant.name, [id])).get(id)
        if identity is None or not holds(served, identity):
            raise missing(served, id)
        return identity

    async def record(self, call: Call, served: Served, identity: Identity, fields: frozenset[str]) -> Record:
        """Read an account; one that is gone, or bears the mark of the dead, is buried and answered 404 (R-L5)."""
        with translated(served.mapping.attribute_of):
            try:
                record = await served.guard.get(served.entity, identity.key, fields, deadline=call.deadline)
            except NotFoundError:
                raise await self.gone(call, served, identity) from None
        if served.mapping.is_dead(record):
            raise await self.gone(call, served, identity)
        return record

    async def gone(self, call: Call, served: Served, identity: Identity) -> ScimError:
        """Bury an account that is not there any more, and make the error to answer with: `MovedError` if it was looked
        for under a key it has left, for then it is not gone."""
        if await self.moves.followed(call, served, identity):
            return MovedError()
        await self.identities.bury(identity)
        if await self.identities.find(call.tenant.name, [identity.id]):
            return MovedError()
        return missing(served, identity.id)

    async def current(
        self, call: Call, served: Served, identity: Identity, heavy: Iterable[str] = ()
    ) -> tuple[Record, Rendered]:
        """Read and render an account with all its attributes, and of the memberships only those named."""
        plan = self.plan(served, heavy)
        record = await self.record(call, served, identity, plan.fields)
        return record, await self.renderer.one(call, served, plan, record, identity)

    def plan(self, served: Served, heavy: Iterable[str]) -> ReadPlan:
        """Choose the fields of a whole resource with the named memberships."""
        return served.mapping.read_plan(served.whole[frozenset(heavy) & frozenset(served.heavy)])

    @contextlib.asynccontextmanager
    async def exclusive(self, call: Call, *names: tuple[str, ...]) -> AsyncIterator[None]:
        """Be the only one with any of these names; wait for it no longer than the request may take."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout_at(call.deadline):
                    await stack.enter_async_context(self.identities.exclusive(*names))
            except TimeoutError:
                detail = "others are changing the same resource; try again later"
                raise ScimError(503, detail, retry_after=SOON) from None
            yield

    def alone(self, call: Call, served: Served, key: str) -> contextlib.AbstractAsyncContextManager[None]:
        """Hold off other updates of one record: for backends that read, merge and write, or cannot say a record
        changed."""
        return self.exclusive(call, record_lock(served, key))

    async def answer(
        self, call: Call, served: Served, identity: Identity, projection: Projection, status: int = 200
    ) -> tuple[Answer, Rendered]:
        """Read back and answer with the representation the account has now (S17)."""
        _, rendered = await self.current(call, served, identity, heavy_of(served, projection))
        return answer(rendered, projection, status), rendered


def answer(rendered: Rendered, projection: Projection, status: int = 200) -> Answer:
    """Make the answer that carries a resource."""
    return Answer(status, projection.apply(rendered.resource), rendered.location, rendered.version)


def projection_of(call: Call, served: Served) -> Projection:
    """Read the projection a call asks for (Q7)."""
    return project.parse(served.resource_type, call.attributes, call.excluded)


def heavy_of(served: Served, projection: Projection) -> frozenset[str]:
    """Name the memberships a projection asks for."""
    return frozenset(name for name in served.heavy if projection.wants(paths.resolve(served.resource_type, name)))


def check_match(call: Call, rendered: Rendered) -> None:
    """Refuse with 412 unless the version still is the one the client saw (V1)."""
    if call.if_match is not None and not etags.matches(call.if_match, rendered.version):
        raise ScimError(412, "If-Match: the resource has another version by now")


def missing(served: Served, id: str) -> ScimError:
    """Say that there is no such resource; the same words for what never was, is gone, or is another tenant's."""
    return ScimError(404, f"{served.name} {id[:64]} does not exist")
