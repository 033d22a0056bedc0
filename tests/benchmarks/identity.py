"""What the id map costs: look-ups per second by layer, and what a page of a hundred costs there.

Run ``python tests/benchmarks/identity.py [SECONDS]``: it starts PostgreSQL and a Redis-compatible server of its own.
Every row says where the answer came from; ``c=32`` is with 32 requests under way, the rest with one.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

from gateway.identity import Identity, IdentityMap, connect

sys.path.insert(0, str(Path(__file__).parents[1]))
from services import Redis, free_port, redis_binary, start_postgres

KEY = b"the secret of the benchmarks ..."
PLACE = ("acme", "User", "hr", "staff")
DIRECTORY = 100_000
PAGE = 100

Work = Callable[[int], Awaitable[object]]


@contextlib.contextmanager
def services() -> Iterator[tuple[str, str, str]]:
    """Start the servers; give the URLs of a PostgreSQL and a SQLite store, and of Redis."""
    folder = Path(tempfile.mkdtemp(prefix="scim-bench-"))
    redis = Redis(free_port(), redis_binary())
    try:
        server, process = start_postgres(folder)
        try:
            redis.start()
            with tempfile.TemporaryDirectory(prefix="scim-bench-file-") as files:
                yield server.create_database(), f"sqlite:///{files}/gateway.db", redis.url
        finally:
            redis.stop()
            process.terminate()
            process.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def rate(work: Work, seconds: float, at_once: int = 1) -> float:
    """Count how often per second something can be done."""
    until = time.perf_counter() + seconds
    done = 0

    async def run() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await work(done)
            done += 1

    started = time.perf_counter()
    await asyncio.gather(*(run() for _ in range(at_once)))
    return done / (time.perf_counter() - started)


@contextlib.asynccontextmanager
async def filled(url: str, cache: str) -> AsyncIterator[tuple[IdentityMap, list[Identity], float]]:
    """Open a map over a directory of many accounts; give them, and how many were minted per second."""
    async with connect(url, id_key=KEY, cache=cache) as identities:
        keys = [f"login-{n}" for n in range(DIRECTORY)]
        started = time.perf_counter()
        people = list((await identities.identify(*PLACE, keys)).values())
        spent = time.perf_counter() - started
        yield identities, people, DIRECTORY / spent


async def measure(store: str, url: str, cache: str, seconds: float) -> None:
    """Print the rows of one store and one cache."""
    layer = "memory" if cache == "memory" else "redis"
    async with filled(url, cache) as (identities, people, minted):
        some = people[: PAGE * 4]
        keys = [identity.key for identity in some]
        warm = identities._caches

        async def by_id(n: int) -> object:
            return await identities.find("acme", [some[n % len(some)].id])

        async def by_key(n: int) -> object:
            start = n % 4 * PAGE
            return await identities.identify(*PLACE, keys[start : start + PAGE])

        async def links(n: int) -> object:
            start = n % 4 * PAGE
            return await identities.identify(*PLACE, keys[start : start + PAGE], mint=False, kept=False)

        async def stored(n: int) -> object:
            return await identities._store.find("acme", [people[n * 7919 % DIRECTORY].id])

        async def page_stored(n: int) -> object:
            start = n * 7919 % (DIRECTORY - PAGE)
            page = [identity.id for identity in people[start : start + PAGE]]
            return await identities._store.find("acme", page)

        async def touch(n: int) -> object:
            return await identities.alter(people[n * 7919 % DIRECTORY])

        async def fresh(n: int) -> object:
            place = (f"tenant-{layer}-{time.perf_counter_ns()}", *PLACE[1:])
            return await identities.identify(*place, keys[:PAGE])

        await asyncio.sleep(1.1)
        for n in range(len(some)):
            await by_id(n)
        for n in range(4):
            await by_key(n)
            await links(n)
        assert warm.usable
        rows: list[tuple[str, Work, int]] = [
            (f"{layer}: find one id", by_id, 1),
            (f"{layer}: find one id, c=32", by_id, 32),
            (f"{layer}: page of {PAGE} keys", by_key, 1),
            (f"{layer}: links of {PAGE} keys (process)", links, 1),
            (f"{store}: find one id", stored, 1),
            (f"{store}: find one id, c=32", stored, 32),
            (f"{store}: page of {PAGE} ids", page_stored, 1),
            (f"{store}+{layer}: touch (a change)", touch, 1),
            (f"{store}+{layer}: first page of {PAGE} (minting)", fresh, 1),
        ]
        print(f"\n{store} + {layer}, {DIRECTORY} accounts, minted at {minted:,.0f}/s in batches")
        for name, work, at_once in rows:
            each = await rate(work, seconds, at_once)
            print(f"  {name:<44}{each:>10,.0f}/s {1e6 / each:>10,.0f} us")


async def main(seconds: float) -> None:
    """Measure every pair of store and cache."""
    with services() as (postgres, sqlite, redis):
        await measure("sqlite", sqlite, "memory", seconds)
        await measure("postgresql", postgres, redis, seconds)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.5))
