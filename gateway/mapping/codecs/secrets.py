"""One-way codecs: passwords are written as hashes and never read (X12)."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import Any

from gateway.mapping.codecs.base import Codec, Site, count_option, options, text_option

_SCHEMES = ("pbkdf2-sha256", "pbkdf2-sha512", "scrypt", "ssha512")


def hashed(arguments: Any, site: Site) -> Codec:
    """A salted hash is written, nothing is read: `scheme` pbkdf2-sha256 (if none is given), pbkdf2-sha512, scrypt, or
    ssha512 for directories that know nothing better; `rounds` of pbkdf2. Slow on purpose (X12)."""
    found = options(arguments, "scheme", "rounds", short="scheme")
    scheme = text_option(found, "scheme", "pbkdf2-sha256")
    if scheme not in _SCHEMES:
        raise ValueError(f"scheme: must be one of {', '.join(_SCHEMES)}")
    rounds = count_option(found, "rounds", 600_000)
    if site.native not in (None, str):
        raise ValueError(f"writes text, the field holds {site.native.__name__}")

    def encode(text: str) -> str:
        return _hash(scheme, rounds, text.encode(), os.urandom(16))

    return Codec(encode, lambda _: None, takes=(str,), gives=(str,), one_way=True, slow=scheme != "ssha512")


def _hash(scheme: str, rounds: int, secret: bytes, salt: bytes) -> str:
    match scheme:
        case "scrypt":
            digest = hashlib.scrypt(secret, salt=salt, n=2**15, r=8, p=1, maxmem=2**26, dklen=32)
            return f"$scrypt$ln=15,r=8,p=1${_text(salt)}${_text(digest)}"
        case "ssha512":
            return "{SSHA512}" + base64.b64encode(hashlib.sha512(secret + salt).digest() + salt).decode("ascii")
    digest = hashlib.pbkdf2_hmac(scheme.removeprefix("pbkdf2-"), secret, salt, rounds)
    return f"${scheme}$i={rounds}${_text(salt)}${_text(digest)}"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii").rstrip("=")
