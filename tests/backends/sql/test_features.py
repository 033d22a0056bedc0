"""The table of features and databases: every cell is a test that runs there, and every file it names is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends.sql.databases import KINDS
from tests.backends.sql.features import FEATURES, place

ROOT = Path(__file__).parents[3]
NAMED = {"sqlite": ("sqlite",), "postgres": ("postgres",), "mariadb": ("mariadb", "mysql")}


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """The tests pytest finds."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    found = subprocess.run(
        [*command, "tests/backends/sql", "tests/worked_sql"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    names = {line for line in found.stdout.splitlines() if "::" in line}
    assert len(names) > 500, found.stdout[-2000:] + found.stderr[-2000:]
    return names


def runs(nodes: set[str], test: str, kind: str) -> bool:
    """Tell whether a test runs on a kind of database: by its parameters, its class, or because it is one's own."""
    path, name = place(test)
    mine = [node for node in nodes if node.startswith(f"{path}::") and re.search(rf"::{name}(\[|$)", node)]
    shown = [node.casefold().partition("::")[2] for node in mine]
    several = [name for name in shown if any(word in name for words in NAMED.values() for word in words)]
    return any(word in name for name in several for word in NAMED[kind]) if several else bool(mine)


def test_every_cell_is_a_test_that_runs_there(collected: set[str]) -> None:
    """No cell is empty, and none names a test that is not there or leaves this database out."""
    missing = [
        (row.name, kind, row.cells[kind].test)
        for row in FEATURES
        for kind in KINDS
        if not runs(collected, row.cells[kind].test, kind)
    ]
    missing += [(row.name, "others", row.compiled) for row in FEATURES if not runs(collected, row.compiled, "sqlite")]
    assert missing == []
    assert not runs(collected, "shapes::test_nothing", "sqlite")
    assert not runs(collected, "operations::test_a_password_is_read_for_every_connection", "sqlite")


def test_every_worked_file_shows_something() -> None:
    """The files named are there, and no SQL file is there that no row names."""
    named = {name for row in FEATURES for name in row.files}
    assert {path.stem for path in (ROOT / "config").glob("sql-*.yaml")} <= named
    for name in named:
        assert (ROOT / "config" / f"{name}.yaml").exists(), name
    assert len({row.name for row in FEATURES}) == len(FEATURES)
