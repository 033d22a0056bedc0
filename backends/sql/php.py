"""Maps as PHP's `serialize` writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backends.sql.maps import ABSENT, OTHER, Path, broken

DEEPEST = 100
"""How deep maps may be nested before a text is taken for broken."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A value of PHP: where it begins and ends, and what it is; of a map its entries, and where their number stands."""

    start: int
    end: int
    value: Any
    items: tuple[tuple[_Part, _Part], ...] | None = None
    count: tuple[int, int] = (0, 0)


class Php:
    """What PHP's `serialize` writes. Lengths in it count bytes, those of UTF-8."""

    empty = "a:0:{}"

    def find(self, text: str, path: Path) -> Any:
        found, rest, _ = self._walk(text.encode(), path)
        if rest:
            return ABSENT
        if found.items is None:
            return found.value
        if [key.value for key, _ in found.items] != list(range(len(found.items))):
            return OTHER
        values = [part.value for _, part in found.items]
        return OTHER if OTHER in values or any(part.items is not None for _, part in found.items) else values

    def put(self, text: str, path: Path, value: Any) -> str:
        data = text.encode()
        found, rest, parents = self._walk(data, path, writing=True)
        if not rest:
            return (data[: found.start] + _written(value) + data[found.end :]).decode()
        for name in reversed(rest[1:]):
            value = {name: value}
        parent = parents[-1]
        added = _key(rest[0]) + _written(value)
        return self._counted(data, parent, 1, data[parent.count[1] : parent.end - 1] + added).decode()

    def drop(self, text: str, path: Path) -> str:
        data = text.encode()
        found, _, parents = self._walk(data, path, writing=True)
        parent = parents[-1]
        key = next(key for key, value in parent.items or () if value is found)
        left = data[parent.count[1] : key.start] + data[found.end : parent.end - 1]
        return self._counted(data, parent, -1, left).decode()

    def _counted(self, data: bytes, parent: _Part, more: int, body: bytes) -> bytes:
        number = str(len(parent.items or ()) + more).encode()
        return data[: parent.count[0]] + number + body + data[parent.end - 1 :]

    def _walk(self, data: bytes, path: Path, *, writing: bool = False) -> tuple[_Part, Path, list[_Part]]:
        try:
            reader = _Reader(data)
        except ValueError:
            broken()  # the parser's own words could quote what is stored
        if writing and reader.referring:
            broken("what is stored there refers to itself")  # by the number of values before: none may come or go
        found = reader.whole
        parents = list[_Part]()
        for index, name in enumerate(path):
            if found.items is None:
                broken()
            parents.append(found)
            below = [value for key, value in found.items if str(key.value) == name]
            if not below:
                return found, path[index:], parents
            found = below[0]
        return found, (), parents


class _Reader:
    """Reads what PHP wrote, once, from its beginning to its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.referring = False
        self.whole = self._part(0, 0)
        if self.whole.end != len(data) or self.whole.items is None:
            broken()

    def _part(self, at: int, depth: int) -> _Part:
        if depth > DEEPEST:
            broken()
        kind = self._data[at : at + 2]
        match kind:
            case b"N;":
                return _Part(at, at + 2, None)
            case b"b:" | b"i:" | b"d:" | b"r:" | b"R:":
                end = self._until(at + 2, b";")
                return _Part(at, end + 1, self._scalar(kind, self._data[at + 2 : end]))
            case b"s:":
                value, end = self._text(at + 2)
                if self._data[end : end + 1] != b";":
                    broken()
                return _Part(at, end + 1, value)
            case b"a:":
                return self._map(at, at + 2, depth, open_=True)
            case b"O:":
                name, end = self._text(at + 2)
                if self._data[end : end + 1] != b":":
                    broken()
                return self._map(at, end + 1, depth, open_=name == "stdClass")
        broken()

    def _scalar(self, kind: bytes, digits: bytes) -> Any:
        match kind:
            case b"b:" if digits in (b"0", b"1"):
                return digits == b"1"
            case b"i:":
                return int(digits)
            case b"d:":
                return float(digits)
            case b"r:" | b"R:":
                self.referring = True
                return OTHER
        broken()

    def _text(self, at: int) -> tuple[str, int]:
        colon = self._until(at, b":")
        begin = colon + 2
        end = begin + self._number(at, colon)
        if self._data[colon + 1 : begin] != b'"' or self._data[end : end + 1] != b'"':
            broken()
        return self._data[begin:end].decode(), end + 1

    def _map(self, start: int, at: int, depth: int, *, open_: bool) -> _Part:
        """Read the entries of an array or object; those of a class of the application are its own business."""
        colon = self._until(at, b":")
        number = self._number(at, colon)
        if self._data[colon + 1 : colon + 2] != b"{":
            broken()
        items, end = list[tuple[_Part, _Part]](), colon + 2
        for _ in range(number):
            key = self._part(end, depth + 1)
            if type(key.value) not in (str, int):
                broken()
            value = self._part(key.end, depth + 1)
            items.append((key, value))
            end = value.end
        if self._data[end : end + 1] != b"}":
            broken()
        return _Part(start, end + 1, OTHER, tuple(items) if open_ else None, (at, colon))

    def _number(self, at: int, end: int) -> int:
        digits = self._data[at:end]
        if not digits.isdigit():
            broken()
        return int(digits)

    def _until(self, at: int, mark: bytes) -> int:
        found = self._data.find(mark, at)
        return found if found >= 0 else broken()


def _written(value: Any) -> bytes:
    match value:
        case bool():
            return b"b:%d;" % value
        case int():
            return b"i:%d;" % value
        case str():
            data = value.encode()
            return b's:%d:"%s";' % (len(data), data)
        case list():
            return b"a:%d:{%s}" % (len(value), b"".join(b"i:%d;" % i + _written(one) for i, one in enumerate(value)))
        case _:
            return b"a:%d:{%s}" % (len(value), b"".join(_key(key) + _written(one) for key, one in value.items()))


def _key(name: str) -> bytes:
    """Write a key as PHP does: one that spells a number is a number."""
    number = name.isdecimal() and name.isascii() and str(int(name)) == name
    return _written(int(name) if number else name)
