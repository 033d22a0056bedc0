"""One small language for places in nested answers and bodies: it selects and it builds, it does not compute.

==========================  ==============================================================================
``name``                    the member of that name; ``"a.b"`` where the name has dots, brackets or quotes
``user.name``               a member of a member
``[0]``                     the element at a position, counted from zero
``mails[kind=work]``        the first element whose member ``kind`` is ``work``
``teams[*].id``             the ``id`` of each element: many values
(nothing)                   the whole document
==========================  ==============================================================================

The same path reads a value out of a document and places it in one. A value where a list is expected is a list of one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r"""\[(?P<index>\d{1,4})\]|\[(?P<each>\*)\]
    |\[(?P<member>[^\[\]"=*]+)=(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\[\]"]*))\]
    |(?P<dot>\.)?(?:"(?P<name>(?:[^"\\]|\\.)+)"|(?P<bare>[^.\[\]"\s]+))""",
    re.VERBOSE,
)
_DEEP = 30


class PathError(ValueError):
    """A text that is no path; says where it stops being one."""


@dataclass(frozen=True, slots=True)
class Name:
    """The member of a name."""

    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """The element at a position."""

    index: int


@dataclass(frozen=True, slots=True)
class Where:
    """The first element with a member of that value."""

    member: str
    value: str


@dataclass(frozen=True, slots=True)
class Each:
    """All elements."""


Step = Name | Index | Where | Each


@dataclass(frozen=True, slots=True)
class Path:
    """A place in nested documents, parsed once."""

    text: str
    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, text: str) -> Path:
        """Parse a path; raise `PathError` naming the position where it goes wrong."""
        steps: list[Step] = []
        position = 0
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None or (found["dot"] is None) == (_is_name(found) and position > 0):
                raise PathError(f"{text!r} is no path: at character {position + 1}")
            if steps and isinstance(steps[-1], Where) and not _is_name(found):
                raise PathError(f"{text!r} is no path: an element known by a member has members, no elements")
            steps.append(_step(found))
            position = found.end()
        if len(steps) > _DEEP:
            raise PathError(f"{text!r} is deeper than {_DEEP} steps")
        return cls(text, tuple(steps))

    @property
    def many(self) -> bool:
        """Whether it names many values."""
        return Each() in self.steps

    def read(self, document: Any) -> Any:
        """Read what lies there; None where nothing does, and a list where the path names many."""
        steps = self.steps
        if len(steps) == 1 and type(steps[0]) is Name:  # what most paths are
            return document.get(steps[0].name) if isinstance(document, dict) else None
        return _read(document, steps)

    def leads(self, document: Any) -> bool:
        """Tell whether the document has the place, if only to say that nothing is there: null, or an empty list or
        object, in it or on the way to it."""
        for step in self.steps:
            if document in (None, [], {}):
                return True
            if not isinstance(step, Name):
                return isinstance(document, list)
            if not isinstance(document, dict) or step.name not in document:
                return False
            document = document[step.name]
        return True

    def place(self, document: Any, value: Any) -> Any:
        """Place a value and give the document, which is altered where it can be and made anew where it cannot.

        Many values go one into each element; elements that have their value already stay as they are, with all else
        that is in them.
        """
        return _place(document, self.steps, value)

    def drop(self, document: Any) -> None:
        """Take away what lies there, if the path ends in a member's name."""
        *way, last = self.steps or (Each(),)
        parent = _read(document, way)
        if isinstance(last, Name) and isinstance(parent, dict):
            parent.pop(last.name, None)


def listed(value: Any) -> list[Any]:
    """View what a path found as a list: nothing is empty, and one value is a list of one."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _is_name(found: re.Match[str]) -> bool:
    return found["name"] is not None or found["bare"] is not None


def _step(found: re.Match[str]) -> Step:
    if found["index"] is not None:
        return Index(int(found["index"]))
    if found["each"] is not None:
        return Each()
    if found["member"] is not None:
        return Where(found["member"], found["plain"] if found["quoted"] is None else _unquoted(found["quoted"]))
    return Name(found["bare"] if found["name"] is None else _unquoted(found["name"]))


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _read(node: Any, steps: Sequence[Step]) -> Any:
    for position, step in enumerate(steps):
        match step:
            case Name(name=name):
                node = node.get(name) if isinstance(node, dict) else None
            case Index(index=index):
                many = listed(node)
                node = many[index] if index < len(many) else None
            case Where():
                node = next((one for one in listed(node) if _fits(one, step)), None)
            case Each():
                rest = steps[position + 1 :]
                found = (_read(one, rest) for one in listed(node))
                return [
                    one for value in found for one in (value if isinstance(value, list) else [value]) if one is not None
                ]
        if node is None:
            return [] if Each() in steps[position + 1 :] else None
    return node


def _fits(node: Any, step: Where) -> bool:
    if not isinstance(node, dict):
        return False
    value = node.get(step.member)
    if isinstance(value, bool):
        return ("true" if value else "false") == step.value
    return value is not None and str(value) == step.value


def _place(node: Any, steps: Sequence[Step], value: Any) -> Any:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    match step:
        case Name(name=name):
            members = node if isinstance(node, dict) else {}
            members[name] = _place(members.get(name), rest, value)
            return members
        case Index(index=index):
            many = node if isinstance(node, list) else []
            many += [None] * (index + 1 - len(many))
            many[index] = _place(many[index], rest, value)
            return many
        case Where():
            many = node if isinstance(node, list) else []
            place = next((number for number, one in enumerate(many) if _fits(one, step)), None)
            if place is not None:
                many[place] = _place(many[place], rest, value)
            elif value is not None:
                many.append(_place({step.member: step.value}, rest, value))
            return many
        case Each():
            return _spread(listed(node), rest, listed(value))


def _spread(elements: list[Any], rest: Sequence[Step], values: Iterable[Any]) -> list[Any]:
    """Give each value an element: the one that has it already, or a new one."""
    if not rest:
        return list(values)
    left, made = list(elements), []
    for value in values:
        kept = next((number for number, one in enumerate(left) if _read(one, rest) == value), None)
        made.append(_place(None, rest, value) if kept is None else left.pop(kept))
    return made
