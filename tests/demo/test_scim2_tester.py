"""scim2-tester, whole, against the demo: an outside judge of conformance."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, urlsplit

from scim2_client.engines.wsgi import WSGISCIMClient
from scim2_tester import Status, check_server

GOOD = {Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE}


class Forwarder:
    """A WSGI application that sends each request over the network to a server: the client needs no other library."""

    def __init__(self, netloc: str) -> None:
        self.netloc = netloc

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        target = quote(environ["PATH_INFO"].encode("latin-1"))
        if environ["QUERY_STRING"]:
            target += f"?{environ['QUERY_STRING']}"
        headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
        if environ.get("CONTENT_TYPE"):
            headers["Content-Type"] = environ["CONTENT_TYPE"]
        connection = http.client.HTTPConnection(self.netloc, timeout=30)
        try:
            connection.request(environ["REQUEST_METHOD"], target, environ["wsgi.input"].read() or None, headers)
            answer = connection.getresponse()
            start_response(f"{answer.status} {answer.reason}", answer.getheaders())
            return [answer.read()]
        finally:
            connection.close()


async def test_scim2_tester_passes_whole_with_nothing_skipped(demo: Any) -> None:
    """Every check of the tester succeeds on an empty demo, none is skipped, both resource types are met (C1, D10)."""
    base = urlsplit(demo.url)
    client = WSGISCIMClient(
        Forwarder(base.netloc), base_url=demo.url, headers={"Authorization": f"Bearer {demo.token}"}
    )
    results = await asyncio.to_thread(check_server, client)
    bad = [
        f"{result.status.name} {result.resource_type or '-'} {result.title}: {result.reason}"
        for result in results
        if result.status not in GOOD
    ]
    assert not bad, "\n".join(bad)
    assert {result.resource_type for result in results} >= {"User", "Group"}
    assert len(results) > 100
