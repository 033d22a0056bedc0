"""Documents just read, for the change that is made of them: only where the system itself refuses what is stale."""

from __future__ import annotations

from typing import Generic, TypeVar

D = TypeVar("D")
KEPT = 32
"""So many documents are remembered at most, the latest ones."""


class Recall(Generic[D]):
    """Remembers the latest documents by key and version.

    A document of the version a change expects is what another read would show; if the record has another one by now,
    the system refuses the change. So this spares a read where every write carries the version, and nowhere else.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, D]] = {}

    def keep(self, key: str, version: str, document: D) -> None:
        """Remember a document; the oldest is forgotten for it."""
        self._known.pop(key, None)
        self._known[key] = version, document
        if len(self._known) > KEPT:
            del self._known[next(iter(self._known))]

    def take(self, key: str, version: str | None) -> D | None:
        """Give the document of that version, once; whatever is known of the key is forgotten."""
        known = self._known.pop(key, None)
        return known[1] if known is not None and known[0] == version else None
