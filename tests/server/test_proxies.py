"""Proxies: what they say is believed from them alone."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestClient
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.server.auth import Certificates, ClientCertificate
from gateway.server.proxies import Addresses, Proxies, networks, parse
from tests.server.authority import Authority
from tests.server.conftest import World

TRUSTED = Proxies(networks(["10.0.0.0/8", "fd00::/8"]))
PASSING = Proxies(networks(["127.0.0.1"]), certificate_header="Client-Cert")


def headers(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))


def forwarded(*values: str) -> CIMultiDictProxy[str]:
    return headers(*(("X-Forwarded-For", value) for value in values))


@pytest.mark.parametrize(
    ("peer", "values", "client"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1, 10.2.3.4"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1", "10.2.3.4"], "198.51.100.1"),
        ("10.0.0.1", ["10.9.9.9, 10.2.3.4"], "10.9.9.9"),
        ("10.0.0.1", ["6.6.6.6, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["6.6.6.6, nonsense, 10.2.3.4"], "10.2.3.4"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", [",".join(["198.51.100.1"] + ["10.0.0.2"] * 100)], "10.0.0.2"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_address_of_the_client(peer: str, values: list[str], client: str) -> None:
    """It is the last address of the chain that is no trusted proxy's; what stands before it is the client's tale."""
    assert TRUSTED.client(peer, forwarded(*values)) == client


def test_nobody_is_trusted_by_default() -> None:
    """Without trusted proxies the other end of the connection is the client."""
    assert Proxies().client("10.0.0.1", forwarded("198.51.100.1")) == "10.0.0.1"


@settings(max_examples=200)
@given(st.lists(st.text(st.characters(codec="latin-1"), max_size=30), max_size=5))
def test_a_client_cannot_choose_its_address(tale: list[str]) -> None:
    """Whatever a client writes into the header, the address its proxy appended is the one that counts."""
    values = [text.replace(",", "") for text in tale]
    assert TRUSTED.client("10.0.0.1", forwarded(", ".join([*values, "198.51.100.1"]))) == "198.51.100.1"


@settings(max_examples=200)
@given(st.text(max_size=40))
def test_any_text_is_an_address_or_none(text: str) -> None:
    """Reading an address raises nothing, and gives its canonical spelling."""
    found = parse(text)
    assert found is None or parse(found) == found


async def test_tenant_takes_callers_from_its_networks_only(client: TestClient, world: World) -> None:
    """Good credentials from elsewhere are 403, and a forged header does not help."""
    path = "/acme/scim/v2/Users/7"
    world.change_tenant(addresses=Addresses(networks(["198.51.100.0/24"])))
    assert (await client.get(path, headers={"X-Forwarded-For": "198.51.100.1"})).status == 403
    assert world.engine.calls == []
    world.change(proxies=Proxies(networks(["127.0.0.1"])))
    assert (await client.get(path, headers={"X-Forwarded-For": "203.0.113.9"})).status == 403
    assert (await client.get(path, headers={"X-Forwarded-For": "198.51.100.1"})).status == 200
    assert world.observer.ended[-1][0].address == "198.51.100.1"


@pytest.mark.parametrize("style", ["rfc9440", "pem"])
async def test_certificate_passed_on_by_a_proxy(stranger: TestClient, world: World, style: str) -> None:
    """A trusted proxy's certificate header is a caller's certificate, in both ways of writing it."""
    made = Authority().certificate("client")
    known = ClientCertificate("robot", sha256=made.sha256)
    world.change_tenant(authenticator=Certificates([known], now=lambda: made.now))
    pem = made.certificate.public_bytes(Encoding.PEM)
    der = base64.b64encode(made.certificate.public_bytes(Encoding.DER)).decode()
    value = f":{der}:" if style == "rfc9440" else quote(pem)
    assert (await stranger.get("/acme/scim/v2/Users/7", headers={"Client-Cert": value})).status == 401
    world.change(proxies=PASSING)
    assert (await stranger.get("/acme/scim/v2/Users/7", headers={"Client-Cert": value})).status == 200
    assert world.engine.calls[0][1].caller.name == "robot"


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [("Client-Cert", "")],
        [("Client-Cert", "::")],
        [("Client-Cert", ":AAAA:")],
        [("Client-Cert", ":!:")],
        [("Client-Cert", "-----BEGIN%20CERTIFICATE-----")],
        [("Client-Cert", "\xff")],
        [("Client-Cert", "x" * 20_000)],
        [("Client-Cert", "(null)")],
    ],
)
def test_broken_certificate_headers(pairs: list[tuple[str, str]]) -> None:
    """A header that holds no certificate is none."""
    assert PASSING.certificate("127.0.0.1", headers(*pairs)) is None


def test_two_certificate_headers_are_none() -> None:
    """A client's own header beside the proxy's is not chosen from."""
    made = Authority().certificate("client")
    value = f":{base64.b64encode(made.certificate.public_bytes(Encoding.DER)).decode()}:"
    found: Any = PASSING.certificate("127.0.0.1", headers(("Client-Cert", value)))
    assert found.sha256 == made.sha256
    assert PASSING.certificate("127.0.0.1", headers(("Client-Cert", value), ("client-cert", value))) is None
    assert PASSING.certificate("10.0.0.1", headers(("Client-Cert", value))) is None
