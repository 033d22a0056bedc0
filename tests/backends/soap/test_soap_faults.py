"""Faults and error codes become the contract's errors by the settings' rules, and nothing else of them is told."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from backends.contract import (
    BackendError,
    ConflictError,
    DeniedError,
    NotFoundError,
    RejectedError,
    StaleError,
    UnavailableError,
    UnsupportedError,
)
from backends.soap import SoapBackend
from backends.soap.faults import fault_of
from tests.backends.soap import systems
from tests.backends.soap.conftest import opened
from tests.backends.soap.servers import LegacyServer, StaffServer

SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"


def fault(inside: str, space: str = SOAP_11) -> bytes:
    return f'<s:Envelope xmlns:s="{space}"><s:Body><s:Fault>{inside}</s:Fault></s:Body></s:Envelope>'.encode()


ORACLE = "<faultcode>s:Server</faultcode><faultstring>ORA-00001 at db7.example.com, password=hidden</faultstring>"


async def test_an_unknown_fault_says_nothing_of_itself(server: StaffServer, staff: SoapBackend) -> None:
    """A fault nobody has a rule for is a failure with generic text; its own text goes nowhere (X13)."""
    server.raw = (fault(ORACLE), "text/xml", 500)
    with pytest.raises(BackendError) as caught:
        await staff.create("people", {"login": "ann"})
    assert type(caught.value) is BackendError
    error: BaseException | None = caught.value
    while error is not None:
        assert not any(word in f"{error} {error!r}" for word in ("ORA", "db7", "hidden"))
        error = error.__cause__


async def test_a_fault_with_a_status_of_a_gateway_is_unavailable(server: StaffServer, staff: SoapBackend) -> None:
    """A fault that comes with 503 is no failure of this call: it can be tried again."""
    server.raw = (fault(ORACLE), "text/xml", 503)
    with pytest.raises(UnavailableError) as caught:
        await staff.create("people", {"login": "ann"})
    assert not caught.value.maybe_done


@pytest.mark.parametrize("code", ["FailedAuthentication", "InvalidSecurity", "MessageExpired"])
async def test_refused_security_is_unavailable(server: StaffServer, staff: SoapBackend, code: str) -> None:
    """WS-Security's own faults mean that the gateway's credentials are refused: 503, never 401 (R-L34)."""
    server.raw = (fault(f"<faultcode xmlns:w='urn:w'>w:{code}</faultcode><faultstring/>"), "text/xml", 500)
    with pytest.raises(UnavailableError):
        await staff.get("people", "1", frozenset())


MEANINGS: dict[str, type[BackendError]] = {
    "not_found": NotFoundError,
    "conflict": ConflictError,
    "stale": StaleError,
    "rejected": RejectedError,
    "denied": DeniedError,
    "unsupported": UnsupportedError,
    "unavailable": UnavailableError,
    "expired": UnavailableError,
}


@pytest.mark.parametrize("meaning", MEANINGS)
@pytest.mark.parametrize("version", [SOAP_11, SOAP_12])
async def test_faults_mean_what_the_rules_say(server: StaffServer, meaning: str, version: str) -> None:
    """Each meaning is one error of the contract, by code, by text, and by what the detail holds, in 1.1 and 1.2."""
    if version == SOAP_11:
        inside = (
            "<faultcode>s:Client</faultcode><faultstring>It is TAKEN</faultstring>"
            "<detail><e:Problem xmlns:e='urn:e'><e:code>17</e:code><e:where>mail</e:where></e:Problem></detail>"
        )
    else:
        inside = (
            "<s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>x:Client</s:Value></s:Subcode></s:Code>"
            "<s:Reason><s:Text xml:lang='en'>It is TAKEN</s:Text></s:Reason>"
            "<s:Detail><e:Problem xmlns:e='urn:e'><e:code>17</e:code><e:where>mail</e:where></e:Problem></s:Detail>"
        )
    rules: list[dict[str, Any]] = [
        {"fault": "Client", "at": "text", "contains": "is taken"},
        {"fault": "Problem", "at": "detail.Problem.code", "equals": [16, 17]},
        {"fault": "*", "at": "detail.Problem.code", "differs": 16},
        {"fault": "*", "at": "detail.Problem"},
    ]
    for rule in rules:
        about = {"field_at": "detail.Problem.where", "names": {"mail": "login"}, "means": meaning}
        settings = systems.staff(server.url)
        settings["errors"] = [{"fault": "Server", "means": "ok"}, {**rule, **about}]
        async with opened(settings) as backend:
            server.raw = (fault(inside, version), "text/xml", 500)
            with pytest.raises(MEANINGS[meaning]) as caught:
                await backend.create("teams", {"title": "a"})
            assert type(caught.value) is MEANINGS[meaning]
            if isinstance(caught.value, ConflictError | RejectedError):
                assert caught.value.field is None, "the entity has no such field"
            if meaning in ("conflict", "rejected"):
                with pytest.raises(MEANINGS[meaning]) as caught:
                    await backend.create("people", {"login": "a"})
                assert getattr(caught.value, "field", None) == "login"


async def test_rules_of_a_call_go_before_those_of_the_service(server: StaffServer) -> None:
    """The same fault may mean one thing for one call and another for the rest."""
    settings = systems.staff(server.url)
    settings["entities"]["teams"]["delete"]["errors"] = [{"fault": "NoSuchTeam", "means": "ok"}]
    async with opened(settings) as backend:
        await backend.delete("teams", "7")
        with pytest.raises(NotFoundError):
            await backend.get("teams", "7", frozenset())


async def test_codes_inside_normal_answers_are_errors(old: LegacyServer, legacy: SoapBackend) -> None:
    """A status in a 200 is an error with the field it names (R-L24); an unknown one is not a success."""
    await legacy.create("users", {"login": "ann"})
    with pytest.raises(ConflictError) as caught:
        await legacy.create("users", {"login": "ann"})
    assert caught.value.field == "login"
    old.on_addUser = lambda **_: old.status("E-4711", "")  # type: ignore[method-assign]
    with pytest.raises(UnavailableError) as unknown:
        await legacy.create("users", {"login": "bob"})
    assert unknown.value.maybe_done
    assert len(old.users) == 1


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "<faultcode/><faultstring/>",
        "<detail>text</detail>",
        "<faultcode>a:b:c.d</faultcode><detail><x/><x/></detail>",
        "<s:Code/>",
        "<s:Code><s:Value/></s:Code><s:Reason/>",
        "<s:Code><s:Value>s:Sender</s:Value><s:Subcode/></s:Code><s:Reason><s:Text>a</s:Text><s:Text>b</s:Text></s:Reason>",
    ],
)
@pytest.mark.parametrize("version", [SOAP_11, SOAP_12])
def test_faults_of_any_shape_are_read(inside: str, version: str) -> None:
    """A fault with parts missing is still a fault."""
    element = etree.fromstring(fault(inside, version))[0][0]
    found = fault_of(element, 64)
    assert isinstance(found.codes, frozenset)
    assert set(found.document) == {"code", "subcodes", "text", "detail"}
