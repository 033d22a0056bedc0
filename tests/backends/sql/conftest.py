"""A database of each kind, empty for every test that asks for one."""

from __future__ import annotations

import pytest

from tests.backends.sql.databases import Database, Maker, kinds


@pytest.fixture(params=kinds())
def database(request: pytest.FixtureRequest, make_database: Maker) -> Database:
    """An empty database; the test runs once for each kind."""
    return make_database(request.param)
