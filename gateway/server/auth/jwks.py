"""Keys fetched from an issuer: once for everybody who waits, not more often than a cooldown allows, and kept when the
issuer cannot be reached (X7)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from gateway.scim.errors import ScimError
from gateway.server.auth.keys import KeySet, KeysUnavailable, VerifyingKey, read_jwks
from gateway.server.auth.outbound import FetchError
from gateway.server.codec import Decoder
from gateway.server.limits import JsonLimits

Fetch = Callable[[], Awaitable[bytes]]
"""Gets a JWK set; raises `FetchError`."""
Get = Callable[[str], Awaitable[bytes]]

FRESH_SECONDS = 600.0
STALE_SECONDS = 86_400.0
COOLDOWN_SECONDS = 30.0

_DECODER = Decoder(JsonLimits(depth=8, members=500))


class FetchedKeys:
    """The keys of one issuer, fetched when they are first needed.

    Older than `fresh` seconds they are fetched again in the background; unknown key ids make them be fetched too, but
    not within `cooldown` seconds of the last attempt. When fetching fails, the old keys hold for `stale` seconds.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        clock: Callable[[], float],
        fresh: float = FRESH_SECONDS,
        stale: float = STALE_SECONDS,
        cooldown: float = COOLDOWN_SECONDS,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._fresh, self._stale, self._cooldown = fresh, stale, cooldown
        self._keys: KeySet | None = None
        self._fetched = self._attempted = float("-inf")
        self._refreshing: asyncio.Task[None] | None = None

    @property
    def age(self) -> float | None:
        """Seconds since the keys were fetched; None if they never were."""
        return None if self._keys is None else self._clock() - self._fetched

    async def find(self, id: str | None, algorithm: str) -> VerifyingKey | None:
        if self._keys is None or self._clock() - self._fetched > self._stale:
            self._keys = None
            await self._refresh()
        elif self._clock() - self._fetched > self._fresh:
            self._start()
        if self._keys is None:
            raise KeysUnavailable
        found = self._keys.get(id, algorithm)
        if found is None and self._may_try():
            await self._refresh()
            found = self._keys.get(id, algorithm)
        return found

    async def stop(self) -> None:
        """End a refresh that is under way."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)

    def _may_try(self) -> bool:
        return self._clock() - self._attempted >= self._cooldown

    def _start(self) -> asyncio.Task[None] | None:
        """Begin a refresh unless one is under way or was tried a moment ago."""
        if self._refreshing is not None and not self._refreshing.done():
            return self._refreshing
        if not self._may_try():
            return None
        self._attempted = self._clock()
        self._refreshing = asyncio.create_task(self._load())
        return self._refreshing

    async def _refresh(self) -> None:
        if (task := self._start()) is not None:
            # Whoever is cancelled while waiting must not cancel it for the others.
            await asyncio.shield(task)

    async def _load(self) -> None:
        try:
            keys = read_jwks(await self._fetch())
        except (FetchError, ValueError):
            return
        if len(keys):
            self._keys, self._fetched = keys, self._clock()


def from_url(get: Get, url: str) -> Fetch:
    """Fetch from a JWK set's own URL."""

    async def fetch() -> bytes:
        return await get(url)

    return fetch


def from_issuer(get: Get, issuer: str) -> Fetch:
    """Find the JWK set by the issuer's metadata (OpenID Connect Discovery, RFC 8414); the metadata must be its own."""

    async def fetch() -> bytes:
        try:
            document = await get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        except FetchError:
            document = await get(_rfc8414(issuer))
        metadata = _decoded(document)
        if metadata.get("issuer") != issuer:
            raise FetchError("the metadata is another issuer's")
        url = metadata.get("jwks_uri")
        if not isinstance(url, str):
            raise FetchError("the metadata names no JWK set")
        return await get(url)

    return fetch


def _rfc8414(issuer: str) -> str:
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path.rstrip('/')}"


def _decoded(document: bytes) -> dict[str, object]:
    try:
        return _DECODER.decode(document)
    except ScimError:
        raise FetchError("the issuer's metadata is no JSON") from None
