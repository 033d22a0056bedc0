"""What may be written: fields by an allow-list that marks each, texts without what could be a secret or a person
(X11)."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
from enum import Enum, auto
from types import TracebackType
from typing import Any

HIDDEN = "[secret]"
UNLISTED = "[unlisted]"
_MOST = 400
"""Characters of one text; more of a driver's message helps nobody."""


class Mark(Enum):
    """How a field is written."""

    PLAIN = auto()
    """As it is: from the configuration, a closed set, or a number."""
    TEXT = auto()
    """Words of an error, without what stands in quotes or looks like a value."""
    FILTER = auto()
    """A SCIM filter: its shape without its values."""
    SECRET = auto()
    """Never."""


FIELDS: dict[str, Mark] = {
    **dict.fromkeys(
        (
            "event", "level", "timestamp", "logger", "request_id", "trace_id", "tenant", "caller", "method", "address",
            "verb", "operation", "resource_type", "status", "seconds", "sent", "native_calls", "native_seconds", "rows",
            "slow", "breakdown", "backend", "entity", "error", "chain", "frames", "code", "client", "quirk", "version",
            "listen", "public_url", "tenants", "backends", "reason", "outcome", "count", "signal", "worker", "config",
            "file", "line", "listener", "issuer", "kind", "threshold", "window", "pid", "store", "state",
        ),
        Mark.PLAIN,
    ),
    "message": Mark.TEXT,
    "detail": Mark.TEXT,
    "filter": Mark.FILTER,
    **dict.fromkeys(
        ("authorization", "proxy_authorization", "cookie", "set_cookie", "password", "token", "secret", "id_key",
         "client_secret", "client_assertion", "url", "dsn", "body", "query"),
        Mark.SECRET,
    ),
}  # fmt: skip
"""The fields of log lines; what is not named here is not written."""

_TRUSTED = ("gateway.", "backends.")
"""Where the authors of exceptions promise texts fit for strangers."""
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|=\([^)]*\)""")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_NAMED = re.compile(
    r"(?i)\b((?:password|passwd|pwd|secret|token|key|authorization)\w*\s*[=:]\s*(?:bearer|basic)?|bearer|basic)\s*\S+"
)
_STATEMENT = re.compile(r"\[(SQL|parameters|generated)\b.*", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]{1,24}(?:['’-][A-Za-z]{1,12})?|[0-9]{1,5}")
_TOKEN = re.compile(r"[^\s,;:()\[\]]+")


def scrub(text: str) -> str:
    """Leave the words of a text: what is quoted, and whatever is no plain word or short number, becomes a ``?``."""
    text = _QUOTED.sub("?", _STATEMENT.sub("", text[: _MOST * 4]))
    text = _NAMED.sub(r"\1 ?", _URL.sub("?", text))
    return _TOKEN.sub(_word_or_mark, text)[:_MOST]


def shape(filter: str) -> str:
    """Give a filter without its values (``userName eq "?"``)."""
    return re.sub(r'"(?:[^"\\]|\\.)*"?|\b[0-9][0-9.eE+-]*\b', '"?"', filter)[:_MOST]


class Redaction:
    """A structlog processor: writes fields as they are marked, exceptions without their drivers' texts."""

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        error = event.pop("exc_info", None)
        for name, value in list(event.items()):
            # Most fields are plain and spelt as they are listed: those cost one look.
            if FIELDS.get(name) is not Mark.PLAIN:
                event[name] = _written(name, value)
        if isinstance(error, BaseException):
            event["error"] = _name(error)
            event["chain"] = [_line(one) for one in _causes(error)]
            event["frames"] = list(_frames(error.__traceback__))
        return event


def _written(name: str, value: Any) -> Any:
    match FIELDS.get(name.lower().replace("-", "_")):
        case Mark.PLAIN:
            return value
        case Mark.TEXT:
            return scrub(str(value))
        case Mark.FILTER:
            return shape(str(value))
        case Mark.SECRET:
            return HIDDEN
        case None:
            return UNLISTED


def _line(error: BaseException) -> str:
    """Write one exception: its class, codes of databases and systems, and what of its text may be written."""
    codes = [
        f"{name}={value}"
        for name in ("sqlstate", "errno", "code", "status")
        if isinstance(value := getattr(error, name, None), int | str) and re.fullmatch(r"\w{1,8}", str(value))
    ]
    own = type(error).__module__.startswith(_TRUSTED)
    text = str(error)[:_MOST] if own else scrub(str(error))
    return " ".join(part for part in (_name(error), *codes, text) if part)


def _name(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen and len(seen) < 8:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _frames(traceback: TracebackType | None) -> Iterator[str]:
    """Say where: never what the variables held."""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        yield f"{code.co_filename.rpartition('site-packages/')[2]}:{traceback.tb_lineno} {code.co_name}"
        traceback = traceback.tb_next


def _word_or_mark(found: re.Match[str]) -> str:
    token = found[0].strip(".!?")
    return found[0] if not token or _WORD.fullmatch(token) else "?"
