"""A tenant of people and teams on memory backends of several shapes, over a real id map in a SQLite file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from pytest_asyncio import is_async_test

from gateway.identity import IdentityMap, connect
from tests.engine.world import (
    LOGINS,
    WEAK,
    Client,
    World,
    group_section,
    memory,
    people,
    user_section,
)

Serve = Callable[..., Awaitable[Client]]

SHAPES: dict[str, dict[str, Any]] = {
    "full": {},
    "weak": {"without": WEAK, "serialize": True},
    "unindexed": {"fields": {"login": {**LOGINS, "unique": False}}},
    "blind": {"without": WEAK, "serialize": True, "fields": {"login": {**LOGINS, "unique": False}}},
}
"""Systems: able; without all powers, that reads, merges and writes; without a unique index; without either."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests of this suite share a loop, for they share a store."""
    for item in items:
        if item.path.parent == Path(__file__).parent and is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def identities(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[IdentityMap]:
    """A real id map in a file; every test has tenants of its own in it."""
    file = tmp_path_factory.mktemp("store") / "gateway.db"
    async with connect(f"sqlite:///{file}", id_key=b"k" * 32) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def world(identities: IdentityMap) -> World:
    """An engine that serves nobody yet."""
    return World(identities, f"-{uuid4().hex[:12]}")


@pytest.fixture
def serve(world: World) -> Serve:
    """Serve the tenant acme on a shape: `entity` and `teams` change the entities, `user` and `group` the mapping."""

    async def start(
        shape: str = "full",
        *,
        entity: dict[str, Any] | None = None,
        teams: dict[str, Any] | None = None,
        user: dict[str, Any] | None = None,
        group: dict[str, Any] | None = None,
        bounds: Any = None,
        **tenant: Any,
    ) -> Client:
        given = {**SHAPES[shape], **(entity or {})}
        given["fields"] = {**SHAPES[shape].get("fields", {}), **(entity or {}).get("fields", {})}
        lacks = {name: SHAPES[shape][name] for name in ("without", "serialize") if name in SHAPES[shape]}
        world.backend("hr", memory(people(**given), {**lacks, **(teams or {})}), bounds)
        resources = {"User": user_section(**(user or {})), "Group": group_section(**(group or {}))}
        return await world.tenant("acme", resources, **tenant)

    return start


@pytest_asyncio.fixture(params=list(SHAPES), loop_scope="session")
async def client(request: pytest.FixtureRequest, serve: Serve) -> Client:
    """The tenant acme, on each shape in turn."""
    return await serve(request.param)


@pytest_asyncio.fixture(loop_scope="session")
async def full(serve: Serve) -> Client:
    """The tenant acme on a system that can do everything."""
    return await serve("full")


@pytest_asyncio.fixture(loop_scope="session")
async def weak(serve: Serve) -> Client:
    """The tenant acme on a system that can do next to nothing."""
    return await serve("weak")
