"""One backend on trial: started on an empty system, with what the cases do over and over."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any

from backends.conformance.harness import Group, Harness, Roles
from backends.contract import (
    Backend,
    BackendError,
    Capabilities,
    Change,
    Fields,
    Filter,
    NotFoundError,
    Outcome,
    Page,
    Query,
    Record,
    Sort,
    Value,
    WritableBackend,
)
from backends.kit.merging import same

PAGES = 10_000
"""More pages than any search here can have: a cursor that never ends is found out."""


class Caught:
    """The error a call was expected to end with."""

    error: BackendError


class Trial:
    """A started backend and the means to try it. Updates take the lock the gateway would take (`serialize`)."""

    def __init__(self, harness: Harness, backend: Backend[Any], place: Any) -> None:
        self.harness = harness
        self.backend = backend
        self.place = place
        self.entity = harness.entity
        self.roles: Roles = harness.roles
        self.capabilities: Capabilities = backend.capabilities(harness.entity)
        self._numbers = itertools.count(1)
        self._locks: dict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def writable(self) -> WritableBackend[Any]:
        """The backend, where it takes writes."""
        assert isinstance(self.backend, WritableBackend), "the backend takes no writes"
        return self.backend

    @property
    def group(self) -> Group:
        assert self.harness.group is not None
        return self.harness.group

    @property
    def fields(self) -> frozenset[str]:
        """Every field of the entity that has a role."""
        names = [self.roles.field(role) for role in ROLES]
        if self.harness.group is not None:
            names.append(self.harness.group.inverse)
        return frozenset(name for name in names if name is not None)

    def named(self, role: str) -> str:
        """Name the field that plays a role."""
        name = self.roles.field(role)
        assert name is not None
        return name

    def number(self) -> int:
        """Draw a number nothing was made with yet."""
        return next(self._numbers)

    def sample(self, role: str, number: int) -> Any:
        return self.harness.sample(role, number)

    def values(self, nth: int, *roles: str, **given: Value) -> dict[str, Value]:
        """Make the fields of a new record: a name, samples for the roles named, and what is given by role."""
        samples = {role: self.sample(role, nth) for role in ("name", *roles)}
        return {**self.roles.extra, **{self.named(role): value for role, value in {**samples, **given}.items()}}

    def other(self) -> dict[str, Value]:
        """Make the values of a change that makes a difference, and leaves the key where there is a choice."""
        role = next(
            (role for role in ("text", "number", "day", "moment") if self.roles.field(role) is not None), "name"
        )
        return {self.named(role): self.sample(role, self.number())}

    async def make(self, *roles: str, nth: int | None = None, **given: Value) -> str:
        """Bring a record into the system and give its key: the `nth` of all samples, or the next."""
        nth = self.number() if nth is None else nth
        return await self.harness.insert(self.backend, self.entity, self.values(nth, *roles, **given))

    async def make_group(self, *members: str) -> str:
        """Bring a group with these members into the system and give its key."""
        fields: dict[str, Value] = {self.group.name: f"group{self.number():04d}", **self.group.extra}
        if members:
            fields[self.group.members] = members
        return await self.harness.insert(self.backend, self.group.entity, fields)

    async def get(self, key: str, names: Iterable[str] | None = None, *, entity: str | None = None) -> Fields:
        """Read fields of a record, by default all that have a role."""
        wanted = self.fields if names is None else frozenset(names)
        return (await self.backend.get(entity or self.entity, key, wanted)).fields

    async def value(self, key: str, role: str) -> Any:
        """Read the one field that plays a role."""
        return (await self.get(key, {self.named(role)}))[self.named(role)]

    async def members(self, key: str) -> set[Any]:
        """Read whom a group refers to; nobody twice."""
        found: Any = (await self.get(key, {self.group.members}, entity=self.group.entity))[self.group.members]
        assert len(found) == len(set(found)), "a member is listed twice"
        return set(found)

    async def update(
        self,
        key: str,
        set: Fields | None = None,
        *,
        add: Mapping[str, Any] | None = None,
        remove: Mapping[str, Any] | None = None,
        expect: str | None = None,
        entity: str | None = None,
    ) -> Outcome:
        """Change a record as the gateway would: one update of a record at a time where the entity asks for it."""
        entity = entity or self.entity
        change = Change(set or {}, add or {}, remove or {})
        async with contextlib.AsyncExitStack() as stack:
            if self.backend.capabilities(entity).serialize:
                await stack.enter_async_context(self._locks[entity, key])
            return await self.writable.update(entity, key, change, expect=expect)

    async def gone(self, key: str, *, entity: str | None = None) -> bool:
        """Tell whether a record is not there."""
        try:
            await self.backend.get(entity or self.entity, key, frozenset())
        except NotFoundError:
            return True
        return False

    async def search(self, **query: Any) -> Page:
        """Read one page of names, or of what the query says."""
        return await self.backend.search(self.entity, Query(**{"fields": frozenset({self.roles.name}), **query}))

    async def walk(
        self,
        where: Filter | None = None,
        *,
        sort: Sort | None = None,
        limit: int = 100,
        fields: Iterable[str] | None = None,
        entity: str | None = None,
        between: Callable[[Page], Any] | None = None,
    ) -> list[Record]:
        """Follow the cursors of a search to its end; `between` is awaited after every page but the last."""
        found: list[Record] = []
        cursor: str | None = None
        names = frozenset({self.roles.name} if fields is None else fields)
        for _ in range(PAGES):
            query = Query(names, where, sort or Sort(), limit=limit, cursor=cursor)
            page = await self.backend.search(entity or self.entity, query)
            assert len(page.records) <= limit, "a page has more records than it may have"
            found += page.records
            if (cursor := page.cursor) is None:
                return found
            if between is not None:
                await between(page)
        raise AssertionError("the cursors never end")

    async def snapshot(self) -> dict[str, dict[str, Value]]:
        """Read everything: all records of the entity with all their fields."""
        return {record.key: dict(record.fields) for record in await self.walk(fields=self.fields)}

    @contextlib.contextmanager
    def refused(self, *kinds: type[BackendError]) -> Iterator[Caught]:
        """Expect a call to end with one of these errors, and its text to show no secret."""
        caught = Caught()
        raised: BackendError | None = None
        try:
            yield caught
        except BackendError as error:
            caught.error = raised = error
        assert raised is not None, f"{kinds[0].__name__} was not raised"
        assert isinstance(raised, kinds), f"{type(raised).__name__} was raised, not {kinds[0].__name__}"
        assert not any(secret in str(raised) for secret in self.harness.secrets), "an error shows what it must not"


ROLES = ("name", "text", "number", "flag", "day", "moment", "many", "rows")


def alike(one: Fields, other: Fields) -> bool:
    """Tell whether two records have the same values; the order of many plays no part."""
    return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)


@contextlib.asynccontextmanager
async def trial(harness: Harness, place: Any) -> AsyncIterator[Trial]:
    """Start a backend on an empty system and stop it afterwards."""
    async with harness.world(place) as world:
        backend = harness.build(world)
        try:
            await backend.start()
            yield Trial(harness, backend, world)
        finally:
            await backend.stop()
