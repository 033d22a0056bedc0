"""A system with people that speaks over raw sockets, and the ways in which it can be ill."""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

GARBAGE = {
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "binary": bytes(range(256)) * 8,
    "a page of HTML": b"HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n<html>db7 is under repair</html>",
    "half of JSON": b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{"data": {"id": "1',
    "another document": b'HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n{"notice": "maintenance"}',
    "another shape": b'HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n{"data": ["db7", "is down"]}',
    "a cut body": b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"data": {',
    "a failure": b"HTTP/1.1 500 Oops\r\nContent-Length: 17\r\n\r\nORA-00600 at db7\n",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
}
"""Answers that mean nothing, by what they look like."""
SILENT = ("half open", "slow body", "black hole")
"""Illnesses in which a call ends by its own time only."""
ILLNESSES = ("refused", "reset", *SILENT, *GARBAGE)
BEFORE = ("refused", "reset", "black hole")
"""Illnesses in which nothing that is sent arrives."""


class Peer:
    """One system: ``/people`` takes GET with ``login``, and POST; ``/people/{id}`` GET, PATCH and DELETE.

    `calls` are the requests that arrived, `people` what it holds. `ill` names what it suffers from; a request that
    arrives is carried out first, so that only the answer is lost. `flapping`: every second connection is reset.
    `paused` requests, those whose path begins so, are carried out and answered once `resume` is set.
    """

    def __init__(self) -> None:
        self.people: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.ill: str | None = None
        self.flapping = False
        self.paused: str | None = None
        self.resume = asyncio.Event()
        self.arrived = asyncio.Event()
        self.connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._hole: contextlib.ExitStack | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._next: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, method: str) -> int:
        """Count the calls of a method."""
        return sum(call.startswith(f"{method} ") for call in self.calls)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Peer]:
        await self._listen()
        try:
            yield self
        finally:
            self.resume.set()
            await self._close()

    async def fall_ill(self, illness: str) -> None:
        """Begin to suffer; connections that are open are dropped, as by a crash."""
        self.ill = illness
        if illness in ("refused", "black hole"):
            await self._close()
        else:
            self._drop()
        if illness == "black hole":
            self._hole = contextlib.ExitStack()
            self._hole.enter_context(black_hole(self.port))

    def fall_ill_after_this(self, illness: str) -> None:
        """Answer what is paused as one that is well, and suffer from then on."""
        self._next = illness

    async def recover(self) -> None:
        """Be well again, at the same address."""
        was, self.ill = self.ill, None
        self._drop()
        if was in ("refused", "black hole"):
            await self._close()
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._hole is not None:
            self._hole.close()
            self._hole = None
        if self._server is not None:
            self._server.close()
            self._server = None
        self._drop()

    def _drop(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            if self.ill == "reset" or (self.flapping and self.connections % 2):
                # To be closed without lingering is to be reset.
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._served(reader, writer):
                    pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split(" ", 2)
        length = next((int(line[15:]) for line in head.splitlines() if line.lower().startswith("content-length:")), 0)
        body = json.loads(await reader.readexactly(length)) if length else {}
        self.calls.append(f"{method} {target}")
        self.arrived.set()
        if self.paused is not None and target.startswith(self.paused):
            await self.resume.wait()
        status, document = self._done(method, target, body)
        if self.ill == "half open":
            await reader.read()
        elif self.ill == "slow body":
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n{"data": "')
            while True:
                writer.write(b"y")
                await writer.drain()
                await asyncio.sleep(0.02)
        elif self.ill is not None:
            writer.write(GARBAGE[self.ill])
            await writer.drain()
        else:
            text = json.dumps(document).encode()
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
            await writer.drain()
            if self._next is not None:
                illness, self._next = self._next, None
                writer.close()
                await self.fall_ill(illness)
                return False
            return not self.flapping
        return False

    def _done(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        url = urlsplit(target)
        key = url.path.rpartition("/")[2]
        match method:
            case "GET" if key in ("people", "slow"):
                login = parse_qs(url.query).get("login", [None])[0]
                return 200, {"items": [one for one in self.people.values() if login in (None, one["login"])]}
            case "GET" if not key:
                return 200, {}
            case "POST":
                if any(one["login"] == body["login"] for one in self.people.values()):
                    return 409, {}
                made = {**body, "id": str(len(self.people) + 1)}
                self.people[made["id"]] = made
                return 201, {"data": made}
        if key not in self.people:
            return 404, {}
        if method == "PATCH":
            self.people[key].update(body)
        elif method == "DELETE":
            return 200, {"data": self.people.pop(key)}
        return 200, {"data": self.people[key]}


@contextlib.contextmanager
def black_hole(port: int) -> Iterator[None]:
    """Listen at a port so that whoever connects waits: the queue of connections is full, and nobody takes one out."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(0)
        for _ in range(16):
            filling = stack.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(("127.0.0.1", port))
            if not select.select([], [filling], [], 0.05)[1]:
                break
        else:
            raise AssertionError("connections are still taken")
        yield
