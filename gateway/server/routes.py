"""The routes, all of them, as one table below a tenant's root (RFC 7644 §3.2).

Matched here and not by aiohttp's router, because what a path means is told only to those who may know: whether the
tenant, the resource type or the resource exists comes after authentication.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from gateway.engine.calls import Answer
from gateway.scim.errors import ScimError, ScimType
from gateway.server import discovery, handlers
from gateway.server.exchange import Exchange

Handler = Callable[[Exchange], Awaitable[Answer]]

TYPE = "{type}"
"""A segment that names the endpoint of a resource type of the tenant."""
ID = "{id}"
"""A segment that is handed to the handler as it is."""

ROUTES: tuple[tuple[str, Mapping[str, Handler]], ...] = (
    ("", {"GET": handlers.search_all}),
    (".search", {"POST": handlers.search_all_by_body}),
    ("Bulk", {"POST": handlers.bulk}),
    ("Me", dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), handlers.me)),
    ("ServiceProviderConfig", {"GET": discovery.service_provider_config}),
    ("ResourceTypes", {"GET": discovery.resource_types}),
    ("ResourceTypes/{id}", {"GET": discovery.resource_type}),
    ("Schemas", {"GET": discovery.schemas}),
    ("Schemas/{id}", {"GET": discovery.schema}),
    ("{type}", {"GET": handlers.search, "POST": handlers.create}),
    ("{type}/.search", {"POST": handlers.search_by_body}),
    (
        "{type}/{id}",
        {"GET": handlers.read, "PUT": handlers.replace, "PATCH": handlers.patch, "DELETE": handlers.delete},
    ),
)

_VERSION = re.compile(r"v[0-9]+(\.[0-9]+)?", re.IGNORECASE)
_SEGMENT = re.compile(r"[^\x00-\x1f\x7f/]{1,512}")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: to whom, by which version of the protocol, and the segments below the tenant's root.

    `tenant` is None for a path under a host name, `path` is None where it is none of SCIM's.
    """

    tenant: str | None
    version: str
    path: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Match:
    """The row of the table a path fits, with the endpoint and the id it names."""

    handlers: Mapping[str, Handler]
    endpoint: str = ""
    id: str = ""


def locate(raw_path: str) -> Target:
    """Split a raw URL path; a trailing slash means nothing (H10). Never fails: what is no SCIM path has no `path`."""
    segments = tuple(unquote(segment, errors="replace") for segment in raw_path.strip("/").split("/"))
    if segments[0] == "scim":
        return _below(None, segments[1:])
    if len(segments) > 1 and segments[1] == "scim":
        return _below(segments[0], segments[2:])
    return Target(segments[0], "v2", None)


def match(path: Sequence[str], endpoints: Mapping[str, object]) -> Match | None:
    """Find the row of a path; `endpoints` are those of the tenant's resource types in lower case.

    What the table says literally comes before what it says by pattern.
    """
    if len(path) > 2:
        return None
    lowered = tuple(part.lower() for part in path)
    if "{" in "".join(lowered):
        # No endpoint and no id has a brace, and the table's own patterns are not to be asked for by name.
        return None
    if (methods := _ROWS.get(lowered)) is not None:
        return Match(methods)
    head = lowered[0] if (lowered[0], ID) in _ROWS else TYPE
    if head == TYPE and lowered[0] not in endpoints:
        return None
    endpoint = lowered[0] if head == TYPE else ""
    if len(path) == 1:
        return Match(_ROWS[head,], endpoint)
    if (methods := _ROWS.get((head, lowered[1]))) is not None:
        return Match(methods, endpoint)
    return Match(_ROWS[head, ID], endpoint, path[1]) if _SEGMENT.fullmatch(path[1]) else None


def handler_of(found: Match, verb: str) -> Handler:
    """Choose by method; HEAD is GET without a body. Raises `ScimError` 405 with `Allow` (H12)."""
    handler = found.handlers.get("GET" if verb == "HEAD" else verb)
    if handler is None:
        allowed = [*found.handlers, *(["HEAD"] if "GET" in found.handlers else [])]
        raise ScimError(
            405, f"the method is not allowed here; allowed: {', '.join(allowed)}", headers={"Allow": ", ".join(allowed)}
        )
    return handler


def check_version(version: str) -> None:
    """Refuse every version of the protocol but 2 with 400 invalidVers (H10)."""
    if version not in ("v2", "v2.0"):
        raise ScimError(400, "this version of SCIM is not offered; v2 is", ScimType.INVALID_VERS)


def _below(tenant: str | None, segments: tuple[str, ...]) -> Target:
    if segments and _VERSION.fullmatch(segments[0]):
        return Target(tenant, segments[0].lower(), segments[1:])
    return Target(tenant, "v2", segments)


_ROWS: Mapping[tuple[str, ...], Mapping[str, Handler]] = {
    tuple(shape.lower().split("/")) if shape else (): methods for shape, methods in ROUTES
}
