"""Whatever is done to the memory backend in whatever order, its indexes and both sides of its references agree."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from backends.contract import BackendError, Change, Compare, Context, Op, Query
from backends.memory import MemoryBackend, MemorySettings

LOGINS = ("ann", "bob", "cem", "dee")
SETTINGS = MemorySettings.model_validate(
    {
        "entities": {
            "people": {
                "key": "login",
                "fields": {
                    "login": {"required": True, "unique": True},
                    "boss": {"refers": "people"},
                    "reports": {"inverse": "people.boss"},
                    "teams": {"inverse": "teams.members"},
                },
            },
            "teams": {
                "key": "title",
                "fields": {"title": {"required": True, "unique": True}, "members": {"many": True, "refers": "people"}},
            },
        }
    }
)
login = st.sampled_from(LOGINS)
some = st.lists(login, max_size=3, unique=True).map(tuple)
team = st.sampled_from(("x", "y"))
steps = st.one_of(
    st.tuples(st.just("create"), st.just("people"), login, st.none() | login),
    st.tuples(st.just("rename"), st.just("people"), login, login),
    st.tuples(st.just("boss"), st.just("people"), login, st.none() | login),
    st.tuples(st.just("delete"), st.just("people"), login, st.none()),
    st.tuples(st.just("create"), st.just("teams"), team, some),
    st.tuples(st.just("rename"), st.just("teams"), team, team),
    st.tuples(st.just("add"), st.just("teams"), team, some),
    st.tuples(st.just("remove"), st.just("teams"), team, some),
    st.tuples(st.just("set"), st.just("teams"), team, some),
    st.tuples(st.just("delete"), st.just("teams"), team, st.none()),
)


async def do(backend: MemoryBackend, step: tuple[str, str, str, Any]) -> None:
    action, entity, key, value = step
    if action == "create" and entity == "people":
        await backend.create(entity, {"login": key, "boss": value})
    elif action == "create":
        await backend.create(entity, {"title": key, "members": value})
    elif action == "delete":
        await backend.delete(entity, key)
    else:
        change = {
            "rename": Change(set={"login" if entity == "people" else "title": value}),
            "boss": Change(set={"boss": value}),
            "set": Change(set={"members": value}),
            "add": Change(add={"members": value}),
            "remove": Change(remove={"members": value}),
        }[action]
        await backend.update(entity, key, change)


async def everything(backend: MemoryBackend, entity: str, *fields: str) -> dict[str, Any]:
    page = await backend.search(entity, Query(frozenset(fields), limit=100))
    return {record.key: record.fields for record in page.records}


async def check(backend: MemoryBackend) -> None:
    people = await everything(backend, "people", "login", "boss", "reports", "teams")
    teams = await everything(backend, "teams", "title", "members")
    for key, person in people.items():
        assert person["login"] == key
        assert person["boss"] is None or person["boss"] in people
        assert set(person["reports"]) == {other for other, found in people.items() if found["boss"] == key}
        assert set(person["teams"]) == {name for name, found in teams.items() if key in found["members"]}
        held = await backend.search("teams", Query(frozenset(), Compare("members", Op.EQ, key)))
        assert {record.key for record in held.records} == set(person["teams"])
    for key, found in teams.items():
        assert found["title"] == key
        assert set(found["members"]) <= people.keys()
    for name in LOGINS:
        taken = await backend.search("people", Query(frozenset(), Compare("login", Op.EQ, name)))
        assert [record.key for record in taken.records] == ([name] if name in people else [])


@settings(max_examples=120, deadline=None)
@given(st.lists(steps, max_size=14))
def test_indexes_and_both_sides_agree_after_any_history(history: list[tuple[str, str, str, Any]]) -> None:
    """Creates, renames, deletes and deltas in any order leave nobody referring to who is not there; what is refused
    changes nothing."""

    async def run() -> None:
        backend = MemoryBackend(SETTINGS, Context("memory"))
        for step in history:
            before = [await everything(backend, *each) for each in (("people", "login", "boss"), ("teams", "members"))]
            try:
                await do(backend, step)
            except BackendError:
                after = [
                    await everything(backend, *each) for each in (("people", "login", "boss"), ("teams", "members"))
                ]
                assert after == before
            await check(backend)

    asyncio.run(run())
