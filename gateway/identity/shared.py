"""The cache all replicas share: Redis, an accelerator and never the truth (DESIGN §7).

It may be slow, down, emptied, restarted with old data, or full of somebody else's: requests go on through the store.

How it stays true. Before a change its names are marked in Redis (nobody remembers anything there), after it they stay
marked for a moment; a replica killed in between leaves marks that fade. A replica that cannot mark raises the epoch in
the same transaction as the change, and names carry the epoch: all that was remembered before is void. Every replica
reads the epoch when it connects, once a second, and when told; and it uses Redis only while its subscription lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, TypeVar

import orjson
from redis.exceptions import RedisError

from gateway.identity.entries import BUSY, Name, Writing
from gateway.identity.failures import IdentityError
from gateway.identity.identities import Identity
from gateway.identity.process import NEGATIVE, PATIENCE, SETTLE
from gateway.identity.servers import Server
from gateway.identity.store import Store

T = TypeVar("T")

ANSWER_SECONDS = 0.1
"""How long an answer of Redis is waited for, and how much longer for each entry of a large batch."""
ENTRY_SECONDS = 0.0003
LIFE = 300.0
"""Seconds an entry lives."""
EPOCH_SECONDS = 1.0
"""How often the epoch is read."""
PAUSES = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds until Redis is tried again after it failed once, twice …"""
STEADY = 10.0
"""Seconds of use after which earlier failures are forgotten."""

_log = logging.getLogger(__name__)
_failures = (RedisError, OSError, TimeoutError, ValueError)


class SharedCache:
    """The entries of all replicas; every method does nothing, at once, while Redis cannot be used."""

    def __init__(
        self,
        server: Server,
        store: Store,
        writing: Callable[[str], Writing],
        heard: Callable[[Collection[Name] | None], None],
        clock: Callable[[], float],
    ) -> None:
        """`writing` is made once the store's own id is known; `heard` is told names that others changed, None for
        all."""
        self._server = server
        self._store = store
        self._make_writing = writing
        self._heard = heard
        self._clock = clock
        self._watch: asyncio.Task[None] | None = None
        self._checked = asyncio.Event()
        self._epoch = 0
        self._entered = clock()
        self._stopping = False
        self.usable = False

    async def start(self, store_id: str) -> None:
        """Begin to use Redis as soon as it answers; waits for the first try only."""
        self._writing = self._make_writing(store_id)
        self._channel = f"scim:{store_id}"
        self._watch = asyncio.create_task(self._watching())
        await self._checked.wait()

    async def stop(self) -> None:
        """Let go of Redis."""
        self.usable = False
        self._stopping = True
        while self._watch is not None and not self._watch.done():
            # Again if need be: the client, which has timeouts of its own, may take a cancellation for one of them.
            self._watch.cancel()
            await asyncio.wait([self._watch], timeout=0.2)
        self._watch = None
        with contextlib.suppress(*_failures):
            await self._server.close()

    async def get(self, names: Collection[Name]) -> dict[Name, Identity | None]:
        """Give what is remembered: one round trip. Kept attributes that are in the store only are `PENDING`."""
        if not self.usable or not names:
            return {}
        writing, found = self._writing, dict[Name, Identity | None]()
        written = [writing.name(name) for name in names]
        values = await self._tried(self._server.get(written, _seconds(len(written))))
        for name, text, data in zip(names, written, values or (), strict=False):
            if data is not None and data != BUSY:
                known, identity = writing.load(text, data)
                if known:
                    found[name] = identity
        return found

    async def fill(self, values: Mapping[Name, Identity | None], began: float) -> None:
        """Remember what was read from the store since `began`, unless it may have changed meanwhile."""
        if not self.usable or not values or self._clock() - began > PATIENCE or began <= self._entered:
            return
        entries = []
        for name, identity in values.items():
            text = self._writing.name(name)
            data = self._writing.dump(text, identity)
            if data is not None:
                entries.append((text, data, int(1000 * (NEGATIVE if identity is None else LIFE))))
        await self._tried(self._server.set(entries, _seconds(len(entries)), only_new=True))

    async def mark(self, names: Collection[Name], seconds: float) -> bool:
        """Let nobody remember anything of `names` for a while; tell whether everybody will obey."""
        if not self.usable:
            return False
        entries = [(self._writing.name(name), BUSY, int(1000 * seconds)) for name in names]

        async def work() -> bool:
            await self._server.set(entries, _seconds(len(entries)), only_new=False)
            return True

        return bool(await self._tried(work()))

    async def settle(self, names: Collection[Name], left: Collection[Name]) -> None:
        """After a change: keep the marks for a moment, and tell the other processes which names were `left`."""
        await self.mark(names, SETTLE)
        if left and self.usable:
            message = orjson.dumps({"left": [list(name) for name in left]})
            await self._tried(self._told(message))

    async def _told(self, message: bytes) -> None:
        async with asyncio.timeout(_seconds(1)):
            await self._server.publish(self._channel, message)

    async def _tried(self, work: Awaitable[T]) -> T | None:
        try:
            return await work
        except _failures as error:
            self._lose(error)
            return None

    def _lose(self, error: BaseException) -> None:
        if self.usable:
            self.usable = False
            _log.warning("the shared cache failed (%s): requests go on through the store", type(error).__name__)

    async def _watching(self) -> None:
        failures = 0
        while not self._stopping:
            began = self._clock()
            subscription = None
            try:
                subscription = await self._server.subscribe(self._channel)
                await self._verify()
                self._checked.set()
                _log.info("the shared cache is in use")
                await self._listen(subscription)
            except (*_failures, IdentityError) as error:
                self._lose(error)
            finally:
                self.usable = False
                self._checked.set()
                if subscription is not None:
                    with contextlib.suppress(*_failures):
                        await subscription.aclose()
            failures = 0 if self._clock() - began > STEADY else failures
            await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
            failures += 1

    async def _verify(self) -> None:
        """Begin anew: what other processes said meanwhile was not heard, and the server may have lost data."""
        async with asyncio.timeout(2.0):
            identity = await self._server.identify()
        epoch = await self._store.epoch(server=identity)
        if self._epoch not in (0, epoch):
            async with asyncio.timeout(2.0):
                await self._server.publish(self._channel, b'{"epoch":true}')
        self._enter(epoch)
        self._heard(None)
        self.usable = True

    def _enter(self, epoch: int) -> None:
        if epoch != self._epoch:
            self._epoch = epoch
            self._entered = self._clock()
            self._writing.begin(epoch)

    async def _listen(self, subscription: Any) -> None:
        read = self._clock()
        while self.usable and not self._stopping:
            message = await subscription.get_message(timeout=EPOCH_SECONDS / 2)
            again = False
            if message is not None and message["type"] == "message":
                again = self._hear(message["data"])
            if again or self._clock() - read >= EPOCH_SECONDS:
                self._enter(await self._store.epoch())
                read = self._clock()

    def _hear(self, data: bytes) -> bool:
        try:
            message = orjson.loads(data)
            left = [tuple(map(str, name)) for name in message.get("left", ())]
        except (ValueError, AttributeError, TypeError):
            return False
        if left:
            self._heard(left)
        return "epoch" in message


def _seconds(entries: int) -> float:
    """Tell how long an answer about so many entries is waited for."""
    return ANSWER_SECONDS + ENTRY_SECONDS * entries
