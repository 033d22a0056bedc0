"""The cache within the process: bounded, short-lived, and never the place where something is known first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Final

from gateway.identity.entries import Name
from gateway.identity.identities import Identity

PATIENCE = 0.25
"""Seconds after which what was read from the store is too old to be remembered."""
SETTLE = 1.0
"""Seconds for which nothing is remembered of what was just changed; more than `PATIENCE`, so that whoever read before
the change cannot remember it after."""
WRITING = 10.0
"""Seconds for which nothing is remembered of what is about to be changed: longer than a transaction may take."""
NEGATIVE = 2.0
"""Seconds for which it is remembered that there is nothing."""


class _Busy:
    """Stands where nothing may be remembered."""


_BUSY: Final = _Busy()


class ProcessCache:
    """Entries by name, the least recently used ones dropped first."""

    def __init__(self, clock: Callable[[], float], *, size: int = 100_000, seconds: float = 10.0) -> None:
        """`clock` counts seconds; an entry lives for `seconds`."""
        self._clock = clock
        self._size = size
        self._seconds = seconds
        self._entries: OrderedDict[Name, tuple[float, Identity | _Busy | None]] = OrderedDict()
        self._cleared = clock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, names: Collection[Name]) -> dict[Name, Identity | None]:
        """Give what is remembered: an identity, or None where there is none; what is not known is absent."""
        now, entries, found = self._clock(), self._entries, dict[Name, Identity | None]()
        for name in names:
            entry = entries.get(name)
            if entry is None:
                continue
            until, value = entry
            if until < now:
                del entries[name]
            elif not isinstance(value, _Busy):
                entries.move_to_end(name)
                found[name] = value
        return found

    def fill(self, values: Mapping[Name, Identity | None], began: float) -> None:
        """Remember what was read from the store since `began`, unless it may have changed meanwhile."""
        now = self._clock()
        if now - began > PATIENCE or began < self._cleared:
            return
        for name, value in values.items():
            entry = self._entries.get(name)
            if entry is None or entry[0] < now:
                self._put(name, now + (NEGATIVE if value is None else self._seconds), value)

    def mark(self, names: Collection[Name], seconds: float) -> None:
        """Forget names, and remember nothing of them for a while."""
        until = self._clock() + seconds
        for name in names:
            self._put(name, until, _BUSY)

    def clear(self) -> None:
        """Forget everything, and what is being read at this moment too."""
        self._entries.clear()
        self._cleared = self._clock()

    def _put(self, name: Name, until: float, value: Identity | _Busy | None) -> None:
        self._entries[name] = (until, value)
        self._entries.move_to_end(name)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)
