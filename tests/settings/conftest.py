"""A configuration written into a folder of its own."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gateway.settings import Configuration, SettingsError, load

Write = Callable[..., Path]

WHOLE = """
version: 1
store: { url: sqlite:///gateway.db, id_key: "${env:ID_KEY}" }
backends:
  hr: { type: memory, settings: { secret: "${env:PASSWORD}" } }
tenants:
  acme:
    tokens:
      - { sha256: %s, name: first, expires: 2027-06-30 }
    resources:
      User:
        backend: hr
        entity: people
        attributes: { userName: login }
        on_delete: delete
""" % ("ab" * 32)
ENVIRONMENT = {"ID_KEY": "k" * 32, "PASSWORD": "s3cret"}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write texts into files; give the path of the first, or of the folder with ``folder=True``."""

    def write_files(*texts: str, folder: bool = False, **named: str) -> Path:
        files = dict(zip(("one.yaml", "two.yaml", "three.yml"), texts, strict=False))
        files |= {f"{name}.yaml": text for name, text in named.items()}
        target = tmp_path / "config"
        target.mkdir(exist_ok=True)
        for name, text in files.items():
            (target / name).write_text(textwrap.dedent(text), encoding="utf-8")
        return target if folder else target / next(iter(files))

    return write_files


@pytest.fixture
def whole() -> str:
    return WHOLE


@pytest.fixture
def loaded(write: Write) -> Callable[..., Configuration]:
    """Load a text with an environment that has the secrets of `whole`."""

    def load_text(text: str, environment: Mapping[str, str] = ENVIRONMENT) -> Configuration:
        return load(write(text), environment)

    return load_text


@pytest.fixture
def refused(write: Write) -> Callable[..., list[str]]:
    """Load a text that must be refused; give the problems as ``line: path: reason``."""

    def refuse(text: str, environment: Mapping[str, str] = ENVIRONMENT) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            load(write(text), environment)
        return [f"{problem.place.line}: {problem.where}: {problem.reason}" for problem in caught.value.problems]

    return refuse
