"""What answers mean: rules of the settings first, then the usual meaning of the status. Native texts go nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

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
from backends.kit.http.json_bodies import BodyError, decode
from backends.kit.http.messages import Answer
from backends.kit.paths import Path
from backends.rest.call_settings import ErrorSettings


class Reply:
    """An answer with its body read on demand."""

    def __init__(self, answer: Answer, depth: int, *, write: bool) -> None:
        self.answer = answer
        self.unchanged = False
        self._depth = depth
        self._write = write
        self._document: Any = None
        self._fault: BodyError | None = None
        self._read = False

    @property
    def document(self) -> Any:
        """The body; raises `UnavailableError` if it cannot be read."""
        found = self.peek()
        if self._fault is not None:
            raise UnavailableError("the system's answer cannot be read", maybe_done=self._write) from self._fault
        return found

    def peek(self) -> Any:
        """Give the body, or None where it cannot be read."""
        if not self._read:
            self._read = True
            try:
                self._document = decode(self.answer.body, self.answer.charset, self._depth)
            except BodyError as error:
                self._fault = error
        return self._document


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to recognise an answer, parsed once."""

    settings: ErrorSettings
    at: Path | None
    field_at: Path | None

    @classmethod
    def of(cls, settings: ErrorSettings) -> Rule:
        at, field_at = settings.at, settings.field_at
        return cls(settings, None if at is None else Path.parse(at), None if field_at is None else Path.parse(field_at))

    def fits(self, reply: Reply) -> bool:
        """Tell whether all its conditions hold."""
        settings, answer = self.settings, reply.answer
        if settings.status and not any(_is(answer.status, pattern) for pattern in settings.status):
            return False
        for name, value in settings.header.items():
            found = answer.headers.get(name.lower())
            if found is None or (value is not None and found != value):
                return False
        if self.at is None:
            return True
        found = self.at.read(reply.peek())
        return isinstance(reply.peek(), dict) and found is None if settings.absent else self._found(found)

    def _found(self, found: Any) -> bool:
        settings = self.settings
        if settings.equals is not None and not any(_same(found, value) for value in settings.equals):
            return False
        if settings.contains is not None:
            return settings.contains.lower() in str(found).lower() if found is not None else False
        return settings.equals is not None or found not in (None, [], "", False)

    def field(self, reply: Reply) -> str | None:
        """Name the field it is about."""
        if self.field_at is None:
            return self.settings.field
        found = self.field_at.read(reply.peek())
        found = found[0] if isinstance(found, list) and found else found
        if not isinstance(found, str):
            return self.settings.field
        return self.settings.names.get(found, self.settings.field if self.settings.names else found)


@dataclass(frozen=True, slots=True)
class Meanings:
    """Rules in the order they are looked through, and the fields errors may name."""

    rules: tuple[Rule, ...] = ()
    fields: frozenset[str] = frozenset()

    def before(self, settings: Iterable[ErrorSettings]) -> Meanings:
        """Give meanings that look through further rules before these."""
        return Meanings((*(Rule.of(one) for one in settings), *self.rules), self.fields)

    def about(self, fields: Mapping[str, Any]) -> Meanings:
        """Give the same meanings for an entity with these fields."""
        return Meanings(self.rules, frozenset(fields))

    def judge(self, reply: Reply, *, write: bool) -> bool:
        """Tell whether the answer is a success; False where the credentials expired. Raises what it means otherwise.

        Marks the reply where it says that what was asked for had been done before.
        """
        rule = next((rule for rule in self.rules if rule.fits(reply)), None)
        if rule is None:
            _usual(reply.answer, write=write)
            return True
        match rule.settings.means:
            case "expired":
                return False
            case "unchanged":
                reply.unchanged = True
            case "ok":
                pass
            case _:
                raise self._error(rule, reply)
        return True

    def _error(self, rule: Rule, reply: Reply) -> BackendError:
        field = rule.field(reply)
        field = field if field in self.fields else None
        match rule.settings.means:
            case "not_found":
                return NotFoundError("there is no such record")
            case "conflict":
                return ConflictError(field=field)
            case "stale":
                return StaleError("the record has changed")
            case "rejected":
                return RejectedError(field=field)
            case "denied":
                return DeniedError("the system does not allow it")
            case "unsupported":
                return UnsupportedError("the system does not offer it")
        return UnavailableError(retry_after=reply.answer.retry_after, maybe_done=rule.settings.maybe_done)


def _usual(answer: Answer, *, write: bool) -> None:
    """Raise what a status means where no rule says otherwise."""
    status = answer.status
    if status < 300:
        return
    if status < 400:
        raise UnavailableError("the system answered with a redirect, which is never followed", maybe_done=write)
    match status:
        case 400 | 413 | 414 | 422:
            raise RejectedError("the system refuses a value")
        case 403:
            raise DeniedError("the system does not allow it")
        case 404 | 410:
            raise NotFoundError("there is no such record")
        case 405 | 501:
            raise UnsupportedError("the system does not offer it")
        case 409:
            raise ConflictError
        case 412 | 428:
            raise StaleError("the record has changed")
        case 429 | 503:
            raise UnavailableError("the system is busy", retry_after=answer.retry_after)
        case 401 | 407 | 425:
            raise UnavailableError("the system does not take the gateway's calls")
    if status >= 500 or status == 408:
        # Nobody knows how far it got: a write is settled by reading back.
        raise UnavailableError("the system failed", retry_after=answer.retry_after, maybe_done=write)
    raise BackendError


def _is(status: int, pattern: str) -> bool:
    return str(status) == pattern or (pattern.endswith("xx") and pattern[0] == str(status)[0])


def _same(found: Any, value: Any) -> bool:
    """Compare as the settings write it: ``1`` is also the text "1"."""
    if isinstance(found, bool) or isinstance(value, bool) or found is None or value is None:
        return found is value or (isinstance(value, bool) and found == ("true" if value else "false"))
    return found == value or str(found) == str(value)
