"""The audit stream: one JSON object a line for every attempt to change something (M10).

The document (``"schema": "scim-gateway/audit/1"``) is described in this room's README. Values are written by their
class: shown, as a keyed hash (the same value gives the same hash, nobody without the key gets it back), or as a mark.
``seq`` and ``prev`` are reserved for a hash chain and are null.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import logging.handlers
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TextIO

import orjson

SCHEMA = "scim-gateway/audit/1"
_LONGEST = 100
"""Elements of one list that are written; of longer ones the number is."""


class Alteration(Protocol):
    """One attribute of an attempt, as the engine describes it."""

    @property
    def path(self) -> str: ...
    @property
    def verb(self) -> str: ...
    @property
    def value(self) -> Any: ...
    @property
    def sensitivity(self) -> str: ...


class Attempt(Protocol):
    """One attempt, as the engine describes it."""

    @property
    def tenant(self) -> str: ...
    @property
    def caller(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def request_id(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def resource_type(self) -> str: ...
    @property
    def id(self) -> str | None: ...
    @property
    def outcome(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def alterations(self) -> tuple[Alteration, ...]: ...


class Sink(Protocol):
    """Where lines go."""

    def write(self, line: bytes) -> None:
        """Write one line, its end included."""

    def close(self) -> None:
        """Write out what is held back, and let go."""


class FileSink:
    """Appends to a file only its owner can read; opened anew when somebody has moved it away (logrotate)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = self._open()

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, line: bytes) -> None:
        """Append one line in one system call, so that the lines of several workers never mix."""
        try:
            moved = os.stat(self._path).st_ino != os.fstat(self._descriptor).st_ino
        except FileNotFoundError:
            moved = True
        if moved:
            os.close(self._descriptor)
            self._descriptor = self._open()
        os.write(self._descriptor, line)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class StreamSink:
    """Writes to a stream, the standard output if none is given."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def write(self, line: bytes) -> None:
        """Write one line and flush it."""
        self._stream.write(line.decode())
        self._stream.flush()

    def close(self) -> None:
        """Leave the stream to whoever opened it."""


class SyslogSink:
    """Sends to a syslog daemon: a socket's path (``/dev/log``), or a host and a port over UDP."""

    def __init__(self, address: str | tuple[str, int]) -> None:
        """Raises OSError where there is no such socket, or no such host."""
        if isinstance(address, str):
            # The handler itself would wait for the first line to find out.
            os.stat(address)
        self._handler = _Syslog(address, logging.handlers.SysLogHandler.LOG_AUTHPRIV)
        self._handler.ident = "scim-gateway: "

    def write(self, line: bytes) -> None:
        """Send one line; raise OSError where nobody takes it."""
        text = line.decode().rstrip("\n")
        self._handler.emit(logging.LogRecord("audit", logging.INFO, "", 0, text, None, None))

    def close(self) -> None:
        """Close the socket."""
        self._handler.close()


class _Syslog(logging.handlers.SysLogHandler):
    """Raises what logging would print and forget."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """Raise the error that is being handled."""
        error = sys.exception()
        raise error if isinstance(error, OSError) else OSError(f"the line was not sent: {type(error).__name__}")


class AuditTrail:
    """Writes attempts to a sink; `key` hashes values, `failed` is told when a line could not be written."""

    def __init__(
        self,
        sink: Sink,
        *,
        key: bytes,
        now: Callable[[], datetime],
        failed: Callable[[OSError], None],
    ) -> None:
        self._sink = sink
        self._key = key
        self._now = now
        self._failed = failed

    def record(self, attempt: Attempt) -> None:
        """Write one attempt down; a sink that fails is told to the operator, the change has happened all the same."""
        line = orjson.dumps(self.document(attempt), option=orjson.OPT_APPEND_NEWLINE)
        try:
            self._sink.write(line)
        except OSError as error:
            self._failed(error)

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()

    def document(self, attempt: Attempt) -> dict[str, Any]:
        """Make the JSON document of one attempt."""
        return {
            "schema": SCHEMA,
            "seq": None,
            "prev": None,
            "time": self._now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "tenant": attempt.tenant,
            "caller": attempt.caller,
            "address": attempt.address,
            "request_id": attempt.request_id,
            "operation": attempt.operation,
            "resource_type": attempt.resource_type,
            "id": attempt.id,
            "outcome": attempt.outcome,
            "status": attempt.status,
            "reason": attempt.reason,
            "changes": [self._change(attempt.tenant, one) for one in attempt.alterations],
        }

    def _change(self, tenant: str, alteration: Alteration) -> dict[str, Any]:
        change: dict[str, Any] = {"path": alteration.path, "verb": alteration.verb}
        value = alteration.value
        if value is None:
            return change
        match str(alteration.sensitivity):
            case "shown":
                change["value"] = _shown(value)
            case "hashed":
                change["hash"] = self._hash(tenant, alteration.path, value)
            case _:
                change["secret"] = True
        return change

    def _hash(self, tenant: str, path: str, value: Any) -> str:
        """Hash a value under tenant and path: equal values of two attributes or tenants are not told equal."""
        text = orjson.dumps([tenant, path, value], option=orjson.OPT_SORT_KEYS, default=str)
        return hmac.digest(self._key, text, hashlib.sha256).hex()[:32]


def _shown(value: Any) -> Any:
    """Show flags and numbers as they are, and of references the ids only."""
    if isinstance(value, list | tuple):
        if len(value) > _LONGEST:
            return {"count": len(value)}
        return [_shown(part) for part in value]
    if isinstance(value, Mapping):
        return value.get("value")
    return value if isinstance(value, str | int | float | bool) else str(value)
