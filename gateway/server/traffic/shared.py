"""Buckets, tallies and used assertions of all replicas, in Redis; without it each process counts for itself.

A bucket is one number that Redis's own clock is compared with, so that replicas' clocks do not matter.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.exceptions import RedisError

from gateway.server.oauth import Seen
from gateway.server.traffic.brake import Engaged, LocalTallies, TalliesUnavailable
from gateway.server.traffic.buckets import Buckets, Key, Rate

Evaluate = Callable[[str, Sequence[str], Sequence[str]], Awaitable[Any]]
"""Runs a script with keys and arguments (``EVAL``)."""

ANSWER_SECONDS = 0.1
"""How long an answer of Redis is waited for: a rate is not worth more."""
CLEAR_SECONDS = 1.0
"""How long it is remembered that there is something to be had."""
REMEMBERED = 10_000
"""Of how many buckets that is remembered."""
OPERATOR_SECONDS = 5.0
"""How long it is waited for where an operator asks."""
_FAILURES = (RedisError, OSError, TimeoutError)

# KEYS: bucket. ARGV: interval, depth, cost (microseconds), mode. Gives the microseconds to wait.
_BUCKET = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local interval, depth, cost, mode = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
if mode == 'wait' then return math.ceil(math.max(0, full + interval - now - depth)) end
local after = full + cost * interval
if mode == 'owe' then
  after = math.min(after, now + 2 * depth)
elseif after - now > depth + 1 then
  return math.ceil(after - now - depth)
end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000) + 1)
return 0
"""

# KEYS: count, engaged, index. ARGV: number, limit, window (milliseconds), name. Gives 1 if it may go on.
_TALLY = """
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if count == tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
if count <= tonumber(ARGV[2]) then return 1 end
redis.call('SET', KEYS[2], redis.call('TIME')[1] .. ' ' .. count)
redis.call('SADD', KEYS[3], ARGV[4])
return 0
"""

# KEYS: count, engaged, index. ARGV: name. Gives how many brakes were released.
_RELEASE = """
redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[3], ARGV[1])
return redis.call('DEL', KEYS[2])
"""

# KEYS: assertion. ARGV: milliseconds. Gives 1 the first time.
_FIRST = "return redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) and 1 or 0"

_LIST = "return redis.call('SMEMBERS', KEYS[1])"
_READ = "return redis.call('GET', KEYS[1]) or ''"


class SharedBuckets:
    """Buckets in Redis; `local` stands in while it cannot be used. `clock` gives seconds.

    That there is something to be had is remembered for a moment, so that not every request of a client nobody has
    anything against asks Redis for it; whatever is taken in this process voids that. So of what only other replicas
    have seen, one more gets through here before Redis is asked again.
    """

    def __init__(
        self, evaluate: Evaluate, local: Buckets, *, clock: Callable[[], float], prefix: str = "scimgw"
    ) -> None:
        self._evaluate = evaluate
        self._local = local
        self._clock = clock
        self._prefix = prefix
        self._clear: dict[Key, float] = {}
        self._taken = 0

    async def take(self, key: Key, rate: Rate, cost: int = 1) -> float:
        self._void(key)
        found = await self._run(key, rate, cost, "take")
        return await self._local.take(key, rate, cost) if found is None else found

    async def owe(self, key: Key, rate: Rate, cost: int = 1) -> None:
        self._void(key)
        if await self._run(key, rate, cost, "owe") is None:
            await self._local.owe(key, rate, cost)

    async def wait(self, key: Key, rate: Rate) -> float:
        now, taken = self._clock(), self._taken
        if now < self._clear.get(key, now):
            return 0.0
        found = await self._run(key, rate, 0, "wait")
        if found is None:
            return await self._local.wait(key, rate)
        if found == 0.0 and taken == self._taken:
            if len(self._clear) >= REMEMBERED:
                self._clear.clear()
            self._clear[key] = now + CLEAR_SECONDS
        return found

    def _void(self, key: Key) -> None:
        self._taken += 1
        self._clear.pop(key, None)

    async def _run(self, key: Key, rate: Rate, cost: int, mode: str) -> float | None:
        arguments = [str(rate.interval * 1e6), str(rate.depth * 1e6), str(cost), mode]
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return float(await self._evaluate(_BUCKET, [name(self._prefix, "rate", key)], arguments)) / 1e6
        except _FAILURES:
            return None


class SharedTallies:
    """Tallies in Redis; `local` stands in while it cannot be used. What is engaged stays so until it is released."""

    def __init__(self, evaluate: Evaluate, local: LocalTallies, *, prefix: str = "scimgw") -> None:
        self._evaluate = evaluate
        self._local = local
        self._prefix = prefix

    async def add(self, tenant: str, kind: str, number: int, limit: int, window: float) -> bool:
        keys = [*self._keys(tenant, kind)]
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                arguments = [str(number), str(limit), str(int(window * 1000)), f"{tenant} {kind}"]
                return bool(int(await self._evaluate(_TALLY, keys, arguments)))
        except _FAILURES:
            return await self._local.add(tenant, kind, number, limit, window)

    async def engaged(self) -> list[Engaged]:
        """Tell what is held back; raises `TalliesUnavailable` where Redis cannot be used, for an operator asks."""
        found = await self._asked(_LIST, [self._index], [])
        engaged = []
        for text in sorted(one.decode() if isinstance(one, bytes) else one for one in found):
            tenant, _, kind = text.rpartition(" ")
            told = await self._asked(_READ, [self._keys(tenant, kind)[1]], [])
            since, _, count = (told.decode() if isinstance(told, bytes) else told).partition(" ")
            if since:
                engaged.append(Engaged(tenant, kind, int(count), float(since)))
        return engaged

    async def release(self, tenant: str, kind: str) -> bool:
        """Let changes through again; likewise."""
        await self._local.release(tenant, kind)
        return bool(int(await self._asked(_RELEASE, self._keys(tenant, kind), [f"{tenant} {kind}"])))

    async def _asked(self, script: str, keys: Sequence[str], arguments: Sequence[str]) -> Any:
        try:
            async with asyncio.timeout(OPERATOR_SECONDS):
                return await self._evaluate(script, keys, arguments)
        except _FAILURES as error:
            raise TalliesUnavailable from error

    @property
    def _index(self) -> str:
        return f"{self._prefix}:{{brake}}:engaged"

    def _keys(self, tenant: str, kind: str) -> tuple[str, str, str]:
        # The braces keep all three on one node of a Cluster, where a script must find its keys.
        of = _digest((tenant, kind))
        return f"{self._prefix}:{{brake}}:count:{of}", f"{self._prefix}:{{brake}}:since:{of}", self._index


class SharedSeen:
    """Assertions of the token endpoint that were used at any replica; `local` stands in while Redis cannot be used."""

    def __init__(self, evaluate: Evaluate, local: Seen, *, prefix: str = "scimgw") -> None:
        self._evaluate = evaluate
        self._local = local
        self._prefix = prefix

    async def first(self, client: str, id: str, seconds: float) -> bool:
        # This process remembers it too, so that Redis going away in between makes none good again here.
        if not await self._local.first(client, id, seconds):
            return False
        key = name(self._prefix, "assertion", (client, id))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return bool(int(await self._evaluate(_FIRST, [key], [str(int(seconds * 1000))])))
        except _FAILURES:
            return True


def name(prefix: str, kind: str, key: Key) -> str:
    """Name a bucket in Redis: whatever stands in the key, two keys never share a name (X9)."""
    return f"{prefix}:{kind}:{_digest(key)}"


def _digest(key: Key) -> str:
    whole = hashlib.sha256()
    for part in key:
        data = part.encode("utf-8", "surrogatepass")
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()[:32]
