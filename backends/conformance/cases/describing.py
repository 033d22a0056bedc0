"""What a backend tells of itself, held against what it does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from backends.conformance.rules import DESCRIBED, FILLED, rule
from backends.conformance.trial import ROLES, Trial
from backends.contract import KEY, Field, Match, Op, Row, Scalar


@rule(DESCRIBED)
async def the_description_names_every_field_in_use(t: Trial) -> None:
    """Fields with a role, and fields that capabilities speak of, are described."""
    described = await _described(t)
    assert t.fields <= described.keys(), "a field in use is not described"
    known = {KEY, *described}
    known |= {f"{name}.{column}" for name, item in described.items() for column in item.row or ()}
    assert t.capabilities.filters.keys() <= known, "a filter is declared on what is not described"
    assert t.capabilities.sort <= described.keys()
    assert t.capabilities.deltas <= described.keys()
    assert all(described[name].many for name in t.capabilities.deltas), "a delta needs many values"


@rule(DESCRIBED)
async def the_description_tells_roles_apart(t: Trial) -> None:
    """Whether a field is many, made of rows, unique or a reference is described as it is."""
    described = await _described(t)
    for role in ("name", "text", "number", "flag", "day", "moment"):
        if (name := t.roles.field(role)) is not None:
            assert not described[name].many, f"{name} has one value"
            assert described[name].row is None
    assert described[t.roles.name].unique == t.roles.unique
    if t.roles.many is not None:
        assert described[t.roles.many].many
    if t.roles.rows is not None:
        rows = described[t.roles.rows.field]
        assert rows.many, "rows are many"
        assert {t.roles.rows.key, t.roles.rows.other} <= (rows.row or {}).keys()
        assert t.roles.rows.key in rows.row_key
    if t.harness.group is not None:
        members = (await _described(t, t.group.entity))[t.group.members]
        assert members.many, "members are many"
        assert members.refers == t.entity


@rule(DESCRIBED, FILLED)
async def values_are_of_the_described_types(t: Trial) -> None:
    """What get returns has the type that describe names; times have a zone."""
    described = await _described(t)
    roles = [role for role in ROLES if role != "name" and t.roles.field(role) is not None]
    fields = (await t.backend.get(t.entity, await t.make(*roles), frozenset(described))).fields
    assert fields.keys() == described.keys()
    for name, value in fields.items():
        field = described[name]
        assert isinstance(value, tuple) == field.many, f"{name}: many or one"
        for item in value if isinstance(value, tuple) else (value,):
            _check(name, field, item)


@rule()
async def capabilities_are_written_as_they_are_asked(t: Trial) -> None:
    """Filters are keyed by operator and case, matches are exact or loose, and writes are known words."""
    assert t.capabilities.writes <= {"create", "update", "delete"}
    assert t.capabilities.logic <= {"and", "or", "not", "any_row"}
    for operators in t.capabilities.filters.values():
        for (op, ignore_case), match in operators.items():
            assert isinstance(op, Op)
            assert isinstance(ignore_case, bool)
            assert isinstance(match, Match)


async def _described(t: Trial, entity: str | None = None) -> Mapping[str, Field]:
    found = await t.backend.describe(entity or t.entity)
    assert found is not None, "the backend describes nothing"
    return found


def _check(name: str, field: Field, value: Scalar | Row | None) -> None:
    if field.row is not None:
        assert isinstance(value, Mapping), f"{name} is made of rows"
        assert value.keys() == field.row.keys(), f"{name}: columns"
        for column, item in value.items():
            _check(f"{name}.{column}", field.row[column], item)
    elif value is not None:
        kind: Any = field.type
        exact = type(value) is kind if kind in (int, bool) else isinstance(value, kind)
        assert exact, f"{name} is {type(value).__name__}, described as {kind.__name__}"
        assert not isinstance(value, datetime) or value.tzinfo is not None, f"{name}: a time needs its zone"
