"""A REST and a SOAP system that cost next to nothing: ``python stub_server.py PORT``.

Both have the same people, whom nothing can be done to but to switch them on and off. Requests are not parsed but
searched for what matters, and answers are put together from texts, so that whoever calls is what is measured. What was
called since the last time is told under ``/@calls``.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import re
import sys
from typing import Any
from urllib.parse import parse_qs

PEOPLE = 5000
NS = "urn:example:staff"
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_OPERATION = re.compile(rb"Body[^>]*>\s*<(?:\w+:)?(\w+)")
_NUMBER = re.compile(rb"Number>([0-9]+)<")
_LOGIN = re.compile(rb"Login>user([0-9]+)<", re.IGNORECASE)
_COUNT = re.compile(rb"Count>([0-9]+)<")
_ENABLED = re.compile(rb"Enabled>(true|false|1|0)<")


class System:
    """The people, and what was called."""

    def __init__(self) -> None:
        self.off: set[int] = set()
        self.calls: list[str] = []

    def answer(self, head: bytes, body: bytes) -> tuple[str, bytes]:
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        if target == "/@calls":
            told, self.calls = self.calls, []
            return "application/json", json.dumps(told).encode()
        if target.startswith("/staff"):
            return "text/xml; charset=utf-8", self.soap(body).encode()
        return "application/json", self.rest(method, target, body).encode()

    def rest(self, method: str, target: str, body: bytes) -> str:
        path, _, query = target.partition("?")
        if not path.startswith("/people"):
            return "{}"  # it was only asked whether it is there
        self.calls.append(f"{method} {'/people' if path == '/people' else '/people/…'}")
        if path != "/people":
            number = int(path.rpartition("/")[2])
            if method == "PATCH":
                self.switch(number, json.loads(body)["status"] == "open")
            return f'{{"data":{self.json(number)}}}'
        asked = parse_qs(query)
        if "login" in asked:
            return f'{{"data":[{self.json(int(asked["login"][0][4:]))}],"total":1}}'
        first = int(asked["offset"][0]) + 1
        found = ",".join(self.json(number) for number in range(first, min(first + int(asked["limit"][0]), PEOPLE + 1)))
        return f'{{"data":[{found}],"total":{PEOPLE}}}'

    def soap(self, body: bytes) -> str:
        asked = _OPERATION.search(body)
        operation = "nothing" if asked is None else asked[1].decode()
        self.calls.append(operation)
        if operation == "GetPerson":
            return _envelope(operation, self.xml(_found(_NUMBER, body)))
        if operation == "UpdatePerson":
            enabled = _ENABLED.search(body)
            self.switch(_found(_NUMBER, body), enabled is not None and enabled[1] in (b"true", b"1"))
            return _envelope(operation, "")
        if _LOGIN.search(body):
            return _envelope(operation, f"<p:People>{self.xml(_found(_LOGIN, body))}</p:People><p:Total>1</p:Total>")
        people = "".join(self.xml(number) for number in range(1, _found(_COUNT, body) + 1))
        return _envelope(operation, f"<p:People>{people}</p:People><p:Total>{PEOPLE}</p:Total>")

    def switch(self, number: int, on: bool) -> None:
        (self.off.discard if on else self.off.add)(number)

    def json(self, number: int) -> str:
        status = "locked" if number in self.off else "open"
        return (
            f'{{"id":{number},"login":"user{number}","name":{{"first":"First{number}","last":"Last{number}"}},'
            f'"status":"{status}","contacts":[{{"kind":"mail","value":"user{number}@example.com"}}],'
            f'"phones":[{{"number":"+44 1632 960001","kind":"work"}}],"cost_centre":4711,"revision":7}}'
        )

    def xml(self, number: int) -> str:
        enabled = "false" if number in self.off else "true"
        return (
            f"<p:Person><p:Number>{number}</p:Number><p:Login>user{number}</p:Login><p:Note>Person {number}</p:Note>"
            f"<p:Grade>7</p:Grade><p:Enabled>{enabled}</p:Enabled><p:Hired>2001-02-03</p:Hired><p:Site>north</p:Site>"
            f'<p:Mails><p:Mail kind="work"><p:Address>user{number}@example.com</p:Address></p:Mail></p:Mails>'
            "</p:Person>"
        )


def _found(pattern: re.Pattern[bytes], body: bytes) -> int:
    found = pattern.search(body)
    if found is None:
        raise ValueError(f"no {pattern.pattern!r} in {body!r}")
    return int(found[1])


def _envelope(operation: str, content: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
        f' xmlns:p="{NS}"><s:Body><p:{operation}Response>{content}</p:{operation}Response></s:Body></s:Envelope>'
    )


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._got = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._got, 0, end + 1)
            whole = end + 4 + (0 if length is None else int(length[1]))
            if len(self._got) < whole:
                return
            kind, body = self._system.answer(self._got[:end], self._got[end + 4 : whole])
            self._got = self._got[whole:]
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
            self._transport.write(head.encode() + body)


async def serve(port: int) -> None:
    system = System()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(system), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop = importlib.util.find_spec("uvloop") and importlib.import_module("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if uvloop else None) as runner:
        runner.run(serve(int(sys.argv[1])))
