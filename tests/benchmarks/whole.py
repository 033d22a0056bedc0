"""What the whole gateway costs beside the native statements: ``python tests/benchmarks/whole.py [--large] [--json]``.

The demo's configuration on SQLite and the compose file's on a PostgreSQL started for the occasion, both served in this
process. Each task runs in turns, round by round, through HTTP, by the engine alone, and as the statements a programmer
would write by hand; what is measured is the processor time of this process without the client's, in microseconds for
each request, medians of the rounds. `server` is what the database's own processes took beside, when the engine asked.
Counts that no other load on the machine can change stand next to it, for each request by the engine alone: statements
(native and of the store), hand-overs between threads, and turns of the event loop.

``--large`` shows what grows with the directory: the same tasks, and pages far from the beginning, with 200,000 people
and a group of 50,000, and what memory does over many requests.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import os
import resource
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where the tests' services are

import structlog
import worlds
from prometheus_client import CollectorRegistry
from worlds import World

from gateway.app import Observation, Running, draw, memory, running
from gateway.engine.calls import Call, Caller
from gateway.engine.tenants import Served
from gateway.plugins import Plugins
from gateway.scim import messages
from gateway.settings import load

SEED, LARGE = 1000, 200_000
ROUNDS, CALLS = 7, 60
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as a client sends it."""

    method: str
    path: str
    body: Any = None


@dataclass(frozen=True, slots=True)
class Task:
    """One kind of request: what is sent for the n-th, and the same by hand (None where a hand would do nothing)."""

    name: str
    request: Callable[[int], Request]
    bare: Callable[[int], Awaitable[Any]] | None
    calls: int = CALLS
    status: int = 200


@dataclass(slots=True)
class Measured:
    """Microseconds of processor time for each request, and counts for each request of the engine alone."""

    task: str
    http: float
    engine: float
    bare: float
    server: float = 0.0
    statements: float = 0.0
    hops: float = 0.0
    turns: float = 0.0

    @property
    def ratio(self) -> float:
        return self.http / self.bare if self.bare else float("nan")


@dataclass(slots=True)
class Counts:
    """What was counted since the beginning."""

    hops: int = 0
    turns: int = 0


@dataclass(slots=True)
class Bench:
    """A served gateway, and how its requests are made by HTTP and by the engine alone."""

    served: Running
    world: World

    def call(self) -> Call:
        loop = asyncio.get_running_loop()
        tenant = self.served.gateway.holder.site.tenants[self.world.tenant].tenant
        assert tenant is not None
        return Call(tenant, Caller(self.world.caller), self.served.tenant_url(self.world.tenant), loop.time() + 60.0)

    async def engine(self, request: Request) -> Any:
        """Do by the engine alone what a request asks; give the answer's body."""
        site, call = self.served.gateway.holder.site, self.call()
        parts = urlsplit(request.path)
        kind, _, id = parts.path.strip("/").partition("/")
        served: Served = call.tenant.by_endpoint[kind.lower()]
        match request.method:
            case "GET" if id:
                asked = messages.parse_query(messages.query_pairs(parts.query))
                call = replace(call, attributes=asked.attributes, excluded=asked.excluded)
                answer = await site.resources.read(call, served, id)
            case "GET":
                asked = messages.parse_query(messages.query_pairs(parts.query))
                answer = await site.search.run(call, (served,), asked)
            case "POST":
                answer = await site.resources.create(call, served, request.body)
            case _:
                answer = await site.resources.patch(call, served, id, request.body)
        return answer.body

    async def http(self, requests: list[Request], status: int) -> float:
        """Send requests one after the other from a thread; give the processor seconds that were not the client's."""
        root = urlsplit(f"http://{self.served.address}/{self.world.tenant}/scim/v2")
        raw = [_written(root, self.world.token, request) for request in requests]
        loop, done, spent = asyncio.get_running_loop(), asyncio.Event(), list[float]()
        failed: list[BaseException] = []

        def work() -> None:
            try:
                spent.append(_sent(root.hostname or "", root.port or 0, raw, status))
            except BaseException as error:  # noqa: BLE001 - told to the thread that waits
                failed.append(error)
            loop.call_soon_threadsafe(done.set)

        thread = threading.Thread(target=work)
        begun = time.process_time()
        thread.start()
        await done.wait()
        whole = time.process_time() - begun
        thread.join()
        if failed:
            raise failed[0]
        return whole - spent[0]


def _written(root: Any, token: str, request: Request) -> bytes:
    body = b"" if request.body is None else json.dumps(request.body).encode()
    head = [
        f"{request.method} {root.path}{quote(request.path, safe='/?&=+%')} HTTP/1.1",
        f"Host: {root.netloc}",
        f"Authorization: Bearer {token}",
        "Accept: application/scim+json",
        "User-Agent: bench",
    ]
    if body:
        head += ["Content-Type: application/scim+json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


def _sent(host: str, port: int, raw: list[bytes], status: int) -> float:
    """Send and read answers on one connection; give the seconds this thread itself took."""
    begun = time.thread_time()
    with socket.create_connection((host, port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for one in raw:
            connection.sendall(one)
            got = bytearray()
            while (end := got.find(b"\r\n\r\n")) < 0:
                got += connection.recv(1 << 20)
            head = bytes(got[:end]).lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            while len(got) < end + 4 + length:
                got += connection.recv(1 << 20)
            if int(head[9:12]) != status:
                raise RuntimeError(f"expected {status}: {bytes(got).decode(errors='replace')[:2000]}")
    return time.thread_time() - begun


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[Bench]:
    """Serve a world's configuration in this process."""
    blueprint = draw(load(world.config, {**os.environ, **world.environment}), Plugins.installed())
    logger = structlog.wrap_logger(_Nowhere(), processors=[structlog.processors.JSONRenderer()])
    async with running(blueprint, Observation(logger, CollectorRegistry())) as served:
        await served.gateway.complete()
        with memory.settled():
            yield Bench(served, world)


class _Nowhere:
    """Takes the lines of the log, which are written in full, and drops them."""

    def msg(self, line: str) -> None:
        """Drop a line."""

    info = warning = error = debug = critical = msg


@contextmanager
def counting(counts: Counts) -> Iterator[None]:
    """Count turns of the running loop and hand-overs from other threads to it."""
    loop: Any = asyncio.get_running_loop()
    run_once, handed = loop._run_once, loop.call_soon_threadsafe

    def turn() -> None:
        counts.turns += 1
        run_once()

    def hand(*arguments: Any, **options: Any) -> Any:
        counts.hops += 1
        return handed(*arguments, **options)

    loop._run_once, loop.call_soon_threadsafe = turn, hand
    try:
        yield
    finally:
        del loop._run_once, loop.call_soon_threadsafe


async def measured(bench: Bench, task: Task, ticket: Iterator[int], rounds: int) -> Measured:
    """Measure a task in turns; `ticket` gives every request of the run its own number."""
    http, engine, bare, server = [], [], [], 0.0
    warm = [task.request(next(ticket)) for _ in range(5)]
    await bench.http(warm, task.status)
    for _ in range(rounds):
        gc.collect()
        http.append(await bench.http([task.request(next(ticket)) for _ in range(task.calls)], task.status))
        requests = [task.request(next(ticket)) for _ in range(task.calls)]
        begun, there = time.process_time(), bench.world.spent()
        for request in requests:
            await bench.engine(request)
        engine.append(time.process_time() - begun)
        server += bench.world.spent() - there
        if task.bare is not None:
            numbers = [next(ticket) for _ in range(task.calls)]
            begun = time.process_time()
            for number in numbers:
                await task.bare(number)
            bare.append(time.process_time() - begun)

    def each(seconds: list[float]) -> float:
        return statistics.median(seconds) / task.calls * 1e6 if seconds else 0.0

    return Measured(task.name, each(http), each(engine), each(bare), server / rounds / task.calls * 1e6)


async def counted(bench: Bench, task: Task, found: Measured, ticket: Iterator[int], calls: int = 20) -> None:
    """Count what a task causes, by the engine alone."""
    requests = [task.request(next(ticket)) for _ in range(calls)]
    await bench.engine(task.request(next(ticket)))
    counts, before = Counts(), worlds.statements()
    with counting(counts):
        for request in requests:
            await bench.engine(request)
    found.statements = (worlds.statements() - before) / calls
    found.hops, found.turns = counts.hops / calls, counts.turns / calls


async def known(bench: Bench, path: str, count: int) -> list[dict[str, Any]]:
    """List resources, so that the tasks have ids to ask for."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        body = await bench.engine(Request("GET", f"{path}&startIndex={len(found) + 1}&count=200"))
        found += body["Resources"]
        if not body["Resources"]:
            break
    return found


def patched(kind: str, id: str, op: str, path: str, value: Any) -> Request:
    operation = {"op": op, "path": path, "value": value}
    return Request("PATCH", f"/{kind}/{id}", {"schemas": [PATCH], "Operations": [operation]})


async def tasks(bench: Bench, *, large: bool) -> list[Task]:
    """Name what is measured."""
    people = await known(bench, "/Users?attributes=userName", 1000)
    # The demo's biggest team is where members are added: its size must not matter.
    teams = await known(bench, "/Groups?excludedAttributes=members", 50)
    team = next(one["id"] for one in teams if one["displayName"] == bench.world.team)
    native, many = bench.world.native, len(people)

    def user(n: int) -> str:
        return str(people[n * 7919 % many]["id"])

    def created(n: int) -> Request:
        login = f"new{n}@example.com"
        body = {
            "schemas": [USER],
            "userName": login,
            "externalId": f"x-{n}",
            "name": {"givenName": "New", "familyName": f"Person {n}"},
            "displayName": f"New Person {n}",
            "active": True,
            "emails": [{"value": login, "type": "work", "primary": True}],
        }
        return Request("POST", "/Users", body)

    def login(n: int) -> str:
        return str(people[n * 7919 % many]["userName"])

    active: dict[str, bool] = {}

    def toggled(n: int) -> Request:
        active[user(n)] = not active.get(user(n), True)
        return patched("Users", user(n), "replace", "active", active[user(n)])

    # Nobody is added twice, for that would cost less.
    fresh = itertools.count(len(people) - 1, -1)
    found = [
        Task("GET by id", lambda n: Request("GET", f"/Users/{user(n)}"), native.get),
        Task("userName eq, hit", lambda n: Request("GET", f'/Users?filter=userName+eq+"{login(n)}"'), native.hit),
        Task("userName eq, miss", lambda n: Request("GET", f'/Users?filter=userName+eq+"nobody{n}"'), native.miss),
        Task("page of 100", lambda n: Request("GET", "/Users?count=100"), native.page, CALLS // 6),
        Task("create", created, native.create, status=201),
        Task("PATCH active", toggled, native.status),
        Task(
            "add member",
            lambda n: patched("Groups", team, "add", "members", [{"value": people[next(fresh) % many]["id"]}]),
            native.member,
            CALLS // 2,
            status=204,
        ),
    ]
    if large:
        depth = bench.world.people - 1000
        cursor = await deep(bench)
        found += [
            Task(
                "page of 100, startIndex deep",
                lambda n: Request("GET", f"/Users?count=100&startIndex={depth}"),
                None,
                5,
            ),
            Task("page of 200, first by cursor", lambda n: Request("GET", "/Users?count=200&cursor="), None, 5),
            Task("page of 200, cursor deep", lambda n: Request("GET", f"/Users?count=200&cursor={cursor}"), None, 5),
            Task(
                "group without members",
                lambda n: Request("GET", f"/Groups/{team}?excludedAttributes=members"),
                None,
            ),
        ]
    return found


async def deep(bench: Bench, pages: int = 40) -> str:
    """Follow cursors for some pages and give the next."""
    cursor = ""
    for _ in range(pages):
        body = await bench.engine(Request("GET", f"/Users?count=200&cursor={cursor}"))
        cursor = body["nextCursor"]
    return cursor


def resident() -> float:
    """Tell the megabytes this process has in memory now."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * resource.getpagesize() / 1e6


async def run(world: World, *, large: bool, rounds: int) -> list[Measured]:
    """Serve a world and measure every task; serve it again to count, which costs time itself."""
    ticket = itertools.count(int(time.time()) % 100_000 * 10_000)
    await world.native.open()
    try:
        async with serving(world) as bench:
            chosen = await tasks(bench, large=large)
            found = [await measured(bench, task, ticket, rounds) for task in chosen]
            if large:
                await steady(bench, chosen[0], ticket)
        worlds.watch()
        async with serving(world) as bench:
            for task, one in zip(await tasks(bench, large=large), found, strict=True):
                await counted(bench, task, one, ticket)
    finally:
        worlds.unwatch()
        await world.native.close()
    return found


async def steady(bench: Bench, task: Task, ticket: Iterator[int]) -> None:
    """Tell what memory does over many requests of one kind."""
    before = 0.0
    for turn in range(4):
        for _ in range(10):
            await bench.http([task.request(next(ticket)) for _ in range(100)], task.status)
        gc.collect()
        after = resident()
        grown = f"{after - before:+.1f} MB" if turn else ""
        print(f"  memory after {(turn + 1) * 1000:,} requests: {after:.1f} MB {grown}", file=sys.stderr)
        before = after


def table(name: str, found: list[Measured]) -> str:
    counts = f"{'statements':>11} {'hops':>6} {'turns':>6}"
    head = f"  {'':30} {'HTTP':>7} {'engine':>7} {'bare':>7} {'HTTP/bare':>9} {'server':>7} {counts}"
    lines = [f"{name}: µs of processor time a request", head]
    for one in found:
        bare = f"{one.bare:7.0f} {one.ratio:9.1f}" if one.bare else f"{'':7} {'':9}"
        lines.append(
            f"  {one.task:30} {one.http:7.0f} {one.engine:7.0f} {bare}"
            f" {one.server:7.0f} {one.statements:11.1f} {one.hops:6.1f} {one.turns:6.1f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="200,000 people, and a group of 50,000")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", choices=["sqlite", "postgresql"], default=None, help="one database alone")
    options = parser.parse_args()
    people = LARGE if options.large else SEED
    folder = Path(tempfile.mkdtemp(prefix="scim-bench-"))
    folder.chmod(0o700)
    results: dict[str, list[Measured]] = {}
    try:
        for name, made in (("sqlite", worlds.sqlite), ("postgresql", worlds.postgresql)):
            if options.only not in (None, name):
                continue
            place = folder / name
            place.mkdir()
            with made(place, people) as world:
                results[name] = asyncio.run(run(world, large=options.large, rounds=options.rounds))
            if not options.json:
                print(table(f"{name}, {people:,} people", results[name]), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        print(json.dumps({name: [asdict(one) for one in found] for name, found in results.items()}))


if __name__ == "__main__":
    main()
