"""The addresses a process is reached at: taken by itself, or by the supervisor that started it and handed on."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace

from gateway.app.listeners import Bound, BoundHere, ListenError, bind, bind_here
from gateway.settings.model import Settings
from gateway.settings.values import Address, SocketPath


@dataclass(frozen=True, slots=True)
class Sockets:
    """What is listened on; `metrics_error` says why there are no metrics where there should be."""

    scim: Bound
    metrics: Bound | None = None
    admin: Bound | BoundHere | None = None
    metrics_error: str | None = None

    def close(self) -> None:
        """Give every address back."""
        for one in self.all():
            one.close()

    def all(self) -> tuple[Bound | BoundHere, ...]:
        """Give what there is, SCIM's first."""
        return tuple(one for one in (self.scim, self.metrics, self.admin) if one is not None)

    def numbers(self) -> str:
        """Name the descriptors for a process that inherits them (``7,8,-``)."""
        all_three = (self.scim, self.metrics, self.admin)
        return ",".join("-" if one is None else str(one.socket.fileno()) for one in all_three)


def take(settings: Settings, *, metrics_needed: bool = True) -> Sockets:
    """Take every address the settings name; raise `ListenError`, but not for metrics unless they are needed."""
    found = Sockets(bind(settings.server.listen))
    try:
        if settings.metrics is not None:
            try:
                found = replace(found, metrics=bind(settings.metrics.listen))
            except ListenError as error:
                if metrics_needed:
                    raise
                found = replace(found, metrics_error=str(error))
        if settings.admin is not None:
            found = replace(found, admin=bind_here(settings.admin.listen))
    except ListenError:
        found.close()
        raise
    return found


def take_shared(settings: Settings, workers: int) -> tuple[Sockets, ...]:
    """Take the addresses of several workers: SCIM and the plane of operators are shared, and each worker has a metrics
    port of its own, the settings' one and those after it. Raises `ListenError`."""
    first = take(settings)
    found = [first]
    try:
        for number in range(1, workers):
            metrics = (
                None
                if first.metrics is None or settings.metrics is None
                else bind(_after(settings.metrics.listen, number))
            )
            found.append(replace(first, metrics=metrics))
    except ListenError:
        for one in found:
            one.close()
        raise
    return tuple(found)


def inherit(numbers: str, settings: Settings) -> Sockets:
    """Take over the descriptors a supervisor has named; raise `ListenError` where they are no such thing."""
    try:
        scim, metrics, admin = (None if one == "-" else socket.socket(fileno=int(one)) for one in numbers.split(","))
    except (ValueError, OSError) as error:
        raise ListenError(f"the sockets {numbers} cannot be taken over: {error}") from error
    if scim is None:
        raise ListenError("no socket was handed on")
    return Sockets(
        _named(scim, settings.server.listen),
        None if metrics is None or settings.metrics is None else _named(metrics, settings.metrics.listen),
        None if admin is None or settings.admin is None else _named_here(admin, settings.admin.listen),
    )


def _named(taken: socket.socket, address: Address) -> Bound:
    taken.setblocking(False)
    return Bound(taken, Address(address.host, taken.getsockname()[1]))


def _named_here(taken: socket.socket, place: Address | SocketPath) -> Bound | BoundHere:
    if isinstance(place, Address):
        return _named(taken, place)
    taken.setblocking(False)
    return BoundHere(taken, place)


def _after(address: Address, number: int) -> Address:
    """Give the port of a further worker; where any free port will do, another such."""
    return Address(address.host, address.port + number if address.port else 0)
