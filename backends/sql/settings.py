"""Settings of the SQL backend: which database, and what of its tables is an entity.

Names of tables, columns, sequences and procedures come from here and from nowhere else. They are matched against the
live schema at start, ignoring case; one that is not there raises `SettingsError` with the nearest right name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

Constant = bool | int | Decimal | datetime | date | str | None
"""A value written in the configuration."""


class SettingsError(ValueError):
    """A setting does not fit the live schema: `path` is the way to it (``entities.employees.key``)."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def unknown(path: str, what: str, name: str, known: Iterable[str]) -> SettingsError:
    """Say that there is no `name`, and which name was probably meant."""
    names = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(name.casefold(), names, n=1, cutoff=0.6)
    hint = f"; did you mean {names[close[0]]!r}?" if close else ""
    return SettingsError(path, f"there is no {what} {name!r}{hint}")


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_several), Field(min_length=1)]
"""One name, or a list of them where a key has several columns."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldSettings(_Settings):
    """A field that is more than the column of its name."""

    column: str | None = Field(default=None, description="The column, if its name differs from the field's.")
    refers: str | None = Field(default=None, description="The entity whose keys the column holds.")
    unique: bool | None = Field(
        default=None, description="Unique by agreement, where no index says so; read from the schema if not given."
    )
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

    @model_validator(mode="after")
    def _one_kind(self) -> FieldSettings:
        if self.inverse is not None and self.model_fields_set - {"inverse", "write"}:
            raise ValueError("an inverse field takes no other setting but write")
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
    owner: Names = Field(description="Its columns that hold the key of the entity.")
    member: Names = Field(description="Its columns that hold the value, or the key of the entity referred to.")
    refers: str | None = Field(
        default=None, description="The entity the members are; read from the foreign key if there is just one."
    )
    where: dict[str, Constant | tuple[Constant, ...]] = Field(
        default_factory=dict, description="Only rows with these values belong to the field; new rows get them."
    )
    defaults: dict[str, Constant] = Field(default_factory=dict, description="Values of new rows nobody else gives.")


class LookupSettings(_Settings):
    """A field that shows the name where the entity's column holds a code."""

    column: str = Field(description="The entity's column that holds the code.")
    table: str = Field(description="The table that translates.")
    key: str = Field(description="Its column with the code.")
    value: str = Field(description="Its column with the name.")


class EntitySettings(_Settings):
    """One entity: a table or view, seen as a set of records."""

    table: str = Field(description="The table or view, with its schema where needed: `hr.employee`.")
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
    rows: dict[str, RowsSettings] = Field(default_factory=dict, description="Child tables, by field name.")
    members: ListSettings | None = Field(default=None, description="The membership table; its field is `members`.")
    lists: dict[str, ListSettings] = Field(default_factory=dict, description="Further lists, by field name.")
    lookups: dict[str, LookupSettings] = Field(default_factory=dict, description="Looked-up names, by field name.")

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
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"named more than once: {', '.join(sorted(twice))}")
        if dotted := [name for name in names if "." in name or name.startswith("@")]:
            raise ValueError(f"not a field name: {dotted[0]}")
        return self

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
    pool: PoolSettings = Field(default_factory=PoolSettings, description="The connection pool.")
    entities: dict[str, EntitySettings] = Field(min_length=1, description="The entities, by name.")
