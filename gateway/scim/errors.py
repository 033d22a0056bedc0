"""Errors of the protocol (RFC 7644 §3.12, RFC 9865 §2.3): one class, one table of keywords, one renderer."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

ERROR_URN = "urn:ietf:params:scim:api:messages:2.0:Error"


class ScimType(StrEnum):
    """The `scimType` keywords (H8): RFC 7644 table 9 and RFC 9865 §2.3."""

    INVALID_FILTER = "invalidFilter"
    TOO_MANY = "tooMany"
    UNIQUENESS = "uniqueness"
    MUTABILITY = "mutability"
    INVALID_SYNTAX = "invalidSyntax"
    INVALID_PATH = "invalidPath"
    NO_TARGET = "noTarget"
    INVALID_VALUE = "invalidValue"
    INVALID_VERS = "invalidVers"
    SENSITIVE = "sensitive"
    INVALID_CURSOR = "invalidCursor"
    EXPIRED_CURSOR = "expiredCursor"
    INVALID_COUNT = "invalidCount"


STATUS = {ScimType.UNIQUENESS: 409, ScimType.SENSITIVE: 403}
"""The HTTP status of a keyword where it is not 400."""


class ScimError(Exception):
    """A refusal the client is told of.

    `status` is the HTTP status; `detail` names the attribute and the reason and holds no SQL, host or secret;
    `retry_after` in seconds; `headers` are added to the answer.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        scim_type: ScimType | None = None,
        *,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.scim_type = scim_type
        self.retry_after = retry_after
        self.headers = dict(headers or {})


def refuse(scim_type: ScimType, detail: str) -> ScimError:
    """Make the error of a keyword, with the status the RFC gives it; the caller raises it."""
    return ScimError(STATUS.get(scim_type, 400), detail, scim_type)


def body(error: ScimError) -> dict[str, Any]:
    """Render the error message (RFC 7644 §3.12); `status` is a string (H7)."""
    message: dict[str, Any] = {"schemas": [ERROR_URN], "status": str(error.status), "detail": error.detail}
    if error.scim_type is not None:
        message["scimType"] = error.scim_type.value
    return message
