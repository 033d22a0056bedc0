"""Maps written into a text: one entry is found, put or dropped, and every other character stays as it is.

A text is never written anew from what was understood of it: that would lose the order of keys, the digits of numbers
and what a newer version of the application put there. What is not understood raises `ValueError`, and is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol

Path = Sequence[str]


class _Mark:
    """Something a value can be that is no value."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


ABSENT: Final = _Mark("ABSENT")
"""There is no such entry."""
OTHER: Final = _Mark("OTHER")
"""There is one, but it is neither a text, a number, a truth value nor a list of those."""


class Format(Protocol):
    """A way to write maps. `path` leads through nested maps; all raise ValueError for a text that is not understood."""

    @property
    def empty(self) -> str:
        """The map without entries."""

    def find(self, text: str, path: Path) -> Any:
        """Give the value of an entry, `ABSENT` or `OTHER`; lists are Python's."""

    def put(self, text: str, path: Path, value: Any) -> str:
        """Give the text with this value in the place of the entry's, or with the entry as the last of its map."""

    def drop(self, text: str, path: Path) -> str:
        """Give the text without the entry, which must be there."""


def broken(reason: str = "what is stored there is not understood") -> NoReturn:
    """Raise ValueError for content that must be left alone; the reason quotes nothing of it."""
    raise ValueError(reason)


@dataclass(frozen=True, slots=True)
class _Item:
    """One entry of an object: where it begins and ends, and where its value does."""

    key: str
    start: int
    value: int
    end: int


class Json:
    """JSON objects."""

    empty = "{}"

    def __init__(self) -> None:
        self._decoder = json.JSONDecoder(parse_constant=lambda name: broken())

    def find(self, text: str, path: Path) -> Any:
        item, rest, _, _ = self._walk(text, path)
        if item is None or rest:
            return ABSENT
        value = self._decoded(text, item.value)[0]
        plain = isinstance(value, list) and all(one is None or isinstance(one, str | int | float) for one in value)
        return OTHER if isinstance(value, dict) or (isinstance(value, list) and not plain) else value

    def put(self, text: str, path: Path, value: Any) -> str:
        item, rest, items, end = self._walk(text, path)
        if item is not None and not rest:
            return text[: item.value] + json.dumps(value) + text[item.end :]
        for name in reversed(rest[1:]):
            value = {name: value}
        added = f"{json.dumps(rest[0])}:{json.dumps(value)}"
        at = items[-1].end if items else end - 1
        return text[:at] + ("," if items else "") + added + text[at:]

    def drop(self, text: str, path: Path) -> str:
        item, _, items, _ = self._walk(text, path)
        assert item is not None
        index = items.index(item)
        if index:
            return text[: items[index - 1].end] + text[item.end :]
        return text[: item.start] + text[items[1].start if len(items) > 1 else item.end :]

    def _walk(self, text: str, path: Path) -> tuple[_Item | None, Path, list[_Item], int]:
        """Follow a path as far as it goes: the last entry found, what is left of the path, and the map it ends in."""
        start = self._blank(text, 0)
        items, end = self._object(text, start)
        if self._blank(text, end) != len(text):
            broken()
        for index, name in enumerate(path):
            found = [item for item in items if item.key == name]
            if len(found) > 1:
                broken("what is stored there names the entry twice")
            if not found:
                return None, path[index:], items, end
            if index + 1 == len(path):
                return found[0], (), items, end
            items, end = self._object(text, found[0].value)
        raise AssertionError("a path has a name")

    def _object(self, text: str, start: int) -> tuple[list[_Item], int]:
        if text[start : start + 1] != "{":
            broken()
        items = list[_Item]()
        at = self._blank(text, start + 1)
        while text[at : at + 1] != "}":
            if items:
                at = self._blank(text, self._expect(text, at, ","))
            begin = at
            key, at = self._decoded(text, at)
            if not isinstance(key, str):
                broken()
            value = self._blank(text, self._expect(text, self._blank(text, at), ":"))
            end = self._decoded(text, value)[1]
            items.append(_Item(key, begin, value, end))
            at = self._blank(text, end)
        return items, at + 1

    def _decoded(self, text: str, at: int) -> tuple[Any, int]:
        try:
            return self._decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            broken()  # the parser's own words could quote what is stored

    def _expect(self, text: str, at: int, mark: str) -> int:
        if text[at : at + 1] != mark:
            broken()
        return at + 1

    def _blank(self, text: str, at: int) -> int:
        while text[at : at + 1] in (" ", "\t", "\n", "\r"):
            at += 1
        return at


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs side by side, `phone=12;room=4b`: texts only, and not nested."""

    between: str
    equals: str
    empty: str = ""

    def find(self, text: str, path: Path) -> Any:
        parts = text.split(self.between)
        return self._value(parts[index]) if (index := self._index(parts, path)) is not None else ABSENT

    def put(self, text: str, path: Path, value: Any) -> str:
        if not isinstance(value, str) or value != value.strip() or self.between in value or "\n" in value:
            raise ValueError("a value among pairs is a text without blanks around it, nor what separates pairs")
        parts = text.split(self.between) if text else []
        index = self._index(parts, path)
        if index is not None:
            head, _, old = parts[index].partition(self.equals)
            before, after = old[: len(old) - len(old.lstrip())], old[len(old.rstrip()) :] if old.strip() else ""
            parts[index] = f"{head}{self.equals}{before}{value}{after}"
        elif parts and not parts[-1].strip():  # each pair ends in a separator
            parts.insert(len(parts) - 1, f"{path[0]}{self.equals}{value}")
        else:
            parts.append(f"{path[0]}{self.equals}{value}")
        return self.between.join(parts)

    def drop(self, text: str, path: Path) -> str:
        parts = text.split(self.between)
        index = self._index(parts, path)
        assert index is not None
        return self.between.join(parts[:index] + parts[index + 1 :])

    def _index(self, parts: Sequence[str], path: Path) -> int | None:
        if any(part.strip() and self.equals not in part for part in parts):
            broken()
        found = [index for index, part in enumerate(parts) if part.partition(self.equals)[0].strip() == path[0]]
        if len(found) > 1:
            broken("what is stored there names the entry twice")
        return found[0] if found else None

    def _value(self, part: str) -> str:
        return part.partition(self.equals)[2].strip()
