"""The store's schema: made, checked, upgraded by several at once, and refused where it cannot be used."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from gateway.identity import SchemaError, WrongKeyError, connect
from gateway.identity import schema as schemas
from gateway.identity.sqlite import file_of
from gateway.identity.tables import metadata
from tests.identity.conftest import KEY
from tests.services import Postgres

Run = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request: pytest.FixtureRequest) -> str:
    """The URL of an empty store."""
    if request.param == "sqlite":
        found: str = request.getfixturevalue("fresh_sqlite")
        return found
    server: Postgres = request.getfixturevalue("postgres")
    return server.create_database()


@pytest.fixture
def run(fresh: str, request: pytest.FixtureRequest) -> Run:
    """Run a statement on the store behind the program's back."""

    def on_file(statement: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(file_of(fresh))
        try:
            with connection:
                return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def on_server(statement: str) -> list[tuple[Any, ...]]:
        server: Postgres = request.getfixturevalue("postgres")
        return server.run(statement, fresh)

    return on_file if fresh.startswith("sqlite") else on_server


async def test_a_store_is_made_at_the_first_start(fresh: str, run: Run) -> None:
    """An empty store gets its tables at the start, and the next start finds them."""
    for _ in range(2):
        async with connect(fresh, id_key=KEY) as identities:
            await identities.identify("acme", "User", "hr", "staff", ["ada"])
    assert run("SELECT key FROM scim_identity") == [("ada",)]
    assert await schemas.check(fresh) == schemas.Schema(schemas.SCHEMA, 1)


async def test_several_upgrade_at_once(fresh: str) -> None:
    """Replicas that start together make the schema once, whoever comes first (transaction lock)."""
    found = await asyncio.gather(*(schemas.upgrade(fresh) for _ in range(4)))
    assert set(found) == {schemas.Schema(schemas.SCHEMA, 1)}


async def test_an_upgrade_that_is_not_allowed_is_refused(fresh: str) -> None:
    """With upgrades switched off a missing schema ends the start, and the text says what to do."""
    reason = f"its schema is missing and this program needs step {schemas.SCHEMA}: run 'store upgrade'"
    with pytest.raises(SchemaError, match=reason):
        async with connect(fresh, id_key=KEY, auto_upgrade=False):
            pass
    await schemas.upgrade(fresh)
    async with connect(fresh, id_key=KEY, auto_upgrade=False):
        pass


async def test_a_newer_schema_is_used_as_long_as_it_allows(fresh: str, run: Run) -> None:
    """During a rolling restart the old program goes on with the new schema; after the contraction it refuses."""
    await schemas.upgrade(fresh)
    run("UPDATE scim_meta SET value = '7' WHERE name = 'step'")
    async with connect(fresh, id_key=KEY) as identities:
        await identities.identify("acme", "User", "hr", "staff", ["ada"])
    run("UPDATE scim_meta SET value = '6' WHERE name = 'readable_by'")
    with pytest.raises(SchemaError, match="can no longer be used by this program"):
        async with connect(fresh, id_key=KEY):
            pass


async def test_another_id_key_is_refused(fresh: str, run: Run) -> None:
    """A store made with another secret would give everybody another id: the start ends, and nothing is written."""
    async with connect(fresh, id_key=KEY):
        pass
    before = run("SELECT name, value FROM scim_meta ORDER BY name")
    with pytest.raises(WrongKeyError, match="another id_key") as refusal:
        async with connect(fresh, id_key=KEY + b"!"):
            pass
    assert KEY.decode() not in str(refusal.value)
    assert run("SELECT name, value FROM scim_meta ORDER BY name") == before
    assert not any(KEY.decode() in value for _, value in before)


async def test_steps_and_tables_agree(fresh: str) -> None:
    """What the steps make is what the statements are written for: Alembic finds no difference."""
    await schemas.upgrade(fresh)

    def compare(connection: Any) -> Any:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_object": lambda _, name, *rest: name != "scim_schema"}
        )
        return compare_metadata(context, metadata)

    assert await schemas._with_engine(fresh, compare) == []


async def test_every_key_begins_with_the_tenant() -> None:
    """No row of an account can be reached without naming its tenant (X10)."""
    for table in metadata.sorted_tables:
        if table.name != "scim_meta":
            assert next(iter(table.primary_key)).name == "tenant", table.name


async def test_an_upgrade_that_fails_leaves_nothing(fresh: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step is whole or not there, also where the driver would commit table by table."""

    def fail(connection: Any, name: str, value: int) -> None:
        raise OSError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(schemas, "_note", fail)
        with pytest.raises(Exception, match="store cannot be reached"):
            await schemas.upgrade(fresh)
    assert await schemas.inspect_schema(fresh) == schemas.Schema(0, 0)
    await schemas.upgrade(fresh)
    assert run("SELECT count(*) FROM scim_identity") == [(0,)]


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """The embedded store, which holds personal data, is made with its folder and readable by nobody else."""
    url = f"sqlite:///{tmp_path / 'deep' / 'folder' / 'gateway.db'}"
    async with connect(url, id_key=KEY):
        assert stat.S_IMODE(file_of(url).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://host/db", "store: write sqlite:///"),
        ("gateway.db", "store: write sqlite:///"),
        ("sqlite://", "sqlite:///path/to/file.db"),
        ("sqlite:///", "sqlite:///path/to/file.db"),
        ("sqlite:///:memory:", "sqlite:///path/to/file.db"),
    ],
)
def test_a_store_url_nobody_understands_is_refused(url: str, reason: str) -> None:
    """A wrong URL is told by how a right one looks."""
    with pytest.raises(ValueError, match=reason):
        connect(url, id_key=KEY)


async def test_a_store_of_an_earlier_step_is_brought_up_to_date(fresh: str, run: Run) -> None:
    """What a store of the first step holds is there after the upgrade, and programs of that step may go on with it."""
    async with connect(fresh, id_key=KEY) as identities:
        before = await identities.identify("acme", "User", "hr", "staff", ["ada"])
    for table in ("scim_resident", "scim_resident_text", "scim_resident_list"):
        run(f"DROP TABLE {table}")
    run("UPDATE scim_meta SET value = '1' WHERE name = 'step'")
    run("UPDATE scim_schema SET version_num = '0001'")
    with pytest.raises(SchemaError, match="at step 1"):
        await schemas.check(fresh)
    assert await schemas.upgrade(fresh) == schemas.Schema(schemas.SCHEMA, 1)
    async with connect(fresh, id_key=KEY) as identities:
        assert await identities.identify("acme", "User", "hr", "staff", ["ada"]) == before
    assert run("SELECT count(*) FROM scim_resident") == [(0,)]
