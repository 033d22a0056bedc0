"""The guard: deadlines, retried reads, the bulkhead, and plugins that break their contract."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import BaseModel

from backends.contract import (
    BackendError,
    Capabilities,
    Change,
    Context,
    Fields,
    NotFoundError,
    Outcome,
    Page,
    Query,
    Record,
    UnavailableError,
    UnsupportedError,
    WritableBackend,
)
from gateway.engine.breaker import State
from gateway.engine.guard import Bounds, Guard


class Settings(BaseModel):
    pass


class Scripted(WritableBackend[Settings]):
    """A backend whose every call runs what the test put into `script`."""

    settings_type = Settings

    def __init__(self, script: Callable[[str], Awaitable[Any]]) -> None:
        super().__init__(Settings(), Context("scripted"))
        self.script = script
        self.calls: list[str] = []

    async def _run(self, name: str) -> Any:
        self.calls.append(name)
        return await self.script(name)

    def capabilities(self, entity: str) -> Capabilities:
        return Capabilities(writes=frozenset({"create", "update"}))

    async def start(self) -> None:
        await self._run("start")

    async def ping(self) -> None:
        await self._run("ping")

    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        return await self._run("get")  # type: ignore[no-any-return]

    async def search(self, entity: str, query: Query) -> Page:
        return await self._run("search")  # type: ignore[no-any-return]

    async def create(self, entity: str, fields: Fields) -> Record:
        return await self._run("create")  # type: ignore[no-any-return]

    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        return await self._run("update")  # type: ignore[no-any-return]

    async def delete(self, entity: str, key: str, *, expect: str | None = None) -> None:
        await self._run("delete")


class Recorder:
    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str]] = []
        self.faults: list[BaseException] = []

    def backend_call(self, backend: str, entity: str, operation: str, outcome: str, seconds: float) -> None:
        self.outcomes.append((operation, outcome))

    def backend_fault(self, backend: str, entity: str, operation: str, error: BaseException) -> None:
        self.faults.append(error)

    def rewrite(self, tenant: str, client: str, quirk: str) -> None: ...

    def road(self, tenant: str, resource_type: str, road: str, rows: int) -> None: ...

    def hidden(self, tenant: str, resource_type: str, count: int) -> None: ...

    def dropped(self, tenant: str, resource_type: str, attribute: str) -> None: ...

    def failure(self, tenant: str, request_id: str, error: BaseException) -> None: ...


def guard(script: Callable[[str], Awaitable[Any]], recorder: Recorder, **bounds: Any) -> tuple[Guard, Scripted]:
    backend = Scripted(script)
    return Guard("scripted", backend, recorder, Bounds(**bounds), clock=asyncio.get_running_loop().time), backend


def soon(seconds: float = 5.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_a_read_is_tried_again_and_a_write_is_not() -> None:
    """A passing outage is hidden from reads only; a write might be done twice (R-L21)."""
    failures = {"get": 1, "create": 1}

    async def script(name: str) -> Any:
        if failures.get(name, 0) > 0:
            failures[name] -= 1
            raise UnavailableError
        return Record("1", {})

    recorder = Recorder()
    guarded, backend = guard(script, recorder)
    assert (await guarded.get("e", "1", frozenset(), deadline=soon())).key == "1"
    with pytest.raises(UnavailableError):
        await guarded.create("e", {}, deadline=soon())
    assert backend.calls == ["start", "get", "get", "create"]
    assert recorder.outcomes == [("get", "unavailable"), ("get", "ok"), ("create", "unavailable")]


async def test_a_write_cut_off_by_its_deadline_may_have_been_done() -> None:
    """A timed-out write is told apart from one that was never sent (R-L21)."""
    entered = asyncio.Event()

    async def script(name: str) -> Any:
        if name == "create":
            entered.set()
            await asyncio.Event().wait()

    guarded, _ = guard(script, Recorder())
    with pytest.raises(UnavailableError) as caught:
        await guarded.create("e", {}, deadline=soon(0.05))
    assert entered.is_set()
    assert caught.value.maybe_done


async def test_a_full_bulkhead_refuses_without_having_sent_anything() -> None:
    """Who waits for a place past the deadline gets `maybe_done` false (R-L26)."""
    entered, release = asyncio.Event(), asyncio.Event()

    async def script(name: str) -> Any:
        if name == "create":
            entered.set()
            await release.wait()
        return Record("1", {})

    guarded, backend = guard(script, Recorder(), concurrency=1)
    first = asyncio.create_task(guarded.create("e", {}, deadline=soon()))
    await entered.wait()
    with pytest.raises(UnavailableError) as caught:
        await guarded.create("e", {}, deadline=soon(0.02))
    assert not caught.value.maybe_done
    assert backend.calls.count("create") == 1
    assert (guarded.under_way, guarded.waiting, guarded.concurrency) == (1, 0, 1)
    second = asyncio.create_task(guarded.create("e", {}, deadline=soon()))
    await asyncio.sleep(0)
    assert (guarded.under_way, guarded.waiting) == (1, 1)
    release.set()
    assert (await first).key == (await second).key == "1"
    assert (guarded.under_way, guarded.waiting) == (0, 0)


async def test_repeated_failures_open_the_breaker_and_spare_the_backend() -> None:
    """An unavailable backend is left alone until its rest is over (promise 6)."""

    async def script(name: str) -> Any:
        if name != "start":
            raise UnavailableError

    recorder = Recorder()
    guarded, backend = guard(script, recorder, read_retries=0, failures=2, rest_seconds=60)
    for _ in range(2):
        with pytest.raises(UnavailableError):
            await guarded.get("e", "1", frozenset(), deadline=soon())
    assert guarded.state is State.OPEN
    before = len(backend.calls)
    with pytest.raises(UnavailableError) as caught:
        await guarded.get("e", "1", frozenset(), deadline=soon())
    assert len(backend.calls) == before
    assert caught.value.retry_after == pytest.approx(60, abs=1)
    assert recorder.outcomes[-1] == ("get", "refused")


async def test_requests_without_time_say_nothing_of_the_backend() -> None:
    """Too late before they are sent, too late in the queue, cut off after a moment: the breaker stays closed, or one
    slow bulk request would take the backend from everybody (promise 6)."""
    release = asyncio.Event()

    async def script(name: str) -> Any:
        if name == "get":
            await release.wait()
        return Record("1", {})

    recorder = Recorder()
    guarded, backend = guard(script, recorder, concurrency=1, failures=2, read_retries=0, call_seconds=60)
    for _ in range(3):
        with pytest.raises(UnavailableError) as caught:
            await guarded.create("e", {}, deadline=soon(-1))
        assert not caught.value.maybe_done
    assert "create" not in backend.calls
    for _ in range(3):
        with pytest.raises(UnavailableError):
            await guarded.get("e", "1", frozenset(), deadline=soon(0.01))
    blocking = asyncio.create_task(guarded.get("e", "1", frozenset(), deadline=soon()))
    await asyncio.sleep(0)
    for _ in range(3):
        with pytest.raises(UnavailableError):
            await guarded.create("e", {}, deadline=soon(0.01))
    assert guarded.state is State.CLOSED
    assert {outcome for _, outcome in recorder.outcomes} == {"unavailable"}
    release.set()
    await blocking


async def test_a_backend_that_hangs_opens_the_breaker() -> None:
    """Calls that had their time and got no answer are failures (promise 6)."""

    async def script(name: str) -> Any:
        if name == "get":
            await asyncio.Event().wait()

    guarded, _ = guard(script, Recorder(), failures=2, read_retries=0, call_seconds=0.01)
    for _ in range(2):
        with pytest.raises(UnavailableError):
            await guarded.get("e", "1", frozenset(), deadline=soon())
    assert guarded.state is State.OPEN


async def test_a_refusal_is_an_answer_and_does_not_trip_the_breaker() -> None:
    """Not found, conflict and the like prove the backend alive."""

    async def script(name: str) -> Any:
        if name == "get":
            raise NotFoundError

    guarded, _ = guard(script, Recorder(), failures=2)
    for _ in range(5):
        with pytest.raises(NotFoundError):
            await guarded.get("e", "1", frozenset(), deadline=soon())
    assert guarded.state is State.CLOSED


async def test_a_plugin_that_breaks_its_contract_becomes_a_plain_backend_error() -> None:
    """Whatever a plugin raises, the client sees generic text and the operator the cause (X13)."""

    async def script(name: str) -> Any:
        if name == "get":
            raise ZeroDivisionError("password=hunter2")

    recorder = Recorder()
    guarded, _ = guard(script, recorder)
    with pytest.raises(BackendError) as caught:
        await guarded.get("e", "1", frozenset(), deadline=soon())
    assert "hunter2" not in caught.value.detail
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert isinstance(recorder.faults[0], ZeroDivisionError)


async def test_more_records_than_asked_for_are_not_passed_on() -> None:
    """A backend that ignores `limit` is told on, not silently believed."""

    async def script(name: str) -> Any:
        return Page([Record("1", {}), Record("2", {})])

    guarded, _ = guard(script, Recorder())
    with pytest.raises(BackendError):
        await guarded.search("e", Query(frozenset(), limit=1), deadline=soon())


async def test_what_is_not_offered_is_refused_before_the_backend_is_asked() -> None:
    """A write the entity does not take never reaches the plugin."""

    async def script(name: str) -> Any:
        return None

    guarded, backend = guard(script, Recorder())
    with pytest.raises(UnsupportedError):
        await guarded.delete("e", "1", deadline=soon())
    assert backend.calls == []


async def test_a_backend_that_was_down_at_start_is_reached_by_the_first_call() -> None:
    """A failed start is tried again when somebody needs the backend, and verified before anything gets through."""
    verified: list[str] = []
    down = True

    async def script(name: str) -> Any:
        if name == "start" and down:
            raise UnavailableError
        return Record("1", {})

    guarded, backend = guard(script, Recorder())

    async def verify() -> None:
        verified.append("now")

    guarded.on_contact(verify)
    with pytest.raises(UnavailableError):
        await guarded.start()
    assert not guarded.started
    down = False
    await asyncio.gather(*(guarded.get("e", "1", frozenset(), deadline=soon()) for _ in range(3)))
    assert guarded.started
    assert verified == ["now"]
    assert backend.calls == ["start", "start", "get", "get", "get"]
