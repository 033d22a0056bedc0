"""How fields lie in a column that holds more than one value: what is read out of it, and what is written back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from backends.contract import Value
from backends.sql.maps import ABSENT, OTHER, Format, broken
from backends.sql.natives import text_of


class Layout(Protocol):
    """What one column's content means to one field."""

    @property
    def python(self) -> type[Any]:
        """The type of a value."""

    @property
    def many(self) -> bool:
        """Whether there are several."""

    def read(self, stored: Any) -> Any:
        """Take the field out of the driver's value; never fails: what is not understood is empty."""

    def write(self, stored: Any, value: Value) -> Any:
        """Give the driver's value with the field in it, or `stored` itself if it says that already.

        Raises ValueError with the reason for a value that has no place there, and for content that is not understood.
        """


@dataclass(frozen=True, slots=True)
class Separated:
    """Texts side by side, `ADM,FIN`: a set in the order in which they came."""

    separator: str
    nullable: bool
    python: type[Any] = str
    many: bool = True

    def read(self, stored: Any) -> tuple[str, ...]:
        parts = (part.strip() for part in str(stored or "").split(self.separator))
        return tuple(dict.fromkeys(part for part in parts if part))

    def write(self, stored: Any, value: Value) -> Any:
        wanted = _values(value)
        for one in wanted:
            if not isinstance(one, str) or not one.strip() or one != one.strip():
                raise ValueError("a packed value is a text without blanks around it")
            if self.separator in one:
                raise ValueError("a packed value cannot contain what separates it from others")
        there = self.read(stored)
        if set(there) == set(wanted):
            return stored
        return self.separator.join(_ordered(there, wanted)) or (None if self.nullable else "")


@dataclass(frozen=True, slots=True)
class Listed:
    """The elements of an array: a set in the order in which they came."""

    python: type[Any]
    nullable: bool
    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]
    many: bool = True

    def read(self, stored: Any) -> tuple[Any, ...]:
        plain = (one for one in stored or () if one is not None and not isinstance(one, list))
        return tuple(dict.fromkeys(self.load(one) for one in plain))

    def write(self, stored: Any, value: Value) -> Any:
        wanted = tuple(dict.fromkeys(self.dump(one) for one in _values(value)))
        if any(isinstance(one, list) for one in stored or ()):
            broken("what is stored there has lists within")
        there = tuple(dict.fromkeys(one for one in stored or () if one is not None))
        if set(there) == set(wanted):
            return stored
        return list(_ordered(there, wanted)) or (None if self.nullable else [])


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a map that is written into a text; the others are left as they are, letter for letter."""

    format: Format
    path: tuple[str, ...]
    python: type[Any]
    many: bool
    binary: bool = False  # the column holds bytes

    def read(self, stored: Any) -> Any:
        try:
            found = self.format.find(self._text(stored), self.path)
        except ValueError:
            found = ABSENT
        if self.many:
            return tuple(dict.fromkeys(one for one in found if one is not None)) if isinstance(found, list) else ()
        return None if found is ABSENT or found is OTHER or isinstance(found, list) else found

    def write(self, stored: Any, value: Value) -> Any:
        text = self._text(stored)
        found = self.format.find(text, self.path)
        if self.many:
            wanted: Any = self._list(found, [self._checked(one) for one in _values(value)])
        else:
            wanted = None if value is None else self._checked(value)
            if found not in (ABSENT, None) and not self._fits(found):
                broken("what is stored there is of another type")
            if found == wanted or (wanted is None and found is ABSENT):
                return stored
        if wanted is found:
            return stored
        changed = self.format.drop(text, self.path) if wanted is None else self.format.put(text, self.path, wanted)
        return changed.encode() if self.binary else changed

    def _list(self, found: Any, wanted: Sequence[Any]) -> Any:
        """Give the list as it is to be, `found` itself if it is that already."""
        there = [] if found is ABSENT or found is None else found
        if not isinstance(there, list) or not all(map(self._fits, there)):
            broken("what is stored there is of another type")
        return found if set(there) == set(wanted) else list(_ordered(there, wanted))

    def _text(self, stored: Any) -> str:
        match stored:
            case None:
                return self.format.empty
            case str():
                text = stored
            case bytes() | bytearray() | memoryview():
                try:
                    text = bytes(stored).decode()
                except UnicodeDecodeError:
                    broken()
            case dict():
                text = json.dumps(stored)
            case _:
                broken()
        return text if text.strip() else self.format.empty

    def _fits(self, value: Any) -> bool:
        return type(value) is self.python

    def _checked(self, value: Any) -> Any:
        if not self._fits(value):
            raise ValueError(f"not {_CALLED[self.python]}")
        return text_of(None)(value) if self.python is str else value


_CALLED = {str: "a text", int: "a whole number", bool: "a truth value"}


def _values(value: Value) -> tuple[Any, ...]:
    if value is None:
        return ()
    if not isinstance(value, tuple):
        raise ValueError("the field has many values")
    return value


def _ordered(there: Sequence[Any], wanted: Sequence[Any]) -> tuple[Any, ...]:
    """Leave what stays where it is, and let what is new follow."""
    return (*(one for one in there if one in wanted), *(one for one in dict.fromkeys(wanted) if one not in there))
