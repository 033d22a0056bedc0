"""Proxies in front of the gateway: what they say of clients is believed from them only (X8).

The client's address is the last one of the chain that is no trusted proxy's own; what a client writes into the header
itself stands before that and is never looked at.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from multidict import CIMultiDictProxy

from gateway.server.auth.authenticator import Certificate
from gateway.server.auth.certificates import read

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_LONGEST = 16_384
_MOST_HOPS = 32


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies that are trusted, and the headers they write.

    `certificate_header` names the header in which a proxy that ends TLS passes a verified client certificate on: as RFC
    9440 writes it, or as percent-encoded PEM; the proxy must remove that header from what clients send. None: no proxy
    passes any on.
    """

    networks: tuple[Network, ...] = ()
    address_header: str = "X-Forwarded-For"
    certificate_header: str | None = None

    def trusts(self, address: str) -> bool:
        """Tell whether an address is a trusted proxy's."""
        return contains(self.networks, address)

    def client(self, peer: str, headers: CIMultiDictProxy[str]) -> str:
        """Tell the client's address of a connection from `peer`."""
        if not self.networks or not self.trusts(peer):
            return peer
        hops = ",".join(headers.getall(self.address_header, [])).split(",")
        found = peer
        for hop in reversed(hops[-_MOST_HOPS:]):
            if (address := parse(hop)) is None:
                break
            found = address
            if not self.trusts(address):
                break
        return found

    def certificate(self, peer: str, headers: CIMultiDictProxy[str]) -> Certificate | None:
        """Read the client certificate a trusted proxy passes on; None where there is none, or not exactly one."""
        if self.certificate_header is None or not self.trusts(peer):
            return None
        values = headers.getall(self.certificate_header, [])
        if len(values) != 1 or not 0 < len(values[0]) <= _LONGEST:
            return None
        try:
            return read(_der(values[0].strip()))
        except (ValueError, binascii.Error, UnicodeError):
            return None


@dataclass(frozen=True, slots=True)
class Addresses:
    """From where a tenant's callers may come; empty: from everywhere."""

    networks: tuple[Network, ...] = field(default=())

    def allows(self, address: str) -> bool:
        return not self.networks or contains(self.networks, address)


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Read networks such as ``10.0.0.0/8``; raises ValueError for what is none."""
    return tuple(ipaddress.ip_network(text) for text in texts)


def contains(known: Sequence[Network], address: str) -> bool:
    """Tell whether an address lies in one of some networks; what is no address lies in none."""
    if (text := parse(address)) is None:
        return False
    found = ipaddress.ip_address(text)
    return any(found.version == network.version and found in network for network in known)


def parse(text: str) -> str | None:
    """Read an address as proxies write it: with a port or without, IPv6 in brackets or not; mapped IPv4 as IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(address if mapped is None else mapped)


def _der(text: str) -> bytes:
    if text.startswith(":") and text.endswith(":"):
        return base64.b64decode(text[1:-1], validate=True)
    return x509.load_pem_x509_certificate(unquote_to_bytes(text)).public_bytes(Encoding.DER)
