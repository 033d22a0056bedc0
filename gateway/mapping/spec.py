"""The configuration language of one resource type: what stands under ``tenants.<name>.resources.<type>``.

Only shapes are checked here; `compile_mapping` holds them against the SCIM schema and the fields of the backend.
Every form of an attribute is read into one `AttributeSpec`; ``gateway/mapping/README.md`` is the reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from gateway.scim.schema import Mutability, Returned, Uniqueness

Constant = str | int | float | bool | date | None
"""A value that stands in the configuration itself."""

GATEWAY = "gateway"
"""The backend that is always there: the gateway's own store, for what no system behind has a place for."""

_PLACES = frozenset({"field", "fields", "rows", "constant"})
_CODEC_SCHEMA: dict[str, Any] = {
    "description": "a codec by name, {name: arguments}, or a list of those: what is written passes from left to right",
    "anyOf": [
        {"type": "string"},
        {"type": "object", "minProperties": 1, "maxProperties": 1},
        {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object"}]}},
    ],
}


class Spec(BaseModel):
    """A part of the configuration: unknown keys are errors, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class CodecSpec(Spec):
    """One codec: its name and its arguments, None where only the name is given."""

    name: str
    arguments: Any = None


def _codecs(value: Any) -> Any:
    if value is None:
        return ()
    steps = value if isinstance(value, list | tuple) else [value]
    return tuple(_codec(step) for step in steps)


def _codec(value: Any) -> Any:
    if isinstance(value, str):
        return CodecSpec(name=value)
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, arguments),) = value.items()
        return CodecSpec(name=str(name), arguments=arguments)
    if isinstance(value, CodecSpec):
        return value
    raise ValueError("a codec is its name, or one name with its arguments: {name: arguments}")


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


_NAMES_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
Codecs = Annotated[tuple[CodecSpec, ...], BeforeValidator(_codecs), WithJsonSchema(_CODEC_SCHEMA)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names), WithJsonSchema(_NAMES_SCHEMA)]


def _attribute(value: Any) -> Any:
    """Read the short forms: a field's name, a list of sources, an object of sub-attributes."""
    if isinstance(value, str):
        return {"field": value}
    if isinstance(value, list | tuple):
        return {"sources": value}
    if isinstance(value, Mapping) and not _PLACES & value.keys() and not {"parts", "sources"} & value.keys():
        return {"parts": value}
    return value


class AttributeSpec(Spec):
    """Where one attribute lives and how its values are written there.

    Exactly one of `field`, `fields`, `rows`, `constant`, `parts` and `sources` is given: one native field, several for
    one attribute, a field made of rows, a value of the configuration itself, an object of sub-attributes, or several
    places whose values are read together and written to the first that takes them.
    """

    field: str | None = Field(None, description="The native field.")
    fields: Names = Field((), description="Several native fields for one attribute; `join` makes one of them.")
    rows: str | None = Field(None, description="The native field whose rows are the values of the attribute.")
    each: dict[str, AttributeForm] = Field({}, description="Which column of a row is which sub-attribute.")
    constant: Constant = Field(None, description="A value that stands in no field: it is always this one.")
    parts: dict[str, AttributeForm] = Field({}, description="Where each sub-attribute lives; written without this key.")
    sources: tuple[AttributeForm, ...] = Field(
        (), description="Several places, the preferred first; written as a list, without this key."
    )
    many: bool | None = Field(
        None, description="Whether the native field has several values; needed only where the backend cannot tell."
    )
    codec: Codecs = Field((), description="How values are written and read: a codec, or a list from SCIM to native.")
    to_backend: str | None = Field(
        None,
        min_length=1,
        description="An expression (CEL) that computes what is written of what was sent. Without `to_scim` it is never "
        "read.",
    )
    to_scim: str | None = Field(
        None,
        min_length=1,
        description="An expression (CEL) that computes the value of what is read. "
        "Without `to_backend` it cannot be set.",
    )
    keep: Literal["spelling", "parts", "unknown"] | None = Field(
        None,
        description="Keep what was sent beside the native value and return it for as long as that one means the same: "
        "another `spelling`, `parts` one field cannot tell apart, values the codec does not know (`unknown`).",
    )
    reference: Names = Field((), description="The field refers to resources of this type, or of one of these.")
    by: str | None = Field(
        None, description="The field of the referenced entity the reference holds if not its key; `@id`: the SCIM id."
    )
    show: str | None = Field(None, description="The field of the referenced entity that is shown as its name.")
    write: Literal["always", "create", "never"] = Field(
        "always", description="When the attribute may change, if less often than the backend allows."
    )

    @model_validator(mode="after")
    def _check(self) -> AttributeSpec:
        given = [name for name in (*sorted(_PLACES), "parts", "sources") if name in self.model_fields_set]
        if len(given) != 1:
            raise ValueError(f"give one of field, fields, rows, constant, not {' and '.join(given) or 'none of them'}")
        if given[0] == "fields" and len(self.fields) < 2:
            raise ValueError("fields: name at least two fields; for one there is `field`")
        if self.computed and given[0] not in ("field", "fields"):
            raise ValueError("to_backend, to_scim: compute from `field` or `fields`, and neither is here")
        if self.computed and self.reference:
            raise ValueError("to_backend, to_scim: a `reference` is looked up, not computed")
        if self.keep is not None and self.computed and not (self.to_backend and self.to_scim):
            raise ValueError("keep: is for what is written and read; there is only one expression")
        if self.each and given[0] != "rows":
            raise ValueError("each: says what the columns of `rows` are; there is no `rows` here")
        if given[0] in ("constant", "parts", "sources"):
            extra = self.model_fields_set - {given[0], "keep"}
            if extra:
                raise ValueError(f"{', '.join(sorted(extra))}: means nothing beside `{given[0]}`")
        if self.by is not None and not self.reference:
            raise ValueError("by: says what a `reference` holds; there is no `reference` here")
        if self.show is not None and not self.reference:
            raise ValueError("show: says what of a `reference` is shown; there is no `reference` here")
        return self

    @property
    def computed(self) -> bool:
        """Whether an expression computes it, one way or the other."""
        return self.to_backend is not None or self.to_scim is not None


class _Forms:
    """Tells editors of the short forms, which pydantic cannot see behind the validator."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        place = handler(core)
        inner = {"anyOf": [{"type": "string"}, place]}
        return {
            "anyOf": [
                {"type": "string", "description": "the native field"},
                place,
                {"type": "object", "description": "sub-attribute -> where it lives", "additionalProperties": inner},
                {"type": "array", "description": "several places, in order of preference", "items": inner},
            ]
        }


AttributeForm = Annotated[AttributeSpec, BeforeValidator(_attribute), _Forms()]


class DeadMark(Spec):
    """`on_delete: {set: …}`: deleting writes these native values, and a record that has them is not there."""

    set: dict[str, str | int | float | bool | date] = Field(
        description="Native fields and the values that mark the dead."
    )

    @field_validator("set")
    @classmethod
    def _not_empty(cls, value: dict[str, Any]) -> dict[str, Any]:
        if not value:
            raise ValueError("name at least one field")
        return value


def _kind(value: Any) -> str:
    return "mark" if isinstance(value, Mapping | DeadMark) else "policy"


OnDelete = Annotated[
    Annotated[DeadMark, Tag("mark")] | Annotated[Literal["delete", "refuse"], Tag("policy")], Discriminator(_kind)
]


class OverrideSpec(Spec):
    """What differs from the schema for one attribute of this tenant; what is not given stays as the schema says."""

    mutability: Mutability | None = None
    required: bool | None = None
    returned: Returned | None = None
    uniqueness: Uniqueness | None = None
    case_exact: bool | None = Field(None, alias="caseExact")


class ExtensionSpec(Spec):
    """An extension of the resource type."""

    urn: str = Field(alias="schema")
    required: bool = False


def _extension(value: Any) -> Any:
    return {"schema": value} if isinstance(value, str) else value


def _entity_unless_resident(schema: dict[str, Any]) -> None:
    """Tell editors that `entity` is needed unless the resource lives with the gateway."""
    schema["if"] = {"properties": {"backend": {"const": GATEWAY}}}
    schema["else"] = {"required": ["entity"]}


class ResourceSpec(Spec):
    """One resource type of one tenant: which entity holds it, and where each attribute lives."""

    model_config = ConfigDict(json_schema_extra=_entity_unless_resident)

    backend: str = Field(
        description="The name of the backend that holds the records; `gateway`: they live in the gateway's own store."
    )
    entity: str = Field(
        "",
        validate_default=True,
        description="The backend's entity whose records are the resources; needed for all but `backend: gateway`.",
    )
    attributes: dict[str, AttributeForm] = Field({}, description="Where each attribute lives: SCIM path -> place.")
    unmapped: Literal["keep", "drop", "refuse"] = Field(
        "refuse", description="What becomes of what has no place: kept by the gateway, dropped, or refused with 400."
    )
    on_delete: OnDelete = Field(
        description="What DELETE does: `delete` the record, `{ set: { field: value } }` to mark it, or `refuse`."
    )
    on_deactivate: Literal["delete", "refuse"] | None = Field(
        None, description="What a deactivation does where `active` has no place."
    )
    on_conflict: Literal["reject", "adopt", "reactivate"] = Field(
        "reject", description="What a create does that meets an account which is there."
    )
    endpoint: str | None = Field(None, description="The endpoint; the resource type's own if left out.")
    urn: str | None = Field(None, alias="schema", description="URN of the base schema of a type of your own.")
    extensions: tuple[Annotated[ExtensionSpec, BeforeValidator(_extension)], ...] | None = Field(
        None, description="URNs of the extensions; those of the standard type if left out."
    )
    overrides: dict[str, OverrideSpec] = Field(
        {},
        description="What differs from the schema: SCIM path -> mutability, required, returned, uniqueness, caseExact.",
    )

    @field_validator("entity")
    @classmethod
    def _placed(cls, entity: str, info: ValidationInfo) -> str:
        resident = info.data.get("backend") == GATEWAY
        if resident and entity:
            raise ValueError("means nothing here: the gateway has a place of its own for each resource type")
        if not resident and not entity:
            raise PydanticCustomError("missing", "Field required")
        return entity

    @property
    def is_resident(self) -> bool:
        """Whether the resources live in the gateway's own store."""
        return self.backend == GATEWAY


AttributeSpec.model_rebuild()
