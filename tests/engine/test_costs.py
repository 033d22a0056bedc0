"""What one request costs the system behind: counted in native calls, on an able system (promise 10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from backends.contract import Change
from gateway.scim.schema import ENTERPRISE_URN
from tests.engine.world import Client, add, id_of, refs, remove, swap

Sent = Callable[[Client, dict[str, str]], Awaitable[Any]]

COSTS: dict[str, tuple[Sent, dict[str, int]]] = {
    "look-up by userName": (
        lambda client, ids: client.search("User", filter='userName eq "u7"'), {"search people": 1},
    ),
    "look-up by externalId": (
        lambda client, ids: client.search("User", filter='externalId eq "x7"'), {"search people": 1},
    ),
    "look-up of a random name": (
        lambda client, ids: client.search("User", filter='userName eq "8f14e45f"'), {"search people": 1},
    ),
    "a page of a hundred": (lambda client, ids: client.search("User", count=100), {"search people": 1}),
    "a page of groups": (lambda client, ids: client.search("Group", count=100), {"search teams": 1}),
    "the count alone": (lambda client, ids: client.search("User", count=0), {"search people": 1}),
    "one user": (lambda client, ids: client.get("User", ids["user"]), {"get people": 1}),
    "one group": (lambda client, ids: client.get("Group", ids["group"]), {"get teams": 1}),
    "an unchanged one": (lambda client, ids: client.get("User", ids["user"], if_none_match="*"), {"get people": 1}),
    "a deactivation": (
        lambda client, ids: client.patch("User", ids["user"], swap("active", False)),
        {"get people": 2, "update people": 1},
    ),
    "an attribute": (
        lambda client, ids: client.patch("User", ids["user"], swap("title", "New")),
        {"update people": 1, "get people": 1},
    ),
    "what the gateway keeps": (
        lambda client, ids: client.patch("User", ids["user"], swap("nickName", "New")), {"get people": 1},
    ),
    "a manager": (
        lambda client, ids: client.patch("User", ids["user"], swap(f"{ENTERPRISE_URN}:manager.value", ids["other"])),
        {"update people": 1, "get people": 1},
    ),
    "a mail, on the slow road": (
        lambda client, ids: client.patch("User", ids["user"], swap('emails[type eq "work"].value', "n@example.com")),
        {"get people": 2, "update people": 1},
    ),
    "a mail that is that already": (
        lambda client, ids: client.patch(
            "User", ids["user"], swap('emails[type eq "work"].value', "u7@example.com"), excluded="groups"
        ),
        {"get people": 1},
    ),
    "a replacement": (
        lambda client, ids: client.put("User", ids["user"], {"userName": "u7", "title": "New"}),
        {"get people": 2, "update people": 1},
    ),
    "a new user": (
        lambda client, ids: client.post("User", {"userName": "new"}),
        {"search people": 1, "create people": 1, "get people": 1},
    ),
    "a new group": (
        lambda client, ids: client.post("Group", {"displayName": "new", "members": refs(ids["user"])}),
        {"search teams": 1, "create teams": 1},
    ),
    "a member": (
        lambda client, ids: client.patch("Group", ids["group"], add("members", refs(ids["other"]))),
        {"update teams": 1},
    ),
    "fifty members": (
        lambda client, ids: client.patch(
            "Group", ids["group"], *(add("members", refs(id)) for id in ids["all"].split()[:50])
        ),
        {"update teams": 1},
    ),
    "a member less": (
        lambda client, ids: client.patch("Group", ids["group"], remove(f'members[value eq "{ids["user"]}"]')),
        {"update teams": 1},
    ),
    "a new name": (
        lambda client, ids: client.patch("Group", ids["group"], swap("displayName", "New")), {"update teams": 1},
    ),
    "all members": (
        lambda client, ids: client.patch("Group", ids["group"], swap("members", refs(ids["other"]))),
        {"get teams": 2, "update teams": 1},
    ),
    "a deletion": (lambda client, ids: client.delete("User", ids["other"]), {"delete people": 1}),
    "what is not there": (lambda client, ids: client.search("User", filter='externalId eq "none"'), {}),
}  # fmt: skip


@pytest_asyncio.fixture(loop_scope="session")
async def populated(full: Client) -> tuple[Client, dict[str, str]]:
    """A hundred users, with groups and managers, all of them met before."""
    inner = full.world.backends["hr"].inner
    keys = [
        inner.enter("people", {
            "login": f"u{number}", "status": "A",
            "mails": ({"address": f"u{number}@example.com", "kind": "work"},),
        })
        for number in range(100)
    ]  # fmt: skip
    for number in range(5):
        inner.enter("teams", {"title": f"T{number}", "members": tuple(keys[number::5])})
    found = (await full.search("User", count=100))["Resources"]
    groups = (await full.search("Group"))["Resources"]
    ids = {
        "user": found[7]["id"], "other": found[8]["id"], "group": groups[2]["id"],
        "all": " ".join(one["id"] for one in found),
    }  # fmt: skip
    await full.patch("User", ids["user"], swap("externalId", "x7"), swap("manager", ids["other"]))
    return full, ids


async def test_a_version_that_holds_is_told_without_the_members(populated: tuple[Client, dict[str, str]]) -> None:
    """304 for a group does not read its members, however many they are (V1, promise 4)."""
    client, ids = populated
    version = (await client.get("Group", ids["group"], excluded="members")).version
    assert (await client.get("Group", ids["group"], if_none_match=version)).status == 304
    assert client.world.backends["hr"].asked("get", "teams")[-1][1] == {"title"}
    assert len((await client.body("Group", ids["group"], if_none_match='W/"x"'))["members"]) == 20


@pytest.mark.parametrize("name", COSTS)
async def test_a_request_costs(populated: tuple[Client, dict[str, str]], name: str) -> None:
    """The native calls of one request, by operation and entity: no more than listed."""
    client, ids = populated
    send, wanted = COSTS[name]
    backend = client.world.backends["hr"]
    since = len(backend.calls)
    await send(client, ids)
    assert backend.counted(since) == Counter(wanted)


async def test_a_page_counts_and_reads_in_one_question(populated: tuple[Client, dict[str, str]]) -> None:
    """The total is asked for with the page, so that a backend can spare itself the count of a short one."""
    client, _ = populated
    for query in ({"count": 10}, {"startIndex": 91}, {"filter": 'userName eq "u7"'}):
        body = await client.search("User", **query)
        asked = client.world.backends["hr"].asked("search", "people")[-1]
        assert (asked.total, body["totalResults"]) == (True, 1 if "filter" in query else 100)


async def test_a_search_loads_the_fields_of_its_answer_only(populated: tuple[Client, dict[str, str]]) -> None:
    """`attributes` narrows what is read natively, so a slim list is a slim statement (Q7)."""
    client, _ = populated
    await client.search("User", attributes=["userName", "active"])
    assert client.world.backends["hr"].asked("search", "people")[-1].fields == {"login", "status"}
    await client.search("User", attributes=["userName"], filter='title eq "x"')
    assert client.world.backends["hr"].asked("search", "people")[-1].fields == {"login"}


async def test_a_create_answers_what_it_reads_back(full: Client) -> None:
    """The representation of a 201 is what the system holds afterwards, defaults and all (S17)."""
    backend = full.world.backends["hr"]

    async def defaults(call: Any) -> Any:
        made = await call()
        await backend.inner.update("people", made.key, Change(set={"title": "Trainee"}))
        return made

    backend.once("create", defaults)
    answer = await full.post("User", {"userName": "ada"})
    assert answer.body is not None
    assert answer.body["title"] == "Trainee"
    assert (await full.get("User", id_of(answer))).body == answer.body
