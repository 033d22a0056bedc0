"""One connection to Redis whose commands do not wait for each other's answers.

A client of the usual kind gives each command a connection of its own, and each costs a call of the system to send and
one to read. Here all commands of one turn of the loop leave together, and what has been answered is read together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError, ResponseError

FAILURES = (RedisError, OSError, EOFError, TimeoutError, ValueError)
"""What a connection may fail with."""
LOOK_SECONDS = 0.025
"""How often it is looked whether an answer is overdue, while any is waited for."""


@dataclass(slots=True, eq=False)
class _Asked:
    """Commands that were sent together: how many answers are still to come, until when, and who waits for them."""

    left: int
    until: float
    turn: asyncio.Future[list[Any]]
    answers: list[Any] = field(default_factory=list)


class Pipe:
    """Sends commands in the order they come, and reads answers in that order.

    `connect` gives a connection of the redis library's, not yet connected. One that fails, or owes an answer for too
    long, is given up with everything that was asked on it, and the next command makes another.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._connection: Any = None
        self._opening = asyncio.Lock()
        self._asked: deque[_Asked] = deque()
        self._leaving: list[bytes] = []
        self._wanted = asyncio.Event()
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._look: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    async def ask(self, commands: bytes, count: int, seconds: float) -> list[Any]:
        """Send `count` packed commands and give their answers; an error among them is raised.

        Raises `TimeoutError` if they have not all come in so many seconds, and whatever the connection fails with.
        """
        loop = asyncio.get_running_loop()
        while self._connection is None:
            async with asyncio.timeout(seconds):
                await self._open()
        asked = _Asked(count, loop.time() + seconds, loop.create_future())
        self._asked.append(asked)
        self._leaving.append(commands)
        self._wanted.set()
        if self._look is None:
            self._look = loop.call_later(LOOK_SECONDS, self._overdue)
        answers = await asked.turn
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return answers

    async def close(self) -> None:
        """Let go of the connection."""
        tasks: list[asyncio.Task[None]] = [*self._tasks, *([self._ending] if self._ending is not None else [])]
        await self._give_up(Disconnected("closed"))
        if tasks:
            await asyncio.wait(tasks)
        if self._look is not None:
            self._look.cancel()
            self._look = None

    async def _open(self) -> None:
        async with self._opening:
            if self._connection is not None:
                return
            connection = self._connect()
            try:
                await connection.connect()
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
            self._connection = connection
            self._tasks = (
                asyncio.create_task(self._carried(connection, self._sending)),
                asyncio.create_task(self._carried(connection, self._reading)),
            )

    async def _carried(self, connection: Any, work: Callable[[Any], Awaitable[None]]) -> None:
        """Work until the connection fails, which is the end of everything asked on it."""
        try:
            await work(connection)
        except FAILURES as error:
            if connection is self._connection:
                await self._give_up(error)

    async def _sending(self, connection: Any) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            leaving, self._leaving = self._leaving, []
            await connection.send_packed_command(leaving, check_health=False)

    async def _reading(self, connection: Any) -> None:
        while True:
            answer: Any
            try:
                answer = await connection.read_response(disconnect_on_error=False)
            except ResponseError as error:
                answer = error
            if not self._asked:
                raise Disconnected("an answer nobody asked for")
            asked = self._asked[0]
            asked.answers.append(answer)
            asked.left -= 1
            if not asked.left:
                self._asked.popleft()
                if not asked.turn.done():
                    asked.turn.set_result(asked.answers)

    def _overdue(self) -> None:
        """Give the connection up if it owes an answer for too long."""
        loop, self._look = asyncio.get_running_loop(), None
        if not self._asked:
            return
        if self._asked[0].until > loop.time():
            self._look = loop.call_later(LOOK_SECONDS, self._overdue)
            return
        self._ending = loop.create_task(self._give_up(TimeoutError("no answer in time")))

    async def _give_up(self, error: BaseException) -> None:
        connection, self._connection = self._connection, None
        asked, self._asked = self._asked, deque()
        self._leaving, self._wanted = [], asyncio.Event()
        tasks, self._tasks = self._tasks, ()
        for one in asked:
            if not one.turn.done():
                one.turn.set_exception(error)
        for task in tasks:
            if task is not asyncio.current_task():
                task.cancel()
        if connection is not None:
            await connection.disconnect(nowait=True)
