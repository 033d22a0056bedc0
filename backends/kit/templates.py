"""Templates of requests: texts with ``{placeholders}`` and nested bodies made of them, filled without any joining of
raw values into URLs, headers or JSON.

A leaf that is one placeholder becomes the value itself, with its type; text around it makes it text. What has no value
is left out, with the member it would have been. ``{{`` and ``}}`` are braces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_PART = re.compile(r"\{\{|\}\}|\{(@?[A-Za-z0-9_.\-]+)\}|[{}]")


class TemplateError(ValueError):
    """A text that is no template."""


class Unset:
    """No value: what a placeholder stands for that nobody filled."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset()


class Mark(str):
    """The name of a placeholder, shown in place of its value where a request is explained and not made."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A name to be filled."""

    name: str


@dataclass(frozen=True, slots=True)
class Text:
    """A text with placeholders, parsed once."""

    source: str
    parts: tuple[str | Placeholder, ...]

    @classmethod
    def parse(cls, source: str) -> Text:
        """Parse a text; raise `TemplateError` for a brace that opens or closes nothing."""
        parts: list[str | Placeholder] = []
        position = 0
        for found in _PART.finditer(source):
            parts.append(source[position : found.start()])
            position = found.end()
            if found[1] is not None:
                parts.append(Placeholder(found[1]))
            elif found[0] in ("{{", "}}"):
                parts.append(found[0][0])
            else:
                raise TemplateError(f"{source!r}: the brace at character {found.start() + 1} is not a placeholder's")
        parts.append(source[position:])
        return cls(source, tuple(part for part in parts if part != ""))

    @property
    def names(self) -> Iterator[str]:
        """Name the placeholders."""
        return (part.name for part in self.parts if isinstance(part, Placeholder))

    @property
    def alone(self) -> str | None:
        """The placeholder that is all there is, if so."""
        return self.parts[0].name if len(self.parts) == 1 and isinstance(self.parts[0], Placeholder) else None

    def fill(self, values: Mapping[str, Any], encode: Callable[[str], str] = str) -> str | Unset:
        """Fill in the values, each through `encode`; unset if one is missing or None."""
        filled = []
        for part in self.parts:
            if isinstance(part, str):
                filled.append(part)
                continue
            value = values.get(part.name, UNSET)
            if value is UNSET or value is None:
                return UNSET
            filled.append(value if isinstance(value, Mark) else encode(plain(value)))
        return "".join(filled)


Shape = Any
"""A nested body: mappings and lists of `Text` and of values that stay as they are."""


def shape(source: Any) -> Shape:
    """Parse every text in a nested body."""
    match source:
        case str():
            return Text.parse(source)
        case Mapping():
            return {str(name): shape(value) for name, value in source.items()}
        case list() | tuple():
            return [shape(value) for value in source]
    return source


def names(template: Shape) -> Iterator[str]:
    """Name the placeholders of a nested body."""
    match template:
        case Text():
            yield from template.names
        case dict():
            for value in template.values():
                yield from names(value)
        case list():
            for value in template:
                yield from names(value)


def fill(template: Shape, values: Mapping[str, Any]) -> Any:
    """Fill a nested body; what has no value is left out, and None stays None."""
    match template:
        case Text():
            name = template.alone
            return template.fill(values) if name is None else values.get(name, UNSET)
        case dict():
            filled = {name: fill(value, values) for name, value in template.items()}
            return {name: value for name, value in filled.items() if value is not UNSET}
        case list():
            return [value for value in (fill(one, values) for one in template) if value is not UNSET]
    return template


def plain(value: Any) -> str:
    """Write a scalar as text the way JSON would, without quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
