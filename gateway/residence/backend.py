"""The backend of what lives with the gateway: the contract over tables of the gateway's own store."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from backends.contract import (
    Capabilities,
    Change,
    ConflictError,
    Context,
    Field,
    Fields,
    NativeCall,
    NotFoundError,
    Outcome,
    Page,
    Query,
    Record,
    RejectedError,
    Row,
    Scalar,
    StaleError,
    UnavailableError,
    UnsupportedError,
    Value,
    WritableBackend,
)
from backends.kit.paging import encode
from backends.kit.queries import admit
from gateway.identity.databases import ContendedError, Database, Session
from gateway.identity.databases import Row as StoredRow
from gateway.identity.failures import StoreUnavailableError
from gateway.residence.entities import EntitySettings, ResidenceSettings, is_holdable
from gateway.residence.statements import ResidentStatements
from gateway.residence.steps import Step, Steps

T = TypeVar("T")
Lists = dict[tuple[str, str], list[str]]
"""The values of lists, by the record's key and the field."""

ATTEMPTS = 6
"""How often a change is tried that loses to another one."""
SOON = 1.0


class ResidentBackend(WritableBackend[ResidenceSettings]):
    """Keeps records in the store. The database is the id map's, which opens and closes it: `start` and `stop` do not.

    Keys are new for every record and ascend with time: none is ever used again. A change of a list touches the rows it
    names and the record's version, however long the list is.
    """

    settings_type = ResidenceSettings

    def __init__(self, settings: ResidenceSettings, context: Context, database: Database) -> None:
        super().__init__(settings, context)
        self._database = database
        self._statements = ResidentStatements(database.dialect)
        self._steps = {name: Steps(self._statements, entity) for name, entity in settings.entities.items()}

    def within(self, database: Database) -> ResidentBackend:
        """Make the same backend on another database, such as one that is open."""
        return ResidentBackend(self.settings, self.context, database)

    async def ping(self) -> None:
        await self._ask(Step(self._statements.ping, {}))

    def capabilities(self, entity: str) -> Capabilities:
        found = self.settings.entities.get(entity)
        return Capabilities() if found is None else found.capabilities

    async def describe(self, entity: str) -> Mapping[str, Field]:
        return {name: field.described for name, field in self._of(entity).entity.fields.items()}

    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        steps = self._of(entity, fields)
        if not is_holdable(key):
            raise NotFoundError
        record: tuple[int, str] | None = None
        lists: Lists = {}
        for version, content, value in await self._ask(steps.read(key, fields)):
            if version is not None:
                record = version, content
            else:
                lists.setdefault((key, content), []).append(value)
        if record is None:
            raise NotFoundError
        return _record(steps.entity, key, *record, fields, lists)

    async def search(self, entity: str, query: Query) -> Page:
        steps = self._of(entity, query.fields)
        admit(query, steps.entity.capabilities)
        total = int((await self._ask(steps.count(query)))[0][0]) if query.total else None
        found = await self._ask(steps.page(query))
        shown = found[: query.limit]
        lists: Lists = {}
        if shown and (names := query.fields & steps.entity.lists):
            for key, name, value in await self._ask(steps.lists([row[0] for row in shown], names)):
                lists.setdefault((key, name), []).append(value)
        records = [_record(steps.entity, row[0], row[1], row[2], query.fields, lists) for row in shown]
        cursor = encode(shown[-1][3], shown[-1][0]) if len(found) > query.limit else None
        return Page(records, total, cursor)

    async def list_values(
        self, entity: str, key: str, field: str, *, limit: int, cursor: str | None = None
    ) -> tuple[tuple[Scalar, ...] | tuple[Row, ...], str | None]:
        steps = self._of(entity, {field})
        if field not in steps.entity.lists:
            raise UnsupportedError(f"{field} cannot be listed in pages")
        if cursor is None:
            await self.get(entity, key, frozenset())
        found = await self._ask(steps.listed(key, field, limit, cursor))
        values = tuple(str(row[0]) for row in found[:limit])
        return values, encode(values[-1]) if len(found) > limit else None

    async def create(self, entity: str, fields: Fields) -> Record:
        steps = self._of(entity)
        steps.entity.check_new(fields)
        defaults = {name: field.default for name, field in steps.entity.fields.items() if field.default is not None}
        whole: dict[str, Value] = {**defaults, **fields}
        key = f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"

        async def work(session: Session) -> None:
            for step in steps.create(key, whole):
                await _run(session, step)

        await self._change(work)
        return Record(key, whole, "1")

    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        steps = self._of(entity)
        for part in (change.set, change.add, change.remove):
            steps.entity.check(part)
        for name in (*change.add, *change.remove):
            if name not in steps.entity.lists:
                raise RejectedError("the field has one value, none can be added or removed", name)

        async def work(session: Session) -> bool:
            content = await _locked(session, steps, key, expect)
            singles = {
                name: value
                for name, value in change.set.items()
                if name not in steps.entity.lists and content.get(name) != value
            }
            changed = bool(singles)
            for step in steps.change_lists(key, change):
                changed |= bool(await _run(session, step))
            if changed:
                for step in steps.change_singles(key, content, singles):
                    await _run(session, step)
            return changed

        return Outcome(await self._change(work))

    async def delete(self, entity: str, key: str, *, expect: str | None = None) -> None:
        steps = self._of(entity)

        async def work(session: Session) -> None:
            await _locked(session, steps, key, expect)
            for step in steps.delete(key, self.settings.referring(entity)):
                await _run(session, step)

        await self._change(work)

    def explain(self, entity: str, operation: str, *arguments: Any) -> Sequence[NativeCall]:
        """Render the statements of an operation; of an update those it makes if all that it names differs."""
        steps, found = self._of(entity), list[Step]()
        match operation, arguments:
            case "get", (key, fields):
                found = [steps.read(key, fields)]
            case "search", (query,):
                found = [*([steps.count(query)] if query.total else ()), steps.page(query)]
                if names := query.fields & steps.entity.lists:
                    found.append(steps.lists(["…"], names))
            case "create", (fields,):
                found = list(steps.create("new", fields))
            case "update", (key, change, *_):
                singles = {name: value for name, value in change.set.items() if name not in steps.entity.lists}
                found = [steps.lock(key), *steps.change_lists(key, change), *steps.change_singles(key, {}, singles)]
            case "delete", (key, *_):
                found = [steps.lock(key), *steps.delete(key, self.settings.referring(entity))]
        return [step.call() for step in found]

    def _of(self, entity: str, fields: Collection[str] = ()) -> Steps:
        found = self._steps.get(entity)
        if found is None:
            raise UnsupportedError("there is no such entity")
        if not found.entity.fields.keys() >= set(fields):
            raise UnsupportedError("there is no such field")
        return found

    async def _ask(self, step: Step) -> Sequence[StoredRow]:
        try:
            return await self._database.read(step.statement, **step.values)
        except StoreUnavailableError as error:
            raise UnavailableError("the gateway's store is unavailable") from error

    async def _change(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """Make a change whole or not at all; again, a few times, if another one was in its way."""
        for _ in range(ATTEMPTS):
            ended = False
            try:
                async with self._database.transaction() as session:
                    result = await work(session)
                    ended = True
                return result
            except ContendedError:
                continue
            except StoreUnavailableError as error:
                raise UnavailableError("the gateway's store is unavailable", maybe_done=ended) from error
        raise UnavailableError("the gateway's store is too busy with the same record", retry_after=SOON)


async def _run(session: Session, step: Step) -> Sequence[StoredRow]:
    """Run a step; raise `ConflictError` for a value it was to take and somebody has."""
    found = await session.run(step.statement, **step.values)
    if step.claims:
        made = {row[0] for row in found}
        for name in step.claims:
            if name not in made:
                raise ConflictError(field=name)
    return found


async def _locked(session: Session, steps: Steps, key: str, expect: str | None) -> dict[str, Any]:
    """Hold a record that is there, and has the version expected; give its single values."""
    found = await _run(session, steps.lock(key)) if is_holdable(key) else ()
    if not found:
        raise NotFoundError
    version, content = found[0]
    if expect is not None and expect != str(version):
        raise StaleError("the record has changed")
    held: dict[str, Any] = json.loads(content)
    return held


def _record(
    entity: EntitySettings, key: str, version: int, content: str, fields: Collection[str], lists: Lists
) -> Record:
    held = json.loads(content)
    values: dict[str, Value] = {
        name: tuple(lists.get((key, name), ())) if name in entity.lists else held.get(name) for name in fields
    }
    return Record(key, values, str(version))
