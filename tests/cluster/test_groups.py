"""Groups of ten and of a hundred thousand members, and changes of one from all replicas at once (promise 4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.cluster.site import Replica, Site, everybody, group, patched, plan, put, refs, searched, site
from tests.cluster.wire import Wire, wire
from tests.gateway_process import Client
from tests.services import Postgres, Redis

FIRST, SIZES = 9, (10, 1_000, 100_000)
"""Of the first one nothing is asked: it is there so that all statements are prepared."""
SPARE = 300
"""People who are in no crew to begin with."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(slots=True)
class Crowd:
    """Crews of every size, behind a gateway whose statements are seen."""

    site: Site
    native: Wire
    store: Wire
    crews: dict[str, str] = field(default_factory=dict)
    people: list[str] = field(default_factory=list)

    def spare(self, count: int) -> list[str]:
        """Take people who are in no crew."""
        taken, self.people = self.people[:count], self.people[count:]
        return taken

    def others(self, title: str, *members: str) -> tuple[Any, ...]:
        """Tell the members of all crews apart from these people in this one: their number, and a sum over them."""
        numbers = ",".join(f"'{member}'" for member in members)
        mapped = f"SELECT key::int FROM scim_identity WHERE id IN ({numbers})"
        keys = ",".join(str(key) for (key,) in self.site.stored(mapped)) or "NULL"
        return self.site.native(
            "SELECT count(*), md5(string_agg(crew || ':' || staff, ',' ORDER BY crew, staff)) FROM crew_staff"
            f" WHERE NOT (crew = (SELECT no FROM crew WHERE title = '{title}') AND staff IN ({keys}))"
        )[0]

    async def cost(self, client: Client, method: str, path: str, body: Any = None) -> tuple[list[str], list[str]]:
        """Send a request; give the statements it caused: in the system, and in the store. Left out is what depends on
        what a cache happens to hold (and that is bounded here)."""
        native, store = len(self.native.asked), len(self.store.asked)
        await client.done(method, path, body)
        asked = [text for text in self.store.asked[store:] if "scim_meta" not in text]
        looked = [text for text in asked if text.startswith("SELECT") and "FOR UPDATE" not in text]
        assert len(looked) <= 3, looked
        return self.native.asked[native:], [text for text in asked if text not in looked]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crowd(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, valkey_server: Redis
) -> AsyncIterator[Crowd]:
    """Three replicas; the first one's statements are seen."""
    with site(tmp_path_factory.mktemp("crowd"), postgres, valkey_server.url) as made:
        most = max(SIZES)
        made.native(f"INSERT INTO staff (login) SELECT 'u' || n FROM generate_series(1, {most + SPARE}) n")
        for size in (FIRST, *SIZES):
            for kind in ("delta", "replace", "put"):
                made.native(f"INSERT INTO crew (title) VALUES ('{kind} {size}')")
                rows = f"SELECT max(no), n FROM crew, generate_series(1, {size}) n GROUP BY n"
                made.native(f"INSERT INTO crew_staff {rows}")
        made.native("ANALYZE")
        async with wire(postgres.port) as native, wire(postgres.port) as store:
            ways = {
                "HR_URL": made.legacy.replace(f":{postgres.port}/", f":{native.port}/"),
                "STORE_URL": made.store.replace(f":{postgres.port}/", f":{store.port}/"),
            }
            await asyncio.to_thread(made.start, made.replica(**ways), made.replica(), made.replica())
            found = Crowd(made, native, store)
            async with made.clients("globex") as (client, *_):
                found.crews = {one["displayName"]: one["id"] for one in await everybody(client, "Groups")}
                last = await client.done("GET", f"/Users?startIndex={most + 1}&count={SPARE}&attributes=userName")
                found.people = [one["id"] for one in last["Resources"]]
                assert len(found.people) == SPARE
                first = await client.done("GET", "/Users?count=5&attributes=userName")
                found.people += [one["id"] for one in first["Resources"]]
                for id in found.crews.values():
                    await client.done("GET", f"/Groups/{id}?excludedAttributes=members")
                # What is done for the first time prepares statements.
                await client.done("POST", "/Groups", group("warm"))
                yield found


async def test_a_member_costs_the_same_in_a_group_of_any_size(crowd: Crowd) -> None:
    """Adding one member, and removing one, are the same statements in a group of ten, a thousand and a hundred
    thousand; every other membership stays."""
    costs: dict[str, list[Any]] = {"add": [], "remove": []}
    async with crowd.site.clients("globex", crowd.site.replicas[0]) as (client,):
        (member,) = crowd.spare(1)
        old = crowd.people[-1]
        for size in (FIRST, *SIZES):
            for kind, one in (("add", member), ("remove", old)):
                id, before = crowd.crews[f"delta {size}"], crowd.others(f"delta {size}", one)
                operation = (
                    {"op": "add", "path": "members", "value": refs([one])}
                    if kind == "add"
                    else {"op": "remove", "path": f'members[value eq "{one}"]'}
                )
                costs[kind].append(await crowd.cost(client, "PATCH", f"/Groups/{id}", patched(operation)))
                assert crowd.others(f"delta {size}", one) == before
                there = {"add": 1, "remove": 0}[kind]
                question = searched(f'id eq "{id}" and members.value eq "{one}"')
                assert (await client.done("GET", f"/Groups?{question}&attributes=id"))["totalResults"] == there
    for _, small, medium, large in costs.values():
        assert small == medium == large
        assert [len(statements) for statements in small] == [1, 1]


@pytest.mark.parametrize("method", ["replace", "put"])
async def test_members_are_replaced_in_a_group_of_any_size(crowd: Crowd, method: str) -> None:
    """A new list in the place of an old one, by PATCH and by PUT: who stays is not touched, nobody who goes is given an
    id, and memory does not grow with what a member would look like."""
    first = crowd.site.replicas[0]
    async with crowd.site.clients("globex", first) as (client,):
        stay, (come,) = crowd.people[-5:], crowd.spare(1)
        bodies = {
            "replace": ("PATCH", patched(put("members", refs([*stay, come])))),
            "put": ("PUT", {**group("", *stay, come), "displayName": ""}),
        }
        for size in SIZES:
            title = f"{method} {size}"
            verb, body = bodies[method]
            if method == "put":
                body["displayName"] = title
            id, people = crowd.crews[title], len(crowd.site.mappings("globex"))
            goes = f"crew = (SELECT no FROM crew WHERE title = '{title}')"
            before = crowd.site.native(f"SELECT staff, xmin::text FROM crew_staff WHERE {goes} AND staff <= 5")
            others = crowd.site.native(f"SELECT count(*), sum(crew * 7919 + staff) FROM crew_staff WHERE NOT ({goes})")
            memory = peak(first)
            await client.done(verb, f"/Groups/{id}?excludedAttributes=members", body)
            assert peak(first) - memory < 96_000
            after = crowd.site.native(f"SELECT staff, xmin::text FROM crew_staff WHERE {goes}")
            assert len(after) == 6
            assert set(before) < set(after)
            assert (
                crowd.site.native(f"SELECT count(*), sum(crew * 7919 + staff) FROM crew_staff WHERE NOT ({goes})")
                == others
            )
            assert len(crowd.site.mappings("globex")) == people
            found = await client.done("GET", f"/Groups/{id}")
            assert {one["value"] for one in found["members"]} == {*stay, come}


def peak(replica: Replica) -> int:
    """Tell the most memory a process has had, in kilobytes."""
    assert replica.process is not None
    status = Path(f"/proc/{replica.process.pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


async def test_many_members_in_one_patch_are_one_round_trip(crowd: Crowd) -> None:
    """256 members, as one operation each or all in one, come and go by one statement (P9)."""
    async with crowd.site.clients("globex", crowd.site.replicas[0]) as (client,):
        many = crowd.people[:256]
        assert len(many) == 256
        id = (await client.done("POST", "/Groups", group("Many")))["id"]
        for operations in (
            [{"op": "add", "path": "members", "value": refs([one])} for one in many],
            [{"op": "remove", "path": f'members[value eq "{one}"]'} for one in many],
            [{"op": "add", "path": "members", "value": refs(many)}],
            [{"op": "remove", "path": "members", "value": refs(many)}],
        ):
            native, store = await crowd.cost(client, "PATCH", f"/Groups/{id}", patched(*operations))
            assert (len(native), len(store)) == (1, 1)
            there = 256 if operations[0]["op"] == "add" else 0
            rows = "SELECT count(*) FROM crew_staff JOIN crew ON no = crew WHERE title = 'Many'"
            assert crowd.site.native(rows) == [(there,)]


async def test_deltas_from_all_replicas_land(crowd: Crowd) -> None:
    """Three replicas add and remove members of one group at once, and replace its name: everything that was asked for
    is so in the end."""
    everybody_ = crowd.people[:180]
    async with crowd.site.clients("globex") as clients:
        id = (await clients[0].done("POST", "/Groups", group("Deltas", *everybody_[:90])))["id"]

        async def work(client: Client, number: int) -> None:
            for leaves, joins in zip(everybody_[number:90:3], everybody_[90 + number : 180 : 3], strict=True):
                add = {"op": "add", "path": "members", "value": refs([joins])}
                await client.done("PATCH", f"/Groups/{id}", patched(add))
                gone = {"op": "remove", "path": f'members[value eq "{leaves}"]'}
                await client.done("PATCH", f"/Groups/{id}", patched(gone))
            await client.done("PATCH", f"/Groups/{id}", patched(put("displayName", "Renamed")))

        await asyncio.gather(*(work(client, number) for number, client in enumerate(clients)))
        for client in clients:
            found = await client.done("GET", f"/Groups/{id}")
            assert {one["value"] for one in found["members"]} == set(everybody_[90:])
            assert found["displayName"] == "Renamed"
    rows = "SELECT count(*), count(DISTINCT staff) FROM crew_staff JOIN crew ON no = crew WHERE title = 'Renamed'"
    assert crowd.site.native(rows) == [(90, 90)]


async def test_filters_on_memberships_are_pushed_down(crowd: Crowd) -> None:
    """Who is in which group is asked of the system, by its indexes, in each of the ways clients ask; no more is read
    than is found, however large the groups are."""
    first, member = crowd.site.replicas[0], crowd.spare(1)[0]
    async with crowd.site.clients("globex", first) as (client,):
        small = (await client.done("POST", "/Groups", group("Pushed", member)))["id"]
        large = crowd.crews[f"delta {max(SIZES)}"]
        join = patched({"op": "add", "path": "members", "value": refs([member])})
        await client.done("PATCH", f"/Groups/{large}", join)
        for kind, filter_, found in (
            ("Group", f'members[value eq "{member}"]', {small, large}),
            ("Group", f'members.value eq "{member}"', {small, large}),
            ("Group", f'displayName eq "Pushed" and members.value eq "{member}"', {small}),
            ("User", f'groups.value eq "{small}"', {member}),
            ("User", f'groups[value eq "{large}"] and userName eq "u{max(SIZES) + SPARE}"', set()),
        ):
            before, asked = await crowd.site.metrics(first), len(crowd.native.asked)
            query = f"{searched(filter_)}&attributes=id"
            listed = await client.done("GET", f"/{kind}s?{query}")
            assert {one["id"] for one in listed["Resources"]} == found, filter_
            after = await crowd.site.metrics(first)
            names = ("scim_gateway_searches_total", "scim_gateway_search_rows_total")
            grown = {key: value - before.get(key, 0.0) for key, value in after.items() if key[0] in names}
            labels = frozenset({"tenant": "globex", "resource_type": kind, "road": "pushed"}.items())
            told = {name: value for (name, its), value in grown.items() if its == labels}
            assert told == dict(zip(names, (1.0, len(found)), strict=True))
            assert all(value == 0.0 for (_, its), value in grown.items() if its != labels), grown
            for statement in crowd.native.asked[asked:]:
                way = await plan(crowd.site.legacy, statement)
                assert "Seq Scan on crew_staff" not in way, way
                assert "Seq Scan on staff" not in way, way
