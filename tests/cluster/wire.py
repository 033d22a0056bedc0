"""A way to a PostgreSQL that loses an answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

DONE = re.compile(rb"C\0\0\0.(?:INSERT 0|UPDATE|DELETE|COMMIT)[ \d]*\0Z\0\0\0\x05I", re.DOTALL)
"""What the server says when a write is done, and committed."""


@dataclass(slots=True)
class Wire:
    """Passes everything on; while it is armed, the next answer to a write goes nowhere, and its connection ends."""

    port: int
    to: int
    armed: bool = False
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    def arm(self) -> None:
        self.lost.clear()
        self.armed = True

    async def joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
        with suppress(ConnectionError):
            while data := await reader.read(65536):
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
