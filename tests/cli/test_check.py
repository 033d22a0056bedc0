"""`scim-gateway check`: every problem with file and line, and an exit code a pipeline can use."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from gateway.cli.program import app

CONFIG = """\
version: 1
store: { url: sqlite:///%(folder)s/gateway.db, id_key: "${env:ID_KEY}" }
backends:
  hr:
    type: sql
    settings:
      url: sqlite:///%(folder)s/hr.db
      entities:
        people: { table: people, key: id }
tenants:
  acme:
    tokens: [ { sha256: %(digest)s } ]
    resources:
      User:
        backend: hr
        entity: people
        attributes: { userName: login, title: job }
        on_delete: delete
        on_deactivate: delete
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIG % {"folder": tmp_path, "digest": "ab" * 32}, encoding="utf-8")
    return path


@pytest.fixture
def people(tmp_path: Path) -> Callable[..., None]:
    """Make the table the configuration speaks of."""

    def create(columns: str = "id INTEGER PRIMARY KEY, login TEXT NOT NULL UNIQUE, job TEXT") -> None:
        with closing(sqlite3.connect(tmp_path / "hr.db")) as database, database:
            database.execute(f"CREATE TABLE people ({columns})")

    return create


def run(*arguments: object) -> Result:
    return CliRunner(env={"ID_KEY": "k" * 32}).invoke(app, [str(argument) for argument in arguments])


def test_a_sound_configuration_ends_with_0(config: Path, tmp_path: Path) -> None:
    """Nothing is created and nothing contacted: the database of the configuration does not even exist."""
    result = run("check", config)
    assert result.exit_code == 0, result.output
    assert "backends: 1, tenants: 1, resource types: 1" in result.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gateway.yaml"]


def test_every_problem_is_told_with_file_and_line(config: Path) -> None:
    """Problems of all kinds in one list on the error output, one a line; the exit code is 1."""
    text = config.read_text(encoding="utf-8").replace("userName:", "usrName:").replace("type: sql", "type: sqll")
    config.write_text(text.replace("on_delete: delete", "on_delete: delete\n        colour: red"), encoding="utf-8")
    result = run("check", config)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"{config}:19: tenants.acme.resources.User.colour: there is no such setting here",
        "1 problem; nothing was started",
    ]
    config.write_text(text, encoding="utf-8")
    lines = run("check", config).stderr.splitlines()
    assert lines[0].startswith(f"{config}:5: backends.hr.type: there is no backend of the type 'sqll'; did you mean")


def test_online_compares_with_the_live_system(config: Path, people: Callable[..., None]) -> None:
    """The right side of a mapping is held against the columns there are; the nearest right one is named."""
    people()
    assert run("check", "--online", config).exit_code == 0
    config.write_text(config.read_text(encoding="utf-8").replace("login,", "lgin,"), encoding="utf-8")
    result = run("check", "--online", config)
    assert result.exit_code == 1
    (line, required, _) = result.stderr.splitlines()
    assert line.startswith(f"{config}:16: tenants.acme.resources.User.entity: the entity requires the field login")
    assert required.startswith(f"{config}:17: tenants.acme.resources.User.attributes.userName: the entity has no field")
    assert "did you mean login?" in required


def test_online_tells_a_table_that_is_not_there(config: Path, people: Callable[..., None]) -> None:
    """What the backend misses is told at its own settings."""
    people()
    config.write_text(config.read_text(encoding="utf-8").replace("table: people", "table: poeple"), encoding="utf-8")
    result = run("check", "--online", config)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{config}:9: backends.hr.settings.entities.people.table: ")
    assert "people" in result.stderr


def test_online_tells_a_system_that_is_away_without_its_secrets(config: Path, tmp_path: Path) -> None:
    """A system that cannot be reached is a problem of its own, and no password is in the words for it (X11)."""
    url = "postgresql://hr:${env:ID_KEY}@127.0.0.1:1/hr"
    text = config.read_text(encoding="utf-8").replace(f"url: sqlite:///{tmp_path}/hr.db", f'url: "{url}"')
    config.write_text(text, encoding="utf-8")
    result = run("check", "--online", config)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{config}:4: backends.hr: cannot be reached")
    assert "k" * 32 not in result.output


def test_nothing_is_written_by_an_online_check(config: Path, people: Callable[..., None], tmp_path: Path) -> None:
    """Looking at a live system leaves it as it was."""
    people()
    before = (tmp_path / "hr.db").read_bytes()
    assert run("check", "--online", config).exit_code == 0
    assert (tmp_path / "hr.db").read_bytes() == before
    assert not (tmp_path / "gateway.db").exists()


@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_missing_file_is_a_sentence(command: str, tmp_path: Path) -> None:
    """No traceback for a wrong path."""
    result = run(command, tmp_path / "nothing.yaml")
    assert result.exit_code == 1
    assert "there is no such file or folder" in result.stderr


def test_serve_refuses_what_check_refuses(config: Path) -> None:
    """A configuration with a literal secret never serves (X16)."""
    config.write_text(config.read_text(encoding="utf-8").replace('"${env:ID_KEY}"', "k" * 32), encoding="utf-8")
    result = run("serve", config)
    assert result.exit_code == 1
    assert "a secret must not be written here" in result.stderr
    assert "k" * 32 not in result.output


def test_the_backends_that_are_installed_are_listed() -> None:
    """Each kind with where it comes from, what it can do and what its settings need."""
    result = run("backends")
    assert result.exit_code == 0
    for text in ("sql  from scim-gateway", "memory  from scim-gateway", "reads, writes", "needed: url, entities"):
        assert text in result.stdout


def test_several_processes_need_what_they_share(config: Path) -> None:
    """--workers says plainly what several processes cannot do without."""
    result = run("serve", config, "--workers", 2)
    assert result.exit_code == 1
    assert "need the store in PostgreSQL" in result.stderr
    assert "without Redis" in result.stderr


def test_the_store_is_looked_after(config: Path, tmp_path: Path) -> None:
    """A store that is missing is told; upgrade makes it; check finds it."""
    assert run("store", "check", config).exit_code == 1
    assert run("store", "upgrade", config).exit_code == 0
    result = run("store", "check", config)
    assert result.exit_code == 0
    assert "can be used" in result.stdout
    assert (tmp_path / "gateway.db").exists()


@pytest.mark.parametrize(
    "command",
    [
        (), ("check",), ("serve",), ("demo",), ("token", "new"), ("token", "last-use"), ("backends",), ("store",),
        ("status",), ("ping",), ("brake",), ("brake", "status"), ("brake", "release"),
    ],
)  # fmt: skip
def test_every_command_has_a_help_that_teaches(command: tuple[str, ...]) -> None:
    """--help says what a command does in sentences."""
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout
    assert result.stdout.count(".") >= 2


def test_the_version_is_the_distributions() -> None:
    """--version prints one line."""
    result = run("--version")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)
    assert json.dumps(result.stdout.split()[0]) == '"scim-gateway"'


def test_an_unknown_command_ends_with_2() -> None:
    """A command line that cannot be understood is told apart from a configuration that is wrong."""
    result: Any = run("chekc")
    assert result.exit_code == 2
