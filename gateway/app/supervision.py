"""What a supervisor does beside keeping its workers: it takes the addresses, and reads a new configuration first."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.app import succession
from gateway.app.blueprint import Blueprint
from gateway.app.observation import Observation
from gateway.app.overseers import Pipe, Systemd
from gateway.app.reloading import Origin
from gateway.app.sockets import Sockets, inherit, take_shared
from gateway.app.supervisor import Supervisor
from gateway.app.watching import changes
from gateway.plugins import PluginError
from gateway.settings import SettingsError
from gateway.settings.model import Settings

Ready = Callable[[Sequence[Sockets]], None]


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a worker was given by its supervisor."""

    number: int
    sockets: Sockets
    overseer: Pipe

    @classmethod
    def read(cls, text: str, settings: Settings) -> Inheritance:
        """Read what `Supervisor` wrote (``1:7,8,-:9``); raise `ListenError` or ValueError where it is no such thing."""
        number, sockets, pipe = text.split(":")
        return cls(int(number), inherit(sockets, settings), Pipe(int(pipe)))


async def supervise(
    blueprint: Blueprint,
    observation: Observation,
    origin: Origin,
    command: Sequence[str],
    *,
    workers: int,
    watch: bool,
    ready: Ready,
) -> int:
    """Have several processes of `command` serve a configuration; give the exit code. Raises `ListenError`."""
    settings = blueprint.configuration.settings
    sockets = take_shared(settings, workers)
    supervisor = Supervisor(command, sockets, settings, observation, Systemd(os.environ))
    latest = blueprint

    async def check() -> bool:
        """Read the configuration here first, so that a bad one costs one process a moment and is told once."""
        nonlocal latest
        try:
            wanted = await asyncio.to_thread(origin.read)
            if problems := list(succession.problems(blueprint, wanted)):
                raise SettingsError(problems)
        except SettingsError as error:
            observation.reload_refused(error.problems)
            return False
        except PluginError as error:
            observation.reload_failed(error)
            return False
        latest = wanted
        return True

    async def notice() -> None:
        async for _ in changes(lambda: origin.files(latest)):
            supervisor.reload()

    noticing = asyncio.create_task(notice()) if watch else None
    try:
        return await supervisor.run(lambda: ready(sockets), check=check)
    finally:
        if noticing is not None:
            noticing.cancel()
            await asyncio.gather(noticing, return_exceptions=True)
