"""What the memory backend does beyond the rules of the contract."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backends.contract import (
    KEY,
    And,
    Change,
    Compare,
    ConflictError,
    Context,
    DeniedError,
    NotFoundError,
    Op,
    Query,
    RejectedError,
    UnavailableError,
    UnsupportedError,
)
from backends.memory import MemoryBackend, MemorySettings

PEOPLE: dict[str, Any] = {
    "login": {"unique": True, "required": True, "ignore_case": True},
    "badge": {"write": "create"},
    "seen": {"write": "never"},
    "grade": "int",
    "boss": {"refers": "people"},
    "pay": "decimal",
    "reports": {"inverse": "people.boss"},
    "teams": {"inverse": "teams.members"},
}
TEAMS: dict[str, Any] = {
    "title": "str",
    "members": {"many": True, "refers": "people"},
    "owner": {"refers": "people", "required": True},
}


def made(people: dict[str, Any] | None = None, teams: dict[str, Any] | None = None, **options: Any) -> MemoryBackend:
    entities = {"people": {"fields": PEOPLE, **(people or {})}, "teams": {"fields": TEAMS, **(teams or {})}}
    return MemoryBackend(MemorySettings.model_validate({"entities": entities}), Context("memory"), **options)


async def read(backend: MemoryBackend, key: str, *fields: str, entity: str = "people") -> Any:
    found = (await backend.get(entity, key, frozenset(fields))).fields
    return tuple(found[name] for name in fields) if len(fields) > 1 else found[fields[0]]


async def add(backend: MemoryBackend, login: str, **fields: Any) -> str:
    return (await backend.create("people", {"login": login, **fields})).key


async def version(backend: MemoryBackend, key: str) -> str | None:
    return (await backend.get("people", key, frozenset())).version


async def test_uniqueness_may_ignore_case() -> None:
    """Two spellings of one login are one (S14); changing only the case of one's own is allowed."""
    backend = made()
    key = await add(backend, "Ann")
    with pytest.raises(ConflictError) as caught:
        await add(backend, "aNN")
    assert caught.value.field == "login"
    assert (await backend.update("people", key, Change(set={"login": "ANN"}))).changed
    assert await read(backend, key, "login") == "ANN"
    with pytest.raises(ConflictError):
        await add(backend, "ann")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"login": "x", "grade": "1"}, "grade"),
        ({"login": "x", "grade": True}, "grade"),
        ({"login": "x", "grade": 1.5}, "grade"),
        ({"login": ("x",)}, "login"),
        ({"login": ""}, "login"),
        ({"login": "x", "seen": "y"}, "seen"),
        ({"login": "x", "teams": ()}, "teams"),
        ({"login": "x", "boss": "nobody"}, "boss"),
        ({}, "login"),
    ],
)
async def test_values_that_do_not_fit_are_rejected(fields: dict[str, Any], field: str) -> None:
    """A wrong type, an empty required field, a read-only one, a reference to nobody: refused, naming the field."""
    backend = made()
    with pytest.raises(RejectedError) as caught:
        await backend.create("people", fields)
    assert caught.value.field == field
    assert (await backend.search("people", Query(frozenset()))).records == []


async def test_a_field_for_create_only_cannot_be_changed() -> None:
    """`write: create` takes the first value and no other."""
    backend = made()
    key = await add(backend, "ann", badge="7")
    with pytest.raises(RejectedError) as caught:
        await backend.update("people", key, Change(set={"badge": "8"}))
    assert caught.value.field == "badge"
    assert await read(backend, key, "badge") == "7"


async def test_references_are_seen_from_the_other_side() -> None:
    """A boss sees the reports, a member the teams; both follow every change."""
    backend = made()
    ann, bob = await add(backend, "ann"), await add(backend, "bob")
    cem = await add(backend, "cem", boss=ann)
    team = (await backend.create("teams", {"owner": ann, "members": (ann, bob)})).key
    assert await read(backend, ann, "reports", "teams") == ((cem,), (team,))
    await backend.update("people", cem, Change(set={"boss": bob}))
    await backend.update("teams", team, Change(remove={"members": (ann,)}))
    assert await read(backend, ann, "reports", "teams") == ((), ())
    assert await read(backend, bob, "reports", "teams") == ((cem,), (team,))


async def test_a_change_seen_from_the_other_side_is_a_new_version() -> None:
    """A version changes whenever the record does, and an inverse field is part of it; nobody else's changes."""
    backend = made()
    ann, bob = await add(backend, "ann"), await add(backend, "bob")
    before = await version(backend, ann), await version(backend, bob)
    await backend.create("teams", {"owner": bob, "members": (ann,)})
    assert await version(backend, ann) != before[0]
    assert await version(backend, bob) == before[1]


async def test_a_record_others_cannot_be_without_is_not_deleted() -> None:
    """A required reference protects its target; other references are emptied."""
    backend = made()
    ann, bob = await add(backend, "ann"), await add(backend, "bob")
    cem = await add(backend, "cem", boss=bob)
    team = (await backend.create("teams", {"owner": ann, "members": (ann, bob)})).key
    with pytest.raises(DeniedError):
        await backend.delete("people", ann)
    assert await read(backend, team, "members", entity="teams") == (ann, bob)
    await backend.delete("people", bob)
    assert await read(backend, cem, "boss") is None
    assert await read(backend, team, "members", entity="teams") == (ann,)
    await backend.delete("teams", team)
    await backend.delete("people", ann)
    with pytest.raises(NotFoundError):
        await backend.get("people", ann, frozenset())


async def test_a_record_that_refers_to_itself_can_go_and_be_renamed() -> None:
    """Nothing is left behind by a boss of oneself, whether renamed or deleted."""
    backend = made({"key": "login"})
    await add(backend, "ann")
    await backend.update("people", "ann", Change(set={"boss": "ann"}))
    outcome = await backend.update("people", "ann", Change(set={"login": "anna"}))
    assert outcome.record is not None
    assert outcome.record.key == "anna"
    assert await read(backend, "anna", "boss", "reports") == ("anna", ("anna",))
    await backend.delete("people", "anna")
    assert (await backend.search("people", Query(frozenset()))).records == []
    await add(backend, "anna")
    assert await read(backend, "anna", "boss", "reports") == (None, ())


async def test_a_rename_is_followed_everywhere() -> None:
    """References to a renamed record, and its own, carry on under the new key; the old key is free."""
    backend = made({"key": "login"})
    ann, bob = await add(backend, "ann"), await add(backend, "bob", boss="ann")
    team = (await backend.create("teams", {"owner": ann, "members": (ann, bob)})).key
    with pytest.raises(ConflictError):
        await backend.update("people", bob, Change(set={"login": "ann"}))
    await backend.update("people", ann, Change(set={"login": "zoe"}))
    await backend.update("people", bob, Change(set={"login": "yan"}))
    assert set(await read(backend, team, "members", entity="teams")) == {"zoe", "yan"}
    assert await read(backend, team, "owner", entity="teams") == "zoe"
    assert await read(backend, "yan", "boss", "teams") == ("zoe", (team,))
    assert await read(backend, "zoe", "reports") == ("yan",)
    await add(backend, "ann")
    assert await read(backend, "ann", "reports", "teams") == ((), ())


async def test_keys_of_a_sequence_are_ordered_as_numbers() -> None:
    """Ten comes behind nine; a number once given to a seed is not given again."""
    backend = made({"key": "sequence", "records": [{"@key": "2", "login": "seed"}]})
    keys = [await add(backend, f"p{n}") for n in range(11)]
    assert keys == ["1", *(str(n) for n in range(3, 13))]
    page = await backend.search("people", Query(frozenset(), limit=100))
    assert [int(record.key) for record in page.records] == sorted(int(key) for key in [*keys, "2"])


async def test_what_was_given_and_what_is_shown_are_copies() -> None:
    """Rows handed in or handed out can be altered without altering what is stored."""
    fields: dict[str, Any] = {"mails": {"row": {"address": "str"}, "row_key": ["address"]}, "login": {"required": True}}
    backend = MemoryBackend(MemorySettings.model_validate({"entities": {"people": {"fields": fields}}}), Context("m"))
    row = {"address": "a"}
    key = (await backend.create("people", {"login": "ann", "mails": (row,)})).key
    row["address"] = "b"
    shown = await read(backend, key, "mails")
    shown[0]["address"] = "c"
    assert await read(backend, key, "mails") == ({"address": "a"},)


async def test_indexes_answer_as_a_scan_would() -> None:
    """Searches by key, unique value, reference and inverse find the same with an index as without (promise 5)."""
    backend = made()
    keys = [await add(backend, f"p{n}", grade=n % 3) for n in range(9)]
    boss = keys[0]
    for key in keys[3:6]:
        await backend.update("people", key, Change(set={"boss": boss}))
    team = (await backend.create("teams", {"owner": boss, "members": tuple(keys[2:5])})).key

    async def found(where: Any, entity: str = "people") -> set[str]:
        page = await backend.search(entity, Query(frozenset(), where, limit=100))
        return {record.key for record in page.records}

    assert await found(Compare(KEY, Op.EQ, keys[4])) == {keys[4]}
    assert await found(Compare(KEY, Op.EQ, keys[4].upper(), ignore_case=True)) == {keys[4]}
    assert await found(Compare("login", Op.EQ, "p4")) == {keys[4]}
    assert await found(Compare("login", Op.EQ, "P4")) == set()
    assert await found(Compare("login", Op.EQ, "P4", ignore_case=True)) == {keys[4]}
    assert await found(Compare("login", Op.EQ, "nobody")) == set()
    assert await found(Compare("boss", Op.EQ, boss)) == set(keys[3:6])
    assert await found(Compare("boss", Op.EQ, boss.upper(), ignore_case=True)) == set(keys[3:6])
    assert await found(And((Compare("boss", Op.EQ, boss), Compare("grade", Op.EQ, 0)))) == {keys[3]}
    assert await found(Compare("teams", Op.EQ, team)) == set(keys[2:5])
    assert await found(Compare("teams", Op.EQ, "nothing")) == set()
    assert await found(Compare("reports", Op.EQ, keys[3])) == {boss}
    assert await found(Compare("members", Op.EQ, keys[2]), "teams") == {team}
    assert await found(Compare("members", Op.EQ, keys[8]), "teams") == set()


async def test_a_delta_costs_the_same_in_a_large_team() -> None:
    """Adding and removing a member looks at no other: a hundred thousand members are not copied (promise 4)."""
    backend = made()
    everybody = [backend.enter("people", {"login": f"p{n}"}) for n in range(3000)]
    team = backend.enter("teams", {"owner": everybody[0], "members": tuple(everybody[1:])})
    table = backend._store.table("teams")
    held = table.find(team).many["members"]
    await backend.update("teams", team, Change(add={"members": (everybody[0],)}, remove={"members": (everybody[1],)}))
    assert table.find(team).many["members"] is held
    assert len(held) == 2999


async def test_no_power_no_service() -> None:
    """An entity without versions refuses `expect` instead of ignoring it; unknown entities and fields are refused."""
    backend = made({"without": ["versions"]})
    key = await add(backend, "ann")
    assert await version(backend, key) is None
    with pytest.raises(UnsupportedError):
        await backend.update("people", key, Change(set={"grade": 1}), expect="1")
    with pytest.raises(UnsupportedError):
        await backend.describe("nothing")
    with pytest.raises(UnsupportedError):
        await backend.get("people", key, frozenset({"nothing"}))
    assert backend.capabilities("nothing").writes == frozenset()


async def test_rows_are_not_listed_in_pages() -> None:
    """Only lists of single values can be paged through."""
    backend = made()
    key = await add(backend, "ann")
    with pytest.raises(UnsupportedError):
        await backend.list_values("people", key, "login", limit=2)


async def test_a_step_can_be_held_and_failed() -> None:
    """Tests put their own step in place: calls wait in it, and fail where it says, before or behind the write."""
    arrived, gate, steps = asyncio.Event(), asyncio.Event(), []

    async def step(name: str) -> None:
        steps.append(name)
        arrived.set()
        await gate.wait()
        if name == "answer":
            raise UnavailableError(maybe_done=True)

    backend = made(step=step)
    task = asyncio.create_task(backend.create("people", {"login": "ann"}))
    await arrived.wait()
    assert not task.done()
    gate.set()
    with pytest.raises(UnavailableError):
        await task
    assert steps == ["ask", "answer"]
    assert len((await backend.search("people", Query(frozenset()))).records) == 1
