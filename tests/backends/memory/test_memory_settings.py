"""Settings of the memory backend: what is wrong is said before anything runs."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from backends.contract import Context, Match, Op, Write
from backends.memory import MemoryBackend, MemorySettings


def made(**people: Any) -> MemoryBackend:
    entities = {"people": {"fields": {"login": "str"}, **people}}
    return MemoryBackend(MemorySettings.model_validate({"entities": entities}), Context("memory"))


async def test_short_forms_say_the_same() -> None:
    """A type alone is a field, and rows are many without saying so."""
    fields: dict[str, Any] = {"login": "str", "grade": {"type": "int"}, "mails": {"row": {"address": "str"}}}
    described = await made(fields=fields).describe("people")
    assert (described["login"].type, described["grade"].type) == (str, int)
    assert described["mails"].many
    assert described["mails"].row is not None
    assert described["mails"].row["address"].type is str


async def test_an_inverse_field_is_described_as_read_only() -> None:
    """What shows the other side of a reference refers to it and is never written."""
    settings = MemorySettings.model_validate(
        {
            "entities": {
                "people": {"fields": {"login": "str", "teams": {"inverse": "teams.members"}}},
                "teams": {"fields": {"members": {"many": True, "refers": "people"}}},
            }
        }
    )
    teams = (await MemoryBackend(settings, Context("memory")).describe("people"))["teams"]
    assert (teams.many, teams.refers, teams.write) == (True, "teams", Write.NEVER)


@pytest.mark.parametrize(
    ("people", "said"),
    [
        ({"colour": "red"}, "colour"),
        ({"fields": {}}, "fields"),
        ({"fields": {"login": "text"}}, "login"),
        ({"fields": {"a.b": "str"}}, "no name for a field"),
        ({"fields": {"@key": "str"}}, "no name for a field"),
        ({"fields": {"a": {"row": {"x": "str"}, "row_key": ["y"]}}}, "no column y"),
        ({"fields": {"a": {"row_key": ["y"]}}}, "no rows"),
        ({"fields": {"a": {"row": {"x": "str"}, "many": False}}}, "cannot be false"),
        ({"fields": {"a": {"many": True, "unique": True}}}, "unique"),
        ({"fields": {"a": {"refers": "teams"}}}, "there is no entity teams"),
        ({"fields": {"a": {"refers": "people", "type": "int"}}}, "keys are of type str"),
        ({"fields": {"a": {"inverse": "people.b"}, "b": "str"}}, "does not refer"),
        ({"fields": {"a": {"inverse": "people.b", "required": True}}}, "no other setting"),
        ({"key": "login"}, "neither uuid, sequence"),
        ({"key": "nobody"}, "neither uuid, sequence"),
        ({"loose": ["nobody"]}, "there is no field nobody"),
        ({"filters": {"login.x": ["eq"]}}, "there is no field login.x"),
        ({"filters": {"login": ["like"]}}, "filters"),
        ({"without": ["everything"]}, "without"),
        ({"records": [{"nobody": 1}]}, "nobody cannot be given"),
        ({"fields": {"day": "date"}, "records": [{"day": "yesterday"}]}, "date"),
        ({"fields": {"at": "datetime"}, "records": [{"at": "2020-01-01T00:00:00"}]}, "timezone"),
    ],
)
def test_what_is_wrong_is_named(people: dict[str, Any], said: str) -> None:
    """Unknown keys and settings that contradict each other are refused, naming what is meant."""
    with pytest.raises(ValidationError, match=said):
        made(**people)


@pytest.mark.parametrize(
    ("people", "said"),
    [
        (
            {"records": [{"login": "a"}, {"login": "a"}], "fields": {"login": {"unique": True}}},
            r"records\.1: the value is taken",
        ),
        ({"records": [{"@key": "1"}, {"@key": "1"}]}, r"records\.1: the key is taken"),
        (
            {"records": [{"boss": "9"}], "fields": {"boss": {"refers": "people"}}},
            r"records\.0: there is no such record",
        ),
    ],
)
def test_records_that_cannot_be_are_named(people: dict[str, Any], said: str) -> None:
    """Seed records that take each other's values or refer to nobody fail when the backend is made."""
    with pytest.raises(ValueError, match=said):
        made(**people)


async def test_records_are_there_from_the_start() -> None:
    """Seeds keep their keys and types, and may refer to records that come later."""
    backend = made(
        key="sequence",
        fields={"login": "str", "day": "date", "boss": {"refers": "people"}, "mails": {"row": {"a": "str"}}},
        records=[
            {"@key": 7, "login": "ann", "day": "2020-02-29", "boss": "8", "mails": [{"a": "x"}]},
            {"@key": "8", "login": "bob"},
            {"login": "cem"},
        ],
    )
    record = await backend.get("people", "7", frozenset({"login", "day", "boss", "mails"}))
    assert str(record.fields["day"]) == "2020-02-29"
    assert (record.fields["boss"], record.fields["mails"]) == ("8", ({"a": "x"},))
    assert (await backend.get("people", "1", frozenset({"login"}))).fields == {"login": "cem"}


def test_powers_can_be_taken_away() -> None:
    """`without`, `filters`, `loose` and `serialize` make a backend as poor as a test needs."""
    rich, poor = made().capabilities("people"), made(
        without=["filters", "sort", "offset", "total", "deltas", "versions", "atomic", "delete"], serialize=True
    ).capabilities("people")  # fmt: skip
    assert rich.filters["login"][Op.CO, True] is Match.EXACT
    assert rich.logic == {"and", "or", "not", "any_row"}
    assert (rich.offset, rich.total, rich.versions, rich.atomic, rich.serialize) == (True, True, True, True, False)
    assert rich.writes == {"create", "update", "delete"}
    assert (poor.filters, poor.logic, poor.sort, poor.deltas) == ({}, set(), set(), set())
    assert (poor.offset, poor.total, poor.versions, poor.atomic, poor.serialize) == (False, False, False, False, True)
    assert poor.writes == {"create", "update"}
    some = made(filters={"login": ["eq", "sw"], "@key": ["in"]}, loose=["login"]).capabilities("people")
    assert some.filters.keys() == {"login", "@key"}
    assert set(some.filters["login"]) == {(Op.EQ, False), (Op.EQ, True), (Op.SW, False), (Op.SW, True)}
    assert set(some.filters["login"].values()) == {Match.LOOSE}


def test_settings_print_no_records() -> None:
    """Seeds may hold passwords of a test system: they are in no repr."""
    assert "veiled" not in repr(
        MemorySettings.model_validate({"entities": {"p": {"fields": {"a": "str"}, "records": [{"a": "veiled"}]}}})
    )
