"""Truth between two stores: gateways killed between the system and the store, answers lost, caches warm (R-L20, R-L21,
R-L22, promises 1 and 3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.cluster.site import (
    BLOCKED,
    Site,
    everybody,
    group,
    held,
    ids_of,
    patched,
    put,
    refs,
    searched,
    site,
    until_so,
    user,
)
from tests.cluster.wire import wire
from tests.gateway_process import Client
from tests.services import Postgres, Redis

RENAMED = ("get", "list", "find", "again", "delete")
"""What is asked first after a rename was cut off."""
NEW = user("new", externalId="x-new", title="T", nickName="N")


@dataclass(slots=True)
class Wreck:
    """What is left after a gateway was killed: the others, and the ids it had told."""

    site: Site
    ids: Mapping[str, str]
    crew: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wreck(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, valkey_server: Redis
) -> AsyncIterator[Wreck]:
    """Kill one of three gateways while it is in the middle of many requests: each is done in the system, and none is in
    the store."""
    with site(tmp_path_factory.mktemp("wreck"), postgres, valkey_server.url) as made:
        # It has a connection for each request that is to hang in the store, and waits for it as long as it takes.
        patient = f"{made.store}?pool_size=20&locks=20&timeout=60"
        first, second, victim = made.replica(), made.replica(), made.replica(STORE_URL=patient)
        made.start(first, second, victim)
        made.native("INSERT INTO person (login) SELECT unnest(ARRAY['change', 'remove'])")
        made.native(f"INSERT INTO person (login) SELECT 'move-' || unnest(ARRAY{list(RENAMED)})")
        made.native("INSERT INTO staff (login) SELECT 'm' || n FROM generate_series(1, 5) n")
        async with made.clients("acme") as clients, made.clients("globex") as others:
            ids = {name: id for client in clients for name, id in ids_of(await everybody(client)).items()}
            for client in clients:  # warm
                for id in ids.values():
                    await client.done("GET", f"/Users/{id}")
            members = ids_of(await everybody(others[0]))
            crew = (await others[0].done("POST", "/Groups", group("Crew", members["m1"])))["id"]
            async with held(made.store, "LOCK TABLE scim_identity IN SHARE MODE"):
                here, there = clients[2], others[2]
                more = patched({"op": "add", "path": "members", "value": refs([members["m2"]])})
                requests = [
                    here.ask("POST", "/Users", NEW),
                    here.ask("PATCH", f"/Users/{ids['change']}", patched(put("title", "T"), put("nickName", "N"))),
                    here.ask("DELETE", f"/Users/{ids['remove']}"),
                    there.ask("PATCH", f"/Groups/{crew}", more),
                    *(
                        here.ask("PATCH", f"/Users/{ids[f'move-{name}']}", patched(put("userName", f"moved-{name}")))
                        for name in RENAMED
                    ),
                ]  # fmt: skip
                tasks = [asyncio.create_task(one) for one in requests]
                await until_so(
                    postgres, made.legacy,
                    "SELECT 1 WHERE EXISTS (SELECT FROM person WHERE login = 'new')"
                    " AND EXISTS (SELECT FROM person WHERE login = 'change' AND title = 'T')"
                    " AND NOT EXISTS (SELECT FROM person WHERE login = 'remove' OR login LIKE 'move-%')"
                    " AND (SELECT count(*) FROM crew_staff) = 2",
                )  # fmt: skip
                await until_so(postgres, made.store, f"SELECT 1 FROM ({BLOCKED}) s HAVING count(*) = {len(tasks)}")
                victim.kill()
                for task in tasks:
                    with suppress(aiohttp.ClientError):
                        await task
                        raise AssertionError("a request was answered by a gateway that could not have done it")
            del made.replicas[-1]
            yield Wreck(made, {**ids, **members}, crew)


async def same_everywhere(made: Site, id: str, **wanted: Any) -> None:
    """Check that an id is the same account, in the same state, through every replica."""
    async with made.clients("acme") as clients:
        for client in clients:
            body = await client.done("GET", f"/Users/{id}")
            assert {name: body.get(name) for name in wanted} == wanted
            listed = [one for one in await everybody(client) if one["userName"] == body["userName"]]
            assert [one["id"] for one in listed] == [id]
    assert made.mappings("acme")[body["userName"]] == id


class TestKilledInBetween:
    """What the gateways that are left make of it."""

    pytestmark = pytest.mark.asyncio(loop_scope="module")

    async def test_a_create_is_taken_up(self, wreck: Wreck) -> None:
        """The account is there and has no id: the repeated POST, to another replica, is 201 with everything that was
        asked for, and makes no second account (R-L22)."""
        async with wreck.site.clients("acme") as clients:
            made = await clients[0].done("POST", "/Users", NEW)
            assert (made["externalId"], made["title"], made["nickName"]) == ("x-new", "T", "N")
            assert (await clients[1].ask("POST", "/Users", NEW))[0] == 409
        await same_everywhere(wreck.site, made["id"], userName="new", nickName="N")
        assert wreck.site.native("SELECT count(*) FROM person WHERE login = 'new'") == [(1,)]

    async def test_a_change_is_completed(self, wreck: Wreck) -> None:
        """The system has the change, the store has not: the next request sees what there is, the same PATCH does the
        rest."""
        id = wreck.ids["change"]
        await same_everywhere(wreck.site, id, userName="change", title="T", nickName=None)
        async with wreck.site.clients("acme") as clients:
            await clients[1].done("PATCH", f"/Users/{id}", patched(put("title", "T"), put("nickName", "N")))
        await same_everywhere(wreck.site, id, userName="change", title="T", nickName="N")

    @pytest.mark.parametrize("first", RENAMED)
    async def test_a_rename_keeps_the_id(self, wreck: Wreck, first: str) -> None:
        """The account has another key and the store does not know: whatever comes next, to a replica whose cache is
        warm, finds it under its id."""
        id, login = wreck.ids[f"move-{first}"], f"moved-{first}"
        async with wreck.site.clients("acme") as (client, _):
            match first:
                case "get":
                    assert (await client.done("GET", f"/Users/{id}"))["userName"] == login
                case "list":
                    assert ids_of(await everybody(client))[login] == id
                case "find":
                    question = searched(f'userName eq "{login}"')
                    found = (await client.done("GET", f"/Users?{question}"))["Resources"]
                    assert [one["id"] for one in found] == [id]
                case "again":
                    answer = await client.done("PATCH", f"/Users/{id}", patched(put("userName", login)))
                    assert (answer["id"], answer["userName"]) == (id, login)
                case "delete":
                    await client.done("DELETE", f"/Users/{id}")
                    assert (await client.ask("GET", f"/Users/{id}"))[0] == 404
                    assert wreck.site.native(f"SELECT count(*) FROM person WHERE login = '{login}'") == [(0,)]
                    return
        await same_everywhere(wreck.site, id, userName=login)

    async def test_the_login_that_was_left_is_another_person(self, wreck: Wreck) -> None:
        """Whoever gets the login of somebody renamed meanwhile gets an id of his own (R-L3)."""
        async with wreck.site.clients("acme") as clients:
            made = await clients[1].done("POST", "/Users", user("move-get"))
        assert made["id"] != wreck.ids["move-get"]
        await same_everywhere(wreck.site, made["id"], userName="move-get")
        await same_everywhere(wreck.site, wreck.ids["move-get"], userName="moved-get")

    async def test_a_delete_is_noticed(self, wreck: Wreck) -> None:
        """The account is gone and its mapping is not: 404 from everybody, and the next account of that login is another
        person (R-L5)."""
        id = wreck.ids["remove"]
        async with wreck.site.clients("acme") as clients:
            for client in clients:
                assert (await client.ask("GET", f"/Users/{id}"))[0] == 404
            made = await clients[0].done("POST", "/Users", user("remove"))
            assert made["id"] != id
            assert (await clients[1].ask("GET", f"/Users/{id}"))[0] == 404
        await same_everywhere(wreck.site, made["id"], userName="remove")

    async def test_a_membership_is_there_once(self, wreck: Wreck) -> None:
        """The member was added and nobody was told: it is a member, and adding it again is no error."""
        async with wreck.site.clients("globex") as clients:
            for client in clients:
                found = await client.done("GET", f"/Groups/{wreck.crew}")
                assert {one["value"] for one in found["members"]} == {wreck.ids["m1"], wreck.ids["m2"]}
                again = patched({"op": "add", "path": "members", "value": refs([wreck.ids["m2"]])})
                await client.done("PATCH", f"/Groups/{wreck.crew}", again)
        assert wreck.site.native("SELECT count(*) FROM crew_staff") == [(2,)]


async def test_killed_while_the_system_works_nothing_is_there_twice(apart: Site, postgres: Postgres) -> None:
    """A gateway dies while the system is still busy with its statement, which ends after it: the repeated POST makes no
    second account, the repeated rename finds the one there is, and no id changes (R-L21)."""
    apart.native("INSERT INTO person (login) VALUES ('ada'), ('bob')")
    survivor, victim = apart.replica(), apart.replica()
    apart.start(survivor, victim)
    async with apart.clients("acme") as (client, here):
        ids = ids_of(await everybody(client))
        await here.done("GET", f"/Users/{ids['ada']}")
        renaming = patched(put("userName", "augusta"))
        async with held(apart.legacy, "LOCK TABLE person IN SHARE MODE"):
            tasks = [
                asyncio.create_task(here.ask("POST", "/Users", NEW)),
                asyncio.create_task(here.ask("PATCH", f"/Users/{ids['ada']}", renaming)),
            ]
            await until_so(postgres, apart.legacy, f"SELECT 1 FROM ({BLOCKED}) s HAVING count(*) = 2")
            victim.kill()
            for task in tasks:
                with suppress(aiohttp.ClientError):
                    await task
        del apart.replicas[-1]
        made = await client.done("POST", "/Users", NEW)
        answer = await client.done("PATCH", f"/Users/{ids['ada']}", renaming)
        assert answer["id"] == ids["ada"]
        await same_everywhere(apart, made["id"], userName="new", nickName="N")
        await same_everywhere(apart, ids["ada"], userName="augusta")
        await same_everywhere(apart, ids["bob"], userName="bob")
    assert apart.native("SELECT login FROM person ORDER BY login") == [("augusta",), ("bob",), ("new",)]


async def test_lost_answers_are_read_back(apart: Site, postgres: Postgres) -> None:
    """The system does what it was asked and its answer never comes: the gateway looks what became of it and tells that;
    nothing is done twice and no id changes (R-L21)."""
    apart.native("INSERT INTO person (login) VALUES ('ada'), ('bob')")
    async with wire(postgres.port) as way:
        through = apart.replica(HR_URL=apart.legacy.replace(f":{postgres.port}/", f":{way.port}/"))
        direct = apart.replica()
        await asyncio.to_thread(apart.start, through, direct)
        async with apart.clients("acme") as (client, other):
            ids = ids_of(await everybody(client))

            async def losing(method: str, path: str, body: Any = None) -> Any:
                way.arm()
                found = await client.done(method, path, body)
                assert way.lost.is_set()
                return found

            made = await losing("POST", "/Users", NEW)
            assert (made["userName"], made["nickName"]) == ("new", "N")
            changed = await losing("PATCH", f"/Users/{ids['bob']}", patched(put("title", "T")))
            assert changed["title"] == "T"
            renamed = await losing("PATCH", f"/Users/{ids['ada']}", patched(put("userName", "augusta")))
            assert (renamed["id"], renamed["userName"]) == (ids["ada"], "augusta")
            await same_everywhere(apart, made["id"], userName="new", title="T", nickName="N")
            await same_everywhere(apart, ids["ada"], userName="augusta")
            await losing("DELETE", f"/Users/{ids['bob']}")
            assert (await other.ask("GET", f"/Users/{ids['bob']}"))[0] == 404
        async with apart.clients("globex") as (client, _):
            members = [(await client.done("POST", "/Users", user(f"m{n}")))["id"] for n in range(3)]
            crew = (await client.done("POST", "/Groups", group("Crew", members[0])))["id"]
            add = patched({"op": "add", "path": "members", "value": refs(members[1:])})
            await losing("PATCH", f"/Groups/{crew}", add)
            await losing(
                "PATCH", f"/Groups/{crew}", patched({"op": "remove", "path": f'members[value eq "{members[0]}"]'})
            )
            found = await client.done("GET", f"/Groups/{crew}")
            assert {one["value"] for one in found["members"]} == set(members[1:])
    assert apart.native("SELECT login, title FROM person ORDER BY login") == [("augusta", None), ("new", "T")]


async def test_what_one_replica_changes_all_know_at_once(three: Site) -> None:
    """Replicas whose caches are warm: whatever a client does through one of them the others know with the next
    request."""

    async def seen(clients: list[Client], id: str, login: str | None) -> None:
        for client in clients:
            status, body = await client.ask("GET", f"/Users/{id}")
            assert (status, body.get("userName")) == ((200, login) if login else (404, None))
            question = searched(f'userName eq "{login or "warm"}"')
            found = (await client.done("GET", f"/Users?{question}"))["Resources"]
            assert [one["id"] for one in found] == ([id] if login else [])

    async with three.clients("acme") as clients:
        for turn in range(6):
            one, two, three_ = (clients[(turn + n) % 3] for n in range(3))
            id = (await one.done("POST", "/Users", user("warm", externalId=f"x{turn}")))["id"]
            await seen(clients, id, "warm")
            await two.done("PATCH", f"/Users/{id}", patched(put("userName", f"warmer{turn}"), put("nickName", "N")))
            await seen(clients, id, f"warmer{turn}")
            question = searched(f'externalId eq "x{turn}"')
            for client in clients:
                (found,) = (await client.done("GET", f"/Users?{question}"))["Resources"]
                assert (found["id"], found["nickName"]) == (id, "N")
            await two.done("PATCH", f"/Users/{id}", patched(put("userName", "warm")))
            await seen(clients, id, "warm")
            await three_.done("DELETE", f"/Users/{id}")
            await seen(clients, id, None)
