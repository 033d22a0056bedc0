"""Minting: a keyed hash of where an account lies, in the form of a UUID (RFC 9562, version 8).

The same account gets the same id from every replica without asking anybody; without the key nobody can tell from an
id which account it stands for, nor guess one (R-L1, R-L4, S5).
"""

from __future__ import annotations

import hashlib
import hmac

SHORTEST_KEY = 16
"""Bytes an id_key must have at least."""


def pack(*parts: str | int) -> bytes:
    """Join parts so that different tuples never give equal bytes: each is preceded by its kind and length (X9)."""
    packed = bytearray()
    for part in parts:
        data = str(part).encode("utf-8", "surrogatepass")
        packed += b"i" if isinstance(part, int) else b"s"
        packed += len(data).to_bytes(4)
        packed += data
    return bytes(packed)


class Minter:
    """Mints ids with one secret key, and derives what else of the map needs a key from it."""

    def __init__(self, id_key: bytes) -> None:
        """Raise `ValueError` for a key that is too short to be a secret."""
        if len(id_key) < SHORTEST_KEY:
            raise ValueError(f"id_key: must have at least {SHORTEST_KEY} bytes")
        self._mac = hmac.new(id_key, digestmod=hashlib.sha256)

    def mint(self, tenant: str, resource_type: str, backend: str, entity: str, key: str, generation: int) -> str:
        """Mint the id of the account that is the `generation`-th (from 0) to have this key."""
        digest = bytearray(self._digest(pack("id", tenant, resource_type, backend, entity, key, generation))[:16])
        digest[6] = (digest[6] & 0x0F) | 0x80
        digest[8] = (digest[8] & 0x3F) | 0x80
        text = digest.hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def fingerprint(self) -> str:
        """Tell keys apart without giving anything of them away."""
        return self._digest(pack("fingerprint")).hex()[:32]

    def derive(self, purpose: str) -> bytes:
        """Derive a key of 32 bytes for another purpose."""
        return self._digest(pack("derive", purpose))

    def _digest(self, data: bytes) -> bytes:
        mac = self._mac.copy()
        mac.update(data)
        return mac.digest()
