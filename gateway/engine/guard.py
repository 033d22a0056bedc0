"""The guard around every call to a backend: deadline, bulkhead, breaker, retry of reads, what a timeout means for a
write.

Backends have none of this (DESIGN §5); it exists once, here. What leaves the guard is a `BackendError`, whatever the
plugin raised.
"""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from backends.contract import (
    Backend,
    BackendError,
    Capabilities,
    Change,
    Field,
    Fields,
    Lists,
    Outcome,
    Page,
    Query,
    Record,
    Row,
    Scalar,
    UnavailableError,
    UnsupportedError,
    WritableBackend,
)
from gateway.engine.breaker import Breaker, State
from gateway.engine.bulkhead import Bulkhead, CrowdedError
from gateway.engine.observer import Observer
from gateway.engine.reaching import Reaching
from gateway.telemetry.traces import NoSpans, Span, Spans

T = TypeVar("T")

FAIR_SECONDS = 5.0
"""A call that was given so long and has no answer speaks against the backend, whatever its own bound is."""

BUSY_SECONDS = 1.0
"""What a client is told to wait where no place was free in time."""
PATIENT = frozenset({"get", "update", "delete"})
"""Operations that a full queue does not refuse."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one backend may be asked.

    `concurrency` calls at once and `waiting` more that wait for a place, `call_seconds` at most for one call,
    `read_retries` further tries of a read, `failures` in a row that open the breaker for `rest_seconds`.
    """

    concurrency: int = 32
    waiting: int = 256
    call_seconds: float = 20.0
    read_retries: int = 2
    failures: int = 5
    rest_seconds: float = 10.0


class _LateError(UnavailableError):
    """The request had no time left for the call: that says nothing of the backend."""


class Guard:
    """One backend, guarded. All arguments and answers are those of the contract; `deadline` is in seconds of the
    loop's clock: one for all native calls of a request.

    `for_tenant` gives each tenant a guard of its own: what it knows of the backend is shared, the places are shared
    out fairly. `under_way` and `waiting` count calls that were made, and those that wait for a place among them.
    """

    def __init__(
        self,
        name: str,
        backend: Backend[Any],
        observer: Observer,
        bounds: Bounds | None = None,
        *,
        clock: Callable[[], float],
        spans: Spans | None = None,
    ) -> None:
        self.name = name
        self._spans = spans or NoSpans()
        self.backend = backend
        self._observer = observer
        self._bounds = bounds or Bounds()
        self._clock = clock
        self._breaker = Breaker(threshold=self._bounds.failures, rest=self._bounds.rest_seconds, clock=clock)
        self._bulkhead = Bulkhead(self._bounds.concurrency, self._bounds.waiting)
        self._reaching = Reaching(name, backend, observer, self._bounds.call_seconds)
        self._tenant = ""

    def for_tenant(self, tenant: str) -> Self:
        """Give the guard that one tenant's calls go through."""
        self._bulkhead.expect(tenant)
        bound = copy.copy(self)
        bound._tenant = tenant
        return bound

    @property
    def under_way(self) -> int:
        """How many calls are made at this moment."""
        return self._bulkhead.under_way

    @property
    def waiting(self) -> int:
        """How many calls wait for a place."""
        return self._bulkhead.waiting

    @property
    def state(self) -> State:
        """The breaker's state."""
        return self._breaker.state

    @property
    def concurrency(self) -> int:
        """How many calls may be under way at once."""
        return self._bounds.concurrency

    @property
    def queue(self) -> int:
        """How many calls may wait for a place before some are sent away."""
        return self._bounds.waiting

    @property
    def started(self) -> bool:
        """Whether the backend was reached at least once."""
        return self._reaching.started

    def on_contact(self, verify: Callable[[], Awaitable[None]]) -> None:
        """Have `verify` run once, at the first contact, before any other call gets through."""
        self._reaching.verifiers.append(verify)

    def capabilities(self, entity: str) -> Capabilities:
        return self.backend.capabilities(entity)

    async def start(self) -> None:
        """Reach the backend for the first time; raise `UnavailableError` if that fails. Called again by the first
        call that needs it."""
        await self._reaching.start()

    async def stop(self) -> None:
        """Stop the backend, also after a failed start."""
        await self.backend.stop()

    async def ping(self, deadline: float) -> None:
        await self._call("", "ping", deadline, self.backend.ping)

    async def describe(self, entity: str) -> Mapping[str, Field] | None:
        """Describe an entity without asking whether the backend has started: verifiers run before that is so."""
        return await self.backend.describe(entity)

    async def get(self, entity: str, key: str, fields: frozenset[str], *, deadline: float) -> Record:
        return await self._read(entity, "get", deadline, lambda: self.backend.get(entity, key, fields))

    async def search(self, entity: str, query: Query, *, deadline: float) -> Page:
        page = await self._read(entity, "search", deadline, lambda: self.backend.search(entity, query))
        if len(page.records) > query.limit:
            raise BackendError("the backend answered with more records than it was asked for")
        return page

    async def list_values(
        self, entity: str, key: str, field: str, *, limit: int, cursor: str | None, deadline: float
    ) -> tuple[tuple[Scalar, ...] | tuple[Row, ...], str | None]:
        backend = self.backend
        if not isinstance(backend, Lists):
            raise UnsupportedError("the backend cannot page through one field")
        return await self._read(
            entity, "list_values", deadline, lambda: backend.list_values(entity, key, field, limit=limit, cursor=cursor)
        )

    async def create(self, entity: str, fields: Fields, *, deadline: float) -> Record:
        backend = self._writable(entity, "create")
        return await self._call(entity, "create", deadline, lambda: backend.create(entity, fields), write=True)

    async def update(
        self, entity: str, key: str, change: Change, *, expect: str | None = None, deadline: float
    ) -> Outcome:
        backend = self._writable(entity, "update")
        return await self._call(
            entity, "update", deadline, lambda: backend.update(entity, key, change, expect=expect), write=True
        )

    def renamed(self, entity: str, key: str, change: Change) -> str:
        """Tell the key a record has once a change is made."""
        return self.backend.renamed(entity, key, change) if isinstance(self.backend, WritableBackend) else key

    async def delete(self, entity: str, key: str, *, expect: str | None = None, deadline: float) -> None:
        backend = self._writable(entity, "delete")
        await self._call(entity, "delete", deadline, lambda: backend.delete(entity, key, expect=expect), write=True)

    def _writable(self, entity: str, operation: str) -> WritableBackend[Any]:
        if not isinstance(self.backend, WritableBackend) or operation not in self.backend.capabilities(entity).writes:
            raise UnsupportedError(f"{operation} is not offered")
        return self.backend

    async def _read(self, entity: str, operation: str, deadline: float, call: Callable[[], Awaitable[T]]) -> T:
        for attempt in range(self._bounds.read_retries + 1):
            try:
                return await self._call(entity, operation, deadline, call)
            except _LateError:
                raise
            except UnavailableError as error:
                # Full jitter, doubling: replicas that lost the same backend must not come back in step.
                jitter = random.uniform(0.0, 0.05 * 2**attempt)  # noqa: S311
                pause = (error.retry_after or 0.0) + jitter
                last = attempt == self._bounds.read_retries
                if last or self.state is not State.CLOSED or self._clock() + pause >= deadline:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def _call(
        self, entity: str, operation: str, deadline: float, call: Callable[[], Awaitable[T]], *, write: bool = False
    ) -> T:
        if (wait := self._breaker.admit()) > 0.0:
            self._observer.backend_call(self.name, entity, operation, "refused", 0.0)
            raise UnavailableError("the system is resting after failures", retry_after=wait)
        with self._spans.begin(
            f"{self.name} {operation}", "client", {"backend": self.name, "entity": entity, "operation": operation}
        ) as span:
            return await self._measured(entity, operation, deadline, call, span, write=write)

    async def _measured(
        self,
        entity: str,
        operation: str,
        deadline: float,
        call: Callable[[], Awaitable[T]],
        span: Span,
        *,
        write: bool,
    ) -> T:
        begun = self._clock()
        probe = self._breaker.state is not State.CLOSED
        outcome, late = "cancelled", False
        try:
            if begun >= deadline:
                raise _LateError("the request has no time left", retry_after=BUSY_SECONDS)
            if not self._reaching.started:
                await self._start_in_time(deadline)
            if not self._bulkhead.take(self._tenant):
                await self._wait(operation, deadline, probe=probe)
            try:
                answer = await self._bounded(deadline, call, write=write)
            finally:
                self._bulkhead.leave(self._tenant)
            outcome = "ok"
        except _LateError:
            outcome, late = "unavailable", True
            raise
        except UnavailableError as error:
            outcome = "unavailable"
            self._observer.backend_fault(self.name, entity, operation, error)
            raise
        except BackendError as error:
            outcome = type(error).__name__.removesuffix("Error").lower()
            raise
        except Exception as error:
            # The plugin broke its contract: tell the operator everything and the client nothing.
            outcome = "error"
            self._observer.backend_fault(self.name, entity, operation, error)
            raise BackendError from error
        finally:
            self._settle("cancelled" if late else outcome, probe=probe)
            span.set("outcome", outcome)
            if outcome in {"unavailable", "error"}:
                span.fail(outcome)
            self._observer.backend_call(self.name, entity, operation, outcome, self._clock() - begun)
        return answer

    def _settle(self, outcome: str, *, probe: bool) -> None:
        """Tell the breaker. Calls from before it opened do not speak for the probe: their failures are old news."""
        if outcome not in {"cancelled", "unavailable", "error"}:
            self._breaker.succeed()
        elif probe or self._breaker.state is State.CLOSED:
            if outcome == "cancelled":
                self._breaker.abandon()
            else:
                self._breaker.fail()

    async def _start_in_time(self, deadline: float) -> None:
        watch = asyncio.timeout_at(deadline)
        try:
            async with watch:
                await self.start()
        except TimeoutError as error:
            if not watch.expired():
                raise
            raise UnavailableError("the system does not answer", retry_after=BUSY_SECONDS) from error

    async def _wait(self, operation: str, deadline: float, *, probe: bool) -> None:
        """Wait for a place, never past the deadline: nothing was sent yet, so nothing may be done.

        A full queue refuses what asks for many records or makes new ones. What reads, changes or removes one account
        is let wait, for it may be somebody's losing access (promise 2); how many such requests there are is bounded
        where they come in.
        """
        try:
            await self._bulkhead.wait(self._tenant, deadline, patient=operation in PATIENT)
        except CrowdedError as error:
            raise _LateError("the system is busy", retry_after=BUSY_SECONDS) from error
        if not probe and self.state is not State.CLOSED:
            # It failed while this one waited; asking it now would only make the others behind wait longer.
            self._bulkhead.leave(self._tenant)
            raise _LateError("the system is resting after failures", retry_after=self._breaker.remaining)

    async def _bounded(self, deadline: float, call: Callable[[], Awaitable[T]], *, write: bool) -> T:
        """Run the call within its time; a write cut off by it may have been done."""
        now, whole = self._clock(), self._bounds.call_seconds
        limit = min(deadline, now + whole)
        watch = asyncio.timeout_at(limit)
        try:
            async with watch:
                return await call()
        except TimeoutError as error:
            if not watch.expired():
                raise
            # Who is given a moment only and does not answer in it is not known to be sick.
            kind = UnavailableError if limit - now >= min(whole / 2, FAIR_SECONDS) else _LateError
            raise kind("the system did not answer in time", maybe_done=write) from error
