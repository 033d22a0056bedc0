"""Tokens of the gateway's own making: recognisable to scanners, checkable without asking anybody (X6).

``scimgw_`` + 43 characters of base64url (256 random bits) + 6 characters of checksum.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import zlib

PREFIX = "scimgw_"
_BODY = 43
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def new_token() -> tuple[str, str]:
    """Make a token; give its text, to be shown once, and the hex SHA-256 that goes into the configuration."""
    body = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    token = f"{PREFIX}{body}{_checksum(body)}"
    return token, digest(token)


def digest(token: str) -> str:
    """Give what the configuration knows of a token: the hex SHA-256 of its text."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_well_formed(text: str) -> bool:
    """Tell whether a text is a token of this form without a slip of the pen in it."""
    body = text.removeprefix(PREFIX)[:_BODY]
    return text == f"{PREFIX}{body}{_checksum(body)}" and len(body) == _BODY


def _checksum(body: str) -> str:
    """Write the CRC-32 of a token's random part in 6 characters of base 62."""
    value, text = zlib.crc32(body.encode()), ""
    for _ in range(6):
        value, digit = divmod(value, len(_ALPHABET))
        text = _ALPHABET[digit] + text
    return text
