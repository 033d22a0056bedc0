"""The gateway beside the bare client of a REST and of a SOAP system: ``python tests/benchmarks/calls.py [--json]``.

Three processes: a system that costs next to nothing (`stub_server.py`), and in turns the gateway in front of it or a
program that makes the same native calls and does nothing with the answers (`bare_client.py`). That they are the same
calls is checked before anything is measured.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where the tests' services are

import services
from contest import CONNECTIONS, HERE, ROUNDS, Contender, Progress, Result, drive, started
from load import Load, written

PEOPLE = 5000
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ROOT = "/acme/scim/v2"
GATEWAY, BARE = "gateway", "bare client"
TASKS = {"GET by id": 1, "userName eq": 1, "page of 100": 20, "PATCH active": 2}
"""What is measured, and by how much fewer calls than of the first."""
WSDL = HERE.parent / "backends" / "soap" / "staff.wsdl"

REST = """
    type: rest
    settings:
      base_urls: ${env:STUB}
      entities:
        people:
          key: id
          key_type: int
          fields:
            login: { required: true, unique: true }
            first: name.first
            last: name.last
            mail: "contacts[kind=mail].value"
            phone: "phones[kind=work].number"
            cost_centre: { form: number }
            active: { path: status, type: bool, words: [locked, open] }
          get: { path: "/people/{key}", record: data }
          list:
            path: /people
            query: { limit: "{@limit}", offset: "{@offset}" }
            records: data
            total: total
            paging: { style: offset, size: 200 }
          filters: [ { field: login, case: ignored, query: { login: "{value}" } } ]
          update: { method: PATCH, path: "/people/{key}" }
"""
SOAP = """
    type: soap
    settings:
      wsdl: ${env:WSDL}
      endpoint: ${env:STUB}/staff
      entities:
        people:
          key: Number
          fields:
            login: { path: Login, required: true, unique: true }
            note: Note
            active: Enabled
            site: Site
            mails: { path: "Mails.Mail[*]", rows: { address: Address, kind: "\\"@kind\\"" }, row_key: [address] }
          get: { operation: GetPerson, arguments: { Number: "{key}" }, record: Person }
          list:
            operation: FindPeople
            arguments: { Start: "{@offset}", Count: "{@limit}" }
            records: People.Person[*]
            total: Total
            paging: { by: offset, size: 200 }
          filters: [ { field: login, op: eq, case: ignored, arguments: { Login: "{value}" } } ]
          update: { operation: UpdatePerson, arguments: { Person: "{@record}" } }
"""
REST_USER = """
          userName: login
          name.givenName: first
          name.familyName: last
          active: active
          emails[type eq "work"].value: mail
          phoneNumbers[type eq "work"].value: phone
          urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter: cost_centre
"""
SOAP_USER = """
          userName: login
          active: active
          displayName: note
          emails: { rows: mails, each: { value: address, type: kind } }
"""
WHOLE = """
version: 1
server: {{ listen: "127.0.0.1:${{env:PORT}}" }}
metrics: {{ listen: 127.0.0.1:0 }}
store: {{ url: "${{env:STORE}}", id_key: "${{env:ID_KEY}}" }}
backends:
  people:{backend}
tenants:
  acme:
    tokens: [ {{ name: bench, sha256: "${{env:TOKEN_SHA256}}" }} ]
    resources:
      User:
        backend: people
        entity: people
        attributes:{user}
        unmapped: keep
        on_delete: refuse
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A gateway in front of the stub."""

    kind: str
    folder: Path
    gateway: Contender
    stub: Contender
    token: str

    def request(self, task: str, number: int, id: str) -> bytes:
        if task == "GET by id":
            return written("GET", f"{ROOT}/Users/{id}", token=self.token)
        if task == "userName eq":
            path = f"{ROOT}/Users?filter=userName%20eq%20%22user{number}%22"
            return written("GET", path, token=self.token)
        if task == "page of 100":
            return written("GET", f"{ROOT}/Users?count=100&cursor=", token=self.token)
        operation = {"op": "replace", "path": "active", "value": False}
        body = {"schemas": [PATCH], "Operations": [operation]}
        return written("PATCH", f"{ROOT}/Users/{id}", token=self.token, body=body)

    def bare(self, task: str, numbers: list[int], connections: int = CONNECTIONS) -> Load:
        """Have the bare client make the calls of a task for these people."""
        job = {
            "kind": self.kind,
            "url": f"http://127.0.0.1:{self.stub.port}",
            "wsdl": str(WSDL),
            "task": task,
            "numbers": numbers,
            "connections": connections,
        }
        command = [sys.executable, str(HERE / "bare_client.py")]
        done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
        return Load(**json.loads(done.stdout))

    def called(self) -> list[str]:
        """Tell what the stub was called for since it was asked last."""
        found: list[str] = json.loads(self.stub.ask(written("GET", "/@calls"))[2])
        return found


@contextlib.contextmanager
def place(kind: str) -> Iterator[Place]:
    """Start the stub and a gateway configured for it."""
    folder = Path(tempfile.mkdtemp(prefix="scim-bench-"))
    token, ports = secrets.token_urlsafe(24), [services.free_port() for _ in range(2)]
    backend, user = (REST, REST_USER) if kind == "rest" else (SOAP, SOAP_USER)
    (folder / "config.yaml").write_text(WHOLE.format(backend=backend, user=user), encoding="utf-8")
    environment = {
        "STUB": f"http://127.0.0.1:{ports[0]}",
        "WSDL": str(WSDL),
        "PORT": str(ports[1]),
        "STORE": f"sqlite:///{folder}/gateway.db",
        "ID_KEY": secrets.token_hex(32),
        "TOKEN_SHA256": sha256(token.encode()).hexdigest(),
    }
    try:
        with contextlib.ExitStack() as stack:
            stub = [sys.executable, str(HERE / "stub_server.py"), str(ports[0])]
            gateway = [sys.executable, "-m", "gateway.cli", "serve", str(folder / "config.yaml")]
            there = [
                stack.enter_context(
                    started(name, port, command, ready=ready, environment=environment, log=folder / f"{name}.log")
                )
                for name, port, command, ready in (
                    ("stub", ports[0], stub, "/@calls"),
                    (GATEWAY, ports[1], gateway, "/readyz"),
                )
            ]
            yield Place(kind, folder, there[1], there[0], token)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def known(there: Place, count: int) -> list[str]:
    """List people, which gives each an id; the n-th has the number n + 1."""
    ids: list[str] = []
    while len(ids) < count:
        path = f"{ROOT}/Users?count=200&startIndex={len(ids) + 1}&attributes=userName"
        status, _, body = there.gateway.ask(written("GET", path, token=there.token))
        if status != 200:
            raise RuntimeError(f"{there.kind}: {body.decode()}")
        page = json.loads(body)
        ids += [one["id"] for one in page["Resources"]]
    return ids[:count]


def compared(there: Place, ids: list[str]) -> None:
    """Raise `AssertionError` unless the gateway and the bare client make the same native calls."""
    for task in TASKS:
        there.called()
        status, _, body = there.gateway.ask(there.request(task, 7, ids[6]))
        assert status == 200, body
        asked = there.called()
        there.bare(task, [7], 1)
        bare = there.called()
        # The client's first call is not measured, and made twice for that.
        assert bare == asked * 2, f"{there.kind}, {task}: the gateway calls {asked}, the bare client {bare}"


def side_by_side(kind: str, *, calls: int = 600, rounds: int = ROUNDS) -> list[Result]:
    """Measure the gateway and the bare client in turns."""
    progress = Progress(1 + len(TASKS) * rounds * 2)
    progress.tell(f"{kind}: starting")
    with place(kind) as there:
        ids = known(there, min(PEOPLE, max(10, calls)))
        compared(there, ids)
        found = []
        for task, fewer in TASKS.items():
            result = Result(f"{kind}: {task}", {GATEWAY: [], BARE: []})
            count = max(2, calls // fewer)
            for turn in range(rounds):
                numbers = [n * 7919 % len(ids) + 1 for n in range(turn * count, (turn + 1) * count)]
                for name in (GATEWAY, BARE) if turn % 2 == 0 else (BARE, GATEWAY):
                    progress.tell(f"{kind}, {task}: {name}")
                    if name == BARE:
                        result.runs[name].append(there.bare(task, numbers))
                        continue
                    # Everybody is switched on again by the client, or by what comes here.
                    if task == "PATCH active":
                        there.bare(task, numbers)
                    requests = [there.request(task, number, ids[number - 1]) for number in numbers]
                    result.runs[name].append(drive(there.gateway, requests, 200, CONNECTIONS))
            found.append(result)
    progress.end()
    return found


def table(found: list[Result]) -> str:
    lines = [
        f"{'':20} {'gateway':>15} {'bare client':>15} {'gateway of that':>17}",
        f"{'':20} {'req/s':>7} {'µs cpu':>7} {'req/s':>7} {'µs cpu':>7} {'req/s':>8} {'cpu':>8}",
    ]
    for one in found:
        gateway, bare = ((one.rate(name), one.cost(name)) for name in (GATEWAY, BARE))
        lines.append(
            f"{one.task:20} {gateway[0]:7.0f} {gateway[1]:7.0f} {bare[0]:7.0f} {bare[1]:7.0f}"
            f" {gateway[0] / bare[0]:8.2f} {bare[1] / gateway[1]:8.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    found: list[Any] = [one for kind in ("rest", "soap") for one in side_by_side(kind, rounds=options.rounds)]
    told = f"REST with aiohttp, SOAP with zeep over aiohttp; id map on SQLite, {CONNECTIONS} connections"
    print(json.dumps([one.document() for one in found]) if options.json else f"{told}\n{table(found)}")


if __name__ == "__main__":
    main()
