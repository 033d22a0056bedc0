"""Each worked SQL file is checked against the schema it speaks of, by the program operators use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from gateway.cli.program import app
from tests.backends.sql.databases import Database, Maker
from tests.worked_sql.sites import CONFIG, WORKED, environment, legacy


def check(path: Path, name: str, database: Database, folder: Path) -> Result:
    return CliRunner(env=environment(name, database, folder)).invoke(app, ["check", "--online", str(path)])


def test_every_file_is_here_with_its_schema() -> None:
    """A worked SQL file has tests, and a schema that says which database it is for."""
    assert sorted(WORKED) == sorted(path.stem for path in CONFIG.glob("sql-*.yaml"))
    for name in WORKED:
        assert legacy(name), name
        text = (CONFIG / f"{name}.yaml").read_text(encoding="utf-8")
        assert f"legacy/{name}.sql" in text
        assert f"{name}.yaml" in (CONFIG / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=worked.marks, id=f"{name}-{worked.kind}") for name, worked in WORKED.items()]
)
def test_a_file_fits_its_schema_and_a_wrong_name_is_told(name: str, make_database: Maker, tmp_path: Path) -> None:
    """`check --online` finds nothing against the file; a table it does not have is told with line and the right name
    (DESIGN §6)."""
    database = make_database(WORKED[name].kind)
    database.source(legacy(name))
    result = check(CONFIG / f"{name}.yaml", name, database, tmp_path)
    assert result.exit_code == 0, result.output
    assert "fits the systems behind it" in result.stdout
    text = (CONFIG / f"{name}.yaml").read_text(encoding="utf-8")
    (first, *_) = re.findall(r" table: ([\w.]+)", text)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text.replace(f" table: {first}", f" table: {first}x", 1), encoding="utf-8")
    line = 1 + text[: text.index(f" table: {first}")].count("\n")
    result = check(wrong, name, database, tmp_path)
    assert result.exit_code == 1
    assert f"wrong.yaml:{line}:" in result.output
    assert first.rpartition(".")[2] in result.output.replace(f"{first}x", "")
