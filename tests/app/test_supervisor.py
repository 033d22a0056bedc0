"""The supervisor alone, with workers that misbehave in every way a process can (M7)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Blueprint, ListenError, supervisor
from gateway.app.listeners import bind
from gateway.app.overseers import Systemd
from gateway.app.sockets import Sockets, inherit, take_shared
from gateway.app.supervisor import Supervisor
from gateway.settings.values import Address
from tests.app.conftest import Document

Drawn = Callable[..., Blueprint]
BEGIN = """\
import os, signal, sys, time
number, sockets, pipe = sys.argv[-1].split(":")
def say(word): os.write(int(pipe), f'"{word}"\\n'.encode())
def leave(*_):
    say("stopping")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
signal.signal(signal.SIGHUP, lambda *_: (say("reloading"), time.sleep(0.05), say("ready")))
"""
SERVE = BEGIN + "say('ready')\nwhile True:\n    say('alive')\n    time.sleep(0.05)\n"
SILENT = BEGIN + "say('ready')\nwhile True: time.sleep(1)\n"
STUBBORN = SERVE.replace("def leave(*_):", "def leave(*_):\n    return")
FAIL = BEGIN + "sys.exit(3)\n"


@dataclass(slots=True)
class Seen:
    """What the supervisor told, and tells whoever waits."""

    events: list[tuple[Any, ...]] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def worker_started(self, worker: int, pid: int) -> None:
        self._told("started", worker, pid)

    def worker_ended(self, worker: int, pid: int, code: int, *, expected: bool) -> None:
        self._told("left" if expected else "ended", worker, pid, code)

    def worker_stuck(self, worker: int, pid: int) -> None:
        self._told("stuck", worker, pid)

    def _told(self, *event: Any) -> None:
        self.events.append(event)
        self.more.set()

    def of(self, kind: str) -> list[tuple[Any, ...]]:
        return [event for event in self.events if event[0] == kind]

    async def until(self, kind: str, count: int = 1) -> list[tuple[Any, ...]]:
        """Wait until something was told so many times."""
        async with asyncio.timeout(20):
            while len(found := self.of(kind)) < count:
                self.more.clear()
                await self.more.wait()
        return found


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def supervise(drawn: Drawn, document: Document, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Supervise workers that run a script, from when all of them serve."""
    monkeypatch.setattr(supervisor, "PAUSES", (0.0, 0.05, 0.2, 0.4))
    monkeypatch.setattr(supervisor, "LEAVE_SECONDS", 0.3)
    document["server"]["limits"] = {"drain_seconds": 0.1}
    document["metrics"] = None
    settings = drawn(document).configuration.settings

    @asynccontextmanager
    async def begin(script: str, workers: int = 2) -> AsyncIterator[tuple[Supervisor, asyncio.Task[int]]]:
        path = tmp_path / "worker.py"
        path.write_text(script, encoding="utf-8")
        shared = take_shared(settings, workers)
        one = Supervisor((sys.executable, str(path)), shared, settings, seen, Systemd({}))
        serving = asyncio.Event()

        async def check() -> bool:
            return True

        task = asyncio.create_task(one.run(serving.set, check=check))
        ready = asyncio.create_task(serving.wait())
        await asyncio.wait([task, ready], timeout=20, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        try:
            yield one, task
        finally:
            if not task.done():
                os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(20):
                await task
        assert not any(exists(event[2]) for event in seen.of("started"))

    return begin


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_all_leave_when_it_is_told_to(supervise: Any, seen: Seen) -> None:
    """Both are started, both are told, both have left; the exit code is 0."""
    async with supervise(SERVE) as (one, task):
        assert len(one.pids) == 2
    assert task.result() == 0
    assert {event[1] for event in seen.of("left")} == {0, 1}
    assert seen.of("ended") == []


async def test_one_that_fails_at_the_start_stops_the_start(supervise: Any, seen: Seen) -> None:
    """A configuration no worker can serve is not tried for ever: the exit code is 1 and nothing is left."""
    async with supervise(FAIL) as (_, task):
        assert await task == 1
    assert {event[3] for event in seen.of("ended")} <= {3, -signal.SIGTERM}


async def test_one_that_keeps_failing_is_tried_ever_more_rarely(supervise: Any, seen: Seen, tmp_path: Path) -> None:
    """The first is started again at once in the others' midst, the pauses grow, and the others are left alone."""
    async with supervise(SERVE):
        first = seen.of("started")
        (tmp_path / "worker.py").write_text(FAIL, encoding="utf-8")
        clock = asyncio.get_running_loop().time
        os.kill(next(event[2] for event in first if event[1] == 0), signal.SIGKILL)
        times = []
        for count in range(1, 5):
            await seen.until("ended", count)
            times.append(clock())
        assert times[3] - times[2] > 0.35
        assert times[2] - times[1] > 0.15
        (tmp_path / "worker.py").write_text(SERVE, encoding="utf-8")
        await seen.until("started", 6)
        assert {event[1] for event in seen.of("ended")} == {0}


async def test_one_whose_loop_stands_still_is_replaced(
    supervise: Any, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says nothing for long, is killed, and another takes its place."""
    monkeypatch.setattr(supervisor, "SILENT_SECONDS", 0.2)
    monkeypatch.setattr(supervisor, "LOOK_SECONDS", 0.05)
    async with supervise(SILENT, 1):
        ((_, _, pid),) = await seen.until("stuck")
        assert (await seen.until("ended"))[0][1:] == (0, pid, -signal.SIGKILL)
        await seen.until("started", 2)


async def test_one_that_will_not_leave_is_killed(supervise: Any, seen: Seen) -> None:
    """Past the time to drain, and some more, nothing waits for it."""
    async with supervise(STUBBORN, 1):
        pass
    assert [event[3] for event in seen.of("ended")] == [-signal.SIGKILL]


async def test_all_are_replaced_one_after_the_other(supervise: Any, seen: Seen) -> None:
    """SIGUSR2: the second is told to leave when the successor of the first serves."""
    async with supervise(SERVE):
        os.kill(os.getpid(), signal.SIGUSR2)
        await seen.until("started", 4)
        kinds = [(event[0], event[1]) for event in seen.events[2:]]
        assert kinds == [("left", 0), ("started", 0), ("left", 1), ("started", 1)]


async def test_sockets_are_handed_on_by_number() -> None:
    """What is written for a worker is what it reads; nothing else is taken for it."""
    bound = bind(Address("127.0.0.1", 0))
    text = Sockets(bound).numbers()
    assert text == f"{bound.socket.fileno()},-,-"
    bound.close()
    for wrong in ("1", "x,-,-", "-,-,-", "9999,-,-"):
        with pytest.raises(ListenError, match="socket"):
            inherit(wrong, None)  # type: ignore[arg-type]
