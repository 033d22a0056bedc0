"""A deliberately poor backend: its system lists everything or nothing, takes whole records only and one member a call.

No filter, page, version or delta, no transaction and no cascade: what the contract asks is made up here from four
calls on people, and six on teams. If the contract can be kept by this one, it was not made for SQL alone.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from backends.contract import (
    Capabilities,
    Change,
    ConflictError,
    Context,
    Field,
    Fields,
    NotFoundError,
    Outcome,
    Page,
    Query,
    Record,
    RejectedError,
    UnavailableError,
    UnfinishedError,
    UnsupportedError,
    Value,
    WritableBackend,
)
from backends.kit.merging import difference, merge
from backends.kit.paging import page
from backends.kit.queries import admit


class LostError(Exception):
    """The connection broke; `done` is what only the test knows."""


class TakenError(Exception):
    """The name is somebody's already."""


@dataclass
class PoorSystem:
    """The old application. Every call is one round trip; `fail` breaks the one that many calls from now."""

    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    teams: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    left: int | None = None
    lost: bool = False
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def list_people(self) -> list[dict[str, Any]]:
        await self._begin("list_people")
        return await self._end([dict(person) for person in self.people.values()])

    async def read_person(self, number: str) -> dict[str, Any] | None:
        await self._begin("read_person")
        person = self.people.get(number)
        return await self._end(None if person is None else dict(person))

    async def add_person(self, person: dict[str, Any]) -> str:
        await self._begin("add_person")
        self._claim("people", "login", person, None)
        number = str(next(self.numbers))
        self.people[number] = {**person, "number": number}
        return await self._end(number)

    async def write_person(self, number: str, person: dict[str, Any]) -> None:
        await self._begin("write_person")
        self._claim("people", "login", person, number)
        if number in self.people:
            self.people[number] = {**person, "number": number}
        await self._end(None)

    async def remove_person(self, number: str) -> None:
        await self._begin("remove_person")
        self.people.pop(number, None)
        await self._end(None)

    async def list_teams(self) -> list[dict[str, Any]]:
        await self._begin("list_teams")
        return await self._end([{**team, "members": list(team["members"])} for team in self.teams.values()])

    async def add_team(self, title: str) -> str:
        await self._begin("add_team")
        self._claim("teams", "title", {"title": title}, None)
        number = str(next(self.numbers))
        self.teams[number] = {"number": number, "title": title, "members": []}
        return await self._end(number)

    async def rename_team(self, number: str, title: str) -> None:
        await self._begin("rename_team")
        self._claim("teams", "title", {"title": title}, number)
        self.teams[number]["title"] = title
        await self._end(None)

    async def remove_team(self, number: str) -> None:
        await self._begin("remove_team")
        self.teams.pop(number, None)
        await self._end(None)

    async def join(self, team: str, person: str) -> None:
        await self._begin("join")
        if team in self.teams and person not in self.teams[team]["members"]:
            self.teams[team]["members"].append(person)
        await self._end(None)

    async def leave(self, team: str, person: str) -> None:
        await self._begin("leave")
        if team in self.teams and person in self.teams[team]["members"]:
            self.teams[team]["members"].remove(person)
        await self._end(None)

    def _claim(self, table: str, name: str, record: Mapping[str, Any], own: str | None) -> None:
        rows: dict[str, dict[str, Any]] = getattr(self, table)
        if any(row[name] == record[name] and number != own for number, row in rows.items()):
            raise TakenError(name)

    async def _begin(self, call: str) -> None:
        self.calls.append(call)
        await asyncio.sleep(0)
        if self.left == 0 and not self.lost:
            self.left = None
            raise LostError

    async def _end(self, answer: Any) -> Any:
        await asyncio.sleep(0)
        if self.left == 0:
            self.left = None
            raise LostError
        if self.left is not None:
            self.left -= 1
        return answer


class PoorSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")


PEOPLE: Mapping[str, Field] = {
    "login": Field(str, unique=True, required=True),
    "note": Field(str, max_length=40),
    "grade": Field(int),
    "tags": Field(str, many=True),
    "mails": Field(dict, many=True, row={"address": Field(str), "kind": Field(str)}, row_key=("address",)),
}
TEAMS: Mapping[str, Field] = {
    "title": Field(str, unique=True, required=True),
    "members": Field(str, many=True, refers="people"),
}
ENTITIES = {"people": PEOPLE, "teams": TEAMS}


class PoorBackend(WritableBackend[PoorSettings]):
    """People and teams of the old application."""

    settings_type = PoorSettings

    def __init__(self, settings: PoorSettings, context: Context, system: PoorSystem) -> None:
        super().__init__(settings, context)
        self.system = system

    async def ping(self) -> None:
        await self._call(self.system.list_teams())

    def capabilities(self, entity: str) -> Capabilities:
        return Capabilities(serialize=True, writes=frozenset({"create", "update", "delete"}))

    async def describe(self, entity: str) -> Mapping[str, Field]:
        return self._fields(entity)

    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        self._check(entity, fields)
        return _shown(await self._find(entity, key), fields)

    async def search(self, entity: str, query: Query) -> Page:
        self._check(entity, query.fields)
        admit(query, self.capabilities(entity))
        return page([_shown(row, self._fields(entity)) for row in await self._all(entity)], query, order=int)

    async def create(self, entity: str, fields: Fields) -> Record:
        declared = self._fields(entity)
        empty: dict[str, Value] = {name: () if item.many else None for name, item in declared.items()}
        after = merge(empty, Change(set=fields), declared).fields
        _check_values(after, declared)
        if entity == "people":
            key = await self._call(self.system.add_person(dict(after)), write=True)
        else:
            key = await self._call(self.system.add_team(str(after["title"])), write=True)
            await self._join(key, (), after["members"])
        return Record(key, {name: after[name] for name in fields})

    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        declared = self._fields(entity)
        before = _shown(await self._find(entity, key), declared).fields
        merged = merge(before, change, declared)
        _check_values(merged.fields, declared)
        if entity == "people" and merged.changed:
            await self._call(self.system.write_person(key, dict(merged.fields)), write=True)
        if entity == "teams":
            renamed = "title" in merged.changed
            if renamed:
                await self._call(self.system.rename_team(key, str(merged.fields["title"])), write=True)
            await self._join(key, before["members"], merged.fields["members"], begun=renamed)
        return Outcome(bool(merged.changed))

    async def delete(self, entity: str, key: str, *, expect: str | None = None) -> None:
        await self._find(entity, key)
        if entity == "teams":
            await self._call(self.system.remove_team(key), write=True)
            return
        left = [team["number"] for team in await self._all("teams") if key in team["members"]]
        begun = False
        for team in left:
            await self._step(self.system.leave(team, key), key, begun)
            begun = True
        await self._step(self.system.remove_person(key), key, begun)

    async def _join(self, key: str, before: Value, after: Value, *, begun: bool = True) -> None:
        """Bring the members of a team from one state to another, a call for each; `begun`: a part is done already."""
        added, removed = difference(before, after)
        for call, members in ((self.system.leave, removed), (self.system.join, added)):
            for member in members:
                await self._step(call(key, member), key, begun)
                begun = True

    async def _step(self, call: Any, key: str, begun: bool) -> None:
        try:
            await self._call(call, write=True)
        except UnavailableError as error:
            if begun:
                raise UnfinishedError(key=key) from error
            raise

    async def _call(self, call: Any, *, write: bool = False) -> Any:
        try:
            return await call
        except LostError as error:
            raise UnavailableError(maybe_done=write) from error
        except TakenError as error:
            raise ConflictError(field=str(error)) from error

    async def _all(self, entity: str) -> list[dict[str, Any]]:
        call = self.system.list_people() if entity == "people" else self.system.list_teams()
        rows: list[dict[str, Any]] = await self._call(call)
        return rows

    async def _find(self, entity: str, key: str) -> dict[str, Any]:
        self._fields(entity)
        if entity == "people":
            row = await self._call(self.system.read_person(key))
        else:
            row = next((team for team in await self._all("teams") if team["number"] == key), None)
        if row is None:
            raise NotFoundError
        found: dict[str, Any] = row
        return found

    def _fields(self, entity: str) -> Mapping[str, Field]:
        if entity not in ENTITIES:
            raise UnsupportedError("there is no such entity")
        return ENTITIES[entity]

    def _check(self, entity: str, fields: frozenset[str]) -> None:
        if unknown := fields - self._fields(entity).keys():
            raise UnsupportedError(f"there is no field {min(unknown)}")


def _shown(row: dict[str, Any], fields: Any) -> Record:
    """Show a native record: lists as tuples."""
    values = {name: tuple(row[name]) if isinstance(row[name], list | tuple) else row[name] for name in fields}
    return Record(row["number"], values)


def _check_values(fields: Fields, declared: Mapping[str, Field]) -> None:
    for name, item in declared.items():
        value = fields[name]
        if item.required and not value:
            raise RejectedError("the field must not be empty", name)
        if item.max_length is not None and isinstance(value, str) and len(value) > item.max_length:
            raise RejectedError("the value is too long", name)
