"""Habits of old services, each met by settings alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from backends.contract import (
    And,
    Change,
    Compare,
    ConflictError,
    NotFoundError,
    Op,
    Or,
    Query,
    RejectedError,
    Sort,
    StaleError,
    UnavailableError,
    UnsupportedError,
)
from backends.soap import SoapBackend
from backends.soap.questions import question
from tests.backends.soap import systems
from tests.backends.soap.conftest import opened
from tests.backends.soap.servers import SOAP_12, STAFF, FaultError, LegacyServer, StaffServer, local, text

LOGIN = frozenset({"login"})


def sent(server: StaffServer, number: int = -1) -> Any:
    """The element below the body of a message that came."""
    return server.envelopes[number][-1][0]


async def test_what_a_whole_record_has_besides_is_kept(server: StaffServer, staff: SoapBackend) -> None:
    """Writing one field of a service that blanks what is left out keeps fields and columns no setting names."""
    key = (await staff.create("people", {"login": "ann", "mails": ({"address": "a@x", "kind": "work"},)})).key
    server.people[key] |= {"Badge": "B-7", "Site": "north"}
    server.people[key]["Mails"][0]["Checked"] = "true"
    change = Change(set={"note": "new"}, add={"mails": ({"address": "b@x", "kind": "home"},)})
    assert (await staff.update("people", key, change)).changed
    kept = server.people[key]
    assert (kept["Badge"], kept["Site"], kept["Note"], kept["Login"]) == ("B-7", "north", "new", "ann")
    assert kept["Mails"] == [
        {"kind": "work", "Address": "a@x", "Checked": "true"},
        {"kind": "home", "Address": "b@x", "Checked": None},
    ]


@pytest.mark.parametrize(("empty", "shown"), [("auto", "nil"), ("nil", "nil"), ("text", "text"), ("missing", None)])
async def test_nothing_is_sent_as_the_settings_say(server: StaffServer, empty: str, shown: str | None) -> None:
    """No value is nil, an empty element or no element: services tell them apart."""
    settings = systems.staff(server.url)
    settings["entities"]["people"]["fields"]["note"] = {"path": "Note", "empty": empty}
    async with opened(settings) as backend:
        key = (await backend.create("people", {"login": "ann", "note": "x"})).key
        assert (await backend.update("people", key, Change(set={"note": None}))).changed
        found = [one for one in sent(server)[0] if local(one) == "Note"]
        way = None if not found else "nil" if found[0].attrib else "text"
        # The schema requires the element: what is left out on purpose is still put there, as nil.
        assert way == (shown or "nil")
        assert (await backend.get("people", key, frozenset({"note"}))).fields == {"note": None}


async def test_optional_elements_are_left_out(server: StaffServer, staff: SoapBackend) -> None:
    """An optional element without a value is missing, one that may be nil is nil."""
    key = (await staff.create("people", {"login": "ann", "grade": 3, "enabled": True})).key
    await staff.update("people", key, Change(set={"grade": None, "enabled": None}))
    names = {local(one): dict(one.attrib) for one in sent(server)[0]}
    assert "Grade" not in names
    assert names["Enabled"]


async def test_values_have_the_types_of_the_schema(server: StaffServer, staff: SoapBackend) -> None:
    """Types, lengths and enumerations are read from the WSDL; what they do not allow is refused by name."""
    described = await staff.describe("people")
    assert {name: one.type for name, one in described.items() if name not in ("mails", "teams")} == {
        "login": str,
        "note": str,
        "grade": int,
        "enabled": bool,
        "hired": date,
        "seen": datetime,
        "site": str,
        "tags": str,
    }
    assert described["note"].max_length == 400
    assert described["teams"].write == "never"
    for field, value in {"site": "west", "grade": "many", "enabled": "yes", "hired": "soon", "seen": 3}.items():
        with pytest.raises(RejectedError) as caught:
            await staff.create("people", {"login": "ann", field: value})
        assert caught.value.field == field
    with pytest.raises(RejectedError) as caught:
        await staff.create("people", {"login": "ann", "mails": ({"address": "a", "kind": "secret"},)})
    assert caught.value.field == "mails"
    assert caught.value.detail.startswith("kind: ")
    assert server.people == {}


async def test_odd_spellings_of_values_are_read(server: StaffServer) -> None:
    """Booleans as digits, blanks around numbers, dates with a zone, times without one."""
    async with opened(systems.staff(server.url, timezone="Europe/Vienna")) as backend:
        key = (await backend.create("people", {"login": "ann"})).key
        odd = {"Enabled": " 1 ", "Grade": "\n 7 ", "Hired": "2020-02-03+01:00", "Seen": "2020-07-01T12:00:00"}
        server.people[key] |= odd
        fields = (await backend.get("people", key, frozenset({"enabled", "grade", "hired", "seen"}))).fields
        assert fields["enabled"] is True
        assert fields["grade"] == 7
        assert fields["hired"] == date(2020, 2, 3)
        assert fields["seen"] == datetime(2020, 7, 1, 10, tzinfo=UTC)
        server.people[key] |= {"Enabled": "perhaps"}
        with pytest.raises(Exception, match="enabled") as caught:
            await backend.get("people", key, frozenset({"enabled"}))
        assert "perhaps" not in str(caught.value)


async def test_soap_12_says_its_action_in_the_type(server: StaffServer) -> None:
    """1.2 has the action in Content-Type, 1.1 a quoted SOAPAction (R-L32); faults of both are understood."""
    async with opened(systems.staff(server.url)) as backend:
        await backend.create("people", {"login": "ann"})
        assert server.headers[0]["soapaction"] == '"urn:example:staff#CreatePerson"'
        assert server.headers[0]["content-type"] == "text/xml; charset=utf-8"
    async with opened(systems.staff(server.url, port="Staff12")) as backend:
        with pytest.raises(ConflictError) as caught:
            await backend.create("people", {"login": "ann"})
        assert caught.value.field == "login"
        assert "soapaction" not in server.headers[-1]
        assert 'action="urn:example:staff#CreatePerson"' in server.headers[-1]["content-type"]
        assert server.envelopes[-1].tag == f"{{{SOAP_12}}}Envelope"
        with pytest.raises(NotFoundError):
            await backend.get("people", "77", LOGIN)


async def test_handles_are_closed_and_placeholders_are_nobody(old: LegacyServer, legacy: SoapBackend) -> None:
    """Every handle opened is closed, a server that caps its pages loses nobody, and rows of nothing are skipped."""
    empty = await legacy.search("users", Query(LOGIN))
    assert (list(empty.records), empty.cursor) == ([], None)
    for number in range(12):
        await legacy.create("users", {"login": f"u{number:02d}"})
    found, cursor, pages = [], None, 0
    while pages == 0 or cursor is not None:
        page = await legacy.search("users", Query(LOGIN, limit=7, cursor=cursor))
        found += [record.fields["login"] for record in page.records]
        cursor, pages = page.cursor, pages + 1
    assert found == [f"u{number:02d}" for number in range(12)]
    assert pages == 3
    assert old.handles == {}
    old.left, old.lost = 1, False
    with pytest.raises(UnavailableError):
        await legacy.search("users", Query(LOGIN))
    assert old.handles == {}


async def test_placeholders_in_empty_lists_are_nobody(old: LegacyServer) -> None:
    """Where the list counts nothing, a row of nothing comes back, and is skipped by what the settings say of it."""
    settings = systems.legacy(old.url)
    del settings["entities"]["users"]["list"]["paging"]["handle"]["count"]
    async with opened(settings) as backend:
        page = await backend.search("users", Query(LOGIN))
        assert list(page.records) == []
        assert old.calls.count("fetch") == 1


async def test_a_query_text_is_made_by_the_declared_rule(old: LegacyServer, legacy: SoapBackend) -> None:
    """Conditions, conjunctions and quotes as the settings declare them; what cannot be said is refused."""
    for login, note in (("o'hara", "x'y"), ("ann", "x"), ("bob", "")):
        await legacy.create("users", {"login": login, "note": note})

    async def found(where: Any) -> list[Any]:
        return [one.fields["login"] for one in (await legacy.search("users", Query(LOGIN, where))).records]

    one, other = Compare("login", Op.EQ, "O'Hara", ignore_case=True), Compare("note", Op.CO, "'y")
    assert await found(one) == ["o'hara"]
    assert await found(And((one, other))) == ["o'hara"]
    assert await found(Or((other, Compare("login", Op.EQ, "bob")))) == ["o'hara", "bob"]
    assert old.queries[-1] == "(note has '''y' OR login is 'bob')"
    assert await found(Compare("login", Op.EQ, "O'HARA")) == []
    assert await found(Compare("login", Op.EQ, "x' OR login is 'ann")) == []
    with pytest.raises(UnsupportedError):
        await found(Compare("login", Op.SW, "a"))


async def test_values_with_signs_that_are_not_allowed_are_not_asked_for(old: LegacyServer) -> None:
    """Where no escape is known, only declared signs go into a query."""
    settings = systems.legacy(old.url)
    settings["entities"]["users"]["filters"][0] = {
        "field": "login",
        "query": "login is '{value}'",
        "signs": "a-z0-9@._-",
    }
    async with opened(settings) as backend:
        await backend.create("users", {"login": "ann"})
        page = await backend.search("users", Query(LOGIN, Compare("login", Op.EQ, "ann")))
        assert len(page.records) == 1
        asked = len(old.queries)
        with pytest.raises(UnsupportedError):
            await backend.search("users", Query(LOGIN, Compare("login", Op.EQ, "a' OR ALL")))
        assert len(old.queries) == asked


async def test_json_inside_a_text_is_read(old: LegacyServer) -> None:
    """An answer encoded twice is decoded where it lies; broken JSON is garbage."""
    settings = systems.legacy(old.url)
    settings["entities"]["users"]["get"] |= {"decode": {"at": "xml", "format": "json"}, "record": "xml.user"}
    old.json = True
    async with opened(settings) as backend:
        key = (await backend.create("users", {"login": "ann", "on": True, "grade": 5})).key
        fields = frozenset({"login", "on", "grade", "note"})
        assert (await backend.get("users", key, fields)).fields == {
            "login": "ann",
            "on": True,
            "grade": 5,
            "note": None,
        }
        with pytest.raises(NotFoundError):
            await backend.get("users", "99", fields)
        old.json = False
        with pytest.raises(UnavailableError):
            await backend.get("users", key, fields)


@pytest.fixture
async def guests(server: StaffServer) -> AsyncIterator[SoapBackend]:
    """Accounts that exist only as members of a team."""
    settings = systems.staff(server.url)
    settings["entities"]["guests"] = {
        "key": "#",
        "fields": {"number": "#"},
        "list": {
            "operation": "ListMembers",
            "arguments": {"Team": "{@owner}"},
            "records": "Person[*]",
            "each": "teams",
        },
        "create": {
            "operation": "AddMember",
            "arguments": {"Team": "1", "Person": "{number}"},
            "key": {"field": "number"},
        },
        "delete": {
            "operation": "RemoveMember",
            "arguments": {"Team": "{@owner}", "Person": "{key}"},
            "each": "teams.members",
        },
    }
    async with opened(settings) as backend:
        server.teams |= {"1": {"title": "a", "members": []}, "2": {"title": "b", "members": []}}
        server.people |= {number: {} for number in ("7", "8")}
        yield backend


async def test_members_of_something_are_accounts(server: StaffServer, guests: SoapBackend) -> None:
    """Who is a member anywhere exists, once; joining makes the account, leaving everywhere ends it."""
    record = await guests.create("guests", {"number": 7})
    assert record.key == "7"
    server.teams["2"]["members"] += ["7", "8"]
    page = await guests.search("guests", Query(frozenset({"number"}), total=True))
    assert [(one.key, one.fields["number"]) for one in page.records] == [("7", 7), ("8", 8)]
    assert page.total == 2
    assert (await guests.get("guests", "8", frozenset())).key == "8"
    await guests.delete("guests", "7")
    assert [team["members"] for team in server.teams.values()] == [[], ["8"]]
    with pytest.raises(NotFoundError):
        await guests.delete("guests", "7")
    with pytest.raises(NotFoundError):
        await guests.get("guests", "7", frozenset())


async def test_a_member_is_added_without_reading_anybody(server: StaffServer, staff: SoapBackend) -> None:
    """A delta costs its own calls (promise 4); a member that is there already is no change."""
    people = [(await staff.create("people", {"login": f"p{n}"})).key for n in range(3)]
    team = (await staff.create("teams", {"title": "t", "members": tuple(people[:2])})).key
    server.calls.clear()
    outcome = await staff.update(
        "teams", team, Change(add={"members": (people[2], people[1])}, remove={"members": (people[0],)})
    )
    assert outcome.changed
    assert server.calls == ["RemoveMember", "AddMember", "AddMember"]
    assert server.teams[team]["members"] == people[1:]
    assert not (await staff.update("teams", team, Change(add={"members": (people[1],)}))).changed


async def test_a_service_that_does_not_say_is_looked_at_first(server: StaffServer) -> None:
    """`compare` reads the list and sends what differs only."""
    settings = systems.staff(server.url)
    settings["entities"]["teams"]["fields"]["members"]["links"]["compare"] = True
    async with opened(settings) as backend:
        assert "members" not in backend.capabilities("teams").deltas
        people = [(await backend.create("people", {"login": f"p{n}"})).key for n in range(2)]
        team = (await backend.create("teams", {"title": "t", "members": (people[0],)})).key
        server.calls.clear()
        change = Change(add={"members": tuple(people)})
        assert (await backend.update("teams", team, change)).changed
        assert server.calls == ["ListMembers", "AddMember"]
        assert not (await backend.update("teams", team, change)).changed


class PagedServer(StaffServer):
    """Lists by page number, twelve people and never more than two at once."""

    def on_FindPeople(self, body: Any) -> str:
        found, start = list(self.people.values()), int(text(body, "Start") or 0) * 2
        shown = "".join(self.show(one) for one in found[start : start + 2])
        return f"<People>{shown}</People><Total>{len(found)}</Total>"


class TokenServer(StaffServer):
    """Lists by token: where the next part begins, nothing at the end."""

    def on_FindPeople(self, body: Any) -> str:
        found, start = list(self.people.values()), int(text(body, "Start") or 0)
        shown = "".join(self.show(one) for one in found[start : start + 3])
        total = f"<Total>{start + 3}</Total>" if start + 3 < len(found) else "<Total></Total>"
        return f"<People>{shown}</People>{total}"


class ThinServer(StaffServer):
    """Lists numbers only."""

    def on_FindPeople(self, body: Any) -> str:
        shown = "".join(f"<Person><Number>{number}</Number><Login/></Person>" for number in self.people)
        return f"<People>{shown}</People><Total>{len(self.people)}</Total>"


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
@pytest.mark.parametrize("kind", ["page", "token", "thin"])
async def test_lists_come_in_parts_of_every_kind(kind: str, limit: int) -> None:
    """Page numbers, tokens and thin lists give each record once, whatever the limit asked for."""
    servers: dict[str, type[StaffServer]] = {"page": PagedServer, "token": TokenServer, "thin": ThinServer}
    paging: dict[str, dict[str, Any]] = {
        "page": {"by": "page", "size": 2},
        "token": {"by": "token", "next": "Total"},
        "thin": {"by": "none"},
    }
    given = {"page": "{@page}", "token": "{@token}", "thin": "0"}
    async with servers[kind]().running() as server:
        settings = systems.staff(server.url)
        people = settings["entities"]["people"]
        del people["filters"], people["list"]["total"]
        people["list"] |= {"paging": paging[kind], "thin": kind == "thin"}
        people["list"]["arguments"] = {"Start": given[kind], "Count": "9"}
        async with opened(settings) as backend:
            keys = [(await backend.create("people", {"login": f"p{n}"})).key for n in range(7)]
            found: list[str] = []
            cursor, begun = None, False
            while not begun or cursor is not None:
                page = await backend.search("people", Query(LOGIN, limit=limit, cursor=cursor))
                assert len(page.records) <= limit
                assert all(record.fields["login"] for record in page.records)
                found += [record.key for record in page.records]
                cursor, begun = page.cursor, True
            assert found == keys
            for wrong in ("x", "bm8"):
                with pytest.raises(RejectedError):
                    await backend.search("people", Query(LOGIN, cursor=wrong))


class VersionedServer(StaffServer):
    """A person's badge is a number that counts changes, and a change says which it is for."""

    def on_UpdatePerson(self, body: Any) -> None:
        (person,) = body
        number = text(person, "Number") or ""
        if text(person, "Badge") != (self.people[number]["Badge"] or "0"):
            raise FaultError("Stale")
        super().on_UpdatePerson(body)
        self.people[number]["Badge"] = str(int(self.people[number]["Badge"] or "0") + 1)

    def on_CreatePerson(self, body: Any) -> str:
        answer = super().on_CreatePerson(body)
        list(self.people.values())[-1]["Badge"] = "0"
        return answer


async def test_versions_of_the_system_are_expected() -> None:
    """A version the records have is sent back with a change; another one is stale, and nothing is written."""
    async with VersionedServer().running() as server:
        settings = systems.staff(server.url)
        people = settings["entities"]["people"]
        people["version"] = "Badge"
        del people["delete"], people["fields"]["teams"]
        arguments = {"Number": "{key}", "Login": "{login}", "Note": "{note}", "Badge": "{@version}"}
        people["update"] = {"operation": "UpdatePerson", "arguments": {"Person": arguments}}
        people["errors"] = [{"fault": "Stale", "means": "stale"}]
        async with opened(settings) as backend:
            capabilities = backend.capabilities("people")
            assert capabilities.versions
            assert not capabilities.serialize
            key = (await backend.create("people", {"login": "ann"})).key
            record = await backend.get("people", key, LOGIN)
            assert record.version == "0"
            assert (await backend.update("people", key, Change(set={"note": "x"}), expect="0")).changed
            with pytest.raises(StaleError):
                await backend.update("people", key, Change(set={"note": "y"}), expect="0")
            assert (await backend.update("people", key, Change(set={"note": "z"}))).changed
            assert server.people[key]["Note"] == "z"
            assert (await backend.get("people", key, LOGIN)).version == "2"
            with pytest.raises(RejectedError) as caught:
                await backend.update("people", key, Change(set={"grade": 3}))
            assert caught.value.field == "grade"


async def test_a_settings_condition_hides_and_marks_records(server: StaffServer) -> None:
    """`where` makes an entity a set: others are invisible to every method, and new records belong to it."""
    settings = systems.staff(server.url)
    settings["entities"]["people"] |= {"where": {"Site": "north"}, "defaults": {"Badge": "none"}}
    async with opened(settings) as backend:
        key = (await backend.create("people", {"login": "ann"})).key
        assert (server.people[key]["Site"], server.people[key]["Badge"]) == ("north", "none")
        server.people["99"] = {**server.people[key], "Number": "99", "Login": "daemon", "Site": "south"}
        page = await backend.search("people", Query(LOGIN))
        assert [record.fields["login"] for record in page.records] == ["ann"]
        for attempt in (backend.get("people", "99", LOGIN), backend.update("people", "99", Change(set={"note": "x"}))):
            with pytest.raises(NotFoundError):
                await attempt
        assert server.people["99"]["Note"] is None


async def test_calls_are_made_only_for_what_they_are_for(server: StaffServer) -> None:
    """Several calls make one change: each for its fields, some only for a value (`when`)."""
    settings = systems.staff(server.url)
    people = settings["entities"]["people"]
    record = {"Number": "{key}", "Login": "{login}", "Note": "{note}", "Grade": "{grade}"}
    people["update"] = [
        {"operation": "UpdatePerson", "arguments": {"Person": record}},
        {
            "operation": "AddMember",
            "arguments": {"Team": "1", "Person": "{key}"},
            "when": {"enabled": True},
        },
        {"operation": "RemoveMember", "arguments": {"Team": "1", "Person": "{key}"}, "when": {"enabled": False}},
    ]
    server.teams["1"] = {"title": "active", "members": []}
    async with opened(settings) as backend:
        key = (await backend.create("people", {"login": "ann", "grade": 3})).key
        server.calls.clear()
        await backend.update("people", key, Change(set={"enabled": True}))
        assert server.calls == ["GetPerson", "AddMember"]
        await backend.update("people", key, Change(set={"note": "x"}))
        assert server.calls[2:] == ["GetPerson", "UpdatePerson"]
        assert server.people[key]["Grade"] == "3"
        with pytest.raises(RejectedError):
            await backend.update("people", key, Change(set={"hired": date(2020, 1, 1)}))
        assert len(server.calls) == 5
    assert STAFF in str(sent(server).tag)


async def test_a_long_list_without_pages_is_cut_here(server: StaffServer, staff: SoapBackend) -> None:
    """One answer has everything: it is sorted, counted and cut, and the rest is a cursor away (R-L23)."""
    server.teams |= {str(n): {"title": f"t{n % 700:03d}", "members": []} for n in range(1, 3001)}
    first = await staff.search("teams", Query(frozenset({"title"}), limit=2, total=True, offset=1))
    assert ([one.key for one in first.records], first.total) == (["2", "3"], 3000)
    second = await staff.search("teams", Query(frozenset(), limit=2, cursor=first.cursor))
    assert [one.key for one in second.records] == ["4", "5"]
    down = Query(frozenset({"title"}), sort=Sort("title", descending=True), limit=2)
    assert [one.fields["title"] for one in (await staff.search("teams", down)).records] == ["t699", "t699"]


class ManyServer(StaffServer):
    """Takes several members at once, and says nothing of those that were there."""

    def on_AddMember(self, body: Any) -> None:
        members = self.team(text(body, "Team"))["members"]
        members += [one.text for one in body if local(one) == "Person" and one.text not in members]


async def test_several_members_go_in_one_call() -> None:
    """`at_once` sends so many values in one call, and the rest in the next."""
    async with ManyServer().running() as server:
        settings = systems.staff(server.url)
        links = settings["entities"]["teams"]["fields"]["members"]["links"]
        links["add"]["arguments"] = {"Team": "{key}", "Person": "{values}"}
        links["at_once"] = 2
        async with opened(settings) as backend:
            people = [(await backend.create("people", {"login": f"p{n}"})).key for n in range(5)]
            team = (await backend.create("teams", {"title": "t"})).key
            server.calls.clear()
            await backend.update("teams", team, Change(add={"members": tuple(people)}))
            assert server.calls == ["AddMember"] * 3
            assert server.teams[team]["members"] == people
            assert (await backend.update("teams", team, Change(set={"members": ()}))).changed
            assert server.teams[team]["members"] == []


async def test_a_key_that_no_answer_tells_is_searched_for(server: StaffServer) -> None:
    """A create whose answer has no key finds the new record by a unique field."""
    settings = systems.staff(server.url)
    settings["entities"]["people"]["create"]["key"] = {"find": "login"}
    async with opened(settings) as backend:
        await backend.create("people", {"login": "bob"})
        record = await backend.create("people", {"login": "ann", "note": "x"})
        assert record.key == "2"
        assert record.fields == {"login": "ann", "note": "x"}
        assert server.people["2"]["Login"] == "ann"


async def test_what_does_not_change_is_left_out_where_it_should_be(server: StaffServer) -> None:
    """`changed_only` sends what changes; without it the other arguments go as they were read."""
    for changed_only, kept in ((False, "3"), (True, None)):
        settings = systems.staff(server.url)
        settings["entities"]["people"]["update"] = {
            "operation": "UpdatePerson",
            "arguments": {"Person": {"Number": "{key}", "Login": "{login}", "Note": "{note}", "Grade": "{grade}"}},
            "changed_only": changed_only,
        }
        async with opened(settings) as backend:
            login = f"ann{changed_only}"
            key = (await backend.create("people", {"login": login, "grade": 3})).key
            await backend.update("people", key, Change(set={"login": f"{login}2", "note": "x"}))
            assert (server.people[key]["Note"], server.people[key]["Grade"]) == ("x", kept)


async def test_a_service_that_deletes_anything_is_looked_at_first(server: StaffServer) -> None:
    """Where a delete of nobody succeeds, `look_first` finds out, and fields may stand in the call."""
    settings = systems.staff(server.url)
    teams = settings["entities"]["teams"]
    teams["delete"] = {"operation": "DeleteTeam", "arguments": ["{key}"], "errors": [{"fault": "*", "means": "ok"}]}
    async with opened(settings) as backend:
        await backend.delete("teams", "7")
    async with opened({**settings, "entities": {**settings["entities"], "teams": {**teams, "look_first": True}}}) as it:
        with pytest.raises(NotFoundError):
            await it.delete("teams", "7")
        key = (await it.create("teams", {"title": "t"})).key
        await it.delete("teams", key)
        assert server.teams == {}


async def test_a_filter_may_have_a_call_of_its_own(server: StaffServer) -> None:
    """A list for one question only, which answers in another place; a filter that is ignored finds nobody wrong."""
    settings = systems.staff(server.url)
    settings["entities"]["teams"]["filters"] = [
        {
            "field": "members",
            "call": {
                "operation": "ListTeams",
                "records": "Team[*]",
            },
            "match": "loose",
        },
        {"field": "title", "op": ["eq", "sw"], "call": {"operation": "ListTeams", "records": "Team[*]"}},
    ]
    async with opened(settings) as backend:
        keys = [(await backend.create("teams", {"title": title})).key for title in ("a", "ab", "b")]
        for where, expected in (
            (Compare("title", Op.EQ, "a"), keys[:1]),
            (Compare("title", Op.SW, "a"), keys[:2]),
            (Compare("members", Op.EQ, "1"), keys),
        ):
            page = await backend.search("teams", Query(frozenset(), where))
            assert [record.key for record in page.records] == expected
        with pytest.raises(UnsupportedError):
            await backend.search("teams", Query(frozenset(), Compare("members", Op.EQ, "1"), total=True))


async def test_a_short_part_is_the_last_only_where_the_settings_say_so(server: StaffServer) -> None:
    """A server that gives fewer than asked for is asked again, unless it is known to do that at the end only."""
    server.most = 2
    for short, expected in ((False, 3), (True, 2)):
        server.people.clear()
        settings = systems.staff(server.url)
        people = settings["entities"]["people"]
        del people["list"]["total"]
        people["list"]["paging"]["short_is_last"] = short
        async with opened(settings) as backend:
            for n in range(3):
                await backend.create("people", {"login": f"p{n}"})
            found, cursor, begun = 0, None, False
            while not begun or cursor is not None:
                page = await backend.search("people", Query(LOGIN, limit=3, cursor=cursor))
                found, cursor, begun = found + len(page.records), page.cursor, True
            assert found == expected


async def test_another_key_is_foretold_where_the_key_is_a_field(server: StaffServer) -> None:
    """A name that is the key moves the record; nothing else does (R-L1)."""
    settings = systems.staff(server.url)
    people = settings["entities"]["people"]
    people["key"] = people["fields"]["login"].get("path", "login")
    async with opened(settings) as backend:
        assert backend.renamed("people", "ann", Change(set={"login": "bea"})) == "bea"
        assert backend.renamed("people", "ann", Change(set={"note": "n"})) == "ann"
        assert backend.renamed("people", "ann", Change(set={"login": ""})) == "ann"
        assert backend.renamed("nobody", "ann", Change(set={"login": "bea"})) == "ann"
    assert backend.renamed("people", "ann", Change(set={"login": "bea"})) == "ann"


async def test_of_several_conditions_the_one_the_records_do_not_tell_is_asked(old: LegacyServer) -> None:
    """What has operations of its own cannot be checked afterwards: it is asked for, and two of them are refused."""
    settings = systems.legacy(old.url)
    users = settings["entities"]["users"]
    listed = {"operation": "fetch", "arguments": ["{@session}", "{key}", "1", "9"], "records": "rows.item[*]"}
    asked = {**listed, "arguments": ["{@session}", "{value}", "1", "9"]}
    for name in ("roles", "teams"):
        users["fields"][name] = {"many": True, "links": {"list": listed}}
        users["filters"].append({"field": name, "call": asked})
    users["filters"].append({"field": "on", "call": asked})
    login = Compare("login", Op.EQ, "ann", ignore_case=True)
    on, roles, teams = (Compare(name, Op.EQ, value) for name, value in (("on", True), ("roles", "r"), ("teams", "t")))
    async with opened(settings) as backend:
        reading = backend._find("users").reading
        for terms in ((login, roles), (on, roles), (roles, on), (on, login, roles)):
            found = question(And(terms), reading.entity)
            assert found.lister is reading.entity.filters["roles", Op.EQ, False].lister
            assert found.partial
            assert reading._again(And(terms)) == And(tuple(term for term in terms if term is not roles))
        assert question(And((login, on)), reading.entity).partial
        assert not question(And((login, Compare("note", Op.CO, "x"))), reading.entity).partial
        with pytest.raises(UnsupportedError):
            question(And((roles, teams)), reading.entity)
