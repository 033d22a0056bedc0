"""HTTP Basic (RFC 7617), for clients that cannot do better (O9): the password is a secret of the configuration."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from gateway.server.auth.authenticator import EVERYTHING, Grant, Permissions, Presented


@dataclass(frozen=True, slots=True)
class BasicLogin:
    """One accepted pair: the user's name, the hex SHA-256 of the password, until when it holds.

    The password must be random, as a token is (`tokens.new_token` makes one): a fast digest protects nothing shorter.
    """

    user: str
    sha256: str = field(repr=False)
    expires: datetime | None = None
    permissions: Permissions = EVERYTHING


class Basic:
    """Knows callers by user and password; a user may be there twice, for the time of a rotation."""

    def __init__(self, logins: Iterable[BasicLogin], *, now: Callable[[], datetime]) -> None:
        self._logins = [(_digest(login.user), bytes.fromhex(login.sha256), login) for login in logins]
        if any(len(password) != hashlib.sha256().digest_size for _, password, _ in self._logins):
            raise ValueError("sha256: must be 64 hexadecimal digits")
        self._now = now

    async def authenticate(self, presented: Presented) -> Grant | None:
        if presented.scheme != "basic" or (pair := credentials(presented.credential)) is None:
            return None
        user, password = (_digest(text) for text in pair)
        found = None
        for known_user, known_password, login in self._logins:
            # Both digests are compared, and all of them, so that the time tells nothing.
            if hmac.compare_digest(known_user, user) & hmac.compare_digest(known_password, password):
                found = login
        if found is None or (found.expires is not None and self._now() >= found.expires):
            return None
        return Grant(found.user, "basic", found.permissions)


def credentials(text: str) -> tuple[str, str] | None:
    """Split the credential of HTTP Basic into user and password; None if it is none."""
    try:
        user, colon, password = base64.b64decode(text.encode("ascii"), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeError):
        return None
    return (user, password) if colon else None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
