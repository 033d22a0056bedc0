"""The session: sends a request to the first base URL that can be connected to, with credentials, within the limits."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import replace

import aiohttp
from yarl import URL

from backends.contract import BackendError, UnavailableError
from backends.kit.http.auth import authentication
from backends.kit.http.messages import Answer, Request
from backends.kit.http.settings import HttpSettings, TlsSettings
from backends.kit.http.tracing import trace_headers

NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)
"""What is raised before a request has left: it cannot have done anything, and another server may be asked."""
RETURN_SECONDS = 60.0
"""How long a base URL that could not be connected to is left alone while another one works."""


class HttpSession:
    """Speaks HTTP to one system.

    It repeats a request only when that is certain to be the first time: the connection could not be opened (the next
    base URL is asked), or the credentials were refused (once, with new ones).
    """

    def __init__(self, settings: HttpSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._urls = settings.base_urls
        self._first = 0
        self._return_at = 0.0
        self._session: aiohttp.ClientSession | None = None
        self._plain_headers = {name.lower(): value for name, value in settings.headers.items()}
        secret = {name.lower(): value.get_secret_value() for name, value in settings.secret_headers.items()}
        self._fixed = {**self._plain_headers, **secret}
        self._proxy = settings.proxy.get_secret_value() if settings.proxy is not None else None
        self._auth = authentication(settings.auth, self._plain, settings.limits.depth, clock)

    @property
    def shown(self) -> tuple[str, ...]:
        """What every call carries besides its own, with the values masked."""
        plain = self._plain_headers
        return (*(f"{name}: {plain.get(name, '***')}" for name in self._fixed), *self._auth.shown)

    async def start(self) -> None:
        """Open the session; no connection is made yet. Raises `UnavailableError` for certificates that cannot be
        read."""
        await self.stop()
        limits = self._settings.limits
        context = await asyncio.to_thread(_context, self._settings.tls)
        connector = aiohttp.TCPConnector(
            limit=limits.connections, ssl=context, keepalive_timeout=limits.idle_seconds, ttl_dns_cache=30
        )
        timeout = aiohttp.ClientTimeout(
            total=limits.total_seconds, sock_connect=limits.connect_seconds, sock_read=limits.answer_seconds
        )
        self._session = session = aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"user-agent": "scim-gateway"},
        )
        # Whether what broke with its connection is sent again is not for the client to decide: a PUT or DELETE may have
        # been done, and reads are repeated by whoever knows the deadline.
        session._retry_connection = False

    async def stop(self) -> None:
        """Close all connections; safe to call twice, and before `start`."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(self, request: Request) -> Answer:
        """Send a request with credentials on it and give the answer, whatever its status.

        Raises `UnavailableError`, with `maybe_done` if the request is a write that may have arrived; and for
        credentials refused twice.
        """
        token = await self._auth.current()
        answer = await self._below(self._auth.apply(request, token))
        if answer.status == 401 and self._auth.renewable:
            return await self.renewed(request, token)
        if answer.status == 401:
            raise UnavailableError("the system refuses the gateway's credentials")
        return replace(answer, token=token)

    async def renewed(self, request: Request, refused: str) -> Answer:
        """Send a request again, with other credentials than those refused: by a 401, or in the system's own words."""
        if not self._auth.renewable:
            raise UnavailableError("the system refuses the gateway's credentials")
        token = await self._auth.after(refused)
        answer = await self._below(self._auth.apply(request, token))
        if answer.status == 401:
            raise UnavailableError("the system refuses the gateway's credentials")
        return replace(answer, token=token)

    async def _plain(self, request: Request, url: str | None) -> Answer:
        """Send without credentials: what fetches them."""
        if url is None:
            return await self._below(request)
        try:
            return await self._once(replace(request, path="", query=""), url)
        except NOT_SENT as error:
            raise UnavailableError("the server of the gateway's own tokens cannot be reached") from error

    async def _below(self, request: Request) -> Answer:
        """Send to the base URL that worked last, then to the others."""
        if self._first and self._clock() >= self._return_at:
            self._first = 0
        failure: Exception | None = None
        for turn in range(len(self._urls)):
            place = (self._first + turn) % len(self._urls)
            try:
                answer = await self._once(request, self._urls[place])
            except NOT_SENT as error:
                failure = error
                continue
            if failure is not None:
                self._first, self._return_at = place, self._clock() + RETURN_SECONDS
            return answer
        raise UnavailableError("the system cannot be reached") from failure

    async def _once(self, request: Request, base: str) -> Answer:
        if self._session is None:
            raise UnavailableError("the connection to the system is not open")
        url = URL(f"{base}{request.path}{'?' if request.query else ''}{request.query}", encoded=True)
        try:
            async with self._session.request(
                request.method,
                url,
                headers={**trace_headers(), **self._fixed, **request.headers},
                data=request.body,
                allow_redirects=False,
                proxy=self._proxy,
            ) as response:
                body = await self._body(response, request)
                headers = {name.lower(): value for name, value in reversed(list(response.headers.items()))}
                cookies = {name: morsel.value for name, morsel in response.cookies.items()}
                return Answer(response.status, headers, body, cookies)
        except NOT_SENT:
            raise
        except TimeoutError as error:
            raise UnavailableError("the system did not answer in time", maybe_done=request.write) from error
        except (aiohttp.InvalidURL, aiohttp.InvalidUrlClientError) as error:
            raise BackendError from error
        except (aiohttp.ClientError, OSError) as error:
            raise UnavailableError("the connection to the system broke", maybe_done=request.write) from error

    async def _body(self, response: aiohttp.ClientResponse, request: Request) -> bytes:
        limit = self._settings.limits.response_bytes
        if response.content_length is not None and response.content_length > limit and request.method != "HEAD":
            response.close()
            raise UnavailableError("the system's answer is too long", maybe_done=request.write)
        parts, size = list[bytes](), 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > limit:
                response.close()
                raise UnavailableError("the system's answer is too long", maybe_done=request.write)
            parts.append(part)
        return b"".join(parts)


def _context(settings: TlsSettings) -> ssl.SSLContext:
    """Make the TLS context: certificates and host names are always verified."""
    try:
        context = ssl.create_default_context(cafile=settings.ca)
        if settings.certificate is not None:
            password = settings.key_password.get_secret_value() if settings.key_password is not None else None
            context.load_cert_chain(settings.certificate, settings.key, password)
    except (OSError, ssl.SSLError) as error:
        raise UnavailableError("the certificates towards the system cannot be read") from error
    return context
