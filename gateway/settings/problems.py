"""What is wrong with a configuration, told so that it can be found and mended: file, line, path and reason."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

Trail = tuple[object, ...]
"""Where a value is: the keys and list positions that lead to it from the top."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line of a file, counted from 1."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `path` is empty where the file as a whole is meant."""

    place: Place
    path: Trail
    reason: str

    @property
    def where(self) -> str:
        """The path as one writes it: ``tenants.acme.tokens[0].sha256``."""
        return written(self.path)

    def __str__(self) -> str:
        where = self.where
        return f"{self.place}: {where}: {self.reason}" if where else f"{self.place}: {self.reason}"


class SettingsError(Exception):
    """A configuration that cannot be used; `problems` has all that could be found, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=lambda problem: (problem.place, problem.where, problem.reason)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def written(path: Trail) -> str:
    """Write a path with dots, list positions in brackets, and names that hold dots or colons in quotes."""
    text = ""
    for part in path:
        if isinstance(part, int) and not isinstance(part, bool):
            text += f"[{part}]"
            continue
        name = str(part)
        if any(sign in name for sign in ".:[] "):
            name = f"'{name}'"
        text += f".{name}" if text else name
    return text


def nearest(word: object, known: Iterable[object]) -> str:
    """Give the end of a sentence that suggests the nearest known name, or nothing."""
    names = {str(name).lower(): str(name) for name in known}
    near = difflib.get_close_matches(str(word).lower(), list(names), 1, 0.6)
    return f"; did you mean {names[near[0]]!r}?" if near else ""


def listed(names: Sequence[str]) -> str:
    """Write names as ``a, b or c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
