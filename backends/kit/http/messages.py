"""What is sent and what comes back; neither shows values when printed."""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([A-Za-z0-9_.:\-]+)"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Request:
    """One call: `path` and `query` are percent-encoded already; `path` is relative to the base URL, or empty for the
    base URL itself. `write`: it may change something, so a lost answer leaves it open whether it did."""

    method: str
    path: str = field(repr=False)
    query: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    write: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole; header names in lower case. `token` is the one it was asked with."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    token: str = field(default="", repr=False)

    @property
    def charset(self) -> str:
        """The charset named by Content-Type, or UTF-8."""
        found = _CHARSET.search(self.headers.get("content-type", ""))
        return "utf-8" if found is None else found[1]

    @property
    def retry_after(self) -> float | None:
        """The seconds Retry-After names, as a number or as a date; None without one that can be read."""
        text = self.headers.get("retry-after", "").strip()
        if re.fullmatch(r"\d{1,6}(\.\d{1,3})?", text):
            return float(text)
        try:
            moment = email.utils.parsedate_to_datetime(text)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
