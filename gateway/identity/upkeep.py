"""What an operator does with a store: export it, restore an export, rebuild what was lost (DESIGN §7).

`schema.upgrade` and `schema.check` are the rest of ``scim-gateway store``.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, String, Table, bindparam, cast, select, true, tuple_

from gateway.identity.databases import Database
from gateway.identity.failures import IdentityError
from gateway.identity.minting import Minter
from gateway.identity.postgres import PostgresDatabase
from gateway.identity.records import Place, checked
from gateway.identity.schema import check
from gateway.identity.sqlite import SqliteDatabase, file_of
from gateway.identity.statements import Statement, Statements
from gateway.identity.store import Store
from gateway.identity.tables import (
    HELD,
    IDENTITY,
    RESIDENT,
    RESIDENT_LIST,
    RESIDENT_TEXT,
    VACATED,
    Elements,
    Item,
    NextSerial,
)

BATCH = 1000
FORMAT = 1
_TABLES = {
    "identity": IDENTITY,
    "vacated": VACATED,
    "held": HELD,
    "resident": RESIDENT,
    "resident_text": RESIDENT_TEXT,
    "resident_list": RESIDENT_LIST,
}


class Account(NamedTuple):
    """An account a backend has."""

    tenant: str
    resource_type: str
    backend: str
    entity: str
    key: str


@dataclass(frozen=True, slots=True)
class Restored:
    """How much of an export is in the store now: `rows` were added, `skipped` were there already or contradict what
    is."""

    rows: int
    skipped: int


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild found: accounts whose id was there, accounts that were given one, and what it could not restore.

    `lost` are the ids of `known` that belong to no account any more. `at_risk` are live ids that another rebuild could
    not restore, since their keys were renamed or used before: only an export or a backup carries them.
    """

    present: int
    minted: int
    lost: tuple[tuple[str, str], ...]
    at_risk: tuple[tuple[str, str], ...]


async def export(url: str, *, id_key: bytes) -> AsyncIterator[str]:
    """Yield the whole store as lines of JSON, tombstones included; reservations are not worth keeping.

    Reads in batches, while the gateway runs; what changes meanwhile is in the export as it was before or after.
    """
    async with _opened(url, id_key) as (database, statements, minter):
        yield json.dumps({"scim-gateway-store": FORMAT, "fingerprint": minter.fingerprint()}) + "\n"
        for name, table in _TABLES.items():
            async for row in _rows(database, statements, table):
                yield json.dumps({name: row}) + "\n"


async def restore(url: str, lines: AsyncIterable[str], *, id_key: bytes) -> Restored:
    """Add what an export holds; what the store has already is left as it is.

    Raises `IdentityError` for something that is no export, or one made with another id_key.
    """
    rows = given = 0
    async with _opened(url, id_key) as (database, statements, minter):
        inserts = {name: _insert(statements, table) for name, table in _TABLES.items()}
        pending: dict[str, list[list[Any]]] = {name: [] for name in _TABLES}

        async def flush(least: int) -> int:
            added = 0
            for name, batch in pending.items():
                if len(batch) >= least:
                    added += len(await database.write(inserts[name], given=json.dumps(batch)))
                    batch.clear()
            return added

        begun = False
        async for line in lines:
            entry = _parsed(line)
            if not begun:
                if entry.get("scim-gateway-store") != FORMAT:
                    raise IdentityError("this is no export of a store, or one of another version")
                if entry.get("fingerprint") != minter.fingerprint():
                    raise IdentityError("this export is of a store made with another id_key")
                begun = True
                continue
            for name, values in entry.items():
                if name not in _TABLES:
                    raise IdentityError("this export holds something unknown")
                pending[name].append([values[column] for column in _columns(_TABLES[name])])
                given += 1
            rows += await flush(BATCH)
        rows += await flush(1)
    return Restored(rows, given - rows)


async def rebuild(
    url: str, accounts: AsyncIterable[Account], *, id_key: bytes, known: Iterable[tuple[str, str]] = ()
) -> Rebuilt:
    """Give every account the id it had, as far as that can be worked out again: for keys never renamed or re-used.

    Restore the newest export first, if there is one. `known` are (tenant, id) pairs clients still use: those that
    belong to nobody afterwards are told as lost.
    """
    present = minted = 0
    async with _opened(url, id_key) as (database, statements, minter):
        store = Store(database, statements, minter, lambda: datetime.now(UTC))
        batches: dict[Place, set[str]] = {}

        async def flush(place: Place) -> tuple[int, int]:
            found, vacant = await store.look_up(place, batches.pop(place))
            fresh = await store.mint(place, vacant) if vacant else {}
            return len(found), len(fresh)

        async for account in accounts:
            place = Place(*account[:4])
            batches.setdefault(place, set()).add(checked(account.key))
            if len(batches[place]) >= BATCH:
                old, new = await flush(place)
                present, minted = present + old, minted + new
        for place in list(batches):
            old, new = await flush(place)
            present, minted = present + old, minted + new
        lost = [pair async for pair in _lost(store, known)]
        at_risk = [
            (row["tenant"], row["id"])
            async for row in _rows(database, statements, IDENTITY)
            if row["buried"] is None and row["id"] != _first_id(minter, row)
        ]
    return Rebuilt(present, minted, tuple(lost), tuple(at_risk))


async def _lost(store: Store, known: Iterable[tuple[str, str]]) -> AsyncIterator[tuple[str, str]]:
    by_tenant: dict[str, list[str]] = {}
    for tenant, id in known:
        by_tenant.setdefault(tenant, []).append(id)
    for tenant, ids in by_tenant.items():
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            found = await store.find(tenant, batch)
            for id in batch:
                if id not in found:
                    yield tenant, id


def _first_id(minter: Minter, row: dict[str, Any]) -> str:
    return minter.mint(row["tenant"], row["resource_type"], row["backend"], row["entity"], row["key"], 0)


@contextlib.asynccontextmanager
async def _opened(url: str, id_key: bytes) -> AsyncIterator[tuple[Database, Statements, Minter]]:
    await check(url)
    database: Database = SqliteDatabase(file_of(url)) if url.startswith("sqlite") else PostgresDatabase(url)
    statements, minter = Statements(database.dialect), Minter(id_key)
    try:
        await database.start()
        await Store(database, statements, minter, lambda: datetime.now(UTC)).check_key()
        yield database, statements, minter
    finally:
        await database.stop()


def _columns(table: Table) -> list[str]:
    return [column.name for column in table.c if column.name != "serial"]


async def _rows(database: Database, statements: Statements, table: Table) -> AsyncIterator[dict[str, Any]]:
    """Read a table from its first key to its last, a batch at a time."""
    names = _columns(table)
    keys = [column.name for column in table.primary_key]
    whole = (
        select(*(table.c[name] for name in names))
        .order_by(*table.primary_key)
        .limit(bindparam("limit", type_=BigInteger()))
    )
    after = tuple_(*table.primary_key) > tuple_(*(bindparam(key, type_=String()) for key in keys))
    first, following = statements.compiled(whole), statements.compiled(whole.where(after))
    rows = await database.read(first, limit=BATCH)
    while rows:
        for row in rows:
            values = dict(zip(names, row, strict=True))
            yield values
        last = {key: values[key] for key in keys}
        rows = await database.read(following, limit=BATCH, **last) if len(rows) == BATCH else []


def _insert(statements: Statements, table: Table) -> Statement:
    given = Elements(bindparam("given", type_=String())).table_valued("value", name="given")
    values: dict[str, Any] = {}
    for index, name in enumerate(_columns(table)):
        item = Item(given.c.value, index)
        values[name] = cast(item, BigInteger) if isinstance(table.c[name].type, BigInteger) else item
    if "serial" in table.c:
        values["serial"] = NextSerial()
    source = select(*values.values()).select_from(given).where(true())
    return statements.insert_into(table, list(values), source)


def _parsed(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        raise IdentityError("this is no export of a store: a line is not a JSON object")
    return entry
