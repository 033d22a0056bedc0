"""Reading the configuration anew: when asked by a signal or by a file that has changed, one time after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gateway.app import memory
from gateway.app.blueprint import Blueprint
from gateway.app.observation import Observation
from gateway.app.overseers import Overseer
from gateway.app.serving import Serving
from gateway.app.watching import changes
from gateway.plugins import PluginError
from gateway.settings import SettingsError


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the configuration is; `read` reads and checks it whole, and raises `SettingsError` or `PluginError`."""

    path: Path
    read: Callable[[], Blueprint]

    def files(self, blueprint: Blueprint) -> frozenset[Path]:
        """Name what is looked at for changes: the configuration, the secrets it names, certificates and keys."""
        configuration = blueprint.configuration
        settings = configuration.settings
        return frozenset((self.path, *configuration.files, *_paths(settings.server), *_paths(settings.tenants)))


class Reloading:
    """Replaces what serves by what the configuration says now; a configuration that cannot be used changes nothing."""

    def __init__(self, serving: Serving, origin: Origin, observation: Observation, overseer: Overseer) -> None:
        self._serving = serving
        self._origin = origin
        self._observation = observation
        self._overseer = overseer
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Ask for it; asked again while it is done, it is done once more."""
        self._asked.set()

    async def run(self) -> None:
        """Do it whenever it is asked for, for ever."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            self._overseer.reloading()
            await self.once()
            self._overseer.ready()

    async def watch(self) -> None:
        """Ask for it whenever a file has changed, for ever."""
        async for _ in changes(self.files):
            self.ask()

    def files(self) -> Iterable[Path]:
        """Name the files of the configuration that serves."""
        return self._origin.files(self._serving.gateway.blueprint)

    async def once(self) -> bool:
        """Read, check, start and swap; tell whether it was done."""
        self._observation.reload_began()
        try:
            await self._serving.reload(await asyncio.to_thread(self._origin.read))
        except SettingsError as error:
            self._observation.reload_refused(error.problems)
        except PluginError as error:
            self._observation.reload_failed(error)
        except Exception as error:  # noqa: BLE001
            # The runner of a background task: whatever went wrong, the old configuration serves on.
            self._observation.reload_failed(error)
        else:
            memory.settle()
            self._observation.reload_done()
            return True
        return False


def _paths(value: Any) -> Iterator[Path]:
    """Yield every path in a part of the settings."""
    match value:
        case Path():
            yield value
        case BaseModel():
            for name in type(value).model_fields:
                yield from _paths(getattr(value, name))
        case dict():
            for one in value.values():
                yield from _paths(one)
        case list() | tuple():
            for one in value:
                yield from _paths(one)
