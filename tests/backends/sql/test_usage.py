"""What a backend tells of its pools is what they are (M2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from backends.contract import Context, Query, UnavailableError
from backends.pools import Pooled
from backends.sql import SqlBackend, SqlSettings
from tests.backends.sql.databases import Database
from tests.backends.sql.staff import SCHEMA, started

QUERY = Query(frozenset({"login"}))


def told(backend: SqlBackend) -> tuple[int, int]:
    """Give how many connections are used, and how many calls wait."""
    (pool,) = backend.pools()
    return pool.used, pool.waiting


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def test_of_pools_that_are_not_open_nothing_is_told() -> None:
    """A scrape may come before the first contact."""
    entities = {"people": {"table": "people", "key": "id"}}
    backend = SqlBackend(SqlSettings.model_validate({"url": "sqlite://", "entities": entities}), Context("hr"))
    assert isinstance(backend, Pooled)
    assert backend.pools() == []


async def test_use_and_wait_are_told(database: Database) -> None:
    """One has the only connection, others wait, one of them goes, one is too late: every count follows, and comes back
    to nothing (R-L26)."""
    database.script(SCHEMA)
    await _used_and_waited_for(database)


async def test_use_and_wait_are_told_of_a_named_driver(make_database: Callable[[str], Database]) -> None:
    """The same where SQLAlchemy's own pool is used."""
    plain = make_database("postgres")
    plain.script(SCHEMA)
    await _used_and_waited_for(Database("postgres", plain.url.replace("://", "+asyncpg://", 1)))


async def _used_and_waited_for(staffed: Database) -> None:
    async with started(staffed, pool={"size": 1, "overflow": 0, "wait_seconds": 0.5}) as backend:
        (pool,) = backend.pools()
        assert (pool.name, pool.limit, pool.used, pool.waiting) == ("main", 2 if staffed.kind == "mariadb" else 1, 0, 0)
        before = pool.waited
        async with backend._open().reading():
            assert told(backend) == (1, 0)
            asking = [asyncio.create_task(backend.search("people", QUERY)) for _ in range(2)]
            await until(lambda: told(backend) == (1, 2))
            asking[0].cancel()
            await until(lambda: told(backend) == (1, 1))
            with pytest.raises(UnavailableError):
                await asking[1]
            assert told(backend) == (1, 0)
            last = asyncio.create_task(backend.search("people", QUERY))
            await until(lambda: told(backend) == (1, 1))
        await last
        await until(lambda: told(backend) == (0, 0))
        (pool,) = backend.pools()
        assert pool.waited - before >= 0.5


async def test_a_call_that_is_left_keeps_its_connection_until_it_is_done(database: Database) -> None:
    """Whoever goes in the middle of a call leaves nothing counted that is not so (R-L31)."""
    database.script(SCHEMA)
    async with started(database) as backend:
        for steps in range(12):
            task = asyncio.create_task(backend.search("people", QUERY))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        await until(lambda: told(backend) == (0, 0))
        await backend.ping()


async def test_the_copy_has_a_pool_of_its_own(make_database: Callable[[str], Database]) -> None:
    """Searches that go to the copy are told as its."""
    database = make_database("sqlite")
    database.script(SCHEMA)
    async with started(database, replica=database.url) as backend:
        await backend.search("people", QUERY)
        main, replica = backend.pools()
        assert (main.name, replica.name, replica.limit) == ("main", "replica", 20)
        assert replica.waited > 0
        assert (replica.used, replica.waiting) == (0, 0)
