"""What a request may cost before it is refused (X4)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """Bounds of a JSON body: levels of nesting, members of one object, elements of one array, characters of one string,
    digits of one number. Numbers that 64 bits cannot hold are refused without a setting."""

    depth: int = 32
    members: int = 1_000
    elements: int = 100_000
    characters: int = 262_144
    digits: int = 64


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Bounds of one request.

    `body_bytes` holds for everything but bulk, which has the tenant's own; `target_bytes` is the request target,
    `header_bytes` one header field, `headers` their number, `idle_seconds` how long a connection may stay without a
    complete request: those four hold from the start of the process.
    `inflation` is how many times larger than sent a compressed body may become (within `body_bytes`); 0 refuses
    compressed bodies. `request_seconds` is the deadline of one request, `body_seconds` the time its body may take to
    arrive.
    """

    body_bytes: int = 1_048_576
    target_bytes: int = 16_384
    header_bytes: int = 16_384
    headers: int = 100
    idle_seconds: float = 75.0
    inflation: int = 0
    request_seconds: float = 30.0
    body_seconds: float = 30.0
    json: JsonLimits = field(default_factory=JsonLimits)
