"""Connections over TLS: to a private CA's server only, with a certificate of one's own."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from backends.contract import UnavailableError
from tests.backends.sql.databases import Database, Maker, mariadb_database, mariadb_server
from tests.backends.sql.staff import started
from tests.certificates import identified

SERVERS = ["postgres", pytest.param("mariadb", marks=pytest.mark.needs("mariadbd"))]
ENTITIES = {"accounts": {"table": "account", "key": "id"}}


@dataclass(frozen=True, slots=True)
class Authority:
    """A private CA, and what it issues into a folder."""

    folder: Path
    name: str
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def of(cls, folder: Path, name: str) -> Authority:
        made = cls(folder, name, ec.generate_private_key(ec.SECP256R1()))
        made._write(name, made.key, [], authority=True)
        return made

    def issue(self, name: str, *names: x509.GeneralName) -> tuple[Path, Path]:
        """Issue a certificate; give the paths of it and of its key."""
        self._write(name, ec.generate_private_key(ec.SECP256R1()), list(names), authority=False)
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.pem"

    def _write(
        self, name: str, key: ec.EllipticCurvePrivateKey, names: list[x509.GeneralName], *, authority: bool
    ) -> None:
        now = datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self.name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = identified(builder, key.public_key(), self.key.public_key(), authority=authority)
        made = builder.sign(self.key, hashes.SHA256())
        (self.folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (self.folder / f"{name}.key").write_bytes(secret)


@asynccontextmanager
async def encrypted_postgres(database: Database, authority: Authority, server: tuple[Path, Path]) -> AsyncIterator[str]:
    """Stand before a PostgreSQL that was built without TLS, and speak its protocol's own way into TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*server)
    behind = urlsplit(database.url)

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readexactly(8)
            if request[4:] != (80877103).to_bytes(4, "big"):
                return
            writer.write(b"S")
            await writer.start_tls(context)
            there, back = await asyncio.open_connection(behind.hostname, behind.port)
            await asyncio.gather(pipe(reader, back), pipe(there, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(meet, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    try:
        yield database.url.replace(f":{behind.port}/", f":{port}/")
    finally:
        listener.close()


@asynccontextmanager
async def encrypted_mariadb(folder: Path, authority: Authority, server: tuple[Path, Path]) -> AsyncIterator[Database]:
    """A MariaDB with an account that is let in with a certificate only."""
    options = (f"--ssl-ca={authority.path}", f"--ssl-cert={server[0]}", f"--ssl-key={server[1]}")
    with mariadb_server(folder, *options) as port:
        database = mariadb_database(port)
        database.run("CREATE USER scim@'%' REQUIRE X509", "GRANT ALL ON *.* TO scim@'%'")
        yield database


@pytest.mark.parametrize("kind", SERVERS)
async def test_connections_are_encrypted_and_both_sides_known(kind: str, make_database: Maker, tmp_path: Path) -> None:
    """With the private CA and a certificate of one's own the server is reached; with another CA, without a certificate,
    by another name than the certificate's, or without TLS it is not (R-L34)."""
    authority, other = Authority.of(tmp_path, "authority"), Authority.of(tmp_path, "other")
    here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    server = authority.issue("server", here)
    certificate, key = authority.issue("client")
    own: dict[str, Any] = {"ca": authority.path, "certificate": certificate, "key": key}
    async with AsyncExitStack() as stack:
        if kind == "postgres":
            database = make_database(kind)
            url = await stack.enter_async_context(encrypted_postgres(database, authority, server))
            elsewhere = authority.issue("elsewhere", x509.DNSName("db.example.com"))
            named = await stack.enter_async_context(encrypted_postgres(database, authority, elsewhere))
        else:
            database = await stack.enter_async_context(encrypted_mariadb(tmp_path / "maria", authority, server))
            url = database.url.replace("root@", "scim@")
            named = url.replace("127.0.0.1", "localhost")
        database.script("CREATE TABLE account (id {serial}, login VARCHAR(40) NOT NULL)")
        async with started(Database(kind, url), ENTITIES, tls=own) as backend:
            await backend.create("accounts", {"login": "ada"})
        async with started(Database(kind, named), ENTITIES, tls={**own, "check_host": False}) as backend:
            await backend.create("accounts", {"login": "bob"})
        refused: list[tuple[str, dict[str, Any]]] = [
            (url, {"tls": {**own, "ca": other.path}}),
            (url, {"tls": {"ca": authority.path}}),
            (named, {"tls": own}),
            (url, {}),
        ]
        for place, given in refused:
            with pytest.raises(UnavailableError):
                async with started(Database(kind, place), ENTITIES, **given):
                    pass
    if kind == "postgres":
        assert database.run("SELECT login FROM account ORDER BY id") == [("ada",), ("bob",)]
