"""Cursors: the place where a page ended, signed and bound to who asked for what (RFC 9865, N1, N8).

Nothing is stored: the place travels with the client. A cursor is readable by whoever holds it and holds what a page
showed anyway; it cannot be made or altered without the key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import struct
from typing import Any

from gateway.scim.errors import ScimError, ScimType, refuse

_LABEL = b"scim cursor 1"
_MAC = hashlib.sha256().digest_size
_EXPIRY = struct.Struct(">Q")
_HEAD = _MAC + _EXPIRY.size
_TEXT = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST = 16_384
"""A cursor longer than this is not ours; nothing of it is decoded."""


def seal(key: bytes, payload: Any, binding: bytes, expires: float) -> str:
    """Make a cursor of base64url characters only (N1).

    `payload` is JSON; `binding` stands for everything the cursor is good for: tenant, caller, query (N4, N8); `expires`
    is in seconds of the clock that `open` is given. Raises ValueError if the payload is too long for a URL.
    """
    content = json.dumps(payload, separators=(",", ":")).encode()
    expiry = _EXPIRY.pack(max(0, int(expires * 1000)))
    sealed = _sign(key, binding, expiry, content) + expiry + content
    text = base64.urlsafe_b64encode(sealed).decode("ascii").rstrip("=")
    if len(text) > _LONGEST:
        raise ValueError("the payload of a cursor is too long")
    return text


def open(key: bytes, text: str, binding: bytes, now: float) -> Any:
    """Read a cursor back.

    Raises `ScimError` 400 expiredCursor for one of ours that is too old, and invalidCursor, with the same words
    whatever is wrong, for everything else: forged, cut, another tenant's, another caller's, another query's (N4, N5,
    N8).
    """
    if len(text) > _LONGEST or not _TEXT.fullmatch(text):
        raise _invalid()
    try:
        sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise _invalid() from None
    if len(sealed) < _HEAD:
        raise _invalid()
    mac, expiry, content = sealed[:_MAC], sealed[_MAC:_HEAD], sealed[_HEAD:]
    if not hmac.compare_digest(mac, _sign(key, binding, expiry, content)):
        raise _invalid()
    if _EXPIRY.unpack(expiry)[0] <= now * 1000:
        raise refuse(ScimType.EXPIRED_CURSOR, "cursor: has expired; start the query again")
    return json.loads(content)


def _sign(key: bytes, binding: bytes, expiry: bytes, content: bytes) -> bytes:
    """The binding is hashed first, so that its length cannot be traded for the content's."""
    return hmac.digest(key, _LABEL + hashlib.sha256(binding).digest() + expiry + content, "sha256")


def _invalid() -> ScimError:
    return refuse(ScimType.INVALID_CURSOR, "cursor: is not valid for this query")
