"""The run's own rules: what may be skipped and how long a suite may take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.modules import ROOT
from tests.conftest import BUDGETS, SKIPS, Watch, budgets, suite

SKIPPED = '"""A file."""\nimport pytest\n\n\ndef test_it():\n    pytest.skip("because")\n'


ASIDE = {
    "services.py": "own_valkey = postgres = valkey = valkey_server = None\n",
    "backends/sql/databases.py": "make_database = mariadb = None\n",
}
"""What the fixtures of all rooms come from."""


@pytest.mark.parametrize(
    ("listed", "skips", "code"),
    [
        ("", "", 1),
        ("tests/x/test_it.py::test_it # because", "", 0),
        ("tests/x/* # because", "", 0),
        ("tests/*::test_it # because", "", 0),
        ("tests/x/test_it.py::test_[i]t # because", "", 1),
        ("tests/x/* # because", "none", 1),
    ],
)
def test_a_skip_that_is_not_listed_fails_the_run(tmp_path: Path, listed: str, skips: str, code: int) -> None:
    """A skipped test passes only if tests/skips.txt names it, and never where no skip is allowed."""
    folder = tmp_path / "tests"
    (folder / "x").mkdir(parents=True)
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"), encoding="utf-8")
    for name, text in ASIDE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "skips.txt").write_text(f"{listed}\n", encoding="utf-8")
    (folder / "budgets.txt").write_text("x 10\n", encoding="utf-8")
    (folder / "x" / "test_it.py").write_text(SKIPPED, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\naddopts = -p no:cacheprovider\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", "tests"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "SCIM_TEST_SKIPS": skips},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr


def test_a_star_stands_for_anything_and_brackets_for_themselves() -> None:
    """Parameters stand in brackets, and one database's tests are listed by theirs."""
    watch = Watch()
    watch.permitted = {"tests/x/*[*mariadb*]": "because", "tests/y/a.py::test_?[1]": "because"}
    assert watch.permits("tests/x/a.py::test_it[mariadb]")
    assert watch.permits("tests/x/a.py::test_it[mariadb-7]")
    assert not watch.permits("tests/x/a.py::test_it[sqlite]")
    assert not watch.permits("tests/x/a.py::test_mariadb")
    assert watch.permits("tests/y/a.py::test_?[1]")
    assert not watch.permits("tests/y/a.py::test_a[1]")


def test_every_suite_has_a_budget() -> None:
    """Each folder with tests is named in tests/budgets.txt, and none that is not there."""
    folders = {suite(str(path.relative_to(ROOT))) for path in (ROOT / "tests").rglob("test_*.py")}
    assert folders <= budgets().keys()
    assert BUDGETS.exists()


def test_every_listed_skip_has_a_reason() -> None:
    """A test that may be skipped says why."""
    lines = [line for line in SKIPS.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert all(line.partition("#")[2].strip() for line in lines)


def test_a_suite_over_its_budget_is_named() -> None:
    """The watch adds up what the tests of a folder took."""
    watch = Watch()
    watch.budgets, watch.spent = {"a": 1.0, "b": 1.0}, {"a": 2.0, "b": 0.5, "c": 0.1}  # type: ignore[assignment]
    assert [line.split(":")[0] for line in watch.overdrawn()] == ["a", "c"]
