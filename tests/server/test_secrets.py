"""Marked secrets through every error path and log level: none comes out anywhere (X11, X12, X13)."""

from __future__ import annotations

import base64
import io
import logging
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientSession, FormData, web
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

from gateway.engine.calls import Answer
from gateway.scim.errors import ScimError
from gateway.server.application import create_application
from gateway.server.auth import AnyOf, Basic, BasicLogin, Introspection, IntrospectionRules
from gateway.server.auth.issued import Issuance, OAuthClient
from gateway.server.auth.outbound import FetchError
from gateway.server.auth.seen import LocalSeen
from gateway.server.auth.tokens import digest
from gateway.server.listener import Runner
from gateway.server.oauth import TokenEndpoint
from gateway.telemetry.audit import AuditTrail, StreamSink
from gateway.telemetry.logs import console_logger, json_logger
from gateway.telemetry.metrics import Metrics, Tenants
from gateway.telemetry.observer import TelemetryObserver
from gateway.telemetry.traces import OtelSpans
from tests.server.conftest import NOW, World, token, tokens

MARKS = {
    "token": "MARKtoken1",
    "password": "MARKpassword2",
    "client secret": "MARKclient3",
    "driver": "MARKdriver4",
    "body": "MARKbody5",
    "filter": "MARKfilter6",
    "cookie": "MARKcookie7",
    "key": "MARKkey8MARKkey8MARKkey8MARKkey8",
}
USERS = "/acme/scim/v2/Users"


class DriverError(Exception):
    """What a driver raises, with everything in it that must not get out."""


@pytest.fixture(params=["json", "console"])
def heard(request: pytest.FixtureRequest) -> Any:
    """A logger at the lowest level, and what it wrote."""
    if request.param == "json":
        stream = io.BytesIO()
        return json_logger(stream, logging.DEBUG), lambda: stream.getvalue().decode()
    text = io.StringIO()
    return console_logger(text, logging.DEBUG, colors=False), text.getvalue


async def ask_issuer(presented: str) -> bytes:
    raise FetchError(f"cannot ask about {presented}")


def failures() -> list[Any]:
    """Ways in which the engine can end."""
    driver = DriverError(f"cannot open 'postgresql://u:{MARKS['driver']}@h/db' password={MARKS['driver']}")
    chained = RuntimeError("wrapped")
    chained.__cause__ = driver
    refused = ScimError(503, "the system behind the gateway is unavailable")
    refused.__cause__ = driver
    return [Answer(200, {"id": "1"}), driver, chained, refused, KeyError(f"'{MARKS['driver']}'")]


async def test_no_secret_comes_out(world: World, heard: Any, caplog: Any) -> None:
    """Whatever is sent in whatever way, and however it fails, no marked secret is in an answer, a log line, a metric, a
    span, the audit trail or what libraries log."""
    logger, written = heard
    registry = CollectorRegistry()
    observer = TelemetryObserver(Metrics(registry), logger, tenants=Tenants(10), slow_seconds=0.0)
    observer.serve(["acme", "globex"])
    client_of = OAuthClient("c", (digest(MARKS["client secret"]),))
    issuance = Issuance("https://x/acme", MARKS["key"].encode(), {"c": client_of}, lambda: NOW)
    endpoint = TokenEndpoint(issuance, "https://x/acme/oauth2/token", LocalSeen(clock=lambda: 0.0))
    methods = AnyOf(
        [
            tokens(token(MARKS["token"], "main"), token("old" + MARKS["token"], "old", expires=NOW - timedelta(1))),
            Basic([BasicLogin("user", digest(MARKS["password"]))], now=lambda: NOW),
            endpoint.authenticator,
            Introspection(ask_issuer, IntrospectionRules(), now=lambda: NOW),
        ]
    )
    world.change_tenant(authenticator=methods, oauth=endpoint)
    trail, exporter, provider = io.StringIO(), InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    audit = AuditTrail(StreamSink(trail), key=b"k" * 32, now=lambda: NOW, failed=observer.audit_failed)
    world.change(trail=audit)
    spans = OtelSpans(provider.get_tracer("test"))
    runner = Runner(create_application(world.holder, observer, world.drain, spans))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}")
    caplog.set_level(logging.DEBUG)
    seen: list[str] = []
    pair = base64.b64encode(f"user:{MARKS['password']}".encode()).decode()
    credentials = [
        f"Bearer {MARKS['token']}",
        f"Bearer old{MARKS['token']}",
        f"Bearer {MARKS['token']}x",
        MARKS["token"],
        f"Basic {pair}",
        f"Basic {pair[:-2]}",
        f"Digest {MARKS['password']}",
    ]
    bodies = [
        f'{{"password":"{MARKS["body"]}"}}',
        f'{{"password":"{MARKS["body"]}"',
        f'{{"password":"{MARKS["body"]}","password":"{MARKS["body"]}"}}',
        f'{{"x":"{MARKS["body"]}\\ud800"}}',
        MARKS["body"],
    ]
    for result in failures():
        world.engine.answer = result
        for credential in credentials:
            headers = {"Authorization": credential, "Cookie": f"s={MARKS['cookie']}", "Accept": "application/json"}
            for body in bodies:
                for media in ("application/scim+json", "text/plain"):
                    answer = await client.post(USERS, data=body, headers={**headers, "Content-Type": media})
                    seen.append(f"{answer.headers} {await answer.text()}")
            for query in (f'filter=userName eq "{MARKS["filter"]}"', f"access_token={MARKS['token']}", "count=x"):
                answer = await client.get(f"{USERS}?{query}", headers=headers)
                seen.append(f"{answer.headers} {await answer.text()}")
            answer = await client.get(f"/{MARKS['token']}/scim/v2/{MARKS['token']}", headers=headers)
            seen.append(f"{answer.headers} {await answer.text()}")
    for secret in (MARKS["client secret"], "wrong" + MARKS["client secret"]):
        form = FormData({"grant_type": "client_credentials", "client_id": "c", "client_secret": secret})
        answer = await client.post("/acme/oauth2/token", data=form)
        seen.append(f"{answer.headers} {await answer.text()}")
    await client.close()
    await runner.cleanup()
    told = {
        "answers": "\n".join(seen),
        "logs": written(),
        "metrics": generate_latest(registry).decode(),
        "libraries": caplog.text,
        "traces": "\n".join(span.to_json() for span in exporter.get_finished_spans()),
        "audit": trail.getvalue(),
        "repr": repr((world.holder.site.tenants, methods, endpoint, client_of)),
    }
    assert "a request failed for an internal reason" in told["logs"]
    assert len(seen) > 400
    assert len(exporter.get_finished_spans()) >= len(seen)
    assert told["audit"].count("\n") > 50
    for place, text in told.items():
        found = [name for name, mark in MARKS.items() if mark in text]
        assert found == [], f"{place}: {found}"
