"""The caches in front of the store as one: what is asked where, and how a change voids it everywhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from gateway.identity.entries import PENDING, Name, names_of
from gateway.identity.identities import Identity, Layer, LookupObserver
from gateway.identity.process import SETTLE, WRITING, ProcessCache
from gateway.identity.shared import SharedCache
from gateway.telemetry.traces import NoSpans, Spans

Found = dict[Name, Identity | None]


class Caches:
    """The process's own cache, and the one all replicas share where there is one.

    With a shared cache the process remembers only which id belongs to which key, and answers only those who ask for
    nothing else: everything else another replica may have changed a moment ago. Without one this process is the only
    one, and may remember all.
    """

    def __init__(
        self,
        process: ProcessCache,
        shared: SharedCache | None,
        observer: LookupObserver,
        clock: Callable[[], float],
        spans: Spans | None = None,
    ) -> None:
        self._spans = spans or NoSpans()
        self._process = process
        self._shared = shared
        self._observer = observer
        self.clock = clock

    @property
    def usable(self) -> bool:
        """Whether the shared cache is in use; true where there is none."""
        return self._shared is None or self._shared.usable

    async def start(self, store_id: str) -> None:
        """Open the shared cache."""
        if self._shared is not None:
            await self._shared.start(store_id)

    async def stop(self) -> None:
        """Close the shared cache."""
        if self._shared is not None:
            await self._shared.stop()
        self._process.clear()

    async def get(self, names: Collection[Name], *, links: bool) -> Found:
        """Give what is remembered of `names`; with `links` only ids and keys are wanted."""
        found: Found = {}
        if self._shared is None or links:
            found = self._process.get(names)
            self._tell("process", names, found)
        if self._shared is not None and len(found) < len(names):
            rest = [name for name in names if name not in found]
            if self._shared.usable:
                began = self.clock()
                with self._spans.begin("cache get", "client", {"layer": "redis", "asked": len(rest)}) as span:
                    more = await self._shared.get(rest)
                    span.set("found", len(more))
                self._tell("redis", rest, more)
                if links:
                    self._process.fill(more, began)
                found |= more
        return found

    async def fill(self, values: Found, began: float, *, links: bool) -> None:
        """Remember what was read from the store since `began`: an identity, or None where there is none."""
        whole: Found = dict(values)
        for identity in values.values():
            if identity is not None:
                whole |= dict.fromkeys(names_of(identity), identity)
        if self._shared is None or links:
            self._process.fill(whole, began)
        if self._shared is not None:
            await self._shared.fill(whole, began)

    def cover(self) -> Covering:
        """Begin a change."""
        return Covering(self._process, self._shared)

    def _tell(self, layer: Layer, names: Collection[Name], found: Mapping[Name, Identity | None]) -> None:
        negative = sum(identity is None for identity in found.values())
        if hits := len(found) - negative:
            self._observer.lookup(layer, "hit", hits)
        if negative:
            self._observer.lookup(layer, "negative", negative)
        if misses := len(names) - len(found):
            self._observer.lookup(layer, "miss", misses)


class Covering:
    """One change: what it may make untrue is voided before, and kept void until the change can be read."""

    def __init__(self, process: ProcessCache, shared: SharedCache | None) -> None:
        self._process = process
        self._shared = shared
        self._names: dict[Name, None] = {}
        self.missed = False

    async def over(self, identity: Identity) -> None:
        """Void both names of an identity."""
        await self.names(names_of(identity))

    async def names(self, names: Collection[Name]) -> None:
        """Void names."""
        self._names |= dict.fromkeys(names)
        self._process.mark(names, WRITING)
        if self._shared is not None and not await self._shared.mark(names, WRITING):
            self.missed = True

    async def end(self, *, left: bool) -> None:
        """The change is done, or failed; `left`: an id has lost its key, which other processes must know."""
        names = list(self._names)
        self._process.mark(names, SETTLE)
        if self._shared is not None:
            await self._shared.settle(names, names if left else ())


def complete(identity: Identity | None) -> bool:
    """Tell whether a remembered entry has all there is to know."""
    return identity is None or identity.kept is not PENDING
