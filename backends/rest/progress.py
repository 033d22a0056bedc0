"""How far an operation of several calls has come, and what an error means that late."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from backends.contract import BackendError, UnavailableError, UnfinishedError

T = TypeVar("T")


class Progress:
    """What was done so far: `key` is the record's once there is one, `begun` tells whether anything is written."""

    def __init__(self, key: str | None = None) -> None:
        self.key = key
        self.begun = False
        self.doubtful = False

    async def step(self, call: Awaitable[T]) -> T:
        """Await a call that writes; behind others its failure leaves the whole unfinished."""
        try:
            done = await call
        except BackendError as error:
            if self.begun:
                raise UnfinishedError(key=self.key) from error
            raise
        self.begun = True
        return done

    async def after(self, read: Awaitable[T]) -> T:
        """Await a read behind a write: if it fails, nobody can say how the record is now."""
        try:
            return await read
        except BackendError as error:
            if not self.begun:
                raise
            retry_after = error.retry_after if isinstance(error, UnavailableError) else None
            raise UnavailableError(retry_after=retry_after, maybe_done=True) from error
