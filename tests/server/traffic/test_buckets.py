"""Token buckets: the same law for those of a process and those in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisGone

from gateway.server.auth.seen import LocalSeen
from gateway.server.traffic.brake import LocalTallies
from gateway.server.traffic.buckets import LocalBuckets, Rate
from gateway.server.traffic.shared import SharedBuckets, SharedSeen, SharedTallies, name

RATE = Rate(per_second=10, burst=5)
KEY = ("tenant", "acme")


class Clock:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def redis(valkey: Any) -> AsyncIterator[Any]:
    client = Redis.from_url(valkey if isinstance(valkey, str) else valkey.url)
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture
def evaluate(redis: Any) -> Any:
    async def run(script: str, keys: Sequence[str], arguments: Sequence[str]) -> Any:
        return await redis.eval(script, len(keys), *keys, *arguments)

    return run


async def test_burst_then_rate() -> None:
    """A burst passes at once, then one per interval; what is refused costs nothing."""
    clock = Clock()
    buckets = LocalBuckets(clock=clock)
    assert [await buckets.take(KEY, RATE) for _ in range(5)] == [0.0] * 5
    for _ in range(3):
        assert await buckets.take(KEY, RATE) == pytest.approx(0.1)
    clock.now += 0.1
    assert await buckets.take(KEY, RATE) == 0.0
    assert await buckets.take(KEY, RATE) == pytest.approx(0.1)
    clock.now += 100
    assert await buckets.take(KEY, RATE, 5) == 0.0
    assert await buckets.take(KEY, RATE, 3) == pytest.approx(0.3)


async def test_owing_is_bounded_and_waiting_takes_nothing() -> None:
    """What passes anyway is owed, at most a burst of it; asking how long to wait changes nothing."""
    clock = Clock()
    buckets = LocalBuckets(clock=clock)
    assert await buckets.wait(KEY, RATE) == 0.0
    await buckets.owe(KEY, RATE, 1000)
    assert await buckets.wait(KEY, RATE) == pytest.approx(0.6)
    assert await buckets.wait(KEY, RATE) == pytest.approx(0.6)
    clock.now += 0.6
    assert await buckets.wait(KEY, RATE) == 0.0


async def test_keys_are_apart_and_bounded() -> None:
    """Buckets do not share anything, and those used longest ago are forgotten first."""
    buckets = LocalBuckets(clock=Clock(), most=2)
    one = Rate(1, 1)
    for key in (("a", "b:c"), ("a:b", "c")):
        assert await buckets.take(key, one) == 0.0
    assert await buckets.take(("a", "b:c"), one) > 0
    assert await buckets.take(("third",), one) == 0.0
    assert await buckets.take(("a:b", "c"), one) > 0
    assert await buckets.take(("a", "b:c"), one) == 0.0
    assert len(buckets._full_at) == 2


@pytest.mark.parametrize(("per_second", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_rates_are_more_than_nothing(per_second: float, burst: int) -> None:
    """A rate that lets nothing pass cannot be configured."""
    with pytest.raises(ValueError, match="more than nothing"):
        Rate(per_second, burst)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 5)), max_size=60))
def test_never_more_than_rate_and_burst(asked: list[tuple[float, int]]) -> None:
    """Over any stretch of time no more passes than the burst and what the rate gives in that time."""

    async def run() -> None:
        clock = Clock()
        buckets = LocalBuckets(clock=clock)
        passed: list[tuple[float, int]] = []
        for pause, cost in asked:
            clock.now += pause
            if await buckets.take(KEY, RATE, cost) == 0.0:
                passed.append((clock.now, cost))
        for place, (since, _) in enumerate(passed):
            total = 0
            for at, cost in passed[place:]:
                total += cost
                assert total <= RATE.burst + RATE.per_second * (at - since) + 1e-3

    asyncio.run(run())


async def test_replicas_share_a_bucket(evaluate: Any) -> None:
    """What one replica took, another cannot have; each key has its own bucket, by Redis's clock."""
    slow = Rate(per_second=0.01, burst=5)
    replicas = [SharedBuckets(evaluate, LocalBuckets(clock=Clock()), clock=Clock()) for _ in range(2)]
    taken = await asyncio.gather(*(replicas[turn % 2].take(KEY, slow) for turn in range(10)))
    assert sorted(wait > 0 for wait in taken) == [False] * 5 + [True] * 5
    assert 99 < max(taken) <= 100
    assert 99 < await replicas[0].wait(KEY, slow) <= 100
    assert await replicas[0].take(("tenant", "globex"), slow) == 0.0
    await replicas[0].owe(("tenant", "owing"), slow, 1000)
    assert 599 < await replicas[1].wait(("tenant", "owing"), slow) <= 600


async def test_a_bucket_nobody_takes_from_is_asked_for_once_a_moment(evaluate: Any) -> None:
    """Who has done nothing wrong costs one look-up a second, and not one for each request; a failure in this process is
    known in it at once, one at another replica after that second, or after the first failure here (X8)."""
    asked: list[str] = []

    async def counted(script: str, keys: Sequence[str], arguments: Sequence[str]) -> Any:
        asked.append(arguments[-1])
        return await evaluate(script, keys, arguments)

    clock, slow = Clock(), Rate(per_second=0.01, burst=2)
    here = SharedBuckets(counted, LocalBuckets(clock=clock), clock=clock)
    there = SharedBuckets(evaluate, LocalBuckets(clock=clock), clock=clock)
    assert [await here.wait(KEY, slow) for _ in range(5)] == [0.0] * 5
    assert asked == ["wait"]
    await here.owe(KEY, slow)
    assert [await here.wait(KEY, slow) for _ in range(5)] == [0.0] * 5
    assert asked == ["wait", "owe", "wait"]
    await there.owe(KEY, slow)
    assert await here.wait(KEY, slow) == 0.0
    clock.now += 1.1
    assert [99 < await here.wait(KEY, slow) <= 100 for _ in range(3)] == [True] * 3
    assert asked == ["wait", "owe", "wait", "wait", "wait", "wait"]
    await there.owe(KEY, slow)
    assert await here.wait(("another",), slow) == 0.0
    await here.owe(("another",), slow, 5)
    assert await here.wait(("another",), slow) > 0


async def test_what_is_taken_while_redis_is_asked_is_not_forgotten(evaluate: Any) -> None:
    """A failure that comes between the question and its answer voids the answer for later questions (X8)."""
    going, held = asyncio.Event(), asyncio.Event()

    async def late(script: str, keys: Sequence[str], arguments: Sequence[str]) -> Any:
        found = await evaluate(script, keys, arguments)
        if arguments[-1] == "wait" and not held.is_set():
            going.set()
            await held.wait()
        return found

    slow = Rate(per_second=0.01, burst=1)
    buckets = SharedBuckets(late, LocalBuckets(clock=Clock()), clock=Clock())
    asking = asyncio.create_task(buckets.wait(KEY, slow))
    await going.wait()
    await buckets.owe(KEY, slow)
    held.set()
    assert await asking == 0.0
    assert await buckets.wait(KEY, slow) > 0


async def test_buckets_leave_redis_when_they_are_full(evaluate: Any, redis: Any) -> None:
    """A bucket is kept no longer than it is not full, so that strangers' buckets do not stay (X9)."""
    buckets = SharedBuckets(evaluate, LocalBuckets(clock=Clock()), clock=Clock())
    await buckets.take(KEY, RATE)
    assert 0 < await redis.pttl(name("scimgw", "rate", KEY)) <= 102
    await buckets.wait(("never", "asked"), RATE)
    assert await redis.exists(name("scimgw", "rate", ("never", "asked"))) == 0


@pytest.mark.parametrize("error", [RedisGone("down"), OSError("down"), None])
async def test_each_process_counts_for_itself_while_redis_is_down(
    error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis down, refused or silent costs the sharing and nothing else."""
    monkeypatch.setattr("gateway.server.traffic.shared.ANSWER_SECONDS", 0.01)

    async def gone(script: str, keys: Sequence[str], arguments: Sequence[str]) -> Any:
        if error is not None:
            raise error
        await asyncio.Event().wait()

    buckets = SharedBuckets(gone, LocalBuckets(clock=Clock()), clock=Clock())
    one = Rate(1, 1)
    assert await buckets.wait(KEY, one) == 0.0
    assert await buckets.take(KEY, one) == 0.0
    assert await buckets.take(KEY, one) == pytest.approx(1.0)
    await buckets.owe(KEY, one)
    assert await buckets.wait(KEY, one) == pytest.approx(2.0)
    tallies = SharedTallies(gone, LocalTallies(now=Clock()))
    assert await tallies.add("acme", "deletions", 1, 1, 60)
    assert not await tallies.add("acme", "deletions", 1, 1, 60)


def test_names_in_redis_are_apart() -> None:
    """Two keys never share a name, whatever stands in them (X9)."""
    keys = [("a", "b"), ("ab",), ("a:b",), ("a", "b", ""), ("", "a", "b"), ("a\x00b",)]
    assert len({name("p", "rate", key) for key in keys}) == len(keys)
    assert name("p", "rate", ("\udcff",)).startswith("p:rate:")


async def test_brake_is_shared_and_stays_until_it_is_released(evaluate: Any) -> None:
    """Deletions through several replicas are one count; once too many, none passes anywhere before the release."""
    clock = Clock()
    replicas = [SharedTallies(evaluate, LocalTallies(now=clock)) for _ in range(2)]
    passed = await asyncio.gather(*(replicas[turn % 2].add("acme", "deletions", 1, 5, 60) for turn in range(8)))
    assert sum(passed) == 5
    assert not await replicas[0].add("acme", "deletions", 1, 100, 60)
    assert await replicas[1].add("acme", "removals", 1, 5, 60)
    assert await replicas[1].add("globex", "deletions", 1, 5, 60)
    [held] = await replicas[1].engaged()
    assert (held.tenant, held.kind, held.count) == ("acme", "deletions", 6)
    assert held.since > 1_700_000_000
    assert await replicas[0].release("acme", "deletions")
    assert not await replicas[0].release("acme", "deletions")
    assert await replicas[1].engaged() == []
    assert await replicas[1].add("acme", "deletions", 5, 5, 60)


async def test_assertion_is_good_once_in_all_replicas(evaluate: Any, redis: Any) -> None:
    """An assertion used at one replica is used at all; without Redis each remembers its own (RFC 7523 §3)."""

    async def gone(script: str, keys: Sequence[str], arguments: Sequence[str]) -> Any:
        raise RedisGone("down")

    replicas = [SharedSeen(evaluate, LocalSeen(clock=Clock())) for _ in range(2)]
    found = await asyncio.gather(*(replicas[turn % 2].first("client", "1", 60) for turn in range(6)))
    assert sum(found) == 1
    assert await replicas[0].first("other", "1", 60)
    assert 0 < await redis.pttl(name("scimgw", "assertion", ("client", "1"))) <= 60_000
    alone = SharedSeen(gone, LocalSeen(clock=Clock()))
    assert [await alone.first("client", "1", 60) for _ in range(2)] == [True, False]


async def test_window_of_the_brake_in_redis_begins_with_the_first(evaluate: Any, redis: Any) -> None:
    """The count is forgotten a window after its first change."""
    tallies = SharedTallies(evaluate, LocalTallies(now=Clock()))
    await tallies.add("acme", "deletions", 2, 5, 60)
    [count] = [key async for key in redis.scan_iter("*:count:*")]
    await redis.pexpire(count, 30_000)
    await tallies.add("acme", "deletions", 2, 5, 60)
    assert await redis.pttl(count) <= 30_000
