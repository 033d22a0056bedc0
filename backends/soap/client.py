"""The client: fills a call, sends it, and says what the answer means."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lxml import etree
from yarl import URL

from backends.contract import BackendError, NativeCall, RejectedError, UnavailableError
from backends.kit.http.json_bodies import BodyError, decode
from backends.kit.http.messages import Answer, Request
from backends.kit.http.session import HttpSession
from backends.kit.http.settings import HttpSettings, NoAuthSettings
from backends.kit.http.tokens import Token, TokenSource
from backends.kit.paths import Path
from backends.kit.settings_errors import SettingsError
from backends.kit.templates import Mark
from backends.soap.calls import Call, compile_call
from backends.soap.documents import ENVELOPES, DocumentError, parse, read, scalar
from backends.soap.envelopes import UnfitError, Writer
from backends.soap.faults import FaultError, error_of, fault_of, find, unforeseen
from backends.soap.security import NoSecurity, Security, security
from backends.soap.settings import SoapSettings
from backends.soap.wsdl import Operation, Wsdl, is_url

ASIDE = 128 * 1024
"""Answers longer than this (bytes) are read in a thread, so that nobody else waits for it."""
SECRET = "@secret."  # noqa: S105 - where secrets are named, not one


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the element below the body as a document. `unchanged`: a rule says that it was so before."""

    document: Any = field(repr=False)
    unchanged: bool = False
    expired: bool = False
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class _Place:
    """An endpoint: a session, and what stands behind the session's URL."""

    session: HttpSession
    path: str
    query: str


class SoapClient:
    """Speaks to one service."""

    def __init__(self, settings: SoapSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._security: Security = NoSecurity()
        self._secrets = {f"{SECRET}{name}": value.get_secret_value() for name, value in settings.secrets.items()}
        self._places: dict[str, _Place] = {}
        self._writer: Writer | None = None
        self._login: Call | None = None
        self._sessions = TokenSource(self._log_in, clock)

    @property
    def known(self) -> frozenset[str]:
        """The placeholders that stand for secrets."""
        return frozenset(self._secrets)

    async def start(self) -> Wsdl:
        """Load the WSDL. Raises `SettingsError`, or `UnavailableError` for one that cannot be fetched."""
        await self.stop()
        settings = self._settings
        self._security = await asyncio.to_thread(security, settings.security)
        wsdl = await Wsdl.load(settings.wsdl, settings.imports, self._fetch, strict=settings.strict)
        self._writer = Writer(wsdl.shapes)
        if settings.login is not None:
            self._login = compile_call(
                settings.login,
                wsdl,
                "login",
                usual=(settings.service, settings.port),
                known=self.known,
                rules=settings.errors,
            )
            await self.open(self._login)
        self._sessions = TokenSource(self._log_in, self._clock)
        return wsdl

    async def open(self, call: Call) -> None:
        """Open what a call is sent through; nothing is sent yet. Raises `SettingsError` for a missing address."""
        address = "" if self._settings.endpoint else call.operation.address
        if address in self._places:
            return
        urls = self._settings.endpoint or (address,)
        try:
            first = URL(urls[0], encoded=True)
            bare = tuple(str(URL(url, encoded=True).with_query(None)) for url in urls)
            session = HttpSession(self._http(bare, auth=True), self._clock)
        except ValueError:
            raise SettingsError("endpoint", f"the WSDL gives {urls[0]!r} as address; say the right one") from None
        await session.start()
        self._places[address] = _Place(session, "/" if bare[0].endswith("/") else "", first.raw_query_string)

    async def stop(self) -> None:
        """Close all connections; safe to call twice."""
        places, self._places = self._places, {}
        for place in places.values():
            await place.session.stop()

    async def call(self, call: Call, values: Mapping[str, Any], *, fields: Sequence[str] | None = None) -> Reply:
        """Make a call. Raises the contract's errors: those the rules name, and `UnavailableError`, with `maybe_done` if
        the call is a write that may have arrived. `fields` are those an error may name."""
        token = await self._sessions.current() if self._login is not None else ""
        reply = await self._exchange(call, values, token, fields)
        if reply.expired and self._login is not None:
            reply = await self._exchange(call, values, await self._sessions.after(token), fields)
        if reply.expired:
            raise UnavailableError("the system refuses the gateway's credentials")
        return reply

    async def reach(self) -> None:
        """Make any round trip at all to every endpoint; raise `UnavailableError`."""
        if not self._places:
            raise UnavailableError("the service was not reached yet")
        for place in self._places.values():
            answer = await place.session.send(Request("GET", place.path, place.query))
            if answer.status in (502, 503, 504):
                raise UnavailableError("the system is unavailable", retry_after=answer.retry_after)

    def shown(self, call: Call, values: Mapping[str, Any], told: tuple[tuple[str, Any], ...]) -> NativeCall:
        """Render what a call would send, with `values` already replaced by marks; secrets are masked."""
        masked = {**values, **{name: Mark("***") for name in self._secrets}, "@session": Mark("***")}
        envelope = self._envelope(call, masked)
        etree.indent(envelope)
        place = self._places.get("" if self._settings.endpoint else call.operation.address)
        head = [f"POST {(self._settings.endpoint or (call.operation.address,))[0]}"]
        head += [f"{name}: {value}" for name, value in _headers(call.operation).items()]
        head += place.session.shown if place is not None else ()
        if self._settings.security is not None:
            head.append(f"WS-Security: {self._settings.security.type} ***")
        return NativeCall("\n".join(head) + "\n\n" + etree.tostring(envelope, encoding="unicode"), told)

    def _envelope(self, call: Call, values: Mapping[str, Any]) -> etree._Element:
        if self._writer is None:
            raise UnavailableError("the service was not reached yet")
        arguments, headers = call.fill(values)
        try:
            return self._writer.envelope(call.operation, arguments, headers)
        except UnfitError as error:
            raise RejectedError(str(error)) from error

    async def _exchange(
        self, call: Call, values: Mapping[str, Any], session: str, fields: Sequence[str] | None
    ) -> Reply:
        envelope = self._envelope(call, {**values, **self._secrets, "@session": session})
        signed = self._security.apply(envelope)
        place = self._places.get("" if self._settings.endpoint else call.operation.address)
        if place is None:
            raise UnavailableError("the service was not reached yet")
        headers = _headers(call.operation)
        login = self._settings.login
        if session and login is not None and login.session.cookie is not None:
            headers["cookie"] = f"{login.session.cookie}={session}"
        body: bytes = etree.tostring(signed, xml_declaration=True, encoding="utf-8")
        answer = await place.session.send(Request("POST", place.path, place.query, headers, body, write=call.write))
        if len(answer.body) > ASIDE:
            return await asyncio.to_thread(self._reply, call, answer, fields)
        return self._reply(call, answer, fields)

    def _reply(self, call: Call, answer: Answer, fields: Sequence[str] | None) -> Reply:
        status, output, depth = answer.status, call.operation.output, self._settings.limits.depth
        if not answer.body.strip():
            if 200 <= status < 300 and (output.tag is None or status in (202, 204)):
                return Reply(None, cookies=answer.cookies)
            raise _garbage(answer, call)
        try:
            root = parse(answer.body, _encoding(answer))
            inside = _inside(root)
            if inside is not None and etree.QName(inside).namespace in ENVELOPES:
                return self._fault(call, answer, inside, fields)
            if status >= 300 or not self._fits(inside, call.operation):
                raise _garbage(answer, call)
            document = read(inside, depth) if inside is not None else None
            rule = find(call.rules, None, document)
            if rule is None and call.decode is not None:
                document = self._decoded(call, document)
                rule = find(call.rules, None, document)
        except (DocumentError, BodyError) as error:
            raise _garbage(answer, call) from error
        if rule is None or rule.settings.means == "ok":
            return Reply(document, cookies=answer.cookies)
        if rule.settings.means in ("unchanged", "expired"):
            return Reply(document, rule.settings.means == "unchanged", rule.settings.means == "expired")
        raise error_of(rule, document, write=call.write, fields=fields)

    def _fault(self, call: Call, answer: Answer, element: etree._Element, fields: Sequence[str] | None) -> Reply:
        if etree.QName(element).localname != "Fault":
            raise _garbage(answer, call)
        fault = fault_of(element, self._settings.limits.depth)
        rule = find(call.rules, fault, fault.document)
        cause = FaultError(f"fault {' '.join(sorted(fault.codes))} from {call.operation.name}")
        if rule is None:
            if answer.status in (502, 503, 504):
                raise _garbage(answer, call) from cause
            raise unforeseen(fault) from cause
        if rule.settings.means in ("ok", "unchanged", "expired"):
            return Reply(None, rule.settings.means == "unchanged", rule.settings.means == "expired")
        raise error_of(rule, fault.document, write=call.write, fields=fields) from cause

    def _fits(self, inside: etree._Element | None, operation: Operation) -> bool:
        """Tell whether the element below the body is the WSDL's; rpc leaves its name open (SOAP 1.1, section 7.1)."""
        expected = operation.output.tag
        if expected is None or inside is None:
            return expected is None or (inside is None and operation.rpc)
        if operation.rpc or inside.tag == expected:
            return True
        return not self._settings.strict and etree.QName(inside).localname == etree.QName(expected).localname

    def _decoded(self, call: Call, document: Any) -> Any:
        """Put the document a text is in the text's place."""
        assert call.decode is not None
        text = scalar(call.decode.read(document))
        if text is None:
            return document
        depth = self._settings.limits.depth
        found = decode(text.encode(), "utf-8", depth) if call.json else read(parse(text.encode(), "utf-8"), depth)
        return call.decode.place(document, found)

    async def _log_in(self) -> Token:
        assert self._login is not None
        assert self._settings.login is not None
        place = self._settings.login.session
        try:
            reply = await self._exchange(self._login, {}, "", None)
            found = (
                reply.cookies.get(place.cookie)
                if place.cookie is not None
                else scalar(Path.parse(place.at or "").read(reply.document))
            )
        except UnavailableError:
            raise
        except (BackendError, DocumentError) as error:
            raise UnavailableError("the gateway cannot log in") from error
        if not found or reply.expired:
            raise UnavailableError("the gateway cannot log in")
        return Token(found, self._settings.login.life_seconds)

    async def _fetch(self, url: str) -> bytes:
        """Fetch the WSDL or what it imports; credentials go to the WSDL's own server only."""
        there = URL(url, encoded=True)
        own = is_url(self._settings.wsdl) and there.origin() == URL(self._settings.wsdl, encoded=True).origin()
        session = HttpSession(self._http((str(there.with_query(None).with_fragment(None)),), auth=own), self._clock)
        try:
            await session.start()
            answer = await session.send(
                Request("GET", "/" if there.raw_path.endswith("/") else "", there.raw_query_string)
            )
        finally:
            await session.stop()
        if answer.status != 200:
            raise UnavailableError("the WSDL cannot be fetched", retry_after=answer.retry_after)
        return answer.body

    def _http(self, urls: tuple[str, ...], *, auth: bool) -> HttpSettings:
        settings = self._settings
        return HttpSettings(
            base_urls=urls,
            auth=settings.auth if auth else NoAuthSettings(),
            tls=settings.tls,
            proxy=settings.proxy,
            limits=settings.limits,
            headers=settings.headers if auth else {},
        )


def _headers(operation: Operation) -> dict[str, str]:
    """The headers of a call: SOAPAction is quoted (SOAP 1.1, 6.1.1); 1.2 has it in the type (RFC 3902)."""
    if operation.version_12:
        return {"content-type": f'application/soap+xml; charset=utf-8; action="{operation.action}"'}
    return {"content-type": "text/xml; charset=utf-8", "soapaction": f'"{operation.action}"'}


def _inside(root: etree._Element) -> etree._Element | None:
    """Find the element below the body; raise `DocumentError` for what is no envelope."""
    name = etree.QName(root)
    if name.localname != "Envelope" or name.namespace not in ENVELOPES:
        raise DocumentError("no envelope")
    body = root.find(f"{{{name.namespace}}}Body")
    if body is None:
        raise DocumentError("no body")
    return next(iter(body), None)


def _encoding(answer: Answer) -> str | None:
    return answer.charset if "charset" in answer.headers.get("content-type", "").lower() else None


def _garbage(answer: Answer, call: Call) -> UnavailableError:
    """Say that an answer is none; a server that is too busy has not done what it was asked."""
    busy = answer.status in (429, 503)
    return UnavailableError(
        "the system is unavailable" if busy else "the system's answer cannot be read",
        retry_after=answer.retry_after,
        maybe_done=call.write and not busy,
    )
