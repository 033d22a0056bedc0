"""A new backend runs from the first minute."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from backends.conformance.scaffold import scaffold, write_scaffold

ROOT = Path(__file__).parents[2]


def run_tests(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a project's tests as an author would, with plain pytest and no plugin that happens to be installed."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )


def test_a_new_backend_passes_the_suite(tmp_path: Path) -> None:
    """What is written keeps every rule that applies, before a line was changed, with warnings as errors."""
    paths = write_scaffold("phone-book", tmp_path / "project")
    assert {path.relative_to(tmp_path / "project").as_posix() for path in paths} == {
        "README.md",
        "pyproject.toml",
        "phone_book_backend/__init__.py",
        "phone_book_backend/settings.py",
        "phone_book_backend/system.py",
        "phone_book_backend/backend.py",
        "tests/test_conformance.py",
    }
    done = run_tests(tmp_path / "project", "-W", "error", "-p", "backends.conformance.plugin")
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
    assert "TestPhoneBook" in done.stdout
    assert "rules do not apply" in done.stdout


def test_the_suite_finds_what_an_author_breaks(tmp_path: Path) -> None:
    """A backend that drops a value fails: the generated test is no ornament."""
    write_scaffold("dir", tmp_path)
    backend = tmp_path / "dir_backend" / "backend.py"
    broken = backend.read_text().replace("**fields}", '"login": fields.get("login")}')
    assert broken != backend.read_text()
    backend.write_text(broken)
    done = run_tests(tmp_path, "-k", "created_values")
    assert done.returncode == 1, done.stdout
    assert "comes back as another value" in done.stdout


def test_the_parts_of_a_name_fit_together() -> None:
    """The entry point names the class that is there, under the name given."""
    files = scaffold("old_hr")
    project = tomllib.loads(files["pyproject.toml"])
    assert project["project"]["entry-points"]["scim_gateway.backends"] == {"old_hr": "old_hr_backend:OldHrBackend"}
    classes = [
        node.name for node in ast.walk(ast.parse(files["old_hr_backend/backend.py"])) if isinstance(node, ast.ClassDef)
    ]
    assert classes == ["OldHrBackend"]
    assert scaffold("old-hr") == files


def test_nothing_is_left_to_fill_in() -> None:
    """No placeholder survives, and references to secrets stay references."""
    files = scaffold("x1")
    assert "${file:/run/secrets/token}" in files["README.md"]
    for path, text in files.items():
        assert "$" not in text.replace("${file:/run/secrets/token}", ""), path


@pytest.mark.parametrize("name", ["", "Upper", "1st", "a b", "a/b", "../x", "a--b", "-a", "a-", "a.b", "é", "a\n"])
def test_a_bad_name_writes_nothing(name: str, tmp_path: Path) -> None:
    """Names that are no names, or lead out of the folder, are refused."""
    with pytest.raises(ValueError, match="no name"):
        write_scaffold(name, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """One file that is there already stops it all, unharmed."""
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(FileExistsError):
        write_scaffold("x", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert (tmp_path / "README.md").read_text() == "mine"


def test_a_server_needs_no_pytest_for_it() -> None:
    """The scaffold, and the harness, import without the test tools."""
    script = (
        "import sys; sys.modules['pytest'] = None\n"
        "from backends.conformance.scaffold import scaffold\n"
        "print(len(scaffold('x')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "7\n", done.stderr
