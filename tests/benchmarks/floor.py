"""The gateway beside the smallest program that does the same: ``python tests/benchmarks/floor.py [--json]``.

Both serve one legacy database on one PostgreSQL, with the id map in another database of it and Valkey in front, each
in a process of its own, one core at most; a third sends the requests (`load.py`), and the answers are compared byte by
byte before anything is measured. `floor_server.py` says what the floor is. The last columns are the floor without store
and Redis: what an id map costs anybody.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where the tests' services are

import asyncpg
import redis
import services
import worlds
from contest import CONNECTIONS, HERE, ROUNDS, Contender, Progress, Result, Task, measured, started
from load import written

PEOPLE, TEAMS = 8000, 40
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ROOT = "/acme/scim/v2"
GATEWAY, FLOOR, ALONE = "gateway", "floor", "without id map"
SAME = ("Content-Type", "Content-Length", "ETag", "Location", "Content-Location")
"""Headers that must be the same."""

MORE = f"""
INSERT INTO hr.team (title, created_by) SELECT 'Bench ' || n, 'HR' FROM generate_series(1, {TEAMS}) n;
ANALYZE;
"""
EMPTY = "DELETE FROM hr.team_member WHERE team_id IN (SELECT team_id FROM hr.team WHERE title LIKE 'Bench %')"


@dataclass(frozen=True, slots=True)
class Place:
    """A served world: where its gateway listens, what it needs, and how the databases are reached."""

    folder: Path
    world: worlds.World
    environment: dict[str, str]
    port: int

    def gateway(self, name: str = GATEWAY) -> contextlib.AbstractContextManager[Contender]:
        """Start the gateway's own program."""
        command = [sys.executable, "-m", "gateway.cli", "serve", str(self.world.config)]
        return self._started(name, self.port, command, "/readyz")

    def floor(self, name: str, *options: str) -> contextlib.AbstractContextManager[Contender]:
        """Start the floor."""
        port = services.free_port()
        return self._started(name, port, [sys.executable, str(HERE / "floor_server.py"), str(port), *options], "/")

    def _started(
        self, name: str, port: int, command: list[str], ready: str
    ) -> contextlib.AbstractContextManager[Contender]:
        log = self.folder / f"{name.replace(' ', '-')}.log"
        return started(name, port, command, ready=ready, environment=self.environment, log=log)

    def request(self, method: str, path: str, body: Any = None) -> bytes:
        return written(method, ROOT + path, token=self.world.token, body=body)

    def patch(self, path: str, op: str, name: str, value: Any) -> bytes:
        body = {"schemas": [PATCH], "Operations": [{"op": op, "path": name, "value": value}]}
        return self.request("PATCH", path, body)

    def run(self, script: str) -> None:
        """Run statements on the legacy database."""

        async def work() -> None:
            connection = await asyncpg.connect(self.environment["HR_DATABASE_URL"])
            try:
                await connection.execute(script)
            finally:
                await connection.close()

        asyncio.run(work())

    def flush(self) -> None:
        """Empty Valkey: nobody may answer with what the other has changed meanwhile."""
        with redis.Redis.from_url(self.environment["CACHE_URL"]) as client:
            client.flushall()


@contextlib.contextmanager
def place(people: int) -> Iterator[Place]:
    """Start PostgreSQL and Valkey, and fill the legacy database."""
    folder = Path(tempfile.mkdtemp(prefix="scim-bench-"))
    folder.chmod(0o711)
    cache = services.Redis(services.free_port(), services.redis_binary())
    cache.start()
    try:
        with worlds.postgresql(folder, people) as world:
            port = services.free_port()
            file = world.config / "config.yaml"
            file.write_text(file.read_text(encoding="utf-8").replace("127.0.0.1:0", f"127.0.0.1:{port}", 1), "utf-8")
            environment = {
                **world.environment,
                "CACHE_URL": cache.url,
                "PUBLIC_URL": "http://127.0.0.1:8080",
                "TOKEN_SHA256": sha256(world.token.encode()).hexdigest(),
            }
            yield Place(folder, world, environment, port)
    finally:
        cache.stop()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Known:
    """What the requests ask for: ids and logins of people, and ids of teams without members."""

    people: list[tuple[str, str]]
    teams: list[str]


def known(there: Place, gateway: Contender) -> Known:
    """List everybody, which gives everybody an id."""
    people: list[tuple[str, str]] = []
    cursor = ""
    while cursor is not None:
        _, _, body = gateway.ask(there.request("GET", f"/Users?count=200&attributes=userName&cursor={cursor}"))
        page = json.loads(body)
        people += [(one["id"], one["userName"]) for one in page["Resources"]]
        cursor = page.get("nextCursor")
    _, _, body = gateway.ask(there.request("GET", "/Groups?count=200&excludedAttributes=members"))
    teams = [one["id"] for one in json.loads(body)["Resources"] if one["displayName"].startswith("Bench ")]
    return Known(people, teams)


def tasks(there: Place, asked: Known, *, calls: int) -> list[Task]:
    """Name what is measured; `calls` in a run, fewer of what takes longer."""
    people = asked.people
    few = max(2, calls // 4)

    def person(n: int) -> tuple[str, str]:
        return people[n * 7919 % len(people)]

    def reads(_: int) -> list[bytes]:
        return [there.request("GET", f"/Users/{person(n)[0]}") for n in range(calls)]

    def filters(_: int) -> list[bytes]:
        return [there.request("GET", f"/Users?filter=userName%20eq%20%22{person(n)[1]}%22") for n in range(calls)]

    def pages(_: int) -> list[bytes]:
        return [there.request("GET", "/Users?count=100")] * max(2, calls // 20)

    def some(run: int) -> list[str]:
        # Nobody twice: a change of who was just changed meets caches that are told to forget.
        return [person(run * few + n)[0] for n in range(few)]

    def warm(run: int) -> list[bytes]:
        return [there.request("GET", f"/Users/{id}") for id in some(run)]

    def patches(run: int) -> list[bytes]:
        return [there.patch(f"/Users/{id}", "replace", "active", False) for id in some(run)]

    def members(run: int) -> list[bytes]:
        ids, teams = some(run), asked.teams
        paths = [f"/Groups/{teams[n % len(teams)]}" for n in range(len(ids))]
        return [there.patch(path, "add", "members", [{"value": id}]) for path, id in zip(paths, ids, strict=True)]

    return [
        Task("GET by id", reads, warm=reads),
        Task("userName eq", filters, warm=filters),
        Task("page of 100", pages, warm=lambda run: pages(run)[:2]),
        Task("PATCH active", patches, warm=warm, prepare=lambda: there.run("UPDATE hr.employee SET status = 'A'")),
        Task("add member", members, status=204, warm=warm, prepare=lambda: there.run(EMPTY)),
    ]


def compared(there: Place, gateway: Contender, others: list[Contender], asked: Known) -> None:
    """Raise `AssertionError` unless all contenders give the same answers, to the byte."""

    def same(raw: bytes, among: list[Contender]) -> None:
        wanted = _seen(gateway.ask(raw))
        for one in among:
            there.flush()
            assert _seen(one.ask(raw)) == wanted, f"{one.name} answers {raw!r} otherwise"

    sample = asked.people[:: max(1, len(asked.people) // 20)]
    for id, login in sample:
        same(there.request("GET", f"/Users/{id}"), others)
        same(there.request("GET", f"/Users?filter=userName%20eq%20%22{login}%22"), others)
    same(there.request("GET", "/Users?count=100"), others)
    # What changes must be changed by one and seen by the other, in both directions.
    floor = next(one for one in others if one.name == FLOOR)
    for number, (one, other) in enumerate(((gateway, floor), (floor, gateway))):
        id, team = sample[number][0], asked.teams[number]
        for value in (False, True):
            there.flush()
            changed = _seen(one.ask(there.patch(f"/Users/{id}", "replace", "active", value)))
            there.flush()
            assert changed == _seen(other.ask(there.request("GET", f"/Users/{id}"))), f"{one.name} changes otherwise"
        there.flush()
        added = one.ask(there.patch(f"/Groups/{team}", "add", "members", [{"value": id}]))
        assert (added[0], added[2]) == (204, b""), f"{one.name} adds otherwise"
        there.flush()
        seen = json.loads(gateway.ask(there.request("GET", f"/Groups/{team}"))[2])
        assert [member["value"] for member in seen["members"]] == [id]
        assert seen["meta"]["lastModified"] != seen["meta"]["created"], f"{one.name} does not tell the store"
    there.run(f"{EMPTY}; UPDATE hr.employee SET status = 'A'")
    there.flush()


def _seen(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, dict[str, str], bytes]:
    status, headers, body = answer
    return status, {name: headers[name] for name in SAME if name in headers}, body


def side_by_side(*, people: int = PEOPLE, calls: int = 1500, rounds: int = ROUNDS) -> list[Result]:
    """Measure the gateway and both floors."""
    progress = Progress(2 + 5 * rounds * 3)
    progress.tell("filling a database")
    with place(people) as there, contextlib.ExitStack() as stack:
        there.run(MORE)
        gateway = stack.enter_context(there.gateway())
        asked = known(there, gateway)
        others = [stack.enter_context(there.floor(FLOOR)), stack.enter_context(there.floor(ALONE, "--alone"))]
        progress.tell("comparing answers")
        compared(there, gateway, others, asked)
        found = measured([gateway, *others], tasks(there, asked, calls=calls), rounds=rounds, progress=progress)
    progress.end()
    return found


def table(found: list[Result]) -> str:
    pair = f"{'req/s':>7} {'µs cpu':>7}"
    lines = [
        f"{'':14} {'gateway':>15} {'floor':>15} {'gateway of floor':>17} {'without id map':>15} {'of that':>7}",
        f"{'':14} {pair} {pair} {'req/s':>8} {'cpu':>8} {pair} {'req/s':>7}",
    ]
    for one in found:
        gateway, floor, alone = ((one.rate(name), one.cost(name)) for name in (GATEWAY, FLOOR, ALONE))
        lines.append(
            f"{one.task:14} {gateway[0]:7.0f} {gateway[1]:7.0f} {floor[0]:7.0f} {floor[1]:7.0f}"
            f" {gateway[0] / floor[0]:8.2f} {floor[1] / gateway[1]:8.2f}"
            f" {alone[0]:7.0f} {alone[1]:7.0f} {gateway[0] / alone[0]:7.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    found = side_by_side(rounds=options.rounds)
    told = f"PostgreSQL, id map on PostgreSQL, Valkey: {PEOPLE:,} people, {CONNECTIONS} connections"
    print(json.dumps([one.document() for one in found]) if options.json else f"{told}\n{table(found)}")


if __name__ == "__main__":
    main()
