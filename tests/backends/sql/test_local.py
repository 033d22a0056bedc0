"""SQLite on the driver itself: a whole call goes to a thread once, and comes back once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from backends.contract import And, Change, Compare, ConflictError, Op, Query, UnavailableError
from tests.backends.sql.databases import Database, Maker
from tests.backends.sql.staff import SCHEMA, started


@pytest.fixture
def staff(make_database: Maker) -> Database:
    database = make_database("sqlite")
    database.script(SCHEMA)
    return database


@contextmanager
def handed_back() -> Iterator[list[int]]:
    """Count how often a thread hands something to the loop."""
    loop: Any = asyncio.get_running_loop()
    handed, counted = loop.call_soon_threadsafe, [0]

    def hand(*arguments: Any, **options: Any) -> Any:
        counted[0] += 1
        return handed(*arguments, **options)

    loop.call_soon_threadsafe = hand
    try:
        yield counted
    finally:
        del loop.call_soon_threadsafe


@contextmanager
def writing(database: Database) -> Iterator[None]:
    """Have the right to write, as another program does that is in the middle of something."""
    with closing(sqlite3.connect(database.url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def test_a_call_of_many_statements_goes_to_a_thread_once(staff: Database) -> None:
    """However many statements a call has, threads change hands once (promise 10)."""
    async with started(staff) as backend:
        fields = {"login": "ada", "tags": ("a", "b"), "mails": ({"address": "a@example.com", "kind": "work"},)}
        with handed_back() as times:
            key = (await backend.create("people", fields)).key
        assert times == [1]
        with handed_back() as times:
            record = await backend.get("people", key, frozenset({"login", "tags", "mails", "teams"}))
        assert times == [1]
        assert record.fields["tags"] == ("a", "b")
        with handed_back() as times:
            page = await backend.search("people", Query(frozenset({"tags", "mails"}), limit=1, total=True))
        assert times == [1]
        assert len(page.records) == 1
        with handed_back() as times:
            await backend.update("people", key, Change(set={"name": "Ada", "tags": ("c",)}))
        assert times == [1]


async def test_a_change_nobody_waits_for_is_undone_before_it_is_committed(staff: Database) -> None:
    """Who goes away while a change waits for another program's leaves no trace, and stopping waits for the thread."""
    async with started(staff) as backend:
        key = (await backend.create("people", {"login": "ada"})).key
        with writing(staff):
            change = asyncio.create_task(backend.update("people", key, Change(set={"name": "x", "tags": ("t",)})))
            await asyncio.wait([change], timeout=0.05)
            assert not change.done()
            change.cancel()
            with pytest.raises(asyncio.CancelledError):
                await change
    assert staff.run("SELECT name FROM person WHERE login = 'ada'") == [(None,)]
    assert staff.run("SELECT * FROM person_tag") == []


async def test_a_file_somebody_else_writes_to_is_unavailable_until_it_is_free(staff: Database) -> None:
    """Who waits too long for the right to write is told to come again, surely undone; reading goes on meanwhile."""
    async with started(staff, pool={"wait_seconds": 0.05, "size": 2, "overflow": 0}) as backend:
        key = (await backend.create("people", {"login": "ada"})).key
        with writing(staff):
            for change in (Change(set={"name": "x"}), Change(set={"name": "x", "tags": ("t",)})) * 3:
                with pytest.raises(UnavailableError) as raised:
                    await backend.update("people", key, change)
                assert not raised.value.maybe_done
            assert (await backend.get("people", key, frozenset({"name"}))).fields == {"name": None}
        assert (await backend.update("people", key, Change(set={"name": "x", "tags": ("t",)}))).changed
    assert staff.run("SELECT name FROM person WHERE login = 'ada'") == [("x",)]


async def test_all_who_come_at_once_are_served(staff: Database) -> None:
    """More calls than connections wait for each other and find what they asked for, each with statements of its own."""
    async with started(staff, pool={"size": 3, "overflow": 1}) as backend:
        keys = [(await backend.create("people", {"login": f"p{n}", "tags": (f"t{n}",)})).key for n in range(40)]

        async def found(n: int) -> Any:
            if n % 2:
                return (await backend.get("people", keys[n], frozenset({"tags"}))).fields["tags"]
            where = Compare("login", Op.EQ, f"p{n}")
            page = await backend.search("people", Query(frozenset({"tags"}), where, limit=n + 1, total=n % 4 == 0))
            return page.records[0].fields["tags"]

        assert await asyncio.gather(*(found(n) for n in range(40))) == [(f"t{n}",) for n in range(40)]


async def test_a_named_sqlite_driver_gives_the_same_answers(make_database: Maker) -> None:
    """Where the URL names a driver it is used as SQLAlchemy uses it; values, conflicts and totals are the same."""
    seen = []
    for scheme in ("sqlite:", "sqlite+pysqlite:", "sqlite+aiosqlite:"):
        database = make_database("sqlite")
        database.script(SCHEMA)
        async with started(Database("sqlite", database.url.replace("sqlite:", scheme))) as backend:
            fields = {
                "login": "ada", "rate": Decimal("1.50"), "born": date(1815, 12, 10), "tags": ("a", "b"),
                "seen": datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC), "unit": "Rest",
            }  # fmt: skip
            key = (await backend.create("people", fields)).key
            assert (await backend.update("people", key, Change(set={"login": "ida", "rate": Decimal(2)}))).changed
            assert not (await backend.update("people", key, Change(set={"login": "ida"}))).changed
            where = Compare("login", Op.IN, ("IDA", "eve"), ignore_case=True)
            page = await backend.search("people", Query(frozenset(fields), where, total=True))
            with pytest.raises(ConflictError) as raised:
                await backend.create("people", {"login": "ida"})
            seen.append((page.total, [dict(record.fields) for record in page.records], raised.value.field))
            await backend.delete("people", key)
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0] == 1


async def test_the_index_of_those_who_are_not_marked_is_used(make_database: Maker) -> None:
    """Where a column is never empty, "not the mark of the dead" is asked in the words of a partial index, which would
    not be used otherwise; where it may be empty, who has no mark is found as well (promise 10)."""
    database = make_database("sqlite")
    database.script(
        "CREATE TABLE account (id {serial}, login VARCHAR(40) NOT NULL, status CHAR(1) NOT NULL, mark CHAR(1))"
    )
    database.run(
        "CREATE UNIQUE INDEX account_login ON account (login) WHERE status <> 'D'",
        "INSERT INTO account (login, status, mark) VALUES ('ada', 'D', 'D'), ('ada', 'A', NULL)",
    )
    async with started(database, {"accounts": {"table": "account", "key": "id"}}) as backend:
        for field in ("status", "mark"):
            where = And((Compare(field, Op.NE, "D"), Compare("login", Op.EQ, "ada")))
            page = await backend.search("accounts", Query(frozenset({"status"}), where, limit=10))
            assert [record.fields["status"] for record in page.records] == ["A"]
            (call,) = backend.explain("accounts", "search", Query(frozenset({"status"}), where, limit=10))
            with closing(sqlite3.connect(database.url.removeprefix("sqlite:///"))) as connection:
                text = call.text.replace("?", "'D'", 1).replace("?", "'ada'", 1).replace("?", "10", 1)
                steps = connection.execute(f"EXPLAIN QUERY PLAN {text}", [0] * text.count("?")).fetchall()
            assert ("account_login" in steps[0][-1]) is (field == "status"), steps
