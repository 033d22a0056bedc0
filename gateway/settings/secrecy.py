"""Secrets must come by reference: a value written where a secret belongs is refused (DESIGN §6, X16)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretBytes, SecretStr

from gateway.settings.expansion import Expanded
from gateway.settings.problems import Problem, Trail

REASON = "a secret must not be written here; refer to it by ${env:NAME} or ${file:/path}"


def literals(model: BaseModel, expanded: Expanded, at: Trail = ()) -> list[Problem]:
    """Find every secret below `at`, validated as `model`, whose text stands in the files themselves.

    A URL is a secret only for the password in it: one without may be written out.
    """
    return [
        expanded.document.problem(trail, REASON)
        for trail, secret in secrets(model, at)
        if trail not in expanded.referenced and not _is_plain(secret)
    ]


def secrets(value: Any, trail: Trail = ()) -> Iterator[tuple[Trail, str]]:
    """Walk over validated settings and yield the trail and the text of every secret."""
    match value:
        case SecretStr():
            yield trail, value.get_secret_value()
        case SecretBytes():
            yield trail, value.get_secret_value().decode("utf-8", "replace")
        case BaseModel():
            for name, field in type(value).model_fields.items():
                yield from secrets(getattr(value, name), (*trail, field.alias or name))
        case Mapping():
            for key, inner in value.items():
                yield from secrets(inner, (*trail, key))
        case list() | tuple() | set() | frozenset():
            for position, inner in enumerate(value):
                yield from secrets(inner, (*trail, position))
        case _:
            return


def _is_plain(secret: str) -> bool:
    """Tell whether a text is a URL without a password, or nothing a stranger could use."""
    if secret in ("", "memory"):
        return True
    try:
        url = urlsplit(secret)
        return bool(url.scheme) and "://" in secret and url.password is None and "@" not in url.path
    except ValueError:
        return False


def masked(text: str, known: Iterable[str]) -> str:
    """Put ``***`` in the place of every known secret, and of the password in a URL that is one."""
    for secret in sorted({part for one in known for part in _parts(one)}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _parts(secret: str) -> Iterator[str]:
    if _is_plain(secret):
        return
    yield secret
    try:
        password = urlsplit(secret).password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)
