"""Calls compiled from their settings: values in, a request out. What explains a call is the code that makes it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from backends.contract import BackendError, NotFoundError, RejectedError
from backends.kit import templates
from backends.kit.http.json_bodies import BodyError, encode
from backends.kit.http.messages import Request
from backends.kit.http.urls import UnfitError, header, query, segment
from backends.kit.templates import UNSET, Shape, Text, plain
from backends.rest.answers import Meanings
from backends.rest.call_settings import CallSettings

Values = Mapping[str, Any]
"""What placeholders stand for, written the native way."""
BODIES = frozenset({"POST", "PUT", "PATCH"})


class UnfitValueError(RejectedError):
    """A value that cannot travel where the call puts it; `field` is its placeholder."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call, parsed once."""

    method: str
    path: Text
    query: tuple[tuple[str, tuple[Text, ...]], ...]
    headers: tuple[tuple[str, Text], ...]
    body: Shape
    form: tuple[tuple[str, Text], ...] | None
    name: str | None
    write: bool
    meanings: Meanings
    envelope: Shape

    @classmethod
    def of(cls, settings: CallSettings, meanings: Meanings, envelope: Shape, *, write: bool) -> Call:
        """Compile a call; `write` is what it is used for."""
        method: str = settings.method
        if envelope is not None and "method" not in settings.model_fields_set:
            method = "POST"
        return cls(
            method,
            Text.parse(settings.path),
            _texts(settings.query),
            tuple((name.lower(), Text.parse(text)) for name, text in settings.headers.items()),
            templates.shape(settings.json_body),
            None if settings.form is None else tuple((name, Text.parse(text)) for name, text in settings.form.items()),
            settings.name,
            write if settings.write is None else settings.write,
            meanings.before(settings.errors),
            envelope,
        )

    @property
    def names(self) -> frozenset[str]:
        """Name all placeholders."""
        texts = [self.path, *(text for _, many in self.query for text in many), *(text for _, text in self.headers)]
        texts += [text for _, text in self.form or ()]
        return frozenset(name for text in texts for name in text.names) | frozenset(templates.names(self.body))

    @property
    def whole_body(self) -> bool:
        """Whether the body is the record as it is."""
        return (self.body is None and not self.form) and (self.form is not None or self.method in BODIES)

    def request(self, values: Values, body: Values | None = None) -> Request:
        """Fill in the values; `body` are those of the body, if others.

        Raises `NotFoundError` for a key that can be no key, `UnfitValueError` for any other value that cannot travel.
        """
        headers = {name: _header(name, text, values) for name, text in self.headers}
        try:
            sent, kind = self._encoded(values if body is None else body)
        except (BodyError, UnfitError) as error:
            raise RejectedError("a value cannot be sent") from error
        return Request(
            self.method,
            self._path(values),
            self._query(values),
            {
                "accept": "application/json",
                **kind,
                **{name: text for name, text in headers.items() if text is not None},
            },
            sent,
            self.write,
        )

    def shown(self, values: Values, body: Values | None = None, extra: Iterable[str] = ()) -> str:
        """Show the call with the marks among the values left as they are."""
        path = self.path.fill(values, segment)
        pairs = "&".join(f"{name}={value}" for name, value in self._pairs(self.query, values))
        lines = [f"{self.method} {path if path is not UNSET else self.path.source}{'?' if pairs else ''}{pairs}"]
        filled = ((name, text.fill(values)) for name, text in self.headers)
        lines += [f"{name}: {text}" for name, text in filled if text is not UNSET]
        lines += extra
        document = self._document(values if body is None else body)
        if document is not UNSET:
            if self.form is not None:
                pairs = "&".join(f"{name}={value}" for name, value in document)
                lines += ["content-type: application/x-www-form-urlencoded", "", pairs]
            else:
                lines += ["content-type: application/json", "", json.dumps(document, ensure_ascii=False, default=str)]
        return "\n".join(lines)

    def _path(self, values: Values) -> str:
        parts = []
        for part in self.path.parts:
            if isinstance(part, str):
                parts.append(part)
                continue
            value = values.get(part.name)
            if value is None:
                raise BackendError(f"the call needs a value for {part.name}")
            try:
                parts.append(segment(plain(value)))
            except UnfitError as error:
                if part.name == "key":
                    raise NotFoundError from error
                raise UnfitValueError("the value cannot be part of a URL", part.name) from error
        return "".join(parts)

    def _query(self, values: Values) -> str:
        try:
            return query(self._pairs(self.query, values))
        except UnfitError as error:
            raise UnfitValueError("the value cannot be part of a URL") from error

    def _encoded(self, values: Values) -> tuple[bytes | None, dict[str, str]]:
        document = self._document(values)
        if document is UNSET:
            return None, {}
        if self.form is not None:
            return query(document).encode(), {"content-type": "application/x-www-form-urlencoded"}
        return encode(document), {"content-type": "application/json"}

    def _document(self, values: Values) -> Any:
        if self.form is not None:
            if self.form:
                return self._pairs(tuple((name, (text,)) for name, text in self.form), values)
            record = values.get("@record", {})
            return [(name, plain(one)) for name, value in record.items() for one in _many(value)]
        document = UNSET
        if self.body is not None:
            document = templates.fill(self.body, values)
        elif self.method in BODIES:
            document = values.get("@record", UNSET)
        if self.envelope is not None:
            outer = {**values, "@body": document, "@name": UNSET if self.name is None else self.name}
            document = templates.fill(self.envelope, outer)
        return document

    def _pairs(self, texts: Iterable[tuple[str, tuple[Text, ...]]], values: Values) -> list[tuple[str, str]]:
        pairs = []
        for name, many in texts:
            for text in many:
                alone = text.alone
                found = values.get(alone) if alone is not None else None
                if isinstance(found, list | tuple):
                    pairs += [(name, plain(one)) for one in found]
                    continue
                filled = text.fill(values)
                if isinstance(filled, str):
                    pairs.append((name, filled))
        return pairs


def _texts(settings: Mapping[str, str | tuple[str, ...]]) -> tuple[tuple[str, tuple[Text, ...]], ...]:
    return tuple(
        (name, tuple(Text.parse(text) for text in ((texts,) if isinstance(texts, str) else texts)))
        for name, texts in settings.items()
    )


def _header(name: str, text: Text, values: Values) -> str | None:
    filled = text.fill(values)
    if not isinstance(filled, str):
        return None
    try:
        return header(filled)
    except UnfitError as error:
        field = next(text.names, None)
        raise UnfitValueError("the value cannot be part of a header", field) from error


def _many(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    return [] if value is None else [value]
