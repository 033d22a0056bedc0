"""Resources and their changes put into native terms, by the mapping: on the loop, or in a thread where that blocks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from backends.contract import Record
from gateway.engine.calls import Call
from gateway.engine.failures import SOON
from gateway.engine.observer import Observer
from gateway.engine.tenants import Served
from gateway.mapping import Delta, Encoding, FastPatch, Links
from gateway.scim.errors import ScimError

T = TypeVar("T")

MOST_THREADS = 8


class Translation:
    """Calls the mapping's `encode`, `diff` and `build`, and counts what they leave out.

    What passes through a slow codec (a password's hash) runs in threads of its own, no more of them than there are
    cores: a hash is made to cost time, and more at once would only make each take longer. Everything else runs where it
    is called. `close` ends the threads.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._threads: ThreadPoolExecutor | None = None

    async def encode(self, call: Call, served: Served, resource: Mapping[str, Any], links: Links) -> Encoding:
        """Make the record of a new resource; see `ResourceMapping.encode`."""
        mapping = served.mapping
        if mapping.slow and mapping.is_slow(resource):
            encoding = await self._elsewhere(call, lambda: mapping.encode(resource, links))
        else:
            encoding = mapping.encode(resource, links)
        self._count(call, served, encoding.dropped)
        return encoding

    async def diff(
        self,
        call: Call,
        served: Served,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
        record: Record,
        links: Links,
    ) -> Delta:
        """Work out the least change; see `ResourceMapping.diff`."""
        mapping = served.mapping
        if mapping.slow and mapping.is_slow(after, before):
            delta = await self._elsewhere(call, lambda: mapping.diff(before, after, record, links))
        else:
            delta = mapping.diff(before, after, record, links)
        self._count(call, served, delta.dropped)
        return delta

    async def build(self, call: Call, served: Served, fast: FastPatch, links: Links) -> Delta:
        """Make the change of operations that need no record; see `FastPatch.build`."""
        delta = await self._elsewhere(call, lambda: fast.build(links)) if fast.slow else fast.build(links)
        self._count(call, served, delta.dropped)
        return delta

    def close(self) -> None:
        """End the threads."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False)

    def _count(self, call: Call, served: Served, dropped: tuple[str, ...]) -> None:
        for path in dropped:
            self._observer.dropped(call.tenant.name, served.name, path)

    async def _elsewhere(self, call: Call, work: Callable[[], T]) -> T:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS), "scim-codec")
        watch = asyncio.timeout_at(call.deadline)
        try:
            async with watch:
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TimeoutError as error:
            if not watch.expired():
                raise
            raise ScimError(503, "the gateway is busy; try again later", retry_after=SOON) from error
