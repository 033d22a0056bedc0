"""What an operation would send, found by going through it without a database: promise 9.

A `Rehearsal` stands in for a session: it writes down each statement in the dialect's own words and answers as if one
row had been found or changed. What depends on what is really there (which of two statements follows) is shown for that
case.
"""

from __future__ import annotations

import re
from collections.abc import Coroutine, Mapping, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from backends.contract import And, AnyRow, Compare, Filter, NativeCall, Not, Or, Scalar
from backends.sql.faults import NOWHERE, Places
from backends.sql.model import ColumnField, Entity

MASK = "•••"
UNKNOWN = "…"
"""What stands for a value that only the database could tell."""
WIDEST = 1000
"""Columns a row has where the statement does not tell."""

_SAMPLES: Mapping[type[Any], Any] = {int: 0, Decimal: Decimal(0), float: 0.0, bytes: b""}


class Rehearsal:
    """A session that sends nothing. `rows` is how many rows a page has; `secrets` are values not to be shown."""

    def __init__(self, dialect: Any, entity: Entity, secrets: Sequence[Any], *, rows: int = 1) -> None:
        self._dialect = dialect
        self._names = [column.name for column in entity.key.columns]
        self._key = tuple(_SAMPLES.get(native.python, UNKNOWN) for native in entity.key.natives)
        self._secrets = secrets
        self._rows = rows
        self.calls: list[NativeCall] = []

    async def execute(
        self,
        statement: Any,
        values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        places: Places = NOWHERE,
    ) -> _Answer:
        """Write a statement down; of many alike the first, with their number."""
        many = values if isinstance(values, Sequence) else [values or {}]
        compiled = statement.compile(dialect=self._dialect)
        state = compiled.construct_expanded_state(dict(many[0]))
        names = state.positiontup or list(state.parameters)
        shown = tuple((name, self._shown(state.parameters[name])) for name in names)
        count = f" -- {len(many)} times" if len(many) > 1 else ""
        self.calls.append(NativeCall(" ".join(state.statement.split()) + count, shown))
        return _Answer(statement, many, self._rows, self._key if self._tells_key(statement) else None)

    def _tells_key(self, statement: Any) -> bool:
        """Tell whether rows of a statement begin with the key; those of one of the settings' own may."""
        if not isinstance(statement, sa.Select):
            return True
        columns = list(statement.selected_columns)[: len(self._names)]
        return [getattr(column, "name", None) for column in columns] == self._names

    def _shown(self, value: Any) -> Scalar | None:
        if any(type(value) is type(secret) and value == secret for secret in self._secrets):
            return MASK
        if isinstance(value, list):
            return ", ".join(str(self._shown(item)) for item in value)
        return value if value is None or isinstance(value, Scalar) else str(value)


class _Answer:
    """What a statement that was not sent might have answered: as if one row were there."""

    def __init__(
        self, statement: Any, many: Sequence[Mapping[str, Any]], rows: int, key: tuple[Any, ...] | None
    ) -> None:
        self._values = many[0]
        self._key = key
        self._width = len(statement.selected_columns) if isinstance(statement, sa.Select) else 0
        self._page = "limit" in self._values
        self._rows = rows if self._page else 0
        members = self._values.get("members")
        self.rowcount = len(members) if isinstance(members, list) else _spelled_out(self._values) or len(many)
        self.inserted_primary_key = key

    def first(self) -> Any:
        return self._row()

    def one(self) -> Any:
        return self._row()

    def all(self) -> list[Any]:
        if "name" in self._values:
            return [(UNKNOWN,)]  # the code of a name
        return [self._row() for _ in range(self._rows)]

    def scalar_one(self) -> Any:
        return 0

    def close(self) -> None:
        """There is nothing to close."""

    def _row(self) -> tuple[Any, ...]:
        if self._key is None:
            return (None,) * max(self._width, WIDEST)
        key = [
            value for name, value in self._values.items() if name.startswith("k") and name[1:].isdigit()
        ] or self._key
        return (*key, *[None] * max(self._width - len(key), WIDEST))


def _spelled_out(values: Mapping[str, Any]) -> int:
    """Count the members of several columns that a statement names one by one."""
    return len({name.partition("_")[0] for name in values if re.fullmatch(r"m\d+_\d+", name)})


def rehearsed(work: Coroutine[Any, Any, Any]) -> None:
    """Go through work that never waits, because its session sends nothing."""
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise AssertionError("a rehearsal waited for something")


def secrets_in(entity: Entity, *arguments: Any) -> list[Any]:
    """Find the values of secret fields in the arguments of an operation."""
    secret = {name for name, found in entity.fields.items() if isinstance(found, ColumnField) and found.secret}
    found: list[Any] = []
    for argument in arguments:
        if isinstance(argument, Mapping):
            found += [value for name, value in argument.items() if name in secret]
        elif argument is not None:
            found += _in_filter(argument, secret)
    return found


def _in_filter(where: Filter, secret: set[str]) -> list[Any]:
    match where:
        case Compare(field, value=value) if field in secret:
            return list(value) if isinstance(value, tuple) else [value]
        case And(terms) | Or(terms):
            return [value for term in terms for value in _in_filter(term, secret)]
        case Not(term) | AnyRow(where=term):
            return _in_filter(term, secret)
    return []
