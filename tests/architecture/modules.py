"""The source as data: which module imports what, read from the text and never executed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Module:
    """One source file: its dotted name, its tree, and the dotted names it imports."""

    name: str
    path: Path
    tree: ast.Module
    imports: frozenset[str]

    @property
    def room(self) -> str:
        """The room a module belongs to: ``gateway.scim``, ``gateway.app``, ``backends.sql``, ``backends.contract``."""
        return ".".join(self.name.split(".")[:2])


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield what a tree imports, with the names taken from a module behind it, at any depth of the code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules() -> list[Module]:
    """Read every module of the two packages."""
    found = []
    for package in ("gateway", "backends"):
        for path in sorted((ROOT / package).rglob("*.py")):
            relative = path.relative_to(ROOT)
            if "template" in relative.parts:
                continue
            name = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
            tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
            found.append(Module(name, path, tree, frozenset(imported(tree))))
    return found


def starts(name: str, prefix: str) -> bool:
    """Tell whether a dotted name is `prefix` or lies below it."""
    return name == prefix or name.startswith(f"{prefix}.")
