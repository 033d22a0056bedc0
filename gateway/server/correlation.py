"""What ties an answer, its log lines and its traces together (M4)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping

_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:=+/-]{7,127}")
_TRACE_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def trace_parent(headers: Mapping[str, str]) -> str | None:
    """Take the caller's W3C trace context, if it is one."""
    given = headers.get("traceparent", "")
    return given[:55] if len(given) <= 512 and _TRACE_PARENT.fullmatch(given) else None


def trace_headers(headers: Mapping[str, str], parent: str | None) -> Mapping[str, str]:
    """Give the caller's trace context as it may be gone on with; nothing of it where it is none."""
    if parent is None:
        return {}
    state = headers.get("tracestate", "")
    return {"traceparent": parent, **({"tracestate": state} if 0 < len(state) <= 512 else {})}


def request_id(headers: Mapping[str, str], parent: str | None) -> str:
    """Take the request id a proxy gave, else the trace's, else make one; what is not plain text is not taken."""
    given = headers.get("X-Request-Id", "")
    if _SANE.fullmatch(given):
        return given
    return parent[3:35] if parent is not None else secrets.token_hex(16)
