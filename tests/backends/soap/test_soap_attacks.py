"""What a hostile or broken service can answer, and what a hostile value can do to a message (X1, X2)."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.contract import Change, Compare, Op, Query, RejectedError, UnavailableError
from backends.soap import SettingsError, SoapBackend
from backends.soap.documents import DocumentError, parse, read
from tests.backends.soap import systems
from tests.backends.soap.conftest import opened
from tests.backends.soap.servers import FOLDER, LegacyServer, StaffServer

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
NAMES = frozenset({"login", "note"})
ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
MORE = "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 20))
LAUGHS = f"<!DOCTYPE x [<!ENTITY a0 'ha'>{MORE}]>"


def envelope(inside: str, before: str = "") -> bytes:
    return f'{before}<e:Envelope xmlns:e="{SOAP}"><e:Body>{inside}</e:Body></e:Envelope>'.encode()


def person(inside: str) -> str:
    return (
        f'<GetPersonResponse xmlns="urn:example:staff"><Person><Number>1</Number><Login>{inside}</Login></Person>'
        "</GetPersonResponse>"
    )


HOSTILE = {
    "billion laughs": envelope(person("&a19;"), LAUGHS),
    "external entity": envelope(person("&x;"), "<!DOCTYPE x [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"),
    "external subset": envelope(person("ann"), "<!DOCTYPE x SYSTEM 'http://127.0.0.1:9/x.dtd'>"),
    "a DTD that does nothing": envelope(person("ann"), "<!DOCTYPE x>"),
    "deep nesting": envelope(person("<a>" * 100 + "</a>" * 100)),
    "very deep nesting": envelope(person("<a>" * 100_000 + "</a>" * 100_000)),
    "an undefined entity": envelope(person("&nbsp;")),
    "cut off": envelope(person("ann"))[:-20],
    "not XML": b"<html><body>Login please<br></body>",
    "other XML": b"<html><body>Login please</body></html>",
    "no body": f'<e:Envelope xmlns:e="{SOAP}"><e:Header/></e:Envelope>'.encode(),
    "another answer": envelope('<FindPeopleResponse xmlns="urn:example:staff"><Total>0</Total></FindPeopleResponse>'),
    "another namespace": envelope(person("ann").replace("urn:example:staff", "urn:other")),
    "nothing": b"",
    "too long": envelope(person("a" * 70_000)),
    "a wrong charset": b'<?xml version="1.0" encoding="utf-16"?>' + envelope(person("ann")),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_answers_are_refused_soon(server: StaffServer, name: str) -> None:
    """Garbage of every kind is 503 for this backend, quickly, and never a record or an empty directory (X2)."""
    settings = systems.staff(server.url, limits={"response_bytes": 65_536 if name == "too long" else 4_000_000})
    async with opened(settings) as backend:
        server.raw = (HOSTILE[name], "text/xml", 200)
        begun = time.monotonic()
        with pytest.raises(UnavailableError) as caught:
            await backend.get("people", "1", NAMES)
        with pytest.raises(UnavailableError):
            await backend.search("people", Query(NAMES)) if name != "another answer" else await backend.search(
                "teams", Query(frozenset())
            )
        assert time.monotonic() - begun < 2
        assert "passwd" not in caught.value.detail
        assert not caught.value.maybe_done


@pytest.mark.parametrize("status", [301, 302, 307, 404, 405, 500, 502])
async def test_answers_without_soap_are_unavailable(server: StaffServer, staff: SoapBackend, status: int) -> None:
    """A page in place of an answer says nothing of the write; redirects are not followed."""
    server.raw = (b"<html/>", "text/html", status)
    with pytest.raises(UnavailableError) as caught:
        await staff.create("teams", {"title": "a"})
    assert caught.value.maybe_done
    assert len(server.calls) == 1


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_service_has_done_nothing(server: StaffServer, staff: SoapBackend, status: int) -> None:
    """A service that says it is busy did not do what it was asked."""
    server.raw = (b"busy", "text/plain", status)
    with pytest.raises(UnavailableError) as caught:
        await staff.create("teams", {"title": "a"})
    assert not caught.value.maybe_done


async def test_a_namespace_can_be_wrong_where_the_settings_say_so(server: StaffServer) -> None:
    """`strict: false` takes answers in another namespace, but no other answer."""
    async with opened(systems.staff(server.url, strict=False)) as backend:
        server.raw = (HOSTILE["another namespace"], "text/xml", 200)
        assert (await backend.get("people", "1", frozenset({"login"}))).fields == {"login": "ann"}
        server.raw = (HOSTILE["another answer"], "text/xml", 200)
        with pytest.raises(UnavailableError):
            await backend.get("people", "1", frozenset())


async def test_a_slow_service_ends_in_time(server: StaffServer) -> None:
    """A service that does not answer is left after the time the settings give it, a write perhaps done (R-L21)."""
    server.held = asyncio.Event()
    async with opened(systems.staff(server.url, limits={"answer_seconds": 0.2, "total_seconds": 0.3})) as backend:
        with pytest.raises(UnavailableError) as caught:
            await backend.create("teams", {"title": "a"})
        assert caught.value.maybe_done
        with pytest.raises(UnavailableError) as caught:
            await backend.get("teams", "1", frozenset())
        assert not caught.value.maybe_done
    server.held.set()


def test_references_in_circles_are_refused() -> None:
    """SOAP encoding's references are followed, but neither in circles nor into an explosion."""
    good = parse(b"<r><a href='#x'/><multiRef id='x'><b>1</b><c href='#y'/></multiRef><m id='y'>2</m></r>")
    assert read(good, 64)["a"] == {"@id": "x", "b": "1", "c": {"@id": "y", "#": "2"}}
    with pytest.raises(DocumentError):
        read(parse(b"<r><a href='#x'/><m id='x'><c href='#x'/></m></r>"), 64)
    levels = "".join(f"<m id='l{n}'>" + f"<c href='#l{n + 1}'/>" * 10 + "</m>" for n in range(12))
    begun = time.monotonic()
    with pytest.raises(DocumentError):
        read(parse(f"<r><a href='#l0'/>{levels}<m id='l12'/></r>".encode()), 64)
    assert time.monotonic() - begun < 2


TEXTS = st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=40)
MARKUP = st.sampled_from(
    ["</Note><Enabled>true</Enabled><Note>", "<![CDATA[", "]]>", "&lt;", "<!--", "--><x/>", "&#0;"]
)


@pytest.fixture(scope="module")
def both() -> Iterator[Callable[[str], None]]:
    """Sends a text to both services, which are started once."""

    async def start(stack: contextlib.AsyncExitStack) -> tuple[StaffServer, SoapBackend, LegacyServer, SoapBackend]:
        server, old = StaffServer(), LegacyServer()
        await stack.enter_async_context(server.running())
        await stack.enter_async_context(old.running())
        staff = await stack.enter_async_context(opened(systems.staff(server.url)))
        return server, staff, old, await stack.enter_async_context(opened(systems.legacy(old.url)))

    async def arrives(text: str) -> None:
        server.people.clear()
        old.queries.clear()
        await _arrives_in_elements(text, staff, server)
        await _arrives_in_queries(text, legacy, old)

    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()
        server, staff, old, legacy = runner.run(start(stack))
        try:
            yield lambda text: runner.run(arrives(text))
        finally:
            runner.run(stack.aclose())


@settings(max_examples=150, deadline=None)
@given(parts=st.lists(st.one_of(TEXTS, MARKUP), min_size=1, max_size=4))
def test_any_text_arrives_as_it_was_sent_or_is_refused(both: Callable[[str], None], parts: list[str]) -> None:
    """No value becomes markup, a query condition or another value, wherever it stands (X1)."""
    both("".join(parts))


async def _arrives_in_elements(text: str, staff: SoapBackend, server: StaffServer) -> None:
    fields = {"login": text, "note": text, "tags": (text,), "mails": ({"address": text, "kind": "work"},)}
    if ILLEGAL.search(text):
        with pytest.raises(RejectedError) as caught:
            await staff.create("people", fields)
        assert caught.value.field in fields
        assert server.people == {}
        return
    key = (await staff.create("people", fields)).key
    (kept,) = server.people.values()
    assert (kept["Login"], kept["Note"], kept["Tags"]) == (text, text, [text])
    assert kept["Mails"] == [{"kind": "work", "Address": text, "Checked": None}]
    assert kept["Enabled"] is None
    assert (await staff.get("people", key, frozenset(fields))).fields == fields


async def _arrives_in_queries(text: str, legacy: SoapBackend, old: LegacyServer) -> None:
    old.users = {"7": {"id": "7", "login": "victim", "note": "", "grade": "", "on": "Y"}}
    query = Query(frozenset({"login"}), Compare("login", Op.EQ, text))
    if ILLEGAL.search(text):
        with pytest.raises(RejectedError) as caught:
            await legacy.search("users", query)
        assert caught.value.field == "login"
        assert old.queries == []
        return
    found = await legacy.search("users", query)
    assert [record.fields["login"] for record in found.records] == (["victim"] if text == "victim" else [])


@pytest.mark.parametrize("text", ["a\x00b", "a\x0bb", "a\x1fb", "a\ufffeb", "a\uffffb", "a\ud800b"])
async def test_what_xml_cannot_carry_is_refused_by_name(server: StaffServer, staff: SoapBackend, text: str) -> None:
    """Characters XML 1.0 has no place for are refused naming the field, in values, rows and filters alike (X1)."""
    with pytest.raises(RejectedError) as caught:
        await staff.create("people", {"login": "ann", "note": text})
    assert caught.value.field == "note"
    with pytest.raises(RejectedError) as caught:
        await staff.create("people", {"login": "ann", "mails": ({"address": text},)})
    assert caught.value.field == "mails"
    with pytest.raises(RejectedError) as caught:
        await staff.search("people", Query(frozenset(), Compare("login", Op.EQ, text)))
    assert caught.value.field == "login"
    assert server.people == {}
    key = (await staff.create("people", {"login": "ann"})).key
    with pytest.raises(RejectedError):
        await staff.update("people", key, Change(set={"note": text}))
    assert server.people[key]["Note"] is None


async def test_a_wsdl_fetches_nothing_that_is_not_listed(tmp_path: Path) -> None:
    """Imports from the network, from other folders, and DTDs in the WSDL are refused at start (X2)."""
    text = (FOLDER / "staff.wsdl").read_text(encoding="utf-8")
    begin = "<wsdl:types>"
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "outside.xsd").write_text('<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"/>')
    schema = '<xs:schema><xs:import namespace="urn:more" schemaLocation="{}"/></xs:schema>'
    attempts = {
        begin + schema.format("http://127.0.0.1:9/more.xsd"): "imports",
        begin + schema.format("../outside.xsd"): "outside",
        begin + schema.format("file:///etc/hostname"): "outside",
    }
    for change, reason in attempts.items():
        (inner / "staff.wsdl").write_text(text.replace(begin, change), encoding="utf-8")
        with pytest.raises(SettingsError, match=reason) as caught:
            async with opened(systems.staff("http://127.0.0.1:9/", wsdl=str(inner / "staff.wsdl"))):
                pass
        assert caught.value.path == "wsdl"
    body = text.split("?>", 1)[1]
    (inner / "staff.wsdl").write_text(f"<!DOCTYPE x [<!ENTITY y 'z'>]>{body}", encoding="utf-8")
    with pytest.raises(SettingsError, match="WSDL"):
        async with opened(systems.staff("http://127.0.0.1:9/", wsdl=str(inner / "staff.wsdl"))):
            pass
