"""Many commands on one connection: in order, all answered or all told why not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from hiredis import pack_command
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError, ResponseError

from gateway.identity.pipe import Pipe

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def client(url: str) -> Any:
    return Redis.from_url(url, socket_timeout=None, protocol=2, driver_info=None)


@pytest.fixture
async def redis(valkey: Any) -> AsyncIterator[Any]:
    made = client(valkey)
    yield made
    await made.aclose()


@pytest.fixture
async def pipe(redis: Any) -> AsyncIterator[Pipe]:
    made = Pipe(redis.connection_pool.make_connection)
    yield made
    await made.close()


@pytest.fixture
async def scripted() -> AsyncIterator[Callable[[Script], Awaitable[Pipe]]]:
    """Make pipes to a server that does what a script says with each connection."""
    servers, pipes = [], []

    async def make(script: Script) -> Pipe:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await script(reader, writer)
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        pipe = Pipe(client(f"redis://127.0.0.1:{port}/0").connection_pool.make_connection)
        servers.append(server)
        pipes.append(pipe)
        return pipe

    yield make
    for pipe in pipes:
        await pipe.close()
    for server in servers:
        server.close()
        await server.wait_closed()


def ping(text: bytes) -> bytes:
    return pack_command((b"ECHO", text))


async def test_every_answer_reaches_who_asked(pipe: Pipe, redis: Any) -> None:
    """However many ask at once, each is given its own answers, and all of it goes over one connection."""
    before = (await redis.info("clients"))["connected_clients"]
    texts = [[f"{n}-{part}".encode() for part in range(n % 4 + 1)] for n in range(300)]
    answers = await asyncio.gather(*(pipe.ask(b"".join(map(ping, some)), len(some), 5.0) for some in texts))
    assert answers == texts
    assert (await redis.info("clients"))["connected_clients"] == before + 1


async def test_an_error_is_told_to_who_asked_and_to_nobody_else(pipe: Pipe) -> None:
    """A command that is refused spoils neither the connection nor other commands, those beside it included."""
    refused = b"".join([ping(b"before"), pack_command((b"NONSENSE",)), ping(b"after")])
    answers = await asyncio.gather(
        pipe.ask(ping(b"a"), 1, 5.0), pipe.ask(refused, 3, 5.0), pipe.ask(ping(b"b"), 1, 5.0), return_exceptions=True
    )
    assert isinstance(answers[1], ResponseError)
    assert [answers[0], answers[2]] == [[b"a"], [b"b"]]


async def test_who_has_gone_leaves_answers_in_their_order(pipe: Pipe) -> None:
    """The answer to somebody who was cancelled is not taken for somebody else's."""
    asking = [asyncio.create_task(pipe.ask(ping(f"{n}".encode()), 1, 5.0)) for n in range(20)]
    await asyncio.sleep(0)
    for task in asking[::2]:
        task.cancel()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [one for one in answers if not isinstance(one, BaseException)] == [
        [f"{n}".encode()] for n in range(1, 20, 2)
    ]
    assert await pipe.ask(ping(b"next"), 1, 5.0) == [b"next"]


async def test_a_server_that_restarts_is_connected_to_again(own_valkey: Any) -> None:
    """What was asked on a lost connection fails, and what is asked next goes over a new one."""
    pipe = Pipe(client(own_valkey.url).connection_pool.make_connection)
    try:
        assert await pipe.ask(ping(b"one"), 1, 5.0) == [b"one"]
        waiting = asyncio.create_task(pipe.ask(pack_command((b"BLPOP", b"nothing", b"0")), 1, 30.0))
        assert await blocked(own_valkey)
        own_valkey.stop()
        with pytest.raises((RedisError, OSError)):
            await waiting
        with pytest.raises((RedisError, OSError)):
            await pipe.ask(ping(b"two"), 1, 5.0)
        own_valkey.start()
        assert await pipe.ask(ping(b"three"), 1, 5.0) == [b"three"]
    finally:
        await pipe.close()


async def blocked(server: Any) -> bool:
    """Wait until a client of a server waits for something."""
    async with client(server.url) as other:
        for _ in range(500):
            if (await other.info("clients"))["blocked_clients"]:
                return True
            await asyncio.sleep(0.01)
    return False


async def test_a_server_that_says_nothing_is_given_up(scripted: Any) -> None:
    """Everybody who waits on a silent connection is told in time, the youngest too; the next command makes another."""
    connections = 0

    async def silent_at_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections == 1:
            await reader.read()
        while await reader.readuntil(b"ECHO\r\n$3\r\nyes\r\n"):
            writer.write(b"$3\r\nyes\r\n")

    pipe = await scripted(silent_at_first)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    asked = [pipe.ask(ping(b"no"), 1, seconds) for seconds in (0.05, 30.0)]
    assert [type(one) for one in await asyncio.gather(*asked, return_exceptions=True)] == [TimeoutError] * 2
    assert loop.time() - begun < 5.0
    assert await pipe.ask(ping(b"yes"), 1, 5.0) == [b"yes"]
    assert connections == 2


@pytest.mark.parametrize("nonsense", [b"$3\r\nyes\r\n$3\r\nyes\r\n", b"?nonsense\r\n", b"$3\r\nye"])
async def test_a_server_that_talks_nonsense_is_given_up(scripted: Any, nonsense: bytes) -> None:
    """More answers than questions, what is no Redis, and half an answer end the connection: nobody is given what was
    meant for another."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"ECHO\r\n$3\r\nyes\r\n")
        writer.write(nonsense)
        await writer.drain()

    pipe = await scripted(script)
    answers = [await asyncio.gather(pipe.ask(ping(b"yes"), 1, 5.0), return_exceptions=True) for _ in range(2)]
    assert all(one == [b"yes"] or isinstance(one, RedisError | OSError) for (one,) in answers)
    assert (answers[0] == [[b"yes"]]) is nonsense.startswith(b"$3\r\nyes")


async def test_a_closed_pipe_leaves_nobody_waiting(scripted: Any) -> None:
    """Closing tells those who wait, and ends what worked on the connection."""
    asked = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"ECHO\r\n$3\r\nyes\r\n")
        asked.set()
        await reader.read()

    pipe = await scripted(script)
    waiting = asyncio.create_task(pipe.ask(ping(b"yes"), 1, 30.0))
    await asked.wait()
    await pipe.close()
    with pytest.raises(Disconnected):
        await waiting
