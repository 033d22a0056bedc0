"""Settings of the audit trail -> the trail; one for the life of the process, so that a reload loses no line."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from gateway.identity import utc_now
from gateway.settings import Configuration, SettingsError
from gateway.settings.audit import AuditSettings
from gateway.telemetry.audit import AuditTrail, FileSink, Sink, StreamSink, SyslogSink


def open_trail(configuration: Configuration, failed: Callable[[OSError], None]) -> AuditTrail | None:
    """Open the trail the settings name, None if they name none; `failed` is told of lines that could not be written.

    Raises `SettingsError` where it cannot be written to: changes nobody can account for are not begun.
    """
    settings = configuration.settings
    section = settings.audit
    if section is None:
        return None
    try:
        sink = _sink(section)
    except OSError as error:
        where = "path" if section.to == "file" else "address"
        reason = f"cannot be written to: {error.strerror or error}"
        raise SettingsError([configuration.problem(("audit", where), reason)]) from None
    return AuditTrail(sink, key=_key(section, settings.store.id_key.get_secret_value()), now=utc_now, failed=failed)


def _sink(section: AuditSettings) -> Sink:
    if section.path is not None:
        return FileSink(section.path)
    return StreamSink() if section.to == "stdout" else SyslogSink(section.daemon)


def _key(section: AuditSettings, id_key: str) -> bytes:
    """Give the key of the hashes; one derived from the ids' key is the same in all replicas and tells nothing of it."""
    if section.key is not None:
        return section.key.get_secret_value().encode("utf-8")
    return hmac.digest(id_key.encode("utf-8"), b"audit", hashlib.sha256)
