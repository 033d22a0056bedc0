"""Tokens that run out: one caller fetches, the others wait or go on with the one there is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from backends.contract import UnavailableError

FRESH = 0.8
"""The part of its life after which a token is renewed although it is still good."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token and how many seconds it lives from now."""

    value: str = field(repr=False)
    life: float


class TokenSource:
    """Holds the current token.

    Any number of calls share one fetch. A token past most of its life is renewed by one caller while the others use
    it; if that fails, it is used to its end.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Token]], clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = asyncio.Lock()
        self._value: str | None = None
        self._renew_at = 0.0
        self._good_until = 0.0

    async def current(self) -> str:
        """Give a token that is good; raise `UnavailableError` if none can be had."""
        if self._value is not None and (self._clock() < self._renew_at or (self._usable and self._lock.locked())):
            return self._value
        async with self._lock:
            if self._value is not None and self._clock() < self._renew_at:
                return self._value
            try:
                return await self._renew()
            except UnavailableError:
                if self._value is None or not self._usable:
                    raise
                return self._value

    async def after(self, refused: str) -> str:
        """Give another token than the one just refused: fetched now, or by somebody else meanwhile."""
        async with self._lock:
            if self._value is not None and self._value != refused:
                return self._value
            self._value = None
            return await self._renew()

    @property
    def _usable(self) -> bool:
        return self._clock() < self._good_until

    async def _renew(self) -> str:
        token = await self._fetch()
        now = self._clock()
        self._value, self._renew_at, self._good_until = token.value, now + token.life * FRESH, now + token.life
        return token.value
