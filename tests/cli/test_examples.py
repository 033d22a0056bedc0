"""Finding the worked configuration files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import examples
from gateway.cli.program import app


def test_a_checkout_has_them_in_its_config_folder() -> None:
    """From a checkout the file one edits is the file that is used."""
    assert examples.locate("demo.yaml") == examples.folders()[0] / "demo.yaml"


def test_a_name_that_is_not_there_says_where_it_was_looked_for() -> None:
    """A missing file is a sentence with both folders."""
    with pytest.raises(FileNotFoundError, match=r"nothing.yaml is neither in .*config and .*examples"):
        examples.locate("nothing.yaml")


@pytest.mark.parametrize("path", sorted(examples.folders()[0].glob("*.yaml")), ids=lambda path: path.name)
def test_every_worked_file_is_sound(path: Path, tmp_path: Path) -> None:
    """`scim-gateway check` finds nothing against any worked file, with every variable it refers to set (DESIGN §6)."""
    ends = {
        "_SHA256": "0123456789abcdef" * 4, "_STORE": f"sqlite:///{tmp_path}/store.db", "_DATABASE": "sqlite:////x.db",
        "_DATABASE_URL": "sqlite:////x.db", "_URL": "https://x.example.com", "_CACHE": "memory",
        "_LISTEN": "127.0.0.1:0",
    }  # fmt: skip
    names = re.findall(r"\$\{env:(\w+)\}", path.read_text(encoding="utf-8"))
    environment = {name: next((value for end, value in ends.items() if name.endswith(end)), "k" * 32) for name in names}
    result = CliRunner(env=environment).invoke(app, ["check", str(path)])
    assert result.exit_code == 0, result.output
    assert list(tmp_path.iterdir()) == []
