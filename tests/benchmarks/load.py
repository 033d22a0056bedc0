"""Sends requests over some connections at once, as fast as they are answered; a process of its own: ``python load.py``.

The job comes as JSON on the standard input, what was measured goes as JSON to the standard output. Nothing is parsed
but the status and the length, so that the one who sends costs little beside the one who answers; the processor time of
the answering process is read here, at the first byte and at the last.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import socket
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Load:
    """What one run came to: seconds on the clock, and of the processor for the answering process and for this one."""

    count: int
    seconds: float
    server: float
    client: float
    median: float
    slowest: float

    @property
    def throughput(self) -> float:
        """Requests a second."""
        return self.count / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of the server's processor time for each request."""
        return self.server / self.count * 1e6


def spent(pid: int) -> float:
    """Tell the processor seconds a process has taken so far, all its threads together."""
    tasks = Path(f"/proc/{pid}/task")
    if (tasks / str(pid) / "schedstat").exists():
        return sum(_nanoseconds(task / "schedstat") for task in tasks.iterdir()) / 1e9
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _nanoseconds(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii").split()[0])
    except OSError:
        return 0  # the thread ended while it was looked at


def written(
    method: str, path: str, *, host: str = "127.0.0.1", token: str = "", body: Any = None, media: str = "scim+json"
) -> bytes:
    """Write one request."""
    data = b"" if body is None else json.dumps(body).encode()
    head = [f"{method} {path} HTTP/1.1", f"Host: {host}", "User-Agent: bench", f"Accept: application/{media}"]
    if token:
        head.append(f"Authorization: Bearer {token}")
    if data:
        head += [f"Content-Type: application/{media}", f"Content-Length: {len(data)}"]
    return "\r\n".join([*head, "", ""]).encode() + data


class Connection:
    """One connection with at most one request on its way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._got = bytearray()
        self._whole = 0
        self._sent = 0.0

    def send(self, raw: bytes) -> None:
        self._got.clear()
        self._whole = 0
        self._sent = time.perf_counter()
        self.socket.sendall(raw)

    def receive(self) -> float | None:
        """Take what has come; give the seconds the answer took once it is whole."""
        part = self.socket.recv(1 << 18)
        if not part:
            raise RuntimeError(f"the connection was closed after {bytes(self._got[:500])!r}")
        self._got += part
        if not self._whole:
            end = self._got.find(b"\r\n\r\n")
            if end < 0:
                return None
            length = _LENGTH.search(self._got, 0, end + 1)
            self._whole = end + 4 + (0 if length is None else int(length[1]))
        return time.perf_counter() - self._sent if len(self._got) >= self._whole else None

    @property
    def status(self) -> int:
        return int(self._got[9:12])

    @property
    def answer(self) -> bytes:
        return bytes(self._got)


def run(port: int, requests: Sequence[bytes], *, status: int, connections: int, pid: int) -> Load:
    """Send every request once and wait for all answers; raise `RuntimeError` for one of another status."""
    taken: list[float] = []
    there = [Connection(port) for _ in range(min(connections, len(requests)))]
    left = iter(requests)
    with selectors.DefaultSelector() as selector:
        for one in there:
            selector.register(one.socket, selectors.EVENT_READ, one)
        server, client, begun = spent(pid), time.process_time(), time.perf_counter()
        for one in there:
            one.send(next(left))
        while len(taken) < len(requests):
            for one in _ready(selector):
                if (seconds := one.receive()) is None:
                    continue
                if one.status != status:
                    raise RuntimeError(f"expected {status}: {one.answer.decode(errors='replace')[:2000]}")
                taken.append(seconds)
                if (raw := next(left, None)) is not None:
                    one.send(raw)
        seconds = time.perf_counter() - begun
        client, server = time.process_time() - client, spent(pid) - server
    for one in there:
        one.socket.close()
    taken.sort()
    return Load(len(taken), seconds, server, client, statistics.median(taken), taken[int(len(taken) * 0.99)])


def _ready(selector: selectors.BaseSelector) -> Iterator[Connection]:
    events: Iterable[Any] = selector.select(60.0)
    if not events:
        raise RuntimeError("nothing was answered for a minute")
    for key, _ in events:
        yield key.data


def main() -> None:
    job = json.load(sys.stdin)
    requests = [text.encode("latin-1") for text in job.pop("requests")]
    json.dump(asdict(run(requests=requests, **job)), sys.stdout)


if __name__ == "__main__":
    main()
