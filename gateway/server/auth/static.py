"""Bearer tokens of the configuration: only their digests are known here (X6)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from gateway.server.auth.authenticator import EVERYTHING, Grant, Permissions, Presented


@dataclass(frozen=True, slots=True)
class StaticToken:
    """One accepted token: the hex SHA-256 of its text, until when it holds (aware; None for ever), what it may do, and
    when it was made where that is known.

    `name` stands for it in logs, cursors and metrics. Several of one tenant hold side by side, so that one can be
    rotated out while the other is rolled in.
    """

    sha256: str = field(repr=False)
    name: str
    expires: datetime | None = None
    permissions: Permissions = EVERYTHING
    created: datetime | None = None


class StaticTokens:
    """Knows callers by bearer tokens; `now` gives aware instants."""

    def __init__(self, tokens: Iterable[StaticToken], *, now: Callable[[], datetime]) -> None:
        self._tokens = [(bytes.fromhex(token.sha256), token) for token in tokens]
        if any(len(digest) != hashlib.sha256().digest_size for digest, _ in self._tokens):
            raise ValueError("sha256: must be 64 hexadecimal digits")
        self._now = now
        self._used: dict[str, datetime] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tokens."""
        return tuple(token.name for _, token in self._tokens)

    @property
    def last_used(self) -> dict[str, datetime]:
        """When each token was last accepted by this process, by name."""
        return dict(self._used)

    @property
    def created(self) -> dict[str, datetime]:
        """When each token was made, by name; those of which nobody said are left out."""
        return {token.name: token.created for _, token in self._tokens if token.created is not None}

    @property
    def expiries(self) -> dict[str, datetime]:
        """Until when each token holds, by name; those without an end are left out."""
        return {token.name: token.expires for _, token in self._tokens if token.expires is not None}

    async def authenticate(self, presented: Presented) -> Grant | None:
        if presented.scheme != "bearer":
            return None
        given = hashlib.sha256(presented.credential.encode("utf-8", "surrogateescape")).digest()
        found = None
        # Every digest is compared, so that the time tells nothing of which one, or how much of it, matched.
        for digest, token in self._tokens:
            if hmac.compare_digest(digest, given):
                found = token
        if found is None:
            return None
        now = self._now()
        if found.expires is not None and now >= found.expires:
            return None
        self._used[found.name] = now
        return Grant(found.name, "token", found.permissions)
