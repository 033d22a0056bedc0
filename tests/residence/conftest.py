"""The stores residents live in: an empty one of each kind, open."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from backends.contract import Context
from gateway.identity import database_of, schema
from gateway.identity.databases import Database, Session
from gateway.identity.failures import StoreUnavailableError
from gateway.identity.statements import Statement
from gateway.residence import ResidenceSettings, ResidentBackend
from tests.services import Postgres

FIELDS: dict[str, Any] = {
    "login": {"unique": True, "required": True, "filled": True},
    "note": {},
    "enabled": {"kind": "flag"},
    "tags": {"kind": "list"},
}
TEAM_FIELDS: dict[str, Any] = {
    "title": {"unique": True, "required": True},
    "members": {"kind": "list", "refers": "people"},
}


def settings(tenant: str) -> ResidenceSettings:
    """Make the settings of people and teams of one tenant."""
    return ResidenceSettings.model_validate(
        {
            "entities": {
                "people": {"tenant": tenant, "type": "people", "fields": FIELDS},
                "teams": {"tenant": tenant, "type": "teams", "fields": TEAM_FIELDS},
            }
        }
    )


class Faulty:
    """A database of which one step fails: the one so many from now; `lost`: it is done, and its answer is lost.

    A step is a statement, or the end of a transaction. `ran` lists the statements.
    """

    def __init__(self, inner: Database) -> None:
        self._inner = inner
        self.dialect = inner.dialect
        self.left: int | None = None
        self.lost = False
        self.ran: list[str] = []

    async def start(self) -> None:
        await self._inner.start()

    async def stop(self) -> None:
        await self._inner.stop()

    async def read(self, statement: Statement, **values: Any) -> Any:
        return await self._step(statement, self._inner.read(statement, **values))

    async def write(self, statement: Statement, **values: Any) -> Any:
        return await self._step(statement, self._inner.write(statement, **values))

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        faulty = self

        class Stepping:
            def __init__(self, inner: Session) -> None:
                self._inner = inner

            async def run(self, statement: Statement, **values: Any) -> Any:
                return await faulty._step(statement, self._inner.run(statement, **values))

        async with self._inner.transaction() as session:
            yield Stepping(session)
            self._fail(lost=False)
        self._fail(lost=True)

    def exclusive(self, locks: Any) -> Any:
        return self._inner.exclusive(locks)

    async def _step(self, statement: Statement, call: Any) -> Any:
        self.ran.append(statement.sql)
        try:
            self._fail(lost=False)
        except StoreUnavailableError:
            call.close()
            raise
        found = await call
        self._fail(lost=True)
        return found

    def _fail(self, *, lost: bool) -> None:
        if self.left is None or self.lost is not lost:
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            raise StoreUnavailableError("the store is gone")


@pytest.fixture(scope="session")
def sqlite_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'gateway.db'}"


@pytest.fixture(scope="session")
def postgres_store(postgres: Postgres) -> str:
    return postgres.create_database()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> str:
    """The URL of a store of each kind."""
    found: str = request.getfixturevalue("sqlite_store" if request.param == "sqlite" else "postgres_store")
    return found


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """Open the database of a store, up to date."""
    await schema.upgrade(url)
    database = database_of(url)
    try:
        await database.start()
        yield database
    finally:
        await database.stop()


@pytest.fixture
async def database(store: str) -> AsyncIterator[Database]:
    """The open database of a store."""
    async with opened(store) as found:
        yield found


@pytest.fixture
def tenant() -> str:
    """A tenant no other test has."""
    return f"t-{uuid4().hex[:12]}"


@pytest.fixture
def backend(database: Database, tenant: str) -> ResidentBackend:
    """People and teams of a tenant of its own."""
    return ResidentBackend(settings(tenant), Context("gateway"), database)
