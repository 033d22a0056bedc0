"""TLS on the gateway's own listener, with and without client certificates (G1, E14)."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectorError, ClientError, ClientSession, TCPConnector, web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.server.auth import AnyOf, Certificates, ClientCertificate, Presented, certificates
from gateway.server.listener import Runner, Tls
from tests.server.authority import Authority
from tests.server.conftest import TOKEN, World, token, tokens

PATH = "/acme/scim/v2/Users/7"


class Place:
    """A TLS listener on loopback and ways to reach it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority()
        self.ca = self.authority.save(folder)
        self.server = self.authority.certificate("server").save(folder, "server")
        self.port = 0

    def client(self, certificate: tuple[Path, Path] | None = None, **changes: Any) -> ClientSession:
        context = ssl.create_default_context(cafile=str(self.ca))
        if certificate is not None:
            context.load_cert_chain(*certificate)
        for name, value in changes.items():
            setattr(context, name, value)
        return ClientSession(f"https://127.0.0.1:{self.port}", connector=TCPConnector(ssl=context))

    async def serve(self, world: World, tls: Tls) -> Runner:
        runner = Runner(world.application())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls.context()).start()
        self.port = runner.addresses[0][1]
        return runner


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
async def optional(place: Place, world: World) -> AsyncIterator[Place]:
    """A listener that asks for certificates and takes clients without."""
    runner = await place.serve(world, Tls(*place.server, client_ca=place.ca))
    yield place
    await runner.cleanup()


async def test_tls_1_2_at_least(place: Place, world: World) -> None:
    """TLS 1.2 and 1.3 are spoken and nothing older (G1)."""
    runner = await place.serve(world, Tls(*place.server))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        async with place.client(minimum_version=version, maximum_version=version) as session:
            answer = await session.get(PATH, headers={"Authorization": f"Bearer {TOKEN}"})
            assert answer.status == 200
    context = Tls(*place.server).context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    await runner.cleanup()


@pytest.mark.parametrize("rule", ["sha256", "subject", "dns", "uri"])
async def test_certificate_is_a_callers_credential(optional: Place, world: World, rule: str) -> None:
    """A client certificate is known by digest, subject or alternative name; another of the same authority is not."""
    made = optional.authority.certificate("robot", x509.UniformResourceIdentifier("spiffe://example.com/robot"))
    known = {
        "sha256": ClientCertificate("robot", sha256=":".join(made.sha256.upper()[i : i + 2] for i in range(0, 64, 2))),
        "subject": ClientCertificate("robot", subject="CN=robot"),
        "dns": ClientCertificate("robot", alternative="robot.example.com"),
        "uri": ClientCertificate("robot", alternative="spiffe://example.com/robot"),
    }
    world.change_tenant(authenticator=Certificates([known[rule]], now=lambda: made.now))
    async with optional.client(made.save(optional.folder, "robot")) as session:
        assert (await session.get(PATH)).status == 200
        assert (await session.get("/globex/scim/v2/Users/7")).status == 401
    other = optional.authority.certificate("other").save(optional.folder, "other")
    async with optional.client(other) as session:
        assert (await session.get(PATH)).status == 401
    async with optional.client() as session:
        assert (await session.get(PATH)).status == 401
    assert [call.caller.name for _, call, _ in world.engine.calls] == ["robot"]


async def test_certificate_of_a_stranger_authority(optional: Place, world: World) -> None:
    """A certificate another authority signed does not even get a connection, whatever it says."""
    known = ClientCertificate("robot", subject="CN=robot")
    world.change_tenant(authenticator=Certificates([known], now=lambda: optional.authority.now))
    forged = Authority("forger").certificate("robot").save(optional.folder, "forged")
    async with optional.client(forged) as session:
        with pytest.raises((ClientError, ConnectionError)):
            await session.get(PATH)
    assert world.engine.calls == []


async def test_header_does_not_stand_for_a_certificate(optional: Place, world: World) -> None:
    """On our own TLS listener a certificate header from a client that is no trusted proxy is nothing."""
    known = ClientCertificate("robot", subject="CN=robot")
    world.change_tenant(authenticator=Certificates([known], now=lambda: optional.authority.now))
    async with optional.client() as session:
        assert (await session.get(PATH, headers={"Client-Cert": ":AAAA:"})).status == 401


async def test_authorization_header_comes_before_the_certificate(optional: Place, world: World) -> None:
    """Who sends a wrong token is refused in spite of a good certificate; who sends a good one is known by it."""
    made = optional.authority.certificate("robot")
    both = AnyOf(
        [
            tokens(token("t", "token")),
            Certificates([ClientCertificate("robot", subject="CN=robot")], now=lambda: made.now),
        ]
    )
    world.change_tenant(authenticator=both)
    async with optional.client(made.save(optional.folder, "robot")) as session:
        assert (await session.get(PATH, headers={"Authorization": "Bearer wrong"})).status == 401
        assert (await session.get(PATH, headers={"Authorization": "Bearer t"})).status == 200
        assert (await session.get(PATH)).status == 200
    assert [call.caller.name for _, call, _ in world.engine.calls] == ["token", "robot"]


async def test_certificates_may_be_required(place: Place, world: World) -> None:
    """Where certificates are required, nobody without one gets a connection."""
    runner = await place.serve(world, Tls(*place.server, client_ca=place.ca, client_required=True))
    async with place.client() as session:
        with pytest.raises((ClientError, ConnectionError)):
            await session.get(PATH)
    await runner.cleanup()


async def test_plain_http_on_a_tls_port(optional: Place) -> None:
    """Plain HTTP on a TLS port gets nowhere."""
    async with ClientSession() as session:
        with pytest.raises((ClientConnectorError, ClientError)):
            await session.get(f"http://127.0.0.1:{optional.port}{PATH}")


async def test_expired_and_contradictory_rules(place: Place) -> None:
    """A rule names exactly one thing, and a rule that has ended knows nobody."""
    made = place.authority.certificate("robot")
    shown = Presented(certificate=certificates.read(made.certificate.public_bytes(Encoding.DER)))
    ended = ClientCertificate("x", subject="CN=robot", expires=made.now)
    for passed, known in ((timedelta(seconds=-1), True), (timedelta(0), False)):
        method = Certificates([ended], now=lambda passed=passed: made.now + passed)
        assert (await method.authenticate(shown) is not None) == known
    with pytest.raises(ValueError, match="exactly one"):
        ClientCertificate("x")
    with pytest.raises(ValueError, match="exactly one"):
        ClientCertificate("x", sha256="a", subject="b")


def test_files_that_cannot_be_used(place: Place, tmp_path: Path) -> None:
    """Missing and broken files are told of when the context is made."""
    with pytest.raises(OSError, match="No such file"):
        Tls(tmp_path / "none.pem", place.server[1]).context()
    broken = tmp_path / "broken.pem"
    broken.write_text("nothing")
    with pytest.raises(ssl.SSLError):
        Tls(broken, place.server[1]).context()
