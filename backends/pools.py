"""One more optional power beside those of `backends.contract`: to tell how full pools of connections are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool at this moment.

    `name` tells the pools of one backend apart and comes from the backend's own code, never from data. `waited` are the
    seconds all calls together have spent, since the start, until each had its connection.
    """

    name: str
    limit: int  # connections there may be
    used: int  # in the hands of a call
    waiting: int  # calls that have none yet
    waited: float


@runtime_checkable
class Pooled(Protocol):
    """A backend that can tell of its pools; asked on every scrape of the metrics, also before `start`."""

    def pools(self) -> Sequence[Pool]:
        """Tell of each pool; without I/O."""
