"""Requests to token issuers: bounded in time and bytes, never redirected, never in the clear (X5)."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

import aiohttp

SECONDS = 5.0
MOST_BYTES = 262_144


class FetchError(Exception):
    """An issuer did not answer as it should; the text is for the operator."""


class Outbound:
    """Asks issuers through one session, whose TLS settings are the operator's."""

    def __init__(self, session: aiohttp.ClientSession, *, seconds: float = SECONDS) -> None:
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=seconds)

    async def get(self, url: str) -> bytes:
        """Get a document; raise `FetchError` for anything but a 200 of reasonable size."""
        return await self._ask("GET", url)

    async def post(self, url: str, form: Mapping[str, str], authorization: str) -> bytes:
        """Post a form; raise `FetchError` likewise."""
        return await self._ask("POST", url, form, {"Authorization": authorization})

    async def _ask(
        self, verb: str, url: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        if not is_safe(url):
            raise FetchError("only https is used, but for loopback")
        try:
            async with self._session.request(
                verb,
                url,
                data=form,
                headers={"Accept": "application/json", **(headers or {})},
                allow_redirects=False,
                timeout=self._timeout,
            ) as answer:
                if answer.status != 200:
                    raise FetchError(f"the issuer answered {answer.status}")
                body = await answer.content.read(MOST_BYTES + 1)
                while len(body) <= MOST_BYTES and (more := await answer.content.read(MOST_BYTES)):
                    body += more
        except (aiohttp.ClientError, TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            raise FetchError("the issuer cannot be reached") from error
        if len(body) > MOST_BYTES:
            raise FetchError("the issuer's answer is too large")
        return body


def is_safe(url: str) -> bool:
    """Tell whether a URL is https, or leads nowhere but to this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    if parts.scheme != "http" or parts.hostname is None:
        return False
    try:
        return ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return parts.hostname == "localhost"
