"""The store through a real PgBouncer in transaction mode: no prepared statements, no session locks."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.identity import connect
from gateway.identity import schema as schemas
from tests.identity.conftest import KEY, create
from tests.services import NOBODY, Postgres, _await_port, free_port

pytestmark = pytest.mark.needs("pgbouncer")


@pytest.fixture
def pooled(postgres: Postgres, tmp_path: Path) -> Iterator[str]:
    """An empty database behind a pooler that changes servers after every transaction."""
    parts = urlsplit(postgres.create_database())
    port, log = free_port(), tmp_path / "pgbouncer.log"
    configuration = tmp_path / "pgbouncer.ini"
    configuration.write_text(
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 5\n"
        "server_round_robin = 1\nmax_client_conn = 100\nunix_socket_dir =\n"
        f"[databases]\n{parts.path[1:]} = host=127.0.0.1 port={parts.port} user=postgres\n"
    )
    # It refuses to run as root; what it reads is passed on its standard input, which needs no permission of a folder.
    extra = {"user": NOBODY, "group": NOBODY, "extra_groups": ()} if os.geteuid() == 0 else {}
    with configuration.open() as text, log.open("wb") as output:
        process = subprocess.Popen(
            ["pgbouncer", "/dev/stdin"], stdin=text, stdout=output, stderr=output, cwd="/", **extra  # type: ignore[call-overload]
        )  # fmt: skip
    try:
        _await_port(port, process)
        yield f"postgresql://postgres@127.0.0.1:{port}{parts.path}?pgbouncer=true"
    finally:
        process.kill()
        process.wait(10)


async def test_everything_works_through_a_pooler(pooled: str) -> None:
    """Schema, minting by two replicas at once, changes, transactions and locks, with fewer servers than callers."""
    await asyncio.gather(*(schemas.upgrade(pooled) for _ in range(3)))
    async with connect(pooled, id_key=KEY) as one, connect(pooled, id_key=KEY) as two:
        keys = [f"k{n}" for n in range(300)]
        pages = [keys[start : start + 30] for start in range(0, 300, 30)]
        found = await asyncio.gather(
            *(by.identify("acme", "User", "hr", "staff", page) for page in pages for by in (one, two))
        )
        ids = {key: {page[key].id for page in found if key in page} for key in keys}
        assert all(len(seen) == 1 for seen in ids.values())
        people = [await create(one, "acme", f"p{n}", external_id=f"e{n}") for n in range(10)]
        await asyncio.gather(*((one, two)[n % 2].alter(person, kept={"n": n}) for n in range(5) for person in people))
        inside, most = 0, 0

        async def alone(n: int) -> None:
            nonlocal inside, most
            async with (one, two)[n % 2].exclusive(("record", "x"), ("other", f"{n}")):
                inside += 1
                most = max(most, inside)
                await (one, two)[n % 2].find("acme", [people[0].id])
                inside -= 1

        async def apart(n: int) -> None:
            async with (one, two)[n % 2].exclusive(("record", f"{n}")):
                await (one, two)[n % 2].alter(people[n % 10], touched=False, kept={"n": 4})

        await asyncio.gather(*(alone(n) for n in range(20)))
        assert most == 1
        await asyncio.gather(*(apart(n) for n in range(20)))
        moved = await one.rename(people[0], "moved")
        await two.bury(people[1])
    async with connect(pooled, id_key=KEY) as three:
        again = await three.find("acme", [person.id for person in people])
        assert again[moved.id].key == "moved"
        assert people[1].id not in again
        # Five changes, and one more where another than the last of them was made last.
        assert all(identity.kept == {"n": 4} and identity.counter in (5, 6) for identity in again.values())
