"""What the protocol's core costs beside scim2-models, measured in one run: ``python tests/benchmarks/core.py``.

The contenders take turns within every round, so that a machine that slows down slows both; the medians of the rounds
and their ratio are printed. A filter is a new text in every call, and what the core has memoised is forgotten before
each, so that nothing is answered from memory; the other side keeps its own.
"""

from __future__ import annotations

import copy
import functools
import gc
import importlib
import json
import pkgutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from scim2_models import Context, EnterpriseUser, ListResponse, PatchOp, ScimFilter, User

import gateway.scim
from gateway.scim import filters, messages, patch, project, standard, validate

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PAGE = 100
ROUNDS = 15
PeerUser = User[EnterpriseUser]

USER: dict[str, Any] = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
    "externalId": "00ujl29u0le5T6Aj10h7",
    "userName": "lucja.wojcik@example.com",
    "name": {"formatted": "Dr. Łucja M. Wójcik", "familyName": "Wójcik", "givenName": "Łucja", "middleName": "Maria"},
    "displayName": "Łucja Wójcik",
    "nickName": "Luc",
    "profileUrl": "https://intranet.example.com/people/lucja",
    "title": "Engineer",
    "userType": "Employee",
    "preferredLanguage": "pl-PL",
    "locale": "pl-PL",
    "timezone": "Europe/Warsaw",
    "active": True,
    "emails": [
        {"value": "lucja.wojcik@example.com", "type": "work", "primary": True},
        {"value": "lucja@example.org", "type": "home"},
    ],
    "phoneNumbers": [{"value": "+44 1632 960001", "type": "work"}, {"value": "+1 202 555 0101", "type": "mobile"}],
    "addresses": [
        {
            "type": "work",
            "streetAddress": "ul. Długa 46",
            "locality": "Gdańsk",
            "region": "pomorskie",
            "postalCode": "80-831",
            "country": "PL",
        },
        {
            "type": "home",
            "streetAddress": "ul. Świętojańska 7 m. 12",
            "locality": "Gdynia",
            "region": "pomorskie",
            "postalCode": "81-368",
            "country": "PL",
        },
    ],
    "roles": [{"value": "auditor", "display": "Auditor", "primary": True}],
    ENTERPRISE: {
        "employeeNumber": "00010042",
        "costCenter": "004711",
        "organization": "Hanse Iron Works",
        "division": "Operations",
        "department": "Quality Assurance",
        "manager": {
            "value": "26118915-6090-4610-87e4-49d8ca9f808d",
            "$ref": "../Users/26118915-6090-4610-87e4-49d8ca9f808d",
        },
    },
}
PATCH: dict[str, Any] = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    "Operations": [
        {"op": "replace", "path": "active", "value": False},
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": "l.wojcik@example.com"},
        {"op": "add", "path": "phoneNumbers", "value": [{"type": "home", "value": "+44 20 7946 0001"}]},
    ],
}
FILTER = 'userName eq "user{}@example.com" and emails[type eq "work" and value co "@example"]'


@dataclass(frozen=True, slots=True)
class Task:
    """One thing both can do: `calls` of it make a round; `aim` is how many times cheaper the core wants to be."""

    name: str
    calls: int
    aim: float
    ours: Callable[[int], object]
    theirs: Callable[[int], object]
    before: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """The medians of one task, in microseconds per call."""

    task: Task
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        return self.theirs / self.ours


def _stored(number: int) -> dict[str, Any]:
    """A user as the engine hands it to be rendered, the `number`-th of a page."""
    location = f"https://scim.example.com/demo/scim/v2/Users/{number:036d}"
    meta = {
        "resourceType": "User",
        "created": "2026-01-02T03:04:05Z",
        "lastModified": "2026-01-02T03:04:05Z",
        "location": location,
        "version": f'W/"{number}"',
    }
    return {**copy.deepcopy(USER), "id": f"{number:036d}", "meta": meta}


def _memoised(package: Any) -> list[Any]:
    """Find every memoised function of a package, so that a benchmark can empty their memory."""
    found: dict[int, Any] = {}
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for value in vars(importlib.import_module(info.name)).values():
            if isinstance(value, functools._lru_cache_wrapper):
                found[id(value)] = value
    return list(found.values())


def tasks() -> Sequence[Task]:
    """Build what is to be measured; each pair is checked to do its work before anything is timed."""
    user_type = standard.resource_type("User")
    body, patch_body = orjson.dumps(USER), orjson.dumps(PATCH)
    resource = validate.create(user_type, orjson.loads(body))
    peer = PeerUser.model_validate(_stored(0), scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
    page = [_stored(number) for number in range(PAGE)]
    peer_page = [PeerUser.model_validate(item, scim_ctx=Context.RESOURCE_QUERY_RESPONSE) for item in page]
    everything = project.parse(user_type, None, None)
    memories = _memoised(gateway.scim)

    def apply_ours(_: int) -> object:
        return patch.apply(patch.parse(orjson.loads(patch_body), user_type), resource, user_type)

    def apply_theirs(_: int) -> object:
        target = copy.deepcopy(peer)
        context = Context.RESOURCE_PATCH_REQUEST
        PatchOp[PeerUser].model_validate(orjson.loads(patch_body), scim_ctx=context).patch(target)
        return target

    def render_ours(_: int) -> object:
        resources = [everything.apply(item) for item in page]
        return orjson.dumps(messages.list_response(resources, total=PAGE, start_index=1))

    def render_theirs(_: int) -> object:
        answer = ListResponse[PeerUser](
            total_results=PAGE, items_per_page=PAGE, start_index=1, resources=peer_page
        ).model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
        return orjson.dumps(answer)

    def forget() -> None:
        for memory in memories:
            memory.cache_clear()

    return (
        Task(
            f"validate a user of {len(body)} bytes",
            200,
            10,
            lambda _: validate.create(user_type, orjson.loads(body)),
            lambda _: PeerUser.model_validate(orjson.loads(body), scim_ctx=Context.RESOURCE_CREATION_REQUEST),
        ),
        Task(
            "parse a filter, cold",
            200,
            6,
            lambda turn: filters.parse(FILTER.format(turn), user_type),
            lambda turn: ScimFilter(FILTER.format(turn)).ast,
            forget,
        ),
        Task("apply a PATCH of 3 operations", 50, 10, apply_ours, apply_theirs),
        Task(f"render a page of {PAGE} users", 3, 10, render_ours, render_theirs),
    )


def measure(task: Task, rounds: int = ROUNDS) -> Measured:
    """Time both contenders of `task` in turns and take the medians of the rounds."""
    turn = 0
    samples: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for contender, taken in zip((task.ours, task.theirs), samples, strict=True):
            spent = 0
            gc.collect()
            for _ in range(task.calls):
                turn += 1
                if task.before is not None:
                    task.before()
                started = time.perf_counter_ns()
                contender(turn)
                spent += time.perf_counter_ns() - started
            taken.append(spent / task.calls / 1000)
    return Measured(task, statistics.median(samples[0]), statistics.median(samples[1]))


def main(arguments: Sequence[str]) -> int:
    """Print the table, or with ``--json`` its numbers; 1 if an aim is missed."""
    results = [measure(task) for task in tasks()]
    if "--json" in arguments:
        print(json.dumps({item.task.name: {"us": item.ours, "peer_us": item.theirs} for item in results}, indent=2))
    else:
        print(f"{'microseconds per call':<34}{'core':>10}{'scim2-models':>14}{'cheaper':>10}{'aim':>7}")
        for item in results:
            verdict = "" if item.ratio >= item.task.aim else "   missed"
            ratio, aim = f"{item.ratio:.1f}x", f"{item.task.aim:.0f}x"
            print(f"{item.task.name:<34}{item.ours:>10.1f}{item.theirs:>14.1f}{ratio:>10}{aim:>7}{verdict}")
    return 0 if all(item.ratio >= item.task.aim for item in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
