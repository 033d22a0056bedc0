"""The guard around every call to a backend: deadline, bulkhead, breaker, retry of reads, what a timeout means for a
write.

Backends have none of this (DESIGN §5); it exists once, here. What leaves the guard is a `BackendError`, whatever the
plugin raised.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

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
from gateway.engine.observer import Observer
from gateway.telemetry.traces import NoSpans, Span, Spans

T = TypeVar("T")

FAIR_SECONDS = 5.0
"""A call that was given so long and has no answer speaks against the backend, whatever its own bound is."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one backend may be asked.

    `concurrency` calls at once, `call_seconds` at most for one call, `read_retries` further tries of a read,
    `failures` in a row that open the breaker for `rest_seconds`.
    """

    concurrency: int = 32
    call_seconds: float = 20.0
    read_retries: int = 2
    failures: int = 5
    rest_seconds: float = 10.0


class _LateError(UnavailableError):
    """The request had no time left for the call: that says nothing of the backend."""


class Guard:
    """One backend, guarded. All arguments and answers are those of the contract; `deadline` is in seconds of the
    loop's clock. `under_way` and `waiting` count calls that were made, and those that wait for a place among them."""

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
        self._slots = asyncio.Semaphore(self._bounds.concurrency)
        self.under_way = 0
        self.waiting = 0
        self._starting = asyncio.Lock()
        self._started = False
        self._verifiers: list[Callable[[], Awaitable[None]]] = []

    @property
    def state(self) -> State:
        """The breaker's state."""
        return self._breaker.state

    @property
    def concurrency(self) -> int:
        """How many calls may be under way at once."""
        return self._bounds.concurrency

    @property
    def started(self) -> bool:
        """Whether the backend was reached at least once."""
        return self._started

    def on_contact(self, verify: Callable[[], Awaitable[None]]) -> None:
        """Have `verify` run once, at the first contact, before any other call gets through."""
        self._verifiers.append(verify)

    def capabilities(self, entity: str) -> Capabilities:
        return self.backend.capabilities(entity)

    async def start(self) -> None:
        """Reach the backend for the first time; raise `UnavailableError` if that fails. Called again by the first
        call that needs it."""
        async with self._starting:
            if self._started:
                return
            try:
                async with asyncio.timeout(self._bounds.call_seconds):
                    await self.backend.start()
            except BackendError:
                raise
            except TimeoutError as error:
                raise UnavailableError("the system does not answer") from error
            except Exception as error:
                self._observer.backend_fault(self.name, "", "start", error)
                raise UnavailableError("the system cannot be reached") from error
            for verify in self._verifiers:
                await verify()
            self._started = True

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
            except UnavailableError as error:
                # Full jitter, doubling: replicas that lost the same backend must not come back in step.
                jitter = random.uniform(0.0, 0.05 * 2**attempt)  # noqa: S311
                pause = jitter if error.retry_after is None else error.retry_after
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
        outcome, late = "cancelled", False
        try:
            if begun >= deadline:
                raise _LateError("the request has no time left", retry_after=1.0)
            if not self._started:
                await self.start()
            async with self._slot(deadline):
                answer = await self._bounded(deadline, call, write=write)
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
            self._settle("cancelled" if late else outcome)
            span.set("outcome", outcome)
            if outcome in {"unavailable", "error"}:
                span.fail(outcome)
            self._observer.backend_call(self.name, entity, operation, outcome, self._clock() - begun)
        return answer

    def _settle(self, outcome: str) -> None:
        if outcome == "cancelled":
            self._breaker.abandon()
        elif outcome in {"unavailable", "error"}:
            self._breaker.fail()
        else:
            self._breaker.succeed()

    @contextlib.asynccontextmanager
    async def _slot(self, deadline: float) -> AsyncIterator[None]:
        """Wait for a place among the calls under way, never past the deadline: nothing was sent yet, so nothing may
        be done."""
        if self._slots.locked():
            await self._wait(deadline)
        else:
            await self._slots.acquire()  # at once: a timer would cost more than it guards
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1
            self._slots.release()

    async def _wait(self, deadline: float) -> None:
        self.waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                await self._slots.acquire()
        except TimeoutError as error:
            raise _LateError("the system is busy", retry_after=1.0) from error
        finally:
            self.waiting -= 1

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
