"""Backends that break a rule of writing each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from backends.conformance import Roles
from backends.contract import (
    BackendError,
    Capabilities,
    Change,
    ConflictError,
    Fields,
    NotFoundError,
    Outcome,
    Record,
    RejectedError,
    StaleError,
    UnavailableError,
    UnfinishedError,
)
from backends.memory import MemoryBackend
from tests.backends.harnesses import FIELDS, MemoryHarness
from tests.backends.sabotage import breaks

NOT_UNIQUE = {**FIELDS, "login": {"required": True}}
OPTIONAL = {**FIELDS, "login": {"unique": True}}


class Renaming(MemoryHarness):
    roles = Roles(name="login", text="note", key="login")


@breaks(
    "a_create_not_offered_is_refused",
    "an_update_not_offered_is_refused",
    "a_delete_not_offered_is_refused",
    without=["create", "update", "delete"],
)
class TakesAll(MemoryBackend):
    def _writable(self, entity: str, operation: str) -> Any:
        return self._store.table(entity)

    async def create(self, entity: str, fields: Fields) -> Record:
        return await super().create(entity, fields)


@breaks("a_unique_value_that_is_taken_is_a_conflict", "a_change_to_a_unique_value_that_is_taken_is_a_conflict")
class NamesNoField(MemoryBackend):
    async def create(self, entity: str, fields: Fields) -> Record:
        try:
            return await super().create(entity, fields)
        except ConflictError as error:
            raise ConflictError from error

    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        try:
            return await super().update(entity, key, change, expect=expect)
        except ConflictError as error:
            raise ConflictError from error


@breaks("a_record_needs_its_name", "a_name_cannot_be_taken_away", fields=OPTIONAL)
class Nameless(MemoryBackend):
    pass


@breaks("text_that_is_too_long_is_rejected_not_cut")
class Cuts(MemoryBackend):
    async def create(self, entity: str, fields: Fields) -> Record:
        return await super().create(entity, {n: v[:400] if isinstance(v, str) else v for n, v in fields.items()})


@breaks("a_field_that_does_not_exist_cannot_be_written", "what_is_seen_from_the_other_side_cannot_be_written")
class Drops(MemoryBackend):
    async def create(self, entity: str, fields: Fields) -> Record:
        return await super().create(entity, self._known(entity, fields))

    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        return await super().update(entity, key, replace(change, set=self._known(entity, change.set)), expect=expect)

    def _known(self, entity: str, fields: Fields) -> dict[str, Any]:
        known = self.settings.entities[entity].fields
        return {name: value for name, value in fields.items() if name in known and name != "teams"}


@breaks("create_answers_with_what_is_stored")
class KeyOnly(MemoryBackend):
    async def create(self, entity: str, fields: Fields) -> Record:
        return replace(await super().create(entity, fields), fields={})


@breaks("difficult_texts_come_back_or_are_rejected", "created_values_come_back_as_they_were_sent")
class Cleans(MemoryBackend):
    async def create(self, entity: str, fields: Fields) -> Record:
        clean = {n: v.replace("'", "").replace(" ", "") if isinstance(v, str) else v for n, v in fields.items()}
        return await super().create(entity, clean)


@breaks("what_was_not_given_is_empty")
class Defaults(MemoryBackend):
    async def create(self, entity: str, fields: Fields) -> Record:
        return await super().create(entity, {"grade": 1, **fields} if entity == "people" else fields)


@breaks("each_record_has_a_key_of_its_own")
class SameKey(MemoryBackend):
    async def create(self, entity: str, fields: Fields) -> Record:
        record = await super().create(entity, fields)
        self.first: str = getattr(self, "first", record.key)
        return replace(record, key=self.first)


@breaks("what_was_given_stays_the_callers")
class Eats(MemoryBackend):
    async def create(self, entity: str, fields: Fields) -> Record:
        record = await super().create(entity, fields)
        assert isinstance(fields, dict)
        fields.clear()
        return record


@breaks(
    "what_is_not_named_stays_as_it_is",
    "a_partial_row_added_leaves_the_other_columns",
    "values_are_added_and_removed",
    "a_row_added_merges_by_its_key",
    "members_are_added_and_removed_without_the_others",
    "members_survive_a_change_of_the_rest",
)
class Replaces(MemoryBackend):
    """Everything is what the change says, the rest is emptied; what is added is all there is."""

    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        many = {"tags", "mails"} if entity == "people" else {"members"}
        empty: dict[str, Any] = dict.fromkeys(many, ())
        if entity == "people":
            empty |= dict.fromkeys(("note", "grade", "enabled", "hired", "seen"))
        return await super().update(entity, key, Change(set={**empty, **change.set, **change.add}), expect=expect)


@breaks("several_fields_are_set_at_once", "a_change_may_set_one_field_and_add_to_another")
class OneThing(MemoryBackend):
    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        first = dict(list(change.set.items())[:1])
        return await super().update(entity, key, Change(set=first) if first else change, expect=expect)


@breaks("none_and_nothing_empty_a_field")
class KeepsNulls(MemoryBackend):
    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        filled = {name: value for name, value in change.set.items() if value is not None}
        return await super().update(entity, key, replace(change, set=filled), expect=expect)


@breaks(
    "setting_what_is_there_changes_nothing",
    "an_empty_change_changes_nothing",
    "adding_what_is_there_and_removing_what_is_not_changes_nothing",
    "many_values_are_a_set",
    "a_row_added_merges_by_its_key",
    "a_partial_row_removed_takes_every_row_it_fits",
    "rows_set_are_compared_by_their_keys",
    "members_are_added_and_removed_without_the_others",
)
class AlwaysChanged(MemoryBackend):
    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        return replace(await super().update(entity, key, change, expect=expect), changed=True)


@breaks("a_record_that_is_not_there_cannot_be_changed", "a_deleted_record_is_gone_for_every_method")
class Upserts(MemoryBackend):
    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        try:
            return await super().update(entity, key, change, expect=expect)
        except NotFoundError:
            return Outcome(False)


@breaks("an_outcome_with_a_record_shows_it_as_it_is")
class Echoes(MemoryBackend):
    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        before = await self.get(entity, key, frozenset(change.set))
        return replace(await super().update(entity, key, change, expect=expect), record=before)


@breaks("another_key_is_told", "references_follow_another_key", harness=Renaming, key="login")
class KeepsSilent(MemoryBackend):
    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        return replace(await super().update(entity, key, change, expect=expect), record=None)


@breaks("a_deleted_record_is_a_member_of_nothing", "a_deleted_group_leaves_its_members")
class DeletesByHiding(MemoryBackend):
    """The record is hidden, but what refers to it does not know."""

    hidden: frozenset[str] = frozenset()

    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        if key in self.hidden:
            raise NotFoundError
        return await super().get(entity, key, fields)

    async def delete(self, entity: str, key: str, *, expect: str | None = None) -> None:
        await super().get(entity, key, frozenset())
        self.hidden |= {key}


@breaks("a_deleted_record_is_gone_for_every_method", "the_name_of_a_deleted_record_is_free_again")
class DeletesNothing(MemoryBackend):
    async def delete(self, entity: str, key: str, *, expect: str | None = None) -> None:
        await self.get(entity, key, frozenset())


@breaks("only_the_record_named_is_deleted")
class DeletesSoftly(MemoryBackend):
    async def delete(self, entity: str, key: str, *, expect: str | None = None) -> None:
        try:
            await super().delete(entity, key, expect=expect)
        except NotFoundError:
            return


@breaks("every_change_makes_another_version", "of_changes_with_one_version_one_is_made")
class FrozenVersion(MemoryBackend):
    async def get(self, entity: str, key: str, fields: frozenset[str]) -> Record:
        return replace(await super().get(entity, key, fields), version="1")

    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        return await super().update(entity, key, change)


@breaks(
    "a_change_with_the_right_version_is_made",
    "a_change_with_a_stale_version_writes_nothing",
    "a_delete_may_insist_on_a_version",
    "of_changes_with_one_version_one_is_made",
)
class IgnoresVersions(MemoryBackend):
    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        return await super().update(entity, key, change)

    async def delete(self, entity: str, key: str, *, expect: str | None = None) -> None:
        await super().delete(entity, key)


@breaks("a_version_of_nothing_is_not_found")
class NothingIsStale(MemoryBackend):
    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        try:
            return await super().update(entity, key, change, expect=expect)
        except NotFoundError as error:
            raise StaleError from error


@breaks("of_fifty_creates_with_one_name_one_succeeds", fields=NOT_UNIQUE)
class LooksThenWrites(MemoryBackend):
    pass


@breaks("creates_at_once_all_succeed")
class OneAtATime(MemoryBackend):
    busy = False

    async def create(self, entity: str, fields: Fields) -> Record:
        if self.busy:
            raise UnavailableError
        self.busy = True
        try:
            return await super().create(entity, fields)
        finally:
            self.busy = False


@breaks(
    "changes_of_different_fields_at_once_all_land",
    "deltas_at_once_all_land",
    serialize=True,
)
class SaysItNeedsNoLock(MemoryBackend):
    def capabilities(self, entity: str) -> Capabilities:
        return replace(super().capabilities(entity), serialize=False)


@breaks("members_added_at_once_all_land")
class SetsMembers(MemoryBackend):
    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        if entity == "teams":
            before: Any = (await self.get(entity, key, frozenset({"members"}))).fields["members"]
            gone: Any = change.remove.get("members", ())
            after = {*before, *change.add.get("members", ())} - {*gone}  # type: ignore[misc]
            change = Change(set={"members": tuple(after)})
        return await super().update(entity, key, change, expect=expect)


@breaks(
    "nobody_sees_half_a_change",
    "a_change_cut_off_leaves_nothing_half",
    "a_change_that_fails_converges",
    "a_create_that_fails_leaves_what_it_says",
    without=["atomic"],
)
class SaysItIsAtomic(MemoryBackend):
    def capabilities(self, entity: str) -> Capabilities:
        return replace(super().capabilities(entity), atomic=True)


@breaks("a_change_during_a_delete_brings_nothing_back")
class BringsBack(MemoryBackend):
    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        record = await self.get(entity, key, frozenset({"login"}))
        for _ in range(4):
            await asyncio.sleep(0)
        try:
            return await super().update(entity, key, change, expect=expect)
        except NotFoundError:
            await self.create(entity, record.fields)
            return Outcome(True)


class Wedged(MemoryBackend):
    """A call cut off leaves its connection in use for ever."""

    in_use = False

    async def _once(self, call: Any) -> Any:
        if self.in_use:
            call.close()
            raise UnavailableError
        self.in_use = True
        found = await call
        self.in_use = False
        return found


@breaks("a_change_cut_off_leaves_nothing_half", "a_create_cut_off_leaves_one_record_or_none")
class WedgedWrites(Wedged):
    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        found: Outcome = await self._once(super().update(entity, key, change, expect=expect))
        return found

    async def create(self, entity: str, fields: Fields) -> Record:
        found: Record = await self._once(super().create(entity, fields))
        return found


@breaks("a_delete_cut_off_leaves_the_record_or_none")
class WedgedDeletes(Wedged):
    async def delete(self, entity: str, key: str, *, expect: str | None = None) -> None:
        await self._once(super().delete(entity, key, expect=expect))


@breaks("a_change_that_fails_converges", "a_create_that_fails_leaves_what_it_says", "a_delete_that_fails_converges")
class SaysNothingWasDone(MemoryBackend):
    """A lost answer is told as if nothing had been written."""

    async def create(self, entity: str, fields: Fields) -> Record:
        return await self._told(super().create(entity, fields))

    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        return await self._told(super().update(entity, key, change, expect=expect))

    async def delete(self, entity: str, key: str, *, expect: str | None = None) -> None:
        await self._told(super().delete(entity, key, expect=expect))

    async def _told(self, call: Any) -> Any:
        try:
            return await call
        except UnavailableError as error:
            raise UnavailableError(maybe_done=False) from error


@breaks("a_change_of_members_that_fails_converges")
class LosesMembers(MemoryBackend):
    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        try:
            return await super().update(entity, key, change, expect=expect)
        except UnavailableError as error:
            await super().update(entity, key, Change(set={"members": ()}))
            raise UnfinishedError(key=key) from error


@breaks("a_partial_row_removed_takes_every_row_it_fits", "rows_set_are_compared_by_their_keys")
class WholeRowsOnly(MemoryBackend):
    """Rows are compared as wholes: a part fits nothing, and a row set is the row it says."""

    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        whole: dict[str, Any] = {}
        for name, parts in change.remove.items():
            whole[name] = tuple(part for part in parts if not isinstance(part, Mapping) or len(part) == 2)
        rows = change.set.get("mails")
        if isinstance(rows, tuple):
            await super().update(entity, key, Change(set={"mails": ()}))
        return await super().update(entity, key, replace(change, remove=whole), expect=expect)


@breaks("a_change_with_a_stale_version_writes_nothing")
class ChecksTooLate(MemoryBackend):
    async def update(self, entity: str, key: str, change: Change, *, expect: str | None = None) -> Outcome:
        before = (await self.get(entity, key, frozenset())).version
        outcome = await super().update(entity, key, change)
        if expect not in (None, before):
            raise StaleError
        return outcome


@breaks("a_record_needs_its_name")
class SaysConflict(MemoryBackend):
    async def create(self, entity: str, fields: Fields) -> Record:
        try:
            return await super().create(entity, fields)
        except RejectedError as error:
            raise BackendError from error
