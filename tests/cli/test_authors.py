"""`scim-gateway new-backend`: what it writes is what the conformance kit scaffolds."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from backends.conformance.scaffold import scaffold
from gateway.cli.program import app


def test_a_project_is_written_and_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of the scaffold, in a folder named after the backend; a second run changes nothing."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["new-backend", "cmdb"])
    assert result.exit_code == 0, result.output
    written = {str(path.relative_to(tmp_path / "cmdb-backend")) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == set(scaffold("cmdb"))
    assert "pip install -e" in result.stdout
    again = CliRunner().invoke(app, ["new-backend", "cmdb"])
    assert again.exit_code == 1
    assert "exists already; nothing was written" in again.stderr


def test_a_name_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    """A bad name ends with 1 and leaves no folder behind."""
    result = CliRunner().invoke(app, ["new-backend", "My Backend", "--folder", str(tmp_path / "x")])
    assert result.exit_code == 1
    assert "is no name for a backend" in result.stderr
    assert not (tmp_path / "x").exists()
