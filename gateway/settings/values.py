"""The small types settings are made of: addresses, instants, names, digests."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainValidator, WithJsonSchema

from gateway.mapping.spec import GATEWAY

_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]/@]+)):(?P<port>[0-9]{1,5})")
RESERVED = ("scim", "oauth2", "healthz", "readyz", "metrics")
"""What begins a path of the gateway's own."""
LONGEST_SOCKET = 100
"""Bytes of the path of a Unix socket; the system takes few more."""
_TENANT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_INSTANT = "write a day such as 2027-06-30, or an instant such as 2027-06-30T12:00:00Z"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PUBLIC_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")


class Model(BaseModel):
    """What every section of a configuration is: closed, frozen, and silent about its values in errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=False)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: a host or an IP address, and a port (0: any that is free)."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SocketPath:
    """Where to listen on this machine alone: the path of a Unix socket, which only its owner can use."""

    path: Path

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return True

    def __str__(self) -> str:
        return f"unix:{self.path}"


def is_loopback(host: str) -> bool:
    """Tell whether a host name or an IP address without brackets means this machine; an unknown name does not."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def address(text: Any) -> Address:
    """Read ``host:port``; raise ValueError with the reason."""
    if isinstance(text, Address):
        return text
    match = _ADDRESS.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("write host:port, such as 127.0.0.1:8080 or [::1]:8080")
    port = int(match["port"])
    if port > 65535:
        raise ValueError("a port is at most 65535")
    host = match["six"] or match["host"]
    if match["six"]:
        ipaddress.IPv6Address(host)
    return Address(host, port)


def place(text: Any) -> Address | SocketPath:
    """Read ``host:port`` or ``unix:/path``; raise ValueError with the reason."""
    if isinstance(text, SocketPath):
        return text
    if isinstance(text, str) and text.startswith("unix:"):
        path = Path(text.removeprefix("unix:"))
        if not path.is_absolute() or len(str(path).encode()) > LONGEST_SOCKET:
            raise ValueError(f"write unix: and an absolute path of at most {LONGEST_SOCKET} bytes")
        return SocketPath(path)
    return address(text)


def instant(value: Any) -> Any:
    """Read an instant: a day without a time means the end of that day in UTC. Raise ValueError without a zone."""
    return _instant(value, timedelta(days=1))


def moment(value: Any) -> Any:
    """Read an instant likewise, but a day without a time means its beginning."""
    return _instant(value, timedelta())


def _instant(value: Any, of_day: timedelta) -> datetime:
    if isinstance(value, str):
        value = _moment(value.strip())
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("say the zone, such as 2027-06-30T12:00:00Z")
        return value.astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC) + of_day
    raise ValueError(_INSTANT)


def _moment(text: str) -> date | datetime:
    try:
        return date.fromisoformat(text) if len(text) == len("2027-06-30") else datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(_INSTANT) from None


def _tenant_name(name: str) -> str:
    if not _TENANT.fullmatch(name):
        raise ValueError("a tenant's name is part of its URL: lower-case letters, digits and hyphens, at most 63")
    if name in RESERVED:
        raise ValueError(f"{name} begins a path of the gateway's own and cannot be a tenant")
    return name


def _backend_name(name: str) -> str:
    if name == GATEWAY:
        raise ValueError(f"{name} is the gateway's own store, which is always there; give this backend another name")
    return name


def _public_url(url: str) -> str:
    if not _PUBLIC_URL.fullmatch(url):
        raise ValueError("write the URL clients use, such as https://scim.example.com")
    return url.rstrip("/")


def _digest(value: str) -> str:
    digest = value.strip().lower()
    if not _DIGEST.fullmatch(digest):
        raise ValueError("write the SHA-256 of the token: 64 hexadecimal digits")
    return digest


def _network(text: str) -> str:
    ipaddress.ip_network(text)
    return text


def _issuer_url(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None:
        raise ValueError("write a URL such as https://login.example.com")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("tokens and keys are fetched by https only")
    return url


Listen = Annotated[
    Address,
    PlainValidator(address),
    WithJsonSchema(
        {"type": "string", "examples": ["127.0.0.1:8080"], "pattern": r"^(\[[0-9A-Fa-f:.]+\]|[^\s:/]+):[0-9]+$|\$\{"}
    ),
]
ListenHere = Annotated[
    Address | SocketPath,
    PlainValidator(place),
    WithJsonSchema(
        {
            "type": "string",
            "examples": ["127.0.0.1:8081", "unix:/run/scim-gateway/admin.sock"],
            "pattern": r"^(\[[0-9A-Fa-f:.]+\]|[^\s:/]+):[0-9]+$|^unix:/|\$\{",
        }
    ),
]
Instant = Annotated[
    datetime,
    PlainValidator(instant),
    WithJsonSchema({"type": "string", "examples": ["2027-06-30", "2027-06-30T12:00:00Z"]}),
]
Moment = Annotated[
    datetime,
    PlainValidator(moment),
    WithJsonSchema({"type": "string", "examples": ["2026-06-30", "2026-06-30T12:00:00Z"]}),
]
Digest = Annotated[str, AfterValidator(_digest)]
TenantName = Annotated[str, AfterValidator(_tenant_name)]
BackendName = Annotated[str, AfterValidator(_backend_name)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
Network = Annotated[str, AfterValidator(_network)]
IssuerUrl = Annotated[str, AfterValidator(_issuer_url)]
