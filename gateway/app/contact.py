"""First contact with the backends: each on its own, again and again until it succeeds, none in another's way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from backends.contract import BackendError, Field, UnavailableError
from gateway.settings import SettingsError

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0

Described = Mapping[str, Mapping[str, Field] | None]
"""What one backend said of its entities; None where it cannot tell."""


class Reachable(Protocol):
    """What a contact needs of a guarded backend."""

    @property
    def name(self) -> str: ...

    async def start(self) -> None: ...

    async def describe(self, entity: str) -> Mapping[str, Field] | None: ...


class Misfit(Protocol):
    """Tells an error that means the configuration does not fit from one of the system's health."""

    def __call__(self, backend: str, error: BaseException, entity: str | None = None) -> SettingsError | None: ...


class ContactObserver(Protocol):
    """Who is told how first contacts go."""

    def backend_reached(self, backend: str) -> None:
        """A backend was reached and its tenants are served."""

    def backend_unreached(self, backend: str, error: BaseException, pause: float) -> None:
        """A backend could not be reached, or does not fit the configuration; the next try is in `pause` seconds."""


class Contact:
    """One backend on its way to being served.

    `met` is told what the backend says of its entities; it raises `SettingsError` where the configuration does not
    fit. `tried` is set once the first try is over, `error` is what stood in the way last.
    """

    def __init__(
        self,
        backend: Reachable,
        entities: frozenset[str],
        met: Callable[[str, Described], Awaitable[None]],
        misfit: Misfit,
        observer: ContactObserver,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._backend = backend
        self._entities = entities
        self._met = met
        self._misfit = misfit
        self._observer = observer
        self._sleep = sleep
        self.error: BackendError | SettingsError | None = None
        self.tried = asyncio.Event()
        self.reached = False

    async def run(self) -> None:
        """Try until it succeeds, with pauses that double up to a minute and are not the same in any two replicas.

        A configuration that does not fit is tried again too: the missing column may be on its way.
        """
        pause = FIRST_PAUSE
        while (error := await self._try()) is not None:
            self.error = error
            wait = random.uniform(pause / 2, pause)  # noqa: S311
            self._observer.backend_unreached(self._backend.name, error, wait)
            self.tried.set()
            await self._sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)
        self.error = None
        self.reached = True
        self._observer.backend_reached(self._backend.name)
        self.tried.set()

    async def _try(self) -> BackendError | SettingsError | None:
        name = self._backend.name
        try:
            await self._backend.start()
            described = {}
            for entity in sorted(self._entities):
                try:
                    described[entity] = await self._backend.describe(entity)
                except UnavailableError:
                    raise
                except BackendError as error:
                    return self._misfit(name, error, entity) or error
            await self._met(name, described)
        except BackendError as error:
            return self._misfit(name, error) or error
        except SettingsError as error:
            return error
        return None
