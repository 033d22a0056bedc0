"""Entities as compiled from settings and schema: what each field is, and where its values lie."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from backends.contract import Field, Write
from backends.sql.faults import NOWHERE, Places
from backends.sql.keys import Key
from backends.sql.layouts import Layout
from backends.sql.names import Folded
from backends.sql.natives import Native
from backends.sql.settings import GenerateSettings, StatementSettings


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
    stored_in_column: bool = False  # `table` is the members' own, and `owner` its column
    places: Places = NOWHERE
    owner_places: Places = NOWHERE  # what is said of the owner's columns

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


@dataclass(frozen=True, slots=True)
class PackedField:
    """A field that lies with others, or many times, in one column: `layout` tells how."""

    name: str
    column: ColumnField
    layout: Layout

    def split(self, packed: Any) -> Any:
        """Take the field out of the driver's value."""
        return self.layout.read(packed)

    def describe(self) -> Field:
        column, layout = self.column, self.layout
        return Field(type=layout.python, many=layout.many, refers=column.refers, write=column.write)


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Rows of another table that belong to a record one to one, or one to each attribute."""

    table: sa.Table
    owner: tuple[sa.Column[Any], ...]
    fixed: tuple[Fixed, ...] = ()
    defaults: tuple[Default, ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class SideField:
    """A field whose value lies in a row beside the entity's; `sparse` where the row is there only with the value."""

    name: str
    side: Side
    column: sa.Column[Any]
    native: Native
    write: Write = Write.ALWAYS
    sparse: bool = False
    places: Places = NOWHERE

    @property
    def table(self) -> sa.Table:
        return self.side.table

    @property
    def owner(self) -> tuple[sa.Column[Any], ...]:
        return self.side.owner

    @property
    def fixed(self) -> tuple[Fixed, ...]:
        return self.side.fixed

    def describe(self) -> Field:
        length = getattr(self.column.type, "length", None) if self.native.text else None
        return Field(type=self.native.python, write=self.write, max_length=length)


@dataclass(frozen=True, slots=True)
class Version:
    """What tells that a record changed: a column (`stepped` by the gateway), or all those compared."""

    column: sa.Column[Any] | None
    stepped: bool
    compared: tuple[sa.Column[Any], ...]

    @property
    def columns(self) -> tuple[sa.Column[Any], ...]:
        return self.compared if self.column is None else (self.column,)

    def of(self, values: Sequence[Any]) -> str:
        """Tell the version of a record from the driver's values of `columns`."""
        if self.column is not None:
            return values[0].isoformat() if isinstance(values[0], datetime) else str(values[0])
        return hashlib.sha256(repr(tuple(values)).encode("utf-8", "backslashreplace")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Computed:
    """A column written from others: SQL with columns in it."""

    column: sa.Column[Any]
    parts: tuple[Any, ...]

    @property
    def sources(self) -> frozenset[str]:
        return frozenset(part.name for part in self.parts if not isinstance(part, str))


@dataclass(frozen=True, slots=True)
class Dependent:
    """Rows that go before a record does, or are cut loose from it."""

    table: sa.Table
    owner: tuple[sa.Column[Any], ...]
    clear: bool


AnyField = ColumnField | LookupField | RowsField | ListField | PackedField | SideField


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity, ready to be asked. `fixed` is what makes rows visible."""

    name: str
    table: sa.FromClause
    key: Key
    fields: Folded[AnyField]
    target: sa.Table | None = None  # what is written; None where nothing is
    fixed: tuple[Fixed, ...] = ()
    defaults: tuple[Default, ...] = ()
    links: tuple[ListField, ...] = ()  # lists of other entities in which this one's records may stand
    places: Places = NOWHERE
    natives: Mapping[str, Native] = field(default_factory=dict)  # by column name
    certain: bool = True  # a unique key says that no two rows have one key
    sides: tuple[Side, ...] = ()  # rows written with every new record
    dependents: tuple[Dependent, ...] = ()
    version: Version | None = None
    computed: tuple[Computed, ...] = ()
    generate: GenerateSettings | None = None
    statements: StatementSettings = field(default_factory=StatementSettings)
    initial: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    described: Mapping[str, Field] = field(init=False)

    def __post_init__(self) -> None:
        described = Folded({name: found.describe() for name, found in self.fields.items()})
        object.__setattr__(self, "described", described)
