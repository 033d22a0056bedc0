"""A table of a hundred thousand accounts that was there long before: ids in batches, the same for ever (R-L1, R-L3,
R-L4, promise 3)."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import redis

from tests.cluster.site import Site, everybody, ids_of, patched, put, searched, user
from tests.cluster.wire import wire
from tests.gateway_process import Client
from tests.services import Postgres

SOAK = os.environ.get("SCIM_SOAK") == "1"
ROWS, PAGE = 100_000, 1000
STARTS = range(1, ROWS, PAGE) if SOAK else (1, PAGE + 1, ROWS // 2 + 1, ROWS - PAGE + 1)
"""The pages that are looked at: all of them in the long form."""
LEFT = ROWS if SOAK else 3 * PAGE
"""Accounts that are left when the store is rebuilt."""


async def page(client: Client, start: int) -> dict[str, str]:
    """Read a page: login -> id."""
    body = await client.done("GET", f"/Users?startIndex={start}&count={PAGE}&attributes=userName")
    assert body["totalResults"] == ROWS
    return ids_of(body["Resources"])


async def administer(site: Site, store: str, *arguments: str) -> tuple[int, str]:
    """Run ``scim-gateway store`` on a store; give the exit code and what was printed."""
    environment = {**site.replicas[0].environment, "STORE_URL": store, "COLUMNS": "200"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli", "store", *arguments, env=environment, cwd=site.folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()


async def test_a_large_old_table(apart: Site, postgres: Postgres) -> None:
    """The first list of each page is one look-up and one statement that gives a thousand ids; they outlive the loss of
    Redis and renames, are not given to whoever gets a key after somebody else, and come back when the store is rebuilt,
    where the key was neither left nor used again: the others are listed."""
    apart.native(f"INSERT INTO person (login) SELECT 'u' || lpad(n::text, 6, '0') FROM generate_series(1, {ROWS}) n")
    apart.native("ANALYZE")
    async with wire(postgres.port) as store:
        seen = apart.replica(STORE_URL=apart.store.replace(f":{postgres.port}/", f":{store.port}/"))
        other = apart.replica()
        await asyncio.to_thread(apart.start, seen, other)
        async with apart.clients("acme") as (client, second):
            await named(client, "u000003")  # has statements prepared
            known: dict[str, str] = {}
            for start in STARTS:
                before = len(store.asked)
                known |= await page(client, start)
                asked = [text for text in store.asked[before:] if "scim_meta" not in text]
                assert [text.split()[0] for text in asked] == ["SELECT", "INSERT"], asked
            assert len(known) == len(set(known.values())) == PAGE * len(STARTS)
            assert {login: id for login, id in apart.mappings("acme").items() if login in known} == known

            async def unchanged(by: Client) -> None:
                for start in STARTS:
                    assert (await page(by, start)).items() <= known.items()

            with redis.Redis.from_url(apart.cache) as cache:
                cache.flushall()
            await unchanged(second)
            first = [f"u{n:06}" for n in range(1, 6)]
            renamed, removed, swapped, *_ = first
            await client.done("PATCH", f"/Users/{known[renamed]}", patched(put("userName", f"{renamed}-new")))
            await client.done("DELETE", f"/Users/{known[removed]}")
            again = (await client.done("POST", "/Users", user(removed)))["id"]
            await client.done("PATCH", f"/Users/{known[swapped]}", patched(put("userName", f"{swapped}-new")))
            apart.native(f"INSERT INTO person (login) VALUES ('{renamed}')")  # by somebody else, past the gateway
            taken = await named(second, renamed)
            now = {**known, f"{renamed}-new": known[renamed], f"{swapped}-new": known[swapped], removed: again}
            now |= {renamed: taken}
            del now[swapped]
            assert taken != known[renamed]
            assert again != known[removed]
            with redis.Redis.from_url(apart.cache) as cache:
                cache.flushall()
            for login in (*first[:2], *first[3:], f"{renamed}-new", f"{swapped}-new"):
                assert await named(second, login) == now[login]
                assert (await client.done("GET", f"/Users/{now[login]}"))["userName"] == login
            assert (await client.ask("GET", f"/Users/{known[removed]}"))[0] == 404
    await rebuilt(apart, now, {f"{renamed}-new", f"{swapped}-new", renamed, removed})


async def named(client: Client, login: str) -> str:
    """Find the id of a login."""
    question = searched(f'userName eq "{login}"')
    (found,) = (await client.done("GET", f"/Users?{question}&attributes=id"))["Resources"]
    return str(found["id"])


async def rebuilt(site: Site, now: dict[str, str], others: set[str]) -> None:
    """Ask which ids a rebuild could not bring back; then lose the store, and rebuild it from what the system has."""
    site.native(f"DELETE FROM person WHERE login IN (SELECT login FROM person ORDER BY login OFFSET {LEFT})")
    there = {login for (login,) in site.native("SELECT login FROM person")}
    expected = {login: id for login, id in now.items() if login in there}
    code, printed = await administer(site, site.store, "rebuild", str(site.config))
    listed = {line.split()[-1] for line in printed.splitlines() if line.startswith("only an export carries acme ")}
    assert (code, listed) == (0, {expected[login] for login in others})
    fresh = site.postgres.create_database()
    known = site.folder / "known"
    known.write_text("".join(f"acme {id}\n" for id in expected.values()), encoding="ascii")
    assert (await administer(site, fresh, "upgrade", str(site.config)))[0] == 0
    code, printed = await administer(site, fresh, "rebuild", str(site.config), "--known", str(known))
    lines = printed.splitlines()
    assert f"present 0, rebuilt {LEFT}" in lines
    found: list[Any] = site.postgres.run("SELECT key, id FROM scim_identity", fresh)
    back = dict(found)
    assert {login for login, id in expected.items() if back[login] != id} == others
    lost = {line.split()[-1] for line in lines if line.startswith("lost acme ")}
    assert (code, lost) == (1, set(expected.values()) - set(back.values()))


async def test_the_whole_of_a_table_through_replicas_at_once(three: Site) -> None:
    """Three replicas list the same old table at once, in pages of different sizes and from both ends."""
    three.native("INSERT INTO staff (login) SELECT 'old' || n FROM generate_series(1, 6000) n")
    async with three.clients("globex") as clients:
        found = await asyncio.gather(*(everybody(client, count=400 + 300 * n) for n, client in enumerate(clients)))
    first, *rest = [ids_of(one) for one in found]
    assert all(one == first for one in rest)
    assert len({id for login, id in first.items() if login.startswith("old")}) == 6000
    assert len(set(first.values())) == len(first)
