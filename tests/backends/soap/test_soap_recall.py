"""A change of what was just read: one read, where every change says which version it is for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends.contract import Change, StaleError
from backends.soap import SoapBackend
from tests.backends.soap import systems
from tests.backends.soap.conftest import opened
from tests.backends.soap.servers import StaffServer
from tests.backends.soap.test_soap_habits import VersionedServer
from tests.backends.soap.test_soap_worked import serving, user

LOGIN = frozenset({"login"})


@pytest.fixture
async def badges() -> AsyncIterator[VersionedServer]:
    """The service that counts changes."""
    async with VersionedServer().running() as running:
        yield running


@pytest.fixture
async def backend(badges: VersionedServer) -> AsyncIterator[SoapBackend]:
    """A backend on it, with the badge as the version."""
    settings = systems.staff(badges.url)
    people = settings["entities"]["people"]
    people |= {"version": "Badge", "errors": [{"fault": "Stale", "means": "stale"}]}
    del people["delete"], people["fields"]["teams"]
    async with opened(settings | {"entities": {"people": _versioned(people)}}) as running:
        yield running


def _versioned(people: dict[str, object]) -> dict[str, object]:
    arguments = {"Number": "{key}", "Login": "{login}", "Note": "{note}", "Badge": "{@version}"}
    return people | {"update": {"operation": "UpdatePerson", "arguments": {"Person": arguments}}}


async def test_what_was_just_read_is_not_read_again(badges: VersionedServer, backend: SoapBackend) -> None:
    """Read, then change with the version that was read: two native calls, and what does not change stays."""
    key = (await backend.create("people", {"login": "ann", "note": "old"})).key
    badges.calls.clear()
    record = await backend.get("people", key, LOGIN)
    assert (await backend.update("people", key, Change(set={"note": "new"}), expect=record.version)).changed
    assert badges.calls == ["GetPerson", "UpdatePerson"]
    assert (badges.people[key]["Login"], badges.people[key]["Note"]) == ("ann", "new")
    with pytest.raises(StaleError):
        await backend.update("people", key, Change(set={"note": "newer"}), expect=record.version)
    assert badges.calls == ["GetPerson", "UpdatePerson", "GetPerson"]


async def test_what_moved_meanwhile_is_refused_by_the_service(badges: VersionedServer, backend: SoapBackend) -> None:
    """Between the read and the write somebody else was faster: the service says so, and their change stays."""
    key = (await backend.create("people", {"login": "ann", "note": "old"})).key
    record = await backend.get("people", key, LOGIN)
    badges.people[key] |= {"Note": "theirs", "Badge": "1"}
    badges.calls.clear()
    with pytest.raises(StaleError):
        await backend.update("people", key, Change(set={"note": "ours"}), expect=record.version)
    assert (badges.people[key]["Note"], badges.calls) == ("theirs", ["UpdatePerson"])


async def test_a_change_of_nothing_is_checked_by_a_read(badges: VersionedServer, backend: SoapBackend) -> None:
    """Where no call would be refused, a version that moved is found by a read."""
    key = (await backend.create("people", {"login": "ann", "note": "old"})).key
    for change in (Change(), Change(set={"note": "old"})):
        record = await backend.get("people", key, LOGIN)
        badges.people[key]["Badge"] = str(int(badges.people[key]["Badge"]) + 1)
        with pytest.raises(StaleError):
            await backend.update("people", key, change, expect=record.version)


async def test_without_versions_a_record_is_read_for_its_change(server: StaffServer, staff: SoapBackend) -> None:
    """Whole records without versions are read again just before they are written: nobody would refuse them."""
    key = (await staff.create("people", {"login": "ann"})).key
    await staff.get("people", key, LOGIN)
    server.people[key]["Badge"] = "theirs"
    server.calls.clear()
    assert (await staff.update("people", key, Change(set={"note": "n"}))).changed
    assert (server.people[key]["Badge"], server.calls) == ("theirs", ["GetPerson", "UpdatePerson"])


@pytest.mark.parametrize(
    ("field", "reads"), [("enabled: Enabled", 2), ("enabled: { path: Enabled, required: true }", 1)]
)
async def test_a_deactivation_reads_once_where_the_flag_is_never_empty(
    server: StaffServer, tmp_path: Path, field: str, reads: int
) -> None:
    """Where an empty flag could mean false too the record is looked at first, else only to write it whole; then it is
    read back (promise 2)."""
    changes = {"enabled: Enabled": field}
    async with serving(server, tmp_path, "okta", changes) as gateway:
        _, ann = await gateway.send("POST", "/Users", user("ann@example.com"))
        (number,) = server.people
        for value, before, shown in ((False, reads, "false"), (True, 1, "true")):
            server.calls.clear()
            operation = {"op": "replace", "path": "active", "value": value}
            assert await gateway.patch(f"/Users/{ann['id']}", operation) == 200
            assert server.people[number]["Enabled"] == shown
            assert server.calls == [*["GetPerson"] * before, "UpdatePerson", "GetPerson", "TeamsOf"]
