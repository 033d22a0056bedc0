"""Anything at all in filters, paths, PATCH bodies and headers, before the whole gateway and a database (X4).

Whatever comes, the answer is no 500 and is there soon, nothing is logged as a failure, and the process does not grow.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.demo_gateway import PATCH_URN, Demo

LONG = os.environ.get("SCIM_SOAK") == "1"
CASES = 20_000 if LONG else 1000
ROUNDS, ROUND, LAST = 12, 150, 4
SOON = 10.0
"""Seconds; nothing here has a reason to take as long as one."""
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
WORK = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATHS = [
    "userName", "active", "id", "externalId", "name", "name.givenName", "emails", "emails.value", "emails.type",
    "members", "groups.value", "meta.lastModified", "meta.created", "schemas", "password", "phoneNumbers",
    "addresses.country", "nickName", "roles", "x509Certificates.value", f"{USER}:userName", WORK, f"{WORK}:manager",
    f"{WORK}:manager.value", f"{WORK}:department", 'emails[type eq "work"]', 'emails[type eq "work"].value',
    'emails[value ew "x" and not (type pr)]', 'addresses[type eq "home"].country', "nothing", "a.b.c", "", ".", "[]",
    "emails[", "urn:", "urn:x:y:User:z", "__class__", "constructor.prototype", "userName.value", "active.value",
]  # fmt: skip
OPERATORS = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr", "EQ", "in", "like", ""]
VALUES = [
    '"ada"', '""', "true", "false", "null", "7", "-1", "1e400", "1.5", "0x1", "ada", "'ada'", '"2026-01-01T00:00:00Z"',
    '"%"', '"_\\\\"', '"\\u0000"', '"\\ud800"', '"é日本"', '"' + "x" * 500 + '"', "[]", "{}", '"unclosed',
]  # fmt: skip
SIGNS = "()[]\"\\ .:%_'\x00\n\té日\U0001f600aA1-"
MEDIA = ["application/scim+json", "application/json", "text/plain", "application/xml", "a", "", "*/*;q=x", "q=" * 50]
JSON = [
    None, True, False, 0, -1, 1.5, 10**30, "", "x", "False", "true", "é日本\U0001f600", "x" * 5000, [], {}, [[]], [{}],
    [None], {"value": "x"}, [{"value": "x"}], [{"value": {"value": "x"}}], {"$ref": "http://127.0.0.1:1/", "value": ""},
    [{"type": "work", "value": "a@b", "primary": "True"}, {"type": "work", "value": "c@d", "primary": True}],
    {"givenName": None, "familyName": 7}, {"active": "FALSE", "name.givenName": []}, {f"{WORK}:department": "IT"},
    {"userName": "a", "USERNAME": "b"}, {"": ""}, {"__proto__": {}}, "2026-13-99",
]  # fmt: skip
Case = tuple[str, str, Any, dict[str, str]]


def mangled(draw: random.Random, text: str) -> str:
    """Change a few signs, or none."""
    for _ in range(draw.choice([0, 0, 0, 1, 1, 2, 8])):
        place = draw.randint(0, len(text))
        put = draw.choice(["", draw.choice(SIGNS), text[place : place + 9]])
        text = text[:place] + put + text[place + draw.randint(0, 1) :]
    return text


def asked(draw: random.Random, depth: int = 0) -> str:
    """Write something like a filter."""
    kind = draw.randint(0, 9) if depth < 6 else 0
    if kind < 6:
        return " ".join(filter(None, [draw.choice(PATHS), draw.choice(OPERATORS), draw.choice(VALUES)]))
    if kind == 6:
        return f"not ({asked(draw, depth + 1)})"
    if kind == 7:
        return f"{draw.choice(['emails', 'members', 'name', WORK])}[{asked(draw, depth + 1)}]"
    if kind == 8:
        return draw.choice(["(", "((((", "not "]) * draw.choice([1, 3, 400]) + asked(draw, depth + 1)
    return f"{asked(draw, depth + 1)} {draw.choice(['and', 'or', 'AND', 'xor', ''])} {asked(draw, depth + 1)}"


def filters(draw: random.Random, id: str) -> Case:
    text, place = mangled(draw, asked(draw)), draw.choice(["/Users", "/Groups", ""])
    if draw.random() < 0.5:
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": text, "count": 2}
        return "POST", f"{place}/.search", body, {}
    return "GET", f"{place or '/'}?count=2&filter={text}".replace("#", "%23"), None, {}


def paths(draw: random.Random, id: str) -> Case:
    name = draw.choice(["attributes", "excludedAttributes", "sortBy"])
    text = ",".join(mangled(draw, draw.choice(PATHS)) for _ in range(draw.choice([1, 1, 2, 40])))
    if draw.random() < 0.5:
        message = {"schemas": [PATCH_URN], "Operations": [operation(draw, mangled(draw, draw.choice(PATHS)))]}
        return "PATCH", f"/Users/{id}", message, {}
    return "GET", f"{draw.choice(['/Users', f'/Users/{id}', '/Groups'])}?{name}={text}", None, {}


def operation(draw: random.Random, path: str | None) -> dict[str, Any]:
    made: dict[str, Any] = {"op": draw.choice(["add", "replace", "remove", "Add", "REMOVE", "move", 7, None])}
    if path is not None:
        made["path"] = path
    if draw.random() < 0.8:
        made["value"] = draw.choice(JSON)
    return made


def bodies(draw: random.Random, id: str) -> Case:
    operations: Any = [operation(draw, draw.choice([None, *PATHS])) for _ in range(draw.choice([1, 1, 2, 5]))]
    message: dict[str, Any] = {"schemas": [PATCH_URN], "Operations": operations}
    if draw.random() < 0.2:
        message[draw.choice(["schemas", "Operations", "operations", "x"])] = draw.choice(JSON)
    if draw.random() < 0.3:
        user = {"schemas": [USER], "userName": f"u{draw.random()}", draw.choice(PATHS): draw.choice(JSON)}
        return draw.choice(["PUT", "POST"]), draw.choice(["/Users", f"/Users/{id}"]), user, {}
    return "PATCH", f"/{draw.choice(['Users', 'Users', 'Groups'])}/{id}", message, {}


def headers(draw: random.Random, id: str) -> Case:
    odd = "".join(draw.choice("aA1-_.,;:=*/\\\"' ()<>{}é\u00ff\t") for _ in range(draw.choice([0, 3, 20, 300])))
    names = ["Accept", "If-Match", "If-None-Match", "X-Request-Id", "traceparent", "tracestate", "Content-Type",
             "Authorization", "X-Forwarded-For", "Forwarded", "X-HTTP-Method-Override", "Cookie", "Prefer", "Range",
             "Content-Encoding", "Accept-Encoding", "X-Client-Certificate", "Origin"]  # fmt: skip
    sent = {draw.choice(names): draw.choice([odd, *MEDIA, 'W/"x"', '"x", W/"y"', "*", "Bearer ", "Basic Og=="])}
    user = {"schemas": [USER], "userName": "headers", "active": True}
    verb = draw.choice(["GET", "PUT", "PATCH", "DELETE"])
    return verb, f"/Users/{'nobody' if verb == 'DELETE' else id}", None if verb in ("GET", "DELETE") else user, sent


KINDS: dict[str, Callable[[random.Random, str], Case]] = {
    "filters": filters, "paths": paths, "bodies": bodies, "headers": headers
}  # fmt: skip


async def shoot(demo: Demo, case: Case) -> int:
    verb, path, body, sent = case
    async with asyncio.timeout(SOON):
        reply = await demo.send(verb, path, body, sent)
    assert reply.status < 500 or reply.status == 501, (reply.status, reply.body, case)
    return reply.status


@pytest.mark.parametrize("kind", KINDS)
async def test_whatever_is_asked_is_answered(kind: str, demo: Demo, record_property: Any) -> None:
    """No 500, no hang, no failure in the log; what is good in between is done (X4, H7)."""
    draw = random.Random(None if LONG else f"{kind} 20261125")
    statuses: Counter[int] = Counter()
    id = await served(demo)
    for _ in range(CASES):
        statuses[await shoot(demo, KINDS[kind](draw, id))] += 1
    failed = [line for line in demo.logged if "internal" in str(line.get("event"))]
    assert failed == []
    assert (await demo.get(f"/Users/{id}")).status == 200
    record_property("told", f"fuzzed {kind}: {CASES} cases, by status {dict(sorted(statuses.items()))}")
    assert statuses[400] > CASES / 10
    assert sum(count for status, count in statuses.items() if status < 300) > CASES / 20


async def test_nothing_grows(demo: Demo, record_property: Any) -> None:
    """However many different things are asked, what is kept of them is bounded (X4)."""
    draw, id = random.Random(20261125), await served(demo)
    counts = []
    for _ in range(ROUNDS):
        for _ in range(ROUND):
            await shoot(demo, KINDS[draw.choice(["filters", "paths", "headers"])](draw, id))
        demo.logged.clear()
        gc.collect()
        counts.append(len(gc.get_objects()))
    record_property("told", f"fuzzed growth: {ROUNDS * ROUND} cases, objects after each {ROUND}: {counts}")
    # Caches fill slowly, by an object or two for each new filter; a request that is kept is dozens of objects.
    assert counts[-1] - counts[-LAST - 1] < 4 * LAST * ROUND


async def served(demo: Demo) -> str:
    """Make the account that is shot at, and let nobody be sent away for guessing; give its id."""
    holder = demo.served.gateway.holder
    await holder.swap(replace(holder.site, sources=None), grace=0)
    made = await demo.post("/Users", {"schemas": [USER], "userName": "target", "active": True})
    return str(made.body["id"])
