"""References between resources, resolved in batches: native values to ids on the way out, ids to native values on
the way in."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from backends.contract import KEY, Capabilities, Compare, NotFoundError, Op, Query, Record, Scalar
from gateway.engine.calls import Call
from gateway.engine.failures import SOON
from gateway.engine.moves import Moves
from gateway.engine.observer import Observer
from gateway.engine.tenants import Served
from gateway.identity import Identity, IdentityMap
from gateway.mapping import ID, Link, Links, Native, Reference, Wanted
from gateway.scim.errors import ScimError, ScimType, refuse

A = TypeVar("A")
T = TypeVar("T")

BATCH = 500
"""Keys asked for in one search: well below the parameter limits of the databases in use."""
LOOKS = 3
"""How often an account is looked for that others keep moving."""
PARALLEL = 8
"""Single reads under way at once where a backend cannot be asked for several keys."""


class Resolver:
    """Turns what a mapping says it needs into `Links`; the number of native calls does not grow with the number of
    references."""

    def __init__(self, identities: IdentityMap, observer: Observer) -> None:
        self._identities = identities
        self._observer = observer
        self.moves = Moves(identities)

    async def links(self, call: Call, references: Collection[Reference] = (), wanted: Collection[Wanted] = ()) -> Links:
        """Resolve both directions. What leads to no live account is absent: hidden on the way out, refused on the
        way in."""
        incoming = await self._incoming(call, references) if references else {}
        outgoing = await self._outgoing(call, wanted) if wanted else {}
        return Links(incoming=incoming, outgoing=outgoing)

    async def _incoming(self, call: Call, references: Collection[Reference]) -> dict[Reference, Link]:
        groups: dict[tuple[str, str | None, str | None], list[Reference]] = defaultdict(list)
        ids: list[Reference] = []
        for reference in references:
            if reference.by == ID:
                ids.append(reference)
            else:
                groups[reference.resource_type, reference.by, reference.show].append(reference)
        found = await self._by_id(call, ids) if ids else {}
        for (name, by, show), members in groups.items():
            served = call.tenant.served.get(name)
            if served is None:
                self._observer.hidden(call.tenant.name, name, len(members))
                continue
            found |= await self._group(call, served, by, show, members)
            if (missing := sum(reference not in found for reference in members)) > 0:
                self._observer.hidden(call.tenant.name, name, missing)
        return found

    async def _by_id(self, call: Call, references: Sequence[Reference]) -> dict[Reference, Link]:
        """Resolve references that hold ids, of whatever type, in one look-up; those of the dead are hidden."""
        tenant = call.tenant
        ids = {str(reference.value) for reference in references}
        identities = await self._identities.find(tenant.name, ids, kept=False)
        alive: dict[Reference, tuple[Served, Identity]] = {}
        keys: dict[tuple[str, str], list[str]] = defaultdict(list)
        for reference in references:
            identity, served = identities.get(str(reference.value)), tenant.served.get(reference.resource_type)
            if identity is not None and served is not None and holds(served, identity):
                alive[reference] = served, identity
                if reference.show is not None:
                    keys[served.name, reference.show].append(identity.key)
        shown: dict[tuple[str, str | None, str], Any] = {}
        for (name, show), named in keys.items():
            for record in await self._fetch(call, tenant.served[name], KEY, named, show):
                shown[name, show, record.key] = record.fields[show]
        found: dict[Reference, Link] = {}
        for reference, (served, identity) in alive.items():
            place = (served.name, reference.show, identity.key)
            if reference.show is None or place in shown:
                found[reference] = _link(call, served, identity, shown.get(place))
        # An id that may be of several types is hidden once, and only if it is of none of them; of which it was nobody
        # can tell any more.
        hidden: dict[Scalar, str] = {}
        for reference in references:
            name = reference.resource_type
            hidden[reference.value] = max(name, hidden.get(reference.value, name))
        for reference in found:
            hidden.pop(reference.value, None)
        for name, count in Counter(hidden.values()).items():
            self._observer.hidden(tenant.name, name, count)
        return found

    async def _group(
        self, call: Call, served: Served, by: str | None, show: str | None, references: list[Reference]
    ) -> dict[Reference, Link]:
        identities, records = await self._met(call, served, by, show, references)
        fresh = [record.key for record in records.values() if record.key not in identities]
        if fresh:
            identities = {**identities, **await self.identify(call, served, fresh)}
        found = {}
        for reference in references:
            value = str(reference.value) if by is None else reference.value
            held = records.get(value)
            key = value if by is None else None if held is None else held.key
            identity = identities.get(key) if isinstance(key, str) else None
            if identity is None or (show and held is None):
                continue
            label = held.fields[show] if show and held is not None else None
            found[reference] = _link(call, served, identity, label)
        return found

    async def _met(
        self, call: Call, served: Served, by: str | None, show: str | None, references: Sequence[Reference]
    ) -> tuple[Mapping[str, Identity], Mapping[Scalar, Record]]:
        """Find what references lead to: who has an id, and, by the value referred to, the records that were read."""
        identities: Mapping[str, Identity] = {}
        records: dict[Scalar, Record] = {}
        if by is None:
            keys = [str(reference.value) for reference in references]
            identities = await self.identify(call, served, keys, mint=False)
            # A key first met as a reference gets an id only when its entity confirms it.
            ask = keys if show else [key for key in keys if key not in identities]
            records = {record.key: record for record in await self._fetch(call, served, KEY, ask, show)} if ask else {}
        else:
            values = [reference.value for reference in references]
            several: set[Scalar] = set()
            for record in await self._fetch(call, served, by, values, show, by):
                value = record.fields[by]
                if isinstance(value, Scalar):
                    if value in records:
                        several.add(value)
                    records[value] = record
            # Of several accounts with the same value none is chosen (R-L6).
            records = {value: record for value, record in records.items() if value not in several}
        return identities, records

    async def visible(self, call: Call, references: Collection[Reference]) -> frozenset[Reference]:
        """Tell which references lead to an account a client may see; nobody is given an id for it."""
        groups: dict[tuple[str, str | None, str | None], list[Reference]] = defaultdict(list)
        ids = [reference for reference in references if reference.by == ID]
        for reference in references:
            if reference.by != ID:
                groups[reference.resource_type, reference.by, reference.show].append(reference)
        found: set[Reference] = set(await self._by_id(call, ids)) if ids else set()
        for (name, by, show), members in groups.items():
            served = call.tenant.served.get(name)
            if served is None:
                continue
            if by is not None:
                there: Collection[Scalar] = (await self._met(call, served, by, show, members))[1]
                found.update(reference for reference in members if reference.value in there)
                continue
            keys = [str(reference.value) for reference in members]
            # Who is known is shown, also who is not there any more and was not missed yet; but not without a name.
            known = {} if show else await self.identify(call, served, keys, mint=False)
            rest = [key for key in keys if key not in known]
            there = {record.key for record in await self._fetch(call, served, KEY, rest, show)} if rest else ()
            found.update(one for one in members if str(one.value) in there or str(one.value) in known)
        return frozenset(found)

    async def _outgoing(self, call: Call, wanted: Collection[Wanted]) -> dict[Wanted, Native]:
        identities = await self._identities.find(call.tenant.name, {want.id for want in wanted})
        found: dict[Wanted, Native] = {}
        by_field: dict[tuple[str, str], list[tuple[Wanted, Identity]]] = defaultdict(list)
        for want in wanted:
            identity = identities.get(want.id)
            if identity is None or identity.resource_type not in want.resource_types:
                continue
            served = call.tenant.served.get(identity.resource_type)
            if served is None or not holds(served, identity):
                continue
            if want.by is None or want.by == ID:
                value = identity.key if want.by is None else identity.id
                found[want] = Native(resource_type=identity.resource_type, value=value)
            else:
                by_field[identity.resource_type, want.by].append((want, identity))
        for (name, by), pairs in by_field.items():
            served = call.tenant.served[name]
            keys = [identity.key for _, identity in pairs]
            values = {record.key: record.fields[by] for record in await self._fetch(call, served, KEY, keys, None, by)}
            for want, identity in pairs:
                held = values.get(identity.key)
                if isinstance(held, Scalar):
                    found[want] = Native(resource_type=name, value=held)
        return found

    async def identify(
        self, call: Call, served: Served, keys: Iterable[str], *, mint: bool = True, kept: bool = False
    ) -> dict[str, Identity]:
        """Look up, or mint, the identities of native keys in one batch. With `mint` the keys are those of accounts that
        were just found: one that is not there any more is absent."""
        asked = list(keys)
        found = await self._identify(call, served, asked, mint=mint, kept=kept, doubt=True)
        if mint and (missing := [key for key in dict.fromkeys(asked) if key not in found]):
            found |= (await self._look_again(call, served, missing, frozenset(), kept=kept))[1]
        return found

    async def identified(self, call: Call, served: Served, records: Sequence[Record]) -> list[tuple[Record, Identity]]:
        """Pair records that were just found with their identities, kept attributes included. Who is not there any more,
        or is somebody else by now, is left out."""
        keys = [record.key for record in records]
        found = await self._identify(call, served, keys, kept=True, doubt=True)
        if missing := [key for key in keys if key not in found]:
            fields = frozenset(name for record in records if record.key not in found for name in record.fields)
            again, more = await self._look_again(call, served, missing, fields, kept=True)
            same = {r.key for r in records if r.key in again and _like(again[r.key], r)}
            found |= {key: identity for key, identity in more.items() if key in same}
        return [(record, found[record.key]) for record in records if record.key in found]

    async def _look_again(
        self, call: Call, served: Served, keys: Sequence[str], fields: frozenset[str], *, kept: bool
    ) -> tuple[dict[str, Record], dict[str, Identity]]:
        """Identify accounts that were found under keys others had before, or are on their way to: they may have been
        read before that, so that they are read again."""
        for _ in range(LOOKS):
            await self.moves.settle(call, served, keys)
            records = {record.key: record for record in await self._fetch(call, served, KEY, keys, *fields)}
            found = await self._identify(call, served, list(records), kept=kept, doubt=False)
            if found.keys() >= records.keys():
                return records, found
        raise ScimError(503, "accounts are being renamed; try again", retry_after=SOON)

    async def _identify(
        self, call: Call, served: Served, keys: Sequence[str], *, mint: bool = True, kept: bool, doubt: bool
    ) -> dict[str, Identity]:
        place = (call.tenant.name, served.name, served.guard.name, served.entity)
        return await self._identities.identify(*place, keys, mint=mint, kept=kept, doubt=doubt)

    async def _fetch(
        self, call: Call, served: Served, field: str, values: Collection[Scalar], *extra: str | None
    ) -> list[Record]:
        """Read the records whose `field` (or key) is one of `values`, with the `extra` fields; those not visible are
        absent."""
        fields = frozenset(name for name in extra if name) | served.mapping.marks
        unique = list(dict.fromkeys(values))
        if not unique:
            return []
        if batch_operator(served.capabilities, field) is None:
            found = await self._without_batches(call, served, field, unique, fields)
            return [record for record in found if not served.mapping.is_dead(record)]
        records: list[Record] = []
        for start in range(0, len(unique), BATCH):
            batch = tuple(unique[start : start + BATCH])
            where = Compare(field, Op.IN, batch)
            cursor: str | None = None
            while True:
                query = Query(fields=fields, where=where, limit=BATCH, cursor=cursor)
                page = await served.guard.search(served.entity, query, deadline=call.deadline)
                records += page.records
                cursor = page.cursor
                if cursor is None:
                    break
        asked = set(unique)
        # A loose or over-matching collation may answer with more than was asked for.
        visible = (record for record in records if not served.mapping.is_dead(record))
        return [r for r in visible if (r.key if field == KEY else r.fields[field]) in asked]

    async def _without_batches(
        self, call: Call, served: Served, field: str, values: Sequence[Scalar], fields: frozenset[str]
    ) -> list[Record]:
        """Read records where the backend cannot be asked for several values: one by one, or all of them."""
        if field == KEY:
            return await fetch_each(call, served, [str(value) for value in values], fields)
        if (Op.EQ, False) in served.capabilities.filters.get(field, {}):

            async def ask(value: Scalar) -> list[Record]:
                query = Query(fields=fields, where=Compare(field, Op.EQ, value))
                page = await served.guard.search(served.entity, query, deadline=call.deadline)
                return [record for record in page.records if record.fields[field] == value]

            return [record for found in await _each(ask, values) for record in found]
        asked, records, cursor, seen = set(values), list[Record](), None, 0
        while True:
            query = Query(fields=fields, limit=BATCH, cursor=cursor)
            page = await served.guard.search(served.entity, query, deadline=call.deadline)
            records += [record for record in page.records if record.fields[field] in asked]
            seen, cursor = seen + len(page.records), page.cursor
            if cursor is None:
                return records
            if seen >= call.tenant.limits.scan_rows:
                detail = f"the system cannot be searched for what references to {served.name} hold, and has too many"
                raise refuse(ScimType.TOO_MANY, detail)


def _like(one: Record, other: Record) -> bool:
    return all(one.fields[name] == value for name, value in other.fields.items())


def batch_operator(capabilities: Capabilities, field: str) -> Op | None:
    """Tell whether a field may be asked for with `in`."""
    return Op.IN if (Op.IN, False) in capabilities.filters.get(field, {}) else None


def _link(call: Call, served: Served, identity: Identity, label: Any) -> Link:
    return Link(
        id=identity.id,
        resource_type=served.name,
        location=f"{call.base_url}{served.resource_type.endpoint}/{identity.id}",
        shown=None if label is None else str(label),
    )


def holds(served: Served, identity: Identity) -> bool:
    """Tell whether an identity still belongs to the entity its type is mapped to: a changed configuration must not
    mix accounts."""
    return (
        identity.resource_type == served.name
        and identity.backend == served.guard.name
        and identity.entity == served.entity
    )


async def fetch_each(call: Call, served: Served, keys: Iterable[str], fields: frozenset[str]) -> list[Record]:
    """Read records by key, a few at a time; those not found are left out."""

    async def fetch(key: str) -> Record | None:
        try:
            return await served.guard.get(served.entity, key, fields, deadline=call.deadline)
        except NotFoundError:
            return None

    return [record for record in await _each(fetch, list(keys)) if record is not None]


async def _each(ask: Callable[[A], Coroutine[Any, Any, T]], arguments: Sequence[A]) -> list[T]:
    """Ask for each of several, a few at a time; the first error ends all."""
    slots = asyncio.Semaphore(PARALLEL)

    async def one(argument: A) -> T:
        async with slots:
            return await ask(argument)

    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one(argument)) for argument in arguments]
    except ExceptionGroup as group:
        raise group.exceptions[0] from group
    return [task.result() for task in running]
