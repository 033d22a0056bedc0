"""Residents beyond the contract: tenants apart, costs, odd texts, unique values, what is shown to an operator."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from backends.contract import (
    KEY,
    And,
    Change,
    Compare,
    ConflictError,
    Context,
    Not,
    NotFoundError,
    Op,
    Outcome,
    Query,
    RejectedError,
    Sort,
    StaleError,
    UnavailableError,
)
from gateway.identity import database_of
from gateway.identity.databases import Database
from gateway.identity.statements import Compiler, Statement
from gateway.identity.tables import RESIDENT, RESIDENT_LIST, RESIDENT_TEXT
from gateway.residence import ResidenceSettings, ResidentBackend
from gateway.residence.indexing import rows
from gateway.residence.statements import SHAPES, Order
from tests.residence.conftest import Faulty, settings

NONE: frozenset[str] = frozenset()
ALL = frozenset({"login", "note", "enabled", "tags"})


async def stored(database: Database, tenant: str) -> Counter[str]:
    """Count the rows of a tenant in each table."""
    found: Counter[str] = Counter()
    for table in (RESIDENT, RESIDENT_TEXT, RESIDENT_LIST):
        statement = Compiler(database.dialect).compiled(table.select().where(table.c.tenant == tenant))
        found[table.name.removeprefix("scim_")] = len(await database.read(statement))
    return found


async def keys(backend: ResidentBackend, where: Any, entity: str = "people", **query: Any) -> list[str]:
    page = await backend.search(entity, Query(NONE, where, **query))
    return [record.key for record in page.records]


async def test_tenants_never_see_each_other(database: Database, tenant: str) -> None:
    """A key, value or id of another tenant is nobody's there: not read, found, counted, changed or removed (X10)."""
    mine = ResidentBackend(settings(tenant), Context("gateway"), database)
    theirs = ResidentBackend(settings(f"{tenant}-2"), Context("gateway"), database)
    key = (await mine.create("people", {"login": "ada", "tags": ("x",)})).key
    team = (await mine.create("teams", {"title": "staff", "members": (key,)})).key
    other = (await theirs.create("people", {"login": "ada", "tags": ("x",)})).key
    with pytest.raises(NotFoundError):
        await theirs.get("people", key, ALL)
    assert await keys(theirs, Compare("login", Op.EQ, "ada")) == [other]
    assert await keys(theirs, Compare("tags", Op.EQ, "x")) == [other]
    assert await keys(theirs, Compare(KEY, Op.IN, (key, other))) == [other]
    assert (await theirs.search("people", Query(NONE, total=True))).total == 1
    for call in (
        theirs.update("people", key, Change(set={"note": "x"})),
        theirs.delete("people", key),
        theirs.list_values("teams", team, "members", limit=3),
    ):
        with pytest.raises(NotFoundError):
            await call
    await theirs.delete("people", other)
    assert (await mine.get("teams", team, frozenset({"members"}))).fields == {"members": (key,)}
    assert await stored(database, f"{tenant}-2") == Counter({"resident": 0, "resident_text": 0, "resident_list": 0})


async def test_a_deleted_record_leaves_nothing(backend: ResidentBackend, database: Database, tenant: str) -> None:
    """Neither what it was found by nor its lists stay, and its unique value is free again, under another key."""
    first = await backend.create("people", {"login": "ada", "note": "n", "enabled": True, "tags": ("a", "b")})
    await backend.delete("people", first.key)
    assert await stored(database, tenant) == Counter({"resident": 0, "resident_text": 0, "resident_list": 0})
    again = await backend.create("people", {"login": "ada"})
    assert again.key > first.key


@pytest.mark.parametrize("count", [10, 3000])
async def test_a_delta_costs_the_delta(database: Database, tenant: str, count: int) -> None:
    """One member more or less is the same few statements whether there are ten or thousands; none reads the list
    (promise 4)."""
    counting = Faulty(database)
    backend = ResidentBackend(settings(tenant), Context("gateway"), counting)
    members = tuple(f"id-{number}" for number in range(count))
    team = (await backend.create("teams", {"title": "staff", "members": members})).key
    counting.ran.clear()
    outcome = await backend.update("teams", team, Change(add={"members": ("new",)}, remove={"members": ("id-3",)}))
    assert outcome == Outcome(changed=True)
    said = [sql.split()[0] for sql in counting.ran]
    assert said == ["SELECT", "DELETE", "INSERT", "UPDATE"]
    assert "scim_resident_list" not in counting.ran[0]
    found = (await backend.get("teams", team, frozenset({"members"}))).fields["members"]
    assert isinstance(found, tuple)
    assert set(found) == {*members, "new"} - {"id-3"}
    counting.ran.clear()
    assert not (await backend.update("teams", team, Change(add={"members": ("new",)}))).changed
    assert [sql.split()[0] for sql in counting.ran] == ["SELECT", "INSERT"]


WAYS: dict[str, tuple[Any, Sort]] = {
    "a page": (None, Sort()),
    "a page by name": (None, Sort("login", ignore_case=True)),
    "backwards": (None, Sort("login", descending=True, ignore_case=True)),
    "a name": (Compare("login", Op.EQ, "USER700", ignore_case=True), Sort()),
    "a beginning": (Compare("login", Op.SW, "user70", ignore_case=True), Sort()),
    "a member": (Compare("tags", Op.EQ, "t700"), Sort()),
    "what most have": (Compare("enabled", Op.EQ, True), Sort()),
    "what most have, by name": (Compare("login", Op.PR), Sort("login", ignore_case=True)),
}


async def test_searches_read_what_they_show(database: Database, backend: ResidentBackend, tenant: str) -> None:
    """On tables no planner has statistics of: a page, in any order and from any cursor, a name, a beginning and a
    member are found by an index, however many records there are (promise 10)."""
    entity = settings(tenant).entities["people"]
    statements, place = backend._statements, {"tenant": tenant, "entity": "people"}
    async with database.transaction() as session:
        for number in range(1000):
            content = {"login": f"user{number}", "enabled": True}
            given = {**place, "key": f"k{number:04d}"}
            await session.run(statements.enter, content=json.dumps(content), **given)
            await session.run(statements.index, given=json.dumps(rows(content, entity.fields)), **given)
            await session.run(statements.add, field="tags", given=json.dumps([[f"t{number}"]]), **given)
    for name, (where, sort) in WAYS.items():
        query, cursor = Query(frozenset({"login"}), where, sort, limit=5), None
        for _ in range(2):
            step = backend._steps["people"].page(replace(query, cursor=cursor))
            visited = await _visited(database, step.statement, step.values)
            assert visited < 100, f"{name} reads {visited} rows"
            cursor = (await backend.search("people", replace(query, cursor=cursor))).cursor
            if cursor is None:
                break


async def _visited(database: Database, statement: Statement, values: Mapping[str, Any]) -> int:
    """Tell how many rows a search reads; of SQLite, which does not count, whether it goes by an index to the end."""
    if database.dialect.name == "sqlite":
        explained = replace(statement, sql=f"EXPLAIN QUERY PLAN {statement.sql}")
        plan = [row[3] for row in await database.read(explained, **values)]
        bare = [step for step in plan if "(tenant=? AND entity=?" in step and step.endswith("entity=?)")]
        wrong = [step for step in plan if step.startswith("SCAN scim") or step.endswith("B-TREE FOR ORDER BY")]
        # A page in the order of keys, or of names, has nothing else to go by, and stops where it ends.
        return 1000 if wrong or len(bare) > 1 else 0
    explained = replace(statement, sql=f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}")
    ((text,),) = await database.read(explained, **values)
    return _rows_of(json.loads(text)[0]["Plan"])


def _rows_of(node: Mapping[str, Any]) -> int:
    read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Join Filter", 0)
    return int(read * node["Actual Loops"]) + sum(_rows_of(one) for one in node.get("Plans", ()))


async def test_case_and_accents_fold_as_everywhere(backend: ResidentBackend) -> None:
    """ADA and Ada are one where the field does not tell case apart, STRASSE and straße too; what was written is what is
    read (S14)."""
    key = (await backend.create("people", {"login": "Straße", "note": "Ärger"})).key
    with pytest.raises(ConflictError) as caught:
        await backend.create("people", {"login": "STRASSE"})
    assert caught.value.field == "login"
    assert (await backend.get("people", key, frozenset({"login"}))).fields == {"login": "Straße"}
    assert await keys(backend, Compare("login", Op.EQ, "strasse", ignore_case=True)) == [key]
    assert await keys(backend, Compare("login", Op.EQ, "strasse")) == []
    assert await keys(backend, Compare("note", Op.SW, "äR", ignore_case=True)) == [key]
    assert await keys(backend, Not(Compare("note", Op.CO, "RGE", ignore_case=True))) == []
    other = (await backend.create("people", {"login": "bob"})).key
    with pytest.raises(ConflictError):
        await backend.update("people", other, Change(set={"login": "strasse", "note": "x"}))
    assert (await backend.get("people", other, ALL)).fields == {
        "login": "bob", "note": None, "enabled": None, "tags": (),
    }  # fmt: skip
    assert (await backend.update("people", key, Change(set={"login": "STRASSE"}))).changed


async def test_a_field_may_tell_case_apart(database: Database, tenant: str) -> None:
    """Where case counts, a and A are two."""
    fields = {"code": {"unique": True, "case_exact": True, "required": True}}
    entity = {"tenant": tenant, "type": "things", "fields": fields}
    backend = ResidentBackend(
        ResidenceSettings.model_validate({"entities": {"things": entity}}), Context("gateway"), database
    )
    await backend.create("things", {"code": "a"})
    await backend.create("things", {"code": "A"})
    with pytest.raises(ConflictError):
        await backend.create("things", {"code": "A"})


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
async def test_what_no_store_holds_is_refused_and_matches_nothing(backend: ResidentBackend, text: str) -> None:
    """A text PostgreSQL cannot hold is refused by every store, names the field, and finds nobody."""
    key = (await backend.create("people", {"login": "ada", "note": "ab"})).key
    for change in (Change(set={"note": text}), Change(add={"tags": (text,)}), Change(set={"tags": (text,)})):
        with pytest.raises(RejectedError) as caught:
            await backend.update("people", key, change)
        assert caught.value.field in ("note", "tags")
    for op in (Op.EQ, Op.CO, Op.SW, Op.EW):
        assert await keys(backend, Compare("note", op, text)) == []
    assert await keys(backend, Compare("note", Op.NE, text)) == [key]
    assert await keys(backend, Compare("tags", Op.IN, (text,))) == []
    assert await keys(backend, Compare(KEY, Op.IN, (text, key))) == [key]


async def test_long_values_are_whole(backend: ResidentBackend) -> None:
    """A value longer than any index holds is stored, told apart by its end, found and sorted."""
    long = "ß" * 5000
    first = (await backend.create("people", {"login": long + "a"})).key
    second = (await backend.create("people", {"login": long + "B"})).key
    assert await keys(backend, Compare("login", Op.EQ, "SS" * 5000 + "b", ignore_case=True)) == [second]
    assert await keys(backend, Compare("login", Op.SW, long, ignore_case=True)) == [first, second]
    assert await keys(backend, Compare("login", Op.EW, "A", ignore_case=True)) == [first]
    for descending, wanted in ((False, [first, second]), (True, [second, first])):
        found, cursor = list[str](), None
        for _ in range(2):
            sort = Sort("login", descending, ignore_case=True)
            page = await backend.search("people", Query(NONE, sort=sort, limit=1, cursor=cursor))
            found, cursor = [*found, page.records[0].key], page.cursor
        assert found == wanted
        assert cursor is None
    with pytest.raises(RejectedError):
        await backend.update("people", first, Change(add={"tags": ("x" * 257,)}))


async def test_of_changes_with_one_version_one_wins(backend: ResidentBackend) -> None:
    """Ten changes at once that expect the same version: one is made, the others are stale, a list or a value alike."""
    record = await backend.create("people", {"login": "ada"})
    results = await asyncio.gather(
        *(
            backend.update("people", record.key, change, expect=record.version)
            for number in range(5)
            for change in (Change(set={"note": f"n{number}"}), Change(add={"tags": (f"t{number}",)}))
        ),
        return_exceptions=True,
    )
    assert Counter(type(result) for result in results) == {Outcome: 1, StaleError: 9}


async def test_of_creates_with_one_value_one_wins(backend: ResidentBackend) -> None:
    """Many creates of one unique value at once: one record, and a conflict for each of the others."""
    results = await asyncio.gather(
        *(backend.create("people", {"login": "Ada" if number % 2 else "ada"}) for number in range(8)),
        return_exceptions=True,
    )
    assert Counter(type(result).__name__ for result in results) == {"Record": 1, "ConflictError": 7}
    assert (await backend.search("people", Query(NONE, total=True))).total == 1


async def test_deltas_at_once_all_land(backend: ResidentBackend) -> None:
    """Members added and removed by many at once are exactly those named."""
    team = (await backend.create("teams", {"title": "t", "members": tuple(f"old{n}" for n in range(20))})).key
    await asyncio.gather(
        *(
            backend.update("teams", team, Change(add={"members": (f"new{n}",)}, remove={"members": (f"old{n}",)}))
            for n in range(20)
        )
    )
    found = (await backend.get("teams", team, frozenset({"members"}))).fields["members"]
    assert isinstance(found, tuple)
    assert set(found) == {f"new{n}" for n in range(20)}


async def test_shapes_are_remembered_within_bounds(backend: ResidentBackend) -> None:
    """Filters that differ in their values share a statement; ever new shapes do not fill the memory."""
    searches = backend._statements._searches
    for number in range(20):
        await keys(backend, Compare("login", Op.EQ, f"u{number}"))
    assert len(searches) == 1
    for number in range(1, 6):
        await keys(backend, And(tuple(Compare("note", Op.NE, str(n)) for n in range(number))))
    assert len(searches) == 6
    for number in range(2 * SHAPES):
        backend._statements.search(("text", f"f{number}", "pr", False, 0), Order(), after=False)
    assert len(searches) <= SHAPES


async def test_a_store_that_is_closed_is_unavailable() -> None:
    """Whatever is asked of a store nobody opened is `UnavailableError`, and nothing is said to be done."""
    backend = ResidentBackend(settings("acme"), Context("gateway"), database_of("sqlite:///never-made.db"))
    await backend.start()
    for call in (
        backend.ping(),
        backend.get("people", "k", ALL),
        backend.search("people", Query(ALL)),
        backend.create("people", {"login": "a"}),
        backend.update("people", "k", Change(set={"note": "n"})),
        backend.delete("people", "k"),
    ):
        with pytest.raises(UnavailableError) as caught:
            await call
        assert not caught.value.maybe_done
    await backend.stop()


async def test_an_operator_sees_the_statements(backend: ResidentBackend, tenant: str) -> None:
    """Each operation is shown as the statements it makes, with the values beside; none of another tenant's
    (promise 9)."""
    change = Change(set={"login": "eve"}, add={"tags": ("a",)}, remove={"tags": ("b",)})
    calls = backend.explain("people", "update", "k1", change)
    assert [call.text.split()[0] for call in calls] == ["SELECT", "DELETE", "INSERT", "UPDATE", "DELETE", "INSERT"]
    assert all(tenant in [value for _, value in call.values] for call in calls)
    assert "eve" not in repr(calls)
    assert any("eve" in str(value) for call in calls for _, value in call.values)
    shown = backend.explain("people", "search", Query(ALL, Compare("login", Op.EQ, "ada"), total=True))
    assert [call.text.split()[0] for call in shown] == ["SELECT"] * 3
    with pytest.raises(NotFoundError):
        await backend.get("people", "k1", ALL)


def test_content_is_json_of_single_values_alone() -> None:
    """Lists are rows and nothing else: no write of a list rewrites the record's content."""
    calls = ResidentBackend(settings("acme"), Context("gateway"), database_of("sqlite:///never-made.db")).explain(
        "people", "create", {"login": "ada", "tags": ("a", "b")}
    )
    content = next(value for call in calls for name, value in call.values if name == "content")
    assert json.loads(str(content)) == {"login": "ada"}
