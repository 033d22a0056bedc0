"""CEL, the language of expressions (the Common Expression Language): compiled once, without loops in loops, over short
texts and short lists. An extra: without it, mappings that use no expression work as ever.

What the library cannot be told to stop is not let begin: how long an expression is, how deep it loops, and how much it
is given or makes is bounded before and while it runs.
"""

from __future__ import annotations

import difflib
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from gateway.mapping.expressions import Expression, ExpressionError

EXPRESSION_CHARACTERS = 1_000
TEXT_CHARACTERS = 8_192
"""All texts an expression is given, and every text it makes."""
LIST_ELEMENTS = 64
"""The library's loops cost the square of what they go through."""
EXTRA = "expressions need CEL, which is not installed: pip install 'scim-gateway[cel]'"
_LOOPS = frozenset({"all", "exists", "exists_one", "filter", "map"})
_NATIVE = frozenset(
    {
        *_LOOPS,
        "has",
        "size",
        "contains",
        "startsWith",
        "endsWith",
        "matches",
        "int",
        "uint",
        "double",
        "string",
        "bytes",
    }
    | {"timestamp", "duration", "dyn", "type", "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek"}
    | {"getDayOfYear", "getHours", "getMinutes", "getSeconds", "getMilliseconds"}
)
"""What the language has of itself."""
_LITERAL = re.compile(
    r'''"""(?:[^\\]|\\.)*?"""|\'{3}(?:[^\\]|\\.)*?\'{3}|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'''', re.DOTALL
)
_LOOP_VARIABLE = re.compile(rf"\.\s*(?:{'|'.join(sorted(_LOOPS))})\s*\(\s*(\w+)\s*,")
_NAME = re.compile(r"[A-Za-z]\w*(?:\.\w+)*")
_WHOLE = 2**63


class Cel:
    """Compiles expressions. Nothing is imported before the first."""

    def __init__(self) -> None:
        self._failure = threading.local()

    def compile(self, text: str, variables: Mapping[str, Sequence[str]]) -> Expression:
        """Compile a text; see `Language`."""
        try:
            import cel
        except ModuleNotFoundError:
            raise ValueError(EXTRA) from None
        if len(text) > EXPRESSION_CHARACTERS:
            raise ValueError(f"is longer than {EXPRESSION_CHARACTERS} characters; a codec of one's own does more")
        try:
            program = cel.compile(text)
        except ValueError as error:
            raise ValueError(_syntax(str(error))) from None
        functions = {name: self._guarded(function) for name, function in FUNCTIONS.items()}
        bare = _LITERAL.sub("''", text)
        _check_names("variable", set(program.variables()) - set(_LOOP_VARIABLE.findall(bare)), variables)
        _check_names("function", filter(_NAME.fullmatch, program.functions()), {*_NATIVE, *functions})
        _check_members(text, bare, variables)
        _check_loops(bare)

        def run(**given: Any) -> Any:
            context = cel.Context(functions=functions)
            left = [TEXT_CHARACTERS]
            for name, value in given.items():
                context.add_variable(name, _entered(value, left))
            self._failure.reason = None
            try:
                found = program.execute(context)
            except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
                raise ExpressionError(self._failure.reason or _told(error)) from None
            if self._failure.reason is not None:
                raise ExpressionError(self._failure.reason)
            return _left(found)

        return run

    def _guarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function: the library writes what is raised in one to the standard error, values and all."""

        def call(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except ExpressionError as error:
                self._failure.reason = error.reason
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
                self._failure.reason = "gives a function what it does not take"
            return None

        return call


def _short(text: str) -> str:
    if len(text) > TEXT_CHARACTERS:
        raise ExpressionError(f"makes a text of more than {TEXT_CHARACTERS} characters")
    return text


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _place(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError
    return value


def _join(parts: Any, separator: Any = "") -> str:
    texts = [_text(part) for part in parts]
    _measure(sum(map(len, texts)) + len(_text(separator)) * len(texts))
    return str(separator).join(texts)


def _replace(text: Any, old: Any, new: Any) -> str:
    times = _text(text).count(_text(old))
    _measure(len(text) + times * len(_text(new)))
    return str(text.replace(old, new))


def _split(text: Any, separator: Any) -> list[str]:
    if not _text(separator):
        raise ValueError
    parts = _text(text).split(separator, LIST_ELEMENTS)
    if len(parts) > LIST_ELEMENTS:
        raise ExpressionError(f"splits a text into more than {LIST_ELEMENTS} parts")
    return parts


def _substring(text: Any, begin: Any, end: Any = None) -> str:
    stop = len(_text(text)) if end is None else _place(end)
    if not _place(begin) <= stop <= len(text):
        raise ValueError
    return str(text[begin:stop])


def _char_at(text: Any, place: Any) -> str:
    return _text(text)[_place(place) : place + 1]


def _ascii(change: Callable[[str], str]) -> Callable[[Any], str]:
    return lambda text: "".join(change(sign) if sign.isascii() else sign for sign in _text(text))


def _measure(characters: int) -> None:
    if characters > TEXT_CHARACTERS:
        raise ExpressionError(f"makes a text of more than {TEXT_CHARACTERS} characters")


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "charAt": _char_at,
    "indexOf": lambda text, part: _text(text).find(_text(part)),
    "join": _join,
    "lastIndexOf": lambda text, part: _text(text).rfind(_text(part)),
    "lower": lambda text: _short(_text(text).lower()),
    "lowerAscii": _ascii(str.lower),
    "replace": _replace,
    "reverse": lambda text: _text(text)[::-1],
    "split": _split,
    "substring": _substring,
    "trim": lambda text: _text(text).strip(),
    "upper": lambda text: _short(_text(text).upper()),
    "upperAscii": _ascii(str.upper),
}
"""CEL's functions on texts, which the library leaves to us; `lower` and `upper` are ours, for names beyond ASCII."""


def _check_names(what: str, named: Iterable[str], known: Iterable[str]) -> None:
    for name in sorted(set(named) - set(known)):
        near = difflib.get_close_matches(name, list(known), 1, 0.6)
        if near:
            hint = f"; did you mean {near[0]}?"
        else:
            hint = f"; there are {', '.join(sorted(known))}" if what == "variable" else ""
        raise ValueError(f"there is no {what} {name!r}{hint}")


def _check_members(text: str, bare: str, variables: Mapping[str, Sequence[str]]) -> None:
    """Hold the members an expression names against those there are; what is worked out is found when it runs."""
    for variable, members in variables.items():
        if not members:
            continue
        by_dot = re.findall(rf"(?<![\w.]){variable}\.(\w+)(?!\w|\s*\()", bare)
        by_bracket = re.findall(rf"""(?<![\w.]){variable}\[(['"])([^'"\\]*)\1\]""", text)
        for name in (*by_dot, *(name for _, name in by_bracket)):
            if name not in members:
                near = difflib.get_close_matches(name, list(members), 1, 0.6)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(members)}"
                raise ValueError(f"{variable} has no {name!r}; {hint}")


def _check_loops(bare: str) -> None:
    """Refuse loops inside loops, whose cost is a product."""
    depth, loops = 0, list[int]()
    for mark in re.findall(r"\.\s*\w+\s*\(|[(){}\[\]]", bare):
        if mark in ")]}":
            depth -= 1
            if loops and loops[-1] > depth:
                loops.pop()
            continue
        depth += 1
        if mark.strip(". (\t\n") in _LOOPS:
            if loops:
                raise ValueError("loops inside a loop, which could cost any time; a codec of one's own does that")
            loops.append(depth)


def _entered(value: Any, left: list[int]) -> Any:
    """Give a value the types of the language: a date is its ISO text, a number with decimals a double."""
    match value:
        case str():
            left[0] -= len(value)
        case bytes():
            left[0] -= len(value)
        case Decimal():
            return _entered(int(value) if value == value.to_integral_value() else float(value), left)
        case datetime() | bool() | None | float():
            return value
        case int() if not -_WHOLE <= value < _WHOLE:
            raise ExpressionError("cannot take a number of more than 64 bits")
        case date():
            return value.isoformat()
        case Mapping():
            return {name: _entered(part, left) for name, part in value.items()}
        case list() | tuple():
            if len(value) > LIST_ELEMENTS:
                raise ExpressionError(f"cannot take more than {LIST_ELEMENTS} values")
            return [_entered(part, left) for part in value]
    if left[0] < 0:
        raise ExpressionError(f"cannot take more than {TEXT_CHARACTERS} characters")
    return value


def _left(found: Any) -> Any:
    """Measure what came out."""
    if isinstance(found, str | bytes):
        _measure(len(found))
    elif isinstance(found, dict):
        for part in found.values():
            _left(part)
    return found


def _syntax(message: str) -> str:
    """Tell where a text stops being an expression, in one line."""
    found = re.search(r"<input>:(\d+):(\d+): (.*)", message)
    return f"is no expression: line {found[1]}, column {found[2]}: {found[3]}" if found else "is no expression"


def _told(error: Exception) -> str:
    """Say what went wrong without the library's words, which may hold values."""
    match error:
        case LookupError():
            return "asks for what is not there"
        case ArithmeticError():
            return "does not come to a number"
        case TypeError():
            return "puts values of different types together"
    return "cannot be worked out"
