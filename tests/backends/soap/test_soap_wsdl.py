"""WSDLs of several kinds: rpc/encoded with arrays, split over URLs, and what is fetched for them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from backends.contract import BackendError, Change, Compare, ConflictError, Op, Query
from backends.soap import SettingsError
from tests.backends.soap import systems
from tests.backends.soap.conftest import opened
from tests.backends.soap.servers import FOLDER, SoapServer, StaffServer, local, text

TYPED = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" xmlns:x="http://www.w3.org/2001/XMLSchema"'
ARRAY = 'xmlns:c="http://schemas.xmlsoap.org/soap/encoding/"'


class ListServer(SoapServer):
    """Mailing lists; one of them is told by reference, as SOAP encoding allows."""

    def __init__(self) -> None:
        super().__init__()
        self.lists = {"a@example.com": ["ann@example.com"], "b@example.com": []}

    def answer(self, operation: str, body: Any, envelope: Any) -> str:
        if operation == "lists":
            first, second = (self.show(address) for address in self.lists)
            items = f"<item {TYPED} i:type='t:List'>{first}</item><item href='#l2'/>"
            inside = f'<return {ARRAY} c:arrayType="t:List[2]">{items}</return>'
            return self.reply(operation, inside) + f"<multiRef id='l2'>{second}</multiRef>"
        members = self.lists[text(body, "list") or ""]
        if operation == "add":
            email = text(body, "email") or ""
            added = email not in members
            members.extend([email] if added else [])
            return self.reply(operation, f"<result {TYPED} i:type='x:boolean'>{str(added).lower()}</result>")
        assert local(body) == "review"
        items = "".join(f"<item {TYPED} i:type='x:string'>{one}</item>" for one in members)
        return self.reply(operation, f'<return {ARRAY} c:arrayType="x:string[]">{items}</return>')

    def show(self, address: str) -> str:
        return f"<address>{address}</address><subject>All &amp; more</subject><size>{len(self.lists[address])}</size>"

    def reply(self, operation: str, inside: str) -> str:
        return f'<t:{operation}Response xmlns:t="urn:example:lists">{inside}</t:{operation}Response>'


SETTINGS: dict[str, Any] = {
    "wsdl": str(FOLDER / "encoded.wsdl"),
    "entities": {
        "lists": {
            "key": "address",
            "fields": {
                "subject": {},
                "size": {"type": "int"},
                "members": {
                    "links": {
                        "list": {"operation": "review", "arguments": ["{key}"], "records": "return.item[*]"},
                        "add": {
                            "operation": "add",
                            "arguments": ["{key}", "{value}"],
                            "errors": [{"at": "result", "equals": False, "means": "unchanged"}],
                        },
                    }
                },
            },
            "list": {"operation": "lists", "records": "return.item[*]"},
        }
    },
}


async def test_arrays_of_soap_encoding_are_lists() -> None:
    """rpc/encoded: typed items, arrays, and elements by reference are read; its schema is known, not fetched (X2)."""
    async with ListServer().running() as server, opened({**SETTINGS, "endpoint": server.url}) as backend:
        fields = frozenset({"subject", "size", "members"})
        page = await backend.search("lists", Query(fields, total=True))
        assert page.total == 2
        assert {record.key: record.fields for record in page.records} == {
            "a@example.com": {"subject": "All & more", "size": 1, "members": ("ann@example.com",)},
            "b@example.com": {"subject": "All & more", "size": 0, "members": ()},
        }
        change = Change(add={"members": ("bob@example.com",)})
        assert (await backend.update("lists", "b@example.com", change)).changed
        assert not (await backend.update("lists", "b@example.com", change)).changed
        assert server.lists["b@example.com"] == ["bob@example.com"]
        assert backend.capabilities("lists").writes == {"update"}
        assert not backend.capabilities("lists").deltas
        assert (await backend.get("lists", "b@example.com", fields)).fields["size"] == 1
        with pytest.raises(BackendError):
            await backend.update("lists", "b@example.com", Change(remove={"members": ("bob@example.com",)}))
        with pytest.raises(BackendError):
            await backend.search("lists", Query(fields, Compare("subject", Op.EQ, "x")))


@contextlib.asynccontextmanager
async def split() -> AsyncIterator[tuple[str, list[tuple[str, str | None]]]]:
    """Serve a WSDL in two documents, at two addresses; gives the first's base and what was asked for."""
    whole = (FOLDER / "staff.wsdl").read_text(encoding="utf-8")
    begin, end = whole.index("<xs:schema"), whole.index("</xs:schema>") + len("</xs:schema>")
    schema = whole[begin:end].replace(
        "<xs:schema ", '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:tns="urn:example:staff" ', 1
    )
    asked: list[tuple[str, str | None]] = []
    places: dict[str, str] = {}

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.path_qs, request.headers.get("authorization")))
        if "xsd" in request.query:
            return web.Response(text=schema, content_type="text/xml")
        there = f'<xs:schema><xs:import namespace="urn:example:staff" schemaLocation="{places["schema"]}"/></xs:schema>'
        return web.Response(text=whole[:begin] + there + whole[end:], content_type="text/xml")

    runners = []
    try:
        for name in ("wsdl", "schema"):
            app = web.Application()
            app.router.add_get("/hr", answer)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            runners.append(runner)
            places[name] = f"http://127.0.0.1:{runner.addresses[0][1]}/hr{'?xsd=1' if name == 'schema' else ''}"
        yield places["wsdl"], asked
    finally:
        for runner in runners:
            await runner.cleanup()


async def test_imports_that_are_listed_are_fetched(server: StaffServer) -> None:
    """A WSDL by URL may import what is listed; credentials go to its own server only."""
    auth = {"type": "basic", "username": "u", "password": "p"}
    async with split() as (url, asked):
        settings = systems.staff(server.url, wsdl=f"{url}?wsdl", auth=auth, imports=["http://127.0.0.1:*"])
        async with opened(settings) as backend:
            assert (await backend.describe("people"))["note"].max_length == 400
        assert [path for path, _ in asked] == ["/hr?wsdl", "/hr?xsd=1"]
        assert [credentials is not None for _, credentials in asked] == [True, False]
        asked.clear()
        with pytest.raises(SettingsError, match="imports"):
            async with opened(systems.staff(server.url, wsdl=f"{url}?wsdl")):
                pass
        assert [path for path, _ in asked] == ["/hr?wsdl"]


async def test_a_create_that_is_half_done_says_whose_it_is(server: StaffServer) -> None:
    """Members that cannot be added leave a team that is named, so that repeating completes it (R-L20)."""
    async with opened(systems.staff(server.url)) as backend:
        person = (await backend.create("people", {"login": "ann"})).key
        with pytest.raises(BackendError) as caught:
            await backend.create("teams", {"title": "t", "members": (person, "99")})
        assert getattr(caught.value, "key", None) == next(iter(server.teams))
        with pytest.raises(ConflictError):
            await backend.create("teams", {"title": "t", "members": (person,)})
