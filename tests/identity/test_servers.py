"""Every form a cache URL may have, against real servers: one, Sentinel, Cluster; with ACL users and TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis import Redis as Client
from redis.exceptions import RedisError

from gateway.identity import IdentityMap, connect
from gateway.identity.servers import ClusterServers, PlainServer, server
from tests.certificates import identified
from tests.identity.conftest import KEY, House, until
from tests.identity.test_faults import every_operation, usable, warmed
from tests.services import _await_port, free_port, redis_binary

STAFF = ("User", "hr", "staff")


class Nodes:
    """Servers with options of their own; they do not outlive the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, *options: str) -> int:
        port = free_port()
        folder = self.folder / f"{port}"
        folder.mkdir()
        command = [redis_binary(), *options, "--port", f"{port}", "--bind", "127.0.0.1", "--dir", f"{folder}"]
        return self.run(port, command)

    def run(self, port: int, command: list[str]) -> int:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes[port] = process
        _await_port(port, process)
        return port

    def stop(self, port: int) -> None:
        process = self.processes.pop(port)
        process.kill()
        process.wait(10)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    found = Nodes(tmp_path)
    try:
        yield found
    finally:
        for port in list(found.processes):
            found.stop(port)


def say(port: int, *command: Any) -> Any:
    """Say something to a server."""
    with Client(port=port) as client:
        return client.execute_command(*command)


async def ready(port: int, command: str, wanted: bytes) -> None:
    """Wait until a server answers a command with something."""

    async def so() -> bool:
        try:
            return wanted in str(await asyncio.to_thread(say, port, *command.split())).encode()
        except RedisError:
            return False

    await until(so, 20)


@contextlib.asynccontextmanager
async def pair(url: str, cache: str) -> AsyncIterator[tuple[IdentityMap, IdentityMap]]:
    """Two replicas with a cache."""
    async with connect(url, id_key=KEY, cache=cache) as one, connect(url, id_key=KEY, cache=cache) as two:
        yield one, two


async def test_a_cluster(postgres_url: str, nodes: Nodes, tenant: str) -> None:
    """Over three shards a page is found again, every change is seen at once, and a lost shard costs speed only."""
    ports = []
    for _ in range(3):
        bus = free_port()
        ports.append(
            (nodes.start("--cluster-enabled", "yes", "--cluster-port", f"{bus}", "--cluster-node-timeout", "1000"), bus)
        )
    for n, (port, _) in enumerate(ports):
        say(port, "CLUSTER ADDSLOTSRANGE", n * 5461, 16383 if n == 2 else (n + 1) * 5461 - 1)
        say(port, "CLUSTER SET-CONFIG-EPOCH", n + 1)
    for port, bus in ports[1:]:
        say(ports[0][0], "CLUSTER MEET", "127.0.0.1", port, bus)
    for port, _ in ports:
        await ready(port, "CLUSTER INFO", b"cluster_state:ok")
    hosts = ",".join(f"127.0.0.1:{port}" for port, _ in ports[:2])
    async with pair(postgres_url, f"redis+cluster://{hosts}") as (one, two):
        assert one.cache_usable
        people = await one.identify(tenant, *STAFF, [f"k{n}" for n in range(60)])
        await warmed(two, people["k0"])
        sizes = [say(port, "DBSIZE") for port, _ in ports]
        assert sum(sizes) >= 120
        assert all(size > 10 for size in sizes)
        assert await two.identify(tenant, *STAFF, list(people)) == people
        await every_operation(one, two, tenant, "ada")
        nodes.stop(ports[2][0])
        assert await two.find(tenant, [p.id for p in people.values()]) == {p.id: p for p in people.values()}
        await every_operation(one, two, tenant, "bob")


async def test_sentinel(postgres_url: str, nodes: Nodes, tenant: str) -> None:
    """The master Sentinel names is used, and after a failover the new one, with nothing stale brought back."""
    master = nodes.start("--repl-diskless-sync-delay", "0")
    replica = nodes.start("--replicaof", "127.0.0.1", f"{master}")
    await ready(replica, "INFO replication", b"'master_link_status': 'up'")
    port = free_port()
    configuration = nodes.folder / "sentinel.conf"
    configuration.write_text(
        f"port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {master} 1\n"
        "sentinel down-after-milliseconds main 300\nsentinel failover-timeout main 2000\n"
    )
    nodes.run(port, [redis_binary(), str(configuration), "--sentinel"])
    await ready(port, "SENTINEL REPLICAS main", f"{replica}".encode())
    async with pair(postgres_url, f"redis+sentinel://127.0.0.1:{port}/main/0") as (one, two):
        await usable(one)
        await usable(two)
        ada = (await one.identify(tenant, *STAFF, ["ada"]))["ada"]
        await warmed(two, ada)
        assert say(master, "DBSIZE") >= 2
        await ready(port, "SENTINEL FAILOVER main", b"")
        await ready(replica, "ROLE", b"master")
        ada = await one.alter(ada, external_id="changed while masters changed")
        assert await two.find(tenant, [ada.id]) == {ada.id: ada}
        await usable(one)
        await usable(two)
        assert await two.find(tenant, [ada.id]) == {ada.id: ada}
        await every_operation(one, two, tenant, "bob")
        await warmed(two, ada)
        assert say(replica, "DBSIZE") >= 2


RIGHTS = (
    "~*:scim:*",
    "&scim:*",
    "+mget",
    "+get",
    "+set",
    "+publish",
    "+subscribe",
    "+unsubscribe",
    "+info",
    "+select",
    "+ping",
)
"""All that a user of the gateway's needs."""


async def test_a_user_with_few_rights(postgres_url: str, nodes: Nodes, tenant: str) -> None:
    """A user who may touch the gateway's own names and channel, and nothing else, is enough; a wrong password costs
    speed only."""
    port = nodes.start()
    say(port, "ACL", "SETUSER", "gate:way", "on", ">pass/word@1", *RIGHTS)
    say(port, "ACL", "SETUSER", "default", "off")
    async with pair(postgres_url, f"redis://gate%3Away:pass%2Fword%401@127.0.0.1:{port}/0") as (one, two):
        assert one.cache_usable
        ada = (await one.identify(tenant, *STAFF, ["ada"]))["ada"]
        await warmed(two, ada)
        await every_operation(one, two, tenant, "bob")
        assert one.cache_usable
        assert two.cache_usable
    async with connect(postgres_url, id_key=KEY, cache=f"redis://gate%3Away:wrong@127.0.0.1:{port}/0") as wrong:
        assert not wrong.cache_usable
        assert await wrong.find(tenant, [ada.id]) == {ada.id: ada}


@contextlib.asynccontextmanager
async def tls(port: int, folder: Path) -> AsyncIterator[tuple[int, Path]]:
    """Put TLS in front of a server; give the port, and the file of the authority that signed its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )
    builder = identified(builder, key.public_key(), key.public_key(), authority=True)
    certificate = builder.sign(key, hashes.SHA256())
    both = folder / "server.pem"
    authority = folder / "ca.pem"
    authority.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    both.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + authority.read_bytes()
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(both)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, forth), copy(back, writer))

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield listening.sockets[0].getsockname()[1], authority
    finally:
        listening.close()
        await asyncio.sleep(0.05)


async def test_tls(apart: House, tmp_path: Path) -> None:
    """TLS with a private authority works, and a certificate nobody vouches for is not accepted."""
    async with tls(int(apart.cache.rpartition(":")[2].split("/")[0]), tmp_path) as (port, authority):
        async with pair(apart.url, f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={authority}") as (one, two):
            assert one.cache_usable
            await every_operation(one, two, apart.tenant, "ada")
            assert one.cache_usable
        async with connect(apart.url, id_key=KEY, cache=f"rediss://127.0.0.1:{port}/0") as untrusting:
            assert not untrusting.cache_usable


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://host", PlainServer),
        ("rediss://user:p%40ss@host:6380/3?ssl_ca_certs=/ca.pem&ssl_check_hostname=false", PlainServer),
        ("redis://[::1]:6379/0", PlainServer),
        ("rediss+sentinel://:pw@a:26379,b,[::1]:1/main/2?sentinel_password=x", PlainServer),
        ("redis+cluster://a,b:7000", ClusterServers),
        ("rediss+cluster://u:p@a", ClusterServers),
    ],
)
async def test_forms_of_a_cache_url(url: str, kind: type) -> None:
    """Each documented form makes a client, without connecting."""
    made = server(url)
    assert isinstance(made, kind)
    await made.close()


@pytest.mark.parametrize(
    "url", ["", "redis", "redis://", "redis+foo://host", "valkey://host", "redis+sentinel://host", "redis://host:x",
            "redis+cluster://a,,b", "redis://a,b", "redis://host/x"],
)  # fmt: skip
def test_wrong_cache_urls(url: str, fresh_sqlite: str) -> None:
    """A form nobody knows is refused at once, and the text holds no password."""
    with pytest.raises(ValueError) as refusal:
        connect(fresh_sqlite, id_key=KEY, cache=url.replace("://", "://user:secret@", 1))
    assert "secret" not in str(refusal.value)


async def test_behind_a_pooler(postgres_url: str, tenant: str) -> None:
    """Without prepared statements, as PgBouncer in transaction mode wants it, everything works; settings of ours are
    not passed on to the driver."""
    url = f"{postgres_url}?pgbouncer=true&pool_size=3&timeout=5&sslmode=disable"
    async with pair(url, "memory") as (one, two):
        ada = (await one.identify(tenant, *STAFF, ["ada"]))["ada"]
        await one.alter(ada, external_id="e-1", kept={"a": 1}, index=[("a", "1")])
        assert (await two.find(tenant, [ada.id]))[ada.id].external_id == "e-1"
        async with one.exclusive(("a",)):
            await one.bury(ada)
        assert await one.find(tenant, [ada.id]) == {}


@pytest.fixture
def tenant() -> str:
    return f"t-{free_port()}-{datetime.now(UTC).timestamp()}"
