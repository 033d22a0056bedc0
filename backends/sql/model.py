"""Entities as compiled from settings and schema: what each field is, and where its values lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from backends.contract import Field, Write
from backends.sql.faults import NOWHERE, Places
from backends.sql.keys import Key
from backends.sql.names import Folded
from backends.sql.natives import Native


@dataclass(frozen=True, slots=True)
class Fixed:
    """A column that has one of these driver values in every row that counts; new rows get the first."""

    column: sa.Column[Any]
    native: Native
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Default:
    """A driver value that a new row gets where nobody gives one."""

    column: sa.Column[Any]
    value: Any


@dataclass(frozen=True, slots=True)
class ColumnField:
    """A field that is a column. `refers`: the entity whose keys it holds; its values are then keys."""

    name: str
    column: sa.Column[Any]
    native: Native
    refers: str | None = None
    write: Write = Write.ALWAYS
    unique: bool = False
    required: bool = False
    secret: bool = False
    case: str | None = None
    folded: sa.Column[Any] | None = None

    def describe(self) -> Field:
        length = getattr(self.column.type, "length", None)
        return Field(
            type=self.native.python,
            refers=self.refers,
            write=self.write,
            unique=self.unique,
            required=self.required,
            max_length=length if self.native.text and self.refers is None else None,
        )


@dataclass(frozen=True, slots=True)
class LookupField:
    """A field that shows the name another table gives to the code in `code`."""

    name: str
    code: ColumnField
    table: sa.Table
    key: sa.Column[Any]
    value: sa.Column[Any]
    native: Native
    certain: bool  # a unique key says that a code has one name

    def describe(self) -> Field:
        length = getattr(self.value.type, "length", None)
        return Field(type=self.native.python, write=self.code.write, required=self.code.required, max_length=length)


@dataclass(frozen=True, slots=True)
class RowsField:
    """A field whose values are the rows of a child table. `key` names the columns that tell them apart."""

    name: str
    table: sa.Table
    owner: tuple[sa.Column[Any], ...]
    key: tuple[str, ...]
    columns: Folded[ColumnField]
    fixed: tuple[Fixed, ...] = ()
    defaults: tuple[Default, ...] = ()
    write: Write = Write.ALWAYS
    places: Places = NOWHERE

    def describe(self) -> Field:
        row = {name: column.describe() for name, column in self.columns.items()}
        return Field(type=dict, many=True, row=row, row_key=self.key, write=self.write)


@dataclass(frozen=True, slots=True)
class ListField:
    """A field whose values are rows of a link table: members, memberships, or plain values.

    `member` holds the value: with `refers` the key of that entity, else one column's value.
    """

    name: str
    table: sa.Table
    owner: tuple[sa.Column[Any], ...]
    member: Key
    refers: str | None
    fixed: tuple[Fixed, ...] = ()
    defaults: tuple[Default, ...] = ()
    write: Write = Write.ALWAYS
    unique: bool = False  # a unique key keeps a value from being there twice
    places: Places = NOWHERE

    def load(self, values: tuple[Any, ...]) -> Any:
        """Turn the driver's values of the member columns into the field's value."""
        return self.member.encode(values) if self.refers is not None else self.member.natives[0].loaded(values[0])

    def dump(self, value: Any) -> tuple[Any, ...]:
        """Turn a value into the driver's; raise ValueError if no row can hold it."""
        if self.refers is None:
            return (self.member.natives[0].dumped(value),)
        decoded = self.member.decode(value)
        if decoded is None:
            raise ValueError("not a key")
        return decoded

    def describe(self) -> Field:
        python = str if self.refers is not None else self.member.natives[0].python
        return Field(type=python, many=True, refers=self.refers, write=self.write)


AnyField = ColumnField | LookupField | RowsField | ListField


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity, ready to be asked. `fixed` is what makes rows visible."""

    name: str
    table: sa.Table
    key: Key
    fields: Folded[AnyField]
    fixed: tuple[Fixed, ...] = ()
    defaults: tuple[Default, ...] = ()
    links: tuple[ListField, ...] = ()  # lists of other entities in which this one's records may stand
    places: Places = NOWHERE
    natives: Mapping[str, Native] = field(default_factory=dict)  # by column name
    certain: bool = True  # a unique key says that no two rows have one key
    described: Mapping[str, Field] = field(init=False)

    def __post_init__(self) -> None:
        described = Folded({name: found.describe() for name, found in self.fields.items()})
        object.__setattr__(self, "described", described)
