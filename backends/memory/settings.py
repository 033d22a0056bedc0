"""Settings of the memory backend: which entities there are, what a record of each has, and what it cannot do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, field_validator, model_validator

from backends.contract import KEY, Op, Write

Type = Literal["str", "int", "float", "decimal", "bool", "bytes", "date", "datetime"]
Power = Literal[
    "filters", "logic", "sort", "offset", "total", "deltas", "versions", "atomic", "create", "update", "delete"
]

TYPES: Mapping[str, type[Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "decimal": Decimal,
    "bool": bool,
    "bytes": bytes,
    "date": date,
    "datetime": datetime,
}


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldSettings(_Settings):
    """One field; `login: str` is short for `login: {type: str}`."""

    type: Type = Field(default="str", description="What its values are.")
    many: bool = Field(default=False, description="Holds any number of values; always so for rows and inverse fields.")
    row: dict[str, Type] | None = Field(default=None, description="Its values are rows: the columns and their types.")
    row_key: tuple[str, ...] = Field(default=(), description="The columns that tell rows of one record apart.")
    refers: str | None = Field(default=None, description="Its values are keys of this entity.")
    inverse: str | None = Field(
        default=None, description="`entity.field` that refers here: shows who does, and cannot be written."
    )
    unique: bool = Field(default=False, description="No two records have the same value.")
    ignore_case: bool = Field(default=False, description="Values that differ in case only count as the same one.")
    required: bool = Field(default=False, description="Never empty.")
    write: Write = Field(default=Write.ALWAYS, description="When it may be written: `always`, `create` or `never`.")
    max_length: int | None = Field(default=None, gt=0, description="Longest text, in characters.")

    @model_validator(mode="before")
    @classmethod
    def _implied(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"type": value}
        if isinstance(value, dict) and (value.get("row") is not None or value.get("inverse") is not None):
            value = {"many": True, **value}
        return value

    @model_validator(mode="after")
    def _sound(self) -> FieldSettings:
        if self.row is not None and (unknown := set(self.row_key) - set(self.row)):
            raise ValueError(f"row_key: there is no column {min(unknown)}")
        if self.row_key and self.row is None:
            raise ValueError("row_key: the field has no rows")
        if (self.row is not None or self.inverse is not None) and not self.many:
            raise ValueError("many: cannot be false here")
        if self.unique and self.many:
            raise ValueError("unique: a field of many values cannot be")
        if self.inverse is not None and self.model_fields_set - {"inverse", "many"}:
            raise ValueError("an inverse field takes no other setting")
        if self.refers is not None and (self.type != "str" or self.row is not None):
            raise ValueError("refers: keys are of type str")
        return self


class EntitySettings(_Settings):
    """One entity."""

    key: str = Field(default="uuid", description="Where keys come from: `uuid`, `sequence`, or the name of a field.")
    fields: dict[str, FieldSettings] = Field(min_length=1, description="The fields of a record.")
    records: tuple[dict[str, Any], ...] = Field(
        default=(), repr=False, description="Records that are there from the start; `@key` gives one its key."
    )
    without: frozenset[Power] = Field(default=frozenset(), description="What the entity shall not be able to do.")
    filters: dict[str, tuple[Op, ...]] | None = Field(
        default=None, description="The only filters it takes: field, `rows.column` or `@key`, and the operators."
    )
    loose: frozenset[str] = Field(
        default=frozenset(), description="Fields whose filters are answered by a superset: by everything."
    )
    serialize: bool = Field(
        default=False, description="Updates read the whole record, merge, and write it: two at once lose one."
    )

    @field_validator("fields", mode="after")
    @classmethod
    def _named(cls, fields: dict[str, FieldSettings]) -> dict[str, FieldSettings]:
        for name in fields:
            if not name or "." in name or name == KEY:
                raise ValueError(f"{name!r} is no name for a field")
        return fields

    @model_validator(mode="after")
    def _sound(self) -> EntitySettings:
        if self.key not in ("uuid", "sequence"):
            field = self.fields.get(self.key)
            if field is None or field.many or field.type != "str" or not field.required:
                raise ValueError(f"key: {self.key} is neither uuid, sequence nor a required field of one text")
        known = {KEY, *self.fields}
        known |= {f"{name}.{column}" for name, field in self.fields.items() for column in field.row or ()}
        if unknown := (set(self.filters or ()) | self.loose) - known:
            raise ValueError(f"there is no field {min(unknown)}")
        for place, record in enumerate(self.records):
            for name in record:
                if name != KEY and (name not in self.fields or self.fields[name].inverse is not None):
                    raise ValueError(f"records.{place}: {name} cannot be given")
        return self

    def seeds(self) -> list[dict[str, Any]]:
        """Give the records with every value in its native type; raise ValueError for one that has none."""
        return [
            {name: value if name == KEY else _native(self.fields[name], value) for name, value in record.items()}
            for record in self.records
        ]


class MemorySettings(_Settings):
    """Everything the memory backend can be told."""

    entities: dict[str, EntitySettings] = Field(min_length=1, description="The entities by name.")

    @model_validator(mode="after")
    def _sound(self) -> MemorySettings:
        for name, entity in self.entities.items():
            for field_name, field in entity.fields.items():
                where = f"entities.{name}.fields.{field_name}"
                if field.refers is not None and field.refers not in self.entities:
                    raise ValueError(f"{where}.refers: there is no entity {field.refers}")
                if field.inverse is not None:
                    other, _, back = field.inverse.partition(".")
                    source = self.entities[other].fields.get(back) if other in self.entities else None
                    if source is None or source.refers != name:
                        raise ValueError(f"{where}.inverse: {field.inverse} does not refer to {name}")
            entity.seeds()
        return self


def _native(field: FieldSettings, value: Any) -> Any:
    if field.row is not None:
        adapters = {column: _adapter(type_) for column, type_ in field.row.items()}
        return tuple(
            {column: None if item is None else adapters[column].validate_python(item) for column, item in row.items()}
            for row in value or ()
        )
    adapter = _adapter(field.type)
    if field.many:
        return tuple(adapter.validate_python(item) for item in value or ())
    return None if value is None else adapter.validate_python(value)


def _adapter(type_: str) -> TypeAdapter[Any]:
    return TypeAdapter(AwareDatetime if type_ == "datetime" else TYPES[type_])
