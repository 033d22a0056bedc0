"""The running gateway: one sick system harms nobody else, and what is opened is closed."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, closing
from dataclasses import replace
from typing import Any, ClassVar

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from backends.contract import Field, UnavailableError
from backends.memory import MemoryBackend
from gateway.app import Blueprint, ListenError, Observation, running, sites
from gateway.app import contact as contacts
from gateway.app import gateway as gateways
from gateway.engine.guard import Guard
from gateway.engine.tenants import Limits
from gateway.server.limits import JsonLimits, ServerLimits
from gateway.settings import SettingsError
from gateway.settings.model import ServerLimitSettings, TenantLimitSettings
from tests.app.conftest import PATCH_URN, Document, Served
from tests.demo_gateway import recorder

Drawn = Callable[..., Blueprint]
Serving = Callable[..., AbstractAsyncContextManager[Served]]


class Away(MemoryBackend):
    """A system that is away until it is told to come back."""

    back: ClassVar[asyncio.Event]
    stopped: ClassVar[int] = 0

    async def start(self) -> None:
        if not type(self).back.is_set():
            raise UnavailableError("nobody is there")

    async def stop(self) -> None:
        type(self).stopped += 1


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> type[Away]:
    """A kind of backend that is away, and a gateway that looks for it without pause."""
    monkeypatch.setattr(contacts, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(contacts, "LONGEST_PAUSE", 0.001)
    return type("AwayHere", (Away,), {"back": asyncio.Event(), "stopped": 0})


async def met(served: Served) -> None:
    """Wait until every system was met."""
    async with asyncio.timeout(10):
        await served.running.gateway.complete()


async def test_each_tenant_is_served_by_its_own_system(serving: Serving, document: Document) -> None:
    """Two tenants, two systems: a user of one is unknown to the other, by list and by id (promise 7)."""
    async with serving(document) as served:
        user = await served.create("acme", "ada")
        status, body, _ = await served.send("GET", "acme")
        assert (status, [one["userName"] for one in body["Resources"]]) == (200, ["ada"])
        assert (await served.send("GET", "globex"))[1]["totalResults"] == 0
        assert (await served.send("GET", "globex", f"/Users/{user['id']}"))[0] == 404
        assert (await served.send("GET", "globex", token="acme-token"))[0] == 401


async def test_a_system_that_is_away_leaves_only_its_own_tenants_waiting(
    serving: Serving, document: Document, away: type[Away]
) -> None:
    """Its tenants get 503 with Retry-After once they are known, 401 before; the others notice nothing (promise 6)."""
    document["backends"]["crm"]["type"] = "away"
    async with serving(document, away=away) as served:
        assert served.running.gateway.pending() == ["globex"]
        status, body, headers = await served.send("GET", "globex")
        assert (status, body["status"]) == (503, "503")
        assert int(headers["Retry-After"]) > 0
        assert (await served.send("GET", "globex", token="wrong"))[0] == 401
        assert (await served.create("acme", "ada"))["userName"] == "ada"


async def test_a_system_that_comes_back_is_served_without_a_restart(
    serving: Serving, document: Document, away: type[Away]
) -> None:
    """First contact may come late: the mapping is compiled and verified then, and swapped in."""
    document["backends"]["crm"]["type"] = "away"
    async with serving(document, away=away) as served:
        away.back.set()
        await met(served)
        assert served.running.gateway.pending() == []
        assert (await served.create("globex", "bob"))["userName"] == "bob"
        assert served.running.gateway.contacts["crm"].reached
    assert away.stopped == 1


async def test_a_tenant_waits_for_all_of_its_systems(serving: Serving, document: Document, away: type[Away]) -> None:
    """A tenant whose groups lie elsewhere is served when both systems were met."""
    document["backends"]["crm"]["type"] = "away"
    document["tenants"]["acme"]["resources"]["Group"] = {
        "backend": "crm", "entity": "people", "attributes": {"displayName": "login"}, "on_delete": "delete"
    }  # fmt: skip
    async with serving(document, away=away) as served:
        assert served.running.gateway.pending() == ["acme", "globex"]
        away.back.set()
        await met(served)
        assert served.running.gateway.pending() == []
        assert (await served.send("GET", "acme", "/Groups"))[0] == 200


async def test_a_mapping_that_does_not_fit_the_live_system_stops_the_start(drawn: Drawn, document: Document) -> None:
    """What only the live system can tell is told with file and line too, and nothing stays open."""
    stopped: list[str] = []

    class Narrow(MemoryBackend):
        async def describe(self, entity: str) -> Mapping[str, Field]:
            return {"login": Field(str)}

        async def stop(self) -> None:
            stopped.append(self.context.name)

    document["backends"]["hr"]["type"] = "narrow"
    blueprint = drawn(document, narrow=Narrow)
    with pytest.raises(SettingsError) as caught:
        await started(blueprint)
    (problem,) = caught.value.problems
    assert problem.where == "tenants.acme.resources.User.attributes.active"
    assert "enabled" in problem.reason
    assert stopped == ["hr"]


async def test_a_system_that_refuses_its_own_settings_stops_the_start(drawn: Drawn, document: Document) -> None:
    """A table that is not there is told at its line in the backend's settings."""

    class FaultError(ValueError):
        path = "entities.people.fields.login"
        reason = "there is no column login"

    class Strict(MemoryBackend):
        async def start(self) -> None:
            raise FaultError

    document["backends"]["hr"]["type"] = "strict"
    with pytest.raises(SettingsError) as caught:
        await started(drawn(document, strict=Strict))
    (problem,) = caught.value.problems
    assert problem.where == "backends.hr.settings.entities.people.fields.login"
    assert problem.reason == "there is no column login"
    assert problem.place.line > 1


async def started(blueprint: Blueprint) -> None:
    """Start what must not start."""
    async with running(blueprint, Observation(recorder([]), CollectorRegistry())):
        raise AssertionError("it must not start")


async def test_a_slow_system_does_not_hold_up_the_start(
    serving: Serving, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system that neither answers nor refuses is left behind after a moment, and joins later."""
    monkeypatch.setattr(gateways, "FIRST_CONTACT", 0.01)
    answered = asyncio.Event()

    class Slow(MemoryBackend):
        async def start(self) -> None:
            await answered.wait()

    document["backends"]["crm"]["type"] = "slow"
    async with serving(document, slow=Slow) as served:
        assert served.running.gateway.pending() == ["globex"]
        answered.set()
        await met(served)
        assert served.running.gateway.pending() == []


async def test_a_system_that_fails_to_close_does_not_keep_the_others_open(serving: Serving, document: Document) -> None:
    """What goes wrong at the end is told, and the rest is closed all the same."""
    closed: list[str] = []

    class Stubborn(MemoryBackend):
        async def stop(self) -> None:
            closed.append(self.context.name)
            if self.context.name == "hr":
                raise RuntimeError("no")

    document["backends"]["hr"]["type"] = document["backends"]["crm"]["type"] = "stubborn"
    async with serving(document, stubborn=Stubborn) as served:
        pass
    assert sorted(closed) == ["crm", "hr"]
    assert [line for line in served.logged if line.get("operation") == "stop" and line["backend"] == "hr"]


async def test_an_address_that_is_taken_is_one_sentence(serving: Serving, document: Document) -> None:
    """Nothing is started when somebody else listens there."""
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        document["server"]["listen"] = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ListenError, match="another program listens there already"):
            async with serving(document):
                raise AssertionError("it must not start")


async def test_metrics_have_a_listener_of_their_own(serving: Serving, document: Document) -> None:
    """Requests by tenant, type, operation and status; breakers, first contacts and tokens; nothing on the SCIM port."""
    document["tenants"]["acme"]["tokens"][0]["expires"] = "2099-01-01"
    async with serving(document) as served:
        await served.create("acme", "ada")
        async with served.session.get(f"http://{served.running.metrics}/metrics") as answer:
            text = await answer.text()
        async with served.session.get(f"{served.running.url}/metrics") as answer:
            assert answer.status == 401
    for line in (
        'scim_gateway_requests_total{operation="create",resource_type="User",status="2xx",tenant="acme"} 1.0',
        'scim_gateway_backend_breaker{backend="hr",state="closed"} 1.0',
        'scim_gateway_backend_reached{backend="crm"} 1.0',
        'scim_gateway_token_expiry_timestamp_seconds{tenant="acme",token="first"}',
        'scim_gateway_token_last_use_timestamp_seconds{tenant="acme",token="first"}',
    ):
        assert line in text
    assert "ada" not in text


async def test_requests_under_way_are_answered_before_the_end(serving: Serving, document: Document) -> None:
    """Leaving waits for what was begun; whoever asks afterwards finds nobody (M7)."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Held(MemoryBackend):
        async def create(self, entity: str, fields: Any) -> Any:
            begun.set()
            await go_on.wait()
            return await super().create(entity, fields)

    document["backends"]["hr"]["type"] = "held"
    async with aiohttp.ClientSession() as session:
        context = serving(document, held=Held)
        served = await context.__aenter__()
        served = replace(served, session=session)
        request = asyncio.create_task(served.create("acme", "ada"))
        await begun.wait()
        end = asyncio.create_task(context.__aexit__(None, None, None))
        await asyncio.sleep(0)
        assert not end.done()
        go_on.set()
        assert (await request)["userName"] == "ada"
        await end
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(f"{served.running.url}/healthz")


async def test_discovery_tells_what_the_mapping_has_a_place_for(serving: Serving, document: Document) -> None:
    """Schemas hold the mapped attributes and no others; limits are the tenant's (C2, D4)."""
    document["tenants"]["acme"]["limits"] = {"page_size": 7, "max_page_size": 70, "bulk_operations": 9}
    async with serving(document) as served:
        schemas = (await served.send("GET", "acme", "/Schemas"))[1]["Resources"]
        (user,) = schemas
        assert sorted(attribute["name"] for attribute in user["attributes"]) == ["active", "userName"]
        config = (await served.send("GET", "acme", "/ServiceProviderConfig"))[1]
        assert config["pagination"]["defaultPageSize"] == 7
        assert config["filter"]["maxResults"] == 70
        assert config["bulk"]["maxOperations"] == 9
        assert "interopProfileConformant" not in config


async def test_what_a_system_cannot_write_is_not_offered(serving: Serving, document: Document) -> None:
    """A read-only entity: discovery says so, and so does the answer (C2, H12)."""
    people = document["backends"]["hr"]["settings"]["entities"]["people"]
    people["without"] = ["create", "update", "delete"]
    async with serving(document) as served:
        config = (await served.send("GET", "acme", "/ServiceProviderConfig"))[1]
        assert config["patch"]["supported"] is False
        assert config["bulk"]["supported"] is False
        body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ada"}
        assert (await served.send("POST", "acme", body=body))[0] == 501


async def test_a_unique_attribute_without_an_index_is_checked_by_the_gateway(
    serving: Serving, document: Document
) -> None:
    """Where the system would take a second account of the same name, the gateway does not (H2, S14)."""
    people = document["backends"]["hr"]["settings"]["entities"]["people"]
    people["fields"]["login"] = {"type": "str", "required": True}
    async with serving(document) as served:
        await served.create("acme", "ada")
        body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ADA"}
        status, answer, _ = await served.send("POST", "acme", body=body)
        assert (status, answer["scimType"]) == (409, "uniqueness")
        assert (await served.send("GET", "acme"))[1]["totalResults"] == 1


async def test_a_reader_cannot_write(serving: Serving, document: Document) -> None:
    """What a token may do is what the settings say of it."""
    document["tenants"]["acme"]["tokens"][0]["read_only"] = True
    async with serving(document) as served:
        assert (await served.send("GET", "acme"))[0] == 200
        patch = {"schemas": [PATCH_URN], "Operations": [{"op": "replace", "path": "active", "value": False}]}
        assert (await served.send("PATCH", "acme", "/Users/x", patch))[0] == 403


async def test_locations_are_those_of_the_public_url(serving: Serving, document: Document) -> None:
    """Behind a proxy every URL is the one clients use, whatever the Host header says."""
    document["server"]["public_url"] = "https://scim.example.com/base/"
    async with serving(document) as served:
        user = await served.create("acme", "ada")
        assert user["meta"]["location"] == f"https://scim.example.com/base/acme/scim/v2/Users/{user['id']}"


async def test_the_store_decides_readiness_and_the_systems_do_not(
    serving: Serving, document: Document, away: type[Away]
) -> None:
    """A sick backend never unreadies the process (M6)."""
    document["backends"]["hr"]["type"] = document["backends"]["crm"]["type"] = "away"
    async with serving(document, away=away) as served, served.session.get(f"{served.running.url}/readyz") as answer:
        assert (answer.status, json.loads(await answer.read())["status"]) == (200, "ready")


def test_each_tenant_signs_its_cursors_with_a_key_of_its_own(drawn: Drawn, document: Document) -> None:
    """The same in every replica, another for every tenant and every secret (N8, X10)."""
    settings = drawn(document).configuration.settings
    keys = {sites.cursor_key(settings, name) for name in ("acme", "globex")}
    assert len(keys) == 2
    assert all(len(key) == 32 for key in keys)
    assert sites.cursor_key(settings, "acme") in keys


def test_limits_are_the_rooms_own() -> None:
    """Every bound of the engine and the server can be set, and the defaults are theirs."""
    assert sites.limits(TenantLimitSettings()) == Limits()
    assert sites.server_limits(ServerLimitSettings()) == ServerLimits()
    assert set(ServerLimits.__slots__) | {"leave_seconds", "drain_seconds"} == {
        field.alias or name for name, field in ServerLimitSettings.model_fields.items()
    }
    assert set(JsonLimits.__slots__) == set(type(ServerLimitSettings().json_).model_fields)
    assert set(Limits.__slots__) == set(TenantLimitSettings.model_fields)


async def test_an_index_that_tells_case_apart_is_not_relied_on(drawn: Drawn, document: Document) -> None:
    """ADA and Ada are two for such an index and one for the protocol, unless the settings say otherwise (S14, H2)."""
    fields = document["backends"]["hr"]["settings"]["entities"]["people"]["fields"]
    fields["login"] = {"type": "str", "required": True, "unique": True}
    user = document["tenants"]["acme"]["resources"]["User"]

    async def checked() -> tuple[str, ...]:
        blueprint = drawn(document)
        tenant = blueprint.tenants["acme"]
        described = {"hr": {"people": await blueprint.backends["hr"].describe("people")}}
        mapping = blueprint.mappings(tenant, described)["User"]
        guard = Guard("hr", blueprint.backends["hr"], Observation(recorder([]), CollectorRegistry()), clock=float)
        return sites.served(tenant.resources[0], mapping, guard, described["hr"]["people"]).checked

    assert await checked() == ("userName",)
    user["attributes"]["userName"] = {"field": "login", "codec": "lower", "keep": "spelling"}
    assert await checked() == ("userName",), "others may have written capitals"
    user["overrides"] = {"userName": {"caseExact": True}}
    assert await checked() == ()


async def test_a_group_that_means_active_is_no_group(serving: Serving, document: Document) -> None:
    """A record a codec owns is hidden from its own type: from lists, by id, and from members (DESIGN §6)."""
    entities = document["backends"]["hr"]["settings"]["entities"]
    entities["teams"] = {
        "key": "name",
        "fields": {"name": {"type": "str", "required": True}, "members": {"many": True, "refers": "people"}},
        "records": [{"name": "enabled"}, {"name": "night shift"}],
    }
    entities["people"]["fields"] = {
        "login": {"type": "str", "required": True, "unique": True},
        "teams": {"inverse": "teams.members"},
        "groups": {"many": True, "refers": "teams"},
    }
    resources = document["tenants"]["acme"]["resources"]
    resources["User"]["attributes"] = {
        "userName": "login",
        "active": {"field": "groups", "codec": {"contains": "enabled"}},
    }
    resources["Group"] = {
        "backend": "hr", "entity": "teams", "on_delete": "delete", "attributes": {"displayName": "name"}
    }  # fmt: skip
    async with serving(document) as served:
        assert (await served.create("acme", "ada"))["active"] is True
        groups = (await served.send("GET", "acme", "/Groups"))[1]["Resources"]
        assert [group["displayName"] for group in groups] == ["night shift"]
