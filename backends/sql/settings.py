"""Settings of the SQL backend: which database, and what of its tables is an entity.

Names of tables, columns, sequences and procedures come from here and from nowhere else. They are matched against the
live schema at start, ignoring case; one that is not there raises `SettingsError` with the nearest right name.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

Constant = bool | int | Decimal | datetime | date | str | None
"""A value written in the configuration."""


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_several), Field(min_length=1)]
"""One name, or a list of them where a key has several columns."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EntrySettings(_Settings):
    """One entry of a map written into a text; all others in it stay as they are.

    Content that is not understood is shown as empty, and never overwritten.
    """

    format: Literal["json", "php", "pairs"] = Field(
        description="How the map is written: a JSON object, by PHP's `serialize`, or as pairs: `phone=12;room=4b`."
    )
    path: Names = Field(description="The name of the entry; a list of names leads into maps within.")
    type: Literal["text", "integer", "boolean"] = Field(default="text", description="What its value is.")
    many: bool = Field(default=False, description="Whether it is a list of such values.")
    between: str = Field(default=";", min_length=1, description="What separates pairs.")
    equals: str = Field(default="=", min_length=1, description="What stands between name and value of a pair.")

    @model_validator(mode="after")
    def _plain(self) -> EntrySettings:
        if self.format == "pairs" and (self.many or self.type != "text" or len(self.path) > 1):
            raise ValueError("pairs hold single texts, and no maps within")
        return self


class FieldSettings(_Settings):
    """A field that is more than the column of its name."""

    column: str | None = Field(default=None, description="The column, if its name differs from the field's.")
    refers: str | None = Field(default=None, description="The entity whose keys the column holds.")
    write: Literal["always", "create", "never"] | None = Field(
        default=None, description="When the field may be written; read from the schema if not given."
    )
    case: Literal["upper", "lower", "insensitive"] | None = Field(
        default=None,
        description="What is known of the column's letters: all `upper` or `lower`, or compared `insensitive` by its "
        "collation. Comparisons that ignore case then use the column's own index.",
    )
    folded: str | None = Field(
        default=None, description="Another column that holds the same text in the letters `case` names (lower if not)."
    )
    secret: bool = Field(default=False, description="Masked where statements are shown.")
    inverse: str | None = Field(
        default=None,
        description="`entity.field` of a list that refers to this entity, seen from the other side; it is written only "
        "with `write: always`.",
    )
    initial: tuple[str, ...] = Field(
        default=(), description="What a new record has in an inverse field: the keys of its first groups."
    )
    packed: str | None = Field(
        default=None, description="What separates the values packed into the column; the field then has many."
    )
    entry: EntrySettings | None = Field(
        default=None, description="The field is one entry of a map that the application writes into the column."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> FieldSettings:
        if self.inverse is not None and self.model_fields_set - {"inverse", "write", "initial"}:
            raise ValueError("an inverse field takes no other setting but write and initial")
        if self.initial and self.inverse is None:
            raise ValueError("only an inverse field has something to begin with")
        if self.packed == "":
            raise ValueError("what separates packed values cannot be nothing")
        if self.entry is not None and self.model_fields_set - {"column", "write", "entry"}:
            raise ValueError("an entry takes no other setting but column and write")
        return self


class RowsSettings(_Settings):
    """A child table: a field whose values are rows."""

    table: str = Field(description="The child table.")
    owner: Names = Field(description="Its columns that hold the key of the entity.")
    key: Names = Field(description="The columns that tell rows of one owner apart.")
    columns: tuple[str, ...] | None = Field(default=None, description="The columns shown; all others if not given.")
    where: dict[str, Constant | tuple[Constant, ...]] = Field(
        default_factory=dict, description="Only rows with these values belong to the field; new rows get them."
    )
    defaults: dict[str, Constant] = Field(default_factory=dict, description="Values of new rows nobody else gives.")


class ListSettings(_Settings):
    """A table of values or memberships: a field that is a list, one row for each value."""

    table: str = Field(description="The table that holds one row for each value.")
    stored: Literal["rows", "column"] = Field(
        default="rows",
        description="Whether a row is the membership, or has one: `column` where `table` is the members' own table and "
        "`owner` its column that says which group each belongs to.",
    )
    owner: Names = Field(description="Its columns that hold the key of the entity.")
    member: Names = Field(description="Its columns that hold the value, or the key of the entity referred to.")
    refers: str | None = Field(
        default=None, description="The entity the members are; read from the foreign key if there is just one."
    )
    where: dict[str, Constant | tuple[Constant, ...]] = Field(
        default_factory=dict, description="Only rows with these values belong to the field; new rows get them."
    )
    defaults: dict[str, Constant] = Field(default_factory=dict, description="Values of new rows nobody else gives.")


class SideSettings(_Settings):
    """Fields that lie beside the entity's table: in a table with one row for each record, or one for each value.

    The first is a satellite; the second (with `name` and `value`) is an entity-attribute-value table, pivoted.
    """

    table: str = Field(description="The table beside.")
    owner: Names = Field(description="Its columns that hold the key of the entity.")
    name: str | None = Field(default=None, description="Its column that says which attribute a row is about.")
    value: str | None = Field(default=None, description="Its column with the attribute's value.")
    fields: dict[str, str] = Field(
        default_factory=dict, description="Field name to column, or with `name` to the attribute's name in the table."
    )
    required: bool = Field(
        default=False, description="Whether a row is written with every new record, even if no field of it is given."
    )
    where: dict[str, Constant | tuple[Constant, ...]] = Field(
        default_factory=dict, description="Only rows with these values count; new rows get them."
    )
    defaults: dict[str, Constant] = Field(default_factory=dict, description="Values of new rows nobody else gives.")

    @model_validator(mode="after")
    def _whole(self) -> SideSettings:
        if (self.name is None) != (self.value is None):
            raise ValueError("name and value belong together")
        if not self.fields and not self.required:
            raise ValueError("needs fields, or required: true")
        if self.required and self.name is not None:
            raise ValueError("a row for each value cannot be required")
        return self


class DependentSettings(_Settings):
    """Rows that stand in the way of a delete, and are no field."""

    table: str = Field(description="The table.")
    owner: Names = Field(description="Its columns that hold the key of the entity.")
    action: Literal["delete", "clear"] = Field(
        default="delete", description="Delete the rows, or set their owner columns to NULL."
    )


class VersionSettings(_Settings):
    """How it is told that a record was changed since it was read."""

    column: str | None = Field(
        default=None, description="A column that changes with the record; without it all columns are compared."
    )
    written_by: Literal["gateway", "database"] = Field(
        default="gateway", description="Who moves the column on: a number is increased by one, a time set to now."
    )


class GenerateSettings(_Settings):
    """Where the key of a new record comes from, if the database does not number rows by itself."""

    sequence: str | None = Field(default=None, description="A sequence.")
    sql: str | None = Field(default=None, description="A statement that gives the key in its first row.")

    @model_validator(mode="after")
    def _one(self) -> GenerateSettings:
        if (self.sequence is None) == (self.sql is None):
            raise ValueError("needs one of sequence and sql")
        return self


class ProcedureSettings(_Settings):
    """A statement of one's own: a call of a stored procedure, or any SQL, with values bound by `:name`."""

    sql: str = Field(
        description="The statement; `:name` is the field of that name, `:key` the record's key: of "
        "several columns its spelling, `a|b`, and each column under its own name."
    )
    gives: Literal["nothing", "key", "code"] = Field(
        default="nothing", description="What its first row is: the new key, or in its first column a return code."
    )
    codes: dict[str, Literal["done", "conflict", "rejected", "denied", "not_found", "busy"]] = Field(
        default_factory=dict, description="What a return code means; one that is not named is a failure."
    )

    @model_validator(mode="after")
    def _codes(self) -> ProcedureSettings:
        if (self.gives == "code") != bool(self.codes):
            raise ValueError("codes belong to `gives: code`")
        return self


def _statement(value: Any) -> Any:
    return {"sql": value} if isinstance(value, str) else value


Procedure = Annotated[ProcedureSettings, BeforeValidator(_statement)]


class StatementSettings(_Settings):
    """Statements that take the place of those this backend would make."""

    create: Procedure | None = Field(default=None, description="Creates a record; gets every field that is given.")
    update: Procedure | None = Field(
        default=None, description="Changes a record; gets every single-valued field as it will be."
    )
    delete: Procedure | None = Field(default=None, description="Deletes a record.")
    set: dict[str, Procedure] = Field(
        default_factory=dict, description="Sets one field, `:value`; runs only if the value is another."
    )
    add: dict[str, Procedure] = Field(default_factory=dict, description="Adds one `:value` to a list.")
    remove: dict[str, Procedure] = Field(default_factory=dict, description="Removes one `:value` from a list.")


class LookupSettings(_Settings):
    """A field that shows the name where the entity's column holds a code."""

    column: str = Field(description="The entity's column that holds the code.")
    table: str = Field(description="The table that translates.")
    key: str = Field(description="Its column with the code.")
    value: str = Field(description="Its column with the name.")


class EntitySettings(_Settings):
    """One entity: a table or view, seen as a set of records."""

    table: str | None = Field(
        default=None, description="The table or view, with its schema where needed: `hr.employee`."
    )
    distinct: bool = Field(
        default=False, description="Whether the records are the different values of the key in the table, read only."
    )
    values: tuple[str, ...] = Field(
        default=(), description="Instead of a table: the keys of records that are nowhere else, read only."
    )
    written: str | None = Field(default=None, description="The table written, where `table` is a view.")
    key: Names = Field(description="The column that tells records apart, or a list of columns.")
    where: dict[str, Constant | tuple[Constant, ...]] = Field(
        default_factory=dict,
        description="Only rows with these values exist for the gateway; new rows get them (of a list, the first).",
    )
    defaults: dict[str, Constant] = Field(
        default_factory=dict, description="Values of new rows for columns nobody else gives a value."
    )
    fields: dict[str, FieldSettings] = Field(
        default_factory=dict, description="Fields that are more than the column of their name."
    )
    generate: GenerateSettings | None = Field(default=None, description="Where new keys come from.")
    version: VersionSettings | None = Field(default=None, description="How changes by others are noticed.")
    computed: dict[str, str] = Field(
        default_factory=dict,
        description="Columns written from others: an SQL expression in which `{column}` is the value of that column.",
    )
    rows: dict[str, RowsSettings] = Field(default_factory=dict, description="Child tables, by field name.")
    members: ListSettings | None = Field(default=None, description="The membership table; its field is `members`.")
    lists: dict[str, ListSettings] = Field(default_factory=dict, description="Further lists, by field name.")
    lookups: dict[str, LookupSettings] = Field(default_factory=dict, description="Looked-up names, by field name.")
    beside: tuple[SideSettings, ...] = Field(
        default=(), description="Satellite tables and entity-attribute-value tables with further fields."
    )
    dependents: tuple[DependentSettings, ...] = Field(
        default=(), description="What must go before a record can, in this order."
    )
    statements: StatementSettings = Field(
        default_factory=StatementSettings, description="Statements and stored procedures of your own."
    )

    @field_validator("fields", mode="before")
    @classmethod
    def _short_fields(cls, value: Any) -> Any:
        """Read `name: COLUMN` as `name: {column: COLUMN}`."""
        if isinstance(value, dict):
            return {name: {"column": item} if isinstance(item, str) else item for name, item in value.items()}
        return value

    @model_validator(mode="after")
    def _distinct_names(self) -> EntitySettings:
        names = [*self.fields, *self.rows, *self.lists, *self.lookups, *(["members"] if self.members else [])]
        names += [name for side in self.beside for name in side.fields]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"named more than once: {', '.join(sorted(twice))}")
        if dotted := [name for name in names if "." in name or name.startswith("@")]:
            raise ValueError(f"not a field name: {dotted[0]}")
        if (self.table is None) != bool(self.values):
            raise ValueError("needs one of table and values")
        if self.distinct and (self.written or len(self.key) > 1):
            raise ValueError("distinct values are those of one column, and only read")
        return self

    @property
    def fixed(self) -> bool:
        """Whether records can be neither created, renamed nor deleted."""
        return self.distinct or bool(self.values)

    def every_list(self) -> dict[str, ListSettings]:
        """Give all lists by field name, `members` among them."""
        return self.lists if self.members is None else {**self.lists, "members": self.members}


class PoolSettings(_Settings):
    """How many connections are held."""

    size: int = Field(default=10, ge=1, description="Connections kept open.")
    overflow: int = Field(default=10, ge=0, description="Further connections opened under load, and closed after it.")
    wait_seconds: float = Field(default=5.0, gt=0, description="How long a call waits for a free connection.")
    recycle_seconds: int = Field(default=1800, ge=1, description="Age at which a connection is replaced (firewalls).")


class TlsSettings(_Settings):
    """How the connection is encrypted."""

    ca: Path | None = Field(default=None, description="Certificates of a private CA; the system's if not given.")
    certificate: Path | None = Field(default=None, description="The client's certificate (PEM).")
    key: Path | None = Field(default=None, description="The client's private key (PEM).")
    check_host: bool = Field(default=True, description="Whether the server's name must be the one in the URL.")


class SqlSettings(_Settings):
    """A database and its entities."""

    url: SecretStr = Field(
        description="`postgresql://user:password@host/database`, `mysql://…`, `sqlite:////path/to/file`; "
        "the driver is chosen by the kind of database."
    )
    password_file: Path | None = Field(
        default=None,
        description="A file with the password, read for every new connection: it can change while the gateway runs.",
    )
    tls: TlsSettings | None = Field(default=None, description="Encrypt the connection, and check who answers.")
    application_name: str | None = Field(
        default=None,
        description="How the connections name themselves to the database; the backend's name if not given.",
    )
    statement_seconds: float = Field(
        default=30.0, gt=0, description="How long the database works on one statement before it gives up."
    )
    transaction_pooler: bool = Field(
        default=False,
        description="Whether a pooler in transaction mode (PgBouncer) stands before PostgreSQL: then no statements are "
        "prepared and no session settings made.",
    )
    timezone: str = Field(default="UTC", description="The zone of timestamps that are stored without one.")
    replica: SecretStr | None = Field(
        default=None,
        description="The URL of a copy that answers searches; records by key are always read where they are written.",
    )
    replica_lag_seconds: float = Field(
        default=5.0, ge=0, description="How far the copy may be behind: so long after a write searches avoid it."
    )
    pool: PoolSettings = Field(default_factory=PoolSettings, description="The connection pool.")
    entities: dict[str, EntitySettings] = Field(min_length=1, description="The entities, by name.")
