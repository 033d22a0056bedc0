"""Replicas that list, create, rename and delete the same accounts at once (promise 3, R-L1 to R-L5)."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tests.cluster.site import Site, everybody, ids_of, patched, put, searched, user
from tests.gateway_process import Client

AGAIN = 40
"""How often a client comes again that is told to (503)."""


async def insist(client: Client, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Send a request, and again as long as the answer asks for that."""
    for _ in range(AGAIN):
        status, found = await client.ask(method, path, body)
        if status != 503:
            return status, found
    raise AssertionError(f"{method} {path}: never came to an answer: {found}")


async def named(client: Client, login: str) -> list[dict[str, Any]]:
    """Find who has a login."""
    question = searched(f'userName eq "{login}"')
    found: list[dict[str, Any]] = (await client.done("GET", f"/Users?{question}"))["Resources"]
    return found


class Seen:
    """What all clients were told of who is who: an id and a badge belong together, always."""

    def __init__(self) -> None:
        self.by_badge: dict[str, set[str]] = defaultdict(set)
        self.by_id: dict[str, set[str]] = defaultdict(set)

    def note(self, resources: Iterable[dict[str, Any]]) -> None:
        for one in resources:
            self.by_badge[one["displayName"]].add(one["id"])
            self.by_id[one["id"]].add(one["displayName"])

    def check(self) -> None:
        assert {badge: ids for badge, ids in self.by_badge.items() if len(ids) > 1} == {}
        assert {id: badges for id, badges in self.by_id.items() if len(badges) > 1} == {}


async def agreed(site: Site, prefix: str) -> dict[str, str]:
    """Check that every replica and the store say the same of everybody whose login begins so: login -> id."""
    native = {login: badge for login, badge in site.native("SELECT login, badge FROM person") if prefix in login}
    answers = []
    async with site.clients("acme") as clients:
        for client in clients:
            listed = [one for one in await everybody(client) if prefix in one["userName"]]
            assert {one["userName"]: one["displayName"] for one in listed} == native
            for one in listed:
                # Through all of them, so that it is in every cache.
                assert [(await other.done("GET", f"/Users/{one['id']}"))["userName"] for other in clients] == [
                    one["userName"]
                ] * len(clients)
                assert [other["id"] for other in await named(client, one["userName"])] == [one["id"]]
            answers.append(ids_of(listed))
    assert answers[0] == answers[1] == answers[2]
    stored = site.mappings("acme")
    assert {key: id for key, id in stored.items() if prefix in key} == answers[0]
    return answers[0]


async def test_rows_made_outside_get_one_id_from_all_who_list_them_at_once(three: Site) -> None:
    """Accounts nobody has met are listed by three replicas at the same time, page by page: each has one id (R-L4)."""
    three.native("INSERT INTO person (login) SELECT 'old' || n FROM generate_series(1, 700) n")
    async with three.clients("acme") as clients:
        lists = await asyncio.gather(*(everybody(client, count=100 + 30 * n) for n, client in enumerate(clients)))
    names = [{name: id for name, id in ids_of(one).items() if name.startswith("old")} for one in lists]
    assert names[0] == names[1] == names[2]
    assert len(set(names[0].values())) == 700
    assert {key: id for key, id in three.mappings("acme").items() if key.startswith("old")} == names[0]


async def test_renamed_and_deleted_by_all_at_once_nobody_changes_id(three: Site) -> None:
    """Three replicas rename, delete, list and read the same accounts at once: in no answer does an account have
    another id, or an id another account; in the end all agree, and the store with them."""
    three.native("INSERT INTO person (login) SELECT 'churn' || n FROM generate_series(1, 24) n")
    seen, fresh = Seen(), iter(range(10_000))
    gone: set[str] = set()

    async def churn(client: Client, number: int) -> None:
        chance = random.Random(number)
        for _ in range(14):
            listed = [one for one in await everybody(client) if "churn" in one["userName"]]
            seen.note(listed)
            for one in chance.sample(listed, min(3, len(listed))):
                path, act = f"/Users/{one['id']}", chance.random()
                if act < 0.55:
                    name = f"churn-{number}-{next(fresh)}"
                    status, body = await insist(client, "PATCH", path, patched(put("userName", name)))
                elif act < 0.65:
                    status, body = await insist(client, "DELETE", path)
                    if status == 204:
                        gone.add(one["id"])
                else:
                    status, body = await insist(client, "GET", path)
                assert status in (200, 204) or (status == 404 and one["id"]), (status, body)
                if status == 200:
                    assert body["id"] == one["id"]
                    seen.note([body])
                elif status == 404:
                    gone.add(one["id"])

    async with three.clients("acme") as clients, asyncio.TaskGroup() as tasks:
        for number in range(6):
            tasks.create_task(churn(clients[number % 3], number))
    seen.check()
    left = await agreed(three, "churn")
    assert set(left.values()).isdisjoint(gone)
    assert {id for ids in seen.by_badge.values() for id in ids} == gone | set(left.values())


async def test_created_deleted_and_taken_again_every_account_has_an_id_of_its_own(three: Site) -> None:
    """Three replicas create, delete and rename to the same few logins at once: of two who create one login one is told
    409, every account that was created has an id nobody had before, and in the end all agree (H2, R-L3)."""
    created: list[str] = []
    refused = 0

    async def fight(client: Client, number: int) -> None:
        nonlocal refused
        chance = random.Random(100 + number)
        for _ in range(16):
            name = f"fight{chance.randrange(5)}"
            status, body = await insist(client, "POST", "/Users", user(name, nickName=f"by {number}"))
            assert status in (201, 409), body
            if status == 201:
                created.append(body["id"])
            else:
                refused += 1
            for one in await named(client, name):
                path = f"/Users/{one['id']}"
                if chance.random() < 0.3:
                    other = f"fight{chance.randrange(5)}"
                    status, body = await insist(client, "PATCH", path, patched(put("userName", other)))
                    assert status in (200, 404, 409), body
                elif chance.random() < 0.7:
                    status, body = await insist(client, "DELETE", path)
                    assert status in (204, 404), body

    async with three.clients("acme") as clients, asyncio.TaskGroup() as tasks:
        for number in range(6):
            tasks.create_task(fight(clients[number % 3], number))
    assert refused
    assert len(created) == len(set(created))
    await agreed(three, "fight")
