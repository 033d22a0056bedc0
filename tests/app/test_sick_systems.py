"""Systems that are down, slow, flapping or answering garbage, over real sockets: their own tenants get a clear 503, the
others notice nothing (promise 6)."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.engine.breaker import State
from gateway.engine.guard import Guard
from tests.app.conftest import PATCH_URN, USER_URN, Document, Served, tenant
from tests.app.peers import BEFORE, GARBAGE, ILLNESSES, SILENT, Peer, black_hole

Serving = Callable[..., AbstractAsyncContextManager[Served]]
CALL_SECONDS = 1.0
"""What a call is given that will have no answer; whatever will have one is given plenty."""
PLENTY = 20.0
FAILURES = 3
REST_SECONDS = 3_600.0


def system(peer: Peer, **limits: Any) -> Document:
    """Describe a peer as an operator would; `slow` is a second entity of it."""
    entity = {
        "key": "id",
        "fields": {"login": {"required": True, "unique": True}, "enabled": {"type": "bool"}},
        "get": {"path": "/people/{key}", "record": "data"},
        "filters": [{"field": "login", "case": "ignored", "query": {"login": "{value}"}}],
        "create": {"path": "/people", "record": "data"},
        "update": {"method": "PATCH", "path": "/people/{key}", "record": "data"},
        "delete": {"method": "DELETE", "path": "/people/{key}"},
    }
    # A list without its array is no empty list here.
    errors = [{"at": "items", "absent": True, "means": "unavailable"}]
    people = {**entity, "list": {"path": "/people", "records": "items", "errors": errors}}
    slow = {**entity, "list": {"path": "/slow", "records": "items"}}
    del slow["filters"]
    settings = {"base_urls": peer.url, "entities": {"people": people, "slow": slow}}
    bounds = {"call_seconds": PLENTY, "retries": 1}
    breaker = {"failures": limits.pop("failures", FAILURES), "rest_seconds": REST_SECONDS}
    return {"type": "rest", "settings": settings, "limits": {**bounds, "breaker": breaker, **limits}}


@dataclass(frozen=True, slots=True)
class World:
    """Two tenants on two systems, the first of which is about to fall ill; `joe` and `ann` are their accounts."""

    gateway: Served
    sick: Peer
    well: Peer
    joe: str
    ann: str

    @property
    def guard(self) -> Guard:
        return self.gateway.running.gateway.guards["hr"]


@pytest.fixture
def world(document: Document, serving: Serving) -> Callable[..., AbstractAsyncContextManager[World]]:
    """Serve two tenants on two systems."""

    @asynccontextmanager
    async def make(request_seconds: float = 20.0, **limits: Any) -> AsyncIterator[World]:
        async with Peer().running() as sick, Peer().running() as well:
            document["backends"] = {"hr": system(sick, **limits), "crm": system(well)}
            document["server"]["limits"] = {"request_seconds": request_seconds}
            async with serving(document) as gateway:
                joe, ann = await gateway.create("acme", "joe"), await gateway.create("globex", "ann")
                sick.calls.clear()
                yield World(gateway, sick, well, joe["id"], ann["id"])

    return make


def unavailable(answer: tuple[int, Any, Any]) -> None:
    """Check that an answer is a clear 503: SCIM's own form, when to come back, and nothing of the system."""
    status, body, headers = answer
    assert (status, body["status"]) == (503, "503"), body
    assert body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert headers["Content-Type"].startswith("application/scim+json")
    assert int(headers["Retry-After"]) >= 1
    text = json.dumps(body)
    assert not any(word in text for word in ("db7", "127.0.0.1", "ORA-", "html"))


async def all_is_well(gateway: Served, id: str, login: str) -> None:
    """Do everything once as the other tenant."""
    found = await gateway.send("GET", "globex", f'/Users?filter=userName eq "{login}"')
    assert (found[0], found[1]["totalResults"]) == (200, 0)
    made = await gateway.create("globex", login)
    operation = {"op": "replace", "path": "active", "value": False}
    patch = {"schemas": [PATCH_URN], "Operations": [operation]}
    assert (await gateway.send("PATCH", "globex", f"/Users/{made['id']}", patch))[0] in (200, 204)
    assert (await gateway.send("DELETE", "globex", f"/Users/{made['id']}"))[0] == 204
    status, body, _ = await gateway.send("GET", "globex", f"/Users/{id}")
    assert (status, body["userName"]) == (200, "ann")


def rested(guard: Guard) -> None:
    """Let the time pass for which a breaker stays open."""
    guard._breaker._opened -= REST_SECONDS
    assert guard.state is State.HALF_OPEN


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


@pytest.mark.parametrize("illness", ILLNESSES)
async def test_an_outage_from_its_beginning_to_its_end(world: Any, illness: str) -> None:
    """503 while it lasts, reads tried twice, the breaker opens and spares the system, a probe closes it (promise 6)."""
    async with world(call_seconds=CALL_SECONDS if illness in SILENT else PLENTY) as here:
        await here.sick.fall_ill(illness)
        unavailable(await here.gateway.send("GET", "acme", f"/Users/{here.joe}"))
        if illness not in BEFORE:
            assert here.sick.calls == ["GET /people/1", "GET /people/1"], "a read is tried once more"
        unavailable(await here.gateway.send("GET", "acme", '/Users?filter=userName eq "joe"'))
        assert here.guard.state is State.OPEN
        spared = len(here.sick.calls)
        for _ in range(3):
            unavailable(await here.gateway.send("GET", "acme", f"/Users/{here.joe}"))
        assert len(here.sick.calls) == spared, "what rests is left alone"
        await all_is_well(here.gateway, here.ann, "bob")
        assert here.gateway.running.gateway.guards["crm"].state is State.CLOSED
        await here.sick.recover()
        rested(here.guard)
        status, body, _ = await here.gateway.send("GET", "acme", f"/Users/{here.joe}")
        assert (status, body["userName"]) == (200, "joe")
        assert here.guard.state is State.CLOSED


@pytest.mark.parametrize("illness", ILLNESSES)
async def test_a_write_into_an_outage_is_sent_once(world: Any, illness: str) -> None:
    """A create whose answer is lost is not repeated by the gateway; the client's repetition finds it (R-L21, R-L22)."""
    seconds = CALL_SECONDS if illness in SILENT else PLENTY
    async with world(failures=100, call_seconds=seconds) as here:
        await here.gateway.send("GET", "acme", f"/Users/{here.joe}")
        kim = {"schemas": [USER_URN], "userName": "kim", "active": True}
        here.sick.paused, looked = "/people?", here.sick.calls
        sending = asyncio.create_task(here.gateway.send("POST", "acme", body=kim))
        # It falls ill between the gateway's look at who is there and the create.
        await until(lambda: any(call.startswith("GET /people?") for call in looked))
        here.sick.fall_ill_after_this(illness)
        here.sick.resume.set()
        unavailable(await sending)
        assert here.sick.count("POST") == (illness not in BEFORE)
        await here.sick.recover()
        status, body, _ = await here.gateway.send("POST", "acme", body=kim)
        assert (status, body["userName"]) == (201, "kim")
        assert here.sick.count("POST") == 1
        assert sorted(one["login"] for one in here.sick.people.values()) == ["joe", "kim"]


@pytest.mark.parametrize("illness", SILENT)
async def test_others_are_served_while_calls_hang(world: Any, illness: str) -> None:
    """With every place of the sick system taken and more calls waiting, the other tenant does all it wants."""
    async with world(concurrency=4, waiting=8, failures=100) as here:
        await here.sick.fall_ill(illness)
        asked = [asyncio.create_task(here.gateway.send("GET", "acme", f"/Users/{here.joe}")) for _ in range(10)]
        await until(lambda: here.guard.under_way == 4 and here.guard.waiting == 6)
        for number in range(5):
            await all_is_well(here.gateway, here.ann, f"user{number}")
        assert not any(task.done() for task in asked)
        await here.sick.recover()
        if illness == "black hole":
            for task in asked:
                task.cancel()
        else:
            # The connections broke; the system is well, and the reads were tried again.
            assert [status for status, _, _ in await asyncio.gather(*asked)] == [200] * 10


async def test_one_probe_at_a_time(world: Any) -> None:
    """After its rest one call asks the system; the others are told to come back, until that one has its answer."""
    async with world() as here:
        await here.sick.fall_ill("reset")
        while here.guard.state is State.CLOSED:
            unavailable(await here.gateway.send("GET", "acme", f"/Users/{here.joe}"))
        await here.sick.recover()
        here.sick.calls.clear()
        here.sick.paused = "/people"
        rested(here.guard)
        probe = asyncio.create_task(here.gateway.send("GET", "acme", f"/Users/{here.joe}"))
        await until(lambda: bool(here.sick.calls))
        for answer in await asyncio.gather(*(here.gateway.send("GET", "acme", f"/Users/{here.joe}") for _ in range(5))):
            unavailable(answer)
        assert len(here.sick.calls) == 1
        here.sick.resume.set()
        assert (await probe)[0] == 200
        assert here.guard.state is State.CLOSED


async def test_a_flapping_system(world: Any) -> None:
    """Every second connection is reset: reads come through by being tried again, writes are sent once or not at all,
    and the other tenant sees nothing of it (promise 6)."""
    async with world(retries=3, failures=100) as here:
        here.sick.flapping = True
        await here.sick.fall_ill("nothing at all")
        here.sick.ill = None
        for _ in range(6):
            assert (await here.gateway.send("GET", "acme", f"/Users/{here.joe}"))[0] == 200
        done = 0
        for number in range(6):
            body = {"schemas": [USER_URN], "userName": f"user{number}", "active": True}
            answer = await here.gateway.send("POST", "acme", body=body)
            if answer[0] == 201:
                done += 1
            else:
                unavailable(answer)
            await all_is_well(here.gateway, here.ann, f"user{number}")
        assert here.sick.count("POST") == len(here.sick.people) - 1
        assert done <= len(here.sick.people) - 1
        here.sick.flapping = False
        for number in range(6):
            body = {"schemas": [USER_URN], "userName": f"user{number}", "active": True}
            assert (await here.gateway.send("POST", "acme", body=body))[0] in (201, 409)
        assert sorted(one["login"] for one in here.sick.people.values()) == [
            "joe",
            *(f"user{number}" for number in range(6)),
        ]


@pytest.mark.parametrize("illness", ["half open", "slow body"])
async def test_one_deadline_for_all_calls_of_a_request(world: Any, illness: str) -> None:
    """However many calls a request makes and however often a read is tried, it is answered in its time (R-L26)."""
    async with world(request_seconds=2.0, call_seconds=1.2, retries=10) as here:
        await here.sick.fall_ill(illness)
        begun = asyncio.get_running_loop().time()
        unavailable(await here.gateway.send("GET", "acme", f"/Users/{here.joe}"))
        taken = asyncio.get_running_loop().time() - begun
        assert 1.2 <= taken < 5
        assert len(here.sick.calls) == 2, "the second was cut off by the request's deadline, and no third was made"


async def test_a_promised_return_is_waited_for_within_the_deadline(world: Any) -> None:
    """`Retry-After` of the system itself: kept to if there is time for it, passed on to the client if not (R-L21)."""
    for seconds, calls in ((1, 2), (60, 1)):
        busy = f"HTTP/1.1 503 Busy\r\nRetry-After: {seconds}\r\nContent-Length: 0\r\n\r\n".encode()
        GARBAGE["busy"] = busy
        try:
            async with world(request_seconds=15) as here:
                await here.sick.fall_ill("busy")
                begun = asyncio.get_running_loop().time()
                answer = await here.gateway.send("GET", "acme", f"/Users/{here.joe}")
                unavailable(answer)
                assert len(here.sick.calls) == calls
                assert int(answer[2]["Retry-After"]) == seconds
                assert (asyncio.get_running_loop().time() - begun >= 1) is (calls == 2)
        finally:
            del GARBAGE["busy"]


async def test_tenants_that_share_a_system_share_its_places(document: Document, serving: Serving) -> None:
    """One tenant's calls hang in every place it can get: the other still has one, and is served at once (promise 6)."""
    async with Peer().running() as peer:
        document["backends"] = {"hr": system(peer, concurrency=4, waiting=4)}
        document["tenants"]["globex"] = tenant("hr", "globex-token")
        document["tenants"]["acme"]["resources"]["User"]["entity"] = "slow"
        async with serving(document) as gateway:
            ann = await gateway.create("globex", "ann")
            peer.paused = "/slow"
            asked = [asyncio.create_task(gateway.send("GET", "acme")) for _ in range(12)]
            guard = gateway.running.gateway.guards["hr"]
            await until(lambda: guard.under_way == 3 and guard.waiting == 4)
            for number in range(5):
                await all_is_well(gateway, ann["id"], f"user{number}")
            answered = [task.result() for task in asked if task.done()]
            assert len(answered) == 5
            for answer in answered:
                unavailable(answer)
            peer.resume.set()
            assert sorted(status for status, _, _ in await asyncio.gather(*asked)) == [200] * 7 + [503] * 5


async def test_a_system_that_is_down_at_start_is_found_later(document: Document, serving: Serving) -> None:
    """Its tenants get 503 from the first request on, the others are served; once it listens it is used."""
    peer = Peer()
    async with peer.running(), Peer().running() as well:
        await peer.fall_ill("refused")
        document["backends"] = {"hr": system(peer), "crm": system(well)}
        async with serving(document) as gateway:
            unavailable(await gateway.send("GET", "acme"))
            ann = await gateway.create("globex", "ann")
            await all_is_well(gateway, ann["id"], "bob")
            await peer.recover()
            await until(lambda: gateway.running.gateway.guards["hr"].started)
            await until(lambda: gateway.running.gateway.holder.site.tenants["acme"].tenant is not None)
            assert (await gateway.send("GET", "acme"))[0] == 200


def test_black_holes_swallow() -> None:
    """The test's own black hole lets nobody connect, and says nothing of it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with black_hole(port), socket.socket() as one:
        one.settimeout(0.2)
        with pytest.raises(TimeoutError):
            one.connect(("127.0.0.1", port))
