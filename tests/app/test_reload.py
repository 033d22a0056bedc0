"""A configuration is read anew while requests come in: taken whole or refused whole (M9)."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from backends.contract import Query
from backends.memory import MemoryBackend
from gateway.app import Blueprint, watching
from gateway.app.overseers import Pipe, Systemd, beat
from gateway.app.reloading import Origin, Reloading
from gateway.settings import SettingsError
from tests.app.conftest import Document, Served, tenant

Drawn = Callable[..., Blueprint]
Serving = Callable[..., AbstractAsyncContextManager[Served]]


class Counted(MemoryBackend):
    """A system whose starts and stops are counted, and whose searches can be held."""

    started: ClassVar[list[str]]
    stopped: ClassVar[list[str]]
    asked: ClassVar[asyncio.Event]
    go: ClassVar[asyncio.Event]

    async def start(self) -> None:
        await super().start()
        type(self).started.append(self.context.name)

    async def stop(self) -> None:
        await super().stop()
        type(self).stopped.append(self.context.name)

    async def search(self, entity: str, query: Query) -> Any:
        type(self).asked.set()
        await type(self).go.wait()
        return await super().search(entity, query)


@pytest.fixture
def counted(document: Document) -> type[Counted]:
    """Make both systems of the configuration counted ones."""
    for backend in document["backends"].values():
        backend["type"] = "counted"
    kind = type("CountedHere", (Counted,), {})
    kind.started, kind.stopped, kind.asked, kind.go = [], [], asyncio.Event(), asyncio.Event()
    kind.go.set()
    return kind


async def test_what_changed_is_replaced_and_the_rest_goes_on(
    serving: Serving, drawn: Drawn, document: Document, counted: type[Counted]
) -> None:
    """A new tenant, a new token and a mapping that changed serve at once; a system whose settings are what they were is
    neither stopped nor started, one whose settings changed is opened beside and the old one closed."""
    async with serving(document, counted=counted) as served:
        ada = await served.create("acme", "ada")
        document["tenants"]["initech"] = tenant("hr", "initech-token")
        digest = hashlib.sha256(b"second-token").hexdigest()
        document["tenants"]["acme"]["tokens"] = [{"sha256": digest, "name": "second"}]
        document["backends"]["crm"]["settings"]["entities"]["people"]["fields"]["note"] = "str"
        await served.running.serving.reload(drawn(document, counted=counted))
        assert (await served.send("GET", "acme"))[0] == 401
        status, body, _ = await served.send("GET", "acme", f"/Users/{ada['id']}", token="second-token")
        assert (status, body["userName"]) == (200, "ada")
        assert (await served.send("GET", "initech"))[1]["totalResults"] == 1
        assert (await served.send("GET", "globex"))[0] == 200
        assert sorted(counted.started) == ["crm", "crm", "hr"]
        assert counted.stopped == ["crm"]
        assert served.running.gateway.contacts["hr"].reached
    assert sorted(counted.stopped) == ["crm", "crm", "hr"]


async def test_requests_under_way_end_on_what_they_began_with(
    serving: Serving, drawn: Drawn, document: Document, counted: type[Counted]
) -> None:
    """A request that waits for a system when that system is taken out is answered by it, and only then is it closed."""
    counted.go.clear()
    async with serving(document, counted=counted) as served:
        waiting = asyncio.create_task(served.send("GET", "globex"))
        await counted.asked.wait()
        del document["backends"]["crm"], document["tenants"]["globex"]
        reload = asyncio.create_task(served.running.serving.reload(drawn(document, counted=counted)))
        async with asyncio.timeout(10):
            while (await served.send("GET", "globex", "/Schemas"))[0] != 401:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert counted.stopped == []
        assert not reload.done()
        counted.go.set()
        assert (await waiting)[0] == 200
        await reload
        assert counted.stopped == ["crm"]


async def test_leaving_in_the_middle_of_a_reload_loses_nothing(
    serving: Serving, drawn: Drawn, document: Document, counted: type[Counted]
) -> None:
    """Told to end while the old configuration still answers: the request is answered, everything is closed once."""
    counted.go.clear()
    async with serving(document, counted=counted) as served:
        waiting = asyncio.create_task(served.send("GET", "globex"))
        await counted.asked.wait()
        document["backends"]["crm"]["settings"]["entities"]["people"]["fields"]["note"] = "str"
        reload = asyncio.create_task(served.running.serving.reload(drawn(document, counted=counted)))
        async with asyncio.timeout(10):
            while counted.started.count("crm") < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        reload.cancel()
        await asyncio.gather(reload, return_exceptions=True)
        asyncio.get_running_loop().call_later(0.1, counted.go.set)
        assert (await waiting)[0] == 200
    assert sorted(counted.stopped) == ["crm", "crm", "hr"]


def with_listener(document: Document) -> None:
    document["server"]["listen"] = "127.0.0.1:1"


def with_store(document: Document) -> None:
    document["store"]["url"] = "sqlite:///elsewhere.db"


def with_admin(document: Document) -> None:
    document["admin"] = {"listen": "127.0.0.1:0", "tokens": [{"sha256": "0" * 64}]}


@pytest.mark.parametrize(
    ("change", "where"),
    [(with_listener, "server.listen"), (with_store, "store"), (with_admin, "admin.listen")],
    ids=["listener", "store", "admin"],
)
async def test_what_takes_a_restart_is_said_and_changes_nothing(
    serving: Serving, drawn: Drawn, document: Document, change: Callable[[Document], None], where: str
) -> None:
    """Addresses and the store are those of the start: a reload that names others is refused at their line."""
    async with serving(document) as served:
        change(document)
        del document["tenants"]["globex"]
        with pytest.raises(SettingsError, match="takes a restart") as caught:
            await served.running.serving.reload(drawn(document))
        assert [problem.where for problem in caught.value.problems] == [where]
        assert (await served.send("GET", "globex"))[0] == 200


async def test_a_mapping_that_does_not_fit_the_live_system_is_refused_whole(
    serving: Serving, drawn: Drawn, document: Document, counted: type[Counted]
) -> None:
    """What only the system can tell is found before anything is swapped, and what was opened for it is closed."""

    class Narrow(Counted):
        async def describe(self, entity: str) -> Mapping[str, Any]:
            return {}

    Narrow.started, Narrow.stopped, Narrow.asked, Narrow.go = [], [], counted.asked, counted.go
    async with serving(document, counted=counted) as served:
        gateway = served.running.gateway
        document["backends"]["crm"]["type"] = "narrow"
        with pytest.raises(SettingsError, match=r"globex.*userName"):
            await served.running.serving.reload(drawn(document, counted=counted, narrow=Narrow))
        assert served.running.gateway is gateway
        assert Narrow.stopped == ["crm"]
        assert counted.stopped == []
        assert (await served.create("globex", "bob"))["userName"] == "bob"
        assert (await served.create("acme", "ada"))["userName"] == "ada"


async def test_reloading_tells_what_it_did(serving: Serving, drawn: Drawn, document: Document, tmp_path: Path) -> None:
    """Done, refused and failed are counted and logged, problems with file and line; the next try goes on."""
    async with serving(document) as served:
        results: list[Any] = []

        def read() -> Blueprint:
            found = results.pop(0)
            if isinstance(found, Exception):
                raise found
            assert isinstance(found, dict)
            return drawn(found)

        broken = {**document, "tenants": {**document["tenants"], "acme": {"tokenz": []}}}
        results += [broken, RuntimeError("no"), document]
        origin = Origin(tmp_path / "config.yaml", read)
        reloading = Reloading(served.running.serving, origin, served.observation, Systemd({}))
        assert [await reloading.once() for _ in range(3)] == [False, False, True]
        value = served.observation.registry.get_sample_value
        counts = {one: value("scim_gateway_reloads_total", {"outcome": one}) for one in ("done", "refused", "failed")}
        assert counts == {"done": 1, "refused": 1, "failed": 1}
        refused = [line for line in served.logged if "refused, the old" in line["event"]]
        assert {line["file"] for line in refused} == {str(tmp_path / "config.yaml")}
        assert any("tokenz" in line["reason"] and line["line"] > 1 for line in refused)
        assert (await served.send("GET", "acme"))[0] == 200


@pytest.mark.parametrize("noticed", [True, False], ids=["noticed", "looked at"])
async def test_files_that_change_are_noticed(tmp_path: Path, noticed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file written anew, replaced, or reached through a link that now leads elsewhere; another file is nothing."""
    if not noticed:
        monkeypatch.setattr(watching, "_notices", lambda: None)
    monkeypatch.setattr(watching, "SETTLE_SECONDS", 0.01)
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    for path in (one, other):
        path.write_text("a", encoding="utf-8")
    for name in ("v1", "v2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "secret").write_text(name, encoding="utf-8")
    link = tmp_path / "current"
    link.symlink_to("v1")
    secret = link / "secret"
    seen = watching.changes(lambda: [one, secret], every=0.05)
    rewritten = lambda: one.write_text("ab", encoding="utf-8")  # noqa: E731
    for change in (rewritten, lambda: os.replace(other, one), lambda: relink(link)):
        waiting = asyncio.ensure_future(anext(seen))
        await asyncio.sleep(0.2)
        (tmp_path / "unrelated").write_text("x", encoding="utf-8")
        assert not waiting.done()
        change()
        async with asyncio.timeout(10):
            await waiting
    await seen.aclose()


def relink(link: Path) -> None:
    """Point a link elsewhere, as mounted secrets are renewed."""
    fresh = link.with_name("fresh")
    fresh.symlink_to("v2")
    os.replace(fresh, link)


async def test_the_files_looked_at(drawn: Drawn, document: Document, tmp_path: Path) -> None:
    """The configuration itself and what its references read; not the audit trail, which changes all the time."""
    (tmp_path / "digest").write_text("0" * 64, encoding="utf-8")
    document["tenants"]["acme"]["tokens"] = [{"sha256": "${file:digest}"}]
    document["audit"] = {"to": "file", "path": str(tmp_path / "audit.jsonl")}
    found = Origin(tmp_path / "config.yaml", lambda: drawn(document)).files(drawn(document))
    assert {path.name for path in found} == {"config.yaml", "digest"}


async def test_systemd_is_told(tmp_path: Path) -> None:
    """READY, RELOADING with its time, STOPPING and the watchdog's food, on a path or an abstract name; nobody listening
    is no error, and without a socket nothing is sent."""
    for address in (str(tmp_path / "notify"), f"@scim-{os.getpid()}"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(f"\0{address[1:]}" if address.startswith("@") else address)
            manager.settimeout(5)
            environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "200000", "WATCHDOG_PID": str(os.getpid())}
            told = Systemd(environment)
            assert told.every == 0.1
            for say in (told.ready, told.reloading, told.alive, told.stopping):
                say()
            said = [manager.recv(200).decode() for _ in range(4)]
        assert [one.split("\n")[0] for one in said] == ["READY=1", "RELOADING=1", "WATCHDOG=1", "STOPPING=1"]
        assert said[1].split("\n")[1].startswith("MONOTONIC_USEC=")
        told.ready()
    assert Systemd({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}).every is None
    assert Systemd({}).every is None


async def test_a_worker_without_a_supervisor_leaves() -> None:
    """Words go through the pipe; once its other end is closed the worker is told to leave."""
    reading, writing = os.pipe()
    pipe, leave = Pipe(writing), asyncio.Event()
    pipe.ready()
    assert os.read(reading, 100) == b'"ready"\n'
    os.close(reading)
    async with asyncio.timeout(5):
        await beat(pipe, leave.set)
    assert leave.is_set()
    os.close(writing)
