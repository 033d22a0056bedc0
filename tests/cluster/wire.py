"""A way to a PostgreSQL that loses answers, and one that remembers what was asked."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

DONE = re.compile(rb"C\0\0\0.(?:INSERT 0|UPDATE|DELETE|COMMIT)[ \d]*\0Z\0\0\0\x05I", re.DOTALL)
"""What the server says when a write is done, and committed."""


class Reader:
    """Reads what a client says, and finds the statements in it."""

    def __init__(self) -> None:
        self._unread = b""
        self._begun = False
        self._prepared: dict[bytes, str] = {}
        self._bound: dict[bytes, str] = {}

    def statements(self, data: bytes) -> Iterator[str]:
        """Yield the statements that are to be run now."""
        self._unread += data
        while (message := self._message()) is not None:
            kind, body = message
            match kind:
                case b"Q":
                    yield body.rstrip(b"\0").decode()
                case b"P":
                    name, query, _ = body.split(b"\0", 2)
                    self._prepared[name] = query.decode()
                case b"B":
                    portal, name, _ = body.split(b"\0", 2)
                    self._bound[portal] = self._prepared[name]
                case b"E":
                    yield self._bound[body.split(b"\0", 1)[0]]

    def _message(self) -> tuple[bytes, bytes] | None:
        """Cut off the next message: its kind and its body. The first ones, to open the connection, have no kind."""
        head = 1 if self._begun else 0
        if len(self._unread) < head + 4:
            return None
        end = head + int.from_bytes(self._unread[head : head + 4])
        if len(self._unread) < end:
            return None
        kind, body, self._unread = self._unread[:head], self._unread[head + 4 : end], self._unread[end:]
        # What asks for TLS is answered, and followed by the real beginning: that has the number of the protocol.
        self._begun = self._begun or body[:4] == b"\0\3\0\0"
        return kind, body


@dataclass(slots=True)
class Wire:
    """Passes everything on. `asked` are the statements that went through it; while it is armed, the next answer to a
    write goes nowhere, and its connection ends."""

    port: int
    to: int
    asked: list[str] = field(default_factory=list)
    armed: bool = False
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    open: set[asyncio.StreamWriter] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def arm(self) -> None:
        self.lost.clear()
        self.armed = True

    def joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Begin with a connection."""
        task = asyncio.create_task(self._joined(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection, to the end of either side."""
        there, back = await asyncio.open_connection("127.0.0.1", self.to)
        self.open |= {writer, back}
        try:
            ways = (asyncio.create_task(self._carry(reader, back)), asyncio.create_task(self._answer(there, writer)))
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.abort(writer, back)
        await asyncio.wait(ways)

    def abort(self, *ends: asyncio.StreamWriter) -> None:
        """Cut connections, all of them unless some are named."""
        for end in ends or tuple(self.open):
            end.transport.abort()
            self.open.discard(end)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = Reader()
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                self.asked += found.statements(data)
                writer.write(data)
                await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if self.armed and DONE.search(data):
                    self.armed = False
                    self.lost.set()
                    break
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def wire(to: int) -> AsyncIterator[Wire]:
    """Lay a way to a port of this machine."""
    made = Wire(0, to)
    server = await asyncio.start_server(made.joined, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.abort()
        await asyncio.gather(*made.tasks)
