"""What a resident is made of: single texts and flags, lists of ids, and nothing else.

Everything more of a resource is kept by the id map, as what has no native home always is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict

from backends.contract import KEY, Capabilities, Field, Fields, Match, Op, RejectedError, Scalar, Value

LONGEST_ITEM = 256
"""Characters of one value of a list, which is part of an index; an id has 36."""

_PLAIN = (Op.EQ, Op.NE, Op.IN, Op.PR)
_TEXT = ((op, folded) for op in (Op.EQ, Op.NE, Op.IN, Op.CO, Op.SW, Op.EW) for folded in (False, True))
_FILTERS: Mapping[str, Mapping[tuple[Op, bool], Match]] = MappingProxyType(
    {
        "text": dict.fromkeys(((Op.PR, False), *_TEXT), Match.EXACT),
        "flag": {(op, False): Match.EXACT for op in _PLAIN},
        "list": {(op, False): Match.EXACT for op in (Op.EQ, Op.IN, Op.PR)},
    }
)


class FieldSettings(BaseModel):
    """One field.

    `unique` takes case into account only with `case_exact`. `filled`: it has always been required, so that no record is
    without it. `default` is what a new record has that is given nothing.
    `refers`: the list holds keys of records of that entity, and not ids.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["text", "flag", "list"] = "text"
    unique: bool = False
    required: bool = False
    case_exact: bool = False
    filled: bool = False
    default: bool | None = None
    refers: str | None = None

    @property
    def described(self) -> Field:
        """Describe the field in the words of the contract."""
        return Field(
            bool if self.kind == "flag" else str,
            many=self.kind == "list",
            refers=self.refers,
            unique=self.unique,
            required=self.required,
            max_length=LONGEST_ITEM if self.kind == "list" else None,
        )


class EntitySettings(BaseModel):
    """One resource type of one tenant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: str
    type: str
    fields: dict[str, FieldSettings]

    @property
    def place(self) -> dict[str, str]:
        """Name the place of the records in the store, as the parameters of every statement."""
        return {"tenant": self.tenant, "entity": self.type}

    @property
    def lists(self) -> frozenset[str]:
        """Name the fields with several values."""
        return frozenset(name for name, field in self.fields.items() if field.kind == "list")

    @property
    def capabilities(self) -> Capabilities:
        """Tell what can be done with the entity."""
        filters = {name: _FILTERS[field.kind] for name, field in self.fields.items()}
        keys = {(op, False): Match.EXACT for op in (Op.EQ, Op.NE, Op.IN)}
        return Capabilities(
            filters={KEY: keys, **filters},
            logic=frozenset({"and", "or", "not"}),
            sort=frozenset(name for name, field in self.fields.items() if field.kind == "text"),
            offset=True,
            total=True,
            deltas=self.lists,
            versions=True,
            atomic=True,
            writes=frozenset({"create", "update", "delete"}),
        )

    def check(self, fields: Fields) -> None:
        """Check what is written to fields; raise `RejectedError` naming the first that cannot be."""
        for name, value in fields.items():
            field = self.fields.get(name)
            if field is None:
                raise RejectedError("there is no such field", name)
            if field.required and value in (None, "", ()):
                raise RejectedError("the field must not be empty", name)
            if value is not None and isinstance(value, tuple) != (field.kind == "list"):
                raise RejectedError("the field has many values" if field.kind == "list" else "has one value", name)
            for item in _items(value):
                _check_item(name, field, item)

    def check_new(self, fields: Fields) -> None:
        """Check a whole new record."""
        self.check(fields)
        for name, field in self.fields.items():
            if field.required and name not in fields:
                raise RejectedError("the field must not be empty", name)


class ResidenceSettings(BaseModel):
    """Everything that lives with the gateway. Made from the tenants' sections, not written by anybody."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    entities: dict[str, EntitySettings]

    def referring(self, entity: str) -> frozenset[str]:
        """Name the lists of the same tenant that hold keys of this entity."""
        tenant = self.entities[entity].tenant
        return frozenset(
            name
            for other in self.entities.values()
            if other.tenant == tenant
            for name, field in other.fields.items()
            if field.refers == entity
        )


def is_holdable(text: str) -> bool:
    """Tell whether every store can hold a text: PostgreSQL takes neither U+0000 nor a lone surrogate."""
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _items(value: Value) -> Iterable[object]:
    return value if isinstance(value, tuple) else () if value is None else (value,)


def _check_item(name: str, field: FieldSettings, item: object) -> None:
    kind: type[Scalar] = bool if field.kind == "flag" else str
    if type(item) is not kind:
        raise RejectedError(f"a value must be of type {kind.__name__}", name)
    if isinstance(item, str):
        if not is_holdable(item):
            raise RejectedError("a value has characters that cannot be stored", name)
        if field.kind == "list" and not 0 < len(item) <= LONGEST_ITEM:
            raise RejectedError(f"a value has 1 to {LONGEST_ITEM} characters", name)
