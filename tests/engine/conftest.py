"""A tenant of people and teams on memory backends of several shapes, over a real id map in a SQLite file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

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


@pytest.fixture
async def identities(tmp_path: Path) -> AsyncIterator[IdentityMap]:
    """A real id map in a file of its own."""
    async with connect(f"sqlite:///{tmp_path}/gateway.db", id_key=b"k" * 32) as found:
        yield found


@pytest.fixture
async def world(identities: IdentityMap) -> World:
    """An engine that serves nobody yet."""
    return World(identities)


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


@pytest.fixture(params=list(SHAPES))
async def client(request: pytest.FixtureRequest, serve: Serve) -> Client:
    """The tenant acme, on each shape in turn."""
    return await serve(request.param)


@pytest.fixture
async def full(serve: Serve) -> Client:
    """The tenant acme on a system that can do everything."""
    return await serve("full")


@pytest.fixture
async def weak(serve: Serve) -> Client:
    """The tenant acme on a system that can do next to nothing."""
    return await serve("weak")
