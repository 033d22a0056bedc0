"""The WSDL: loaded once, from a file or a URL, with nothing fetched but what the settings allow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import zeep
import zeep.exceptions
from lxml import etree
from zeep.transports import Transport
from zeep.wsdl.bindings.soap import Soap12Binding, SoapBinding

from backends.contract import BackendError, UnavailableError
from backends.kit.settings_errors import SettingsError, unknown
from backends.soap.documents import ENVELOPES
from backends.soap.schemas import KNOWN
from backends.soap.shapes import Shape, Shapes, facets_of

Fetch = Callable[[str], Awaitable[bytes]]
"""Fetches a URL within the limits; raises `BackendError`."""


class RefusedError(Exception):
    """The WSDL wants something that is not allowed."""


class Loader(Transport):
    """What zeep loads documents with: files beside a WSDL that is a file, and URLs that are listed.

    zeep runs in a thread of its own while it reads; what is fetched is fetched by the loop that waits for it.
    """

    def __init__(self, wsdl: str, imports: tuple[str, ...], fetch: Fetch, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._wsdl = wsdl
        self._imports = imports
        self._fetch = fetch
        self._loop = loop
        self.documents: list[bytes] = []

    def load(self, url: str) -> bytes:
        """Load a document; raise `RefusedError` for one that is not allowed."""
        if url in KNOWN:
            return KNOWN[url]
        document = self._remote(url) if is_url(url) else self._local(url)
        self.documents.append(document)
        return document

    def post_xml(self, address: str, envelope: Any, headers: Any) -> Any:
        """Refuse: calls do not go this way."""
        raise RefusedError("calls are sent elsewhere")

    def _remote(self, url: str) -> bytes:
        listed = any(url == one or (one.endswith("*") and url.startswith(one[:-1])) for one in self._imports)
        if url != self._wsdl and not listed:
            raise RefusedError(f"it imports {url}, which is not among `imports`")
        return asyncio.run_coroutine_threadsafe(_fetched(self._fetch, url), self._loop).result()

    def _local(self, url: str) -> bytes:
        if is_url(self._wsdl):
            raise RefusedError("it comes from a URL and imports a file")
        parts = urlsplit(url)
        path = Path(unquote(parts.path) if parts.scheme == "file" else url).resolve()
        if not path.is_relative_to(Path(self._wsdl).resolve().parent):
            raise RefusedError("it imports a file outside its own folder")
        return path.read_bytes()


async def _fetched(fetch: Fetch, url: str) -> bytes:
    return await fetch(url)


def is_url(text: str) -> bool:
    """Tell a URL from a path."""
    return urlsplit(text).scheme in ("http", "https")


@dataclass(frozen=True, slots=True)
class Message:
    """What is in the body of a message: the element below it, or nothing."""

    tag: str | None
    type: Any = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as a port offers it."""

    name: str
    address: str
    action: str
    envelope: str
    rpc: bool
    input: Message
    output: Message

    @property
    def version_12(self) -> bool:
        """Whether it speaks SOAP 1.2."""
        return self.envelope == ENVELOPES[1]


class Wsdl:
    """A loaded WSDL."""

    def __init__(self, document: Any, documents: list[bytes]) -> None:
        self._document = document
        self.shapes = Shapes(facets_of(documents))

    @classmethod
    async def load(cls, wsdl: str, imports: tuple[str, ...], fetch: Fetch, *, strict: bool = True) -> Wsdl:
        """Load in a thread. Raises `SettingsError` for a WSDL that cannot be used, `UnavailableError` for a URL that
        cannot be fetched."""
        loader = Loader(wsdl, imports, fetch, asyncio.get_running_loop())
        return await asyncio.to_thread(cls._load, wsdl, loader, strict)

    @classmethod
    def _load(cls, wsdl: str, loader: Loader, strict: bool) -> Wsdl:
        settings = zeep.Settings(
            strict=True,
            forbid_dtd=True,
            forbid_entities=True,
            forbid_external=False,  # the loader refuses what is not listed
            xml_huge_tree=False,
            force_https=False,
        )
        try:
            return cls(zeep.Client(wsdl, transport=loader, settings=settings).wsdl, loader.documents)
        except BackendError:
            raise
        except RefusedError as error:
            raise SettingsError("wsdl", str(error)) from None
        except OSError as error:
            raise SettingsError("wsdl", f"cannot be read: {error.strerror or error}") from None
        except (zeep.exceptions.Error, etree.LxmlError) as error:
            if is_url(wsdl) and isinstance(error, zeep.exceptions.XMLSyntaxError | etree.LxmlError):
                raise UnavailableError("what should be the WSDL is none") from error
            raise SettingsError("wsdl", f"is no WSDL one can use: {error}") from error
        except (KeyError, AttributeError, NotImplementedError, LookupError) as error:
            # What zeep meets in a document that is XML but no WSDL, or refers to what is not there.
            raise SettingsError("wsdl", f"is no WSDL one can use: {error}") from error

    def operation(
        self, name: str, service: str | None, port: str | None, path: str, *, places: tuple[str, str]
    ) -> Operation:
        """Find an operation; raise `SettingsError` with the nearest right name of whatever is not there.

        `path` is where the operation is named, `places` where service and port are.
        """
        services: Mapping[str, Any] = self._document.services
        if service is None and len(services) != 1:
            raise SettingsError(places[0], f"the WSDL has several services, say which: {', '.join(services)}")
        if service is not None and service not in services:
            raise unknown(places[0], "service", service, services)
        chosen = services[service] if service is not None else next(iter(services.values()))
        ports = {key: one for key, one in chosen.ports.items() if isinstance(one.binding, SoapBinding)}
        if port is not None and port not in ports:
            raise unknown(places[1], "port", port, ports)
        if not ports:
            raise SettingsError(path, f"the service {chosen.name} has no port that speaks SOAP")
        found = ports[port] if port is not None else next(iter(ports.values()))
        operations = found.binding.all()
        if name not in operations:
            raise unknown(f"{path}.operation", "operation", name, operations)
        return _operation(name, operations[name], found)

    def shape(self, message: Message) -> Shape:
        """Look into a message."""
        return self.shapes.of(message.type)


def _operation(name: str, native: Any, port: Any) -> Operation:
    version_12 = isinstance(port.binding, Soap12Binding)
    rpc = native.style == "rpc"
    return Operation(
        name,
        port.binding_options.get("address") or "",
        native.soapaction or "",
        ENVELOPES[1] if version_12 else ENVELOPES[0],
        rpc,
        _message(native.input),
        _message(native.output),
    )


def _message(native: Any) -> Message:
    body = getattr(native, "body", None)
    if body is None:
        return Message(None)
    return Message(body.qname.text, body.type)
