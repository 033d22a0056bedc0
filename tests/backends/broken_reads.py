"""Backends that break a rule of reading each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from backends.contract import (
    And,
    AnyRow,
    BackendError,
    Capabilities,
    Compare,
    Field,
    Fields,
    Filter,
    NativeCall,
    Not,
    NotFoundError,
    Op,
    Or,
    Page,
    Query,
    Record,
    Sort,
    UnavailableError,
    UnsupportedError,
)
from backends.memory import MemoryBackend
from tests.backends.harnesses import MemoryHarness
from tests.backends.sabotage import breaks


def mapped(where: Filter | None, twist: Any) -> Any:
    """Rebuild a filter with every compare twisted."""
    match where:
        case Compare():
            return twist(where)
        case And(terms=terms):
            return And(tuple(mapped(term, twist) for term in terms))
        case Or(terms=terms):
            return Or(tuple(mapped(term, twist) for term in terms))
        case Not(term=term):
            return Not(mapped(term, twist))
        case AnyRow(field=field, where=condition):
            return AnyRow(field, mapped(condition, twist))
    return where


@breaks("a_started_backend_answers_a_ping")
class DeadPing(MemoryBackend):
    async def ping(self) -> None:
        raise UnavailableError


@breaks("stopping_twice_is_safe")
class StopsOnce(MemoryBackend):
    stopped = False

    async def stop(self) -> None:
        if self.stopped:
            raise BackendError
        self.stopped = True


@breaks("stopping_what_never_started_is_safe")
class NeedsStart(MemoryBackend):
    started = False

    async def start(self) -> None:
        self.started = True

    async def stop(self) -> None:
        assert self.started


class Reachable(MemoryHarness):
    def unreachable(self) -> Any:
        return self.build(None)


@breaks("a_system_that_is_not_there_is_unavailable", harness=Reachable)
class NeverUnavailable(MemoryBackend):
    pass


@breaks("capabilities_are_constant")
class Moody(MemoryBackend):
    def capabilities(self, entity: str) -> Capabilities:
        self.offset = not getattr(self, "offset", False)
        return replace(super().capabilities(entity), offset=self.offset)


@breaks("many_calls_at_once_are_answered_each_with_its_own")
class MixesUp(MemoryBackend):
    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        self.key = key
        await asyncio.sleep(0)
        return await super().get(entity, self.key, fields)


@breaks("the_description_names_every_field_in_use")
class ForgetsAField(MemoryBackend):
    async def describe(self, entity: str) -> Mapping[str, Field]:
        found = dict(await super().describe(entity))
        found.pop("note", None)
        return found


@breaks("the_description_tells_roles_apart")
class NothingIsUnique(MemoryBackend):
    async def describe(self, entity: str) -> Mapping[str, Field]:
        return {name: replace(field, unique=False) for name, field in (await super().describe(entity)).items()}


@breaks("values_are_of_the_described_types", "created_values_come_back_as_they_were_sent")
class AllText(MemoryBackend):
    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        record = await super().get(entity, key, fields)
        return replace(record, fields={n: str(v) if n == "grade" else v for n, v in record.fields.items()})


@breaks("capabilities_are_written_as_they_are_asked")
class OwnWords(MemoryBackend):
    def capabilities(self, entity: str) -> Capabilities:
        return replace(super().capabilities(entity), writes=frozenset({"create", "replace"}))


@breaks("get_returns_exactly_the_fields_asked_for")
class TellsEverything(MemoryBackend):
    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        return await super().get(entity, key, frozenset(self.settings.entities[entity].fields))


@breaks("empty_is_none_or_an_empty_tuple", "what_was_not_given_is_empty", "none_and_nothing_empty_a_field")
class EmptyText(MemoryBackend):
    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        record = await super().get(entity, key, fields)
        return replace(record, fields={n: "" if v is None else v for n, v in record.fields.items()})


@breaks("a_key_is_text_and_has_one_spelling")
class Trims(MemoryBackend):
    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        return await super().get(entity, key.strip(), fields)


@breaks("unknown_keys_are_not_found")
class Like(MemoryBackend):
    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        if key == "%":
            key = (await self.search(entity, Query(frozenset()))).records[0].key
        return await super().get(entity, key, fields)


@breaks("an_unknown_entity_is_not_a_record_not_found")
class NothingIsThere(MemoryBackend):
    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        if entity not in self.settings.entities:
            raise NotFoundError
        return await super().get(entity, key, fields)


@breaks("a_field_that_does_not_exist_is_refused")
class Guesses(MemoryBackend):
    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        known = fields & self.settings.entities[entity].fields.keys()
        record = await super().get(entity, key, known)
        return replace(record, fields={**dict.fromkeys(fields), **record.fields})


@breaks("what_was_read_is_a_copy")
class LiveView(MemoryBackend):
    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        self.views: dict[str, Any] = getattr(self, "views", {})
        record = await super().get(entity, key, fields)
        self.views.setdefault(key, {}).update(record.fields)
        return replace(record, fields=self.views[key])


class Leaking(MemoryHarness):
    async def outsider(self, backend: Any, place: Any) -> str:
        return await self.insert(backend, "people", {"login": "hidden"})


@breaks("what_the_settings_exclude_is_invisible", harness=Leaking)
class HidesNothing(MemoryBackend):
    pass


class LoudRecord(Record):
    def __repr__(self) -> str:
        return f"Record({dict(self.fields)})"


@breaks("no_repr_prints_values")
class Loud(MemoryBackend):
    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        record = await super().get(entity, key, fields)
        return LoudRecord(record.key, record.fields, record.version)


@breaks("an_empty_entity_has_one_empty_page")
class NeverEnds(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        return replace(await super().search(entity, replace(query, cursor=None)), cursor="more")


@breaks("pages_of_any_size_give_each_record_once")
class LosesTheLast(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        found = await super().search(entity, query)
        return replace(found, records=found.records[:-1]) if found.cursor and query.limit == 3 else found


@breaks("the_default_order_is_that_of_the_keys")
class Backwards(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        sort = replace(query.sort, descending=not query.sort.descending)
        return await super().search(entity, replace(query, sort=sort))


@breaks("search_shows_what_get_shows")
class ThinList(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        found = await super().search(entity, query)
        thin = [replace(r, fields={n: None if n == "note" else v for n, v in r.fields.items()}) for r in found.records]
        return replace(found, records=thin)


@breaks("records_inserted_meanwhile_shift_nothing")
class ForgetsHandles(MemoryBackend):
    """A cursor holds only as long as nothing is written."""

    writes = 0

    async def create(self, entity: str, fields: Fields) -> Record:
        self.writes += 1
        return await super().create(entity, fields)

    async def search(self, entity: str, query: Query) -> Page:
        if query.cursor is not None and self.writes != self.seen:
            raise BackendError
        self.seen = self.writes
        return await super().search(entity, query)


@breaks("records_deleted_meanwhile_shift_nothing")
class CountsPages(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        start = int(query.cursor or 0)
        found = await super().search(entity, replace(query, cursor=None, offset=start))
        return replace(found, cursor=str(start + len(found.records)) if found.cursor else None)


@breaks("offsets_cut_windows_out_of_the_same_order")
class CountsFromOne(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        return await super().search(entity, replace(query, offset=max(0, query.offset - 1)))


@breaks("an_offset_not_offered_is_refused", without=["offset"])
class IgnoresOffset(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        return await super().search(entity, replace(query, offset=0))


@breaks("the_total_counts_all_matches")
class CountsThePage(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        found = await super().search(entity, query)
        return replace(found, total=len(found.records))


@breaks("the_total_of_a_filter_counts_what_passes")
class CountsTheTable(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        every = await super().search(entity, replace(query, where=None, cursor=None))
        return replace(await super().search(entity, query), total=every.total)


@breaks("a_total_not_offered_is_refused", without=["total"])
class IgnoresTotal(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        return await super().search(entity, replace(query, total=False))


@breaks("a_page_of_one_is_one_record")
class OneIsAll(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        found = await super().search(entity, query)
        return replace(found, cursor=None) if query.limit == 1 else found


@breaks("two_walks_at_once_do_not_disturb_each_other")
class OneHandle(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        here = getattr(self, "here", None) if query.cursor else None
        found = await super().search(entity, replace(query, cursor=here))
        self.here = found.cursor
        return found


@breaks("declared_sorts_order_by_the_value")
class OneWay(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        return await super().search(entity, replace(query, sort=replace(query.sort, descending=False)))


@breaks("equal_values_are_told_apart_by_the_key")
class OrderOfTheDay(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        found = await super().search(entity, query)
        return replace(found, records=found.records[::-1]) if query.limit == 3 else found


@breaks("a_sort_may_ignore_case")
class SortsBytes(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        return await super().search(entity, replace(query, sort=Sort(query.sort.field, query.sort.descending)))


@breaks("every_declared_filter_finds_what_it_should")
class Insensitive(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        def twist(compare: Compare) -> Compare:
            return replace(compare, ignore_case=compare.op in (Op.EQ, Op.CO))

        return await super().search(entity, replace(query, where=mapped(query.where, twist)))


@breaks("every_declared_filter_finds_what_it_should", "declared_combinations_mean_what_they_say")
class NullIsNotUnequal(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        def twist(compare: Compare) -> Filter:
            present = Compare(compare.field, Op.PR)
            return And((compare, present)) if compare.op is Op.NE else compare

        return await super().search(entity, replace(query, where=mapped(query.where, twist)))


@breaks("every_declared_filter_finds_what_it_should")
class Wildcards(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        def twist(compare: Compare) -> Compare:
            text = compare.value
            return (
                replace(compare, value=text.replace("_", ""))
                if isinstance(text, str) and compare.op is Op.CO
                else compare
            )

        return await super().search(entity, replace(query, where=mapped(query.where, twist)))


@breaks("a_filter_holds_over_pages")
class ForgetsTheFilter(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        return await super().search(entity, replace(query, where=None) if query.cursor else query)


@breaks("declared_combinations_mean_what_they_say")
class OrIsAnd(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        where = query.where
        return await super().search(entity, replace(query, where=And(where.terms) if isinstance(where, Or) else where))


@breaks("conditions_on_a_row_are_met_by_one_and_the_same")
class AnyRows(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        where: Any = query.where
        if isinstance(where, AnyRow):
            field = where.field
            where = mapped(where.where, lambda compare: replace(compare, field=f"{field}.{compare.field}"))
        return await super().search(entity, replace(query, where=where))


@breaks("keys_can_be_asked_for_by_the_hundred")
class ThreeKeys(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        where: Any = query.where
        if isinstance(where, Compare) and where.op is Op.IN:
            where = replace(where, value=where.value[:3])  # type: ignore[index]
        return await super().search(entity, replace(query, where=where))


@breaks("groups_are_found_by_their_members")
class NobodyIsMember(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        found = await super().search(entity, query)
        return replace(found, records=()) if entity == "teams" and query.where is not None else found


@breaks("filters_not_declared_are_refused", without=["filters"])
class IgnoresFilters(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        return await super().search(entity, replace(query, where=None))


@breaks("combinations_not_declared_are_refused", without=["logic"])
class IgnoresLogic(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        combined = not isinstance(query.where, Compare)
        return await super().search(entity, replace(query, where=None) if combined else query)


@breaks("references_carry_keys")
class OtherSpelling(MemoryBackend):
    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        record = await super().get(entity, key, fields)
        members: Any = record.fields.get("members") or ()
        return replace(record, fields={**record.fields, "members": tuple(f"person:{m}" for m in members)})


@breaks("the_other_side_follows")
class RemembersGroups(MemoryBackend):
    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        record = await super().get(entity, key, fields)
        known = self.__dict__.setdefault("known", {})
        if "teams" in fields:
            known[key] = record.fields["teams"] if key not in known and len(known) > 5 else ()
            return replace(record, fields={**record.fields, "teams": known[key]})
        return record


@breaks("every_record_has_a_version")
class Timeless(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        found = await super().search(entity, query)
        return replace(found, records=[replace(record, version=None) for record in found.records])


@breaks("a_read_that_fails_says_so")
class MakesDo(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        try:
            return await super().search(entity, query)
        except UnavailableError:
            return Page(())


@breaks("a_long_field_is_listed_page_by_page")
class ListsOnePage(MemoryBackend):
    async def list_values(self, *arguments: Any, **named: Any) -> Any:
        values, _ = await super().list_values(*arguments, **named)
        return values, None


@breaks("values_removed_meanwhile_shift_nothing")
class ListsByNumber(MemoryBackend):
    async def list_values(
        self, entity: str, key: str, field: str, *, limit: int, cursor: str | None = None
    ) -> tuple[Any, str | None]:
        every, _ = await super().list_values(entity, key, field, limit=1000)
        start = int(cursor or 0)
        end = start + limit
        return every[start:end], str(end) if end < len(every) else None


@breaks("what_is_found_in_the_live_system_has_fields")
class FindsNothing(MemoryBackend):
    async def introspect(self) -> Mapping[str, Mapping[str, Field]]:
        return {"people": {}}


@breaks("explaining_shows_calls_and_makes_none")
class ShowsValues(MemoryBackend):
    def explain(self, entity: str, operation: str, *arguments: Any) -> Any:
        return [NativeCall(f"{operation} {[dict(a) for a in arguments if isinstance(a, Mapping)]}")]


@breaks("an_unknown_entity_is_not_a_record_not_found")
class EmptyEntity(MemoryBackend):
    async def search(self, entity: str, query: Query) -> Page:
        try:
            return await super().search(entity, query)
        except UnsupportedError:
            return Page(())
