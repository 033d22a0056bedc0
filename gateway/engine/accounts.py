"""The account behind an id: its identity, its record, and how both are found, changed and let go."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

from backends.contract import Change, NotFoundError, Outcome, Query, Record
from gateway.engine.calls import Answer, Call
from gateway.engine.failures import translated
from gateway.engine.links import Resolver, holds
from gateway.engine.render import Rendered, Renderer
from gateway.engine.tenants import Served
from gateway.identity import UNCHANGED, Identity, IdentityMap
from gateway.mapping import Delta, ReadPlan
from gateway.scim import etags, evaluate, filters, paths, project
from gateway.scim.errors import ScimError
from gateway.scim.project import Projection


class Accounts:
    """Finds and changes single accounts. Order of a write: backend, then store (DESIGN §7)."""

    def __init__(self, identities: IdentityMap, resolver: Resolver, renderer: Renderer) -> None:
        self.identities = identities
        self.resolver = resolver
        self.renderer = renderer

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
                await self.identities.bury(identity)
                raise missing(served, identity.id) from None
        if served.mapping.is_dead(record):
            await self.identities.bury(identity)
            raise missing(served, identity.id)
        return record

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

    async def matching(self, call: Call, served: Served, name: str, value: Any) -> list[Record]:
        """Find the visible accounts whose attribute `name` equals `value`: at most two, which is one too many
        (R-L6)."""
        tree = filters.Comparison(paths.resolve(served.resource_type, name), filters.Op.EQ, value)
        bound = served.mapping.translate(tree).bind(await self.resolver.links(call))
        if bound.nothing or bound.held:
            return []
        plan = self.plan(served, ())
        found: list[Record] = []
        cursor: str | None = None
        test = evaluate.compile_filter(tree)
        with translated(served.mapping.attribute_of):
            for _ in range(call.tenant.limits.scan_rows // 100 + 1):
                ask = Query(fields=plan.fields, where=bound.where, limit=100, cursor=cursor)
                page = await served.guard.search(served.entity, ask, deadline=call.deadline)
                for record in page.records:
                    resource = served.mapping.decode(plan, record, await self.resolver.links(call), {})
                    if bound.residual is None or test(resource):
                        found.append(record)
                cursor = page.cursor
                if cursor is None or len(found) > 1:
                    break
        return found

    @contextlib.asynccontextmanager
    async def alone(self, served: Served, identity: Identity) -> AsyncIterator[None]:
        """Hold off other updates of one record: for backends that read, merge and write, or cannot say a record
        changed."""
        async with self.identities.exclusive(("record", served.guard.name, served.entity, identity.key)):
            yield

    async def apply(
        self, call: Call, served: Served, identity: Identity, delta: Delta, *, expect: str | None = None
    ) -> tuple[Identity, bool]:
        """Apply a delta to the account, then to what the gateway keeps of it; tell whether anything changed (P4).

        Raises `ScimError`, 412 if `expect` does not hold, and buries an account found gone.
        """
        outcome = Outcome(changed=False)
        if delta.change:
            outcome = await self._update(call, served, identity, delta.change, expect)
        if outcome.record is not None and outcome.record.key != identity.key:
            identity = await self.identities.rename(identity, outcome.record.key)
        # Each room has a mark of its own for "as it is"; here they meet.
        sent = delta.external_id
        external_id = sent if sent is None or isinstance(sent, str) else UNCHANGED
        index = served.mapping.index(delta.kept)
        altered = await self.identities.alter(
            identity, external_id=external_id, kept=delta.kept, index=index, touched=outcome.changed
        )
        return altered, altered != identity or outcome.changed

    async def _update(
        self, call: Call, served: Served, identity: Identity, change: Change, expect: str | None
    ) -> Outcome:
        with translated(served.mapping.attribute_of):
            try:
                return await served.guard.update(
                    served.entity, identity.key, change, expect=expect, deadline=call.deadline
                )
            except NotFoundError:
                await self.identities.bury(identity)
                raise missing(served, identity.id) from None

    async def answer(
        self, call: Call, served: Served, identity: Identity, projection: Projection, status: int = 200
    ) -> tuple[Answer, Rendered]:
        """Read back and answer with the representation the account has now (S17)."""
        wanted = [name for name in served.heavy if projection.wants(paths.resolve(served.resource_type, name))]
        _, rendered = await self.current(call, served, identity, wanted)
        return answer(rendered, projection, status), rendered


def answer(rendered: Rendered, projection: Projection, status: int = 200) -> Answer:
    """Make the answer that carries a resource."""
    return Answer(status, projection.apply(rendered.resource), rendered.location, rendered.version)


def projection_of(call: Call, served: Served) -> Projection:
    """Read the projection a call asks for (Q7)."""
    return project.parse(served.resource_type, call.attributes, call.excluded)


def check_match(call: Call, rendered: Rendered) -> None:
    """Refuse with 412 unless the version still is the one the client saw (V1)."""
    if call.if_match is not None and not etags.matches(call.if_match, rendered.version):
        raise ScimError(412, "If-Match: the resource has another version by now")


def missing(served: Served, id: str) -> ScimError:
    """Say that there is no such resource; the same words for what never was, is gone, or is another tenant's."""
    return ScimError(404, f"{served.name} {id[:64]} does not exist")
