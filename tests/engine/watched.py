"""A backend that is watched and behaves as it is told to, and an observer that remembers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from backends.contract import (
    Backend,
    Capabilities,
    Change,
    Context,
    Field,
    Fields,
    Outcome,
    Page,
    Query,
    Record,
    UnavailableError,
    WritableBackend,
)
from gateway.engine.audit import Attempt

Proceed = Callable[[], Awaitable[Any]]


Behaviour = Callable[[Proceed], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Made:
    """One call of the backend: its operation, the entity, and what it was asked."""

    operation: str
    entity: str
    asked: Any


class Watched(WritableBackend[Any]):
    """Passes everything on to another backend, remembers it, and behaves for once as it is told to."""

    def __init__(self, inner: Backend[Any], name: str) -> None:
        super().__init__(inner.settings, Context(name))
        self.inner: Any = inner
        self.calls: list[Made] = []
        self.next: dict[str, list[Behaviour]] = {}

    async def _run(self, operation: str, entity: str, asked: Any, call: Proceed) -> Any:
        self.calls.append(Made(operation, entity, asked))
        waiting = self.next.get(operation)
        return await (waiting.pop(0)(call) if waiting else call())

    def once(self, operation: str, *behaviours: Behaviour) -> None:
        """Behave like this at the next calls of an operation, one after the other."""
        self.next.setdefault(operation, []).extend(behaviours)

    def counted(self, since: int = 0) -> Counter[str]:
        """Count the calls by ``operation entity``."""
        return Counter(f"{made.operation} {made.entity}" for made in self.calls[since:])

    def asked(self, operation: str, entity: str) -> list[Any]:
        return [made.asked for made in self.calls if (made.operation, made.entity) == (operation, entity)]

    async def start(self) -> None:
        await self.inner.start()

    async def stop(self) -> None:
        await self.inner.stop()

    async def ping(self) -> None:
        await self.inner.ping()

    def capabilities(self, entity: str) -> Capabilities:
        found: Capabilities = self.inner.capabilities(entity)
        return found

    async def describe(self, entity: str) -> Mapping[str, Field] | None:
        found: Mapping[str, Field] | None = await self.inner.describe(entity)
        return found

    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        found: Record = await self._run("get", entity, (key, fields), lambda: self.inner.get(entity, key, fields))
        return found

    async def search(self, entity: str, query: Query) -> Page:
        found: Page = await self._run("search", entity, query, lambda: self.inner.search(entity, query))
        return found

    async def create(self, entity: str, fields: Fields) -> Record:
        found: Record = await self._run("create", entity, fields, lambda: self.inner.create(entity, fields))
        return found

    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        found: Outcome = await self._run(
            "update", entity, (key, change, expect), lambda: self.inner.update(entity, key, change, expect=expect)
        )
        return found

    def renamed(self, entity: str, key: str, change: Change) -> str:
        found: str = self.inner.renamed(entity, key, change)
        return found

    async def delete(self, entity: str, key: str, *, expect: str | None = None) -> None:
        await self._run("delete", entity, (key, expect), lambda: self.inner.delete(entity, key, expect=expect))


def failing(error: BaseException) -> Behaviour:
    """Fail before anything is done."""

    async def run(call: Proceed) -> Any:
        raise error

    return run


def losing(error: BaseException | None = None) -> Behaviour:
    """Do it, then lose the answer."""

    async def run(call: Proceed) -> Any:
        await call()
        raise error or UnavailableError(maybe_done=True)

    return run


async def normal(call: Proceed) -> Any:
    """Do what was asked."""
    return await call()


class Held:
    """Holds a call until it is let go; `before` it is done, or after."""

    def __init__(self, *, after: bool = False) -> None:
        self._after = after
        self.reached = asyncio.Event()
        self.released = asyncio.Event()

    async def __call__(self, call: Proceed) -> Any:
        done = await call() if self._after else None
        self.reached.set()
        await self.released.wait()
        return done if self._after else await call()


class Recorder:
    """An observer and an audit trail that remember."""

    def __init__(self) -> None:
        self.roads: list[tuple[str, str, int]] = []
        self.hidden_ones: Counter[str] = Counter()
        self.dropped_ones: Counter[str] = Counter()
        self.rewrites: Counter[str] = Counter()
        self.failures: list[BaseException] = []
        self.faults: list[BaseException] = []
        self.attempts: list[Attempt] = []

    def backend_call(self, backend: str, entity: str, operation: str, outcome: str, seconds: float) -> None:
        pass

    def backend_fault(self, backend: str, entity: str, operation: str, error: BaseException) -> None:
        self.faults.append(error)

    def rewrite(self, tenant: str, client: str, quirk: str) -> None:
        self.rewrites[quirk] += 1

    def road(self, tenant: str, resource_type: str, road: str, rows: int) -> None:
        self.roads.append((resource_type, road, rows))

    def hidden(self, tenant: str, resource_type: str, count: int) -> None:
        self.hidden_ones[resource_type] += count

    def dropped(self, tenant: str, resource_type: str, attribute: str) -> None:
        self.dropped_ones[attribute] += 1

    def failure(self, tenant: str, request_id: str, error: BaseException) -> None:
        self.failures.append(error)

    def record(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)
