"""Request bodies from the socket: bounded while they arrive, in bytes and in time (X4, B4)."""

from __future__ import annotations

import asyncio
import zlib

from aiohttp import ClientError, web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.scim.errors import ScimError, ScimType, refuse
from gateway.server.limits import ServerLimits

_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


async def read(request: web.BaseRequest, limits: ServerLimits, *, most: int, name: str) -> bytes:
    """Read a body of at most `most` bytes; `name` is what the limit is called in the error.

    Raises `ScimError` 413 as soon as it is too large, 408 when it does not arrive in time, 415 for a content coding
    that is not taken, 400 when it is broken off or cannot be inflated.
    """
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("identity", "") and (not limits.inflation or coding not in _WINDOW):
        raise ScimError(415, "Content-Encoding: compressed bodies are not taken")
    if request.content_length is not None and request.content_length > most:
        raise _too_large(name, most)
    if request.headers.get("Expect", "").lower() == "100-continue" and not request.content.is_eof():
        # Sent here and not before authentication: a stranger's body is not worth waiting for.
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    try:
        if request.content.is_eof():
            data = request.content.read_nowait()
            if len(data) > most:
                raise _too_large(name, most)
        else:
            async with asyncio.timeout(limits.body_seconds):
                data = await _collect(request, most, name)
    except TimeoutError:
        raise ScimError(408, "the body did not arrive in time") from None
    except (ClientError, HttpProcessingError, ConnectionError):
        raise refuse(ScimType.INVALID_SYNTAX, "the body was broken off") from None
    return data if coding in ("identity", "") else _inflate(data, coding, limits.inflation, most, name)


async def _collect(request: web.BaseRequest, most: int, name: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := await request.content.readany():
        size += len(part)
        if size > most:
            raise _too_large(name, most)
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _inflate(data: bytes, coding: str, ratio: int, most: int, name: str) -> bytes:
    """Inflate up to the limit and not a byte further."""
    bound = min(most, len(data) * ratio)
    inflater = zlib.decompressobj(_WINDOW[coding])
    try:
        inflated = inflater.decompress(data, bound + 1)
    except zlib.error:
        raise refuse(ScimType.INVALID_SYNTAX, f"the body is no {coding}") from None
    if len(inflated) > most:
        raise _too_large(name, most)
    if len(inflated) > bound:
        raise ScimError(413, f"the body is compressed more than {ratio} times")
    if not inflater.eof or inflater.unused_data:
        raise refuse(ScimType.INVALID_SYNTAX, f"the body is no {coding}")
    return inflated


def _too_large(name: str, most: int) -> ScimError:
    return ScimError(413, f"the body is larger than {most} bytes ({name})")
