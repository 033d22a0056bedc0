"""Id maps over real stores and real caches; every test has a tenant of its own."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.identity import Identity, IdentityMap, connect
from tests.services import Postgres, Redis

KEY = b"a secret of the tests, 32 bytes!"
COMBINATIONS = ("sqlite+memory", "sqlite+redis", "postgresql+memory", "postgresql+redis")
SHARED = ("postgresql+redis",)


@dataclass
class House:
    """One store and one cache, and the id maps (replicas) opened on them."""

    url: str
    cache: str
    stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    tenant: str = field(default_factory=lambda: f"t-{uuid.uuid4().hex[:12]}")

    async def open(self, **options: Any) -> IdentityMap:
        """Start a replica; it is stopped when the test ends."""
        chosen: dict[str, Any] = {"id_key": KEY, "cache": self.cache, **options}
        return await self.stack.enter_async_context(connect(self.url, **chosen))

    async def replica(self, identities: IdentityMap) -> IdentityMap:
        """Start a second replica; where the cache is the process's own there can be only one, which is given back."""
        return identities if self.cache == "memory" else await self.open()

    async def restarted(self, identities: IdentityMap, **options: Any) -> IdentityMap:
        """Stop a replica and start another in its place."""
        await identities.stop()
        return await self.open(**options)


Users = Callable[..., Awaitable[dict[str, Identity]]]


@pytest.fixture(scope="session")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'gateway.db'}"


@pytest.fixture(scope="session")
def postgres_url(postgres: Postgres) -> str:
    return postgres.create_database()


@pytest.fixture
def fresh_sqlite(tmp_path: Path) -> str:
    """The URL of a store that is not there yet."""
    return f"sqlite:///{tmp_path / 'fresh.db'}"


@pytest.fixture
async def house(request: pytest.FixtureRequest, combination: str) -> AsyncIterator[House]:
    """The store and cache of a combination."""
    store, _, cache = combination.partition("+")
    url = request.getfixturevalue("sqlite_url" if store == "sqlite" else "postgres_url")
    found = House(url, request.getfixturevalue("valkey") if cache == "redis" else "memory")
    async with found.stack:
        yield found


@pytest.fixture(params=COMBINATIONS)
def combination(request: pytest.FixtureRequest) -> str:
    """Every pair of store and cache."""
    chosen: str = request.param
    return chosen


@pytest.fixture
async def identities(house: House) -> IdentityMap:
    """A replica."""
    return await house.open()


@pytest.fixture
def tenant(house: House) -> str:
    """A tenant no other test has."""
    return house.tenant


@pytest.fixture
def users(identities: IdentityMap, tenant: str) -> Users:
    """Identify users of the backend ``hr``, entity ``staff``."""

    async def identify(*keys: str, by: IdentityMap | None = None, **options: Any) -> dict[str, Identity]:
        return await (by or identities).identify(tenant, "User", "hr", "staff", keys, **options)

    return identify


@pytest.fixture
async def apart(postgres_url: str, own_valkey: Redis) -> AsyncIterator[House]:
    """A PostgreSQL store with a Redis of the test's own."""
    found = House(postgres_url, own_valkey.url)
    async with found.stack:
        yield found


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let caches remember again soon after a change, so that tests meet what they remember."""
    for module in ("caches", "shared"):
        monkeypatch.setattr(f"gateway.identity.{module}.SETTLE", 0.12)
    for module in ("process", "shared"):
        monkeypatch.setattr(f"gateway.identity.{module}.PATIENCE", 0.1)


async def create(identities: IdentityMap, tenant: str, key: str, **options: Any) -> Identity:
    """Create an account as the engine does: reserve, (the backend creates), bind."""
    reservation = await identities.reserve(tenant, "User", {"userName": key})
    values: dict[str, Any] = {"external_id": None, "kept": {}, "index": (), **options}
    return await identities.bind(reservation, "hr", "staff", key, **values)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> None:
    """Wait until something is so; fail if it does not come to be."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
