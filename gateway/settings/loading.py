"""Files -> settings: read, merged, references replaced, validated, with file and line for everything that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.settings import document, secrecy, translation
from gateway.settings.expansion import Expanded, Expansion, Source
from gateway.settings.model import Settings
from gateway.settings.problems import Place, Problem, SettingsError, Trail

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings, and where each of them was written.

    What only others can judge (a backend its own settings, the mapping its left and right sides) is told through
    `problem`, so that it carries file and line like everything else.
    """

    settings: Settings
    expanded: Expanded = field(repr=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that was read: the configuration's own and those its references name."""
        return (*self.expanded.document.files, *self.expanded.files)

    def problem(self, trail: Trail, reason: str) -> Problem:
        """Say what is wrong with what stands at a trail; what came from outside is named by its reference."""
        return self.expanded.document.problem(trail, self.expanded.hidden(reason))

    def validated(self, trail: Trail, model: type[M]) -> M:
        """Validate what stands at a trail against another model, for secrets too; raise `SettingsError`."""
        return _validated(self.expanded, trail, model)


def load(
    path: Path, environment: Mapping[str, str] | None = None, sources: Mapping[str, Source] | None = None
) -> Configuration:
    """Load a file or a folder of files; raise `SettingsError` with all that is wrong.

    Nothing is kept between two calls: loading again reads every file and every secret again. `sources` are further
    kinds of references by name, beside ``env`` and ``file``.
    """
    if not path.exists():
        raise SettingsError([Problem(Place(path, 1), (), "there is no such file or folder")])
    expanded = Expansion(environment, sources).expand(document.read(path))
    return Configuration(_validated(expanded, (), Settings), expanded)


def _validated(expanded: Expanded, trail: Trail, model: type[M]) -> M:
    data: Any = expanded.data
    for part in trail:
        data = data[part]
    try:
        settings = model.model_validate(data)
    except ValidationError as error:
        found = translation.problems(error, model, expanded.document, trail)
        raise SettingsError(replace(one, reason=expanded.hidden(one.reason)) for one in found) from None
    if found := secrecy.literals(settings, expanded, trail):
        raise SettingsError(found)
    return settings
