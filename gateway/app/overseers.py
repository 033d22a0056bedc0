"""Who started the process and is told how it is: systemd by its notify protocol, a supervisor by lines on a pipe."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Protocol


class Overseer(Protocol):
    """Is told what a process does; never an error if nobody listens."""

    @property
    def every(self) -> float | None:
        """How often `alive` is expected, in seconds; None if it is not."""

    def ready(self) -> None:
        """It serves, or serves again after `reloading`."""

    def reloading(self) -> None:
        """It reads its configuration anew."""

    def stopping(self) -> None:
        """It leaves."""

    def alive(self) -> None:
        """Its loop turns."""

    @property
    def gone(self) -> bool:
        """Whether nobody oversees the process any more; it leaves then."""


class Systemd:
    """The notify protocol of systemd (sd_notify(3)); silent where the process was started by somebody else."""

    gone = False

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        meant = environment.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        period = environment.get("WATCHDOG_USEC", "")
        self.every = int(period) / 2e6 if self._address and meant and period.isdigit() and int(period) else None

    def ready(self) -> None:
        """Say READY."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Say RELOADING, with the time systemd wants."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Say STOPPING."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def _send(self, text: str) -> None:
        if not self._address.startswith(("/", "@")):
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
                link.sendto(text.encode(), address)
        except OSError:
            # A manager that does not listen (or a container without one) is no reason to serve less.
            return


class Pipe:
    """The end of a worker: one JSON word a line. The supervisor that holds the other end is its overseer."""

    every: float | None = 1.0

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.gone = False
        os.set_blocking(descriptor, False)

    def ready(self) -> None:
        """Tell that this worker serves."""
        self._send("ready")

    def reloading(self) -> None:
        """Tell that this worker reads its configuration anew."""
        self._send("reloading")

    def stopping(self) -> None:
        """Tell that this worker leaves."""
        self._send("stopping")

    def alive(self) -> None:
        """Tell that the loop turns."""
        self._send("alive")

    def _send(self, word: str) -> None:
        try:
            os.write(self._descriptor, json.dumps(word).encode() + b"\n")
        except BrokenPipeError:
            self.gone = True
        except BlockingIOError:
            # The supervisor is busy; it hears the next word.
            return


async def beat(overseer: Overseer, leave: Callable[[], None]) -> None:
    """Tell for ever that the loop turns, where that is expected; `leave` once nobody oversees the process any more."""
    while overseer.every is not None:
        overseer.alive()
        if overseer.gone:
            leave()
            return
        await asyncio.sleep(overseer.every)
