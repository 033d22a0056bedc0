"""Exports, restores and rebuilds: what an operator does when a store is moved or lost (M13)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.identity import HeldTerm, Identity, IdentityError, IdentityMap, SchemaError, connect, upkeep
from gateway.identity import schema as schemas
from gateway.identity.upkeep import Account, Rebuilt
from tests.identity.conftest import KEY, House, create
from tests.services import Postgres

PLACE = ("User", "hr", "staff")


async def each(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> str:
    return _fresh(request, request.param, "one")


@pytest.fixture(params=["sqlite", "postgresql"])
def another(request: pytest.FixtureRequest) -> str:
    return _fresh(request, request.param, "two")


def _fresh(request: pytest.FixtureRequest, kind: str, name: str) -> str:
    if kind == "sqlite":
        folder: Path = request.getfixturevalue("tmp_path")
        return f"sqlite:///{folder / name}.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.create_database()


async def peopled(identities: IdentityMap) -> dict[str, Identity]:
    """Fill a store: untouched accounts, a renamed one, a re-used key, one with kept attributes and odd texts."""
    await identities.identify("acme", *PLACE, [f"k{n}" for n in range(1500)])
    people = await identities.identify("acme", *PLACE, ["plain", "login", "reused"])
    people["renamed"] = await identities.rename(people.pop("login"), "renamed")
    await identities.bury(people.pop("reused"))
    people |= await identities.identify("acme", *PLACE, ["reused"])
    people["kept"] = await create(
        identities, "acme", "kept", external_id="e\x00\ud800", kept={"title": "Dr"}, index=[("title", "dr")]
    )
    return people


async def test_a_store_moves_whole(store: str, another: str) -> None:
    """An export restored elsewhere, on another kind of database, gives every account its id, what was kept of it, and
    the search; no tombstone lives and no generation is forgotten."""
    async with connect(store, id_key=KEY) as identities:
        people = await peopled(identities)
        lines = [line async for line in upkeep.export(store, id_key=KEY)]
    assert all(line.endswith("\n") for line in lines)
    await schemas.upgrade(another)
    restored = await upkeep.restore(another, each(lines), id_key=KEY)
    assert (restored.rows, restored.skipped) == (len(lines) - 1, 0)
    assert (await upkeep.restore(another, each(lines), id_key=KEY)).skipped == len(lines) - 1
    async with connect(another, id_key=KEY) as moved:
        assert await moved.identify("acme", *PLACE, list(people), mint=False) == people
        found = await moved.search("acme", "User", [HeldTerm("title", "eq", "dr"), HeldTerm("externalId", "pr")], 9)
        assert [identity.key for identity in found] == ["kept"]
        fresh = (await moved.identify("acme", *PLACE, ["login"]))["login"]
        assert (fresh.generation, fresh.id in {p.id for p in people.values()}) == (1, False)
    again = [line async for line in upkeep.export(another, id_key=KEY)]
    assert sorted(lines) == sorted(line for line in again if fresh.id not in line)


async def test_a_lost_store_is_rebuilt_where_it_can_be(store: str, tmp_path: Path) -> None:
    """Accounts whose keys were never renamed or re-used get their ids back; the others are told, before and after
    (DESIGN §7)."""
    async with connect(store, id_key=KEY) as identities:
        people = await peopled(identities)
    keys = [*people, *(f"k{n}" for n in range(1500))]
    accounts = [Account("acme", *PLACE, key) for key in keys]
    before = await upkeep.rebuild(store, each(accounts), id_key=KEY)
    lost = {("acme", people[key].id) for key in ("renamed", "reused")}
    assert (before.present, before.minted, before.lost, set(before.at_risk)) == (1504, 0, (), lost)
    empty = f"sqlite:///{tmp_path / 'empty.db'}"
    await schemas.upgrade(empty)
    known = [("acme", identity.id) for identity in people.values()]
    after = await upkeep.rebuild(empty, each(accounts), id_key=KEY, known=known)
    assert (after.present, after.minted, set(after.lost), after.at_risk) == (0, 1504, lost, ())
    async with connect(empty, id_key=KEY) as rebuilt:
        found = await rebuilt.find("acme", [id for _, id in known])
        assert set(found) == {people["plain"].id, people["kept"].id}
    assert await upkeep.rebuild(empty, each([]), id_key=KEY) == Rebuilt(0, 0, (), ())


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["not json\n"], "not a JSON object"),
        (["[]\n"], "not a JSON object"),
        (['{"identity": {}}\n'], "no export of a store"),
        (['{"scim-gateway-store": 9}\n'], "another version"),
        (['{"scim-gateway-store": 1, "fingerprint": "x"}\n'], "another id_key"),
    ],
)
async def test_what_is_no_export_is_refused(fresh_sqlite: str, lines: list[str], reason: str) -> None:
    """A file that is no export, or of another secret, is refused before anything is written."""
    await schemas.upgrade(fresh_sqlite)
    with pytest.raises(IdentityError, match=reason):
        await upkeep.restore(fresh_sqlite, each(lines), id_key=KEY)


async def test_an_export_with_something_unknown_is_refused(fresh_sqlite: str) -> None:
    """Rows of a kind this program does not know are not passed over."""
    await schemas.upgrade(fresh_sqlite)
    lines = [line async for line in upkeep.export(fresh_sqlite, id_key=KEY)]
    with pytest.raises(IdentityError, match="unknown"):
        await upkeep.restore(fresh_sqlite, each([*lines, '{"journal": {}}\n']), id_key=KEY)


async def test_upkeep_needs_a_schema(fresh_sqlite: str) -> None:
    """Nothing is exported from, or restored into, a store that was not made."""
    with pytest.raises(SchemaError):
        [line async for line in upkeep.export(fresh_sqlite, id_key=KEY)]


async def test_an_export_is_readable(store: str) -> None:
    """Every line is a JSON object that says what it is; secrets and reservations are not in it."""
    async with connect(store, id_key=KEY) as identities:
        await identities.reserve("acme", "User", {"userName": "a-reserved-name"})
        await create(identities, "acme", "ada")
    lines = [json.loads(line) async for line in upkeep.export(store, id_key=KEY)]
    assert [next(iter(line)) for line in lines] == ["scim-gateway-store", "identity"]
    assert lines[1]["identity"]["key"] == "ada"
    assert KEY.decode() not in json.dumps(lines)


@pytest.mark.parametrize("combination", ["sqlite+memory", "postgresql+memory"])
async def test_tombstones_are_emptied(house: House, tenant: str) -> None:
    """What was kept of a deleted account is erased after an hour, the tombstone itself never; the living keep all."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    identities = await house.open(clock=lambda: now)
    gone, stays = [
        await create(identities, tenant, key, external_id=key, kept={"t": key}, index=[("t", key)])
        for key in ("gone", "stays")
    ]
    await identities.bury(gone)
    await identities._store.tidy()
    taken_back = await identities.rename(gone, "back")
    assert (taken_back.external_id, taken_back.kept) == ("gone", {"t": "gone"})
    await identities.bury(taken_back)
    now += timedelta(hours=1, seconds=1)
    await identities._store.tidy()
    erased = await identities.rename(taken_back, "too-late")
    assert (erased.id, erased.external_id, erased.kept) == (gone.id, None, {})
    assert await identities.find(tenant, [stays.id]) == {stays.id: stays}
    found = await identities.search(tenant, "User", [HeldTerm("t", "pr")], 9)
    assert [identity.key for identity in found] == ["stays"]
