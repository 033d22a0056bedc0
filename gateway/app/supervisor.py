"""Several workers on one machine: the addresses are taken once and inherited, so that no connection is ever refused.

Workers are started anew (never forked off a running loop), started again when they end, with a pause that grows while
they do not come to serve, and killed when their loop has not turned for long. SIGTERM drains them all, SIGHUP has them
all read the configuration anew, SIGUSR2 replaces them one after the other. A supervisor that is killed leaves no worker
behind: they notice that their pipe is closed, and leave.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.app.overseers import Overseer, beat
from gateway.app.process import signals
from gateway.app.sockets import Sockets
from gateway.settings.model import Settings

PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before a worker is started again that ended once, twice … before it had served for `STEADY_SECONDS`."""
STEADY_SECONDS = 30.0
SILENT_SECONDS = 60.0
"""How long the loop of a worker may stand still before it is replaced."""
LEAVE_SECONDS = 15.0
"""How much longer than its drain a worker may take to leave before it is killed."""
LOOK_SECONDS = 1.0


class SupervisorObserver(Protocol):
    """Who is told what becomes of the workers."""

    def worker_started(self, worker: int, pid: int) -> None:
        """A process was started."""

    def worker_ended(self, worker: int, pid: int, code: int, *, expected: bool) -> None:
        """It ended: `code` is its exit code, negative for a signal."""

    def worker_stuck(self, worker: int, pid: int) -> None:
        """Its loop does not turn; it is killed."""


def problems(settings: Settings, workers: int) -> Iterator[str]:
    """Say why several workers cannot serve these settings, a sentence for each reason."""
    if workers == 1:
        return
    if not settings.store.url.get_secret_value().startswith("postgresql"):
        yield "several workers need the store in PostgreSQL: a SQLite file has one writer, and here that is one process"
    if settings.cache.get_secret_value() == "memory":
        yield "several workers need a cache they share: without Redis one would not see what another has just changed"


@dataclass(slots=True, eq=False)
class Worker:
    """One place among the workers, and the process that fills it."""

    number: int
    sockets: Sockets
    process: asyncio.subprocess.Process | None = None
    heard: float = 0.0
    served: asyncio.Event = field(default_factory=asyncio.Event)
    calm: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Supervisor:
    """Keeps `command` running once for each of `sockets`; ``--inherit`` and numbers of descriptors are added to it."""

    def __init__(
        self,
        command: Sequence[str],
        sockets: Sequence[Sockets],
        settings: Settings,
        observer: SupervisorObserver,
        overseer: Overseer,
    ) -> None:
        self._command = tuple(command)
        self._workers = [Worker(number, one) for number, one in enumerate(sockets)]
        limits = settings.server.limits
        self._patience = limits.leave_seconds + limits.drain_seconds + LEAVE_SECONDS
        self._observer = observer
        self._overseer = overseer
        self._leave = asyncio.Event()
        self._replace = asyncio.Event()
        self._reload = asyncio.Event()

    async def run(self, ready: Callable[[], None], *, check: Callable[[], Awaitable[bool]]) -> int:
        """Serve until told to end; give 0, or 1 if no worker came to serve at the start.

        `ready` is called once all of them serve; `check` says whether a new configuration is worth a worker's time.
        """
        async with AsyncExitStack() as stack:
            handlers = {
                signal.SIGTERM: self._leave.set,
                signal.SIGINT: self._leave.set,
                signal.SIGHUP: self.reload,
                signal.SIGUSR2: self._replace.set,
            }
            stack.enter_context(signals(handlers))
            keeping = [asyncio.create_task(self._keep(one)) for one in self._workers]
            rest = [
                asyncio.create_task(work)
                for work in (
                    beat(self._overseer, self._leave.set),
                    self._watch(),
                    self._reloading(check),
                    self._replacing(),
                )
            ]
            try:
                if not await self._all_serve():
                    return 1
                ready()
                self._overseer.ready()
                await self._leave.wait()
            finally:
                self._leave.set()
                self._overseer.stopping()
                for one in rest:
                    one.cancel()
                for worker in self._workers:
                    # The workers have the sockets themselves: when the last of them closes, clients are refused.
                    worker.sockets.close()
                await asyncio.gather(*rest, return_exceptions=True)
                await asyncio.gather(*(self._end(worker) for worker in self._workers))
                await asyncio.gather(*keeping, return_exceptions=True)
        return 0

    def reload(self) -> None:
        """Have every worker read the configuration anew."""
        self._reload.set()

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that run."""
        return tuple(one.process.pid for one in self._workers if one.process is not None)

    async def _all_serve(self) -> bool:
        """Wait until every worker serves; False if one ends before, for a configuration that does not fit stops all."""
        for worker in self._workers:
            await _first(worker.served.wait(), worker.ended.wait(), self._leave.wait())
            if worker.ended.is_set() and not self._leave.is_set():
                return False
        return True

    async def _keep(self, worker: Worker) -> None:
        """Keep a place filled until told to end."""
        loop = asyncio.get_running_loop()
        failures = 0
        while not self._leave.is_set():
            began = loop.time()
            expected = await self._one(worker)
            steady = expected or loop.time() - began > STEADY_SECONDS
            failures = 0 if steady else min(failures + 1, len(PAUSES) - 1)
            await self._pause(PAUSES[failures])

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._leave.wait()
        except TimeoutError:
            return

    async def _one(self, worker: Worker) -> bool:
        """Run one process to its end; True if it left because it was told to."""
        worker.ended.clear()
        reading, writing = os.pipe()
        try:
            command = (*self._command, "--inherit", f"{worker.number}:{worker.sockets.numbers()}:{writing}")
            handed = [writing, *(one.socket.fileno() for one in worker.sockets.all())]
            process = await asyncio.create_subprocess_exec(*command, pass_fds=handed, stdin=asyncio.subprocess.DEVNULL)
        finally:
            os.close(writing)
        worker.process, worker.heard = process, asyncio.get_running_loop().time()
        self._observer.worker_started(worker.number, process.pid)
        if self._leave.is_set():
            _send(process, signal.SIGTERM)
        left = await self._listen(worker, reading)
        code = await process.wait()
        worker.process = None
        worker.served.clear()
        worker.calm.clear()
        worker.ended.set()
        expected = (left or self._leave.is_set()) and code == 0
        self._observer.worker_ended(worker.number, process.pid, code, expected=expected)
        return expected

    async def _listen(self, worker: Worker, reading: int) -> bool:
        """Hear what a worker says until it ends; True if its last word was that it leaves."""
        loop = asyncio.get_running_loop()
        stream = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", buffering=0)
        )
        left = False
        try:
            while line := await stream.readline():
                worker.heard = loop.time()
                match line.strip():
                    case b'"ready"':
                        worker.served.set()
                        worker.calm.set()
                    case b'"reloading"':
                        worker.calm.clear()
                    case b'"stopping"':
                        left = True
        finally:
            transport.close()
        return left

    async def _watch(self) -> None:
        """Kill workers whose loop does not turn, for ever."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for worker in self._workers:
                process = worker.process
                if process is not None and worker.served.is_set() and clock() - worker.heard > SILENT_SECONDS:
                    self._observer.worker_stuck(worker.number, process.pid)
                    worker.heard = clock()
                    _send(process, signal.SIGKILL)

    async def _reloading(self, check: Callable[[], Awaitable[bool]]) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            self._overseer.reloading()
            if await check():
                await asyncio.gather(*(self._reload_one(worker) for worker in self._workers))
            self._overseer.ready()

    async def _reload_one(self, worker: Worker) -> None:
        """Have a worker read its configuration, once it serves; one that is yet to be started will read it anyway."""
        process = worker.process
        if process is None:
            return
        await _first(worker.served.wait(), worker.ended.wait())
        worker.calm.clear()
        _send(process, signal.SIGHUP)
        await _first(worker.calm.wait(), worker.ended.wait())

    async def _replacing(self) -> None:
        """Replace the workers one after the other, as for another version of the program."""
        while True:
            await self._replace.wait()
            self._replace.clear()
            for worker in self._workers:
                await self._end(worker)
                await worker.served.wait()

    async def _end(self, worker: Worker) -> None:
        """Have a worker leave; kill it if it does not."""
        process = worker.process
        if process is None:
            return
        _send(process, signal.SIGTERM)
        try:
            async with asyncio.timeout(self._patience):
                await worker.ended.wait()
        except TimeoutError:
            _send(process, signal.SIGKILL)
            await worker.ended.wait()


def program(arguments: Sequence[str]) -> tuple[str, ...]:
    """Give the command of this program with these arguments, as a process of its own."""
    return (sys.executable, "-P", "-m", "gateway.cli", *arguments)


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Wait until the first of several things is so."""
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in tasks:
            one.cancel()


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except ProcessLookupError:
        return
