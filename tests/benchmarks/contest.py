"""Contenders that answer the same requests, each a process of its own, measured in turns by a third.

One core must be enough for whoever answers, for that is what a process of the gateway has: what is compared is requests
a second and, less disturbed by whatever else the machine does, processor time for each request.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from load import Load

HERE = Path(__file__).resolve().parent
ROUNDS, CONNECTIONS = 3, 8


@dataclass(frozen=True, slots=True)
class Contender:
    """A process that answers on a port of this machine."""

    name: str
    port: int
    pid: int

    def ask(self, raw: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send one request, as `load.written` wrote it; give status, headers and body."""
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, path, _ = first.split(" ")
        headers = dict(line.split(": ", 1) for line in lines)
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body or None, headers, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()


@dataclass(frozen=True, slots=True)
class Task:
    """One kind of request: what is sent in the n-th run of all. `warm` is sent before, and not measured; `prepare` is
    done before."""

    name: str
    requests: Callable[[int], Sequence[bytes]]
    status: int = 200
    warm: Callable[[int], Sequence[bytes]] | None = None
    prepare: Callable[[], None] | None = None


@dataclass(slots=True)
class Result:
    """The runs of one task by contender."""

    task: str
    runs: dict[str, list[Load]] = field(default_factory=dict)

    def rate(self, name: str) -> float:
        """Requests a second, the median of the runs."""
        return median(run.throughput for run in self.runs[name])

    def cost(self, name: str) -> float:
        """Microseconds of processor time for each request, the median of the runs."""
        return median(run.cost for run in self.runs[name])

    def document(self) -> dict[str, Any]:
        """Say it in JSON."""
        return {
            "task": self.task,
            **{
                name: {
                    "rate": self.rate(name),
                    "cost": self.cost(name),
                    "latency": median(run.median for run in runs),
                    "p99": median(run.slowest for run in runs),
                    "client": median(run.client / run.seconds for run in runs),
                }
                for name, runs in self.runs.items()
            },
        }


class Progress:
    """One line on the terminal that says what is done at the moment, and how much is left."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0
        self._shown = sys.stderr.isatty()

    def tell(self, text: str) -> None:
        """Begin a step."""
        self._done += 1
        if self._shown:
            print(f"\r\033[K[{self._done}/{self._steps}] {text}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Clear the line."""
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def drive(contender: Contender, requests: Sequence[bytes], status: int, connections: int) -> Load:
    """Have another process send requests."""
    job = {
        "port": contender.port,
        "pid": contender.pid,
        "status": status,
        "connections": connections,
        "requests": [raw.decode("latin-1") for raw in requests],
    }
    command = [sys.executable, str(HERE / "load.py")]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{contender.name}: {done.stderr[-3000:]}")
    return Load(**json.loads(done.stdout))


def measured(
    contenders: Sequence[Contender],
    tasks: Sequence[Task],
    *,
    rounds: int = ROUNDS,
    connections: int = CONNECTIONS,
    progress: Progress | None = None,
) -> list[Result]:
    """Run every task by every contender in turns, and who is first changes from round to round."""
    results, number = [], 0
    for task in tasks:
        result = Result(task.name, {one.name: [] for one in contenders})
        for turn in range(rounds):
            first = turn % len(contenders)
            for one in (*contenders[first:], *contenders[:first]):
                if progress is not None:
                    progress.tell(f"{task.name}: {one.name}")
                if task.prepare is not None:
                    task.prepare()
                if task.warm is not None:
                    drive(one, task.warm(number), 200, connections)
                result.runs[one.name].append(drive(one, task.requests(number), task.status, connections))
                number += 1
        results.append(result)
    return results


@contextlib.contextmanager
def started(
    name: str, port: int, command: Sequence[str], *, ready: str, environment: Mapping[str, str], log: Path
) -> Iterator[Contender]:
    """Start a process and wait until it answers at the path `ready`, whatever that answer is but 5xx."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=out, stderr=out)
        try:
            _await(f"http://127.0.0.1:{port}{ready}", process, log)
            yield Contender(name, port, process.pid)
        finally:
            process.terminate()
            process.wait(60)


def _await(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return
        except OSError:
            pass
        else:
            return
        time.sleep(0.05)
    raise RuntimeError(f"it did not begin to answer: {log.read_text(encoding='utf-8', errors='replace')[-3000:]}")
