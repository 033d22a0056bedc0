"""First contact with the backends: each on its own, again and again until it succeeds, none in another's way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from backends.contract import BackendError, Field
from gateway.engine.guard import Guard
from gateway.settings import SettingsError

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0


class ContactObserver(Protocol):
    """Who is told how first contacts go."""

    def backend_reached(self, backend: str) -> None:
        """A backend was reached and its tenants are served."""

    def backend_unreached(self, backend: str, error: BaseException, pause: float) -> None:
        """A backend could not be reached, or does not fit the configuration; the next try is in `pause` seconds."""


Described = Mapping[str, Mapping[str, Field] | None]


class Contact:
    """One backend on its way to being served.

    `met` is told what the backend says of its entities; it raises `SettingsError` where the configuration does not
    fit. `misfit` tells an error of the backend's own settings from one of the system. `error` is what stood in the
    way last.
    """

    def __init__(
        self,
        guard: Guard,
        entities: frozenset[str],
        met: Callable[[str, Described], Awaitable[None]],
        misfit: Callable[[str, BaseException], SettingsError | None],
        observer: ContactObserver,
    ) -> None:
        self._guard = guard
        self._entities = entities
        self._met = met
        self._misfit = misfit
        self._observer = observer
        self.error: BackendError | SettingsError | None = None
        self.tried = asyncio.Event()
        self.reached = False

    async def run(self) -> None:
        """Try until it succeeds, with pauses that double up to a minute; full jitter, for replicas start together."""
        pause = FIRST_PAUSE
        while not await self._try():
            wait = random.uniform(pause / 2, pause)  # noqa: S311
            assert self.error is not None
            self._observer.backend_unreached(self._guard.name, self.error, wait)
            self.tried.set()
            await asyncio.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)
        self._observer.backend_reached(self._guard.name)
        self.tried.set()

    async def _try(self) -> bool:
        try:
            await self._guard.start()
            described = {entity: await self._guard.describe(entity) for entity in sorted(self._entities)}
            await self._met(self._guard.name, described)
        except (BackendError, SettingsError) as error:
            self.error = self._misfit(self._guard.name, error) or error
            return False
        self.error = None
        self.reached = True
        return True
