"""Traces: what took how long and within what, and nothing of anybody (M4, X11)."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from backends.contract import Query
from backends.memory import MemoryBackend
from gateway.app import Blueprint, Observation, running
from gateway.app.tracing import TracingError, spans_of
from gateway.telemetry.traces import NoSpans, OtelSpans
from tests.app.conftest import USER_URN, Document, Served, memory
from tests.demo_gateway import recorder
from tests.gateway_process import serving
from tests.services import free_port

Drawn = Callable[..., Blueprint]
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> OtelSpans:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OtelSpans(provider.get_tracer("test"))


class Talkative(MemoryBackend):
    """A system whose errors tell what they should not."""

    async def search(self, entity: str, query: Query) -> Any:
        raise RuntimeError("no row for marked-person with marked-password")


@pytest.fixture
async def traced(drawn: Drawn, document: Document, spans: OtelSpans, valkey: str) -> AsyncIterator[Served]:
    """A gateway whose requests are traced; the system of the tenant globex fails."""
    document["cache"] = valkey
    document["backends"]["crm"] = {**memory(), "type": "talkative"}
    logged: list[Any] = []
    observation = Observation(recorder(logged), CollectorRegistry(), spans)
    async with running(drawn(document, talkative=Talkative), observation) as one, aiohttp.ClientSession() as session:
        yield Served(one, session, observation, logged)


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


async def ask(served: Served, path: str, **headers: str) -> aiohttp.ClientResponse:
    headers |= {"Authorization": "Bearer acme-token"}
    url = f"http://{served.running.address}/acme/scim/v2{path}"
    async with served.session.get(url, headers=headers) as answer:
        await answer.read()
        return answer


async def test_spans_lie_within_the_request_and_go_on_with_the_callers_trace(
    traced: Served, exporter: InMemorySpanExporter
) -> None:
    """One span for the request below the caller's, one for each look-up and each native call below it; the answer names
    the request's, and log and exemplar have its trace id (M4)."""
    user = await traced.create("acme", "ada")
    exporter.clear()
    answer = await ask(traced, f"/Users/{user['id']}", traceparent=TRACEPARENT, tracestate="vendor=1")
    found = by_name(exporter)
    assert set(found) >= {"read User", "cache get", "hr get"}
    request = found.pop("read User")
    assert request.context is not None
    assert request.parent is not None
    assert (request.parent.span_id, request.parent.is_remote) == (int(PARENT, 16), True)
    assert request.context.trace_state.get("vendor") == "1"
    for span in found.values():
        assert span.context is not None
        assert span.parent is not None
        assert (span.context.trace_id, span.parent.span_id) == (int(TRACE, 16), request.context.span_id)
    assert answer.headers["traceresponse"] == f"00-{TRACE}-{request.context.span_id:016x}-01"
    assert dict(request.attributes or {}) == {
        "scim_gateway.tenant": "acme", "scim_gateway.operation": "read", "scim_gateway.resource_type": "User",
        "scim_gateway.method": "token", "scim_gateway.status": 200,
    }  # fmt: skip
    assert dict(found["hr get"].attributes or {})["scim_gateway.outcome"] == "ok"
    assert traced.logged[-1]["trace_id"] == TRACE
    assert f'trace_id="{TRACE}"' in generate_latest(traced.observation.registry).decode()


async def test_a_request_without_a_trace_begins_one(traced: Served, exporter: InMemorySpanExporter) -> None:
    """Its log line has the trace's id, which is the request id too; what is no traceparent is not taken."""
    answer = await ask(traced, "/Users?count=1", traceparent="00-zz-1-01")
    span = by_name(exporter)["search User"]
    assert span.context is not None
    assert span.parent is None
    assert traced.logged[-1]["trace_id"] == f"{span.context.trace_id:032x}" == answer.headers["X-Request-Id"]


async def test_what_the_cache_lacks_is_looked_up_in_the_store(traced: Served, exporter: InMemorySpanExporter) -> None:
    """Two spans within the request: the cache has nothing, the store is asked (M4)."""
    answer = await ask(traced, "/Users/00000000-0000-8000-8000-000000000000")
    assert answer.status == 404
    found = by_name(exporter)
    assert dict(found["cache get"].attributes or {})["scim_gateway.found"] == 0
    assert dict(found["store find"].attributes or {}) == {"scim_gateway.layer": "store", "scim_gateway.asked": 1}


async def test_nothing_of_anybody_is_in_a_span(traced: Served, exporter: InMemorySpanExporter) -> None:
    """No token, password, login, filter, id or text of an error, whether requests are taken, refused or fail (X11)."""
    body = {"schemas": [USER_URN], "userName": "marked-person", "active": True, "password": "marked-password"}
    _, user, _ = await traced.send("POST", "acme", body=body)
    await traced.send("GET", "acme", f"/Users/{user['id']}")
    await traced.send("GET", "acme", "/Users?filter=userName+eq+%22marked-person%22")
    assert (await traced.send("POST", "acme", body=body))[0] == 409
    assert (await traced.send("GET", "acme", token="marked-token"))[0] == 401
    assert (await traced.send("GET", "nowhere-marked"))[0] == 401
    assert (await traced.send("GET", "globex", "/Users?filter=userName+eq+%22marked-person%22"))[0] == 500
    text = "\n".join(span.to_json() for span in exporter.get_finished_spans())
    for word in ("marked", "acme-token", user["id"], "127.0.0.1"):
        assert word not in text
    failed = by_name(exporter)["crm search"]
    assert (failed.status.status_code, failed.status.description, failed.events) == (StatusCode.ERROR, "error", ())
    assert by_name(exporter)["search User"].status.status_code is StatusCode.ERROR


async def test_a_system_that_speaks_http_is_told_the_trace(
    drawn: Drawn, document: Document, spans: OtelSpans, exporter: InMemorySpanExporter
) -> None:
    """The call's own span goes along as traceparent; without somebody who traces nothing goes along (M4)."""
    seen: list[str | None] = []

    async def people(request: web.Request) -> web.Response:
        seen.append(request.headers.get("traceparent"))
        return web.json_response([])

    application = web.Application()
    application.router.add_get("/people", people)
    async with TestServer(application) as system:
        entity = {"fields": {"login": {}}, "get": {"path": "/people/{key}"}, "list": {"path": "/people"}, "key": "id"}
        settings = {"base_urls": [str(system.make_url("")).rstrip("/")], "entities": {"people": entity}}
        document["backends"] = {"hr": {"type": "rest", "settings": settings}}
        del document["tenants"]["globex"]
        user = document["tenants"]["acme"]["resources"]["User"]
        user |= {"attributes": {"userName": "login"}, "on_delete": "refuse", "on_deactivate": "refuse"}
        for chosen in (spans, NoSpans()):
            observation = Observation(recorder([]), CollectorRegistry(), chosen)
            async with running(drawn(document), observation) as one, aiohttp.ClientSession() as session:
                assert (await Served(one, session, observation).send("GET", "acme"))[0] == 200
    call = by_name(exporter)["hr search"]
    assert call.context is not None
    assert seen[0] is not None
    assert seen[0].startswith(f"00-{call.context.trace_id:032x}-{call.context.span_id:016x}-")
    assert seen[1:] == [None]


async def test_spans_are_sent_to_a_collector(tmp_path: Path) -> None:
    """With the variables everybody knows, a gateway sends its spans, and those that wait are sent when it ends."""
    received: list[bytes] = []

    async def collect(request: web.Request) -> web.Response:
        received.append(await request.read())
        return web.Response(content_type="application/x-protobuf")

    application = web.Application()
    application.router.add_post("/v1/traces", collect)
    digest = hashlib.sha256(b"secret-token").hexdigest()
    (tmp_path / "gateway.yaml").write_text(
        f"""\
version: 1
server: {{ listen: "127.0.0.1:{free_port()}" }}
metrics: {{ listen: "127.0.0.1:{free_port()}" }}
store: {{ url: "sqlite:///{tmp_path}/gateway.db", id_key: "${{env:ID_KEY}}" }}
backends:
  hr: {{ type: memory, settings: {{ entities: {{ people: {{ fields: {{ login: str }} }} }} }} }}
tenants:
  acme:
    tokens: [ {{ sha256: {digest} }} ]
    resources:
      User:
        {{ backend: hr, entity: people, attributes: {{ userName: login }}, on_delete: delete, on_deactivate: refuse }}
""",
        encoding="utf-8",
    )
    async with TestServer(application) as collector, aiohttp.ClientSession() as session:
        endpoint = str(collector.make_url("/")).rstrip("/")
        environment = {"PATH": os.defpath, "ID_KEY": "k" * 40, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        async with serving(tmp_path / "gateway.yaml", environment, tmp_path) as served:
            url = re.sub(r"^\s+", "", served.printed[1]).split()[0]
            headers = {"Authorization": "Bearer secret-token"}
            async with session.get(f"{url}/Users", headers=headers) as answer:
                assert answer.status == 200
                trace = answer.headers["traceresponse"].split("-")[1]
            assert await served.end() == 0
        sent = b"".join(received)
    for word in (b"scim-gateway", b"search User", b"hr search", bytes.fromhex(trace)):
        assert word in sent
    assert b"secret-token" not in sent


def test_a_collector_without_the_extra_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A named collector and no library is a sentence that installs it; no collector is no tracing."""
    assert isinstance(spans_of({})[0], NoSpans)
    assert isinstance(spans_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"})[0], NoSpans)
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(TracingError, match=r"scim-gateway\[otel\]"):
        spans_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"})
