"""What answers mean: faults, and errors inside normal answers, by the rules of the settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from backends.contract import (
    BackendError,
    ConflictError,
    DeniedError,
    NotFoundError,
    RejectedError,
    StaleError,
    UnavailableError,
    UnsupportedError,
)
from backends.kit.paths import Path, listed
from backends.soap.call_settings import ErrorSettings
from backends.soap.documents import ENVELOPES, read

CREDENTIALS = frozenset(
    {
        "FailedAuthentication",
        "FailedCheck",
        "InvalidSecurity",
        "InvalidSecurityToken",
        "SecurityTokenUnavailable",
        "UnsupportedSecurityToken",
        "MessageExpired",
    }
)
"""The fault codes of WS-Security (SOAP Message Security 1.1, section 12): the gateway's own credentials are refused."""


class FaultError(Exception):
    """A fault nobody has a rule for; its text stays in the log."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: its codes (code, subcodes, names of what the detail holds) and all of it as a document."""

    codes: frozenset[str]
    document: Any = field(repr=False)


def fault_of(element: etree._Element, depth: int) -> Fault:
    """Read a Fault element of SOAP 1.1 or 1.2; namespaces of codes play no part, servers are careless with them.

    Raises `DocumentError` for one that is nested too deep.
    """
    native = read(element, depth)
    native = native if isinstance(native, dict) else {}
    if etree.QName(element).namespace == ENVELOPES[1]:
        code = native.get("Code")
        subcodes = []
        while isinstance(code, dict):
            subcodes.append(_local(code.get("Value")))
            code = code.get("Subcode")
        reason = native.get("Reason")
        text = Path.parse("Text[0]").read(reason)
        detail = native.get("Detail")
    else:
        subcodes = [_local(native.get("faultcode"))]
        text, detail = native.get("faultstring"), native.get("detail")
    if isinstance(text, dict):
        text = text.get("#")
    inside = {name for name in detail if not name.startswith("@")} if isinstance(detail, dict) else set()
    dotted = {part for code in subcodes for part in (code, *code.split("."))}
    document = {"code": subcodes[0] if subcodes else "", "subcodes": subcodes[1:], "text": text, "detail": detail}
    return Fault(frozenset(dotted | inside), document)


def _local(code: Any) -> str:
    if isinstance(code, dict):
        code = code.get("#")
    return str(code or "").strip().rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to recognise an error, compiled."""

    settings: ErrorSettings
    at: Path | None
    field_at: Path | None

    @classmethod
    def of(cls, settings: ErrorSettings) -> Rule:
        return cls(
            settings,
            None if settings.at is None else Path.parse(settings.at),
            None if settings.field_at is None else Path.parse(settings.field_at),
        )

    def holds(self, fault: Fault | None, document: Any) -> bool:
        """Tell whether an answer is what the rule speaks of."""
        wanted = self.settings.fault
        if (wanted is None) != (fault is None):
            return False
        if fault is not None and wanted is not None and "*" not in wanted and not fault.codes & set(wanted):
            return False
        return self.at is None or self._met(self.at.read(document))

    def _met(self, found: Any) -> bool:
        texts = [_text(one) for one in listed(found) if not isinstance(one, dict) or "#" in one]
        if self.settings.equals is not None:
            return any(text == _text(one) for text in texts for one in self.settings.equals)
        if self.settings.differs is not None:
            return bool(texts) and not any(text == _text(one) for text in texts for one in self.settings.differs)
        if self.settings.contains is not None:
            return any(self.settings.contains.casefold() in text.casefold() for text in texts)
        return any(texts) or any(isinstance(one, dict) for one in listed(found))

    def about(self, document: Any) -> str | None:
        """Name the field the error is about, if it tells."""
        if self.field_at is not None and (found := _text(self.field_at.read(document))):
            return self.settings.names.get(found, found)
        return self.settings.field


def _text(found: Any) -> str:
    if isinstance(found, dict):
        found = found.get("#")
    if isinstance(found, list):
        found = found[0] if found else None
    if isinstance(found, bool):
        return "true" if found else "false"
    return "" if found is None or isinstance(found, dict) else str(found).strip()


def find(rules: Iterable[Rule], fault: Fault | None, document: Any) -> Rule | None:
    """Find the first rule that holds."""
    return next((rule for rule in rules if rule.holds(fault, document)), None)


def error_of(rule: Rule, document: Any, *, write: bool, fields: Sequence[str] | None = None) -> BackendError:
    """Make the contract's error for what a rule means."""
    about = rule.about(document)
    if fields is not None and about not in fields:
        about = None
    match rule.settings.means:
        case "not_found":
            return NotFoundError("there is no such record")
        case "conflict":
            return ConflictError(field=about)
        case "stale":
            return StaleError("the record has changed")
        case "rejected":
            return RejectedError(field=about)
        case "denied":
            return DeniedError("the system forbids this")
        case "unsupported":
            return UnsupportedError("the system does not offer this")
        case "expired":
            return UnavailableError("the system refuses the gateway's credentials")
    return UnavailableError("the system reports that it is unavailable", maybe_done=write and rule.settings.maybe_done)


def unforeseen(fault: Fault) -> BackendError:
    """Make the error for a fault without a rule."""
    if fault.codes & CREDENTIALS:
        return UnavailableError("the system refuses the gateway's credentials")
    return BackendError("the system reports a fault")
