"""Opaque tokens the issuer is asked about (RFC 7662): asked once for a while, and by digest only remembered (X6)."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.scim.errors import ScimError
from gateway.server.auth.authenticator import EVERYTHING, Grant, Permissions, Presented
from gateway.server.auth.jwt import LONGEST, holds, name_of
from gateway.server.auth.outbound import FetchError
from gateway.server.auth.tokens import PREFIX
from gateway.server.codec import Decoder
from gateway.server.limits import JsonLimits

Ask = Callable[[str], Awaitable[bytes]]
"""Asks about one token; raises `FetchError`."""

_DECODER = Decoder(JsonLimits(depth=8, members=200))


@dataclass(frozen=True, slots=True)
class IntrospectionRules:
    """What of an active token makes it one for this tenant.

    `audience`: one of them must be in ``aud``, empty for any. `claims` as for JWTs. `issuer` is compared where the
    answer names one. `remember` is for how many seconds an answer holds at most, `remember_refusals` likewise; `most`
    bounds how many are kept, `at_once` how many questions are open at a time.
    """

    audience: frozenset[str] = frozenset()
    claims: Mapping[str, frozenset[str]] = field(default_factory=dict)
    issuer: str | None = None
    permissions: Permissions = EVERYTHING
    remember: float = 60.0
    remember_refusals: float = 10.0
    most: int = 1_000
    at_once: int = 8


class Introspection:
    """Knows callers by asking their tokens' issuer."""

    def __init__(self, ask: Ask, rules: IntrospectionRules, *, now: Callable[[], datetime]) -> None:
        self._ask = ask
        self._rules = rules
        self._now = now
        self._known: OrderedDict[bytes, tuple[Grant | None, float]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Grant | None]] = {}
        self._slots = asyncio.Semaphore(rules.at_once)

    async def authenticate(self, presented: Presented) -> Grant | None:
        """Raises `ScimError` 503 where the issuer cannot be asked: that says nothing against the token (E12)."""
        token = presented.credential
        if presented.scheme != "bearer" or not _is_plausible(token):
            return None
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is not None and self._now().timestamp() < known[1]:
            return known[0]
        task = self._asking.get(digest)
        if task is None:
            task = self._asking[digest] = asyncio.create_task(self._find_out(token, digest))
            task.add_done_callback(lambda done: self._done(digest, done))
        try:
            return await asyncio.shield(task)
        except FetchError:
            raise ScimError(503, "credentials cannot be checked for now", retry_after=5.0) from None

    def _done(self, digest: bytes, task: asyncio.Task[Grant | None]) -> None:
        del self._asking[digest]
        if not task.cancelled():
            # Looked at even if nobody waits any more, so that nobody complains of a failure nobody saw.
            task.exception()

    async def _find_out(self, token: str, digest: bytes) -> Grant | None:
        async with self._slots:
            answer = await self._ask(token)
        try:
            claims = _DECODER.decode(answer)
        except ScimError:
            raise FetchError("the issuer's answer is no JSON") from None
        now = self._now().timestamp()
        grant = self._grant(claims, now)
        until = now + (self._rules.remember_refusals if grant is None else self._rules.remember)
        if grant is not None and isinstance(expires := claims.get("exp"), int | float):
            until = min(until, expires)
        self._known[digest] = (grant, until)
        self._known.move_to_end(digest)
        while len(self._known) > self._rules.most:
            self._known.popitem(last=False)
        return grant

    def _grant(self, claims: Mapping[str, Any], now: float) -> Grant | None:
        rules = self._rules
        fits = (
            claims.get("active") is True
            and _at_least(claims.get("exp"), now)
            and not _at_least(claims.get("nbf", now), now + 30.0)
            and (not rules.audience or holds(claims, "aud", rules.audience))
            and (rules.issuer is None or claims.get("iss", rules.issuer) == rules.issuer)
            and all(holds(claims, name, values) for name, values in rules.claims.items())
        )
        return Grant(f"token:{name_of(claims)}", "introspection", rules.permissions) if fits else None


def _at_least(value: Any, now: float) -> bool:
    """Tell whether an instant is still to come; one that is not given never passes."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value > now)


def _is_plausible(token: str) -> bool:
    """Spare the issuer texts that are no token of anybody's, and the gateway's own tokens."""
    return 0 < len(token) <= LONGEST and token.isascii() and token.isprintable() and not token.startswith(PREFIX)


def ask_at(post: Callable[[str, Mapping[str, str], str], Awaitable[bytes]], url: str, authorization: str) -> Ask:
    """Ask at a URL, with the gateway's own credentials for the issuer in `authorization`."""

    async def ask(token: str) -> bytes:
        return await post(url, {"token": token, "token_type_hint": "access_token"}, authorization)

    return ask
