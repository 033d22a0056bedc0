"""A SCIM request rehearsed: everything happens as it would, but for the native calls, which are written down instead.

The same server, dialects, mapping and engine; only the backends are stood in for, and the id map is one that nothing
is written to. `@KEY` in the place of an id means the account with that native key (of a user; ``@Group:KEY`` of
another type), so that no store is needed.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from backends.contract import (
    Backend,
    BackendError,
    Capabilities,
    Change,
    Explains,
    Field,
    Fields,
    NativeCall,
    Outcome,
    Page,
    Query,
    Record,
    UnavailableError,
    WritableBackend,
)
from gateway.identity import HeldTerm, Identity, IdentityMap, Reservation

READS = frozenset({"get", "search"})
NOT_READ = "not read: what follows is shown as if nothing were there"
NEW = "new"
"""The key of an account that would be created."""
Effect = Literal["made", "not made"]
Served = Callable[[str], Mapping[str, tuple[str, str]]]
"""Tells of a tenant which backend and entity hold each resource type."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing a request would cause: a rewrite of a dialect, or an operation of a backend with its native calls.

    `effect` says whether the operation was really made: reads may be, writes never are. `note` says what is unknown.
    """

    what: Literal["rewrite", "operation"]
    name: str
    effect: Effect = "not made"
    calls: tuple[NativeCall, ...] = ()
    note: str = ""


@dataclass(slots=True)
class Tape:
    """What a rehearsal wrote down, in order."""

    steps: list[Step] = field(default_factory=list)


class Rehearsed(WritableBackend[Any]):
    """Stands in for a backend: tells what it would do. Reads are really made if `read` says so."""

    def __init__(self, inner: Backend[Any], tape: Tape, *, read: bool) -> None:
        super().__init__(inner.settings, inner.context)
        self._inner = inner
        self._tape = tape
        self._read = read
        self._reached = False
        self._written: dict[tuple[str, str], Fields] = {}

    async def start(self) -> None:
        """Meet the system if it is there: its fields make the mapping exact. Without it the settings must do."""
        try:
            await self._inner.start()
        except (BackendError, OSError):
            if self._read:
                raise
            self._note("start", "the system was not reached: fields are taken for what the settings say")
        else:
            self._reached = True

    async def stop(self) -> None:
        await self._inner.stop()

    async def ping(self) -> None:
        await self._inner.ping()

    def capabilities(self, entity: str) -> Capabilities:
        return self._inner.capabilities(entity)

    async def describe(self, entity: str) -> Mapping[str, Field] | None:
        return await self._inner.describe(entity) if self._reached else None

    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        if self._explain(entity, "get", key, fields):
            record = await self._inner.get(entity, key, fields)
        else:
            record = Record(key, await self._empty(entity, fields))
        # What was written before would be read now.
        written = {name: value for name, value in self._written.get((entity, key), {}).items() if name in fields}
        return replace(record, fields={**record.fields, **written})

    async def search(self, entity: str, query: Query) -> Page:
        if self._explain(entity, "search", query):
            return await self._inner.search(entity, query)
        return Page((), total=0 if query.total else None)

    async def create(self, entity: str, fields: Fields) -> Record:
        self._explain(entity, "create", fields)
        self._written[entity, NEW] = fields
        return Record(NEW, {**await self._empty(entity, frozenset()), **fields})

    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        self._explain(entity, "update", key, change)
        self._written[entity, key] = {**self._written.get((entity, key), {}), **change.set}
        return Outcome(changed=True)

    async def delete(self, entity: str, key: str, *, expect: str | None = None) -> None:
        self._explain(entity, "delete", key)

    def _explain(self, entity: str, operation: str, *arguments: Any) -> bool:
        """Write down what an operation would do; tell whether to do it."""
        made = self._read and operation in READS
        name = f"{self.context.name}: {operation} {entity}"
        if not isinstance(self._inner, Explains):
            self._note(name, "this kind of backend cannot show its native calls")
            return made
        try:
            calls = tuple(self._inner.explain(entity, operation, *arguments))
        except UnavailableError:
            self._note(name, "the native calls can be shown once the system is reached")
            return made
        note = (
            ""
            if made or operation not in READS
            else "not read: what follows depends on it, and is shown as if nothing were there"
        )
        self._tape.steps.append(Step("operation", name, "made" if made else "not made", calls, note))
        return made

    def _note(self, name: str, note: str) -> None:
        self._tape.steps.append(Step("operation", name, note=note))

    async def _empty(self, entity: str, fields: frozenset[str]) -> dict[str, Any]:
        """Make a record with nothing in it."""
        known = await self.describe(entity) or {}
        many = {name for name, field in known.items() if field.many or field.row is not None}
        return {name: () if name in many else None for name in fields | known.keys()}


class RehearsedMap:
    """An id map that takes native keys for ids, and asks the real one, if there is one, without changing it."""

    def __init__(self, served: Served, real: IdentityMap | None) -> None:
        self._served = served
        self._real = real

    async def start(self) -> None:
        """Open the real one."""
        if self._real is not None:
            await self._real.start()

    async def stop(self) -> None:
        """Close the real one."""
        if self._real is not None:
            await self._real.stop()

    async def ping(self) -> None:
        """There is nothing that could be away."""

    async def find(self, tenant: str, ids: Collection[str], *, kept: bool = True) -> dict[str, Identity]:
        """Find what native keys and real ids stand for."""
        found = {id: one for id in ids if (one := self._by_key(tenant, id)) is not None}
        rest = [id for id in ids if id not in found]
        if rest and self._real is not None:
            found |= await self._real.find(tenant, rest, kept=kept)
        return found

    async def identify(
        self,
        tenant: str,
        resource_type: str,
        backend: str,
        entity: str,
        keys: Collection[str],
        *,
        mint: bool = True,
        kept: bool = True,
        doubt: bool = False,
    ) -> dict[str, Identity]:
        """Name the accounts of keys; what the real one does not know is named by its key."""
        real = self._real
        known = (
            {} if real is None
            else await real.identify(tenant, resource_type, backend, entity, keys, mint=False, kept=kept)
        )  # fmt: skip
        made = {key: _identity(tenant, resource_type, backend, entity, key) for key in keys}
        return {**made, **known} if mint else known

    async def search(
        self, tenant: str, resource_type: str, terms: Sequence[HeldTerm], limit: int
    ) -> tuple[Identity, ...]:
        """Search the real one."""
        return () if self._real is None else await self._real.search(tenant, resource_type, terms, limit)

    async def reserve(self, tenant: str, resource_type: str, match: Mapping[str, str]) -> Reservation:
        """Reserve nothing."""
        return Reservation(tenant, resource_type, resumed=False, digest="", token="", opened=0)

    async def bind(self, reservation: Reservation, backend: str, entity: str, key: str, **kept: Any) -> Identity:
        """Name the new account."""
        made = _identity(reservation.tenant, reservation.resource_type, backend, entity, key)
        return replace(made, external_id=kept.get("external_id"), kept=kept.get("kept", {}))

    async def release(self, reservation: Reservation) -> None:
        """Release nothing."""

    async def alter(self, identity: Identity, **_: Any) -> Identity:
        """Change nothing."""
        return identity

    async def announce(self, identity: Identity, key: str) -> None:
        """Announce nothing."""

    async def retract(self, identity: Identity, key: str) -> None:
        """Take nothing back."""

    async def destination(self, _: Identity) -> str | None:
        """Nobody is on the way."""
        return None

    async def rename(self, identity: Identity, key: str) -> Identity:
        """Go on with another key."""
        return replace(identity, key=key)

    async def bury(self, identity: Identity) -> None:
        """Bury nobody."""

    @contextlib.asynccontextmanager
    async def exclusive(self, *_: Iterable[str]) -> AsyncIterator[None]:
        """Lock nothing: nobody else is here."""
        yield

    def _by_key(self, tenant: str, id: str) -> Identity | None:
        if not id.startswith("@"):
            return None
        served = self._served(tenant)
        kind, colon, key = id[1:].partition(":")
        if not colon or kind not in served:
            kind, key = "User" if "User" in served else next(iter(served)), id[1:]
        return replace(_identity(tenant, kind, *served[kind], key), id=id)


def _identity(tenant: str, resource_type: str, backend: str, entity: str, key: str) -> Identity:
    now = datetime.now(UTC)
    return Identity(
        tenant=tenant, resource_type=resource_type, id=f"@{resource_type}:{key}", backend=backend, entity=entity,
        key=key, generation=0, external_id=None, created=now, last_modified=now, counter=0, kept={},
    )  # fmt: skip
