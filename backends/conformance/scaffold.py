"""The beginning of a new backend: a project that runs and passes the suite before its author has changed a line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_FILES: Mapping[str, str] = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "init.py": "{package}/__init__.py",
    "settings.py": "{package}/settings.py",
    "system.py": "{package}/system.py",
    "backend.py": "{package}/backend.py",
    "test_conformance.py": "tests/test_conformance.py",
}


def scaffold(name: str) -> dict[str, str]:
    """Make the files of a backend called `name`: path -> text.

    Raises `ValueError` for a name that is no word of small letters and digits, or several joined by - or _.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a backend: use small letters and digits, words joined by - or _")
    words = re.split("[-_]", name)
    names = {
        "name": "_".join(words),
        "package": f"{'_'.join(words)}_backend",
        "distribution": f"scim-gateway-{'-'.join(words)}",
        "host": "-".join(words),
        "class_name": "".join(word.capitalize() for word in words),
        "title": " ".join(word.capitalize() for word in words),
    }
    folder = resources.files("backends.conformance") / "template"
    return {
        path.format(package=names["package"]): Template((folder / f"{source}.txt").read_text("utf-8")).substitute(names)
        for source, path in _FILES.items()
    }


def write_scaffold(name: str, folder: Path) -> list[Path]:
    """Write the files of a new backend into `folder` and name them; it is made if need be.

    Raises `ValueError` for a bad name and `FileExistsError` if one of the files is there: nothing is overwritten.
    """
    files = {folder / path: text for path, text in scaffold(name).items()}
    for path in files:
        if path.exists():
            raise FileExistsError(f"{path} exists already; nothing was written")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(files)
