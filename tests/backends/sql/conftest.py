"""A database of each kind, empty for every test that asks for one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.backends.sql.databases import KINDS, Database, mariadb_database, mariadb_server

Maker = Callable[[str], Database]


@pytest.fixture(scope="session")
def mariadb() -> Iterator[int]:
    """The port of a real MariaDB for the whole run."""
    with tempfile.TemporaryDirectory(prefix="mariadb-") as folder, mariadb_server(Path(folder)) as port:
        yield port


@pytest.fixture(scope="session")
def make_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Makes an empty database of a kind; the server starts with the first that needs it."""

    def make(kind: str) -> Database:
        match kind:
            case "sqlite":
                return Database(kind, f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'test.db'}")
            case "postgres":
                return Database(kind, request.getfixturevalue("postgres").create_database())
            case _:
                return mariadb_database(request.getfixturevalue("mariadb"))

    return make


def kinds() -> list[object]:
    """Give the kinds of databases as parameters; MariaDB only where it is installed."""
    marks = {"mariadb": [pytest.mark.needs("mariadbd")]}
    return [pytest.param(kind, marks=marks.get(kind, ())) for kind in KINDS]


@pytest.fixture(params=kinds())
def database(request: pytest.FixtureRequest, make_database: Maker) -> Database:
    """An empty database; the test runs once for each kind."""
    return make_database(request.param)
