"""Two SOAP services as old applications have them, answering in the loop of a test.

They read what they are sent and write their answers with nothing of the backend's: what both understand is SOAP.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from aiohttp import web
from lxml import etree

FOLDER = Path(__file__).parent
SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
STAFF = "urn:example:staff"
LEGACY = "urn:example:legacy"
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


class FaultError(Exception):
    """What the service answers as a fault."""

    def __init__(self, code: str, detail: str = "", text: str = "it went wrong") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.text = text


def local(element: Any) -> str:
    return str(etree.QName(element).localname)


def only(parent: Any, name: str) -> Any:
    """The one child of a name, or None; nil is a child without text."""
    found = [child for child in parent if local(child) == name]
    assert len(found) < 2, f"{name} is there twice"
    return found[0] if found else None


def text(parent: Any, name: str) -> str | None:
    child = only(parent, name)
    return None if child is None or child.get(NIL) == "true" else child.text or ""


class SoapServer:
    """One service on a port of its own.

    `calls` are the operations called, `envelopes` what came, `headers` the HTTP headers. With `left` set, the call that
    many from now fails: not done, or with `lost` done and its answer lost. `raw` is answered in place of everything, if
    set: body, content type and status. While `held` is not set, no call is answered.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.envelopes: list[Any] = []
        self.headers: list[Mapping[str, str]] = []
        self.left: int | None = None
        self.lost = False
        self.raw: tuple[bytes, str, int] | None = None
        self.held: asyncio.Event | None = None
        self.url = ""
        self.numbers = itertools.count(1)

    def answer(self, operation: str, body: Any, envelope: Any) -> str:
        """Give what stands in the response's body."""
        raise NotImplementedError

    async def handle(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        if request.method == "GET":
            return web.Response(text="a service", status=405)
        envelope = etree.fromstring(content)
        version = etree.QName(envelope).namespace
        (body,) = [child for child in envelope if local(child) == "Body"]
        (element,) = body
        self.calls.append(local(element))
        self.envelopes.append(envelope)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if self.held is not None:
            await self.held.wait()
        now = self.left == 0
        if self.left is not None:
            self.left = None if now else self.left - 1
        if now and not self.lost:
            return self._broken(request)
        if self.raw is not None:
            found, kind, status = self.raw
            return web.Response(body=found, headers={"content-type": kind}, status=status)
        status = 200
        try:
            inside = self.answer(local(element), element, envelope)
        except FaultError as error:
            inside, status = _fault(error, version), 500
        if now:
            return self._broken(request)
        return web.Response(
            text=f'<e:Envelope xmlns:e="{version}"><e:Body>{inside}</e:Body></e:Envelope>',
            content_type="text/xml" if version == SOAP_11 else "application/soap+xml",
            status=status,
            headers=self.more_headers(),
        )

    def more_headers(self) -> dict[str, str]:
        return {}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Any]:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=False, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/service"
        try:
            yield self
        finally:
            await runner.cleanup()

    def _broken(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response(status=500)


def _fault(error: FaultError, version: Any) -> str:
    if version == SOAP_12:
        subcode = f"<e:Subcode><e:Value xmlns:x='urn:x'>x:{error.code}</e:Value></e:Subcode>"
        return (
            f"<e:Fault><e:Code><e:Value>e:Sender</e:Value>{subcode}</e:Code><e:Reason>"
            f'<e:Text xml:lang="en">{escape(error.text)}</e:Text></e:Reason>'
            f"<e:Detail>{error.detail}</e:Detail></e:Fault>"
        )
    return (
        f"<e:Fault><faultcode>e:Client.{error.code}</faultcode><faultstring>{escape(error.text)}</faultstring>"
        f"<detail>{error.detail}</detail></e:Fault>"
    )


class StaffServer(SoapServer):
    """Whole records: what a record that is written leaves out is gone. People are kept as the elements they came as."""

    def __init__(self) -> None:
        super().__init__()
        self.people: dict[str, dict[str, Any]] = {}
        self.teams: dict[str, dict[str, Any]] = {}
        self.sessions: set[str] = set()
        self.guarded = False
        self.most = 1000

    def answer(self, operation: str, body: Any, envelope: Any) -> str:
        assert etree.QName(body).namespace == STAFF, "strict about namespaces"
        assert all(etree.QName(one).namespace == STAFF for one in body.iter() if isinstance(one.tag, str))
        if operation == "Login":
            if text(body, "Password") != "pässword<&":
                raise FaultError("BadLogin")
            session = f"session-{next(self.numbers)}"
            self.sessions.add(session)
            return self.reply(operation, f"<Session>{session}</Session>")
        if self.guarded:
            found = [one.text for one in envelope.iter(f"{{{STAFF}}}Session")]
            if not set(found) & self.sessions:
                raise FaultError("SessionExpired")
        return self.reply(operation, getattr(self, f"on_{operation}")(body) or "")

    def reply(self, operation: str, inside: str) -> str:
        return f'<{operation}Response xmlns="{STAFF}">{inside}</{operation}Response>'

    def on_GetPerson(self, body: Any) -> str:
        return self.show(self.person(text(body, "Number")))

    def on_FindPeople(self, body: Any) -> str:
        login = text(body, "Login")
        numbers = {child.text for child in body if local(child) == "Number"}
        found = [
            one
            for number, one in self.people.items()
            if (login is None or one["Login"].lower() == login.lower()) and (not numbers or number in numbers)
        ]
        start, count = int(text(body, "Start") or 0), min(self.most, int(text(body, "Count") or 0))
        shown = "".join(self.show(one) for one in found[start : start + count])
        return f"<People>{shown}</People><Total>{len(found)}</Total>"

    def on_CreatePerson(self, body: Any) -> str:
        person = self.read(only(body, "Person"))
        self.claim(person, None)
        number = str(next(self.numbers))
        self.people[number] = {**person, "Number": number}
        return f"<Number>{number}</Number>"

    def on_UpdatePerson(self, body: Any) -> None:
        person = self.read(only(body, "Person"))
        number = person["Number"]
        self.person(number)
        self.claim(person, number)
        self.people[number] = person

    def on_DeletePerson(self, body: Any) -> None:
        number = text(body, "Number") or ""
        self.person(number)
        del self.people[number]
        for team in self.teams.values():
            team["members"] = [one for one in team["members"] if one != number]

    def on_ListTeams(self, body: Any) -> str:
        return "".join(self.show_team(number) for number in self.teams)

    def on_GetTeam(self, body: Any) -> str:
        self.team(text(body, "Number"))
        return self.show_team(text(body, "Number") or "")

    def on_CreateTeam(self, body: Any) -> str:
        title = text(body, "Title")
        if any(team["title"] == title for team in self.teams.values()):
            raise FaultError("Duplicate", f"<DuplicateFault xmlns='{STAFF}'><field>Title</field></DuplicateFault>")
        number = str(next(self.numbers))
        self.teams[number] = {"title": title, "members": []}
        return f"<Number>{number}</Number>"

    def on_RenameTeam(self, body: Any) -> None:
        self.team(text(body, "Number"))["title"] = text(body, "Title")

    def on_DeleteTeam(self, body: Any) -> None:
        self.team(text(body, "Number"))
        del self.teams[text(body, "Number") or ""]

    def on_ListMembers(self, body: Any) -> str:
        members = self.team(text(body, "Team"))["members"]
        start = text(body, "Start")
        if start is not None:
            members = members[int(start) : int(start) + int(text(body, "Count") or 0)]
        return "".join(f"<Person>{one}</Person>" for one in members)

    def on_AddMember(self, body: Any) -> None:
        team, person = self.team(text(body, "Team")), text(body, "Person")
        self.person(person)
        if person in team["members"]:
            raise FaultError("AlreadyMember")
        team["members"].append(person)

    def on_RemoveMember(self, body: Any) -> None:
        team, person = self.team(text(body, "Team")), text(body, "Person")
        if person not in team["members"]:
            raise FaultError("NoMember")
        team["members"].remove(person)

    def on_TeamsOf(self, body: Any) -> str:
        person = text(body, "Person")
        found = [number for number, team in self.teams.items() if person in team["members"]]
        return "".join(f"<Team>{number}</Team>" for number in found)

    def person(self, number: str | None) -> dict[str, Any]:
        if number not in self.people:
            raise FaultError("NoSuchPerson")
        return self.people[number]

    def team(self, number: str | None) -> dict[str, Any]:
        if number not in self.teams:
            raise FaultError("NoSuchTeam")
        return self.teams[number]

    def claim(self, person: Mapping[str, Any], own: str | None) -> None:
        if not person.get("Login"):
            raise FaultError("Empty", f"<EmptyFault xmlns='{STAFF}'><field>Login</field></EmptyFault>")
        if any(one["Login"] == person["Login"] and number != own for number, one in self.people.items()):
            raise FaultError("Duplicate", f"<DuplicateFault xmlns='{STAFF}'><field>Login</field></DuplicateFault>")

    def read(self, element: Any) -> dict[str, Any]:
        """Read a person, insisting on the order of the schema."""
        order = ["Number", "Login", "Note", "Grade", "Enabled", "Hired", "Seen", "Site", "Tags", "Mails", "Badge"]
        names = [local(child) for child in element]
        assert names == sorted(names, key=order.index), "out of the schema's order"
        person: dict[str, Any] = {name: text(element, name) for name in order[:8] + order[10:]}
        tags, mails = only(element, "Tags"), only(element, "Mails")
        person["Tags"] = [one.text or "" for one in tags] if tags is not None else []
        person["Mails"] = [
            {"kind": one.get("kind"), "Address": text(one, "Address"), "Checked": text(one, "Checked")}
            for one in (mails if mails is not None else ())
        ]
        return person

    def show(self, person: Mapping[str, Any]) -> str:
        parts = []
        for name, value in person.items():
            if name in ("Tags", "Mails"):
                continue
            if value is None:
                nil = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"'
                parts += [f"<{name} {nil}/>"] if name in ("Note", "Hired") else []
            else:
                parts.append(f"<{name}>{escaped(value)}</{name}>")
        parts.append("<Tags>" + "".join(f"<Tag>{escaped(one)}</Tag>" for one in person["Tags"]) + "</Tags>")
        for mail in person["Mails"]:
            kind = f' kind="{escape(mail["kind"])}"' if mail["kind"] else ""
            checked = f"<Checked>{mail['Checked']}</Checked>" if mail["Checked"] is not None else ""
            parts.append(f"<Mails><Mail{kind}><Address>{escaped(mail['Address'])}</Address>{checked}</Mail></Mails>")
        inside = "".join(parts).replace("</Mails><Mails>", "")
        return f"<Person>{inside}</Person>"

    def show_team(self, number: str) -> str:
        return f"<Team><Number>{number}</Number><Title>{escaped(self.teams[number]['title'])}</Title></Team>"


def escaped(value: str) -> str:
    return escape(value, {"\r": "&#13;"})


class LegacyServer(SoapServer):
    """Everything a text; errors are codes in the answer; lists come through handles, with a row of nothing in empty
    ones; a record comes as XML inside a text; a query is a text in a language of its own; tickets run out."""

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, dict[str, str]] = {}
        self.handles: dict[str, list[dict[str, str]]] = {}
        self.queries: list[str] = []
        self.tickets: set[str] = set()
        self.most = 5
        self.json = False

    def answer(self, operation: str, body: Any, envelope: Any) -> str:
        assert etree.QName(body).namespace == LEGACY
        assert all(etree.QName(child).namespace is None for child in body), "parts have no namespace"
        if operation == "logon":
            if (text(body, "user"), text(body, "password")) != ("scim", "t0psecret"):
                raise FaultError("Refused", text="t0psecret is wrong")
            ticket = f"ticket{next(self.numbers)}"
            self.tickets.add(ticket)
            return self.reply(operation, f"<ticket>{ticket}</ticket>")
        if text(body, "ticket") not in self.tickets:
            return self.reply(operation, self.status("TICKET"))
        arguments = {local(child): child.text or "" for child in body}
        return self.reply(operation, getattr(self, f"on_{operation}")(**arguments))

    def reply(self, operation: str, inside: str) -> str:
        return f'<n:{operation}Response xmlns:n="{LEGACY}">{inside}</n:{operation}Response>'

    def status(self, code: str, about: str = "", id: str = "") -> str:
        return f"<status><code>{code}</code><about>{about}</about><id>{id}</id></status>"

    def on_addUser(self, ticket: str, login: str, note: str, grade: str, on: str) -> str:
        if wrong := self.wrong(login, grade, None):
            return wrong
        number = str(next(self.numbers))
        self.users[number] = {"id": number, "login": login, "note": note, "grade": grade, "on": on}
        return self.status("OK", id=number)

    def on_setUser(self, ticket: str, id: str, login: str, note: str, grade: str, on: str) -> str:
        if id not in self.users:
            return self.status("NOTFOUND")
        if wrong := self.wrong(login, grade, id):
            return wrong
        self.users[id] = {"id": id, "login": login, "note": note, "grade": grade, "on": on}
        return self.status("OK")

    def wrong(self, login: str, grade: str, own: str | None) -> str | None:
        if not login:
            return self.status("BADVALUE", "LOGIN")
        if any(one["login"] == login and number != own for number, one in self.users.items()):
            return self.status("DUP", "LOGIN")
        if grade and not re.fullmatch("[0-9]+", grade):
            return self.status("BADVALUE", "GRADE")
        return None

    def on_getUser(self, ticket: str, id: str) -> str:
        if id not in self.users:
            return self.status("NOTFOUND") + "<xml/>"
        if self.json:
            inner = json.dumps({"user": self.users[id]})
        else:
            inner = (
                "<user>" + "".join(f"<{name}>{escaped(v)}</{name}>" for name, v in self.users[id].items()) + "</user>"
            )
        return self.status("OK") + f"<xml>{escaped(inner)}</xml>"

    def on_dropUser(self, ticket: str, id: str) -> str:
        return self.status("OK" if self.users.pop(id, None) else "NOTFOUND")

    def on_openQuery(self, ticket: str, text: str) -> str:
        self.queries.append(text)
        found = [dict(one) for one in self.users.values() if _holds(text, one)]
        handle = f"h{next(self.numbers)}"
        self.handles[handle] = found
        return f"<handle>{handle}</handle><count>{len(found)}</count>"

    def on_fetch(self, ticket: str, handle: str, index: str, count: str) -> str:
        start = int(index) - 1
        found = self.handles[handle][start : start + min(self.most, int(count))]
        shown = found or [{"id": "0", "login": "", "note": "", "grade": "", "on": ""}]
        items = "".join(
            "<item>" + "".join(f"<{name}>{escaped(value)}</{name}>" for name, value in one.items()) + "</item>"
            for one in shown
        )
        return f"<rows>{items}</rows>"

    def on_closeQuery(self, ticket: str, handle: str) -> str:
        self.handles.pop(handle, None)
        return self.status("OK")


_TOKEN = re.compile(r"\s*(?:(AND|OR|\(|\))|(\w+) (is|has) '((?:[^']|'')*)'|(ALL))")


def _holds(query: str, user: Mapping[str, str]) -> bool:
    """Work out a query: ``login is 'x'``, ``note has 'y'``, AND, OR, parentheses, ALL; quotes are doubled."""
    parts, position = [], 0
    while position < len(query):
        found = _TOKEN.match(query, position)
        assert found is not None, f"not the query language: {query[position:]!r}"
        position = found.end()
        word, name, relation, value, every = found.groups()
        if word is not None:
            parts.append(f" {word.lower()} ")
        elif every is not None:
            parts.append("True")
        else:
            value = value.replace("''", "'")
            parts.append(str(user[name].lower() == value.lower() if relation == "is" else value in user[name]))
    return bool(eval("".join(parts), {"__builtins__": {}}))
