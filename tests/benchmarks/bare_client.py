"""Makes native calls and nothing else: ``python bare_client.py``, with a job as JSON on the standard input.

REST with aiohttp; SOAP with zeep over a transport of aiohttp's, which is as much as a program that has to talk to such
systems could do without. What was measured goes to the standard output, as `load.py` tells it.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import aiohttp
import zeep
from load import Load
from zeep.transports import Transport
from zeep.wsdl.utils import etree_to_string

Work = Callable[[int], Awaitable[Any]]
CALLS = {"GET by id": "one", "userName eq": "login", "page of 100": "page", "PATCH active": "switch"}


class Rest:
    """A REST system, called."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = f"{url}/people"

    async def _asked(self, method: str, url: str, **options: Any) -> Any:
        async with self._session.request(method, url, **options) as answer:
            return await answer.json()

    async def one(self, number: int) -> Any:
        return (await self._asked("GET", f"{self._url}/{number}"))["data"]

    async def login(self, number: int) -> Any:
        return await self._asked("GET", self._url, params={"login": f"user{number}", "limit": "101", "offset": "0"})

    async def page(self, number: int) -> Any:
        return await self._asked("GET", self._url, params={"limit": "100", "offset": "0"})

    async def switch(self, number: int) -> Any:
        # Read before it is changed, as the gateway does: for what it means now, and for whether it changes at all.
        await self.one(number)
        await self.one(number)
        await self._asked("PATCH", f"{self._url}/{number}", json={"status": "open"})
        return await self.one(number)


class AiohttpTransport(Transport):
    """zeep's messages over aiohttp; documents are loaded as zeep loads them."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        super().__init__()
        self._own = session

    async def post_xml(self, address: str, envelope: Any, headers: Any) -> Any:
        async with self._own.post(address, data=etree_to_string(envelope), headers=headers) as answer:
            content = await answer.read()
            return SimpleNamespace(
                status_code=answer.status, content=content, headers=answer.headers, encoding=answer.charset
            )


class Soap:
    """A SOAP system, called."""

    def __init__(self, session: aiohttp.ClientSession, url: str, wsdl: str) -> None:
        client = zeep.AsyncClient(wsdl, transport=AiohttpTransport(session))
        (service,) = client.wsdl.services
        port = "Staff11"
        client.wsdl.services[service].ports[port].binding_options["address"] = f"{url}/staff"
        self._service = client.bind(service, port)

    async def one(self, number: int) -> Any:
        return await self._service.GetPerson(Number=number)

    async def login(self, number: int) -> Any:
        return await self._service.FindPeople(Login=f"user{number}", Start=0, Count=101)

    async def page(self, number: int) -> Any:
        return await self._service.FindPeople(Start=0, Count=100)

    async def switch(self, number: int) -> Any:
        await self.one(number)
        person = await self.one(number)
        person.Enabled = True
        await self._service.UpdatePerson(Person=person)
        return await self.one(number)


async def run(kind: str, url: str, wsdl: str, task: str, numbers: list[int], connections: int) -> Load:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:
        system = Rest(session, url) if kind == "rest" else Soap(session, url, wsdl)
        work: Work = getattr(system, CALLS[task])
        await work(numbers[0])
        taken: list[float] = []
        left = iter(numbers)
        spent, begun = time.process_time(), time.perf_counter()
        await asyncio.gather(*(_each(work, left, taken) for _ in range(connections)))
        seconds, spent = time.perf_counter() - begun, time.process_time() - spent
    taken.sort()
    return Load(len(taken), seconds, spent, spent, statistics.median(taken), taken[int(len(taken) * 0.99)])


async def _each(work: Work, left: Iterator[int], taken: list[float]) -> None:
    for number in left:
        begun = time.perf_counter()
        await work(number)
        taken.append(time.perf_counter() - begun)


def main() -> None:
    job = json.load(sys.stdin)
    uvloop = importlib.util.find_spec("uvloop") and importlib.import_module("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if uvloop else None) as runner:
        json.dump(asdict(runner.run(run(**job))), sys.stdout)


if __name__ == "__main__":
    main()
