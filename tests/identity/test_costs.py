"""What a page costs: a constant number of statements, whatever its size and the directory's (promise 10)."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

import pytest

from gateway.identity import IdentityMap, connect
from gateway.identity.databases import Database, Row, Session
from gateway.identity.sqlite import SqliteDatabase, file_of
from gateway.identity.statements import Statement, Statements
from tests.identity.conftest import KEY, House, Users, create, until
from tests.services import Postgres


class Counting:
    """A database that remembers the statements requests ran; looks at the epoch, once a second, are none of theirs."""

    def __init__(self, inner: Database) -> None:
        self.inner = inner
        self.dialect = inner.dialect
        self.ran: list[str] = []

    async def start(self) -> None:
        await self.inner.start()

    async def stop(self) -> None:
        await self.inner.stop()

    async def read(self, statement: Statement, **values: Any) -> Sequence[Row]:
        if "scim_meta" not in statement.sql:
            self.ran.append(statement.sql)
        return await self.inner.read(statement, **values)

    async def write(self, statement: Statement, **values: Any) -> Sequence[Row]:
        self.ran.append(statement.sql)
        return await self.inner.write(statement, **values)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        async with self.inner.transaction() as session:
            yield _Counted(self, session)

    def exclusive(self, locks: Collection[int]) -> contextlib.AbstractAsyncContextManager[None]:
        return self.inner.exclusive(locks)


class _Counted:
    def __init__(self, counting: Counting, inner: Session) -> None:
        self.counting = counting
        self.inner = inner

    async def run(self, statement: Statement, **values: Any) -> Sequence[Row]:
        self.counting.ran.append(statement.sql)
        return await self.inner.run(statement, **values)


@pytest.fixture
async def counted(identities: IdentityMap) -> Counting:
    """Count the statements of the replica."""
    counting = Counting(identities._database)
    for part in (identities, identities._store, identities._ledger):
        part._database = counting  # type: ignore[assignment]
    return counting


@pytest.mark.parametrize("size", [1, 100, 1000])
async def test_a_page_costs_the_same_at_any_size(
    identities: IdentityMap, tenant: str, users: Users, counted: Counting, size: int
) -> None:
    """A first page is one statement to read and one to insert; a known one is at most one, for keys and for ids."""
    keys = [f"k{n}" for n in range(size)]
    minted = await users(*keys)
    assert len(counted.ran) == 2
    counted.ran.clear()
    assert await users(*keys) == minted
    assert len(counted.ran) <= 1
    counted.ran.clear()
    ids = [identity.id for identity in minted.values()]

    async def remembered() -> bool:
        counted.ran.clear()
        assert await identities.find(tenant, ids) == {identity.id: identity for identity in minted.values()}
        assert await users(*keys, kept=False) == minted
        assert len(counted.ran) <= 2
        return counted.ran == []

    await until(remembered)


async def test_kept_attributes_come_from_the_store_in_one_batch(
    house: House, identities: IdentityMap, tenant: str, users: Users, counted: Counting, hasty: None
) -> None:
    """With a shared cache a page of accounts with kept attributes is one statement, however often it is read."""
    for n in range(5):
        await create(identities, tenant, f"k{n}", kept={"title": f"t{n}"})
    keys = [f"k{n}" for n in range(8)]
    for _ in range(3):
        counted.ran.clear()
        found = await users(*keys)
        assert [found[key].kept for key in keys] == [{"title": f"t{n}"} if n < 5 else {} for n in range(8)]
        assert len(counted.ran) <= 2


async def test_changes_cost_a_few_statements(
    house: House, identities: IdentityMap, tenant: str, users: Users, counted: Counting
) -> None:
    """A touch is one statement, and nothing at all where nothing changes; a create is two where the store is elsewhere,
    with all that is kept, and a few more for a key somebody had before."""
    ada = (await users("ada"))["ada"]
    counted.ran.clear()
    await identities.alter(ada)
    assert len(counted.ran) == 1
    counted.ran.clear()
    await identities.alter(ada, touched=False)
    assert counted.ran == []
    await create(identities, tenant, "bob", external_id="e", kept={"a": 1}, index=[("a", "1")])
    assert len(counted.ran) == (6 if house.url.startswith("sqlite") else 2)
    await identities.bury((await users("bob"))["bob"])
    counted.ran.clear()
    await create(identities, tenant, "bob", external_id="e", kept={"a": 1}, index=[("a", "1")])
    assert len(counted.ran) == (6 if house.url.startswith("sqlite") else 7)


async def test_a_large_batch_is_cut(identities: IdentityMap, users: Users, counted: Counting) -> None:
    """Ten thousand keys are looked up in batches, and every one of them is found."""
    keys = [f"k{n}" for n in range(10_000)]
    found = await users(*keys, keys[0])
    assert len(found) == len({identity.id for identity in found.values()}) == 10_000
    assert len(counted.ran) == 10


@pytest.mark.parametrize("combination", ["sqlite+memory"])
async def test_every_look_up_uses_the_right_index(house: House, identities: IdentityMap) -> None:
    """No statement a request runs reads a table, or all of a tenant, so none grows with the directory; also where the
    database knows nothing yet of what is in it."""
    database = SqliteDatabase(file_of(house.url))
    await database.start()
    try:
        statements = Statements(database.dialect)
        shapes = [("eq",), ("has",), ("in",), ("created",), ("modified",), ("eq", "eq"), ("eq", "has", "any")]
        looked = [statements.search(shape) for shape in shapes]
        administrative = ("meta", "remember", "note", "advance", "expire")
        looked += [
            value
            for name, value in vars(statements).items()
            if isinstance(value, Statement) and name not in administrative
        ]
        for statement in looked:
            explain = Statement(f"EXPLAIN QUERY PLAN {statement.sql}", statement.names, statement.fixed)
            plan = await database.read(explain, **dict.fromkeys(statement.names, "[]"))
            text = "\n".join(str(row[3]) for row in plan)
            scans = re.findall(r"SCAN (?!given|json_each|CONSTANT|\d)(\S+)", text)
            assert scans == [], f"{statement.sql}\n{text}"
            assert "(tenant=?)" not in text, f"{statement.sql}\n{text}"
    finally:
        await database.stop()


@pytest.mark.parametrize("analysed", [False, True])
async def test_postgres_look_ups_use_the_right_index(postgres: Postgres, analysed: bool) -> None:
    """PostgreSQL reaches ids and keys by the index made for them in a directory of thousands, also in the first
    minutes, when it has no statistics."""
    url = postgres.create_database()
    async with connect(url, id_key=KEY) as identities:
        postgres.run("ALTER TABLE scim_identity SET (autovacuum_enabled = false)", url)
        people = await identities.identify("acme", "User", "hr", "staff", [f"k{n}" for n in range(20_000)])
        if analysed:
            postgres.run("ANALYZE", url)
        statements = identities._store._statements
        given = json.dumps([person.id for person in list(people.values())[:100]])
        place = {"tenant": "acme", "resource_type": "User", "backend": "hr", "entity": "staff"}
        values = {**place, "key": "k1", "id": people["k1"].id, "given": given, "now": 1, "to": "k2"}
        values |= {"external_id": "e", "kept": "{}"}
        for name, index in {
            "by_id": "scim_identity_pkey",
            "by_ids": "scim_identity_pkey",
            "by_keys": "scim_identity_live_key",
            "locked": "scim_identity_pkey",
            "locked_by_key": "scim_identity_live_key",
            "touch": "scim_identity_pkey",
            "alter": "scim_identity_pkey",
            "move": "scim_identity_pkey",
            "bury": "scim_identity_pkey",
        }.items():
            statement: Statement = getattr(statements, name)
            sql = f"EXPLAIN {statement.sql}"
            plan = await identities._database.read(Statement(sql, statement.names, statement.fixed), **values)
            text = "\n".join(row[0] for row in plan)
            assert set(re.findall(r"(?:using|on) (scim_identity_\w+)", text)) == {index}, f"{name}\n{text}"
            assert "Seq Scan on scim_identity" not in text, text
