"""YAML 1.2 files -> plain data, with the place of every value: one file, or a folder of them merged.

YAML 1.2 because of what legacy systems hold: ``NO``, ``ON`` and ``22:30`` stay text, as keys too. A number with leading
zeros is refused rather than shortened: ``007`` as text needs quotes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gateway.settings.problems import Place, Problem, SettingsError, Trail, written

SUFFIXES = (".yaml", ".yml")
MOST_VALUES = 200_000
"""More than any configuration has: what aliases of aliases of aliases may grow to."""

_TAG = "tag:yaml.org,2002:"
_REFERENCE = re.compile(r"\$\{[^{}\n]*\}")
_SIGNS = "${},[]:#&*!|>'\"%@`"
_SHIELD = {ord(sign): 0xE000 + place for place, sign in enumerate(_SIGNS)}
_UNSHIELD = {shield: sign for sign, shield in _SHIELD.items()}
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
_SEVERAL = ("version",)
"""What every file of a folder may say, as long as all say the same."""


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data (dict, list, str, int, float, bool, date, datetime, None) and where each value was written.

    `files` are those that were read. A place belongs to the value at a path; a key has the place of its value's key.
    """

    data: dict[Any, Any]
    places: Mapping[Trail, Place]
    files: tuple[Path, ...]

    def place(self, path: Trail) -> Place:
        """Find the line of a value, or of the nearest thing around it that was written."""
        for length in range(len(path), -1, -1):
            if (found := self.places.get(path[:length])) is not None:
                return found
        return Place(self.files[0], 1)

    def problem(self, path: Trail, reason: str) -> Problem:
        """Say what is wrong with the value at a path."""
        return Problem(self.place(path), path, reason)


@dataclass(slots=True)
class _Reading:
    """One file being read."""

    file: Path
    problems: list[Problem]
    places: dict[Trail, Place] = field(default_factory=dict)
    values: int = 0

    def place(self, node: Node) -> Place:
        return Place(self.file, node.start_mark.line + 1)

    def refuse(self, node: Node, path: Trail, reason: str) -> None:
        self.problems.append(Problem(self.place(node), path, reason))


def read(path: Path) -> Document:
    """Read a file, or every ``*.yaml`` and ``*.yml`` of a folder in the order of their names.

    Raises `SettingsError` with all problems of form: unreadable files, broken YAML, keys said twice in one file or in
    two, values that are no plain YAML.
    """
    problems: list[Problem] = []
    files = _files(path, problems)
    merged: dict[Any, Any] = {}
    places: dict[Trail, Place] = {}
    for file in files:
        reading = _Reading(file, problems)
        data = _read_one(reading)
        _merge(merged, data, places, reading, ())
    if problems:
        raise SettingsError(problems)
    return Document(merged, places, tuple(files))


def _files(path: Path, problems: list[Problem]) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(one for one in path.iterdir() if one.suffix in SUFFIXES and not one.name.startswith("."))
    if not files:
        problems.append(Problem(Place(path, 1), (), f"the folder has no {' or '.join(SUFFIXES)} file"))
    return files


def _read_one(reading: _Reading) -> dict[Any, Any]:
    try:
        text = reading.file.read_text(encoding="utf-8")
        # YAML would take the braces of `{ key: ${env:X} }` for its own; while it reads, they are signs of no meaning.
        shielded = _REFERENCE.sub(lambda found: found[0].translate(_SHIELD), text)
        node = YAML().compose(shielded)
        data = None if node is None else _value(reading, node, ())
    except OSError as error:
        reading.problems.append(Problem(Place(reading.file, 1), (), f"cannot be read: {error.strerror}"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        reading.problems.append(Problem(Place(reading.file, line), (), "is not text in UTF-8"))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        reading.problems.append(Problem(Place(reading.file, line), (), f"no YAML: {reason}"))
    except (YAMLError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).partition("\n")[0]
        reading.problems.append(Problem(Place(reading.file, 1), (), f"no YAML: {reason}"))
    else:
        if isinstance(data, dict):
            return data
        if not any(problem.place.file == reading.file for problem in reading.problems):
            what = "is empty" if data is None else "has no keys at its top"
            reading.problems.append(Problem(Place(reading.file, 1), (), what))
    return {}


def _value(reading: _Reading, node: Node, path: Trail) -> Any:
    reading.values += 1
    if reading.values > MOST_VALUES:
        raise YAMLError(f"more than {MOST_VALUES} values")
    reading.places.setdefault(path, reading.place(node))
    match node:
        case MappingNode():
            return _mapping(reading, node, path)
        case SequenceNode():
            return [_value(reading, item, (*path, position)) for position, item in enumerate(node.value)]
        case _:
            return _scalar(reading, node, path)


def _mapping(reading: _Reading, node: MappingNode, path: Trail) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    written_at: dict[Any, Place] = {}
    for key_node, value_node in _pairs(reading, node, path):
        if not isinstance(key_node, ScalarNode):
            reading.refuse(key_node, path, "a key must be a single word or value")
            continue
        key = _scalar(reading, key_node, path)
        inner = (*path, key)
        if key in found:
            reading.refuse(key_node, inner, f"is said twice; the first time at line {written_at[key].line}")
            continue
        written_at[key] = reading.places[inner] = reading.place(key_node)
        found[key] = _value(reading, value_node, inner)
    for merged in _merged(node):
        if not isinstance(merged, MappingNode):
            reading.refuse(merged, path, "<< takes an alias of a mapping")
            continue
        # What is written here wins over what is taken over, whichever comes first in the file.
        for key, value in _mapping(_Reading(reading.file, reading.problems), merged, path).items():
            if key not in found:
                found[key] = value
                _value_places(reading, merged, key, path)
    return found


def _pairs(reading: _Reading, node: MappingNode, path: Trail) -> Iterator[tuple[Node, Node]]:
    yield from ((key, value) for key, value in node.value if key.tag != f"{_TAG}merge")


def _merged(node: MappingNode) -> Iterator[Node]:
    for key, value in node.value:
        if key.tag == f"{_TAG}merge":
            yield from value.value if isinstance(value, SequenceNode) else (value,)


def _value_places(reading: _Reading, node: MappingNode, key: Any, path: Trail) -> None:
    """Give what was taken over the places where it was written."""
    for key_node, value_node in node.value:
        if isinstance(key_node, ScalarNode) and _scalar(reading, key_node, path) == key:
            reading.places.setdefault((*path, key), reading.place(key_node))
            _value(reading, value_node, (*path, key))


def _scalar(reading: _Reading, node: Node, path: Trail) -> Any:
    text: str = node.value.translate(_UNSHIELD)
    if node.tag == f"{_TAG}int" and _LEADING_ZERO.fullmatch(text):
        reading.refuse(node, path, f"{text} is a number whose leading zeros are lost; write '{text}' for the text")
        return text
    tag = node.tag or ""
    read_scalar = _SCALARS.get(tag)
    if read_scalar is None:
        reading.refuse(node, path, f"the tag {tag} means nothing here")
        return None
    try:
        return read_scalar(text)
    except ValueError:
        kind = tag.removeprefix(_TAG)
        reading.refuse(node, path, f"{text} is no {kind}; write '{text}' for the text")
        return None


def _integer(text: str) -> int:
    return int(text.replace("_", ""), 0)


def _float(text: str) -> float:
    return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))


def _timestamp(text: str) -> date | datetime:
    return date.fromisoformat(text) if len(text) == len("9999-12-31") else datetime.fromisoformat(text)


_SCALARS: Mapping[str, Callable[[str], Any]] = {
    f"{_TAG}str": str,
    f"{_TAG}int": _integer,
    f"{_TAG}float": _float,
    f"{_TAG}bool": lambda text: text.lower() == "true",
    f"{_TAG}null": lambda text: None,
    f"{_TAG}timestamp": _timestamp,
}


def _merge(
    into: dict[Any, Any], data: dict[Any, Any], places: dict[Trail, Place], reading: _Reading, path: Trail
) -> None:
    """Lay one more file over what is there: mappings grow together, anything said twice is a problem."""
    places.setdefault(path, reading.places.get(path, Place(reading.file, 1)))
    for key, value in data.items():
        inner = (*path, key)
        if key not in into:
            into[key] = value
            places.update((one, place) for one, place in reading.places.items() if one[: len(inner)] == inner)
        elif isinstance(value, dict) and isinstance(into[key], dict):
            _merge(into[key], value, places, reading, inner)
        elif not (written(inner) in _SEVERAL and into[key] == value):
            place = reading.places[inner]
            reason = f"is said twice: here and at {places[inner]}"
            reading.problems.append(Problem(place, inner, reason))
