"""A site of three replicas, started once for all that use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.site import Site, site
from tests.services import Postgres, Redis


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, valkey_server: Redis) -> Iterator[Site]:
    """Three replicas that serve; tests share them and keep to names of their own."""
    with site(tmp_path_factory.mktemp("site"), postgres, valkey_server.url) as made:
        made.start(*(made.replica() for _ in range(3)))
        yield made


@pytest.fixture
def apart(tmp_path: Path, postgres: Postgres, own_valkey: Redis) -> Iterator[Site]:
    """Databases and a cache of the test's own, without a replica yet."""
    with site(tmp_path, postgres, own_valkey.url) as made:
        yield made
