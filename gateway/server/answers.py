"""Answers on the wire: every response of the SCIM port is made here, errors too (H7)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from gateway.engine.calls import Answer
from gateway.scim import errors
from gateway.scim.errors import ScimError, ScimType
from gateway.server.codec import PLAIN_JSON, SCIM_JSON, encode

TRACE = "traceresponse"
"""Names the span that answered, as W3C's trace context for answers has it; only where requests are traced."""
REQUEST_ID = "X-Request-Id"
SERVER = "scim-gateway"
"""What is told of the software: its name, no versions."""

_DETAILS = {
    HTTPStatus.NOT_FOUND: "there is nothing here",
    HTTPStatus.EXPECTATION_FAILED: "Expect: only 100-continue is understood",
}


def render(answer: Answer, media_type: str) -> web.Response:
    """Make the response of an answer: body, `Location`, `Content-Location` and `ETag` (S7, H1, V1)."""
    headers: dict[str, str] = {}
    if answer.version is not None:
        headers["ETag"] = answer.version
    if answer.location is not None:
        headers["Location"] = answer.location
        if answer.body is not None:
            headers["Content-Location"] = answer.location
    if answer.body is None:
        return web.Response(status=answer.status, headers=headers)
    headers["Content-Type"] = media_type
    return web.Response(status=answer.status, body=encode(answer.body), headers=headers)


def json_response(status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> web.Response:
    """Make a response that is none of SCIM's: health, and OAuth's tokens."""
    return web.Response(status=status, body=encode(document), headers={"Content-Type": PLAIN_JSON, **(headers or {})})


def render_error(error: ScimError, media_type: str = SCIM_JSON) -> web.Response:
    """Make the response of an error; `Retry-After` is in whole seconds (M8)."""
    headers = {"Content-Type": media_type, **error.headers}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return web.Response(status=error.status, body=encode(errors.body(error)), headers=headers)


def unexpected(request_id: str) -> ScimError:
    """Make the error of an internal failure: nothing of its cause, but what finds it in the log (X13)."""
    return ScimError(500, f"the request failed for an internal reason; it is logged under {request_id}")


def from_framework(error: web.HTTPException) -> ScimError:
    """Make of an error of aiohttp's the SCIM error of the same status."""
    status = HTTPStatus(error.status)
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return ScimError(status, _DETAILS.get(status, status.phrase.lower()), headers=headers)


def from_parser(error: BaseException | None, target_bytes: int) -> ScimError:
    """Make the SCIM error of a request HTTP itself could not read: 400, 414 or 431 (X4)."""
    if isinstance(error, LineTooLong):
        line, limit = error.args[:2]
        if limit == target_bytes and bytes(line).startswith((b"/", b"http")):
            return ScimError(414, f"the URL is longer than {target_bytes} bytes; POST to .search takes longer queries")
        return ScimError(431, f"a header field is longer than {limit} bytes")
    if isinstance(error, HttpProcessingError) and "too many headers" in str(error.message).lower():
        return ScimError(431, "the request has too many header fields")
    return ScimError(400, "the request is no HTTP", ScimType.INVALID_SYNTAX)
