"""Adding to and removing from fields of many values, and rows."""

from __future__ import annotations

from typing import Any

from backends.conformance.rules import FILLED, role, rule, writes
from backends.conformance.trial import Trial

UPDATE = writes("update")
MANY = role("many")
ROWS = role("rows")


@rule(FILLED, UPDATE, MANY)
async def values_are_added_and_removed(t: Trial) -> None:
    """Adding and removing, alone and in one change, touch only the values named."""
    name = t.named("many")
    key = await t.make(many=("a", "b"))
    assert (await t.update(key, add={name: ("c",)})).changed
    assert await _values(t, key) == {"a", "b", "c"}
    assert (await t.update(key, remove={name: ("a",)})).changed
    assert await _values(t, key) == {"b", "c"}
    assert (await t.update(key, add={name: ("d", "e")}, remove={name: ("b",)})).changed
    assert await _values(t, key) == {"c", "d", "e"}


@rule(FILLED, UPDATE, MANY)
async def adding_what_is_there_and_removing_what_is_not_changes_nothing(t: Trial) -> None:
    """Both succeed, say `changed: false`, and leave the version."""
    name = t.named("many")
    key = await t.make(many=("a", "b"))
    version = (await t.backend.get(t.entity, key, frozenset())).version
    assert not (await t.update(key, add={name: ("a", "b")})).changed
    assert not (await t.update(key, remove={name: ("c", "d")})).changed
    assert not (await t.update(key, add={name: ("b",)}, remove={name: ("c",)})).changed
    assert await _values(t, key) == {"a", "b"}
    assert (await t.backend.get(t.entity, key, frozenset())).version == version
    assert (await t.update(key, add={name: ("a", "c")}, remove={name: ("b", "d")})).changed
    assert await _values(t, key) == {"a", "c"}


@rule(FILLED, UPDATE, MANY)
async def many_values_are_a_set(t: Trial) -> None:
    """A value given twice is there once; setting another order is no change; setting replaces what there was."""
    name = t.named("many")
    key = await t.make(many=("a", "b"))
    await t.update(key, add={name: ("c", "c")})
    assert await _values(t, key) == {"a", "b", "c"}
    assert not (await t.update(key, {name: ("c", "b", "a")})).changed
    assert (await t.update(key, {name: ("d", "b", "d")})).changed
    assert await _values(t, key) == {"b", "d"}


@rule(FILLED, UPDATE, MANY)
async def a_change_may_set_one_field_and_add_to_another(t: Trial) -> None:
    """Set, add and remove go together in one change."""
    key = await t.make("many")
    name = t.sample("name", t.number())
    outcome = await t.update(key, {t.roles.name: name}, add={t.named("many"): ("new",)})
    key = outcome.record.key if outcome.record is not None else key
    assert await t.value(key, "name") == name
    assert "new" in await _values(t, key)


@rule(FILLED, UPDATE, ROWS)
async def a_row_added_merges_by_its_key(t: Trial) -> None:
    """A row whose key is there alters that row; another key is another row; the same row again changes nothing."""
    h, name = t.harness, t.named("rows")
    key = await t.make(rows=(h.row("a", "work"),))
    assert (await t.update(key, add={name: (h.row("b", "home"),)})).changed
    assert await _rows(t, key) == {("a", "work"), ("b", "home")}
    assert (await t.update(key, add={name: (h.row("a", "other"),)})).changed
    assert await _rows(t, key) == {("a", "other"), ("b", "home")}
    assert not (await t.update(key, add={name: (h.row("a", "other"), h.row("b", "home"))})).changed
    assert await _rows(t, key) == {("a", "other"), ("b", "home")}


@rule(FILLED, UPDATE, ROWS)
async def a_partial_row_added_leaves_the_other_columns(t: Trial) -> None:
    """Columns an added row does not name stay; in a new row they are empty."""
    assert t.roles.rows is not None
    name, column = t.named("rows"), t.roles.rows.key
    key = await t.make(rows=(t.harness.row("a", "work"),))
    assert not (await t.update(key, add={name: ({column: "a"},)})).changed
    assert (await t.update(key, add={name: ({column: "b"},)})).changed
    assert await _rows(t, key) == {("a", "work"), ("b", None)}


@rule(FILLED, UPDATE, ROWS)
async def a_partial_row_removed_takes_every_row_it_fits(t: Trial) -> None:
    """Rows are removed by their key, by another column, or not at all if none fits."""
    assert t.roles.rows is not None
    h, rows, name = t.harness, t.roles.rows, t.named("rows")
    key = await t.make(rows=(h.row("a", "work"), h.row("b", "home"), h.row("c", "home"), h.row("d", "work")))
    assert not (await t.update(key, remove={name: ({rows.key: "z"},)})).changed
    assert not (await t.update(key, remove={name: (h.row("a", "home"),)})).changed
    assert (await t.update(key, remove={name: ({rows.key: "a"},)})).changed
    assert await _rows(t, key) == {("b", "home"), ("c", "home"), ("d", "work")}
    assert (await t.update(key, remove={name: ({rows.other: "home"},)})).changed
    assert await _rows(t, key) == {("d", "work")}


@rule(FILLED, UPDATE, ROWS)
async def rows_set_are_compared_by_their_keys(t: Trial) -> None:
    """Setting rows keeps those named with the columns not named, alters what is said, adds and removes the rest."""
    assert t.roles.rows is not None
    h, rows, name = t.harness, t.roles.rows, t.named("rows")
    key = await t.make(rows=(h.row("a", "work"), h.row("b", "home"), h.row("c", "home")))
    assert (await t.update(key, {name: ({rows.key: "a"}, h.row("b", "other"), h.row("d", "work"))})).changed
    assert await _rows(t, key) == {("a", "work"), ("b", "other"), ("d", "work")}
    same = (h.row("d", "work"), {rows.key: "a"}, h.row("b", "other"))
    assert not (await t.update(key, {name: same})).changed, "another order is no change"
    assert (await t.update(key, {name: ()})).changed
    assert await _rows(t, key) == set()


async def _values(t: Trial, key: str) -> set[Any]:
    found = await t.value(key, "many")
    assert len(found) == len(set(found)), "a value is there twice"
    return set(found)


async def _rows(t: Trial, key: str) -> set[tuple[Any, Any]]:
    assert t.roles.rows is not None
    found = [(row[t.roles.rows.key], row[t.roles.rows.other]) for row in await t.value(key, "rows")]
    assert len(found) == len(set(found)), "a row is there twice"
    return set(found)
