"""The sockets of the process: SCIM on one, metrics on another, the plane of operators on a third."""

from __future__ import annotations

import asyncio
import errno
import functools
import socket
import ssl
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry

from gateway.app import local
from gateway.app.callers import operators
from gateway.app.gateway import Gateway
from gateway.app.status import status
from gateway.identity import utc_now
from gateway.server.admin import create_admin_application
from gateway.server.application import create_application
from gateway.server.drain import Drain
from gateway.server.listener import Runner, Tls, stop
from gateway.server.metrics import create_metrics_application
from gateway.server.observer import ServerObserver
from gateway.server.site import SiteHolder
from gateway.settings.model import MetricsSettings, ServerSettings
from gateway.settings.traffic import AdminSettings
from gateway.settings.values import Address, SocketPath
from gateway.telemetry.traces import Spans

BACKLOG = 1024


class ListenError(Exception):
    """An address cannot be listened on; the text says which and why, in one sentence."""


@dataclass(frozen=True, slots=True)
class Bound:
    """An address that is ours, not yet listened on: clients are refused until somebody does."""

    socket: socket.socket
    address: Address

    def close(self) -> None:
        """Give the address back."""
        self.socket.close()


@dataclass(frozen=True, slots=True)
class BoundHere:
    """A Unix socket that is ours, likewise; `made` is its file where this process has made it."""

    socket: socket.socket
    address: SocketPath
    made: local.Made | None = None

    def close(self) -> None:
        """Give the path back."""
        self.socket.close()
        if self.made is not None:
            self.made.remove()


@dataclass(slots=True)
class Listener:
    """SCIM, served; it leaves again without losing a request (M7)."""

    runner: Runner
    drain: Drain
    section: ServerSettings
    socket: socket.socket
    site: web.SockSite

    async def renew(self, section: ServerSettings, tls: ssl.SSLContext | None) -> None:
        """Go on with other settings: connections from now on meet the new certificates, those that are open stay.

        The new site listens on the same queue of the system before the old one ceases: nobody is refused.
        """
        taken = self.socket.dup()
        fresh = web.SockSite(self.runner, taken, ssl_context=tls, backlog=BACKLOG)
        await fresh.start()
        left, self.site, self.socket, self.section = self.site, fresh, taken, section
        await left.stop()

    async def close(self) -> bool:
        """Stop accepting, wait for requests under way, close; True if every one of them was answered."""
        limits = self.section.limits
        return await stop(self.runner, self.drain, delay=limits.leave_seconds, grace=limits.drain_seconds)


def bind(address: Address) -> Bound:
    """Take an address; with port 0, one that is free. Raises `ListenError`."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise ListenError(f"cannot listen on {address}: {error.strerror}") from error
    family, kind, protocol, _, target = min(found, key=lambda one: one[0] is not socket.AF_INET)
    taken = socket.socket(family, kind, protocol)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        taken.setblocking(False)
        taken.bind(target)
    except OSError as error:
        taken.close()
        reason = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            reason = "another program listens there already"
        raise ListenError(f"cannot listen on {address}: {reason}") from error
    return Bound(taken, Address(address.host, taken.getsockname()[1]))


def bind_here(place: Address | SocketPath) -> Bound | BoundHere:
    """Take an address or a path of this machine; raises `ListenError`."""
    if isinstance(place, Address):
        return bind(place)
    try:
        taken, made = local.take(place.path)
    except OSError as error:
        raise ListenError(f"cannot listen on {place}: {error.strerror or error}") from error
    return BoundHere(taken, place, made)


def tls_context(section: ServerSettings) -> ssl.SSLContext | None:
    """Read the TLS files; None where plain HTTP is spoken. Raises `ListenError`."""
    if section.tls is None:
        return None
    tls = Tls(section.tls.certificate, section.tls.key, section.tls.client_ca, section.tls.client_required)
    try:
        return tls.context()
    except (OSError, ssl.SSLError) as error:
        raise ListenError(f"the files of server.tls cannot be used: {error}") from error


async def serve(
    bound: Bound,
    holder: SiteHolder,
    observer: ServerObserver,
    section: ServerSettings,
    tls: ssl.SSLContext | None,
    spans: Spans | None = None,
) -> Listener:
    """Serve SCIM on an address."""
    drain = Drain()
    runner = Runner(create_application(holder, observer, drain, spans))
    await runner.setup()
    site = web.SockSite(runner, bound.socket, ssl_context=tls, backlog=BACKLOG)
    await site.start()
    return Listener(runner, drain, section, bound.socket, site)


async def serve_admin(
    bound: Bound | BoundHere,
    gateway: Gateway,
    observer: ServerObserver,
    section: AdminSettings,
    worker: int | None = None,
) -> Runner:
    """Serve the plane of operators on an address; `worker` is the number of this process among several."""
    if gateway.counters is None:
        raise RuntimeError("the gateway has not been started")
    application = create_admin_application(
        gateway.holder,
        operators(section.tokens, utc_now),
        observer,
        functools.partial(status, gateway, worker),
        gateway.counters.tallies,
        clock=asyncio.get_running_loop().time,
    )
    runner = Runner(application)
    await runner.setup()
    await web.SockSite(runner, bound.socket.dup()).start()
    return runner


async def serve_metrics(bound: Bound, registry: CollectorRegistry, section: MetricsSettings) -> Runner:
    """Serve metrics on an address."""
    token = section.token.get_secret_value() if section.token is not None else None
    runner = Runner(create_metrics_application(registry, token))
    await runner.setup()
    await web.SockSite(runner, bound.socket.dup()).start()
    return runner
