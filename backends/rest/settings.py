"""Settings of the REST backend: where the system is, and which calls make its records entities."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from backends.kit.http.settings import HttpSettings, Section
from backends.rest.call_settings import (
    CallSettings,
    Constant,
    CreateSettings,
    ErrorSettings,
    FilterSettings,
    GetSettings,
    LinksSettings,
    ListSettings,
    PathText,
    WriteSettings,
    several,
)

RESERVED = frozenset({"key", "value", "values"})
Type = Literal["str", "int", "decimal", "bool", "date", "datetime", "bytes"]


class ColumnSettings(Section):
    """One member of the objects a field is made of."""

    path: PathText | None = Field(default=None, description="Where the object has it, if not under its name.")
    type: Type = Field(default="str", description="`str`, `int`, `decimal`, `bool`, `date`, `datetime` or `bytes`.")
    form: Literal["native", "text", "number"] = Field(
        default="native", description="Whether it travels as text though it is none, or as number though it is text."
    )
    words: tuple[Constant, Constant] | None = Field(
        default=None, description="Of `bool`: what stands for false and for true, `[N, Y]`."
    )
    format: str | None = Field(
        default=None, description="Of dates: a format of strptime, `epoch` or `epoch_ms`; ISO 8601 if not given."
    )
    letters: Literal["lower", "upper"] | None = Field(
        default=None, description="The system turns it into small letters, or capitals."
    )
    blank: bool = Field(default=False, description="Whether an empty text stands for no value.")


class FieldSettings(ColumnSettings):
    """One field of an entity's records."""

    many: bool = Field(default=False, description="Whether it has many values: `path: teams[*].id`.")
    rows: dict[str, ColumnSettings] | None = Field(
        default=None, description="The members of each object, where it is a list of objects."
    )
    row_key: tuple[str, ...] = Field(default=(), description="The members that tell the objects apart.")
    refers: str | None = Field(default=None, description="The entity whose keys it holds.")
    links: LinksSettings | None = Field(
        default=None, description="Calls of its own that list, add and remove its values: membership as sub-resource."
    )
    through: str | None = Field(
        default=None,
        description="Its values are the keys of another entity's records that have this record's key in a field: "
        "`people.teams`. Writing it writes those.",
    )
    unique: bool = Field(default=False, description="No two records have the same.")
    required: bool = Field(default=False, description="It may not be empty.")
    max_length: int | None = Field(default=None, ge=1, description="The longest text, in characters.")
    write: Literal["always", "create", "never"] | None = Field(
        default=None, description="When it may be written; by the calls there are if not given."
    )
    omit: bool = Field(
        default=False, description="Whether an empty value is left out of whole records, not sent as null."
    )
    secret: bool = Field(default=False, description="Whether its value is masked where calls are explained.")

    @field_validator("rows", mode="before")
    @classmethod
    def _columns(cls, value: Any) -> Any:
        return {name: _short(one) for name, one in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _shape(self) -> FieldSettings:
        if self.links is not None and self.through is not None:
            raise ValueError("a field has links or goes through another, not both")
        if (self.links or self.through) and not self.many:
            raise ValueError("links and through are for fields of many values")
        if self.rows is not None and (self.links or self.through or self.refers):
            raise ValueError("rows have neither links nor references")
        if set(self.row_key) - (self.rows or {}).keys():
            raise ValueError("row_key names no member of the rows")
        if self.through is not None and self.through.count(".") != 1:
            raise ValueError("through is written entity.field")
        return self

    @property
    def apart(self) -> bool:
        """Whether its values are no part of the record."""
        return self.links is not None or self.through is not None


def _short(value: Any) -> Any:
    """Read `name: path` as `name: {path: path}`."""
    return {"path": value} if isinstance(value, str) else {} if value is None else value


class VersionSettings(Section):
    """The record's version, where the system has one."""

    header: str | None = Field(default=None, description="The header of an answer that has it: `etag`.")
    at: PathText | None = Field(default=None, description="Where a record has it.")
    send: str | None = Field(
        default="if-match", description="The header it is sent in with a change; none if the body has `{@version}`."
    )

    @model_validator(mode="after")
    def _place(self) -> VersionSettings:
        if self.header is None and self.at is None:
            raise ValueError("a version comes from header or at")
        return self


Calls = BeforeValidator(several)


class EntitySettings(Section):
    """One entity: a kind of record, and the calls on it. What has no call is not offered."""

    key: PathText = Field(description="Where a record has its key.")
    key_type: Literal["str", "int"] = Field(default="str", description="Whether keys are sent as numbers in bodies.")
    where: dict[PathText, Annotated[tuple[Constant, ...], BeforeValidator(several)]] = Field(
        default_factory=dict,
        description="Only records with these values exist for the gateway; new ones get them (of a list, the first).",
    )
    defaults: dict[PathText, Any] = Field(default_factory=dict, description="Values of new records nobody else gives.")
    fields: dict[str, FieldSettings] = Field(min_length=1, description="The fields, by name; `name: path` for short.")
    version: VersionSettings | None = Field(default=None, description="The record's version.")
    get: GetSettings | None = Field(default=None, description="Reads one record.")
    list: ListSettings | None = Field(default=None, description="Lists records.")
    filters: tuple[FilterSettings, ...] = Field(default=(), description="What the system can be asked for.")
    create: Annotated[tuple[CreateSettings, ...], Calls] = Field(default=(), description="Makes a record.")
    update: Annotated[tuple[WriteSettings, ...], Calls] = Field(default=(), description="Changes a record.")
    delete: Annotated[tuple[WriteSettings, ...], Calls] = Field(default=(), description="Deletes a record.")
    look_first: bool = Field(
        default=False,
        description="Whether to read a record before its delete, where the system deletes what is not there.",
    )
    leave: tuple[str, ...] = Field(
        default=(), description="Fields with links that are emptied before a delete, where the system does not do it."
    )
    errors: tuple[ErrorSettings, ...] = Field(
        default=(), description="Answers with a meaning of their own, looked through before the system's."
    )

    @field_validator("fields", mode="before")
    @classmethod
    def _fields(cls, value: Any) -> Any:
        return {name: _short(one) for name, one in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _names(self) -> EntitySettings:
        if wrong := [name for name in self.fields if "." in name or name.startswith("@") or name in RESERVED]:
            raise ValueError(f"not a field name: {wrong[0]}")
        if self.list is None and self.get is None:
            raise ValueError("an entity needs a get or a list")
        if self.list is not None and self.list.thin and self.get is None:
            raise ValueError("a thin list needs a get")
        return self

    @model_validator(mode="after")
    def _mentioned(self) -> EntitySettings:
        for item in self.filters:
            field, _, column = item.field.partition(".")
            declared = self.fields.get(field)
            if item.field != "@key" and declared is None:
                raise ValueError(f"filters: there is no field {field}")
            if column and (declared is None or column not in (declared.rows or {})):
                raise ValueError(f"filters: there is no column {item.field}")
            if item.call is None and self.list is None:
                raise ValueError(f"filters: {item.field} needs a call, there is no list")
        for call in (*self.create, *self.update):
            if unknown := [name for name in (*(call.fields or ()), *call.when) if name not in self.fields]:
                raise ValueError(f"a call names a field there is not: {unknown[0]}")
        for name in self.leave:
            if name not in self.fields or self.fields[name].links is None:
                raise ValueError(f"leave: {name} has no links")
        if self.list is not None and (unknown := [name for name in self.list.sort if name not in self.fields]):
            raise ValueError(f"list.sort: there is no field {unknown[0]}")
        if self.version is not None and self.version.at is None and not (self.list is None or self.list.thin):
            raise ValueError(
                "a version from a header needs `at` too, or a thin list: lists have no header for each record"
            )
        return self


class RestSettings(HttpSettings):
    """A REST or JSON-RPC system and its entities."""

    entities: dict[str, EntitySettings] = Field(min_length=1, description="The entities, by name.")
    errors: tuple[ErrorSettings, ...] = Field(
        default=(), description="Answers with a meaning of their own, looked through before the usual statuses."
    )
    envelope: Any = Field(
        default=None,
        description="What every body is put into: `{jsonrpc: '2.0', id: '{@id}', method: '{@name}', "
        "params: '{@body}'}`; every call is then a POST unless it says otherwise.",
    )
    ping: CallSettings | None = Field(
        default=None, description="The cheapest call that proves the system works; a GET of the base URL if not given."
    )
    at_once: int = Field(default=8, ge=1, le=64, description="Calls made at once where one answer takes many.")

    @model_validator(mode="after")
    def _entities(self) -> RestSettings:
        for name, entity in self.entities.items():
            for field_name, field in entity.fields.items():
                if field.refers is not None and field.refers not in self.entities:
                    raise ValueError(f"entities.{name}.fields.{field_name}.refers: there is no entity {field.refers}")
                if field.through is not None:
                    other, _, far = field.through.partition(".")
                    if other not in self.entities or far not in self.entities[other].fields:
                        raise ValueError(f"entities.{name}.fields.{field_name}.through: there is no {field.through}")
        return self
