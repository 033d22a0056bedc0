"""A change of what was just read: one read, where the system refuses what is stale; else the record is read again."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from backends.contract import Change, NotFoundError, StaleError
from tests.backends.rest.small import described, scripted

NAMES = frozenset({"login", "note"})
WHOLE = {"method": "PUT", "path": "/people/{key}", "send": "whole"}
BOOK = {"update": WHOLE, "version": {"header": "ETag"}, "delete": {"method": "DELETE", "path": "/people/{key}"}}


class Versioned:
    """One person with an ETag, and a system that keeps to If-Match, or one that does not look at it."""

    def __init__(self, *, minds: bool = True) -> None:
        self.person: dict[str, Any] | None = {"id": 7, "login": "ann", "note": "old", "secret": "kept"}
        self.revision = 1
        self.minds = minds

    def moved(self, **changes: Any) -> None:
        """Somebody else changes the person."""
        self.revision += 1
        self.person = {**(self.person or {}), **changes}

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        wanted = request.headers.get("If-Match")
        if self.minds and wanted is not None and (self.person is None or wanted != f'"{self.revision}"'):
            return web.Response(status=412)
        if self.person is None:
            return web.Response(status=404)
        if request.method == "DELETE":
            self.person = None
            return web.Response(status=204)
        if request.method != "GET":
            self.moved(**await request.json() if request.method in ("PUT", "PATCH") else {"note": "posted"})
        return web.json_response({**self.person, "rev": self.revision}, headers={"ETag": f'"{self.revision}"'})


@pytest.mark.parametrize(
    "described_by",
    [
        BOOK,
        BOOK | {"update": {"method": "PATCH", "path": "/people/{key}"}},
        BOOK | {"version": {"at": "rev", "send": "If-Match"}, "update": {**WHOLE, "headers": {"X": "{@version}"}}},
    ],
)
async def test_what_was_just_read_is_not_read_again(described_by: dict[str, Any]) -> None:
    """Read, then change with the version that was read: two native calls, and nothing else in the record is lost."""
    system = Versioned()
    system.minds = "header" in described_by["version"]
    async with scripted(system, described(**described_by)) as (backend, server):
        record = await backend.get("people", "7", frozenset({"login"}))
        assert (await backend.update("people", "7", Change({"note": "new"}), expect=record.version)).changed
        assert [call.partition(" ")[0] for call in server.calls] == ["GET", described_by["update"]["method"]]
        assert system.person is not None
        assert {"login": "ann", "note": "new", "secret": "kept"}.items() <= system.person.items()
        # It is known no more: the same again is read, and found stale.
        with pytest.raises(StaleError):
            await backend.update("people", "7", Change({"note": "newer"}), expect=record.version)
        assert len(server.calls) == 3


async def test_what_moved_meanwhile_is_refused_by_the_system() -> None:
    """Between the read and the write somebody else was faster: the system says so, and their change stays."""
    system = Versioned()
    async with scripted(system, described(**BOOK)) as (backend, server):
        record = await backend.get("people", "7", NAMES)
        system.moved(note="theirs")
        with pytest.raises(StaleError):
            await backend.update("people", "7", Change({"note": "ours"}), expect=record.version)
        assert system.person is not None
        assert (system.person["note"], server.calls) == ("theirs", ["GET /people/7", "PUT /people/7"])
        await backend.get("people", "7", NAMES)
        system.person = None
        with pytest.raises((StaleError, NotFoundError)):
            await backend.update("people", "7", Change({"note": "ours"}), expect='"2"')


@pytest.mark.parametrize(
    ("described_by", "change"),
    [
        (BOOK | {"version": {"at": "rev"}}, Change({"note": "ours"})),  # nobody said that it minds If-Match
        (BOOK | {"update": {"method": "POST", "path": "/people/{key}"}}, Change({"note": "ours"})),
        (BOOK, Change({"note": "old"})),  # nothing to write, so nothing would be refused
        (BOOK, Change()),
    ],
)
async def test_where_nobody_would_refuse_the_record_is_read_again(described_by: dict[str, Any], change: Change) -> None:
    """Where a write would not be refused, or there is none, a version that moved is found by a read."""
    system = Versioned(minds=False)
    async with scripted(system, described(**described_by)) as (backend, server):
        record = await backend.get("people", "7", NAMES)
        system.moved(note="theirs")
        with pytest.raises(StaleError):
            await backend.update("people", "7", change, expect=record.version)
        assert system.person is not None
        assert (system.person["note"], server.calls) == ("theirs", ["GET /people/7"] * 2)


async def test_without_an_expected_version_the_record_is_read() -> None:
    """A change that expects nothing is made of the record as it is now, whatever was read before."""
    system = Versioned()
    async with scripted(system, described(**BOOK)) as (backend, server):
        await backend.get("people", "7", NAMES)
        system.moved(login="bea")
        assert (await backend.update("people", "7", Change({"note": "new"}))).changed
        assert system.person is not None
        assert (system.person["login"], len(server.calls)) == ("bea", 3)
