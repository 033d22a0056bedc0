"""Speaking with a gateway that runs: over its admin plane, or with its readiness; by TCP or by a Unix socket."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from gateway.cli import reporting
from gateway.plugins import PluginError, Plugins
from gateway.settings import SettingsError, load
from gateway.settings.model import Settings, TlsSettings
from gateway.settings.values import Address, SocketPath

VARIABLE = "SCIM_GATEWAY_ADMIN_TOKEN"
SECONDS = 10.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is listened on, and how it is reached from here

Where = Annotated[
    str,
    typer.Argument(
        metavar="CONFIG",
        help="The configuration it runs with, or the plane's address: `http://127.0.0.1:8081`, `unix:/run/admin.sock`.",
        show_default=False,
    ),
]
TokenFile = Annotated[
    Path | None, typer.Option(help="A file with the operator's token.", show_default=f"the variable {VARIABLE}")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(str(self._path))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gateway is asked: an address, and the certificate it shows where it speaks TLS."""

    address: Address | SocketPath
    secure: bool = False
    certificate: Path | None = None

    def __str__(self) -> str:
        if isinstance(self.address, SocketPath):
            return str(self.address)
        return f"http{'s' if self.secure else ''}://{self.address}"

    def connection(self) -> http.client.HTTPConnection:
        """Make a connection; it connects when it is used."""
        if isinstance(self.address, SocketPath):
            return _UnixConnection(self.address.path)
        if not self.secure:
            return http.client.HTTPConnection(self.address.host, self.address.port, timeout=SECONDS)
        context = ssl.create_default_context()
        if self.certificate is not None:
            # The configuration names the very certificate: that, and no name in it, is what is compared.
            context.load_verify_locations(self.certificate)
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.check_hostname = False
        return http.client.HTTPSConnection(self.address.host, self.address.port, timeout=SECONDS, context=context)


def plane(where: str) -> Place:
    """Find the plane of operators of a configuration, or take its address; end the program if that cannot be."""
    if (known := _address(where)) is not None:
        return known
    section = settings(where).admin
    if section is None:
        reporting.fail(f"{where} has no plane of operators: say `admin:` with `listen` and `tokens`")
    return Place(_reached(section.listen))


def front(where: str) -> Place:
    """Find where a configuration serves SCIM, or take its address; end the program if that cannot be."""
    if (known := _address(where)) is not None:
        return known
    section = settings(where).server
    tls: TlsSettings | None = section.tls
    return Place(_reached(section.listen), tls is not None, None if tls is None else tls.certificate)


def settings(where: str) -> Settings:
    """Load a configuration for its addresses; end the program with its problems."""
    try:
        return load(Path(where), None, Plugins.installed().secrets()).settings
    except SettingsError as error:
        reporting.refuse(error)
    except PluginError as error:
        reporting.fail(str(error))


def ask(where: str, token_file: Path | None, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """Ask the plane of operators; end the program with a sentence where it refuses or is not there."""
    place = plane(where)
    headers = {"Authorization": f"Bearer {_token(token_file)}", "Content-Type": "application/json"}
    status, data = send(place, method, path, headers, None if body is None else json.dumps(body).encode())
    if status != http.client.OK:
        reporting.fail(f"{place} refuses: {_detail(data)}")
    return _decoded(place, data)


def send(
    place: Place, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
) -> tuple[int, bytes]:
    """Send one request; end the program with a sentence if nobody answers."""
    try:
        with closing(place.connection()) as connection:
            connection.request(method, path, body=body, headers=dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        reporting.fail(f"{place} does not answer: {error}")


def _address(where: str) -> Place | None:
    """Read an address; None for what must be a file."""
    if where.startswith("unix:"):
        return Place(SocketPath(Path(where.removeprefix("unix:"))))
    if "://" not in where:
        return None
    try:
        parts = urlsplit(where)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        reporting.fail(f"{where} is no URL such as http://127.0.0.1:8081")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        reporting.fail(f"{where} is no URL such as http://127.0.0.1:8081")
    return Place(Address(parts.hostname, port), parts.scheme == "https")


def _reached(address: Address | SocketPath) -> Address | SocketPath:
    if isinstance(address, SocketPath):
        return address
    return Address(_EVERYWHERE.get(address.host, address.host), address.port)


def _decoded(place: Place, data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        reporting.fail(f"{place} answers something that is not of the plane of operators")


def _detail(data: bytes) -> str:
    try:
        return str(json.loads(data)["detail"])
    except (ValueError, KeyError, TypeError):
        return "no reason is given"


def _token(file: Path | None) -> str:
    try:
        token = os.environ.get(VARIABLE, "") if file is None else file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reporting.fail(f"{file} cannot be read: {error}")
    if not token:
        reporting.fail(f"an operator's token is needed: in {VARIABLE}, or in a file named by --token-file")
    if not (token.isascii() and token.isprintable()):
        reporting.fail("the operator's token is none: it has signs no token has")
    return token
