"""Finished statements, kept by the shape of the request they answer."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

LIMIT = 500
"""Shapes whose statements are kept, unless said otherwise."""

T = TypeVar("T")


class Remembered:
    """Statements by shape, the longest unused forgotten first: what clients may ask for has no bounds.

    To be used from any thread.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._items: OrderedDict[Any, Any] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, shape: Any, build: Callable[[], T]) -> T:
        """Give what was built for a shape, building it the first time."""
        with self._lock:
            if shape in self._items:
                self._items.move_to_end(shape)
                return self._items[shape]  # type: ignore[no-any-return]
            built = self._items[shape] = build()
            if len(self._items) > self._limit:
                self._items.popitem(last=False)
            return built
