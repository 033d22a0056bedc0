"""Clients for the forms a Redis URL may have: one server, Sentinel, Cluster; with TLS and ACL users in each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from hiredis import pack_command
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from gateway.identity.pipe import Pipe

TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
CONNECT_SECONDS = 2.0


class Server(Protocol):
    """The few things the shared cache does, on any kind of deployment; errors are the client's own.

    `get` and `set` raise `TimeoutError` after so many `seconds`; how long the others are waited for is the caller's to
    bound.
    """

    async def get(self, names: Sequence[bytes], seconds: float) -> Sequence[bytes | None]:
        """Read values: one round trip (one per shard in a Cluster)."""

    async def set(self, values: Sequence[tuple[bytes, bytes, int]], seconds: float, *, only_new: bool) -> None:
        """Write (name, value, milliseconds to live), one round trip (one per shard)."""

    async def evaluate(self, script: str, names: Sequence[str], arguments: Sequence[str]) -> Any:
        """Run a script; its names lie on one shard."""

    async def publish(self, channel: str, message: bytes) -> None:
        """Tell the other replicas."""

    async def identify(self) -> str:
        """Name the running server processes: another name means that data may be lost or old."""

    async def subscribe(self, channel: str) -> Any:
        """Listen to a channel on a connection of its own."""

    async def close(self) -> None:
        """Close all connections."""


class PlainServer:
    """One server, or the master that Sentinel names."""

    def __init__(self, client: Redis, watchers: Sequence[Redis] = ()) -> None:
        """`watchers` are the clients the master is asked for with."""
        self._client = client
        self._watchers = watchers
        self._pipe = Pipe(client.connection_pool.make_connection)

    async def get(self, names: Sequence[bytes], seconds: float) -> Sequence[bytes | None]:
        """Read values: one MGET."""
        (values,) = await self._pipe.ask(_packed(b"MGET", *names), 1, seconds)
        return _bytes(values)

    async def set(self, values: Sequence[tuple[bytes, bytes, int]], seconds: float, *, only_new: bool) -> None:
        """Write values: all SETs at once."""
        how = (b"NX",) if only_new else ()
        packed = [_packed(b"SET", name, value, *how, b"PX", milliseconds) for name, value, milliseconds in values]
        if packed:
            await self._pipe.ask(b"".join(packed), len(packed), seconds)

    async def evaluate(self, script: str, names: Sequence[str], arguments: Sequence[str]) -> Any:
        """Run a script."""
        return await _called(self._client.eval(script, len(names), *names, *arguments))

    async def publish(self, channel: str, message: bytes) -> None:
        """Tell the other replicas."""
        await self._client.publish(channel, message)

    async def identify(self) -> str:
        """Name the running server."""
        return str((await self._client.info("server"))["run_id"])

    async def subscribe(self, channel: str) -> Any:
        """Listen to a channel on a connection of its own."""
        return await _subscribed(self._client.pubsub(ignore_subscribe_messages=True), channel)

    async def close(self) -> None:
        """Close all connections."""
        await self._pipe.close()
        for client in (self._client, *self._watchers):
            await client.aclose()


class ClusterServers:
    """A Cluster: every name may lie on another shard."""

    def __init__(self, client: RedisCluster) -> None:
        self._client = client

    async def get(self, names: Sequence[bytes], seconds: float) -> Sequence[bytes | None]:
        """Read values: the shards are asked at the same time, each once."""
        pipeline = self._client.pipeline()
        for name in names:
            pipeline.get(name)
        async with asyncio.timeout(seconds):
            return _bytes(await pipeline.execute(raise_on_error=False))

    async def set(self, values: Sequence[tuple[bytes, bytes, int]], seconds: float, *, only_new: bool) -> None:
        """Write values: the shards are told at the same time, each once."""
        pipeline = self._client.pipeline()
        for name, value, milliseconds in values:
            pipeline.set(name, value, px=milliseconds, nx=only_new)
        async with asyncio.timeout(seconds):
            await pipeline.execute()

    async def evaluate(self, script: str, names: Sequence[str], arguments: Sequence[str]) -> Any:
        """Run a script on the shard of its names."""
        return await _called(self._client.eval(script, len(names), *names, *arguments))

    async def publish(self, channel: str, message: bytes) -> None:
        """Tell the other replicas; a Cluster passes it on to all its nodes."""
        await self._client.publish(channel, message)

    async def identify(self) -> str:
        """Name the running masters."""
        answer = await self._client.info("server", target_nodes=RedisCluster.PRIMARIES)
        return ",".join(sorted(str(server["run_id"]) for server in answer.values()))

    async def subscribe(self, channel: str) -> Any:
        """Listen to a channel on a connection of its own, to any node."""
        await self._client.initialize()
        return await _subscribed(self._client.pubsub(ignore_subscribe_messages=True), channel)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


def server(url: str) -> Server:
    """Make the client for a URL; connects when first used. Raises `ValueError` for a form nobody knows.

    ``redis://[user:password@]host[:port][/db]``, ``redis+sentinel://[user:password@]host:port,host:port/master[/db]``
    (``sentinel_username`` and ``sentinel_password`` as parameters), ``redis+cluster://[user:password@]host,host``;
    ``rediss`` instead of ``redis`` is TLS, with ``ssl_ca_certs``, ``ssl_certfile``, ``ssl_keyfile`` as parameters.
    """
    parts = urlsplit(url)
    scheme, _, form = parts.scheme.partition("+")
    if scheme not in ("redis", "rediss") or form not in ("", "sentinel", "cluster") or not parts.netloc:
        raise ValueError("cache: write memory, redis://…, rediss://…, redis+sentinel://… or redis+cluster://…")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    tls: dict[str, Any] = {name: query[name] for name in TLS_OPTIONS if name in query}
    if "ssl_check_hostname" in tls:
        tls["ssl_check_hostname"] = tls["ssl_check_hostname"].lower() not in ("false", "0", "no")
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, colon, password = credentials.partition(":")
    options: dict[str, Any] = {
        "username": unquote(user) or None,
        "password": unquote(password) if colon else None,
        "socket_connect_timeout": CONNECT_SECONDS,
        "retry": Retry(NoBackoff(), 0),
        **({"ssl": True, **tls} if scheme == "rediss" else {}),
    }
    path = [unquote(part) for part in parts.path.split("/") if part]
    # Whoever asks bounds the time itself. A bound of the client's own costs a task for each command; it is needed where
    # one of several servers may be silent and the next is to be tried.
    bounded, unbounded = {**options, "socket_timeout": CONNECT_SECONDS}, {**options, "socket_timeout": None}
    if form == "cluster":
        nodes = [ClusterNode(*address) for address in _addresses(hosts, 6379)]
        return ClusterServers(RedisCluster(startup_nodes=nodes, **bounded))
    if form == "sentinel":
        if not path:
            raise ValueError("cache: redis+sentinel://host,host/NAME names the master that is watched")
        own = {name[len("sentinel_") :]: value for name, value in query.items() if name.startswith("sentinel_")}
        shared = {name: value for name, value in bounded.items() if name not in ("username", "password")}
        sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
            _addresses(hosts, 26379), sentinel_kwargs={**shared, **own}, **unbounded
        )
        master = sentinel.master_for(path[0], db=int(path[1]) if len(path) > 1 else 0)
        return PlainServer(master, sentinel.sentinels)
    ((host, port),) = _addresses(hosts, 6379)
    return PlainServer(Redis(host=host, port=port, db=int(path[0]) if path else 0, **unbounded))


def _packed(*parts: bytes | int) -> bytes:
    command: Any = parts
    packed: bytes = pack_command(command)
    return packed


async def _called(answer: Any) -> Any:
    """Wait for an answer; the client's annotations cannot say that there always is something to wait for."""
    return await answer


def _addresses(hosts: str, default: int) -> list[tuple[str, int]]:
    found = []
    for host in hosts.split(","):
        parts = urlsplit(f"//{host}")
        if not parts.hostname:
            raise ValueError("cache: a host is missing")
        found.append((parts.hostname, parts.port or default))
    return found


async def _subscribed(subscription: Any, channel: str) -> Any:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await subscription.subscribe(channel)
    except BaseException:
        await subscription.aclose()
        raise
    return subscription


def _bytes(values: Iterable[Any]) -> list[bytes | None]:
    """Take what is a value; what has another type, or is an error of one shard, is as good as nothing."""
    return [value if isinstance(value, bytes) else None for value in values]
