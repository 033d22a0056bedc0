"""References in values: ``${env:NAME}``, ``${env:NAME:-default}`` and ``${file:/path}``, whole or inside other text.

``$${`` stands for ``${`` itself. A path that is not absolute starts at the folder of the file it is written in; one
line end at the end of a file is not part of its content. Where secrets come from is open: whoever loads a configuration
may give further sources by name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.settings.document import Document
from gateway.settings.problems import Problem, SettingsError, Trail, listed, nearest

Source = Callable[[str], str]
"""Gives the value behind a name; raises LookupError or OSError with the reason."""

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_DEFAULT = ":-"

LEAST = 6
"""Signs; what is shorter is no secret, and may be part of any word."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """A document with its references replaced.

    `referenced` has the trails of values of which at least a part came from outside; `files` are the files that were
    read for them. `outside` has the reference for each text that came so.
    """

    document: Document
    data: dict[Any, Any]
    referenced: frozenset[Trail]
    files: tuple[Path, ...]
    outside: Mapping[str, str] = field(default_factory=dict, repr=False)

    def hidden(self, reason: str) -> str:
        """Put the reference in the place of what it stands for: a secret in the wrong place is one all the same."""
        for text in sorted(self.outside, key=len, reverse=True):
            if len(text) >= LEAST:
                reason = reason.replace(text, self.outside[text])
        return reason


class Expansion:
    """Replaces references by what they name."""

    def __init__(
        self, environment: Mapping[str, str] | None = None, sources: Mapping[str, Source] | None = None
    ) -> None:
        self._environment = os.environ if environment is None else environment
        self._sources = dict(sources or {})
        self._known = ("env", "file", *self._sources)

    def expand(self, document: Document) -> Expanded:
        """Replace every reference; raise `SettingsError` naming each one that leads nowhere."""
        run = _Run(self, document)
        data = run.value(document.data, ())
        if run.problems:
            raise SettingsError(run.problems)
        return Expanded(document, data, frozenset(run.referenced), tuple(run.files), run.outside)

    def find(self, reference: str, folder: Path) -> tuple[str, Path | None, bool]:
        """Give the value of one reference, the file it was read from, and whether it came from outside.

        Raises LookupError with the reason.
        """
        kind, colon, rest = reference.partition(":")
        if not colon or kind not in self._known:
            kinds = listed([f"${{{known}:…}}" for known in self._known])
            raise LookupError(f"${{{reference}}} is no reference: write {kinds}{nearest(kind, self._known)}")
        name, has_default, default = rest.partition(_DEFAULT)
        reason = f"the environment variable {name} is not set"
        try:
            if kind == "env":
                if name in self._environment:
                    return self._environment[name], None, True
            elif kind == "file":
                file = folder / name
                return file.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r"), file, True
            else:
                return self._sources[kind](name), None, True
        except LookupError as error:
            reason = f"${{{kind}:{name}}}: {error.args[0] if error.args else 'not found'}"
        except OSError as error:
            reason = f"the file {name} cannot be read: {error.strerror}"
            if kind != "file":
                reason = f"${{{kind}:{name}}}: {error.strerror or error}"
        except UnicodeDecodeError:
            reason = f"the file {name} is not text in UTF-8"
        if has_default:
            return default, None, False
        raise LookupError(reason)


class _Run:
    """One walk over a document."""

    def __init__(self, expansion: Expansion, document: Document) -> None:
        self._expansion = expansion
        self._document = document
        self.problems: list[Problem] = []
        self.referenced: set[Trail] = set()
        self.files: dict[Path, None] = {}
        self.outside: dict[str, str] = {}

    def value(self, value: Any, trail: Trail) -> Any:
        match value:
            case dict():
                return {key: self.value(inner, (*trail, key)) for key, inner in value.items()}
            case list():
                return [self.value(inner, (*trail, position)) for position, inner in enumerate(value)]
            case str() if "${" in value:
                return "".join(self._parts(value, trail))
            case _:
                return value

    def _parts(self, text: str, trail: Trail) -> Iterator[str]:
        folder = self._document.place(trail).file.parent
        end = 0
        for match in _REFERENCE.finditer(text):
            yield text[end : match.start()]
            end = match.end()
            if match[0] == "$${":
                yield "${"
                continue
            try:
                if match[1] is None:
                    raise LookupError("${ is not closed by }; write $${ for the signs themselves")
                found, file, outside = self._expansion.find(match[1], folder)
            except LookupError as error:
                self.problems.append(self._document.problem(trail, str(error.args[0])))
                continue
            if file is not None:
                self.files[file] = None
            if outside:
                self.referenced.add(trail)
                self.outside[found] = match[0]
            yield found
        yield text[end:]
