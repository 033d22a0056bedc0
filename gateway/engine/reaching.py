"""Reaching a backend for the first time: once, whoever needs it first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from backends.contract import Backend, BackendError, UnavailableError
from gateway.engine.observer import Observer


class Reaching:
    """Starts one backend and has it verified; `started` once both went well. A start may take `seconds`."""

    def __init__(self, name: str, backend: Backend[Any], observer: Observer, seconds: float) -> None:
        self._name = name
        self._backend = backend
        self._observer = observer
        self._seconds = seconds
        self._one = asyncio.Lock()
        self.verifiers: list[Callable[[], Awaitable[None]]] = []
        self.started = False

    async def start(self) -> None:
        """Reach the backend unless that was done; raise `UnavailableError` if it fails."""
        async with self._one:
            if self.started:
                return
            try:
                async with asyncio.timeout(self._seconds):
                    await self._backend.start()
            except BackendError:
                raise
            except TimeoutError as error:
                raise UnavailableError("the system does not answer") from error
            except Exception as error:
                self._observer.backend_fault(self._name, "", "start", error)
                raise UnavailableError("the system cannot be reached") from error
            for verify in self.verifiers:
                await verify()
            self.started = True
