"""Settings are held against the WSDL at start: what is not there is told with the nearest right name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from backends.contract import BackendError, Context, UnavailableError, UnsupportedError
from backends.soap import SettingsError, SoapBackend, SoapSettings
from tests.backends.soap import systems
from tests.backends.soap.conftest import opened
from tests.backends.soap.servers import FOLDER, StaffServer

NOWHERE = "http://127.0.0.1:9/service"


def altered(path: str, value: Any) -> dict[str, Any]:
    """The HR service's settings with another value at a path."""
    settings = systems.staff(NOWHERE)
    *way, last = path.split("/")
    inside: Any = settings
    for step in way:
        inside = inside[step]
    inside[last] = value
    return settings


MISTAKES: list[tuple[str, Any, str, str]] = [
    ("service", "StafService", "service", "StaffService"),
    ("port", "Staff13", "port", "did you mean 'Staff1"),
    (
        "entities/people/get",
        {"operation": "GetPerson", "port": "Staff13", "arguments": ["{key}"], "record": "Person"},
        "entities.people.get.port",
        "did you mean 'Staff1",
    ),
    ("entities/people/get/operation", "GetPersn", "entities.people.get.operation", "did you mean 'GetPerson'"),
    (
        "entities/people/get/arguments",
        {"Numbr": "{key}"},
        "entities.people.get.arguments.Numbr",
        "did you mean 'Number'",
    ),
    (
        "entities/people/get/arguments",
        {"Number": "{keys}"},
        "entities.people.get.arguments",
        "did you mean 'key'",
    ),
    ("entities/people/get/arguments", ["{key}", "2"], "entities.people.get.arguments", "1 elements"),
    ("entities/people/get/record", "Persn", "entities.people.get.record", "did you mean 'Person'"),
    ("entities/people/key", "Nummer", "entities.people.key", "did you mean 'Number'"),
    ("entities/people/fields/note", "Notes", "entities.people.fields.note.path", "did you mean 'Note'"),
    ("entities/people/fields/note", "Mails", "entities.people.fields.note.path", "elements are there"),
    (
        "entities/people/fields/mails/rows/kind",
        '"@kinds"',
        "entities.people.fields.mails.rows.kind.path",
        "did you mean '@kind'",
    ),
    ("entities/people/list/records", "People.Persons[*]", "entities.people.list.records", "did you mean 'Person'"),
    ("entities/people/list/total", "Totals", "entities.people.list.total", "did you mean 'Total'"),
    (
        "entities/people/filters",
        [{"field": "login", "arguments": {"Log": "{value}"}}],
        "entities.people.filters.0.arguments.Log",
        "did you mean 'Login'",
    ),
    (
        "entities/people/create/arguments",
        {"Person": {"Login": "{login}", "Notes": "{note}"}},
        "entities.people.create.0.arguments.Person.Notes",
        "did you mean 'Note'",
    ),
    (
        "entities/teams/fields/members/links/add/arguments",
        {"Team": "{key}", "Person": "{valu}"},
        "entities.teams.fields.members.links.add.arguments",
        "did you mean 'value'",
    ),
    ("entities/people/list/arguments", {"Count": "{@limit}"}, "entities.people.list.arguments", "{@offset}"),
    (
        "entities/teams/fields/members/links/remove/arguments",
        {"Team": "{key}"},
        "entities.teams.fields.members.links.remove.arguments",
        "{value}",
    ),
    ("entities/people/fields/grade", {"path": "Grade", "type": "int", "words": ["N", "Y"]}, "", "words"),
    ("wsdl", "none.wsdl", "wsdl", "cannot be read"),
]


@pytest.mark.parametrize(("path", "value", "where", "hint"), MISTAKES)
async def test_mistakes_are_told_with_the_nearest_name(path: str, value: Any, where: str, hint: str) -> None:
    """Every name of the settings that the WSDL lacks fails at start, naming the place and what was meant."""
    with pytest.raises(SettingsError) as caught:
        async with opened(altered(path, value)):
            pass
    assert hint in str(caught.value)
    assert caught.value.path == where or not where


WRONG: list[tuple[str, Any]] = [
    ("entities/people/fields/key", "Number"),
    ("entities/people/list/each", "nobody"),
    ("entities/people/delete", {"operation": "DeletePerson", "each": "teams.nothing"}),
    ("entities/people/create", {"operation": "CreatePerson", "arguments": {"Person": "{@record}"}}),
    ("entities/people/filters", [{"field": "nothing", "arguments": {}}]),
    ("entities/people/filters", [{"field": "login", "query": "x '{value}'"}]),
    ("entities/people/filters", [{"field": "login", "query": "x '{value}'", "escape": {"''": ""}}]),
    ("entities/people/filters", [{"field": "login", "op": "in", "query": "x '{value}'", "signs": "a-z"}]),
    ("entities/people/get/record", "a..b"),
    ("entities/people/get/arguments", {"Number": "{key"}),
    ("entities/people/list/paging", {"by": "token"}),
    ("entities/people/errors", [{"means": "conflict"}]),
    ("entities/people/errors", [{"fault": "x", "equals": "y", "means": "conflict"}]),
    ("entities/people/update/fields", ["nothing"]),
    ("entities/people/fields/note", {"refers": "nobody"}),
    ("timezone", "Europe/Nowhere"),
    ("endpoint", "ftp://example.com/"),
    ("endpoint", "https://user:secret@example.com/"),
    ("surplus", 1),
]


@pytest.mark.parametrize(("path", "value"), WRONG)
def test_settings_that_cannot_be_meant_do_not_load(path: str, value: Any) -> None:
    """What is wrong without any WSDL is found before one is read."""
    with pytest.raises(ValidationError):
        SoapSettings.model_validate(altered(path, value))


async def test_a_placeholder_address_needs_an_endpoint(tmp_path: Path) -> None:
    """A WSDL with a placeholder for its address says so, and the settings' endpoint takes its place."""
    text = (FOLDER / "staff.wsdl").read_text(encoding="utf-8")
    (tmp_path / "staff.wsdl").write_text(text.replace("http://127.0.0.1:9/staff", "REPLACE_ME"), encoding="utf-8")
    settings = systems.staff(NOWHERE, wsdl=str(tmp_path / "staff.wsdl"))
    async with opened(settings):
        pass
    del settings["endpoint"]
    with pytest.raises(SettingsError) as caught:
        async with opened(settings):
            pass
    assert caught.value.path == "endpoint"


async def test_a_wsdl_that_cannot_be_fetched_is_unavailable() -> None:
    """A WSDL by URL is part of the system: start is tried again; a file that is no WSDL is a mistake."""
    with pytest.raises(UnavailableError):
        async with opened(systems.staff(NOWHERE, wsdl=f"{NOWHERE}?wsdl")):
            pass
    with pytest.raises(SettingsError):
        async with opened(systems.staff(NOWHERE, wsdl=str(FOLDER / "staff_server.js"))):
            pass


async def test_endpoints_with_query_and_slash_are_called_as_they_are(server: StaffServer) -> None:
    """An endpoint is one URL, whatever it ends in."""
    for ending in ("/", "?service=hr&x=%2F", "/a/?q"):
        async with opened(systems.staff(f"{server.url}{ending}")) as backend:
            await backend.ping()
            assert (await backend.create("teams", {"title": f"t{ending}"})).key


async def test_nothing_is_answered_before_the_start() -> None:
    """Before `start` an entity is unavailable and an unknown one unsupported; capabilities are known."""
    backend = SoapBackend(SoapSettings.model_validate(systems.staff(NOWHERE)), Context("soap"))
    for attempt in (backend.ping(), backend.get("people", "1", frozenset()), backend.describe("people")):
        with pytest.raises(UnavailableError):
            await attempt
    with pytest.raises(UnavailableError):
        backend.explain("people", "get", "1", frozenset())
    with pytest.raises(UnsupportedError):
        backend.capabilities("nobody")
    assert backend.capabilities("teams").total
    assert backend.capabilities("teams").sort == {"title"}
    assert backend.capabilities("teams").deltas == {"members"}
    assert not backend.capabilities("people").sort
    assert issubclass(SettingsError, ValueError)
    assert not issubclass(SettingsError, BackendError)
